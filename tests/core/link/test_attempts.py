"""When a new connection is tried."""

from __future__ import annotations

import pytest

from keepshell.core.link.attempts import PAUSES, Attempts


def middle() -> float:
    return 0.5


def test_the_pauses_grow_and_then_stay() -> None:
    attempts, now = Attempts(middle), 100.0
    pauses: list[float] = []
    attempts.want(now)
    assert attempts.next_at == now
    for _ in range(9):
        attempts.started()
        assert attempts.next_at is None
        attempts.failed(now)
        assert attempts.next_at is not None
        pauses.append(attempts.next_at - now)
        now = attempts.next_at
    assert pauses == pytest.approx([*PAUSES, 60.0, 60.0])


@pytest.mark.parametrize(("random", "pause"), [(0.0, 0.8), (0.999999, 1.2)])
def test_a_pause_varies_by_a_fifth(random: float, pause: float) -> None:
    attempts = Attempts(lambda: random)
    attempts.failed(0.0)
    assert attempts.next_at == pytest.approx(pause, abs=1e-5)


def test_none_without_a_route_and_at_once_with_it() -> None:
    attempts = Attempts(middle)
    attempts.want(0.0)
    attempts.route(False, 1.0)
    assert attempts.next_at is None
    attempts.failed(2.0)
    assert attempts.next_at is None
    attempts.route(True, 500.0)
    assert attempts.next_at == 500.0


def test_a_route_alone_starts_nothing() -> None:
    attempts = Attempts(middle)
    attempts.route(False, 1.0)
    attempts.route(True, 2.0)
    assert attempts.next_at is None


def test_a_route_that_was_there_all_the_time_changes_no_pause() -> None:
    attempts = Attempts(middle)
    attempts.failed(0.0)
    attempts.route(True, 0.5)
    assert attempts.next_at == 1.0


def test_a_wish_shortens_the_pauses() -> None:
    attempts = Attempts(middle)
    for _ in range(7):
        attempts.failed(0.0)
    attempts.want(5.0)
    assert attempts.next_at == 5.0
    attempts.started()
    attempts.failed(6.0)
    assert attempts.next_at == 7.0


def test_after_a_resume_the_network_gets_a_second() -> None:
    attempts = Attempts(middle)
    attempts.failed(0.0)
    attempts.resumed(100.0)
    assert attempts.next_at == 101.0
