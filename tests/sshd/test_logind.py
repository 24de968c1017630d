"""A real logind ends idle sessions (StopIdleSessionSec): who lives, who dies, what is said of it.

It goes by the time at which a program last read from the terminal, which the kernel stores with a
grain of 8 s (docs/idle-rules.md), hence the limit.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sshd.kept import Kept, Logins, answers
from tests.support.machine import PROMPT, Machine
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE

LIMIT = 30
RULE = f"--rules=logind={LIMIT}s"
ENDS_WITHIN = 3 * LIMIT
"""Seconds; logind looks at the limit and again, and the machine may be loaded."""

pytestmark = pytest.mark.slow


@pytest.fixture
def machine(start_machine: Callable[..., Machine]) -> Machine:
    return start_machine(logind=[f"StopIdleSessionSec={LIMIT}s"])


@pytest.fixture
def logins(
    machine: Machine, start_terminal: Callable[..., Terminal], keepshell_exe: Path, tmp_path: Path
) -> Logins:
    return Logins(
        machine.access,
        keepshell_exe=keepshell_exe,
        start_terminal=start_terminal,
        directory=tmp_path,
        prompt=PROMPT,
        inside=machine.inside,
    )


def in_vim(kept: Kept) -> Kept:
    kept.terminal.send_line("vim -u NONE -N -n -i NONE")
    kept.terminal.wait_for_screen(
        lambda screen: {1049, 1004} <= screen.modes and "~" in screen.text, "vim"
    )
    kept.terminal.send("ihello")
    kept.terminal.wait_for_screen(
        lambda screen: "hello" in screen.lines[0] and "INSERT" in screen.text, "text in vim"
    )
    return kept


def in_tmux(kept: Kept) -> Kept:
    kept.terminal.send_line("tmux -f /dev/null new-session")
    kept.terminal.wait_for_screen(
        lambda screen: 1049 in screen.modes and PROMPT.rstrip() in screen.lines[0], "tmux"
    )
    return kept


def in_less(kept: Kept) -> Kept:
    kept.terminal.send_line("seq 100 | less")
    kept.terminal.wait_for_screen(lambda screen: screen.cursor_line == ":", "less")
    return kept


def test_what_is_typed_keeps_a_session(logins: Logins) -> None:
    """Each for more than three limits: a bare one beside them is ended after one."""
    prompt, vim, tmux = logins.kept(RULE), in_vim(logins.kept(RULE)), in_tmux(logins.kept(RULE))
    bare = logins.bare()
    assert bare.read_to_end(deadline=ENDS_WITHIN)
    assert bare.wait() == 255
    for kept in (prompt, vim, tmux):
        kept.trace.wait_for("noop-sent", 8, deadline=DEADLINE + 8 * LIMIT)
    answers(prompt.terminal)
    answers(tmux.terminal)
    vim.terminal.send("\x1b:q!\r")
    vim.terminal.wait_for_screen(lambda screen: not screen.alternate, "the prompt")
    answers(vim.terminal)
    assert set(prompt.typed()) == {"empty-paste"}
    assert set(vim.typed()) == {"focus"}


def test_what_sends_no_input_does_not(logins: Logins) -> None:
    """Neither ServerAlive nor window-changes are read by a program."""
    alive = logins.bare("-o", "ServerAliveInterval=5")
    resized = logins.kept("--rules=connection-idle=10s", "--rung=window-change")
    for terminal in (alive, resized.terminal):
        terminal.read_to_end(deadline=ENDS_WITHIN)
        assert terminal.wait() == 255
    assert len(resized.trace.named("nudge-sent")) >= 3


def test_in_less_it_holds_and_the_drop_is_named(logins: Logins) -> None:
    kept = in_less(logins.kept(RULE))
    kept.wait_for_hold("no input is known to be harmless here")
    said = kept.terminal.read_to_end(deadline=ENDS_WITHIN).decode()
    assert kept.terminal.wait() == 255
    assert kept.typed() == []
    (ended,) = kept.trace.named("ended")
    assert ended["kind"] == "logind"
    assert "logind's StopIdleSessionSec" in said.rpartition("keepshell: ")[2]


def test_probe_reads_the_limit_from_the_bus(machine: Machine, keepshell_exe: Path) -> None:
    done = subprocess.run(
        [*machine.inside, str(keepshell_exe), "probe", "--json", *machine.access.ssh_args()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=2 * DEADLINE,
        check=False,
    )
    told = json.loads(done.stdout)
    (row,) = (row for row in told["rows"] if "StopIdleSessionSec" in row["rule"])
    assert row["rule"] == f"StopIdleSessionSec={LIMIT}s"
    assert row["where"] == "logind, on the bus"
    assert {"kind": "logind", "limit": LIMIT}.items() <= told["learned"][0].items()
