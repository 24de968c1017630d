"""The directories of the live files: ours and private, or not used.

The rules it keeps:

- a directory counts only if it is our own and no link, and so does a file in it: someone else may
  have made `$XDG_RUNTIME_DIR/keepshell` before us, with links to our files in it;
- nothing is waited for: a FIFO in a file's place is no file of ours.
"""

from __future__ import annotations

import contextlib
import os
import stat

from keepshell import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST = 65536
"""Bytes; a live file has less than a thousand."""

_OPENED = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class LiveDirectory:
    """One directory of ours, held open: whatever is put in the place of its path."""

    def __init__(self, path: str, *, make: bool = False) -> None:
        """Raises OSError where there is none, or it is not our own."""
        if make:
            paths.make_private(path)
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _OPENED)
        try:
            found = os.fstat(self._fd)
            if found.st_uid != os.geteuid():
                raise PermissionError(f"{path} belongs to someone else")
            if found.st_mode & 0o077:
                os.fchmod(self._fd, 0o700)
        except OSError:
            self.close()
            raise

    def names(self) -> list[str]:
        return sorted(os.listdir(self._fd))

    def read(self, name: str) -> bytes | None:
        """A file's content; None for what is no file of ours."""
        try:
            fd = os.open(name, os.O_RDONLY | _OPENED, dir_fd=self._fd)
        except OSError:
            return None
        try:
            found = os.fstat(fd)
            ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
            return os.read(fd, _MOST) if ours else None
        finally:
            os.close(fd)

    def write(self, name: str, content: bytes) -> None:
        """Let the file have this content, all at once. Raises OSError."""
        draft = f"{name}.new"
        self.delete(draft)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPENED
        fd = os.open(draft, flags, 0o600, dir_fd=self._fd)
        try:
            os.write(fd, content)
        finally:
            os.close(fd)
        os.replace(draft, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def delete(self, name: str) -> None:
        """Delete a file, or the link that is in its place."""
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._fd)

    def close(self) -> None:
        """Close the directory."""
        os.close(self._fd)


def writable(environ: Mapping[str, str]) -> LiveDirectory | None:
    """The best directory that is ours, made if it was not there; None where there is none."""
    for path in paths.live_dirs(environ):
        with contextlib.suppress(OSError):
            return LiveDirectory(path, make=True)
    return None


@contextlib.contextmanager
def readable(environ: Mapping[str, str]) -> Iterator[list[LiveDirectory]]:
    """All directories of ours that are there."""
    with contextlib.ExitStack() as stack:
        found = []
        for path in paths.live_dirs(environ):
            with contextlib.suppress(OSError):
                found.append(stack.enter_context(contextlib.closing(LiveDirectory(path))))
        yield found
