"""keepshell.1: current, well-formed, and complete."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

import keepshell
from keepshell.cli import commands, manpage, share
from keepshell.config.settings import KEYS, option_rows
from tests.support.programs import path_of
from tests.support.waiting import DEADLINE

PAGE = Path(keepshell.__file__).parents[1] / "docs" / "share" / share.MAN_PAGE


@pytest.fixture
def shown() -> str:
    """The page as man shows it, on one line; man must have nothing to complain of."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "200", "MAN_KEEP_FORMATTING": ""}
    done = subprocess.run(
        [path_of("man"), "--warnings", "--no-hyphenation", "--no-justification", "-l", PAGE],
        env=env,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    assert done.stderr == ""
    return " ".join(done.stdout.split())


def test_the_page_is_current() -> None:
    assert manpage.page() == PAGE.read_text(), "run scripts/share"


def test_groff_has_nothing_to_say() -> None:
    done = subprocess.run(
        [path_of("groff"), "-man", "-Tutf8", "-ww", "-z", PAGE],
        capture_output=True,
        timeout=DEADLINE,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"", b"")


def test_everything_is_in_it(shown: str) -> None:
    for left, right in [
        *option_rows(),
        *commands.ENVIRONMENT,
        *commands.FILES,
        *commands.EXIT_STATUS,
    ]:
        assert f"{left} {right}" in shown
    for command in commands.COMMANDS:
        assert all(f"keepshell {usage} " in shown for usage in command.usage)
        named = f"{command.name} {command.arguments}".rstrip()
        assert f"{named} {command.details}" in shown
        for word in command.shown_words:
            assert f"{word.name} {word.arguments}".rstrip() + f" {word.meaning}" in shown
        assert " ".join(command.examples[0]) in shown
    for key in KEYS.values():
        assert f"{key.name} {key.meaning}" in shown


def test_every_character_is_shown_as_it_is() -> None:
    text = r".a 'b' `c` ^d ~e \f -g --h .i"
    source = f".TH X 1\n.SH X\n{manpage._text(text)}\n"
    done = subprocess.run(
        [path_of("groff"), "-man", "-Tutf8", "-P-c", "-ww"],
        input=source,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    assert text in re.sub("\x1b\\[[0-9;]*m|.\b", "", done.stdout)
