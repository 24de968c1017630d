"""From a silent host back to the same shell: what is tried, when, and when only the user can.

The rules it keeps:

- the old connection is given up only when the new one has the shell: whichever answers first wins;
- a login that needs a person is never tried unattended, and one refusal ends the attempts;
- nothing but the host's word or the user's ends a session that may come back.
"""

from __future__ import annotations

from enum import Enum

from keepshell.core.link.attempts import Attempts
from keepshell.core.link.silence import Link, Sample, Silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class State(Enum):
    """Where one kept session is."""

    LIVE = "live"
    DOUBT = "doubt"
    SILENT = "silent"
    SEARCH = "search"
    NEEDS_YOU = "needs-you"
    GONE = "gone"
    GIVEN_UP = "given-up"


OVER = frozenset((State.GONE, State.GIVEN_UP))


class Do(Enum):
    """What the edge is to do."""

    NUDGE = "nudge"
    """Send something that the host's TCP must acknowledge."""
    TRY = "try"
    """Open a new connection that asks nothing (BatchMode)."""
    TRY_ATTENDED = "try-attended"
    """Open one that may ask, on the user's screen."""
    ABANDON = "abandon"
    """End the attempt that is under way."""


class Failure(Enum):
    """Why an attempt has failed."""

    NETWORK = "network"
    """Not reached, or cut on the way: worth another attempt."""
    REFUSED = "refused"
    """The login needs a person, or is not granted."""
    HOST_KEY = "host-key"
    """The host's key is another, or unknown."""
    GONE = "gone"
    """The host is reached, and the shell is no longer there."""


_FOR_A_PERSON = (Failure.REFUSED, Failure.HOST_KEY)


class Recovery:
    """One kept session; every `now` is in seconds and never goes back."""

    def __init__(self, random: Callable[[], float], *, needs_person: bool = False) -> None:
        self.silence = Silence()
        self.attempts = Attempts(random)
        self.lost_at: float | None = None
        """When the connection ended; None while it may still answer."""
        self.failure: Failure | None = None
        """Why the last attempt failed, until the next one succeeds."""
        self.trying = False
        self.reached = False
        """Whether the host has shown itself since the last attempt."""
        self.needs_person = needs_person
        """Whether only a person can log in: nothing is tried unattended then."""
        self._committed = False
        self._over: State | None = None
        self._was_away = False

    @property
    def state(self) -> State:
        if self._over is not None:
            return self._over
        if not self.away:
            return State.DOUBT if self.silence.state is Link.DOUBT else State.LIVE
        if self.trying or self.attempts.next_at is not None:
            return State.SEARCH
        return State.NEEDS_YOU if self.needs_person else State.SILENT

    @property
    def away(self) -> bool:
        """Whether the shell is out of reach for now, and keys are held."""
        lost = self.lost_at is not None or self._committed
        return self._over is None and (lost or self.silence.state is Link.SILENT)

    @property
    def away_since(self) -> float | None:
        """Since when the host owes an answer, or when the connection ended, if that was earlier."""
        times = [at for at in (self.silence.since, self.lost_at) if at is not None]
        return min(times, default=None)

    def away_for(self, now: float) -> float:
        """How many seconds that is."""
        since = self.away_since
        return 0.0 if since is None else now - since

    def next_deadline(self) -> float | None:
        """When `tick` has something to do; None for never."""
        return self.attempts.next_at

    def tick(self, now: float) -> list[Do]:
        """What is due at `now`."""
        at = self.attempts.next_at
        return self._try() if at is not None and at <= now else []

    def heard(self, now: float) -> list[Do]:
        """A byte came on the old connection."""
        self.silence.heard()
        return self._follow(now)

    def sampled(self, sample: Sample | None, now: float) -> list[Do]:
        """The kernel's word on the old connection; None where it has none to give."""
        self.silence.sampled(sample, now)
        return self._follow(now)

    def resumed(self, now: float) -> list[Do]:
        """The machine slept: the old connection is put to the test, a new one follows."""
        if self.away:
            if self._may_try():
                self.attempts.resumed(now)
            return []
        self.silence.resumed(now)
        return [Do.NUDGE]

    def network(self, now: float, *, address_gone: bool, route: bool, came_up: bool) -> list[Do]:
        """The network of this machine has changed."""
        if self.lost_at is None:
            self.silence.address(now, gone=address_gone)
        self.attempts.route(route, now)
        done = self._follow(now)
        if came_up and route and self.away and self._may_try():
            self.attempts.want(now)
        return done

    def reachable(self) -> list[Do]:
        """The host can be reached again after it could not: what hangs is begun anew."""
        self.reached = True
        if not self.away or self._committed or self.needs_person:
            return []
        abandoned = [Do.ABANDON] if self.trying else []
        return [*abandoned, *self._try()]

    def lost(self, now: float) -> list[Do]:
        """The old connection has ended, and the shell was not the reason."""
        self.lost_at = now
        self.silence.look_at = None
        return self._follow(now)

    def committed(self) -> None:
        """The attempt is logged in and has asked for the shell: the old one can't win any more."""
        self._committed = True

    def reattached(self, *, unasked: bool = False) -> None:
        """The attempt has the shell: from now on it is the connection.

        `unasked`: its login asked nobody anything, so the next one need not wait for the user.
        """
        self.needs_person = self.needs_person and not unasked
        self.silence.restart()
        self.attempts.stop()
        self.failure = self.lost_at = None
        self.trying = self.reached = self._committed = self._was_away = False

    def failed(self, failure: Failure, now: float) -> list[Do]:
        """The attempt has ended without the shell."""
        self.trying = self.reached = self._committed = False
        self.failure = failure
        if failure is Failure.GONE:
            self._over = State.GONE
        elif failure in _FOR_A_PERSON:
            self.needs_person = True
        elif self._may_try():
            self.attempts.failed(now)
        return self._follow(now)

    def enter(self) -> list[Do]:
        """The user wants an attempt now."""
        if not self.away or self._committed:
            return []
        if not self.needs_person:
            if self.trying:
                return []
            self.attempts.failures = 0
            return self._try()  # even without a route: the user may know of one
        abandoned = [Do.ABANDON] if self.trying else []
        self.trying = True
        return [*abandoned, Do.TRY_ATTENDED]

    def give_up(self) -> list[Do]:
        """The user leaves."""
        self._over = State.GIVEN_UP
        return self._abandoned()

    def _may_try(self) -> bool:
        return not (self.trying or self.needs_person or self._over)

    def _follow(self, now: float) -> list[Do]:
        """What a change of `away` brings with it."""
        was_away, self._was_away = self._was_away, self.away
        if self._was_away and not was_away and self._may_try():
            self.attempts.want(now)
        if self._was_away or not was_away:
            return []
        return self._abandoned()

    def _abandoned(self) -> list[Do]:
        self.attempts.stop()
        done = [Do.ABANDON] if self.trying else []
        self.trying = self._committed = False
        return done

    def _try(self) -> list[Do]:
        self.attempts.started()
        self.trying = True
        return [Do.TRY]
