"""A compiled copy of config.toml beside the state: its sections, read without tomllib.

The rules it keeps:

- it counts only for the very file that it was made from, unchanged (device, inode, size, both times
  in nanoseconds), read by this version of keepshell;
- and only if it is a private file of our own that holds what was written; otherwise config.toml is;
- it is never made from a file that was changed a moment ago: another change within the same tick of
  the file system's clock would leave no trace;
- marshal reads it, as numbers and text; nothing in it is ever run.

Loaded before ssh starts: no json, no pickle, no tempfile (ARCHITECTURE.md, "Start-up").
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
import time

from keepshell import paths
from keepshell._version import VERSION
from keepshell.config.settings import KEYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Section = tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, object, int], ...]]
    """Its keys, its patterns, and of each setting the name, what `Key.read` takes, and the line."""

_FORMAT = 1
_SETTLED = 2 * 10**9  # nanoseconds: FAT's clock ticks that slowly
_PRIME = (1 << 61) - 1
_DIGITS = 16  # of the checksum, in hexadecimal
_MOST_BYTES = 1 << 24


def stamp(path: str, file: os.stat_result) -> tuple[Any, ...]:
    """What must be the same for a copy to count."""
    return (
        *(_FORMAT, VERSION, sys.implementation.cache_tag, tuple(KEYS), path),
        *(file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns),
    )


def read(environ: Mapping[str, str], wanted: tuple[Any, ...]) -> Sequence[Section] | None:
    """The sections, if there is a good copy with this stamp."""
    place = _place(environ)
    try:
        fd = os.open(place or "", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(fd)
        is_ours = found.st_uid == os.geteuid() and not found.st_mode & 0o077
        if not is_ours or not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
            return None
        data = os.read(fd, found.st_size)
        digits, body = data[:_DIGITS], data[_DIGITS:]
        if digits != _checksum(body):
            return None
        kept, sections = marshal.loads(body)  # noqa: S302 - our own file, whole
    except (OSError, ValueError, TypeError, EOFError):
        return None
    finally:
        os.close(fd)
    return sections if kept == wanted else None


def write(
    environ: Mapping[str, str], made_from: tuple[Any, ...], sections: Sequence[Section]
) -> None:
    """Keep a copy, if it can be kept safely; nothing is said if not."""
    place = _place(environ)
    changed_at = max(made_from[-2:])
    if place is None or not 0 <= changed_at <= time.time_ns() - _SETTLED:
        return
    folder = os.path.dirname(place)
    new = f"{place}.{os.getpid()}"
    try:
        body = marshal.dumps((made_from, list(sections)))
        paths.make_private(folder)
        if os.stat(folder).st_uid != os.geteuid():  # under `sudo -E`, HOME is another's
            return
        fd = os.open(
            new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
    except (OSError, ValueError):
        return
    try:
        with open(fd, "wb") as file:
            file.write(_checksum(body) + body)
        os.rename(new, place)
    except OSError:
        os.unlink(new)


def _place(environ: Mapping[str, str]) -> str | None:
    folder = paths.state_dir(environ)
    return None if folder is None else f"{folder}/config.compiled"


def _checksum(body: bytes) -> bytes:
    return format(int.from_bytes(body, "big") % _PRIME, f"0{_DIGITS}x").encode()
