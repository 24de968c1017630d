"""A firewall between client and server: forwards TCP, and cuts connections that it counts as idle.

Runs in a thread of the test process. What counts as traffic is what a real one would count: bytes
of the TCP stream, in one direction or in both.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from enum import Enum
from typing import NamedTuple

from tests.support.inthread import LoopThread
from tests.support.waiting import DEADLINE, eventually


class Counts(Enum):
    """Which bytes reset the idle timer."""

    CLIENT_BYTES = "client-bytes"
    ANY_BYTES = "any-bytes"


class Action(Enum):
    """What becomes of an idle connection."""

    RESET = "reset"
    """Both ends get a TCP RST."""
    DROP = "drop"
    """A black hole: both ends stay connected, and nothing passes any more."""


class Event(NamedTuple):
    """Something that happened to one connection: `opened`, `idle` (the rule struck), `closed`."""

    kind: str
    connection: int
    """Connections are numbered from 1."""


class Middlebox:
    """Forwards `port` at `address` to the port `upstream` of 127.0.0.1.

    `client_bytes` and `server_bytes` count what was forwarded, over all connections; `swallowed`
    what arrived for a connection that was dropped.
    """

    def __init__(
        self,
        upstream: int,
        limit: float,
        counts: Counts,
        action: Action = Action.RESET,
        *,
        address: str = "127.0.0.1",
    ) -> None:
        """Listen at once. `limit` is the idle time in seconds."""
        self.upstream = upstream
        self._address = address
        self.limit = limit
        self.counts = counts
        self.action = action
        self.client_bytes = 0
        self.server_bytes = 0
        self.swallowed = 0
        self._events: list[Event] = []
        self._connections: list[_Connection] = []
        self._thread = LoopThread()
        self._server = self._thread.call(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def events(self) -> list[Event]:
        """All events so far, in order."""
        return list(self._events)

    def wait_for(self, kind: str, count: int = 1, *, deadline: float = DEADLINE) -> list[Event]:
        """The events of this kind, once there are `count`; AssertionError after `deadline` s."""

        def enough() -> list[Event]:
            found = [event for event in self.events if event.kind == kind]
            return found if len(found) >= count else []

        return eventually(enough, lambda: f"{count} × {kind}: {self.events}", deadline=deadline)

    def reset_all(self) -> None:
        """Reset every connection now, idle or not."""
        self._thread.call(self._reset_all())

    def close_all(self) -> None:
        """End every connection now as a server does, by a FIN."""
        self._thread.call(self._close_all())

    def stop(self) -> None:
        """Stop listening, reset what is still connected, join the thread."""
        self._thread.stop(self._close())

    async def _listen(self) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(self._accept, self._address, 0)

    async def _reset_all(self) -> None:
        for connection in self._connections:
            connection.reset()

    async def _close_all(self) -> None:
        for connection in self._connections:
            connection.client.close()
            connection.server.close()

    async def _close(self) -> None:
        self._server.close()
        await self._reset_all()
        await asyncio.sleep(0)  # lets the aborted transports close their sockets

    def _accept(self) -> _Side:
        connection = _Connection(self, len(self._connections) + 1)
        self._connections.append(connection)
        return connection.client

    def note(self, kind: str, connection: int) -> None:
        """Append an event; for the connections."""
        self._events.append(Event(kind, connection))


class _Connection:
    """Two sides and the idle timer between them."""

    def __init__(self, box: Middlebox, number: int) -> None:
        self.box = box
        self.number = number
        self.client = _Side(self)
        self.server = _Side(self)
        self.dropped = False
        self._loop = asyncio.get_running_loop()
        self._counted_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._dialling: asyncio.Task[None] | None = None

    def opened(self, side: _Side) -> None:
        """The client has come, or the server has answered."""
        if side is self.client:
            self._dialling = self._loop.create_task(self._dial())
        elif self._closed:  # the client left while we were dialling
            side.close()
        else:
            self._counted_at = self._loop.time()
            self._timer = self._loop.call_at(self._counted_at + self.box.limit, self._check)
            self.box.note("opened", self.number)

    def received(self, side: _Side, chunk: bytes) -> None:
        """Count and forward, or swallow."""
        if self.dropped:
            self.box.swallowed += len(chunk)
            return
        if side is self.client:
            self.box.client_bytes += len(chunk)
        else:
            self.box.server_bytes += len(chunk)
        if side is self.client or self.box.counts is Counts.ANY_BYTES:
            self._counted_at = self._loop.time()
        self.other(side).write(chunk)

    def other(self, side: _Side) -> _Side:
        """The opposite side."""
        return self.server if side is self.client else self.client

    def lost(self, side: _Side) -> None:
        """One side has gone; a firewall lets the other one know, unless it drops."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.dropped:
            self.other(side).close()
        if not self._closed:
            self._closed = True
            self.box.note("closed", self.number)

    def reset(self) -> None:
        """Send both ends a RST."""
        for side in (self.client, self.server):
            side.reset()

    def _check(self) -> None:
        due_at = self._counted_at + self.box.limit
        if self._loop.time() < due_at:
            self._timer = self._loop.call_at(due_at, self._check)
            return
        self.box.note("idle", self.number)
        if self.box.action is Action.DROP:
            self.dropped = True
        else:
            self.reset()

    async def _dial(self) -> None:
        try:
            await self._loop.create_connection(lambda: self.server, "127.0.0.1", self.box.upstream)
        except OSError:
            self.client.reset()


class _Side(asyncio.Protocol):
    """One TCP connection of the two. A full buffer here stops the reading over there.

    What is written before the connection is made goes out first thing. To stop the other side's
    reading until then is no way: the asyncio of Python 3.11.2 forgets a `pause_reading` that is
    called in `connection_made`.
    """

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._transport: asyncio.Transport | None = None
        self._early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._early)
        self._connection.opened(self)

    def data_received(self, data: bytes) -> None:
        self._connection.received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.lost(self)

    def pause_writing(self) -> None:
        self._connection.other(self).pause_reading()

    def resume_writing(self) -> None:
        self._connection.other(self).resume_reading()

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def write(self, chunk: bytes) -> None:
        if self._transport is None:
            self._early += chunk
        else:
            self._transport.write(chunk)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Close with SO_LINGER 0, which is a RST (socket(7))."""
        if self._transport is None or self._transport.is_closing():
            return
        tcp: socket.socket = self._transport.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
