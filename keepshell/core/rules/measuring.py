"""How long an idle session lives on each rung: what to try next, and what the outcomes mean.

A session that is seen to end tells its limit at once. One that a firewall dropped in silence is
found dead only when it is spoken to: such a limit is bisected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from keepshell.core.rules.durations import rounded
from keepshell.core.rules.kinds import KINDS, LEAST, MEASURED, MOST, Rule
from keepshell.core.rules.rung import RUNGS, Rung

_CLOSE_ENOUGH = 0.05
"""Bisecting ends where the two bounds differ by this part, or by a second."""

_KINDS = {
    Rung.SERVER_ALIVE: "connection-idle",
    Rung.WINDOW_CHANGE: "connection-idle",
    Rung.NO_OP: "stop-idle",
    Rung.EMPTY_LINE: "tmout",
}
"""What a rule is that this rung is the lowest to beat: what it counts, not who enforces it."""


@dataclass
class Search:
    """One rung's search between two idle times, in seconds.

    `lived` is the longest time after which a session answered, `died` the shortest after which
    none did, or at which it was seen to end.
    """

    floor: float
    limit: float
    lived: float = 0.0
    died: float | None = None
    _seen: bool = False

    def next_quiet(self) -> float | None:
        """The idle time to try next; None once the answer is known."""
        if self.died is None:
            return self.limit if self.lived < self.limit else None
        if self._seen or self.died <= self.floor:
            return None
        low = max(self.lived, self.floor)
        if self.died - low > max(1.0, _CLOSE_ENOUGH * self.died):
            return (low + self.died) / 2
        return None if self.lived else self.floor

    def has_lived(self, quiet: float) -> None:
        """A session answered after so many seconds."""
        self.lived = max(self.lived, quiet)

    def has_died(self, quiet: float, *, seen: bool) -> None:
        """A session ended after so many seconds (`seen`), or was found dead then."""
        if self.died is None or quiet < self.died:
            self.died, self._seen = quiet, seen


def rules(outcomes: Mapping[Rung, Search], now: float) -> tuple[Rule, ...]:
    """The rules that these outcomes show, seen at `now` (seconds since 1970).

    Only where one rung died and a higher one lived clearly longer: that one died says nothing by
    itself, the network may have been the cause.
    """
    found: dict[str, Rule] = {}
    for limit, beats in _beaten(outcomes):
        kind = KINDS[_KINDS[beats]]
        known = found.get(kind.name)
        if LEAST <= limit <= MOST and (known is None or limit < known.limit):
            found[kind.name] = Rule(kind, limit, MEASURED, seen_at=now)
    return tuple(found.values())


def _beaten(outcomes: Mapping[Rung, Search]) -> Iterator[tuple[float, Rung]]:
    """Of each rung that died: its limit in seconds, and the lowest rung that outlived it."""
    for rung, search in outcomes.items():
        if search.died is None:
            continue
        clearly = search.died + max(1.0, _CLOSE_ENOUGH * search.died)
        higher = (other for other in RUNGS if other > rung and other in outcomes)
        for other in higher:
            died = outcomes[other].died
            if max(outcomes[other].lived, died or 0.0) >= clearly:
                yield rounded(search.died), other
                break
