"""Recorded streams of real programs: nothing is typed where it would do harm.

tests/harmless/scenarios.py records them, and says what each kind of state is. Where something may
be typed, counts say how often it is: a rule that holds everywhere would be right, and useless.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.idle import IdleClock
from keepshell.core.noops.choice import Hold, Timer
from keepshell.core.noops.typist import Allowed, Typist
from keepshell.core.terminal.keystrokes import Keystrokes
from keepshell.core.terminal.modes import ModeTracker

KEPT = Path(__file__).with_name("streams")
NAMES = sorted(path.stem for path in KEPT.glob("*.json"))
LOOKED_AT = 2.5  # seconds after the last event

Event = tuple[float, str, str, str]
State = tuple[str, str, str, str]


@cache
def recorded(name: str) -> tuple[Event, ...]:
    """The events: time; output, keys or state; the bytes as Latin-1 or the name; what it is."""
    events = json.loads((KEPT / f"{name}.json").read_text("utf-8"))
    # The clock of the recording counts milliseconds: what has one time came in this order.
    return tuple(
        (event[0] + number * 1e-6, event[1], event[2], event[3] if len(event) > 3 else "")
        for number, event in enumerate(events)
    )


def replayed(events: tuple[Event, ...]) -> Iterator[State]:
    """Each state, what it is, and the rows that would type: against logind, and against TMOUT."""
    modes, keystrokes, idle = ModeTracker(), Keystrokes(None), IdleClock(0.0)
    limits = {Timer.LOGIND: 60.0, Timer.TMOUT: 60.0}
    allowed = Allowed(empty_line=True)
    typist = Typist(limits, allowed, modes=modes, keystrokes=keystrokes, idle=idle)
    last = 0.0
    for at, kind, text, what in events:
        if kind == "s":
            rows = []
            for timer in limits:
                chosen = typist.choose(
                    frozenset({timer}), last + LOOKED_AT, prompting=False, child_stopped=False
                )
                rows.append("" if chosen is None or isinstance(chosen, Hold) else chosen.row)  # type: ignore[union-attr]
            yield text, what, rows[0], rows[1]
            continue
        data, last = text.encode("latin-1"), at
        if kind == "k":
            typist.input(keystrokes.feed(data, at), at)
        else:
            modes.feed(data, at)
            idle.output(at, len(data))
            typist.output(data, at)


HARMLESS = {
    "alive": {"tmux", "focus"},
    "dead": set(),
    "waits": set(),
    "empty": {"empty-paste"},
    "typed": {"empty-paste"},
    "other": {"focus"},  # vim below the shell
}
"""What may be typed in which kind of state; Enter where it is `empty` alone."""


@cache
def as_recorded(name: str) -> tuple[State, ...]:
    return tuple(replayed(recorded(name)))


def wrong(states: Iterable[State]) -> list[State]:
    return [
        (name, what, row, enter)
        for name, what, row, enter in states
        if row not in {"", *HARMLESS[what]}
        or (enter and what != "empty")
        or (row == "focus" and what == "other" and name != "vim")
    ]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_typed_where_it_would_do_harm(name: str) -> None:
    assert wrong(as_recorded(name)) == []


def delayed(events: tuple[Event, ...], latency: float) -> tuple[Event, ...]:
    """As over a slow link: every answer comes later, and the user waits for it."""
    later, shift, answered = [], 0.0, False
    for at, kind, text, what in events:
        if kind == "k" and answered:
            shift, answered = shift + latency, False
        answered = answered or kind == "o"
        later.append((at + shift + (0.0 if kind == "k" else latency), kind, text, what))
    return tuple(later)


@pytest.mark.parametrize("latency", [0.15, 0.4, 0.9])
@pytest.mark.parametrize("name", NAMES[::4])
def test_nor_on_a_slow_link(name: str, latency: float) -> None:
    assert wrong(replayed(delayed(recorded(name), latency))) == []


def cut(events: tuple[Event, ...], places: list[int]) -> tuple[Event, ...]:
    """The outputs in pieces, 40 ms apart at most."""
    pieces: list[Event] = []
    for number, (at, kind, text, what) in enumerate(events):
        place = places[number % len(places)] % (len(text) + 1) if kind == "o" else 0
        if place:
            pieces.append((at, kind, text[:place], what))
        pieces.append((at + 1e-7, kind, text[place:], what))
    return tuple(pieces)


@given(st.sampled_from(NAMES), st.lists(st.integers(0, 5000), min_size=5, max_size=20))
def test_nor_however_the_output_is_cut(name: str, places: list[int]) -> None:
    assert wrong(replayed(cut(recorded(name), places))) == []


def counts(names: Iterator[str] | list[str]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for name in names:
        for _, what, row, enter in as_recorded(name):
            found[what, "all"] += 1
            found[what, "typed"] += bool(row)
            found[what, "entered"] += bool(enter)
    return found


def test_most_keepalives_are_kept() -> None:
    """docs/no-ops.md has the numbers."""
    ticking = counts(["tmux_tick"])
    assert ticking["alive", "typed"] >= 0.88 * ticking["alive", "all"]
    editors = counts([name for name in NAMES if name.startswith(("vim", "nvim", "kak"))])
    assert editors["alive", "typed"] >= 0.95 * editors["alive", "all"]
    bash = counts([name for name in NAMES if name.startswith("bash")])
    assert bash["empty", "typed"] >= 0.85 * bash["empty", "all"]
    assert bash["empty", "entered"] >= 0.85 * bash["empty", "all"]
    dead = counts(NAMES)
    assert dead["dead", "all"] > 2800
    assert dead["dead", "typed"] == 0


def test_what_the_rules_were_not_tuned_on() -> None:
    """Recorded after they were written; one rule was mended by them: `~.` answered by `# `."""
    other = counts([name for name in NAMES if name.startswith("other")])
    assert other["dead", "all"] > 1400
    assert other["dead", "typed"] == other["waits", "typed"] == other["other", "entered"] == 0
    assert other["alive", "typed"] >= 0.8 * other["alive", "all"]
    assert other["empty", "entered"] >= 0.75 * other["empty", "all"]
