"""When a host is in doubt and when it counts as silent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.link.silence import DOUBT_AFTER, LOOK_AT_LEAST_EVERY, Link, Sample, Silence


def sample(
    unacked: int = 1, backoff: int = 0, round_trip: float = 0.05, heard_ago: float = 100.0
) -> Sample:
    return Sample(unacked, backoff, round_trip, heard_ago)


def state_of(silence: Silence) -> Link:
    """Read anew each time: mypy takes an attribute for what it was found to be before."""
    return silence.state


def test_a_key_is_looked_after_and_an_echo_ends_that() -> None:
    silence = Silence()
    assert silence.look_at is None
    silence.sent(10.0)
    silence.sent(11.0)
    assert silence.look_at == 10.0 + DOUBT_AFTER
    silence.heard()
    assert (silence.look_at, silence.since, silence.state) == (None, None, Link.LIVE)


def test_an_acknowledgement_is_life_though_nothing_is_shown() -> None:
    silence = Silence()
    silence.sent(10.0)
    silence.sampled(sample(unacked=0), 11.5)
    assert state_of(silence) is Link.LIVE
    assert silence.look_at is None


@pytest.mark.parametrize(
    ("after", "found", "state"),
    [
        (1.4, sample(), Link.LIVE),
        (1.5, sample(), Link.DOUBT),
        (1.5, sample(round_trip=0.6), Link.LIVE),  # four round trips take longer
        (2.5, sample(round_trip=0.6), Link.DOUBT),
        (1.5, sample(backoff=3), Link.SILENT),
        (5.9, sample(backoff=2), Link.DOUBT),
        (6.0, sample(backoff=2), Link.SILENT),
        (60.0, sample(backoff=1), Link.DOUBT),  # a slow link with losses, and alive
        (6.0, sample(backoff=2, heard_ago=1.0), Link.LIVE),  # something was acknowledged since
        (6.0, sample(backoff=2, heard_ago=1.6), Link.DOUBT),
    ],
)
def test_what_one_sample_says(after: float, found: Sample, state: Link) -> None:
    silence = Silence()
    silence.sent(10.0)
    silence.sampled(found, 10.0 + after)
    assert silence.state is state
    assert silence.look_at is not None


def test_the_idle_time_before_the_key_does_not_count() -> None:
    silence = Silence()
    silence.sent(1000.0)
    silence.sampled(sample(backoff=2, heard_ago=900.0), 1000.1)
    assert state_of(silence) is Link.LIVE


def test_what_waited_before_we_looked_counts_from_the_look_but_its_backoff_at_once() -> None:
    silence = Silence()
    silence.sampled(sample(backoff=2), 50.0)
    assert state_of(silence) is Link.LIVE
    silence.sampled(sample(backoff=2), 56.0)
    assert state_of(silence) is Link.SILENT
    silence = Silence()
    silence.sampled(sample(backoff=3), 50.0)
    assert state_of(silence) is Link.SILENT


def test_after_a_resume_two_seconds_are_enough() -> None:
    silence = Silence()
    silence.resumed(10.0)
    assert silence.look_at == 12.0
    silence.sampled(sample(), 12.0)
    assert state_of(silence) is Link.SILENT
    silence.sampled(sample(unacked=0), 13.0)
    assert state_of(silence) is Link.LIVE
    silence.sent(20.0)
    silence.sampled(sample(), 22.5)
    assert state_of(silence) is Link.DOUBT


def test_an_address_that_is_gone_is_silence_that_can_end() -> None:
    silence = Silence()
    silence.address(10.0, gone=True)
    assert (silence.state, silence.since, silence.look_at) == (Link.SILENT, 10.0, None)
    silence.sampled(sample(unacked=0), 11.0)  # the key was not even sent
    assert state_of(silence) is Link.SILENT
    silence.address(20.0, gone=False)
    assert silence.look_at is not None
    silence.sampled(sample(unacked=0), silence.look_at)
    assert state_of(silence) is Link.LIVE


def test_an_address_that_was_never_gone_is_nothing_new() -> None:
    silence = Silence()
    silence.address(10.0, gone=False)
    assert (silence.state, silence.look_at) == (Link.LIVE, None)


def test_a_kernel_without_an_answer_proves_nothing() -> None:
    silence = Silence()
    silence.sent(10.0)
    silence.sampled(None, 11.5)
    assert (silence.state, silence.look_at) == (Link.LIVE, None)
    silence.sent(20.0)
    assert silence.look_at == 20.0 + DOUBT_AFTER


def test_nor_does_it_end_a_silence() -> None:
    silence = Silence()
    silence.sent(10.0)
    silence.sampled(sample(backoff=3), 12.0)
    silence.sampled(None, 13.0)
    assert (silence.state, silence.silent_since, silence.look_at) == (Link.SILENT, 10.0, None)


def test_a_silence_ends_when_something_was_heard_and_not_when_tcp_is_less_patient() -> None:
    """A new route begins the backoff anew."""
    silence = Silence()
    silence.sent(10.0)
    silence.sampled(sample(backoff=3), 12.0)
    silence.sampled(sample(backoff=0), 13.0)
    assert state_of(silence) is Link.SILENT
    assert silence.look_at is not None
    silence.sampled(sample(backoff=0, heard_ago=0.1), 14.0)
    assert state_of(silence) is Link.LIVE


def test_a_silent_host_is_looked_at_ever_more_seldom() -> None:
    silence, now, looks = Silence(), 0.0, 0
    silence.sent(now)
    while now < 3600:
        assert silence.look_at is not None
        assert now < silence.look_at <= now + LOOK_AT_LEAST_EVERY
        now, looks = silence.look_at, looks + 1
        silence.sampled(sample(backoff=6, heard_ago=now + 100), now)
    assert state_of(silence) is Link.SILENT
    assert looks < 160


@given(
    st.lists(
        st.tuples(
            st.floats(0.01, 5.0),
            st.one_of(
                st.just("sent"),
                st.builds(
                    Sample,
                    unacked=st.integers(0, 3),
                    backoff=st.integers(0, 2),
                    round_trip=st.floats(0.0, 2.0),
                    heard_ago=st.floats(0.0, 1.4),
                ),
            ),
        )
    )
)
def test_a_host_that_acknowledges_something_all_the_time_is_never_silent(
    steps: list[tuple[float, str | Sample]],
) -> None:
    silence, now = Silence(), 0.0
    for pause, step in steps:
        now += pause
        if isinstance(step, Sample):
            silence.sampled(step, now)
        else:
            silence.sent(now)
        assert state_of(silence) is Link.LIVE
