"""Bulk output: how fast 100 MB come through each relay, and what CPU time the relay itself takes.

The seconds are those from the first byte to the last one on the outer pty, so that no start-up is
in them. The CPU time is that of the relay's own process over the same span, the ssh below it not
included. Expect and pexpect.interact may lose the end of the output; bytes that did not come are
not counted as carried.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.support.access import ALIAS

from .outer import BenchError, Drained, Outer, deadline
from .place import Place, path_of, write_log
from .plan import MB, Plan
from .report import Bar, Row

_LONGEST = 120  # seconds for one run
_CARRIED_AT_LEAST = 0.9  # of the bytes, by a relay that may lose the end
_COLOURED_EVERY = 10  # lines
_PER = 100 * MB  # bytes that CPU seconds are given for

_EXPECT = "set timeout -1\nspawn -noecho {*}$argv\ninteract\n"
_PEXPECT = """\
import sys
import pexpect
child = pexpect.spawn(sys.argv[1], sys.argv[2:], timeout=None)
child.interact(escape_character=None)
"""


@dataclass(frozen=True)
class _Run:
    drained: Drained
    surplus: int
    """Bytes that came after the expected ones."""

    @property
    def rate(self) -> float:
        """MB/s."""
        return self.drained.size / self.drained.seconds / MB

    @property
    def cpu(self) -> float:
        """CPU seconds of the relay for every 100 MB."""
        return self.drained.cpu_seconds * _PER / self.drained.size


def measure(place: Place, plan: Plan) -> list[Row]:
    log = place.directory / "build.log"
    contenders = _contenders(place, log)
    size = write_log(log, plan.bulk_bytes)
    runs = _alternate(place, contenders, size, plan.bulk_rounds)
    size = write_log(log, plan.bulk_bytes, coloured_every=_COLOURED_EVERY)
    relays = {name: contenders[name] for name in ("keepshell", "script")}
    coloured = _alternate(place, relays, size, plan.coloured_rounds)
    log.unlink()
    return [
        *_rates(runs),
        _cpu("relay-cpu", "100 MB", Bar("≤", 1.3), runs),
        _cpu("relay-cpu-coloured", "100 MB, one line in ten coloured", Bar("≤", 1.6), coloured),
        _complete(runs["keepshell"] + coloured["keepshell"], size),
    ]


def _alternate(
    place: Place, contenders: dict[str, list[str]], size: int, rounds: int
) -> dict[str, list[_Run]]:
    """The runs of each; they take turns, and the first round does not count."""
    runs: dict[str, list[_Run]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, argv in contenders.items():
            runs[name].append(_run(place, argv, size))
    return {name: all_of_them[1:] for name, all_of_them in runs.items()}


def _contenders(place: Place, log: Path) -> dict[str, list[str]]:
    # -q: ssh's own farewell would add bytes to the log's.
    arguments = ("-q", "-tt", ALIAS, f"cat {shlex.quote(str(log))}")
    bare = place.ssh(*arguments)
    expect, pexpect = place.directory / "interact.exp", place.directory / "interact.py"
    expect.write_text(_EXPECT)
    pexpect.write_text(_PEXPECT)
    return {
        "bare": bare,
        "keepshell": place.kept(*arguments),
        "script": [path_of("script"), "-qc", shlex.join(bare), "/dev/null"],
        "expect": [path_of("expect"), str(expect), *bare],
        "pexpect": [place.python, str(pexpect), *bare],
    }


def _run(place: Place, argv: list[str], size: int) -> _Run:
    with deadline(_LONGEST), Outer(argv, place.env) as outer:
        drained = outer.drain(size)
        if drained.size < size * _CARRIED_AT_LEAST:
            raise BenchError(f"{argv[0]}: {drained.size} bytes came instead of {size}")
        return _Run(drained, outer.count_rest())


def _rates(runs: dict[str, list[_Run]]) -> list[Row]:
    rates = {name: median(run.rate for run in of) for name, of in runs.items()}
    bars = {
        "bare": ("bare ssh", None),
        "script": ("`script`", Bar("≥", 0.97)),
        "expect": ("`expect`", Bar(">", 1)),
        "pexpect": ("pexpect.interact", Bar(">", 1)),
    }
    return [
        Row(
            key=f"bulk-{name}",
            what=f"bulk output, against {title}",
            value=_ratio(runs["keepshell"], runs[name]),
            unit="×",
            bar=bar,
            numbers={"keepshell MB/s": rates["keepshell"], f"{name} MB/s": rates[name]},
        )
        for name, (title, bar) in bars.items()
    ]


def _ratio(ours: list[_Run], theirs: list[_Run]) -> float:
    """The median of the rounds' ratios: what disturbs a round disturbs both of its runs."""
    return median(our.rate / their.rate for our, their in zip(ours, theirs, strict=True))


def _cpu(key: str, what: str, bar: Bar | None, runs: dict[str, list[_Run]]) -> Row:
    cpu = {name: median(run.cpu for run in of) for name, of in runs.items() if name != "bare"}
    ratios = [
        ours.cpu / theirs.cpu
        for ours, theirs in zip(runs["keepshell"], runs["script"], strict=True)
    ]
    return Row(
        key=key,
        what=f"the relay's own CPU for {what}, against `script`",
        value=median(ratios),
        unit="×",
        bar=bar,
        numbers={f"{name} s": seconds for name, seconds in cpu.items()},
    )


def _complete(runs: list[_Run], size: int) -> Row:
    missing = sum(size - run.drained.size for run in runs)
    surplus = sum(run.surplus for run in runs)
    return Row(
        key="bulk-complete",
        what="bulk output, bytes missing or too many in all runs",
        value=missing + surplus,
        unit="",
        bar=Bar("=", 0),
        numbers={
            "bytes a run": size,
            "runs": len(runs),
            "bytes missing": missing,
            "bytes too many": surplus,
        },
    )
