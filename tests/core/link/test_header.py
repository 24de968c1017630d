"""Marker, request and header, however the stream is cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.link.header import (
    LONGEST_HEADER,
    Engine,
    Opened,
    Opening,
    parse_header,
    request,
)

PYTHON = b"311973482284542371301330321821976049\n"
PERL = b"3.11973482284542e+35\r\n"
NONE = b"62773913\r\n"
HEADER = b"KEEPSHELL-LINK 1 attached engine=python in=3 out=1002 old=900 life=session\n"


def fed(pieces: list[bytes]) -> tuple[Opened, list[Engine]]:
    """All that came of the pieces together; after the header, what follows is stream."""
    opening, shown, stream, engines, header = Opening(), b"", b"", [], None
    for piece in pieces:
        if header is not None:
            stream += piece
            continue
        opened = opening.feed(piece)
        shown, stream, header = shown + opened.shown, stream + opened.stream, opened.header
        engines += [opened.engine] if opened.engine else []
    shown += b"" if opening.engine else opening.give_up()
    return Opened(shown, opening.engine, header, stream), engines


def cuts(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(position % (len(data) + 1) for position in at), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


WHOLE = [
    (b"", PYTHON, b"", Engine.PYTHON),
    (b"Welcome\r\n3119 days up\r\n", PYTHON, b"", Engine.PYTHON),
    (b"", PERL, b"use POSIX;\r\nprint 'KEEPSHELL' . '-LINK 1 x';\r\n\0\r\n", Engine.PERL),
    (b"no newline ", PERL, b"echoed without an end of line ", Engine.PERL),
]


@pytest.mark.parametrize(("before", "marker", "echo", "engine"), WHOLE)
@given(at=st.lists(st.integers(0, 5000), max_size=12))
def test_any_cut_gives_the_same(
    before: bytes, marker: bytes, echo: bytes, engine: Engine, at: list[int]
) -> None:
    stream = b"$ KEEPSHELL-LINK 1 new\nx" + PYTHON
    opened, engines = fed(cuts(before + marker + echo + HEADER + stream, at))
    assert opened.shown == before
    assert engines == [engine]
    assert opened.header is not None
    assert (opened.header.word, opened.header.number("out")) == ("attached", 1002)
    assert opened.stream == stream


@given(at=st.lists(st.integers(0, 5000), max_size=12))
def test_a_host_without_an_engine_is_shown_as_it_is(at: list[int]) -> None:
    opened, engines = fed(cuts(b"motd\r\n" + NONE + b"$ 62773913\r\n" + HEADER, at))
    assert opened.shown == b"motd\r\n$ 62773913\r\n" + HEADER
    assert engines == [Engine.NONE]
    assert opened.header is None


@pytest.mark.parametrize(
    "text",
    [
        b"print(7**42)\r\n",  # the command, echoed
        b"1" + PYTHON,  # a longer number
        b"0." + PYTHON,
        PYTHON[:-1] + b" apples\r\n",
        PYTHON[:-2] + b"8\n",
        b"162773913\r\n",
        PYTHON[:20],  # and then the connection ends
        PYTHON[:-1],
    ],
)
@given(at=st.lists(st.integers(0, 100), max_size=6))
def test_what_only_looks_like_a_marker_is_shown(text: bytes, at: list[int]) -> None:
    opened, engines = fed(cuts(text, at))
    assert (opened.shown, engines) == (text, [])


def test_a_request_survives_what_names_are_made_of() -> None:
    line = request("new", id="ab", keep=43200, name="web 1%\r\n\x7f\xe9\udcff", have=0)
    assert line == b"keepshell 1 op=new id=ab keep=43200 name=web%201%25%0D%0A%7F%C3%A9%FF have=0"


def test_a_header_is_read_back() -> None:
    header = parse_header(b"KEEPSHELL-LINK 1 failed why=no%20space%0a id=x junk in=-3 out=9z old=")
    assert header is not None
    assert header.word == "failed"
    assert header.fields["why"] == "no space\n"
    assert [header.number(key) for key in ("in", "out", "old", "none")] == [None] * 4


@pytest.mark.parametrize(
    "line",
    [
        b"KEEPSHELL-LINK 2 new",
        b" KEEPSHELL-LINK 1 new",
        b"",
        b"KEEPSHELL-LINK 1 new " + b"x" * LONGEST_HEADER,
        b"KEEPSHELL-LINK 1 ",
    ],
)
def test_what_is_no_header(line: bytes) -> None:
    assert parse_header(line) is None
