"""Where keepshell's files are: the XDG directories, read in one place.

A relative path in the environment is ignored, as the XDG Base Directory Specification demands; a
relative HOME too, which would make everything depend on the current directory.
"""

from __future__ import annotations

import errno
import os
import stat

from keepshell.errors import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def config_path(environ: Mapping[str, str]) -> str | None:
    """Where config.toml is looked for; None where the environment names no directory."""
    return _below(environ, "XDG_CONFIG_HOME", ".config", "config.toml")


def state_dir(environ: Mapping[str, str]) -> str | None:
    """What is remembered; None where the environment names no directory."""
    return _below(environ, "XDG_STATE_HOME", ".local/state")


def unanswered(environ: Mapping[str, str]) -> str | None:
    """The list of hosts that answer no keepalive request."""
    state = state_dir(environ)
    return None if state is None else f"{state}/unanswered"


def live_dirs(environ: Mapping[str, str]) -> Iterator[str]:
    """Where live sessions may be listed, best first: `$XDG_RUNTIME_DIR/keepshell`, `STATE/live`."""
    base = _absolute(environ, "XDG_RUNTIME_DIR")
    if base is not None and os.path.isdir(base):
        yield f"{base}/keepshell"
    state = state_dir(environ)
    if state is not None:
        yield f"{state}/live"


def hold_dir(environ: Mapping[str, str]) -> str | None:
    """Where held connections have their sockets: beside what runs now, never in another's place."""
    for live in live_dirs(environ):
        if is_private(live) or not os.path.lexists(live):
            return f"{live}/hold"
    return None


def shim_dir(environ: Mapping[str, str]) -> str | None:
    """Where an installed shim goes; None where the environment names no directory."""
    return _below(environ, "XDG_DATA_HOME", ".local/share", "bin")


def exec_dirs(environ: Mapping[str, str]) -> Iterator[str]:
    """Where `keepshell exec` may keep its shims, best first.

    The last is for daemons and cron, without a home. None has a colon: it goes on PATH.
    """
    state, runtime = state_dir(environ), _absolute(environ, "XDG_RUNTIME_DIR")
    temporary = _absolute(environ, "TMPDIR") or "/tmp"  # noqa: S108 - made private, and checked
    roots = (
        None if state is None else f"{state}/exec",
        None if runtime is None else f"{runtime}/keepshell-exec",
        f"{temporary}/keepshell-exec-{os.geteuid()}",
    )
    return (root for root in roots if root is not None and os.pathsep not in root)


def make_private(path: str) -> None:
    """Make a directory that no one else may look into. Raises OSError.

    As root also where it would be in another user's directory: `sudo` may have kept HOME, and what
    root makes there its owner can't use.
    """
    if is_anothers(path):
        raise PermissionError(errno.EPERM, "it belongs to another user, and you are root", path)
    os.makedirs(path, mode=0o700, exist_ok=True)
    found = os.stat(path)
    if found.st_uid == os.geteuid() and found.st_mode & 0o077:
        os.chmod(path, 0o700)


def is_anothers(path: str) -> bool:
    """Whether we are root, and the directory is another user's, or would be by the last one above
    it that is there."""
    if os.geteuid() != 0:
        return False
    while path and not os.path.lexists(path):
        path = os.path.dirname(path)
    return os.stat(path).st_uid != 0


def is_private(path: str) -> bool:
    """Whether this is a directory of ours that no one else can write to."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return is_ours and not found.st_mode & 0o022


def required(path: str | None) -> str:
    """A directory that a command can't do without. Raises InternalError."""
    if path is None:
        raise InternalError("neither XDG_STATE_HOME nor HOME names a directory")
    return path


def _below(environ: Mapping[str, str], variable: str, usual: str, *names: str) -> str | None:
    """Our own folder below the directory that `variable` names, or below `~/USUAL`."""
    base = _absolute(environ, variable)
    if base is None:
        home = _absolute(environ, "HOME")
        if home is None:
            return None
        base = f"{home}/{usual}"
    return "/".join((base, "keepshell", *names))


def _absolute(environ: Mapping[str, str], variable: str) -> str | None:
    path = environ.get(variable, "")
    return path.rstrip("/") if path.startswith("/") else None
