"""The system's own ssh: where it is, and what its configuration says of a host."""

from __future__ import annotations

import os
import select
import time

from keepshell.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEPTH = "KEEPSHELL_DEPTH"
_DEEPEST = 16
_SIGPIPE = 13  # POSIX fixes the number; the signal module would cost an import of enum
_MARK = b"keepshell"
_HEAD_BYTES = 4096

RESOLVE_WITHIN = 2.0
"""Seconds that `ssh -G` gets; one that hangs (a Match exec, a slow resolver) is ignored."""


def find(environ: Mapping[str, str], named: str | None, source: str) -> str:
    """The path of the real ssh: the one that `source` named, else the first on PATH.

    Our own scripts and wrappers that call keepshell are skipped on PATH and refused where named.
    Raises UsageError with the remedy.
    """
    if named:
        return _checked(named, source)
    path = on_path("ssh", environ, skip_shims=True)
    if path is None:
        raise UsageError(
            "no ssh found on PATH besides keepshell itself; install an ssh client (Debian: "
            'openssh-client) or name it in KEEPSHELL_SSH or as ssh = "/path" in config.toml'
        )
    return path


def _checked(path: str, source: str) -> str:
    if not _is_program(path):
        raise UsageError(f"{source}: {path!r} is not an executable file; name the real ssh")
    if is_shim(path):
        raise UsageError(f"{source}: {path!r} leads back to keepshell; name the real ssh")
    return path


def on_path(name: str, environ: Mapping[str, str], *, skip_shims: bool = False) -> str | None:
    """The first program of that name on PATH; a path is itself."""
    if "/" in name:
        return name if _is_program(name) else None
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder or os.curdir, name)
        if _is_program(path) and not (skip_shims and is_shim(path)):
            return path
    return None


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def is_shim(path: str) -> bool:
    """Whether a program is keepshell, or a script that calls it (through symlinks too)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False  # executable but not readable: no script can be run that way
    try:
        head = os.read(fd, _HEAD_BYTES)
    finally:
        os.close(fd)
    return head.startswith(b"#!") and _MARK in head


def deeper(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for what we start, one level deeper; raises UsageError in a loop.

    A wrapper that hides its call of keepshell (a compiled one) would otherwise start us for ever.
    """
    depth = environ.get(DEPTH, "0")
    level = int(depth) + 1 if depth.isdecimal() else 1
    if level > _DEEPEST:
        raise UsageError(
            f"{_DEEPEST} keepshells inside each other: the ssh on PATH leads back to keepshell; "
            "name the real one in KEEPSHELL_SSH"
        )
    return {**environ, DEPTH: str(level)}


class Resolving:
    """`ssh -G` at work in the background, while this process imports what it needs."""

    def __init__(self, ssh: str, arguments: Sequence[str]) -> None:
        """Start it; `arguments` are sshargs' probe_argv. Raises OSError."""
        self._reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._pid = os.posix_spawn(
                ssh,
                [ssh, *arguments],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, null, 0),
                    (os.POSIX_SPAWN_DUP2, writer, 1),
                    (os.POSIX_SPAWN_DUP2, null, 2),
                ],
                setsigdef=[_SIGPIPE],
            )
        finally:
            os.close(null)
            os.close(writer)

    def answer(self) -> dict[str, str]:
        """Keyword in lower case → value, the first of each; empty if ssh failed or hung."""
        text = self._read()
        status = os.waitpid(self._pid, 0)[1]
        if text is None or status != 0:
            return {}
        answer: dict[str, str] = {}
        for line in text.decode(errors="surrogateescape").splitlines():
            keyword, _, value = line.partition(" ")
            answer.setdefault(keyword.lower(), value)
        return answer

    def _read(self) -> bytes | None:
        deadline = time.monotonic() + RESOLVE_WITHIN
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        parts: list[bytes] = []
        try:
            while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                part = os.read(self._reader, 65536)
                if not part:
                    return b"".join(parts)
                parts.append(part)
            os.kill(self._pid, 9)
            return None
        finally:
            os.close(self._reader)
