"""When each keepalive is due, by the timers it must beat.

The rules it keeps:

- a timer is acted on at half its limit (ChannelTimeout can fire a second early), counted from the
  last thing that reset it;
- one act per tick, and never two for one timer within half its limit, whatever the host shows;
- a hold moves only the retry; when a limit is about to pass under a hold, it is said once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from keepshell.core.noops.choice import Choice, EmptyLine, Hold, Noop, Timer, WindowChange
from keepshell.core.reasons import Reason

if TYPE_CHECKING:
    from keepshell.core.idle import IdleClock

ACT_AT = 0.5
"""The part of a limit after which a timer is acted on."""

WARN_AT = 0.9
"""The part of a limit after which the user is told of a hold."""

RETRY_AFTER = 5.0
"""Seconds between two looks while a keepalive waits; for a short limit, an eighth of the limit."""

Choose = Callable[[frozenset[Timer]], Choice]


class Held(NamedTuple):
    """A timer whose keepalive is postponed, and why; `since` in seconds of the session's clock."""

    reason: Reason
    since: float


class NearLimit(NamedTuple):
    """A timer that is about to fire under a hold, in `left` seconds."""

    timer: Timer
    left: float
    reason: Reason


class Ladder:
    """Knows each timer's limit and what has reset it; it knows no bytes, `choose` does."""

    def __init__(self, limits: Mapping[Timer, float], now: float) -> None:
        """`limits` in seconds."""
        self._limits = dict(limits)
        self._reset_at = dict.fromkeys(limits, now)
        self._tried_at: dict[Timer, float] = {}
        self._warned: set[Timer] = set()
        self.held: dict[Timer, Held] = {}

    def follow(self, idle: IdleClock, entered_at: float | None) -> None:
        """Take note of what reset the timers since: keys, output, the user's Enter."""
        for timer in self._limits:
            for time in resets(timer, idle, entered_at):
                self._reset(timer, time)

    def _reset(self, timer: Timer, time: float | None) -> None:
        if time is not None and time > self._reset_at[timer]:
            self._reset_at[timer] = time
            self._warned.discard(timer)
            self._tried_at.pop(timer, None)
            self.held.pop(timer, None)

    def next_deadline(self, idle: IdleClock, entered_at: float | None) -> float:
        """When `act` has something to do; infinite without a timer."""
        self.follow(idle, entered_at)
        return min(map(self.deadline, self._limits), default=math.inf)

    def deadline(self, timer: Timer) -> float:
        """When this timer has something to do."""
        limit, reset_at = self._limits[timer], self._reset_at[timer]
        due_at = reset_at + limit * ACT_AT
        tried_at = self._tried_at.get(timer)
        if tried_at is None:
            return due_at
        if timer is Timer.CONNECTION:
            return tried_at + limit * ACT_AT
        retry_at = tried_at + min(RETRY_AFTER, limit / 8)
        warn_at = reset_at + limit * WARN_AT
        if tried_at < warn_at:  # else, of a short limit, it would be said when it has passed
            retry_at = min(retry_at, warn_at)
        return max(due_at, retry_at)

    def act(self, now: float, choose: Choose) -> Noop | EmptyLine | WindowChange | None:
        """What to send now, at most one thing; timers without an answer are held."""
        for timer in self._limits:
            if self.deadline(timer) > now:
                continue
            chosen = choose(frozenset((timer,)))
            if chosen is not None and not isinstance(chosen, Hold):
                self.sent(chosen.resets, now)
                return chosen
            self._tried_at[timer] = now
            before = self.held.pop(timer, None)
            if chosen is not None:
                self.held[timer] = Held(chosen.reason, before.since if before else now)
        return None

    @property
    def reasons(self) -> list[Reason]:
        """Why something is held, each reason once."""
        reasons = {held.reason for held in self.held.values()}
        return sorted(reasons, key=lambda reason: reason.text)

    def sent(self, resets: frozenset[Timer], now: float) -> None:
        """Something was sent that resets these timers."""
        for timer in resets & self._limits.keys():
            self._reset(timer, now)

    def near_limits(self, now: float) -> list[NearLimit]:
        """Timers about to fire under a hold, each once."""
        due = []
        for timer, held in self.held.items():
            limit, reset_at = self._limits[timer], self._reset_at[timer]
            if timer is Timer.CONNECTION:
                continue  # an interval of ours is no limit of anybody's
            if timer not in self._warned and now >= reset_at + limit * WARN_AT:
                self._warned.add(timer)
                due.append(NearLimit(timer, max(0.0, reset_at + limit - now), held.reason))
        return due


def resets(timer: Timer, idle: IdleClock, entered_at: float | None) -> tuple[float | None, ...]:
    """When the timer was last reset without our doing (docs/idle-rules.md)."""
    if timer is Timer.CONNECTION:
        return (idle.quiet_since(),)
    if timer is Timer.TMOUT:
        return (entered_at,)
    if timer is Timer.CHANNEL_TIMEOUT:
        return (idle.input_at, idle.output_at)
    return (idle.input_at,)
