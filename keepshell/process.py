"""One process and no other: when it was started, and a signal that can't hit its successor."""

from __future__ import annotations

import os
import signal

_START_FIELD = 19  # starttime, the 22nd of proc_pid_stat(5), counted after the name


def started_at(pid: int) -> float | None:
    """When a process was started, in seconds after boot; None where there is no /proc.

    None too for one that has ended and whose parent has not asked: in a container, nobody may ever.
    Together with the pid it names the process for ever, since pids are used again.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
            ticks = int(fields[_START_FIELD])
    except (OSError, IndexError, ValueError):
        return None
    return None if fields[0] == b"Z" else ticks / os.sysconf("SC_CLK_TCK")


class Process:
    """A process that has this pid now; a later one with the same pid gets no signal from us.

    On Linux, by a pidfd (pidfd_open(2)); elsewhere, and on kernels without, by the pid alone.
    """

    def __init__(self, pid: int) -> None:
        """Raises ProcessLookupError where no process has this pid."""
        self._pid = pid
        self._fd: int | None = None
        if hasattr(os, "pidfd_open"):
            try:
                self._fd = os.pidfd_open(pid)
            except ProcessLookupError:
                raise
            except OSError:  # an old kernel, or a sandbox
                return

    def signal(self, signum: int) -> None:
        """Send it a signal. Raises OSError; ProcessLookupError where it has ended."""
        if self._fd is None:
            os.kill(self._pid, signum)
        else:
            signal.pidfd_send_signal(self._fd, signum)

    def close(self) -> None:
        """Close the descriptor; no signal can be sent from here on."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
