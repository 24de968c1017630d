"""Where the benchmarks run: a server on loopback, an empty home, an ordinary installation."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from _demo.place import CHECKOUT, python_of

from tests.support.access import Keys
from tests.support.programs import find
from tests.support.sshd import Sshd

from .outer import BenchError

NEEDED = (
    *("ssh", "ssh-keygen", "sshd", "script", "expect", "strace"),
    *("bash", "zsh", "fish"),
    *("ip", "mosh", "perl", "tmux"),
)

_NOT_BUILT_FROM = (".*", "*.egg-info", "__pycache__", "build", "dist", "tests")

_LINE = b"[%4d%%] Building C object lib/CMakeFiles/parts.dir/src/part_%07d.c.o "
_LINE_BYTES = 80
_GREEN = b"\x1b[32m%s\x1b[0m"


@dataclass(frozen=True)
class Place:
    """What a measurement needs to start its programs."""

    directory: Path
    environment: Path
    """The virtual environment in which keepshell is installed."""
    server: Sshd
    env: dict[str, str]

    @property
    def keepshell(self) -> list[str]:
        return [str(self.environment / "bin" / "keepshell")]

    @property
    def python(self) -> str:
        return str(python_of(self.environment))

    def ssh(self, *arguments: str) -> list[str]:
        """The bare ssh with these arguments, and a configuration in which no keyword matters."""
        return [path_of("ssh"), *self.ssh_arguments(*arguments)]

    def kept(self, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
        """The same through keepshell; `options` are keepshell's own."""
        return [*self.keepshell, *options, "ssh", *self.ssh_arguments(*arguments)]

    def ssh_arguments(self, *arguments: str) -> list[str]:
        """`arguments` after the -F that names our configuration; the host in it is `ALIAS`."""
        return ["-F", str(self.server.access.directory / "ssh_config"), *arguments]

    def configure(self, *lines: str) -> None:
        """Write the ssh_config anew, with `lines` in it."""
        self.server.access.ssh_config(*lines)


def prepare(stack: ExitStack, directory: Path, environment: Path | None) -> Place:
    """Make all of it in `directory`; what runs is ended when `stack` closes.

    Without an `environment`, one is made, with an installation as a user would get it. Raises
    BenchError with what is missing.
    """
    missing = [name for name in NEEDED if find(name) is None]
    if missing:
        raise BenchError(f"not installed: {', '.join(missing)}")
    home = directory / "home"
    home.mkdir()
    environment = (environment or _new_environment(directory)).absolute()
    keys = directory / "keys"
    keys.mkdir()
    server = Sshd(directory / "sshd", Keys.make(keys))
    stack.callback(server.stop)
    env = {
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
    }
    place = Place(directory, environment, server, env)
    place.configure()
    return place


def write_log(path: Path, size: int, *, coloured_every: int = 0) -> int:
    """Write the log of a build, `size` bytes of 80 a line; one line in so many has a colour.

    Returns the bytes that a remote pty makes of it, where each newline becomes two bytes.
    """
    lines = size // _LINE_BYTES
    with path.open("wb") as file:
        for number in range(lines):
            coloured = coloured_every and number % coloured_every == 0
            file.write(_line(number, _GREEN if coloured else b"%s"))
    return lines * (_LINE_BYTES + 1)


def _line(number: int, colour: bytes) -> bytes:
    width = _LINE_BYTES - len(b"\n") - len(colour % b"")
    text = _LINE % (number % 101, number)
    return colour % text[:width].ljust(width, b".") + b"\n"


def path_of(name: str) -> str:
    """The path of a program that `prepare` has found."""
    path = find(name)
    if path is None:
        raise BenchError(f"not installed: {name}")
    return path


def _new_environment(directory: Path) -> Path:
    """A virtual environment with keepshell in it, built from a copy and not editable.

    An editable installation starts slower: it is found through an import hook.
    """
    source, environment = directory / "source", directory / "venv"
    shutil.copytree(CHECKOUT, source, ignore=shutil.ignore_patterns(*_NOT_BUILT_FROM))
    print("installing keepshell into an environment of its own", file=sys.stderr)
    install = [str(python_of(environment)), "-m", "pip", "install", "--quiet", "--no-input"]
    # pip.conf may say `user = true`, which pip refuses to do in a virtual environment.
    env = {**os.environ, "PIP_USER": "0"}
    env.pop("PYTHONPATH", None)
    run([sys.executable, "-m", "venv", str(environment)], env)
    run([*install, "--disable-pip-version-check", str(source)], env)
    return environment


def run(argv: list[str], env: dict[str, str]) -> None:
    """Run a program that must succeed. Raises BenchError with what it said."""
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{shlex.join(argv)} ended with {done.returncode}\n{done.stderr}")
