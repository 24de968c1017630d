"""Files that hang hang nobody."""

from __future__ import annotations

import _thread
import os
from functools import partial
from pathlib import Path

import pytest

from keepshell.errors import InternalError
from keepshell.relay.clerk import Clerk
from tests.support.waiting import DEADLINE, eventually


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def test_it_answers_and_raises_as_the_work_does() -> None:
    clerk = Clerk()
    assert clerk.ask(lambda: 42, DEADLINE) == 42
    with pytest.raises(ZeroDivisionError):
        clerk.ask(lambda: 1 // 0, DEADLINE)
    assert clerk.ask(lambda: None, DEADLINE) is None


def test_what_hangs_is_not_waited_for_again(fifo: Path) -> None:
    clerk = Clerk()
    with pytest.raises(InternalError, match="can't be reached"):
        clerk.ask(fifo.read_text, 0.01)
    with pytest.raises(InternalError):
        clerk.ask(lambda: 42, DEADLINE)
    fifo.write_text("")  # lets the thread go


def test_what_was_slow_for_once_is_waited_for_again(fifo: Path) -> None:
    clerk = Clerk()
    with pytest.raises(InternalError):
        clerk.ask(fifo.read_text, 0.01)
    done: list[int] = []
    clerk.put(partial(done.append, 1))
    fifo.write_text("")
    eventually(lambda: done == [1], lambda: f"{done}")
    assert clerk.ask(lambda: 42, DEADLINE) == 42


def test_all_is_done_in_order_and_of_what_is_left_the_latest(fifo: Path) -> None:
    clerk = Clerk()
    done: list[int] = []
    clerk.put(fifo.read_text)
    for number in range(5):
        clerk.leave(partial(done.append, number))
    clerk.put(partial(done.append, 99))
    assert done == []
    fifo.write_text("")
    eventually(lambda: done == [4, 99], lambda: f"{done}")
    clerk.leave(partial(done.append, 5))
    eventually(lambda: done == [4, 99, 5], lambda: f"{done}")


def test_a_fault_in_left_work_ends_nothing() -> None:
    clerk = Clerk()
    clerk.put(lambda: 1 // 0)
    assert clerk.ask(lambda: 42, DEADLINE) == 42


def test_without_a_thread_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refused)
    with pytest.raises(InternalError):
        Clerk().ask(lambda: 42, DEADLINE)
