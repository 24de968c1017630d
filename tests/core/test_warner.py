"""What the user is told of rules that are not beaten, with numbers for the time."""

from __future__ import annotations

import math

import pytest

from keepshell.core.effects import Effect, Notify, Phase
from keepshell.core.idle import IdleClock
from keepshell.core.noops.choice import Timer
from keepshell.core.rules.kinds import CONFIG, DROP, KINDS, PROBE, Rule
from keepshell.core.rules.plan import plan_for
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.core.session import Session
from keepshell.core.warner import Warner

START = 1000.0
TMOUT = Rule(KINDS["tmout"], 900, CONFIG)
NOTHING_TYPED = Policy(no_op="never")
NOTHING_SENT = Policy(rung=Rung.SERVER_ALIVE)


def warner(*rules: Rule, policy: Policy | None = None, server_alive: bool = False) -> Warner:
    remedies = plan_for(rules, policy or Policy()).remedies
    return Warner("web", remedies, START, server_alive=server_alive)


def test_a_rule_that_nothing_allowed_beats_is_told_in_time_and_once() -> None:
    watched, idle = warner(TMOUT), IdleClock(START)
    assert watched.next_deadline(idle, None) == START + 810
    assert watched.due(START + 809) == []
    assert watched.due(START + 810) == ["web: TMOUT logs you out in 90s; press Enter"]
    assert watched.due(START + 811) == []
    assert watched.next_deadline(idle, None) == math.inf


def test_what_resets_the_rule_begins_anew() -> None:
    watched, idle = warner(TMOUT), IdleClock(START)
    watched.due(START + 810)
    idle.user(START + 820)
    assert watched.next_deadline(idle, None) == math.inf  # a key is no command line
    assert watched.next_deadline(idle, START + 820) == START + 820 + 810


def test_a_user_who_comes_late_is_told_what_is_left() -> None:
    watched = warner(TMOUT)
    assert watched.due(START + 895) == ["web: TMOUT logs you out in 5s; press Enter"]
    assert warner(TMOUT).due(START + 1000) == [
        "web: TMOUT logs you out in less than 1s; press Enter"
    ]


@pytest.mark.parametrize(
    ("rule", "policy", "said"),
    [
        ("zsh-tmout", NOTHING_TYPED, "TMOUT logs you out in 60s; press a key"),
        ("channel-timeout", NOTHING_TYPED, "ChannelTimeout ends this session in 60s; press a key"),
        ("logind", NOTHING_TYPED, "logind ends this session in 60s; press a key"),
        ("tmux-lock", NOTHING_TYPED, "tmux's lock-after-time locks tmux in 60s; press a key"),
        ("dropbear-idle", NOTHING_SENT, "dropbear -I ends this session in 60s; press a key"),
        ("autologout", Policy(), "autologout logs you out in 60s; press Enter"),
    ],
)
def test_each_kind_in_its_words(rule: str, policy: Policy, said: str) -> None:
    watched = warner(Rule(KINDS[rule], 600, PROBE), policy=policy, server_alive=True)
    assert watched.due(START + 540) == [f"web: {said}"]


@pytest.mark.parametrize(
    ("rule", "policy"),
    [
        (Rule(KINDS["channel-timeout"], 600, PROBE), Policy()),  # beaten, or its hold is told
        (Rule(KINDS["tmout"], 600, PROBE), Policy(empty_line=True)),
        (Rule(KINDS["tmout"], 600, DROP), Policy()),  # one drop that may have had another cause
        (Rule(KINDS["unused-connection"], 600, PROBE), Policy()),
        (Rule(KINDS["client-alive"], 600, PROBE), NOTHING_SENT),  # ssh's own packets reset it
    ],
)
def test_what_does_not_end_the_session_is_not_told(rule: Rule, policy: Policy) -> None:
    watched = warner(rule, policy=policy, server_alive=True)
    assert watched.next_deadline(IdleClock(START), None) == math.inf
    assert watched.due(START + 1e6) == []


def test_without_server_alive_packets_are_the_users_alone() -> None:
    watched = warner(Rule(KINDS["client-alive"], 600, PROBE), policy=Policy(rung=Rung.OFF))
    assert watched.due(START + 540) == [
        "web: ClientAliveInterval ends this session in 60s; press a key"
    ]


def test_what_is_held_is_told_by_the_rule_that_it_is_for() -> None:
    watched = warner(Rule(KINDS["stop-idle"], 600, PROBE))
    assert watched.held(Timer.LOGIND, 60.0) == (
        "web: a limit on idle sessions ends this session in 60s; press a key"
    )
    assert watched.held(Timer.TTY_IDLE, 60.0) == (
        "web: a timer on the session ends this session in 60s; press a key"
    )


def test_a_session_in_which_nothing_is_typed_tells_it_too() -> None:
    policy = Policy(rung=Rung.SERVER_ALIVE)
    session = Session(policy, START, warner=warner(TMOUT, policy=policy))
    assert session.verbatim
    assert session.next_deadline() == START + 810

    def told(now: float) -> list[Effect]:
        return session.tick(now, Phase.IN_SESSION)

    assert told(START + 809) == []
    assert told(START + 810) == [Notify("web: TMOUT logs you out in 90s; press Enter")]
    assert session.next_deadline() is None
    session.keepalives = False  # switched off: the user wants no word of it
    session.user_sent(b"ls\r", START + 820)
    assert session.next_deadline() is None
