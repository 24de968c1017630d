"""What the bytes of a prompt tell, from the output of real shells and of others."""

from __future__ import annotations

import pytest

from keepshell.core.terminal.prompt import looks_like_a_prompt, marked, normal, starts

MARKED = b"\x1b]133;A\x07~/src $ \x1b]133;B\x07"


@pytest.mark.parametrize(
    "line", ["", "Continue? [Y/n] ", "Password: ", "Which one? ", "> ", "#? ", "(gdb) ", "Code: "]
)
def test_a_question_at_login_is_no_prompt(line: str) -> None:
    assert not looks_like_a_prompt(line)


@pytest.mark.parametrize("line", ["$ ", "root@h:~# ", "h%", "❯ ", "➜  ~ → ", "u@h$ ", "h> "])
def test_prompts_at_login(line: str) -> None:
    assert looks_like_a_prompt(line)


@pytest.mark.parametrize(
    ("output", "is_one"),
    [
        (b"\r\n" + MARKED, True),
        (b"\r\n" + MARKED + b"\x1b[K\x1b[?2004h\x1b[m", True),
        (b"\r\n" + MARKED.replace(b"A", b"A;k=i;aid=7"), True),
        (b"\r\n" + MARKED.replace(b"A", b"A;k=s"), False),
        (b"\r\n" + MARKED + b"ls", False),
        (b"\r\n" + MARKED + b"\x1b]133;C\x07", False),
        (b"\r\n" + MARKED + b"\x1b]133;C\x07\r\nhi\r\n\x1b]133;D;0\x07", False),
        (b"\r\n\x1b]133;A\x07$ ", False),
        (b"\r\n> \x1b]133;B\x07", False),
        (b"\r\n\x1b]133;P;k=s\x07> \x1b]133;B\x07", False),
    ],
)
def test_marks(output: bytes, is_one: bool) -> None:
    assert marked(output) is is_one


def test_a_prompt_may_have_several_lines() -> None:
    assert starts(b"1\r\n2\r\n3\r\n4\r\n\x1b]0;t\x07$ ", False) == (
        b"1\r\n2\r\n3\r\n4\r\n\x1b]0;t\x07$ ",
        b"2\r\n3\r\n4\r\n\x1b]0;t\x07$ ",
        b"3\r\n4\r\n\x1b]0;t\x07$ ",
        b"4\r\n\x1b]0;t\x07$ ",
        b"\x1b]0;t\x07$ ",
    )
    assert len(starts(b"0\r\n1\r\n2\r\n3\r\n4\r\n$ ", False)) == 5


def test_a_prompt_without_its_beginning_is_none() -> None:
    """The output kept may begin anywhere; what begins there did not begin at column 0."""
    assert starts(b"me@here:~$ ", True) == ()


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
