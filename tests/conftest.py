"""What every test gets: an environment of its own, programs that end with it, no leak unseen."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from keepshell.store.database import State
from tests.support.network import Network, require_namespaces
from tests.support.processes import adopt_orphans, default_signals, describe, end, reap, tree
from tests.support.programs import require
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
_FIXED["KEEPSHELL_HINTS"] = "false"  # the line after the first session with a host
# What a user's environment may hold and a program under test would listen to.
_REMOVED = (
    *("SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "SSH_CONNECTION", "SSH_TTY"),
    *("DISPLAY", "WAYLAND_DISPLAY", "TMUX", "TMUX_PANE", "STY", "NO_COLOR", "COLUMNS", "LINES"),
    *("TMOUT", "EDITOR", "VISUAL", "PAGER", "LESS", "GIT_SSH", "GIT_SSH_COMMAND", "RSYNC_RSH"),
)

# A loaded machine is slow, and that is no fault of what is tested.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# dev while one writes, and whenever pytest is called by hand; scripts/test asks for ci.
settings.register_profile("dev", _PATIENT, max_examples=25)
settings.register_profile("ci", _PATIENT, max_examples=300)
settings.load_profile("dev")


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
def network() -> Iterator[Network]:
    """A namespace for the client, whose packets to us can be made to vanish."""
    require_namespaces()
    network = Network()
    yield network
    network.close()


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
