"""Keystroke echo: from one typed byte to its echo by the pty at the far end.

Three sessions are open at once, with bare ssh, keepshell and `script`, and get their keys in turn,
with a pause before each key: a user's keys find every process asleep.
"""

from __future__ import annotations

import gc
import os
import shlex
from contextlib import ExitStack
from time import perf_counter, sleep

from tests.support.access import ALIAS

from .outer import BenchError, Outer, deadline
from .place import Place, path_of
from .plan import Plan
from .report import Bar, Row

READY = b"echoing"
REMOTE = f"stty raw echo; echo {READY.decode()}; exec cat >/dev/null"
_KEY = b"k"
_PAUSE = 0.001  # seconds
_LONGEST = 120


def measure(place: Place, plan: Plan) -> list[Row]:
    arguments = ("-tt", ALIAS, REMOTE)
    bare = place.ssh(*arguments)
    programs = {
        "bare": bare,
        "keepshell": place.kept(*arguments),
        "script": [path_of("script"), "-qc", shlex.join(bare), "/dev/null"],
    }
    with deadline(_LONGEST), ExitStack() as stack:
        outers = {
            name: stack.enter_context(Outer(argv, place.env)) for name, argv in programs.items()
        }
        for outer in outers.values():
            outer.wait_for(READY + b"\n")
        type_keys(outers, plan.echoes // 10)
        seconds = type_keys(outers, plan.echoes)
    return [_row(50, Bar("≤", 0.15), seconds), _row(99, Bar("≤", 1.0), seconds)]


def type_keys(outers: dict[str, Outer], count: int) -> dict[str, list[float]]:
    """The seconds that each echo took, the shortest first."""
    seconds: dict[str, list[float]] = {name: [] for name in outers}
    gc.disable()
    try:
        for _ in range(count):
            for name, outer in outers.items():
                sleep(_PAUSE)
                seconds[name].append(_echo(outer.fd))
    finally:
        gc.enable()
    return {name: sorted(taken) for name, taken in seconds.items()}


def _echo(fd: int) -> float:
    started_at = perf_counter()
    os.write(fd, _KEY)
    echo = os.read(fd, 64)
    taken = perf_counter() - started_at
    if echo != _KEY:
        raise BenchError(f"typed {_KEY!r}, and {echo!r} came back")
    return taken


def _row(percent: int, bar: Bar, seconds: dict[str, list[float]]) -> Row:
    ms = {name: taken[len(taken) * percent // 100] * 1000 for name, taken in seconds.items()}
    return Row(
        key=f"echo-p{percent}",
        what=f"keystroke echo, p{percent}, beyond bare ssh",
        value=ms["keepshell"] - ms["bare"],
        unit="ms",
        bar=bar,
        numbers={f"{name} ms": taken for name, taken in ms.items()},
    )
