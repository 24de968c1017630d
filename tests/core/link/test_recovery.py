"""From a silent host back to the shell: a state machine's rules, and a thousand random outages."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keepshell.core.link.recovery import OVER, Do, Failure, Recovery, State
from keepshell.core.link.silence import Sample

ACKNOWLEDGED = Sample(0, 0, 0.05, 0.0)
SILENT = Sample(1, 3, 0.05, 100.0)


def silent(**options: bool) -> Recovery:
    """Somebody typed, and the kernel waits in vain."""
    recovery = Recovery(lambda: 0.5, **options)
    recovery.silence.sent(0.0)
    assert recovery.sampled(SILENT, 1.5) == []
    return recovery


def test_doubt_shows_and_starts_nothing() -> None:
    recovery = Recovery(lambda: 0.5)
    recovery.silence.sent(0.0)
    recovery.sampled(Sample(1, 1, 0.05, 100.0), 1.5)
    assert recovery.state is State.DOUBT
    assert not recovery.away
    assert recovery.tick(1.9) == []


def test_a_silent_host_is_searched_at_once() -> None:
    recovery = silent()
    assert recovery.state is State.SEARCH
    assert recovery.away_since == 0.0
    assert recovery.tick(1.5) == [Do.TRY]
    assert recovery.trying


def test_the_old_connection_answers_first() -> None:
    recovery = silent()
    recovery.tick(1.5)
    assert recovery.heard(2.0) == [Do.ABANDON]
    assert (recovery.state, recovery.trying) == (State.LIVE, False)
    assert recovery.next_deadline() is None


def test_the_old_connection_answers_between_two_attempts() -> None:
    recovery = silent()
    recovery.tick(1.5)
    assert recovery.failed(Failure.NETWORK, 9.5) == []
    assert recovery.sampled(ACKNOWLEDGED, 10.0) == []
    assert recovery.state is State.LIVE
    assert recovery.next_deadline() is None


def test_the_new_connection_wins_once_it_has_asked_for_the_shell() -> None:
    recovery = silent()
    recovery.tick(1.5)
    recovery.committed()
    assert recovery.heard(2.0) == []
    assert recovery.away
    recovery.reattached()
    assert recovery.state is State.LIVE
    assert recovery.next_deadline() is None


def test_an_end_that_was_the_takeovers_loses_nothing() -> None:
    """The holder let go of the old connection, and the new one was cut before its header came."""
    recovery = silent()
    recovery.tick(1.5)
    recovery.committed()
    assert recovery.lost(3.0) == []
    assert recovery.failed(Failure.NETWORK, 3.1) == []
    assert recovery.state is State.SEARCH
    assert recovery.next_deadline() == pytest.approx(4.1)


def test_a_connection_that_ends_is_searched_at_once() -> None:
    recovery = Recovery(lambda: 0.5)
    recovery.lost(50.0)
    assert recovery.state is State.SEARCH
    assert recovery.away_since == 50.0
    assert recovery.tick(50.0) == [Do.TRY]


def test_a_login_that_needed_a_person_is_left_to_the_person() -> None:
    recovery = silent(needs_person=True)
    assert recovery.state is State.NEEDS_YOU
    assert recovery.enter() == [Do.TRY_ATTENDED]
    recovery.failed(Failure.NETWORK, 30.0)
    assert recovery.state is State.NEEDS_YOU
    assert recovery.enter() == [Do.TRY_ATTENDED]
    recovery.reattached()
    assert not recovery.away


@pytest.mark.parametrize("failure", [Failure.REFUSED, Failure.HOST_KEY])
def test_one_refusal_ends_the_attempts(failure: Failure) -> None:
    recovery = silent()
    recovery.tick(1.5)
    recovery.failed(failure, 2.0)
    assert (recovery.state, recovery.failure) == (State.NEEDS_YOU, failure)
    recovery.resumed(100.0)
    recovery.network(200.0, address_gone=False, route=True, came_up=True)
    assert recovery.attempts.next_at is None
    assert recovery.enter() == [Do.TRY_ATTENDED]


def test_a_shell_that_is_gone_ends_it() -> None:
    recovery = silent()
    recovery.tick(1.5)
    recovery.failed(Failure.GONE, 2.0)
    assert recovery.state is State.GONE
    assert recovery.next_deadline() is None


def test_the_user_leaves() -> None:
    recovery = silent()
    recovery.tick(1.5)
    assert recovery.give_up() == [Do.ABANDON]
    assert recovery.state is State.GIVEN_UP
    assert recovery.next_deadline() is None


def test_enter_tries_now() -> None:
    recovery = silent()
    recovery.tick(1.5)
    assert recovery.enter() == []  # one is under way
    recovery.failed(Failure.NETWORK, 3.0)
    assert recovery.enter() == [Do.TRY]
    recovery.committed()
    assert recovery.enter() == []


def test_an_address_that_goes_and_comes_back_tries_at_once() -> None:
    recovery = Recovery(lambda: 0.5)
    recovery.network(10.0, address_gone=True, route=False, came_up=False)
    assert recovery.state is State.SILENT
    assert recovery.next_deadline() is None
    recovery.network(500.0, address_gone=True, route=True, came_up=True)
    assert recovery.tick(500.0) == [Do.TRY]


def test_a_resume_tests_the_connection_and_then_searches() -> None:
    recovery = Recovery(lambda: 0.5)
    assert recovery.resumed(1000.0) == [Do.NUDGE]
    assert recovery.silence.look_at == 1002.0
    recovery.sampled(Sample(1, 1, 0.05, 100.0), 1002.0)
    assert recovery.state is State.SEARCH
    recovery.tick(1002.0)
    recovery.failed(Failure.NETWORK, 1010.0)
    assert recovery.resumed(2000.0) == []
    assert recovery.attempts.next_at == 2001.0


def test_a_session_that_waits_for_nothing_wants_no_wakeup() -> None:
    recovery = Recovery(lambda: 0.5)
    assert recovery.next_deadline() is None
    recovery.silence.sent(1.0)
    recovery.heard(1.1)
    assert recovery.next_deadline() is None


class AnyOrder(RuleBasedStateMachine):
    """Whatever comes in whatever order, the promises hold."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.recovery: Recovery = Recovery(lambda: 0.5)
        self.person = False
        self.attended = False
        self.quit = self.gone = False

    def perform(self, todo: list[Do]) -> None:
        for do in todo:
            if do is Do.TRY:
                assert not self.person, "an unattended attempt with a human factor"
                assert self.recovery.trying
                self.attended = False
            if do is Do.TRY_ATTENDED:
                self.attended = True

    @rule(seconds=st.floats(0.0, 100.0))
    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(200):
            deadline = self.recovery.next_deadline()
            if deadline is None or deadline > end:
                break
            self.now = max(self.now, deadline)
            self.perform(self.recovery.tick(self.now))
            assert self.recovery.next_deadline() != deadline, "one deadline, twice"
        self.now = end

    @rule()
    def key(self) -> None:
        self.recovery.silence.sent(self.now)

    @precondition(lambda self: self.recovery.lost_at is None)
    @rule()
    def byte(self) -> None:
        self.perform(self.recovery.heard(self.now))

    @precondition(lambda self: self.recovery.lost_at is None)
    @rule(
        unacked=st.integers(0, 2),
        backoff=st.integers(0, 5),
        round_trip=st.floats(0.0, 1.0),
        heard_ago=st.floats(0.0, 50.0),
    )
    def look(self, **found: float) -> None:
        self.perform(self.recovery.sampled(Sample(**found), self.now))  # type: ignore[arg-type]

    @rule()
    def resume(self) -> None:
        self.now += 3600.0
        self.perform(self.recovery.resumed(self.now))

    @rule(address_gone=st.booleans(), route=st.booleans(), came_up=st.booleans())
    def network(self, **change: bool) -> None:
        self.perform(self.recovery.network(self.now, **change))

    @precondition(lambda self: self.recovery.lost_at is None)
    @rule()
    def lost(self) -> None:
        self.perform(self.recovery.lost(self.now))

    @precondition(lambda self: self.recovery.trying)
    @rule()
    def commit(self) -> None:
        self.recovery.committed()

    @precondition(lambda self: self.recovery.trying)
    @rule(failure=st.sampled_from([*Failure][:3]))
    def fail(self, failure: Failure) -> None:
        self.person |= failure is not Failure.NETWORK
        self.perform(self.recovery.failed(failure, self.now))

    @precondition(lambda self: self.recovery.trying)
    @rule()
    def reattach(self) -> None:
        self.recovery.reattached()
        assert self.recovery.state is State.LIVE

    @rule()
    def enter(self) -> None:
        self.perform(self.recovery.enter())

    @invariant()
    def only_the_user_or_the_host_ends_it(self) -> None:
        assert self.recovery.state not in OVER

    @invariant()
    def somebody_goes_on(self) -> None:
        """Who is away waits for an attempt, a route, the user, or the old connection."""
        recovery = self.recovery
        if recovery.away:
            assert recovery.state in (State.SILENT, State.SEARCH, State.NEEDS_YOU)
            assert recovery.away_since is not None or recovery.trying
        if recovery.state is State.SILENT:
            assert not recovery.attempts._route


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@dataclass
class Outage:
    """One link with one outage, TCP's timers, a user who types, and a host that keeps the shell."""

    chance: random.Random
    round_trip: float = 0.0
    begins: float = 0.0
    ends: float = 0.0
    old_dies: bool = False
    old_wakes: float = 0.0
    told_at: float | None = None
    first_key: float | None = None
    unacked_since: float | None = None
    attempt_ends: float | None = None
    dead: bool = False
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.round_trip = self.chance.uniform(0.001, 0.4)
        self.begins = self.chance.uniform(1, 30)
        self.ends = self.begins + self.chance.expovariate(1 / 60)
        self.old_dies = self.chance.random() < 0.5 and self.ends > self.begins + 20
        self.timeout = max(0.2, 2 * self.round_trip)

    def is_up(self, now: float) -> bool:
        return not self.begins <= now < self.ends

    def backoff(self, now: float) -> int:
        """How often the timeout has doubled for what waits since `unacked_since`."""
        assert self.unacked_since is not None
        age, timeout, times = now - self.unacked_since, self.timeout, 0
        while age >= timeout:
            age, timeout, times = age - timeout, timeout * 2, times + 1
        return times

    def retransmitted(self) -> float:
        """When the first retransmission after the outage is answered."""
        assert self.unacked_since is not None
        at, timeout = self.unacked_since, self.timeout
        while at < self.ends:
            at, timeout = at + timeout, min(timeout * 2, 120.0)
        return at + self.round_trip

    def sample(self, now: float) -> Sample:
        if self.unacked_since is None:
            return Sample(0, 0, self.round_trip, 0.0)
        return Sample(1, self.backoff(now), self.round_trip, now - self.unacked_since)

    def run(self, recovery: Recovery) -> float:
        """Play it until the shell is back; how long after the link's return that was."""
        now, next_key = 0.0, self.chance.uniform(0, 5)
        while now < self.ends + 1000:
            times = [next_key, recovery.next_deadline(), self.attempt_ends]
            times.append(recovery.silence.look_at)
            if self.unacked_since is not None and not self.dead:
                times.append(self.retransmitted())
            if self.old_dies and not self.dead:
                times.append(self.begins + 20)
            now = max(now, min(at for at in times if at is not None))
            self.step(recovery, now)
            if now >= next_key:
                self.key(recovery, now)
                next_key = now + self.chance.expovariate(1 / 4)
            if recovery.away and self.told_at is None:
                self.told_at = now
            if now > self.ends and not recovery.away and self.unacked_since is None:
                return now - self.ends
        raise AssertionError(f"not back: {recovery.state} {self}")

    def step(self, recovery: Recovery, now: float) -> None:
        assert recovery.state not in OVER
        if self.old_dies and not self.dead and now >= self.begins + 20:
            self.dead, self.unacked_since = True, None
            recovery.lost(now)
        if self.unacked_since is not None and not self.dead and now >= self.retransmitted():
            self.unacked_since = None
            self.do(recovery, recovery.heard(now), now)
        if self.attempt_ends is not None and now >= self.attempt_ends:
            self.attempt_ended(recovery, now)
        look_at = recovery.silence.look_at
        if look_at is not None and now >= look_at:
            self.do(recovery, recovery.sampled(self.sample(now), now), now)
        self.do(recovery, recovery.tick(now), now)

    def key(self, recovery: Recovery, now: float) -> None:
        if recovery.away or self.dead:
            return
        recovery.silence.sent(now)
        if not self.is_up(now):
            self.unacked_since = now if self.unacked_since is None else self.unacked_since
            self.first_key = self.unacked_since
        elif self.unacked_since is None:
            recovery.heard(now)

    def do(self, recovery: Recovery, todo: list[Do], now: float) -> None:
        for do in todo:
            if do is Do.TRY:
                assert self.attempt_ends is None
                self.attempt_ends = now + (15 * self.round_trip if self.is_up(now) else 8.0)
                self.began = now
            elif do is Do.ABANDON:
                self.attempt_ends = None

    def attempt_ended(self, recovery: Recovery, now: float) -> None:
        self.attempt_ends = None
        if self.is_up(self.began) and self.is_up(now):
            self.unacked_since, self.dead, self.old_dies = None, False, False
            recovery.reattached()
        else:
            self.do(recovery, recovery.failed(Failure.NETWORK, now), now)


def test_no_outage_of_a_thousand_is_ended_by_us() -> None:
    """Each comes back by itself; the user is told in time, and is back long before plain TCP."""
    told, back, plain = [], [], []
    for seed in range(1000):
        chance = random.Random(seed)
        outage = Outage(chance)
        back.append(outage.run(Recovery(chance.random)))
        if outage.told_at is not None and outage.first_key is not None and not outage.dead:
            told.append(outage.told_at - outage.first_key)
        if outage.first_key is not None:
            outage.unacked_since = outage.first_key
            plain.append(outage.retransmitted() - outage.ends)
    assert len(told) > 300
    assert max(told) <= 7.0
    # An attempt that began before the return must first time out, and then comes a pause.
    assert max(back) <= 8.0 + 72.0 + 15 * 0.4
    assert sorted(back)[500] < sorted(plain)[len(plain) // 2]
