"""Whether the cursor is back at the login prompt, from the output of real shells and of others."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.terminal.prompt import KEPT, Place, PromptMemory, normal
from tests.core.terminal.prompt_shapes import SHAPES, Capture, Shape, captured

CAPTURED = captured()
PRINTING = [shape for shape in SHAPES if shape.name != "fish"]
MARKED = b"\x1b]133;A\x07~/src $ \x1b]133;B\x07"


def logged_in(login: bytes = b"Welcome\r\n\x1b[?2004h$ ") -> PromptMemory:
    memory = PromptMemory()
    memory.shown(login)
    return memory


def after_enter(output: bytes, login: bytes = b"Welcome\r\n\x1b[?2004h$ ") -> PromptMemory:
    memory = logged_in(login)
    memory.typed(entered=True)
    memory.shown(output)
    return memory


@pytest.mark.parametrize("shape", PRINTING, ids=lambda shape: shape.name)
def test_a_captured_prompt_is_known_again(shape: Shape) -> None:
    capture = CAPTURED[shape.name]
    memory = logged_in(capture.login)
    assert memory.sight().place in (Place.LOGIN, Place.MARKED)
    memory.typed(entered=False)
    assert memory.sight().place is Place.ELSEWHERE
    memory.typed(entered=True)
    memory.shown(capture.command)
    known = memory.sight().place in (Place.LOGIN, Place.MARKED)
    assert known is shape.same_after


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Continue? [Y/n] ",
        b"Password: ",
        b"Which one? ",
        b"> ",
        b"#? ",
        b"(gdb) ",
        b"\x1b[1mCode:\x1b[0m ",
    ],
)
def test_a_question_at_login_is_no_prompt(line: bytes) -> None:
    memory = logged_in(b"Welcome\r\n" + line)
    assert memory.sight() == (Place.UNKNOWN, None, False, ())
    memory.typed(entered=True)
    memory.shown(b"\r\n" + line)
    assert memory.sight().place is Place.UNKNOWN


@pytest.mark.parametrize(
    "line",
    [
        b"$ ",
        b"root@h:~# ",
        b"h%",
        "❯ ".encode(),
        "➜  ~ ".encode(),
        b"u@h$\x1b(B\x1b[m ",
        b"\x1b[s\x1b[60Cright\x1b[uh> ",
        b"# \x1b[70C12:40\x1b[75D",
    ],
)
def test_prompts_at_login(line: bytes) -> None:
    assert logged_in(b"Welcome\r\n" + line).sight().place is Place.LOGIN


def test_the_login_prompt_may_follow_late_before_the_first_key_only() -> None:
    memory = logged_in(b"costs 5$ ")
    assert memory.sight().place is Place.LOGIN
    memory.shown(b"a year\r\n\x1b[?2004hu@h$ ")
    assert memory.sight().place is Place.LOGIN
    assert memory.sight().pastes is True
    memory.typed(entered=True)
    memory.shown(b"\r\n5$ ")
    assert memory.sight().place is Place.ELSEWHERE
    memory.shown(b"\r\nu@h$ ")
    assert memory.sight().place is Place.LOGIN


@pytest.mark.parametrize(
    ("output", "place"),
    [
        (b"\r\n\x1b[?2004l\rhi\r\n\x1b[?2004h$ ", Place.LOGIN),
        (b"\r\n$ ", Place.LOGIN),
        (b"\r\n$ \r\x1b[K\r$ ", Place.LOGIN),
        (b"\r\n> ", Place.ELSEWHERE),
        (b"\r\n$ x", Place.ELSEWHERE),
        (b"\r\nhi$ ", Place.ELSEWHERE),
        (b"\r\n$  ", Place.ELSEWHERE),
        (b"\r\n\x1b[31m$ ", Place.ELSEWHERE),
        (b"\r\n$ \r\n", Place.ELSEWHERE),
        (b"$ ", Place.ELSEWHERE),
        (b"", Place.ELSEWHERE),
    ],
)
def test_the_line_under_the_cursor(output: bytes, place: Place) -> None:
    assert after_enter(output).sight().place is place


@pytest.mark.parametrize(
    ("output", "place"),
    [
        (b"\r\n" + MARKED, Place.MARKED),
        (b"\r\n" + MARKED + b"\x1b[K\x1b[?2004h\x1b[m", Place.MARKED),
        (b"\r\n" + MARKED.replace(b"A", b"A;k=i;aid=7"), Place.MARKED),
        (b"\r\n" + MARKED.replace(b"A", b"A;k=s"), Place.ELSEWHERE),
        (b"\r\n" + MARKED + b"ls", Place.ELSEWHERE),
        (b"\r\n" + MARKED + b"\x1b]133;C\x07", Place.ELSEWHERE),
        (b"\r\n" + MARKED + b"\x1b]133;C\x07\r\nhi\r\n\x1b]133;D;0\x07", Place.ELSEWHERE),
        (b"\r\n\x1b]133;A\x07$ ", Place.LOGIN),
        (b"\r\n> \x1b]133;B\x07", Place.ELSEWHERE),
        (b"\r\n\x1b]133;P;k=s\x07> \x1b]133;B\x07", Place.ELSEWHERE),
        (MARKED, Place.ELSEWHERE),
    ],
)
def test_marks(output: bytes, place: Place) -> None:
    assert after_enter(output).sight().place is place


def test_a_marked_prompt_begins_on_the_line_of_its_mark() -> None:
    memory = after_enter(b"\r\nout\r\n\x1b[?2004h\x1b]133;A\x07~\r\r\n$ \x1b]133;B\x07")
    assert memory.sight().prompts == (b"\x1b[?2004h\x1b]133;A\x07~\r\r\n$ \x1b]133;B\x07",)


def test_an_unmarked_prompt_may_have_several_lines() -> None:
    memory = after_enter(b"\r\n1\r\n2\r\n3\r\n4\r\n\x1b]0;t\x07$ ", login=b"$ ")
    assert memory.sight().prompts == (
        b"1\r\n2\r\n3\r\n4\r\n\x1b]0;t\x07$ ",
        b"2\r\n3\r\n4\r\n\x1b]0;t\x07$ ",
        b"3\r\n4\r\n\x1b]0;t\x07$ ",
        b"4\r\n\x1b]0;t\x07$ ",
        b"\x1b]0;t\x07$ ",
    )
    memory.shown(b"\r\n0\r\n1\r\n2\r\n3\r\n4\r\n$ ")
    assert len(memory.sight().prompts) == 5


def test_a_prompt_without_its_beginning_is_none() -> None:
    """The output kept may begin anywhere; what begins there did not begin at column 0."""
    memory = logged_in(b"$ ")
    memory.shown(b"\r" + b"\x07" * KEPT + b"$ ")
    memory.shown(b"")
    assert memory.sight() == (Place.LOGIN, False, False, ())


def test_bracketed_paste_at_login() -> None:
    assert logged_in(b"\x1b[?2004h$ ").sight().pastes is True
    assert logged_in(b"$ ").sight().pastes is False
    assert after_enter(b"\r\n$ ", login=b"\x1b[?2004h$ ").sight().pastes is True


def test_one_mismatch_is_for_ever() -> None:
    memory = logged_in()
    memory.mismatch()
    assert memory.sight().mismatched
    memory.typed(entered=True)
    memory.shown(b"\r\n$ ")
    assert memory.sight().mismatched


def test_nothing_typed_is_kept() -> None:
    memory = logged_in()
    memory.typed(entered=False)
    memory.shown(b"hunter2")
    memory.typed(entered=True)
    memory.shown(b"hunter3")
    assert b"hunter" not in repr(vars(memory)).encode()
    memory.shown(b"hunter4\r\nhi\r\n$ ")
    assert b"hunter" not in repr(vars(memory)).encode()
    assert memory.sight().place is Place.LOGIN


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"12:40:28 $ ", b"09:05:00 $ "),
        (b"9:59 $ ", b"10:00 $ "),
        (b"[11:59 AM] $ ", b"[12:00 PM] $ "),
        (b"3:04pm $ ", b"12:04am $ "),
        (b"2025-11-22 $ ", b"2026-01-01 $ "),
        (b"\r\n\x1b[7m%\x1b[m   \r \r$ ", b"\r\n\x1b[7m%\x1b[m      \r \r$ "),
        (b"\x1b]133;D;0\x07$ ", b"$ "),
        (b"\x1b]133;C\x1b\\$ ", b"$ "),
        (b"$    \b\b", b"$  "),
        (b"$ \r\x1b[J\r$ ", b"$ "),
        (b"\r\n\x1b[m$ \x1b[K\r\r\x1b[m$ ", b"\r\n\x1b[m$ \x1b[K"),
    ],
)
def test_drawings_that_look_the_same(one: bytes, other: bytes) -> None:
    assert normal(one) == normal(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"12:40:2", b"12:40:28"),
        (b"12:40", b"12:40:28"),
        (b"12:40", b"12:40 PM"),
        (b"<1>$ ", b"<2>$ "),
        (b"10.0.0.1 $ ", b"10.0.0.2 $ "),
        (b"[1:2:30:40] ", b"[1:2:30:41] "),
        (b"$ x\b", b"$ "),
        (b"$ \b\b\b", b"$ "),
        (b"ab$ \r\x1b[K\r$ ", b"$ "),
        (b"\x1b]133;A\x07$ ", b"$ "),
        (b"5%   \r \r$ ", b"$ "),
    ],
)
def test_drawings_that_do_not(one: bytes, other: bytes) -> None:
    assert normal(one) != normal(other)


@given(st.lists(st.binary(max_size=3 * KEPT), max_size=5), st.booleans())
def test_hostile_output_is_bounded(chunks: list[bytes], typed: bool) -> None:
    memory = PromptMemory()
    if typed:
        memory.typed(entered=True)
    for chunk in chunks:
        memory.shown(chunk)
        memory.sight()
    kept = sum(len(value) for value in vars(memory).values() if isinstance(value, bytes))
    assert kept <= 2 * KEPT


@given(st.data())
def test_any_cut_gives_the_same_sight(data: st.DataObject) -> None:
    capture: Capture = CAPTURED[data.draw(st.sampled_from(sorted(CAPTURED)))]
    rng = random.Random(data.draw(st.integers(0, 9999)))
    whole, cut = logged_in(capture.login), logged_in(capture.login)
    for memory in (whole, cut):
        memory.typed(entered=True)
    output = b"x\r\n" * data.draw(st.integers(0, 900)) + capture.command
    whole.shown(output)
    at = 0
    while at < len(output):
        step = rng.randrange(1, 400)
        cut.shown(output[at : at + step])
        at += step
    assert whole.sight() == cut.sight()
