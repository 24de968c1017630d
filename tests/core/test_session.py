"""The session's timers and effects, with numbers for the time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.effects import (
    AskHold,
    Effect,
    LinkChanged,
    Look,
    Note,
    Notify,
    Nudge,
    Phase,
    Suspend,
    ToHost,
    ToUser,
)
from keepshell.core.link.silence import DOUBT_AFTER, Sample, Silence
from keepshell.core.rules.kinds import KINDS, PROBE, Rule
from keepshell.core.rules.plan import plan_for
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.core.session import (
    HOLD_NOTICE,
    SUSPEND_NOTICE,
    SUSPEND_UNSEEN_AFTER,
    SUSPEND_WITHIN,
    TAIL_SIZE,
    Session,
)
from keepshell.core.titles import Titles

START = 1000.0
EVERY = 60.0


def make(rung: Rung = Rung.WINDOW_CHANGE, *, notice_shown: bool = True) -> Session:
    policy = Policy(rung=rung, window_change_interval=EVERY)
    return Session(policy, START, notice_shown=notice_shown)


def tick(session: Session, now: float) -> list[Effect]:
    return session.tick(now, Phase.IN_SESSION)


NUDGED: list[Effect] = [Nudge(), Note("nudge-sent")]


def test_bytes_pass_through_as_they_came() -> None:
    session = make()
    assert session.user_input(b"\x00\xff~", START) == [ToHost(b"\x00\xff~")]
    assert session.host_output(b"\x1b[?1049h\x80", START) == [ToUser(b"\x1b[?1049h\x80")]
    assert session.verbatim


@pytest.mark.parametrize("rung", [Rung.OFF, Rung.SERVER_ALIVE])
def test_below_window_change_there_is_no_deadline(rung: Rung) -> None:
    session = make(rung)
    assert session.next_deadline() is None
    assert tick(session, START + 1e6) == []


def test_a_nudge_every_interval_of_silence() -> None:
    session = make()
    for number in range(1, 5):
        assert session.next_deadline() == START + number * EVERY
        assert tick(session, START + number * EVERY) == NUDGED
    assert session.nudges == 4


def test_a_tick_before_the_deadline_does_nothing() -> None:
    session = make()
    assert tick(session, START + EVERY - 0.001) == []
    assert session.next_deadline() == START + EVERY


def test_the_user_moves_the_deadline_and_output_does_not() -> None:
    session = make()
    session.user_input(b"x", START + 10)
    session.host_output(b"y", START + 30)
    assert session.next_deadline() == START + 10 + EVERY


def test_a_nudge_is_not_the_users_activity() -> None:
    session = make()
    session.user_input(b"x", START + 1)
    tick(session, START + 1 + EVERY)
    assert session.idle.user_at == START + 1


def test_after_hours_of_suspend_one_tick_and_no_burst() -> None:
    session = make()
    eight_hours_later = START + 8 * 3600
    assert tick(session, eight_hours_later) == NUDGED
    assert tick(session, eight_hours_later) == []
    assert session.next_deadline() == eight_hours_later + EVERY


def test_nothing_is_sent_while_ssh_prompts() -> None:
    session = make()
    effects = session.tick(START + EVERY, Phase.PROMPTING)
    assert effects == [Note("hold", "ssh is asking you something")]
    assert session.next_deadline() == START + 2 * EVERY
    assert session.nudges == 0
    assert session.idle.sent_at is None


def test_nothing_is_sent_while_the_child_is_stopped() -> None:
    session = make()
    session.child_stopped(True, START)
    assert tick(session, START + EVERY) == [Note("hold", "the program is stopped")]
    session.child_stopped(False, START + EVERY)
    assert tick(session, START + 2 * EVERY) == NUDGED


def type_suspend(session: Session, now: float) -> None:
    session.user_input(b"\r", now)
    session.user_input(b"~", now)
    assert session.user_input(b"\x1a", now) == [ToHost(b"\x1a")]


@pytest.mark.parametrize("cut", range(len(SUSPEND_NOTICE) + 1))
def test_suspends_when_ssh_says_so_however_the_notice_is_cut(cut: int) -> None:
    session = make()
    type_suspend(session, START)
    effects = session.host_output(b"~" + SUSPEND_NOTICE[:cut], START)
    effects += session.host_output(SUSPEND_NOTICE[cut:] + b"\r\n", START)
    assert effects.count(Suspend()) == 1


def test_the_notice_alone_suspends_nothing() -> None:
    session = make()
    assert session.host_output(SUSPEND_NOTICE, START) == [ToUser(SUSPEND_NOTICE)]


def test_an_escape_that_ssh_does_not_answer_suspends_nothing() -> None:
    session = make()
    type_suspend(session, START)
    assert session.next_deadline() == START + SUSPEND_WITHIN
    assert tick(session, START + SUSPEND_WITHIN) == []
    assert Suspend() not in session.host_output(SUSPEND_NOTICE, START + SUSPEND_WITHIN)


def test_suspends_unseen_where_ssh_prints_its_notice_elsewhere() -> None:
    session = make(notice_shown=False)
    type_suspend(session, START)
    assert tick(session, START + SUSPEND_UNSEEN_AFTER) == [Suspend()]


def test_the_evidence_of_an_end() -> None:
    session = make()
    session.begun = True
    session.user_input(b"x", START + 5)
    session.host_output(b"a" * 10, START + 6)
    tick(session, START + 5 + EVERY)
    session.host_output(b"b" * TAIL_SIZE, START + 70)
    session.host_output(b"bye\r\n", START + 71)
    evidence = session.evidence(START + 71, exit_status=255, signal=None)
    assert evidence.exit_status == 255
    assert evidence.tail == b"b" * (TAIL_SIZE - 5) + b"bye\r\n"
    assert (evidence.user_idle, evidence.output_idle, evidence.sent_idle) == (66, 0, 6)
    assert evidence.session
    assert not evidence.quit_typed
    assert evidence.keepalives == 1


@pytest.mark.parametrize("words", [b"Connection to web", b"hi\r\nShared connection to web"])
def test_the_closing_words_of_ssh_prove_a_session_that_showed_nothing(words: bytes) -> None:
    session = make()
    session.host_output(words + b" closed.\r\r\n", START + 5)
    session.conclude()
    evidence = session.evidence(START + 6, exit_status=255, signal=None)
    assert (evidence.session, evidence.lasted) == (True, 6)


@pytest.mark.parametrize(
    "words",
    [
        b"ssh: connect to host web port 22: Connection refused\r\n",
        b"Connection closed by 192.0.2.1 port 22\r\n",
        b"Connection to web closed.\r\nmore\r\n",
        b"",
    ],
)
def test_other_words_prove_none(words: bytes) -> None:
    session = make()
    session.host_output(words, START + 5)
    session.conclude()
    assert not session.begun


def test_a_session_that_has_begun_is_concluded_without_ado() -> None:
    session = make()
    session.begin(START + 2)
    session.host_output(b"Connection to web closed.\r\r\n", START + 5)
    session.conclude()
    assert session.evidence(START + 6, exit_status=255, signal=None).lasted == 4


@pytest.mark.parametrize("escape", [b"~?", b"~#", b"~"])
def test_an_escape_that_ssh_keeps_is_nothing_sent(escape: bytes) -> None:
    session = make()
    session.user_input(escape, START + EVERY - 1)
    assert session.next_deadline() == START + EVERY
    evidence = session.evidence(START + EVERY, exit_status=255, signal=None)
    assert (evidence.user_idle, evidence.sent_gap) == (None, None)
    session.user_input(b"x", START + EVERY - 1)
    assert session.next_deadline() == START + 2 * EVERY - 1


def test_the_evidence_of_a_typed_quit() -> None:
    session = make()
    assert not session.cut_off
    session.user_input(b"\r~.", START + 5)
    assert session.evidence(START + 6, exit_status=255, signal=None).quit_typed
    assert session.cut_off


def test_the_evidence_of_a_signal_passed_on() -> None:
    session = make()
    session.forwarded(15)
    assert session.evidence(START + 6, exit_status=255, signal=None).forwarded == 15
    assert session.cut_off


@given(st.lists(st.tuples(st.sampled_from("uot"), st.floats(0, 200))))
def test_two_nudges_are_never_closer_than_the_interval(steps: list[tuple[str, float]]) -> None:
    session, now, nudged = make(), START, START
    for what, pause in steps:
        now += pause
        if what == "u":
            session.user_input(b"x", now)
        elif what == "o":
            session.host_output(b"x", now)
        elif tick(session, now):
            assert now - nudged >= EVERY
            nudged = now
        if what == "t":
            assert (session.next_deadline() or 0) > now


def test_switched_off_nothing_is_due() -> None:
    session = make()
    session.keepalives = False
    assert session.next_deadline() is None
    assert tick(session, START + 10 * EVERY) == []
    assert session.rung is Rung.SERVER_ALIVE  # that is ssh's own, and goes on


def test_switched_on_again_one_keepalive_is_due_at_once() -> None:
    session = make()
    session.keepalives = False
    tick(session, START + 10 * EVERY)
    session.keepalives = True
    assert tick(session, START + 10 * EVERY) == NUDGED
    assert session.next_deadline() == START + 11 * EVERY


@pytest.mark.parametrize(
    ("allowed", "used"),
    [
        (Rung.OFF, Rung.OFF),
        (Rung.SERVER_ALIVE, Rung.SERVER_ALIVE),
        (Rung.WINDOW_CHANGE, Rung.WINDOW_CHANGE),
        (Rung.EMPTY_LINE, Rung.WINDOW_CHANGE),  # nothing to type for
    ],
)
def test_the_rung_in_use(allowed: Rung, used: Rung) -> None:
    session = make(allowed)
    assert session.rung is used
    assert (session.no_ops, session.injected) == (0, 0)


def test_a_title_is_shown_once_the_session_has_begun_and_never_within_a_sequence() -> None:
    session = make(Rung.OFF)
    session.titles = Titles("web", ())
    assert tick(session, START + 1) == []
    session.begin(START + 2)
    session.host_output(b"\x1b[3", START + 2)
    assert tick(session, START + 3) == []
    session.host_output(b"1m", START + 4)
    assert tick(session, START + 5) == [ToUser(b"\x1b[22;2t\x1b]2;\xe2\x9c\x93 web\x07")]
    assert tick(session, START + 6) == []


def test_a_title_follows_what_changes_and_wakes_for_nothing_else() -> None:
    policy = Policy(rung=Rung.OFF)
    rule = Rule(KINDS["tmout"], 600, PROBE)
    session = make(Rung.OFF)
    session.titles = Titles("web", plan_for([rule], policy).remedies)
    session.user_input(b"password\r", START)
    assert session.next_deadline() is None
    session.begin(START)
    assert session.next_deadline() == START
    assert tick(session, START) == [ToUser(b"\x1b[22;2t\x1b]2;! 10m web\x07")]
    assert session.next_deadline() is None
    session.host_output(b"\x1b[3", START + 1)
    session.user_input(b"l", START + 300)
    assert session.next_deadline() == START + 300
    assert tick(session, START + 300) == []  # within a sequence; not tried in a busy loop
    assert session.next_deadline() is None


def test_a_plain_session_has_nothing_left_to_show() -> None:
    session = make()
    assert session.host_output(b"last words", START) == [ToUser(b"last words")]
    session.conclude()
    assert session.unsaid() == b""


def test_the_silence_before_a_session_does_not_count() -> None:
    session = make()
    session.user_input(b"password\r", START + 10)
    session.begin(START + 20)
    evidence = session.evidence(START + 50, exit_status=255, signal=None)
    assert evidence.session
    assert evidence.lasted == 30


def test_why_a_window_change_is_held() -> None:
    session = make()
    assert session.hold is None
    session.tick(START + EVERY, Phase.PROMPTING)
    assert session.hold == "ssh is asking you something"
    session.tick(START + 2 * EVERY, Phase.IN_SESSION)
    assert session.hold is None


class TestTheLink:
    """The kernel is asked when something waits, or when there is a wakeup anyway."""

    ANSWERED = Sample(0, 0, 0.1, 0.0)
    UNANSWERED = Sample(1, 3, 0.1, 100.0)

    def session(self, rung: Rung = Rung.WINDOW_CHANGE) -> Session:
        policy = Policy(rung=rung, window_change_interval=EVERY)
        session = Session(policy, START, link=Silence())
        session.begin(START)
        return session

    def test_a_key_that_is_echoed_costs_no_look(self) -> None:
        session = self.session(Rung.OFF)
        session.user_sent(b"x", START)
        assert session.next_deadline() == START + DOUBT_AFTER
        assert session.host_shown(b"x", START + 0.1) == []
        assert session.next_deadline() is None

    def test_a_key_without_an_answer_is_looked_after(self) -> None:
        session = self.session(Rung.OFF)
        session.user_sent(b"x", START)
        assert tick(session, START + DOUBT_AFTER) == [Look()]
        assert session.looked(self.UNANSWERED, START + 2) == [LinkChanged("silent")]
        assert session.silent_since == START
        assert session.looked(self.UNANSWERED, START + 3) == []
        assert session.host_shown(b"x", START + 4) == [LinkChanged("live")]
        assert session.silent_since is None

    def test_the_title_says_at_once_that_the_host_is_gone_and_that_it_is_back(self) -> None:
        session = self.session(Rung.OFF)
        session.titles = Titles("web", ())
        assert tick(session, START)[-1:] == [ToUser(b"\x1b[22;2t\x1b]2;\xe2\x9c\x93 web\x07")]
        session.user_sent(b"x", START)
        session.looked(self.UNANSWERED, START + 2)
        assert session.next_deadline() == START + 2
        assert tick(session, START + 2) == [ToUser(b"\x1b]2;\xe2\x9c\x97 2s web\x07")]
        session.host_shown(b"x", START + 4)
        assert session.next_deadline() == START + 4
        assert tick(session, START + 4) == [ToUser(b"\x1b]2;\xe2\x9c\x93 web\x07")]

    def test_an_idle_session_looks_only_when_it_wakes_for_a_keepalive(self) -> None:
        session = self.session()
        for number in range(1, 4):
            now = START + number * EVERY
            assert session.next_deadline() == now
            assert tick(session, now) == [Look(), *NUDGED]
            assert session.looked(self.ANSWERED, now) == []
        assert session.next_deadline() == START + 4 * EVERY
        assert session.looked(self.UNANSWERED, START + 4 * EVERY) == [LinkChanged("silent")]
        assert session.silent_since == START + 3 * EVERY

    def test_it_looks_once_in_a_silence_that_would_have_ssh_give_up(self) -> None:
        policy = Policy(rung=Rung.OFF)
        session = Session(policy, START, link=Silence(), gives_up_after=1200)
        session.begin(START + 10)
        assert session.next_deadline() == START + 10 + 720
        session.host_shown(b"x", START + 100)
        assert session.next_deadline() == START + 820
        assert session.looked(self.ANSWERED, START + 102) == []  # for a key: it came too early
        assert tick(session, START + 820) == [Look()]
        session.looked(self.ANSWERED, START + 820)
        assert session.next_deadline() is None
        known = session.evidence(START + 1310, exit_status=255, signal=None)
        assert (known.acked_idle, known.gives_up_after) == (490, 1200)

    def test_what_a_host_on_the_way_acknowledges_says_nothing(self) -> None:
        session = Session(Policy(rung=Rung.OFF), START, link=Silence(), gives_up_after=1200)
        session.looked(self.ANSWERED._replace(direct=False), START + 720)
        assert session.evidence(START + 1300, exit_status=255, signal=None).acked_idle is None

    def test_what_is_typed_at_ssh_itself_is_not_sent(self) -> None:
        session = Session(Policy(rung=Rung.OFF), START, link=Silence())
        session.user_sent(b"password", START)
        assert session.next_deadline() is None

    def test_an_escape_that_ssh_keeps_is_not_sent(self) -> None:
        session = self.session(Rung.OFF)
        session.user_sent(b"~", START)
        assert session.next_deadline() is None

    def test_a_program_that_is_not_ssh_has_no_link(self) -> None:
        session = make()
        session.begin(START)
        session.user_sent(b"x", START)
        assert tick(session, START + EVERY) == NUDGED
        assert session.silent_since is None


class TestWindowChange:
    """Sent only where nothing else does it, and never where somebody sees it."""

    @staticmethod
    def session(*, server_alive: bool = True) -> Session:
        policy = Policy(rung=Rung.WINDOW_CHANGE, window_change_interval=EVERY)
        return Session(policy, START, server_alive=server_alive)

    def test_not_where_ssh_itself_speaks_to_a_silent_host(self) -> None:
        session = self.session()
        session.user_input(b"ls\r", START + 1)
        session.host_output(b"file\r\n$ ", START + 1.2)
        for number in range(1, 5):
            assert session.next_deadline() == START + 1 + number * EVERY
            assert tick(session, START + 1 + number * EVERY) == []
        assert session.nudges == 0

    def test_where_the_host_prints_ssh_is_silent(self) -> None:
        session = self.session()
        for second in range(0, 60, 5):
            session.host_output(b"line\r\n", START + second)
        assert tick(session, START + EVERY) == NUDGED
        assert tick(session, START + 2 * EVERY) == []

    def test_late_output_is_answered_an_interval_later(self) -> None:
        session = self.session()
        assert tick(session, START + EVERY) == []
        session.host_output(b"line\r\n", START + EVERY + 10)
        assert tick(session, START + 2 * EVERY) == NUDGED

    def test_never_without_a_size(self) -> None:
        session = self.session(server_alive=False)
        session.sized = False
        assert tick(session, START + EVERY) == []
        session.sized = True
        assert tick(session, START + 2 * EVERY) == NUDGED

    def test_none_follows_one_that_was_answered(self) -> None:
        session = self.session(server_alive=False)
        session.host_output(b"switch# ", START)
        assert tick(session, START + EVERY) == NUDGED
        session.host_output(b"\r\nswitch# ", START + EVERY + 0.2)
        assert session.nudge_answered
        assert session.record(START + EVERY + 1).nudge_answered
        for number in range(2, 6):
            assert tick(session, START + number * EVERY) == []

    @pytest.mark.parametrize(
        ("before", "key", "after"),
        [
            (EVERY - 1, None, 0.2),  # the host prints anyway
            (0.0, EVERY + 0.1, 0.2),  # a key is answered
            (0.0, None, 1.5),  # too late for an answer
        ],
    )
    def test_what_is_no_answer(self, before: float, key: float | None, after: float) -> None:
        session = self.session(server_alive=False)
        session.host_output(b"$ ", START + before)
        assert tick(session, START + EVERY) == NUDGED
        if key is not None:
            session.user_input(b"x", START + key)
        session.host_output(b"x", START + EVERY + after)
        assert not session.nudge_answered

    @pytest.mark.parametrize("before", [b"", b"me@web's password: "])
    def test_the_first_words_of_a_slow_host_are_no_answer(self, before: bytes) -> None:
        session = self.session(server_alive=False)
        if before:
            session.host_output(before, START)
        session.begin(START + 1)
        assert tick(session, START + EVERY) == NUDGED
        session.host_output(b"Welcome\r\n$ ", START + EVERY + 0.2)
        assert not session.nudge_answered
        assert tick(session, START + 3 * EVERY) == NUDGED


class TestHold:
    """A session that runs through a held connection tells the user before that ends."""

    def held(self, until: float) -> Session:
        session = Session(Policy(), 0.0)
        session.begin(0.0)
        assert session.held_until(until, 0.0) == []
        return session

    def test_it_asks_five_minutes_before_the_end_whether_that_has_moved(self) -> None:
        session = self.held(1000.0)
        assert AskHold() in session.tick(1000.0 - HOLD_NOTICE, Phase.IN_SESSION)
        assert session.held_until(5000.0, 701.0) == []
        assert AskHold() not in session.tick(705.0, Phase.IN_SESSION)
        assert AskHold() in session.tick(5000.0 - HOLD_NOTICE, Phase.IN_SESSION)

    def test_it_says_how_long_it_is_held_for_another(self) -> None:
        session = self.held(1000.0)
        session.tick(700.0, Phase.IN_SESSION)
        assert session.held_until(1000.0, 700.0) == [
            Notify("the connection is held for another 5m")
        ]

    def test_a_hold_that_has_ended_is_silent(self) -> None:
        session = self.held(1000.0)
        assert session.held_until(None, 700.0) == []
