"""Pure cases: bytes and times in, plain data out, so no environment to make for each of them."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_environment() -> None:
    """Nothing, in the place of a HOME and five XDG directories: these tests read and write none."""
