"""Output cut into bursts, with numbers for the time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.terminal.burst import GAP, HEAD, TAIL, Bursts


def test_a_burst_is_over_when_nothing_has_come_for_a_while() -> None:
    bursts = Bursts()
    assert not bursts.open
    bursts.shown(b"one", 1.0)
    bursts.shown(b"two", 1.2)
    assert bursts.open
    assert not bursts.over(1.2 + GAP - 0.001)
    assert bursts.over(1.2 + GAP)
    burst = bursts.take()
    assert (burst.head, burst.end, burst.lost) == (b"onetwo", b"onetwo", False)
    assert (burst.began_at, burst.ended_at) == (1.0, 1.2)
    assert not bursts.open
    assert not bursts.over(9.0)


def test_of_a_long_burst_the_beginning_and_the_end_are_kept() -> None:
    bursts = Bursts()
    text = bytes(33 + n % 90 for n in range(HEAD + TAIL + 1))
    bursts.shown(text, 1.0)
    burst = bursts.take()
    assert burst.lost
    assert burst.head == text[:HEAD]
    assert burst.end == text[-TAIL:]
    bursts.shown(text[: HEAD + TAIL], 2.0)
    burst = bursts.take()
    assert not burst.lost
    assert burst.end == text[: HEAD + TAIL]


def test_a_sequence_cut_by_the_end_of_a_burst_is_joined_to_the_next() -> None:
    for cut in (b"\x1b", b"\x1b[", b"\x1b[?25", b"\x1b]0;tit", b"\x1b]0;title\x1b"):
        rest = b"\a" if b"]" in cut else b"h"
        bursts = Bursts()
        bursts.shown(b"x" + cut, 1.0)
        assert bursts.take().end == b"x"
        bursts.shown(rest + b"more", 2.0)
        assert bursts.take().end == cut + rest + b"more"


@given(st.lists(st.binary(max_size=3000), max_size=12))
def test_any_cut_gives_the_same_burst(pieces: list[bytes]) -> None:
    whole, cut = Bursts(), Bursts()
    whole.shown(b"".join(pieces), 1.0)
    for piece in pieces:
        cut.shown(piece, 1.0)
    if pieces:
        assert whole.take() == cut.take()
