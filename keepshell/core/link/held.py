"""Keys typed while the host is away: counted, and never sent by themselves."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from keepshell.core.link.count import keys_in, without_reports

MOST = 4096
"""Bytes; keys beyond are refused, and the user is told."""

_ENTER = frozenset((b"\r", b"\n"))
_ESC = b"\x1b"


class Wish(Enum):
    """What a key on the page means; everything else is held."""

    ENTER = "enter"
    FORGET = "forget"
    QUIT = "quit"
    SUSPEND = "suspend"
    HELP = "help"


_COMMANDS = {b".": Wish.QUIT, b"\x1a": Wish.SUSPEND, b"?": Wish.HELP}


class Held(NamedTuple):
    """How much is held."""

    keys: int
    refused: int
    """Keys that were too many."""


class HeldKeys:
    """What the user types at the page."""

    def __init__(self, escape_char: int | None) -> None:
        """`escape_char` as ssh would have it, None for none."""
        self._escape = b"" if escape_char is None else bytes((escape_char,))
        self._data = b""
        self._refused = 0
        self._pending: bytes | None = None
        """What is held of an escape character that was typed last; None where none was."""

    @property
    def count(self) -> Held:
        return Held(keys_in(self._data), self._refused)

    def typed(self, data: bytes, *, asking: bool) -> Wish | None:
        """The user's next bytes, as they were read at once; `asking` whether to send what is held.

        Enter by itself is a wish, and so is Esc while we ask; within more bytes they are held as
        they are: that was a paste.
        """
        data = without_reports(data)
        if not data:
            return None
        pending, self._pending = self._pending, None
        if (wish := self._escaped(data, pending)) is not None:
            return wish
        if data in _ENTER:
            return Wish.ENTER
        if asking and data == _ESC:
            return Wish.FORGET
        held = b"" if asking else self._hold(data)
        if data == self._escape and pending is None:
            self._pending = held
        return None

    def take(self) -> bytes:
        """What was held, which is no longer held then."""
        data, self._data, self._refused = self._data, b"", 0
        return data

    def _escaped(self, data: bytes, pending: bytes | None) -> Wish | None:
        """An escape: in two reads, or in one, which has no more than that and an Enter before it.

        Unlike ssh's, it needs no start of a line: what was typed before is not sent yet.
        """
        if not self._escape:
            return None
        if pending is not None and (wish := _COMMANDS.get(data[:1])) is not None:
            self._data = self._data.removesuffix(pending)
            return wish
        begun = data[1:] if data[:1] in _ENTER else data
        return _COMMANDS.get(begun[1:]) if begun[:1] == self._escape else None

    def _hold(self, data: bytes) -> bytes:
        """Hold it, if there is room; what is held of it."""
        if self._refused or len(self._data) + len(data) > MOST:
            self._refused += keys_in(data)
            return b""
        self._data += data
        return data
