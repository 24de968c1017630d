"""One window-change an interval while the user is silent, which no program on the host sees."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import asyncssh
import pytest

from keepshell.relay.wakeups import clock
from tests.support.access import Access, Keys, public_half
from tests.support.inthread import LoopThread
from tests.support.programs import path_of
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.trace import Trace
from tests.support.waiting import eventually

Start = Callable[..., Terminal]

PLAIN_SHELL = ("bash", "--norc", "--noprofile", "--noediting", "-i")
INTERVAL = 0.5
SWITCH = "switch# "
ALONE = ("-o", "ServerAliveInterval=0")
WAITS = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "nanosleep")
CLOCK_BOOTTIME = 7  # <linux/time.h>


@pytest.fixture
def start(start_terminal: Start, keepshell_exe: Path, trace: Trace) -> Start:
    """Starts `keepshell ssh` with the interval of these tests, or with other options."""

    def run(arguments: list[str], *options: str, before: tuple[str, ...] = ()) -> Terminal:
        ours = options or ("--window-change-interval", f"{INTERVAL}s")
        # ssh itself would do, where it speaks to a silent host.
        return start_terminal([*before, str(keepshell_exe), *ours, "ssh", *ALONE, *arguments])

    return run


def nudges(trace: Trace, count: int) -> list[float]:
    """When the first `count` nudges were sent, waited for."""
    return [event["at"] for event in trace.wait_for("nudge-sent", count)[:count]]


@pytest.fixture
def host(start_sshd: Callable[..., Sshd]) -> Sshd:
    """A host that logs each request of the client."""
    return start_sshd("LogLevel DEBUG1", shell=PLAIN_SHELL)


def window_changes(host: Sshd) -> int:
    """How many window-change requests the host has received."""
    return host.log.count("request window-change reply 0")


def test_one_request_an_interval_while_the_user_is_silent(
    host: Sshd, start: Start, trace: Trace
) -> None:
    terminal = start(host.access.ssh_args())
    terminal.expect(PROMPT)
    sent = nudges(trace, 6)
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert min(gaps) >= INTERVAL - 1e-5  # the trace rounds to microseconds
    eventually(lambda: window_changes(host) == len(trace.named("nudge-sent")), lambda: host.log)


def test_a_key_moves_the_next_one(host: Sshd, start: Start, trace: Trace) -> None:
    terminal = start(host.access.ssh_args())
    terminal.expect(PROMPT)
    for count in range(1, 4):
        trace.wait_for("nudge-sent", count)
        typed_at = clock()
        terminal.send(":")
        terminal.expect(":")
        assert next_after(trace, clock()) >= typed_at + INTERVAL


def next_after(trace: Trace, time: float) -> float:
    """When the first nudge after `time` was sent, waited for."""

    def later() -> list[float]:
        return [event["at"] for event in trace.named("nudge-sent") if event["at"] > time]

    return eventually(later, "a nudge after the key")[0]


def test_output_moves_nothing(host: Sshd, start: Start, trace: Trace) -> None:
    """A rule that counts the client's bytes is not helped by the host's."""
    terminal = start(host.access.ssh_args())
    terminal.expect(PROMPT)
    terminal.send_line("while sleep 0.1; do echo tick; done")
    before = len(trace.named("nudge-sent"))
    trace.wait_for("nudge-sent", before + 4)
    eventually(lambda: terminal.output.count(b"tick\r\n") >= 4, terminal.describe)


@pytest.mark.parametrize("rung", ["off", "server-alive"])
def test_a_lower_rung_sends_none(
    rung: str,
    start_sshd: Callable[..., Sshd],
    host: Sshd,
    start: Start,
    trace: Trace,
) -> None:
    """Another session with the same interval, opened later, has sent some when this one ends."""
    lower = start_sshd("LogLevel DEBUG1", shell=PLAIN_SHELL)
    interval = ("--window-change-interval", f"{INTERVAL}s")
    without = start(lower.access.ssh_args(), "--rung", rung, *interval)
    without.expect(PROMPT)
    start(host.access.ssh_args(), *interval).expect(PROMPT)
    nudges(trace, 4)
    without.send_line("exit")
    assert without.wait() == 0
    assert trace.wait_for("ended")[0]["nudges"] == 0
    assert window_changes(lower) == 0


def test_a_program_on_the_host_gets_no_signal(host: Sshd, start: Start, trace: Trace) -> None:
    """The kernel there sees the size it has, and signals nobody until it is another."""
    terminal = start(host.access.ssh_args())
    terminal.expect(PROMPT)
    # Not the interactive shell itself: while a job runs, it is not the terminal's foreground.
    script = "trap 'echo winch' WINCH; echo ready; while :; do sleep 0.1; done"
    (host.access.directory / "home" / "script").write_text(script)
    terminal.send_line("bash script")
    terminal.expect("ready\r\n")
    before = window_changes(host)
    eventually(lambda: window_changes(host) >= before + 4, lambda: host.log)
    assert b"winch" not in terminal.output
    terminal.resize(33, 111)
    terminal.expect("winch\r\n")


class _Sizes(asyncssh.SSHServerSession[str]):
    """A shell that takes note of each size it is told, and ends at `x`.

    As a device it prints a new prompt for each, as those do that have no terminal of the kernel's.
    """

    def __init__(self, told: list[tuple[int, ...]], device: bool) -> None:
        self._told, self._device = told, device
        self._channel: asyncssh.SSHServerChannel[str] | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[str]) -> None:
        self._channel = chan

    def shell_requested(self) -> bool:
        return True

    def session_started(self) -> None:
        assert self._channel is not None
        self._told.append(self._channel.get_terminal_size())
        self._channel.write(SWITCH)

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        assert self._channel is not None
        self._told.append((width, height, pixwidth, pixheight))
        if self._device:
            self._channel.write(f"\r\n{SWITCH}")

    def data_received(self, data: str, datatype: int | None) -> None:
        assert self._channel is not None
        if "x" in data:
            self._channel.exit(0)


class Switch:
    """A server in a thread of this process, and the sizes it was told."""

    def __init__(self, directory: Path, keys: Keys) -> None:
        self.told: list[tuple[int, ...]] = []
        self.device = False
        self._directory, self._keys = directory, keys

    def __enter__(self) -> Switch:
        self._thread = LoopThread()
        self._acceptor = self._thread.call(self._listen())
        port = self._acceptor.get_port()
        self.access = Access(
            port, self._keys, self._directory, public_half(self._keys.host).strip()
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.stop(self._close())

    async def _listen(self) -> asyncssh.SSHAcceptor:
        def session() -> _Sizes:
            return _Sizes(self.told, self.device)

        class Server(asyncssh.SSHServer):
            def session_requested(self) -> _Sizes:
                return session()

        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[str(self._keys.host)],
            authorized_client_keys=str(self._keys.user) + ".pub",
            server_factory=Server,
        )

    async def _close(self) -> None:
        self._acceptor.close()
        await self._acceptor.wait_closed()


@pytest.fixture
def switch(keys: Keys, tmp_path: Path) -> Iterator[Switch]:
    with Switch(tmp_path, keys) as found:
        yield found


def test_the_size_is_the_one_it_was(switch: Switch, start: Start) -> None:
    terminal = start(switch.access.ssh_args())
    terminal.expect(SWITCH)
    eventually(lambda: len(switch.told) >= 4, lambda: str(switch.told))
    terminal.resize(33, 111)
    eventually(lambda: switch.told[-2:] == [(111, 33, 0, 0)] * 2, lambda: str(switch.told))
    assert set(switch.told) == {(80, 24, 0, 0), (111, 33, 0, 0)}


def nudges_of(terminal: Terminal, trace: Trace) -> int:
    """How many window-changes this session had sent, which ends."""
    before = len(trace.named("ended"))
    terminal.send_line("x")
    assert terminal.wait() == 0
    return int(trace.wait_for("ended", before + 1)[-1]["nudges"])


def test_none_follows_one_that_is_answered_and_the_host_is_remembered(
    switch: Switch, host: Sshd, start: Start, trace: Trace
) -> None:
    switch.device = True
    device = start(switch.access.ssh_args())
    device.expect(SWITCH)
    device.expect(SWITCH)
    start(host.access.ssh_args()).expect(PROMPT)
    eventually(lambda: window_changes(host) >= 4, lambda: host.log)  # in another session
    assert nudges_of(device, trace) == 1
    assert switch.told == [(80, 24, 0, 0)] * 2
    again = start(switch.access.ssh_args())
    again.expect(SWITCH)
    before = window_changes(host)
    eventually(lambda: window_changes(host) >= before + 4, lambda: host.log)
    assert nudges_of(again, trace) == 0


def test_none_where_ssh_itself_speaks_to_a_silent_host(
    host: Sshd,
    start_sshd: Callable[..., Sshd],
    start_terminal: Start,
    keepshell_exe: Path,
    start: Start,
    trace: Trace,
) -> None:
    """A size that was set by hand on the host stays, as long as the host is silent."""
    quiet = start_sshd("LogLevel DEBUG1", shell=PLAIN_SHELL)
    # On a loaded machine an answer may take a while, which is printing, not silence.
    options = ("--window-change-interval", f"{8 * INTERVAL}s")
    terminal = start_terminal([str(keepshell_exe), *options, "ssh", *quiet.access.ssh_args()])
    terminal.expect(PROMPT)
    start(host.access.ssh_args()).expect(PROMPT)
    terminal.send_line("stty cols 300; echo S''ET")
    terminal.expect("SET")
    before = window_changes(host)
    eventually(lambda: window_changes(host) >= before + 20, lambda: host.log)
    terminal.send_line("stty size")
    terminal.expect("24 300")
    assert window_changes(quiet) == 0


def test_a_terminal_without_a_size_is_not_told_of_it(
    host: Sshd,
    start_sshd: Callable[..., Sshd],
    start_terminal: Start,
    keepshell_exe: Path,
    start: Start,
) -> None:
    """As below expect(1)."""
    sizeless = start_sshd("LogLevel DEBUG1", shell=PLAIN_SHELL)
    argv = [str(keepshell_exe), "--window-change-interval", f"{INTERVAL}s", "ssh", *ALONE]
    terminal = start_terminal([*argv, *sizeless.access.ssh_args()], rows=0, cols=0)
    terminal.expect(PROMPT)
    start(host.access.ssh_args()).expect(PROMPT)
    eventually(lambda: window_changes(host) >= 4, lambda: host.log)  # in another session
    assert window_changes(sizeless) == 0


def test_an_idle_session_wakes_once_an_interval(
    host: Sshd, start: Start, trace: Trace, tmp_path: Path
) -> None:
    log = tmp_path / "strace"
    traced = f"trace={','.join(WAITS)},write"
    strace = (path_of("strace"), "-s", "200", "-o", str(log), "-e", traced)
    terminal = start(host.access.ssh_args(), before=strace)
    terminal.expect(PROMPT)
    # The interval runs from the spawn: on a slow host, some come among the waits of the login.
    before = _nudges_at(log)
    eventually(lambda: len(_nudges_at(log)) >= len(before) + 8, log.read_text)
    first, *_, last = _nudges_at(log)[len(before) :][:8]
    assert _waits_and_events(log)[first:last] == ["nudge-sent", "poll", "look"] * 7


def _nudges_at(log: Path) -> list[int]:
    """Which of `_waits_and_events` are nudges."""
    return [at for at, seen in enumerate(_waits_and_events(log)) if seen == "nudge-sent"]


def _waits_and_events(log: Path) -> list[str]:
    """What strace saw, in order: calls that waited, and events written to the trace."""
    words = rf'^({"|".join(WAITS)})\(|\\"event\\": \\"([a-z-]+)'
    found = re.findall(words, log.read_text(), re.MULTILINE)
    return [call or event for call, event in found]


def test_the_alarm_counts_the_time_the_machine_sleeps(
    host: Sshd, start: Start, trace: Trace
) -> None:
    terminal = start(host.access.ssh_args())
    terminal.expect(PROMPT)
    nudges(trace, 1)
    infos = "".join(_read(path) for path in Path(f"/proc/{terminal.pid}/fdinfo").iterdir())
    clocks = [int(number) for number in re.findall(r"^clockid: (\d+)", infos, re.MULTILINE)]
    assert clocks == [CLOCK_BOOTTIME]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:  # closed meanwhile
        return ""
