"""From a drop to a rule, and from rules to what the next session does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.ending.endings import Ending, Kind
from keepshell.core.ending.learning import Efforts, LastHold, held_back, learn
from keepshell.core.reasons import Reason
from keepshell.core.rules.durations import rounded
from keepshell.core.rules.kinds import CONFIG, DROP, KINDS, PROBE, Rule
from keepshell.core.rules.plan import (
    SHORTEST,
    Plan,
    Verdict,
    adjusted,
    against_idle_limit,
    idle_limit_says,
    missing,
    next_time,
    plan_for,
    remedy_for,
    to_tell,
    told,
)
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import RUNGS, Rung

NOW = 1.7e9


def drop(rule: str | None = "channel-timeout", idle: float | None = 900.0) -> Ending:
    return Ending(Kind.CHANNEL_TIMEOUT, "dropped.", rule=rule, idle=idle)


def rule(kind: str = "channel-timeout", limit: float = 900.0, **known: Any) -> Rule:
    """By default one of which the host itself had said that it struck."""
    return Rule(KINDS[kind], limit, known.pop("source", DROP), **{"plain": True, **known})


def test_a_drop_is_a_suspicion() -> None:
    learned = learn(drop(idle=899.4), [], NOW)
    assert learned == rule(limit=900.0, seen_at=NOW, drops=1)
    assert learned is not None
    assert not learned.confirmed


@pytest.mark.parametrize("idle", [899.4, 900.0, 903.0, 926.0, 874.0])
def test_a_second_drop_at_the_same_idle_time_confirms(idle: float) -> None:
    known = [rule("tmout", 600), rule(drops=1, seen_at=1.0, told="beaten")]
    assert learn(drop(idle=idle), known, NOW) == rule(
        drops=2, seen_at=NOW, told="beaten", confirmed=True
    )


@pytest.mark.parametrize("idle", [840.0, 960.0, 60.0])
def test_a_drop_at_another_idle_time_is_another_suspicion(idle: float) -> None:
    known = [rule(drops=2, confirmed=True)]
    assert learn(drop(idle=idle), known, NOW) == rule(limit=idle, seen_at=NOW, drops=1)


def test_a_drop_confirms_what_a_probe_has_read() -> None:
    assert learn(drop(), [rule(source=PROBE)], NOW) == rule(
        source=PROBE, confirmed=True, drops=1, seen_at=NOW
    )


def test_what_the_host_did_not_say_is_plain_only_the_second_time() -> None:
    """`exit 255` of a remote command looks like ChannelTimeout."""
    looks = Ending(
        Kind.CHANNEL_TIMEOUT,
        "dropped.",
        alternatives=(Kind.REMOTE_EXIT,),
        rule="channel-timeout",
        idle=900.0,
    )
    first = learn(looks, [], NOW)
    assert first is not None
    assert not first.believed
    second = learn(looks, [first], NOW)
    assert second is not None
    assert (second.believed, second.drops) == (True, 2)


def test_what_was_left_open_is_told_by_a_later_drop() -> None:
    """The same timer, now with words: it has struck twice, and its kind is known."""
    known = rule("session-idle", plain=False, drops=1)
    assert learn(drop(idle=901.0), [known], NOW) == rule(
        plain=False, drops=2, seen_at=NOW, confirmed=True
    )
    kept = learn(drop("stop-idle", 899.0), [rule("connection-idle", drops=3)], NOW)
    assert kept == rule("stop-idle", drops=4, seen_at=NOW, confirmed=True)


def test_what_the_user_states_or_a_probe_has_read_keeps_its_kind() -> None:
    read = rule("stop-idle", source=PROBE)
    assert learn(drop(), [read], NOW) == read.with_changes(drops=1, confirmed=True, seen_at=NOW)
    stated = rule("logind", source=CONFIG)
    explained = Ending(Kind.LOGIND, "dropped.", rule="logind", idle=900.0, known=stated)
    assert learn(explained, [], NOW) is None
    learned = rule("logind", drops=1)
    explained = Ending(Kind.LOGIND, "dropped.", rule="logind", idle=905.0, known=learned)
    assert learn(explained, [learned], NOW) == rule("logind", drops=2, seen_at=NOW, confirmed=True)


@pytest.mark.parametrize(
    "ending",
    [
        drop(rule=None),
        drop(idle=None),
        Ending(Kind.OWN_EXIT, "left.", rule="tmout", idle=3.0),
    ],
)
def test_an_ending_without_a_rule_teaches_nothing(ending: Ending) -> None:
    assert learn(ending, [rule()], NOW) is None


def test_the_rung_that_was_in_use_has_failed() -> None:
    known = [rule("tmout", 300), rule(limit=900, drops=1)]
    efforts = Efforts(Rung.NO_OP, typed_idle=449.0, user_idle=899.0)
    assert learn(drop(idle=449.0), known, NOW, efforts) == rule(
        limit=900, drops=2, seen_at=NOW, outlasted=Rung.NO_OP
    )


def test_one_accident_condemns_no_rung() -> None:
    """A shell that was killed long after the no-op that had reset the timer."""
    known = [rule(limit=900, drops=1)]
    efforts = Efforts(Rung.NO_OP, typed_idle=300.0, user_idle=1200.0)
    learned = learn(drop(idle=300.0), known, NOW, efforts)
    assert learned == rule(limit=300, drops=1, seen_at=NOW)


def test_a_rung_that_was_held_in_the_end_has_not_failed() -> None:
    """What was typed had reset the timer, and the limit has passed since."""
    efforts = Efforts(Rung.EMPTY_LINE, typed_idle=600.4)
    assert learn(drop("tmout", 5000.0), [rule("tmout", 600)], NOW, efforts) == rule(
        "tmout", 600, drops=1, seen_at=NOW, confirmed=True
    )


def test_a_rung_that_was_due_again_and_held_has_not_failed_either() -> None:
    held = {"channel-timeout": LastHold(Reason.NOTHING_HARMLESS, 30.0)}
    typed = Efforts(Rung.NO_OP, typed_idle=600.0, held=held)
    assert learn(drop(idle=600.0), [rule()], NOW, typed) == rule(limit=600.0, seen_at=NOW, drops=1)


def test_a_lower_rung_or_a_rule_that_was_not_acted_on_has_not_failed() -> None:
    nudged = Efforts(Rung.WINDOW_CHANGE)
    assert learn(drop(), [rule()], NOW, nudged) == rule(drops=1, seen_at=NOW, confirmed=True)
    typed = Efforts(Rung.NO_OP, typed_idle=70.0)
    assert learn(drop("tmout", 600.0), [rule("tmout", 600)], NOW, typed) == rule(
        "tmout", 600.0, drops=1, seen_at=NOW, confirmed=True
    )
    assert learn(drop(idle=70.0), [], NOW, typed) == rule(limit=70.0, seen_at=NOW, drops=1)
    doubted = rule("stop-idle", 50)
    assert learn(drop("stop-idle", 20.0), [doubted], NOW, Efforts(Rung.NO_OP, 20.0)) == rule(
        "stop-idle", 20.0, seen_at=NOW, drops=1
    )


def test_packets_never_fail_they_only_came_too_late() -> None:
    """What survives no packet has died before it: the silence was longer than the limit."""
    known = [rule("connection-idle", 60.0)]
    learned = learn(drop("connection-idle", 30.0), known, NOW, Efforts(Rung.NO_OP, 30.0))
    assert learned == rule("connection-idle", 30.0, seen_at=NOW, drops=1)


def test_a_half_line_hides_when_a_shells_timer_began() -> None:
    half = Efforts(half_line=True)
    assert learn(drop("tmout", 10.0), [], NOW, half) is None
    assert learn(drop("zsh-tmout", 10.0), [], NOW, half) == rule(
        "zsh-tmout", 10.0, seen_at=NOW, drops=1
    )


@pytest.mark.parametrize(
    ("idle", "limit"),
    [
        (4.02, 4),
        (3.1, 3),
        (59.2, 60),
        (301.5, 300),
        (599.0, 600),
        (604.0, 600),
        (899.7, 900),
        (3590.0, 3600),
        (7202.0, 7200),
        (137.9, 137),
        (5000.0, 5000),
        (1e6, 1000000),
        (0.4, 1),
        (0.0, 1),
    ],
)
def test_limits_as_administrators_write_them(idle: float, limit: float) -> None:
    assert rounded(idle) == limit


@given(st.floats(2, 1e6))
def test_a_limit_is_never_far_from_the_idle_time(idle: float) -> None:
    assert idle - max(1.0, 0.03 * idle) <= rounded(idle) <= idle * 1.04 + 1.0


@given(st.sampled_from(sorted(KINDS)), st.floats(2, 1e6), st.sampled_from([DROP, PROBE]))
def test_nothing_acts_later_than_half_the_limit(kind: str, limit: float, source: str) -> None:
    every = remedy_for(rule(kind, limit, source=source), Policy()).every
    assert SHORTEST <= every <= limit / 2


@pytest.mark.parametrize("kind", ["logind", "stop-idle", "tty-idle", "zsh-tmout"])
def test_a_terminals_atime_lags(kind: str) -> None:
    assert remedy_for(rule(kind, 900), Policy()).every == 450
    assert remedy_for(rule(kind, 16), Policy()).every == 6
    assert remedy_for(rule(kind, 5), Policy()).every == SHORTEST


ALL = Policy(empty_line=True)
NO_TYPING = Policy(no_op="never")
LOW = Policy(rung=Rung.SERVER_ALIVE)

VERDICTS = [
    ("connection-idle", Policy(), Verdict.BEATEN, Rung.WINDOW_CHANGE, ""),
    ("connection-idle", LOW, Verdict.NOT_ALLOWED, Rung.WINDOW_CHANGE, 'rung = "window-change"'),
    ("channel-timeout", Policy(), Verdict.BEATEN, Rung.NO_OP, ""),
    ("channel-timeout", NO_TYPING, Verdict.NOT_ALLOWED, Rung.NO_OP, 'no_op = "auto"'),
    (
        "channel-timeout",
        Policy(rung=Rung.WINDOW_CHANGE),
        Verdict.NOT_ALLOWED,
        Rung.NO_OP,
        'rung = "no-op"',
    ),
    ("tmout", Policy(), Verdict.NOT_ALLOWED, Rung.EMPTY_LINE, "empty_line = true"),
    ("tmout", ALL, Verdict.BEATEN, Rung.EMPTY_LINE, ""),
    (
        "tmout",
        Policy(rung=Rung.OFF, no_op="never"),
        Verdict.NOT_ALLOWED,
        Rung.EMPTY_LINE,
        'rung = "empty-line", no_op = "auto", empty_line = true',
    ),
    ("unused-connection", ALL, Verdict.NOTHING, None, ""),
]


@pytest.mark.parametrize(("kind", "policy", "verdict", "rung", "setting"), VERDICTS)
def test_the_verdict_on_a_rule(
    kind: str, policy: Policy, verdict: Verdict, rung: Rung | None, setting: str
) -> None:
    found = remedy_for(rule(kind), policy)
    assert (found.verdict, found.rung, found.setting) == (verdict, rung, setting)
    assert found.acts == (verdict is Verdict.BEATEN)


def test_what_is_missing_is_what_the_policy_itself_says() -> None:
    for rung in RUNGS:
        for no_op in ("auto", "always", "never"):
            for empty_line in (True, False):
                policy = Policy(rung=rung, no_op=no_op, empty_line=empty_line)
                assert (missing(Rung.NO_OP, policy) == "") == policy.may_type
                assert (missing(Rung.EMPTY_LINE, policy) == "") == policy.may_enter


def test_a_single_short_drop_is_doubted() -> None:
    found = remedy_for(rule("connection-idle", 12), Policy())
    assert found.verdict is Verdict.DOUBTED
    assert not found.acts


def test_after_a_failed_no_op_the_next_rung_is_used_if_it_is_allowed() -> None:
    failed = rule(outlasted=Rung.NO_OP)
    allowed = remedy_for(failed, ALL)
    assert (allowed.verdict, allowed.rung) == (Verdict.BEATEN, Rung.EMPTY_LINE)
    forbidden = remedy_for(failed, Policy())
    assert (forbidden.verdict, forbidden.rung) == (Verdict.OUTLASTED, Rung.NO_OP)
    assert forbidden.setting == "empty_line = true"
    assert forbidden.acts  # what failed once may do the next time


def test_after_a_failed_empty_line_there_is_nothing_above() -> None:
    found = remedy_for(rule("tmout", outlasted=Rung.EMPTY_LINE), ALL)
    assert (found.verdict, found.rung, found.setting) == (
        Verdict.OUTLASTED,
        Rung.EMPTY_LINE,
        "",
    )


def test_a_plan_has_the_shortest_interval() -> None:
    plan = plan_for([rule("connection-idle", 90), rule("client-alive", 60), rule()], Policy())
    assert plan.window_change_every == 30
    assert adjusted(Policy(), plan).window_change_interval == 30


def test_a_plan_never_sends_less_often_than_the_policy() -> None:
    plan = plan_for([rule("connection-idle", 7200)], Policy())
    assert plan.window_change_every == 60
    assert adjusted(Policy(), plan).window_change_interval == 60
    assert adjusted(Policy(), Plan()).window_change_interval == 60


def test_adjusting_keeps_all_the_rest() -> None:
    policy = Policy(ssh="/usr/bin/ssh", outage_tolerance=7, warn=True, xon=True)
    changed = adjusted(policy, plan_for([rule("client-alive", 40, confirmed=True)], policy))
    for name in Policy.__slots__:
        expected = 20 if name == "window_change_interval" else getattr(policy, name)
        assert getattr(changed, name) == expected


def test_the_users_idle_limit_counts_for_window_changes_too() -> None:
    policy = Policy(idle_limit=50)
    assert adjusted(policy, plan_for([], policy)).window_change_interval == 25


def test_rules_that_the_user_states_are_in_the_plan() -> None:
    policy = Policy(rules=(rule("client-alive", 20, source="config"),))
    assert plan_for([], policy).window_change_every == 10


def test_what_is_to_be_typed_for() -> None:
    short = rule(limit=4, confirmed=True), rule("logind", 16, source=PROBE)
    rules = [*short, rule("tmout", 600), rule("tmux-lock", 60)]
    plan = plan_for(rules, Policy())
    assert sorted((found.kind.timer, found.limit) for found in plan.to_type_for) == [
        ("channel-timeout", 4),
        ("logind", 12),
        ("tmux-lock", 60),
    ]
    moved_up = plan_for([rule(limit=80, outlasted=Rung.NO_OP)], ALL)
    assert [(found.kind.timer, found.limit) for found in moved_up.to_type_for] == [("tmout", 80)]


def test_what_may_end_the_session() -> None:
    rules = [rule(), rule("tmout", 600, plain=False), rule("unused-connection", 60, source=PROBE)]
    plan = plan_for(rules, Policy())
    assert set(plan.rules) == set(rules)
    assert [found.rule for found in plan.remedies if found.threatens] == [rules[0]]


WORDS = [
    (rule(limit=4, confirmed=True), Policy(), "harmless input is sent after 2s of silence"),
    (rule(limit=5, source=PROBE), Policy(), "harmless input is sent after 2.5s of silence"),
    (rule(limit=300), Policy(), "harmless input is sent after 2m 30s of silence"),
    (rule(), NO_TYPING, "only harmless input beats it, and you have not allowed that"),
    (rule("unused-connection"), ALL, "nothing that keepshell sends beats it"),
    (
        rule("client-alive", 10),
        Policy(),
        "if it happens again after the same time, a window-change is sent after 5s",
    ),
    (
        rule(outlasted=Rung.NO_OP),
        Policy(),
        "it struck despite harmless input, and you have not allowed what might beat it",
    ),
    (
        rule("tmout", outlasted=Rung.EMPTY_LINE),
        ALL,
        "it struck despite Enter, and nothing else might beat it",
    ),
]


@pytest.mark.parametrize(("known", "policy", "words"), WORDS)
def test_the_words(known: Rule, policy: Policy, words: str) -> None:
    assert next_time(remedy_for(known, policy)) == words


@pytest.mark.parametrize(
    ("limit", "policy", "every", "words"),
    [
        (
            20,
            Policy(),
            {Rung.WINDOW_CHANGE: 10, Rung.NO_OP: 10},
            "a window-change after 10s, harmless input after 10s of silence",
        ),
        (
            900,
            Policy(window_change_interval=30),
            {Rung.WINDOW_CHANGE: 30, Rung.NO_OP: 450},
            "a window-change after 30s, harmless input after 7m 30s of silence",
        ),
        (
            20,
            Policy(no_op="never"),
            {Rung.WINDOW_CHANGE: 10},
            "a window-change after 10s of silence; harmless input is not allowed"
            ' (no_op = "auto" would allow it)',
        ),
        (
            20,
            Policy(rung=Rung.SERVER_ALIVE),
            {},
            'harmless input is not allowed (rung = "no-op" would allow it)',
        ),
    ],
)
def test_an_idle_limit_of_the_users(
    limit: float, policy: Policy, every: dict[Rung, float], words: str
) -> None:
    assert against_idle_limit(limit, policy) == every
    assert idle_limit_says(limit, policy) == words


def test_the_user_is_told_of_a_drop_and_how_to_undo_it() -> None:
    suspected = remedy_for(rule(limit=80), Policy())
    assert told("me@web:22", suspected) == (
        "me@web:22: sshd's ChannelTimeout ended a session after 80s without input or output. "
        "From now on: harmless input is sent after 40s of silence. "
        "To undo: keepshell forget me@web:22"
    )
    confirmed = remedy_for(rule(limit=4, confirmed=True), Policy())
    assert "sshd's ChannelTimeout ended" in told("me@web:22", confirmed)


def test_each_is_told_once_and_again_when_the_verdict_has_changed() -> None:
    rules = [
        rule(limit=4, confirmed=True),
        rule(limit=50, told="beaten no-op", confirmed=True),
        rule("tmout", told="not-allowed empty-line"),
        rule("tmux-lock", source=PROBE),
        rule("client-alive", 10),
        rule(limit=66, told="beaten no-op", outlasted=Rung.NO_OP),
        rule("unused-connection", told="nothing nothing"),
    ]
    assert {found.rule for found in to_tell(plan_for(rules, Policy()))} == {rules[0], rules[5]}
    assert {found.rule for found in to_tell(plan_for(rules, ALL))} == {rules[0], rules[2], rules[5]}


HALF, LESS, OFF = Reason.LINE_TYPED, Reason.NOTHING_HARMLESS, Reason.XON_OFF

SENTENCES = [
    (
        rule(),
        drop(),
        Efforts(held={"channel-timeout": LastHold(LESS, 4.0)}),
        f"This timer was known: harmless input was due, but had to wait: {LESS.text}.",
        "",
    ),
    (
        rule(),
        drop(),
        Efforts(Rung.NO_OP, typed_idle=900.0, held={"channel-timeout": LastHold(OFF, 899.0)}),
        f"This timer was known: harmless input was due, but had to wait: {OFF.text}.",
        "xon = true",
    ),
    (
        rule("tmout", 600),
        drop("tmout", 400.0),
        Efforts(half_line=True, held={"tmout": LastHold(HALF, 4.0)}),
        f"This timer was known: Enter was due, but had to wait: {HALF.text}. Clearing it would"
        " have helped.",
        "",
    ),
    (
        rule(outlasted=Rung.NO_OP),
        drop(),
        Efforts(held={"tmout": LastHold(HALF, 4.0)}),
        f"This timer was known: Enter was due, but had to wait: {HALF.text}. Clearing it would"
        " have helped.",
        "",
    ),
    # Due for an idle limit, of whatever rule; and a rule that is known with a longer limit.
    *(
        (
            known,
            drop(),
            Efforts(held={"channel-timeout": LastHold(HALF, 4.0)}),
            f"Harmless input was due, but had to wait: {HALF.text}. Clearing it would have helped.",
            "",
        )
        for known in (rule("logind"), rule(limit=7200.0))
    ),
]


@pytest.mark.parametrize(("known", "ending", "efforts", "sentence", "setting"), SENTENCES)
def test_what_was_due_and_held_is_said(
    known: Rule, ending: Ending, efforts: Efforts, sentence: str, setting: str
) -> None:
    assert held_back(ending, plan_for([known], ALL), efforts) == (sentence, setting)


@pytest.mark.parametrize(
    ("ending", "efforts"),
    [
        (drop(), Efforts()),
        (drop(), Efforts(held={"logind": LastHold(HALF, 4.0)})),
        (drop(rule=None), Efforts(held={"channel-timeout": LastHold(HALF, 4.0)})),
        (drop(idle=None), Efforts(held={"channel-timeout": LastHold(HALF, 4.0)})),
        (drop("unused-connection"), Efforts(held={"": LastHold(HALF, 4.0)})),
        # Before the user's last key or output, and before the last no-op.
        (drop(), Efforts(held={"channel-timeout": LastHold(HALF, 901.0)})),
        (drop(), Efforts(Rung.NO_OP, 3.0, held={"channel-timeout": LastHold(HALF, 4.0)})),
    ],
)
def test_a_hold_that_did_not_last_to_the_end_is_not(ending: Ending, efforts: Efforts) -> None:
    assert held_back(ending, plan_for([rule()], Policy()), efforts) == ("", "")
