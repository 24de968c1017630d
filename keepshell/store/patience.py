"""Reading and writing files that may hang, or be locked, without keeping the user waiting for them.

The rules it keeps:

- a thread does the reading, and is abandoned if it takes too long;
- a process does the writing, and outlives us for a while if it must: what a session has taught is
  not lost because a file was locked when it ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

from keepshell.errors import InternalError, KeepshellError

Found = TypeVar("Found")

GIVES_UP_AFTER = 30
"""Seconds after which the process is ended, whatever it waits for."""


def read(action: Callable[[], Found], *, within: float) -> Found:
    """What `action` finds; raises what it raises, and TimeoutError after that many seconds."""
    outcome: list[Callable[[], Found]] = []

    def run() -> None:
        try:
            found = action()
        except BaseException as error:  # it is raised where it is waited for
            outcome.append(_raiser(error))
        else:
            outcome.append(lambda: found)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(within)
    if not outcome:
        raise TimeoutError(f"no answer within {within:g} s")
    return outcome[0]()


def _raiser(error: BaseException) -> Callable[[], NoReturn]:
    def throw() -> NoReturn:
        raise error

    return throw


def write(action: Callable[[], None], *, within: float) -> None:
    """Have a process of its own do this, and wait for it so many seconds.

    Raises InternalError with what went wrong by then, OSError where there can be no process.
    """
    reader, writer = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            _do(action, writer)
    finally:
        os.close(writer)
    try:
        if not select.select([reader], [], [], within)[0]:
            return
        said = os.read(reader, 4096)
    finally:
        os.close(reader)
    with contextlib.suppress(ChildProcessError):  # our parent may have had SIGCHLD ignored
        os.waitpid(pid, 0)
    if said:
        raise InternalError(said.decode())


def _do(action: Callable[[], None], writer: int) -> NoReturn:
    """In the new process: nothing of the user's is kept open, and a closed window ends nothing."""
    try:
        writer = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, 3)  # the first three are taken below
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(GIVES_UP_AFTER)
        _close_all_but(writer)
        try:
            action()
        except KeepshellError as error:
            os.write(writer, str(error).encode(errors="replace"))
        except Exception as error:  # told, not raised: the stack is the session's
            os.write(writer, f"{type(error).__name__}: {error}".encode(errors="replace"))
    finally:
        os._exit(0)


def _close_all_but(writer: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    last = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, writer)
    os.closerange(writer + 1, last)
