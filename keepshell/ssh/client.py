"""The system's own ssh: where it is, and what its configuration says of a host."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # the C half of `signal`
import os
import select
import time

from keepshell.errors import UsageError
from keepshell.ssh.exec import by_sh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DEPTH = "KEEPSHELL_DEPTH"
TRIED = "KEEPSHELL_TRIED"
_PRIME = (1 << 61) - 1
_DEEPEST = 16
# POSIX fixes the numbers; the signal module would cost an import of enum.
_SIGKILL, _SIGPIPE, _SIGTERM = 9, 13, 15
_MARK = b"keepshell"
_HEAD_BYTES = 4096
_MOST_BYTES = 1 << 20  # ssh -G prints some 5 kB
_EXIT_TAKES = 0.0005  # seconds
_LEAVES_WITHIN = 0.25  # seconds after a SIGTERM

RESOLVE_WITHIN = 2.0
"""Seconds that `ssh -G` gets; one that hangs (a Match exec, a slow resolver) is ignored."""


def find(environ: Mapping[str, str], named: str | None = None, source: str = "") -> str:
    """The path of the real ssh: the one that `source` named, else the first on PATH.

    Our own scripts and wrappers that call keepshell are skipped on PATH and refused where named.
    Raises UsageError with the remedy.
    """
    if named:
        return _checked(named, source)
    path = which("ssh", environ, skip_shims=True)
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


def which(
    name: str,
    environ: Mapping[str, str],
    *,
    skip_shims: bool = False,
    skipped: Sequence[str] = (),
) -> str | None:
    """The first program of that name on PATH that is none of those `skipped`; a path is itself."""
    if "/" in name:
        return name if _is_program(name) else None
    files = {os.path.realpath(path) for path in skipped}
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder or os.curdir, name)
        if files and os.path.realpath(path) in files:
            continue
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


def started(name: str, argv: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for this command line, which it notes: see `led_back`."""
    note = f"{len(argv) - 1}:{_digest(argv[1:])}:{name}:{argv[0]}"
    return {**deeper(environ), TRIED: "\n".join(filter(None, (environ.get(TRIED), note)))}


def led_back(name: str, words: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """The programs that we have started as `name` with these words, and are called by again.

    The name is `ssh`, or the command of ours and its program: `exec ssh` leads to ssh by design.

    A wrapper may add words in front. One that can't be looked into (compiled, or two scripts) is
    found out so after one turn.
    """
    paths = []
    for note in filter(None, environ.get(TRIED, "").split("\n")):
        count, digest, called, path = note.split(":", 3)
        given = words[len(words) - int(count) :] if 0 < int(count) <= len(words) else ()
        if called == name and digest == _digest(given):
            paths.append(path)
    return paths


def _digest(words: Sequence[str]) -> str:
    data = os.fsencode("\0".join(words))
    return format(int.from_bytes(data, "big") % _PRIME, "x")


class ConfigQuery:
    """`ssh -G` at work in the background, while this process imports what it needs.

    A context manager: once it is left, nothing it started is running.
    """

    def __init__(self, ssh: str, arguments: Sequence[str]) -> None:
        """Start it; `arguments` are sshargs' probe_argv. Raises OSError."""
        self._deadline = time.monotonic() + RESOLVE_WITHIN
        self._reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        # A ^C that came before its pid is known here would leave it running.
        mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGINT,))
        self._pid: int | None = None
        try:
            argv = [ssh, *arguments]
            self._pid = _in_background(argv, started("ssh", argv, os.environ), (null, writer), mask)
        except OSError:
            os.close(self._reader)
            raise
        finally:
            os.close(null)
            os.close(writer)
            try:
                _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
            except KeyboardInterrupt:
                self.__exit__()
                raise

    def __enter__(self) -> ConfigQuery:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._reader)
        if self._pid is not None:
            self._end(self._pid)

    def answer(self) -> dict[str, str] | None:
        """Keyword in lower case → value, the first of each; None if ssh failed or hung."""
        lines = self.lines()
        return None if lines is None else first_values(lines)

    def lines(self) -> list[str] | None:
        """All that ssh said, line by line; None if it failed or hung."""
        text = self._read()
        if text is None or self._wait() != 0:
            return None
        return os.fsdecode(text).splitlines()

    def _read(self) -> bytes | None:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        text = b""
        while poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000):
            part = os.read(self._reader, 65536)
            if not part:
                return text
            text += part
            if len(text) > _MOST_BYTES:
                break
        return None

    def _wait(self) -> int | None:
        """The wait status; None if ssh has said all and still runs at the deadline."""
        while time.monotonic() < self._deadline:
            status = self._reap()
            if status is not None:
                return status
            time.sleep(_EXIT_TAKES)
        return None

    def _reap(self) -> int | None:
        if self._pid is not None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._pid = None
                return status
        return None

    def _end(self, group: int) -> None:
        """End ssh and all that it has started, which may clean up; what does not go is killed."""
        deadline = time.monotonic() + _LEAVES_WITHIN
        try:
            os.killpg(group, _SIGTERM)
            while time.monotonic() < deadline:
                self._reap()
                os.killpg(group, 0)
                time.sleep(_EXIT_TAKES)
            os.killpg(group, _SIGKILL)
        except ProcessLookupError:  # the group is empty
            return
        if self._pid is not None:
            os.waitpid(self._pid, 0)


def first_values(lines: Iterable[str]) -> dict[str, str]:
    """Keyword in lower case → value, the first of each, of the lines that `ssh -G` printed."""
    values: dict[str, str] = {}
    for line in lines:
        keyword, _, value = line.partition(" ")
        values.setdefault(keyword.lower(), value)
    return values


def _in_background(
    argv: list[str], env: Mapping[str, str], files: tuple[int, int], mask: set[int]
) -> int:
    """Start it with these as stdin and stdout, and nothing to say; its pid. Raises OSError."""
    null, writer = files

    def spawn(words: list[str]) -> int:
        return os.posix_spawn(
            words[0],
            words,
            env,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, writer, 1),
                (os.POSIX_SPAWN_DUP2, null, 2),
            ],
            setpgroup=0,  # so that what a Match exec has started ends with it
            setsigdef=[_SIGPIPE],
            setsigmask=mask,
        )

    try:
        return spawn(argv)
    except OSError as error:
        return spawn(by_sh(error, argv))
