"""Output as it comes: in bursts, each over when a key is pressed or nothing has come for a while.

A burst keeps its first 4 kB and its last 2 kB, so that bulk output costs two slices a read. A
sequence that is cut by the end of a burst is joined to what follows.
"""

from __future__ import annotations

import re
from typing import NamedTuple

GAP = 0.25
"""Seconds without output after which a burst is over."""

HEAD, TAIL = 4096, 2048
"""Bytes kept of a burst: from its beginning, and from its end."""

_LONGEST_CARRY = 256  # bytes; a longer unfinished sequence is a string, which is never read here
_UNFINISHED = re.compile(rb"\x1b(?:\[[ -?]*|[]PX^_][^\x07\x1b]*\x1b?|[ -/]*)\Z")


class Burst(NamedTuple):
    """What was printed in one go; times are monotonic seconds.

    `head` is the whole burst unless something was `lost` between it and `tail`.
    """

    head: bytes
    tail: bytes
    lost: bool
    began_at: float
    ended_at: float

    @property
    def end(self) -> bytes:
        """The last part of which nothing is missing."""
        return self.tail if self.lost else self.head + self.tail


class Bursts:
    """Cuts a stream into bursts."""

    def __init__(self) -> None:
        self._carry = b""
        self._clear()

    def _clear(self) -> None:
        self._head, self._tail, self._lost = self._carry, b"", False
        self._began_at: float | None = None
        self.ended_at = 0.0
        """When the open burst last grew."""

    @property
    def open(self) -> bool:
        """Whether a burst has begun and not been taken."""
        return self._began_at is not None

    def over(self, now: float) -> bool:
        """Whether the burst that began can't go on any more."""
        return self._began_at is not None and now - self.ended_at >= GAP

    def shown(self, data: bytes, now: float) -> None:
        """Output; what is `over` must have been taken before."""
        if self._began_at is None:
            self._began_at = now
        self.ended_at = now
        room = HEAD - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if data:
            self._lost = self._lost or len(self._tail) + len(data) > TAIL
            self._tail = (data if len(data) >= TAIL else self._tail + data)[-TAIL:]

    def take(self) -> Burst:
        """The burst so far, which ends with this."""
        began_at = self._began_at
        assert began_at is not None
        carry = _UNFINISHED.search(self._tail or self._head)
        self._carry = carry[0][:_LONGEST_CARRY] if carry else b""
        head, tail = self._head, self._tail
        if carry:
            head, tail = (head, tail[: carry.start()]) if tail else (head[: carry.start()], b"")
        burst = Burst(head, tail, self._lost, began_at, self.ended_at)
        self._clear()
        return burst
