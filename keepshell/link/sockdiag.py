"""What the kernel tells of TCP connections, other processes' too, without privilege: sock_diag(7).

Linux only, and within one network namespace; elsewhere every question has the answer None.
"""

from __future__ import annotations

import socket
import struct

from keepshell.core.link.silence import Sample

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 0x1
_NLM_F_DUMP: Final = 0x300
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_INET_DIAG_INFO: Final = 2  # the attribute that holds a struct tcp_info
_ESTABLISHED, _LISTEN = 1, 10
_STATES: Final = (1 << _ESTABLISHED) | (1 << _LISTEN)

_MESSAGE: Final = struct.Struct("=IHHII")  # struct nlmsghdr
_REQUEST: Final = struct.Struct("=BBBBI48s")  # struct inet_diag_req_v2
_FOUND: Final = struct.Struct("=BBBB48sIIIII")  # struct inet_diag_msg
_ID: Final = struct.Struct("!HH16s16s")  # the beginning of struct inet_diag_sockid
_ATTRIBUTE: Final = struct.Struct("=HH")
# Of struct tcp_info (linux/tcp.h): backoff, unacked, last_data_recv, last_ack_recv, rtt.
_TCP_INFO: Final = struct.Struct("=4xB3x16xI24xII8xI")
_BUFFER: Final = 65536


class Connection:
    """One TCP connection, by the kernel's own name for it."""

    __slots__ = ("_id", "family", "inode", "listening")

    def __init__(self, family: int, inode: int, sockid: bytes, *, listening: bool) -> None:
        """`sockid` is the kernel's struct inet_diag_sockid, with its cookie."""
        self.family = family
        self.inode = inode
        self.listening = listening
        self._id = sockid

    @property
    def local(self) -> tuple[str, int]:
        """Address and port of our end."""
        port, _, address, _ = _ID.unpack_from(self._id)
        return self._address(address), port

    @property
    def peer(self) -> tuple[str, int]:
        """Address and port of the other end."""
        _, port, _, address = _ID.unpack_from(self._id)
        return self._address(address), port

    def _address(self, data: bytes) -> str:
        size = 4 if self.family == socket.AF_INET else 16
        return socket.inet_ntop(self.family, data[:size])

    def sample(self) -> Sample | None:
        """How it is now; None once it is closed."""
        for payload in _ask(self.family, self._id, dump=False):
            return _sample(payload)
        return None


def connections() -> list[Connection]:
    """All established and listening TCP sockets of this network namespace; empty where unknown."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for payload in _ask(family, bytes(48), dump=True):
            family_, state, _, _, sockid, *_, inode = _FOUND.unpack_from(payload)
            found.append(Connection(family_, inode, sockid, listening=state == _LISTEN))
    return found


def _ask(family: int, sockid: bytes, *, dump: bool) -> Iterator[bytes]:
    """The payload of each answer; none where the kernel has none."""
    flags = _NLM_F_REQUEST | (_NLM_F_DUMP if dump else 0)
    asked = 1 << (_INET_DIAG_INFO - 1)
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, asked, 0, _STATES, sockid)
    head = _MESSAGE.pack(_MESSAGE.size + len(body), _SOCK_DIAG_BY_FAMILY, flags, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as netlink:
            netlink.sendto(head + body, (0, 0))
            while True:
                # The kernel has answered by now, or does so within recv.
                data = netlink.recv(_BUFFER, socket.MSG_DONTWAIT)
                for kind, payload in _messages(data):
                    if kind in (_NLMSG_DONE, _NLMSG_ERROR):
                        return
                    yield payload
                if not dump:
                    return
    except (OSError, AttributeError):  # no Linux, no sock_diag in this kernel, or a sandbox
        return


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _MESSAGE.size <= len(data):
        size, kind, *_ = _MESSAGE.unpack_from(data, at)
        if size < _MESSAGE.size:
            return
        yield kind, data[at + _MESSAGE.size : at + size]
        at += (size + 3) & ~3


def _sample(payload: bytes) -> Sample | None:
    at = _FOUND.size
    while at + _ATTRIBUTE.size <= len(payload):
        size, kind = _ATTRIBUTE.unpack_from(payload, at)
        value = payload[at + _ATTRIBUTE.size : at + size]
        if kind == _INET_DIAG_INFO and len(value) >= _TCP_INFO.size:
            return _read(value)
        if size < _ATTRIBUTE.size:
            return None
        at += (size + 3) & ~3
    return None


def _read(info: bytes) -> Sample:
    backoff, unacked, data_ago, ack_ago, round_trip = _TCP_INFO.unpack_from(info)
    return Sample(
        unacked=unacked,
        backoff=backoff,
        round_trip=round_trip / 1e6,
        heard_ago=min(data_ago, ack_ago) / 1e3,
    )
