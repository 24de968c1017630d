"""The tests' tmux is a server of its own, and ends with the test."""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.support.processes import is_gone, tree
from tests.support.tmux import Tmux

Start = Callable[..., Tmux]


def test_keys_screen_and_size(start_tmux: Start) -> None:
    tmux = start_tmux(["bash", "--norc", "--noprofile"], rows=12, cols=50)
    tmux.wait_for("LOCAL$")
    tmux.send_line("stty size; echo '$((6*7))' ; echo ~-$((6*7))")
    tmux.wait_for("\n12 50\n$((6*7))\n~-42\nLOCAL$")
    tmux.resize(8, 40)
    tmux.send_keys("C-l")
    tmux.send_line("stty size")
    tmux.wait_for("8 40\n")


def test_the_status_and_the_last_screen_of_a_program_that_ended(start_tmux: Start) -> None:
    tmux = start_tmux(["sh", "-c", "echo last words; exit 7"])
    assert tmux.wait() == 7
    assert tmux.wait_for("last words") == "last words"


def test_two_servers_do_not_meet_and_leave_nothing(start_tmux: Start) -> None:
    first, second = Tmux(["cat"]), start_tmux(["cat"])
    pids = [int(first.query(variable)) for variable in ("pid", "pane_pid")]
    pids += [process.pid for process in tree(pids[1])]
    assert len(pids) > 2
    first.stop()
    assert [pid for pid in pids if not is_gone(pid)] == []
    second.type("still here")
    second.wait_for("still here")


def test_the_environment_is_the_tests(start_tmux: Start) -> None:
    tmux = start_tmux(["sh", "-c", 'echo "$COLOUR $HOME"'], env={**os.environ, "COLOUR": "teal"})
    tmux.wait_for(f"teal {os.environ['HOME'][:20]}")
