"""What the page says to be known, and not harmless, is no more than it says."""

from __future__ import annotations

from tests.harmless.editors import NOTICED_EARLY
from tests.harmless.runs import run
from tests.support.programs import require


def test_neovim_loads_a_changed_file_before_the_user_is_back() -> None:
    """It is the file that a real focus report would have loaded, and all else is the same."""
    require(*NOTICED_EARLY.needs)
    differences = run(NOTICED_EARLY).differences
    assert any('"text" 4L' in difference for difference in differences)
    assert all(difference.startswith("after the no-ops") for difference in differences)
