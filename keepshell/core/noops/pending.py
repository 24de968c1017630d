"""What may still wait for the next key: tmux's prefix, a literal of vim's.

Told from the answers. tmux answers its prefix by nothing, or by hiding and showing the cursor; what
a pane's program does with a control key is seen. (docs/no-ops.md)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keepshell.core.noops.life import draws, visible, without_brackets
from keepshell.core.terminal.keys import Kind

if TYPE_CHECKING:
    from keepshell.core.terminal.burst import Burst
    from keepshell.core.terminal.keys import Key

# Nobody's prefix, and often unanswered: Esc in vim, Tab at an empty line.
_NO_PREFIX = b"\r\n\t\x1b\x08\x7f"

_STRING = re.compile(rb"\x1b[]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?")
_UNANSWERED = re.compile(
    rb"\x1b\[\?(?:12|25|2004|1)[hl]|\x1b\[34[hl]|\x1b\[[0-9:;]*m|\x1b\(B|[\x07\x0f]"
)


def _answers(data: bytes) -> bool:
    """Whether something is left of an answer without what tmux itself prints for its prefix."""
    rest = _STRING.sub(b"", without_brackets(data))
    return bool(_UNANSWERED.sub(b"", rest))


class Prefix:
    """tmux's prefix."""

    def __init__(self) -> None:
        self._kind: Kind | None = None  # of the last key
        self._at = 0.0
        self._alone = True  # no other key was pressed at about the same time
        self._drawn = self._answered = False  # by anything seen; by more than tmux's own

    def key(self, key: Key, now: float, near: float) -> None:
        """A key; keys less than `near` seconds apart can't be judged apart."""
        if not key.is_typed:
            return
        self._alone = self._kind is None or now - self._at >= near
        is_one = key.kind is not Kind.CONTROL or key.data not in _NO_PREFIX
        self._kind = key.kind if is_one else Kind.EDITING
        self._at = now
        self._drawn = self._answered = False

    def burst(self, burst: Burst, within: float) -> None:
        """A burst is over; `within` seconds of the last key it counts as its answer."""
        if burst.began_at - self._at > within:
            return
        data = burst.end
        self._drawn = self._drawn or burst.lost or bool(visible(data)) or draws(data)
        self._answered = self._answered or burst.lost or _answers(data)

    @property
    def pending(self) -> bool:
        """Whether a prefix may wait for the next key."""
        if self._kind in (Kind.CONTROL, Kind.OTHER):
            return not self._alone or not self._answered
        # A printable prefix. A password's key looks the same.
        return self._kind is Kind.TEXT and not self._drawn


_DIGITS = frozenset(b"0123456789abcdefABCDEFxXoOuU")
_MOST_DIGITS = 9


class Literal:
    """vim's ^V in insert mode and on the command line: the next input is inserted as it is.

    On while digits of a character's number may follow. Of all control keys only these two make a
    report into text (vim 9.0, nvim 0.7).
    """

    def __init__(self) -> None:
        self._left = 0

    def key(self, key: Key) -> None:
        if key.kind is Kind.REPORT:
            return
        if key.kind is Kind.CONTROL and key.data in (b"\x16", b"\x11"):
            self._left = _MOST_DIGITS
        elif key.kind is Kind.TEXT and _DIGITS.issuperset(key.data):
            self._left = max(0, self._left - len(key.data))
        else:
            self._left = 0

    @property
    def pending(self) -> bool:
        return self._left > 0
