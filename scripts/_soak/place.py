"""Where the soak runs: a server on loopback, an empty home, and a keepshell that is upgraded."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

import keepshell
from tests.support.access import Keys
from tests.support.sshd import Sshd

# The far end: a raw terminal that gives every byte back, until it is told to go.
_ECHO = """\
import os, sys, tty
tty.setraw(0)
os.write(1, b"READY")
seen = b""
while data := os.read(0, 65536):
    view = memoryview(data)
    while view:
        view = view[os.write(1, view):]
    seen = (seen + data)[-16:]
    if seen.endswith(b">") and b"<quit " in seen:
        os._exit(int(seen.rpartition(b"<quit ")[2][:-1]))
"""

# As the console script, from a folder that may be another one tomorrow.
_START = """\
import sys
sys.path.insert(0, sys.argv[1])
from keepshell.cli.main import main
sys.exit(main(["keepshell", *sys.argv[2:]]))
"""

_CONFIGS = (
    "",
    '[default]\nwindow_change_interval = "1s"\n',
    '[default]\nrung = "server-alive"\n',
    '[host."testhost"]\nserver_alive_interval = "5s"\nwindow_change_interval = "2s"\n',
    '[default]\nrung = "noop"\n',  # an error: the session runs all the same
    "[default\n",
)


def environment(home: Path) -> dict[str, str]:
    """That of a user whose home this is; makes it."""
    for name in ("runtime", "config", "tmp"):
        (home / name).mkdir(parents=True, mode=0o700)
    return {
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "runtime"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "TMPDIR": str(home / "tmp"),
        "LC_ALL": "C.UTF-8",
        "PATH": os.environ["PATH"],
        "TERM": "xterm-256color",
    }


class Place:
    """Made in `directory`; the server ends when `stack` closes."""

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.env = environment(self.home)
        (self.home / "config/keepshell").mkdir()
        (directory / "keys").mkdir()
        echo = directory / "echo.py"
        echo.write_text(_ECHO)
        keys = Keys.make(directory / "keys")
        self.server = Sshd(directory / "sshd", keys, shell=(sys.executable, "-S", str(echo)))
        stack.callback(self.server.stop)
        self._package = directory / "lib" / "keepshell"
        self._numbers = itertools.count()
        self.upgrade()

    def kept(self, port: int) -> list[str]:
        """The command line of one session, reached by that port."""
        arguments = self.server.access.through(port).ssh_args()
        start = [sys.executable, "-c", _START, str(self._package.parent)]
        return [*start, "ssh", "-e", "none", "-tt", *arguments]

    def upgrade(self) -> None:
        """Put another version in the place of the package, file by file as pip would."""
        old, new = self._package, self.directory / f"new{next(self._numbers)}"
        shutil.copytree(Path(keepshell.__file__).parent, new)
        shutil.rmtree(old, ignore_errors=True)
        old.parent.mkdir(exist_ok=True)
        new.rename(old)

    def edit_config(self, chance: random.Random) -> None:
        """Write another config.toml, which may be wrong."""
        draft = self.directory / "config.toml"
        draft.write_text(chance.choice(_CONFIGS))
        draft.replace(self.home / "config/keepshell/config.toml")

    def left(self) -> list[str]:
        """Files that no session should have left."""
        live = (self.home / "runtime").rglob("*")
        found = [*live, *(self.home / "tmp").rglob("*"), *self.home.rglob("*.new")]
        return sorted({str(path) for path in found if path.is_file()})
