"""Does what touches files in a thread of its own: a file system that hangs then hangs no session.

The thread is never waited for longer than was asked, nor at the end: the process ends without it.
"""

from __future__ import annotations

import _thread
import contextlib
from _queue import Empty, SimpleQueue
from collections.abc import Callable
from typing import TypeVar

from keepshell.errors import InternalError

T = TypeVar("T")


class Clerk:
    """One thread, which does one thing after the other."""

    def __init__(self) -> None:
        self._todo: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._latest: Callable[[], object] | None = None
        self._is_late = False
        try:
            _thread.start_new_thread(self._work, ())
        except RuntimeError:  # no thread can be had (setrlimit(2), RLIMIT_NPROC)
            self._is_late = True

    def ask(self, work: Callable[[], T], seconds: float) -> T:
        """The result of `work`; what it raises, or InternalError if it takes longer.

        While something takes longer, nothing more is waited for.
        """
        done: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()

        def answer() -> None:
            try:
                done.put((work(), None))
            except Exception as error:
                done.put((None, error))

        self.put(answer)
        try:
            result, error = done.get(timeout=0 if self._is_late else seconds)
        except Empty:
            self._is_late = True
            raise InternalError("its files can't be reached") from None
        if error is not None:
            raise error
        return result  # type: ignore[return-value] # None only together with an error

    def put(self, work: Callable[[], object]) -> None:
        """Have `work` done after all that was wanted before."""
        self._todo.put(work)

    def leave(self, work: Callable[[], object]) -> None:
        """Have `work` done at some time; never, if the next one comes before there was time.

        It reports its own failures; no one else does.
        """
        waits, self._latest = self._latest is not None, work
        if not waits:
            self.put(self._do_latest)

    def _do_latest(self) -> None:
        work, self._latest = self._latest, None
        if work is not None:
            work()

    def _work(self) -> None:
        while True:
            work = self._todo.get()
            with contextlib.suppress(Exception):  # left work is worth no word: the session goes on
                work()
            self._is_late = False
