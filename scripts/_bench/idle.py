"""An idle session: how often keepshell wakes for one keepalive, and the CPU time that costs.

Two sessions idle at once, with a keepalive every second: one runs under strace and shows each
return of a waiting system call, the other runs undisturbed and shows its CPU time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from time import sleep

from tests.support.access import ALIAS
from tests.support.remoteshell import PROMPT

from .outer import BenchError, Outer, deadline
from .place import Place, path_of
from .plan import Plan
from .proc import cpu_seconds, voluntary_switches
from .report import Bar, Row

_INTERVAL = 1.0  # seconds
_WAITS = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2")
_NETWORK = "recvfrom"  # the kernel's news of this computer's network
_ASKED = "sendto"  # of the kernel, which answers by a recvfrom too
_TRACED = (*_WAITS, "clock_nanosleep", "kill", _NETWORK, _ASKED)
_NUDGE = re.compile(r"^kill\(.*SIGWINCH")
_LOOK_EVERY = 0.01


# ssh itself would do, where it speaks to a silent host.
ALONE = ("-o", "ServerAliveInterval=0")
OPTIONS = ("--window-change-interval", f"{_INTERVAL:g}s")


def measure(place: Place, plan: Plan) -> list[Row]:
    log = place.directory / "strace.log"
    kept = place.kept(*ALONE, ALIAS, options=OPTIONS)
    count = plan.idle_intervals
    with (
        deadline(60 + 2 * count),
        Outer(_traced(kept, log), place.env) as watched,
        Outer(kept, place.env) as undisturbed,
    ):
        watched.wait_for(PROMPT.encode())
        undisturbed.wait_for(PROMPT.encode())
        cpu, switches = _cost(undisturbed.pid, count)
        lines = _until_nudged(log, count)
    what = "idle session, wakeups for each keepalive"
    others = {"sleeps without strace": switches}
    return [_wakeups("idle-wakeups", what, lines, count, others), _cpu(cpu, count)]


def measure_kept(place: Place, plan: Plan, argv: list[str], prompt: bytes) -> Row:
    """The wakeups of a session whose shell is kept; `argv` has `OPTIONS` and `ALONE`."""
    log = place.directory / "strace.log"
    with Outer(_traced(argv, log), place.env) as watched:
        watched.wait_for(prompt)
        lines = _until_nudged(log, plan.idle_intervals)
    what = "idle session with a kept shell, wakeups for each keepalive"
    return _wakeups("kept-wakeups", what, lines, plan.idle_intervals, {})


def _traced(argv: list[str], log: Path) -> list[str]:
    return [path_of("strace"), "-o", str(log), "-e", f"trace={','.join(_TRACED)}", *argv]


def _until_nudged(log: Path, count: int) -> list[str]:
    """The trace once there was one keepalive more than `count`."""
    _wait(lambda: len(_nudges(_lines(log))) > count)
    return _lines(log)


def _cost(pid: int, count: int) -> tuple[float, int]:
    """CPU seconds and sleeps over `count` intervals, from the middle of one to that of another."""
    for _ in range(2):  # the first keepalive may still import what it needs
        before = voluntary_switches(pid)
        _wait(lambda: voluntary_switches(pid) > before)  # noqa: B023 - called at once
    sleep(_INTERVAL / 2)
    cpu, switches = cpu_seconds(pid), voluntary_switches(pid)
    sleep(_INTERVAL * count)
    return cpu_seconds(pid) - cpu, voluntary_switches(pid) - switches


def _wait(condition: Callable[[], bool]) -> None:
    while not condition():
        sleep(_LOOK_EVERY)


def _lines(log: Path) -> list[str]:
    # The last line may be a call that has not returned.
    return log.read_text().splitlines()[:-1]


def _nudges(lines: list[str]) -> list[int]:
    return [number for number, line in enumerate(lines) if _NUDGE.match(line)]


def _wakeups(key: str, what: str, lines: list[str], count: int, others: Mapping[str, float]) -> Row:
    nudges = _nudges(lines)
    first, last = nudges[0], nudges[count]
    span = lines[first : last + 1]
    woken = [
        line
        for line, after in pairwise(span)
        if not (line.startswith(("kill", _NETWORK, _ASKED)) or after.startswith(_NETWORK))
    ]
    if any("resumed" in line or line.startswith("---") for line in woken):
        raise BenchError("strace's log is not of one idle process:\n" + "\n".join(woken))
    return Row(
        key=key,
        what=what,
        value=len(woken) / count,
        unit="",
        bar=Bar("=", 1),
        numbers={"keepalives": count, **others},
    )


def _cpu(seconds: float, count: int) -> Row:
    return Row(
        key="idle-cpu",
        what="idle session, CPU for each keepalive",
        value=seconds / count * 1000,
        unit="ms",
        bar=Bar("<", 1),
        numbers={"keepalives": count},
    )
