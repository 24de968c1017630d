"""An SSH server that wants a password, and then echoes lines on a pty: for ssh's own prompts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import asyncssh

from tests.support.access import Access, Keys, public_half
from tests.support.remoteshell import PROMPT
from tests.support.waiting import DEADLINE

PASSWORD = "open sesame"


class _OnePassword(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return False  # asyncssh would ask for the password this way first

    def validate_password(self, username: str, password: str) -> bool:
        return password == PASSWORD


async def _echo_lines(process: asyncssh.SSHServerProcess[str]) -> None:
    """A shell of two commands: `exit N` exits, anything else is answered with `got: LINE`."""
    process.stdout.write(PROMPT)
    async for line in process.stdin:
        word, _, argument = line.strip().partition(" ")
        if word == "exit":
            process.exit(int(argument or 0))
            return
        process.stdout.write(f"got: {line.strip()}\n{PROMPT}")
    process.exit(0)


class AsyncPasswordServer:
    """asyncssh in a thread of the test process; `access` has the client's arguments.

    The password is `PASSWORD`; no key is let in. `stop` ends every connection.
    """

    def __init__(self, directory: Path, keys: Keys) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._acceptor: asyncssh.SSHAcceptor = self._call(self._listen(keys))
        port = self._acceptor.get_port()
        self.access = Access(port, keys, directory, public_half(keys.host).strip())

    def stop(self) -> None:
        """Stop listening, end all connections, join the thread."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()

    def _call(self, step: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(step, self._loop).result(DEADLINE)

    @staticmethod
    async def _listen(keys: Keys) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[str(keys.host)],
            server_factory=_OnePassword,
            process_factory=_echo_lines,
        )

    async def _close(self) -> None:
        self._acceptor.close()
        await self._acceptor.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
