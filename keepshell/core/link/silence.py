"""Whether the host still answers, told from what our own kernel knows of the connection.

The rules it keeps:

- any byte from the host is life, and so is its TCP's acknowledgement: a password prompt or a
  program without echo prints nothing and is alive;
- the clock starts when something of ours waits for its acknowledgement, never before;
- a sample is asked for only while something may be waiting: an idle session costs no wakeup.

The numbers are measured: docs/reattach.md, "When a host counts as silent".
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

DOUBT_AFTER = 1.5
DOUBT_ROUND_TRIPS = 4
"""The greater of the two: seconds, and round trips, without an acknowledgement."""

SILENT_BACKOFF = 3
"""So often TCP has doubled its timeout; 30 % of lost packets never got it beyond 2."""

SILENT_AFTER = 6.0
SILENT_AFTER_BACKOFF = 2
"""Both together: on a slow link the third doubling takes longer than anyone waits."""

RESUMED_WITHIN = 2.0
"""Seconds in which the host must have answered after this machine slept."""

LOOK_EVERY = 0.5
LOOK_AT_LEAST_EVERY = 30.0


class Link(Enum):
    """What is known of the connection."""

    LIVE = "live"
    DOUBT = "doubt"
    SILENT = "silent"


class Sample(NamedTuple):
    """What the kernel says of one TCP connection (struct tcp_info)."""

    unacked: int
    """Segments that were sent and not acknowledged."""
    backoff: int
    """How often the timeout for them has doubled."""
    round_trip: float
    """Smoothed, in seconds."""
    heard_ago: float
    """Seconds since the last acknowledgement or data."""
    direct: bool = True
    """Whether the connection ends at the host, and not at one on the way to it."""


class Silence:
    """One connection's silence; every `now` is in seconds and never goes back."""

    def __init__(self) -> None:
        self.state = Link.LIVE
        self.since: float | None = None
        """When the host was first owed an answer that has not come; None while it owes none."""
        self.look_at: float | None = None
        """When a sample is wanted; None while none is."""
        self._address_gone = False
        self._resumed_at: float | None = None

    @property
    def silent_since(self) -> float | None:
        """Since when, while the host counts as silent."""
        return self.since if self.state is Link.SILENT else None

    def sent(self, now: float, *, look: bool = True) -> None:
        """Something went out; without `look` it is looked after when there is a wakeup anyway."""
        if self.since is None:
            self.since = now
        if look and self.look_at is None:
            self.look_at = now + DOUBT_AFTER

    def heard(self) -> None:
        """A byte came from the host."""
        self._answered()

    def resumed(self, now: float) -> None:
        """This machine slept; something was sent right after, so that the host has to answer."""
        self._resumed_at = self.since = now
        self.look_at = now + RESUMED_WITHIN

    def address(self, now: float, *, gone: bool) -> None:
        """Our end's address has left this machine, or is there again.

        Gone is not dead: the connection lives on and goes on once the address is back.
        """
        self._address_gone = gone
        if gone:
            self.state = Link.SILENT
            self.since = now if self.since is None else self.since
            self.look_at = None
        elif self.state is Link.SILENT:
            self.look_at = now + LOOK_EVERY

    def restart(self) -> None:
        """There is a new connection."""
        self._address_gone = False
        self._answered()

    def sampled(self, sample: Sample | None, now: float) -> None:
        """The kernel's word; None where it has none to give, which proves nothing."""
        if self._address_gone:
            self.look_at = None
        elif sample is None:
            self.look_at = None
            if self.state is Link.LIVE:
                self.since = None
        elif not sample.unacked:
            self._answered()
        else:
            self._unanswered(sample, now)

    def _answered(self) -> None:
        self.state = Link.LIVE
        self.since = self.look_at = self._resumed_at = None

    def _unanswered(self, sample: Sample, now: float) -> None:
        # `heard_ago` alone counts the idle time before the key, `since` the keys answered since.
        heard_at = now - sample.heard_ago
        self.since = now if self.since is None else max(self.since, heard_at)
        age = now - self.since
        if self._is_silent(sample, age):
            self.state = Link.SILENT
        elif self.state is not Link.SILENT or self.since == heard_at:
            doubtful = age >= max(DOUBT_AFTER, DOUBT_ROUND_TRIPS * sample.round_trip)
            self.state = Link.DOUBT if doubtful else Link.LIVE
        self.look_at = now + min(max(LOOK_EVERY, age / 8), LOOK_AT_LEAST_EVERY)

    def _is_silent(self, sample: Sample, age: float) -> bool:
        if sample.backoff >= SILENT_BACKOFF:
            return True
        if self._resumed_at is not None and age >= RESUMED_WITHIN:
            return True
        return age >= SILENT_AFTER and sample.backoff >= SILENT_AFTER_BACKOFF
