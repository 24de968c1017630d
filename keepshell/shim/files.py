"""Where shims are kept on disk: private directories, and files that are whole or not there.

No one else may write to a directory that goes first on PATH. A shim that is replaced may be
running, so it is never changed: another file takes its name.
"""

from __future__ import annotations

import contextlib
import os
import stat

from keepshell import paths
from keepshell.config.load import load_anyway
from keepshell.errors import UsageError
from keepshell.shim import script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COPIERS = ("scp", "sftp")
"""Programs that know ssh by its absolute path (compiled in), unless -S names another."""


class Prepared:
    """The two directories for PATH: `ssh` alone is in one, the copiers in the other."""

    __slots__ = ("copiers", "problem", "shims")

    def __init__(self, shims: str, copiers: str, problem: str) -> None:
        self.shims = shims
        self.copiers = copiers
        self.problem = problem
        """What is wrong with the configuration; each call of ssh goes through Python then."""


def prepare(environ: Mapping[str, str]) -> Prepared:
    """Bring the shims up to date. Raises OSError where no directory can be used."""
    reasons = []
    for root in paths.exec_dirs(environ):
        try:
            return _prepare_in(root, environ)
        except OSError as error:
            reasons.append(f"{error.filename or root}: {error.strerror}")
    raise OSError("; ".join(reasons))


def _prepare_in(root: str, environ: Mapping[str, str]) -> Prepared:
    shims, copiers = os.path.join(root, "shim"), os.path.join(root, "copiers")
    for folder in (root, shims, copiers):
        _make_private(folder)
    problem = ""
    ssh = os.path.join(shims, "ssh")
    try:
        text = script.ssh_shim(ssh, environ)
    except UsageError as error:
        text = script.python_shim(ssh)
        problem = next(iter(load_anyway(environ)[1]), str(error))  # as each call of ssh says it
    texts = dict([(ssh, text), *_copiers(ssh, copiers, environ)])
    for path, text in texts.items():
        write(path, text)
    for name in COPIERS:
        path = os.path.join(copiers, name)
        if path not in texts:  # the system has it no more
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    return Prepared(shims, copiers, problem)


def files(folder: str, environ: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Each shim's path and text, for one directory.

    Raises UsageError for a configuration that can't be read.
    """
    ssh = os.path.join(folder, "ssh")
    yield ssh, script.ssh_shim(ssh, environ)
    yield from _copiers(ssh, folder, environ)


def _copiers(ssh: str, folder: str, environ: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    for name in COPIERS:
        path = os.path.join(folder, name)
        text = script.copier(path, ssh, environ)
        if text is not None:
            yield path, text


def write(path: str, text: bytes) -> None:
    """Put an executable file of this text at `path`, unless it is there. Raises OSError."""
    if not _holds(path, text):
        replace(path, text, 0o755)
    if not os.access(path, os.X_OK):
        raise PermissionError(0, "its file system lets no program run", path)


def replace(path: str, text: bytes, mode: int) -> None:
    """Put a whole file in the place of the one at `path`, if there is one. Raises OSError."""
    new = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(fd, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)  # an empty shim, after a power cut, would be a script that succeeds
        os.rename(new, path)
    except OSError:
        os.unlink(new)
        raise


def _holds(path: str, text: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read() == text and os.access(path, os.X_OK)
    except OSError:
        return False


def _make_private(folder: str) -> None:
    """Make a directory that only we can write to; raises OSError where it is another's."""
    _check_place(folder)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(0, "not a directory of ours", folder)
    if found.st_mode & 0o022:
        os.chmod(folder, found.st_mode & 0o755)


def _check_place(folder: str) -> None:
    """Under `sudo -E`, HOME is another's: nothing of root's is to appear there."""
    place = os.path.dirname(folder)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    found = os.stat(place)
    if found.st_uid != os.geteuid() and not found.st_mode & stat.S_ISVTX:
        raise PermissionError(0, "another user's directory", place)
