"""Whatever becomes of the connection, screen and scrollback are those of an uninterrupted twin."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keepshell.core.link import words
from tests.sshd import outages
from tests.sshd.outages import CONFIG, CUTS, PROGRAMS, Program, Scene
from tests.support.access import Keys
from tests.support.link import login_through
from tests.support.network import require_namespaces
from tests.support.programs import require
from tests.support.sshd import Sshd

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


def test_another_host_key_ends_the_attempts_until_the_user_says_so(
    start: Callable[..., Scene], keys: Keys, tmp_path: Path, closing: ExitStack
) -> None:
    """Another machine answers at the address for a while."""
    scene = start(BASH)
    scene.open_kept()
    (tmp_path / "other").mkdir()
    other = Sshd(tmp_path / "sshd", replace(Keys.make(tmp_path / "other"), user=keys.user))
    closing.callback(other.stop)
    scene.box.upstream = other.port
    scene.kill_servers()
    scene.wait_for_title("Enter logs in")
    scene.tmux.type("k")
    scene.tmux.wait_for("The host's key has changed")
    scene.tmux.type("\r")
    scene.trace.wait_for("attempt-failed", 2)
    scene.tmux.wait_until(
        lambda screen: "REMOTE HOST IDENTIFICATION" in screen and "try now" in screen,
        "ssh's words on the page",
    )
    tries = len(scene.trace.named("attempt"))
    scene.box.upstream = scene.sshd.port
    scene.tmux.type("\r")
    scene.trace.wait_for("took-over")
    assert len(scene.trace.named("attempt")) == tries + 1
    scene.go_on_in_it()
    scene.kill_servers()  # nobody was asked anything at that login: the next one needs nobody
    scene.trace.wait_for("took-over", 2)
    assert scene.trace.named("attempt")[-1]["attended"] == "False"


def test_a_machine_that_has_not_the_shell_is_not_believed_that_it_ended(
    start: Callable[..., Scene], keys: Keys, tmp_path: Path, closing: ExitStack
) -> None:
    """The host's key is right, the machine another, as with an address that several share."""
    scene = start(BASH)
    scene.open_kept()
    directory = tmp_path / "other"
    directory.mkdir()
    (directory / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    masks = "; ".join(f"mount -t tmpfs none {place}" for place in ("/run", "/var/tmp", "/dev/shm"))
    mount = f"mount --bind {directory}/machine-id /etc/machine-id; {masks}"
    through = f"unshare -m sh -c '{mount}; mount -t tmpfs none /tmp; exec \"$@\"' sh"
    other = Sshd(directory / "sshd", keys, login_through(directory, "/bin/bash", through=through))
    closing.callback(other.stop)
    scene.box.upstream = other.port
    scene.kill_servers()
    scene.trace.wait_for("attempt-failed")
    scene.wait_for_title("connection lost for")
    scene.tmux.type("k")
    scene.tmux.wait_for(words.OTHER_MACHINE[:40])
    scene.box.upstream = scene.sshd.port
    scene.go_on_in_it()
