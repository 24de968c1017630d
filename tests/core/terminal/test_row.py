"""The cursor's row, from what line editors and others print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.terminal.row import Row
from tests.support.screen import Screen


def row(*output: bytes) -> Row:
    found = Row()
    for data in output:
        found.feed(data)
    return found


@pytest.mark.parametrize(
    ("output", "before", "after"),
    [
        (b"$ ", "$ ", ""),
        (b"out\r\n$ ls", "$ ls", ""),
        (b"$ ls\b\b", "$ ", "ls"),
        (b"$ ls\b\b\x1b[K", "$ ", ""),
        (b"$ ls\r\x1b[C\x1b[C\x1b[K", "$ ", ""),
        (b"$ ls\x1b[3G\x1b[K", "$ ", ""),
        (b"$ abc\x1b[3D\x1b[P", "$ ", "bc"),
        (b"$ abc\x1b[3D\x1b[2@", "$ ", "  abc"),
        (b"$ abc\x1b[3D\x1b[X", "$ ", " bc"),
        (b"$ abc\x1b[1K", "     ", ""),
        (b"$ abc\x1b[2K\r$ ", "$ ", ""),
        (b"\x1b]0;title\a\x1b[32m$\x1b[m ", "$ ", ""),
        ("größe → ".encode(), "größe → ", ""),
        (b"$ \x1b7\x1b[20Cright\x1b8", "$ ", " " * 20 + "right"),
        (b"a\tb", "a       b", ""),
        (b"$ \x1b[?1049hscreen\r\n\x1b[5;5Htext\x1b[?1049lx", "$ x", ""),
        (b"one\r\ntwo\x1b[A\r$ ", "$ ", "e"),
        (b"one\r\ntwo\x1b[A\x1b[B", "two", ""),
        (b"text\x1b[H\x1b[2J$ ", "$ ", ""),
        (b"text\x1b[5;1H\x1b[J$ ", "$ ", ""),
        (b"x\x1b[3b", "xxxx", ""),
        (b"one\x1bEtwo", "two", ""),
        (b"one\r\ntwo\r\x1bM$", "$", "ne"),
        (b"one\x1bDtwo", "   two", ""),
        (b"one\r\n\r\n\x1b[2F$", "$", "ne"),
        (b"one\x1b[2Etwo", "two", ""),
        (b"$ \x1b[s\x1b[20Cright\x1b[u", "$ ", " " * 20 + "right"),
        (b"$ abc\x1b[2D\x1b[1J", "   ", " c"),
        (b"text\x1bc$ ", "$ ", ""),
        # zsh's PROMPT_SP, where the line before did not end
        (b"abc\x1b[7m%\x1b[m" + b" " * 79 + b"\r \r\r\x1b[J$ \x1b[K", "$ ", ""),
    ],
)
def test_the_row(output: bytes, before: str, after: str) -> None:
    found = row(output)
    assert found.known
    assert (found.before, found.after) == (before, after)


@pytest.mark.parametrize(
    "output",
    [
        b"\x1b[5;5Hx",
        b"\x1b[5dx",
        b"\x1b[2;9rx",
        b"x\x1b[Ax",
        b"x\x1b8x",
        b"\x1b[Lx",
        b"\x1b[?1049h$ ",
    ],
)
def test_where_the_screen_is_addressed_the_row_is_unknown(output: bytes) -> None:
    assert not row(b"\r\n" * 2 + output if output[:2] != b"x\x1b" else output).known
    if b"1049" not in output:
        assert row(output, b"\r\n$ ").known


def test_what_is_missing_is_unknown_until_a_new_row() -> None:
    found = row(b"$ ls")
    found.lose()
    assert not found.known
    found.feed(b"tail of a line")
    assert not found.known
    found.feed(b"\r\n$ ")
    assert (found.known, found.before) == (True, "$ ")


@pytest.mark.parametrize("output", [b"\x1b[K", b"\x1b[2P", b"\x1b[@", b"\x1b[3C", b"\x1b[D"])
def test_nothing_is_known_of_a_change_at_an_unknown_place(output: bytes) -> None:
    found = row(b"$ ls")
    found.lose()
    found.feed(output)
    assert not found.known
    assert (found.before, found.after) == ("", "")


def test_the_rows_below_are_erased() -> None:
    found = row(b"one\r\ntwo\r\nthree\x1b[2A")
    above = found.number
    found.feed(b"\x1b[B\r\x1b[J")
    assert found.text_of(above) == "one"
    assert (found.text_of(above + 1), found.text_of(above + 2)) == ("", None)
    found.feed(b"\x1b[B")
    assert (found.known, found.before + found.after) == (True, "")


def test_the_rows_above_are_erased() -> None:
    found = row(b"one\r\ntwo\r\nthree\x1b[A\r\x1b[C")
    at = found.number
    found.feed(b"\x1b[1J")
    assert found.text_of(at - 1) is None
    assert (found.text_of(at), found.text_of(at + 1)) == ("  o", "three")


def test_a_row_printed_anew() -> None:
    found = row(b"$ ls")
    found.mark()
    assert not found.printed_anew
    found.feed(b"x\b\b\b\x1b[K")
    assert not found.printed_anew
    found.feed(b"\r\x1b[2C")
    assert not found.printed_anew
    found.feed(b"\r$ ")
    assert found.printed_anew
    found.mark()
    found.feed(b"\r\nout\r\n$ ")
    assert found.printed_anew
    assert row(b"").printed_anew is False


def test_addressing_is_noted_until_the_mark() -> None:
    for output in (b"\x1b[G", b"\x1b[5;5H", b"\x1b[J"):
        found = row(output)
        assert found.addressed
        found.mark()
        assert not found.addressed
    assert not row(b"$ \x1b[K\x1b[C\b\r\n\x1b[?1049h\x1b[H\x1b[?1049l").addressed


def test_a_row_too_long_is_unknown() -> None:
    assert not row(b"x" * 5000).known
    assert row(b"x" * 5000, b"\r\n$ ").known


_LINE = st.sampled_from(
    [
        b"a",
        b"bc ",
        b"$ ",
        b"\r",
        b"\b",
        b"\r\n",
        b"\x1b[K",
        b"\x1b[C",
        b"\x1b[D",
        b"\x1b[2P",
        b"\x1b[@",
        b"\x1b[1m",
        b"\x1b]0;t\a",
        b"\x1b[2K",
        b"\x1b[4G",
        b"\x1b[X",
    ]
)


@given(st.lists(_LINE, max_size=14))
def test_it_agrees_with_the_screen(pieces: list[bytes]) -> None:
    """As long as no row is full and the screen does not scroll."""
    output = b"".join(pieces)
    screen = Screen(24, 80)
    screen.feed(output)
    found = row(output)
    assert found.known
    assert (found.before + found.after).rstrip() == screen.cursor_line.rstrip()
    assert len(found.before) == screen.cursor[1]


@given(st.lists(st.binary(max_size=30) | _LINE, max_size=20))
def test_any_output_is_survived(pieces: list[bytes]) -> None:
    found = row(*pieces)
    assert isinstance(found.before + found.after, str)
