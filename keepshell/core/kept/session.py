"""A session whose shell outlives its connection: the loss, and the way back.

The rules it keeps, beside those of `Session`:

- every byte of the shell's output is shown once, in its order, over however many connections;
- from the header of a new connection on, the old one is never read again;
- a key typed while the host is away is never sent without the user's word;
- what is drawn over the screen is taken back before the shell's next byte is shown.
"""

from __future__ import annotations

from keepshell.core.effects import (
    Abandon,
    Answer,
    Ask,
    Disconnect,
    Effect,
    LinkChanged,
    Note,
    Nudge,
    Phase,
    Resize,
    Shell,
    Suspend,
    TakeOver,
    ToAttempt,
    ToHost,
    ToUser,
    Try,
)
from keepshell.core.kept.opening import OpenedSession, line_ends
from keepshell.core.kept.view import View
from keepshell.core.link import header, words
from keepshell.core.link.header import Engine, Header, Kept, Opening
from keepshell.core.link.held import Wish
from keepshell.core.link.recovery import OVER, Do, Failure, Recovery, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keepshell.core.link.silence import Sample
    from keepshell.core.rules.policy import Policy
    from keepshell.core.session import TypistOf
    from keepshell.core.warner import Warner

ATTEMPT_WITHIN = 30.0
"""Seconds an attempt may take which asks nobody: ConnectTimeout covers only its beginning."""

ASK_EVERY = ((120.0, 0.5), (600.0, 2.0))
ASK_LATER_EVERY = 10.0
"""How long the host is away, and how often it is asked by an echo request until then."""

REPAINT_AFTER = 0.3
"""Seconds a program has one row less, so that it draws itself anew."""

LOST = 255
"""ssh's own status (ssh(1))."""
SUPERSEDED = 254
"""The status of a connection whose shell has gone on to a newer one."""


class KeptSession(OpenedSession):
    """The relay's mind where the shell is kept on the host."""

    def __init__(
        self,
        policy: Policy,
        now: float,
        kept: Kept,
        random: Callable[[], float],
        *,
        escape_char: int | None = 0x7E,
        typist: TypistOf | None = None,
        warner: Warner | None = None,
    ) -> None:
        """`random` gives numbers from 0 up to 1."""
        self.recovery = Recovery(random)
        super().__init__(
            policy,
            now,
            kept,
            link=self.recovery.silence,
            escape_char=escape_char,
            typist=typist,
            warner=warner,
        )
        self._view = View(kept, self.recovery, self.modes, escape_char)
        self._concluded = False
        self._backlog = b""
        self._attempt: Opening | None = None
        self._attempt_by: float | None = None
        self._attended = False
        self._draw_at: float | None = None
        self._repaint_by: float | None = None
        self._ask_at: float | None = None
        self._asked = self._unanswered = False
        self._last_state = State.LIVE

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

    @property
    def asking(self) -> bool:
        """Whether the user is asked what becomes of the held keys: nothing is shown meanwhile."""
        return self._view.asking

    @property
    def attended(self) -> bool:
        """Whether the user logs in at the moment: keys and words are of the attempt."""
        return self._attended

    @property
    def over(self) -> bool:
        """Whether there is no way back."""
        return self.recovery.state in OVER

    def conclude(self) -> None:
        self._concluded = True
        super().conclude()

    # The two streams.

    def user_input(self, data: bytes, now: float) -> list[Effect]:
        if self._attended:
            return [ToAttempt(data)]
        if self.asking or (self.header is not None and self.recovery.away):
            return self._on_page(data, now)
        effects = super().user_input(data, now)
        return [*_to_user(self._view.former_title()), *effects]

    def _from_shell(self, data: bytes, now: float) -> list[Effect]:
        # First of all the page goes, or asks: the next byte is for the screen below it.
        effects = self._heard(now)
        if self._view.page_open:
            self._backlog += data
            return effects
        self._view.cursor.feed(data)
        return [*effects, *super()._from_shell(data, now)]

    def _say(self, now: float, phase: Phase = Phase.IN_SESSION) -> list[Effect]:
        if self._view.page_open:
            self._said = b""
        return super()._say(now, phase)

    # The loss.

    def outlived(self, now: float, *, exit_status: int | None, signal: int | None) -> list[Effect]:
        """The child has ended; what is to be done if the shell may go on, and nothing otherwise.

        255 is ssh's status for a lost connection. A shell may end with it too, or its channel be
        closed by the server: then the host is asked which it was.
        """
        if self.header is None or self.over or self.cut_off or self.disconnected:
            return []
        self._take_words()
        taken = self._attempt is not None and self._attempt.engine is not None
        if not (taken or signal or exit_status == LOST):
            if exit_status == SUPERSEDED:
                self.parting = words.SUPERSEDED
            return []
        self._unsaid = self._backlog = b""
        self._view.asking = False
        return [Note("lost"), *self._done(self.recovery.lost(now), now)]

    def resumed(self, now: float) -> list[Effect]:
        """This machine slept."""
        return [] if self.header is None else self._done(self.recovery.resumed(now), now)

    def network(
        self, now: float, *, address_gone: bool, route: bool, came_up: bool
    ) -> list[Effect]:
        """The network of this machine has changed."""
        if self.header is None:
            return []
        todo = self.recovery.network(now, address_gone=address_gone, route=route, came_up=came_up)
        return self._done(todo, now)

    def reachable(self, now: float) -> list[Effect]:
        """The host has answered an echo request: news only if it left one before unanswered."""
        news, self._asked, self._unanswered = self._unanswered, False, False
        return self._done(self.recovery.reachable(), now) if news and not self._attended else []

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

    def attempt_output(self, data: bytes, now: float) -> list[Effect]:
        """What the attempt's pty printed."""
        assert self._attempt is not None
        opened = self._attempt.feed(data)
        effects: list[Effect] = []
        if self._attended and opened.shown:
            effects.append(ToUser(opened.shown))
        if opened.engine is Engine.NONE:
            return [*effects, Abandon(), *self.attempt_ended(words.NO_ENGINE, now)]
        if opened.engine is not None:
            self._attended = False
            self.recovery.committed()
            ask = header.request("attach", id=self.kept.id, have=self._output.have)
            effects.append(Answer(opened.engine.value, ask, to_attempt=True))
        if opened.header is not None:
            effects += self._answered(opened.header, opened.stream, now)
        return effects

    def attempt_said(self, data: bytes) -> list[Effect]:
        """ssh's own words while the user logs in."""
        return [ToUser(line_ends(data))]

    def attempt_ended(self, said: str, now: float, failure: Failure | None = None) -> list[Effect]:
        """The attempt is over, without the shell; `said` is what ssh said last."""
        self._attempt = None
        self._attended = False
        self._view.last_words = said
        failure = words.failure_of(said) if failure is None else failure
        effects = self._done(self.recovery.failed(failure, now), now)
        return [Note("attempt-failed", failure.value), *effects, *self._draw(now)]

    def _answered(self, answer: Header, stream: bytes, now: float) -> list[Effect]:
        if answer.word == "attached":
            return self._taken_over(answer, stream, now)
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

    def _taken_over(self, answer: Header, stream: bytes, now: float) -> list[Effect]:
        self._attempt, self._attended = None, False
        self._view.news = self._go_on_with(answer)
        self._view.last_words = ""
        self.recovery.reattached()
        self._stopped, self._backlog = False, stream
        return [TakeOver(), Note("reattached"), *self._back(now)]

    def _done(self, todo: list[Do], now: float) -> list[Effect]:
        """What recovery wants done, and what the user sees of its state."""
        effects: list[Effect] = []
        for do in todo:
            if do is Do.NUDGE:
                effects.append(Nudge())
            elif do is Do.ABANDON:
                self._attempt, self._attended = None, False
                effects.append(Abandon())
            else:
                self._attempt, self._attended = Opening(), do is Do.TRY_ATTENDED
                self._attempt_by = None if self._attended else now + ATTEMPT_WITHIN
                if self._attended:
                    effects += _to_user(self._view.log_in())
                effects.append(Try(self._attended))
        state, former = self.recovery.state, self._last_state
        if state is former:
            return effects
        self._last_state = state
        effects.append(LinkChanged(state.value))
        if self.over:
            return [*effects, *_to_user(self._view.close_page() + self._view.former_title())]
        if self.recovery.away:
            self._ask_at = now if self._ask_at is None else self._ask_at
            return [*effects, *self._draw(now)]
        return [*effects, *self._back(now)]

    # What the user sees, and types meanwhile.

    def _back(self, now: float) -> list[Effect]:
        """The host answers: the page asks about held keys, or goes."""
        self._last_state = self.recovery.state
        self._draw_at = None
        shown = _to_user(self._view.ask())
        return shown if self.asking else [*shown, *self._uncovered(now)]

    def _uncovered(self, now: float) -> list[Effect]:
        """The screen is the shell's again."""
        effects: list[Effect] = []
        if self._view.repaints:
            self._view.repaints, self._repaint_by = False, now + REPAINT_AFTER
            effects.append(Resize(1))
        backlog, self._backlog = self._backlog, b""
        return [*effects, *(self._from_shell(backlog, now) if backlog else [])]

    def _on_page(self, data: bytes, now: float) -> list[Effect]:
        wish = self._view.held.typed(data, asking=self.asking)
        if wish is Wish.QUIT:
            return self._left(now)
        if wish is Wish.SUSPEND:
            return [*_to_user(self._view.close_page()), Suspend()]
        if self.asking:
            return [] if wish is None else self._decided(wish, now)
        effects = self._done(self.recovery.enter(), now) if wish is Wish.ENTER else []
        return [*effects, *([] if self._attended else _to_user(self._view.page(now)))]

    def _decided(self, wish: Wish, now: float) -> list[Effect]:
        held, self._view.news = self._view.held.take(), ()
        effects = [*_to_user(self._view.close()), *self._uncovered(now)]
        if wish is Wish.FORGET:
            return effects
        self.user_sent(held, now)
        return [*effects, *self._counted([ToHost(held)])]

    def _left(self, now: float) -> list[Effect]:
        """The user goes; the shell stays."""
        self.disconnected = True
        self.parting = words.left(self.kept)
        return [*self._done(self.recovery.give_up(), now), Disconnect()]

    # The timers.

    def _timers(self) -> Iterator[tuple[float, Callable[[float, Phase], list[Effect]]]]:
        if self.header is None or not (self.recovery.away or self.asking):
            yield from super()._timers()
        else:
            look_at = self.recovery.silence.look_at
            yield from _set((look_at, self._look), (self._say_by, self._say))
        yield from _set(
            (self._attempt_by if self._attempt is not None else None, self._too_late),
            (self._ask_at, self._ask),
            (self._draw_at, self._draw),
            (self._repaint_by, self._repaint),
            (self.recovery.next_deadline(), self._try),
        )

    def _try(self, now: float, _phase: Phase) -> list[Effect]:
        return self._done(self.recovery.tick(now), now)

    def _too_late(self, now: float, _phase: Phase) -> list[Effect]:
        return [Abandon(), *self.attempt_ended(words.TOO_LATE, now)]

    def _ask(self, now: float, _phase: Phase) -> list[Effect]:
        if not self.recovery.away:
            self._ask_at, self._asked, self._unanswered = None, False, False
            return []
        self._unanswered |= self._asked
        self._asked = True
        away = self.recovery.away_for(now)
        every = next((every for until, every in ASK_EVERY if away < until), ASK_LATER_EVERY)
        self._ask_at = now + every
        return [Ask()]

    def _draw(self, now: float, _phase: Phase = Phase.IN_SESSION) -> list[Effect]:
        """The title counts, and the page if there is one."""
        if not self.recovery.away or self._attended:
            self._draw_at = None
            return []
        self._draw_at = now + (1.0 if self.recovery.away_for(now) < 60 else 10.0)
        return _to_user(self._view.counts(now))

    def _repaint(self, _now: float, _phase: Phase) -> list[Effect]:
        self._repaint_by = None
        return [Resize(0)]


def _set(
    *timers: tuple[float | None, Callable[[float, Phase], list[Effect]]],
) -> Iterator[tuple[float, Callable[[float, Phase], list[Effect]]]]:
    return ((at, action) for at, action in timers if at is not None)


def _to_user(data: bytes) -> list[Effect]:
    return [ToUser(data)] if data else []
