"""An SSH server that answers no global request, as some network devices: no keepalive either."""

from __future__ import annotations

from typing import Any

import asyncssh

from tests.support.access import Keys
from tests.support.passwords import AsyncPasswordServer
from tests.support.remoteshell import PROMPT

_GLOBAL_REQUEST = 80  # SSH_MSG_GLOBAL_REQUEST, RFC 4254 §4


def _ignore(*_: object) -> None:
    """Nothing is answered."""


class _Mute(asyncssh.SSHServer):
    def connection_made(self, conn: Any) -> None:
        # asyncssh has no option for it: it answers what it does not know with a failure.
        conn._packet_handlers = {**conn._packet_handlers, _GLOBAL_REQUEST: _ignore}

    def begin_auth(self, username: str) -> bool:
        return False  # let in as it is


async def _echo(process: asyncssh.SSHServerProcess[str]) -> None:
    """Answers each line with `got: LINE`; `exit` exits."""
    process.stdout.write(PROMPT)
    line = ""
    while line != "exit":
        try:
            line = (await process.stdin.readline()).strip()
        except asyncssh.TerminalSizeChanged:
            continue
        process.stdout.write(f"got: {line}\n{PROMPT}")
    process.exit(0)


class MuteServer(AsyncPasswordServer):
    """Lets everybody in; `access` has the client's arguments."""

    @staticmethod
    async def _listen(keys: Keys) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[str(keys.host)],
            server_factory=_Mute,
            process_factory=_echo,
        )
