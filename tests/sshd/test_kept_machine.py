"""What a real logind lets a kept shell live through: each with what docs/reattach.md says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keepshell.core.link import words
from tests.sshd.kept import answers
from tests.support.cli import keepshell
from tests.support.machine import PROMPT, USER, Machine
from tests.support.terminal import Terminal
from tests.support.trace import Trace

IDLE = 15
"""Seconds of StopIdleSessionSec; logind goes by a time of the kernel's with a grain of 8 s."""

pytestmark = pytest.mark.slow

Open = Callable[[Machine], Terminal]


@pytest.fixture
def open_kept(start_terminal: Callable[..., Terminal], keepshell_exe: Path) -> Open:
    def opened(machine: Machine) -> Terminal:
        words = ["--reattach", "true", "ssh", *machine.access.ssh_args()]
        terminal = start_terminal([*machine.inside, str(keepshell_exe), *words])
        terminal.expect(PROMPT)
        return terminal

    return opened


def drop(machine: Machine) -> None:
    """The server's processes of all connections are killed; the machine has its own pids."""
    machine.run("pkill", "-KILL", "-f", f"^sshd: {USER}")


def test_a_drop_a_stopped_sshd_and_an_idle_session(
    start_machine: Callable[..., Machine], open_kept: Open, trace: Trace
) -> None:
    machine = start_machine(logind=[f"StopIdleSessionSec={IDLE}s"])
    # Its own connection's session is ended, and the shell is in it.
    first = open_kept(machine)
    said = first.read_to_end(deadline=6 * IDLE)
    assert first.wait() == 255
    assert b"keepshell: The shell has ended" in said
    # A drop while sshd is stopped: it is back with sshd.
    second = open_kept(machine)
    second.send_line("x=kept; echo s''et")
    second.expect("set\r\n")
    machine.run("systemctl", "stop", "ssh")
    drop(machine)
    trace.wait_for("attempt-failed")
    machine.run("systemctl", "start", "ssh")
    trace.wait_for("took-over")
    # Since then the shell is in no session that is idle: only its connection is ended.
    trace.wait_for("took-over", 2, deadline=6 * IDLE)
    second.send_line("echo $x aga''in")
    second.expect("kept again")
    answers(second)


@pytest.mark.parametrize("engine", ["python", "perl"])
def test_where_logind_kills_what_a_user_leaves(
    start_machine: Callable[..., Machine], open_kept: Open, trace: Trace, engine: str
) -> None:
    machine = start_machine(logind=["KillUserProcesses=yes"])
    if engine == "perl":
        machine.run("sh", "-c", "chmod a-x /usr/bin/python3*")
    terminal = open_kept(machine)
    assert words.KILLED_WITH_SESSION.encode() in terminal.output  # before the loss
    assert "ends with its connection (logind)" in keepshell("status").stdout
    drop(machine)
    assert b"keepshell: The shell has ended" in terminal.read_to_end()
    assert terminal.wait() == 255
    # With linger the holder is in a scope of the user's own systemd.
    machine.run("loginctl", "enable-linger", USER)
    lingering = open_kept(machine)
    assert words.KILLED_WITH_SESSION.encode() not in lingering.output
    lingering.send_line("x=kept; echo s''et")
    lingering.expect("set\r\n")
    drop(machine)
    trace.wait_for("took-over")
    lingering.send_line("echo $x aga''in")
    lingering.expect("kept again")
    answers(lingering)
