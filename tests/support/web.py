"""A host that keeps shells, and keepshell in a namespace whose packets to it can vanish."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from tests.support.network import Network
from tests.support.processes import with_home
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal

Start = Callable[..., Terminal]


class Web:
    """A host that keeps shells, seen from the client's namespace."""

    def __init__(
        self, sshd: Sshd, network: Network, start: Start, exe: Path, *, home: Path
    ) -> None:
        self.sshd, self.network, self.home = sshd, network, home
        self._start, self.exe = start, exe
        *self.arguments, _ = sshd.access.ssh_args()
        self.target = f"{sshd.access.user}@{network.host}"

    def open(
        self,
        *options: str,
        reattach: str = "true",
        prompt: str = "$ ",
        **terminal: object,
    ) -> Terminal:
        """`keepshell ssh` at the kept shell's prompt."""
        words = ("--reattach", reattach, "ssh", *self.arguments, *options, self.target)
        opened = self._start([*self.network.prefix, str(self.exe), *words], **terminal)
        opened.expect(prompt)
        return opened

    def start(self, words: list[str], **terminal: object) -> Terminal:
        """Any keepshell in the client's namespace."""
        return self._start([*self.network.prefix, str(self.exe), *words], **terminal)

    def run(self, *words: str) -> str:
        """What a keepshell without a terminal prints there."""
        argv = [*self.network.prefix, str(self.exe), *words]
        return subprocess.run(argv, stdout=subprocess.PIPE, check=True, text=True).stdout

    def attach(self, *words: str) -> Terminal:
        """`keepshell attach`, for as long as it takes."""
        return self._start([*self.network.prefix, str(self.exe), "attach", *words])

    def without_command(self) -> None:
        """A login without a command gets a login shell too, as sshd gives it."""
        script = self.home.parent / "login.sh"
        text = script.read_text()
        script.write_text(
            text.replace(
                '-c "$SSH_ORIGINAL_COMMAND"', '${SSH_ORIGINAL_COMMAND:+-c "$SSH_ORIGINAL_COMMAND"}'
            )
        )

    def refuse_logins(self) -> None:
        """No key is good any more."""
        (self.sshd.access.directory / "authorized_keys").write_text("")

    def holders(self) -> set[psutil.Process]:
        """The processes that keep shells, and those that wait for them."""
        found = with_home(self.home)
        for process in tuple(found):
            with suppress(psutil.NoSuchProcess):
                found.add(process.parent() or process)
        return {process for process in found if _is_holder(process)}

    def drop(self) -> None:
        """The server's process of each connection is killed."""
        for process in psutil.Process(self.sshd.pid).children():
            for child in process.children():
                if "sshd" in child.name():
                    child.kill()
            process.kill()


def _is_holder(process: psutil.Process) -> bool:
    """Perl's has written its name over its environment."""
    with suppress(psutil.Error):
        return any("keepshell-holder" in word for word in process.cmdline())
    return False
