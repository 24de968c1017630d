"""The errors keepshell reports itself: what happened, where, what to do, and the exit code.

NotStartedError    a fault before ssh or the program runs: run it without us
KeepshellError
├── UsageError       exit 2: the command line or the configuration can't be read
│   ├── NoProgramError   exit 127: the program to run is not there
│   └── NotRunnableError exit 126: it is there, and can't be run
├── NotFoundError    exit 1: no such host or session is known
└── InternalError    exit 70: a fault of ours, or of the system we run on

Never 255: that is ssh's own, and scripts retry on it.
"""

from __future__ import annotations


class NotStartedError(Exception):
    """Something of ours is missing or broken, and nothing runs yet; the cause says what."""


class KeepshellError(Exception):
    """Something the user must know; its `str()` is the whole sentence after `keepshell: `."""

    exit_code = 70


class UsageError(KeepshellError):
    """The command line or the configuration can't be read; nothing was run."""

    exit_code = 2


class NoProgramError(UsageError):
    """The program to run is not there."""

    exit_code = 127


class NotRunnableError(UsageError):
    """The program to run is there, and can't be run."""

    exit_code = 126


class NotFoundError(KeepshellError):
    """No such host or session is known."""

    exit_code = 1


class InternalError(KeepshellError):
    """keepshell, or the system under it, failed; not the user's doing."""

    exit_code = 70
