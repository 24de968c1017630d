"""A host that answers no more is known to keepshell, and shown by `status`, before ssh knows it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import keepshell
from tests.support.network import Network
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.trace import Trace
from tests.support.waiting import eventually

Start = Callable[..., Terminal]


@pytest.fixture
def keep(
    network: Network, start_sshd: Callable[..., Sshd], start_terminal: Start, keepshell_exe: Path
) -> Callable[..., Terminal]:
    """Starts `keepshell OPTIONS ssh HOST` in the client's namespace."""

    def start(*options: str, ssh: tuple[str, ...] = ()) -> Terminal:
        sshd = start_sshd(f"ListenAddress {network.host}")
        *arguments, _ = sshd.access.ssh_args()
        target = f"{sshd.access.user}@{network.host}"
        argv = [*network.prefix, str(keepshell_exe), *options, "ssh", *ssh, *arguments, target]
        terminal = start_terminal(argv)
        terminal.expect("READY$ ")
        return terminal

    return start


def entry() -> dict[str, Any]:
    (line,) = keepshell("status", "--json").stdout.splitlines()
    shown: dict[str, Any] = json.loads(line)
    return shown


def states(trace: Trace) -> list[str]:
    return [event["detail"] for event in trace.named("link")]


def test_a_key_into_a_black_hole_is_noticed_within_seven_seconds(
    keep: Start, network: Network, trace: Trace
) -> None:
    terminal = keep()
    assert eventually(entry, "a live file")["silent_since"] is None
    network.cut()
    typed_at = time.time()
    terminal.send("x")
    eventually(lambda: "silent" in states(trace), lambda: str(trace.events))
    told = time.time() - typed_at
    assert told < 7
    assert entry()["silent_since"] == pytest.approx(typed_at, abs=0.3)
    assert "no answer for" in keepshell("status").stdout
    network.heal()
    terminal.expect("x")
    eventually(lambda: states(trace)[-1] == "live", lambda: str(trace.events))
    assert entry()["silent_since"] is None


def test_a_program_without_echo_is_alive(keep: Start, trace: Trace) -> None:
    terminal = keep()
    terminal.send("stty -echo; echo G''O; exec sleep 1000\n")
    terminal.expect("GO")
    looks = len(trace.named("look"))
    for count in range(1, 4):
        terminal.send("typed into nothing")
        trace.wait_for("look", looks + count)
    assert states(trace) == []


def test_an_idle_session_learns_it_at_its_next_keepalive_and_not_by_more_wakeups(
    keep: Start, network: Network, trace: Trace
) -> None:
    keep("--window-change-interval", "4s", ssh=("-o", "ServerAliveInterval=0"))
    trace.wait_for("nudge-sent")
    network.cut()
    cut_at = time.time()
    eventually(lambda: "silent" in states(trace), lambda: str(trace.events))
    (silent,) = [event["at"] for event in trace.named("link") if event["detail"] == "silent"]
    nudges = [event["at"] for event in trace.wait_for("nudge-sent", 2)]
    assert silent == nudges[-1]
    looks = [event["at"] for event in trace.named("look")]
    assert [at for at in looks if at <= silent] == nudges  # the same wakeups, and no other
    assert entry()["silent_since"] == pytest.approx(cut_at, abs=5)


def test_an_address_that_is_gone_for_a_while_is_no_end(
    keep: Start, network: Network, trace: Trace
) -> None:
    terminal = keep()
    network.take_address()
    terminal.send("echo it go''es on\n")
    network.give_address()
    network.heal()
    terminal.expect("it goes on")
    assert states(trace)[-1:] in ([], ["live"])


def test_status_itself_asks_about_an_idle_session(
    keep: Start, network: Network, keepshell_exe: Path
) -> None:
    """ServerAlive is ssh's, and wakes nobody but ssh."""
    terminal = keep(ssh=("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=100"))
    terminal.send("stty -echo; echo G''O; exec sleep 1000\n")
    terminal.expect("GO")

    def shown() -> str:
        argv = [*network.prefix, str(keepshell_exe), "status"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    eventually(lambda: network.host in shown(), "a live file")
    network.cut()
    eventually(lambda: "no answer for" in shown(), "the silence of an idle host")
    network.heal()
    eventually(lambda: "no answer" not in shown(), "its answer")
