"""Has this process, and the ssh that it becomes, end when the subshell that waits for it is ended.

After `ssh -N host &` of an interactive shell, `$!` is the subshell in which the function runs,
and to kill that is meant for ssh. Linux only (prctl(2)); elsewhere ssh goes on.
"""

from __future__ import annotations

import os

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>; it outlives execve(2), and is not inherited by fork(2)
_SIGTERM = 15


def end_with_it() -> None:
    """SIGTERM comes when our parent ends, or at once if it has ended by now."""
    parent = os.getppid()
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGTERM, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return
    if os.getppid() != parent:
        os.kill(os.getpid(), _SIGTERM)
