"""Whether somebody asks: told from output and settings alone."""

from __future__ import annotations

import pytest

from keepshell.relay.asking import Asking


@pytest.mark.parametrize(
    "shown",
    [
        b"password: ",
        b"\rThe authenticity of host ...\r\nAre you sure (yes/no)? ",
        b"one\r\nToken:",
        b"\x1b[1mPIN: \x1b[0m",
        b">",
        b"[y/N] ",
    ],
)
def test_an_unfinished_line_that_ends_in_a_sign_is_a_question(shown: bytes) -> None:
    asking = Asking()
    for cut in range(len(shown) + 1):
        cut_in_two = Asking()
        cut_in_two.output(shown[:cut])
        cut_in_two.output(shown[cut:])
        assert cut_in_two.now
    asking.output(shown)
    assert asking.now
    asking.output(b"yes\r\n")
    assert not asking.now


@pytest.mark.parametrize(
    "shown",
    [b"Authorized use only", b"tell nobody.", b"#####\r\n#####", b"\x1b[1mPIN\x1b[0m", b"3 "],
)
def test_another_is_one_once_a_line_was_typed_that_nobody_reads(shown: bytes) -> None:
    asking = Asking()
    asking.output(b"one\r\n" + shown)
    assert asking.unclear
    assert not asking.now
    asking.unread()
    assert asking.now
    assert not asking.unclear
    asking.output(b"1234\r\nanother")
    assert not asking.now


@pytest.mark.parametrize(
    "shown",
    [
        b"",
        b"Authorized use only\r\n",
        b"debug1: Connecting\r\n\r\n",
        b"red\r\n\x1b[0m",
        b"line\r\n\r",
        b"line\r\n   \t",
        b"line\r\n\x1b]0;title\x07",
    ],
)
def test_finished_lines_are_none(shown: bytes) -> None:
    asking = Asking()
    asking.output(shown)
    assert not asking.now


def test_a_hidden_answer_is_asked_for_until_the_echo_is_back() -> None:
    asking = Asking()
    asking.flushed(echo=False)
    assert asking.now
    asking.output(b"PIN?\r\n")
    asking.typed()
    asking.settings(echo=False)
    assert asking.now
    asking.output(b"\r\n")
    assert asking.now
    asking.flushed(echo=True)
    assert not asking.now


def test_without_word_of_a_flush_the_settings_tell() -> None:
    asking = Asking()
    asking.settings(echo=False)
    assert asking.now
    asking.settings(echo=True)
    assert not asking.now


def test_a_prompt_of_whole_lines_is_asked_until_the_answers_line_is_shown() -> None:
    asking = Asking()
    asking.flushed(echo=True)
    asking.output(b"Press Enter when done.\r\n")
    assert asking.now
    asking.typed()
    assert asking.now
    asking.output(b"\r\n")
    assert not asking.now


def test_one_question_after_the_other() -> None:
    asking = Asking()
    for prompt in (b"Password: ", b"Code: "):
        asking.flushed(echo=False)
        asking.output(prompt)
        asking.typed()
        assert asking.now
        asking.output(b"\r\n")
        asking.flushed(echo=True)
        assert not asking.now
