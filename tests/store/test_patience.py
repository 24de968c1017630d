"""What hangs or is locked keeps nobody waiting, and is done later if it can be."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from keepshell.errors import InternalError
from keepshell.store import patience
from tests.support.waiting import DEADLINE, eventually

LONG = 1000.0
MOMENT = 0.2


def test_what_is_read() -> None:
    assert patience.read(lambda: 7, within=LONG) == 7


def test_what_reading_raises() -> None:
    def fail() -> None:
        raise InternalError("no")

    with pytest.raises(InternalError, match="no"):
        patience.read(fail, within=LONG)


def test_reading_that_hangs_is_left(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.2 s"):
        patience.read(fifo.read_bytes, within=MOMENT)
    fifo.write_bytes(b"")  # it goes on, and ends
    eventually(lambda: threading.active_count() == 1, "the thread's end")


def test_what_is_written_is_there_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "written"
    patience.write(path.touch, within=LONG)
    assert path.exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [(InternalError("the disk is full"), "^the disk is full$"), (KeyError("x"), "^KeyError: 'x'$")],
)
def test_what_went_wrong_is_told(error: Exception, words: str) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(InternalError, match=words):
        patience.write(fail, within=LONG)


def test_writing_that_must_wait_goes_on_without_us(tmp_path: Path) -> None:
    path, lock = tmp_path / "written", os.open(tmp_path / "lock", os.O_WRONLY | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    began = time.monotonic()

    def wait() -> None:
        fcntl.flock(os.open(tmp_path / "lock", os.O_WRONLY), fcntl.LOCK_EX)
        path.write_text("done")

    patience.write(wait, within=MOMENT)
    assert time.monotonic() - began < DEADLINE / 2
    assert not path.exists()
    os.close(lock)
    eventually(path.exists, "the write")
    os.wait()


def test_nothing_of_the_users_is_kept_open(tmp_path: Path) -> None:
    """A script that holds a lock on a descriptor of its own has let go of it when ssh has ended."""
    reader, writer = os.pipe()
    path = tmp_path / "open"

    def look() -> None:
        path.write_text(" ".join(os.listdir("/proc/self/fd")))

    patience.write(look, within=LONG)
    os.close(reader)
    os.close(writer)
    assert len(path.read_text().split()) == 5  # the first three, the answer's, and the listing's
