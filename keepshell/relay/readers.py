"""Whether a program waits for what is typed on a pty, as Linux's /proc tells (proc_pid_syscall(5)).

Where /proc is missing or says nothing, nobody is known to.
"""

from __future__ import annotations

import os

_TERMINALS = ("/dev/tty", "/dev/pts/")
_WAITING = (
    b"wait_woken",
    b"n_tty_read",
)  # what the kernel's n_tty.c sleeps in, since 3.19 and before
_READ = ("0", "3", "63")  # read(2) on x86-64, on 32 bits, and on arm64, riscv and newer ones


def are_there(leader: int) -> bool:
    """Whether `leader`, or what it has started, is in a read of a terminal."""
    return any(map(_reads, _tree(leader)))


def _tree(pid: int) -> list[int]:
    found = [pid]
    for process in found:  # which grows
        try:
            with open(f"/proc/{process}/task/{process}/children", "rb") as file:
                found += map(int, file.read().split())
        except OSError:
            continue
    return found


def _reads(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/wchan", "rb") as file:
            if file.read() not in _WAITING:
                return False
        with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
            number, *arguments = file.read().split()
        if number not in _READ or not arguments:
            return False
        return os.readlink(f"/proc/{pid}/fd/{int(arguments[0], 16)}").startswith(_TERMINALS)
    except (OSError, ValueError):
        return False
