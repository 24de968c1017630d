"""What is remembered of hosts that keep shells, and of those that can't."""

from __future__ import annotations

import os
import subprocess
import sys

from keepshell.store import kept

_ASKS = """\
import os, sys
from keepshell.store import kept
assert kept.can_keep(os.environ, ["web"])
print([name for name in ("hashlib", "_hashlib") if name in sys.modules])
"""


def test_a_host_that_can_keep_no_shell_is_remembered_by_its_command_line() -> None:
    assert kept.can_keep(os.environ, ["-p", "22", "web"])
    kept.cannot_keep(os.environ, ["-p", "22", "web"])
    assert not kept.can_keep(os.environ, ["-p", "22", "web"])
    assert kept.can_keep(os.environ, ["web"])


def test_a_session_does_not_carry_openssl() -> None:
    """3 MiB of it."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{_ASKS}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
