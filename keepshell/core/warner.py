"""What to tell the user when a rule is about to end the session and nothing is done about it.

The rules it keeps:

- the user is told of each rule once in a silence, at nine tenths of its limit;
- only of a rule that is believed: a single drop that may have had another cause is none;
- the text is for a person at another window: the host, what happens, when, and what to press.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from keepshell.core.noops.choice import Timer
from keepshell.core.noops.ladder import WARN_AT, resets
from keepshell.core.rules.durations import describe
from keepshell.core.rules.kinds import KINDS, Rule, RuleKind
from keepshell.core.rules.rung import Rung

if TYPE_CHECKING:
    from keepshell.core.idle import IdleClock
    from keepshell.core.rules.plan import Remedy


class Warner:
    """Watches the rules of one host that are not beaten."""

    def __init__(
        self, host: str, remedies: Iterable[Remedy], now: float, *, server_alive: bool = False
    ) -> None:
        """`host` is its name as typed; with `server_alive`, ssh itself speaks to a silent host."""
        self._host = host
        remedies = [remedy for remedy in remedies if remedy.rule.believed]
        self._kinds = {
            Timer(remedy.rule.kind.timer): remedy.rule.kind
            for remedy in remedies
            if remedy.rule.kind.timer
        }
        unbeaten = [remedy.rule for remedy in remedies if not remedy.acts]
        self._reset_at = {rule: now for rule in unbeaten if _fires(rule, server_alive=server_alive)}
        self._told: set[Rule] = set()

    def next_deadline(self, idle: IdleClock, entered_at: float | None) -> float:
        """When `due` has something to tell; infinite for never."""
        for rule in self._reset_at:
            times = resets(_timer(rule.kind), idle, entered_at)
            latest = max((time for time in times if time is not None), default=-math.inf)
            if latest > self._reset_at[rule]:
                self._reset_at[rule] = latest
                self._told.discard(rule)
        return min(map(self._tell_at, self._reset_at.keys() - self._told), default=math.inf)

    def due(self, now: float) -> list[str]:
        """What to tell now, once."""
        due = [
            rule for rule in self._reset_at if rule not in self._told and now >= self._tell_at(rule)
        ]
        self._told.update(due)
        return [self._text(rule.kind, self._reset_at[rule] + rule.limit - now) for rule in due]

    def _tell_at(self, rule: Rule) -> float:
        return self._reset_at[rule] + rule.limit * WARN_AT

    def held(self, timer: Timer, left: float) -> str:
        """What to say about a timer that fires in `left` seconds because its keepalive waits.

        A timer that no rule of the host asks for is there for a limit of unknown kind.
        """
        return self._text(self._kinds.get(timer, KINDS["session-idle"]), left)

    def _text(self, kind: RuleKind, left: float) -> str:
        key = "Enter" if kind.needs == Rung.EMPTY_LINE else "a key"
        return f"{self._host}: {kind.title} {kind.does} in {describe(max(0.0, left))}; press {key}"


def _timer(kind: RuleKind) -> Timer:
    return Timer(kind.timer) if kind.timer else Timer.CONNECTION


def _fires(rule: Rule, *, server_alive: bool) -> bool:
    """Whether it can end a session without typing (docs/idle-rules.md)."""
    if rule.kind.needs is None:
        return False
    only_packets = rule.kind.needs == Rung.WINDOW_CHANGE and rule.kind.name != "dropbear-idle"
    return not (only_packets and server_alive)
