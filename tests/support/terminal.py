"""The user's terminal: a pty with a program on it, every byte of its output kept.

A thread reads all the time, so that a flood never blocks the program, unless the test says
`pause`, as a user's ^S would.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import Signals
from types import TracebackType

from tests.support import jobshell
from tests.support.processes import end_tree, is_gone
from tests.support.screen import Screen
from tests.support.waiting import DEADLINE, eventually

_SHOWN_BYTES = 4000


class Terminal:
    """Runs `argv` in a session of its own, with this pty as its controlling terminal.

    A context manager: on leaving, everything that the program started is killed. `argv` is the
    session's leader; with `job`, it is the job of a tiny shell (`jobshell`) instead: needed where
    a test stops it, or looks at the terminal's settings after its end.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        rows: int = 24,
        cols: int = 80,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        job: bool = False,
        prepare: Callable[[int], object] | None = None,
    ) -> None:
        """Start it. `prepare` is called with the terminal's descriptor before, to set modes."""
        self._master, slave = os.openpty()
        os.set_blocking(self._master, False)
        self._sizes = [(0, rows, cols)]
        self._set_size(rows, cols)
        if prepare is not None:
            prepare(slave)
        self._jobs = _Jobs() if job else None
        command = [*self._jobs.prefix, *argv] if self._jobs else list(argv)
        try:
            # Popen's own start_new_session cannot set the controlling terminal; setsid(1) can,
            # and becomes the program without a fork.
            self._popen = subprocess.Popen(
                ["setsid", "--ctty", *command],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=env,
                cwd=cwd,
                pass_fds=self._jobs.theirs if self._jobs else (),
            )
        finally:
            os.close(slave)
            if self._jobs:
                self._jobs.close_theirs()
        self._output = _Output(self._master)
        self._seen = 0
        self._screen = Screen(rows, cols)
        self._shown = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process of `argv`."""
        return self._jobs.wait_for("pid") if self._jobs else self._popen.pid

    @property
    def fd(self) -> int:
        """The master side of the pty; non-blocking."""
        return self._master

    @property
    def output(self) -> bytes:
        """All that the program wrote so far."""
        return self._output.since(0)

    def output_since(self, start: int) -> bytes:
        """What it wrote from the byte `start` on, without a copy of the rest."""
        return self._output.since(start)

    @property
    def size_of_output(self) -> int:
        """The length of `output`, without a copy."""
        return self._output.size

    @property
    def screen(self) -> Screen:
        """What the user sees now, the resizes included."""
        unseen = self._output.since(self._shown)
        while len(self._sizes) > 1 and self._sizes[1][0] <= self._shown + len(unseen):
            self._sizes.pop(0)
            at, rows, cols = self._sizes[0]
            self._screen.feed(unseen[: at - self._shown])
            unseen = unseen[at - self._shown :]
            self._shown = at
            self._screen.resize(rows, cols)
        self._screen.feed(unseen)
        self._shown += len(unseen)
        return self._screen

    def send(self, typed: bytes | str, *, deadline: float = DEADLINE) -> None:
        """Type; returns when the kernel has taken it all, AssertionError after `deadline` s."""
        rest = memoryview(typed.encode() if isinstance(typed, str) else typed)
        give_up_at = time.monotonic() + deadline
        while rest:
            _, writable, _ = select.select([], [self._master], [], give_up_at - time.monotonic())
            if not writable:
                raise AssertionError(f"{len(rest)} bytes of input not taken\n{self.describe()}")
            rest = rest[os.write(self._master, rest) :]

    def send_line(self, line: str) -> None:
        """Type a line and Enter."""
        self.send(f"{line}\r")

    def expect(
        self, pattern: bytes | str | re.Pattern[bytes], *, deadline: float = DEADLINE
    ) -> re.Match[bytes]:
        """The first match in the output after the previous match; plain text unless compiled.

        Raises AssertionError with the screen after `deadline` seconds, or at the end of the output.
        """
        if isinstance(pattern, str):
            pattern = pattern.encode()
        if isinstance(pattern, bytes):
            pattern = re.compile(re.escape(pattern))
        start = self._seen
        match = self._output.search(pattern, start, deadline)
        if match is None:
            why = "before the end of the output" if self._output.ended else f"in {deadline:g} s"
            raise AssertionError(f"no {pattern.pattern!r} {why}\n{self.describe()}")
        self._seen = start + match.end()
        return match

    def wait_for_screen(
        self, seen: Callable[[Screen], bool], what: str, *, deadline: float = DEADLINE
    ) -> Screen:
        """The screen, once `seen(screen)` is true; `what` says what that would have been."""
        eventually(
            lambda: seen(self.screen), lambda: f"{what}\n{self.describe()}", deadline=deadline
        )
        return self._screen

    def read_to_end(self, *, deadline: float = DEADLINE) -> bytes:
        """All output, once the last program has closed the terminal."""
        if not self._output.wait_ended(deadline):
            raise AssertionError(f"output did not end in {deadline:g} s\n{self.describe()}")
        return self.output

    def wait(self, *, deadline: float = DEADLINE) -> int:
        """The exit status of `argv`, or minus the number of the signal that ended it."""
        if self._jobs is not None:
            return os.waitstatus_to_exitcode(self._jobs.wait_for("status", deadline))
        try:
            return self._popen.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {deadline:g} s\n{self.describe()}") from None

    @property
    def running(self) -> bool:
        """Whether `argv` has not ended."""
        return not is_gone(self.pid)

    def signal(self, number: Signals) -> None:
        """Send a signal to the process of `argv`, and to nobody else."""
        os.kill(self.pid, number)

    def wait_stopped(self, *, count: int = 1, deadline: float = DEADLINE) -> Signals:
        """The signal that stopped the job, for the `count`-th time. Only with `job`."""
        assert self._jobs is not None
        return Signals(self._jobs.wait_for("stopped", deadline, count))

    def foreground(self) -> None:
        """As the shell's `fg`: the stopped job gets the terminal back, and SIGCONT."""
        assert self._jobs is not None
        self._jobs.say("fg")

    def background(self) -> None:
        """As the shell's `bg`: SIGCONT without the terminal."""
        assert self._jobs is not None
        self._jobs.say("bg")

    def resize(self, rows: int, cols: int) -> None:
        """Change the size; the foreground process group gets SIGWINCH when it differs."""
        self._sizes.append((self._output.size, rows, cols))
        self._set_size(rows, cols)

    def size(self) -> tuple[int, int]:
        """Rows and columns, as the kernel has them."""
        packed = fcntl.ioctl(self._master, termios.TIOCGWINSZ, bytes(8))
        rows, cols, _, _ = struct.unpack("HHHH", packed)
        return rows, cols

    def termios(self) -> list[int | list[bytes | int]]:
        """The terminal's settings, as of tcgetattr(3)."""
        return termios.tcgetattr(self._master)

    @property
    def local_modes(self) -> int:
        """The flags of `c_lflag`, such as ECHO."""
        flags = self.termios()[3]
        assert isinstance(flags, int)
        return flags

    def pause(self) -> None:
        """Stop reading: the program's output fills the kernel's buffer, and then it blocks."""
        self._output.pause()

    def resume(self) -> None:
        """Read again."""
        self._output.resume()

    def hang_up(self) -> None:
        """Close the terminal, as a window that is closed: the session gets SIGHUP."""
        self._output.stop()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def close(self) -> None:
        """Kill everything on the terminal and close it."""
        end_tree(self._popen)
        self.hang_up()
        if self._jobs is not None:
            self._jobs.close()

    def describe(self) -> str:
        """The screen, and the end of the output as bytes, for a failure's message."""
        tail = self._output.since(max(0, self._output.size - _SHOWN_BYTES))
        if self._output.size > 1_000_000:  # too much for the screen model to follow
            return f"{self._output.size} bytes, ending in {tail!r}"
        frame = "-" * self.screen.cols
        return "\n".join([frame, *self.screen.lines, frame, repr(tail)])

    def _set_size(self, rows: int, cols: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


class _Output:
    """What came out of a pty's master, gathered by a thread until the last slave is closed."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._bytes = bytearray()
        self._changed = threading.Condition()
        self._paused = False
        self._stopping = False
        self.ended = False
        self._wakeup, self._bell = os.pipe()
        self._thread = threading.Thread(target=self._gather, daemon=True)
        self._thread.start()

    @property
    def size(self) -> int:
        with self._changed:
            return len(self._bytes)

    def since(self, start: int) -> bytes:
        with self._changed:
            return bytes(memoryview(self._bytes)[start:])

    def search(
        self, pattern: re.Pattern[bytes], start: int, deadline: float
    ) -> re.Match[bytes] | None:
        """The first match from `start` on, waited for; None at the end or the deadline."""
        give_up_at = time.monotonic() + deadline
        with self._changed:
            while True:
                match = pattern.search(bytes(memoryview(self._bytes)[start:]))
                left = give_up_at - time.monotonic()
                if match or self.ended or left <= 0:
                    return match
                self._changed.wait(left)

    def wait_ended(self, deadline: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.ended, deadline)

    def pause(self) -> None:
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        with self._changed:
            self._paused = False
        self._ring()

    def stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._ring()
        self._thread.join(DEADLINE)
        os.close(self._wakeup)
        os.close(self._bell)

    def _ring(self) -> None:
        os.write(self._bell, b"x")

    def _gather(self) -> None:
        while not self._stopping and not self.ended:
            waited = [self._wakeup] if self._paused else [self._wakeup, self._master]
            ready, _, _ = select.select(waited, [], [])
            if self._wakeup in ready:
                os.read(self._wakeup, 4096)
            if self._master in ready:
                self._read()

    def _read(self) -> None:
        with self._changed:
            if self._paused:
                return
            try:
                chunk = os.read(self._master, 65536)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.EIO:  # EIO: Linux's word for "the last slave closed"
                    raise
                chunk = b""
            self._bytes += chunk
            self.ended = not chunk
            self._changed.notify_all()


class _Jobs:
    """The test's end of the two pipes to `jobshell`."""

    def __init__(self) -> None:
        their_control, self._control = os.pipe()
        self._report, their_report = os.pipe()
        os.set_blocking(self._report, False)
        self.theirs = (their_control, their_report)
        self.prefix = [sys.executable, "-I", "-S", jobshell.__file__]
        self.prefix += [str(descriptor) for descriptor in self.theirs]
        self._text = b""

    def close_theirs(self) -> None:
        for descriptor in self.theirs:
            os.close(descriptor)

    def say(self, word: str) -> None:
        os.write(self._control, f"{word}\n".encode())

    def wait_for(self, word: str, deadline: float = DEADLINE, count: int = 1) -> int:
        """The number of the `count`-th report of this word."""

        def found() -> list[int]:
            numbers = self._reported(word)
            return numbers if len(numbers) >= count else []

        return eventually(found, lambda: f"{count} × {word}: {self._text!r}", deadline=deadline)[
            count - 1
        ]

    def close(self) -> None:
        os.close(self._control)
        os.close(self._report)

    def _reported(self, word: str) -> list[int]:
        with suppress(BlockingIOError):
            self._text += os.read(self._report, 4096)
        reports = (line.split() for line in self._text.decode().split("\n")[:-1])
        return [int(number) for name, number in reports if name == word]
