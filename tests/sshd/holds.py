"""What a test holds, and who answers on its tunnels."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from keepshell.store.holds import names, read
from tests.support.cli import keepshell
from tests.support.sshd import Sshd
from tests.support.waiting import eventually


class Holds:
    """What this test holds."""

    def __init__(self, folder: str) -> None:
        self._folder = f"{folder}/keepshell/hold"

    def begin(self, *words: str) -> str:
        return keepshell("hold", *words).stdout

    def record(self, name: str = "db") -> dict[str, Any]:
        return read(name, os.environ) or {}

    def state(self, name: str = "db") -> str:
        return str(self.record(name).get("state", "none"))

    def await_state(self, state: str, name: str = "db", *, deadline: float = 30.0) -> None:
        def shown() -> str:
            return f"{name} {state}: {self.record(name)}"

        eventually(lambda: self.state(name) == state, shown, deadline=deadline)

    def socket_of(self, name: str = "db") -> str:
        return f"{self._folder}/{name}"

    def supervisor(self, name: str = "db") -> psutil.Process:
        return psutil.Process(self.record(name)["pid"])

    def master(self, name: str = "db") -> psutil.Process:
        """The newest generation's ssh."""
        return max(self.supervisor(name).children(), key=lambda child: child.create_time())

    def files(self) -> list[str]:
        return sorted(os.listdir(self._folder)) if os.path.isdir(self._folder) else []

    def let_go(self) -> None:
        """Cut them all, and wait until they are gone."""
        pids = [self.record(name)["pid"] for name in names(os.environ)]
        keepshell("release", "--all", "--now")
        for pid in pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).wait(10)


@contextmanager
def holding() -> Iterator[Holds]:
    """In a folder whose path is short enough for sockets; all are cut at the end."""
    folder = tempfile.mkdtemp(prefix="ks")
    former, os.environ["XDG_RUNTIME_DIR"] = os.environ.get("XDG_RUNTIME_DIR", ""), folder
    holds = Holds(folder)
    try:
        yield holds
        holds.let_go()
    finally:
        os.environ["XDG_RUNTIME_DIR"] = former
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def banner_at(port: int) -> bytes:
    """What a server behind a tunnel says first; empty where nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            connection.settimeout(1.0)
            return connection.recv(8)
    except OSError:
        return b""


def logins(sshd: Sshd) -> int:
    return sshd.log.count("Accepted publickey")
