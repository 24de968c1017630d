"""A shell of one job, which leaves the terminal's settings as the job left them.

Runs as a script, the leader of the terminal's session: `jobshell.py CONTROL REPORT COMMAND...`.
The job is a process group of its own in the foreground, as under an interactive shell, so it can
be stopped. Lines written to the descriptor REPORT: `pid N`, `stopped N` (a signal), `continued 0`,
`status N` (as of waitpid(2)). Lines read from CONTROL: `fg`, `bg`. It stays until it is killed,
because the kernel resets the settings of a terminal whose session leader has gone.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress

# A handler, unlike SIG_IGN, is not inherited across exec.
_FOR_THE_JOB_ONLY = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTSTP,
    signal.SIGTTIN,
)
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def main(control: int, report: int, argv: list[str]) -> None:
    """Run `argv` as the job, report what becomes of it, and stay."""
    for number in _FOR_THE_JOB_ONLY:
        signal.signal(number, lambda *_: None)
    job = os.fork()
    if job == 0:
        _become_the_job(argv, (control, report))
    _make_group(job)
    # A terminal that is closed tells the session's leader alone; shells pass it on.
    signal.signal(signal.SIGHUP, lambda *_: _send(job, signal.SIGHUP))
    _say(report, "pid", job)
    threading.Thread(target=_obey, args=(control, job), daemon=True).start()
    _watch(job, report)
    while True:
        signal.pause()


def _become_the_job(argv: list[str], ours: tuple[int, ...]) -> None:
    _make_group(os.getpid())
    _give_foreground(os.getpid())
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    for descriptor in ours:
        os.close(descriptor)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127)


def _make_group(job: int) -> None:
    """Done by parent and child both, as shells do, so that neither has to wait for the other."""
    # Refused to the parent once the child has run exec, or has ended: then the child did it.
    with suppress(PermissionError, ProcessLookupError):
        os.setpgid(job, job)


def _watch(job: int, report: int) -> None:
    while True:
        _, status = os.waitpid(job, os.WUNTRACED | os.WCONTINUED)
        if os.WIFSTOPPED(status):
            _give_foreground(os.getpid())
            _say(report, "stopped", os.WSTOPSIG(status))
        elif os.WIFCONTINUED(status):
            _say(report, "continued", 0)
        else:
            _give_foreground(os.getpid())
            _say(report, "status", status)
            return


def _obey(control: int, job: int) -> None:
    with os.fdopen(control) as lines:
        for line in lines:
            if line == "fg\n":
                _give_foreground(job)
            _send(job, signal.SIGCONT)


def _give_foreground(group: int) -> None:
    # SIGTTOU would stop a caller in the background. Blocked and not ignored, because
    # signal.signal works in the main thread only.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    with suppress(OSError):  # the terminal has been closed
        os.tcsetpgrp(0, group)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _send(job: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(job, number)


def _say(report: int, word: str, number: int) -> None:
    os.write(report, f"{word} {number}\n".encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
