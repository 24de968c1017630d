"""The sessions that run now: seen, never confused with another process, switched off and on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from keepshell.process import started_at
from tests.support.cli import keepshell
from tests.support.processes import is_gone
from tests.support.programs import path_of
from tests.support.terminal import Terminal
from tests.support.trace import Trace
from tests.support.waiting import DEADLINE, eventually

Start = Callable[..., Terminal]

EVERY = "0.5s"


@pytest.fixture
def folder() -> Path:
    return Path(os.environ["XDG_RUNTIME_DIR"], "keepshell")


@pytest.fixture
def keep(start_terminal: Start, keepshell_exe: Path, folder: Path) -> Start:
    """Runs `cat` under keepshell, in raw mode so that it counts as a session, until it is shown."""

    def start(*options: str, prefix: tuple[str, ...] = ()) -> Terminal:
        script = "stty raw -echo; echo READY; exec cat"
        argv = [*prefix, str(keepshell_exe), "--window-change-interval", EVERY, *options]
        terminal = start_terminal([*argv, "run", "--", "sh", "-c", script])
        terminal.expect("READY")
        eventually(lambda: list(folder.glob("*.json")), "a live file")
        return terminal

    return start


def shown() -> list[dict[str, Any]]:
    return [json.loads(line) for line in keepshell("status", "--json").stdout.splitlines()]


def one() -> dict[str, Any]:
    (only,) = shown()
    return only


def test_a_session_is_seen_from_its_begin_to_its_end(keep: Start, folder: Path) -> None:
    assert shown() == []
    terminal = keep("--rung", "off")
    entry = one()
    assert entry["pid"] == terminal.pid
    assert (entry["host"], entry["name"], entry["rung"]) == (None, "sh", "off")
    assert (entry["keepalives"], entry["last_keepalive"], entry["next"]) == (0, None, None)
    assert (entry["hold"], entry["off"]) == (None, False)
    assert entry["terminal"].startswith("/dev/pts/")
    process = psutil.Process(terminal.pid)
    assert entry["start"] == pytest.approx(process.create_time() - psutil.boot_time(), abs=1.5)
    assert process.create_time() - 1.5 <= entry["since"] <= entry["written"]
    assert 0 <= entry["user_idle"] <= 1.5 + entry["written"] - entry["since"] + DEADLINE
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]
    assert folder.stat().st_mode & 0o777 == 0o700
    (child,) = process.children()
    child.kill()
    terminal.wait()
    assert list(folder.iterdir()) == []
    assert shown() == []


def test_it_is_written_when_a_keepalive_goes_out(keep: Start, trace: Trace) -> None:
    terminal = keep()
    trace.wait_for("nudge-sent", 3)
    entry = eventually(lambda: one()["keepalives"] >= 3 and one(), "three keepalives")
    assert entry["rung"] == "window-change"
    assert entry["interval"] == 0.5
    assert entry["since"] < entry["last_keepalive"] <= entry["written"] < entry["next"]
    assert entry["next"] - entry["last_keepalive"] == pytest.approx(0.5, abs=0.01)
    assert terminal.running


def test_a_hold_is_shown_with_its_reason(
    start_terminal: Start, keepshell_exe: Path, trace: Trace
) -> None:
    script = "stty raw; echo READY; read go; stty -raw; exec cat"
    argv = [str(keepshell_exe), "--window-change-interval", EVERY, "run", "--", "sh", "-c", script]
    terminal = start_terminal(argv)
    terminal.expect("READY")
    eventually(shown, "the session, which begins when keepshell has seen the raw terminal")
    terminal.send("\n")
    trace.wait_for("hold")
    assert eventually(lambda: one()["hold"], "a hold") == "ssh is asking you something"
    table = keepshell("status").stdout
    assert "ssh is asking you something" in table


def test_off_and_on(keep: Start, trace: Trace) -> None:
    terminal = keep()
    trace.wait_for("nudge-sent", 1)
    said = keepshell("off", str(terminal.pid)).stdout
    assert (
        said == f"sh (pid {terminal.pid}): keepalives off; ssh's own ServerAlive requests go on\n"
    )
    off = eventually(lambda: one()["off"] and one(), "off")
    assert (off["rung"], off["next"]) == ("server-alive", None)
    sent = len(trace.named("nudge-sent"))
    witness = keep()  # another session's keepalives go on, and are waited for
    eventually(lambda: len(nudges_of(trace)) >= sent + 4, "the keepalives of the other")
    assert entry_of(terminal)["keepalives"] == off["keepalives"]
    assert "switched off" in keepshell("status").stdout
    said = keepshell("on", "sh").stdout
    assert sorted(said.splitlines()) == sorted(
        f"sh (pid {pid}): keepalives on" for pid in (terminal.pid, witness.pid)
    )
    eventually(lambda: entry_of(terminal)["keepalives"] > off["keepalives"], "a keepalive")
    assert entry_of(terminal)["off"] is False


def nudges_of(trace: Trace) -> list[dict[str, Any]]:
    return trace.named("nudge-sent")


def entry_of(terminal: Terminal) -> dict[str, Any]:
    return next(entry for entry in shown() if entry["pid"] == terminal.pid)


@pytest.mark.parametrize("word", ["1", "nonesuch", "me@web:22", "-x", "4294967296"])
def test_a_session_that_is_none_is_not_switched(keep: Start, word: str) -> None:
    terminal = keep("--rung", "off")
    done = keepshell("off", "--", word, status=1)
    assert done.stderr.startswith(f"keepshell: no session with {word} is running")
    assert terminal.running
    assert one()["off"] is False


def test_another_process_with_the_same_pid_gets_no_signal(folder: Path) -> None:
    """SIGUSR1 would kill it."""
    other = subprocess.Popen(["sleep", "1000"])
    try:
        folder.mkdir()
        path = folder / f"{other.pid}.json"
        path.write_text(json.dumps(entry_with(pid=other.pid, start=1.0)))
        keepshell("off", str(other.pid), status=1)
        assert not path.exists()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def entry_with(**fields: object) -> dict[str, object]:
    names = ("host", "terminal", "user_at", "last_keepalive", "next", "hold")
    entry: dict[str, object] = dict.fromkeys(names)
    entry |= {"since": 1.0, "written": 1.0, "rung": "off", "interval": 60, "keepalives": 0}
    return {**entry, "name": "web", "start": None, "off": False, **fields}


def test_stale_files_are_swept_and_others_are_left(folder: Path) -> None:
    folder.mkdir()
    ended = subprocess.Popen(["true"])
    ended.wait()
    start = started_at(os.getpid())
    mine, theirs = os.getpid(), os.getppid()
    files = {
        f"{ended.pid}.json": entry_with(pid=ended.pid, start=5.0),
        f"{ended.pid}.json.new": None,
        f"{mine}.json": entry_with(pid=mine, start=start),
        f"{theirs}.json": entry_with(pid=theirs, start=(start or 0) + 60),
        f"{theirs}.json.new": None,
        "notes.txt": None,
        "77777777.json": "torn",
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content) if content else "{")
    assert [entry["pid"] for entry in shown()] == [mine]
    assert {path.name for path in folder.iterdir()} == {
        f"{mine}.json",
        f"{theirs}.json.new",  # that process may be about to rename it
        "notes.txt",
    }


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"pid": 1}', b"\xff\xfe", b'{"pid":' + b"[" * 100_000],
)
def test_a_file_that_is_no_live_file_is_not_shown(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / f"{os.getpid()}.json").write_bytes(content)
    assert shown() == []


def test_without_proc_the_time_of_writing_tells(folder: Path) -> None:
    folder.mkdir()
    path = folder / f"{os.getpid()}.json"
    path.write_text(json.dumps(entry_with(pid=os.getpid(), start=None, since=4e9)))
    assert len(shown()) == 1
    path.write_text(json.dumps(entry_with(pid=os.getpid(), start=None, since=1.0)))
    assert shown() == []


def test_what_kill_9_leaves_is_swept(keep: Start, folder: Path) -> None:
    terminal = keep()
    terminal.signal(signal.SIGKILL)
    eventually(lambda: is_gone(terminal.pid), "the end")
    assert shown() == []
    assert list(folder.iterdir()) == []


def test_the_table(keep: Start) -> None:
    terminal = keep("--rung", "off")
    table = keepshell("status").stdout
    header, row = table.splitlines()
    assert header.split() == ["HOST", "IDLE", "KEPT", "BY", "SENT", "NEXT"]
    mark, name, _, kept_by, sent, due = re.split(r"  +", row)
    assert (mark, name, kept_by, sent, due) == ("✓", "sh", "nothing", "-", "-")
    assert terminal.running
    assert "\x1b" not in table


def test_nothing_runs() -> None:
    assert keepshell("status").stdout.startswith("no session runs (")
    assert keepshell("status", "--line").stdout == ""
    assert keepshell("status", "--json").stdout == ""


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_watching(key: str, keep: Start, start_terminal: Start, keepshell_exe: Path) -> None:
    terminal = keep("--rung", "off")
    watch = start_terminal([str(keepshell_exe), "status", "--watch"], cols=160)
    watch.wait_for_screen(lambda screen: "✓  sh " in "\n".join(screen.lines), "the session")
    assert re.match(r"keepshell status  \d\d:\d\d:\d\d  \(q ends\)", watch.screen.lines[0])
    watch.send("x")
    keep("--rung", "off")
    watch.wait_for_screen(lambda screen: "✓  sh (2) " in "\n".join(screen.lines), "both")
    watch.send(key)
    left = watch.read_to_end()
    assert left.endswith(b"\x1b[?25h\x1b[?1049l")
    assert b"x" not in left
    assert watch.wait() == 0
    assert terminal.running


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("status", "web"), "status takes no arguments, found web"),
        (("status", "--jsn"), "unknown option --jsn; did you mean --json?"),
        (("status", "--watch"), "--watch needs a terminal"),
        (
            ("status", "--watch", "--json"),
            "--watch and --json are two ways to show it; choose one",
        ),
        (("status", "--json=yes"), "--json: expected no value, found yes"),
        (("off",), "found nothing, expected: keepshell off PID|HOST"),
        (("on", "a", "b"), "found a b, expected: keepshell on PID|HOST"),
    ],
)
def test_what_is_wrong_is_said(words: tuple[str, ...], complaint: str) -> None:
    assert keepshell(*words, status=2).stderr == f"keepshell: {complaint}\n"


def test_below_the_state_where_there_is_no_runtime_directory(
    keep: Start, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    state = Path(os.environ["XDG_STATE_HOME"], "keepshell", "live")
    folder.mkdir()
    (folder / "0.json").touch()  # what `keep` waits for
    terminal = keep("--rung", "off")
    eventually(lambda: list(state.glob(f"{terminal.pid}.*json")), "a live file")
    assert one()["pid"] == terminal.pid


def test_a_directory_that_cant_be_written_costs_nothing(
    start_terminal: Start, keepshell_exe: Path, folder: Path
) -> None:
    folder.write_text("in the way")
    terminal = start_terminal([str(keepshell_exe), "run", "--", "sh", "-c", "stty raw; echo hello"])
    assert b"hello" in terminal.read_to_end()
    assert terminal.wait() == 0
    assert shown() == []


_WAITS = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "clock_nanosleep")


def test_one_wakeup_for_each_keepalive(keep: Start, tmp_path: Path) -> None:
    log = tmp_path / "strace"
    traced = ",".join((*_WAITS, "kill", "renameat"))
    terminal = keep(prefix=(path_of("strace"), "-f", "-o", str(log), "-e", f"trace={traced}"))

    def called() -> list[str]:
        # The last line may be a call that has not returned.
        lines = log.read_text().splitlines()[:-1]
        return [line.partition("(")[0].split()[-1] for line in lines]

    before = called().count("kill")  # where the start was slow
    eventually(lambda: called().count("kill") > before + 5, "six keepalives")
    calls = called()
    marks = [number for number, call in enumerate(calls) if call == "kill"][before:]
    between = calls[marks[1] : marks[5]]
    assert between.count("renameat") == 4, calls
    assert sum(between.count(wait) for wait in _WAITS) == 4, calls
    assert terminal.running


TOO_LATE = """
    import os, signal
    from keepshell.relay import wakeups
    for former in (signal.SIG_DFL, signal.SIG_IGN):
        signal.signal(signal.SIGUSR1, former)
        signals = wakeups.Signals()
        with signals.watching():
            os.kill(os.getpid(), signal.SIGUSR1)
            assert signals.take() == {signal.SIGUSR1}
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signals.take() == set()
"""


def test_a_switch_that_comes_too_late_is_ignored() -> None:
    """It would end the process: SIGUSR1's default."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(TOO_LATE)], check=False)
    assert done.returncode == 0


def test_the_title_of_the_window(keep: Start, trace: Trace) -> None:
    """xterm keeps the former one on a stack: pushed once, popped at the end."""
    terminal = keep("--title", "true")
    trace.wait_for("nudge-sent", 2)
    (child,) = psutil.Process(terminal.pid).children()
    child.kill()
    terminal.read_to_end()
    shown = terminal.output
    assert "\x1b[22;2t\x1b]2;✓ sh\x07".encode() in shown
    assert shown.count(b"\x1b[22;2t") == shown.count(b"\x1b[23;2t") == 1
    assert shown.index(b"\x1b[22;2t") < shown.index(b"\x1b[23;2t")


def test_without_being_asked_the_title_stays(keep: Start, trace: Trace) -> None:
    terminal = keep()
    trace.wait_for("nudge-sent", 2)
    terminal.signal(signal.SIGHUP)
    assert b"\x1b]2;" not in terminal.read_to_end()
