"""How long each side has been quiet, given the times others tell us."""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

from keepshell.core.rules.rung import Rung

READS_KEPT = 8

STRETCH_FROM = 60.0
"""Seconds without a key that are remembered even if no keepalive went out meanwhile."""

STRETCHES_KEPT = 100
"""The longest ones of a session."""


class Stretch(NamedTuple):
    """A time without a key from the user; `began` is in seconds since the session's start."""

    began: float
    seconds: float
    keepalives: int


class IdleClock:
    """Remembers when the user, the host and keepshell last spoke; all times in seconds.

    An injected byte or a nudge is `sent_at`, never `user_at`: it must not count as the user's.
    """

    def __init__(self, now: float) -> None:
        self.started_at = self._quiet_since = now
        self.begun_at = now
        """When the session itself began, after whatever ssh had to ask."""
        self.user_at: float | None = None
        self.input_at: float | None = None
        """When the user last typed something that went to the host; ssh keeps its escapes."""
        self.output_at: float | None = None
        self.sent_at: float | None = None
        self.sent_gap: float | None = None
        """How long nothing had gone out, no key and no keepalive, before the last that did."""
        self.typed_at: float | None = None
        """When something was last typed for the user."""
        self.counts: Counter[Rung] = Counter()
        """How many keepalives went out, by rung; ssh's own can't be counted."""
        self.tried = Rung.OFF
        """The highest rung that was used since the user's last key."""
        self.longest = 0.0
        """The longest time without a key so far, but for the one that lasts."""
        self._stretches: list[Stretch] = []
        self._unanswered = 0
        self._reads: deque[tuple[float, int]] = deque(maxlen=READS_KEPT)

    def user(self, now: float, *, reached: bool = True) -> None:
        """The user typed; `reached` says whether any of that went to the host."""
        if reached:
            self.sent_gap = now - self.quiet_since()
            self.input_at = self._quiet_since = now
        stretch = self._stretch(now)
        self.longest = max(self.longest, stretch.seconds)
        if stretch.keepalives or stretch.seconds >= STRETCH_FROM:
            self._stretches = _longest([*self._stretches, stretch])
        self._unanswered = 0
        self.tried = Rung.OFF
        self.user_at = now

    def sent(self, now: float, rung: Rung = Rung.WINDOW_CHANGE) -> None:
        """A keepalive of ours went out."""
        self.sent_gap = now - self.quiet_since()
        self.sent_at = self._quiet_since = now
        if rung >= Rung.NO_OP:
            self.typed_at = now
        self.counts[rung] += 1
        self.tried = max(self.tried, rung)
        self._unanswered += 1

    def longest_idle(self, now: float) -> float:
        """The longest time without a key, the one that lasts included."""
        return max(self.longest, self._stretch(now).seconds)

    def stretches(self, now: float) -> tuple[Stretch, ...]:
        """The long times without a key, the one that lasts included, in their order."""
        last = self._stretch(now)
        is_one = last.keepalives or last.seconds >= STRETCH_FROM
        return tuple(_longest([*self._stretches, last]) if is_one else self._stretches)

    def _stretch(self, now: float) -> Stretch:
        since = self.begun_at if self.user_at is None else max(self.begun_at, self.user_at)
        return Stretch(since - self.started_at, max(0.0, now - since), self._unanswered)

    def output(self, now: float, size: int) -> None:
        """The host, or ssh itself, printed `size` bytes."""
        self.output_at = now
        self._reads.append((now, size))

    def quiet_since(self) -> float:
        """When the client last sent anything of its own accord: the user, or a keepalive."""
        return self._quiet_since

    def reads(self, now: float) -> tuple[tuple[float, int], ...]:
        """The last reads of output as (seconds ago, bytes), oldest first."""
        return tuple((now - at, size) for at, size in self._reads)

    @staticmethod
    def since(time: float | None, now: float) -> float | None:
        """Seconds from `time` to `now`; None for what never happened."""
        return None if time is None else max(0.0, now - time)


def _longest(stretches: list[Stretch]) -> list[Stretch]:
    if len(stretches) > STRETCHES_KEPT:
        stretches.remove(min(stretches, key=lambda stretch: stretch.seconds))
    return stretches
