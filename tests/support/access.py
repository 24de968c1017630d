"""How a client reaches a server of ours, without reading or writing a file of the user's."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.programs import path_of

ALIAS = "testhost"
"""The name in ssh_config and in known_hosts, so that a server may also be reached through a
middlebox on another port."""

PASSPHRASE = "correct horse"


@dataclass(frozen=True)
class Keys:
    """The keys of one test run, ed25519, each with its `.pub` beside it."""

    host: Path
    user: Path
    locked: Path
    """As `user`, and accepted by the same servers, but wants `PASSPHRASE`."""

    @classmethod
    def make(cls, directory: Path) -> Keys:
        """Make all keys in `directory`."""
        keys = cls(directory / "host", directory / "user", directory / "locked")
        generate = [path_of("ssh-keygen"), "-q", "-t", "ed25519"]
        for path, passphrase in ((keys.host, ""), (keys.user, ""), (keys.locked, PASSPHRASE)):
            subprocess.run(
                [*generate, "-C", path.name, "-N", passphrase, "-f", str(path)], check=True
            )
        return keys

    def write_authorized(self, path: Path) -> None:
        """Write an authorized_keys file that lets both user keys in."""
        path.write_text("".join(public_half(key) for key in (self.user, self.locked)))


def public_half(key: Path) -> str:
    """The line of a key's `.pub` file."""
    return key.with_name(f"{key.name}.pub").read_text()


@dataclass(frozen=True)
class Access:
    """Where a server listens and what it takes to be let in; immutable, see `through`."""

    port: int
    keys: Keys
    directory: Path
    """Where `known_hosts` and `ssh_config` are written."""
    host_key: str
    """The public host key, as in a `.pub` file."""
    user: str = field(default_factory=lambda: pwd.getpwuid(os.getuid()).pw_name)
    """Ourselves, unless another is named: a server that is not root's can let in nobody else."""

    def through(self, port: int) -> Access:
        """The same server, reached by another port."""
        return replace(self, port=port)

    def ssh_args(self, *, identity: Path | None = None, known: bool = True) -> list[str]:
        """The arguments between `ssh` and a remote command, the destination last.

        `identity` is another private key than `keys.user`. With `known` false the host key is
        one that the client has never seen, so that ssh asks before it connects.
        """
        # With any -F, ssh leaves ~/.ssh/config and /etc/ssh/ssh_config unread and makes no ~/.ssh.
        arguments = ["-F", "/dev/null", "-p", str(self.port)]
        arguments += ["-i", str(identity or self.keys.user)]
        for option in self._options(known):
            arguments += ["-o", option]
        return [*arguments, f"{self.user}@127.0.0.1"]

    def ssh_config(self, *lines: str) -> Path:
        """Write an ssh_config with the one host `testhost`, `lines` added to it, and return it."""
        path = self.directory / "ssh_config"
        body = [
            "HostName 127.0.0.1",
            f"Port {self.port}",
            f"User {self.user}",
            f"IdentityFile {self.keys.user}",
            *lines,
            *(option.replace("=", " ", 1) for option in self._options(True)),
        ]
        path.write_text(f"Host {ALIAS}\n" + "".join(f"    {line}\n" for line in body))
        return path

    def _options(self, known: bool) -> list[str]:
        known_hosts = self.directory / ("known_hosts" if known else "known_hosts.new")
        if known:
            known_hosts.write_text(f"{ALIAS} {self.host_key}\n")
        else:
            known_hosts.unlink(missing_ok=True)
        return [
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            f"HostKeyAlias={ALIAS}",
            f"UserKnownHostsFile={known_hosts}",
            "GlobalKnownHostsFile=/dev/null",
            f"StrictHostKeyChecking={'yes' if known else 'ask'}",
        ]
