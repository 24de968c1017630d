"""Where keepshell keeps what it remembers, and what runs now: the XDG directories, 0700 each.

A relative path in the environment is ignored, as the XDG Base Directory Specification demands.
"""

from __future__ import annotations

import os

from keepshell.errors import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def state_dir(environ: Mapping[str, str]) -> str | None:
    """`$XDG_STATE_HOME/keepshell`; None where the environment names no directory."""
    base = _absolute(environ, "XDG_STATE_HOME")
    if base is None:
        home = _absolute(environ, "HOME")
        if home is None:
            return None
        base = f"{home}/.local/state"
    return f"{base}/keepshell"


def live_dir(environ: Mapping[str, str]) -> str | None:
    """`$XDG_RUNTIME_DIR/keepshell`, or `live` below the state where there is no such directory."""
    base = _absolute(environ, "XDG_RUNTIME_DIR")
    if base is not None and os.path.isdir(base):
        return f"{base}/keepshell"
    state = state_dir(environ)
    return None if state is None else f"{state}/live"


def make_private(path: str) -> None:
    """Make a directory, and see that nobody else may look into it. Raises OSError."""
    os.makedirs(path, mode=0o700, exist_ok=True)
    found = os.stat(path)
    if found.st_uid == os.geteuid() and found.st_mode & 0o077:
        os.chmod(path, 0o700)


def required(path: str | None) -> str:
    """A directory that a command can't do without. Raises InternalError."""
    if path is None:
        raise InternalError("neither XDG_STATE_HOME nor HOME names a directory to look into")
    return path


def _absolute(environ: Mapping[str, str], variable: str) -> str | None:
    path = environ.get(variable, "")
    return path.rstrip("/") if path.startswith("/") else None
