"""Hosts that keep shells, for the benchmarks: one with Python, one that has only Perl."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, suppress

import psutil

from tests.support.access import ALIAS, Keys
from tests.support.link import login_through
from tests.support.processes import end, reap, with_home
from tests.support.sshd import Sshd

from .place import Place, path_of

PROMPT = b"$ "
"""What its shell shows first."""

HOLDER = "keepshell-holder"
"""In the command line of what keeps a shell there."""
_PATH = "/usr/bin:/bin"
_SHELL = "exec bash -l"


class ShellHost:
    """An sshd whose user has bash for a login shell, and what it takes to keep one."""

    def __init__(self, stack: ExitStack, place: Place, engine: str, *config: str) -> None:
        """Start it; what is left there ends when `stack` closes."""
        self._place = place
        directory = place.directory / f"host-{engine}"
        directory.mkdir()
        path = _PATH
        if engine == "perl":
            without = directory / "bin"
            without.mkdir()
            (without / "python3").symlink_to("/bin/false")
            path = f"{without}:{path}"
        login = login_through(directory, "/bin/bash", path=path, env="LC_ALL=C.UTF-8")
        keys = directory / "keys"
        keys.mkdir()
        server = Sshd(directory / "sshd", Keys.make(keys), *config, login)
        stack.callback(shutil.rmtree, directory)
        stack.callback(server.stop)
        self._home = directory / "login"
        stack.callback(self._end)
        self.port = server.port
        self.config = server.access.ssh_config()
        """For ssh's -F; the host in it is `ALIAS`."""

    def at(self, address: str) -> None:
        """Have the ssh_config name this address, and be found by it."""
        text = self.config.read_text().replace("HostName 127.0.0.1", f"HostName {address}")
        self.config.write_text(text.replace(f"Host {ALIAS}", f"Host {ALIAS} {address}"))

    def bare(self, *options: str) -> list[str]:
        """bash there by bare ssh."""
        return [path_of("ssh"), "-tt", "-F", str(self.config), *options, ALIAS, _SHELL]

    def keepshell(self, *options: str, ssh: tuple[str, ...] = ()) -> list[str]:
        """The same through keepshell with these options of its own, and the shell not kept."""
        words = ("ssh", "-tt", "-F", str(self.config), *ssh, ALIAS, _SHELL)
        return [*self._place.keepshell, *options, *words]

    def kept(self, *options: str, ssh: tuple[str, ...] = ()) -> list[str]:
        """The same, kept."""
        words = ("--reattach", "true", "ssh", "-F", str(self.config), *ssh, ALIAS)
        return [*self._place.keepshell, *options, *words]

    def _end(self) -> None:
        left = with_home(self._home)
        # Perl has written the holder's name over its environment.
        left |= {above for each in left if (above := each.parent()) and _is_holder(above)}
        end(left)
        for process in left:
            reap(process.pid)


def _is_holder(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any(HOLDER in word for word in process.cmdline())
    return False
