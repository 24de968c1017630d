"""What tests with real servers share: sessions to a host, kept ones and bare ones."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sshd.kept import Logins, Open
from tests.sshd.survival import CASES, Case, Survival
from tests.support.dropbear import Dropbear
from tests.support.middlebox import Middlebox
from tests.support.programs import path_of
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal


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
