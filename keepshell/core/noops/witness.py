"""Follows both streams of a session and says what they prove: of life, of emptiness, of waiting.

The work is done when a burst of output is over: at a key, after a pause, or when asked. Bulk output
costs only what `Bursts` keeps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from keepshell.core.noops.life import Life
from keepshell.core.noops.pending import Literal, Prefix
from keepshell.core.noops.prompts import Prompts, Sight
from keepshell.core.terminal.burst import Bursts
from keepshell.core.terminal.keys import Key
from keepshell.core.terminal.modes import Modes, ModeTracker

ECHOES_KEPT = 8


class Witness:
    """Made when the session begins; `modes` must have read what is shown before it is told here."""

    def __init__(self, modes: ModeTracker) -> None:
        self.life = Life()
        self.prefix = Prefix()
        self.literal = Literal()
        self.prompts = Prompts()
        self._modes = modes
        self._bursts = Bursts()
        self._echoes: deque[float] = deque(maxlen=ECHOES_KEPT)
        self._asked_at: float | None = None

    @property
    def round_trip(self) -> float | None:
        """The link's, as the echo of the last keys shows it, in seconds; None before the first."""
        return min(self._echoes, default=None)

    @property
    def near(self) -> float:
        """Seconds between two keys whose answers can't be told apart."""
        return 0.05 + 2 * (self.round_trip or 0.0)

    @property
    def within(self) -> float:
        """Seconds within which the answer to a key begins."""
        return max(1.0, 2 * (self.round_trip or 0.0) + 0.5)

    def typed(self, keys: Iterable[Key], now: float) -> None:
        """The user's keys, or the terminal's reports, before they are answered."""
        self._close()
        modes = self._modes.snapshot()
        for key in keys:
            if key.is_typed:
                self._asked_at = now
            self.life.key(key, now)
            self.prefix.key(key, now, self.near)
            self.literal.key(key)
            self.prompts.key(key, now, modes)

    def shown(self, data: bytes, now: float) -> None:
        """Output, as the user sees it."""
        if self._asked_at is not None:
            self._echoes.append(now - self._asked_at)
            self._asked_at = None
        if self._bursts.over(now):
            self._close()
        self._bursts.shown(data, now)

    def look(self, now: float) -> Modes:
        """Before anything is asked at `now`; answers with the modes as they are."""
        if self._bursts.over(now):
            self._close()
        return self._modes.snapshot()

    @property
    def disturbed_at(self) -> float | None:
        """When something was last printed that is not the redraw of a living program alone."""
        return self._bursts.ended_at if self._bursts.open else self.life.disturbed_at

    def sight(self, now: float, modes: Modes) -> Sight:
        """What the cursor is at."""
        return self.prompts.sight(now, modes, self.near)

    def _close(self) -> None:
        """The burst that was open is over."""
        if not self._bursts.open:
            return
        burst, modes = self._bursts.take(), self._modes.snapshot()
        self.life.burst(burst, modes, self.within)
        self.prefix.burst(burst, self.within)
        self.prompts.burst(burst)
