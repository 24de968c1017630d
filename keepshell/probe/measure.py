"""`keepshell probe --measure HOST`: idle sessions side by side, one a rung, until they die or not.

The rules it keeps:

- each session sends what its rung sends and nothing else; none asks a question, so keys or an
  agent must do;
- ^C ends the measuring, and what has been found so far is kept.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import selectors
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pexpect

from keepshell.core.noops.table import EMPTY_PASTE, ENTER
from keepshell.core.probing.answers import first_words
from keepshell.core.rules.measuring import Search
from keepshell.core.rules.rung import RUNGS, Rung
from keepshell.ssh import client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Idle = Mapping[Rung, float | None]
    """The rungs with a session, and for how many seconds it has been idle; None: it is opening."""

    Reports = Callable[[Mapping[Rung, Search], Idle], None]

_OPENS_WITHIN = 30.0
_QUIET_PROMPT = 1.0  # seconds of silence that make a prompt
_ANSWERS_WITHIN = 10.0
_SETTLED = 0.5  # seconds that a session must outlive its answer: ssh's own last words are none
_REPORT_EVERY = 0.25

_SIZE = (24, 80)
_CLOSED = "Connection to "
_OF_SSH = ("Warning: ", "** WARNING: ", _CLOSED)

_PASTES = re.compile(rb"\x1b\[\?2004([hl])")


class Failed(Exception):  # noqa: N818 - a sentence for the user, and no fault
    """A session could not be opened, or has no use for its rung."""


def _why(heard: str) -> str:
    """Why there is no session: ssh's last line, or the host's first where ssh gives no reason."""
    lines = [line.strip() for line in heard.split("\n") if line.strip()]
    last = lines[-1] if lines else "ssh ended at once"
    if not last.startswith(_CLOSED):
        return last
    of_host = [line for line in lines if not line.startswith(_OF_SSH)]
    return first_words("\n".join(of_host)) or last


class _Session:
    """One session on one rung, silent but for it, for `quiet` seconds, and then spoken to."""

    def __init__(self, argv: Sequence[str], rung: Rung, quiet: float, every: float) -> None:
        env = {**client.deeper(os.environ), "TERM": "xterm"}
        spawn: Any = pexpect.spawn  # its stubs leave `ptyproc` out
        self._spawn = spawn(argv[0], list(argv[1:]), env=env, dimensions=_SIZE)
        self.fd: int = self._spawn.child_fd
        self._pid: int = self._spawn.pid
        self.outcome: tuple[float, bool, bool] | None = None
        """Seconds, whether it lived, and whether its end was seen."""
        self.idle_at: float | None = None
        self._rung, self._quiet, self._every = rung, quiet, every
        self._opened_at = time.monotonic()
        self._heard = b""
        self._heard_at: float | None = None
        self._asked_at: float | None = None
        self._answered_at: float | None = None

    def hear(self, now: float) -> None:
        """Read what the host says, or that it is gone. Raises Failed."""
        try:
            part = os.read(self.fd, 65536)
        except OSError:  # EIO: Linux's word for "the slave closed"
            part = b""
        if not part:
            self._ended(now)
            return
        if self.idle_at is None:
            self._heard, self._heard_at = (self._heard + part)[-4096:], now
        elif self._asked_at is not None and self._answered_at is None:
            self._answered_at = now

    def _ended(self, now: float) -> None:
        if self.idle_at is None:
            raise Failed(f"no session: {_why(self._heard.decode(errors='replace'))}")
        seen = self._asked_at is None
        self.outcome = (now - self.idle_at if seen else self._quiet, False, seen)

    def deadlines(self) -> Iterator[tuple[float, Callable[[float], None]]]:
        """What happens next, and when; the only such list."""
        if self.idle_at is None:
            yield self._opened_at + _OPENS_WITHIN, self._not_opened
            if self._heard_at is not None:
                yield self._heard_at + _QUIET_PROMPT, self._begin
        elif self._asked_at is None:
            yield self.idle_at + self._quiet, self._ask
            if self._rung >= Rung.WINDOW_CHANGE:
                yield self._acted_at + self._every, self._act
        elif self._answered_at is None:
            yield self._asked_at + _ANSWERS_WITHIN, self._not_answered
        else:
            yield self._answered_at + _SETTLED, self._has_lived

    def _not_opened(self, _now: float) -> None:
        raise Failed(f"no prompt within {_OPENS_WITHIN:g} s")

    def _begin(self, now: float) -> None:
        pastes = _PASTES.findall(self._heard)
        if self._rung == Rung.NO_OP and pastes[-1:] != [b"h"]:
            raise Failed("the prompt has not asked for pastes, so nothing typed is a no-op there")
        self.idle_at = self._acted_at = self._heard_at or now

    def _act(self, now: float) -> None:
        self._acted_at = now
        if self._rung == Rung.WINDOW_CHANGE:
            os.kill(self._pid, signal.SIGWINCH)
        else:
            self._type(EMPTY_PASTE if self._rung == Rung.NO_OP else ENTER)

    def _ask(self, now: float) -> None:
        self._asked_at = now
        self._type(ENTER)

    def _not_answered(self, _now: float) -> None:
        self.outcome = (self._quiet, False, False)

    def _has_lived(self, _now: float) -> None:
        self.outcome = (self._quiet, True, True)

    def _type(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # its end is read a moment later
            os.write(self.fd, data)

    def close(self) -> None:
        """End it, alive or not."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._spawn.ptyproc.terminated = True  # reaped: pexpect must not wait for it
        self._spawn.delayafterclose = self._spawn.ptyproc.delayafterclose = 0
        self._spawn.close(force=False)


class Measurement:
    """All rungs at once: `searches` has what was found, `failures` why a rung could not be tried.

    `argv_for` makes ssh's command line for a ServerAliveInterval in seconds, 0 for none.
    """

    def __init__(
        self, argv_for: Callable[[int], list[str]], floor: float, limit: float, every: float
    ) -> None:
        self.searches = {rung: Search(floor, limit) for rung in RUNGS}
        self.failures: dict[Rung, str] = {}
        self.unfinished: dict[Rung, float] = {}
        """How many seconds a session had been idle, with no end seen, when it was interrupted."""
        self._argv_for = argv_for
        self._every = every
        self._sessions: dict[Rung, _Session] = {}

    def every(self, rung: Rung) -> float:
        """Seconds between two keepalives; ServerAliveInterval takes whole ones only."""
        return float(math.ceil(self._every)) if rung == Rung.SERVER_ALIVE else self._every

    @property
    def complete(self) -> bool:
        """Whether each rung was tried to the end."""
        return not self.failures and all(s.next_quiet() is None for s in self.searches.values())

    def run(self, report: Reports) -> None:
        """Measure until all is known; `report` is told the searches and the seconds of each."""
        try:
            for rung in self.searches:
                self._start(rung)
            while self._sessions:
                self._turn()
                report(self.searches, self._idle())
        finally:
            idle = self._idle()
            self.unfinished = {rung: quiet for rung, quiet in idle.items() if quiet is not None}
            for session in self._sessions.values():
                session.close()

    def _idle(self) -> dict[Rung, float | None]:
        now = time.monotonic()
        return {
            rung: None if session.idle_at is None else now - session.idle_at
            for rung, session in self._sessions.items()
        }

    def _start(self, rung: Rung) -> None:
        quiet = self.searches[rung].next_quiet()
        if quiet is None:
            return
        every = self.every(rung)
        alive = int(every) if rung == Rung.SERVER_ALIVE else 0
        self._sessions[rung] = _Session(self._argv_for(alive), rung, quiet, every)

    def _turn(self) -> None:
        """Wait for the next thing to happen, and see to it."""
        with selectors.DefaultSelector() as selector:
            for rung, session in self._sessions.items():
                selector.register(session.fd, selectors.EVENT_READ, rung)
            next_at = min(at for s in self._sessions.values() for at, _ in s.deadlines())
            ready = selector.select(max(0.0, min(_REPORT_EVERY, next_at - time.monotonic())))
        readable = {key.data for key, _ in ready}
        now = time.monotonic()
        for rung, session in list(self._sessions.items()):
            try:
                self._attend(session, now, readable=rung in readable)
            except Failed as failure:
                self.failures[rung] = str(failure)
                self._close(rung)
                continue
            if session.outcome is not None:
                self._take(rung, *session.outcome)

    def _attend(self, session: _Session, now: float, *, readable: bool) -> None:
        if readable:
            session.hear(now)
        for at, action in list(session.deadlines()):
            if at <= now and session.outcome is None:
                action(now)
                return

    def _take(self, rung: Rung, quiet: float, lived: bool, seen: bool) -> None:
        search = self.searches[rung]
        if lived:
            search.has_lived(quiet)
        else:
            search.has_died(quiet, seen=seen)
        self._close(rung)
        self._start(rung)

    def _close(self, rung: Rung) -> None:
        self._sessions.pop(rung).close()
