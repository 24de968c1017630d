"""Outages: bare ssh, a kept shell and mosh side by side, in one and the same black hole.

The client's end of the link is in a network namespace; packets vanish in both directions for so
long. The host prints all the while, and the user types one key as it begins. Then, once output
comes again, a line: typing works when its answer is there. In the end what each has written is
shown to a tmux of its own, whose screen and scrollback are read.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.support.network import Network
from tests.support.screen import Screen
from tests.support.tmux import Tmux

from .outer import BenchError, Outer
from .place import Place, path_of
from .plan import Plan
from .report import Bar, Row
from .shells import PROMPT, ShellHost

_ROWS_A_SECOND = 10
_AFTER = 8  # seconds for which the host prints on
_LONGEST_BACK = 120.0  # seconds; bare ssh has taken 51
_LOGIN_ROUND_TRIPS = 15
_LOGIN = 0.5  # seconds, beside the round trips
_TOLD = 7.0

_ROW = re.compile(r"row-(\d+)\b")
_PRINT = "for i in $(seq {rows}); do echo row-$i; sleep {pause}; done &"
_ASK, _ANSWER = b"\x15echo back-$((6*7))\r", "back-42"  # ^U: the key may have arrived

_CONNECT = """\
import socket, sys, time
for _ in range(9):
    began = time.perf_counter()
    socket.create_connection((sys.argv[1], int(sys.argv[2]))).close()
    print(time.perf_counter() - began)
"""


def measure(place: Place, plan: Plan) -> list[Row]:
    if os.geteuid() != 0:
        raise BenchError("outages need root: they are made in a network namespace")
    rows: list[Row] = []
    for seconds in plan.holes:
        with ExitStack() as stack:
            network = Network()
            stack.callback(network.close)
            rows += _hole(stack, place, network, seconds)
    return rows


class _Seen:
    """One contender: what it shows, and when it showed what is waited for."""

    def __init__(self, outer: Outer) -> None:
        self.outer = outer
        self.raw = bytearray()
        self.told_at = self.back_at = self.flows_at = 0.0
        self._screen = Screen(24, 80)
        self._before = 0
        self._hole = self._healed = False

    def read(self) -> None:
        """Take what has come; raises BenchError at the end of the output."""
        try:
            data = os.read(self.outer.fd, 65536)
        except OSError as error:
            raise BenchError(f"ended: {bytes(self.raw[-1000:])!r}") from error
        self.raw += data
        self._screen.feed(data)
        now = perf_counter()
        text = self._screen.text
        if self._hole and not self.told_at:
            told = "Last contact" in text or "no answer for" in self._screen.title
            self.told_at = now if told else 0.0
        if self._healed and not self.flows_at and self.last_row > self._before:
            self.flows_at = now
            os.write(self.outer.fd, _ASK)
        if self.flows_at and not self.back_at and _ANSWER in text:
            self.back_at = now

    @property
    def last_row(self) -> int:
        return max((int(number) for number in _ROW.findall(self._screen.text)), default=0)

    def begin(self) -> None:
        """The hole begins, and the user types a key."""
        self._hole = True
        os.write(self.outer.fd, b"x")

    def heal(self) -> None:
        """It is over."""
        self._healed, self._before = True, self.last_row


def _hole(stack: ExitStack, place: Place, network: Network, seconds: int) -> list[Row]:
    host = ShellHost(stack, place, "python", f"ListenAddress {network.host}")
    host.at(network.host)
    contenders = {
        "bare": host.bare(),
        "keepshell": host.kept(),
        "mosh": _mosh(host, network.host),
    }
    seen = {
        name: _Seen(stack.enter_context(Outer([*network.prefix, *argv], place.env)))
        for name, argv in contenders.items()
    }
    _until(seen, lambda one: PROMPT in one.raw, "a prompt", 20)
    round_trip = _round_trip(place, network, host.port)
    count = (seconds + _AFTER) * _ROWS_A_SECOND
    line = _PRINT.format(rows=count, pause=1 / _ROWS_A_SECOND)
    for one in seen.values():
        os.write(one.outer.fd, line.encode() + b"\r")
    _until(seen, lambda one: one.last_row > _ROWS_A_SECOND, "the first rows", 20)
    network.cut()
    cut_at = perf_counter()
    for one in seen.values():
        one.begin()
    _pump(seen, lambda: perf_counter() < cut_at + seconds)
    network.heal()
    healed_at = perf_counter()
    for one in seen.values():
        one.heal()
    _until(seen, lambda one: one.back_at > 0, "an answer", _LONGEST_BACK)
    _until(seen, lambda one: one.last_row == count, "the last row", count / _ROWS_A_SECOND + 20)
    for one in seen.values():
        os.write(one.outer.fd, b"exit\r")  # mosh's server would stay
    told = {name: one.told_at - cut_at for name, one in seen.items() if one.told_at}
    back = {name: one.back_at - healed_at for name, one in seen.items()}
    missing = {name: _missing(place, bytes(one.raw), count) for name, one in seen.items()}
    return _rows(seconds, told, back, missing, round_trip)


def _mosh(host: ShellHost, address: str) -> list[str]:
    ssh = f"--ssh={path_of('ssh')} -F {host.config}"
    return [path_of("mosh"), "--experimental-remote-ip=local", ssh, address, "--", "bash", "-l"]


def _pump(seen: dict[str, _Seen], more: Callable[[], bool]) -> None:
    fds = {one.outer.fd: one for one in seen.values()}
    while more():
        for fd in select.select(list(fds), [], [], 0.02)[0]:
            fds[fd].read()


def _until(
    seen: dict[str, _Seen], reached: Callable[[_Seen], bool], what: str, within: float
) -> None:
    """Read until all have reached it. Raises BenchError with what each shows."""
    give_up_at = perf_counter() + within
    _pump(seen, lambda: perf_counter() < give_up_at and not all(map(reached, seen.values())))
    late = [name for name, one in seen.items() if not reached(one)]
    if late:
        shown = "\n".join(f"{name}: {bytes(seen[name].raw[-1000:])!r}" for name in late)
        raise BenchError(f"not within {within:.0f} s: {what}\n{shown}")


def _round_trip(place: Place, network: Network, port: int) -> float:
    """Seconds that a TCP connection takes to be made; the middle of some."""
    argv = [*network.prefix, place.python, "-c", _CONNECT, network.host, str(port)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return median(map(float, done.stdout.split()))


def _missing(place: Place, shown: bytes, count: int) -> int:
    """How many of the rows neither the screen nor the scrollback of a terminal holds."""
    file = place.directory / "shown"
    file.write_bytes(shown)
    with _tmux(file) as tmux:
        tmux.wait_for(f"row-{count}")
        held = tmux.run("capture-pane", "-p", "-t", tmux.pane, "-S", "-")
    numbers = [int(number) for number in _ROW.findall(held)]
    return count - len(set(numbers))


@contextmanager
def _tmux(file: Path) -> Iterator[Tmux]:
    """A terminal to which a file is written as it is."""
    tmux = Tmux(["sh", "-c", 'stty -opost; cat "$0"; exec sleep 1000', str(file)])
    try:
        yield tmux
    finally:
        tmux.stop()


def _rows(
    seconds: int,
    told: dict[str, float],
    back: dict[str, float],
    missing: dict[str, int],
    round_trip: float,
) -> list[Row]:
    hole = f"{seconds} s in a black hole"
    if "keepshell" not in told:
        raise BenchError("keepshell has told nobody of the black hole")
    return [
        Row(
            key=f"outage-told-{seconds}",
            what=f"{hole}: from a key without an answer until the user is told",
            value=told["keepshell"],
            unit="s",
            bar=Bar("≤", _TOLD),
            numbers={f"{name} s": at for name, at in told.items()},
        ),
        Row(
            key=f"outage-back-{seconds}",
            what=f"{hole}: from its end until typing works",
            value=back["keepshell"],
            unit="s",
            bar=Bar("≤", _LOGIN + _LOGIN_ROUND_TRIPS * round_trip),
            numbers={
                "ms a round trip": round_trip * 1000,
                **{f"{name} s": at for name, at in back.items()},
            },
        ),
        Row(
            key=f"outage-rows-{seconds}",
            what=f"{hole}: printed rows that are on neither screen nor scrollback",
            value=missing["keepshell"],
            unit="",
            bar=Bar("=", 0),
            numbers={name: float(number) for name, number in missing.items()},
        ),
    ]
