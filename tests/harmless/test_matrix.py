"""No no-op of keepshell's own choice changes anything, in any state of any program of the table."""

from __future__ import annotations

import pytest

from tests.harmless import results
from tests.harmless.case import Case
from tests.harmless.runs import run
from tests.harmless.table import CASES
from tests.support.programs import require


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_nothing_changes(case: Case) -> None:
    require(*case.needs)
    result = run(case)
    results.record(result)
    assert not result.differences, "\n\n".join(result.differences)
    assert result.decision == case.expect
    assert result.entered == case.enters
    if case.expect in results.RESET_ATIME:
        assert result.atime_reset
    if not result.sent:
        assert not result.atime_reset
