"""Records what real programs print in many states, for tests/core/noops/test_streams.py.

`python -m tests.harmless.scenarios [NAME ...]` writes tests/core/noops/streams/NAME.json again. A
recording is one terminal: what was shown and typed, each with its time, and the states passed
through, each with what it is:

- alive: a full-screen program that asked for reports reads;
- dead: something else reads, and a program that asked for reports has died;
- waits: such a program reads, but a key or an overlay is pending that a report would disturb;
- empty: a shell's prompt with nothing typed;
- typed: a line editor with something typed, or in a line that goes on;
- other: whatever else, that would take a paste or Enter as input.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import termios
import time
from collections.abc import Callable
from pathlib import Path
from struct import pack

import psutil

KEPT = Path(__file__).parents[1] / "core" / "noops" / "streams"
_QUIET = 0.2  # seconds without output after which a step is over
_ANSWERS_IN = 0.45  # seconds for the first byte of an answer
_MOST = 1600  # bytes kept of a longer piece, from its beginning and from its end
_QUERIES = (
    (re.compile(rb"\x1b\[>0?c"), b"\x1b[>41;379;0c"),
    (re.compile(rb"\x1b\[0?c"), b"\x1b[?64;1;2;6;22c"),
    (re.compile(rb"\x1b\[6n"), b"\x1b[1;1R"),
)

ALIVE, DEAD, WAITS, EMPTY, TYPED, OTHER = "alive", "dead", "waits", "empty", "typed", "other"


class Recorder:
    """A program in a terminal of 24 rows and 80 columns; every event is kept."""

    def __init__(self, home: Path, *argv: str, **env: str) -> None:
        self.home = home
        self.events: list[list[object]] = []
        self._began = time.monotonic()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            self._become(argv, env)
        self._modes = termios.tcgetattr(self._fd)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, pack("HHHH", 24, 80, 0, 0))
        self.wait(1.5)

    def _become(self, argv: tuple[str, ...], env: dict[str, str]) -> None:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(self.home)
        ours = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/games:/usr/sbin:/sbin",
            "HOME": str(self.home),
            "TMUX_TMPDIR": str(self.home),
            "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8",
            "SHELL": "/bin/bash",
            "ENV": "/dev/null",
            "PS1": "me@here:~$ ",
            **env,
        }
        os.execvpe(argv[0], list(argv), ours)

    def _now(self) -> float:
        return round(time.monotonic() - self._began, 3)

    def wait(self, first: float = _ANSWERS_IN, quiet: float = _QUIET) -> None:
        """Read until the program rests."""
        until = time.monotonic() + first
        while (left := until - time.monotonic()) > 0:
            if not select.select([self._fd], [], [], left)[0]:
                continue
            try:
                data = os.read(self._fd, 16384)
            except OSError:
                return
            self.events.append([self._now(), "o", data.decode("latin-1")])
            until = time.monotonic() + quiet
            for pattern, answer in _QUERIES:
                if pattern.search(data):
                    self._send(answer)

    def _send(self, data: bytes) -> None:
        self.events.append([self._now(), "k", data.decode("latin-1")])
        os.write(self._fd, data)

    def type(self, keys: str, first: float = _ANSWERS_IN) -> None:
        """Press keys, in one write, and wait for what comes of them."""
        self._send(keys.encode())
        self.wait(first)

    def state(self, name: str, what: str) -> None:
        """Something is reached."""
        self.events.append([self._now(), "s", name, what])

    def to(self, keys: str, name: str, what: str, first: float = _ANSWERS_IN) -> None:
        """Press keys; the state they lead to."""
        self.type(keys, first)
        self.state(name, what)

    def descendants(self, name: str) -> list[psutil.Process]:
        """Our own programs of this name."""
        found = [p for p in psutil.Process().children(recursive=True) if p.name() == name]
        servers = [
            p
            for p in psutil.process_iter(["name", "environ"])
            if p.info["name"] == name and (p.info["environ"] or {}).get("HOME") == str(self.home)
        ]
        return [*found, *servers]

    def kill(self, *names: str, first: float = 1.0) -> None:
        """Kill programs of ours with SIGKILL, so that they leave their modes on.

        All but those of the tty, which an ssh that is cut off does put back.
        """
        termios.tcsetattr(self._fd, termios.TCSANOW, self._modes)
        for name in names:
            for process in self.descendants(name):
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
        self.wait(first)

    def close(self) -> None:
        for process in psutil.process_iter(["environ"]):
            if (process.info["environ"] or {}).get("HOME") == str(self.home):
                process.kill()
        os.close(self._fd)
        os.waitpid(self.pid, 0)


# What a screen is filled with; fewer of the same tell as much.
_FILLING = (
    rb"((?:\x1b\[K\r\n){3})(?:\x1b\[K\r\n)+",
    rb"((?:\xe2\x94\x80){4})(?:\xe2\x94\x80)+",
    rb"( {12}) +",
    rb"((?:~ *\x1b\[K\r\n){3})(?:~ *\x1b\[K\r\n)+",
    rb"((?:\x1b\[\d+;1H~ *){3})(?:\x1b\[\d+;1H~ *)+",
    rb"((?:line \d+ of the text\r\n){3})(?:line \d+ of the text\r\n)+",
    rb"((?:\x1b\[\d+H\x1b\[K){3})(?:\x1b\[\d+H\x1b\[K)+",
    rb"((?:\x1bP\+q[0-9a-f]+\x1b\\){2})(?:\x1bP\+q[0-9a-f]+\x1b\\)+",
)


def shortened(event: list[object]) -> list[object]:
    """An event without what only fills the screen, and without the middle of bulk output."""
    if event[1] != "o" or not isinstance(event[2], str):
        return event
    data = event[2].encode("latin-1")
    for pattern in _FILLING:
        data = re.sub(pattern, rb"\1", data)
    if len(data) > 12 * _MOST:
        data = data[: 4 * _MOST] + data[-2 * _MOST :]
    return [event[0], "o", data.decode("latin-1")]


Scenario = Callable[[Path], Recorder]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function
