"""What is built from the checkout: an sdist and a wheel, clean, complete, and as it installs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

import keepshell
from keepshell.cli import share
from tests.support.programs import path_of
from tests.support.waiting import DEADLINE

ROOT = Path(keepshell.__file__).parents[1]
NOT_COPIED = (".git", ".venv*", ".*_cache", "*.egg-info", "__pycache__", "build", "dist")
NAME = f"keepshell-{keepshell.__version__}"

BUILD = """
import sys
from setuptools import build_meta
_, folder, *kinds = sys.argv
for kind in kinds:
    getattr(build_meta, f"build_{kind}")(folder)
"""


class Built(NamedTuple):
    """What the build made of a copy of the checkout, and again of what it had made."""

    source: Path
    sdist: Path
    wheel: Path
    wheel_of_sdist: Path
    said: str
    """All that the builds wrote on stderr."""


def run(*argv: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run to the end; AssertionError with all output unless it succeeds."""
    # pip.conf may say `user = true`, which pip refuses to do in a virtual environment.
    env = {**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for variable in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):  # setuptools warns of the latter
        env.pop(variable, None)
    done = subprocess.run(  # type: ignore[call-overload]
        argv,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=4 * DEADLINE,
        check=False,
        **options,
    )
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done  # type: ignore[no-any-return]


def new_environment(folder: Path, *requirements: str | Path) -> Path:
    """Make a virtual environment with these in it, and without what they depend on.

    Returns its directory of programs. A requirement that is no file comes from the registry.
    """
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", "--no-input"]
    run(*pip, "--no-deps", *requirements)
    return folder / "bin"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built with what pyproject.toml requires, as pip would do it."""
    folder = tmp_path_factory.mktemp("build")
    source, first, second = (folder / name for name in ("source", "first", "second"))
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_COPIED))
    requires = tomllib.loads((source / "pyproject.toml").read_text())["build-system"]["requires"]
    python = new_environment(folder / "builder", *requires) / "python"
    said = run(python, "-c", BUILD, first, "sdist", "wheel", cwd=source).stderr
    sdist = first / f"{NAME}.tar.gz"
    # Not with tarfile: its `filter` is new in Python 3.11.4, and 3.12 warns when it is not given.
    run(path_of("tar"), "-xzf", sdist, "-C", folder)
    said += run(python, "-c", BUILD, second, "wheel", cwd=folder / NAME).stderr
    wheels = [place / f"{NAME}-py3-none-any.whl" for place in (first, second)]
    return Built(source, sdist, wheels[0], wheels[1], said)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_build_has_nothing_to_complain_of(built: Built) -> None:
    assert re.findall(r"(?i)^.*(?:warning|deprecat|error).*$", built.said, re.M) == []


def test_the_wheel_holds_all_and_nothing_else(built: Built) -> None:
    package = {
        str(path.relative_to(built.source)): path.read_bytes()
        for path in (built.source / "keepshell").rglob("*")
        if path.is_file()
    }
    shared = {
        f"{NAME}.data/data/share/{name}": text.encode() for name, text in share.files().items()
    }
    command = (built.source / "bin" / "keepshell").read_bytes()
    shared[f"{NAME}.data/scripts/keepshell"] = command
    found = contents(built.wheel)
    about = {name for name in found if name.startswith(f"{NAME}.dist-info/")}
    assert {name: found[name] for name in found.keys() - about} == package | shared
    licences = [name for name in about if name.endswith("/LICENSE")]
    assert [found[name] for name in licences] == [(built.source / "LICENSE").read_bytes()]


def test_the_sdist_makes_the_same_wheel(built: Built) -> None:
    assert contents(built.wheel_of_sdist) == contents(built.wheel)


def test_the_sdist_is_the_whole_checkout(built: Built) -> None:
    """Tests included: a distribution runs them on what it has packaged."""
    wanted = {".ci/run", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "README.md", "setup.cfg"}
    for folder in ("bin", "docs", "keepshell", "scripts", "tests"):
        files = (path for path in (built.source / folder).rglob("*") if path.is_file())
        wanted |= {str(path.relative_to(built.source)) for path in files}
    with tarfile.open(built.sdist) as archive:
        found = {name.removeprefix(f"{NAME}/") for name in archive.getnames()}
    assert wanted - found == set()


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_it_installs_and_runs(kind: str, built: Built, tmp_path: Path) -> None:
    """Also without what it depends on, which test_demo.py installs on a fresh machine."""
    programs = new_environment(tmp_path / "venv", getattr(built, kind))
    said = run(programs / "keepshell", "--version", cwd=tmp_path)
    assert (said.stdout, said.stderr) == (f"keepshell {keepshell.__version__}\n", "")
    run(programs / "keepshell", "ssh", "-V", cwd=tmp_path)
    run(programs / "keepshell", "shim", "install", "--dir", tmp_path / "shims", cwd=tmp_path)
    assert run(tmp_path / "shims" / "ssh", "-V").stderr.startswith("OpenSSH")
    where = "import keepshell; print(keepshell.__file__)"
    assert str(tmp_path) in run(programs / "python", "-c", where, cwd=tmp_path).stdout
    for name, text in share.files().items():
        assert (tmp_path / "venv" / "share" / name).read_text() == text
    manuals = tmp_path / "venv" / "share" / "man"
    page = run(path_of("man"), "--warnings", "-M", manuals, "keepshell")
    assert page.stderr == ""
    assert "KEEPSHELL(1)" in page.stdout


TYPED = """
import keepshell
policy = keepshell.Policy(rung=keepshell.Rung.SERVER_ALIVE, server_alive_interval=30)
host: str | None = keepshell.parse_ssh_args(["-p", "22", "host"]).host
told: dict[str, object] = keepshell.explain("host")
{mistake}
"""


@pytest.mark.parametrize("mistake", ["", "keepshell.parse_ssh_args(7)"], ids=["right", "wrong"])
def test_its_types_are_found(mistake: str, built: Built, tmp_path: Path) -> None:
    """As PEP 561 demands: by a type checker that has nothing but the installed package."""
    programs = new_environment(tmp_path / "venv", built.wheel)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    mypy += ["--python-executable", str(programs / "python"), "-c", TYPED.format(mistake=mistake)]
    done = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, check=False)
    said = re.findall(r"\[([\w-]+)\]$", done.stdout, re.M)
    assert said == (["arg-type"] if mistake else []), done.stdout
