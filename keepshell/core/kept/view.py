"""The window's title and the page that tell of an absent host, and leave the screen as it was.

Mode 1049 is the only switch that xterm, kitty, alacritty and tmux all take back completely; it uses
the terminal's one saved cursor, so there is no page while the program's own is in it.
"""

from __future__ import annotations

from keepshell.core.link import words
from keepshell.core.link.held import HeldKeys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from keepshell.core.link.header import Kept
    from keepshell.core.link.recovery import Recovery
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


class View:
    """What is drawn over the user's terminal; every method but `held`'s answers with its bytes."""

    def __init__(
        self, kept: Kept, recovery: Recovery, modes: ModeTracker, escape_char: int | None
    ) -> None:
        """It reads `recovery` and `modes`, and changes neither."""
        self.has_page = self.has_title = True
        """Whether the terminal has mode 1049, and takes a title."""
        self.held = HeldKeys(escape_char)
        self.cursor = SavedCursor()
        self.last_words = ""
        """What ssh said in the last attempt: its last line, or all that the user was shown."""
        self.news: tuple[str, ...] = ()
        """What to tell the user once the host is back."""
        self.back = ""
        """How the host is back, if not with the same shell."""
        self.asking = False
        """Whether the user is asked what becomes of the held keys: nothing is shown meanwhile."""
        self.repaints = False
        """Whether the page covered a program's own screen, which must draw itself anew."""
        self._kept, self._recovery, self._modes = kept, recovery, modes
        self._titled = self._switched = False
        self._shown: tuple[str, ...] | None = None

    @property
    def page_open(self) -> bool:
        return self._shown is not None

    def counts(self, now: float) -> bytes:
        """The title says since when, and the page if there is one."""
        shown = self._title(words.away(self._recovery, self._recovery.away_for(now)))
        return shown + self.page(now) if self.page_open else shown

    def page(self, now: float) -> bytes:
        """The page that a key opens."""
        held, last = self.held.count, self.last_words
        is_kept = not self.back
        lines = words.page(self._kept, self._recovery, now, held, last, is_kept=is_kept)
        return self._draw(lines)

    def log_in(self) -> bytes:
        """The page on which ssh asks."""
        return self._draw(words.LOGGING_IN)

    def ask(self) -> bytes:
        """The host is back: the page asks about held keys, or goes."""
        self.asking = self.page_open and self.held.count.keys > 0
        if not self.asking:
            return self.close()
        back = self.back or words.back(self._kept.name)
        return self._draw(words.question(back, self.held.count, self.news))

    def close(self) -> bytes:
        """No page, and the title as it was, or telling the news that no page has told."""
        self.asking = False
        news, self.news = self.news, ()
        shown = self.close_page() + self.former_title()
        return shown + self._title("; ".join(news)) if news else shown

    def close_page(self) -> bytes:
        """The screen as it was; where it was a program's own, `repaints` says so."""
        if self._shown is None:
            return b""
        self._shown = None
        return _LEAVE if self._switched else _BLANK

    def former_title(self) -> bytes:
        """The title as it was."""
        if self._cut_in_two or not self._titled:
            return b""
        self._titled = False
        return _POP_TITLE

    def _title(self, text: str) -> bytes:
        """The window's title says so; the first time, the former one is kept."""
        if self._cut_in_two or not self.has_title:
            return b""
        push, self._titled = b"" if self._titled else _PUSH_TITLE, True
        return push + b"\x1b]0;" + _printable(f"{self._kept.name}: {text}") + b"\x07"

    def _draw(self, lines: tuple[str, ...]) -> bytes:
        """Show these lines; nothing where they are shown already, or can't be taken back."""
        if self._shown == lines:
            return b""
        opening = b""
        if self._shown is None:
            if self._cut_in_two or self.cursor.open or not self.has_page:
                return b""
            self._switched = not self._modes.snapshot().alternate_screen
            self.repaints = not self._switched
            opening = (_ENTER if self._switched else b"") + _PLAIN
        self._shown = lines
        return opening + _BLANK + b"\r\n".join(map(_printable, lines)) + b"\r\n"

    @property
    def _cut_in_two(self) -> bool:
        """Whether the last output ends within a sequence, into which nothing may be drawn."""
        return self._modes.snapshot().half_sequence


def _printable(text: str) -> bytes:
    return "".join(c if c.isprintable() else "?" for c in text).encode()
