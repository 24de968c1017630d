"""Whether this machine's network has changed, and what that means for one connection.

The kernel says that an address, a route or a link has come or gone (rtnetlink(7), no privilege
needed); what is so now is asked of a UDP socket, which sends nothing.
"""

from __future__ import annotations

import contextlib
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

_NETLINK_ROUTE: Final = 0
_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""RTMGRP_LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE."""

_CAME: Final = (16, 20, 24)
"""RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE."""

_ELSEWHERE_4: Final = "192.0.2.1"
_ELSEWHERE_6: Final = "2001:db8::1"
"""Addresses of nobody (RFC 5737, RFC 3849): only a default route leads there."""


class Network:
    """The kernel's messages; `fd` is None where there are none."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError, AttributeError):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_ROUTE)
            self._socket.bind((0, _GROUPS))
            self._socket.setblocking(False)

    @property
    def fd(self) -> int | None:
        return None if self._socket is None else self._socket.fileno()

    def came_up(self) -> bool:
        """Take all messages; whether something has come, and not only gone."""
        came = False
        assert self._socket is not None
        with contextlib.suppress(OSError):  # ENOBUFS: there were too many to keep
            while data := self._socket.recv(65536):
                came |= int.from_bytes(data[4:6], sys.byteorder) in _CAME
        return came

    def close(self) -> None:
        """Listen no more."""
        if self._socket is not None:
            self._socket.close()


def has_address(address: str) -> bool:
    """Whether this machine still has a local address."""
    return _tried(address, lambda probe: probe.bind((address, 0)))


def has_route(peer: str) -> bool:
    """Whether a route leads to an address, or out by the other family, in which the host may have
    another; asked without a packet."""
    return _leads_to(peer) or _leads_to(_ELSEWHERE_4 if ":" in peer else _ELSEWHERE_6)


def _leads_to(address: str) -> bool:
    return _tried(address, lambda probe: probe.connect((address, 9)))


def _tried(address: str, action: Callable[[socket.socket], None]) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            action(probe)
    except OSError:
        return False
    return True
