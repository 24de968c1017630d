"""What wakes the loop besides bytes: signals, through a pipe, and one alarm."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence

SWITCHES = ("SIGUSR1", "SIGUSR2")
"""Keepalives off, and on again. One that comes too late is ignored: it must not end the process."""

WATCHED = (
    *("SIGCHLD", "SIGCONT", "SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGTSTP", "SIGWINCH"),
    *SWITCHES,
)

_WATCHED_IF_IGNORED = ("SIGCHLD", "SIGCONT", "SIGWINCH", *SWITCHES)

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Seconds that never go back and, on Linux, go on while the machine is suspended."""
    return time.clock_gettime(_CLOCK)


def asleep() -> float:
    """Seconds this machine has slept since it was started, as far as Linux tells."""
    return clock() - time.monotonic()


_MAY_END = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGTSTP", *SWITCHES)


def block_for_the_end() -> None:
    """From here on, no signal but SIGKILL ends or stops this process: its status is known."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {getattr(signal, name) for name in _MAY_END})


class Poll:
    """poll(2), told only of what changes.

    Not epoll, which refuses a regular file.
    """

    def __init__(self) -> None:
        self._poll = select.poll()
        self._asked: dict[int, int] = {}

    def ask(self, fd: int, events: int) -> None:
        """Wait for these events of a descriptor from now on; 0 for none at all."""
        if self._asked.get(fd, 0) == events:
            return
        self._asked[fd] = events
        if events:
            self._poll.register(fd, events)
        else:
            # A registered descriptor reports POLLHUP whatever was asked: it would spin the loop.
            self._poll.unregister(fd)

    def wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """Descriptor and events of all that is ready, within `seconds`; None waits for ever."""
        return self._poll.poll(None if seconds is None else max(0.0, seconds) * 1000)


class Signals:
    """Signals as bytes on `fd`; a storm of one signal is one wakeup."""

    def __init__(self, names: Sequence[str] = WATCHED) -> None:
        self.fd, self._writer = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._writer, False)
        self._names = names

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Signals become bytes within, and are as before afterwards.

        Signals that were blocked before we were started come through too.
        """
        former = {}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {getattr(signal, name) for name in self._names})
        wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        try:
            for name in self._names:
                signum = getattr(signal, name)
                if signal.getsignal(signum) is not signal.SIG_IGN or name in _WATCHED_IF_IGNORED:
                    former[signum] = signal.signal(signum, _noted)
                if name in SWITCHES:
                    former[signum] = signal.SIG_IGN
            yield
        finally:
            for signum, action in former.items():
                signal.signal(signum, action if action is not None else signal.SIG_DFL)
            signal.set_wakeup_fd(wakeup)

    def take(self) -> set[int]:
        """The signals that came since the last call."""
        came: set[int] = set()
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.fd, 4096):
                came.update(chunk)
        return came

    def close(self) -> None:
        """Close both ends of the pipe."""
        os.close(self.fd)
        os.close(self._writer)


def _noted(_signum: int, _frame: object) -> None:
    """The wakeup descriptor carries the signal; Python only needs something to call."""


class Alarm:
    """One absolute deadline on a descriptor, fired at once after the machine's suspend.

    poll(2) counts CLOCK_MONOTONIC, which stops while the machine sleeps; a timerfd on
    CLOCK_BOOTTIME (timerfd_create(2), Linux) does not. Elsewhere `fd` is None, and the timeout of
    poll must serve.
    """

    def __init__(self) -> None:
        self._settime: Callable[[int, float], None] | None = None
        self.fd = self._create()
        self._deadline: float | None = None

    def _create(self) -> int | None:
        if not hasattr(time, "CLOCK_BOOTTIME"):
            return None
        try:
            from keepshell.relay import timerfd
        except ImportError:  # a Python built without ctypes
            return None
        self._settime = timerfd.settime
        return timerfd.create(time.CLOCK_BOOTTIME)

    def arm(self, deadline: float | None) -> None:
        """Fire at `deadline`, in the seconds of `clock`; None disarms.

        An alarm that is set for an earlier time stays, and `arm` is called again when it has fired:
        a deadline moves with every key, and setting it costs more than all else a key needs.
        """
        if deadline == self._deadline or self.fd is None or self._settime is None:
            return
        if deadline is not None and self._deadline is not None and self._deadline < deadline:
            return
        self._deadline = deadline
        self._settime(self.fd, deadline or 0.0)

    def fired(self) -> float | None:
        """The deadline that has passed; forgotten, so that the next `arm` sets one anew."""
        fired, self._deadline = self._deadline, None
        return fired

    def close(self) -> None:
        """Close the descriptor."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
