"""The table of idle rules, and how the user states them."""

from __future__ import annotations

import re
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.noops.choice import Timer
from keepshell.core.rules.kinds import (
    CONFIG,
    DROP,
    KINDS,
    LEAST,
    MEASURED,
    MOST,
    PROBE,
    Rule,
    one_each,
    parse,
    parse_all,
)
from keepshell.core.rules.rung import Rung

# docs/idle-rules.md: the lowest rung whose column says "lives" in every row of the kind.
NEEDS = {
    "client-alive": Rung.WINDOW_CHANGE,
    "dropbear-idle": Rung.WINDOW_CHANGE,
    "connection-idle": Rung.WINDOW_CHANGE,
    "channel-timeout": Rung.NO_OP,
    "logind": Rung.NO_OP,
    "stop-idle": Rung.NO_OP,
    "session-idle": Rung.NO_OP,
    "tty-idle": Rung.NO_OP,
    "zsh-tmout": Rung.NO_OP,
    "tmux-lock": Rung.NO_OP,
    "tmout": Rung.EMPTY_LINE,
    "autologout": Rung.EMPTY_LINE,
    "unused-connection": None,
}


def test_the_lowest_rung_that_beats_each() -> None:
    assert {name: kind.needs for name, kind in KINDS.items()} == NEEDS


def test_what_only_input_resets_has_a_timer_of_the_rungs_that_type() -> None:
    timers = {timer.value for timer in Timer}
    for kind in KINDS.values():
        assert bool(kind.timer) == (kind.needs is not None and kind.needs >= Rung.NO_OP)
        assert not kind.timer or kind.timer in timers


def test_every_kind_is_worded() -> None:
    for name, kind in KINDS.items():
        assert kind.owner
        assert kind.quiet.startswith("without ")
        assert kind.reset_by
        assert repr(kind) == f"RuleKind('{name}')"


def test_every_rule_that_an_ending_names_has_a_kind() -> None:
    from keepshell.core.ending import endings

    assert {row.rule for row in endings._ROWS} - {None} <= KINDS.keys()


def test_a_stated_rule() -> None:
    rule = parse("channel-timeout=15m")
    assert rule == Rule(KINDS["channel-timeout"], 900.0, CONFIG)
    assert rule.believed
    assert repr(rule) == "Rule(channel-timeout=15m, config)"


def test_blanks_and_case_do_not_count() -> None:
    assert parse(" TMOUT = 600s ") == Rule(KINDS["tmout"], 600.0, CONFIG)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("channel-timeout", "expected KIND=LIMIT, such as channel-timeout=15m, found 'channel-"),
        ("", "expected KIND=LIMIT"),
        ("tmout=600", "tmout: a duration has a unit: 600m or 600s?"),
        ("channel=15m", "unknown kind of rule 'channel'; did you mean channel-timeout?"),
        ("channel_timeout=15m", "did you mean channel-timeout?"),
        ("tmouts=15m", "did you mean tmout?"),
        ("frobnicate=15m", "known: client-alive, "),
        ("=15m", "known: client-alive, "),
        ("tmout=soon", "tmout: expected a duration such as 15m, found 'soon'"),
        ("tmout=", "tmout: expected a duration"),
        ("tmout=1s", "tmout: expected a limit from 2s to 24d, found '1s'"),
        ("tmout=25d", "tmout: expected a limit from 2s to 24d, found '25d'"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse(text)


def test_several_rules() -> None:
    rules = parse_all(["channel-timeout=15m", "tmout=10m", "logind=15m", "tmout=600s"])
    assert [repr(rule) for rule in rules] == [
        "Rule(channel-timeout=15m, config)",
        "Rule(tmout=10m, config)",
        "Rule(logind=15m, config)",
    ]


def test_one_kind_with_two_limits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^tmout: has two limits, 10m and 15m; keep one$"):
        parse_all(["tmout=10m", "logind=15m", "tmout=15m"])


@given(st.sampled_from(sorted(KINDS)), st.integers(LEAST, MOST))
def test_every_limit_within_the_bounds_can_be_stated(name: str, limit: int) -> None:
    assert parse(f"{name}={limit}s") == Rule(KINDS[name], float(limit), CONFIG)


def test_one_drop_is_believed_only_where_the_host_said_why_and_from_a_minute_on() -> None:
    for kind in KINDS.values():
        assert not Rule(kind, 900, DROP).believed
        assert not Rule(kind, 59, DROP, plain=True).believed
        assert Rule(kind, 60, DROP, plain=True).believed
        assert Rule(kind, 12, DROP, confirmed=True).believed
        for source in (CONFIG, PROBE, MEASURED):
            assert Rule(kind, 12, source).believed


def drop(kind: str, limit: float, **known: object) -> Rule:
    return Rule(KINDS[kind], limit, DROP, **known)  # type: ignore[arg-type]


def test_one_timer_is_one_rule() -> None:
    """dropbear -I 6: as two drops, a probe and a measurement know it."""
    probed = Rule(KINDS["dropbear-idle"], 6, PROBE)
    rules = [
        drop("connection-idle", 5, drops=2, confirmed=True, seen_at=9.0, told="beaten"),
        Rule(KINDS["connection-idle"], 5, MEASURED),
        probed,
        drop("session-idle", 6),
    ]
    for order in permutations(rules):
        assert one_each(order) == [
            probed.with_changes(drops=2, confirmed=True, seen_at=9.0, told="beaten")
        ]


def test_what_is_better_known_replaces_what_was_left_open() -> None:
    for open_kind in ("session-idle", "connection-idle"):
        found = one_each([drop(open_kind, 900, confirmed=True), drop("stop-idle", 905)])
        assert found == [drop("stop-idle", 900, confirmed=True)]
    measured = Rule(KINDS["stop-idle"], 900, MEASURED)
    assert one_each([drop("channel-timeout", 900), measured]) == [
        Rule(KINDS["channel-timeout"], 900, MEASURED)
    ]


def test_timers_that_were_read_are_as_many_as_were_read() -> None:
    """The RHEL STIG sets three to ten minutes."""
    names = ("client-alive", "logind", "tmout")
    read = [Rule(KINDS[name], 600, PROBE) for name in names]
    assert one_each(read) == read
    stated = Rule(KINDS["logind"], 600, CONFIG)
    assert one_each([*read, stated]) == [stated, read[0], read[2]]


def test_other_limits_and_other_kinds_are_other_timers() -> None:
    rules = [drop("channel-timeout", 900), drop("channel-timeout", 300), drop("tmout", 900)]
    assert sorted(map(str, one_each(rules))) == sorted(map(str, rules))


def test_rules_compare_by_value() -> None:
    rule = Rule(KINDS["tmout"], 600, DROP, drops=1)
    same = Rule(KINDS["tmout"], 600, DROP, drops=1)
    assert rule == same
    assert hash(rule) == hash(same)
    assert rule != rule.with_changes(drops=2)
    assert rule != "tmout"
    assert rule.with_changes(confirmed=True, outlasted=Rung.NO_OP) == Rule(
        KINDS["tmout"], 600, DROP, drops=1, confirmed=True, outlasted=Rung.NO_OP
    )
