"""Which idle time is tried next, and what the outcomes of all rungs mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.rules.kinds import MEASURED
from keepshell.core.rules.measuring import Search, rules
from keepshell.core.rules.rung import Rung


def test_what_lives_to_the_limit_is_asked_once() -> None:
    search = Search(1, 8)
    assert search.next_quiet() == 8
    search.has_lived(8)
    assert search.next_quiet() is None
    assert (search.lived, search.died) == (8, None)


def test_an_end_that_is_seen_tells_its_time() -> None:
    search = Search(1, 8)
    search.has_died(3.1, seen=True)
    assert search.next_quiet() is None
    assert search.died == 3.1


def test_a_silent_end_is_bisected() -> None:
    search = Search(1, 17)
    search.has_died(17, seen=False)
    assert search.next_quiet() == 9
    search.has_died(9, seen=False)
    assert search.next_quiet() == 5
    search.has_lived(5)
    assert search.next_quiet() == 7
    search.has_died(7, seen=False)
    assert search.next_quiet() == 6
    search.has_died(6, seen=False)
    assert search.next_quiet() is None
    assert (search.lived, search.died) == (5, 6)


def test_a_later_end_does_not_undo_an_earlier_one() -> None:
    search = Search(1, 17)
    search.has_died(5, seen=True)
    search.has_died(9, seen=False)
    assert (search.died, search.next_quiet()) == (5, None)


def test_what_dies_at_the_floor_is_not_searched_below_it() -> None:
    search = Search(4, 8)
    search.has_died(8, seen=False)
    search.has_died(6, seen=False)
    search.has_died(5, seen=False)
    assert search.next_quiet() == 4
    search.has_died(4, seen=False)
    assert search.next_quiet() is None


@given(st.floats(1, 100), st.floats(1, 5000), st.floats(0.5, 5000))
def test_every_limit_is_found(floor: float, length: float, rule: float) -> None:
    search = Search(floor, floor + length)
    tries = 0
    while (quiet := search.next_quiet()) is not None:
        tries += 1
        assert floor <= quiet <= floor + length
        if quiet < rule:
            search.has_lived(quiet)
        else:
            search.has_died(quiet, seen=False)
    assert tries <= 20
    assert search.lived < rule
    assert search.died is None or rule <= search.died
    if search.died is not None and search.died > floor:
        assert search.died - max(search.lived, floor) <= max(1.0, 0.05 * search.died)


def _outcomes(*died: float | None, limit: float = 1200) -> dict[Rung, Search]:
    """In the order of the rungs; None lives to the limit."""
    found = {}
    for rung, at in zip((Rung(number) for number in range(5)), died, strict=True):
        found[rung] = Search(30, limit)
        if at is None:
            found[rung].has_lived(limit)
        else:
            found[rung].has_died(at, seen=True)
    return found


@pytest.mark.parametrize(
    ("died", "known"),
    [
        ((None,) * 5, {}),
        ((300.4, None, None, None, None), {"connection-idle": 300}),
        ((300, 300, None, None, None), {"connection-idle": 300}),
        ((899, 899.5, 899.2, None, None), {"stop-idle": 900}),
        ((600, 600, 600, 600, None), {"tmout": 600}),
        ((300, 300, 600, None, None), {"connection-idle": 300, "stop-idle": 600}),
        ((600, 300, None, None, None), {"connection-idle": 300}),
        ((300, 310, 312, 305, 290), {}),  # a network that is down, or a rule that nothing beats
        ((300, 300, 300, 300, 300), {}),
        ((1, None, None, None, None), {}),
    ],
)
def test_a_rule_is_what_a_higher_rung_outlives(
    died: tuple[float | None, ...], known: dict[str, float]
) -> None:
    found = rules(_outcomes(*died), 7.0)
    assert {rule.kind.name: rule.limit for rule in found} == known
    assert {rule.source for rule in found} <= {MEASURED}
    assert {rule.seen_at for rule in found} <= {7.0}


def test_what_was_interrupted_shows_what_it_may() -> None:
    outcomes = _outcomes(300, None, None, None, None)
    outcomes[Rung.SERVER_ALIVE] = Search(30, 1200)
    assert {rule.kind.name for rule in rules(outcomes, 0)} == {"connection-idle"}
    del outcomes[Rung.WINDOW_CHANGE], outcomes[Rung.NO_OP], outcomes[Rung.EMPTY_LINE]
    assert rules(outcomes, 0) == ()
