"""A hold: a command through it beside a login of its own, and what its supervisor takes.

Each command is `true`, by bare ssh and by keepshell, in turn with a login and through the hold.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from tests.support.access import ALIAS
from tests.support.waiting import eventually

from .outer import BenchError, deadline
from .place import Place, path_of, run
from .plan import Plan
from .proc import rss_mib, voluntary_switches
from .report import Bar, Row

_NAME = "b"
_LONGEST = 300  # seconds
_HEARTBEAT = 5.0  # seconds
_RATIO = Bar("≤", 0.15)
_MEMORY = Bar("≤", 16)


def measure(place: Place, plan: Plan) -> list[Row]:
    with deadline(_LONGEST), ExitStack() as stack:
        # A socket's path has room for 107 bytes (unix(7)).
        runtime = stack.enter_context(tempfile.TemporaryDirectory(prefix="ks", dir="/tmp"))
        hold = _Hold(place, Path(runtime))
        stack.callback(hold.release)
        return [*_commands(place, plan, hold), _memory(hold), _wakeups(hold, plan)]


class _Hold:
    """One hold of the server, its files in a folder of their own."""

    def __init__(self, place: Place, runtime: Path) -> None:
        self.env = {**place.env, "XDG_RUNTIME_DIR": str(runtime)}
        self._keepshell = place.keepshell
        self._folder = runtime / "keepshell" / "hold"
        run([*self._keepshell, "hold", "--name", _NAME, *place.ssh_arguments(ALIAS)], self.env)

    @property
    def pid(self) -> int:
        """The supervisor."""
        return int(self._record()["pid"])

    @property
    def socket(self) -> str:
        """What ssh's `-S` takes."""
        return str(self._folder / _NAME)

    def release(self) -> None:
        run([*self._keepshell, "release", "--now", _NAME], self.env)
        eventually(lambda: not self._folder.exists(), "the end of the hold")

    def _record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(Path(f"{self.socket}.json").read_text())
        return record


def _commands(place: Place, plan: Plan, hold: _Hold) -> list[Row]:
    words = place.ssh_arguments(ALIAS, "true")
    bare, keepshell = [path_of("ssh")], [*place.keepshell, "ssh"]
    argvs = {
        "ssh, login": ([*bare, *words], place.env),
        "ssh, held": ([*bare, "-S", hold.socket, *words], place.env),
        "keepshell, login": ([*keepshell, *words], place.env),
        "keepshell, held": ([*keepshell, *words], hold.env),
    }
    seconds: dict[str, list[float]] = {name: [] for name in argvs}
    for number in range(plan.held_rounds + 1):
        for name, (argv, env) in argvs.items():
            taken = _time(argv, env)
            if number:  # the first does not count
                seconds[name].append(taken)
    return [_ratio(who, seconds, bar) for who, bar in (("ssh", _RATIO), ("keepshell", None))]


def _time(argv: list[str], env: dict[str, str]) -> float:
    began = perf_counter()
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    taken = perf_counter() - began
    if done.returncode:
        raise BenchError(f"{argv} ended with {done.returncode}: {done.stderr!r}")
    return taken


def _ratio(who: str, seconds: dict[str, list[float]], bar: Bar | None) -> Row:
    login, held = seconds[f"{who}, login"], seconds[f"{who}, held"]
    return Row(
        key=f"hold-command-{who}",
        what=f"a command through a hold by {who}, against one that logs in",
        value=median(one / other for one, other in zip(held, login, strict=True)),
        unit="×",
        bar=bar,
        numbers={"login ms": median(login) * 1000, "held ms": median(held) * 1000},
    )


def _memory(hold: _Hold) -> Row:
    return Row(
        key="hold-memory",
        what="memory, RSS of a hold's supervisor",
        value=rss_mib(hold.pid),
        unit="MiB",
        bar=_MEMORY,
    )


def _wakeups(hold: _Hold, plan: Plan) -> Row:
    """How often it goes to sleep, over some heartbeats; from the middle of a pause to another's."""
    pid = hold.pid
    before = voluntary_switches(pid)
    eventually(lambda: voluntary_switches(pid) > before, "a heartbeat", deadline=2 * _HEARTBEAT)
    time.sleep(_HEARTBEAT / 2)
    before = voluntary_switches(pid)
    time.sleep(_HEARTBEAT * plan.heartbeats)
    return Row(
        key="hold-wakeups",
        what="a hold at rest, wakeups of its supervisor for each heartbeat",
        value=(voluntary_switches(pid) - before) / plan.heartbeats,
        unit="",
        bar=Bar("≤", 2),  # a byte goes, and comes back
        numbers={"heartbeats": plan.heartbeats, "seconds": _HEARTBEAT * plan.heartbeats},
    )
