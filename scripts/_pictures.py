"""Draws what keepshell prints as SVG, for a light and for a dark page."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME, TerminalTheme
from rich.text import Text

from keepshell.core.idle import Stretch
from keepshell.core.rules.kinds import KINDS, PROBE, Rule
from keepshell.process import started_at
from keepshell.store.database import PastSession, State

_ON_WHITE = [
    *((31, 35, 40), (179, 21, 27), (22, 101, 52), (125, 78, 0)),
    *((9, 80, 180), (130, 40, 140), (0, 95, 107), (101, 109, 118)),
]
"""Colours with a contrast to white of 5 to 1 and more."""
THEMES = {
    "light": TerminalTheme((255, 255, 255), (31, 35, 40), _ON_WHITE),
    "dark": SVG_EXPORT_THEME,
}
FOLDER = Path("docs/pictures")
COLUMNS, ROWS = 80, 22
ME = "me"
TMOUT = {"rule": "tmout", "limit": 600, "beaten": False, "setting": "empty_line = true"}
CHANNEL = {"rule": "channel-timeout", "limit": 900, "beaten": True, "setting": ""}


def main(bin_directory: str, *words: str) -> None:
    """Draw them all; the demo, which takes half a minute, only if asked for."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sessions(Path(name)) as env:
        program = f"{bin_directory}/keepshell"
        draw("status", shown([program, "status"], env))
        config = Path(name, "ssh_config")
        config.write_text("Host lab-7\n  HostName 192.0.2.7\n  User me\n")
        draw("explain", shown([program, "explain", "-F", str(config), "lab-7"], env))
        draw("history", shown([program, "history"], env))
    if "--demo" in words:
        draw("demo", demo(bin_directory), columns=100)


@contextmanager
def sessions(place: Path) -> Iterator[dict[str, str]]:
    """Sessions that run, each a process that sleeps, and some that have ended."""
    env = {**os.environ, "COLUMNS": str(COLUMNS), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
    for variable in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        env[variable] = str(place / variable.lower())
        Path(env[variable], "keepshell").mkdir(parents=True, mode=0o700)
    env.pop("NO_COLOR", None)
    folder = Path(env["XDG_RUNTIME_DIR"], "keepshell")
    past(State.of(env))
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for name, idle, fields in LIVE:
            processes.append(subprocess.Popen(["sleep", "600"]))
            write(folder, processes[-1].pid, name, idle, fields)
        yield env
    finally:
        for process in processes:
            process.kill()
            process.wait()


LIVE: tuple[tuple[str, float, Mapping[str, Any]], ...] = (
    ("web-01", 720, {"rung": "no-op", "keepalives": 16, "next": 180.9, "limits": [CHANNEL]}),
    ("db1", 240, {"keepalives": 3, "next": 20.9}),
    ("db1", 200, {"keepalives": 1, "next": 25.9}),
    ("lab-7", 350, {"limits": [TMOUT]}),
    ("gw", 40, {"silent_since": -40}),
)


def write(folder: Path, pid: int, name: str, idle: float, fields: Mapping[str, Any]) -> None:
    """The live file of one session, as keepshell writes it."""
    now = time.time()
    entry: dict[str, Any] = dict.fromkeys(
        ("terminal", "last_keepalive", "next", "hold", "silent_since")
    )
    entry |= {"pid": pid, "start": started_at(pid), "host": f"{ME}@{name}:22", "name": name}
    entry |= {"since": now - 9000, "written": now, "user_at": now - idle, "off": False}
    entry |= {"rung": "window-change", "interval": 60, "keepalives": 0, "limits": []}
    for key, value in fields.items():
        entry[key] = now + value if key in ("next", "silent_since") else value
    (folder / f"{pid}.json").write_text(json.dumps(entry))


def past(state: State) -> None:
    """Two days with three hosts."""
    now, hour = time.time(), 3600.0
    for host, began, lasted, ending, stretches in (
        ("web-01", 40, 9, "remote-exit", ((1, 2, 40), (5, 3, 70))),
        ("lab-7", 38, 1.2, "tmout", ((1, 0.2, 0),)),
        ("db1", 30, 20, "remote-exit", ((1, 14, 800), (17, 2, 60))),
        ("web-01", 26, 2, "channel-timeout", ((1.7, 0.25, 3),)),
        ("web-01", 23, 15, "escape-quit", ((2, 11, 90),)),
        ("lab-7", 6, 0.8, "tmout", ((0.6, 0.2, 0),)),
    ):
        state.record(
            PastSession(
                host=f"{ME}@{host}:22",
                started=now - began * hour,
                ended=now - (began - lasted) * hour,
                ending=ending,
                status=0,
                longest_idle=max(length for _, length, _ in stretches) * hour,
                window_changes=sum(sent for *_, sent in stretches),
                stretches=tuple(Stretch(b * hour, s * hour, sent) for b, s, sent in stretches),
            )
        )
    rules = [Rule(KINDS[kind], limit, PROBE, seen_at=now) for kind, limit in PROBED]
    state.put_rules(f"{ME}@192.0.2.7:22", PROBE, rules)


PROBED = (("tmout", 600), ("channel-timeout", 900))


def shown(argv: list[str], env: Mapping[str, str]) -> str:
    """What a command prints on a terminal, its command line above."""
    master, slave = pty.openpty()
    with subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env) as process:
        os.close(slave)
        parts = []
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # EIO: the other end is closed
                break
            parts.append(part)
        process.wait()
    os.close(master)
    words = [word for word in argv[1:] if "/" not in word and word != "-F"]
    body = b"".join(parts).decode().replace("\r\n", "\n")
    return f"$ keepshell {' '.join(words)}\n{body}"


def demo(bin_directory: str) -> str:
    """The last frame of scripts/demo, run in a tmux of its own."""
    with tempfile.TemporaryDirectory() as place:
        tmux = ["tmux", "-S", f"{place}/socket", "-f", "/dev/null"]
        done = Path(place, "done")
        environment = Path(bin_directory).parent
        show = f"scripts/demo --environment {environment}; touch {done}; exec sleep 60"
        size = ["-x", "100", "-y", str(ROWS)]
        subprocess.run([*tmux, "new-session", "-d", *size, show], check=True)
        try:
            while not done.exists():
                time.sleep(0.1)
            capture = [*tmux, "capture-pane", "-p", "-e"]
            return subprocess.run(capture, check=True, capture_output=True, text=True).stdout
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)


def draw(name: str, text: str, *, columns: int = COLUMNS) -> None:
    """One picture for a light page and one for a dark page."""
    # Without the web fonts that rich would refer to: the picture must load nothing.
    style = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    style = style.replace('xmlns="', 'xml:space="preserve" xmlns="', 1)
    for theme, colours in THEMES.items():
        with Path(os.devnull).open("w") as nowhere:
            console = Console(record=True, width=columns, file=nowhere)
            console.print(Text.from_ansi(text.rstrip()))
            console.print()  # the picture ends within its last line
            console.save_svg(
                str(FOLDER / f"{name}-{theme}.svg"),
                title="",
                theme=colours,
                code_format=style,
                unique_id=name,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
