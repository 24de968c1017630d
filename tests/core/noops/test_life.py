"""The chain of proof of life: each rule, and what breaks it."""

from __future__ import annotations

import pytest

from keepshell.core.noops.life import Answer, Life, Link, declared_together, judge
from keepshell.core.terminal.burst import Burst
from keepshell.core.terminal.keys import Key, Kind
from keepshell.core.terminal.modes import ModeTracker

KEY, KEYS, ENTER = Answer(keys=1), Answer(keys=3), Answer(keys=1, entered=True)
REPORT, NOBODY = Answer(report=True), Answer()
TICK = b"\x1b[?25l\x1b[30m\x1b[24d[0] 16:48\x1b(B\x1b[m\x1b[?12l\x1b[?25h\x1b[1;5H"
TOGGLE = b"\x1b[?25l\x1b[?12l\x1b[?25h"


@pytest.mark.parametrize(
    ("data", "answer", "link"),
    [
        # 2: redraws with the cursor hidden
        (TICK, NOBODY, Link.MENDS),
        (b"x" + TICK, NOBODY, Link.MENDS),
        (b"\x1b[?25l\x1b[5;1Htext\x1b[?25h", NOBODY, Link.MENDS),
        (b"\x1b[?25l\x1b[5;1Htext\r\nmore\x1b[?25h", NOBODY, Link.MENDS),
        (b"\x1b[?25ltext\x1b[?25h\x1b[5;1H", NOBODY, Link.MENDS),
        (TICK + b"ab", KEYS, Link.MENDS),
        (TICK + b"ab", KEY, Link.KEEPS),
        (TICK + b"ab", NOBODY, Link.BREAKS),
        (TICK + b"\r\n", NOBODY, Link.BREAKS),
        (TICK + b"$ ", NOBODY, Link.BREAKS),
        # as a spinner and a progress bar do, and clear(1) with the cursor hidden
        (b"\x1b[?25l| working\r\n\x1b[?25h", NOBODY, Link.BREAKS),
        (b"\x1b[?25l\x1b[3A#####\x1b[?25h", NOBODY, Link.BREAKS),
        (b"\x1b[?25l\x1b[H\x1b[2Jtext\x1b[?25h", NOBODY, Link.BREAKS),
        (b"\x1b[?25l\x1b[2J\x1b[H\x1b[?25h", NOBODY, Link.KEEPS),
        # 4: draws in answer to a key
        (b"\x1b[24;1H\x1b[K\x1b[2;2H", KEY, Link.KEEPS),
        (b"\x1b[24;1H\x1b[K\x1b[2;2H", NOBODY, Link.KEEPS),
        (b"\x1b[24;1Htext\x1b[2;2H", NOBODY, Link.BREAKS),
        (b"\x1b[24;1Htext\r\n\x1b[2;2H", ENTER, Link.KEEPS),
        (b"\x1b[24;1Htext\r\nConnection to h closed.\r\n$ ", ENTER, Link.BREAKS),
        (b"\x1b[24;1Htext\x1b[?2004l\r$ ", ENTER, Link.BREAKS),
        (b"\x1b[H\x1b[2J$ ", KEY, Link.BREAKS),
        # 5: what a shell may print too
        (b"", NOBODY, Link.KEEPS),
        (b"\x1b]0;title\a\x1b[m\a", NOBODY, Link.KEEPS),
        (b"a", KEY, Link.KEEPS),
        (b"abc", KEYS, Link.KEEPS),
        ("ä".encode(), KEY, Link.KEEPS),
        (b"# ", KEYS, Link.BREAKS),
        (b"\x1b[32mh> \x1b[m", KEYS, Link.BREAKS),
        (b"a, b", Answer(keys=4), Link.KEEPS),
        (b" ", KEY, Link.KEEPS),
        (b"ab", KEY, Link.BREAKS),
        (b"a", NOBODY, Link.BREAKS),
        (b"\r\n", KEY, Link.KEEPS),
        (b"\r\n", ENTER, Link.BREAKS),
        (b"\r\n", NOBODY, Link.BREAKS),
        (b"\x1b[?25ltext\x1b[?25h", KEY, Link.KEEPS),
        (b"\x1b[?25ltext\x1b[?25h", NOBODY, Link.BREAKS),
        (b"\x1b[?25ltext\r\n\x1b[?25h", KEY, Link.BREAKS),
        # 6: all else, and what answers a report
        (b"$ ", NOBODY, Link.BREAKS),
        (b"\r\n$ ", ENTER, Link.BREAKS),
        (b"^[[I", REPORT, Link.BREAKS),
        (b"\a", REPORT, Link.BREAKS),
        (TICK, REPORT, Link.MENDS),
    ],
)
def test_each_rule(data: bytes, answer: Answer, link: Link) -> None:
    assert judge(data, answer, asks=False, tmux=False) is link


def test_the_toggle_is_tmuxs_alone() -> None:
    assert judge(TOGGLE, NOBODY, asks=False, tmux=True) is Link.MENDS
    assert judge(TOGGLE, NOBODY, asks=False, tmux=False) is Link.KEEPS
    assert judge(b"\x1b[?25l\x1b[34h\x1b[?25h", NOBODY, asks=False, tmux=True) is Link.MENDS
    assert judge(TOGGLE + b"^C\r\n$ ", KEY, asks=False, tmux=True) is Link.BREAKS


def test_a_request_counts_unless_lines_follow_it() -> None:
    vim = b"\x1b[?1049h\x1b[?1004h\x1b[?25l\x1b[1;1Hone\r\ntwo\x1b[?25h"
    assert judge(vim, ENTER, asks=True, tmux=False) is Link.MENDS
    kakoune = b"vi x\r\n\x1b[?1049h\x1b[?1004h\x1b[?25l\x1b[1H\x1b[Ktext\x1b[2Hmore\x1b[1;1H"
    assert judge(kakoune, ENTER, asks=True, tmux=False) is Link.MENDS
    died = b"\x1b[?1049h\x1b[?1004hSegmentation fault\r\n$ "
    assert judge(died, ENTER, asks=True, tmux=False) is Link.BREAKS


def test_of_a_long_burst_only_the_end_is_known() -> None:
    assert judge(b"text\r\n" + TICK, KEY, asks=False, tmux=False, lost=True) is Link.MENDS
    assert judge(b"text\x1b[1;1H", KEY, asks=False, tmux=False, lost=True) is Link.BREAKS


class Streams:
    def __init__(self) -> None:
        self.life, self.modes = Life(), ModeTracker()

    def shown(self, data: bytes, at: float) -> Streams:
        self.modes.feed(data, at)
        self.life.burst(Burst(data, b"", False, at, at), self.modes.snapshot(), 1.0)
        return self

    def typed(self, text: bytes, at: float) -> Streams:
        self.life.key(Key(Kind.TEXT, text), at)
        return self


VIM = b"\x1b[?1049h\x1b[?1004h\x1b[?25l\x1b[1;1Htext\x1b[?25h"


def test_as_many_characters_as_keys_and_no_more() -> None:
    streams = Streams().shown(VIM, 1.0).typed(b"ab", 2.0).shown(b"a", 2.1).shown(b"b", 2.2)
    assert streams.life.alive
    assert not streams.shown(b"c", 2.3).life.alive
    assert not Streams().shown(VIM, 1.0).typed(b"a", 2.0).shown(b"a", 3.1).life.alive


def test_a_clock_between_a_key_and_its_echo() -> None:
    assert Streams().shown(VIM, 1.0).typed(b"a", 2.0).shown(TICK, 2.1).shown(b"a", 2.2).life.alive


def test_once_broken_only_a_redraw_or_a_request_mends() -> None:
    streams = Streams().shown(VIM, 1.0).shown(b"\r\n$ ", 2.0)
    assert not streams.life.alive
    assert not streams.typed(b"l", 3.0).shown(b"\x1b[5;5Hl", 3.1).life.alive
    assert not streams.typed(b"s", 4.0).shown(b"s", 4.1).life.alive
    assert streams.shown(TICK, 9.0).life.alive
    assert streams.shown(b"\r\n", 10.0).shown(VIM, 11.0).life.alive


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("line", [b"\x1b[?2004l\rout", b"\r\n\x1b[?2004l\r\r\n"])
def test_once_a_shell_has_taken_a_line_only_a_request_mends(line: bytes, lost: bool) -> None:
    """A full-screen program that never asked redraws as one that did."""
    streams = Streams().shown(VIM, 1.0)
    streams.modes.feed(line, 2.0)
    streams.life.burst(Burst(line, b"x", lost, 2.0, 2.0), streams.modes.snapshot(), 1.0)
    assert not streams.shown(TICK, 9.0).life.alive
    assert streams.shown(VIM, 11.0).life.alive
    assert streams.shown(b"\r\n", 12.0).shown(TICK, 19.0).life.alive


def test_tmux_ends_a_line_of_the_shell_in_it_by_a_line_feed() -> None:
    assert Streams().shown(VIM, 1.0).shown(b"\x1b[?2004l\r\n", 2.0).shown(TICK, 9.0).life.alive


def test_without_the_alternate_screen_a_request_is_none() -> None:
    assert not Streams().shown(b"\x1b[?1004h", 1.0).life.alive


def test_a_redraw_alone_is_no_disturbance() -> None:
    streams = Streams().shown(VIM, 1.0)
    assert streams.life.disturbed_at is None
    assert streams.shown(TICK, 2.0).life.disturbed_at is None
    assert streams.shown(b"x" + TICK, 3.0).life.disturbed_at == 3.0
    assert streams.shown(b"x", 4.0).life.disturbed_at == 4.0


def test_what_answers_our_report() -> None:
    streams = Streams().shown(VIM, 1.0)
    streams.life.reported(5.0)
    assert not streams.shown(TICK, 5.1).life.answered
    assert not streams.shown(b"late\r\n", 7.0).life.answered
    streams.life.reported(8.0)
    streams.typed(b"x", 8.1).shown(b"x", 8.2)
    assert not streams.life.answered
    streams.life.reported(9.0)
    assert streams.shown(b"^[[I", 9.9).life.answered
    streams.life.reported(20.0)
    assert not streams.life.answered


@pytest.mark.parametrize(
    ("output", "together"),
    [
        ([b"\x1b[?1049h\x1b[?1004h"], True),
        ([b"\x1b[?1004h", b"\x1b[?1049h"], True),
        ([b"\x1b[?1049h", b"", b"", b"\x1b[?1004h"], True),
        ([b"\x1b[?1004h", b"", b"\x1b[?1049h"], False),
        ([b"\x1b[?1049h\x1b[?1004h", b"", b"\x1b[?1049l"], False),
        ([b"\x1b[?1049h"], False),
        ([b"\x1b[?1004h"], False),
    ],
)
def test_declared_together(output: list[bytes], together: bool) -> None:
    modes = ModeTracker()
    for second, data in enumerate(output):
        modes.feed(data, 1.0 + second)
    assert declared_together(modes.snapshot(), 1004, 7727) is together
