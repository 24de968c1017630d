"""docs/harmless.md lists the cases of the table, with the decisions that the table states."""

from __future__ import annotations

from collections import Counter

from tests.harmless.page import PAGE, cells, listed
from tests.harmless.table import CASES


def test_the_page_lists_the_table() -> None:
    assert listed(PAGE.read_text("utf-8")) == [cells(case) for case in CASES]


def test_no_case_stands_twice() -> None:
    assert max(Counter(case.name for case in CASES).values()) == 1


def test_enough_states_of_enough_programs() -> None:
    assert len(CASES) >= 120
    assert len({case.program.partition(" (")[0] for case in CASES}) >= 30


def test_what_is_masked_or_not_allowed_has_its_reason() -> None:
    for case in CASES:
        assert bool(case.masks) == bool(case.why_masked), case.name
        assert (case.xon and case.empty_line) != bool(case.why_not_allowed), case.name
