"""One more connection to the host, made beside the first: its pty, and what ssh says of it."""

from __future__ import annotations

import contextlib
import os

from keepshell.relay.child import Child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keepshell.relay.tty import Terminal

_MOST = 65536


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

    def said(self) -> bytes:
        """What it has said since the last call; the descriptor is closed at its end."""
        said = b""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.words, _MOST):
                said += data
        return said

    def close(self) -> None:
        """Close both; what still runs gets the kernel's SIGHUP."""
        if self.words >= 0:
            os.close(self.words)
            self.words = -1
        self.child.close()


def last_line(said: bytes) -> str:
    """The last words of a failed ssh that are worth a line."""
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")
