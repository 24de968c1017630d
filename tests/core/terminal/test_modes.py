"""ModeTracker against xterm's rules, against a parser that reads byte by byte, under any cut."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keepshell.core.terminal.modes import KEYPAD, LONGEST, Mode, Modes, ModeTracker

PRIVATE = (
    *(1, 5, 6, 7, 9, 25, 47, 69, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047),
    *(1049, 2004, 2026, 2031, 2048, 7727, 9001),
)
ON_AT_START = (7, 25)
ALTERNATE = (47, 1047, 1049)


def tracked(*chunks: bytes) -> ModeTracker:
    """A tracker that was fed these chunks at 1, 2, 3 ... seconds."""
    tracker = ModeTracker()
    for at, chunk in enumerate(chunks, 1):
        tracker.feed(chunk, float(at))
    return tracker


def modes(*chunks: bytes) -> Modes:
    return tracked(*chunks).snapshot()


def on(*chunks: bytes) -> set[int]:
    """The private modes that differ from their start."""
    private = modes(*chunks).private
    return {mode for mode, state in private.items() if state.on != (mode in ON_AT_START)}


# What the sequences mean.


def test_a_new_terminal_has_nothing_on() -> None:
    new = ModeTracker().snapshot()
    with pytest.raises(FrozenInstanceError):
        new.kitty_flags = 1  # type: ignore[misc]
    with pytest.raises(AttributeError):
        new[25].on = False  # type: ignore[misc]
    assert set(new.private) == {*PRIVATE, KEYPAD}
    assert new.plain
    assert not new.alternate_screen
    assert not new.half_sequence
    assert new[25] == Mode(on=True, set_at=None, changed_at=None)
    assert new[1004] == Mode(on=False, set_at=None, changed_at=None)
    assert (new.kitty_flags, new.modify_other_keys) == (0, 0)
    assert new.binary_at is None


@pytest.mark.parametrize("mode", PRIVATE)
def test_each_private_mode_keeps_when_it_was_set_and_when_it_changed(mode: int) -> None:
    switch = b"\x1b[?%d" % mode
    assert modes(switch + b"h")[mode] == Mode(on=True, set_at=1.0, changed_at=1.0)
    assert modes(switch + b"l")[mode] == Mode(on=False, set_at=None, changed_at=1.0)
    assert modes(switch + b"h", switch + b"l")[mode] == Mode(on=False, set_at=1.0, changed_at=2.0)
    assert modes(switch + b"h", b"", switch + b"h")[mode] == Mode(
        on=True, set_at=3.0, changed_at=3.0
    )


def test_several_modes_in_one_sequence() -> None:
    assert on(b"\x1b[?1000;1006;2004h") == {1000, 1006, 2004}
    assert on(b"\x1b[?1000;1006;2004h\x1b[?1006;;1000l") == {2004}
    assert on(b"\x1b[?01004h") == {1004}


def test_one_alternate_screen_behind_three_numbers() -> None:
    assert on(b"\x1b[?47h\x1b[?1049h") == {1049}
    assert on(b"\x1b[?1049h\x1b[?47l") == set()
    assert modes(b"\x1b[?1047h").alternate_screen


def test_save_and_restore() -> None:
    assert on(b"\x1b[?1001s\x1b[?1001h", b"\x1b[?1001r") == set()
    assert on(b"\x1b[?1001h\x1b[?1001s\x1b[?1001l", b"\x1b[?1001r") == {1001}
    assert on(b"\x1b[?1001h\x1b[?1001r") == {1001}, "nothing was saved"
    assert modes(b"\x1b[?25l\x1b[?25s", b"\x1b[?25r")[25].changed_at == 2.0


def test_the_keypad() -> None:
    assert modes(b"\x1b=")[KEYPAD] == Mode(on=True, set_at=1.0, changed_at=1.0)
    assert modes(b"\x1b=", b"\x1b>")[KEYPAD] == Mode(on=False, set_at=1.0, changed_at=2.0)
    assert on(b"\x1b[?-1h") == set()


@pytest.mark.parametrize(
    ("stream", "level"),
    [
        (b"\x1b[>4;1m", 1),
        (b"\x1b[>4;2m", 2),
        (b"\x1b[>4;2m\x1b[>4m", 0),
        (b"\x1b[>4;2m\x1b[>4;m", 0),
        (b"\x1b[>4;2m\x1b[>m", 0),
        (b"\x1b[>4;2m\x1b[>4n", 0),
        (b"\x1b[>4;2m\x1b[>n", 2),  # without a number: modifyFunctionKeys
        (b"\x1b[>4;2m\x1b[>0;1m\x1b[>1;3m\x1b[?4m\x1b[4;1m", 2),
    ],
)
def test_modify_other_keys(stream: bytes, level: int) -> None:
    assert modes(stream).modify_other_keys == level
    assert modes(stream).plain is (level == 0)


@pytest.mark.parametrize(
    ("stream", "flags"),
    [
        (b"\x1b[>1u", 1),
        (b"\x1b[>u", 0),
        (b"\x1b[>1u\x1b[>5u", 5),
        (b"\x1b[>1u\x1b[>5u\x1b[<u", 1),
        (b"\x1b[>1u\x1b[>5u\x1b[<2u", 0),
        (b"\x1b[>1u\x1b[<99u\x1b[>2u\x1b[<u", 0),
        (b"\x1b[=5u", 5),
        (b"\x1b[=5;1u", 5),
        (b"\x1b[=5u\x1b[=2;2u", 7),
        (b"\x1b[=7u\x1b[=2;3u", 5),
        (b"\x1b[=255u", 127),
        (b"\x1b[>1u" * 7 + b"\x1b[>3u" + b"\x1b[<u" * 7, 1),  # eight fit: the first was dropped
        (b"\x1b[>1u" * 7 + b"\x1b[>3u" + b"\x1b[<u" * 8, 0),
        (b"\x1b[>1u\x1b[?u", 1),
        (b"\x1b[>1u\x1b[?1049h", 0),
        (b"\x1b[>1u\x1b[?1049h\x1b[>2u\x1b[?1049l", 1),
        (b"\x1b[>1u\x1b[?1049h\x1b[>2u\x1b[?1049l\x1b[?47h", 2),
    ],
)
def test_kitty_keyboard(stream: bytes, flags: int) -> None:
    assert modes(stream).kitty_flags == flags
    assert modes(stream + b"\x1b[?1049l").plain is (modes(stream + b"\x1b[?1049l").kitty_flags == 0)


@pytest.mark.parametrize("code", [0x00, 0x01, 0x02, 0x04, 0x06, 0x10, 0x15, 0x18])
def test_binary_output_is_noticed(code: int) -> None:
    assert modes(b"text", b"a%cb" % code, b"text").binary_at == 2.0


def test_zmodem_is_binary_and_text_is_not() -> None:
    assert modes(b"rz waiting to receive.**\x18B0100000023be50\r\x8a\x11").binary_at == 1.0
    assert modes(b"**", b"\x18B01").binary_at == 2.0
    text = bytes({*range(0x07, 0x10), 0x1B, *range(0x20, 0x100)})
    assert modes(text + "größe →".encode() + b"\xe9t\xe9").binary_at is None


def test_ris_puts_everything_back() -> None:
    stream = (
        b"\x1b[?25;7l\x1b[?1049;1004;2004;1000h\x1b=\x1b[>5u\x1b[>4;2m\x1b(0\x0e\x1b[1m\x1b[2;5r"
    )
    tracker = tracked(stream + b"\x1b[3 q", b"text\x1bc")
    assert tracker.snapshot().plain
    assert tracker.undo() == b""
    assert tracker.snapshot()[1004] == Mode(on=False, set_at=1.0, changed_at=2.0)
    assert tracker.snapshot()[9].changed_at is None
    assert on(stream, b"\x1bc\x1b[?9h") == {9}
    assert modes(b"\x1b[?1049h\x1b[>5u\x1b[?1049l\x1bc\x1b[?1049h").kitty_flags == 0


def test_decstr_puts_back_what_xterm_puts_back() -> None:
    stream = (
        b"\x1b[?1;6;69;1000;1004;1049;2004;2026h\x1b[?7;25l\x1b=\x1b[>1u\x1b[>4;1m\x1b(0\x1b[1m"
    )
    assert on(stream + b"\x0e\x1b[!p") == {1000, 1004, 1049, 2004, 2026}
    assert modes(stream + b"\x1b[!p").kitty_flags == 1
    assert modes(stream + b"\x1b[!p").modify_other_keys == 0
    assert tracked(b"\x1b(0\x0e\x1b[1m\x1b[2;5r\x1b[3 q\x1b[!p").undo() == b""
    assert tracked(b"\x1b[!p\x1b(0").undo() == b"\x1b(B"


# The grammar.


def test_an_escape_inside_a_string_starts_a_sequence() -> None:
    # xterm and tmux both switch to the alternate screen here.
    assert on(b"\x1b]0;title\x1b[?1049h\x07") == {1049}
    assert on(b"\x1b]0;title [?1049h\x07\x1bP[?1004h\x1b\\\x1b_[?9h\x1b\\") == set()


@pytest.mark.parametrize("abort", [b"\x18", b"\x1a", b"\xc3\xa9", b"\x9b"])
def test_what_aborts_a_sequence(abort: bytes) -> None:
    assert on(b"\x1b[?1049" + abort + b"h") == set()
    assert not modes(b"\x1b[?1049" + abort).half_sequence
    assert on(b"\x1b[?1049" + abort + b"\x1b[?9h") == {9}


def test_c1_controls_are_text() -> None:
    assert on(b"\x9b?1049h") == set()
    assert not modes(b"\x9b?1049").half_sequence
    assert not modes(b"\xc2\x9b?1").half_sequence


def test_c0_controls_inside_a_sequence_act_on_their_own() -> None:
    assert on(b"\x1b[\n?10\r49\x7fh\x1b\n[?9\th") == {1049, 9}
    assert on(b"\x1b[?10\n", b"49h") == {1049}
    assert tracked(b"\x1b[3\x0e1m").undo() == b"\x0f\x1b[m"
    assert tracked(b"\x1b \n(\n0").undo() == b"", "an intermediate byte came first"
    assert tracked(b"\x1b\n(\n0").undo() == b"\x1b(B"
    assert tracked(b"\x1b]0;t\x1b\x0e\\").undo() == b"\x0f", "the string had ended"


@pytest.mark.parametrize(
    "stream",
    [
        b"\x1b[?1049:1h",  # xterm refuses subparameters here
        b"\x1b[?1049 h",
        b"\x1b[1049?h",
        b"\x1b[?1049$p",  # DECRQM
        b"\x1b[1049h",
        b"\x1b[>1049h",
        b"\x1b[6n\x1b[s\x1b[u\x1b[p",
        b"\x1b)=\x1b#c",
        b"ESC[?1049h",
    ],
)
def test_what_only_looks_like_a_mode(stream: bytes) -> None:
    assert modes(stream).plain
    assert tracked(stream).undo() == b""


@pytest.mark.parametrize(
    "half",
    [
        *(b"\x1b", b"\x1b[", b"\x1b[?", b"\x1b[?10;", b"\x1b[1 ", b"\x1b(", b"\x1b%", b"\x1b]"),
        *(b"\x1b]0;title", b"\x1b]52;c;" + b"A" * 999, b"\x1bPq#0", b"\x1b_G", b"\x1b^", b"\x1bX"),
        *(b"\x1bPq\x07", b"\x1b]0;t\x1b", b"\x1b]P12345", b"\x1b]R", b"\x1b[\n"),
    ],
)
def test_half_a_sequence(half: bytes) -> None:
    assert modes(b"text" + half).half_sequence
    assert modes(*(bytes((code,)) for code in half)).half_sequence
    assert not modes(half + b"\x18").half_sequence
    assert tracked(half).undo() == b"\x18\x1b\\"


@pytest.mark.parametrize(
    "whole",
    [
        *(b"\x1b[m", b"\x1b(B", b"\x1bM", b"\x1b]0;title\x07", b"\x1b]0;title\x1b\\", b"\x1b[?1h"),
        *(b"\x1bPq\x1b\\", b"\x1b[5;5Htext", b"\x1b]P1234567x", b"\x1b]Rx", b"text", b"\x1b]\x1a"),
    ],
)
def test_a_whole_sequence(whole: bytes) -> None:
    assert not modes(whole).half_sequence
    assert not modes(*(bytes((code,)) for code in whole)).half_sequence


def test_a_sequence_too_long_changes_nothing() -> None:
    room = LONGEST - len(b"\x1b[?1049h")
    assert on(b"\x1b[?%s1049h" % (b"0" * room)) == {1049}
    assert on(b"\x1b[?%s1049h" % (b"0" * (room + 1))) == set()
    assert on(b"\x1b[?" + b"0" * 9999, b"1049", b"h\x1b[?9h") == {9}
    assert tracked(b"\x1b[1m\x1b[%sm" % (b"0" * 999)).undo() == b"\x1b[m"
    assert tracked(b"\x1b(0\x1b(%sB" % (b" " * 999)).undo() == b"\x1b(B"


@pytest.mark.parametrize(
    "start",
    [
        *(b"\x1b]52;c;", b"\x1bP", b"\x1b[?", b"\x1b(", b"\x1b[>1u", b"\x1b[?1;", b"\x0e"),
        *(b"\x1bc", b"\x1b[!p", b"\x1bctext\x1b[!p"),
    ],
)
def test_memory_does_not_grow_with_the_stream(start: bytes) -> None:
    tracker = tracked(start)
    for _ in range(50):
        tracker.feed(b" " * 65536, 2.0)
        tracker.feed(start * 500, 2.0)
        tracker.feed(start, 2.0)
    assert len(repr(vars(tracker))) < 5000
    tracker.feed(b"\x18\x1b[?1049h", 3.0)
    assert tracker.snapshot()[1049].set_at == 3.0


# What is put back.


@pytest.mark.parametrize(
    ("stream", "undo"),
    [
        (b"", b""),
        (b"text\x1b[1m\x1b[m\x1b[?1049h\x1b[?1049l", b""),
        *((b"\x1b[?%dh" % mode, b"\x1b[?%dl" % mode) for mode in PRIVATE if mode not in (6, 7, 25)),
        (b"\x1b[?25l", b"\x1b[?25h"),
        (b"\x1b[?7l", b"\x1b[?7h"),
        (b"\x1b[?6h", b"\x1b[?6l\x1b[9999H"),
        (b"\x1b=", b"\x1b>"),
        (b"\x1b[?47h\x1b[?1047h", b"\x1b[?1047l"),
        (b"\x1b[>4;2m", b"\x1b[>4m"),
        (b"\x1b[>5u", b"\x1b[<1u"),
        (b"\x1b[>5u\x1b[>0u", b"\x1b[<2u"),
        (b"\x1b[=5u", b"\x1b[=0u"),
        (b"\x1b[=5u\x1b[>1u\x1b[>1u", b"\x1b[<2u\x1b[=0u"),
        (b"\x1b[>1u\x1b[?1049h\x1b[>2u", b"\x1b[<1u\x1b[?1049l\x1b[<1u"),
        (b"\x1b(0", b"\x1b(B"),
        (b"\x1b(0\x1b(B", b""),
        (b"\x1b)0", b""),
        (b"\x0e", b"\x0f"),
        (b"\x0e\x0f", b""),
        (b"\x0f\x0e", b"\x0f"),
        (b"\x1b]0;\x0e\x07", b""),
        (b"\x0e\x1b]0;\x0f\x07\x1bP\x0f\x1b\\", b"\x0f"),
        (b"\x1b]P1234567\x0e", b"\x0f"),
        (b"\x1b]R\x0e", b"\x0f"),
        (b"\x1b[5 q", b"\x1b[0 q"),
        (b"\x1b[5 q\x1b[ q", b""),
        (
            b"\x1b[?1049h\x1b[?1000;1006h\x1b[?2004;1004h\x1b[?1h\x1b=\x1b[?25l\x1b[1;31m",
            b"\x1b[?1006l\x1b[?1000l\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\x1b[?1049l\x1b[?25h\x1b[m",
        ),
    ],
)
def test_undo(stream: bytes, undo: bytes) -> None:
    assert tracked(stream).undo() == undo
    assert tracked(stream, undo).undo() == b"", "what was put back is off"


@pytest.mark.parametrize(
    ("stream", "rows", "is_set"),
    [
        (b"\x1b[2;23r", 24, True),
        (b"\x1b[2;23r", 0, True),
        (b"\x1b[1;23r", 24, True),
        (b"\x1b[1;23r", 0, False),  # the height is not known: it may be the whole screen
        (b"\x1b[1;24r", 24, False),  # vim and htop leave this behind
        (b"\x1b[;24r", 24, False),
        (b"\x1b[1;99r", 24, False),
        (b"\x1b[5r", 24, True),
        (b"\x1b[2;23r\x1b[r", 24, False),
        (b"\x1b[2;23r\x1b[;r", 24, False),
        (b"\x1b[2;23r\x1b[7;7r", 24, True),  # refused by xterm
        (b"\x1b[2;23r\x1b[1;1r", 1, True),
        (b"\x1b[2;23r\x1b[0;1r", 24, True),
        (b"\x1b[2;23r\x1b[1;2r", 2, False),
    ],
)
def test_undo_of_the_scroll_region(stream: bytes, rows: int, is_set: bool) -> None:
    assert tracked(stream).undo(rows) == (b"\x1b7\x1b[r\x1b8" if is_set else b"")
    assert tracked(stream).snapshot().plain


@pytest.mark.parametrize(
    ("sgr", "styled"),
    [
        *((b"", False), (b"0", False), (b"00", False), (b"1", True), (b"01;31", True)),
        *((b"1;0", False), (b"0;1", True), (b"39", False), (b"39;49", False), (b"22;7", True)),
        *((b"38;5;0", True), (b"48;2;0;0;0", True), (b"38;5;1;0", False), (b"1;38;5", True)),
        *((b"38:2::0:0:0", True), (b"4:3", True), (b"4:0", False), (b"0;58:5:0", True)),
        *((b"1;4:0", True), (b";", False), (b"97", True), (b"10;22;23;24;25;27;28;29", False)),
        *((b"%d" % code, False) for code in (10, 22, 23, 24, 25, 27, 28, 29, 39, 49, 50, 54, 55)),
        *((b"59", False), (b"65", False), (b"75", False), (b"51", True), (b"53", True)),
        *((b"3;38;5;12;0", False), (b"38;5;39", True), (b"38;5;300;1", True)),
    ],
)
def test_undo_of_attributes(sgr: bytes, styled: bool) -> None:
    assert tracked(b"\x1b[%sm" % sgr).undo() == (b"\x1b[m" if styled else b"")
    assert tracked(b"\x1b[1;31m\x1b[%smtext\x1b[5;5H" % sgr).undo() == (
        b"\x1b[m" if styled else b""
    )


# A parser that reads byte by byte, in the plainest way.


class Reference:
    """xterm's parser and the switches it sets, one byte after the other."""

    def __init__(self) -> None:
        self.state = "ground"
        self.sequence = b""
        self.binary_at: float | None = None
        self.set_at: dict[int, float] = {}
        self.changed_at: dict[int, float] = {}
        self.saved: dict[int, bool] = {}
        self.on = {mode: mode in ON_AT_START for mode in (*PRIVATE, KEYPAD)}
        self.stacks = [[0], [0]]
        self.reset_drawing()

    def reset_drawing(self) -> None:
        self.other_keys = self.style = 0
        self.region = (1, 0)
        self.g0, self.shifted, self.styled = b"B", False, False

    @property
    def stack(self) -> list[int]:
        return self.stacks[any(self.on[mode] for mode in ALTERNATE)]

    def feed(self, data: bytes, now: float) -> None:
        for code in data:
            self.byte(code, now)

    def byte(self, code: int, now: float) -> None:
        if code in b"\x00\x01\x02\x04\x06\x10\x15\x18":
            self.binary_at = now
        if self.state == "string" and self.sequence[:1] == b"]":
            self.osc(code, now)
        if code == 0x1B:
            self.state, self.sequence = "escape", b""
        elif code in (0x18, 0x1A):
            self.state = "ground"
        elif self.state == "string":
            self.sequence += bytes((code,))
        elif code < 0x20 or code == 0x7F:
            self.shifted = {0x0E: True, 0x0F: False}.get(code, self.shifted)
        elif code >= 0x80:
            self.state = "ground"
        elif self.state == "escape":
            self.escape(bytes((code,)), now)
        elif self.state == "csi":
            self.csi_byte(bytes((code,)), now)

    def osc(self, code: int, now: float) -> None:
        """What ends an OSC, apart from CAN and SUB."""
        body = self.sequence[1:]
        if body[:1] == b"R" or (body[:1] == b"P" and len(body) == 8):
            self.state = "ground"  # the Linux console's palette sequences
        elif code in (0x07, 0x1B):
            self.state = "ground"

    def csi_byte(self, char: bytes, now: float) -> None:
        self.sequence += char
        if char >= b"@":
            self.state = "ground"
            if len(self.sequence) + 2 <= LONGEST:
                self.csi(self.sequence, now)

    def escape(self, char: bytes, now: float) -> None:
        if not self.sequence and char == b"[":
            self.state = "csi"
        elif not self.sequence and char in b"]PX^_":
            self.state, self.sequence = "string", char
        elif char < b"0":
            self.sequence += char
        else:
            self.state = "ground"
            whole = self.sequence + char
            if whole == b"c":
                self.reset(list(self.on), now)
                self.stacks = [[0], [0]]
            elif whole in (b"=", b">"):
                self.put(KEYPAD, whole == b"=", now)
            elif whole[:1] == b"(" and len(whole) + 1 <= LONGEST:
                self.g0 = whole[1:]

    def put(self, mode: int, on: bool, now: float) -> None:
        if mode in ALTERNATE:
            for other in ALTERNATE:
                self.on[other] = False
        self.on[mode] = on
        self.changed_at[mode] = now
        if on:
            self.set_at[mode] = now

    def reset(self, which: list[int], now: float) -> None:
        for mode in which:
            if self.on[mode] != (mode in ON_AT_START):
                self.put(mode, mode in ON_AT_START, now)
        self.reset_drawing()

    def csi(self, sequence: bytes, now: float) -> None:
        if sequence == b"!p":
            self.reset([1, KEYPAD, 6, 69, 7, 25], now)
        if re.fullmatch(rb"[0-9:;]*m", sequence):
            self.sgr(sequence[:-1])
        parts = re.fullmatch(rb"([<=>?]?)([0-9;]*)( q|[a-z])", sequence)
        if not parts:
            return
        marker, numbers, final = parts.groups()
        values = [int(number) if number else 0 for number in numbers.split(b";")]
        if marker == b"?":
            for mode in (value for value in values if value in PRIVATE):
                self.private(mode, final, now)
        elif marker and final == b"u":
            self.keyboard(marker, values)
        elif marker == b">" and final in b"mn":
            self.modify(final, values)
        elif not marker:
            self.draw(final, values)

    def modify(self, final: bytes, values: list[int]) -> None:
        if values[0] == 4:
            self.other_keys = values[1] if final == b"m" and len(values) > 1 else 0
        elif final == b"m" and values == [0]:
            self.other_keys = 0

    def draw(self, final: bytes, values: list[int]) -> None:
        if final == b" q":
            self.style = values[0]
        elif final == b"r":
            top, bottom = max(values[0], 1), values[1] if len(values) > 1 else 0
            if bottom == 0 or bottom > top:
                self.region = (top, bottom)

    def private(self, mode: int, final: bytes, now: float) -> None:
        if final in (b"h", b"l"):
            self.put(mode, final == b"h", now)
        elif final == b"s":
            self.saved[mode] = self.on[mode]
        elif final == b"r" and mode in self.saved:
            self.put(mode, self.saved[mode], now)

    def keyboard(self, marker: bytes, values: list[int]) -> None:
        stack = self.stack
        if marker == b">":
            stack.append(values[0] % 128)
            if len(stack) > 8:
                stack.pop(0)
        elif marker == b"<":
            for _ in range(min(max(values[0], 1), len(stack))):
                stack.pop()
            if not stack:
                stack.append(0)
        elif marker == b"=":
            how = values[1] if len(values) > 1 else 1
            if how == 2:
                stack[-1] = (stack[-1] | values[0]) % 128
            elif how == 3:
                stack[-1] &= ~values[0] % 128
            else:
                stack[-1] = values[0] % 128

    def sgr(self, text: bytes) -> None:
        off = {10, 22, 23, 24, 25, 27, 28, 29, 39, 49, 50, 54, 55, 59, 65, 75}
        self.styled, parameters = False, text.split(b";")
        while parameters:
            parameter = parameters.pop(0)
            if b":" in parameter:
                self.styled = self.styled or parameter != b"4:0"
                continue
            number = int(parameter or 0)
            if parameter in (b"38", b"48", b"58"):
                taken = {b"5": 2, b"2": 4}.get(parameters[0] if parameters else b"", 0)
                if len(parameters) >= taken and b":" not in b"".join(parameters[:taken]):
                    del parameters[:taken]
            if number == 0:
                self.styled = False
            elif number not in off:
                self.styled = True

    def at_start(self) -> bool:
        """Whether everything that can be put back is as it was; the other screen's stack can't."""
        return (
            all(state == (mode in ON_AT_START) for mode, state in self.on.items())
            and self.stack == [0]
            and (self.other_keys, self.style, self.region) == (0, 0, (1, 0))
            and (self.g0, self.shifted, self.styled) == (b"B", False, False)
            and self.state == "ground"
        )

    def snapshot(self) -> Modes:
        return Modes(
            private={
                mode: Mode(state, self.set_at.get(mode), self.changed_at.get(mode))
                for mode, state in self.on.items()
            },
            kitty_flags=self.stack[-1],
            modify_other_keys=self.other_keys,
            half_sequence=self.state != "ground",
            binary_at=self.binary_at,
        )


FRAGMENTS = (
    *(b"\x1b[?%dh" % mode for mode in (*PRIVATE, 12, 1048)),
    *(b"\x1b[?%dl" % mode for mode in (1, 7, 25, 47, 1000, 1004, 1049, 2004)),
    *(b"\x1b[?1000;1006h", b"\x1b[?1049;25s", b"\x1b[?1049;25r", b"\x1b[?1001s", b"\x1b[?1001r"),
    *(b"\x1b=", b"\x1b>", b"\x1bc", b"\x1b[!p", b"\x1b7", b"\x1b8", b"\x1bM", b"\x1b(0", b"\x1b(B"),
    *(b"\x1b[>1u", b"\x1b[>5u", b"\x1b[<u", b"\x1b[<9u", b"\x1b[=3;2u", b"\x1b[=1;3u", b"\x1b[=u"),
    *(b"\x1b[>4;2m", b"\x1b[>4;1m", b"\x1b[>4m", b"\x1b[>m", b"\x1b[>4n", b"\x1b[m", b"\x1b[1;31m"),
    *(b"\x1b[38;5;0m", b"\x1b[38;2;1;2;3m", b"\x1b[4:3m", b"\x1b[39;49m", b"\x1b[0;7m", b"\x1b[0m"),
    *(b"\x1b[2;23r", b"\x1b[r", b"\x1b[1;24r", b"\x1b[5;5r", b"\x1b[5 q", b"\x1b[0 q", b"\x1b[H"),
    *(
        b"\x1b]133;A\x07",
        b"\x1b]133;B\x1b\\",
        b"\x1b]133;D;1",
        b"\x1b]0;title",
        b"\x1bP+q",
        b"\x1b_G",
    ),
    *(
        b"\x1bX",
        b"\x1b^",
        b"\x1b]P1234567",
        b"\x1b]R",
        b"\x07",
        b"\x1b\\",
        b"\x18",
        b"\x1a",
        b"\x1b",
    ),
    *(
        b"\x1b[",
        b"\x1b[?",
        b"\x1b(",
        b"\x1b]",
        b"\x1b]133",
        b";A",
        b"h",
        b"l",
        b"m",
        b"[?2004",
        b"p",
    ),
    *(
        b"\x0e",
        b"\x0f",
        b"\n",
        b"\r",
        b"\x00",
        b"\x7f",
        b";",
        b":",
        b"?",
        b">",
        b" ",
        b"0",
        b"!",
        b"c",
    ),
    *(
        b"plain text ",
        "größe".encode(),
        b"\x9b?1049h",
        b"**\x18B0",
        b"\x80",
        b"\x1b[" + b"1;" * 130,
    ),
    *(b"0" * (LONGEST - 3), b" " * LONGEST, b"\\"),
)
# Few kinds in one stream, so that they meet.
streams = (
    st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=4), min_size=1, max_size=8)
    .flatmap(lambda few: st.lists(st.sampled_from(few), max_size=16))
    .map(b"".join)
)


@st.composite
def cut_streams(draw: st.DrawFn) -> list[tuple[bytes, float]]:
    """A stream cut anywhere, each piece with a time not before the last."""
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    now, timed = 0.0, []
    for piece in pieces:
        now += draw(st.sampled_from((0.0, 0.5, 3.0)))
        timed.append((piece, now))
    return timed


def test_every_two_fragments_agree_with_the_reference() -> None:
    for first, second in product(FRAGMENTS, repeat=2):
        tracker, reference = ModeTracker(), Reference()
        tracker.feed(first + second, 1.0)
        reference.feed(first + second, 1.0)
        assert tracker.snapshot() == reference.snapshot(), (first, second)
        assert tracker.undo(24) == b"" or not reference.at_start(), (first, second)


@given(cut_streams())
@example([(b"\x1b]0;t\x1b\x0e\\", 1.0)])
@example([(b"\x1b]133;D;1\x1bc", 1.0)])
@example([(b"\x1b[>4n\x1b[>4;2m", 1.0)])
@example([(b"\x1b]133;A", 1.0), (b"\x1b", 2.0), (b"\\", 3.0)])
@example([(b"\x1b[?1049h\x1b[>1u\x1b[?1049l\x1b[>1u\x1b[?1049h\x1b[>1u", 1.0)])
@example([(b"\x1bc\x1b[?1h\x1b[!p\x1b[?9h\x1b(0\x1bc\x1b[?25l\x0e", 1.0)])
def test_every_cut_agrees_with_the_reference(pieces: list[tuple[bytes, float]]) -> None:
    tracker, reference = ModeTracker(), Reference()
    for data, now in pieces:
        tracker.feed(data, now)
        reference.feed(data, now)
        assert tracker.snapshot() == reference.snapshot()
        assert tracker.undo(24) == b"" or not reference.at_start()
    reference.feed(tracker.undo(24), 99.0)
    if reference.region[0] == 1 and reference.region[1] >= 24:
        reference.region = (1, 0)
    assert reference.at_start()


@given(cut_streams())
def test_every_cut_gives_the_same_state(pieces: list[tuple[bytes, float]]) -> None:
    whole, cut = ModeTracker(), ModeTracker()
    whole.feed(b"".join(data for data, _ in pieces), 5.0)
    for data, _ in pieces:
        cut.feed(data, 5.0)
    assert cut.snapshot() == whole.snapshot()
    assert cut.undo(24) == whole.undo(24)


def test_a_session_cut_at_every_byte() -> None:
    session = (
        b"\x1b]133;A\x07\x1b[?2004h\x1b[01;32muser\x1b[0m$ \x1b]133;B\x07vim\r\n\x1b[?2004l\r"
        b"\x1b]133;C\x07\x1b[?1049h\x1b[22;0;0t\x1b[>4;2m\x1b[?1h\x1b=\x1b[?2004h\x1b[?1004h"
        b"\x1b[1;24r\x1b[?12h\x1b[?12l\x1b[2;1H\x1bP+q436f\x1b\\\x1b[>c\x1b]10;?\x07\x1b[?25l"
        b"\x1b(B\x1b[m\x1b[31m~\x1b[?1006;1000h\x1b[?1002h\x1b[>1u\x1b[2 q"
    )
    expected = tracked(session)
    assert expected.undo(24) == (
        b"\x1b[<1u\x1b[?1006l\x1b[?1002l\x1b[?1000l\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\x1b[?1049l"
        b"\x1b[?25h\x1b[>4m\x1b[m\x1b[0 q"
    )
    for at in range(len(session) + 1):
        cut = ModeTracker()
        cut.feed(session[:at], 1.0)
        cut.feed(session[at:], 1.0)
        assert cut.snapshot() == expected.snapshot(), at
        assert cut.undo(24) == expected.undo(24), at
