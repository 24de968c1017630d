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


def by_sh(error: OSError, argv: Sequence[str]) -> list[str]:
    """The command line for a script without `#!`, which a shell would run by sh as well.

    Raises the `error` that starting `argv` has met, if it is another one.
    """
    if error.errno != errno.ENOEXEC or _is_binary(argv[0]):
        raise error
    return ["/bin/sh", *argv]


def _is_binary(path: str) -> bool:
    """Whether a file that the system can't run is no script either, as bash judges that."""
    try:
        with open(path, "rb") as file:
            head = file.read(80)
    except OSError:
        return True
    return head.startswith(b"\x7fELF") or b"\0" in head.partition(b"\n")[0]


def exec_program(path: str, words: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Replace this process; `words` are the argv, the first one included.

    Raises NotRunnableError if the system refuses.
    """
    restore_signals()
    try:
        try:
            os.execve(path, list(words), dict(env))
        except OSError as error:
            script = by_sh(error, [path, *words[1:]])
            os.execve(script[0], script, dict(env))
    except FileNotFoundError as error:
        raise NotRunnableError(
            f"{words[0]}: the interpreter in its first line is not there"
        ) from error
    except OSError as error:
        raise NotRunnableError(f"{words[0]}: {error.strerror}") from error
