"""Whether the cursor is at a prompt with nothing typed, told from what the row has shown before.

A prompt is proven by its echo: the user's first key appeared right after it. So is the login prompt
that Enter has brought back before anything else was typed. From then on the same row with the
cursor at the same place is that prompt again, and empty, if it was printed anew since the last key
or if that key was one that empties a line. What a program prints that takes keys as events never
proves itself so. Where the first key at a proven prompt was not shown, the terminal doesn't echo,
and a line may be half typed unseen. (docs/no-ops.md)
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from keepshell.core.terminal.keys import Kind
from keepshell.core.terminal.prompt import NO_PROMPTS, looks_like_a_prompt, marked, normal, starts
from keepshell.core.terminal.row import Row

if TYPE_CHECKING:
    from keepshell.core.terminal.burst import Burst
    from keepshell.core.terminal.keys import Key
    from keepshell.core.terminal.modes import Modes

PROMPTS_KEPT = 8
SHOWN_KEPT = 2048  # bytes of output since the last key

MOVES_FOR = 2.0
"""Seconds after an Enter of ours in which a key says nothing of the prompt's row."""

_PASTES = 2004
_FAMILY_SHARES = 5  # characters
_DIGITS = re.compile(r"\d+")
_CLOSING = frozenset(b"\x15\x03\x04\x0b\x17\x0c\x07\x1a\x08\x7f")  # ^U ^C ^D ^K ^W ^L ^G ^Z
_SAFE = _CLOSING | frozenset(b"\r\n\x01\x02\x05\x06\x12")  # ^A ^B ^E ^F ^R


class Prompt(NamedTuple):
    """A row with its cursor, as far as two drawings of one prompt agree: digits count as one."""

    before: str
    after: str
    pastes: bool
    """Whether bracketed paste was on."""

    @classmethod
    def of(cls, row: Row, modes: Modes) -> Prompt | None:
        """The cursor's row; None where it is not known, and where before the cursor there is
        nothing, or what many programs print."""
        if not row.known or row.before.strip() in ("", *NO_PROMPTS):
            return None
        before, after = (_DIGITS.sub("0", text) for text in (row.before, row.after.strip()))
        return cls(before, after, modes[_PASTES].on)

    def is_family(self, other: Prompt) -> bool:
        """Whether the two differ in one word only, as a directory or a branch."""
        mine, its = self.before.rstrip(), other.before.rstrip()
        same_end = mine[-1:] == its[-1:] and self.before[len(mine) :] == other.before[len(its) :]
        if not same_end or (self.after, self.pastes) != (other.after, other.pastes):
            return False
        begun = _common(mine, its)
        ended = min(_common(mine[::-1], its[::-1]), min(len(mine), len(its)) - begun)
        middles = (text[begun : len(text) - ended] for text in (mine, its))
        return begun + ended >= _FAMILY_SHARES and not any(" " in middle for middle in middles)


def _common(one: str, other: str) -> int:
    """How many characters the two have in common at their beginning."""
    count = 0
    for mine, its in zip(one, other, strict=False):
        if mine != its:
            break
        count += 1
    return count


def _first_line(data: bytes) -> bytes:
    return data[: data.find(b"\n") + 1]


class Sight(NamedTuple):
    """What `Prompts` has to say at one moment.

    `drawn` are the bytes, `normal`, that may draw this prompt from column 0: more than one, because
    only a shell knows how many lines its prompt has. Empty unless `login`.
    """

    empty: bool = False
    """The cursor is at a prompt, and nothing is typed."""
    begun: bool = False
    """The cursor is at such a prompt, and something is typed."""
    echoes: bool = True
    """The last first key at a prompt was shown, as far as any was typed."""
    known: bool = False
    """A prompt was seen at login."""
    login: bool = False
    """`empty`, at a prompt believed to be the login shell's: its first one or one of that family,
    or one it has marked."""
    mismatched: bool = False
    addressed: bool = False
    """The cursor was addressed since the last Enter: no canonical reader does so."""
    drawn: tuple[bytes, ...] = ()


class _Watch(NamedTuple):
    """A first key that is waited for at a prompt."""

    prompt: Prompt
    row: int
    text: str  # of the row before the cursor
    character: str
    at: float
    drawn: tuple[bytes, ...]


class Prompts:
    """Told each key and each burst as the user sees it, in their order."""

    def __init__(self) -> None:
        self._row = Row()
        self._shown = b""  # since the last key
        self._cut = False  # what was shown does not begin at a line's start
        self._key_at: float | None = None
        self._since_enter = 0  # keys
        self._only_enters = True  # no other key was pressed
        self._closed = False  # the last key was one that empties a line
        self._line_over = False  # a key after the one waited for may have taken it away
        self._unsafe_at: float | None = None
        self._addressed = False  # since the last Enter
        self._login: Prompt | None = None
        self._back = False  # the user's own Enter has brought the login prompt back
        self._proven: dict[Prompt, tuple[bytes, ...]] = {}
        self._watch: _Watch | None = None
        self._dark = False  # the last first key at a proven prompt was not shown
        self._mismatched = False
        self._moves_until = -math.inf

    def burst(self, burst: Burst) -> None:
        """A burst of output is over."""
        if burst.lost:
            self._feed(burst.head if b"\x1b[?1049h" in burst.head else _first_line(burst.head))
            self._row.lose()
        self._feed(burst.end)
        shown = self._shown + burst.end
        self._cut = self._cut or burst.lost or len(shown) > SHOWN_KEPT
        self._shown = shown[-SHOWN_KEPT:]
        self._addressed = self._addressed or self._row.addressed

    def _feed(self, data: bytes) -> None:
        """The key that is waited for is looked for before what its line did is shown."""
        line = _first_line(data) if self._watch is not None else b""
        if line:
            self._row.feed(line)
            self._look_for_echo()
        self._row.feed(data[len(line) :])
        self._look_for_echo()

    def entered_for_user(self, now: float) -> None:
        """An Enter of ours goes out: a key soon after it is shown on the next row, if at all."""
        self._moves_until = now + MOVES_FOR

    def mismatch(self) -> None:
        """An Enter of ours was answered by something else than a prompt: never again."""
        self._mismatched = True

    def key(self, key: Key, now: float, modes: Modes) -> None:
        """A key, before the terminal answers it."""
        if not key.is_typed:
            return
        self._learn(modes)
        if key.kind is Kind.TEXT:
            self._start(key, now, modes)
        else:
            self._line_over = True
        self._since_enter = 0 if key.is_enter else self._since_enter + 1
        self._only_enters = self._only_enters and key.is_enter
        control = key.data[0] if key.kind is Kind.CONTROL else None
        self._closed = key.kind is Kind.EDITING or control in _CLOSING
        if not (key.kind in (Kind.TEXT, Kind.EDITING) or control in _SAFE):
            self._unsafe_at = now
        self._addressed = self._addressed and not key.is_enter
        self._key_at = now
        self._shown, self._cut = b"", True
        self._row.mark()

    def _learn(self, modes: Modes) -> None:
        """What the row tells before a key changes it."""
        prompt = Prompt.of(self._row, modes)
        if self._key_at is None:
            is_one = prompt and (self._is_marked() or looks_like_a_prompt(prompt.before))
            self._login = prompt if is_one else self._login
        elif self._entered and prompt is not None and prompt == self._login:
            self._back = self._back or self._row.printed_anew
            if self._only_enters and self._row.printed_anew and self._fresh(modes):
                self._proven.setdefault(prompt, starts(normal(self._shown), self._cut))
        if prompt is not None and self._fresh(modes) and self._is_proven(prompt):
            self._unsafe_at = None

    @property
    def _entered(self) -> bool:
        """Whether the last key was Enter."""
        return self._since_enter == 0 and self._key_at is not None

    def _start(self, key: Key, now: float, modes: Modes) -> None:
        """A character is typed: the row it will appear on may be a prompt."""
        prompt = Prompt.of(self._row, modes)
        if self._watch is not None and self._line_over:
            self._give_up()
        if prompt is None or self._watch is not None or now < self._moves_until:
            return
        at_login = self._key_at is None and prompt == self._login
        anew = self._entered and self._fresh(modes)
        if at_login or anew or self._is_proven(prompt):
            character = key.data.decode("utf-8", "replace")[0]
            drawn = starts(normal(self._shown), self._cut)
            row = self._row
            self._watch = _Watch(prompt, row.number, row.before, character, now, drawn)
            self._line_over = False

    def _look_for_echo(self) -> None:
        """The prompt that was typed at is proven once the key is shown right after it."""
        watch = self._watch
        text = self._row.text_of(watch.row) if watch else None
        if watch is None or text is None or not text.startswith(watch.text + watch.character):
            return
        self._dark, self._watch = False, None
        drawn = watch.drawn or self._proven.pop(watch.prompt, ())
        self._proven.pop(watch.prompt, None)
        self._proven[watch.prompt] = drawn
        if len(self._proven) > PROMPTS_KEPT:
            del self._proven[next(iter(self._proven))]

    def _give_up(self) -> None:
        """The key that was waited for was not shown."""
        if self._watch is not None and self._is_proven(self._watch.prompt):
            self._dark = True
        self._watch = None

    def _is_proven(self, prompt: Prompt) -> bool:
        return prompt in self._proven

    def _is_marked(self) -> bool:
        """Whether the shell itself has marked this as a prompt, since the last key."""
        return marked(self._shown)

    def _fresh(self, modes: Modes) -> bool:
        """Whether a prompt has been shown since the last key."""
        pastes = modes[_PASTES]
        if pastes.on:
            return self._key_at is None or (pastes.set_at or 0.0) > self._key_at
        if self._is_marked():
            return True
        if self._login is not None and self._login.pastes:
            return False  # a shell that asks for pastes at its prompt has not asked
        return self._row.printed_anew or self._since_enter == 0

    def sight(self, now: float, modes: Modes, near: float) -> Sight:
        """What the cursor is at; a key less than `near` seconds old may yet be shown."""
        self._learn(modes)
        if self._watch is not None and now - self._watch.at >= near:
            self._give_up()
        prompt = Prompt.of(self._row, modes)
        drawn = None if prompt is None else self._drawn(prompt, modes)
        return Sight(
            empty=drawn is not None,
            begun=drawn is None and prompt is not None and self._is_begun(prompt),
            echoes=not self._dark and self._watch is None,
            known=self._login is not None or self._is_marked(),
            login=drawn is not None and prompt is not None and self._is_login(prompt),
            mismatched=self._mismatched,
            addressed=self._addressed,
            drawn=drawn or (),
        )

    def _drawn(self, prompt: Prompt, modes: Modes) -> tuple[bytes, ...] | None:
        """The bytes that may draw this prompt, None where it is no prompt or not empty."""
        anew = starts(normal(self._shown), self._cut)
        if self._key_at is None:
            return anew if prompt == self._login else None
        if self._dark or self._watch is not None:
            return None
        before = self._proven.get(prompt)
        if self._fresh(modes):
            akin = before is not None or any(map(prompt.is_family, self._proven))
            return tuple(dict.fromkeys((*anew, *(before or ())))) if akin else None
        return before if self._closed and self._unsafe_at is None else None

    def _is_begun(self, prompt: Prompt) -> bool:
        """Whether a line is typed at a prompt seen before."""
        return any(
            prompt.before.startswith(known.before) and prompt.before != known.before
            for known in self._proven
        )

    def _is_login(self, prompt: Prompt) -> bool:
        if self._is_marked():
            return True
        login = self._login
        if login is None or not (prompt == login or prompt.is_family(login)):
            return False
        return login.pastes or self._back
