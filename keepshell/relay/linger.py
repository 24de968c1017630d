"""How long a pty is still listened to when its child has ended and another program holds it open.

A ControlPersist master with -v does that, say: a moment of silence counts as the end.
"""

from __future__ import annotations

QUIET = 0.25
AT_MOST = 5.0
"""Seconds of silence that are the end, and seconds after which no more is waited for."""


class Linger:
    """The time from the child's end to the relay's; times are the clock's seconds."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._stalled_until = 0.0

    @property
    def begun(self) -> bool:
        """Whether the child has ended."""
        return self._since is not None

    def begin(self, now: float) -> None:
        """The child has ended; only the first call counts."""
        if self._since is None:
            self._since = now

    def stalled(self, since: float, now: float) -> None:
        """The user's terminal took nothing: nothing was read, so that time says nothing."""
        self._stalled_until = now
        if self._since is not None:
            self._since += now - since

    def until(self, output_at: float | None) -> float:
        """When it is over if no more comes; `output_at` is when the pty was last heard."""
        assert self._since is not None
        quiet_since = max(self._since, self._stalled_until, output_at or 0.0)
        return min(quiet_since + QUIET, self._since + AT_MOST)
