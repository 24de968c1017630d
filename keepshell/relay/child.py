"""The child in its pty: spawned by pexpect, sized, signalled and reaped by us."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import termios

from keepshell.relay import tty
from keepshell.relay.lightpexpect import PtyProcess, pexpect
from keepshell.ssh.exec import restore_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    _BytesSpawn = pexpect.spawn[bytes]
else:
    _BytesSpawn = pexpect.spawn


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
    ) -> None:
        """Start `argv` in a pty born with the terminal's settings and size.

        `stderr` replaces the pty as the child's descriptor 2. Raises OSError or
        pexpect.ExceptionPexpect when the program can't be started.
        """
        prepare = _prepared(terminal.saved, terminal.winsize(), stderr)
        pass_fds = () if stderr is None else (stderr,)
        self._spawn = _Spawn(argv, pass_fds, env=dict(env), preexec_fn=prepare)
        # Neither ssh nor any other program that reads a password changes the characters.
        characters = terminal.saved[tty.CC]
        assert isinstance(characters, list)
        self._suspend = bytes(characters[termios.VSUSP])
        self.fd: int = self._spawn.child_fd
        self.pid: int = self._spawn.ptyproc.pid
        self.stopped = False
        self.status: int | None = None
        os.set_blocking(self.fd, False)

    @property
    def exited(self) -> bool:
        """Whether the child has ended and was reaped."""
        return self.status is not None

    def prompting(self) -> bool:
        """Whether the pty is in canonical mode: ssh itself asks; in the session it is raw."""
        return bool(self._local_modes() & termios.ICANON)

    def suspends_on(self, data: bytes) -> bool:
        """Whether `data` holds the suspend character and the pty makes SIGTSTP of it."""
        if self._suspend not in data:  # asked for every key: no system call for most
            return False
        if not self._local_modes() & termios.ISIG:
            return False
        suspend = termios.tcgetattr(self.fd)[tty.CC][termios.VSUSP]
        return suspend != b"\0" and suspend in data

    def _local_modes(self) -> int:
        try:
            modes: int = termios.tcgetattr(self.fd)[tty.LFLAG]
        except termios.error:
            return 0  # the slave is closed: nobody prompts
        return modes

    def resize(self, winsize: bytes) -> None:
        """Give the pty the terminal's size; the kernel sends SIGWINCH if it is another."""
        tty.set_winsize(self.fd, winsize)

    def nudge(self) -> None:
        """SIGWINCH with the size unchanged, to the foreground group as the kernel would."""
        try:
            os.killpg(os.tcgetpgrp(self.fd), signal.SIGWINCH)
        except OSError:
            self.signal(signal.SIGWINCH)

    def signal(self, signum: int) -> None:
        """Send a signal to the child, unless it has ended."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)

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
        pty = self._spawn.ptyproc
        pty.terminated = True  # reaped by look(), or left to init: pexpect must not wait for it
        self._spawn.close(force=False)


def _prepared(attributes: tty.Attributes, winsize: bytes, stderr: int | None) -> Callable[[], None]:
    """What the child does to itself between fork and exec."""

    def prepare() -> None:
        termios.tcsetattr(0, termios.TCSANOW, attributes)
        tty.set_winsize(0, winsize)
        if stderr is not None:
            os.dup2(stderr, 2)
        restore_signals()

    return prepare


def die_by(signum: int) -> None:
    """End this process by the signal that ended the child, without a core file of our own."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(OSError, ValueError):
        signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)
