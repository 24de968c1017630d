"""Proven prompts: what proves one, what is its family, and when it is empty."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.noops.prompts import PROMPTS_KEPT, SHOWN_KEPT, Prompt, Prompts, Sight
from keepshell.core.terminal.burst import Bursts
from keepshell.core.terminal.keystrokes import Keystrokes
from keepshell.core.terminal.modes import ModeTracker
from tests.core.terminal.prompt_shapes import SHAPES, Shape, captured

CAPTURED = captured()
PRINTING = [shape for shape in SHAPES if shape.name != "fish"]
BASH = b"Welcome\r\n\x1b[?2004hme@here:~$ "


class Told:
    """A session, a second for each step."""

    def __init__(self, login: bytes = BASH) -> None:
        self.prompts, self.modes, self.keystrokes = Prompts(), ModeTracker(), Keystrokes(None)
        self.now = 0.0
        self.shown(login)

    def shown(self, data: bytes) -> Told:
        self.now += 1.0
        self.modes.feed(data, self.now)
        bursts = Bursts()
        bursts.shown(data, self.now)
        self.prompts.burst(bursts.take())
        return self

    def typed(self, data: bytes, answer: bytes = b"") -> Told:
        self.now += 1.0
        for key in self.keystrokes.feed(data, self.now):
            self.prompts.key(key, self.now, self.modes.snapshot())
        return self.shown(answer) if answer else self

    @property
    def sight(self) -> Sight:
        return self.prompts.sight(self.now + 3.0, self.modes.snapshot(), 0.05)


@pytest.mark.parametrize("shape", PRINTING, ids=lambda shape: shape.name)
def test_a_captured_prompt_is_known_again(shape: Shape) -> None:
    capture = CAPTURED[shape.name]
    told = Told(capture.login)
    assert told.sight.empty
    told.typed(b"echo hi\r", capture.command)
    assert told.sight.empty
    told.typed(b"\r", capture.empty_after)
    if shape.redraws and shape.same_after:
        assert told.sight.login
        assert told.sight.drawn


def bash() -> Told:
    return (
        Told().typed(b"t", b"t").typed(b"rue", b"rue").typed(b"\r", b"\r\n\x1b[?2004l\r" + BASH[9:])
    )


def test_a_key_shown_where_the_cursor_was_proves_the_prompt() -> None:
    sight = bash().sight
    assert sight == Sight(empty=True, known=True, login=True, drawn=sight.drawn)
    assert b"\x1b[?2004hme@here:~$ " in sight.drawn


@pytest.mark.parametrize("login", [BASH, b"Welcome\r\nme@here:~$ "])
def test_enter_alone_proves_the_login_prompt_that_it_brings_back(login: bytes) -> None:
    told = Told(login)
    told.typed(b"\r", b"\r\n" + login[9:])
    assert told.sight.empty
    assert told.sight.login
    assert not told.typed(b"l", b"l").sight.empty


@pytest.mark.parametrize(
    ("login", "keys", "answer"),
    [
        (b"Menu\r\n[1]> ", b"\r", b"\r\nStarting\r\nName> "),
        (b"Password: ", b"\r", b"\r\nPassword: "),
        (b"code> ", b"s3cret\r", b"\r\ncode> "),  # read without echo
        (b"code> ", b"\r", b"code> "),
    ],
)
def test_nothing_else_is_proven_by_enter(login: bytes, keys: bytes, answer: bytes) -> None:
    told = Told(login).typed(keys, answer)
    assert not told.sight.empty
    assert not told.sight.login


@pytest.mark.parametrize("answer", [b"", b"*", b"\r\nt", b"\x1b[5Ct"])
def test_a_key_shown_elsewhere_or_not_at_all_proves_nothing(answer: bytes) -> None:
    told = Told().typed(b"t", answer).typed(b"\r", b"\r\n" + BASH)
    assert not told.sight.empty


def test_where_the_first_key_is_not_shown_nothing_is_known_to_be_empty() -> None:
    told = bash().typed(b"stty -echo\r", b"stty -echo\r\n\x1b[?2004l\r" + BASH[9:])
    assert told.sight.empty
    told.typed(b"l")
    assert (told.sight.empty, told.sight.echoes) == (False, False)
    told.typed(b"\r", b"\r\n\x1b[?2004l\r" + BASH[9:])
    assert (told.sight.empty, told.sight.echoes) == (False, False)
    told.typed(b"t", b"t").typed(b"\r", b"\r\n\x1b[?2004l\r" + BASH[9:])
    assert (told.sight.empty, told.sight.echoes) == (True, True)


def test_a_key_typed_right_after_an_enter_of_ours_proves_and_denies_nothing() -> None:
    told = bash()
    told.prompts.entered_for_user(told.now + 0.5)
    told.typed(b"l", b"\r\n\x1b[?2004l\r" + BASH[9:] + b"l").typed(
        b"\r", b"\r\n\x1b[?2004l\r" + BASH[9:]
    )
    assert (told.sight.empty, told.sight.echoes) == (True, True)


def test_a_key_too_young_may_yet_be_shown() -> None:
    told = bash().typed(b"l")
    sight = told.prompts.sight(told.now + 0.01, told.modes.snapshot(), 0.05)
    assert (sight.empty, sight.echoes) == (False, False)
    assert told.shown(b"l").sight.echoes


@pytest.mark.parametrize(
    ("keys", "answer", "empty"),
    [
        (b"\x15", b"\x1b[12G\x1b[K", True),
        (b"\x03", b"^C\x1b[?2004l\r\x1b[?2004h\x1b[?2004l\r\r\n\x1b[?2004hme@here:~$ ", True),
        (b"\x7f", b"\b\x1b[K", True),
        (b"\x01", b"\b", False),
        (b"\x15", b"", False),
        (b"\x16", b"", False),
        (b"x", b"x", False),
    ],
)
def test_a_line_emptied_again(keys: bytes, answer: bytes, empty: bool) -> None:
    told = bash().typed(b"e", b"e")
    assert not told.sight.empty
    assert told.sight.begun
    assert told.typed(keys, answer).sight.empty is empty


@pytest.mark.parametrize("keys", [b"\x1b", b"\x16", b"\t", b"\x18", b"\x1bb", b"\x1b[2~"])
def test_a_key_that_may_have_opened_a_mode_is_over_at_the_next_prompt_only(keys: bytes) -> None:
    told = bash().typed(keys).typed(b"\x15")
    assert not told.sight.empty
    told.typed(b"\r", b"\r\n\x1b[?2004l\r" + BASH[9:])
    assert told.sight.empty
    assert told.typed(b"e", b"e").typed(b"\x15", b"\b\x1b[K").sight.empty


@pytest.mark.parametrize("keys", [b"q", b"\x04", b"\x03", b"yes\r"])
def test_after_a_program_a_prompt_shown_anew_is_empty(keys: bytes) -> None:
    told = bash().typed(b"less f\r", b"less f\r\n\x1b[?2004l\r\x1b[?1049h\x1b[Htext")
    assert not told.sight.empty
    assert told.typed(keys, b"\x1b[?1049l" + BASH[9:]).sight.empty


def test_a_program_with_a_prompt_of_its_own() -> None:
    told = bash().typed(b"sqlite3\r", b"sqlite3\r\n\x1b[?2004l\rSQLite\r\n\x1b[?2004hsqlite> ")
    assert not told.sight.empty
    told.typed(b"s", b"s").typed(b"\x15", b"\b\x1b[K")
    assert told.sight.empty
    assert not told.sight.login


@pytest.mark.parametrize(
    ("one", "other", "akin"),
    [
        ("me@here:~$ ", "me@here:~/src$ ", True),
        ("[me@here dir]$ ", "[me@here other]$ ", True),
        ("me@here:~$ ", "me@here:~# ", False),
        ("me@here:~$ ", "me@here:~$", False),
        ("a$ ", "b$ ", False),
        ("me@here:~$ ", "me@here:~ (main branch)$ ", False),
        ("me@here:~$ ", "me@here:~$ ls$ ", False),
    ],
)
def test_families(one: str, other: str, akin: bool) -> None:
    assert Prompt(one, "", True).is_family(Prompt(other, "", True)) is akin
    assert not Prompt(one, "", True).is_family(Prompt(other, "", False))


def test_a_family_counts_where_it_was_printed_anew_only() -> None:
    told = bash().typed(b"cd x\r", b"cd x\r\n\x1b[?2004l\r\x1b[?2004hme@here:~/x$ ")
    assert told.sight.login
    told.typed(b"l", b"l").typed(b"\x15", b"\b\x1b[K")
    assert told.sight.login
    told.typed(b"cd y\r", b"cd y\r\n\x1b[?2004l\r\x1b[?2004hme@here:~/y$ ")
    assert not told.typed(b"\x15").sight.empty


def test_what_differs_in_digits_is_one_prompt() -> None:
    told = Told(b"\x1b[?2004h12:07 9 $ ").typed(b"t", b"t")
    assert told.typed(b"\r", b"\r\n\x1b[?2004l\r\x1b[?2004h12:08 10 $ ").sight.login


def test_without_bracketed_paste_the_users_enter_must_have_brought_it_back() -> None:
    told = Told(b"Welcome\r\nme$ ")
    assert (told.sight.empty, told.sight.login) == (True, False)
    told.typed(b"t", b"t").typed(b"\r", b"\r\nme$ ")
    assert told.sight.login
    told.typed(b"cat\r", b"cat\r\n")
    assert not told.sight.empty
    assert told.typed(b"\x03", b"^C\r\nme$ ").sight.login
    assert not told.typed(b"read -s x\r", b"read -s x\r\n").sight.empty


def test_a_mode_left_on_is_another_prompt() -> None:
    told = Told(b"Welcome\r\nme$ ").typed(b"t", b"t").typed(b"\r", b"\r\n\x1b[?2004hme$ ")
    assert not told.sight.empty


@pytest.mark.parametrize("prompt", [b"> ", b"", b"  ", b"#? "])
def test_what_many_programs_print_proves_nothing(prompt: bytes) -> None:
    shown = b"\x1b[?2004h" + prompt
    told = bash().typed(b"app\r", b"app\r\n\x1b[?2004l\r" + shown)
    told.typed(b"x", b"x").typed(b"\r", b"\r\n" + shown)
    assert not told.sight.empty


def test_of_long_output_the_end_is_enough() -> None:
    told = bash().typed(b"cat f\r", b"cat f\r\n\x1b[?2004l\r" + b"line\r\n" * 5000 + BASH[9:])
    assert told.sight.login
    told.typed(b"cat g\r", b"cat g\r\n\x1b[?2004l\r" + b"x" * 9000 + BASH[9:])
    assert not told.sight.empty


def test_the_last_prompts_are_kept() -> None:
    told = bash()
    for number in range(PROMPTS_KEPT + 2):
        prompt = b"\x1b[?2004h%s> " % (b"abcdefghijklm"[number : number + 1] * 3)
        told.typed(b"x\r", b"x\r\n\x1b[?2004l\r" + prompt).typed(b"y", b"y")
    assert len(told.prompts._proven) == PROMPTS_KEPT


def test_one_mismatch_is_for_ever() -> None:
    told = bash()
    told.prompts.mismatch()
    assert told.typed(b"\r", b"\r\n\x1b[?2004l\r" + BASH[9:]).sight.mismatched


@given(
    st.lists(
        st.binary(max_size=9000) | st.sampled_from([b"\r", b"x", b"\x15", b"\x1b"]), max_size=8
    )
)
def test_hostile_output_is_bounded(pieces: list[bytes]) -> None:
    told = Told()
    for number, piece in enumerate(pieces):
        if number % 2:
            told.shown(piece)
        else:
            told.typed(piece[:40])
        assert isinstance(told.sight.drawn, tuple)
    assert len(told.prompts._shown) <= SHOWN_KEPT
    assert len(told.prompts._row._rows) <= 64
