"""One held connection: its heartbeat, the next generation of it, and its end.

The rules it keeps:

- only a byte that came back from the host proves that the connection lives;
- a new connection is opened beside the old one: whichever answers first is used, and the old one is
  given up only when the new one stands;
- a login that needs a person is never tried unattended, and one refusal ends the attempts;
- at the end nothing new begins, what runs through the connection may finish, then nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from keepshell.core.link.attempts import Attempts

BEAT_EVERY = 5.0
"""Seconds between two heartbeats."""

DOUBT_AFTER = 1.5
"""Seconds without the echo until the connection is doubtful; never less than 4 round trips."""

SEARCH_AFTER = 3.0
"""Seconds without the echo until a new connection is opened; never less than 8 round trips."""

OPEN_WITHIN = 20.0
"""Seconds that a login without a person gets: one that hangs after it was reached has no end."""

HANGS_AFTER = 2.0
"""Seconds after which an attempt is begun anew when the network comes up."""

ASK_EVERY, ASK_LATER_EVERY, ASK_LATER_AFTER = 1.0, 10.0, 600.0
"""Seconds between two echo requests to a silent host, at first and later, and when that begins."""

_LISTENS_AGAIN = 1.0
"""Seconds after a heartbeat until a change of the network is worth another."""

_LEARNED_AT_ONCE = 0.4
"""Seconds of a round trip that are believed at once; an outage would look like a slow link."""

_ROUND_TRIPS = 4


class State(Enum):
    """What `keepshell status` says of a hold."""

    ALIVE = "alive"
    NO_ANSWER = "no-answer"
    """It does not answer, or is lost; a new connection is being made."""
    NEEDS_YOU = "needs-you"
    """It is lost, and only a person can log in."""
    ENDING = "ending"
    """Its time is over; what runs through it may finish."""
    ENDED = "ended"


@dataclass(frozen=True)
class Beat:
    """Write one byte to a generation's `cat`."""

    generation: int


@dataclass(frozen=True)
class Open:
    """Open a new connection that asks nothing."""

    generation: int


@dataclass(frozen=True)
class Adopt:
    """Use this generation from now on, tunnels too, in the place of the `old` one."""

    generation: int
    old: int | None


@dataclass(frozen=True)
class Finish:
    """Take nothing new into a generation; it ends when what runs through it has ended."""

    generation: int


@dataclass(frozen=True)
class Cut:
    """End a generation at once."""

    generation: int


@dataclass(frozen=True)
class Ask:
    """Send the host an echo request."""


Act = Beat | Open | Adopt | Finish | Cut | Ask


class Keeper:
    """The mind of one hold; every `now` is in seconds and never goes back."""

    def __init__(self, now: float, until: float, random: Callable[[], float]) -> None:
        """Its first connection, generation 1, stands; `until` is when it ends."""
        self.until = until
        self.current: int | None = 1
        """The generation in use; None while there is none."""
        self.silent_since: float | None = None
        """Since when the host owes an answer; None while it answers."""
        self.needs_person = False
        """Whether only a person can log in."""
        self.round_trip = 0.0
        """Seconds; of a link that has become slower, at most twice what it was before."""
        self._attempts = Attempts(random)
        self._opening: int | None = None
        self._opened_at = now
        self._newest = 1
        self._alive = {1}
        self._ending = False
        self._beat_sent_at: float | None = None
        self._beat_at = now + BEAT_EVERY
        self._heard_at = now
        self._probed = False
        self._disturbed = False
        self._route = True
        self._ask_at = now
        self._asked = self._unanswered = False

    @property
    def state(self) -> State:
        if not self._alive and self._ending:
            return State.ENDED
        if self._ending:
            return State.ENDING
        if self.silent_since is None:
            return State.ALIVE
        return State.NEEDS_YOU if self.needs_person and self.current is None else State.NO_ANSWER

    def next_deadline(self) -> float | None:
        """When `tick` has something to do; None for never."""
        return min((at for at, _ in self._timers()), default=None)

    def tick(self, now: float) -> list[Act]:
        """Let every timer act that is due at `now`."""
        due = [action for at, action in self._timers() if at <= now]
        return [act for action in due for act in action(now)]

    def _timers(self) -> Iterator[tuple[float, Callable[[float], list[Act]]]]:
        if self._ending:
            return
        yield self.until, self.release
        if self.current is not None and self._beat_sent_at is None:
            yield self._beat_at, self.beat
        if self._beat_sent_at is not None:
            if self.silent_since is None:
                yield self._beat_sent_at + self._patience(DOUBT_AFTER, 1), self._doubt
            elif not self._probed:
                yield self._beat_sent_at + self._patience(SEARCH_AFTER, 2), self._search
        if self.silent_since is not None and self._route and not self.needs_person:
            yield max(self._ask_at, self.silent_since), self._ask
        if self._attempts.next_at is not None and self._opening is None:
            yield self._attempts.next_at, self._open
        if self._opening is not None:
            yield self._opened_at + OPEN_WITHIN, self._give_up

    def _patience(self, least: float, times: int) -> float:
        return max(least, times * _ROUND_TRIPS * self.round_trip)

    def beat(self, now: float) -> list[Act]:
        """Ask the connection for a sign of life now."""
        if self.current is None or self._beat_sent_at is not None:
            return []
        self._beat_sent_at, self._disturbed = now, False
        return [Beat(self.current)]

    def _doubt(self, _now: float) -> list[Act]:
        self.silent_since = self._beat_sent_at
        return []

    def _search(self, now: float) -> list[Act]:
        self._probed = True
        if not self.needs_person and self._opening is None:
            self._attempts.want(now)
        return []

    def _ask(self, now: float) -> list[Act]:
        since = now if self.silent_since is None else self.silent_since
        self._unanswered |= self._asked
        self._asked = True
        self._ask_at = now + (ASK_EVERY if now - since < ASK_LATER_AFTER else ASK_LATER_EVERY)
        return [Ask()]

    def reachable(self, now: float) -> list[Act]:
        """The host has answered an echo request: news only if it left one before unanswered."""
        news, self._asked, self._unanswered = self._unanswered, False, False
        return self._begin_anew(now) if news and self.silent_since is not None else []

    def _begin_anew(self, now: float) -> list[Act]:
        """Try at once; an attempt from before the network came up may hang."""
        if self._ending or self.needs_person:
            return []
        self._attempts.want(now)
        return self._abandon()

    def _give_up(self, now: float) -> list[Act]:
        self._attempts.failed(now)
        return self._abandon()

    def _open(self, now: float) -> list[Act]:
        self._attempts.started()
        self._opened_at = now
        self._newest += 1
        self._opening = self._newest
        self._alive.add(self._newest)
        return [Open(self._newest)]

    def answered(self, generation: int, now: float) -> list[Act]:
        """A generation's `cat` has sent a byte back, or has begun."""
        if generation == self._opening and not self._ending:
            old, self.current, self._opening = self.current, generation, None
            self._revive(now)
            return [Adopt(generation, old)]
        if generation != self.current or self._ending:
            return []
        if self._beat_sent_at is not None and not self._disturbed:
            growth = 2 if self.silent_since is None else 1  # late answers are of an outage
            longest = max(_LEARNED_AT_ONCE, growth * self.round_trip)
            self.round_trip = min(now - self._beat_sent_at, longest)
        self._revive(now)
        return self._abandon()

    def _revive(self, now: float) -> None:
        self.silent_since = self._beat_sent_at = None
        self._probed = self._asked = self._unanswered = False
        self._heard_at, self._beat_at = now, now + BEAT_EVERY
        self._attempts.stop()

    def _abandon(self) -> list[Act]:
        """End the attempt that is under way."""
        opening, self._opening = self._opening, None
        return [] if opening is None else [Cut(opening)]

    def ended(self, generation: int, now: float, *, needs_person: bool = False) -> list[Act]:
        """A generation's ssh has ended; `needs_person` tells that its login was refused."""
        self._alive.discard(generation)
        if generation == self._opening:
            self._opening = None
            self.needs_person |= needs_person
            if not self.needs_person:
                self._attempts.failed(now)
        elif generation == self.current:
            self.current = self._beat_sent_at = None
            if self.silent_since is None:
                self.silent_since = now
            if not (self._ending or self.needs_person or self._opening is not None):
                self._attempts.want(now)
        return []

    def resumed(self, now: float) -> list[Act]:
        """The machine slept: the connection proves itself at once, or a new one follows soon."""
        self._beat_sent_at, self._probed, self._beat_at = None, False, now
        if self._ending or self.needs_person:
            return []
        self._attempts.resumed(now)
        return self._abandon()

    def network(self, now: float, *, route: bool, came_up: bool) -> list[Act]:
        """This machine's network has changed; `route` tells whether one leads to the host.

        What has come up is tried at once, by a heartbeat where the connection was alive.
        """
        self._attempts.route(route, now)
        self._route, self._disturbed = route, True
        self._asked = self._unanswered = False  # what went unanswered was in another network
        self._ask_at = now + ASK_EVERY
        if not (route and came_up):
            return []
        if self.silent_since is None:
            self._beat_at = min(self._beat_at, max(now, self._heard_at + _LISTENS_AGAIN))
        elif self._opening is not None and now - self._opened_at < HANGS_AFTER:
            self._attempts.failures = 0
        else:
            return self._begin_anew(now)
        return []

    def release(self, _now: float, *, cut: bool = False) -> list[Act]:
        """End the hold: let what runs through it finish, or `cut` it."""
        self._ending = True
        self._attempts.stop()
        acts = self._abandon()
        over = [act.generation for act in acts if isinstance(act, Cut)]
        rest = sorted(self._alive - set(over))
        return [*acts, *(Cut(number) if cut else Finish(number) for number in rest)]
