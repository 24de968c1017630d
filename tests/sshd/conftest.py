"""What tests with real servers share: the servers, and sessions to them, kept and bare."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.sshd.holds import Holds, holding
from tests.sshd.kept import Logins, Open
from tests.sshd.survival import CASES, Case, Survival
from tests.support.access import Keys
from tests.support.dropbear import Dropbear
from tests.support.link import Host, login_through
from tests.support.machine import Machine
from tests.support.middlebox import Middlebox
from tests.support.network import Network
from tests.support.passwords import AsyncPasswordServer
from tests.support.processes import end, reap, with_home
from tests.support.programs import path_of, require
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.web import Web

ServerT = TypeVar("ServerT", Sshd, Dropbear)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """The ed25519 keys of this run."""
    require("ssh-keygen")
    return Keys.make(tmp_path_factory.mktemp("keys"))


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
def holds() -> Iterator[Holds]:
    """What this test holds."""
    with holding() as holds:
        yield holds


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
def start_machine(closing: ExitStack, tmp_path: Path, keys: Keys) -> Callable[..., Machine]:
    """Boots a `Machine`: `start_machine(logind=["StopIdleSessionSec=30s"])`."""
    require("ssh")

    def start(**options: Any) -> Machine:
        machine = Machine(tmp_path / "machine", keys, **options)
        closing.callback(lambda: print(f"--- the machine\n{machine.log}"))
        closing.callback(machine.stop)
        return machine

    return start


@pytest.fixture
def start_middlebox(closing: ExitStack) -> Callable[..., Middlebox]:
    """Starts a `Middlebox`: `start_middlebox(sshd.port, 4, Counts.CLIENT_BYTES)`."""

    def start(*args: Any, **options: Any) -> Middlebox:
        box = Middlebox(*args, **options)
        closing.callback(box.stop)
        return box

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
def open_logins(
    start_sshd: Callable[..., Sshd],
    start_terminal: Callable[..., Terminal],
    keepshell_exe: Path,
    tmp_path: Path,
) -> Open:
    """Starts an sshd, and opens sessions to it."""

    def start(*config: str, prompt: str = PROMPT, **parameters: Any) -> Logins:
        return Logins(
            start_sshd(*config, **parameters).access,
            keepshell_exe=keepshell_exe,
            start_terminal=start_terminal,
            directory=tmp_path,
            prompt=prompt,
        )

    return start


@pytest.fixture
def remote_home(sshd: Sshd) -> Path:
    """Where a remote command starts."""
    return sshd.access.directory / "home"


@pytest.fixture
def git_project(monkeypatch: pytest.MonkeyPatch, remote_home: Path) -> Path:
    """An empty project.git on the host, and a git that reads no file of the user's."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A U Thor")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "author@example.com")
    project = remote_home / "project.git"
    subprocess.run([path_of("git"), "init", "-q", "--bare", "-b", "main", project], check=True)
    return project


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    """One row of the survival table."""
    assert isinstance(request.param, Case)
    return request.param


@pytest.fixture
def survival(
    case: Case,
    start_sshd: Callable[..., Sshd],
    start_dropbear: Callable[..., Dropbear],
    start_middlebox: Callable[..., Middlebox],
    start_terminal: Callable[..., Terminal],
) -> Survival:
    """The servers of that row."""
    return Survival(
        case,
        start_sshd=start_sshd,
        start_dropbear=start_dropbear,
        start_middlebox=start_middlebox,
        start_terminal=start_terminal,
    )


@pytest.fixture(params=["python", "perl"])
def start_host(
    start_sshd: Callable[..., Sshd],
    start_terminal: Callable[..., Terminal],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., Host]]:
    """Starts a host with bash that keeps shells, by either engine: Debian's Python, or Perl."""
    require("/usr/bin/python3", "perl")
    path = "/usr/bin:/bin"
    if request.param == "perl":
        path = f"{tmp_path / 'bin'}:{path}"
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/python3").write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "bin/python3").chmod(0o755)
    with ExitStack() as stack:

        def start(**options: str) -> Host:
            sshd = start_sshd(login_through(tmp_path, "/bin/bash", path=path, **options))
            host = Host(sshd, start_terminal, tmp_path / "login", request.param)
            stack.callback(host.stop)
            return host

        yield start


@pytest.fixture
def host(start_host: Callable[..., Host]) -> Host:
    """A host that keeps shells."""
    return start_host()


@pytest.fixture(params=["python", "perl"])
def web(
    request: pytest.FixtureRequest,
    network: Network,
    start_sshd: Callable[..., Sshd],
    start_terminal: Callable[..., Terminal],
    keepshell_exe: Path,
    tmp_path: Path,
) -> Iterator[Web]:
    """Keeps shells by each engine; the parameter "python" or "perl" chooses one."""
    path = "/usr/bin:/bin"
    if request.param == "perl":
        without = tmp_path / "bin"
        without.mkdir()
        (without / "python3").symlink_to("/bin/false")
        path = f"{without}:{path}"
    login = login_through(tmp_path, "/bin/bash", path=path)
    sshd = start_sshd(f"ListenAddress {network.host}", login)
    home = tmp_path / "login"
    host = Web(sshd, network, start_terminal, keepshell_exe, home=home)
    yield host
    left = with_home(home) | host.holders()
    end(left)
    for process in left:
        reap(process.pid)
