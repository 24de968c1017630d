"""What `keepshell hold` refuses, and how it shows when a hold ends."""

from __future__ import annotations

import time

import pytest

from keepshell.cli.held import clock
from tests.support.cli import keepshell

DAY = 86400


def test_a_time_without_a_unit_is_asked_about() -> None:
    said = keepshell("hold", "--for", "30", "web", status=2).stderr
    assert said == "keepshell: --for: a duration has a unit: 30m or 30s?\n"


@pytest.mark.parametrize(
    ("left", "shape"),
    [
        (60, "%H:%M"),
        (2 * DAY, "%a %H:%M"),
        (7 * DAY, "%Y-%m-%d %H:%M"),
        (99 * DAY, "%Y-%m-%d %H:%M"),
    ],
)
def test_an_end_is_shown_so_that_it_can_only_be_one(left: int, shape: str) -> None:
    end = time.time() + left
    assert clock(end) == time.strftime(shape, time.localtime(end))


@pytest.mark.parametrize("words", [("3h", "web"), ("web", "3h")])
def test_a_time_without_its_option_is_recognised(words: tuple[str, str]) -> None:
    said = keepshell("hold", *words, status=2).stderr
    line = "keepshell hold --for 3h web"
    assert said == f"keepshell: hold runs no command: to hold for 3h: {line}\n"


@pytest.mark.parametrize("words", [("web", "uptime"), ("web", "sleep", "3h"), ("web", "30")])
def test_a_command_is_refused(words: tuple[str, ...]) -> None:
    said = keepshell("hold", *words, status=2).stderr
    assert said == (
        "keepshell: hold runs no command: leave it out, and run it with keepshell ssh\n"
    )
