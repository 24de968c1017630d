"""Prefixes and literals, told from keys and their answers."""

from __future__ import annotations

import pytest

from keepshell.core.noops.pending import Literal, Prefix
from keepshell.core.terminal.burst import Burst
from keepshell.core.terminal.keystrokes import Keystrokes

NEAR = 0.05
TOGGLE = b"\x1b[?25l\x1b[?12l\x1b[?25h"
STATUS = b"\x1b[?25l\x1b[24;1H[0] ^B\x1b[?12l\x1b[?25h\x1b[1;5H"


class Typing:
    """Keys a second apart, each with its answer."""

    def __init__(self) -> None:
        self.prefix, self.keystrokes = Prefix(), Keystrokes(None)
        self.now = 10.0

    def __call__(self, data: bytes, answer: bytes = b"", after: float = 1.0) -> Typing:
        self.now += after
        for key in self.keystrokes.feed(data, self.now):
            self.prefix.key(key, self.now, NEAR)
        if answer:
            at = self.now + 0.01
            self.prefix.burst(Burst(answer, b"", False, at, at), 1.0)
        return self

    @property
    def pending(self) -> bool:
        return self.prefix.pending


@pytest.mark.parametrize(
    ("key", "answer", "pending"),
    [
        (b"\x02", b"", True),
        (b"\x02", TOGGLE, True),
        (b"\x02", STATUS, True),
        (b"\x02", b"\x1b]0;title\a\x1b[m\a\x1b[?2004h", True),
        (b"\x03", b"^C\r\n$ ", False),
        (b"\x0c", b"\x1b[H\x1b[J$ ", False),
        (b"\x15", b"\x1b[4G\x1b[K", False),
        (b"\x15", b"", True),
        (b"\r", b"", False),
        (b"\t", b"", False),
        (b"\x1b", b"", False),
        (b"\x7f", b"", False),
        (b"\x1b[A", b"", False),
        (b"\x1ba", b"", True),
        (b"\x1ba", TOGGLE, True),
        (b"\x1bf", b"\x1b[C", False),
        (b"\x1b[24~", b"", True),
        (b"x", b"x", False),
        (b"x", STATUS, False),
        (b"`", b"", True),
        (b"`", TOGGLE, True),
        (b"x\x02", b"", True),
        (b"\x02x", b"x", False),
    ],
)
def test_a_prefix_is_what_nothing_of_the_panes_answers(
    key: bytes, answer: bytes, pending: bool
) -> None:
    assert Typing()(b"a", b"a")(key, answer).pending is pending


def test_keys_that_come_together_can_not_be_judged_apart() -> None:
    assert Typing()(b"a")(b"\x03", b"^C\r\n$ ", after=NEAR / 2).pending
    assert not Typing()(b"a")(b"\x03", b"^C\r\n$ ", after=2 * NEAR).pending


def test_a_printable_prefix_is_one_however_soon_it_comes() -> None:
    assert Typing()(b"a", b"a")(b"`", TOGGLE, after=NEAR / 2).pending
    assert not Typing()(b"a", b"a")(b"b", b"b", after=NEAR / 2).pending


def test_a_late_answer_is_none() -> None:
    typing = Typing()(b"\x02")
    typing.prefix.burst(Burst(b"out\r\n", b"", False, typing.now + 1.1, typing.now + 1.1), 1.0)
    assert typing.pending


@pytest.mark.parametrize(
    ("keys", "pending"),
    [
        (b"\x16", True),
        (b"\x11", True),
        (b"\x160", True),
        (b"\x16u1F60", True),
        (b"\x16123456789", False),
        (b"\x16z", False),
        (b"\x160z", False),
        (b"\x16\x1b", False),
        (b"\x16\x1b[I", True),
        (b"\x12", False),
        (b"\x0b", False),
        (b"0", False),
        (b"", False),
    ],
)
def test_a_literal(keys: bytes, pending: bool) -> None:
    literal = Literal()
    for key in Keystrokes(None).feed(keys, 1.0):
        literal.key(key)
    assert literal.pending is pending
