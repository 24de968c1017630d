"""Hides the redraw that answers an empty line: bytes in, the same bytes or nothing out.

Enter at a prompt is answered by a newline and the same prompt. If the reply is exactly that, bytes
and modes, and nothing follows, none of it reaches the user's terminal, which stays as it was. In
every other case everything withheld is shown, immediately, complete and in order: when it can no
longer become that redraw, when the window has passed, when the user presses a key.
(docs/no-ops.md)
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from keepshell.core.terminal.modes import KEYPAD, Modes, ModeTracker
from keepshell.core.terminal.prompt import normal

SHORTEST_WINDOW = 0.3  # seconds
QUIET_FOR = 0.05  # seconds in which nothing may follow the redraw

_LONGEST = 4096  # bytes withheld


class Newline(NamedTuple):
    """What a shell prints from Enter to the beginning of the next prompt."""

    data: bytes
    shells: str


NEWLINES = (
    Newline(b"\r\n", "without bracketed paste: bash, ksh93, dash; tcsh and mksh without editing"),
    Newline(b"\r\r\n", "mksh, tcsh, zsh before 5.1"),
    Newline(b"\x00\r\n", "ksh93 in vi mode"),
    Newline(b"\r\n\x1b[?2004l\r", "bash 5.1 and later"),
    Newline(b"\r\n\x1b[?2004l", "readline 7 and 8.0, BRACK_PASTE_FINI in rlprivate.h"),
    Newline(b"\r\n\x1b[?2004l\r\x1b[?1l\x1b>", "bash with enable-keypad"),
    Newline(b"\x1b[?2004l\r\r\n", "zsh"),
    Newline(b"\x1b[?2004l\x1b[K\r\r\n", "zsh with transient_rprompt"),
    Newline(b"\x1b[?1l\x1b>\x1b[?2004l\r\r\n", "zsh, keypad switched by its line editor"),
    Newline(b"\x1b[?1l\x1b>\x1b[?2004l\x1b[K\r\r\n", "zsh, both"),
)

# At the end of a chunk, the beginning of something that `normal` removes or changes.
_SGR = rb"(?:\x1b\[[0-9]*m|\x0f)*"
_BEGUN = re.compile(
    rb"(?:\x1b(?:\](?:1(?:3(?:3(?:;[^\x07\x1b]{0,70}\x1b?)?)?)?)?)?"  # OSC 133
    rb"|[0-9][0-9:-]{0,9} ?[AaPp]?"  # a clock or a date
    rb"|(?<![^\r\n])"  # PROMPT_SP, at column 0
    + _SGR
    + rb"(?:\x1b(?:\[[0-9]*)?|[%#]"
    + _SGR
    + rb"(?:\x1b(?:\[[0-9]*)?| +(?:\r ?)?)?)?"
    rb")\Z"
)


class Outcome(Enum):
    """What the user sees of the reply."""

    NONE = "none"  # it is withheld, or has not come yet
    HIDDEN = "hidden"
    VISIBLE = "visible"


class _Fit(Enum):
    WHOLE = "whole"  # the redraw
    BEGUN = "begun"  # the beginning of one
    NO = "no"


def window(round_trip: float | None) -> float:
    """How long a reply may be withheld, in seconds; `round_trip` is the link's, None if unknown."""
    return SHORTEST_WINDOW if round_trip is None else max(SHORTEST_WINDOW, 2 * round_trip + 0.1)


class Withholding:
    """Made when Enter is sent; output goes through `feed` until it is `over`.

    outcome: what the user sees of the reply; once decided it stays.
    mismatch: the reply was something other than the prompt, so no further Enter is harmless.
    reply_after: seconds from Enter to the end of the redraw, even if that came too late to hide;
    None if none came. The link's round trip is no longer than this.
    """

    def __init__(self, prompts: tuple[bytes, ...], modes: Modes, now: float, window: float) -> None:
        """`prompts` is that of `PromptMemory.sight`; `modes` are those before the Enter."""
        self._expected = tuple(line.data + prompt for line in NEWLINES for prompt in prompts)
        self._modes = modes
        self._sent_at = now
        self._until = now + window
        self._reply = b""
        self._whole_at: float | None = None
        self.over = False
        self.outcome = Outcome.NONE
        self.mismatch = False
        self.reply_after: float | None = None

    @property
    def deadline(self) -> float | None:
        """When `tick` is due (monotonic seconds); None once the outcome is decided."""
        if self.outcome is not Outcome.NONE:
            return None
        return self._until if self._whole_at is None else self._whole_at + QUIET_FOR

    def feed(self, data: bytes, now: float) -> bytes:
        """Takes output; returns what to show, of it and of what was withheld before."""
        self._hide_when_quiet(now)
        if self.over:
            return data
        self._reply += data
        late = self.outcome is Outcome.VISIBLE
        fit = self._fit_late() if late else self._fit()
        self._whole_at = now if fit is _Fit.WHOLE else None
        if fit is _Fit.WHOLE:
            self.reply_after = now - self._sent_at
        self.mismatch = fit is _Fit.NO
        if late:
            self.over = fit is not _Fit.BEGUN
            return data
        return self.release() if fit is _Fit.NO else b""

    def tick(self, now: float) -> bytes:
        """Acts on the deadline if it has come; returns what to show.

        A late reply is shown as it comes, and still judged.
        """
        self._hide_when_quiet(now)
        if self.outcome is Outcome.NONE and self._whole_at is None and now >= self._until:
            self.outcome = Outcome.VISIBLE
            return self._reply
        return b""

    def release(self) -> bytes:
        """Ends it because the user types; returns all that was withheld, to show immediately.

        What comes next is no longer judged: the key's echo may be anywhere in it. A reply that is
        overdue by now was not the prompt.
        """
        if self.outcome is Outcome.VISIBLE and not self.over:
            self.mismatch = True
        self.over = True
        if self.outcome is not Outcome.NONE:
            return b""
        self.outcome = Outcome.VISIBLE
        return self._reply

    def _hide_when_quiet(self, now: float) -> None:
        if self.outcome is not Outcome.NONE or self._whole_at is None:
            return
        if now >= self._whole_at + QUIET_FOR:
            self.outcome = Outcome.HIDDEN
            self.over = True

    def _fit(self) -> _Fit:
        reply = normal(self._reply)
        if reply in self._expected and _change_nothing(self._modes, self._reply):
            return _Fit.WHOLE
        return self._begun(reply)

    def _fit_late(self) -> _Fit:
        """As `_fit`, for a reply that is shown anyway: more may follow it."""
        reply = normal(self._reply)
        return _Fit.WHOLE if reply.startswith(self._expected) else self._begun(reply)

    def _begun(self, reply: bytes) -> _Fit:
        known = _BEGUN.sub(b"", reply)
        begun = any(expected.startswith(known) for expected in self._expected)
        return _Fit.BEGUN if begun and len(self._reply) <= _LONGEST else _Fit.NO


def _change_nothing(before: Modes, data: bytes) -> bool:
    """Whether the modes after `data` are the modes before it."""
    tracker = ModeTracker()
    start = tracker.snapshot()
    for mode, state in before.private.items():
        if state.on != start[mode].on:
            tracker.feed(_switch(mode, state.on), 0.0)
    start = tracker.snapshot()
    tracker.feed(data, 0.0)
    end = tracker.snapshot()
    return (
        all(state.on == end[mode].on for mode, state in start.private.items())
        and (end.kitty_flags, end.modify_other_keys) == (0, 0)
        and not end.half_sequence
    )


def _switch(mode: int, on: bool) -> bytes:
    if mode == KEYPAD:
        return b"\x1b=" if on else b"\x1b>"
    return b"\x1b[?%d%s" % (mode, b"h" if on else b"l")
