"""Whether the program on the alternate screen still lives, told from how it draws.

A mode outlives its program: what a dead tmux or vim turned on stays on, and whatever reads the
terminal then takes a report for text. So a report needs more than the mode: an unbroken chain from
the moment the program asked for it. Each burst of output is a link, judged when it is over:

1. it asks for reports while the alternate screen is on: alive;
2. it draws with the cursor hidden meanwhile, and ends clean: alive;
3. where tmux's mode is on, it hides and shows the cursor and does nothing else: alive;
4. it answers a key and draws: as before;
5. it shows nothing, or no more than the echo of the keys it answers and no prompt, or moves a line
   down where Enter was not pressed, or shows something with the cursor hidden only: as before;
6. anything else, as a shell's prompt or ssh's own words: not alive.

Once a shell's line editor has taken a line outside, nothing mends the chain but a new request: what
draws then may be a program that never asked.

Recorded streams of 2,852 states of dead programs are the test (docs/no-ops.md).
"""

from __future__ import annotations

import re
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from keepshell.core.terminal.keys import characters

if TYPE_CHECKING:
    from keepshell.core.terminal.burst import Burst
    from keepshell.core.terminal.keys import Key
    from keepshell.core.terminal.modes import Modes

FOCUS, TMUX = 1004, 7727
"""Private modes: focus reports; mintty's application escape key, which tmux turns on everywhere."""

SCREENS = (47, 1047, 1049)
"""The alternate screen's three numbers."""

_MOST_KEYS = 64  # waiting for an answer

TOGETHER = 1.0
"""Seconds after the request for reports in which the same program may change to its screen."""

_CURSOR = rb"\x1b\[\?(?:[0-9;]*;)?25(?:;[0-9;]*)?"
_CUP = rb"\x1b\[[0-9;]*[Hf]"
_BRACKET = re.compile(rb"(?s:" + _CURSOR + rb"l.*?" + _CURSOR + rb"h)(?:" + _CUP + rb")?")
# cnorm is `?12l ?25h` for xterm, `34h ?25h` for screen and tmux (terminfo).
_TOGGLE = re.compile(_CURSOR + rb"l(?:\x1b\[\?12[hl]|\x1b\[34[hl])*" + _CURSOR + rb"h")
# As clear(1) and ^L of every line editor print it: a line program does so too.
_CLEAR = re.compile(rb"\x1b\[(?:1;1)?H(?:\x1b\[[023]?J)+|(?:\x1b\[[023]?J)+\x1b\[(?:1;1)?H")
_DRAW = re.compile(rb"\x1b\[[0-9;]*[Hfd]")
_PROMPTS = re.compile(rb"[^\w\s] \Z")
_STRING = re.compile(rb"\x1b[]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?")
_ASKS = re.compile(rb"\x1b\[\?(?:[0-9;]*;)?(?:1004|7727)(?:;[0-9;]*)?h")
# The last words of ssh, of a killed program's shell, and what bash prints when Enter was pressed.
_ENDED = re.compile(
    rb"onnection (?:to|closed)|send disconnect|not responding|closed by remote host"
    rb"|Killed|Terminated|Hangup|Aborted|Segmentation fault|\x1b\[\?2004l\r(?![\r\n])"
)
# As bash, zsh and fish end a line, and no tmux that shows them (all recorded streams of tmux 3.3a).
_LINE_TAKEN = re.compile(rb"\x1b\[\?2004l\r(?!\n)")
_UNSEEN = re.compile(rb"\x1b(?:\[[ -?]*[@-~]|[ -/]*[0-~])|[\x00\x07\x08\r\x0e\x0f]")


def visible(data: bytes) -> bytes:
    """What is left without what moves, colours and rings; LF stays."""
    return _UNSEEN.sub(b"", _STRING.sub(b"", data))


def without_brackets(data: bytes) -> bytes:
    """What was not drawn between hiding and showing the cursor."""
    return _BRACKET.sub(b"", data)


def draws(data: bytes) -> bool:
    """Whether it addresses the cursor, but for clearing the screen."""
    return _DRAW.search(_CLEAR.sub(b"", data)) is not None


class Reading(NamedTuple):
    """What one burst shows, as far as it tells of life."""

    text: int
    """Visible characters, line feeds not counted."""
    lines: int
    """Line feeds."""
    rings: bool
    draws: bool
    """It addresses the cursor, but for clearing the screen."""
    redraws: bool
    """It does so with the cursor hidden, or right after."""
    toggles: bool
    """It hides and shows the cursor and does nothing between."""
    outside: int
    """Visible characters and line feeds outside brackets."""
    prompts: bool
    """What is visible ends as prompts and questions do: a sign and a blank."""
    left: int
    """Visible characters after the last bracket."""
    left_lines: int
    """Line feeds after the last bracket."""

    def clean(self, keys: int) -> bool:
        """Whether the last bracket is the end, but for the echo of so many keys."""
        return self.left_lines == 0 and self.left <= keys

    @classmethod
    def of(cls, data: bytes) -> Reading:
        data = _STRING.sub(b"", data)
        shown, outside = visible(data), visible(without_brackets(data))
        brackets = list(_BRACKET.finditer(data))
        rest = visible(data[brackets[-1].end() :]) if brackets else shown
        uncleared = _CLEAR.sub(b"", data)
        return cls(
            text=_text(shown),
            lines=shown.count(b"\n"),
            rings=b"\a" in data,
            draws=draws(data),
            redraws=any(_DRAW.search(each[0]) for each in _BRACKET.finditer(uncleared)),
            toggles=any(_TOGGLE.match(each[0]) for each in brackets),
            outside=characters(outside),
            prompts=_PROMPTS.search(shown) is not None,
            left=_text(rest),
            left_lines=rest.count(b"\n"),
        )


def _text(data: bytes) -> int:
    return characters(data) - data.count(b"\n")


class Answer(NamedTuple):
    """The keys that a burst may be the answer to."""

    keys: int = 0
    entered: bool = False
    """Enter is among them."""
    report: bool = False
    """No key but a report of the terminal came before it."""


class Link(Enum):
    """What a burst does to the chain."""

    MENDS = "mends"
    KEEPS = "keeps"
    BREAKS = "breaks"


def judge(
    data: bytes,
    answer: Answer,
    reading: Reading | None = None,
    *,
    asks: bool,
    tmux: bool,
    lost: bool = False,
) -> Link:
    """What the burst that ends in `data` does to the chain.

    `reading` is that of `data`, if it is there. `asks`: it turned reports on; `tmux`: tmux's mode
    is on; `lost`: part of the burst is missing.
    """
    reading = reading or Reading.of(data)
    if asks and not _lines_after_drawing(data):
        return Link.MENDS
    if (reading.redraws or (tmux and reading.toggles)) and reading.clean(answer.keys):
        return Link.MENDS
    if lost or (answer.report and (reading.text or reading.rings)):
        return Link.BREAKS
    drawn = answer.keys and reading.draws and not _ENDED.search(data)
    return Link.KEEPS if drawn or _changes_nothing(reading, answer) else Link.BREAKS


def _takes_a_line(burst: Burst) -> bool:
    """Whether a shell, and not tmux, has ended the line that was typed at its prompt."""
    return any(_LINE_TAKEN.search(part) for part in (burst.head, burst.end))


def _lines_after_drawing(data: bytes) -> bool:
    """Whether lines follow the last request for reports and all that was drawn after it."""
    asked_at = max(match.end() for match in _ASKS.finditer(data)) if _ASKS.search(data) else 0
    rest = data[asked_at:]
    for match in (*_BRACKET.finditer(rest), *_DRAW.finditer(rest)):
        asked_at = max(asked_at, len(data) - len(rest) + match.end())
    return b"\n" in data[asked_at:]


def _changes_nothing(reading: Reading, answer: Answer) -> bool:
    """Rule 5: what a living program and a shell may both print."""
    if not reading.lines:
        in_brackets = answer.keys > 0 and reading.outside == 0
        # `~.` may have ended a connection without a word: two keys, and `$ ` is no echo of them.
        return in_brackets or (reading.text <= answer.keys and not reading.prompts)
    return reading.text == 0 and answer.keys > 0 and not answer.entered


class Life:
    """Told each key and each burst, in their order."""

    def __init__(self) -> None:
        self.alive = False
        """Whether the chain is whole."""
        self.disturbed_at: float | None = None
        """When something was last printed that is not the redraw of a living program alone."""
        self.answered = False
        """Whether something is seen or heard since the last report of ours that proves no life."""
        self._outside = False  # a shell has taken a line since the last request
        self._reported_at: float | None = None
        self._keys: deque[_Pressed] = deque(maxlen=_MOST_KEYS)

    def key(self, key: Key, now: float) -> None:
        """A key or a report of the terminal; what was printed before it has been judged."""
        pressed = _Pressed(now, typed=key.is_typed, enter=key.is_enter)
        self._keys.extend([pressed] * min(key.presses, _MOST_KEYS))

    def burst(self, burst: Burst, modes: Modes, within: float) -> None:
        """One burst is over; `within` seconds of a key it counts as the answer."""
        answer, reading = self._answer(burst.began_at, within), Reading.of(burst.end)
        asks = _asks(burst, modes)
        link = judge(burst.end, answer, reading, asks=asks, tmux=modes[TMUX].on, lost=burst.lost)
        self._outside = not asks and (self._outside or _takes_a_line(burst))
        if self._outside and link is Link.MENDS:
            link = Link.BREAKS
        self._forget(reading, link)
        if link is not Link.KEEPS:
            self.alive = link is Link.MENDS
        if link is not Link.MENDS or reading.outside:
            self.disturbed_at = burst.ended_at
        noticed = reading.text or reading.lines or reading.rings
        if (
            noticed
            and link is not Link.MENDS
            and not answer.keys
            and self._is_answer(burst, within)
        ):
            self.answered = True

    def _is_answer(self, burst: Burst, within: float) -> bool:
        """Whether the burst may be the answer to a report of ours."""
        return self._reported_at is not None and burst.began_at - self._reported_at <= within

    def reported(self, now: float) -> None:
        """A report, or other input that does nothing, was sent in the user's place."""
        self.answered = False
        self._reported_at = now
        self._keys.append(_Pressed(now, typed=False, enter=False))

    def _answer(self, began_at: float, within: float) -> Answer:
        while self._keys and began_at - self._keys[0].at > within:
            self._keys.popleft()
        typed = [key for key in self._keys if key.typed]
        return Answer(
            keys=len(typed),
            entered=any(key.enter for key in typed),
            report=bool(self._keys) and not typed,
        )

    def _forget(self, reading: Reading, link: Link) -> None:
        """The keys that have been answered: as many as were echoed, or all by any other answer."""
        if link is Link.MENDS:
            answered = reading.left
        elif reading.draws or reading.lines:
            answered = len(self._keys)
        else:
            answered = reading.text
        for _ in range(min(answered, len(self._keys))):
            self._keys.popleft()


class _Pressed(NamedTuple):
    """That a key was pressed; not which."""

    at: float
    typed: bool
    enter: bool


def _asks(burst: Burst, modes: Modes) -> bool:
    """Rule 1: reports were asked for in this burst, and the alternate screen is on."""
    asked_at = max((modes[mode].set_at or 0.0 for mode in (FOCUS, TMUX)), default=0.0)
    return modes.alternate_screen and burst.began_at <= asked_at <= burst.ended_at


def declared_together(modes: Modes, *requests: int) -> bool:
    """Whether the program that asked for reports is the one whose screen is shown.

    A new program below a stale mode changes to its screen later than the mode was set.
    """
    asked = [at for mode in requests if (at := modes[mode].set_at) is not None]
    changed = [at for mode in SCREENS if (at := modes[mode].changed_at) is not None]
    return bool(asked) and bool(changed) and max(changed) <= max(asked) + TOGETHER
