"""Whether a host can be reached, asked by ICMP echo: no login is tried for it, no port touched.

An unprivileged socket does it (icmp(7), net.ipv4.ping_group_range). Where there is none, or where
echo requests are dropped on the way, nothing is learned, and attempts follow their pauses.
"""

from __future__ import annotations

import contextlib
import socket

_ECHO_REQUEST, _ECHO_REQUEST_V6 = 8, 128


class Ping:
    """Echo requests to one address; `fd` is None where there can't be any."""

    def __init__(self, address: str) -> None:
        v6 = ":" in address
        self._request = bytes(((_ECHO_REQUEST_V6 if v6 else _ECHO_REQUEST), *bytes(7)))
        self._socket: socket.socket | None = None
        family = socket.AF_INET6 if v6 else socket.AF_INET
        protocol = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
        with contextlib.suppress(OSError):
            self._socket = socket.socket(family, socket.SOCK_DGRAM, protocol)
            self._socket.setblocking(False)
            self._socket.connect((address, 0))

    @property
    def fd(self) -> int | None:
        return None if self._socket is None else self._socket.fileno()

    def send(self) -> None:
        """One request; the kernel fills in identifier and checksum."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # no route, no address: no answer either
                self._socket.send(self._request)

    def answered(self) -> bool:
        """Take what has come; whether an answer was among it."""
        answered = False
        assert self._socket is not None
        with contextlib.suppress(OSError):  # BlockingIOError, and what the network reports
            while self._socket.recv(256):
                answered = True
        return answered

    def close(self) -> None:
        """No more requests."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
