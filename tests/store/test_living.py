"""Live files: our own directory and files only; of other machines nothing is known."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from keepshell.errors import InternalError
from keepshell.process import started_at
from keepshell.store import livedir, living, place
from keepshell.store.livedir import LiveDirectory

HERE = place.here()


@pytest.fixture
def folder() -> Path:
    return Path(os.environ["XDG_RUNTIME_DIR"], "keepshell")


@pytest.fixture
def fallback() -> Path:
    return Path(os.environ["XDG_STATE_HOME"], "keepshell", "live")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the user's, which somebody else would like to see overwritten."""
    path = tmp_path / "precious"
    path.write_text("precious")
    return path


def entry(pid: int = os.getpid(), where: place.Place = HERE, **fields: object) -> dict[str, Any]:
    names = ("host", "terminal", "user_at", "last_keepalive", "next", "hold")
    made: dict[str, object] = dict.fromkeys(names)
    made |= {"pid": pid, "start": started_at(pid), "name": "sh", "since": 1.0, "written": 1.0}
    made |= {"rung": "off", "interval": 60, "keepalives": 0, "off": False}
    made |= {"machine": where.machine, "boot": where.boot, "pid_namespace": where.pids}
    return {**made, **fields}


def put(folder: Path, *found: dict[str, Any]) -> list[Path]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = []
    for each in found:
        where = place.Place(each["machine"], each["boot"], each["pid_namespace"])
        paths.append(folder / f"{each['pid']}.{where.label}.json")
        paths[-1].write_text(json.dumps(each))
    return paths


def shown() -> list[int]:
    return [each["pid"] for each in living.entries(os.environ)]


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(name: str = "1.json", content: bytes = b"{}") -> None:
    directory = livedir.writable(os.environ)
    assert directory is not None
    directory.write(name, content)
    directory.close()


def test_what_is_written_is_private(folder: Path) -> None:
    old = os.umask(0)
    try:
        write()
    finally:
        os.umask(old)
    assert written(folder) == {"1.json": b"{}"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "1.json").stat().st_mode & 0o777 == 0o600


def test_a_directory_of_somebody_elses_is_not_used(
    folder: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, entry())
    fallback.mkdir(parents=True)
    real = os.fstat
    theirs = folder.stat().st_ino

    def fstat(fd: int) -> os.stat_result:
        found = real(fd)
        if found.st_ino != theirs:
            return found
        return os.stat_result((*found[:4], found.st_uid + 1, *found[5:]))

    monkeypatch.setattr(os, "fstat", fstat)
    with pytest.raises(PermissionError, match="belongs to someone else"):
        LiveDirectory(str(folder))
    before = written(folder)
    write()
    assert shown() == []
    assert written(folder) == before
    assert written(fallback) == {"1.json": b"{}"}


@pytest.mark.parametrize("kind", ["link", "dangling", "file", "fifo"])
def test_what_is_no_directory_is_not_used(
    folder: Path, fallback: Path, tmp_path: Path, kind: str
) -> None:
    target = tmp_path / "theirs"
    if kind == "link":
        target.mkdir()
    if kind in ("link", "dangling"):
        folder.symlink_to(target)
    elif kind == "fifo":
        os.mkfifo(folder)
    else:
        folder.touch()
    write()
    assert written(fallback) == {"1.json": b"{}"}
    assert not target.exists() or not list(target.iterdir())


@pytest.mark.parametrize("name", ["1.json", "1.json.new"])
def test_no_link_is_written_through(folder: Path, secret: Path, name: str) -> None:
    folder.mkdir()
    (folder / name).symlink_to(secret)
    write()
    assert written(folder) == {"1.json": b"{}"}
    assert secret.read_text() == "precious"


def test_a_fifo_in_a_files_place_keeps_nobody_waiting(folder: Path) -> None:
    folder.mkdir()
    for name in ("1.json", "1.json.new"):
        os.mkfifo(folder / name)
    assert shown() == []
    write()
    assert written(folder) == {"1.json": b"{}"}


def test_no_link_is_believed(folder: Path, tmp_path: Path) -> None:
    (real,) = put(tmp_path, entry())
    folder.mkdir()
    (folder / real.name).symlink_to(real)
    assert shown() == []


@pytest.mark.parametrize(
    "field",
    [
        {"since": None},
        {"since": "now"},
        {"user_at": "now"},
        {"written": "now", "boot": "another"},
        {"pid_namespace": None},
        {"boot": None},
        {"machine": ["web"]},
        {"keepalives": "many"},
        {"limits": "none"},
    ],
)
def test_an_entry_of_another_form_hides_no_other(folder: Path, field: dict[str, object]) -> None:
    """A later keepshell's, say, in a home that machines share; its process runs, so it stays."""
    put(folder, entry(os.getppid()))
    odd = folder / f"{os.getpid()}.{HERE.label}.json"
    odd.write_text(json.dumps(entry() | field))
    assert shown() == [os.getppid()]
    assert odd.exists()


def test_a_terminal_that_is_no_path(folder: Path) -> None:
    put(folder, entry(terminal="/dev/\0"))
    assert shown() == [os.getpid()]


def test_both_directories_are_read(folder: Path, fallback: Path) -> None:
    """A session may have begun while there was no XDG_RUNTIME_DIR."""
    put(folder, entry())
    put(fallback, entry(os.getppid()))
    assert sorted(shown()) == sorted([os.getpid(), os.getppid()])


OTHERS = [
    HERE._replace(machine="db1", boot="6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
    HERE._replace(pids=HERE.pids + 1),
]


@pytest.mark.parametrize("where", OTHERS, ids=["machine", "container"])
def test_of_another_machine_nothing_is_deleted_and_nothing_believed(
    folder: Path, where: place.Place
) -> None:
    """Not even if our process with that pid is gone, or is another one."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    put(folder, entry(gone.pid, where, start=1.0), entry(where=where))
    found = living.entries(os.environ)
    assert {each["pid"] for each in found} == {gone.pid, os.getpid()}
    assert all(each["elsewhere"].startswith(where.machine) for each in found)
    assert len(list(folder.iterdir())) == 2
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        for each in found:
            with pytest.raises(InternalError, match="switch it there"):
                living.send(each, signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_same_pid_in_two_containers_is_two_files(folder: Path) -> None:
    assert len(set(put(folder, entry(), *(entry(where=where) for where in OTHERS)))) == 3


def test_what_an_earlier_boot_of_this_machine_left_is_swept(folder: Path) -> None:
    before = HERE._replace(boot="6f9619ff-8b86-d011-b42d-00cf4fc964ff")
    put(folder, entry(where=before, written=psutil.boot_time() - 1000))
    assert shown() == []
    assert list(folder.iterdir()) == []
    # A machine of the same name that runs now, as one made from the same image.
    put(folder, entry(where=before, written=psutil.boot_time() + 1000))
    assert shown() == [os.getpid()]


def test_a_process_that_was_started_a_moment_later_is_another(folder: Path) -> None:
    start = started_at(os.getpid())
    assert start is not None
    put(folder, entry(start=start + 0.01))
    assert shown() == []


def test_a_process_of_somebody_elses_is_none_of_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, entry())
    (found,) = living.entries(os.environ)
    monkeypatch.setattr(os, "getuid", lambda: psutil.Process().uids().real + 1)
    with pytest.raises(InternalError, match=str(os.getpid())):
        living.send(found, signal.SIGKILL)
    assert shown() == []
