"""keepshell stops and comes back as ssh itself would, and the session lives meanwhile."""

from __future__ import annotations

import os
import shlex
import signal
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from keepshell.core.session import SUSPEND_WITHIN
from keepshell.store.database import State
from tests.sshd.sides import ssh_of
from tests.support.cli import keepshell
from tests.support.middlebox import Counts, Middlebox
from tests.support.processes import describe, is_gone, tree
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.tmux import Tmux
from tests.support.trace import Trace
from tests.support.waiting import eventually

Start = Callable[..., Terminal]

PLAIN_SHELL = ("bash", "--norc", "--noprofile", "--noediting", "-i")
LOCAL_PROMPT = "LOCAL$ "
NOTICE = "~^Z [suspend ssh]\r\n"
SUSPEND = "~\x1a"
LIMIT = 3
"""Seconds of silence after which the server cuts a client."""


@pytest.fixture
def host(start_sshd: Callable[..., Sshd]) -> Sshd:
    """A host whose shell edits no line: what it prints is the same each time."""
    return start_sshd(shell=PLAIN_SHELL)


@pytest.fixture(params=["direct", "through"])
def prefix(request: pytest.FixtureRequest, keepshell_exe: Path) -> list[str]:
    """What stands before `ssh`: the same is asked of bare ssh and of keepshell."""
    return {"direct": [], "through": [str(keepshell_exe)]}[request.param]


def is_raw(terminal: Terminal) -> bool:
    local = terminal.termios()[3]
    assert isinstance(local, int)
    return not local & (termios.ICANON | termios.ECHO | termios.ISIG)


def wait_raw(terminal: Terminal) -> None:
    eventually(lambda: is_raw(terminal), lambda: f"a raw terminal\n{terminal.describe()}")


def suspend(terminal: Terminal, *, count: int = 1) -> signal.Signals:
    """Type `~^Z` at the start of a line; returns the signal that stopped the job."""
    terminal.send(SUSPEND)
    return terminal.wait_stopped(count=count)


def bring_back(terminal: Terminal) -> None:
    """`fg`; returns once keys go to the host again."""
    terminal.foreground()
    wait_raw(terminal)


def answers(terminal: Terminal) -> None:
    terminal.send_line("echo $((6*7))")
    terminal.expect("\r\n42\r\n")
    terminal.expect(PROMPT)


def leave(terminal: Terminal, last_words: str = "closed.\r\r\n") -> None:
    terminal.send_line("exit 7")
    terminal.expect(last_words)
    assert terminal.wait() == 7


def test_a_suspend_key_goes_to_the_host(
    host: Sshd, start_terminal: Start, keepshell_exe: Path
) -> None:
    argv = ["ssh", *host.access.ssh_args()]
    outputs = []
    for prefix in ([], [str(keepshell_exe)]):
        terminal = start_terminal([*prefix, *argv], job=True)
        terminal.expect(PROMPT)
        terminal.send_line("(echo sle$((1))ps; exec sleep 1000)")
        terminal.expect("sle1ps\r\n")
        terminal.send("\x1a")
        terminal.expect("Stopped")
        terminal.expect(PROMPT)
        terminal.send_line("exit")
        terminal.expect("There are stopped jobs.\r\n")
        terminal.expect(PROMPT)
        leave(terminal)
        outputs.append(terminal.output)
    assert outputs[0] == outputs[1]


def test_the_suspend_escape_stops_the_job_and_fg_brings_it_back(
    host: Sshd, start_terminal: Start, keepshell_exe: Path
) -> None:
    """The terminal is the shell's meanwhile, and a new size is the host's afterwards."""
    argv = ["ssh", *host.access.ssh_args()]
    outputs = []
    for prefix in ([], [str(keepshell_exe)]):
        before: list[object] = []
        terminal = start_terminal(
            [*prefix, *argv], job=True, prepare=lambda fd, b=before: b.append(termios.tcgetattr(fd))
        )
        terminal.expect(PROMPT)
        assert suspend(terminal) == signal.SIGTSTP
        assert [terminal.termios()] == before
        terminal.resize(33, 111)
        bring_back(terminal)
        terminal.send_line("stty size")
        terminal.expect("33 111\r\n")
        terminal.expect(PROMPT)
        leave(terminal)
        assert [terminal.termios()] == before
        outputs.append(terminal.output)
    assert outputs[0] == outputs[1]
    assert NOTICE.encode() in outputs[0]


def test_under_a_real_shell_in_tmux(
    host: Sshd, start_tmux: Callable[..., Tmux], keepshell_exe: Path, tmp_path: Path
) -> None:
    script = tmp_path / "kept"
    script.write_text(
        f"#!/bin/sh\nexec {shlex.join([str(keepshell_exe), 'ssh', *host.access.ssh_args()])}\n"
    )
    script.chmod(0o755)
    tmux = start_tmux(PLAIN_SHELL, rows=20, cols=70)
    tmux.wait_for(LOCAL_PROMPT.rstrip())
    tmux.send_line(str(script))
    tmux.wait_for(PROMPT.rstrip())
    tmux.type(SUSPEND)
    tmux.wait_for("[1]+  Stopped")
    tmux.send_line("echo still $((6*7)) here")
    tmux.wait_for("still 42 here")
    tmux.resize(30, 100)
    tmux.send_line("fg")
    tmux.wait_until(lambda text: text.endswith(str(script)), "the job in the foreground")
    tmux.send_line("stty size")
    tmux.wait_for("30 100")
    tmux.send_line("exit 7")
    closed = f"Connection to 127.0.0.1 closed.\n{LOCAL_PROMPT.rstrip()}"
    tmux.wait_until(lambda text: text.endswith(closed), "the end of the job")
    tmux.send_line("echo status $?")
    tmux.wait_for("status 7")


def test_the_session_lives_while_the_job_is_stopped(
    host: Sshd,
    start_terminal: Start,
    start_middlebox: Callable[..., Middlebox],
    keepshell_exe: Path,
) -> None:
    """bare ssh, stopped, sends no keepalive and is cut; the ssh below keepshell runs on."""
    box = start_middlebox(host.port, LIMIT, Counts.CLIENT_BYTES)
    argv = ["ssh", "-o", "ServerAliveInterval=1", *host.access.through(box.port).ssh_args()]
    kept = start_terminal([str(keepshell_exe), *argv], job=True)
    kept.expect(PROMPT)
    suspend(kept)
    for connection in (2, 3):
        bare = start_terminal(argv, job=True)
        bare.expect(PROMPT)
        suspend(bare)
        cut = box.wait_for("idle", connection - 1)
        assert [event.connection for event in cut] == list(range(2, connection + 1))
        bare.foreground()
        assert bare.wait() == 255
    bring_back(kept)
    answers(kept)
    leave(kept)


def test_what_the_host_printed_meanwhile_is_shown_afterwards(
    host: Sshd, start_terminal: Start, prefix: list[str]
) -> None:
    home = host.access.directory / "home"
    terminal = start_terminal([*prefix, "ssh", *host.access.ssh_args()], job=True)
    terminal.expect(PROMPT)
    terminal.send_line(
        "(until [ -e go ]; do sleep 0.05; done; echo la$((1))te; >printed) & echo back$((1))ground"
    )
    terminal.expect("back1ground\r\n")
    terminal.expect(PROMPT)
    suspend(terminal)
    (home / "go").touch()
    eventually((home / "printed").exists, "the host has printed")
    assert b"la1te" not in terminal.output
    bring_back(terminal)
    terminal.expect("la1te\r\n")
    answers(terminal)


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_stopped_from_outside(
    host: Sshd, start_terminal: Start, keepshell_exe: Path, number: signal.Signals
) -> None:
    before: list[list[int | list[bytes | int]]] = []
    terminal = start_terminal(
        [str(keepshell_exe), "ssh", *host.access.ssh_args()],
        job=True,
        prepare=lambda fd: before.append(termios.tcgetattr(fd)),
    )
    terminal.expect(PROMPT)
    terminal.signal(number)
    assert terminal.wait_stopped() == number
    if number == signal.SIGTSTP:  # nobody gives anything back on SIGSTOP
        assert terminal.termios() == before[0]
    termios.tcsetattr(terminal.fd, termios.TCSANOW, before[0])  # as an interactive shell does
    terminal.resize(33, 111)
    bring_back(terminal)
    terminal.send_line("stty size")
    terminal.expect("33 111\r\n")
    terminal.expect(PROMPT)
    leave(terminal)
    assert terminal.termios() == before[0]


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_stopped_and_continued_without_a_shell(
    host: Sshd, start_terminal: Start, prefix: list[str], number: signal.Signals
) -> None:
    """As `kill -STOP`, `kill -CONT` from another window: of an orphaned process group here, whose
    SIGTSTP the kernel discards."""
    terminal = start_terminal([*prefix, "ssh", *host.access.ssh_args()])
    terminal.expect(PROMPT)
    job = psutil.Process(terminal.pid)
    terminal.signal(number)
    if number == signal.SIGSTOP:
        eventually(lambda: job.status() == psutil.STATUS_STOPPED, "the job has stopped")
    terminal.signal(signal.SIGCONT)
    answers(terminal)
    leave(terminal)


def test_started_in_the_background_it_stops(
    host: Sshd, start_terminal: Start, prefix: list[str]
) -> None:
    terminal = start_terminal(PLAIN_SHELL)
    terminal.expect(LOCAL_PROMPT)
    command = shlex.join([*prefix, "ssh", *host.access.ssh_args()])
    terminal.send_line(f"{command} &")

    def stopped() -> list[psutil.Process]:
        return [p for p in tree(terminal.pid) if p.status() == psutil.STATUS_STOPPED]

    (job,) = eventually(stopped, lambda: f"a stopped job\n{terminal.describe()}")
    assert job.name() == Path(prefix[0] if prefix else "ssh").name
    assert b"READY" not in terminal.output
    terminal.send_line("fg")
    terminal.expect(PROMPT)
    answers(terminal)
    terminal.send_line("exit 7")
    terminal.expect(LOCAL_PROMPT)
    terminal.send_line("echo status $?")
    terminal.expect("status 7\r\n")


def test_a_suspended_job_sent_to_the_background_stops_again(
    host: Sshd, start_terminal: Start, prefix: list[str]
) -> None:
    terminal = start_terminal([*prefix, "ssh", *host.access.ssh_args()], job=True)
    terminal.expect(PROMPT)
    suspend(terminal)
    for count in (2, 3):
        terminal.background()
        assert terminal.wait_stopped(count=count) in (signal.SIGTTIN, signal.SIGTTOU)
    bring_back(terminal)
    answers(terminal)
    leave(terminal)


def test_without_job_control_the_suspend_escape_does_no_harm(
    host: Sshd, start_terminal: Start, keepshell_exe: Path
) -> None:
    """The leader of a session is an orphaned process group: nobody could bring it back."""
    argv = ["ssh", *host.access.ssh_args()]
    outputs = []
    for prefix in ([], [str(keepshell_exe)]):
        terminal = start_terminal([*prefix, *argv])
        terminal.expect(PROMPT)
        terminal.send(SUSPEND)
        terminal.expect(NOTICE)
        outputs.append(terminal.output)
        # Typed while the terminal is not yet raw again, a line would be shown twice.
        terminal.send_line("echo $((6*7))")
        terminal.expect("42\r\n")
        terminal.expect(PROMPT)
        wait_raw(terminal)
        leave(terminal)
    assert outputs[0] == outputs[1]


def test_with_stderr_elsewhere_the_suspend_escape_works(
    host: Sshd, start_terminal: Start, keepshell_exe: Path, tmp_path: Path
) -> None:
    """ssh's notice is not on the terminal then, and goes where bare ssh's would."""
    said: list[tuple[bytes, bytes]] = []
    for prefix in ([], [str(keepshell_exe)]):
        log = tmp_path / f"stderr{len(said)}"
        command = shlex.join([*prefix, "ssh", *host.access.ssh_args()])
        terminal = start_terminal(["sh", "-c", f"exec {command} 2>{log}"], job=True)
        terminal.expect(PROMPT)
        assert suspend(terminal) == signal.SIGTSTP
        assert not is_raw(terminal)
        bring_back(terminal)
        answers(terminal)
        leave(terminal, "exit\r\n")
        said.append((terminal.output, log.read_bytes()))
    assert said[0] == said[1]
    assert NOTICE.encode() in said[0][1]


@pytest.fixture
def shared(host: Sshd, start_terminal: Start) -> Iterator[list[str]]:
    """The arguments of a client of a shared connection, whose master runs."""
    with TemporaryDirectory(prefix="mux-") as directory:  # tmp_path is too long for a socket
        arguments = ["-S", f"{directory}/socket", *host.access.ssh_args()]
        master = start_terminal(["ssh", "-M", *arguments])
        master.expect(PROMPT)
        yield arguments
        master.send_line("exit")


def test_a_client_of_a_shared_connection_cannot_suspend(
    shared: list[str],
    start_terminal: Start,
    keepshell_exe: Path,
    trace: Trace,
) -> None:
    """ssh refuses `~^Z` there; keepshell is not to stop in its place, at once or later."""
    interval = 0.5
    keepshell = [str(keepshell_exe), "--window-change-interval", f"{interval}s"]
    outputs = []
    for prefix in ([], keepshell):
        terminal = start_terminal([*prefix, "ssh", *shared], job=True)
        terminal.expect(PROMPT)
        # It is the master who shows the prompt, perhaps before its client has made its tty raw.
        wait_raw(terminal)
        if prefix:
            trace.wait_for("nudge-sent")
        terminal.send(SUSPEND)
        terminal.expect("not available to multiplexed sessions")
        if prefix:
            sent = len(trace.named("nudge-sent"))
            trace.wait_for("nudge-sent", sent + int(SUSPEND_WITHIN / interval) + 2)
        answers(terminal)
        leave(terminal)
        outputs.append(terminal.output)
    assert outputs[0] == outputs[1]
    assert trace.named("suspended") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_stopped_job_ends_it_in_the_foreground(
    host: Sshd, start_terminal: Start, prefix: list[str], number: signal.Signals
) -> None:
    terminal = start_terminal([*prefix, "ssh", *host.access.ssh_args()], job=True)
    terminal.expect(PROMPT)
    suspend(terminal)
    terminal.signal(number)
    terminal.foreground()
    assert terminal.wait() == 255


def test_a_session_that_ends_while_stopped_ends_the_job_in_the_foreground(
    host: Sshd, start_terminal: Start, keepshell_exe: Path
) -> None:
    before: list[object] = []
    terminal = start_terminal(
        [str(keepshell_exe), "ssh", *host.access.ssh_args()],
        job=True,
        prepare=lambda fd: before.append(termios.tcgetattr(fd)),
    )
    terminal.expect(PROMPT)
    child = ssh_of(terminal)
    suspend(terminal)
    host.stop()
    eventually(lambda: is_gone(child.pid), "the end of ssh")
    assert psutil.Process(terminal.pid).status() == psutil.STATUS_STOPPED
    terminal.foreground()
    terminal.expect("Connection to 127.0.0.1 closed by remote host.\r\r\n")
    terminal.expect("keepshell: session dropped: ")
    assert terminal.wait() == 255
    assert [terminal.termios()] == before


def test_a_timer_that_strikes_a_stopped_session_teaches_nothing(
    start_sshd: Callable[..., Sshd], start_terminal: Start, keepshell_exe: Path
) -> None:
    """While it is stopped, `status` shows it as not kept; after `fg` a line says what it was."""
    host = start_sshd(env={"TMOUT": str(LIMIT)}, shell=PLAIN_SHELL)
    argv = [str(keepshell_exe), "ssh", *host.access.ssh_args()]
    terminal = start_terminal(argv, job=True)
    terminal.expect(PROMPT)
    child = ssh_of(terminal)
    suspend(terminal)
    shown = keepshell("status").stdout
    assert "stopped: no keepalives" in shown
    assert "✓" not in shown
    eventually(lambda: is_gone(child.pid), "the end of ssh")
    terminal.foreground()
    terminal.expect("It was stopped meanwhile: nothing was sent, and nothing is learned")
    terminal.wait()
    assert b"had to wait" not in terminal.output
    state = State.of(os.environ)
    assert [past.ending for past in state.sessions()] == ["tmout"]
    assert [state.rules(name) for name in state.hosts()] == [[]]


def test_a_closed_window_ends_a_stopped_job(
    host: Sshd, start_terminal: Start, prefix: list[str]
) -> None:
    """The local shell passes the SIGHUP on, and wakes its jobs to see it."""
    terminal = start_terminal(PLAIN_SHELL)
    terminal.expect(LOCAL_PROMPT)
    terminal.send_line(shlex.join([*prefix, "ssh", *host.access.ssh_args()]))
    terminal.expect(PROMPT)
    terminal.send(SUSPEND)
    terminal.expect("Stopped")
    terminal.expect(LOCAL_PROMPT)
    started = tree(terminal.pid)
    terminal.hang_up()
    eventually(lambda: all(is_gone(process.pid) for process in started), lambda: describe(started))
