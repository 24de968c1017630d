"""A hold whose connection is lost many times: how soon it is back, and whether anything is left."""

from __future__ import annotations

import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.sshd.flaps import FLAPS, Held, Taken
from tests.support.access import Keys

from .place import environment


def run(count: int) -> int:
    """So many flaps of one hold; prints the counts, and answers with the exit status."""
    chance = random.Random(count)
    kinds = [FLAPS[number % len(FLAPS)] for number in range(count)]
    chance.shuffle(kinds)
    seconds: dict[str, list[Taken]] = {}
    leaks: list[str] = []
    with ExitStack() as stack:
        # Short, since a socket's path has room for 107 bytes (unix(7)).
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="ks", dir="/tmp"))
        directory = Path(name)
        (directory / "keys").mkdir()
        keys = Keys.make(directory / "keys")
        exe, env = Path(sys.prefix, "bin", "keepshell"), environment(directory / "u")
        held = Held(stack, directory, keys=keys, exe=exe, env=env)
        for kind in kinds:
            taken = held.flap(kind)
            seconds.setdefault(kind.__name__, []).append(taken)
            found = held.leaks()
            leaks += found
            print(f"{kind.__name__}: {_words([taken])} {' '.join(found)}", flush=True)
    print(f"flaps                                    {count}")
    print(f"processes, descriptors, files left over  {len(leaks)}")
    for kind_name, all_taken in sorted(seconds.items()):
        print(f"  {kind_name:<15} {_words(all_taken)}")
    return 1 if leaks else 0


def _words(taken: list[Taken]) -> str:
    told, back = [one.told for one in taken], [one.back for one in taken]
    return f"told after {_range(told)} s, back after {_range(back)} s"


def _range(seconds: list[float]) -> str:
    most = f" (at most {max(seconds):.1f})" if len(seconds) > 1 else ""
    return f"{median(seconds):.1f}{most}"
