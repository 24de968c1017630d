"""The user's own session: keepshell in the foreground of their terminal."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import Server
    from .sessions import Access

PATIENCE = 5.0  # seconds
HINT = """\
An SSH server on this machine cuts clients that are silent for {limit:g} s. You enter it
by `keepshell ssh`, with keepalives every 2 s. Wait as long as you
like, then type `idle`. `exit` ends the session, and the demo with it.
"""


async def hand_over(server: Server, access: Access) -> int:
    """Run `keepshell ssh` to the server until it ends; its exit status, or minus its signal."""
    print(HINT.format(limit=server.limit), flush=True)
    # Python ignores SIGPIPE, and what is ignored stays so across exec.
    argv, ignored = access.kept("you"), [signal.SIGPIPE]
    child = os.posix_spawn(argv[0], argv, access.environment(), setsigdef=ignored)
    waiting = asyncio.get_running_loop().run_in_executor(None, _wait, child)
    try:
        status = await asyncio.shield(waiting)
    except asyncio.CancelledError:
        await _end(child, waiting)
        raise
    seen = server.seen.get("you")
    if seen:
        print(
            f"The server saw {seen.keepalives} keepalives: {seen.server_alives} server-alive, "
            f"{seen.window_changes} window-change."
        )
    return status


async def _end(child: int, waiting: asyncio.Future[int]) -> None:
    """Ask it to end, so that it gives the terminal back; make it, if it does not listen."""
    for number in (signal.SIGTERM, signal.SIGCONT):
        os.kill(child, number)
    await asyncio.wait([waiting], timeout=PATIENCE)
    if not waiting.done():
        os.kill(child, signal.SIGKILL)
        await waiting


def _wait(pid: int) -> int:
    """Wait for the child's end. When it stops (`~^Z`), stop too: the user's shell waits for us."""
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        os.kill(os.getpid(), signal.SIGSTOP)
