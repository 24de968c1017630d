"""Bytes on their way to a descriptor that takes them when it can."""

from __future__ import annotations

import errno
import os

_GONE = (errno.EIO, errno.EPIPE, errno.ENXIO, errno.EBADF)


def is_gone(error: OSError) -> bool:
    """Whether an error of read(2) or write(2) means that the other end is gone."""
    return error.errno in _GONE


class Outbox:
    """What one side has still to get, in its order."""

    __slots__ = ("_at_once", "_fd", "gone", "waiting")

    def __init__(self, fd: int, *, at_once: int = 0) -> None:
        """`at_once` is for a descriptor that blocks: how many bytes it takes once it said POLLOUT.

        0 is for one that does not block; such a one is written to without asking first.
        """
        self._fd = fd
        self._at_once = at_once
        self.waiting = b""
        """What the descriptor has not taken yet."""
        self.gone = False
        """Whether the last write found the other end gone, and the bytes were dropped."""

    def send(self, data: bytes) -> None:
        """Add `data`, and write what the descriptor takes without waiting. Raises OSError."""
        self.waiting += data
        if not self._at_once:
            self.write()

    def write(self) -> None:
        """Write what the descriptor takes now. Raises OSError."""
        data = self.waiting[: self._at_once] if self._at_once else self.waiting
        try:
            self.waiting = self.waiting[os.write(self._fd, data) :]
        except BlockingIOError:
            return
        except OSError as error:
            if not is_gone(error):
                raise
            self.gone = True
            self.waiting = b""
