"""The two streams copied, and nothing else, for a child that runs when part of us cannot load.

It may have done something already, so it is not started a second time.
"""

from __future__ import annotations

import os
import select
import signal

from keepshell.relay import child, tty, wakeups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def relay(program: child.Child, terminal: tty.Terminal) -> NoReturn:
    """Copy until the child has ended, and end this process as it did."""
    signal.signal(signal.SIGWINCH, lambda *_: program.resize(terminal.winsize()))
    for signum in _ENDING:
        signal.signal(signum, lambda signum, _: program.signal(signum))
    with terminal.given_back():
        terminal.take()
        _copy(program, terminal)
        _, status = os.waitpid(program.pid, 0)
        wakeups.block_for_the_end()
    child.end_as(os.waitstatus_to_exitcode(status), None)


def _copy(program: child.Child, terminal: tty.Terminal) -> None:
    poll, typed = wakeups.Poll(), b""
    while program.is_open:
        poll.ask(program.fd, select.POLLIN | (select.POLLOUT if typed else 0))
        poll.ask(terminal.input, 0 if typed else select.POLLIN)
        for fd, events in poll.wait(None):
            if fd == terminal.input:
                typed = _read(fd)
                if not typed and terminal.is_gone():
                    return program.close()
            elif events & select.POLLOUT:
                typed = typed[os.write(fd, typed) :]
            else:
                terminal.write(program.read())
    return None


def _read(fd: int) -> bytes:
    """What was typed; empty where nothing is, or the terminal is gone."""
    try:
        return os.read(fd, child.MOST)
    except OSError:
        return b""
