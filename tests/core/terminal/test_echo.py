"""Withholding the redraw after an empty line: replies of real shells, and hostile ones."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keepshell.core.noops.prompts import SHOWN_KEPT, Prompts
from keepshell.core.terminal.burst import Burst
from keepshell.core.terminal.echo import NEWLINES, QUIET_FOR, Outcome, Withholding, window
from keepshell.core.terminal.keys import Key, Kind
from keepshell.core.terminal.modes import Modes, ModeTracker
from keepshell.core.terminal.prompt import normal
from tests.core.terminal.prompt_shapes import SHAPES, Shape, captured
from tests.support.screen import Screen

CAPTURED = captured()
REDRAWING = [shape for shape in SHAPES if shape.redraws]
OTHER = [shape for shape in SHAPES if not shape.redraws]
# Where there is a clock, the line that stays has the older time.
WITHOUT_CLOCK = [s for s in REDRAWING if not re.search(r"clock|am pm", s.name)]
WINDOW = 0.3
BASH = b"\r\n\x1b[?2004l\r"
PROMPT = b"\x1b[?2004h$ "


def named(shape: Shape) -> str:
    return shape.name


def modes_after(output: bytes) -> Modes:
    tracker = ModeTracker()
    tracker.feed(output, 0.0)
    return tracker.snapshot()


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def cut(data: bytes, rng: random.Random) -> list[bytes]:
    pieces = []
    while data:
        size = rng.randrange(1, len(data) + 1)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def bash(prompts: tuple[bytes, ...] = (PROMPT,), modes: Modes | None = None) -> Withholding:
    return Withholding(prompts, modes or modes_after(PROMPT), 0.0, WINDOW)


class Session:
    """A shell's session as the withholding sees it: what came at login, then what is typed."""

    def __init__(self, login: bytes) -> None:
        self.prompts = Prompts()
        self.tracker = ModeTracker()
        self.now = 0.0
        self.output(login)

    def output(self, data: bytes) -> None:
        self.now += 1.0
        self.tracker.feed(data, self.now)
        if data:
            self.prompts.burst(Burst(data, b"", False, self.now, self.now))

    def user_types(self, line: str, reply: bytes) -> None:
        self.now += 1.0
        modes = self.tracker.snapshot()
        for key in (Key(Kind.TEXT, line.encode()),) if line else ():
            self.prompts.key(key, self.now, modes)
        self.prompts.key(Key(Kind.CONTROL, b"\r"), self.now, modes)
        self.output(reply)

    @property
    def drawn(self) -> tuple[bytes, ...]:
        return self.prompts.sight(self.now + 5.0, self.tracker.snapshot(), 0.05).drawn

    def empty_line(self, pieces: Iterable[bytes]) -> tuple[Withholding, bytes]:
        """The withholding, long after the reply, and what it let through."""
        withheld = Withholding(self.drawn, self.tracker.snapshot(), 0.0, WINDOW)
        shown = b"".join([withheld.feed(piece, 0.06) for piece in pieces])
        shown += withheld.tick(0.06 + QUIET_FOR)
        shown += withheld.tick(WINDOW)
        self.output(shown)
        return withheld, shown


@pytest.mark.parametrize("shape", REDRAWING, ids=named)
def test_a_captured_reply_is_hidden_however_it_is_cut(shape: Shape) -> None:
    capture = CAPTURED[shape.name]
    rng = random.Random(shape.name)
    cuts = [[capture.empty], bytewise(capture.empty), *(cut(capture.empty, rng) for _ in range(5))]
    for pieces in cuts:
        session = Session(capture.login)
        for _ in range(2):
            withheld, shown = session.empty_line(pieces)
            assert (withheld.outcome, withheld.mismatch, shown) == (Outcome.HIDDEN, False, b"")
            assert withheld.reply_after == 0.06
        if shape.same_after:
            session.user_types("echo hi", capture.command)
            withheld, shown = session.empty_line(bytewise(capture.empty_after))
            assert (withheld.outcome, shown) == (Outcome.HIDDEN, b"")
            session.user_types("", capture.empty_after)
            withheld, shown = session.empty_line([capture.empty_after])
            assert (withheld.outcome, shown) == (Outcome.HIDDEN, b"")


@pytest.mark.parametrize("shape", WITHOUT_CLOCK, ids=named)
def test_what_is_hidden_would_have_drawn_the_same_line(shape: Shape) -> None:
    capture = CAPTURED[shape.name]
    direct, through = Screen(24, 80), Screen(24, 80)
    for screen in (direct, through):
        screen.feed(capture.login)
    direct.feed(capture.empty)
    assert direct.cursor_line == through.cursor_line
    assert direct.cursor[1] == through.cursor[1]
    assert direct.modes == through.modes
    assert direct.title == through.title


@pytest.mark.parametrize("shape", OTHER, ids=named)
def test_another_reply_is_shown_whole_and_in_order(shape: Shape) -> None:
    capture = CAPTURED[shape.name]
    for pieces in ([capture.empty], bytewise(capture.empty)):
        withheld, shown = Session(capture.login).empty_line(pieces)
        assert (withheld.outcome, withheld.mismatch) == (Outcome.VISIBLE, True)
        assert shown == capture.empty


def test_every_newline_part_was_captured_but_that_of_old_readlines() -> None:
    used = set()
    for shape in REDRAWING:
        prompts = Session(CAPTURED[shape.name].login).drawn
        reply = normal(CAPTURED[shape.name].empty)
        used |= {line for line in NEWLINES if reply in {line.data + prompt for prompt in prompts}}
    assert [line.data for line in NEWLINES if line not in used] == [b"\r\n\x1b[?2004l"]


def test_a_redraw_is_hidden_after_the_quiet_time_and_not_before() -> None:
    withheld = bash()
    assert withheld.deadline == WINDOW
    assert withheld.feed(BASH, 0.1) == b""
    assert withheld.deadline == WINDOW
    assert withheld.feed(PROMPT, 0.2) == b""
    assert withheld.deadline == 0.2 + QUIET_FOR
    assert withheld.tick(0.2) == b""
    assert (withheld.outcome, withheld.over) == (Outcome.NONE, False)
    assert withheld.tick(withheld.deadline) == b""
    assert (withheld.outcome, withheld.over) == (Outcome.HIDDEN, True)
    assert withheld.deadline is None
    assert withheld.reply_after == pytest.approx(0.2)
    assert withheld.tick(9.0) == b""
    assert withheld.feed(b"after", 9.0) == b"after"
    assert withheld.release() == b""
    assert (withheld.outcome, withheld.mismatch) == (Outcome.HIDDEN, False)


def test_output_read_after_the_quiet_time_does_not_bring_the_redraw_back() -> None:
    withheld = bash()
    withheld.feed(BASH + PROMPT, 0.1)
    assert withheld.feed(b"later", 0.1 + QUIET_FOR) == b"later"
    assert withheld.outcome is Outcome.HIDDEN


def test_a_redraw_may_be_whole_up_to_the_window_and_be_hidden_after_it() -> None:
    withheld = bash()
    withheld.feed(BASH + PROMPT, WINDOW)
    assert withheld.tick(WINDOW) == b""
    assert withheld.tick(WINDOW + QUIET_FOR) == b""
    assert withheld.outcome is Outcome.HIDDEN


@pytest.mark.parametrize("tail", [b"x", b"\r\n", b"\x07", b"\x1b[K", BASH + PROMPT])
@pytest.mark.parametrize("pieces", ["one", "two"])
def test_whatever_follows_brings_all_of_it_out(tail: bytes, pieces: str) -> None:
    withheld = bash()
    reply = BASH + PROMPT
    if pieces == "one":
        shown = withheld.feed(reply + tail, 0.1)
    else:
        assert withheld.feed(reply, 0.1) == b""
        shown = withheld.feed(tail, 0.1 + QUIET_FOR / 2)
    assert shown == reply + tail
    assert (withheld.outcome, withheld.mismatch, withheld.over) == (Outcome.VISIBLE, True, True)


@pytest.mark.parametrize(
    "reply",
    [
        b"x",
        b"\r\nx",
        b"\x1b[?2004h$ ",
        b"\r\n\r\n\x1b[?2004h$ ",
        b"\r\n\x1b[?2004l\r\r\x1b[?2004h$ ",
        b"\r\n\x1b[?2004l\r\x1b[?2004h# ",
        b"\r\n\x1b[?2004l\r\x1b[?2004h\x1b[31m$ ",
        b"\r\n\x1b[?2004l\r\x1b[?1049h\x1b[?2004h$ ",
        b"\r\n\x1b[?2004l\r\x1b]133;Z\x07\x1b[?2004h$ ",
    ],
)
def test_another_reply_comes_out_at_once(reply: bytes) -> None:
    for pieces in ([reply], bytewise(reply)):
        withheld = bash()
        assert b"".join([withheld.feed(piece, 0.1) for piece in pieces]) == reply
        assert (withheld.outcome, withheld.mismatch) == (Outcome.VISIBLE, True)
        assert withheld.deadline is None
        assert withheld.feed(b"more", 0.1) == b"more"


def test_a_late_reply_is_shown_as_it_comes_and_still_judged() -> None:
    withheld = bash()
    assert withheld.feed(b"\r\n", 0.1) == b""
    assert withheld.tick(WINDOW - 0.01) == b""
    assert withheld.tick(WINDOW) == b"\r\n"
    assert (withheld.outcome, withheld.over, withheld.deadline) == (Outcome.VISIBLE, False, None)
    assert withheld.tick(WINDOW + 1) == b""
    assert withheld.feed(b"\x1b[?2004l", 0.5) == b"\x1b[?2004l"
    assert not withheld.over
    assert withheld.feed(b"\r" + PROMPT + b"and more", 0.7) == b"\r" + PROMPT + b"and more"
    assert (withheld.over, withheld.mismatch) == (True, False)
    assert withheld.reply_after == pytest.approx(0.7)
    assert withheld.tick(9.0) == b""
    assert withheld.outcome is Outcome.VISIBLE


@pytest.mark.parametrize("reply", [b"\r\nls\r\nfile\r\n", b"x"])
def test_a_late_reply_that_is_something_else_is_a_mismatch(reply: bytes) -> None:
    withheld = bash()
    assert withheld.tick(WINDOW) == b""
    assert withheld.feed(reply, 1.0) == reply
    assert (withheld.over, withheld.mismatch, withheld.reply_after) == (True, True, None)


def test_an_overdue_reply_that_a_key_finds_missing_is_a_mismatch() -> None:
    """As `read` and `cat` answer: with a newline, and nothing more."""
    withheld = bash()
    withheld.feed(b"\r\n", 0.1)
    withheld.tick(WINDOW)
    assert withheld.release() == b""
    assert (withheld.over, withheld.mismatch) == (True, True)
    assert withheld.release() == b""


@pytest.mark.parametrize("size", range(len(BASH + PROMPT) + 1))
def test_a_key_releases_first_and_nothing_is_held_against_the_reply(size: int) -> None:
    reply = BASH + PROMPT
    withheld = bash()
    assert withheld.feed(reply[:size], 0.1) == b""
    assert withheld.release() == reply[:size]
    assert (withheld.outcome, withheld.over) == (Outcome.VISIBLE, True)
    assert withheld.feed(reply[size:] + b"l", 0.11) == reply[size:] + b"l"
    assert withheld.tick(0.1 + QUIET_FOR) == b""
    assert withheld.tick(9.0) == b""
    assert (withheld.outcome, withheld.mismatch) == (Outcome.VISIBLE, False)


@pytest.mark.parametrize(
    ("before", "reply", "prompt"),
    [
        (b"\x1b[?2004h", BASH + b"$ ", b"$ "),
        (b"\x1b[?1h\x1b=", b"\r\n\x1b[?2004l\r\x1b[?1l\x1b>\x1b[?1h$ ", b"\x1b[?1h$ "),
        (b"", b"\r\n\x1b[?25l$ ", b"\x1b[?25l$ "),
        (b"\x1b[?25l", b"\r\n\x1b[?25h$ ", b"\x1b[?25h$ "),
        (b"", b"\r\n\x1b[>1u$ ", b"\x1b[>1u$ "),
        (b"", b"\r\n\x1b[>4;2m$ ", b"\x1b[>4;2m$ "),
        (b"", b"\r\n$ \x1b[", b"$ \x1b["),
    ],
)
def test_nothing_is_dropped_that_changes_a_mode(before: bytes, reply: bytes, prompt: bytes) -> None:
    withheld = bash((prompt,), modes_after(before))
    assert withheld.feed(reply, 0.1) == b""
    assert withheld.deadline == WINDOW
    assert withheld.tick(0.1 + QUIET_FOR) == b""
    assert withheld.tick(WINDOW) == reply
    assert withheld.outcome is Outcome.VISIBLE


@pytest.mark.parametrize(
    ("before", "prompt"),
    [
        (b"\x1b[?25l\x1b[?7l\x1b=\x1b[?1h", b"$ "),
        (b"\x1b[?2004h", PROMPT),
        (b"", b"\x1b[>1u$ \x1b[<u"),
    ],
)
def test_modes_that_stay_are_no_matter(before: bytes, prompt: bytes) -> None:
    withheld = bash((prompt,), modes_after(before))
    withheld.feed(b"\r\n" + prompt, 0.1)
    assert withheld.tick(0.2) == b""
    assert withheld.outcome is Outcome.HIDDEN


def test_without_a_known_prompt_everything_is_shown() -> None:
    withheld = bash(())
    assert withheld.feed(b"\r", 0.1) == b"\r"
    assert withheld.mismatch


def test_the_longest_of_several_prompts_is_awaited_only_until_the_window() -> None:
    prompts = (b"a\r\n$ b\r\n$ ", b"$ b\r\n$ ", b"$ ")
    withheld = bash(prompts, modes_after(b""))
    assert withheld.feed(b"\r\n$ ", 0.1) == b""
    assert withheld.deadline == 0.1 + QUIET_FOR
    assert withheld.feed(b"b\r\n", 0.12) == b""
    assert withheld.deadline == WINDOW
    assert withheld.feed(b"$ ", 0.14) == b""
    withheld.tick(0.14 + QUIET_FOR)
    assert withheld.outcome is Outcome.HIDDEN


def test_a_clock_that_is_still_being_written_is_no_whole_prompt() -> None:
    withheld = bash((b"$ 0:0:0",), modes_after(b""))
    for piece in (b"\r\n$ ", b"1", b"2", b":", b"4", b"0", b":", b"0"):
        assert withheld.feed(piece, 0.1) == b""
        assert withheld.deadline == WINDOW
    assert withheld.feed(b"7", 0.1) == b""
    assert withheld.deadline == 0.1 + QUIET_FOR


def test_window() -> None:
    assert window(None) == 0.3
    assert window(0.0) == 0.3
    assert window(0.1) == pytest.approx(0.3)
    assert window(0.4) == pytest.approx(0.9)


def test_marks_without_end_are_not_withheld_without_end() -> None:
    withheld = bash()
    shown = sent = 0
    while not shown:
        shown += len(withheld.feed(b"\x1b]133;C\x07", 0.1))
        sent += 8
        assert sent < 10_000
    assert shown == sent


PIECES = st.sampled_from(
    [
        *(newline.data for newline in NEWLINES),
        PROMPT,
        b"$ ",
        b"\x1b[?2004h",
        b"\r",
        b"\n",
        b"x",
        b"\x1b]133;D;0\x07",
        b"\x1b]133;C",
        b"\x1b[7m%\x1b[m  \r \r",
        b"12:40",
        b" ",
        b"\x00",
    ]
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["feed", "feed", "feed", "tick", "release"]),
        PIECES | st.binary(max_size=8),
        st.floats(0, 0.2),
    ),
    max_size=12,
)


@given(STEPS, st.booleans())
@example([("feed", BASH, 0.1), ("feed", PROMPT, 0.0), ("tick", b"", 0.06)], False)
@example([("feed", BASH + PROMPT, 0.1), ("feed", b"x", 0.06)], True)
def test_nothing_is_lost_or_moved_unless_it_is_exactly_the_redraw(
    steps: list[tuple[str, bytes, float]], prompt_on: bool
) -> None:
    withheld = bash((PROMPT, b"$ "), modes_after(PROMPT if prompt_on else b""))
    now, sent, shown = 0.0, b"", b""
    for step, data, wait in steps:
        now += wait
        if withheld.deadline is not None and withheld.deadline <= now and step != "feed":
            shown += withheld.tick(max(now, withheld.deadline))
        hidden_before = withheld.outcome is Outcome.HIDDEN
        if step == "feed":
            came = withheld.feed(data, now)
            if withheld.outcome is Outcome.HIDDEN and not hidden_before:
                assert came == data
            sent, shown = sent + data, shown + came
        elif step == "release":
            shown += withheld.release()
            assert withheld.over
    shown += withheld.tick(now)
    shown += withheld.tick(now + WINDOW)
    assert withheld.outcome is not Outcome.NONE
    if withheld.outcome is Outcome.VISIBLE:
        assert shown == sent
        return
    dropped = sent[: len(sent) - len(shown)]
    assert sent == dropped + shown
    known = dropped.replace(b"\x1b]133;D;0\x07", b"").replace(b"\x1b[7m%\x1b[m  \r \r", b"")
    assert known in {line.data + prompt for line in NEWLINES for prompt in (PROMPT, b"$ ")}
    assert modes_after((PROMPT if prompt_on else b"") + dropped)[2004].on is prompt_on


@given(st.lists(st.binary(min_size=1, max_size=6 * SHOWN_KEPT), max_size=6), st.randoms())
def test_hostile_replies_come_out_whole(chunks: list[bytes], rng: random.Random) -> None:
    capture = CAPTURED[rng.choice(sorted(CAPTURED))]
    chunks = [capture.empty[: rng.randrange(len(capture.empty))], *chunks]
    session = Session(capture.login)
    withheld, shown = session.empty_line(chunks)
    if withheld.outcome is Outcome.VISIBLE:
        assert shown == b"".join(chunks)
    kept = sum(len(value) for value in vars(withheld).values() if isinstance(value, bytes))
    assert kept <= len(b"".join(chunks))


@given(st.data())
def test_a_captured_reply_is_hidden_or_shown_whole_under_any_timing(data: st.DataObject) -> None:
    """Delays from 0 to 400 ms, and a key at any moment."""
    shape = data.draw(st.sampled_from(REDRAWING))
    capture = CAPTURED[shape.name]
    session = Session(capture.login)
    withheld = Withholding(session.drawn, session.tracker.snapshot(), 0.0, WINDOW)
    now = data.draw(st.floats(0, 0.4))
    key_at = data.draw(st.none() | st.floats(0, 1.0))
    shown = b""
    for piece in cut(capture.empty, random.Random(data.draw(st.integers(0, 99)))):
        if withheld.deadline is not None and withheld.deadline <= now:
            shown += withheld.tick(now)
        if key_at is not None and key_at <= now:
            shown += withheld.release()
        shown += withheld.feed(piece, now)
        now += data.draw(st.sampled_from([0.0, 0.0, 0.01, 0.06]))
    shown += withheld.tick(now + WINDOW)
    assert shown == (b"" if withheld.outcome is Outcome.HIDDEN else capture.empty)
