"""Memory: what keepshell holds after as much output as an hour brings, and whether it grows."""

from __future__ import annotations

import shlex

from tests.support.access import ALIAS

from .outer import BenchError, Outer, deadline
from .place import Place, write_log
from .plan import MB, Plan
from .proc import rss_mib
from .report import Bar, Row

_LONGEST = 300  # seconds
_COLOURED_EVERY = 10  # lines
_FLAT = Bar("≤", 0.5)  # MiB; the first hundreds of megabytes still fill the allocator's pools


def measure(place: Place, plan: Plan) -> list[Row]:
    """Resident memory after every showing of the file, keepshell alone."""
    log = place.directory / "build.log"
    size = write_log(log, plan.bulk_bytes, coloured_every=_COLOURED_EVERY)
    shows = f"for show in $(seq {plan.hour_files}); do cat {shlex.quote(str(log))}; done"
    # The session must still be there when its memory is read.
    remote = f"{shows}; exec cat >/dev/null"
    with deadline(_LONGEST), Outer(place.kept("-tt", ALIAS, remote), place.env) as outer:
        resident, ahead = [], 0
        for _ in range(plan.hour_files):
            ahead += outer.drain(size - ahead).size - size
            if ahead < 0:
                raise BenchError(f"{-ahead} bytes are missing")
            resident.append(rss_mib(outer.pid))
    log.unlink()
    return _rows(resident, plan)


def _rows(resident: list[float], plan: Plan) -> list[Row]:
    volume = plan.bulk_bytes * plan.hour_files / MB
    half = resident[len(resident) // 2 - 1]
    return [
        Row(
            key="memory-rss",
            what="memory, RSS after the output of an hour",
            value=resident[-1],
            unit="MiB",
            bar=Bar("≤", 22),
            numbers={"largest MiB": max(resident), "MB shown": volume},
        ),
        Row(
            key="memory-growth",
            what="memory, growth of the RSS in the second half of it",
            value=resident[-1] - half,
            unit="MiB",
            bar=_FLAT,
            numbers={"first MiB": resident[0], "half-way MiB": half, "last MiB": resident[-1]},
        ),
    ]
