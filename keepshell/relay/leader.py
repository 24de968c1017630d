"""Leads the pty's session, so that a program in it can stop itself.

The kernel discards SIGTSTP in a process group all of whose parents are of other sessions (an
orphaned one, setpgid(2)), and vim and less stop by it. So the program is the leader's child.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_PASSED_ON = frozenset(
    (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGWINCH)
)
_MOST_DESCRIPTORS = 1048576  # a limit may be "unlimited"


def lead() -> None:
    """In the first process of a session: returns in a child of it, in the terminal's foreground.

    The leader stops, goes on, ends, and passes signals on: to its parent it is that child. Where
    there can be no other process (RLIMIT_NPROC), it is the program itself.
    """
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {*_PASSED_ON, signal.SIGCHLD, signal.SIGTTOU})
    with contextlib.suppress(OSError):
        pid = os.fork()
        if pid:
            _follow(pid)
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
    signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _follow(pid: int) -> NoReturn:
    """Do as the child `pid` does."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it has no status
    os.closerange(0, min(_MOST_DESCRIPTORS, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
    while True:
        signum = signal.sigwait({*_PASSED_ON, signal.SIGCHLD})
        if signum != signal.SIGCHLD:
            os.kill(pid, signum)
            continue
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if not found:
            continue
        if not os.WIFSTOPPED(status):
            end_as(os.waitstatus_to_exitcode(status))
        os.kill(os.getpid(), signal.SIGSTOP)
        os.killpg(pid, signal.SIGCONT)


def end_as(status: int) -> NoReturn:
    """End this process as another did; `status` as of os.waitstatus_to_exitcode.

    Without Python's own end, which flushes and calls, and may fail.
    """
    if status < 0:
        _die_by(-status)
    os._exit(status if status >= 0 else 128 - status)


def _die_by(signum: int) -> None:
    """End this process by the signal that ended the other, without a core file of our own."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(OSError, ValueError):
        signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signum})
    os.kill(os.getpid(), signum)
