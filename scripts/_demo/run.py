"""What the environment's Python runs: the show or the shell, and then the end of the directory.

It owns the directory that it is given, and removes it whatever happens.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .place import die_by, ending_signals

if TYPE_CHECKING:
    from collections.abc import Iterator


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--cut-after", type=float, required=True)
    parser.add_argument("--shell", action="store_true")
    return parser.parse_args()


@contextlib.contextmanager
def _removed(directory: Path) -> Iterator[None]:
    """Remove the directory at the end, without being interrupted in that."""
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, ending_signals())
        shutil.rmtree(directory)


async def _run(options: argparse.Namespace) -> int:
    # Now, and not on top: the directory must be removed if these fail, or take too long.
    from .server import Server
    from .sessions import Access
    from .shell import hand_over
    from .show import NotShownError, perform

    access = Access(options.directory, Path(sys.executable).with_name("keepshell"))
    async with Server(access.host_key, access.client_key, limit=options.cut_after) as server:
        access.write(server.port)
        if options.shell:
            return await hand_over(server, access)
        try:
            await perform(server, access)
        except NotShownError as failure:
            print(f"demo: {failure}", file=sys.stderr)
            return 1
    return 0


async def _run_until_signalled(options: argparse.Namespace) -> int:
    """The exit status; or, of a signal that ended it, its number with a minus."""
    loop, came = asyncio.get_running_loop(), []
    running = asyncio.ensure_future(_run(options))

    def end(number: int) -> None:
        came.append(number)
        running.cancel()

    for number in ending_signals():
        loop.add_signal_handler(number, end, number)
    # Blocked since before this Python was started: see place.set_up_and_run.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ending_signals())
    try:
        return await running
    except asyncio.CancelledError:
        return -came[0]
    except BrokenPipeError:  # of the lines, as in `scripts/demo | head`
        return -signal.SIGPIPE
    except ImportError as error:
        print(
            f"demo: {error}\ndemo: if {options.directory.parent} is mounted noexec, "
            "set TMPDIR to a directory that is not",
            file=sys.stderr,
        )
        return 1


def main() -> int:
    options = _options()
    with _removed(options.directory):
        status = asyncio.run(_run_until_signalled(options))
    if status < 0:
        die_by(-status)
    return status


sys.exit(main())
