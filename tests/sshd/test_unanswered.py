"""A server that answers no keepalive request: ours end no second session there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keepshell.store.database import State
from tests.support.access import Keys
from tests.support.cli import keepshell
from tests.support.muteserver import MuteServer
from tests.support.network import Network
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.trace import Trace

Start = Callable[..., Terminal]
OPTIONS = ("--server-alive-interval", "1s", "--outage-tolerance", "4s")


@pytest.fixture
def mute(tmp_path: Path, keys: Keys) -> Iterator[MuteServer]:
    server = MuteServer(tmp_path / "mute", keys)
    yield server
    server.stop()


@pytest.fixture
def keep(start_terminal: Start, keepshell_exe: Path, mute: MuteServer) -> Start:
    def start(*options: str) -> Terminal:
        argv = [str(keepshell_exe), *OPTIONS, *options, "ssh", *mute.access.ssh_args()]
        terminal = start_terminal(argv)
        terminal.expect(PROMPT)
        return terminal

    return start


def server_alive(mute: MuteServer, *options: str) -> dict[str, tuple[str, str]]:
    done = keepshell(*options, "explain", "--json", *mute.access.ssh_args())
    rows = json.loads(done.stdout)["ssh_options"]
    return {row["name"]: (row["value"], row["source"]) for row in rows}


def test_it_ends_one_session_and_no_other(
    mute: MuteServer, keep: Start, state: State, trace: Trace
) -> None:
    first = keep()
    assert first.wait() == 255
    said = " ".join(first.read_to_end().decode().split())
    assert "the host does not answer ServerAlive" in said
    assert "Next time: keepshell adds no ServerAlive requests for this host." in said
    assert state.sessions()[-1].ending == "unanswered"
    assert server_alive(mute)["ServerAliveInterval"] == ("0", "the host answers none")

    second = keep("--window-change-interval", "1s")
    trace.wait_for("nudge-sent", 10)  # longer than ssh would have waited
    second.send_line("alive?")
    second.expect("got: alive?")
    second.send_line("exit")
    assert second.wait() == 0

    (host,) = state.hosts()
    keepshell("forget", host)
    assert server_alive(mute)["ServerAliveInterval"] == ("60", "default")


def test_a_tolerance_of_weeks_spares_the_first_session_too(
    mute: MuteServer, start_terminal: Start, keepshell_exe: Path, trace: Trace
) -> None:
    options = ("--server-alive-interval", "1s", "--outage-tolerance", "24d")
    often = ("--window-change-interval", "1s")
    argv = [str(keepshell_exe), *options, *often, "ssh", *mute.access.ssh_args()]
    terminal = start_terminal(argv)
    terminal.expect(PROMPT)
    trace.wait_for("look", 10)  # a second each: longer than a tolerance of 4 s
    terminal.send_line("alive?")
    terminal.expect("got: alive?")
    terminal.send_line("exit")
    assert terminal.wait() == 0


def test_what_the_user_wants_is_left_alone(
    mute: MuteServer, start_terminal: Start, keepshell_exe: Path, state: State
) -> None:
    own = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=3"]
    terminal = start_terminal([str(keepshell_exe), "ssh", *own, *mute.access.ssh_args()])
    assert terminal.wait() == 255
    assert state.sessions()[-1].ending == "server-alive"
    assert not Path(os.environ["XDG_STATE_HOME"], "keepshell", "unanswered").exists()


def test_a_network_that_is_gone_is_no_such_host(
    network: Network,
    start_sshd: Callable[..., Sshd],
    start_terminal: Start,
    keepshell_exe: Path,
    state: State,
) -> None:
    sshd = start_sshd(f"ListenAddress {network.host}")
    *arguments, _ = sshd.access.ssh_args()
    ssh = [str(keepshell_exe), *OPTIONS, "ssh", *arguments, f"{sshd.access.user}@{network.host}"]
    terminal = start_terminal([*network.prefix, *ssh])
    terminal.expect(PROMPT)
    network.cut()
    assert terminal.wait() == 255
    assert state.sessions()[-1].ending == "server-alive"
    assert not Path(os.environ["XDG_STATE_HOME"], "keepshell", "unanswered").exists()
