"""docs/scripts.md and docs/callers.md say what is so: every command in the one is run here, and
every test that the other names is there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import keepshell
from tests.sshd import test_exec_callers
from tests.support.access import ALIAS
from tests.support.programs import path_of, require
from tests.support.sshd import Sshd
from tests.support.waiting import DEADLINE

DOCS = Path(keepshell.__file__).parents[1] / "docs"
SHELLS = {
    "sh": ["sh", "-e"],
    "bash": ["bash", "--norc", "-e"],
    "zsh": ["zsh", "-f", "-e"],
    "fish": ["fish", "--no-config"],
}


def blocks() -> Iterator[tuple[str, str]]:
    """The shell and the text of each example, in the order of the page."""
    page = (DOCS / "scripts.md").read_text()
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", page, re.M | re.S):
        yield match[1], match[2]


def test_every_example_runs(
    sshd: Sshd, tmp_path: Path, keepshell_exe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, in one directory, with `web` being the sshd."""
    require("rsync", "zsh", "fish", "scp")
    config = sshd.access.ssh_config()
    config.write_text(config.read_text().replace(f"Host {ALIAS}", f"Host {ALIAS} web", 1))
    system = tmp_path / "system"
    system.mkdir()
    real = system / "ssh"
    real.write_text(f'#!/bin/sh\nexec {path_of("ssh")} -F {shlex.quote(str(config))} "$@"\n')
    real.chmod(0o755)
    (system / "keepshell").symlink_to(keepshell_exe)
    monkeypatch.setenv("PATH", f"{system}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    here = tmp_path / "here"
    here.mkdir()
    outputs = []
    for shell, text in blocks():
        if text.startswith("keepshell shim status"):  # its advice has been followed
            installed = tmp_path / "user" / "data" / "keepshell" / "bin"
            monkeypatch.setenv("PATH", f"{installed}:{os.environ['PATH']}")
        outputs.append(run([path_of(SHELLS[shell][0]), *SHELLS[shell][1:], "-c", text], here))
    deploy, options, installed_text, line, status, *shells = outputs
    assert deploy.split() == ["copy", "deploy.sh"]
    assert (sshd.access.directory / "home" / "release" / "copy" / "deploy.sh").exists()
    assert options.split("\n")[:2] == ["copy", "deploy.sh"]
    assert options.split("\n")[2].startswith("./deploy.sh web")
    assert "export PATH=" in installed_text
    assert line == "kept alive\n"
    assert "in use: `ssh` is found there" in status
    assert "removed: " in status
    assert shells == [""] * 3


def run(argv: list[str], cwd: Path) -> str:
    done = subprocess.run(
        argv,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE,
        check=False,
    )
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout


def test_every_row_of_the_table_names_a_test() -> None:
    page = (DOCS / "callers.md").read_text()
    named = set(re.findall(r"\| `((?:\w+::)?test_\w+)` \|$", page, re.M))
    there = set()
    for name, item in vars(test_exec_callers).items():
        if name.startswith("test_"):
            there.add(name)
        elif name.startswith("Test"):
            there |= {f"{name}::{method}" for method in vars(item) if method.startswith("test_")}
    assert named == there
