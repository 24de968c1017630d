"""When each keepalive is due, with numbers for the time."""

from __future__ import annotations

import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.idle import IdleClock
from keepshell.core.noops.choice import Choice, Hold, Noop, Timer, WindowChange
from keepshell.core.noops.ladder import ACT_AT, RETRY_AFTER, WARN_AT, Held, Ladder
from keepshell.core.reasons import Reason

START = 1000.0
CHANNEL, TTY, SHELL = Timer.CHANNEL_TIMEOUT, Timer.TTY_IDLE, Timer.TMOUT
Choose = Callable[[frozenset[Timer]], Choice]


def always(*resets: Timer) -> Choose:
    return lambda _timers: Noop(b"n", "row", frozenset(resets))


def never(reason: Reason = Reason.TYPING) -> Choose:
    return lambda _timers: Hold(reason)


def test_a_rule_is_acted_on_at_half_its_limit() -> None:
    ladder = Ladder({CHANNEL: 900.0}, START)
    assert ladder.deadline(CHANNEL) == START + 450
    assert ladder.act(START + 449, always(CHANNEL)) is None
    assert ladder.act(START + 450, always(CHANNEL)) == Noop(b"n", "row", frozenset({CHANNEL}))
    assert ladder.deadline(CHANNEL) == START + 900


def test_what_resets_one_rule_may_not_reset_another() -> None:
    ladder = Ladder({CHANNEL: 900.0, SHELL: 600.0, TTY: 900.0}, START)
    idle = IdleClock(START)
    idle.output(START + 10, 1)
    idle.user(START + 5)
    ladder.follow(idle, START + 1)
    assert ladder.deadline(CHANNEL) == START + 10 + 450
    assert ladder.deadline(TTY) == START + 5 + 450
    assert ladder.deadline(SHELL) == START + 1 + 300


def test_one_act_for_all_the_rules_it_resets_and_one_per_tick() -> None:
    ladder = Ladder({CHANNEL: 10.0, TTY: 10.0, SHELL: 10.0}, START)
    asked: list[frozenset[Timer]] = []

    def choose(timers: frozenset[Timer]) -> Noop:
        asked.append(timers)
        return Noop(b"n", "row", frozenset({CHANNEL, TTY}))

    assert ladder.act(START + 5, choose) is not None
    assert asked == [{CHANNEL}]
    assert ladder.deadline(TTY) == START + 10
    assert ladder.deadline(SHELL) == START + 5


def test_a_hold_moves_only_the_retry_and_keeps_its_reason() -> None:
    ladder = Ladder({CHANNEL: 900.0}, START)
    assert ladder.act(START + 450, never()) is None
    assert ladder.held == {CHANNEL: Held(Reason.TYPING, START + 450)}
    assert ladder.deadline(CHANNEL) == START + 450 + RETRY_AFTER
    assert ladder.act(START + 455, never(Reason.PRINTING)) is None
    assert ladder.held == {CHANNEL: Held(Reason.PRINTING, START + 450)}
    assert ladder.act(START + 460, always(CHANNEL)) is not None
    assert ladder.held == {}


def test_a_short_limit_is_retried_sooner() -> None:
    ladder = Ladder({CHANNEL: 4.0}, START)
    ladder.act(START + 2, never())
    assert ladder.deadline(CHANNEL) == START + 2.5


def test_the_user_ends_a_hold() -> None:
    ladder = Ladder({CHANNEL: 900.0}, START)
    ladder.act(START + 450, never())
    idle = IdleClock(START)
    idle.user(START + 451)
    ladder.follow(idle, None)
    assert ladder.held == {}
    assert ladder.deadline(CHANNEL) == START + 451 + 450


def test_a_limit_that_nears_under_a_hold_is_said_once() -> None:
    ladder = Ladder({CHANNEL: 100.0}, START)
    ladder.act(START + 50, never())
    assert ladder.near_limits(START + 50) == []
    near = START + 100 * WARN_AT
    ladder.act(near, never())
    (warning,) = ladder.near_limits(near)
    assert (warning.timer, round(warning.left), warning.reason) == (
        CHANNEL,
        10,
        Reason.TYPING,
    )
    assert ladder.near_limits(near + 5) == []
    ladder.sent(frozenset({CHANNEL}), near + 6)
    ladder.act(near + 6 + 50, never())
    assert len(ladder.near_limits(near + 6 + 95)) == 1


@given(st.floats(2, 300))
def test_it_is_said_before_the_limit_has_passed_however_short(limit: float) -> None:
    ladder, now = Ladder({CHANNEL: limit}, START), START
    while not ladder.near_limits(now):
        now = ladder.deadline(CHANNEL)
        assert now < START + limit
        ladder.act(now, never())


def test_what_resets_no_known_rule_changes_nothing() -> None:
    ladder = Ladder({CHANNEL: 100.0}, START)
    ladder.sent(frozenset({SHELL}), START + 10)
    assert ladder.deadline(CHANNEL) == START + 50


@given(
    st.lists(st.tuples(st.floats(0, 60), st.booleans(), st.booleans()), max_size=60),
    st.floats(2, 300),
)
def test_never_twice_within_half_the_limit(
    steps: list[tuple[float, bool, bool]], limit: float
) -> None:
    """Whatever the host shows or lets us do, and however late the ticks are."""
    ladder, idle, now, last = Ladder({CHANNEL: limit}, START), IdleClock(START), START, START
    for pause, holds, outputs in steps:
        now += pause
        if outputs:
            idle.output(now, 1)
        ladder.follow(idle, None)
        if ladder.act(now, never() if holds else always(CHANNEL)):
            assert now - last >= limit * ACT_AT * 0.999
            last = now


def test_a_window_change_waits_an_interval_whatever_came_of_it() -> None:
    """Twice the interval is its limit, so that it too is acted on at half; nobody's limit nears."""
    connection = Timer.CONNECTION
    ladder, idle = Ladder({connection: 120.0}, START), IdleClock(START)
    assert ladder.next_deadline(idle, None) == START + 60
    assert ladder.act(START + 60, lambda _timers: WindowChange()) == WindowChange()
    idle.sent(START + 60)
    assert ladder.next_deadline(idle, None) == START + 120
    assert ladder.act(START + 120, never()) is None
    assert ladder.reasons == [Reason.TYPING]
    assert ladder.next_deadline(idle, None) == START + 180
    assert ladder.near_limits(START + 179) == []
    assert ladder.act(START + 180, lambda _timers: None) is None
    assert ladder.reasons == []
    idle.user(START + 200)
    assert ladder.next_deadline(idle, None) == START + 260


def test_without_a_timer_nothing_is_ever_due() -> None:
    assert Ladder({}, START).next_deadline(IdleClock(START), None) == math.inf
