"""Who was quiet since when, and the long silences that a session's history keeps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.idle import STRETCH_FROM, STRETCHES_KEPT, IdleClock, Stretch
from keepshell.core.rules.rung import Rung

START = 1000.0


def test_a_silence_with_a_keepalive_is_kept_however_short() -> None:
    idle = IdleClock(START)
    idle.user(START + 2)
    idle.sent(START + 3)
    idle.user(START + 4)
    idle.user(START + 8)
    assert idle.stretches(START + 9) == (Stretch(2, 2, 1),)
    assert idle.longest_idle(START + 9) == 4


def test_a_long_silence_is_kept_without_one() -> None:
    idle = IdleClock(START)
    idle.user(START + STRETCH_FROM)
    assert idle.stretches(START + STRETCH_FROM) == (Stretch(0, STRETCH_FROM, 0),)
    idle.user(START + 2 * STRETCH_FROM - 1)
    assert len(idle.stretches(START + 2 * STRETCH_FROM - 1)) == 1


def test_the_silence_that_lasts_counts_too() -> None:
    idle = IdleClock(START)
    idle.sent(START + 60)
    idle.sent(START + 120)
    assert idle.stretches(START + 150) == (Stretch(0, 150, 2),)
    assert idle.stretches(START + 180) == (Stretch(0, 180, 2),)
    assert idle.longest_idle(START + 180) == 180


def test_what_ssh_asks_before_is_no_part_of_it() -> None:
    idle = IdleClock(START)
    idle.user(START + 5)  # a password
    idle.begun_at = START + 100
    assert idle.longest_idle(START + 130) == 30
    idle.user(START + 300)
    assert idle.stretches(START + 300) == (Stretch(100, 200, 0),)


def test_the_longest_silences_are_kept_in_their_order() -> None:
    idle = IdleClock(START)
    now = START
    lengths = [STRETCH_FROM + (number * 37) % 1000 for number in range(STRETCHES_KEPT + 50)]
    for length in lengths:
        now += length
        idle.user(now)
    kept = idle.stretches(now)
    assert sorted(s.seconds for s in kept) == sorted(lengths)[-STRETCHES_KEPT:]
    assert list(kept) == sorted(kept)


def test_what_was_typed_for_the_user_is_told_from_packets() -> None:
    idle = IdleClock(START)
    idle.sent(START + 1)
    assert (idle.typed_at, idle.tried) == (None, Rung.WINDOW_CHANGE)
    idle.sent(START + 2, Rung.EMPTY_LINE)
    idle.sent(START + 3, Rung.NO_OP)
    idle.sent(START + 4)
    assert (idle.typed_at, idle.tried) == (START + 3, Rung.EMPTY_LINE)
    assert dict(idle.counts) == {Rung.WINDOW_CHANGE: 2, Rung.NO_OP: 1, Rung.EMPTY_LINE: 1}
    idle.user(START + 5)
    assert (idle.typed_at, idle.tried) == (START + 3, Rung.OFF)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1e4))))
def test_stretches_never_overlap_and_lie_within_the_session(
    steps: list[tuple[bool, float]],
) -> None:
    idle = IdleClock(START)
    now = START
    for typed, seconds in steps:
        now += seconds
        if typed:
            idle.user(now)
        else:
            idle.sent(now)
    end = 0.0
    for stretch in idle.stretches(now):
        assert stretch.began >= end - 1e-6
        end = stretch.began + stretch.seconds
    assert end <= now - START + 1e-6
    assert sum(s.keepalives for s in idle.stretches(now)) <= sum(idle.counts.values())


def test_the_last_reads_of_output() -> None:
    idle = IdleClock(START)
    assert idle.since(idle.output_at, START) is None
    idle.output(START + 1, 80)
    idle.output(START + 2, 4)
    assert idle.since(idle.output_at, START + 5) == 3
    assert idle.reads(START + 5) == ((4, 80), (3, 4))
