"""Begins a hold: logs in on the user's terminal, and leaves the supervisor behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys

from keepshell import paths
from keepshell.errors import UsageError
from keepshell.hold.supervisor import Hold, Supervisor
from keepshell.store import holds
from keepshell.text.say import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_LINGER = "/var/lib/systemd/linger"
_IN_SCOPE = "KEEPSHELL_HOLD_SCOPE"


def begin(hold: Hold) -> None:
    """Log in, and return when the connection stands. Raises UsageError with the reason if not."""
    files = hold.files
    try:
        paths.make_private(files.folder)
        supervisor = Supervisor(hold)
    except OSError as error:
        raise UsageError(
            f"{files.folder}: no socket can be made there: {error.strerror}; "
            "set XDG_RUNTIME_DIR to a directory of yours on a local disk"
        ) from None
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _supervise(supervisor, files, writer)
    os.close(writer)
    with open(reader, "rb") as result:
        words = result.read().decode(errors="replace")
    if words != _READY:
        os.waitpid(child, 0)
        raise UsageError(f"{files.name} is not held: {words or 'the supervisor ended'}")


_READY = "ready"


def _supervise(supervisor: Supervisor, files: holds.Files, writer: int) -> None:
    """The child of the fork: never returns."""
    status = 1
    try:
        problem = supervisor.log_in(write)
        if problem:
            os.write(writer, problem.encode())
        else:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.chdir("/")
            supervisor.run(lambda: _tell_ready(writer))
            status = 0
    finally:
        with contextlib.suppress(Exception):
            holds.remove(files)
        os._exit(status)


def _tell_ready(writer: int) -> None:
    os.write(writer, _READY.encode())
    os.close(writer)


def enter_scope(environ: Mapping[str, str]) -> None:
    """Become the same call in a unit of the user's own, which outlives the login.

    Only where the user lingers (loginctl enable-linger): without it the user's units end soon after
    the last logout, and the login's own scope serves better.
    """
    run = shutil.which("systemd-run")
    if run is None or environ.get(_IN_SCOPE) or not os.path.exists(_linger()):
        return
    argv = [run, "--user", "--scope", "--quiet", "--collect"]
    null = subprocess.DEVNULL
    with contextlib.suppress(OSError):
        if subprocess.run([*argv, "true"], stdin=null, stderr=null, check=False).returncode:
            return  # the user's systemd can't be reached, as below su
        unit = f"--unit=keepshell-hold-{os.getpid()}"
        again = [*argv, unit, "--", sys.executable, *sys.orig_argv[1:]]
        os.execve(run, again, {**environ, _IN_SCOPE: "1"})


def _linger() -> str:
    import pwd

    return f"{_LINGER}/{pwd.getpwuid(os.getuid()).pw_name}"
