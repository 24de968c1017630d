"""What keeping a shell costs: its holder on the host, and keepshell's own side of it.

keepshell without a holder, with the Python one and with the Perl one have a session each, all open
at once, and take turns. The holder's CPU time is that between the first byte of a file and its
last, as for the relay.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from statistics import median
from time import sleep

import psutil

from . import echo, idle
from .outer import BenchError, Outer, deadline
from .place import Place, write_log
from .plan import MB, Plan
from .proc import cpu_seconds, rss_mib
from .report import Bar, Row
from .shells import HOLDER, PROMPT, ShellHost

_LONGEST = 1200  # seconds
_ENGINES = ("python", "perl")
_BULK = {"python": Bar("≥", 0.87), "perl": Bar("≥", 0.6)}
_ECHO = Bar("≤", 0.15)
_MEMORY = {"python": Bar("≤", 12), "perl": Bar("≤", 8)}
_BEYOND_PLAIN = Bar("≤", 3)
_PER = 100 * MB
_SETTLED = 0.25  # MiB
_SETTLES_WITHIN = 1.5  # seconds


class _Session:
    """One session at its prompt; `holder` is the pid of what keeps its shell, None if nothing."""

    def __init__(self, outer: Outer, engine: str) -> None:
        self.outer = outer
        outer.wait_for(PROMPT)
        self.run("echo $PPID")
        parent = int(outer.line())
        outer.wait_for(PROMPT)
        self.holder = parent if engine else None
        if engine and not any(HOLDER in word for word in psutil.Process(parent).cmdline()):
            raise BenchError(f"the shell of {engine} has no holder")

    def run(self, line: str) -> None:
        """Type a command, and read its echo."""
        os.write(self.outer.fd, line.encode() + b"\r")
        self.outer.wait_for(b"\n")


def measure(place: Place, plan: Plan) -> list[Row]:
    with deadline(_LONGEST), ExitStack() as stack:
        hosts = {engine: ShellHost(stack, place, engine) for engine in _ENGINES}
        plain = hosts["python"].keepshell()
        argvs = {"": plain} | {engine: host.kept() for engine, host in hosts.items()}
        sessions = {
            engine: _Session(stack.enter_context(Outer(argv, place.env)), engine)
            for engine, argv in argvs.items()
        }
        rows = _memory(sessions)
        rows += _bulk(place, plan, sessions)
        rows += _echo(plan, sessions)
        kept = hosts["python"].kept(*idle.OPTIONS, ssh=idle.ALONE)
        rows.append(idle.measure_kept(place, plan, kept, PROMPT))
    return rows


def _holders(sessions: Mapping[str, _Session]) -> Iterator[tuple[str, int]]:
    for engine, session in sessions.items():
        if session.holder is not None:
            yield engine, session.holder


def _memory(sessions: Mapping[str, _Session]) -> list[Row]:
    rows = [
        Row(
            key=f"holder-memory-{engine}",
            what=f"memory, RSS of the {engine} holder, nothing printed yet",
            value=rss_mib(pid),
            unit="MiB",
            bar=_MEMORY[engine],
        )
        for engine, pid in _holders(sessions)
    ]
    resident = {engine: _settled(session.outer.pid) for engine, session in sessions.items()}
    beyond = Row(
        key="kept-memory",
        what="memory, RSS of keepshell with a kept shell, beyond a plain session",
        value=resident["python"] - resident[""],
        unit="MiB",
        bar=_BEYOND_PLAIN,
        numbers={"kept MiB": resident["python"], "plain MiB": resident[""]},
    )
    return [*rows, beyond]


def _settled(pid: int) -> float:
    """The RSS in MiB once it stays: a session loads what its end needs when it first idles."""
    before, now = -1.0, rss_mib(pid)
    while abs(now - before) > _SETTLED:
        sleep(_SETTLES_WITHIN)
        before, now = now, rss_mib(pid)
    return now


def _bulk(place: Place, plan: Plan, sessions: Mapping[str, _Session]) -> list[Row]:
    log = place.directory / "build.log"
    size = write_log(log, plan.bulk_bytes)
    line = f"cat {shlex.quote(str(log))}"
    rates: dict[str, list[float]] = {engine: [] for engine in sessions}
    cpu: dict[str, list[float]] = {engine: [] for engine in sessions}
    for number in range(plan.bulk_rounds + 1):
        for engine, session in sessions.items():
            pid = session.holder or session.outer.pid
            session.run(line)
            before = cpu_seconds(pid)
            drained = session.outer.drain(size + len(PROMPT))
            if drained.size != size + len(PROMPT):
                raise BenchError(f"{drained.size} bytes came instead of {size} and a prompt")
            if number:  # the first does not count
                rates[engine].append(size / drained.seconds / MB)
                cpu[engine].append((cpu_seconds(pid) - before) * _PER / size)
    log.unlink()
    rows = []
    for engine, _ in _holders(sessions):
        ratios = [one / other for one, other in zip(rates[engine], rates[""], strict=True)]
        rows.append(
            Row(
                key=f"holder-bulk-{engine}",
                what=f"bulk output by the {engine} holder, against keepshell without",
                value=median(ratios),
                unit="×",
                bar=_BULK[engine],
                numbers={
                    "with MB/s": median(rates[engine]),
                    "without MB/s": median(rates[""]),
                    "the holder's CPU s for 100 MB": median(cpu[engine]),
                },
            )
        )
    return rows


def _echo(plan: Plan, sessions: Mapping[str, _Session]) -> list[Row]:
    for session in sessions.values():
        session.run(echo.REMOTE)
        session.outer.wait_for(echo.READY + b"\n")
    outers = {engine: session.outer for engine, session in sessions.items()}
    echo.type_keys(outers, plan.echoes // 10)
    seconds = echo.type_keys(outers, plan.echoes)
    ms = {engine: taken[len(taken) // 2] * 1000 for engine, taken in seconds.items()}
    return [
        Row(
            key=f"holder-echo-{engine}",
            what=f"keystroke echo, p50, added by the {engine} holder",
            value=ms[engine] - ms[""],
            unit="ms",
            bar=_ECHO,
            numbers={"with ms": ms[engine], "without ms": ms[""]},
        )
        for engine, _ in _holders(sessions)
    ]
