"""What every test gets: an environment of its own, servers that end with it, and no leak unseen."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from keepshell.store.database import State
from tests.support.access import Keys
from tests.support.dropbear import Dropbear
from tests.support.middlebox import Middlebox
from tests.support.passwords import AsyncPasswordServer
from tests.support.processes import adopt_orphans, default_signals, describe, end, reap, tree
from tests.support.programs import require
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.tmux import Tmux
from tests.support.trace import Trace

_XDG = {
    "XDG_CONFIG_HOME": "config",
    "XDG_STATE_HOME": "state",
    "XDG_CACHE_HOME": "cache",
    "XDG_DATA_HOME": "data",
    "XDG_RUNTIME_DIR": "runtime",
}
_FIXED = {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "PS1": "LOCAL$ "}
# What a user's environment may hold and a program under test would listen to.
_REMOVED = (
    *("SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "SSH_CONNECTION", "SSH_TTY"),
    *("DISPLAY", "WAYLAND_DISPLAY", "TMUX", "TMUX_PANE", "STY", "NO_COLOR", "COLUMNS", "LINES"),
    *("TMOUT", "EDITOR", "VISUAL", "PAGER", "LESS", "GIT_SSH", "GIT_SSH_COMMAND", "RSYNC_RSH"),
)


ServerT = TypeVar("ServerT", Sshd, Dropbear)


def pytest_configure(config: pytest.Config) -> None:
    """Have xdist deal the tests out one by one: in a run of them one worker gets all slow ones."""
    if getattr(config.option, "maxschedchunk", 0) is None:
        config.option.maxschedchunk = 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow tests first, so that the others go on beside them and none is waited for alone."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Fail the run when a process outlives the tests, or when a test made a ~/.ssh."""
    adopt_orphans()
    default_signals()
    # ssh goes by passwd(5), not by HOME: a test that forgets `-F` would write there.
    real_ssh_directory = Path(pwd.getpwuid(os.getuid()).pw_dir, ".ssh")
    was_there = real_ssh_directory.exists()
    yield
    left = {process for process in tree(os.getpid()) if process.pid != os.getpid()}
    shown = describe(left)
    end(left)
    for process in left:
        reap(process.pid)
    assert not left, f"left running by the tests:\n{shown}"
    assert was_there or not real_ssh_directory.exists(), f"a test made {real_ssh_directory}"


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "user"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for variable, name in _XDG.items():
        (home / name).mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(home / name))
    for variable in list(os.environ):
        ours = variable.startswith("KEEPSHELL") and not variable.startswith("KEEPSHELL_TEST_")
        if ours or variable in _REMOVED or variable.startswith("LC_"):
            monkeypatch.delenv(variable)
    for variable, value in _FIXED.items():
        monkeypatch.setenv(variable, value)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """The ed25519 keys of this run."""
    require("ssh-keygen")
    return Keys.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def keepshell_exe() -> Path:
    """The installed console script."""
    path = Path(sys.prefix, "bin", "keepshell")
    assert path.exists(), f"{path} is missing: install keepshell into this environment"
    return path


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trace:
    """What every keepshell does that is started from now on."""
    trace = Trace(tmp_path / "trace")
    monkeypatch.setenv("KEEPSHELL_TRACE", str(trace.path))
    return trace


@pytest.fixture
def state() -> State:
    """What keepshell remembers in this test's environment."""
    return State.of(os.environ)


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    """Closes what a test has started, last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start_sshd(closing: ExitStack, tmp_path: Path, keys: Keys) -> Callable[..., Sshd]:
    """Starts an `Sshd`: `start_sshd("ClientAliveInterval 2", shell=[...])`."""
    require("ssh", "sshd")
    return partial(_start_logged, Sshd, closing, tmp_path, keys)


@pytest.fixture
def start_dropbear(closing: ExitStack, tmp_path: Path, keys: Keys) -> Callable[..., Dropbear]:
    """Starts a `Dropbear`: `start_dropbear("-I", "4")`."""
    require("ssh")
    return partial(_start_logged, Dropbear, closing, tmp_path, keys)


@pytest.fixture
def sshd(start_sshd: Callable[..., Sshd]) -> Sshd:
    """An sshd without any rule."""
    return start_sshd()


@pytest.fixture
def password_server(closing: ExitStack, tmp_path: Path, keys: Keys) -> AsyncPasswordServer:
    """A server that asks for a password."""
    require("ssh")
    server = AsyncPasswordServer(tmp_path / "passwords", keys)
    closing.callback(server.stop)
    return server


@pytest.fixture
def start_middlebox(closing: ExitStack) -> Callable[..., Middlebox]:
    """Starts a `Middlebox`: `start_middlebox(sshd.port, 4, Counts.CLIENT_BYTES)`."""

    def start(*args: Any, **options: Any) -> Middlebox:
        box = Middlebox(*args, **options)
        closing.callback(box.stop)
        return box

    return start


@pytest.fixture
def start_terminal(closing: ExitStack) -> Callable[..., Terminal]:
    """Opens a `Terminal`: `start_terminal(["ssh", *sshd.access.ssh_args()])`."""

    def start(*args: Any, **options: Any) -> Terminal:
        return closing.enter_context(Terminal(*args, **options))

    return start


@pytest.fixture
def start_tmux(closing: ExitStack) -> Callable[..., Tmux]:
    """Starts a `Tmux`: `start_tmux(["sh"], rows=24, cols=80)`."""
    require("tmux")

    def start(*args: Any, **options: Any) -> Tmux:
        tmux = Tmux(*args, **options)
        closing.callback(tmux.stop)
        return tmux

    return start


def _start_logged(
    kind: type[ServerT],
    closing: ExitStack,
    tmp_path: Path,
    keys: Keys,
    *options: str,
    **parameters: Any,
) -> ServerT:
    """Start a server in a directory of its own; pytest shows its log when the test fails."""
    number = len(list(tmp_path.glob(f"{kind.__name__}.*"))) + 1
    server = kind(tmp_path / f"{kind.__name__}.{number}", keys, *options, **parameters)
    closing.callback(lambda: print(f"--- {kind.__name__} {number}\n{server.log}"))
    closing.callback(server.stop)
    return server


@pytest.fixture
def config_toml() -> Path:
    """Where config.toml is looked for; the folder is there, the file is not."""
    path = Path(os.environ["XDG_CONFIG_HOME"], "keepshell", "config.toml")
    path.parent.mkdir()
    return path


@pytest.fixture
def ssh_config(tmp_path: Path) -> Path:
    """A file for ssh's `-F`; empty."""
    path = tmp_path / "ssh_config"
    path.touch()
    return path
