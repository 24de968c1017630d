"""How long each side has been quiet, given the times others tell us."""

from __future__ import annotations

from collections import deque

READS_KEPT = 8


class IdleClock:
    """Remembers when the user, the host and keepshell last spoke; all times in seconds.

    An injected byte or a nudge is `sent_at`, never `user_at`: it must not count as the user's.
    """

    def __init__(self, now: float) -> None:
        self.started_at = now
        self.user_at: float | None = None
        self.output_at: float | None = None
        self.sent_at: float | None = None
        self.sent_gap: float | None = None
        """How long nothing had gone out, no key and no keepalive, before the last that did."""
        self._reads: deque[tuple[float, int]] = deque(maxlen=READS_KEPT)

    def user(self, now: float) -> None:
        """The user typed."""
        self.sent_gap = now - self.quiet_since()
        self.user_at = now

    def sent(self, now: float) -> None:
        """A keepalive of ours went out."""
        self.sent_gap = now - self.quiet_since()
        self.sent_at = now

    def output(self, now: float, size: int) -> None:
        """The host, or ssh itself, printed `size` bytes."""
        self.output_at = now
        self._reads.append((now, size))

    def quiet_since(self) -> float:
        """When the client last sent anything of its own accord: the user, or a keepalive."""
        times = (self.started_at, self.user_at, self.sent_at)
        return max(time for time in times if time is not None)

    def reads(self, now: float) -> tuple[tuple[float, int], ...]:
        """The last reads of output as (seconds ago, bytes), oldest first."""
        return tuple((now - at, size) for at, size in self._reads)

    @staticmethod
    def since(time: float | None, now: float) -> float | None:
        """Seconds from `time` to `now`; None for what never happened."""
        return None if time is None else max(0.0, now - time)
