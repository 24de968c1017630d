"""The ladder and the arithmetic of ServerAliveCountMax."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.rules.policy import Policy, count_max
from keepshell.core.rules.rung import RUNGS, Rung


def test_the_rungs_in_their_order() -> None:
    labels = ["off", "server-alive", "window-change", "no-op", "empty-line"]
    assert [rung.label for rung in RUNGS] == labels
    assert Rung.OFF < Rung.SERVER_ALIVE < Rung.WINDOW_CHANGE < Rung.NO_OP < Rung.EMPTY_LINE
    named = (Rung.OFF, Rung.SERVER_ALIVE, Rung.WINDOW_CHANGE, Rung.NO_OP, Rung.EMPTY_LINE)
    assert named == RUNGS
    assert repr(Rung.OFF) == "Rung('off')"


def test_the_defaults() -> None:
    policy = Policy()
    assert policy.rung is Rung.EMPTY_LINE
    assert policy.may_type
    assert not policy.may_enter
    assert policy.server_alive_interval == 60
    assert policy.outage_tolerance == 20 * 60
    assert policy.window_change_interval == 60
    assert policy.ssh is None


@pytest.mark.parametrize(
    ("settings", "may_type", "may_enter"),
    [
        ({"rung": Rung.NO_OP, "empty_line": True}, True, False),
        ({"rung": Rung.WINDOW_CHANGE, "no_op": "always"}, False, False),
        ({"empty_line": True}, True, True),
        ({"empty_line": True, "no_op": "never"}, False, False),
    ],
)
def test_rung_is_a_ceiling(settings: dict[str, Any], may_type: bool, may_enter: bool) -> None:
    policy = Policy(**settings)
    assert (policy.may_type, policy.may_enter) == (may_type, may_enter)


@pytest.mark.parametrize(
    ("interval", "tolerance", "count"),
    [(60, 1200, 20), (7, 1200, 172), (1200, 60, 1), (60, 60, 1), (60, 60.5, 2), (0.5, 1, 2)],
)
def test_count_max(interval: float, tolerance: float, count: int) -> None:
    assert count_max(interval, tolerance) == count


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_count_max_is_the_least_that_covers_the_outage(interval: int, tolerance: int) -> None:
    count = count_max(interval, tolerance)
    assert count * interval >= tolerance
    assert count == 1 or (count - 1) * interval < tolerance


def test_the_same_with_no_rung_above_one() -> None:
    policy = Policy(outage_tolerance=7, xon=True)
    lower = policy.up_to(Rung.WINDOW_CHANGE)
    assert (lower.rung, lower.outage_tolerance, lower.xon) == (Rung.WINDOW_CHANGE, 7, True)
    assert Policy(rung=Rung.OFF).up_to(Rung.NO_OP).rung is Rung.OFF
