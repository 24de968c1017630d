"""Keystrokes against ssh's own loop, against a reader of single bytes, and under any cut."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keepshell.core.terminal.keys import Kind
from keepshell.core.terminal.keystrokes import ESCAPE_ALONE_AFTER, LONGEST, Keystrokes, Line

SOON, LATER = ESCAPE_ALONE_AFTER / 2, ESCAPE_ALONE_AFTER * 2


def typed(*chunks: bytes, every: float = SOON) -> Keystrokes:
    """Keystrokes that were fed these chunks, the first at 1 second."""
    keys = Keystrokes()
    for number, chunk in enumerate(chunks):
        keys.feed(chunk, 1.0 + number * every)
    return keys


def line(*chunks: bytes) -> Line:
    return typed(*chunks).line


# The line.


def test_the_classes_in_their_order() -> None:
    assert [line.name for line in sorted(Line)] == ["NOTHING", "PLAIN", "EDITED", "UNSAFE"]


def test_at_the_start_nothing_is_typed() -> None:
    keys = Keystrokes()
    assert keys.line is Line.NOTHING
    assert (keys.entered_at, keys.typed_at, keys.stopped_at) == (None, None, None)
    assert (keys.quit_at, keys.suspend_at, keys.last_focus) == (None, None, None)
    assert keys.at_line_start
    assert keys.ssh_at_line_start
    assert not any((keys.paste_open, keys.half_sequence, keys.escape_alone, keys.tilde_pending))
    assert not any((keys.stopped, keys.escape_missed))
    keys.feed(b"", 1.0)
    assert keys.typed_at is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"ls -l", Line.PLAIN),
        ("größe →".encode(), Line.PLAIN),
        (b"\xe9\x9b", Line.PLAIN),
        *((b"ls" + key, Line.EDITED) for key in (b"\x7f", b"\x08", b"\x01", b"\x05", b"\x15")),
        *((b"ls" + key, Line.EDITED) for key in (b"\x02", b"\x06", b"\x0b", b"\x17")),
        *((b"\x1b[" + key, Line.EDITED) for key in (b"A", b"D", b"H", b"F", b"1;5C", b"3~", b"4~")),
        *((b"\x1b[" + key, Line.EDITED) for key in (b"1~", b"7~", b"8~", b"3;5~", b"1;1:3A")),
        *((b"\x1bO" + key, Line.EDITED) for key in (b"A", b"B", b"C", b"D", b"F", b"H")),
        *(
            (b"ls" + key, Line.UNSAFE)
            for key in (b"\t", b"\x16", b"\x18", b"\x12", b"\x03", b"\x04")
        ),
        *((b"\x1b" + key, Line.UNSAFE) for key in (b"OP", b"OM", b"[5~", b"[15~", b"[2~", b"[[A")),
        *((b"\x1b" + key, Line.UNSAFE) for key in (b"b", b"\x7f", b"\r", b"[E", b"[97u", b"[Z")),
        (b"\x1b[1;5R", Line.UNSAFE),  # a modified F3, or a cursor report from line 1
        (b"l\x7fs\x16x", Line.UNSAFE),
        (b"rm -r x\r", Line.NOTHING),
        (b"\t\n", Line.NOTHING),
        (b"\x16\rls", Line.PLAIN),
    ],
)
def test_what_a_line_is_made_of(text: bytes, expected: Line) -> None:
    assert line(text) is expected
    assert line(*(bytes((code,)) for code in text)) is expected


def test_times_of_enter_and_of_the_last_byte() -> None:
    keys = typed(b"ls", b"\r", b"x", every=1.0)
    assert (keys.entered_at, keys.typed_at) == (2.0, 3.0)
    assert typed(b"ls\rx").entered_at == 1.0


REPORTS = (
    *(b"\x1b[I", b"\x1b[O", b"\x1b[?62;22c", b"\x1b[>41;370;0c", b"\x1b[0n", b"\x1b[24;80R"),
    *(b"\x1b[1;1R", b"\x1b[1;17R", b"\x1b[?1;2R", b"\x1b[?2026;2$y", b"\x1b[4;2$y", b"\x1b[?0u"),
    *(b"\x1b[8;24;80t", b"\x1b[48;24;80;384;640t", b"\x1b[?997;1n", b"\x1b[>4;2m", b"\x1b[2;1;1x"),
    *(
        b"\x1b]11;rgb:0000/0000/0000\x1b\\",
        b"\x1b]4;1;rgb:ff/00/00\x07",
        b"\x1bP>|XTerm(390)\x1b\\",
    ),
    *(b"\x1bP1$r0m\x1b\\", b"\x1bP0+r\x1b\\", b"\x1bP!|00000000\x1b\\", b"\x1b_Gi=31;OK\x1b\\"),
    b"\x1b]52;c;" + b"QUJD" * 2000 + b"\x07",
)


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_of_the_terminal_is_not_typed(report: bytes) -> None:
    keys = typed(b"ls\x02")
    assert not any(key.is_typed for key in keys.feed(report, 9.0))
    assert (keys.line, keys.typed_at) == (Line.EDITED, 1.0)
    assert not keys.half_sequence
    bytewise = typed(b"\r", *(bytes((code,)) for code in report), every=0.0)
    assert bytewise.line is Line.NOTHING
    assert not bytewise.half_sequence


@pytest.mark.parametrize(
    "mouse",
    [b"\x1b[<0;10;5M", b"\x1b[<35;10;5m", b"\x1b[M !!", b"\x1b[M\xff\xff\xff", b"\x1b[32;1;2M"],
)
def test_a_click_is_typed(mouse: bytes) -> None:
    keys = typed(b"\x02", b"\r\x02", mouse, every=1.0)
    assert (keys.line, keys.typed_at) == (Line.EDITED, 3.0)
    assert line(b"\r" + mouse) is Line.EDITED


def test_the_last_focus_report() -> None:
    assert typed(b"\x1b[I").last_focus == b"\x1b[I"
    assert typed(b"x", b"\x1b[O", b"y", every=1.0).focus_at == 2.0
    assert typed(b"\x1b[I", b"\x1b[", b"O", b"text").last_focus == b"\x1b[O"


@pytest.mark.parametrize(
    "text", [b"\x1b]x\r", b"\x1bPx\r", b"\x1b_x\r", b"\x1b]1;abc\r", b"\x1bP1abc\r", b"\x1b_Gabc\r"]
)
def test_a_typed_string_introducer_swallows_nothing(text: bytes) -> None:
    assert typed(text).entered_at == 1.0
    assert line(text[:-1] + b"\x01") is Line.UNSAFE
    assert typed(*(bytes((code,)) for code in text), every=0.0).entered_at == 1.0


# Half a sequence.


@pytest.mark.parametrize(
    "half",
    [
        *(b"\x1b", b"\x1b[", b"\x1bO", b"\x1bO1", b"\x1b[1;5", b"\x1b[?62", b"\x1b[M", b"\x1b[M !"),
        *(b"\x1b[[", b"\x1b]", b"\x1b]1", b"\x1b]11;rgb", b"\x1bP", b"\x1bP>|X\x1b", b"\x1b_G"),
    ],
)
def test_half_a_sequence_is_held_against_the_user_until_it_is_whole(half: bytes) -> None:
    keys = typed(b"ls\r", half)
    assert keys.half_sequence
    assert keys.escape_alone is (half == b"\x1b")
    assert (keys.line, keys.typed_at) == (Line.UNSAFE, 1.0 + SOON)


def test_escape_and_a_key_at_once_is_alt_and_later_is_two_keys() -> None:
    alt, apart = typed(b"x\x1b", b"\r", every=SOON), typed(b"x\x1b", b"\r", every=LATER)
    assert (alt.line, alt.entered_at) == (Line.UNSAFE, None)
    assert (apart.line, apart.entered_at) == (Line.NOTHING, 1.0 + LATER)
    assert typed(b"\x1b", b"[A", every=LATER).line is Line.UNSAFE
    assert not typed(b"\x1b[", b"A", every=LATER).half_sequence
    assert typed(b"\x02\x1b", b"\x1b[I", every=LATER).typed_at == 1.0


def test_a_sequence_too_long_is_keys() -> None:
    assert line(b"\x1b[" + b"1" * (LONGEST - 3) + b"C") is Line.EDITED
    assert line(b"\x1b[" + b"1" * (LONGEST - 2) + b"C") is Line.UNSAFE
    keys = typed(b"\x1b[" + b"1" * (LONGEST - 2))
    assert keys.half_sequence
    keys.feed(b"1", 1.0)
    assert not keys.half_sequence
    assert keys.line is Line.UNSAFE
    assert typed(b"\x1bO" + b"1" * LONGEST + b"\r").line is Line.NOTHING


# A paste.


def test_a_paste_is_no_enter() -> None:
    assert typed(b"x\r", b"\x1b[200~", every=1.0).typed_at == 2.0
    keys = typed(b"x\r", b"\x1b[200~ls\rrm\r", b"\x16", every=1.0)
    assert keys.paste_open
    assert (keys.line, keys.entered_at, keys.typed_at) == (Line.EDITED, 1.0, 3.0)
    keys.feed(b"\x1b[201~", 4.0)
    assert not keys.paste_open
    assert (keys.line, keys.typed_at) == (Line.EDITED, 4.0)
    keys.feed(b"\r", 5.0)
    assert (keys.line, keys.entered_at) == (Line.NOTHING, 5.0)


def test_an_empty_paste_types_nothing() -> None:
    keys = typed(b"\r", b"\x1b[200~\x1b[201~", every=1.0)
    assert (keys.line, keys.typed_at, keys.paste_open) == (Line.NOTHING, 2.0, False)


@pytest.mark.parametrize("cut", range(1, 6))
def test_the_mark_that_ends_a_paste_may_be_cut(cut: int) -> None:
    mark = b"\x1b[201~"
    keys = typed(b"\x1b[200~", mark[:cut], every=LATER)
    assert keys.paste_open
    assert keys.half_sequence
    assert keys.line is Line.NOTHING
    keys.feed(mark[cut:] + b"x", 9.0)
    assert (keys.paste_open, keys.line) == (False, Line.PLAIN)
    other = typed(b"\x1b[200~", mark[:cut], b"\x1b", mark, every=LATER)
    assert (other.paste_open, other.line) == (False, Line.EDITED)


def test_a_paste_is_no_sequence() -> None:
    assert not typed(b"\x1b[200~\x1b[Ax\x1b]0;\x1b[200~\x1b[201~").half_sequence
    assert not typed(b"\x1b[200~text\x1b[201~").paste_open


# Flow control, keys.


def test_stopped_from_ctrl_s_to_ctrl_q() -> None:
    assert not typed(b"x").stopped
    keys = typed(b"x\x13", b"y", every=1.0)
    assert (keys.stopped, keys.stopped_at) == (True, 1.0)
    keys.feed(b"\x11", 3.0)
    assert (keys.stopped, keys.stopped_at) == (False, None)
    assert not typed(b"\x13\x11").stopped
    assert typed(b"\x11\x13").stopped


def kinds(*reads: bytes, every: float = 0.0) -> list[tuple[Kind, bytes]]:
    keys = Keystrokes()
    return [
        (key.kind, key.data)
        for number, data in enumerate(reads)
        for key in keys.feed(data, 1.0 + every * number)
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"ls", [(Kind.TEXT, b"ls")]),
        (
            b"l\x02s\r",
            [(Kind.TEXT, b"l"), (Kind.CONTROL, b"\x02"), (Kind.TEXT, b"s"), (Kind.CONTROL, b"\r")],
        ),
        (b"\x02\x02", [(Kind.CONTROL, b"\x02"), (Kind.CONTROL, b"\x02")]),
        (b"\x7f", [(Kind.CONTROL, b"\x7f")]),
        (b"\x1b[A", [(Kind.EDITING, b"\x1b[A")]),
        (b"\x1b[1;5C", [(Kind.EDITING, b"\x1b[1;5C")]),
        (b"\x1bOP", [(Kind.OTHER, b"\x1bOP")]),
        (b"\x1b[2~", [(Kind.OTHER, b"\x1b[2~")]),
        (b"\x1bb", [(Kind.OTHER, b"\x1bb")]),
        (b"\x1b", [(Kind.CONTROL, b"\x1b")]),
        (b"\x1b[<0;10;5M", [(Kind.MOUSE, b"\x1b[<0;10;5M")]),
        (b"\x1b[I", [(Kind.REPORT, b"\x1b[I")]),
        (b"\x1b[>41;379;0c", [(Kind.REPORT, b"\x1b[>41;379;0c")]),
        (b"\x1b[200~a\rb\x1b[201~c", [(Kind.PASTE, b""), (Kind.TEXT, b"c")]),
        # kitty's and modifyOtherKeys' ^B; with Alt too; with Caps Lock; let go
        (b"\x1b[98;5u", [(Kind.CONTROL, b"\x02")]),
        (b"\x1b[98;5:1u", [(Kind.CONTROL, b"\x02")]),
        (b"\x1b[27;5;98~", [(Kind.CONTROL, b"\x02")]),
        (b"\x1b[98:66;5u", [(Kind.CONTROL, b"\x02")]),
        (b"\x1b[98;69u", [(Kind.CONTROL, b"\x02")]),
        (b"\x1b[98;7u", [(Kind.OTHER, b"\x1b[98;7u")]),
        (b"\x1b[98;5:3u", [(Kind.REPORT, b"\x1b[98;5:3u")]),
        (b"\x1b[49;5u", [(Kind.OTHER, b"\x1b[49;5u")]),
    ],
)
def test_the_keys(data: bytes, expected: list[tuple[Kind, bytes]]) -> None:
    assert kinds(data) == expected


def test_keys_across_reads() -> None:
    assert kinds(b"a\x1b[", b"Ab") == [
        (Kind.TEXT, b"a"),
        (Kind.EDITING, b"\x1b[A"),
        (Kind.TEXT, b"b"),
    ]
    # Esc counts at once: its answer may come before it is known to be no sequence.
    assert kinds(b"\x1b", b"j", every=LATER) == [(Kind.CONTROL, b"\x1b"), (Kind.TEXT, b"j")]
    assert kinds(b"\x1b[", b"j", every=LATER) == [(Kind.OTHER, b"\x1b["), (Kind.TEXT, b"j")]
    assert kinds(b"\r~", b"~x") == [(Kind.CONTROL, b"\r"), (Kind.TEXT, b"~x")]
    assert kinds(b"\r~?") == [(Kind.CONTROL, b"\r")]


def test_a_snapshot_stays() -> None:
    keys = typed(b"\rls\x1b[")
    before = keys.snapshot()
    assert (before.line, before.entered_at, before.half_sequence) == (Line.UNSAFE, 1.0, True)
    keys.feed(b"A\r\x1b", 2.0)
    assert before.entered_at == 1.0
    assert not keys.snapshot().half_sequence


# ssh's escapes, as OpenSSH 9.2 was seen to take them.


@pytest.mark.parametrize(
    ("text", "quits"),
    [
        *((b"~.", True), (b"\r~.", True), (b"\n~.", True), (b"a\r~.", True), (b"a~.", False)),
        *((b"\r~~~.", False), (b"\r~~.", False), (b"\r~?~.", True), (b"\r~#~.", True)),
        *((b"\r~x~.", False), (b"\r~x\r~.", True), (b"\r~\r~.", True), (b"\r~\n~.", True)),
        *((b"\r~B~.", True), (b"\r~R~.", True), (b"\r~V~.", True), (b"\r~v~.", True)),
        *((b"\r~C~.", True), (b"\r~&~.", True), (b"\r~\x1a~.", True), (b"\r~\x1a.", False)),
        *((b"\r~s~.", False), (b"\r~I~.", False), (b"\r~ ~.", False), (b"\r~?.", False)),
        *((b"\r\x00~.", False), (b"\r\x1b[I~.", False), (b"\r\x1b[200~\x1b[201~~.", False)),
        *((b"\x1b[200~a\r~.b\x1b[201~", True), (b"\t~.", False), (b"\x03~.", False), (b"~", False)),
    ],
)
def test_tilde_dot(text: bytes, quits: bool) -> None:
    assert (typed(text).quit_at is not None) is quits
    assert (typed(*(bytes((code,)) for code in text)).quit_at is not None) is quits


def test_pending_and_line_start() -> None:
    keys = typed(b"ls\r~")
    assert keys.tilde_pending
    assert keys.at_line_start
    keys.feed(b"~", 2.0)
    assert not keys.tilde_pending
    assert not keys.at_line_start
    keys.feed(b"\n", 3.0)
    assert keys.at_line_start
    assert not typed(b"~~x").at_line_start


def test_times_of_quit_and_suspend() -> None:
    keys = typed(b"\r~", b".", b"~\x1a", every=1.0)
    assert (keys.quit_at, keys.suspend_at, keys.escape_missed) == (2.0, 3.0, False)


SWALLOWED = (b"~.", b"~\x1a", b"~B", b"~C", b"~R", b"~V", b"~v", b"~#", b"~&", b"~?")


@pytest.mark.parametrize("escape", SWALLOWED)
def test_what_ssh_swallows_was_never_typed_on_a_line(escape: bytes) -> None:
    for keys in (typed(b"ls\r" + escape), typed(b"ls\r", escape[:1], escape[1:], every=0.0)):
        assert (keys.line, keys.entered_at) == (Line.NOTHING, 1.0)
        assert keys.at_line_start
        keys.feed(b"x", 2.0)
        assert keys.line is Line.PLAIN
    assert typed(b"\r", escape, every=1.0).typed_at == 2.0


def test_the_escape_character_that_waits_is_not_on_the_line_yet() -> None:
    keys = typed(b"ls\r", b"~", every=1.0)
    assert (keys.line, keys.typed_at, keys.tilde_pending) == (Line.NOTHING, 2.0, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((b"~~", Line.PLAIN), (b"~x", Line.PLAIN), (b"~?x", Line.PLAIN), (b"~~?", Line.PLAIN)),
        *((b"~\x7f", Line.EDITED), (b"~\x1b[D", Line.EDITED), (b"~\t", Line.UNSAFE)),
        *((b"~\r", Line.NOTHING), (b"~?~\x1a~#", Line.NOTHING), (b"~\r~?", Line.NOTHING)),
        *((b"\t\n~?", Line.NOTHING), (b"ls~?", Line.PLAIN), (b"\x02~?", Line.EDITED)),
    ],
)
def test_other_keys_after_the_escape_character_reach_the_line(text: bytes, expected: Line) -> None:
    assert line(text) is expected
    assert line(*(bytes((code,)) for code in text)) is expected


def test_what_ssh_missed_is_on_the_line_unless_it_is_acted_on_in_its_place() -> None:
    for escape, expected in ((b"~?", Line.PLAIN), (b"~~", Line.PLAIN), (b"~\x1a", Line.NOTHING)):
        keys = typed(b"ls\r")
        keys.injected(b"\x1b[I")
        keys.feed(escape, 2.0)
        assert keys.line is expected, escape


def test_an_escape_within_a_paste_is_not_pasted() -> None:
    """ssh knows of no pastes: an escape that begins a pasted line is one."""
    keys = typed(b"\x1b[200~", b"\r~?\x1b[201~", b"x", every=1.0)
    assert (keys.line, keys.paste_open) == (Line.EDITED, False)
    keys = typed(b"\r~?\x1b[200~\x1b[201~")
    assert (keys.line, keys.paste_open) == (Line.NOTHING, False)


def test_another_escape_character_and_none() -> None:
    other = Keystrokes(0x1D)
    other.feed(b"\r~.\r\x1d\x1d\r\x1d.", 1.0)
    assert other.quit_at == 1.0
    other = Keystrokes(ord("."))
    other.feed(b"\r~.", 1.0)
    assert other.quit_at is None
    none = Keystrokes(None)
    none.feed(b"\r~.\r~", 1.0)
    assert (none.quit_at, none.tilde_pending, none.at_line_start) == (None, False, False)
    none.feed(b"\r", 2.0)
    assert none.at_line_start


def test_injected_input_takes_ssh_from_its_line_start() -> None:
    keys = typed(b"ls\r")
    keys.injected(b"\x1b[I")
    assert (keys.at_line_start, keys.ssh_at_line_start) == (True, False)
    keys.feed(b"~?~.", 2.0)
    assert (keys.quit_at, keys.escape_missed) == (2.0, True)
    keys.feed(b"\r~\x1a", 3.0)
    assert (keys.suspend_at, keys.escape_missed) == (3.0, False)
    assert keys.ssh_at_line_start


@pytest.mark.parametrize("enter", [b"\r", b"\n"])
def test_an_injected_enter_gives_it_back(enter: bytes) -> None:
    keys = typed(b"ls\r")
    keys.injected(b"\x00")
    keys.injected(enter)
    assert keys.ssh_at_line_start
    keys.feed(b"~.", 2.0)
    assert (keys.quit_at, keys.escape_missed) == (2.0, False)


def test_injected_input_matters_only_at_a_line_start() -> None:
    keys = typed(b"ls")
    keys.injected(b"\x1b[I")
    assert not keys.ssh_at_line_start
    keys.feed(b" -l", 2.0)
    keys.feed(b"\r", 3.0)
    assert keys.ssh_at_line_start


# What is kept.


def test_the_characters_are_not_kept() -> None:
    secret = "s3cr3t"
    keys = typed(secret.encode() + b"\x1b]1" + secret.encode(), secret.encode())
    assert secret not in repr(vars(keys))
    keys.feed(b"\x1b[200~" + secret.encode() * 9, 2.0)
    assert secret not in repr(vars(keys))
    assert "3c" not in repr(vars(keys))


@pytest.mark.parametrize("start", [b"\x1b]1", b"\x1bP1", b"\x1b_G", b"\x1b[", b"\x1b[200~", b"\r~"])
def test_memory_does_not_grow_with_the_input(start: bytes) -> None:
    keys = typed(start)
    for _ in range(20):
        keys.feed(b"x" * 65536, 1.0)
        keys.feed(start * 300, 1.0)
    assert len(repr(vars(keys))) < 2000


# A reader of single bytes, in the plainest way.


class Ssh:
    """process_escapes of clientloop.c."""

    def __init__(self, escape: int) -> None:
        self.escape = escape
        self.last_was_cr = True
        self.pending = False

    def byte(self, code: int) -> tuple[str, bytes]:
        """The escape that this byte completed, or nothing; and what goes on to the host."""
        goes_on = bytes((code,))
        if self.pending:
            self.pending = False
            if chr(code) in ".\x1aBRVv&?#C":
                return chr(code), b""
            if code != self.escape:
                goes_on = bytes((self.escape, code))
        elif self.last_was_cr and code == self.escape:
            self.pending = True
            return "", b""
        self.last_was_cr = code in b"\r\n"
        return "", goes_on


class Reference:
    """The user's line and escapes, one byte after the other; ssh twice, with and without no-ops."""

    def __init__(self) -> None:
        self.line = Line.NOTHING
        self.entered_at: float | None = None
        self.typed_at: float | None = None
        self.stopped_at: float | None = None
        self.last_focus: bytes | None = None
        self.quit_at: float | None = None
        self.suspend_at: float | None = None
        self.missed = self.paste_open = False
        self.half, self.half_at = b"", 0.0
        self.users, self.real = Ssh(0x7E), Ssh(0x7E)

    def feed(self, data: bytes, now: float) -> None:
        for code in data:
            going_on = self.escapes(code, now)
            if not going_on:
                self.typed_at = now
            for each in going_on:
                self.reaches(each, now)

    def reaches(self, code: int, now: float) -> None:
        """ssh passes this byte on to the host."""
        if code in b"\x11\x13":
            self.stopped_at = now if code == 0x13 else None
        if self.half and not self.paste_open and now - self.half_at > ESCAPE_ALONE_AFTER:
            self.half = b""
            self.type(Line.UNSAFE, self.half_at)
        self.key(code, now)

    def injected(self, data: bytes) -> None:
        for code in data:
            self.real.byte(code)

    def escapes(self, code: int, now: float) -> bytes:
        """What goes on to the host; of an escape that ssh missed, what is not done in its place."""
        escape, goes_on = self.users.byte(code)
        seen, _ = self.real.byte(code)
        if escape:
            self.missed = seen != escape
        if escape == ".":
            self.quit_at = now
        elif escape == "\x1a":
            self.suspend_at = now
        elif escape and self.missed:
            return bytes((self.users.escape, code))
        return goes_on

    def type(self, line: Line, now: float) -> None:
        self.line = max(self.line, line)
        self.typed_at = now

    def key(self, code: int, now: float) -> None:
        if self.paste_open:
            self.pasted(code, now)
        elif self.half or code == 0x1B:
            self.half, self.half_at = self.half + bytes((code,)), now
            self.sequence(now)
        else:
            self.text(code, now)

    def text(self, code: int, now: float) -> None:
        if code in b"\r\n":
            self.line, self.entered_at = Line.NOTHING, now
            self.type(Line.NOTHING, now)
        elif code in b"\x01\x02\x05\x06\x08\x0b\x15\x17\x7f":
            self.type(Line.EDITED, now)
        elif code < 0x20:
            self.type(Line.UNSAFE, now)
        else:
            self.type(Line.PLAIN, now)

    def pasted(self, code: int, now: float) -> None:
        mark = b"\x1b[201~"
        seen, self.half = self.half + bytes((code,)), b""
        while seen and not mark.startswith(seen):
            self.type(Line.EDITED, now)
            seen = seen[1:]
        if seen == mark:
            self.paste_open = False
            self.typed_at = now
        elif seen:
            self.half, self.half_at = seen, now

    def sequence(self, now: float) -> None:
        kind = self.kind(self.half)
        if len(self.half) > LONGEST and self.half[1:2] not in (b"]", b"P", b"_"):
            kind = "broken"
        if kind == "half":
            return
        whole, self.half = self.half, b""
        if kind == "broken":
            alt = whole[1:2] if whole[1] != 0x1B else b""
            self.type(Line.UNSAFE, now)
            for code in whole[1 + len(alt) :]:
                self.key(code, now)
        elif kind == "focus":
            self.last_focus = whole
        elif kind == "paste":
            self.paste_open = True
            self.type(Line.NOTHING, now)
        elif kind in ("mouse", "editing"):
            self.type(Line.EDITED, now)
        elif kind in ("key", "control"):
            self.type(Line.UNSAFE, now)

    def kind(self, seq: bytes) -> str:
        readers = {b"O": self.ss3, b"[": self.bracket}
        readers |= dict.fromkeys((b"]", b"P", b"_"), self.string)
        if len(seq) == 1:
            return "half"
        return readers[seq[1:2]](seq) if seq[1:2] in readers else "broken"

    def bracket(self, seq: bytes) -> str:
        last = seq[-1]
        if len(seq) == 2:
            return "half"
        if seq[2:3] == b"M":
            return "broken" if last < 0x20 else "mouse" if len(seq) == 6 else "half"
        if seq[2:3] == b"[":
            return "half" if len(seq) == 3 else "key" if chr(last) in "ABCDE" else "broken"
        if not 0x20 <= last < 0x7F or (0x30 <= last < 0x40 and re.search(rb"[ -/]", seq)):
            return "broken"
        return "half" if last < 0x40 else self.csi(seq[2:-1], seq[-1:])

    def ss3(self, seq: bytes) -> str:
        if len(seq) == 2 or chr(seq[-1]) in "0123456789;":
            return "half"
        if seq[2:] in (b"A", b"B", b"C", b"D", b"F", b"H"):
            return "editing"
        return "key" if 0x40 <= seq[-1] < 0x7F else "broken"

    def string(self, seq: bytes) -> str:
        starts = {b"]": b"0123456789", b"P": b"0123456789>!$+|", b"_": b"G"}[seq[1:2]]
        if len(seq) == 2:
            return "half"
        if seq[2] not in starts:
            return "broken"
        ends = [end for end in (b"\x07", b"\x1b\\", b"\x1b", b"") if seq[3:].endswith(end)]
        if min(seq[3 : len(seq) - len(ends[0])], default=0x20) < 0x20:
            return "broken"
        return "report" if ends[0] in (b"\x07", b"\x1b\\") else "half"

    def csi(self, body: bytes, final: bytes) -> str:
        fields = body.split(b";")
        three = len(fields) == 3 and all(field.isdigit() for field in fields)
        numbers = bool(re.fullmatch(rb"[0-9;]+", body))
        kinds = {
            "focus": body == b"" and final in (b"I", b"O"),
            "paste": body + final == b"200~",
            "report": body[:1] in (b"?", b">", b"=")
            or (numbers and final in b"ntx")
            or (final == b"y" and bool(re.fullmatch(rb"[0-9;]+\$", body))),
            "mouse": (final in b"Mm" and bool(re.fullmatch(rb"<[0-9;]+", body)))
            or (final == b"M" and three),
        }
        return next((kind for kind, fits in kinds.items() if fits), self.key_kind(fields, final))

    def key_kind(self, fields: list[bytes], final: bytes) -> str:
        body = b";".join(fields)
        counted = all(field.isdigit() for field in fields)
        if final == b"R" and counted and len(fields) == 2:
            f3 = fields[0] == b"1" and fields[1] in [b"%d" % number for number in range(2, 17)]
            return "key" if f3 else "report"
        plain = re.fullmatch(rb"[0-9:;]*", body)
        if plain and final in b"ABCDFH":
            return "editing"
        if plain and final == b"~" and fields[0] in (b"1", b"3", b"4", b"7", b"8"):
            return "editing"
        if plain and len(fields) > 1 and fields[0]:
            modifier = fields[1].split(b":")[0]
            rest = body[len(fields[0]) + 1 :]
            if final == b"u" and rest and modifier not in (b"", b"1", b"2"):
                return "control"
            if final == b"~" and fields[0] == b"27" and rest and not rest.startswith(b"2;"):
                return "control"
        return "key"


FIELDS = (
    *("entered_at", "typed_at", "paste_open", "half_sequence", "escape_alone", "tilde_pending"),
    *("at_line_start", "ssh_at_line_start", "stopped_at", "last_focus", "quit_at"),
    *("suspend_at", "escape_missed", "line"),
)


def told(keys: Keystrokes) -> dict[str, object]:
    return {field: getattr(keys, field) for field in FIELDS}


def expected(reference: Reference) -> dict[str, object]:
    half = bool(reference.half)
    return {
        "entered_at": reference.entered_at,
        "typed_at": reference.half_at if half else reference.typed_at,
        "paste_open": reference.paste_open,
        "half_sequence": half,
        "escape_alone": reference.half == b"\x1b",
        "tilde_pending": reference.users.pending,
        "at_line_start": reference.users.last_was_cr,
        "ssh_at_line_start": reference.real.last_was_cr,
        "stopped_at": reference.stopped_at,
        "last_focus": reference.last_focus,
        "quit_at": reference.quit_at,
        "suspend_at": reference.suspend_at,
        "escape_missed": reference.missed,
        "line": Line.UNSAFE if half and not reference.paste_open else reference.line,
    }


FRAGMENTS = (
    *(
        b"ls -l",
        "größe".encode(),
        b"\xff",
        b"\r",
        b"\n",
        b"~",
        b"~.",
        b"~?",
        b"\r~",
        b"\r~~",
        b"\r~x",
    ),
    *(
        b"\r~.",
        b"\r~\x1a",
        b"\x02",
        b"\x13",
        b"\x11",
        b"\t",
        b"\x08",
        b"\x7f",
        b"\x16",
        b"\x00",
        b".",
    ),
    *(
        b"\x1b",
        b"\x1b[",
        b"\x1bO",
        b"\x1b[A",
        b"\x1bOH",
        b"\x1b[3~",
        b"\x1b[5~",
        b"\x1b[1;5C",
        b"b",
    ),
    *(
        b"\x1b[98;5u",
        b"\x1b[97;1:3u",
        b"\x1b[27;5;98~",
        b"\x1b[97u",
        b"\x1b[[A",
        b"\x1b[Z",
        b"\x1bb",
    ),
    *(
        b"\x1b[200~",
        b"\x1b[201~",
        b"\x1b[20",
        b"1~",
        b"\x1b[I",
        b"\x1b[O",
        b"\x1b[24;80R",
        b"1",
        b";",
    ),
    *(
        b"\x1b[1;5R",
        b"\x1b[<0;1;2M",
        b"\x1b[M !!",
        b"\x1b[32;1;2M",
        b"\x1b[0n",
        b"\x1b[?1;2c",
        b"M",
    ),
    *(
        b"\x1b]11;rgb:0/0/0",
        b"\x1b]",
        b"\x1bP1$r",
        b"\x1b_G",
        b"\x07",
        b"\x1b\\",
        b"\\",
        b" ",
        b"$y",
    ),
    *(
        b"?",
        b"[",
        b"u",
        b"m",
        b"\x1b[8;24;80t",
        b"\x1bO1;5",
        b"\x1b[4;2$",
        b"<",
        b"0;1;2",
        b"~~",
        b":",
    ),
)
streams = (
    st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=3), min_size=1, max_size=8)
    .flatmap(lambda few: st.lists(st.sampled_from(few), max_size=10))
    .map(b"".join)
)
NO_OPS = (b"\x1b[I", b"\x1b[200~\x1b[201~", b"\x11", b"\x00", b"\r")


@st.composite
def cut_streams(draw: st.DrawFn) -> list[tuple[bytes, float, bytes]]:
    """A stream cut anywhere; each piece with its time, and what is injected after it."""
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    now, timed = 0.0, []
    for piece in pieces:
        now += draw(st.sampled_from((0.0, SOON, LATER)))
        timed.append((piece, now, draw(st.sampled_from((b"", b"", *NO_OPS)))))
    return timed


@given(cut_streams())
@example([(b"ls\r", 1.0, b"\x1b[I"), (b"~?~.", 1.0, b"")])
@example([(b"\r", 1.0, b"\x00"), (b"~", 1.0, b""), (b"~\r~.", 1.0, b"")])
def test_every_cut_agrees_with_the_reference(pieces: list[tuple[bytes, float, bytes]]) -> None:
    keys, reference = Keystrokes(), Reference()
    for data, now, no_op in pieces:
        keys.feed(data, now)
        reference.feed(data, now)
        assert told(keys) == expected(reference)
        # The rungs type Enter only on an empty line, and nothing while an escape is pending.
        if no_op and not keys.tilde_pending and (no_op != b"\r" or keys.at_line_start):
            keys.injected(no_op)
            reference.injected(no_op)
            assert told(keys) == expected(reference)


def test_every_two_fragments_agree_with_the_reference() -> None:
    for first, second in product(FRAGMENTS, repeat=2):
        keys, reference = Keystrokes(), Reference()
        keys.feed(b"\r" + first + second, 1.0)
        reference.feed(b"\r" + first + second, 1.0)
        assert told(keys) == expected(reference), (first, second)


@given(cut_streams())
def test_every_cut_gives_the_same_state(pieces: list[tuple[bytes, float, bytes]]) -> None:
    whole, cut = Keystrokes(), Keystrokes()
    whole.feed(b"".join(data for data, _, _ in pieces), 5.0)
    for data, _, _ in pieces:
        cut.feed(data, 5.0)
    assert told(cut) == told(whole)
