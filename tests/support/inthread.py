"""An asyncio loop in a thread of the test process, for servers that a test talks to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from tests.support.waiting import DEADLINE


class LoopThread:
    """Runs from its making to `stop`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, step: Coroutine[Any, Any, Any]) -> Any:
        """What the coroutine returns, run in the loop."""
        return asyncio.run_coroutine_threadsafe(step, self._loop).result(DEADLINE)

    def stop(self, closing: Coroutine[Any, Any, None]) -> None:
        """Run `closing` in the loop, cancel what still runs there, join the thread."""
        self.call(_close(closing))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()


async def _close(closing: Coroutine[Any, Any, None]) -> None:
    await closing
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
