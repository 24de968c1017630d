"""The relay of a shell that outlives its connection: it opens a new one beside the old.

Whichever answers first wins; the old one is ended only once the new one has the shell.
"""

from __future__ import annotations

import os
import select
import signal

from keepshell.core.effects import (
    Abandon,
    Answer,
    Ask,
    Resize,
    TakeOver,
    ToAttempt,
    ToHost,
    Try,
)
from keepshell.core.kept.session import KeptSession
from keepshell.link import bootstrap
from keepshell.link.network import has_address, has_route
from keepshell.relay import tty
from keepshell.relay.attempt import Piped
from keepshell.relay.linger import Linger
from keepshell.relay.loop import Relay
from keepshell.relay.surroundings import Surroundings
from keepshell.text import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from keepshell.core.effects import Disconnect
    from keepshell.job import Job
    from keepshell.relay.trace import Trace


class KeptRelay(Relay):
    """Carries one kept shell, over as many connections as it takes."""

    def __init__(
        self,
        session: KeptSession,
        first: Piped,
        terminal: tty.Terminal,
        *,
        job: Job,
        trace: Trace,
        watch: Callable[[float], None] | None = None,
        at_idle: Callable[[], None] | None = None,
    ) -> None:
        """`first` is the connection that was begun; `job` tells how another one is."""
        super().__init__(session, first.child, terminal, trace=trace, watch=watch, at_idle=at_idle)
        self._kept = session
        self._job = job
        self._attempt: Piped | None = None
        self._former: list[Piped] = []
        self._lost = False
        self._use(first)
        self._surroundings = Surroundings(self._poll)
        self._performers |= {
            Answer: self._answer,
            Ask: self._ask_host,
            Try: self._try,
            ToAttempt: self._send_attempt,
            Abandon: self._abandon,
            TakeOver: self._take_over,
            Resize: self._resize,
        }

    def _use(self, piped: Piped) -> None:
        """From now on this is the connection."""
        self._piped, self.child, self._to_host = piped, piped.child, piped.outbox
        self._look = piped.watched.sample
        self._carriers = {
            (self._terminal.input, select.POLLIN): self._from_user,
            (self.child.fd, select.POLLIN): self._from_host,
        }
        self._asked_for = ()
        self._poll.ask(piped.words, select.POLLIN)

    def close(self) -> None:
        """End what was opened here."""
        self._surroundings.close()
        for piped in (self._attempt, self._piped, *self._former):
            if piped is not None:
                piped.child.signal(signal.SIGTERM)
                piped.close()

    def _finished(self, now: float) -> bool:
        if self._lost:
            return self._kept.over or self._user_gone or self._kept.cut_off
        if self._user_gone or not super()._finished(now):
            return super()._finished(now)
        self._hear_words(now)
        status = os.waitstatus_to_exitcode(self.child.status or 0)
        effects = self._kept.outlived(
            now,
            exit_status=status if status >= 0 else None,
            signal=-status if status < 0 else None,
        )
        if not effects:
            return True
        self._lost = True
        self._linger = Linger()
        self._close_child()
        self._perform(effects, now)
        return False

    def _close_child(self) -> None:
        """Nothing more is read there: the number of its descriptor may be another's soon."""
        self._poll.ask(self.child.fd, 0)
        self._carriers.pop((self.child.fd, select.POLLIN), None)
        self.child.close()

    def _listens_to_user(self) -> bool:
        return self._lost or super()._listens_to_user()

    def _holds_host_back(self) -> bool:
        return self._kept.asking

    def _carry(self, ready: dict[int, int]) -> None:
        now = self._clock()
        if not self._kept.begun and self._piped.words in ready:
            self._hear_words(now)  # ssh says why it asks, and then asks
        super()._carry(ready)
        now = self._clock()
        if self._piped.words in ready:
            self._hear_words(now)
        came_up = self._surroundings.came_up(ready)
        if came_up is not None:
            self._see_network(now, came_up=came_up)
        if self._surroundings.answered(ready):
            self._perform(self._kept.reachable(now), now)
        attempt = self._attempt
        if attempt is not None and {attempt.child.fd, attempt.words} & ready.keys():
            if ready.get(attempt.child.fd, 0) & select.POLLOUT:
                attempt.outbox.write()
            self._hear_attempt(attempt, now)

    def _tick(self, now: float) -> None:
        self._see_sleep(now)
        if self._attempt is not None:
            self._hear_attempt(self._attempt, now)  # a shell may have begun and said nothing
        super()._tick(now)

    def _see_phase(self, now: float, *, begun: bool = False) -> None:
        if not self._kept.begun and self.child.prompting() and not self.child.echoes():
            self._kept.recovery.needs_person = True  # a password, a passphrase, a code
        super()._see_phase(now, begun=begun)

    def _see_child(self, now: float) -> None:
        if not self._lost:
            super()._see_child(now)
        for former in self._former:
            former.child.look()
        attempt = self._attempt
        if attempt is not None:
            attempt.child.look()
            if attempt.child.exited:
                self._hear_attempt(attempt, now)

    def _send_host(self, effect: ToHost, now: float) -> None:
        """Keys must not come back as output: ssh, at its end, turns the pty's echo on again."""
        if not self._kept.begun:
            super()._send_host(effect, now)
        elif not (self._lost or self.child.has_left()):
            super()._send_host(effect, now)
            if self.child.has_left():
                self._close_child()  # what is there unread may be that echo

    def _hear_words(self, now: float) -> None:
        said = self._piped.said()
        if said:
            self._tell_stderr(said)
            self._perform(self._kept.ssh_said(said, now), now)
        elif self.child.exited or not self.child.is_open:
            self._poll.ask(self._piped.words, 0)  # its end would be reported for ever

    def _tell_stderr(self, said: bytes) -> None:
        """Where it is not the terminal, ssh's words go there, as they would have."""
        if not self._kept.shows_words:
            say.write(said)

    # What the machine has been through.

    def _see_sleep(self, now: float) -> None:
        slept = self._surroundings.slept()
        if slept:
            self._trace.note(now, "resumed", seconds=round(slept, 3))
            self._perform(self._kept.resumed(now), now)

    def _see_network(self, now: float, *, came_up: bool) -> None:
        self._see_sleep(now)
        found = self._piped.watched.found()
        if found is None:
            return
        effects = self._kept.network(
            now,
            address_gone=not has_address(found.local[0]),
            route=has_route(found.peer[0]),
            came_up=came_up,
        )
        self._perform(effects, now)

    def _ask_host(self, _effect: Ask, _now: float) -> None:
        found = self._piped.watched.found()
        self._surroundings.ask(None if found is None else found.peer[0])

    # The attempt.

    def _try(self, effect: Try, now: float) -> None:
        self._drop_attempt()
        argv = self._job.connection(effect.command, attended=effect.attended)
        try:
            self._attempt = Piped(argv, self._job.env, self._terminal)
        except Exception as error:
            self._perform(self._kept.attempt_ended(str(error), now), now)
            return
        self._trace.note(now, "attempt", attended=str(effect.attended))
        self._ask_attempt(self._attempt)

    def _ask_attempt(self, attempt: Piped) -> None:
        writing = select.POLLOUT if attempt.outbox.waiting else 0
        self._poll.ask(attempt.child.fd, select.POLLIN | writing)
        self._poll.ask(attempt.words, select.POLLIN)

    def _hear_attempt(self, attempt: Piped, now: float) -> None:
        said = attempt.said()
        if said and self._kept.attended:
            self._tell_stderr(said)
            self._perform(self._kept.attempt_said(said), now)
        if attempt.child.is_raw():
            self._perform(self._kept.attempt_begun(now, self._terminal.rows()), now)
            if self._attempt is not attempt:
                return
        while data := attempt.child.read():
            self._perform(self._kept.attempt_output(data, now), now)
            if self._attempt is not attempt:
                return
        if attempt.child.exited or not attempt.child.is_open:
            self._drop_attempt()
            self._perform(self._kept.attempt_ended(attempt.last_line, now), now)
        else:
            self._ask_attempt(attempt)

    def _drop_attempt(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            self._retire(attempt)

    def _retire(self, piped: Piped) -> None:
        """End a connection, and leave it to be reaped."""
        self._poll.ask(piped.child.fd, 0)
        self._poll.ask(piped.words, 0)
        piped.child.signal(signal.SIGTERM)
        piped.close()
        self._former = [one for one in self._former if not one.child.exited]
        self._former.append(piped)

    def _send_attempt(self, effect: ToAttempt, _now: float) -> None:
        if self._attempt is not None:
            self._attempt.outbox.send(effect.data)
            self._ask_attempt(self._attempt)

    def _abandon(self, _effect: Abandon, _now: float) -> None:
        self._drop_attempt()

    def _answer(self, effect: Answer, _now: float) -> None:
        self._piped.watched.found()  # while there is a connection to be found
        data = bootstrap.source(effect.engine) + b"\0\n" + effect.request + b"\n"
        if not effect.to_attempt:
            self._to_host.send(data)
        elif self._attempt is not None:
            self._attempt.outbox.send(data)
            self._ask_attempt(self._attempt)

    def _take_over(self, _effect: TakeOver, now: float) -> None:
        attempt, self._attempt = self._attempt, None
        assert attempt is not None
        self._poll.ask(attempt.child.fd, 0)
        self._retire(self._piped)
        self._lost, self._linger = False, Linger()
        self._use(attempt)
        attempt.watched.found()
        self._surroundings.forget()
        self._follow_size()
        self._trace.note(now, "took-over")

    def _resize(self, effect: Resize, now: float) -> None:
        self._trace.note(now, "resized", fewer=effect.fewer)
        rows = self._terminal.rows() - effect.fewer
        self.child.resize(tty.with_rows(self._terminal.winsize(), max(1, rows)))

    def _lose_user(self) -> None:
        self._kept.forwarded(signal.SIGHUP)
        super()._lose_user()

    def _disconnect(self, effect: Disconnect, now: float) -> None:
        if not self._lost:
            super()._disconnect(effect, now)
