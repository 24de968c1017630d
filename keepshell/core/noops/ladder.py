"""When the rungs that type are due, for each idle timer that the host is known to have.

The rules it keeps:

- a timer is acted on at half its limit (ChannelTimeout can fire a second early), counted from the
  last thing that reset it;
- one act per tick, and never two for one timer within half its limit, whatever the host shows;
- a hold moves only the retry; when a limit is about to pass under a hold, it is said once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from keepshell.core.idle import IdleClock
from keepshell.core.noops.table import EmptyLine, Hold, Noop, Timer
from keepshell.core.reasons import Reason

ACT_AT = 0.5
"""The part of a limit after which a timer is acted on."""

WARN_AT = 0.9
"""The part of a limit after which a hold is said."""

RETRY_AFTER = 5.0
"""Seconds between two looks at a state that holds; for a short limit an eighth of it."""

Choose = Callable[[frozenset[Timer]], Noop | EmptyLine | Hold]


class Held(NamedTuple):
    """A timer whose no-op is postponed, and why; `since` in the seconds of the session's clock."""

    reason: Reason
    since: float


class NearLimit(NamedTuple):
    """A timer that is about to fire under a hold, in `left` seconds."""

    timer: Timer
    left: float
    reason: Reason


class Ladder:
    """One deadline for each timer with a limit; it knows no bytes, `choose` does."""

    def __init__(self, limits: Mapping[Timer, float], now: float) -> None:
        """`limits` in seconds."""
        self._limits = dict(limits)
        self._reset_at = dict.fromkeys(limits, now)
        self._tried_at: dict[Timer, float] = {}
        self._warned: set[Timer] = set()
        self.held: dict[Timer, Held] = {}

    @property
    def limits(self) -> Mapping[Timer, float]:
        """The timers acted on, and their limits in seconds."""
        return self._limits

    def follow(self, idle: IdleClock, entered_at: float | None) -> None:
        """Take note of what reset the timers since: keys, output, the user's Enter."""
        for timer in self._limits:
            for time in _resets(timer, idle, entered_at):
                self._reset(timer, time)

    def _reset(self, timer: Timer, time: float | None) -> None:
        if time is not None and time > self._reset_at[timer]:
            self._reset_at[timer] = time
            self._warned.discard(timer)
            self._tried_at.pop(timer, None)
            self.held.pop(timer, None)

    def deadline(self, timer: Timer) -> float:
        """When this timer has something to do."""
        limit, reset_at = self._limits[timer], self._reset_at[timer]
        due_at = reset_at + limit * ACT_AT
        tried_at = self._tried_at.get(timer)
        if tried_at is None:
            return due_at
        retry_at = tried_at + min(RETRY_AFTER, limit / 8)
        warn_at = reset_at + limit * WARN_AT
        if tried_at < warn_at:  # else, of a short limit, it would be said when it has passed
            retry_at = min(retry_at, warn_at)
        return max(due_at, retry_at)

    def act(self, now: float, choose: Choose) -> Noop | EmptyLine | None:
        """What to send now, at most one thing; timers without an answer are held."""
        for timer in self._limits:
            if self.deadline(timer) > now:
                continue
            chosen = choose(frozenset((timer,)))
            if not isinstance(chosen, Hold):
                self.sent(chosen.resets, now)
                return chosen
            self._tried_at[timer] = now
            since = self.held[timer].since if timer in self.held else now
            self.held[timer] = Held(chosen.reason, since)
        return None

    def sent(self, resets: frozenset[Timer], now: float) -> None:
        """Something was sent that resets these timers."""
        for timer in resets & self._limits.keys():
            self._reset(timer, now)

    def near_limits(self, now: float) -> list[NearLimit]:
        """Rules about to fire under a hold, each once."""
        due = []
        for timer, held in self.held.items():
            limit, reset_at = self._limits[timer], self._reset_at[timer]
            if timer not in self._warned and now >= reset_at + limit * WARN_AT:
                self._warned.add(timer)
                due.append(NearLimit(timer, max(0.0, reset_at + limit - now), held.reason))
        return due


def _resets(timer: Timer, idle: IdleClock, entered_at: float | None) -> tuple[float | None, ...]:
    """When the timer was last reset without our doing (docs/idle-rules.md)."""
    if timer is Timer.TMOUT:
        return (entered_at,)
    if timer is Timer.CHANNEL_TIMEOUT:
        return (idle.input_at, idle.output_at)
    return (idle.input_at,)
