"""The system's own sshd on loopback, with nothing of /etc/ssh in it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.access import Access, Keys, public_half
from tests.support.listening import Listening
from tests.support.programs import path_of
from tests.support.remoteshell import BASH, write_entry

_CONFIG = """\
ListenAddress 127.0.0.1
HostKey {host_key}
AuthorizedKeysFile {authorized}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
PrintMotd no
PrintLastLog no
UseDNS no
LogLevel VERBOSE
Subsystem sftp {sftp}
# The login shell that starts the forced command may read rc files in HOME: an empty one.
SetEnv HOME={home}
"""

_MAX_STARTUPS = "MaxStartups"

_SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
)


class Sshd(Listening):
    """A running sshd; `access` has the client's arguments. The only user is the one who runs it."""

    def __init__(
        self,
        directory: Path,
        keys: Keys,
        *config: str,
        shell: Sequence[str] = BASH,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start it with `config` lines before ours (sshd_config(5): the first value wins).

        `shell` and `env` are of the remote shell, see `write_entry`; a `ForceCommand` in `config`
        replaces it, and a Match block would swallow our lines. Raises AssertionError with the log
        when it does not come up.
        """
        directory.mkdir(parents=True, exist_ok=True)
        entry = write_entry(directory, shell=shell, env=env)
        authorized = directory / "authorized_keys"
        keys.write_authorized(authorized)
        _make_privilege_separation_directory()
        ours = _CONFIG.format(
            host_key=keys.host,
            authorized=authorized,
            sftp=next(filter(os.path.exists, _SFTP_SERVERS), "internal-sftp"),
            home=directory / "home",
        )
        path = directory / "sshd_config"
        if not any(line.startswith(_MAX_STARTUPS) for line in config):
            ours = f"{_MAX_STARTUPS} 100\n{ours}"  # of this one 9.2 takes the last value
        path.write_text("\n".join([*config, ours, f"ForceCommand {entry}", ""]))
        program = path_of("sshd")  # sshd executes itself again, and wants its absolute path
        super().__init__(
            lambda port: [program, "-D", "-e", "-f", str(path), "-p", str(port)],
            directory,
            listens="Server listening on",
        )
        self.access = Access(self.port, keys, directory, public_half(keys.host).strip())


def _make_privilege_separation_directory() -> None:
    """Make /run/sshd, as Debian's ssh.service does: without it, root's sshd refuses to start."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
