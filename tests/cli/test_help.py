"""Help is everywhere, says what the tables say, and fits the terminal."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from keepshell.cli import calls
from keepshell.cli.commands import COMMANDS, ENVIRONMENT, EXIT_STATUS, GROUPS, Command
from keepshell.config.settings import option_rows
from tests.support.waiting import DEADLINE

NAMES = [command.name for command in COMMANDS]
PAGES = [["-h"], ["--help"], *([name, "--help"] for name in NAMES)]


@pytest.fixture
def said(keepshell_exe: Path) -> Callable[..., str]:
    """What keepshell prints with status 0 and an empty stderr, in so many columns."""

    def run(*words: str, columns: int = 80) -> str:
        done = subprocess.run(
            [keepshell_exe, *words],
            env={**os.environ, "COLUMNS": str(columns)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", NAMES)
def test_each_way_to_ask_gives_the_same_page(name: str, said: Callable[..., str]) -> None:
    page = said("help", name)
    assert page == said(name, "-h") == said(name, "--help") == said("--help", name)
    row = next(row for row in COMMANDS if row.name == name)
    assert flat(row.details) in flat(page)
    assert all(flat(f"keepshell {usage}") in flat(page) for usage in row.usage)
    assert flat(row.examples[-1][0]) in flat(page[page.index("\nEXAMPLES\n") :])


@pytest.mark.parametrize("name", NAMES)
def test_no_option_of_the_usage_is_broken(name: str, said: Callable[..., str]) -> None:
    usage = said(name, "--help").partition("\nUSAGE\n")[2].partition("\n\n")[0]
    for line in usage.splitlines():
        assert line.count("[") == line.count("]")


def test_the_whole_help_names_all(said: Callable[..., str]) -> None:
    text = said("--help")
    assert text == said("help")
    places = [text.index(f"{group.upper()}\n") for group in GROUPS if group.upper() in text]
    assert places == sorted(places)
    for left, right in [*option_rows(), *ENVIRONMENT, *EXIT_STATUS]:
        assert flat(f"{left} {right}") in flat(text)
    for row in COMMANDS:
        assert flat(f"{row.name} {row.meaning}") in flat(text)


def test_the_short_help_is_short(said: Callable[..., str]) -> None:
    assert said("-h") == said()
    assert len(said("-h").splitlines()) <= 24


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
@pytest.mark.parametrize("columns", [80, 40, 20])
def test_no_line_is_wider_than_the_terminal(
    words: list[str], columns: int, said: Callable[..., str]
) -> None:
    """A word that is longer by itself is not broken, since it may be for pasting."""
    wide = [line for line in said(*words, columns=columns).splitlines() if len(line) > columns]
    if columns == 80:
        assert wide == []
    assert [line for line in wide if len(line.strip(" \\").split()) > 1] == []


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_every_row_names_a_function(row: Command) -> None:
    if row.name == "ssh":  # main runs it without the table
        assert row.runs == ""
        return
    assert callable(calls.function_of(row))


def test_a_page_that_is_not_there(keepshell_exe: Path) -> None:
    done = subprocess.run(
        [keepshell_exe, "help", "stauts"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "keepshell: help stauts: unknown command; did you mean status?\n"
