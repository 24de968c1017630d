"""A server on a free port of 127.0.0.1: started until it listens, ended with every child."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.processes import end_tree, tree, with_home
from tests.support.waiting import DEADLINE, eventually

_PORT_TAKEN = "Address already in use"


class PortTakenError(Exception):
    """Somebody else got the port between our choosing it and the server's bind."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Listening:
    """One running server. `port` is where it listens, `log` all that it said on stderr."""

    def __init__(
        self,
        argv_for: Callable[[int], list[str]],
        directory: Path,
        *,
        listens: str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start `argv_for(port)` and return once a client was greeted by an SSH banner.

        The log is `directory`/log, and `directory`/home is HOME to all that the users run.
        `listens` is what the server logs after its own bind: a banner alone might come from
        another server, which took the port first.
        """
        self._log = directory / "log"
        self._home = directory / "home"
        for _ in range(20):
            self.port = free_port()
            try:
                self._start(argv_for(self.port), listens, env)
            except PortTakenError:
                continue
            return
        raise AssertionError(f"no free port in 20 tries\n{self.log}")

    @property
    def log(self) -> str:
        """The log so far."""
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The process that listens."""
        return self._popen.pid

    def sessions(self) -> set[int]:
        """The pids of all that runs below the listening process, the users' programs too."""
        return {process.pid for process in tree(self.pid)} - {self.pid}

    def stop(self) -> None:
        """Kill the server and every session; the clients see a closed connection."""
        # What a session has left behind is nobody's child any more, but still has its HOME.
        end_tree(self._popen, *with_home(self._home))

    def _start(self, argv: list[str], listens: str, env: Mapping[str, str] | None) -> None:
        with self._log.open("wb") as log:
            self._popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env
            )
        try:
            eventually(lambda: self._is_up(listens), lambda: f"{argv[0]} listening\n{self.log}")
            self._greet()
        except BaseException:
            self.stop()
            raise

    def _is_up(self, listens: str) -> bool:
        ended = self._popen.poll() is not None  # asked before the log is read
        log = self.log
        if _PORT_TAKEN in log:
            raise PortTakenError
        if ended:
            raise AssertionError(f"ended with {self._popen.returncode}\n{log}")
        return listens in log

    def _greet(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as client:
            banner = client.recv(255)
        if not banner.startswith(b"SSH-2.0-"):
            raise AssertionError(f"not an SSH banner: {banner!r}\n{self.log}")
