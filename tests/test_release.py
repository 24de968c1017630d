"""scripts/release: it refuses what would be no release, and changes nothing then."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import keepshell
from tests.support.programs import path_of
from tests.test_packaging import NOT_COPIED, ROOT

NEWER = "99.0.0"


def git(checkout: Path, *words: str) -> str:
    who = ["-c", "user.name=A U Thor", "-c", "user.email=author@example.com"]
    argv = [path_of("git"), *who, *words]
    return subprocess.run(argv, cwd=checkout, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one commit that could be released."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_COPIED))
    git(source, "init", "--quiet")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "all")
    return source


def refusal(checkout: Path, *words: str) -> str:
    """What it says when it ends with 1; nothing may be changed then."""
    before = git(checkout, "rev-parse", "HEAD"), git(checkout, "status", "--porcelain")
    done = subprocess.run(
        [checkout / "scripts" / "release", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert (git(checkout, "rev-parse", "HEAD"), git(checkout, "status", "--porcelain")) == before
    return done.stderr


@pytest.mark.parametrize("words", [[], ["v1.2.3"], ["1.2"], ["1.2.3rc1"], ["--help"]])
def test_no_version(words: list[str], checkout: Path) -> None:
    assert refusal(checkout, *words) == "release: say which version: scripts/release 1.2.3\n"


def test_what_is_not_committed(checkout: Path) -> None:
    (checkout / "README.md").write_text("changed")
    said = refusal(checkout, NEWER)
    assert said == "release: commit or stash what is not committed (git status)\n"


def test_a_version_that_is_there(checkout: Path) -> None:
    git(checkout, "tag", f"v{NEWER}")
    assert refusal(checkout, NEWER) == f"release: v{NEWER} is tagged already\n"


def test_nothing_new(checkout: Path) -> None:
    changelog = checkout / "CHANGELOG.md"
    changelog.write_text(
        re.sub(r"(## \[Unreleased\]\n).*", r"\1", changelog.read_text(), flags=re.S)
    )
    git(checkout, "commit", "--quiet", "--all", "--message", "nothing new")
    assert refusal(checkout, NEWER) == "release: CHANGELOG.md has nothing under [Unreleased]\n"


def test_the_version_is_where_the_release_looks() -> None:
    source = (ROOT / "keepshell" / "_version.py").read_text()
    assert re.findall("^VERSION = .*", source, re.M) == [f'VERSION = "{keepshell.__version__}"']
