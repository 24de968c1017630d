"""Types nothing: what most sessions have in the typist's place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from keepshell.core.rules.rung import Rung

if TYPE_CHECKING:
    from keepshell.core.noops.choice import Choice, EmptyLine, Noop, Timer
    from keepshell.core.terminal.keys import Key


class Silent:
    """Shows everything as it comes, and has no timer."""

    verbatim = True
    """Whether all bytes go on as they are, whatever they are."""
    rung = Rung.WINDOW_CHANGE
    """The highest rung that its timers need."""
    limits: Mapping[Timer, float] = {}
    """The timers that only input resets, and their limits in seconds."""
    sent = 0
    """How often something was typed for the user."""
    sent_bytes = 0

    def input(self, keys: Iterable[Key], now: float) -> bytes:
        """The user's keys, not sent yet: what must be shown before they are."""
        return b""

    def output(self, data: bytes, now: float) -> bytes:
        """The host printed `data`; returns what to show now."""
        return data

    def withheld_until(self) -> float | None:
        """When `reveal` is due; None where nothing is withheld."""
        return None

    def reveal(self, now: float) -> bytes:
        """The withholding's deadline has come; returns what to show."""
        return b""

    def redraw(self) -> str:
        """`hidden` or `visible`, once for each redraw withheld, when that is decided."""
        return ""

    def choose(
        self, timers: frozenset[Timer], now: float, *, prompting: bool, child_stopped: bool
    ) -> Choice:
        """What to type against these timers."""
        return None

    def typed(self, chosen: Noop | EmptyLine, now: float) -> None:
        """What was chosen is being sent."""
