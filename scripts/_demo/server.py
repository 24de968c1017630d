"""An SSH server on 127.0.0.1 that cuts silent clients after a while, and counts what it hears.

Idle is measured as a firewall measures it: bytes that the client put on the wire, of whatever kind.
It runs a pretend shell; nothing that is typed there runs on this machine.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
PROMPT = "demo$ "


@dataclasses.dataclass
class Seen:
    """What the server has seen of one user; times in seconds of the event loop's clock."""

    limit: float
    connected_at: float
    heard_at: float
    typed_at: float
    server_alives: int = 0
    window_changes: int = 0
    keepalive_at: float | None = None
    lost_at: float | None = None
    cut: bool = False

    @property
    def keepalives(self) -> int:
        return self.server_alives + self.window_changes

    def silence(self, now: float) -> float:
        """Seconds since the client's last byte, or how long it was when the connection ended."""
        return (now if self.lost_at is None else self.lost_at) - self.heard_at

    def alive(self, now: float) -> float:
        """Seconds from the connection's start to its end, or to now."""
        return (now if self.lost_at is None else self.lost_at) - self.connected_at


class Connection(asyncssh.SSHServerConnection):
    """Times its client's silence and, past the limit, drops the connection without a word."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: asyncssh.SSHServerConnectionOptions,
        limit: float,
    ) -> None:
        super().__init__(loop, options)
        self._clock = loop
        now = loop.time()
        self.seen = Seen(limit, connected_at=now, heard_at=now, typed_at=now)
        self._timer = loop.call_later(limit, self._cut_if_silent)

    def data_received(self, data: bytes, datatype: asyncssh.DataType = None) -> None:
        self.seen.heard_at = self._clock.time()
        super().data_received(data, datatype)

    def connection_lost(self, exc: Exception | None = None) -> None:
        self._timer.cancel()
        if self.seen.lost_at is None:
            self.seen.lost_at = self._clock.time()
        super().connection_lost(exc)

    def _cut_if_silent(self) -> None:
        now, cut_at = self._clock.time(), self.seen.heard_at + self.seen.limit
        if now < cut_at:
            self._timer = self._clock.call_at(cut_at, self._cut_if_silent)
            return
        self.seen.cut, self.seen.lost_at = True, now
        self.abort()

    def _process_keepalive_at_openssh_dot_com_global_request(
        self, packet: asyncssh.packet.SSHPacket
    ) -> None:
        # asyncssh has no public hook for global requests; this is what answers this one.
        self.seen.server_alives += 1
        self.seen.keepalive_at = self._clock.time()
        super()._process_keepalive_at_openssh_dot_com_global_request(packet)


class _Door(asyncssh.SSHServer):
    """Who is at the door, and the shell each gets; the key was checked by asyncssh."""

    def __init__(self, seen_by_user: dict[str, Seen]) -> None:
        self._seen_by_user = seen_by_user
        self._connection: Connection

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        assert isinstance(conn, Connection)
        self._connection = conn

    def session_requested(self) -> _Shell:
        seen = self._connection.seen
        self._seen_by_user[self._connection.get_extra_info("username")] = seen
        return _Shell(seen)


class _Shell(asyncssh.SSHServerSession[str]):
    """A pretend shell: it has these commands and no others, and none touches the machine."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._channel: asyncssh.SSHServerChannel[str]
        self._commands: dict[str, tuple[str, Callable[[str], str]]] = {
            "help": ("this list", self._help),
            "date": ("what the time is", lambda _: f"{datetime.datetime.now():%a %d %b %H:%M:%S}"),
            "idle": ("how long this session has idled", self._idle),
            "echo": ("say it again", lambda words: words),
            "exit": ("leave", self._exit),
        }

    def connection_made(self, chan: asyncssh.SSHServerChannel[str]) -> None:
        self._channel = chan

    def pty_requested(self, *_: Any) -> bool:
        return True

    def shell_requested(self) -> bool:
        return True

    def session_started(self) -> None:
        self._seen.typed_at = asyncio.get_running_loop().time()
        self._channel.write(
            "A pretend shell: nothing runs here.\n"
            f"Be silent for {self._seen.limit:g} s and you are cut.\n{PROMPT}"
        )

    def terminal_size_changed(self, *_: int) -> None:
        self._seen.window_changes += 1
        self._seen.keepalive_at = asyncio.get_running_loop().time()

    def data_received(self, data: str, _: asyncssh.DataType) -> None:
        name, _space, words = data.strip().partition(" ")
        answer = ""
        if name:
            _, run = self._commands.get(name, ("", lambda _: f"{name}: not here; try help"))
            answer = run(words)
        self._seen.typed_at = asyncio.get_running_loop().time()
        if not self._channel.is_closing():
            self._channel.write(f"{answer}\n{PROMPT}" if answer else PROMPT)

    def break_received(self, _: int) -> bool:
        self._channel.write(f"^C\n{PROMPT}")
        return True

    def eof_received(self) -> bool:
        self._exit("")
        return False

    def soft_eof_received(self) -> None:
        self._exit("")

    def _help(self, _: str) -> str:
        return "\n".join(f"{name:6}{what}" for name, (what, _) in self._commands.items())

    def _idle(self, _: str) -> str:
        now = asyncio.get_running_loop().time()
        last, count = self._seen.keepalive_at, self._seen.keepalives
        lines = (
            f"{int(now - self._seen.typed_at)} s since a command was typed",
            f"{int(now - last)} s since keepalive {count}" if last else "no keepalive yet",
            f"{self._seen.limit:g} s of silence is the limit",
        )
        return "\n".join(lines)

    def _exit(self, _: str) -> str:
        self._channel.exit(0)
        return ""


class Server:
    """The listening server, while entered; `seen` maps each user to what was seen of them."""

    def __init__(
        self, host_key: asyncssh.SSHKey, client_key: asyncssh.SSHKey, limit: float
    ) -> None:
        self.seen: dict[str, Seen] = {}
        self.limit = limit
        self.port = 0
        self._keys = host_key, client_key
        self._listener: asyncio.Server
        self._connections: list[Connection] = []

    async def __aenter__(self) -> Server:
        host_key, client_key = self._keys
        loop = asyncio.get_running_loop()
        options = asyncssh.SSHServerConnectionOptions(
            server_factory=lambda: _Door(self.seen),
            server_host_keys=[host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(
                client_key.export_public_key().decode()
            ),
            agent_forwarding=False,
        )

        def accept() -> Connection:
            self._connections.append(Connection(loop, options, self.limit))
            return self._connections[-1]

        self._listener = await loop.create_server(accept, HOST, 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._connections:
            connection.abort()
        await asyncio.gather(*(connection.wait_closed() for connection in self._connections))
