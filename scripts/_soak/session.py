"""One session: typed to, resized, stopped, cut off; every byte that comes back is compared."""

from __future__ import annotations

import os
import random
import signal
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import psutil

from tests.support.middlebox import Action, Counts, Middlebox
from tests.support.processes import tree
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

from .place import Place

_DEADLINE = 120.0
_NEVER = 1e6
_ENDS = (*["quit"] * 5, "drop", "term", "close")


@dataclass
class Tally:
    """What all sessions together have seen; its methods may be called by any thread."""

    sessions: int = 0
    compared: int = 0
    differences: list[str] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def count(self, event: str) -> None:
        with self._lock:
            self.events[event] = self.events.get(event, 0) + 1

    def ended(self, compared: int, differences: list[str]) -> None:
        with self._lock:
            self.sessions += 1
            self.compared += compared
            self.differences += differences


def _is_raw(terminal: Terminal) -> bool:
    modes = terminal.termios()[3]
    assert isinstance(modes, int)
    return not modes & (termios.ICANON | termios.ISIG)


class Session:
    """A session of its own, from its start to its end; `run` does all of it."""

    def __init__(self, place: Place, number: int, tally: Tally, starting: Lock) -> None:
        """While `starting` is held, no package is upgraded: pip's users wait for it too."""
        self._place = place
        self._number = number
        self._tally = tally
        self._starting = starting
        self._chance = random.Random(number)
        self._sent = bytearray()
        self._wrong: list[str] = []
        self._stops = 0

    def run(self) -> None:
        """Live one session through; what is wrong goes to the tally."""
        chance, end = self._chance, self._chance.choice(_ENDS)
        port = self._place.server.port
        box = Middlebox(port, _NEVER, Counts.CLIENT_BYTES, Action.RESET) if end == "drop" else None
        try:
            with self._starting:
                argv = self._place.kept(box.port if box else port)
                terminal = Terminal(argv, job=True, env=self._place.env)
                terminal.expect("READY", deadline=_DEADLINE)
            with terminal:
                start = terminal.output.rindex(b"READY") + len(b"READY")
                eventually(lambda: os.listdir(f"/proc/{terminal.pid}/fd"), "its descriptors")
                for _ in range(chance.randint(3, 12)):
                    chance.choice(self._steps())(terminal)
                    self._compare(terminal, start)
                self._end(terminal, end, box)
        except Exception as error:
            self._wrong.append(f"{type(error).__name__}: {error}"[:2000])
        finally:
            if box is not None:
                box.stop()
        self._tally.count(f"end by {end}")
        said = [f"session {self._number} ({end}): {each}" for each in self._wrong]
        self._tally.ended(len(self._sent), said)

    def _steps(self) -> list[Callable[[Terminal], None]]:
        return [self._type, self._type, self._resize, self._stop, self._idle, self._outage]

    def _type(self, terminal: Terminal) -> None:
        data = self._chance.randbytes(self._chance.choice((1, 20, 4000, 60_000)))
        data = data.replace(b"<quit", b"<Quit")
        self._sent += data
        terminal.send(data, deadline=_DEADLINE)
        self._tally.count("paste")

    def _resize(self, terminal: Terminal) -> None:
        terminal.resize(self._chance.randint(1, 99), self._chance.randint(1, 250))
        self._tally.count("resize")

    def _stop(self, terminal: Terminal) -> None:
        self._stops += 1
        terminal.signal(self._chance.choice((signal.SIGTSTP, signal.SIGSTOP)))
        terminal.wait_stopped(count=self._stops, deadline=_DEADLINE)
        self._idle(terminal)
        terminal.foreground()
        keepshell = psutil.Process(terminal.pid)
        eventually(lambda: keepshell.status() != psutil.STATUS_STOPPED, "the job to go on")
        # Keys that come before the terminal is raw again are a line's, as with bare ssh.
        eventually(lambda: _is_raw(terminal), "the terminal raw again", deadline=_DEADLINE)
        self._tally.count("suspend")

    def _idle(self, _terminal: Terminal) -> None:
        time.sleep(self._chance.uniform(0, 4))
        self._tally.count("pause")

    def _outage(self, _terminal: Terminal) -> None:
        """Nobody answers for a while: the server's side of some connection is stopped."""
        servers = list(psutil.Process(self._place.server.pid).children())
        if not servers:
            return
        server = self._chance.choice(servers)
        with suppress(psutil.NoSuchProcess):
            server.suspend()
            time.sleep(self._chance.uniform(0, 3))
            server.resume()
        self._tally.count("outage")

    def _compare(self, terminal: Terminal, start: int) -> None:
        wanted = bytes(self._sent)
        eventually(
            lambda: len(terminal.output) - start >= len(wanted),
            lambda: f"{len(wanted)} bytes, of {len(terminal.output) - start}",
            deadline=_DEADLINE,
        )
        shown = terminal.output[start:]
        if shown != wanted:
            pairs = enumerate(zip(shown, wanted + b"?", strict=False))
            at = next((number for number, (one, other) in pairs if one != other), len(wanted))
            raise AssertionError(
                f"byte {at} of {len(wanted)} is other: {shown[at - 20 : at + 40]!r} "
                f"for {wanted[at - 20 : at + 40]!r}"
            )

    def _end(self, terminal: Terminal, end: str, box: Middlebox | None) -> None:
        wanted: tuple[int, ...] = (255,)
        if end == "quit":
            status = self._chance.randint(0, 99)
            wanted = (status,)
            terminal.send(f"<quit {status}>")
        elif end == "term":
            terminal.signal(signal.SIGTERM)
        elif end == "close":
            wanted = (255, -signal.SIGHUP)
            terminal.hang_up()
        elif box is not None:
            box.reset_all()
        started = {process.pid for process in tree(terminal.pid)}
        status = terminal.wait(deadline=_DEADLINE)
        if status not in wanted:
            self._wrong.append(f"status {status} instead of {wanted}")
        left = [pid for pid in started if Path(f"/proc/{pid}/cwd").exists()]
        if left:
            eventually(lambda: not any(map(psutil.pid_exists, left)), f"the end of {left}")
