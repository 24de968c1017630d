"""When the rungs that type are due, for each idle rule the host is known to have.

The rules it keeps:

- a rule is acted on at half its limit (ChannelTimeout can fire a second early), counted from the
  last thing that reset it;
- one act per tick, and never two for one rule within half its limit, whatever the host shows;
- a hold moves only the retry; when a limit is about to pass under a hold, it is said once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from keepshell.core.idle import IdleClock
from keepshell.core.noops.table import EmptyLine, Hold, Noop, Rule

ACT_AT = 0.5
"""The part of a limit after which a rule is acted on."""

WARN_AT = 0.9
"""The part of a limit after which a hold is said."""

RETRY_AFTER = 5.0
"""Seconds between two looks at a state that holds; for a short limit an eighth of it."""

Choose = Callable[[frozenset[Rule]], Noop | EmptyLine | Hold]


class Held(NamedTuple):
    """A rule whose no-op is postponed, and why; `since` in the seconds of the session's clock."""

    reason: str
    since: float


class NearLimit(NamedTuple):
    """A rule that is about to fire under a hold, in `left` seconds."""

    rule: Rule
    left: float
    reason: str


class Ladder:
    """One timer for each rule with a limit; it knows no bytes, `choose` does."""

    def __init__(self, limits: Mapping[Rule, float], now: float) -> None:
        """`limits` in seconds."""
        self._limits = dict(limits)
        self._reset_at = dict.fromkeys(limits, now)
        self._tried_at: dict[Rule, float] = {}
        self._warned: set[Rule] = set()
        self.held: dict[Rule, Held] = {}

    @property
    def limits(self) -> Mapping[Rule, float]:
        """The rules acted on, and their limits in seconds."""
        return self._limits

    def follow(self, idle: IdleClock, entered_at: float | None) -> None:
        """Take note of what reset the rules since: keys, output, the user's Enter."""
        for rule in self._limits:
            for time in _resets(rule, idle, entered_at):
                self._reset(rule, time)

    def _reset(self, rule: Rule, time: float | None) -> None:
        if time is not None and time > self._reset_at[rule]:
            self._reset_at[rule] = time
            self._warned.discard(rule)
            self._tried_at.pop(rule, None)
            self.held.pop(rule, None)

    def deadline(self, rule: Rule) -> float:
        """When this rule has something to do."""
        limit, reset_at = self._limits[rule], self._reset_at[rule]
        due_at = reset_at + limit * ACT_AT
        tried_at = self._tried_at.get(rule)
        if tried_at is None:
            return due_at
        retry_at = tried_at + min(RETRY_AFTER, limit / 8)
        warn_at = reset_at + limit * WARN_AT
        if tried_at < warn_at:  # else, of a short limit, it would be said when it has passed
            retry_at = min(retry_at, warn_at)
        return max(due_at, retry_at)

    def act(self, now: float, choose: Choose) -> Noop | EmptyLine | None:
        """What to send now, at most one thing; rules without an answer are held."""
        for rule in self._limits:
            if self.deadline(rule) > now:
                continue
            chosen = choose(frozenset((rule,)))
            if not isinstance(chosen, Hold):
                self.sent(chosen.resets, now)
                return chosen
            self._tried_at[rule] = now
            since = self.held[rule].since if rule in self.held else now
            self.held[rule] = Held(chosen.reason, since)
        return None

    def sent(self, resets: frozenset[Rule], now: float) -> None:
        """Something was sent that resets these rules."""
        for rule in resets & self._limits.keys():
            self._reset(rule, now)

    def near_limits(self, now: float) -> list[NearLimit]:
        """Rules about to fire under a hold, each once."""
        due = []
        for rule, held in self.held.items():
            limit, reset_at = self._limits[rule], self._reset_at[rule]
            if rule not in self._warned and now >= reset_at + limit * WARN_AT:
                self._warned.add(rule)
                due.append(NearLimit(rule, max(0.0, reset_at + limit - now), held.reason))
        return due


def _resets(rule: Rule, idle: IdleClock, entered_at: float | None) -> tuple[float | None, ...]:
    """When the rule was last reset without our doing (idle-rules.md)."""
    if rule is Rule.SHELL_TIMER:
        return (entered_at,)
    if rule is Rule.CHANNEL_TIMEOUT:
        return (idle.input_at, idle.output_at)
    return (idle.input_at,)
