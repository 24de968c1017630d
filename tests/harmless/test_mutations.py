"""The matrix can fail: without one thing in the table, the case that it is for goes wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keepshell.core.noops.table import ROWS, Row
from tests.harmless.runs import run
from tests.harmless.table import CASES
from tests.support.programs import require

_NAMED = {case.name: case for case in CASES}

# Row, the name of a state or requirement of it, and a case in which something is sent without it.
_MUTATIONS = (
    ("tmux", "alive", "dash (tmux cut off, no words): cat, half typed"),
    ("tmux", "no prefix pending", "tmux: prefix pending"),
    ("tmux", "no overlay", "tmux: panes numbered, as soon as shown"),
    ("focus", "alive", "dash (vim cut off, no words): cat, half typed"),
    ("focus", "not emacs-like", "emacs: query-replace, in a terminal without modifyOtherKeys"),
    ("focus", "no literal pending", "vim: insert, ^V pending"),
    ("empty-paste", "at a prompt", "dash (bash cut off, no words): cat"),
    ("empty-paste", "at a prompt", "prompt_toolkit (any key): nothing pressed"),
    ("empty-paste", "at a prompt", "joe: text"),
    ("xon", "no mode on", "micro: text"),
    ("xon", "a line, not a screen", "node (keypress, no mode): nothing pressed"),
    ("empty-line", "at the prompt", "dash: PS2"),
)


def _without(row: Row, name: str) -> Row:
    state = tuple(part for part in row.state if part.name != name)
    requires = tuple(part for part in row.requires if part.name != name)
    return replace(row, state=state, requires=requires)


@pytest.mark.parametrize(("row", "name", "case"), _MUTATIONS)
def test_a_table_with_less_is_found_out(row: str, name: str, case: str) -> None:
    rows = tuple(_without(each, name) if each.name == row else each for each in ROWS)
    assert rows != ROWS
    require(*_NAMED[case].needs)
    assert run(_NAMED[case], rows).differences
