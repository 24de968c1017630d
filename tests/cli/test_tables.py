"""Tables fit, whatever the width, and break no word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.cli import tables
from keepshell.cli.tables import Column

SHAPE = (
    Column(""),
    Column("HOST", least=6),
    Column("IDLE", 3, right=True),
    Column("KEPT BY", 2, least=8),
    Column("SENT", 1, right=True),
    Column("NEXT", least=6),
)
ROWS = [
    ["✓", "web-01", "12m", "harmless input", "16", "in 3m"],
    ["!", "lab-7.example.com", "6m", "nothing helps", "-", "cut in 4m: TMOUT 10m"],
]


def test_all_is_there_where_there_is_room() -> None:
    assert tables.table(SHAPE, ROWS).splitlines() == [
        "   HOST               IDLE  KEPT BY         SENT  NEXT",
        "✓  web-01              12m  harmless input    16  in 3m",
        "!  lab-7.example.com    6m  nothing helps      -  cut in 4m: TMOUT 10m",
    ]


@pytest.mark.parametrize("width", range(20, 90))
def test_it_fits_and_one_line_is_one_row(width: int) -> None:
    lines = tables.table(SHAPE, ROWS, width=width).splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= width
    for line, row in zip(lines[1:], ROWS, strict=True):
        assert line.startswith(row[0])


def test_the_least_important_column_goes_first() -> None:
    def heads(width: int) -> list[str]:
        line = tables.table(SHAPE, ROWS, width=width).splitlines()[0]
        return line.replace("KEPT BY", "KEPT").split()

    assert heads(80) == ["HOST", "IDLE", "KEPT", "SENT", "NEXT"]
    assert heads(40) == ["HOST", "IDLE", "KEPT", "SENT", "NEXT"]
    assert heads(36) == ["HOST", "IDLE", "KEPT", "NEXT"]
    assert heads(28) == ["HOST", "IDLE", "NEXT"]
    assert heads(20) == ["HOST", "NEXT"]


@given(st.text(max_size=30), st.integers(1, 30))
def test_a_text_that_is_cut_says_so(text: str, width: int) -> None:
    shown = tables.cut(text, width)
    assert shown == text or shown.endswith(("…", "~"))


@pytest.mark.parametrize("locale", ["C", "POSIX", "de_DE.ISO-8859-1"])
def test_ascii_without_utf_8(locale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    drawn = tables.table(SHAPE, [["+", "wéb", "1m", "日本", "1", "a very long text"]], width=30)
    assert drawn.isascii()
    assert [tables.mark(style) for style in tables.MARKS] == ["+", "!", "x"]


def test_wide_characters_take_two_columns() -> None:
    rows = [["✓", "日本", "1m", "x", "1", "y"], ["✓", "abcd", "1m", "x", "1", "y"]]
    first, second = tables.table(SHAPE, rows).splitlines()[1:]
    assert first.index("1m") + 2 == second.index("1m")
