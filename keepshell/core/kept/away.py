"""What the user sees, types and decides while the host is away, and at its return.

The rules it keeps:

- a key typed while the host is away is never sent without the user's word;
- what is drawn over the screen is taken back before the shell's next byte is shown.
"""

from __future__ import annotations

from keepshell.core.effects import (
    Ask,
    Disconnect,
    Effect,
    LinkChanged,
    Phase,
    Resize,
    Suspend,
    ToAttempt,
    ToHost,
    ToUser,
)
from keepshell.core.kept.opening import OpenedSession
from keepshell.core.kept.view import View
from keepshell.core.link import words
from keepshell.core.link.count import without_reports
from keepshell.core.link.held import Wish
from keepshell.core.link.recovery import OVER, Recovery, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keepshell.core.link.header import Kept
    from keepshell.core.link.recovery import Do
    from keepshell.core.rules.policy import Policy
    from keepshell.core.session import TypistOf
    from keepshell.core.warner import Warner

ASK_EVERY = ((120.0, 0.5), (600.0, 2.0))
ASK_LATER_EVERY = 10.0
"""How long the host is away, and how often it is asked by an echo request until then."""

REPAINT_AFTER = 0.3
"""Seconds a program has one row less, so that it draws itself anew."""


class AwaySession(OpenedSession):
    """Shows what becomes of the connection; what is done about it is `KeptSession`'s."""

    _do: Callable[[Do, float], list[Effect]]

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
        shows_words: bool = True,
    ) -> None:
        """`random` gives numbers from 0 up to 1; the rest is as for `OpenedSession`."""
        self.recovery = Recovery(random)
        super().__init__(
            policy,
            now,
            kept,
            link=self.recovery.silence,
            escape_char=escape_char,
            typist=typist,
            warner=warner,
            shows_words=shows_words,
        )
        self.attended = False
        """Whether the user logs in at the moment: keys and words are of the attempt."""
        self.unasked = False
        """Whether the attempt has asked the user nothing so far."""
        self.view = View(kept, self.recovery, self.modes, escape_char)
        self._backlog = b""
        self._draw_at: float | None = None
        self._repaint_by: float | None = None
        self._ask_at: float | None = None
        self._asked = self._unanswered = False
        self._last_state = State.LIVE

    @property
    def asking(self) -> bool:
        """Whether the user is asked what becomes of the held keys: nothing is shown meanwhile."""
        return self.view.asking

    @property
    def over(self) -> bool:
        """Whether there is no way back."""
        return self.recovery.state in OVER

    @property
    def _returns(self) -> bool:
        """Whether the connection that there is, or was, is one to come back from."""
        return self.header is not None or self.recovery.lost_at is not None

    @property
    def _is_away(self) -> bool:
        return self._returns and self.recovery.away

    def user_input(self, data: bytes, now: float) -> list[Effect]:
        if self.attended:
            self.unasked = self.unasked and not without_reports(data)
            return [ToAttempt(data)]
        if self.asking or self._is_away:
            return self._on_page(data, now)
        effects = super().user_input(data, now)
        return [*_to_user(self.view.former_title()), *effects]

    def _from_shell(self, data: bytes, now: float) -> list[Effect]:
        # First of all the page goes, or asks: the next byte is for the screen below it.
        effects = self._heard(now)
        if self.view.page_open:
            self._backlog += data
            return effects
        self.view.cursor.feed(data)
        return [*effects, *super()._from_shell(data, now)]

    def _say(self, now: float, phase: Phase = Phase.IN_SESSION) -> list[Effect]:
        if self.view.page_open:
            self._said = b""
        return super()._say(now, phase)

    def reachable(self, now: float) -> list[Effect]:
        """The host has answered an echo request: news only if it left one before unanswered."""
        news, self._asked, self._unanswered = self._unanswered, False, False
        return self._done(self.recovery.reachable(), now) if news and not self.attended else []

    def _done(self, todo: list[Do], now: float) -> list[Effect]:
        """What recovery wants done, and what the user sees of its state."""
        effects = [effect for do in todo for effect in self._do(do, now)]
        state, former = self.recovery.state, self._last_state
        if state is former:
            return effects
        self._last_state = state
        effects.append(LinkChanged(state.value))
        if self.over:
            return [*effects, *_to_user(self.view.close_page() + self.view.former_title())]
        if self.recovery.away:
            self._ask_at = now if self._ask_at is None else self._ask_at
            return [*effects, *self._draw(now)]
        return [*effects, *self._back(now)]

    def _back(self, now: float) -> list[Effect]:
        """The host answers: the page asks about held keys, or goes."""
        self._last_state = self.recovery.state
        self._draw_at = None
        shown = _to_user(self.view.ask())
        return shown if self.asking else [*shown, *self._uncovered(now)]

    def _uncovered(self, now: float) -> list[Effect]:
        """The screen is the shell's again."""
        effects: list[Effect] = []
        if self.view.repaints:
            self.view.repaints, self._repaint_by = False, now + REPAINT_AFTER
            effects.append(Resize(1))
        backlog, self._backlog = self._backlog, b""
        return [*effects, *(self.host_output(backlog, now) if backlog else [])]

    def _on_page(self, data: bytes, now: float) -> list[Effect]:
        wish = self.view.held.typed(data, asking=self.asking)
        if wish is Wish.QUIT:
            return self._left(now)
        if wish is Wish.SUSPEND:
            return [*_to_user(self.view.close_page()), Suspend()]
        if self.asking:
            return self._decided(wish, now) if wish in (Wish.ENTER, Wish.FORGET) else []
        effects = self._done(self.recovery.enter(), now) if wish is Wish.ENTER else []
        return [*effects, *([] if self.attended else _to_user(self.view.page(now)))]

    def _decided(self, wish: Wish | None, now: float) -> list[Effect]:
        held, self.view.news = self.view.held.take(), ()
        effects = [*_to_user(self.view.close()), *self._uncovered(now)]
        if wish is Wish.FORGET:
            return effects
        self.user_sent(held, now)
        return [*effects, *self._counted([ToHost(held)])]

    def _left(self, now: float) -> list[Effect]:
        """The user goes; a kept shell stays."""
        self.disconnected = True
        if self.header is not None:
            self.parting = words.left(self.kept)
        return [*self._done(self.recovery.give_up(), now), Disconnect()]

    def _timers(self) -> Iterator[tuple[float, Callable[[float, Phase], list[Effect]]]]:
        if not (self._is_away or self.asking):
            yield from super()._timers()
        else:
            look_at = self.recovery.silence.look_at
            yield from those_set((look_at, self._look), (self._say_by, self._say))
        yield from those_set(
            (self._ask_at, self._ask),
            (self._draw_at, self._draw),
            (self._repaint_by, self._repaint),
        )

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
        if not self.recovery.away or self.attended:
            self._draw_at = None
            return []
        self._draw_at = now + (1.0 if self.recovery.away_for(now) < 60 else 10.0)
        return _to_user(self.view.counts(now))

    def _repaint(self, _now: float, _phase: Phase) -> list[Effect]:
        self._repaint_by = None
        return [Resize(0)]


def those_set(
    *timers: tuple[float | None, Callable[[float, Phase], list[Effect]]],
) -> Iterator[tuple[float, Callable[[float, Phase], list[Effect]]]]:
    """The timers that have a time."""
    return ((at, action) for at, action in timers if at is not None)


def _to_user(data: bytes) -> list[Effect]:
    return [ToUser(data)] if data else []
