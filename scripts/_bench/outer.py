"""The user's terminal as a benchmark sees it: a pty that is emptied as fast as bytes come."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType

from .proc import cpu_seconds

_READ_SIZE = 65536
_SHOWN_BYTES = 1000


class BenchError(Exception):
    """A program under measurement did not do what was to be measured."""


@contextmanager
def deadline(seconds: int) -> Iterator[None]:
    """Raise BenchError if the block takes longer: an alarm costs nothing for each read."""

    def expired(_signum: int, _frame: object) -> None:
        raise BenchError(f"not done within {seconds} s")

    former = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


@dataclass(frozen=True)
class Drained:
    """Bytes that came, seconds from the first to the last, and the program's own CPU seconds."""

    size: int
    seconds: float
    cpu_seconds: float


class Outer:
    """Runs `argv` in a session of its own on a pty of 24 × 80; a context manager that ends it."""

    def __init__(self, argv: list[str], env: Mapping[str, str]) -> None:
        """`argv[0]` is a path. `started_at` is perf_counter just before the fork."""
        self.fd, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        # The first terminal that a session's leader opens becomes its controlling one.
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.ttyname(slave), os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ]
        self._unread = b""
        self.started_at = perf_counter()
        self.pid = os.posix_spawn(
            argv[0],
            argv,
            env,
            file_actions=actions,
            setsid=True,
            setsigdef=[signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGQUIT],
        )
        os.close(slave)

    def __enter__(self) -> Outer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.fd)  # the kernel hangs up on the session
        try:
            with deadline(10):
                os.waitpid(self.pid, 0)
        except ChildProcessError:
            return  # `wait` has reaped it
        except BenchError:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def wait_for(self, text: bytes) -> float:
        """The perf_counter when `text` was there. Raises BenchError if the output ends before."""
        shown = self._unread
        while text not in shown:
            data = self._read()
            if not data:
                raise BenchError(f"ended before {text!r}: {shown[-_SHOWN_BYTES:]!r}")
            shown += data
        at = perf_counter()
        self._unread = shown.partition(text)[2]
        return at

    def line(self) -> bytes:
        """The next line, without its end."""
        line = self._unread
        while b"\n" not in line:
            data = self._read()
            if not data:
                raise BenchError(f"ended within a line: {line!r}")
            line += data
        line, _, self._unread = line.partition(b"\n")
        return line.rstrip(b"\r")

    def wait(self) -> int:
        """Read to the end of the output, and return the exit status."""
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def drain(self, size: int) -> Drained:
        """Read `size` bytes, or to the end of the output if that comes first."""
        read, fd, buffers = os.readv, self.fd, [bytearray(_READ_SIZE)]
        count = len(self._unread) + read(fd, buffers)
        self._unread = b""
        begun_at, cpu_before = perf_counter(), cpu_seconds(self.pid)
        with suppress(OSError):  # EIO: the end
            while count < size:
                count += read(fd, buffers)
        return Drained(count, perf_counter() - begun_at, cpu_seconds(self.pid) - cpu_before)

    def count_rest(self) -> int:
        """How many bytes come until the end of the output."""
        count = 0
        while data := self._read():
            count += len(data)
        return count

    def _read(self) -> bytes:
        try:
            return os.read(self.fd, _READ_SIZE)
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: Linux's word for "the slave is closed"
                raise
            return b""
