"""Both ends' counts: nothing lost, nothing doubled, and the keys that did not arrive are named."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.link.count import IN_FLIGHT, Input, Output, keys_in, without_reports


@given(st.randoms(use_true_random=False), st.integers(1, 40))
def test_over_any_cuts_the_output_is_the_shells(chance: random.Random, connections: int) -> None:
    """The old connection delivers more after `have` was said; the new one starts at that `have`."""
    shell = bytes(chance.randrange(256) for _ in range(2000))
    output, shown, start = Output(), b"", 0
    for _ in range(connections):
        position = start
        stated = None
        for _ in range(chance.randrange(6)):
            piece = shell[position : position + chance.randrange(120)]
            position += len(piece)
            shown += output.take(piece)
            if chance.random() < 0.4 and stated is None:
                stated = output.have
        start = output.have if stated is None else stated
        assert output.go_on_at(start) == 0
    shown += output.take(shell[start:])
    assert shown == shell
    assert output.have == len(shell)


def test_what_the_host_had_to_drop_is_counted() -> None:
    output = Output(have=100)
    assert output.go_on_at(350) == 250
    assert output.take(b"abc") == b"abc"
    assert output.have == 353


def test_a_new_connection_forgets_what_the_last_one_was_to_skip() -> None:
    output = Output(have=100)
    output.go_on_at(10)
    output.take(b"x" * 30)
    output.go_on_at(100)
    assert output.take(b"new") == b"new"


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"ls\r", 3),
        (b"\x1b[A\x1bOB\x1b[1;5C\x1bx", 4),
        ("é€😀".encode(), 3),
        (b"\x1b[?62;c\x1b[12;40R\x1b[I\x1b[O\x1b[<0;3;4M\x1b]11;rgb:0/0/0\x07\x1bP1$r0m\x1b\\", 0),
        (b"\x1b[200~two\x1b[201~", 3),
        (b"\x1b[5~", 1),
        (b"\x1b", 1),
        (b"", 0),
        (b"\xff\x80\x80", 1),
    ],
)
def test_how_many_keys_that_is(typed: bytes, keys: int) -> None:
    assert keys_in(typed) == keys


def test_reports_are_left_out() -> None:
    assert without_reports(b"a\x1b[?62;cb\x1b[A\x1b[3;4Rc") == b"ab\x1b[Ac"


@given(
    st.lists(st.sampled_from([b"a", b"\r", b"\x1b[A", b"\x1b[1;5C", "é".encode(), b"\x1b[?6c"])),
    st.data(),
)
def test_the_keys_that_did_not_arrive(typed: list[bytes], data: st.DataObject) -> None:
    entry = Input()
    for key in typed:
        entry.add(key)
    assert entry.sent == len(b"".join(typed))
    arrived = data.draw(st.integers(0, entry.sent))
    missing, at = 0, 0
    for key in typed:
        at += len(key)
        missing += at > arrived and key != b"\x1b[?6c"
    assert entry.go_on_at(arrived) == missing
    assert entry.sent == arrived
    assert entry.go_on_at(arrived) == 0


def test_a_paste_is_many_keys_and_little_memory() -> None:
    entry = Input()
    for _ in range(4):
        entry.add(b"x" * 65536)
    assert entry.go_on_at(entry.sent - 1000) == 1000
    assert len(entry._runs) == 0


def test_only_what_may_be_in_flight_is_remembered() -> None:
    entry = Input()
    for _ in range(4):
        entry.add(b"\x1b[A" + b"x" * (IN_FLIGHT // 2))
    assert len(entry._runs) <= 6
