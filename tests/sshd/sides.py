"""The two sides that are compared: ssh on the user's terminal, and ssh below keepshell there."""

from __future__ import annotations

import os
import termios

import psutil

from tests.support.processes import is_gone, tree
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

_LFLAG = 3


def ssh_of(terminal: Terminal) -> psutil.Process:
    """The ssh that has the session on this terminal, bare or below keepshell."""

    def found() -> list[psutil.Process]:
        return [process for process in tree(terminal.pid) if _is_ssh(process)]

    return eventually(found, lambda: f"an ssh\n{terminal.describe()}")[0]


def _is_ssh(process: psutil.Process) -> bool:
    try:
        # `ssh -G`, asked by keepshell for the configuration, is no session.
        # Nor is keepshell, which goes by the name of what it runs.
        is_ssh = os.path.basename(process.exe()) == "ssh"
        return is_ssh and "-G" not in process.cmdline()
    except psutil.Error:
        return False


def is_raw(ssh: psutil.Process) -> bool:
    """Whether the terminal that this ssh has is raw: it is in the session, and asks nothing."""
    try:
        fd = os.open(f"/proc/{ssh.pid}/fd/0", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        local = termios.tcgetattr(fd)[_LFLAG]
        assert isinstance(local, int)
        return not local & (termios.ICANON | termios.ISIG)
    except termios.error:
        return False
    finally:
        os.close(fd)


def wait_for_session(ssh: psutil.Process) -> None:
    """Return once this ssh has its terminal raw, or has ended.

    A key typed sooner, while ssh still leaves a prompt of its own, might be lost.
    """
    eventually(lambda: is_raw(ssh) or is_gone(ssh.pid), "a raw terminal")


def wait_until_reading(ssh: psutil.Process) -> None:
    """Return once this ssh, whose question is on the screen, waits for the answer.

    A signal between the two, to bare ssh too, is heeded only after the next line.
    """
    eventually(lambda: ssh.status() == psutil.STATUS_SLEEPING, "ssh to read the answer")
