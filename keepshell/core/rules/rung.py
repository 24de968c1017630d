"""The steps of the ladder of keepalives, by name and by height.

An int with named members, not an IntEnum: this is imported before ssh starts, and importing `enum`
alone takes 6 ms (ARCHITECTURE.md, "Start-up").
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class Rung(int):
    """One step of the ladder; a higher one beats more idle rules than the ones below."""

    OFF: ClassVar[Rung]
    SERVER_ALIVE: ClassVar[Rung]
    WINDOW_CHANGE: ClassVar[Rung]
    NO_OP: ClassVar[Rung]
    EMPTY_LINE: ClassVar[Rung]

    @property
    def label(self) -> str:
        """The name as in the configuration: `window-change`."""
        return _LABELS[self]

    def __repr__(self) -> str:
        return f"Rung({self.label!r})"


_LABELS = ("off", "server-alive", "window-change", "no-op", "empty-line")
RUNGS = (Rung(0), Rung(1), Rung(2), Rung(3), Rung(4))
Rung.OFF, Rung.SERVER_ALIVE, Rung.WINDOW_CHANGE, Rung.NO_OP, Rung.EMPTY_LINE = RUNGS
