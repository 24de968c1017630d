"""Which processes a test has started, however far down, and how each of them is ended."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from tests.support.waiting import eventually

_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, so that none gets out of sight.

    PR_SET_CHILD_SUBREAPER, prctl(2). A dead orphan stays a zombie until `reap`: use `is_gone` to
    ask after a process, not its pid. Raises OSError where the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def default_signals() -> None:
    """Undo an ignored HUP, INT or QUIT that a background shell or nohup left to us.

    An ignored signal stays ignored across exec, so every program under test would have it.
    """
    for number in (signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that only waits to be reaped has."""
    try:
        return psutil.Process(pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True


def is_running(process: psutil.Process) -> bool:
    """Whether a thread of it runs, wants to, or waits for the disk: it is not yet where it waits.

    The state of each thread, proc(5).
    """
    for stat in Path("/proc", str(process.pid), "task").glob("*/stat"):
        with suppress(OSError):
            if stat.read_bytes().rpartition(b") ")[2][:1] in b"RD":
                return True
    return False


class Rest:
    """Whether a program has come to where it waits: keys that come earlier may be shown twice."""

    def __init__(self) -> None:
        self._written: int | None = None

    def reached(self, processes: Iterable[psutil.Process], written: int) -> bool:
        """Whether twice in a row none of them ran, and nothing more had been `written` (bytes)."""
        before, self._written = self._written, written
        if any(map(is_running, processes)):
            self._written = None
        return self._written is not None and self._written == before


def tree(pid: int) -> set[psutil.Process]:
    """The living process `pid` and all its descendants."""
    try:
        root = psutil.Process(pid)
        return {p for p in (root, *root.children(recursive=True)) if not is_gone(p.pid)}
    except psutil.NoSuchProcess:
        return set()


def session_members(leader: int) -> set[psutil.Process]:
    """Those of our own descendants that are in the session (setsid(2)) of `leader`."""
    members = set()
    for process in tree(os.getpid()):
        with suppress(ProcessLookupError):
            if os.getsid(process.pid) == leader:
                members.add(process)
    return members


def with_home(home: Path) -> set[psutil.Process]:
    """Those of our own descendants that have this HOME in their environment."""
    found = set()
    for process in tree(os.getpid()):
        with suppress(psutil.Error):
            if process.environ().get("HOME") == str(home):
                found.add(process)
    return found


def describe(processes: Iterable[psutil.Process]) -> str:
    """One line for each process: pid, parent, state, command line."""
    lines = []
    for process in processes:
        with suppress(psutil.Error):
            words = " ".join(process.cmdline()) or process.name()
            lines.append(f"{process.pid} (of {process.ppid()}, {process.status()}) {words}")
    return "\n".join(lines)


def reap(pid: int) -> None:
    """Collect the status of an adopted orphan; not for a child that a `Popen` waits for."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def end(doomed: set[psutil.Process]) -> None:
    """Kill these processes and all that they start meanwhile, and return when none is left.

    Each is stopped before its children are listed, so that none forks behind our back.
    """
    known: set[psutil.Process] = set()
    queue = list(doomed)
    while queue:
        process = queue.pop()
        known.add(process)
        with suppress(psutil.NoSuchProcess):
            process.suspend()
            queue.extend(set(process.children()) - known)
    for process in known:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    left: list[psutil.Process] = []

    def none_left() -> bool:
        left[:] = [p for p in known if not is_gone(p.pid)]
        return not left

    eventually(none_left, lambda: f"the end of\n{describe(left)}")


def end_tree(popen: subprocess.Popen[bytes], *others: psutil.Process) -> None:
    """Kill and reap a process of ours, its descendants, the rest of its session, and `others`."""
    doomed = tree(popen.pid) | session_members(popen.pid) | set(others)
    end(doomed)
    popen.wait()
    for process in doomed:
        reap(process.pid)
