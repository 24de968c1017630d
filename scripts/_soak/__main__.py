"""The soak's command line: how long, how many at once; ends with what was counted."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil

# `python scripts/_soak` finds tests.support by the path of the checkout.
_SCRIPTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_SCRIPTS), str(_SCRIPTS.parent)]

from _soak import flaps, reattach  # noqa: E402 - found by the path above
from _soak.place import Place  # noqa: E402
from _soak.session import Session, Tally  # noqa: E402
from tests.support.processes import adopt_orphans, describe, end, tree  # noqa: E402
from tests.support.waiting import eventually  # noqa: E402

_DESCRIPTION = """\
Opens sessions through `keepshell ssh` to an sshd of its own on 127.0.0.1, many at once, with
pastes, sizes, suspends, outages and drops at random, while config.toml is edited and the package
under them is upgraded. Ends with what was counted.
"""

_EPILOG = "exit status: 0 if no byte differed, no status was wrong and nothing was left; else 1."

_LATE_WRITERS = 40  # seconds within which what a session writes after its end is written


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--minutes", type=float, default=30, help="how long (default: 30)")
    parser.add_argument("--sessions", type=int, default=200, help="at least (default: 200)")
    parser.add_argument(
        "--reattach",
        metavar="N",
        type=int,
        help="instead, N outages of kept shells, each compared to an uninterrupted twin",
    )
    parser.add_argument(
        "--hold",
        metavar="N",
        type=int,
        help="instead, a hold with tunnels that loses its connection N times",
    )
    parser.add_argument("--at-once", type=int, default=10, help="side by side (default: 10)")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run the soak, print the counts; the exit status is the answer."""
    options = _options(argv)
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, _interrupted)  # so that everything started is ended first
    adopt_orphans()
    if options.reattach:
        return reattach.run(options.reattach, min(options.at_once, 2))
    if options.hold:
        return flaps.run(options.hold)
    before = len(os.listdir("/proc/self/fd"))
    tally = Tally()
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="keepshell-soak-"))
        place = Place(stack, Path(name))
        _run(place, tally, options)
        eventually(lambda: len(_started(place)) == 0, "the end of all", deadline=_LATE_WRITERS)
        files, processes = place.left(), _started(place)
    descriptors = len(os.listdir("/proc/self/fd")) - before
    print(f"sessions                {tally.sessions}")
    print(f"bytes compared          {tally.compared}")
    print(f"differences             {len(tally.differences)}")
    print(f"processes left          {len(processes)}")
    print(f"descriptors left        {descriptors}")
    print(f"files left              {len(files)}")
    for event, count in sorted(tally.events.items()):
        print(f"  {event:<21} {count}")
    for line in [*tally.differences, *files, describe(processes)]:
        print(line, file=sys.stderr)
    end(processes)
    return 1 if tally.differences or files or processes or descriptors > 0 else 0


def _run(place: Place, tally: Tally, options: argparse.Namespace) -> None:
    starting, over = threading.Lock(), threading.Event()
    changing = threading.Thread(target=_change, args=(place, tally, starting, over))
    changing.start()
    until = time.monotonic() + options.minutes * 60
    try:
        with ThreadPoolExecutor(options.at_once) as pool:
            number = 0
            running: set[Future[None]] = set()
            while time.monotonic() < until or number < options.sessions:
                running = {each for each in running if not each.done()}
                if len(running) < options.at_once:
                    running.add(pool.submit(Session(place, number, tally, starting).run))
                    number += 1
                else:
                    time.sleep(0.05)
    finally:
        over.set()
        changing.join()


def _change(place: Place, tally: Tally, starting: threading.Lock, over: threading.Event) -> None:
    """Edit the configuration and upgrade the package, under sessions that run."""
    chance = random.Random(0)
    while not over.wait(chance.uniform(1, 5)):
        place.edit_config(chance)
        tally.count("config edit")
        if chance.random() < 0.3:
            with starting:
                place.upgrade()
            tally.count("upgrade")


def _started(place: Place) -> set[psutil.Process]:
    """What runs of ours besides the server."""
    server = {process.pid for process in tree(place.server.pid)}
    return {each for each in tree(os.getpid()) if each.pid not in {os.getpid(), *server}}


def _interrupted(_signum: int, _frame: object) -> None:
    raise KeyboardInterrupt


sys.exit(main(sys.argv[1:]))
