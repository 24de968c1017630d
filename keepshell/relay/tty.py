"""The user's own terminal: raw while it is ours to read, and always given back as it was."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import sys
import termios
from collections.abc import Iterator

Attributes = list[int | list[bytes | int]]
"""What tcgetattr(3) gives: iflag, oflag, cflag, lflag, ispeed, ospeed, cc."""

IFLAG, OFLAG, CFLAG, LFLAG, ISPEED, OSPEED, CC = range(7)

_WINSIZE_BYTES = 8  # struct winsize: rows, cols, x and y pixels, 16 bits each (tty_ioctl(4))


_NEWLINES = termios.OPOST | termios.ONLCR


class Terminal:
    """The terminal on descriptors 0 and 1."""

    def __init__(self) -> None:
        """Reads the terminal's settings; raises termios.error where there is no terminal."""
        self._stdin = 0
        self.saved: Attributes = termios.tcgetattr(self._stdin)
        oflag = self.saved[OFLAG]
        assert isinstance(oflag, int)
        self.adds_returns = oflag & _NEWLINES == _NEWLINES
        """Whether it makes CR LF of a line end, while it is not raw."""
        self.taken = False
        """Whether it is raw, and ours to read."""
        self._own: list[int] = []
        self.input = self._reopened(0)
        self.output = self._reopened(1)
        self.output_blocks = self.output == 1

    def _reopened(self, fd: int) -> int:
        """The same terminal under an open file description of our own, which may be non-blocking.

        O_NONBLOCK on the inherited descriptor would stick to the parent's terminal. Where the
        terminal can't be opened by name (another user's, after su), the inherited one serves.
        """
        try:
            own = os.open(os.ttyname(fd), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return fd
        self._own.append(own)
        return own

    def close(self) -> None:
        """Close what was reopened."""
        while self._own:
            os.close(self._own.pop())

    def write(self, data: bytes) -> None:
        """Write all of `data`, waiting where it must; a terminal that is gone gets none."""
        poll = select.poll()
        poll.register(self.output, select.POLLOUT)
        with contextlib.suppress(OSError):
            while data:
                poll.poll()
                data = data[os.write(self.output, data) :]

    def winsize(self) -> bytes:
        """The kernel's struct winsize of the terminal, pixels included; empty if it is gone."""
        try:
            return get_winsize(self._stdin)
        except OSError:
            return b""

    def is_gone(self) -> bool:
        """Whether its other end is gone."""
        return not self.winsize()

    def rows(self) -> int:
        """The terminal's height in lines; 0 if unknown."""
        return int.from_bytes(self.winsize()[:2], sys.byteorder)

    @contextlib.contextmanager
    def given_back(self) -> Iterator[None]:
        """Whatever happens within, the terminal is as it was afterwards."""
        try:
            yield
        finally:
            self.give_back()

    def take(self, *, flush: bool = False) -> None:
        """Make it raw, as ssh's own raw mode; `flush` drops what was typed and not yet read."""
        if flush:
            with contextlib.suppress(termios.error):
                termios.tcflush(self._stdin, termios.TCIFLUSH)
        if not self.taken:
            self.taken = True
            # TCSADRAIN, because TCSAFLUSH would drop type-ahead.
            set_attributes(self._stdin, raw_attributes(self.saved))

    def give_back(self) -> None:
        """Give the saved settings back, if they are not there already."""
        if self.taken:
            self.taken = False
            set_attributes(self._stdin, self.saved)

    def has_line(self) -> bool:
        """Whether a typed line waits unread, on a terminal whose modes are unchanged."""
        poll = select.poll()
        poll.register(self._stdin, select.POLLIN)
        try:
            return bool(poll.poll(0)) and termios.tcgetattr(self._stdin) == self.saved
        except termios.error:
            return False

    def suspend(self, *, with_group: bool) -> None:
        """Stop this process as a job; returns when it was continued, the terminal as it left it.

        `with_group`: all of its process group, as the kernel does for a key.
        """
        taken = self.taken
        self.give_back()
        stop_self(signal.SIGTSTP, with_group=with_group)
        self.wait_for_foreground()
        with contextlib.suppress(termios.error):
            self.saved = termios.tcgetattr(self._stdin)
        if taken:
            self.take()

    def resume(self) -> None:
        """As before, after a stop that was none of ours (SIGSTOP); `saved` stays what it was."""
        self.wait_for_foreground()
        if self.taken:
            self.taken = False
            self.take()

    def wait_for_foreground(self) -> None:
        """In the background, stop on SIGTTIN as any reader of the terminal does.

        Tried once: the kernel discards the signal in an orphaned process group.
        """
        try:
            foreground = os.tcgetpgrp(self._stdin)
        except OSError:
            return
        if foreground != os.getpgrp():
            stop_self(signal.SIGTTIN)


def stop_self(signum: signal.Signals, *, with_group: bool = False) -> None:
    """Stop this process, or its group, by the default action of `signum`; returns once it goes on.

    A signal that was ignored from the start stops nothing.
    """
    former = signal.getsignal(signum)
    if former is signal.SIG_IGN:
        return
    signal.signal(signum, signal.SIG_DFL)
    if with_group:
        os.killpg(os.getpgrp(), signum)
    else:
        os.kill(os.getpid(), signum)
    signal.signal(signum, former)


def raw_attributes(saved: Attributes) -> Attributes:
    """The settings that OpenSSH's enter_raw_mode makes of `saved` (sshtty.c), one by one."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = saved
    assert isinstance(iflag, int)
    assert isinstance(oflag, int)
    assert isinstance(lflag, int)
    assert isinstance(cc, list)
    iflag |= termios.IGNPAR
    iflag &= ~(
        termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
        | termios.IXANY
        | termios.IXOFF
        | getattr(termios, "IUCLC", 0)
    )
    lflag &= ~(
        termios.ISIG
        | termios.ICANON
        | termios.ECHO
        | termios.ECHOE
        | termios.ECHOK
        | termios.ECHONL
        | termios.IEXTEN
    )
    oflag &= ~termios.OPOST
    cc = list(cc)
    cc[termios.VMIN] = 1
    cc[termios.VTIME] = 0
    return [iflag, oflag, cflag, lflag, ispeed, ospeed, cc]


def set_attributes(fd: int, attributes: Attributes) -> None:
    """tcsetattr(TCSADRAIN); a terminal that is gone needs no settings.

    A stop and continue halfway is no error, but termios does not retry, as PEP 475 has the os
    module do.
    """
    while True:
        try:
            return termios.tcsetattr(fd, termios.TCSADRAIN, attributes)
        except termios.error as error:
            if error.args[0] != errno.EINTR:
                return None


def get_winsize(fd: int) -> bytes:
    """The struct winsize of a terminal, as bytes."""
    return fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(_WINSIZE_BYTES))


def with_rows(winsize: bytes, rows: int) -> bytes:
    """The same struct winsize with another height."""
    return rows.to_bytes(2, sys.byteorder) + winsize[2:]


def has_size(winsize: bytes) -> bool:
    """Whether neither the rows nor the columns are 0, as below expect(1)."""
    return any(winsize[:2]) and any(winsize[2:4])


def set_winsize(fd: int, winsize: bytes) -> None:
    """Set the struct winsize; the kernel signals the foreground group only if it is another."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, winsize)
