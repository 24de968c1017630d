"""The child in its pty: spawned by pexpect, sized, signalled and reaped by us."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import struct
import termios
from functools import partial

from keepshell.relay import tty
from keepshell.relay.leader import end_as as end_like
from keepshell.relay.leader import lead
from keepshell.relay.lightpexpect import PtyProcess, pexpect
from keepshell.ssh.exec import by_sh, restore_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, NoReturn

    _BytesSpawn = pexpect.spawn[bytes]
else:
    _BytesSpawn = pexpect.spawn


MOST = 16384
"""Bytes read at once. A read takes what is there, and waiting for more costs more than it saves:
gathered up to 64 kB, a bulk output was 10 % slower."""

_KEYS = {
    termios.VINTR: signal.SIGINT,
    termios.VQUIT: signal.SIGQUIT,
    termios.VSUSP: signal.SIGTSTP,
}
"""The characters that a terminal makes signals of (termios(3), ISIG)."""

_ENDING = (signal.SIGHUP, signal.SIGTERM)
"""Signals that a stopped program must be continued to see."""


class _Pty(PtyProcess):  # type: ignore[misc] # ptyprocess has no annotations
    def setwinsize(self, rows: int, cols: int) -> None:
        """The size was set before exec; PtyProcess.spawn would set it again without pixels."""


class _Spawn(_BytesSpawn):
    """pexpect's spawn with a descriptor kept for the child and no pauses of its own."""

    def __init__(self, argv: Sequence[str], pass_fds: tuple[int, ...], **options: Any) -> None:
        self._pass_fds = pass_fds
        super().__init__(argv[0], list(argv[1:]), timeout=None, **options)

    ptyproc: Any  # pexpect's own attribute, which its stubs leave out

    def _spawnpty(self, args: list[str], **options: Any) -> PtyProcess:
        pty = _Pty.spawn(args, pass_fds=self._pass_fds, **options)
        pty.delayafterclose = 0
        return pty


class Child:
    """A program in a pty of its own; `fd` is the pty's master, non-blocking."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        terminal: tty.Terminal,
        stderr: int | None = None,
        may_stop: bool = False,
    ) -> None:
        """Start `argv` in a pty born with the terminal's settings and size.

        `stderr` replaces the pty as the child's descriptor 2. `may_stop`: it is below a leader of
        its session, and so can stop itself by SIGTSTP; ssh has no use for that. Raises OSError or
        pexpect.ExceptionPexpect when the program can't be started.
        """
        prepare = _prepared(terminal.saved, terminal.winsize(), stderr, may_stop=may_stop)
        pass_fds = (*_inherited(), *(() if stderr is None else (stderr,)))
        spawn = partial(_Spawn, pass_fds=pass_fds, env=dict(env), preexec_fn=prepare)
        try:
            self._spawn = spawn(argv)
        except OSError as error:
            self._spawn = spawn(by_sh(error, argv))
        # Neither ssh nor any other program that reads a password changes the characters.
        characters = terminal.saved[tty.CC]
        assert isinstance(characters, list)
        self._keys = {bytes(characters[index]): index for index in _KEYS}
        self._tells_raw = _changes_flow_when_raw(terminal.saved)
        self._packets = False
        self.fd: int = self._spawn.child_fd
        self.pid: int = self._spawn.ptyproc.pid
        self.is_open = True
        """Whether the pty may still bring output."""
        self.has_own_stderr = stderr is not None
        self.has_flushed = False
        """Whether the child threw away its input, since this was last set to false."""
        self.was_raw = False
        """Whether the child has had its terminal in raw mode, if it `tells` so."""
        self.stopped = False
        self.status: int | None = None
        os.set_blocking(self.fd, False)

    @property
    def exited(self) -> bool:
        """Whether the child has ended and was reaped."""
        return self.status is not None

    def tell(self, wanted: bool) -> bool:
        """Have the kernel tell of flushes and raw mode, or no longer; whether it tells of raw mode.

        The pty's packet mode, ioctl_tty(2). It tells of raw mode by the flow control (^S) that ends
        with it, so only where there is one.
        """
        try:
            fcntl.ioctl(self.fd, termios.TIOCPKT, struct.pack("i", wanted))
        except OSError:
            return False
        self._packets = wanted
        return self._tells_raw

    def read(self) -> bytes:
        """What the child has printed; empty if nothing now, or at the end. Raises OSError."""
        try:
            data = os.read(self.fd, MOST)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: Linux's word for "the slave is closed"
                raise
            data = b""
        if not data:
            self.is_open = False
        return self._unpacked(data) if self._packets else data

    def _unpacked(self, packet: bytes) -> bytes:
        """The output in a packet, whose first byte says what else has happened."""
        told = packet[0] if packet else 0
        self.has_flushed |= bool(told & termios.TIOCPKT_FLUSHREAD)
        self.was_raw |= bool(told & (termios.TIOCPKT_NOSTOP | termios.TIOCPKT_DOSTOP))
        return packet[1:]

    def prompting(self) -> bool:
        """Whether the pty is in canonical mode: ssh itself asks; in the session it is raw."""
        return bool(self._local_modes() & termios.ICANON)

    def is_raw(self) -> bool:
        """Whether ssh has logged in; unlike `not prompting()`, never where it has ended."""
        try:
            return self.is_open and not termios.tcgetattr(self.fd)[tty.LFLAG] & termios.ICANON
        except termios.error:
            return False

    def has_left(self) -> bool:
        """Whether ssh has given the pty its modes back, as it does at its end.

        What is written to it then comes back as an echo.
        """
        return bool(self._local_modes() & (termios.ECHO | termios.ICANON))

    def echoes(self) -> bool:
        """Whether the pty shows what is typed."""
        return bool(self._local_modes() & termios.ECHO)

    def signal_of(self, typed: bytes) -> signal.Signals | None:
        """The signal that the pty makes of the last such key in `typed`."""
        keys = [key for key in self._keys if key in typed]  # no system call for most input
        if not keys or not self._local_modes() & termios.ISIG:
            return None
        now = termios.tcgetattr(self.fd)[tty.CC]
        found = [key for key in keys if now[self._keys[key]] == key != b"\0"]
        return _KEYS[self._keys[max(found, key=typed.rindex)]] if found else None

    def _local_modes(self) -> int:
        if not self.is_open:
            return 0
        try:
            modes: int = termios.tcgetattr(self.fd)[tty.LFLAG]
        except termios.error:
            return 0  # the slave is closed: there is no prompt
        return modes

    def resize(self, winsize: bytes) -> None:
        """Give the pty the terminal's size; the kernel sends SIGWINCH if it is another."""
        if self.is_open and winsize:
            with contextlib.suppress(OSError):  # closed meanwhile
                tty.set_winsize(self.fd, winsize)

    def nudge(self) -> None:
        """SIGWINCH with the size unchanged, to the foreground group as the kernel would."""
        if self.is_open:
            try:
                os.killpg(os.tcgetpgrp(self.fd), signal.SIGWINCH)
            except OSError:
                self.signal(signal.SIGWINCH)

    def signal(self, signum: int) -> None:
        """Send a signal to the child, unless it has ended; if it is to end, it goes on for that."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)
            if self.stopped and signum in _ENDING:
                self.go_on()

    def stop(self) -> None:
        """Stop the child. Not by SIGTSTP: in a session of its own, the kernel discards that."""
        self.stopped = True
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have a stopped child go on."""
        if self.stopped:
            self.stopped = False
            self.signal(signal.SIGCONT)

    def look(self) -> None:
        """Take note of whether the child was stopped, continued or has ended."""
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if pid == 0:
                return
            if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
                self.stopped = os.WIFSTOPPED(status)
            else:
                self.status = status

    def close(self) -> None:
        """Close the pty; a child that still runs gets the kernel's SIGHUP."""
        self.is_open = False
        pty = self._spawn.ptyproc
        pty.terminated = True  # reaped by look(), or left to init: pexpect must not wait for it
        self._spawn.close(force=False)
        self.fd = -1  # another descriptor may get the number


def _inherited() -> Iterable[int]:
    """The descriptors besides 0, 1 and 2 that we got and a program in our place would have."""
    try:
        listed = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        return ()
    return [fd for fd in listed if fd > 2 and _is_passed_on(fd)]


def _is_passed_on(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:  # that of the listing itself
        return False


def _changes_flow_when_raw(attributes: tty.Attributes) -> bool:
    """Whether raw mode will end flow control by ^S and ^Q: packet mode shows no more than that."""
    iflag, characters = attributes[tty.IFLAG], attributes[tty.CC]
    assert isinstance(iflag, int)
    assert isinstance(characters, list)
    keys = (characters[termios.VSTART], characters[termios.VSTOP])
    return bool(iflag & termios.IXON) and keys == (b"\x11", b"\x13")


def _prepared(
    attributes: tty.Attributes, winsize: bytes, stderr: int | None, *, may_stop: bool
) -> Callable[[], None]:
    """What the child does to itself between fork and exec."""

    def prepare() -> None:
        # Python's own handlers run until exec; the descriptor they would write to is closed here.
        signal.set_wakeup_fd(-1)
        termios.tcsetattr(0, termios.TCSANOW, attributes)
        if winsize:
            tty.set_winsize(0, winsize)
        if stderr is not None:
            os.dup2(stderr, 2)
        if may_stop:
            lead()
        restore_signals()

    return prepare


def end_as(status: int, key: signal.Signals | None) -> NoReturn:
    """End this process as the child ended; `status` as of os.waitstatus_to_exitcode.

    `key` is the signal that the user's last key was to the child: the rest of our process group
    gets it now, as from a terminal that is not raw.
    """
    if key in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(key, signal.SIG_IGN)
        os.killpg(os.getpgrp(), key)
    end_like(status)
