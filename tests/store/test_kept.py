"""What is remembered of hosts that keep shells, and of those that can't."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from keepshell.store import kept

_ASKS = """\
import os, sys
from keepshell.store import kept
assert not kept.fate(os.environ, ["web"])
print([name for name in ("hashlib", "_hashlib") if name in sys.modules])
"""


@pytest.mark.parametrize("fate", [kept.REFUSED, kept.DROP])
def test_what_a_host_does_to_kept_shells_is_remembered_by_its_command_line(fate: str) -> None:
    typed = ["-p", "22", "web"]
    assert kept.fate(os.environ, typed) == ""
    kept.note_fate(os.environ, typed, fate)
    assert kept.fate(os.environ, typed) == fate
    assert kept.fate(os.environ, ["web"]) == ""
    kept.note_fate(os.environ, typed, "")
    assert kept.fate(os.environ, typed) == ""


def test_a_session_does_not_carry_openssl() -> None:
    """3 MiB of it."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{_ASKS}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
