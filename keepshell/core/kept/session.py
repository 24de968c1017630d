"""A session whose shell outlives its connection: the loss, and the way back.

The rules it keeps, beside those of `Session` and `AwaySession`:

- every byte of the shell's output is shown once, in its order, over however many connections;
- from the header of a new connection on, the old one is never read again;
- where no shell is kept, a loss is followed by the user's command or a new shell, which is said.
"""

from __future__ import annotations

from dataclasses import replace

from keepshell.core.effects import (
    Abandon,
    Answer,
    Disconnect,
    Effect,
    Note,
    Nudge,
    Phase,
    Shell,
    TakeOver,
    ToUser,
    Try,
)
from keepshell.core.ending.endings import classify
from keepshell.core.kept.anew import LASTING
from keepshell.core.kept.away import AwaySession, those_set
from keepshell.core.kept.opening import SAID_AFTER, line, line_ends
from keepshell.core.link import bootstrap, header, words
from keepshell.core.link.header import Engine, Header, Opening
from keepshell.core.link.recovery import Do, Failure, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keepshell.core.ending.evidence import Evidence
    from keepshell.core.link.silence import Sample

ATTEMPT_WITHIN = 30.0
"""Seconds an attempt may take which asks nobody: ConnectTimeout covers only its beginning."""

MOST_WORDS = 4096
"""Bytes of ssh's words at a login that are kept for the page."""

LOST = 255
"""ssh's own status (ssh(1))."""
SUPERSEDED = 254
"""The status of a connection whose shell has gone on to a newer one."""


class KeptSession(AwaySession):
    """The relay's mind where a lost connection is not the end."""

    _concluded = False
    _attempt: Opening | None = None
    _attempt_by: float | None = None
    _words = b""

    @property
    def shell(self) -> Shell:
        left = self.disconnected or self.cut_off or self.recovery.away
        if self.header is None:
            unopened = self._opening is not None and self._opening.engine is None
            refused = self._concluded and self.begun and unopened and not left
            return Shell.REFUSED if refused else Shell.PLAIN
        if not self._concluded or self.parting == words.SUPERSEDED:
            return Shell.KEPT
        return Shell.LEFT if left and self.recovery.state is not State.GONE else Shell.ENDED

    def conclude(self) -> None:
        self._concluded = True
        super().conclude()

    # The loss.

    @property
    def _taken(self) -> bool:
        """Whether a new connection has asked for the shell, which ends the old one."""
        return self._attempt is not None and self._attempt.engine is not None

    def _say(self, now: float, phase: Phase = Phase.IN_SESSION) -> list[Effect]:
        if self._taken:
            self._say_by = now + SAID_AFTER
            return []
        return super()._say(now, phase)

    def outlived(self, now: float, *, exit_status: int | None, signal: int | None) -> list[Effect]:
        """The child has ended; what is to be done if the shell may go on, and nothing otherwise.

        255 is ssh's status for a lost connection. A shell may end with it too, or its channel be
        closed by the server: then the host is asked which it was.
        """
        if self.over or self.cut_off or self.disconnected:
            return []
        self._take_words()
        if self.header is None:
            if exit_status != LOST or not self._may_begin_anew(now):
                return []
            self.view.back = self._anew.told
        elif not (self._taken or signal or exit_status == LOST):
            if exit_status == SUPERSEDED:
                self.parting = words.SUPERSEDED
            return []
        self._unsaid = self._backlog = b""
        self.view.asking = False
        return [Note("lost"), *self._done(self.recovery.lost(now), now)]

    def _may_begin_anew(self, now: float) -> bool:
        """Whether this is a loss, and not soon after the last one."""
        since = self.idle.begun_at if self._anew.since is None else self._anew.since
        ending = classify(self.evidence(now, exit_status=LOST, signal=None))
        return self.begun and now - since >= LASTING and ending.is_drop

    def evidence(self, now: float, *, exit_status: int | None, signal: int | None) -> Evidence:
        found = super().evidence(now, exit_status=exit_status, signal=signal)
        return replace(found, moved=self.parting == words.SUPERSEDED)

    def resumed(self, now: float) -> list[Effect]:
        """This machine slept."""
        return self._done(self.recovery.resumed(now), now) if self._returns else []

    def network(
        self, now: float, *, address_gone: bool, route: bool, came_up: bool
    ) -> list[Effect]:
        """The network of this machine has changed."""
        if not self._returns:
            return []
        todo = self.recovery.network(now, address_gone=address_gone, route=route, came_up=came_up)
        return self._done(todo, now)

    def _heard(self, now: float) -> list[Effect]:
        if self.header is None:
            return super()._heard(now)
        if self.recovery.silence.since is None:
            return []
        return self._done(self.recovery.heard(now), now)

    def looked(self, sample: Sample | None, now: float) -> list[Effect]:
        if self.header is None:
            return super().looked(sample, now)
        effects = self._done(self.recovery.sampled(sample, now), now)
        if self.idle.sent_at == now:
            self.recovery.silence.sent(now, look=False)
        return effects

    # The attempts.

    def _do(self, do: Do, now: float) -> list[Effect]:
        if do is Do.NUDGE:
            return [Nudge()]
        self.attended = do is Do.TRY_ATTENDED
        if do is Do.ABANDON:
            self._attempt = None
            return [Abandon()]
        self._attempt, self.unasked, self._words = Opening(), True, b""
        self._attempt_by = None if self.attended else now + ATTEMPT_WITHIN
        page = self.view.log_in() if self.attended else b""
        is_kept = self.header is not None
        command = bootstrap.command(self.kept.client) if is_kept else self._anew.command
        return [*([ToUser(page)] if page else []), Try(self.attended, command)]

    def attempt_output(self, data: bytes, now: float) -> list[Effect]:
        """What the attempt's pty printed."""
        assert self._attempt is not None
        if self.header is None:
            return [ToUser(data)] if self.attended else []
        opened = self._attempt.feed(data)
        effects: list[Effect] = []
        if self.attended and opened.shown:
            effects.append(ToUser(opened.shown))
        if opened.engine is Engine.NONE:
            return [*effects, Abandon(), *self.attempt_ended(words.NO_ENGINE, now)]
        if opened.engine is not None:
            self.attended = False
            self.recovery.committed()
            ask = header.request("attach", id=self.kept.id, have=self._output.ask())
            effects.append(Answer(opened.engine.value, ask, to_attempt=True))
        if opened.header is not None:
            effects += self._answered(opened.header, opened.stream, now)
        return effects

    def attempt_said(self, data: bytes) -> list[Effect]:
        """ssh's own words while the user logs in."""
        self.unasked = self.unasked and not words.asks_for_touch(data)
        if not self.shows_words:
            return []
        self._words = (self._words + data)[-MOST_WORDS:]
        return [ToUser(line_ends(data))]

    def attempt_begun(self, now: float, rows: int) -> list[Effect]:
        """The attempt is logged in, which is all where no shell is kept.

        The screen is put in order as at the end of a session; `rows` is its height.
        """
        if self.header is not None:
            return []
        self._anew.since = now
        order = self.modes.undo(rows)
        return self._taken_over(order + b"\r\n" + line(self.view.back), now)

    def attempt_ended(self, said: str, now: float, failure: Failure | None = None) -> list[Effect]:
        """The attempt is over, without the shell; `said` is what ssh said last."""
        self._attempt = None
        self.attended = False
        self.view.last_words = words.last_lines(self._words) or said
        self._words = b""
        failure = words.failure_of(said) if failure is None else failure
        effects = self._done(self.recovery.failed(failure, now), now)
        return [Note("attempt-failed", failure.value), *effects, *self._draw(now)]

    def _answered(self, answer: Header, stream: bytes, now: float) -> list[Effect]:
        if answer.word == "attached":
            self.view.news = self._go_on_with(answer)
            return self._taken_over(stream, now)
        before = self.header
        failure = Failure.NETWORK
        said = answer.fields.get("why", answer.word)
        if answer.word == "gone":
            if words.same_machine(before, answer):
                failure, self.parting = Failure.GONE, words.gone(before, answer)
            else:
                said = words.OTHER_MACHINE
        effects = [Abandon(), *self.attempt_ended(said, now, failure)]
        return [*effects, Disconnect()] if self.over else effects

    def _taken_over(self, stream: bytes, now: float) -> list[Effect]:
        self._attempt, self.attended = None, False
        self.view.last_words = ""
        self.recovery.reattached(unasked=self.unasked)
        self._stopped, self._backlog = False, stream
        self._said, self._say_by = b"", None  # the old connection's last
        return [TakeOver(), Note("reattached"), *self._back(now)]

    # The timers.

    def _timers(self) -> Iterator[tuple[float, Callable[[float, Phase], list[Effect]]]]:
        yield from super()._timers()
        yield from those_set(
            (self._attempt_by if self._attempt is not None else None, self._too_late),
            (self.recovery.next_deadline(), self._try),
        )

    def _try(self, now: float, _phase: Phase) -> list[Effect]:
        return self._done(self.recovery.tick(now), now)

    def _too_late(self, now: float, _phase: Phase) -> list[Effect]:
        return [Abandon(), *self.attempt_ended(words.TOO_LATE, now)]
