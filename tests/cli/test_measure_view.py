"""What a measurement looks like while it runs."""

from __future__ import annotations

import pytest

from keepshell.cli.measure_view import filled
from keepshell.core.rules.rung import Rung


@pytest.mark.parametrize(
    ("idle", "part"),
    [
        ({Rung.OFF: None}, 0),
        ({Rung.OFF: 0.0}, 0),
        ({Rung.OFF: 4.0}, 0.5),
        ({Rung.OFF: 8.0}, 0.99),  # it is being asked whether it lives
        ({Rung.NO_OP: 4.0}, 1),
    ],
)
def test_a_bar_is_full_once_the_search_is_over(idle: dict[Rung, float | None], part: float) -> None:
    assert filled(Rung.OFF, idle, limit=8.0) == pytest.approx(8.0 * part)
