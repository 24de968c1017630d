"""After the child's end nothing of ours changes the status: not even that we are gone."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import keepshell
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.trace import Trace
from tests.support.waiting import eventually

Start = Callable[..., Terminal]

# As the console script, from another folder; once the file `gone` is there, whatever is still
# imported is noted, and fails.
LAUNCH = """
import os, sys
folder, gone, missed, *argv = sys.argv[1:]

class Gone:
    def find_spec(self, name, path=None, target=None):
        if os.path.exists(gone):
            with open(missed, "a") as file:
                print(name, file=file)
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Gone())
sys.path.insert(0, folder)
from keepshell.cli.main import main
sys.exit(main(["keepshell", *argv]))
"""


@pytest.fixture
def moved(tmp_path: Path) -> tuple[list[str], Callable[[], None], Path]:
    """How to start a keepshell, what takes it away, and what it missed then."""
    folder, gone, missed = tmp_path / "lib", tmp_path / "gone", tmp_path / "missed"
    shutil.copytree(Path(keepshell.__file__).parent, folder / "keepshell")

    def move() -> None:
        folder.rename(tmp_path / "elsewhere")
        gone.touch()

    launch = [sys.executable, "-c", LAUNCH, str(folder), str(gone), str(missed)]
    return launch, move, missed


@pytest.mark.parametrize("rung", ["window-change", "no-op"])
def test_the_package_moves_away(
    sshd: Sshd,
    start_terminal: Start,
    moved: tuple[list[str], Callable[[], None], Path],
    trace: Trace,
    rung: str,
) -> None:
    launch, move, missed = moved
    options = ["--window-change-interval", "0.2s"]
    options += ["--idle-limit", "60s"] if rung == "no-op" else []
    # Without ServerAlive, window-changes are sent.
    words = ["ssh", "-o", "ServerAliveInterval=0", *sshd.access.ssh_args()]
    terminal = start_terminal([*launch, *options, *words])
    terminal.expect(PROMPT)
    trace.wait_for("ready-to-end")
    move()
    terminal.send_line("echo $((6*7))")
    terminal.expect("42\r\n")
    terminal.send_line("exit 7")
    shown = terminal.read_to_end()
    assert terminal.wait() == 7
    assert not missed.exists(), missed.read_text()
    assert shown.endswith(b"closed.\r\r\n")
    assert trace.named("ended")
    state = Path(os.environ["XDG_STATE_HOME"], "keepshell", "state.db")
    with sqlite3.connect(state) as database:
        assert database.execute("SELECT count(*) FROM session").fetchone() == (1,)


def test_the_package_moves_away_and_the_session_drops(
    sshd: Sshd,
    start_terminal: Start,
    moved: tuple[list[str], Callable[[], None], Path],
    trace: Trace,
) -> None:
    launch, move, missed = moved
    terminal = start_terminal([*launch, "ssh", *sshd.access.ssh_args()])
    terminal.expect(PROMPT)
    trace.wait_for("ready-to-end")
    move()
    sshd.stop()
    shown = terminal.read_to_end()
    assert terminal.wait() == 255
    assert not missed.exists(), missed.read_text()
    assert b"keepshell: session dropped: " in shown


def test_the_package_moves_away_at_once(
    sshd: Sshd, start_terminal: Start, moved: tuple[list[str], Callable[[], None], Path]
) -> None:
    """Before anything was loaded for the end: not remembered, but the status is ssh's."""
    launch, move, _ = moved
    terminal = start_terminal([*launch, "ssh", *sshd.access.ssh_args()])
    terminal.expect(PROMPT)
    move()
    terminal.send_line("exit 7")
    shown = terminal.read_to_end()
    assert terminal.wait() == 7
    assert b"Traceback" not in shown


def test_a_state_that_hangs_ends_with_the_session(
    sshd: Sshd, start_terminal: Start, keepshell_exe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A FIFO in the place of every file of ours."""
    folder = Path(os.environ["XDG_STATE_HOME"], "keepshell")
    folder.mkdir(mode=0o700)
    for name in ("state.db", "state.db-wal", "state.db-journal", "state.db.new"):
        os.mkfifo(folder / name)
    terminal = start_terminal([str(keepshell_exe), "ssh", *sshd.access.ssh_args()])
    terminal.expect(PROMPT)
    terminal.send_line("exit 7")
    assert terminal.wait() == 7


def test_a_key_after_the_end_changes_nothing(start_terminal: Start, keepshell_exe: Path) -> None:
    """^C, typed as the child ends, may meet us while we write down what was."""
    script = "trap '' INT; kill -INT $PPID; exit 7"
    for _ in range(20):
        terminal = start_terminal([str(keepshell_exe), "run", "--", "sh", "-c", script], job=True)
        assert terminal.wait() in (7, -signal.SIGINT)  # before it relays, it is only a program


def test_a_stderr_that_is_gone(
    sshd: Sshd, start_terminal: Start, keepshell_exe: Path, tmp_path: Path
) -> None:
    """What we say goes nowhere, and the status stays."""
    words = [str(keepshell_exe), "ssh", *sshd.access.ssh_args()]
    terminal = start_terminal(["sh", "-c", '"$@" 2>/dev/full; echo status $?', "sh", *words])
    terminal.expect(PROMPT)
    sshd.stop()
    terminal.expect("status 255")


def test_the_live_file_is_gone_after_the_end(
    sshd: Sshd, start_terminal: Start, keepshell_exe: Path
) -> None:
    folder = Path(os.environ["XDG_RUNTIME_DIR"], "keepshell")
    terminal = start_terminal([str(keepshell_exe), "ssh", *sshd.access.ssh_args()])
    terminal.expect(PROMPT)
    eventually(lambda: list(folder.glob("*.json")), "a live file")
    terminal.hang_up()
    terminal.wait()
    assert list(folder.iterdir()) == []
