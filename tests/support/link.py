"""The client's side of a kept shell, as small as it can be: bootstrap, request, header, stream."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from keepshell.link.bootstrap import command, source
from tests.support.processes import end, is_gone, reap, with_home
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE

_MARKERS = {b"311973482284542371301330321821976049": "python", b"3.11973482284542e+35": "perl"}
MARKER = re.compile(b"(" + b"|".join(map(re.escape, _MARKERS)) + rb")\r?\n")
_HEADER = re.compile(rb"KEEPSHELL-LINK 1 (\w+)([^\r\n]*)\r?\n")

PLAIN = re.compile(rb"62773913\r?\n")
"""The marker of a host that goes on with a plain login shell."""

LOGIN = """\
#!/bin/sh
cd {home} || exit 1
exec {through} env -i HOME={home} PATH={path} SHELL={shell} {env} USER="$USER" TERM="$TERM" \\
    SSH_TTY="$SSH_TTY" ${{SSH_AUTH_SOCK+"SSH_AUTH_SOCK=$SSH_AUTH_SOCK"}} \\
    {shell} -c "$SSH_ORIGINAL_COMMAND"
"""


def login_through(
    directory: Path,
    shell: str,
    *,
    path: str = "/usr/bin:/bin",
    env: str = "",
    through: str = "",
) -> str:
    """An sshd_config line that gives a command to `shell -c`, as sshd does with a login shell.

    `env` is added to its environment, as shell text; `through` is a program that runs it.
    """
    home = directory / "login"
    home.mkdir()
    (home / ".hushlogin").touch()
    (home / ".profile").write_text("PS1='$ '\n")
    (home / ".inputrc").write_text("set enable-bracketed-paste off\n")
    script = directory / "login.sh"
    fields = {"home": home, "path": path, "shell": shell, "env": env, "through": through}
    script.write_text(LOGIN.format(**fields))
    script.chmod(0o755)
    return f"ForceCommand {script}"


def ssh(arguments: Sequence[str]) -> list[str]:
    """The command line that keeps a shell on a host. ssh's own words are not in the stream."""
    argv = ["ssh", "-tt", "-e", "none", *arguments, command("laptop")]
    return ["sh", "-c", 'exec "$@" 2>/dev/null', "sh", *argv]


class Link:
    """One connection to a kept shell."""

    def __init__(self, terminal: Terminal, request: str, *, deadline: float = DEADLINE) -> None:
        """`terminal` runs `ssh`. Returns when the header has come, `word` its first word."""
        self.terminal = terminal
        marker = terminal.expect(MARKER, deadline=deadline)
        self.engine = _MARKERS[marker[1]]
        terminal.send(source(self.engine) + f"\0\nkeepshell 1 {request}\n".encode())
        header = terminal.expect(_HEADER, deadline=deadline)
        self.word = header[1].decode()
        pairs = (pair.split("=", 1) for pair in header[2].decode().split())
        self.fields = dict(pairs)
        self.start = terminal.output.index(header[0]) + len(header[0])

    def number(self, key: str) -> int:
        """A field of the header that counts."""
        return int(self.fields[key])

    @property
    def stream(self) -> bytes:
        """The shell's bytes so far."""
        return self.terminal.output[self.start :]


PLACES = tuple(
    Path(top, f"keepshell-{os.getuid()}")
    for top in (f"/run/user/{os.getuid()}", "/tmp", "/var/tmp", "/dev/shm")
)


class Host:
    """A host that keeps shells, and the connections to it."""

    def __init__(
        self,
        sshd: Sshd,
        start_terminal: Callable[..., Terminal],
        home: Path,
        engine: str = "python",
    ) -> None:
        self.sshd, self.home, self._start = sshd, home, start_terminal
        self.engine = engine
        self.id = secrets.token_hex(16)
        self.pid = 0
        self._holders: set[psutil.Process] = set()

    def connect(self, request: str, *, port: int = 0, **terminal: Any) -> Link:
        """A new connection, through `port` if given; `{id}` in the request is the kept shell's."""
        argv = ssh(self.sshd.access.through(port or self.sshd.port).ssh_args())
        link = Link(self._start(argv, **terminal), request.replace("{id}", self.id))
        if link.word in ("new", "attached"):  # a list has the holders of other tests too
            self.pid = link.number("pid")
            with suppress(psutil.NoSuchProcess):
                self._holders.add(psutil.Process(self.pid))
        return link

    def new(self, **options: Any) -> Link:
        """A new kept shell at its prompt."""
        link = self.connect("op=new id={id} keep=600 from=laptop name=web", **options)
        assert (link.word, link.engine) == ("new", self.engine)
        link.terminal.expect("$ ")
        return link

    def attach(self, have: int = 0, **options: Any) -> Link:
        """Back into it."""
        return self.connect(f"op=attach id={{id}} have={have}", **options)

    def files(self) -> list[Path]:
        """What the kept shell has in any of the places for sockets."""
        return [path for place in PLACES for path in place.glob(f"{self.id}*")]

    def drop(self, link: Link) -> None:
        """The connection is lost: the server's process of it is killed."""
        server = psutil.Process(self.sshd.pid)
        [child] = [each for each in server.children() if each.is_running()]
        child.kill()
        assert link.terminal.wait() == 255

    def is_over(self) -> bool:
        """Whether nothing of it is left, neither process nor file."""
        return is_gone(self.pid) and not self.files()

    def stop(self) -> None:
        """Kill what is left: holders, and the shells that have this HOME."""
        left = with_home(self.home) | {each for each in self._holders if each.is_running()}
        end(left)
        for process in left:
            reap(process.pid)
