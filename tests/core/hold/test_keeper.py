"""When a held connection is doubted, made anew and ended: one keeper, and a simulated world."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from keepshell.core.hold.keeper import (
    ASK_LATER_AFTER,
    BEAT_EVERY,
    DOUBT_AFTER,
    HANGS_AFTER,
    OPEN_WITHIN,
    SEARCH_AFTER,
    Act,
    Adopt,
    Ask,
    Beat,
    Cut,
    Finish,
    Keeper,
    Open,
    State,
)
from keepshell.core.link.attempts import AFTER_RESUME

HOUR = 3600.0


def keeper(until: float = HOUR) -> Keeper:
    return Keeper(0.0, until, lambda: 0.5)


def state_of(mind: Keeper) -> State:
    """Read anew each time: mypy takes a property for what it was found to be before."""
    return mind.state


def run(mind: Keeper, until: float) -> list[tuple[float, Act]]:
    """Let every deadline pass up to a time; nothing answers. Echo requests are left out."""
    acts: list[tuple[float, Act]] = []
    while (at := mind.next_deadline()) is not None and at <= until:
        acts += [(at, act) for act in mind.tick(at) if act != Ask()]
    return acts


def tick(mind: Keeper, now: float) -> list[Act]:
    """Without echo requests."""
    return [act for act in mind.tick(now) if act != Ask()]


def next_attempt(mind: Keeper) -> tuple[float, Act]:
    """When the next thing happens that is no echo request, and what."""
    while not (acts := run(mind, mind.next_deadline() or 0.0)):
        pass
    (only,) = acts
    return only


def test_a_heartbeat_that_is_answered_makes_room_for_the_next() -> None:
    mind = keeper()
    assert mind.tick(BEAT_EVERY - 0.1) == []
    assert mind.tick(BEAT_EVERY) == [Beat(1)]
    assert mind.answered(1, BEAT_EVERY + 0.1) == []
    assert state_of(mind) is State.ALIVE
    assert mind.round_trip == pytest.approx(0.1)
    assert mind.next_deadline() == pytest.approx(2 * BEAT_EVERY + 0.1)


def test_a_sign_of_life_can_be_asked_for_but_not_twice_at_a_time() -> None:
    mind = keeper()
    assert mind.beat(1.0) == [Beat(1)]
    assert mind.beat(1.1) == []
    mind.answered(1, 1.2)
    assert mind.beat(1.3) == [Beat(1)]
    mind.ended(1, 1.4)
    assert mind.beat(1.5) == []


def test_a_cat_that_has_begun_is_life_and_no_round_trip() -> None:
    mind = keeper()
    assert mind.answered(1, 2.0) == []
    assert mind.round_trip == 0.0
    assert run(mind, 2.0 + BEAT_EVERY) == [(2.0 + BEAT_EVERY, Beat(1))]


def test_a_silent_connection_is_doubted_and_then_a_new_one_is_opened_beside_it() -> None:
    mind = keeper()
    acts = run(mind, BEAT_EVERY + DOUBT_AFTER)
    assert acts == [(BEAT_EVERY, Beat(1))]
    assert state_of(mind) is State.NO_ANSWER
    assert mind.silent_since == BEAT_EVERY
    assert run(mind, BEAT_EVERY + SEARCH_AFTER) == [(BEAT_EVERY + SEARCH_AFTER, Open(2))]
    assert mind.current == 1


def test_a_black_hole_is_told_within_seven_seconds() -> None:
    assert BEAT_EVERY + DOUBT_AFTER <= 7.0


def test_the_new_connection_is_adopted_when_it_answers_first() -> None:
    mind = keeper()
    run(mind, BEAT_EVERY + SEARCH_AFTER)
    assert mind.answered(2, 9.0) == [Adopt(2, 1)]
    assert (mind.state, mind.current) == (State.ALIVE, 2)
    assert mind.answered(1, 9.1) == []  # the old one woke up: too late
    mind.ended(1, 9.2)
    assert state_of(mind) is State.ALIVE


def test_the_old_connection_wins_when_it_answers_first() -> None:
    mind = keeper()
    run(mind, BEAT_EVERY + SEARCH_AFTER)
    assert mind.answered(1, 9.0) == [Cut(2)]
    assert (mind.state, mind.current) == (State.ALIVE, 1)
    assert mind.answered(2, 9.1) == []
    mind.ended(2, 9.2)
    assert state_of(mind) is State.ALIVE
    assert run(mind, 9.0 + BEAT_EVERY) == [(9.0 + BEAT_EVERY, Beat(1))]


def test_a_slow_link_gets_more_time() -> None:
    mind = keeper()
    for _ in range(3):
        start = mind.next_deadline() or 0.0
        mind.tick(start)
        mind.answered(1, start + 1.0)
    assert mind.round_trip == 1.0
    start = mind.next_deadline() or 0.0
    assert run(mind, start + 3.9) == [(start, Beat(1))]
    assert state_of(mind) is State.ALIVE
    run(mind, start + 4.0)
    assert state_of(mind) is State.NO_ANSWER


def test_an_outage_is_no_slow_link() -> None:
    mind = keeper()
    run(mind, BEAT_EVERY + DOUBT_AFTER)
    mind.answered(1, 7.9)
    start = mind.next_deadline() or 0.0
    run(mind, start + 1.9)
    assert state_of(mind) is State.NO_ANSWER


def test_nor_are_several_in_a_row_without_a_sign_of_the_kernels() -> None:
    mind = keeper()
    for _ in range(5):
        start = mind.next_deadline() or 0.0
        run(mind, start + 1.9)
        assert state_of(mind) is State.NO_ANSWER
        mind.answered(1, start + 2.9)


def test_nor_are_several_in_a_row_that_the_kernel_told_of() -> None:
    mind = keeper()
    for _ in range(5):
        start = mind.next_deadline() or 0.0
        run(mind, start + DOUBT_AFTER)
        mind.network(start + DOUBT_AFTER, route=False, came_up=True)
        mind.network(start + 2.0, route=True, came_up=True)
        mind.answered(1, start + 2.5)
        assert state_of(mind) is State.ALIVE
        assert mind.round_trip == 0.0


def test_a_connection_that_ends_is_replaced_at_once() -> None:
    mind = keeper()
    mind.ended(1, 2.0)
    assert state_of(mind) is State.NO_ANSWER
    assert run(mind, 2.0) == [(2.0, Open(2))]
    assert mind.answered(2, 3.0) == [Adopt(2, None)]


def test_a_login_that_needs_a_person_is_never_tried() -> None:
    mind = keeper()
    mind.needs_person = True
    mind.ended(1, 2.0)
    assert state_of(mind) is State.NEEDS_YOU
    assert [act for _, act in run(mind, HOUR - 1) if isinstance(act, Open)] == []


def test_nor_while_the_connection_is_only_silent() -> None:
    mind = keeper()
    mind.needs_person = True
    assert run(mind, HOUR - 1) == [(BEAT_EVERY, Beat(1))]
    assert state_of(mind) is State.NO_ANSWER
    assert mind.answered(1, HOUR - 1) == []
    assert state_of(mind) is State.ALIVE


def test_one_refusal_ends_the_attempts() -> None:
    mind = keeper()
    mind.ended(1, 2.0)
    run(mind, 2.0)
    mind.ended(2, 3.0, needs_person=True)
    assert state_of(mind) is State.NEEDS_YOU
    assert [act for _, act in run(mind, HOUR - 1) if isinstance(act, Open)] == []


def test_at_the_end_what_runs_through_it_may_finish() -> None:
    mind = keeper(until=4.0)
    assert run(mind, 4.0) == [(4.0, Finish(1))]
    assert state_of(mind) is State.ENDING
    assert mind.next_deadline() is None
    mind.ended(1, 90.0)
    assert state_of(mind) is State.ENDED


def test_a_release_ends_the_attempt_that_is_under_way_too() -> None:
    mind = keeper()
    run(mind, BEAT_EVERY + SEARCH_AFTER)
    assert mind.release(9.0) == [Cut(2), Finish(1)]
    assert mind.answered(2, 9.1) == []
    mind.ended(2, 9.2)
    mind.ended(1, 9.3)
    assert state_of(mind) is State.ENDED


def test_a_release_that_cuts_ends_every_generation() -> None:
    mind = keeper()
    run(mind, BEAT_EVERY + SEARCH_AFTER)
    mind.answered(2, 9.0)
    assert mind.release(9.1, cut=True) == [Cut(1), Cut(2)]


def test_after_a_resume_the_connection_must_prove_itself_at_once() -> None:
    mind = keeper()
    mind.resumed(1.0)
    assert mind.tick(1.0) == [Beat(1)]


def test_after_a_resume_a_lost_connection_is_tried_without_the_rest_of_the_pause() -> None:
    mind = keeper()
    mind.ended(1, 2.0)
    for generation in range(2, 8):
        last = next_attempt(mind)
        assert last[1] == Open(generation)
        mind.ended(generation, last[0])
    now = last[0] + 1.0
    assert mind.resumed(now) == []
    assert run(mind, now + AFTER_RESUME) == [(now + AFTER_RESUME, Open(8))]


def test_after_a_resume_a_new_connection_follows_soon_unless_the_old_one_answers() -> None:
    mind = keeper()
    mind.tick(BEAT_EVERY)  # and the machine sleeps before the echo
    assert mind.resumed(100.0) == []
    assert run(mind, 100.0 + AFTER_RESUME) == [(100.0, Beat(1)), (100.0 + AFTER_RESUME, Open(2))]
    mind = keeper()
    mind.resumed(100.0)
    mind.tick(100.0)
    mind.answered(1, 100.1)
    assert Open(2) not in [act for _, act in run(mind, 100.1 + BEAT_EVERY)]


def test_an_attempt_from_before_the_sleep_is_begun_anew() -> None:
    mind = keeper()
    run(mind, BEAT_EVERY + SEARCH_AFTER)
    assert mind.resumed(100.0) == [Cut(2)]
    assert (100.0 + AFTER_RESUME, Open(3)) in run(mind, 100.0 + AFTER_RESUME)


def test_a_resume_logs_in_nowhere_where_a_person_is_needed() -> None:
    mind = keeper()
    mind.needs_person = True
    mind.resumed(100.0)
    assert [act for _, act in run(mind, HOUR - 1) if isinstance(act, Open)] == []


class TestNetwork:
    def lost(self) -> Keeper:
        """The link is down: the host is silent, and no route leads to it."""
        mind = keeper()
        mind.network(1.0, route=False, came_up=False)
        assert run(mind, HOUR / 2) == [(BEAT_EVERY, Beat(1))]
        return mind

    def test_no_attempt_is_made_while_there_is_no_route(self) -> None:
        assert state_of(self.lost()) is State.NO_ANSWER

    def test_a_route_that_comes_up_is_tried_at_once(self) -> None:
        mind = self.lost()
        assert mind.network(2000.0, route=True, came_up=True) == []
        assert tick(mind, 2000.0) == [Open(2)]

    def test_so_is_an_address_although_there_was_a_route(self) -> None:
        mind = keeper()
        mind.ended(1, 2.0)
        at, generation = 2.0, 2
        while at < 60.0:
            at, act = next_attempt(mind)
            assert act == Open(generation)
            mind.ended(generation, at)
            generation += 1
        mind.network(at + 1.0, route=True, came_up=True)
        assert tick(mind, at + 1.0) == [Open(generation)]

    def test_an_attempt_that_hangs_since_before_is_begun_anew(self) -> None:
        mind = keeper()
        run(mind, BEAT_EVERY + SEARCH_AFTER)
        now = BEAT_EVERY + SEARCH_AFTER + HANGS_AFTER
        assert mind.network(now, route=True, came_up=True) == [Cut(2)]
        assert tick(mind, now) == [Open(3)]

    def test_a_young_one_goes_on_and_the_next_one_follows_soon(self) -> None:
        mind = keeper()
        mind.ended(1, 1.0)
        for generation in range(2, 7):
            at, act = next_attempt(mind)
            assert act == Open(generation)
            if generation < 6:
                mind.ended(generation, at)
        assert mind.network(at + 0.5, route=True, came_up=True) == []
        mind.ended(6, at + 0.6)
        assert run(mind, at + 1.6) == [(at + 1.6, Open(7))]

    def test_a_connection_that_lives_proves_itself_but_not_at_every_change(self) -> None:
        mind = keeper()
        mind.tick(BEAT_EVERY)
        mind.answered(1, 5.1)
        mind.network(5.2, route=True, came_up=True)
        assert mind.next_deadline() == pytest.approx(6.1)
        mind.network(5.3, route=True, came_up=True)
        assert mind.next_deadline() == pytest.approx(6.1)
        mind.tick(6.1)
        mind.answered(1, 6.2)
        mind.network(9.0, route=True, came_up=True)
        assert mind.tick(9.0) == [Beat(1)]

    def test_what_only_goes_is_no_reason_to_ask(self) -> None:
        mind = keeper()
        mind.network(2.0, route=True, came_up=False)
        assert mind.tick(2.0) == []

    def test_nothing_is_tried_where_a_person_is_needed(self) -> None:
        mind = keeper()
        mind.needs_person = True
        mind.ended(1, 2.0)
        mind.network(3.0, route=True, came_up=True)
        assert run(mind, HOUR - 1) == []

    def test_there_is_one_attempt_at_a_time(self) -> None:
        """A change of the network right before the silence is long enough for an attempt."""
        mind = keeper()
        run(mind, BEAT_EVERY + DOUBT_AFTER)
        mind.network(BEAT_EVERY + DOUBT_AFTER, route=True, came_up=True)
        acts = run(mind, BEAT_EVERY + DOUBT_AFTER + OPEN_WITHIN - 1)
        assert acts == [(BEAT_EVERY + DOUBT_AFTER, Open(2))]


class TestEchoes:
    def asked(self, mind: Keeper, until: float) -> list[float]:
        """When the host was asked."""
        times, now = [], 0.0
        while (at := mind.next_deadline()) is not None and at <= until:
            now = max(now, at)
            times += [now for act in mind.tick(now) if act == Ask()]
        return times

    def test_a_silent_host_is_asked_every_second_and_later_less(self) -> None:
        mind = keeper()
        first = BEAT_EVERY + DOUBT_AFTER
        assert self.asked(mind, first + 2.5) == [first, first + 1.0, first + 2.0]
        assert len(self.asked(mind, first + ASK_LATER_AFTER)) <= ASK_LATER_AFTER
        assert len(self.asked(mind, first + ASK_LATER_AFTER + 100)) <= 11

    def test_one_that_answers_after_it_did_not_is_tried_at_once(self) -> None:
        mind = keeper()
        run(mind, BEAT_EVERY + SEARCH_AFTER)
        assert mind.reachable(20.0) == [Cut(2)]
        assert tick(mind, 20.0) == [Open(3)]

    def test_one_that_always_answered_is_no_news(self) -> None:
        """Only its sshd is gone: the attempts follow their pauses."""
        mind = keeper()
        mind.ended(1, 2.0)
        for _ in range(5):
            at = self.asked(mind, (mind.next_deadline() or 0.0))
            if at:
                assert mind.reachable(at[0] + 0.01) == []

    def test_nobody_is_asked_without_a_route_or_where_a_person_is_needed(self) -> None:
        mind = keeper()
        mind.network(1.0, route=False, came_up=False)
        assert self.asked(mind, HOUR / 2) == []
        mind = keeper()
        mind.needs_person = True
        assert self.asked(mind, HOUR / 2) == []

    def test_nor_after_a_change_of_the_network(self) -> None:
        """The attempt that this began is not begun anew by an echo."""
        mind = keeper()
        run(mind, BEAT_EVERY + DOUBT_AFTER + 1.0)
        mind.network(20.0, route=True, came_up=True)
        assert tick(mind, 20.0) == [Open(2)]
        mind.tick(20.0 + 1.0)
        assert mind.reachable(21.1) == []

    def test_an_answer_changes_nothing_where_a_person_is_needed(self) -> None:
        mind = keeper()
        run(mind, BEAT_EVERY + DOUBT_AFTER + 2.0)
        mind.needs_person = True
        assert mind.reachable(20.0) == []


def test_the_end_can_be_moved() -> None:
    mind = keeper(until=4.0)
    mind.until = 10.0
    assert Finish(1) not in [act for _, act in run(mind, 9.9)]
    assert Finish(1) in [act for _, act in run(mind, 10.0)]


def test_a_login_that_hangs_is_given_up_and_tried_again() -> None:
    mind = keeper()
    mind.ended(1, 2.0)
    assert [act for _, act in run(mind, 2.0 + OPEN_WITHIN)] == [Open(2), Cut(2)]
    mind.ended(2, 2.1 + OPEN_WITHIN)
    assert Open(3) in [act for _, act in run(mind, 4.0 + OPEN_WITHIN)]


@dataclass
class World:
    """A network that comes and goes; connections die or hang, logins take a while."""

    random: random.Random
    up: bool = True
    alive: set[int] = field(default_factory=lambda: {1})
    hung: set[int] = field(default_factory=set)
    pending: list[tuple[float, str, int]] = field(default_factory=list)
    most: int = 1

    def perform(self, acts: list[Act], now: float) -> None:
        for act in acts:
            if isinstance(act, Beat):
                if self.up and act.generation not in self.hung:
                    self.pending.append((now + 0.05, "answer", act.generation))
            elif isinstance(act, Open):
                self.alive.add(act.generation)
                kind = "answer" if self.up else "end"
                self.pending.append((now + self.random.uniform(0.2, 1.0), kind, act.generation))
            elif isinstance(act, Ask):
                if self.up:
                    self.pending.append((now + 0.05, "echo", 0))
            elif isinstance(act, Adopt):
                if act.old is not None:
                    self.pending.append((now + 0.1, "end", act.old))
            else:
                self.pending.append((now + 0.1, "end", act.generation))
        self.most = max(self.most, len(self.alive))

    def flap(self, mind: Keeper, now: float) -> None:
        """The network goes or comes; what it was carrying may hang for ever, or die."""
        self.up = not self.up
        if not self.up:
            for generation in list(self.alive):
                if self.random.random() < 0.5:
                    self.hung.add(generation)
                elif self.random.random() < 0.5:
                    self.pending.append((now + self.random.uniform(0, 5), "end", generation))


@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_flaps_leave_one_connection_and_nothing_else(seed: int) -> None:
    world = World(random.Random(seed))
    mind = Keeper(0.0, 1e9, world.random.random)
    now = 0.0
    flaps = sorted(world.random.uniform(1, 4000) for _ in range(200))
    while flaps or not world.up or mind.state is not State.ALIVE or world.pending:
        times = [at for at, _, _ in world.pending] + flaps[:1]
        if (deadline := mind.next_deadline()) is not None:
            times.append(deadline)
        now = max(now, min(times))
        if flaps and flaps[0] <= now:
            flaps.pop(0)
            world.flap(mind, now)
        elif not flaps and not world.up:
            world.flap(mind, now)
        for event in sorted(event for event in world.pending if event[0] <= now):
            world.pending.remove(event)
            _, kind, generation = event
            if kind == "echo":
                world.perform(mind.reachable(now), now)
            if generation not in world.alive:
                continue
            if kind == "end":
                world.alive.discard(generation)
                world.perform(mind.ended(generation, now), now)
            elif world.up and generation not in world.hung:
                world.perform(mind.answered(generation, now), now)
        world.perform(mind.tick(now), now)
        assert now < 1e6
    assert world.alive == {mind.current}
    assert world.most <= 4
