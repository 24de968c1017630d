"""Sessions as lines of cells."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from keepshell.cli.timeline import ASCII, GLYPHS, LEGEND, Cell, Scale, Span, cells, lanes
from keepshell.core.idle import Stretch

TEN = Scale(0, 100, 10)


def drawn(*spans: Span, scale: Scale = TEN) -> str:
    return "".join(ASCII[cell] for cell in cells(spans, scale))


def test_a_session_in_use() -> None:
    assert drawn(Span(20, 60, False)) == "  ####    "


def test_idle_stretches_and_a_drop() -> None:
    stretches = (Stretch(10, 30, 3), Stretch(50, 20, 0))
    assert drawn(Span(10, 80, False, stretches)) == " #===#--  "
    assert drawn(Span(10, 79, True, stretches)) == " #===#-x  "


def test_idle_from_the_first_moment_to_the_last() -> None:
    assert drawn(Span(0, 100, False, (Stretch(0, 100, 9),))) == "=========="


def test_what_took_most_of_a_cell_is_shown() -> None:
    assert drawn(Span(0, 10, False, (Stretch(3, 7, 1),))) == "=         "
    assert drawn(Span(0, 10, False, (Stretch(7, 3, 1),))) == "#         "


def test_two_sessions_on_a_line() -> None:
    assert drawn(Span(0, 29, True), Span(50, 59, False)) == "##x  #    "


def test_a_moment_is_a_cell() -> None:
    assert drawn(Span(50, 50, False)) == "     #    "
    assert drawn(Span(100, 100, True)) == "         x"


def test_what_lies_outside_is_cut() -> None:
    assert drawn(Span(-50, 20, False)) == "##        "
    assert drawn(Span(90, 500, True)) == "         x"


def test_sessions_at_the_same_time_are_on_several_lines() -> None:
    a, b, c, d = Span(0, 50, False), Span(10, 20, False), Span(20, 90, False), Span(50, 60, False)
    assert lanes([d, c, b, a]) == [[a, d], [b, c]]
    assert lanes([]) == []


def test_every_cell_has_its_own_character() -> None:
    for glyphs in (GLYPHS, ASCII):
        assert set(glyphs) == set(Cell)
        assert len(set(glyphs.values())) == len(Cell)
    assert set(LEGEND) == set(Cell) - {Cell.NOTHING}


SPANS = st.builds(
    lambda start, length, dropped: Span(start, start + length, dropped),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.booleans(),
)


@given(st.lists(SPANS), st.integers(1, 200))
def test_every_line_has_its_width_and_every_session_is_seen(spans: list[Span], width: int) -> None:
    scale = Scale(0, 2e6 + 1, width)
    found = lanes(spans)
    assert sorted(span for lane in found for span in lane) == sorted(spans)
    for lane in found:
        line = cells(lane, scale)
        assert len(line) == width
        assert any(cell is not Cell.NOTHING for cell in line)
        for before, after in pairwise(lane):
            assert before.ended <= after.started
