"""The user's terminal gets its settings back, whatever ended the session."""

from __future__ import annotations

import os
import re
import signal
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

import keepshell
from tests.support.processes import is_gone
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

Start = Callable[..., Terminal]

WAIT = "import os, tty; tty.setraw(0); os.write(1, b'READY'); os.read(0, 1)"


@pytest.fixture
def start(start_terminal: Start, keepshell_exe: Path) -> Start:
    def run(code: str = WAIT, **parameters: object) -> Terminal:
        argv = [str(keepshell_exe), "run", "--", sys.executable, "-S", "-c", code]
        return start_terminal(argv, job=True, **parameters)

    return run


def is_raw(terminal: Terminal) -> bool:
    return not terminal.local_modes & (termios.ICANON | termios.ECHO | termios.ISIG)


def ready(terminal: Terminal) -> None:
    terminal.expect("READY")
    eventually(lambda: is_raw(terminal), "the outer terminal is raw")


def test_after_a_normal_exit(start: Start) -> None:
    seen = []
    terminal = start(prepare=lambda fd: seen.append(termios.tcgetattr(fd)))
    ready(terminal)
    terminal.send("x")
    assert terminal.wait() == 0
    assert terminal.termios() == seen[0]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"])
def test_after_a_signal(start: Start, name: str) -> None:
    seen = []
    terminal = start(prepare=lambda fd: seen.append(termios.tcgetattr(fd)))
    ready(terminal)
    terminal.signal(getattr(signal, name))
    # A Python child takes SIGINT as an exception and exits 1, the others as they are.
    assert terminal.wait() in (-getattr(signal, name), 1)
    assert terminal.termios() == seen[0]


def test_after_kill_9_of_the_child(start: Start) -> None:
    seen = []
    code = WAIT.replace("b'READY'", "b'<%d>READY' % os.getpid()")
    terminal = start(code, prepare=lambda fd: seen.append(termios.tcgetattr(fd)))
    ready(terminal)
    found = re.search(rb"<(\d+)>", terminal.output)
    assert found is not None
    os.kill(int(found.group(1)), signal.SIGKILL)
    assert terminal.wait() == -signal.SIGKILL
    assert terminal.termios() == seen[0]


def test_after_a_fault_of_ours(
    start_terminal: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception in the loop: settings back, one line that says so, exit status 70."""
    (tmp_path / "sitecustomize.py").write_text(
        "import keepshell.core.session as session\n"
        "def fail(*_):\n"
        "    raise RuntimeError('a fault')\n"
        "session.Session.user_sent = fail\n"
    )
    # What is found by PYTHONPATH listens to it, nothing else of ours does.
    root = Path(keepshell.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{root}")
    seen = []
    argv = [sys.executable, "-m", "keepshell", "run", "--", sys.executable, "-S", "-c", WAIT]
    terminal = start_terminal(argv, job=True, prepare=lambda fd: seen.append(termios.tcgetattr(fd)))
    ready(terminal)
    terminal.send("x")
    assert terminal.wait() == 70
    terminal.expect("keepshell: internal error: RuntimeError: a fault")
    assert terminal.termios() == seen[0]


def test_a_closed_window_ends_the_child(start: Start, tmp_path: Path) -> None:
    note = tmp_path / "note"
    code = (
        "import os, signal, tty\n"
        f"def hup(*_): open({str(note)!r}, 'w').write('hup'); os._exit(0)\n"
        "signal.signal(signal.SIGHUP, hup)\n"
        "tty.setraw(0); os.write(1, b'READY')\n"
        "while True: signal.pause()\n"
    )
    terminal = start(code)
    ready(terminal)
    pid = terminal.pid
    terminal.hang_up()
    eventually(note.exists, "the child gets SIGHUP")
    eventually(lambda: is_gone(pid), "keepshell has ended")
