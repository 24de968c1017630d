"""Replaces this process by a program, which finds the signals as if Python had not been there.

Imported before ssh starts, so no `signal`, which imports `enum` (ARCHITECTURE.md, "Start-up").
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # the C half of `signal`
import errno
import os

from keepshell.errors import NotRunnableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

# CPython ignores these at its start, and what is ignored stays so through exec.
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ", "SIGXFZ")


def _was_ignored(_signum: int, _frame: object) -> None:
    """In place of SIG_IGN, and so what remembers it."""


def take_signals() -> None:
    """To be called first thing: with SIGCHLD ignored, no program that we run has a status.

    What we run, or become, gets it as we got it: `restore_signals`.
    """
    if _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN:
        _signal.signal(_signal.SIGCHLD, _was_ignored)


def restore_signals() -> None:
    """Give what is exec'ed next the signals as if neither CPython nor we had been there."""
    for name in _IGNORED_BY_PYTHON:
        if hasattr(_signal, name):
            _signal.signal(getattr(_signal, name), _signal.SIG_DFL)
    if _signal.getsignal(_signal.SIGCHLD) is _was_ignored:
        _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)


def exec_program(
    path: str, words: Sequence[str], env: Mapping[str, str], *, as_a_shell: bool = False
) -> NoReturn:
    """Replace this process; `words` are the argv, the first one included.

    `as_a_shell`: a script without `#!` is run by sh. Raises NotRunnableError if the system
    refuses.
    """
    restore_signals()
    try:
        try:
            os.execve(path, list(words), dict(env))
        except OSError as error:
            if not as_a_shell or error.errno != errno.ENOEXEC:
                raise
            os.execve("/bin/sh", ["sh", path, *words[1:]], dict(env))
    except FileNotFoundError as error:
        raise NotRunnableError(
            f"{words[0]}: the interpreter in its first line is not there"
        ) from error
    except OSError as error:
        raise NotRunnableError(f"{words[0]}: {error.strerror}") from error
