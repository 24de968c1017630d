"""The list of hosts that answer no keepalive request, and what may be there instead of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from keepshell.store import unanswered

HOST = "me@web:22"


@pytest.fixture
def path() -> Path:
    folder = Path(os.environ["XDG_STATE_HOME"], "keepshell")
    folder.mkdir(parents=True)
    return folder / "unanswered"


def is_known() -> bool:
    return unanswered.is_known(os.environ, lambda: HOST)


def test_from_one_session_to_the_next(path: Path) -> None:
    assert not is_known()
    for name in (HOST, "me@db:22", HOST):
        unanswered.add(os.environ, name)
    assert path.read_text() == f"{HOST}\nme@db:22\n"
    assert is_known()
    assert unanswered.forget(os.environ, HOST)
    assert not unanswered.forget(os.environ, HOST)
    assert not is_known()
    assert unanswered.forget(os.environ, "me@db:22")
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\n", b"me@web:22", b"me@web:2"])
def test_what_is_no_list_names_no_host(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert not is_known()
    unanswered.add(os.environ, HOST)
    assert is_known()


def test_a_fifo_in_its_place_keeps_nobody_waiting(path: Path) -> None:
    os.mkfifo(path)
    assert not is_known()
    assert not unanswered.forget(os.environ, HOST)
    unanswered.add(os.environ, HOST)
    assert is_known()
