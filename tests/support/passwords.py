"""An SSH server that wants a password: for ssh's own prompts.

Without a command it echoes lines on a pty; a command it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncssh

from tests.support.access import Access, Keys, public_half
from tests.support.inthread import LoopThread
from tests.support.remoteshell import PROMPT

PASSWORD = "open sesame"


class _OnePassword(asyncssh.SSHServer):
    def __init__(self, connected: Callable[[], None]) -> None:
        self._connected = connected

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connected()

    def password_auth_supported(self) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return False  # asyncssh would ask for the password this way first

    def validate_password(self, username: str, password: str) -> bool:
        return password == PASSWORD


async def _serve(process: asyncssh.SSHServerProcess[str]) -> None:
    """Run the command; or be a shell that knows `exit N`, and answers `got: LINE` to the rest."""
    if process.command is not None:
        await _run(process, process.command)
        return
    process.stdout.write(PROMPT)
    async for line in process.stdin:
        word, _, argument = line.strip().partition(" ")
        if word == "exit":
            process.exit(int(argument or 0))
            return
        process.stdout.write(f"got: {line.strip()}\n{PROMPT}")
    process.exit(0)


async def _run(process: asyncssh.SSHServerProcess[str], command: str) -> None:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_shell(command, stdin=pipe, stdout=pipe)
    assert child.stdin is not None
    assert child.stdout is not None
    told = asyncio.ensure_future(_tell(child.stdout, process))
    try:
        async for line in process.stdin:
            child.stdin.write(line.encode())
    finally:
        told.cancel()
        child.kill()
        await child.wait()


async def _tell(output: asyncio.StreamReader, process: asyncssh.SSHServerProcess[str]) -> None:
    while data := await output.read(4096):
        process.stdout.write(data.decode())


class AsyncPasswordServer:
    """asyncssh in a thread of the test process; `access` has the client's arguments.

    The password is `PASSWORD`; no key is let in. `stop` ends every connection.
    """

    def __init__(self, directory: Path, keys: Keys) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.connections = 0
        """How many there were so far."""
        self._thread = LoopThread()
        self._acceptor: asyncssh.SSHAcceptor = self._thread.call(self._listen(keys))
        port = self._acceptor.get_port()
        self.access = Access(port, keys, directory, public_half(keys.host).strip())

    def stop(self) -> None:
        """Stop listening, end all connections, join the thread."""
        self._thread.stop(self._close())

    def _count(self) -> None:
        self.connections += 1

    async def _listen(self, keys: Keys) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[str(keys.host)],
            server_factory=lambda: _OnePassword(self._count),
            process_factory=_serve,
        )

    async def _close(self) -> None:
        self._acceptor.close()
        await self._acceptor.wait_closed()
