"""What each rung costs on the wire, captured on loopback: `python scripts/_bench/wire.py`, as root.

Packets of the connection are counted where the kernel sends them, IP header included, in both
directions, while a session is idle for a number of keepalives; what an hour costs follows from the
default interval of each rung.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

_SCRIPTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_SCRIPTS.parent)]

from tests.support.access import Keys  # noqa: E402 - found by the path above
from tests.support.sshd import Sshd  # noqa: E402
from tests.support.terminal import Terminal  # noqa: E402
from tests.support.trace import Trace  # noqa: E402

_ALL_PROTOCOLS = 3  # ETH_P_ALL
_KEEPALIVES = 10
_ETHERNET = 14


@dataclass(frozen=True)
class Case:
    """One rung alone: our options, the trace's event, seconds between two by default."""

    rung: str
    options: tuple[str, ...]
    event: str | None
    every: float


CASES = (
    Case("off", ("--rung", "off"), None, 60),
    Case("server-alive", ("--rung", "server-alive", "--server-alive-interval", "1s"), None, 60),
    Case("window-change", ("--window-change-interval", "1s"), "nudge-sent", 60),
    Case("no-op", ("--no-op", "always", "--no-op-interval", "2s"), "noop-sent", 240),
    Case("empty-line", ("--rules", "tmout=4s", "--empty-line", "true"), "noop-sent", 240),
)


class Capture:
    """Counts the packets and bytes of one TCP port on the loopback interface."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS)
        )
        self._socket.bind(("lo", 0))

    def run(self, until: float) -> tuple[int, int]:
        """Packets and bytes until that time of the monotonic clock."""
        packets = size = 0
        while (left := until - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                break
            frame, address = self._socket.recvfrom(65536)
            if address[2] != socket.PACKET_OUTGOING or not self._is_ours(frame):
                continue
            packets += 1
            size += len(frame) - _ETHERNET
        return packets, size

    def _is_ours(self, frame: bytes) -> bool:
        if frame[12:14] != b"\x08\x00" or frame[_ETHERNET + 9] != socket.IPPROTO_TCP:
            return False
        header = (frame[_ETHERNET] & 15) * 4
        ports = struct.unpack_from("!HH", frame, _ETHERNET + header)
        return self._port in ports

    def close(self) -> None:
        self._socket.close()


def measure(case: Case, directory: Path) -> tuple[float, float]:
    """Packets and bytes of one keepalive of this rung, the answers included."""
    directory.mkdir()
    keys_directory = directory / "keys"
    keys_directory.mkdir()
    keys = Keys.make(keys_directory)
    with ExitStack() as stack:
        server = Sshd(directory / "sshd", keys)
        stack.callback(server.stop)
        trace = Trace(directory / "trace")
        env = {**os.environ, "KEEPSHELL_TRACE": str(trace.path)}
        quiet = ("--window-change-interval", "1h") if case.rung != "window-change" else ()
        # An interval of the user's own, of none: keepshell adds no ServerAlive then.
        arguments = ["-o", "ServerAliveInterval=0"] if case.rung != "server-alive" else []
        exe = str(Path(sys.executable).parent / "keepshell")
        terminal = stack.enter_context(
            Terminal(
                [exe, *quiet, *case.options, "ssh", *arguments, *server.access.ssh_args()], env=env
            )
        )
        terminal.expect("READY$ ")
        capture = Capture(server.port)
        stack.callback(capture.close)
        before = len(trace.named(case.event)) if case.event else 0
        started = time.monotonic()
        packets, size = capture.run(started + 2 * _KEEPALIVES + 1)
        sent = len(trace.named(case.event)) - before if case.event else 2 * _KEEPALIVES
        return packets / sent, size / sent


def main() -> int:
    """Print the table."""
    print("| rung | packets each | bytes each | every | bytes per hour |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="keepshell-wire-") as name:
        for case in CASES:
            packets, size = measure(case, Path(name, case.rung))
            hourly = round(size * 3600 / case.every)
            print(f"| `{case.rung}` | {packets:.1f} | {size:.0f} | {case.every:g} s | {hourly} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
