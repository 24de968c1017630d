"""A gpg-agent for ssh, which holds one locked key and asks for it by pinentry-curses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil

from tests.support.processes import end, is_gone, tree
from tests.support.programs import path_of
from tests.support.waiting import DEADLINE, eventually

PASSPHRASE = "open sesame"


class GpgAgent:
    """Runs until `stop`; the key wants `PASSPHRASE`, and asks for it on the terminal GPG_TTY."""

    def __init__(self) -> None:
        # Not in tmp_path: a socket's path has room for 107 bytes (unix(7)).
        self.home = Path(tempfile.mkdtemp(prefix="gpg-"))
        # Started by our own environment, the agent would look into the user's sockets' directory.
        self._env = {**os.environ, "GNUPGHOME": str(self.home)}
        (self.home / "gpg-agent.conf").write_text(
            f"enable-ssh-support\npinentry-program {path_of('pinentry-curses')}\n"
            "allow-loopback-pinentry\ndefault-cache-ttl-ssh 0\nmax-cache-ttl-ssh 0\n"
        )
        made = ("--quick-generate-key", "me@example.org", "ed25519", "auth", "never")
        self._gpg("--pinentry-mode", "loopback", "--passphrase", PASSPHRASE, *made)
        listed = self._gpg("--with-colons", "--with-keygrip", "--list-secret-keys")
        (grip,) = re.findall(r"^grp:+([0-9A-F]+):", listed, re.MULTILINE)
        (self.home / "sshcontrol").write_text(f"{grip} 0\n")
        self.pid = int(self._talk("GETINFO pid").split()[1])
        self._talk("RELOADAGENT")  # forgets the passphrase
        self.socket = self._ask("gpgconf", "--list-dirs", "agent-ssh-socket").strip()
        self._env["SSH_AUTH_SOCK"] = self.socket
        self.public = self.home / "key.pub"
        self.public.write_text(self._ask("ssh-add", "-L"))

    def arguments(self) -> list[str]:
        """What ssh needs to use the key; before other options."""
        return ["-o", f"IdentityAgent={self.socket}"]

    def on_this_terminal(self, command: str) -> list[str]:
        """Have the agent ask on the terminal where this is run, then become `command`."""
        told = "gpg-connect-agent updatestartuptty /bye >/dev/null"
        script = f"GNUPGHOME={self.home} GPG_TTY=$(tty); export GNUPGHOME GPG_TTY; {told}"
        return ["sh", "-c", f"{script}; exec {command}"]

    def stop(self) -> None:
        """End the agent and delete its files."""
        asking = tree(self.pid) - {psutil.Process(self.pid)}
        self._talk("KILLAGENT")
        eventually(lambda: is_gone(self.pid), "the end of gpg-agent")
        end(asking)
        shutil.rmtree(self.home, ignore_errors=True)

    def _gpg(self, *words: str) -> str:
        return self._ask("gpg", "--batch", "--quiet", *words)

    def _talk(self, command: str) -> str:
        return self._ask("gpg-connect-agent", command, "/bye")

    def _ask(self, *words: str) -> str:
        done = subprocess.run(
            [path_of(words[0]), *words[1:]],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout
