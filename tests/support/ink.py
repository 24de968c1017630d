"""npm's ink, which command lines of agents are written with."""

from __future__ import annotations

from pathlib import Path

from tests.support import npm


def modules() -> Path:
    """The `node_modules` with ink and what it needs."""
    return npm.modules("ink@5.2.1", "react@18.3.1")
