"""The state under SQLite 3.31, which RHEL 8 and 9, Debian 11 and Ubuntu 20.04 come close to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import oldsqlite

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".pytest_cache"
"""Outside of the test's own home, so that it is built once."""


@pytest.mark.slow
def test_all_of_the_states_own_tests() -> None:
    env = dict(os.environ) | {"LD_LIBRARY_PATH": str(oldsqlite.directory(CACHE))}
    ask = [sys.executable, "-c", "import sqlite3; print(sqlite3.sqlite_version)"]
    assert subprocess.check_output(ask, env=env, text=True).strip() == oldsqlite.VERSION
    tests = [str(Path(__file__).with_name(name)) for name in ("test_database.py", "test_memory.py")]
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *tests]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
