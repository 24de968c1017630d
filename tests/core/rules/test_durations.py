"""Durations: what is read, what is refused, and that what is shown reads back as the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.rules import durations

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("8h", 28800),
        ("1h30m", 5400),
        ("30m1h", 5400),
        ("1d", 86400),
        ("2w", 1209600),
        ("600", 600),
        ("0.5", 0.5),
        ("1.5h", 5400),
        ("1.1h", 3960),
        (" 1H30M ", 5400),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_reads(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


REFUSED = "s 1h30 -5s +5s 5x 5ms 1..5s . 1e3 1_000 inf nan ٣s off 0x10"


@pytest.mark.parametrize("text", [*REFUSED.split(), "1 h", "1h 3 m", "60 seconds"])
def test_refuses(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which key it was for is for the caller to say
        durations.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.1, "0.1s"),
        (2.5, "2.5s"),
        (60, "1m"),
        (90, "90s"),
        (1200, "20m"),
        (5400, "90m"),
        (28800, "8h"),
        (2073600, "24d"),
        (1209600.0, "2w"),
    ],
)
def test_shows(seconds: float, text: str) -> None:
    assert durations.show(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "about", "in_full"),
    [
        (0, "less than 1s", "0s"),
        (0.2, "less than 1s", "0.2s"),
        (2.5, "2s", "2.5s"),
        (45.4, "45s", "45.4s"),
        (119, "119s", "119s"),
        (120, "2m", "2m"),
        (150.1, "2m", "2m 30.1s"),
        (450, "7m", "7m 30s"),
        (7199, "119m", "119m 59s"),
        (7200, "2h", "2h"),
        (12000, "3h 20m", "3h 20m"),
        (12001, "3h 20m", "3h 20m 1s"),
        (180000, "2d 2h", "2d 2h"),
        (10371600, "120d", "120d 1h"),
    ],
)
def test_in_a_sentence(seconds: float, about: str, in_full: str) -> None:
    assert (durations.describe(seconds), durations.exact(seconds)) == (about, in_full)


@given(st.integers(0, 10**8).map(lambda hundredths: hundredths / 100))
def test_what_is_exact_reads_back_as_the_same(seconds: float) -> None:
    written = durations.exact(seconds).replace("min", "m").replace(" ", "")
    assert durations.parse(written) == seconds


@given(st.integers(0, 10**8).map(lambda hundredths: hundredths / 100))
def test_what_is_shown_reads_back_as_the_same(seconds: float) -> None:
    assert durations.parse(durations.show(seconds)) == seconds


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from("smhdwSMHDW")), min_size=1))
def test_members_are_added_together(members: list[tuple[int, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in members)
    assert durations.parse(text) == sum(n * UNITS[unit.lower()] for n, unit in members)


@given(st.text(alphabet="0123456789.smhdw -e_xn", max_size=12))
def test_any_text_is_a_finite_number_of_seconds_or_refused(text: str) -> None:
    try:
        seconds = durations.parse(text)
    except ValueError:
        return
    assert 0 <= seconds < float("inf")
    assert text.strip()[0] in "0123456789."
