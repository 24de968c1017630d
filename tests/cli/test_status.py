"""`status` says whether each session will survive, and what would help."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from keepshell.process import started_at
from tests.support.cli import keepshell
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

TMOUT = {"rule": "tmout", "limit": 600, "beaten": False, "setting": "empty_line = true"}
CHANNEL = {"rule": "channel-timeout", "limit": 900, "beaten": True, "setting": ""}
CURE = "keepshell config set lab-7 empty_line=true"


class Live:
    """Live files of sessions that run, each in a process that sleeps."""

    def __init__(self) -> None:
        self.folder = Path(os.environ["XDG_RUNTIME_DIR"], "keepshell")
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.processes: list[subprocess.Popen[bytes]] = []

    def add(self, name: str, idle: float, **fields: Any) -> int:
        """A session whose user has been idle for so many seconds; its pid."""
        process = subprocess.Popen(["sleep", "1000"])
        self.processes.append(process)
        now = time.time()
        entry: dict[str, Any] = {
            **dict.fromkeys(("terminal", "last_keepalive", "next", "hold", "silent_since")),
            "pid": process.pid,
            "start": started_at(process.pid),
            "name": name,
            "off": False,
            "host": f"me@{name}:22",
            "since": now - 9000,
            "written": now,
            "interval": 60,
            "user_at": now - idle,
            "rung": "window-change",
            "keepalives": 0,
            "limits": [],
        }
        for key, value in fields.items():
            entry[key] = now + value if key in ("next", "silent_since") else value
        (self.folder / f"{process.pid}.json").write_text(json.dumps(entry))
        return process.pid

    def close(self) -> None:
        """End the processes."""
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Any:
    with tempfile.TemporaryDirectory() as short:  # a hold's socket has no room for a long path
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        yield from _live()


def _live() -> Any:
    made = Live()
    yield made
    made.close()


@pytest.fixture
def four(live: Live) -> Live:
    """The four fates of a session, one of them shared by two; no time is near the next minute."""
    live.add("web-01", 720, rung="no-op", keepalives=16, next=190, limits=[CHANNEL])
    live.add("db1", 240, keepalives=3, next=130)
    live.add("db1", 200, keepalives=1, next=140)
    live.add("lab-7", 362, limits=[CHANNEL, TMOUT])
    live.add("gw", 3605, silent_since=-3605)
    return live


def shown(columns: int | None = None, **environ: str) -> list[str]:
    env = {**os.environ, **environ, **({"COLUMNS": str(columns)} if columns else {})}
    done = subprocess.run(
        ["keepshell", "status"], env=with_path(env), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def with_path(env: dict[str, str]) -> dict[str, str]:
    import sys

    return {**env, "PATH": f"{Path(sys.prefix, 'bin')}:{env['PATH']}"}


def test_will_it_survive(four: Live) -> None:
    assert shown() == [
        "   HOST     IDLE  KEPT BY            SENT  NEXT",
        "✓  web-01    12m  harmless input       16  in 3m",
        "✓  db1 (2)    4m  packets               4  in 2m",
        f"!  lab-7      6m  nothing helps         -  cut in 3m: TMOUT 10m; {CURE}",
        "✗  gw        60m  no answer for 60m     -  -",
    ]


@pytest.mark.parametrize("columns", [80, 60, 40, 20])
def test_it_fits(columns: int, four: Live) -> None:
    lines = shown(columns)
    table = lines[:5]
    assert [line[0] for line in table[1:]] == ["✓", "✓", "!", "✗"]
    assert max(map(len, table)) <= columns
    assert lines[5:] == ["", f"! {CURE}"]


@pytest.mark.parametrize("columns", [80, 60])
def test_when_it_is_cut_is_the_last_to_go(columns: int, live: Live) -> None:
    """Why a keepalive waits is long, and gives way to the time that is left."""
    reason = "the line under the cursor is not a prompt seen before"
    live.add("web-01.lab", 602, rung="no-op", hold=reason, limits=[CHANNEL])
    live.add("lab-7", 700, limits=[TMOUT])
    lines = shown(columns)
    assert max(map(len, lines[:3])) <= columns
    assert ("waiting: the" in lines[1]) == (columns == 80)
    assert "cut in 4m: ChannelTim" in lines[1]
    assert "cut any time: TMOUT 10m" in lines[2]


def test_ascii_in_the_c_locale(four: Live) -> None:
    lines = shown(LC_ALL="C")
    assert "\n".join(lines).isascii()
    assert [line[0] for line in lines[1:]] == ["+", "+", "!", "x"]


def test_in_one_line(four: Live) -> None:
    assert keepshell("status", "--line").stdout == "3 kept, 1 !, 1 ✗\n"


def test_one_line_is_fast(four: Live, keepshell_exe: Path) -> None:
    """For a status bar that asks every second: at most 60 ms, of which most is Python's start."""

    def seconds(*argv: str | Path) -> float:
        before = os.times()
        subprocess.run(argv, check=True, capture_output=True)
        after = os.times()
        spent = after.children_user + after.children_system
        return spent - before.children_user - before.children_system

    python = keepshell_exe.with_name("python")
    ours = min(seconds(keepshell_exe, "status", "--line") for _ in range(7))
    assert ours - min(seconds(python, "-c", "") for _ in range(7)) <= 0.045


def test_a_keepalive_that_waits(live: Live) -> None:
    live.add("web", 602, rung="no-op", hold="a line is half typed", limits=[CHANNEL])
    live.add("db", 600, hold="you are typing")
    rows = shown()
    assert (
        "!  web    10m  waiting: a line is half typed     -  cut in 4m: ChannelTimeout 15m" in rows
    )
    assert "✓  db     10m  waiting: you are typing           -  -" in rows


def test_switched_off(live: Live) -> None:
    pid = live.add("web", 602, off=True, rung="server-alive", limits=[CHANNEL])
    row = shown()[1]
    assert "switched off" in row
    assert row.endswith(f"cut in 4m: ChannelTimeout 15m; keepshell on {pid}")


def test_a_stopped_session_is_not_kept(live: Live) -> None:
    """Whatever its file says is due: it was written before the stop."""
    pid = live.add("web", 602, rung="empty-line", next=1, limits=[CHANNEL], terminal="/dev/null")
    quiet = live.add("db", 602, next=1)
    for stopped in (pid, quiet):
        os.kill(stopped, signal.SIGSTOP)
        eventually(lambda: psutil.Process(stopped).status() == psutil.STATUS_STOPPED, "a stop")  # noqa: B023
    assert shown()[1:] == [
        "!  web    10m  stopped: no keepalives     -  cut in 4m: ChannelTimeout 15m",
        "!  db     10m  stopped: no keepalives     -  -",
    ]
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: psutil.Process(pid).status() != psutil.STATUS_STOPPED, "going on")
    assert shown()[1].startswith("✓  web")


def test_a_limit_that_has_passed(live: Live) -> None:
    live.add("lab-7", 700, limits=[TMOUT])
    assert f"cut any time: TMOUT 10m; {CURE}" in shown()[1]


def test_every_object_names_its_schema(four: Live) -> None:
    entries = [json.loads(line) for line in keepshell("status", "--json").stdout.splitlines()]
    assert {entry["schema"] for entry in entries} == {1}
    assert len(entries) == 5


def test_colours_go_by_meaning(
    four: Live, start_terminal: Callable[..., Terminal], keepshell_exe: Path
) -> None:
    def said(**environ: str) -> str:
        env = {**os.environ, **environ}
        return start_terminal([str(keepshell_exe), "status"], env=env).read_to_end().decode()

    text = said()
    assert "\x1b[33m!  lab-7" in text
    assert "\x1b[31m✗  gw" in text
    assert "\x1b[" not in text[text.index("✓") : text.index("\x1b[33m")]
    assert "\x1b" not in said(NO_COLOR="1") + said(TERM="dumb")


def keep_shells(*names: str) -> None:
    """Shells that their hosts keep, each left an hour ago."""
    folder = Path(os.environ["XDG_STATE_HOME"], "keepshell", "kept")
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        entry = {"id": str(number), "name": name, "typed": [name], "pid": 1, "start": 0}
        times = {"since": time.time() - 10800, "keep": 36030, "detached": time.time() - 3600}
        (folder / f"{number}.json").write_text(json.dumps(entry | times))


def hold(name: str, pid: int, **fields: Any) -> None:
    folder = Path(os.environ["XDG_RUNTIME_DIR"], "keepshell", "hold")
    folder.mkdir(mode=0o700, exist_ok=True)
    record = {"name": name, "pid": pid, "start": started_at(pid), "until": time.time() + 3600}
    told = {
        "socket": None,
        "state": "alive",
        "tunnels": ["3306 → localhost:3306"],
        "silent_since": None,
    }
    (folder / f"{name}.json").write_text(json.dumps({**record, **told, "missing": [], **fields}))


@pytest.mark.parametrize("columns", [80, 60, 40, 20])
@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_what_is_held_and_kept_fits_too(columns: int, locale: str, four: Live) -> None:
    keep_shells("web-01", "a-host-with-a-long-name.example.com")
    pid = four.add("x", 1)
    hold("db", pid)
    hold("gw", pid, state="needs-you")
    lines = shown(columns, LC_ALL=locale)
    assert max(len(line) for line in lines if "! keepshell" not in line) <= columns
    assert sum("web-01:1" in line for line in lines) == 1
    dots = "…" if locale == "C.UTF-8" else "~"
    assert "\n".join(lines).isascii() == (locale == "C")
    cut = [line for line in lines if line.startswith("a-host")]
    assert len(cut) == 1
    assert (dots in cut[0]) == (columns < 80)


def test_without_a_session_what_is_kept_is_shown_alone(live: Live) -> None:
    assert shown() == ["no session runs (ssh without a terminal is ssh alone, and not listed)"]
    keep_shells("db")
    assert shown() == ["db:1  kept for 3h  detached, ends in 9h"]


def test_what_is_kept_is_aligned(live: Live) -> None:
    keep_shells("web-01", "db")
    live.add("web", 60)
    assert shown()[2:] == [
        "",
        "web-01:1  kept for 3h  detached, ends in 9h",
        "db:1      kept for 3h  detached, ends in 9h",
    ]
