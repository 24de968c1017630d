"""keepshell run to its end, without a terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.waiting import DEADLINE


def keepshell(*words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """What it said, in text. AssertionError unless it ends with `status`."""
    done = subprocess.run(
        [str(Path(sys.prefix, "bin", "keepshell")), *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == status, done.stderr
    return done
