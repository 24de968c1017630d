"""The clients: how they get in, with keys that last as long as the demo, and each one's pty."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING

import asyncssh
import pexpect

from .server import HOST

if TYPE_CHECKING:
    from pathlib import Path

NAME = "demo"
ROWS = 10
INTERVAL = ("--server-alive-interval", "2s")

CONFIG = """\
Host {name}
    HostName {host}
    Port {port}
    HostKeyAlias {name}
    IdentityFile "{directory}/key"
    IdentitiesOnly yes
    IdentityAgent none
    PreferredAuthentications publickey
    UserKnownHostsFile "{directory}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    ControlPath none
    ConnectTimeout 15
"""

_ESCAPES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x07|\r")  # ECMA-48 control sequences


class Access:
    """Keys and configuration in `directory`, and the commands that use these and no others."""

    def __init__(self, directory: Path, keepshell: Path) -> None:
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self._directory = directory
        self._keepshell = keepshell

    def write(self, port: int) -> None:
        """Write the files for a server that listens on `port`."""
        key = self._directory / "key"
        key.touch(mode=0o600)
        key.write_bytes(self.client_key.export_private_key())
        host_key = self.host_key.export_public_key().decode()
        (self._directory / "known_hosts").write_text(f"{NAME} {host_key}")
        (self._directory / "config").write_text(
            CONFIG.format(name=NAME, host=HOST, port=port, directory=self._directory)
        )

    def bare(self, user: str) -> list[str]:
        # -F: neither the user's ssh_config nor the system's is read (ssh(1)).
        return ["ssh", "-F", str(self._directory / "config"), "-l", user, NAME]

    def kept(self, user: str) -> list[str]:
        return [str(self._keepshell), *INTERVAL, *self.bare(user)]

    def environment(self, **more: str) -> dict[str, str]:
        """The user's environment and `more`, without what leads to the user's own settings."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("KEEPSHELL")
        }
        del environment["PYTHONPATH"]  # ours, for the demo's own modules
        names = "HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"
        return {**environment, **dict.fromkeys(names, str(self._directory)), **more}


class Session:
    """One client in a pty of ours, read as long as it runs, and the text that it has shown."""

    def __init__(self, argv: list[str], environment: dict[str, str], columns: int) -> None:
        self.shown = b""
        self.ended = False
        self._spawn = pexpect.spawn(
            argv[0], argv[1:], env=environment, dimensions=(ROWS, columns), timeout=None
        )
        asyncio.get_running_loop().add_reader(self._spawn.child_fd, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._spawn.child_fd, 4096)
        except OSError:  # EIO: Linux's word for "the slave closed"
            data = b""
        self.shown += data
        if not data:
            asyncio.get_running_loop().remove_reader(self._spawn.child_fd)
            self.ended = True

    def type_line(self, line: str) -> None:
        os.write(self._spawn.child_fd, line.encode() + b"\r")

    def lines(self) -> list[str]:
        """What was shown, as text; the last line is the one the cursor is in."""
        return _ESCAPES.sub(b"", self.shown).decode(errors="replace").split("\n")

    def close(self) -> None:
        """Hang up on the client, if it is still there, and reap it."""
        if not self.ended:
            asyncio.get_running_loop().remove_reader(self._spawn.child_fd)
        self._spawn.close(force=True)
