"""Whatever becomes of the connection, screen and scrollback are those of an uninterrupted twin."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.sshd import outages
from tests.sshd.outages import CONFIG, CUTS, PROGRAMS, Program, Scene
from tests.support.access import Keys
from tests.support.network import require_namespaces
from tests.support.programs import require

Cut = Callable[[Scene], None]

BASH = PROGRAMS[0]
SOME = [
    *((BASH, cut, "python") for cut in CUTS),
    *((BASH, cut, "perl") for cut in (outages.killed, outages.hole)),
    *((program, outages.killed, "python") for program in PROGRAMS[1:]),
    *((program, outages.hole, "python") for program in PROGRAMS[1:]),
]
"""Each way once, and each program both in a drop and in a black hole; `scripts/soak --reattach`
takes them all."""

_twins: dict[Program, list[str]] = {}


@pytest.fixture
def start(
    closing: ExitStack, tmp_path: Path, keys: Keys, keepshell_exe: Path
) -> Callable[..., Scene]:
    """Starts a `Scene`: `start(program, engine="perl")`."""
    require_namespaces()
    require("tmux", "zsh", "fish", "vim", "less", "htop", "sudo", "/usr/bin/python3", "perl")

    numbers = itertools.count()

    def started(program: Program, **options: Any) -> Scene:
        directory = tmp_path / str(next(numbers))
        return Scene(
            closing, directory, program, keys=keys, exe=keepshell_exe, env=os.environ, **options
        )

    return started


@pytest.mark.parametrize(
    ("program", "cut", "engine"), SOME, ids=lambda each: getattr(each, "__name__", str(each))
)
def test_all_is_as_with_an_uninterrupted_twin(
    start: Callable[..., Scene], program: Program, cut: Cut, engine: str
) -> None:
    if program not in _twins:
        twin = start(program)
        twin.open_twin()
        _twins[program] = twin.finish()
    scene = start(program, engine=engine, config=CONFIG.get(cut, ()))
    scene.open_kept()
    cut(scene)
    difference = scene.compare(_twins[program])
    assert not difference, f"{difference}\n{scene.trace.events}"


def test_a_difference_is_seen(start: Callable[..., Scene]) -> None:
    """One line too many in the scrollback."""
    twin = start(BASH)
    twin.open_twin()
    wanted = twin.finish()
    other = start(BASH)
    other.open_twin()
    other.tmux.type("echo row 60\r")
    assert "+row 60" in other.compare(wanted)


def test_a_shell_that_was_killed_is_said_to_have_ended(start: Callable[..., Scene]) -> None:
    """As below KillUserProcesses=yes: connection, holder and shell die at once."""
    scene = start(BASH)
    scene.open_kept()
    scene.kill_kept()
    scene.kill_servers()
    scene.tmux.wait_for("keepshell: The shell has ended.")
    assert scene.tmux.wait() == 255
