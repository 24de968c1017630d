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
    ("tmux", "no control key", "tmux: prefix pending"),
    ("tmux", "login prompt not back", "bash: prompt, ?1049 and ?7727 left on"),
    ("focus-in", "not emacs-like", "emacs: query-replace, in a terminal without modifyOtherKeys"),
    ("focus-in", "focus reports wanted", "bash: other prompt, ?1049 and ?1004 left on"),
    ("empty-paste", "nothing typed", "bash: quoted insert pending (^V)"),
    ("empty-paste", "nothing typed", "zsh: region active"),
    ("empty-paste", "fresh prompt", "dash: cat, ?2004 left on"),
    ("empty-paste", "pastes wanted", "dash: prompt, ?2004 left on"),
    ("empty-paste", "a line, not a screen", "joe: text"),
    ("focus-in", "no control key", "vim: insert, ^V pending"),
    ("focus-in", "login prompt not back", "dash: prompt, ?1049 and ?1004 left on"),
    ("xon", "no mode on", "micro: text"),
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
