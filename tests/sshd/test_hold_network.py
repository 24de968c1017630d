"""A held connection over a network that goes and comes: what is told, and what is back, and when.

The client is in a network namespace of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sshd.holds import Holds, banner_at, free_port, logins
from tests.support.cli import keepshell
from tests.support.network import Network
from tests.support.sshd import Sshd
from tests.support.waiting import DEADLINE, eventually

TOLD_WITHIN = 7.0
BACK_WITHIN = 2.0
LOADED = 0.5
"""Seconds that a busy machine may add."""


class Away:
    """A hold with a tunnel from the host back to it, whose network can be taken away."""

    def __init__(self, holds: Holds, network: Network, sshd: Sshd, directory: Path) -> None:
        self.holds, self.network, self.sshd = holds, network, sshd
        self.port = free_port()
        lines = sshd.access.ssh_config().read_text()
        self._config = directory / "config"
        self._config.write_text(lines.replace("HostName 127.0.0.1", f"HostName {network.host}"))
        target = f"{network.host}:{sshd.port}"
        self._keepshell("hold", "--name", "db", f"-R{self.port}:{target}", *self._host)
        assert self.answers()

    @property
    def _host(self) -> tuple[str, str, str]:
        return "-F", str(self._config), "testhost"

    def _keepshell(self, *words: str) -> str:
        keepshell = str(Path(sys.prefix, "bin", "keepshell"))
        done = subprocess.run(
            [*self.network.prefix, keepshell, *words],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=DEADLINE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def answers(self) -> bool:
        """Whether the tunnel from the host works."""
        return banner_at(self.port).startswith(b"SSH-")

    def await_loss(self) -> None:
        began = time.monotonic()
        self.holds.await_state("no-answer", deadline=TOLD_WITHIN + LOADED)
        assert time.monotonic() - began <= TOLD_WITHIN + LOADED

    def await_return(self, within: float = BACK_WITHIN + LOADED) -> float:
        """Seconds until the tunnel works and a session goes through the hold again."""
        began = time.monotonic()
        eventually(self.answers, lambda: f"{self.holds.record()}\n{self.sshd.log}", deadline=within)
        took = time.monotonic() - began
        before = logins(self.sshd)
        self.holds.await_state("alive")
        assert self._keepshell("ssh", *self._host, "echo through") == "through\n"
        assert logins(self.sshd) == before
        return took


@pytest.fixture
def away(holds: Holds, network: Network, start_sshd: Callable[..., Sshd], tmp_path: Path) -> Away:
    sshd = start_sshd(f"ListenAddress {network.host}")
    return Away(holds, network, sshd, tmp_path)


@pytest.mark.slow
def test_after_a_minute_without_a_link_the_tunnel_is_back_at_once(away: Away) -> None:
    away.network.take_link()
    away.await_loss()
    before = logins(away.sshd)
    time.sleep(80)  # by their pauses, the next attempt would be half a minute away
    assert logins(away.sshd) == before
    away.network.give_link()
    away.await_return()


def test_nothing_is_tried_while_no_route_leads_to_the_host(away: Away) -> None:
    away.network.take_link()
    away.await_loss()
    supervisor = away.holds.supervisor()
    pids = {child.pid for child in supervisor.children()}
    used = supervisor.num_ctx_switches().voluntary
    time.sleep(8)  # by their pauses, four attempts
    assert {child.pid for child in supervisor.children()} == pids
    assert supervisor.num_ctx_switches().voluntary - used <= 2
    away.network.give_link()
    away.await_return()


def test_another_address_is_a_new_connection(away: Away) -> None:
    away.network.take_address()
    away.await_loss()
    away.network.give_other_address()
    away.await_return()


@pytest.mark.slow
def test_a_black_hole_is_told_and_its_end_is_seen_by_an_echo(away: Away) -> None:
    """Without any message of the kernel."""
    away.network.cut()
    away.await_loss()
    time.sleep(42)  # the next attempt, and TCP's next packet, would be some seconds away
    away.network.heal()
    away.await_return()


def test_a_link_that_flaps_leaves_one_connection(away: Away) -> None:
    for _ in range(5):
        away.network.take_link()
        away.await_loss()
        away.network.give_link()
        away.await_return()
    eventually(lambda: len(away.holds.supervisor().children()) == 1, "one ssh", deadline=60)
    names = [name for name in away.holds.files() if name.startswith("db~")]
    assert len(names) == 2  # a control socket, and the supervisor's own
    keepshell("release", "db")
    eventually(lambda: away.holds.files() == [], "nothing is left")
