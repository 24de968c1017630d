"""What may still wait for the next key: tmux's prefix, an overlay of tmux, a literal of vim's.

Told from the answers. tmux answers its prefix by nothing, or by hiding and showing the cursor; what
a pane's program does with a control key is seen. In every overlay of tmux (choose-tree,
display-panes, a menu, a question, the command prompt, the clock) the cursor is hidden, and a prefix
or a click came before it; in copy mode, in a popup and in a shell it is shown. (docs/no-ops.md)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keepshell.core.noops.life import draws, visible, without_brackets
from keepshell.core.terminal.keys import Kind, characters

if TYPE_CHECKING:
    from keepshell.core.terminal.burst import Burst
    from keepshell.core.terminal.keys import Key
    from keepshell.core.terminal.modes import Modes

_CURSOR_SHOWN, _PASTES = 25, 2004
_NO_PREFIX = b"\r\n\t\x1b\x08\x7f"
_ECHOES_CLOSE = 3

ESCAPE_TIME = 0.6
"""Seconds after Esc in which tmux takes the next key to be pressed with Alt; its default is 0.5."""

_STRING = re.compile(rb"\x1b[]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?")
_UNANSWERED = re.compile(
    rb"\x1b\[\?(?:12|25|2004|1)[hl]|\x1b\[34[hl]|\x1b\[[0-9:;]*m|\x1b\(B|[\x07\x0f]"
)


def _answers(data: bytes) -> bool:
    """Whether something is left of an answer without what tmux itself prints for its prefix."""
    rest = _STRING.sub(b"", without_brackets(data))
    return bool(_UNANSWERED.sub(b"", rest))


class Prefix:
    """tmux's prefix, and the overlay that the key after it may have opened."""

    def __init__(self) -> None:
        self._kind: Kind | None = None  # of the last key
        self._at = 0.0
        self._alone = True  # no other key was pressed at about the same time
        self._drawn = self._answered = False  # by anything seen; by more than tmux's own
        self._since: int | None = None  # keys after the last prefix; None where none may be open
        self._first_at: float | None = None
        self._commands = False  # the key after the prefix was a colon
        self._escaped = False  # the last key was Esc, and has closed what may have been open
        self._echoed = 0

    def key(self, key: Key, now: float, near: float) -> None:
        """A key; keys less than `near` seconds apart can't be judged apart."""
        if not key.is_typed:
            return
        close = self._kind is not None and now - self._at < near
        if self._prefix(crowded=close):
            self._open(None)
        elif self._escaped and now - self._at < ESCAPE_TIME:
            self._open(now)  # to tmux, Esc and this key are one
        is_one = key.kind is not Kind.CONTROL or key.data not in _NO_PREFIX
        self._kind = key.kind if is_one else Kind.EDITING
        self._at, self._alone, self._escaped = now, not close, False
        self._drawn = self._answered = False
        if key.kind in (Kind.OTHER, Kind.MOUSE):
            self._open(now)  # it may be bound to whatever a prefix leads to
        elif self._since is not None:
            self._follow(key, now)

    def _open(self, first_at: float | None) -> None:
        """An overlay may come; `first_at` is when the key for it was pressed, if it was."""
        self._since, self._first_at = (0 if first_at is None else 1), first_at
        self._commands = False

    def _follow(self, key: Key, now: float) -> None:
        """A key after a prefix."""
        assert self._since is not None
        self._since += 1
        if self._since == 1:
            self._first_at, self._commands = now, key.data == b":"
        self._escaped = key.data == b"\x1b"
        entered = key.is_enter and not self._commands
        if self._escaped or entered or (key.data[:1] == b"q" and self._since > 1):
            self._since = None

    def burst(self, burst: Burst, within: float) -> None:
        """A burst is over; `within` seconds of the last key it counts as its answer."""
        if burst.began_at - self._at > within:
            return
        data = burst.end
        echo = self._kind is Kind.TEXT and not self._drawn and data == visible(data)
        self._echoed = self._echoed + 1 if echo and characters(data) == 1 else 0
        if self._echoed >= _ECHOES_CLOSE:
            self._since = None
        self._drawn = self._drawn or burst.lost or bool(visible(data)) or draws(data)
        self._answered = self._answered or burst.lost or _answers(data)

    def _prefix(self, *, crowded: bool) -> bool:
        """Whether the last key may have been a prefix."""
        if self._kind is Kind.CONTROL:
            return crowded or not self._alone or not self._answered
        # A printable prefix. A password's key looks the same.
        return self._kind is Kind.TEXT and not crowded and not self._drawn

    @property
    def pending(self) -> bool:
        """Whether a prefix may wait for the next key."""
        return self._prefix(crowded=False)

    def overlay(self, modes: Modes, near: float) -> bool:
        """Whether an overlay may be open; `near` as for `key`."""
        if modes[_CURSOR_SHOWN].on or self._since is None:
            return False
        prompt_at = modes[_PASTES].set_at
        if self._first_at is None or prompt_at is None or not modes[_PASTES].on:
            return True
        return prompt_at <= self._first_at + near


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
