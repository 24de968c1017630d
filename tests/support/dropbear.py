"""The system's dropbear on loopback, which sees a home directory of ours instead of the user's.

dropbear has no option for its authorized_keys: it takes ~/.ssh of the user in passwd(5). Debian's
libnss-wrapper, preloaded into the server, lets it read a passwd file of ours with another home.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.access import Access, Keys
from tests.support.listening import Listening
from tests.support.programs import path_of, require
from tests.support.remoteshell import BASH, write_entry

PROGRAMS = ("dropbear", "dropbearkey", "libnss_wrapper.so")


class Dropbear(Listening):
    """A running dropbear; `access` has the client's arguments."""

    def __init__(
        self,
        directory: Path,
        keys: Keys,
        *options: str,
        shell: Sequence[str] = BASH,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start it with `options` added to its command line, such as `-I 4`.

        `shell` and `env` are of the remote shell, see `write_entry`.
        """
        require(*PROGRAMS)
        directory.mkdir(parents=True, exist_ok=True)
        entry = write_entry(directory, shell=shell, env=env)
        ssh_directory = directory / "home" / ".ssh"
        ssh_directory.mkdir(mode=0o700)
        keys.write_authorized(ssh_directory / "authorized_keys")
        host_key, public_host_key = _make_host_key(directory)
        server = [path_of("dropbear"), "-F", "-E", "-s", "-m", "-r", str(host_key)]
        server += ["-P", str(directory / "pid"), "-c", str(entry), *options]
        super().__init__(
            lambda port: [*server, "-p", f"127.0.0.1:{port}"],
            directory,
            listens="Not backgrounding",
            env={**os.environ, **_wrapped_passwd(directory)},
        )
        self.access = Access(self.port, keys, directory, public_host_key)


def _make_host_key(directory: Path) -> tuple[Path, str]:
    key = directory / "dropbear_host_key"
    made = subprocess.run(
        [path_of("dropbearkey"), "-t", "ed25519", "-f", str(key)],
        check=True,
        capture_output=True,
        text=True,
    )
    public = next(line for line in made.stdout.splitlines() if line.startswith("ssh-ed25519 "))
    return key, public


def _wrapped_passwd(directory: Path) -> dict[str, str]:
    """The environment that makes nss_wrapper(1) answer for ourselves with our home directory."""
    me = pwd.getpwuid(os.getuid())
    passwd, group = directory / "passwd", directory / "group"
    passwd.write_text(f"{me.pw_name}:x:{me.pw_uid}:{me.pw_gid}::{directory / 'home'}:/bin/sh\n")
    group.write_text(f"{me.pw_name}:x:{me.pw_gid}:\n")
    return {
        "LD_PRELOAD": "libnss_wrapper.so",
        "NSS_WRAPPER_PASSWD": str(passwd),
        "NSS_WRAPPER_GROUP": str(group),
    }
