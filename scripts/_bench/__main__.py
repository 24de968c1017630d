"""The benchmarks' command line: what to measure, where to write it, was every bar met."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

# `python scripts/_bench` and `python -m _bench` alike find _demo beside us, and tests.support.
_SCRIPTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_SCRIPTS), str(_SCRIPTS.parent)]

from _bench import bulk, echo, hold, holder, idle, memory, outage, startup  # noqa: E402 - found by the path above
from _bench.outer import BenchError  # noqa: E402
from _bench.place import Place, prepare  # noqa: E402
from _bench.plan import FULL, QUICK, Plan  # noqa: E402
from _bench.report import Row, table, write_json  # noqa: E402
from tests.support.processes import adopt_orphans  # noqa: E402

_DESCRIPTION = """\
Measures keepshell against bare ssh, `script`, `expect` and pexpect.interact, on a server of its own
on 127.0.0.1, and prints what was measured beside what it must be. Needs a quiet machine.
"""

_EPILOG = "exit status: 0 if every bar was met, 1 if not, 2 for bad usage or a failed measurement."

_QUIET = 0.5  # load average; more, and the times are not keepshell's alone

_MEASUREMENTS: dict[str, Callable[[Place, Plan], list[Row]]] = {
    "bulk": bulk.measure,
    "echo": echo.measure,
    "exec": startup.measure_exec,
    "shim": startup.measure_shim,
    "init": startup.measure_init,
    "prompt": startup.measure_prompt,
    "idle": idle.measure,
    "memory": memory.measure,
    "holder": holder.measure,
    "outage": outage.measure,
    "hold": hold.measure,
}


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False
    )
    parser.add_argument(
        "--quick", action="store_true", help="measure less, in less than two minutes"
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        type=Path,
        default=_SCRIPTS.parent / "build" / "bench.json",
        help="where the numbers are written (default: build/bench.json in the checkout)",
    )
    parser.add_argument(
        "--environment",
        metavar="DIR",
        type=Path,
        help="use the keepshell installed in this virtual environment, and make none",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=_MEASUREMENTS,
        help=f"one measurement of {', '.join(_MEASUREMENTS)}; may be given several times",
    )
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Measure, print, write; the exit status is the answer."""
    options = _options(argv)
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, _interrupted)  # so that everything started is ended first
    adopt_orphans()
    load = os.getloadavg()[0]
    if load > _QUIET:
        print(f"bench: the load average is {load:.1f}: expect no bar to be met", file=sys.stderr)
    try:
        rows = _measure(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(table(rows))
    write_json(options.json, rows, quick=options.quick, machine=_machine(load))
    return 0 if all(row.met for row in rows) else 1


def _measure(options: argparse.Namespace) -> list[Row]:
    plan = QUICK if options.quick else FULL
    rows: list[Row] = []
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="keepshell-bench-"))
        place = prepare(stack, Path(name), options.environment)
        for name in options.only or _possible():
            print(f"measuring: {name}", file=sys.stderr)
            rows += _MEASUREMENTS[name](place, plan)
    return rows


def _possible() -> list[str]:
    """All measurements but those that need root, where we are not."""
    if os.geteuid() == 0:
        return list(_MEASUREMENTS)
    print("not measured: outage, which needs root for a network namespace", file=sys.stderr)
    return [name for name in _MEASUREMENTS if name != "outage"]


def _machine(load: float) -> dict[str, object]:
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True)
    return {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "load_before": round(load, 2),
        "python": platform.python_version(),
        "ssh": ssh.stderr.strip(),
    }


def _interrupted(_signum: int, _frame: object) -> None:
    raise KeyboardInterrupt


sys.exit(main(sys.argv[1:]))
