"""One key after the other, as the user pressed them, whatever reads they came in."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a key is to the program that reads it."""

    TEXT = "text"  # printable characters; adjacent ones of one read are one `Key`
    CONTROL = "control"  # one byte: a C0 control, DEL, or Esc pressed alone
    EDITING = "editing"  # an arrow, Home, End, Delete
    OTHER = "other"  # every other key: Alt, a function key, an unknown sequence
    MOUSE = "mouse"
    PASTE = "paste"  # between the marks of a bracketed paste
    REPORT = "report"  # not a key: the terminal says something by itself, as its focus


class Key(NamedTuple):
    """One key; `data` is what the terminal sent for it. Not to be kept: it may be a password's."""

    kind: Kind
    data: bytes

    @property
    def is_enter(self) -> bool:
        return self.data in (b"\r", b"\n")

    @property
    def is_typed(self) -> bool:
        """Whether the user did this, and not the terminal."""
        return self.kind is not Kind.REPORT

    @property
    def presses(self) -> int:
        """How many keys were pressed for it; a character of UTF-8 is one."""
        return characters(self.data) if self.kind is Kind.TEXT else 1


_CONTINUATION = bytes(range(0x80, 0xC0))


def characters(data: bytes) -> int:
    """How many characters of UTF-8 these bytes are."""
    return len(data.translate(None, _CONTINUATION))
