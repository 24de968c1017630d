"""The programs of the system that tests need: found, or the test says which one is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NoReturn

import pytest

STRICT = "KEEPSHELL_TEST_STRICT"
"""Set to 1, as in CI: a missing program fails the test that needs it, instead of skipping it."""

_SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find(name: str) -> str | None:
    """The path of a program, on PATH or where daemons are kept; None when it is not installed."""
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_DIRECTORIES))
    return shutil.which(name, path=search)


def require(*names: str) -> None:
    """Skip the running test when one of these programs is missing; fail it under `STRICT`.

    A name that ends in .so is a library for LD_PRELOAD.
    """
    missing = [name for name in names if not _is_there(name)]
    if missing:
        lacking(f"not installed: {', '.join(missing)}")


def lacking(sentence: str) -> NoReturn:
    """Skip the running test for this reason; fail it under `STRICT`."""
    if os.environ.get(STRICT) == "1":
        pytest.fail(sentence)
    pytest.skip(sentence)


def path_of(name: str) -> str:
    """The absolute path of a program, which the running test `require`s."""
    require(name)
    path = find(name)
    assert path is not None
    return path


def _is_there(name: str) -> bool:
    return _can_be_preloaded(name) if name.endswith(".so") else find(name) is not None


def _can_be_preloaded(library: str) -> bool:
    """Whether ld.so finds the library: it only warns when not, and starts the program without."""
    tried = subprocess.run(
        ["/bin/true"], env={"LD_PRELOAD": library}, capture_output=True, check=True
    )
    return not tried.stderr
