"""A session over a connection of our own making: its opening, ssh's words, and the escapes.

ssh runs with `-e none` and a stderr of its own: what the pty brings is the host's alone, and what
the user types goes to the host, but for the escapes, which are read here.
"""

from __future__ import annotations

import re

from keepshell.core.effects import (
    Answer,
    Disconnect,
    Effect,
    LinkChanged,
    Note,
    Phase,
    ToHost,
    ToUser,
)
from keepshell.core.kept.anew import Anew
from keepshell.core.link import header, words
from keepshell.core.link.count import Input, Output
from keepshell.core.link.header import Engine, Header, Kept, Opened, Opening
from keepshell.core.link.queries import Queries
from keepshell.core.session import Session, last_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keepshell.core.link.silence import Silence
    from keepshell.core.rules.policy import Policy
    from keepshell.core.session import TypistOf
    from keepshell.core.warner import Warner

MARKER_WITHIN = 10.0
"""Seconds from the login to the marker: then the host has gone its own way, and keys go there."""

HEADER_WITHIN = 10.0
"""Seconds from the marker to the header."""

SAID_AFTER = 0.2
"""Seconds that ssh's own words are kept back: those of a lost connection are for the page."""

TAIL_OF_NEW_TERMINAL = 65536
"""Bytes of the shell's last output that a terminal gets which has none of it."""

_CLOSING = re.compile(rb"(?:Shared c|C)onnection to ")
"""How ssh's last words begin, where a session was shorter than our look at it."""


class OpenedSession(Session):
    """Reads its connection up to the host's header; then the shell's bytes are counted."""

    def __init__(
        self,
        policy: Policy,
        now: float,
        kept: Kept,
        *,
        link: Silence,
        escape_char: int | None,
        typist: TypistOf | None,
        warner: Warner | None,
        shows_words: bool,
    ) -> None:
        """`shows_words` is false where the user has sent ssh's messages elsewhere."""
        super().__init__(
            policy,
            now,
            escape_char=escape_char,
            notice_shown=False,
            typist=typist,
            warner=warner,
            link=link,
            ssh_reads_escapes=False,
        )
        self.kept = kept
        self.header: Header | None = None
        """The host's last word; None while the shell is a plain one."""
        self.shows_words = shows_words
        """Whether ssh's own words are for the screen, and not for a file or pipe of the user's."""
        self._anew = Anew(kept)
        self._opening = Opening() if kept.command is None else None
        self._opening_by: float | None = None
        self._type_ahead = b""
        self._output = Output()
        self._input = Input()
        self._queries: Queries | None = None
        self._escape_char = escape_char
        self._said = self._unsaid = b""
        self._say_by: float | None = None

    @property
    def verbatim(self) -> bool:
        return False

    # The user's keys.

    def user_input(self, data: bytes, now: float) -> list[Effect]:
        if not self.begun:  # at ssh's own prompts, which know no escapes
            self.idle.user(now)
            return [ToHost(data)]
        effects = super().user_input(data, now)
        if self._opening is not None:
            self._type_ahead += _to_host(effects)
            return [effect for effect in effects if not isinstance(effect, ToHost)]
        return self._counted(effects)

    def _unseen_by_ssh(self, key: bytes, now: float) -> list[Effect]:
        effects = super()._unseen_by_ssh(key, now)
        if self.disconnected and self.header is not None:
            self.parting = words.left(self.kept)
        if self.keystrokes.other_escape_at != now:
            return effects
        self.keystrokes.other_escape_at = None
        assert self._escape_char is not None
        return [ToUser(words.escapes(chr(self._escape_char), key, kept=self.header is not None))]

    def _counted(self, effects: list[Effect]) -> list[Effect]:
        if self.header is not None:
            self._input.add(_to_host(effects))
        return effects

    def tick(self, now: float, phase: Phase) -> list[Effect]:
        return self._counted(super().tick(now, phase))

    # The host's output.

    def host_output(self, data: bytes, now: float) -> list[Effect]:
        if self._opening is not None:
            return self._opened(self._opening.feed(data), now)
        if self.header is None:
            self._anew.feed(data)
            return super().host_output(data, now)
        return self._from_shell(data, now)

    def _from_shell(self, data: bytes, now: float) -> list[Effect]:
        data = self._output.take(data)
        if self._queries is not None:
            data = self._queries.feed(data)
            if self._queries.over:
                self._queries = None
        return super().host_output(data, now) if data else []

    def _go_on_with(self, answer: Header) -> tuple[str, ...]:
        """The counts are the host's; what was lost for good."""
        self.header = answer
        dropped = self._output.go_on_at(answer.number("out") or 0)
        missing = self._input.go_on_at(answer.number("in") or 0)
        old = (answer.number("old") or 0) - self._output.have
        self._queries = Queries(old) if old > 0 else None
        return words.news(missing, dropped)

    # The opening of the first connection.

    def begin(self, now: float) -> None:
        super().begin(now)
        if self._opening is not None:
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
        if answer.word not in ("new", "attached"):
            if answer.word == "gone":
                self.parting = words.gone(None, answer)
            why = answer.fields.get("why", answer.word)
            return self._plain("" if self.parting else words.not_kept(why), now, stream)
        self._opening = self._opening_by = None
        self._go_on_with(answer)
        effects: list[Effect] = [LinkChanged("kept"), Note("kept", answer.word)]
        if answer.fields.get("life") == "drop":
            effects.append(ToUser(line(words.KILLED_WITH_SESSION)))
        effects += self._counted(self._what_was_typed())
        return [*effects, *(self._from_shell(stream, now) if stream else [])]

    def _plain(self, why: str, now: float, stream: bytes = b"") -> list[Effect]:
        """There is no kept shell here; what the user typed goes to the one there is."""
        assert self._opening is not None
        self._anew.sh_runs = self._opening.engine is not None
        kept_back = self._opening.give_up()
        self._opening = self._opening_by = None
        effects: list[Effect] = [ToUser(line(why))] if why else []
        shown = kept_back + stream
        effects += super().host_output(shown, now) if shown else []
        return [*effects, *self._what_was_typed(), Note("kept", "plain")]

    def _what_was_typed(self) -> list[Effect]:
        typed, self._type_ahead = self._type_ahead, b""
        return [ToHost(typed)] if typed else []

    def _no_opening(self, now: float, _phase: Phase) -> list[Effect]:
        assert self._opening is not None
        if self._opening.engine is None:
            return self._plain(words.NO_MARKER, now)
        self.parting, self._opening_by = words.NO_HEADER, None
        return [Disconnect()]

    # What ssh says.

    def ssh_said(self, data: bytes, now: float) -> list[Effect]:
        """ssh's own words, which come apart from the shell's output."""
        self._said += line_ends(data)
        if not (self.begun or _CLOSING.match(self._said)):
            return self._say(now)  # why it asks, and then it asks
        self._say_by = now + SAID_AFTER if self._say_by is None else self._say_by
        return []

    def _say(self, now: float, _phase: Phase = Phase.IN_SESSION) -> list[Effect]:
        if not self.shows_words:
            self._take_words()
        said, self._said, self._say_by = self._said, b"", None
        return super().host_output(said, now) if said else []

    def conclude(self) -> None:
        """The child has ended; what it said last counts as if the pty had shown it."""
        self._take_words()
        super().conclude()

    def unsaid(self) -> bytes:
        """ssh's last words, for the user: none where there is more to say."""
        return self._unsaid if self.shows_words and not self.parting else b""

    def _take_words(self) -> None:
        said, self._said, self._say_by = self._said, b"", None
        self._tail = last_of(self._tail, said)
        self._unsaid += said

    def _timers(self) -> Iterator[tuple[float, Callable[[float, Phase], list[Effect]]]]:
        yield from super()._timers()
        if self._opening_by is not None:
            yield self._opening_by, self._no_opening
        if self._say_by is not None:
            yield self._say_by, self._say


def line(said: str) -> bytes:
    """What keepshell says on the screen."""
    return f"keepshell: {said}\r\n".encode()


def line_ends(data: bytes) -> bytes:
    """As the pty would have put them."""
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _to_host(effects: list[Effect]) -> bytes:
    return b"".join(effect.data for effect in effects if isinstance(effect, ToHost))
