"""The hosts whose ssh answers no keepalive request: ours would end their sessions.

A text file with a name a line, beside state.db, which is read before ssh starts: hardly anyone has
one, and asking SQLite would cost each start 5 ms.
"""

from __future__ import annotations

import contextlib
import os

from keepshell import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def is_known(environ: Mapping[str, str], name: Callable[[], str]) -> bool:
    """Whether the host of this name, which is asked for only where it matters, is one of them."""
    path = paths.unanswered(environ)
    return path is not None and bool(names := _read(path)) and name() in names


def add(environ: Mapping[str, str], name: str) -> None:
    """Remember a host. Raises OSError."""
    path = paths.unanswered(environ)
    if path is not None and name not in _read(path):
        _write(path, [*_read(path), name])


def forget(environ: Mapping[str, str], name: str) -> bool:
    """Forget a host; whether it was known. Raises OSError."""
    path = paths.unanswered(environ)
    if path is None or name not in (names := _read(path)):
        return False
    _write(path, [other for other in names if other != name])
    return True


def _read(path: str) -> list[str]:
    if not os.path.isfile(path):  # to read a FIFO would take for ever
        return []
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read().split("\n")[:-1]
    return []


def _write(path: str, names: list[str]) -> None:
    if not names:
        os.unlink(path)
        return
    paths.make_private(os.path.dirname(path))
    draft = f"{path}.{os.getpid()}"
    with open(draft, "w", encoding="utf-8") as file:
        file.write("".join(f"{name}\n" for name in names))
    os.replace(draft, path)
