"""Finding and opening config.toml: every way in which a file can be absent or unreadable."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import keepshell
from keepshell.config.load import load
from keepshell.core.rules.rung import Rung
from keepshell.errors import UsageError
from keepshell.paths import config_path

NOBODY = 65534


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where config.toml would be; the directory is there, the file is not."""
    folder = tmp_path / "keepshell"
    folder.mkdir()
    return folder / "config.toml"


def rung(place: Path) -> Rung:
    return load({"XDG_CONFIG_HOME": str(place.parent.parent)}).policy([], {}).policy.rung


def refusal(place: Path) -> str:
    with pytest.raises(UsageError) as caught:
        rung(place)
    assert caught.value.exit_code == 2
    return str(caught.value)


@contextmanager
def without_privilege() -> Iterator[None]:
    """Root may read everything; for a while, be somebody who may not."""
    uid = os.geteuid()
    if uid == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(uid)


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/x/keepshell/config.toml"),
        ({"XDG_CONFIG_HOME": "/x/"}, "/x/keepshell/config.toml"),
        ({"XDG_CONFIG_HOME": "", "HOME": "/h"}, "/h/.config/keepshell/config.toml"),
        ({"XDG_CONFIG_HOME": "relative", "HOME": "/h"}, "/h/.config/keepshell/config.toml"),
        ({"HOME": "/h"}, "/h/.config/keepshell/config.toml"),
        ({"HOME": ""}, None),
        ({"HOME": "relative"}, None),
        ({"XDG_CONFIG_HOME": "relative"}, None),
        ({}, None),
    ],
)
def test_where_the_file_is_looked_for(environ: dict[str, str], path: str | None) -> None:
    assert config_path(environ) == path


def test_a_file_is_read(place: Path) -> None:
    place.write_text('[default]\nrung = "off"\n')
    assert rung(place) is Rung.OFF


def test_an_option_of_the_environment_is_read_without_a_file() -> None:
    loaded = load({"KEEPSHELL_SSH": "/opt/ssh"})
    assert loaded.policy([], {}).policy.ssh == "/opt/ssh"


def test_a_bad_file_is_named_by_its_path(place: Path) -> None:
    place.write_text('[default]\nrung = "of"\n')
    assert refusal(place).startswith(f"{place}:2: [default] rung: expected one of ")


def test_no_file_and_no_directory_are_no_fault(place: Path) -> None:
    assert rung(place) is Rung.EMPTY_LINE
    place.parent.rmdir()
    assert rung(place) is Rung.EMPTY_LINE


def test_a_file_in_place_of_the_directory_is_no_fault(place: Path) -> None:
    place.parent.rmdir()
    place.parent.write_text("")
    assert rung(place) is Rung.EMPTY_LINE


def test_nothing_is_needed_in_the_environment() -> None:
    assert load({}).policy([], {}).policy.rung is Rung.EMPTY_LINE


def test_a_file_that_may_not_be_read(place: Path) -> None:
    place.write_text("")
    place.chmod(0)
    with without_privilege():
        message = refusal(place)
    assert message == (
        f"{place}: can't be read: Permission denied; make it readable or move it away"
    )


def test_a_directory(place: Path) -> None:
    place.mkdir()
    assert refusal(place) == (
        f"{place}: can't be read: Is a directory; make it readable or move it away"
    )


def test_a_link_to_itself(place: Path) -> None:
    place.symlink_to(place)
    assert refusal(place).startswith(f"{place}: can't be read: Too many levels of symbolic links")


def test_a_fifo_that_nobody_writes_to_does_not_hang(place: Path) -> None:
    os.mkfifo(place)
    assert refusal(place) == f"{place}: not a regular file; move it away or make it one"


def test_a_device_is_not_read(place: Path) -> None:
    place.symlink_to("/dev/zero")
    assert refusal(place) == f"{place}: not a regular file; move it away or make it one"


def test_a_file_too_large_is_refused_without_being_read_whole(place: Path) -> None:
    with place.open("wb") as file:
        file.truncate(64 << 20)  # a hole: it takes no room on the disk
    tracemalloc.start()
    try:
        message = refusal(place)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert message == f"{place}: larger than 1 MiB, so it can't be a configuration; move it away"
    assert most < 8 << 20


def test_a_file_of_just_the_largest_size_is_read(place: Path) -> None:
    text = '[default]\nrung = "off"\n'
    place.write_text(text + "\n" * ((1 << 20) - len(text)))
    assert rung(place) is Rung.OFF


@pytest.mark.parametrize(
    ("text", "loads"),
    [
        (None, set()),
        ('[default]\nrung = "off"\n', {"enum", "re", "tomllib", "typing"}),
    ],
)
def test_what_delays_ssh_is_not_imported(place: Path, text: str | None, loads: set[str]) -> None:
    """Each of these takes longer to import than everything else here to run."""
    if text is not None:
        place.write_text(text)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from keepshell.config.load import load\n"
        "from keepshell.config.settings import take_options\n"
        "options, _ = take_options(['--outage-tolerance', '1h', 'ssh', 'web1'])\n"
        "load({'XDG_CONFIG_HOME': sys.argv[2]}).policy(['web1'], options).sources\n"
        "print(*sys.modules)\n"
    )
    arguments = [str(Path(keepshell.__file__).parents[1]), str(place.parent.parent)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"dataclasses", "difflib", "enum", "pathlib", "re", "subprocess", "tomllib", "typing"}
    assert heavy & set(done.stdout.split()) == loads
