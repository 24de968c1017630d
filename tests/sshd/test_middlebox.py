"""The middlebox forwards every byte, and cuts by its rule alone."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from tests.support.middlebox import Action, Counts, Middlebox
from tests.support.waiting import DEADLINE, eventually

StartBox = Callable[..., Middlebox]

LIMIT = 2.0


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server's socket, for a test to accept from."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        yield server


def _port(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


@contextmanager
def _pair(box: Middlebox, listener: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of one connection through the box."""
    with closing(socket.create_connection(("127.0.0.1", box.port), timeout=DEADLINE)) as client:
        server, _ = listener.accept()
        server.settimeout(DEADLINE)
        with closing(server):
            yield client, server


def _read(end: socket.socket, count: int) -> bytes:
    chunks = b""
    while len(chunks) < count and (chunk := end.recv(count - len(chunks))):
        chunks += chunk
    return chunks


def test_every_byte_both_ways_at_once(start_middlebox: StartBox, listener: socket.socket) -> None:
    box = start_middlebox(_port(listener), DEADLINE, Counts.CLIENT_BYTES)
    up, down = random.Random(1).randbytes(3_000_000), random.Random(2).randbytes(5_000_000)
    with _pair(box, listener) as (client, server):
        senders = [
            threading.Thread(target=end.sendall, args=(load,))
            for end, load in ((client, up), (server, down))
        ]
        received: dict[str, bytes] = {}
        reader = threading.Thread(
            target=lambda: received.update(up=_read(server, len(up))), daemon=True
        )
        for thread in (*senders, reader):
            thread.start()
        received["down"] = _read(client, len(down))
        for thread in (*senders, reader):
            thread.join(DEADLINE)
        assert received == {"up": up, "down": down}
    assert (box.client_bytes, box.server_bytes) == (len(up), len(down))


def test_a_reader_that_stalls_stalls_the_sender(
    start_middlebox: StartBox, listener: socket.socket
) -> None:
    box = start_middlebox(_port(listener), DEADLINE, Counts.CLIENT_BYTES)
    with _pair(box, listener) as (client, server):
        server.settimeout(LIMIT)
        with pytest.raises(TimeoutError):
            server.sendall(bytes(100_000_000))
        assert box.server_bytes < 50_000_000
        client.close()


@pytest.mark.parametrize("counts", Counts)
def test_silence_is_reset_at_both_ends(
    counts: Counts, start_middlebox: StartBox, listener: socket.socket
) -> None:
    box = start_middlebox(_port(listener), LIMIT, counts)
    with _pair(box, listener) as (client, server):
        for end in (client, server):
            with pytest.raises(ConnectionResetError):
                end.recv(1)
    assert [event.kind for event in box.wait_for("closed")] == ["closed"]
    assert [event.kind for event in box.events] == ["opened", "idle", "closed"]


def _talk_until_idle(box: Middlebox, speaker: socket.socket, silent: int) -> None:
    """Send from one end until the rule has struck `silent` connections that say nothing."""
    done = threading.Event()

    def talk() -> None:
        with suppress(ConnectionError):  # the speaker itself may be cut
            while not done.wait(LIMIT / 10):
                speaker.sendall(b"x")

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        box.wait_for("idle", silent)
    finally:
        done.set()
        thread.join(DEADLINE)


@pytest.mark.parametrize(
    ("counts", "from_client"),
    [(Counts.CLIENT_BYTES, True), (Counts.ANY_BYTES, True), (Counts.ANY_BYTES, False)],
)
def test_bytes_that_count_keep_a_connection(
    counts: Counts, from_client: bool, start_middlebox: StartBox, listener: socket.socket
) -> None:
    box = start_middlebox(_port(listener), LIMIT, counts)
    with _pair(box, listener) as kept, _pair(box, listener):
        _talk_until_idle(box, kept[0 if from_client else 1], silent=1)
        assert [event.connection for event in box.events if event.kind == "idle"] == [2]
        kept[0].sendall(b"!")
        kept[1].sendall(b"!")


def test_the_servers_bytes_do_not_count_as_the_clients(
    start_middlebox: StartBox, listener: socket.socket
) -> None:
    box = start_middlebox(_port(listener), LIMIT, Counts.CLIENT_BYTES)
    with _pair(box, listener) as (client, server):
        _talk_until_idle(box, server, silent=1)
        with pytest.raises(ConnectionError):
            _read(client, 1_000_000)
    assert box.server_bytes > 0


def test_a_black_hole_swallows_and_closes_nothing(
    start_middlebox: StartBox, listener: socket.socket
) -> None:
    box = start_middlebox(_port(listener), LIMIT, Counts.ANY_BYTES, Action.DROP)
    with _pair(box, listener) as (client, server):
        box.wait_for("idle")
        client.sendall(b"anyone?")
        eventually(lambda: box.swallowed == len(b"anyone?"), "the bytes to arrive")
        client.close()
        box.wait_for("closed")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.recv(1)


def test_an_end_that_closes_closes_the_other(
    start_middlebox: StartBox, listener: socket.socket
) -> None:
    box = start_middlebox(_port(listener), DEADLINE, Counts.ANY_BYTES)
    with _pair(box, listener) as (client, server):
        server.sendall(b"last words")
        server.close()
        assert _read(client, 100) == b"last words"


def test_nobody_upstream(start_middlebox: StartBox, listener: socket.socket) -> None:
    port = _port(listener)
    listener.close()
    box = start_middlebox(port, DEADLINE, Counts.ANY_BYTES)
    with pytest.raises(ConnectionResetError):
        _call_and_listen(box.port)


def _call_and_listen(port: int) -> bytes:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)) as client:
        return client.recv(1)
