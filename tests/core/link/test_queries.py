"""What asks the terminal is dropped from old output, and nothing else."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.link.queries import LONGEST, Queries

ASKING = [
    *(b"\x1b[c", b"\x1b[0c", b"\x1b[>c", b"\x1b[>0c", b"\x1b[=c", b"\x1bZ", b"\x05"),
    *(b"\x1b[5n", b"\x1b[6n", b"\x1b[?6n", b"\x1b[?996n", b"\x1b[?2026$p", b"\x1b[4$p"),
    *(b"\x1b[>q", b"\x1b[>0q", b"\x1b[?u", b"\x1b[x", b"\x1b[1x", b"\x1b[14t", b"\x1b[18t"),
    *(b"\x1b[21t", b"\x1b[1;1;1;1;1;1*y", b"\x1b[?1;1;0S"),
    *(b"\x1bP$qm\x1b\\", b"\x1bP+q544e;524742\x1b\\"),
    *(b"\x1b]11;?\x07", b"\x1b]4;1;?\x1b\\", b"\x1b]10;?;?\x07", b"\x1b]52;c;?\x07"),
    b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\",
]
HARMLESS = [
    *(b"plain text", b"\r\n", "é".encode(), b"\x1b[0m", b"\x1b[1;31m", b"\x1b[2J", b"\x1b[H"),
    *(b"\x1b[?1049h", b"\x1b[?2004l", b"\x1b[22;0t", b"\x1b[23;0t", b"\x1b[8;24;80t", b"\x1b[3S"),
    *(b"\x1b[2 q", b"\x1b[>4;2m", b"\x1b[>1u", b"\x1b[<1u", b"\x1b[u", b"\x1b[s", b"\x1b7"),
    *(b"\x1b]0;who?\x07", b"\x1b]11;#000000\x07", b"\x1b]8;;http://x/?\x1b\\", b"\x1b(B"),
    *(b"\x1bPq#0;2;0;0;0\x1b\\", b"\x1b_Ga=T,f=100;AAAA\x1b\\", b"\x1b]133;A\x07"),
]


def filtered(pieces: list[bytes], old: int) -> bytes:
    queries = Queries(old)
    return b"".join(queries.feed(piece) for piece in pieces)


@pytest.mark.parametrize("query", ASKING)
def test_each_query_is_dropped_wherever_it_is_cut(query: bytes) -> None:
    text = b"before" + query + b"after"
    for cut in range(len(text) + 1):
        assert filtered([text[:cut], text[cut:]], len(text)) == b"beforeafter"


@pytest.mark.parametrize("sequence", HARMLESS)
def test_all_else_passes_wherever_it_is_cut(sequence: bytes) -> None:
    text = b"before" + sequence + b"after"
    for cut in range(len(text) + 1):
        assert filtered([text[:cut], text[cut:]], len(text)) == text


@given(st.lists(st.sampled_from(ASKING + HARMLESS)), st.lists(st.integers(0, 400)), st.data())
def test_any_mixture_in_any_pieces(parts: list[bytes], at: list[int], data: st.DataObject) -> None:
    """The boundary of age lies between two sequences, or within one, which counts as old."""
    text = b"".join(parts)
    old = data.draw(st.integers(0, len(text)))
    expected, position = b"", 0
    for part in parts:
        if part not in ASKING or position >= old:
            expected += part
        position += len(part)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in at), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(edges)]
    assert filtered([*pieces, b"end"], old) == expected + b"end"


def test_it_is_over_when_the_old_bytes_have_passed() -> None:
    queries = Queries(8)
    assert queries.feed(b"abc\x1b[") == b"abc"
    assert not queries.over
    assert queries.feed(b"6n!") == b"!"
    assert queries.over
    assert queries.dropped == 1


def test_what_begins_old_and_asks_nothing_passes_whole() -> None:
    queries = Queries(8)
    assert queries.feed(b"abcdef\x1b[") == b"abcdef"
    assert queries.feed(b"3") == b""
    assert queries.feed(b"1mred") == b"\x1b[31mred"
    assert queries.over
    assert queries.dropped == 0


def test_a_long_string_is_passed_on_and_not_kept_for_ever() -> None:
    text = b"\x1bPq" + b"#" * (2 * LONGEST)
    assert filtered([text[:100], text[100:], b"\x1b\\"], len(text) + 2) == text + b"\x1b\\"
