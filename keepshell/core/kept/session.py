"""A session whose shell outlives its connection: the opening, the loss, the way back.

The rules it keeps, beside those of `Session`:

- every byte of the shell's output is shown once, in its order, over however many connections;
- from the header of a new connection on, the old one is never read again;
- a key typed while the host is away is never sent without the user's word;
- what is drawn over the screen is taken back before the shell's next byte is shown.
"""

from __future__ import annotations

import re

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
from keepshell.core.link import header, words
from keepshell.core.link.count import Input, Output
from keepshell.core.link.header import Engine, Header, Kept, Opened, Opening
from keepshell.core.link.held import HeldKeys, Wish
from keepshell.core.link.page import SavedCursor, Screen
from keepshell.core.link.queries import Queries
from keepshell.core.link.recovery import OVER, Do, Failure, Recovery, State
from keepshell.core.session import Session, joined, last_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keepshell.core.link.silence import Sample
    from keepshell.core.rules.policy import Policy
    from keepshell.core.session import TypistOf
    from keepshell.core.terminal.keys import Key
    from keepshell.core.warner import Warner

MARKER_WITHIN = 10.0
"""Seconds from the login to the marker: then the host has gone its own way, and keys go there."""

ATTEMPT_WITHIN = 30.0
"""Seconds an attempt may take which asks nobody: ConnectTimeout covers only its beginning."""

HEADER_WITHIN = 10.0
"""Seconds from the marker to the header."""

SAID_AFTER = 0.2
"""Seconds that ssh's own words are kept back: those of a lost connection are for the page."""

ASK_EVERY = ((120.0, 0.5), (600.0, 2.0))
ASK_LATER_EVERY = 10.0
"""How long the host is away, and how often it is asked by an echo request until then."""

REPAINT_AFTER = 0.3
"""Seconds a program has one row less, so that it draws itself anew."""

TAIL_OF_NEW_TERMINAL = 65536
"""Bytes of the shell's last output that a terminal gets which has none of it."""

LOST = 255
"""ssh's own status (ssh(1))."""
SUPERSEDED = 254
"""The status of a connection whose shell has gone on to a newer one."""


_CLOSING = re.compile(rb"(?:Shared c|C)onnection to ")
"""How ssh's last words begin, where a session was shorter than our look at it."""


class KeptSession(Session):
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
            escape_char=escape_char,
            notice_shown=False,
            typist=typist,
            warner=warner,
            link=self.recovery.silence,
            ssh_reads_escapes=False,
        )
        self.kept = kept
        self.header: Header | None = None
        """The host's last word; None while the shell is a plain one."""
        self.asking = False
        """Whether the user is asked what becomes of the held keys: nothing is shown meanwhile."""
        self._concluded = False
        self._opening: Opening | None = Opening()
        self._opening_by: float | None = None
        self._type_ahead = b""
        self._output = Output()
        self._input = Input()
        self._queries: Queries | None = None
        self._keys = HeldKeys(escape_char)
        self._escape_char = escape_char
        self._screen = Screen(kept.name)
        self._cursor = SavedCursor()
        self._backlog = b""
        self._attempt: Opening | None = None
        self._attempt_by: float | None = None
        self._attended = False
        self._last_words = ""
        self._news: tuple[str, ...] = ()
        self._said = self._unsaid = b""
        self._say_by: float | None = None
        self._draw_at: float | None = None
        self._repaint_by: float | None = None
        self._ask_at: float | None = None
        self._asked = self._unanswered = False
        self._last_state = State.LIVE

    @property
    def verbatim(self) -> bool:
        return False

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
    def attended(self) -> bool:
        """Whether the user logs in at the moment: keys and words are of the attempt."""
        return self._attended

    @property
    def over(self) -> bool:
        """Whether there is no way back."""
        return self.recovery.state in OVER

    # The user's keys.

    def user_input(self, data: bytes, now: float) -> list[Effect]:
        if self._attended:
            return [ToAttempt(data)]
        if self.asking or (self.header is not None and self.recovery.away):
            return self._on_page(data, now)
        effects = self._passed(data, now)
        if self._opening is not None and self.begun:
            self._type_ahead += _to_host(effects)
            return [effect for effect in effects if not isinstance(effect, ToHost)]
        return [*self._former_title(), *self._counted(effects)]

    def _passed(self, data: bytes, now: float) -> list[Effect]:
        """As `Session` does it, but escapes are ours, and one may begin after every line."""
        if not self.begun:  # at ssh's own prompts, which know no escapes
            self.idle.user(now)
            return [ToHost(data)]
        effects: list[Effect] = []
        keys: list[Key] = []
        for line in data.splitlines(keepends=True):
            rest = line
            while rest and self.keystrokes.at_line_start and self._escape_char is not None:
                keys += self.keystrokes.feed(rest[:1], now)
                effects += self._at_line_start(rest[:1], now)
                rest = rest[1:]
            if rest:
                keys += self.keystrokes.feed(rest, now)
                effects.append(ToHost(rest))
        self._typed(now)
        return [*self._shown(self._typist.input(keys, now)), *joined(effects)]

    def _at_line_start(self, key: bytes, now: float) -> list[Effect]:
        effects = self._unseen_by_ssh(key, now)
        if self.disconnected and self.header is not None:
            self.parting = words.left(self.kept)
        if self.keystrokes.other_escape_at != now:
            return effects
        self.keystrokes.other_escape_at = None
        assert self._escape_char is not None
        return [ToUser(words.escapes(chr(self._escape_char), key))]

    def _counted(self, effects: list[Effect]) -> list[Effect]:
        if self.header is not None:
            self._input.add(_to_host(effects))
        return effects

    # The host's output.

    def host_output(self, data: bytes, now: float) -> list[Effect]:
        if self._opening is not None:
            return self._opened(self._opening.feed(data), now)
        if self.header is None:
            return super().host_output(data, now)
        return self._from_shell(data, now)

    def _from_shell(self, data: bytes, now: float) -> list[Effect]:
        # First of all the page goes, or asks: the next byte is for the screen below it.
        effects = self._heard(now)
        if self._screen.page_open:
            self._backlog += data
            return effects
        data = self._output.take(data)
        if self._queries is not None:
            data = self._queries.feed(data)
            if self._queries.over:
                self._queries = None
        self._cursor.feed(data)
        return [*effects, *(super().host_output(data, now) if data else [])]

    def ssh_said(self, data: bytes, now: float) -> list[Effect]:
        """ssh's own words, which come apart from the shell's output."""
        self._said += _line_ends(data)
        if not (self.begun or _CLOSING.match(self._said)):
            return self._say(now)  # why it asks, and then it asks
        self._say_by = now + SAID_AFTER if self._say_by is None else self._say_by
        return []

    def conclude(self) -> None:
        """The child has ended; what it said last counts as if the pty had shown it."""
        self._take_words()
        self._concluded = True
        super().conclude()

    def unsaid(self) -> bytes:
        """ssh's last words, for the user: none where there is more to say."""
        return b"" if self.parting else self._unsaid

    def _take_words(self) -> None:
        said, self._said, self._say_by = self._said, b"", None
        self._tail = last_of(self._tail, said)
        self._unsaid += said

    def _say(self, now: float, _phase: Phase = Phase.IN_SESSION) -> list[Effect]:
        said, self._said, self._say_by = self._said, b"", None
        if not said or self._screen.page_open:
            return []
        return super().host_output(said, now)

    # The opening of the first connection.

    def begin(self, now: float) -> None:
        super().begin(now)
        self._opening_by = now + MARKER_WITHIN

    def _opened(self, opened: Opened, now: float) -> list[Effect]:
        effects = super().host_output(opened.shown, now) if opened.shown else []
        if opened.engine is Engine.NONE:
            return [*effects, *self._plain(words.NO_ENGINE, now)]
        if opened.engine is not None:
            self._opening_by = now + HEADER_WITHIN
            effects.append(Answer(opened.engine.value, self._first_request(), to_attempt=False))
        if opened.header is not None:
            effects += self._begun_with(opened.header, opened.stream, now)
        return effects

    def _first_request(self) -> bytes:
        kept = self.kept
        if kept.exists:
            return header.request("attach", id=kept.id, tail=TAIL_OF_NEW_TERMINAL)
        keep = int(kept.keep)
        return header.request("new", id=kept.id, keep=keep, name=kept.name, **{"from": kept.client})

    def _begun_with(self, answer: Header, stream: bytes, now: float) -> list[Effect]:
        self._opening = self._opening_by = None
        if answer.word not in ("new", "attached"):
            if answer.word == "gone":
                self.parting = words.gone(None, answer)
            why = answer.fields.get("why", answer.word)
            return self._plain("" if self.parting else words.not_kept(why), now, stream)
        self.header = answer
        self._output = Output(answer.number("out") or 0)
        self._input = Input(answer.number("in") or 0)
        self._forget_queries(answer)
        typed, self._type_ahead = self._type_ahead, b""
        effects: list[Effect] = [LinkChanged("kept"), Note("kept", answer.word)]
        if answer.fields.get("life") == "drop":
            effects.append(ToUser(f"keepshell: {words.KILLED_WITH_SESSION}\r\n".encode()))
        effects += self._counted([ToHost(typed)] if typed else [])
        return [*effects, *(self._from_shell(stream, now) if stream else [])]

    def _plain(self, why: str, now: float, stream: bytes = b"") -> list[Effect]:
        """There is no kept shell here; what the user typed goes to the one there is."""
        kept_back = self._opening.give_up() if self._opening is not None else b""
        self._opening = self._opening_by = None
        effects: list[Effect] = [ToUser(f"keepshell: {why}\r\n".encode())] if why else []
        shown = kept_back + stream
        effects += super().host_output(shown, now) if shown else []
        typed, self._type_ahead = self._type_ahead, b""
        return [*effects, *([ToHost(typed)] if typed else []), Note("kept", "plain")]

    def _no_opening(self, now: float, _phase: Phase) -> list[Effect]:
        assert self._opening is not None
        if self._opening.engine is None:
            return self._plain(words.NO_MARKER, now)
        self.parting, self._opening_by = words.NO_HEADER, None
        return [Disconnect()]

    # The loss, and the attempts.

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
        self.asking = False
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

    def _ask(self, now: float, _phase: Phase) -> list[Effect]:
        if not self.recovery.away:
            self._ask_at, self._asked, self._unanswered = None, False, False
            return []
        self._unanswered |= self._asked
        self._asked = True
        since = self.recovery.away_since
        away = 0.0 if since is None else now - since
        every = next((every for until, every in ASK_EVERY if away < until), ASK_LATER_EVERY)
        self._ask_at = now + every
        return [Ask()]

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
        return [ToUser(_line_ends(data))]

    def attempt_ended(self, said: str, now: float, failure: Failure | None = None) -> list[Effect]:
        """The attempt is over, without the shell; `said` is what ssh said last."""
        self._attempt = None
        self._attended = False
        self._last_words = said
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
        self.header, self._attempt, self._attended = answer, None, False
        dropped = self._output.go_on_at(answer.number("out") or 0)
        missing = self._input.go_on_at(answer.number("in") or 0)
        self._forget_queries(answer)
        self.recovery.reattached()
        self._stopped, self._backlog, self._last_words = False, stream, ""
        self._news = words.news(missing, dropped)
        return [TakeOver(), Note("reattached"), *self._back(now)]

    def _forget_queries(self, answer: Header) -> None:
        old = (answer.number("old") or 0) - self._output.have
        self._queries = Queries(old) if old > 0 else None

    # What recovery wants done, and what the user sees of it.

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

    def _done(self, todo: list[Do], now: float) -> list[Effect]:
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
                    effects += self._page(words.LOGGING_IN)
                effects.append(Try(self._attended))
        state, former = self.recovery.state, self._last_state
        if state is former:
            return effects
        self._last_state = state
        effects.append(LinkChanged(state.value))
        if self.over:
            return [*effects, *_to_user(self._screen.close_page()), *self._former_title()]
        if self.recovery.away:
            self._ask_at = now if self._ask_at is None else self._ask_at
            return [*effects, *self._draw(now)]
        return [*effects, *self._back(now)]

    def _back(self, now: float) -> list[Effect]:
        """The host answers: the page asks about held keys, or goes."""
        self._last_state = self.recovery.state
        self._draw_at = None
        if self._screen.page_open and self._keys.count.keys:
            self.asking = True
            return self._page(words.question(self.kept.name, self._keys.count, self._news))
        return self._closed(now)

    def _closed(self, now: float) -> list[Effect]:
        self.asking = False
        effects: list[Effect] = _to_user(self._screen.close_page()) + self._former_title()
        if self._news:
            effects += _to_user(self._title("; ".join(self._news)))
            self._news = ()
        if self._screen.repaints:
            self._screen.repaints, self._repaint_by = False, now + REPAINT_AFTER
            effects.append(Resize(1))
        backlog, self._backlog = self._backlog, b""
        return [*effects, *(self._from_shell(backlog, now) if backlog else [])]

    def _on_page(self, data: bytes, now: float) -> list[Effect]:
        wish = self._keys.typed(data, asking=self.asking)
        if wish is Wish.QUIT:
            return self._left(now)
        if wish is Wish.SUSPEND:
            return [*_to_user(self._screen.close_page()), Suspend()]
        if self.asking:
            if wish is None:
                return []
            held, self._news = self._keys.take(), ()
            effects = self._closed(now)
            if wish is Wish.FORGET:
                return effects
            self.user_sent(held, now)
            return [*effects, *self._counted([ToHost(held)])]
        effects = self._done(self.recovery.enter(), now) if wish is Wish.ENTER else []
        return [*effects, *([] if self._attended else self._drawn_page(now))]

    def _left(self, now: float) -> list[Effect]:
        """The user goes; the shell stays."""
        self.disconnected = True
        self.parting = words.left(self.kept)
        return [*self._done(self.recovery.give_up(), now), Disconnect()]

    def _draw(self, now: float, _phase: Phase = Phase.IN_SESSION) -> list[Effect]:
        """The title counts, and the page if there is one; both where nothing is cut in two."""
        if not self.recovery.away or self._attended:
            self._draw_at = None
            return []
        since = self.recovery.away_since
        away = 0.0 if since is None else now - since
        self._draw_at = now + (1.0 if away < 60 else 10.0)
        effects = _to_user(self._title(words.away(self.recovery, away)))
        return [*effects, *(self._drawn_page(now) if self._screen.page_open else [])]

    def _drawn_page(self, now: float) -> list[Effect]:
        return self._page(
            words.page(self.kept, self.recovery, now, self._keys.count, self._last_words)
        )

    def _page(self, lines: tuple[str, ...]) -> list[Effect]:
        if not self._screen.page_open and (self._cut_in_two or self._cursor.open):
            return []
        return _to_user(self._screen.page(lines, self.modes))

    def _title(self, text: str) -> bytes:
        return b"" if self._cut_in_two else self._screen.title(text)

    def _former_title(self) -> list[Effect]:
        return [] if self._cut_in_two else _to_user(self._screen.former_title())

    @property
    def _cut_in_two(self) -> bool:
        """Whether the last output ends within a sequence, into which nothing may be drawn."""
        return self.modes.snapshot().half_sequence

    # The timers.

    def tick(self, now: float, phase: Phase) -> list[Effect]:
        return self._counted(super().tick(now, phase))

    def _timers(self) -> Iterator[tuple[float, Callable[[float, Phase], list[Effect]]]]:
        if self.header is None or not (self.recovery.away or self.asking):
            yield from super()._timers()
        elif self.recovery.silence.look_at is not None:
            yield self.recovery.silence.look_at, self._look
        own = (
            (self._opening_by, self._no_opening),
            (self._attempt_by if self._attempt is not None else None, self._too_late),
            (self._say_by, self._say),
            (self._ask_at, self._ask),
            (self._draw_at, self._draw),
            (self._repaint_by, self._repaint),
            (self.recovery.next_deadline(), self._try),
        )
        yield from ((at, action) for at, action in own if at is not None)

    def _try(self, now: float, _phase: Phase) -> list[Effect]:
        return self._done(self.recovery.tick(now), now)

    def _too_late(self, now: float, _phase: Phase) -> list[Effect]:
        return [Abandon(), *self.attempt_ended(words.TOO_LATE, now)]

    def _repaint(self, _now: float, _phase: Phase) -> list[Effect]:
        self._repaint_by = None
        return [Resize(0)]


def _line_ends(data: bytes) -> bytes:
    """As the pty would have put them."""
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _to_host(effects: list[Effect]) -> bytes:
    return b"".join(effect.data for effect in effects if isinstance(effect, ToHost))


def _to_user(data: bytes) -> list[Effect]:
    return [ToUser(data)] if data else []
