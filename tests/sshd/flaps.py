"""A hold with tunnels in both directions, whose connection is lost again and again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from keepshell.store import holds
from tests.support.access import Keys
from tests.support.listening import free_port
from tests.support.network import Network
from tests.support.processes import is_gone
from tests.support.sshd import Sshd
from tests.support.waiting import eventually

_NAME = "db"

_BANNER = """\
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 1) as connection:
    connection.settimeout(1)
    print(connection.recv(8))
"""

Flap = Callable[["Held"], float]


class Taken(NamedTuple):
    """Seconds: until the loss was known; from the network's return until all worked again."""

    told: float
    back: float


class Held:
    """The hold, in a client's network namespace; it is cut when `stack` closes."""

    def __init__(
        self, stack: ExitStack, directory: Path, *, keys: Keys, exe: Path, env: Mapping[str, str]
    ) -> None:
        """The path of `XDG_RUNTIME_DIR` in `env` must be short enough for sockets."""
        self.network = Network()
        stack.callback(self.network.close)
        self.sshd = Sshd(directory / "sshd", keys, f"ListenAddress {self.network.host}")
        stack.callback(self.sshd.stop)
        self._env, self._exe = env, exe
        self._there, self._back = free_port(), free_port()
        at = f"{self.network.host}:{self.sshd.port}"
        *arguments, _ = self.sshd.access.ssh_args()
        target = f"{self.sshd.access.user}@{self.network.host}"
        tunnels = [f"-L{self._there}:{at}", f"-R{self._back}:{at}"]
        self._run("hold", "--name", _NAME, *tunnels, *arguments, target)
        stack.callback(self.release)
        self.supervisor = psutil.Process(self.record()["pid"])
        self._descriptors = self.supervisor.num_fds()

    def record(self) -> dict[str, Any]:
        return holds.read(_NAME, self._env) or {}

    def master(self) -> psutil.Process:
        """The newest generation's ssh."""
        return max(self.supervisor.children(), key=lambda child: child.create_time())

    def flap(self, flap: Flap) -> Taken:
        """Lose the connection, and wait until all is as before."""
        self._socket = self.record()["socket"]
        self._began = time.monotonic()
        told = flap(self)
        began = time.monotonic()
        eventually(self.works, lambda: f"{flap.__name__}: {self.record()}", deadline=60)
        return Taken(told, time.monotonic() - began)

    def told(self) -> float:
        """Return once the loss is known; the seconds that took."""

        def is_known() -> bool:
            record = self.record()
            return bool(record["state"] != "alive" or record["socket"] != self._socket)

        eventually(is_known, lambda: f"a loss: {self.record()}")
        return time.monotonic() - self._began

    def replaced(self) -> bool:
        """Whether there is another connection."""
        now = self.record().get("socket")
        return now is not None and bool(now != self._socket)

    def works(self) -> bool:
        """Whether it is alive, and a server answers through both tunnels."""
        if self.record().get("state") != "alive":
            return False
        here = [*self.network.prefix, sys.executable, "-c", _BANNER, "127.0.0.1", str(self._there)]
        there = [sys.executable, "-c", _BANNER, "127.0.0.1", str(self._back)]
        return all(
            b"SSH-" in subprocess.run(argv, capture_output=True, check=False).stdout
            for argv in (here, there)
        )

    def leaks(self) -> list[str]:
        """What there is more than after the login; waits for what may finish."""

        def more() -> list[str]:
            found = [f"a process: {each.cmdline()}" for each in self.supervisor.children()[1:]]
            if self.supervisor.num_fds() > self._descriptors:
                found.append(f"descriptors: {self.supervisor.num_fds()}, not {self._descriptors}")
            folder = os.path.dirname(holds.files_of(_NAME, self._env).link)
            names = sorted(os.listdir(folder))
            if len(names) > 4:  # the link, one socket, where it answers, the record
                found.append(f"files: {names}")
            return found

        try:
            eventually(lambda: not more(), "", deadline=15)
        except AssertionError:
            return more()
        return []

    def release(self) -> None:
        """End it, and all that is left must be nothing."""
        below = [self.supervisor, *self.supervisor.children(recursive=True)]
        folder = os.path.dirname(holds.files_of(_NAME, self._env).link)
        self._run("release", "--now", _NAME)
        eventually(lambda: all(is_gone(each.pid) for each in below), "the end of all processes")
        assert not os.path.exists(folder), os.listdir(folder)

    def _run(self, *words: str) -> None:
        argv = [*self.network.prefix, str(self._exe), *words]
        done = subprocess.run(
            argv,
            env={**self._env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


# What may happen. Each returns after how many seconds it was known, and when the network is back.


def master_killed(held: Held) -> float:
    """Its ssh gets SIGKILL."""
    held.master().kill()
    return held.told()


def master_stopped(held: Held) -> float:
    """Its ssh gets SIGSTOP, and answers nothing any more."""
    held.master().suspend()
    told = held.told()
    eventually(held.replaced, lambda: f"another connection: {held.record()}")
    return told


def server_killed(held: Held) -> float:
    """The server's processes of it are killed, as sshd's restart may do."""
    for process in psutil.Process(held.sshd.pid).children(recursive=True):
        process.kill()
    return held.told()


def short_hole(held: Held) -> float:
    """Not a packet until the loss is known: whichever connection answers first."""
    return _hole(held, 0)


def long_hole(held: Held) -> float:
    """The same, and seven seconds more."""
    return _hole(held, 7)


FLAPS: tuple[Flap, ...] = (master_killed, master_stopped, server_killed, short_hole, long_hole)


def _hole(held: Held, seconds: float) -> float:
    held.network.cut()
    told = held.told()
    time.sleep(seconds)
    held.network.heal()
    return told
