"""The window's title says how the session fares, and is sent when that has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keepshell.core.effects import Effect, ToUser
from keepshell.core.record import SessionRecord
from keepshell.core.rules.kinds import KINDS, PROBE, Rule
from keepshell.core.rules.plan import plan_for
from keepshell.core.rules.policy import Policy
from keepshell.core.session import Session
from keepshell.core.titles import Titles

CHANNEL = Rule(KINDS["channel-timeout"], 900, PROBE)
TMOUT = Rule(KINDS["tmout"], 600, PROBE)


def record(**changes: object) -> SessionRecord:
    """At 400, of a user who has been idle for 300 s."""
    made = replace(Session(Policy(), 0.0).record(400.0), user_at=100.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def said(effects: list[Effect]) -> str:
    (effect,) = effects
    assert isinstance(effect, ToUser)
    return effect.data.decode()


@pytest.mark.parametrize(
    ("rules", "changes", "title"),
    [
        ([], {}, "✓ web"),
        ([CHANNEL], {}, "✓ web"),
        ([CHANNEL, TMOUT], {}, "! 5m web"),
        ([CHANNEL], {"hold": "a line is half typed"}, "! 10m web"),
        ([CHANNEL], {"on": False}, "! 10m web"),
        ([TMOUT], {"user_at": None}, "! 3m web"),
        ([TMOUT], {"silent_since": 360.0}, "✗ 40s web"),
    ],
)
def test_how_it_fares(rules: list[Rule], changes: dict[str, object], title: str) -> None:
    titles = Titles("web", plan_for(rules, Policy()).remedies)
    shown = said(titles.show(record(**changes), half_sequence=False))
    assert shown == f"\x1b[22;2t\x1b]2;{title}\x07"


def test_only_a_change_is_sent_and_the_former_title_is_kept_once() -> None:
    titles = Titles("w\x1beb", ())
    assert titles.show(record(), half_sequence=True) == []
    assert not titles.begun
    assert said(titles.show(record(), half_sequence=False)).startswith("\x1b[22;2t\x1b]2;✓ web")
    assert titles.begun
    assert titles.show(record(), half_sequence=False) == []
    lost = titles.show(record(silent_since=360.0), half_sequence=False)
    assert said(lost) == "\x1b]2;✗ 40s web\x07"
