"""A slow link: forwards TCP, each byte as late as it would be at the end of a long line."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from tests.support.waiting import DEADLINE


class SlowLink:
    """Forwards `127.0.0.1:port` to the port `upstream`; a thread of the test process."""

    def __init__(self, upstream: int, round_trip: float) -> None:
        """Listen at once. `round_trip` is in seconds, half of it in each direction."""
        self.round_trip = round_trip
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server = self._call(
            asyncio.start_server(self._accept, "127.0.0.1", 0)
        )
        self.port: int = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Cut every connection and join the thread."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()

    def _call(self, step: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(step, self._loop).result(DEADLINE)

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # lets the transports close their sockets

    async def _accept(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        far, far_out = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            await asyncio.gather(self._carry(near, far_out), self._carry(far, near_out))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for writer in (near_out, far_out):
                writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # call_at keeps the order of equal delays, and lets many chunks be under way at once.
        while chunk := await reader.read(65536):
            self._later(writer.write, chunk)
        self._later(writer.close)

    def _later(self, act: Any, *arguments: bytes) -> None:
        self._loop.call_at(self._loop.time() + self.round_trip / 2, act, *arguments)
