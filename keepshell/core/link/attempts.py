"""When a new connection is tried: soon at first, then ever more seldom, and never into nothing."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds between the end of one attempt and the next; the last one repeats."""

JITTER = 0.2
"""A pause is longer or shorter by up to this part, so that many clients don't return at once."""

AFTER_RESUME = 1.0
"""Seconds: the network needs a moment to come up after the machine slept."""


class Attempts:
    """The time of the next attempt; `random` gives numbers from 0 up to 1."""

    def __init__(self, random: Callable[[], float]) -> None:
        self.next_at: float | None = None
        """None while there is nothing to wait for: one is under way, or there is no route."""
        self.failures = 0
        self._random = random
        self._route = True
        self._wanted_at: float | None = None

    def want(self, now: float) -> None:
        """Try at once if there is a route, and begin again with short pauses."""
        self.failures = 0
        self._plan(now)

    def resumed(self, now: float) -> None:
        """The machine slept."""
        self.failures = 0
        self._plan(now + AFTER_RESUME)

    def started(self) -> None:
        """One is under way."""
        self._wanted_at = self.next_at = None

    def failed(self, now: float) -> None:
        """It has failed; the next one follows its pause."""
        pause = PAUSES[min(self.failures, len(PAUSES) - 1)]
        self.failures += 1
        self._plan(now + pause * (1 - JITTER + 2 * JITTER * self._random()))

    def stop(self) -> None:
        """No more attempts until one is wanted."""
        self._wanted_at = self.next_at = None

    def route(self, up: bool, now: float) -> None:
        """Whether any route leads to the host; one that comes up is tried at once."""
        came_up, self._route = up and not self._route, up
        if came_up and self._wanted_at is not None:
            self.failures = 0
            self._wanted_at = now
        self._plan(self._wanted_at)

    def _plan(self, at: float | None) -> None:
        self._wanted_at = at
        self.next_at = at if self._route else None
