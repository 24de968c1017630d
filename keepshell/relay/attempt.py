"""One connection to the host: its pty, what ssh says of it, and where it leads."""

from __future__ import annotations

import contextlib
import os

from keepshell.link.connection import Watched
from keepshell.relay.child import Child
from keepshell.relay.outbox import Outbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keepshell.relay.tty import Terminal

_MOST = 65536
_KEPT = 16384
"""Bytes of ssh's words that are kept to find the last line of."""


class Piped:
    """A child whose own words (descriptor 2) come apart from what it shows of the host."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], terminal: Terminal) -> None:
        """Start it; raises what `Child` raises."""
        self.words, writer = os.pipe()
        os.set_blocking(self.words, False)
        try:
            self.child = Child(argv, env=env, terminal=terminal, stderr=writer)
        except BaseException:
            os.close(self.words)
            raise
        finally:
            os.close(writer)
        self.outbox = Outbox(self.child.fd)
        self.watched = Watched(self.child.pid)
        self._heard = b""

    def said(self) -> bytes:
        """What it has said since the last call; the descriptor is closed at its end."""
        said = b""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.words, _MOST):
                said += data
        self._heard = (self._heard + said)[-_KEPT:]
        return said

    @property
    def last_line(self) -> str:
        """The last words of a failed ssh that are worth a line."""
        lines = [line.strip() for line in self._heard.decode("utf-8", "replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")

    def close(self) -> None:
        """Close both; what still runs gets the kernel's SIGHUP."""
        if self.words >= 0:
            os.close(self.words)
            self.words = -1
        self.child.close()
