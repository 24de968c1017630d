"""The window's title and the page that tell of an absent host, and leave the screen as it was.

Mode 1049 is the only switch that xterm, kitty, alacritty and tmux all take back completely; it uses
the terminal's one saved cursor, so there is no page while the program's own is in it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from keepshell.core.terminal.modes import ModeTracker

_PUSH_TITLE: Final = b"\x1b[22;0t"
_POP_TITLE: Final = b"\x1b[23;0t"
_ENTER: Final = b"\x1b[?1049h"
_LEAVE: Final = b"\x1b[?1049l"
_PLAIN: Final = b"\x0f\x1b(B\x1b[m"
"""No attributes, ASCII: what a program that was drawing had on is not for our words."""
_BLANK: Final = b"\x1b[H\x1b[2J"

_SAVES: Final = (b"\x1b7", b"\x1b[s")
_RESTORES: Final = (b"\x1b8", b"\x1b[u")


class SavedCursor:
    """Whether the program has saved the cursor and not fetched it back."""

    def __init__(self) -> None:
        self.open = False
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """The next output of the shell."""
        data = self._tail + data
        self._tail = data[-2:]
        if b"\x1b" not in data:
            return
        saved = max(map(data.rfind, _SAVES))
        restored = max(map(data.rfind, _RESTORES))
        if saved != restored:
            self.open = saved > restored


class Screen:
    """What is drawn over the user's terminal; every method answers with the bytes for it."""

    def __init__(self, name: str) -> None:
        """`name`: the host as the user typed it."""
        self._name = name
        self._titled = False
        self._shown: Sequence[str] | None = None
        self._switched = False
        self.repaints = False
        """Whether the page covered a program's own screen, which must draw itself anew."""

    @property
    def page_open(self) -> bool:
        return self._shown is not None

    def title(self, text: str) -> bytes:
        """The window's title says so; the first time, the former one is kept."""
        push, self._titled = b"" if self._titled else _PUSH_TITLE, True
        words = _printable(f"{self._name}: {text}")
        return push + b"\x1b]0;" + words + b"\x07"

    def former_title(self) -> bytes:
        """The title as it was."""
        titled, self._titled = self._titled, False
        return _POP_TITLE if titled else b""

    def page(self, lines: Sequence[str], modes: ModeTracker) -> bytes:
        """Show these lines; nothing where they are shown already."""
        if self._shown == lines:
            return b""
        opening = b""
        if self._shown is None:
            self._switched = not modes.snapshot().alternate_screen
            self.repaints = not self._switched
            opening = (_ENTER if self._switched else b"") + _PLAIN
        self._shown = lines
        return opening + _BLANK + b"\r\n".join(map(_printable, lines)) + b"\r\n"

    def close_page(self) -> bytes:
        """The screen as it was; where it was a program's own, `repaints` says so."""
        if self._shown is None:
            return b""
        self._shown = None
        return _LEAVE if self._switched else _BLANK


def _printable(text: str) -> bytes:
    return "".join(c if c.isprintable() else "?" for c in text).encode()
