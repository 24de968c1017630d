"""Each kind of rule and each ending has a word for people."""

from __future__ import annotations

from keepshell.cli import words
from keepshell.core.ending.endings import Kind
from keepshell.core.rules.kinds import KINDS


def test_each_kind_of_rule_has_a_word() -> None:
    assert words.TIMERS.keys() == KINDS.keys()


def test_each_ending_has_a_word() -> None:
    assert words.ENDINGS.keys() == {kind.value for kind in Kind}
