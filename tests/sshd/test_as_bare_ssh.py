"""Status, bytes and signals are what bare ssh's would have been, by whichever way it is called.

The table of docs/callers.md, "When something is wrong", is backed here: each case runs bare ssh
first, and then the same through `keepshell ssh`, an installed shim and `keepshell exec`.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.sshd.sides import ssh_of, wait_until_reading
from tests.support.processes import is_gone, tree
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.tmux import Tmux
from tests.support.waiting import DEADLINE, eventually

Start = Callable[..., Terminal]

PLAIN_SHELL = ("bash", "--norc", "--noprofile", "--noediting", "-i")
QUESTION = "(yes/no/[fingerprint])? "


@pytest.fixture
def host(start_sshd: Callable[..., Sshd]) -> Sshd:
    """A host whose shell edits no line: what it prints is the same each time."""
    return start_sshd(shell=PLAIN_SHELL)


@pytest.fixture(params=["keepshell ssh", "shim", "exec"])
def way(request: pytest.FixtureRequest, keepshell_exe: Path, tmp_path: Path) -> str:
    """A shell's words for `ssh`."""
    if request.param == "keepshell ssh":
        return f"{keepshell_exe} ssh"
    if request.param == "exec":
        return f"{keepshell_exe} exec -- ssh"
    folder = tmp_path / "bin"
    install = [str(keepshell_exe), "shim", "install", "--dir", str(folder)]
    subprocess.run(install, stdout=subprocess.DEVNULL, check=True)
    return str(folder / "ssh")


@pytest.fixture
def black_hole() -> Iterator[socket.socket]:
    """Listens, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE)
        yield listener


def to(listener: socket.socket) -> list[str]:
    return ["-F", "/dev/null", "-p", str(listener.getsockname()[1]), "nobody@127.0.0.1"]


def reached(listener: socket.socket) -> socket.socket:
    """The connection of the ssh that waits for an answer: it has introduced itself."""
    connection, _ = listener.accept()
    connection.settimeout(DEADLINE)
    assert connection.recv(8) == b"SSH-2.0-"
    return connection


def words(output: bytes) -> list[bytes]:
    """The output without line ends and echoed control keys.

    A key that makes a signal flushes the terminal, which may or may not have shown these yet.
    """
    return re.sub(rb"\^[CZ\\]", b"", output).split()


KEYS = {"^C": "\x03", "^\\": "\x1c"}


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("asked", [True, False], ids=["asked", "connecting"])
def test_a_key_that_ends_ssh_ends_the_script(
    host: Sshd,
    black_hole: socket.socket,
    start_terminal: Start,
    tmp_path: Path,
    way: str,
    shell: str,
    key: str,
    asked: bool,
) -> None:
    """The kernel gives the signal to the whole job, and so do we, once ssh has died of it."""
    ends: list[object] = []
    for ssh in ("ssh", way):
        arguments = host.access.ssh_args(known=False) if asked else to(black_hole)
        script = f"{ssh} {shlex.join(arguments)}; echo CONTINUED"
        terminal = start_terminal([shell, "-c", script], job=True, cwd=tmp_path)
        if asked:
            terminal.expect(QUESTION)
            wait_until_reading(ssh_of(terminal))
            terminal.send(KEYS[key])
        else:
            with reached(black_hole):
                terminal.send(KEYS[key])
                terminal.wait()
        status = terminal.wait()
        if status == 0:  # bash goes on after ^\, having named what ended, and so do we
            terminal.expect("CONTINUED")
            ends.append((status, [], terminal.termios()))
        else:
            assert b"CONTINUED" not in terminal.output
            ends.append((status, words(terminal.output), terminal.termios()))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("asked", [True, False], ids=["asked", "connecting"])
def test_the_suspend_key_stops_the_script_and_fg_brings_it_back(
    host: Sshd,
    black_hole: socket.socket,
    start_terminal: Start,
    way: str,
    asked: bool,
) -> None:
    for ssh in ("ssh", way):
        arguments = host.access.ssh_args(known=False) if asked else to(black_hole)
        script = f"{ssh} {shlex.join(arguments)}; echo CONTINUED"
        terminal = start_terminal(["dash", "-c", script], job=True)
        connection = None
        if asked:
            terminal.expect(QUESTION)
            wait_until_reading(ssh_of(terminal))
        else:
            connection = reached(black_hole)
        before = terminal.termios()
        terminal.send("\x1a")
        assert terminal.wait_stopped() == signal.SIGTSTP
        assert local_modes(terminal) & termios.ICANON
        group = [p for p in tree(terminal.pid) if os.getpgid(p.pid) == terminal.pid]
        eventually(partial(all_stopped, group), "all of the job stopped")
        terminal.foreground()
        eventually(partial(all_go_on, group), "all of the job going on")
        if asked:
            terminal.expect(QUESTION)
        else:
            assert terminal.termios() == before
        terminal.send("\x03")
        assert terminal.wait() == -signal.SIGINT
        assert b"CONTINUED" not in terminal.output
        if connection is not None:
            connection.close()


def local_modes(terminal: Terminal) -> int:
    modes = terminal.termios()[3]
    assert isinstance(modes, int)
    return modes


def is_raw(terminal: Terminal) -> bool:
    return not local_modes(terminal) & termios.ICANON


def all_stopped(processes: Iterable[psutil.Process]) -> bool:
    return all(process.status() == psutil.STATUS_STOPPED for process in processes)


def all_go_on(processes: Iterable[psutil.Process]) -> bool:
    return not any(process.status() == psutil.STATUS_STOPPED for process in processes)


def all_gone(processes: Iterable[psutil.Process]) -> bool:
    return all(is_gone(process.pid) for process in processes)


WHERE = ("question", "prompt", "connecting")


@pytest.mark.parametrize("job", [True, False], ids=["job", "leader"])
@pytest.mark.parametrize("where", WHERE)
def test_a_closed_window(
    host: Sshd, black_hole: socket.socket, start_terminal: Start, way: str, where: str, job: bool
) -> None:
    """The terminal fails at reads, writes and ioctls alike from then on."""
    ends = []
    for ssh in ("ssh", way):
        if where == "connecting":
            arguments = to(black_hole)
        else:
            arguments = host.access.ssh_args(known=where == "prompt")
        terminal = start_terminal(["sh", "-c", f"exec {ssh} {shlex.join(arguments)}"], job=job)
        if where == "connecting":
            connection = reached(black_hole)
        else:
            terminal.expect(QUESTION if where == "question" else PROMPT)
        ours = tree(terminal.pid)
        terminal.hang_up()
        ends.append(terminal.wait())
        eventually(partial(all_gone, ours), "nothing left")
        if where == "connecting":
            connection.close()
    if where == "question" and job:  # EIO or the SIGHUP first: of 25, bare ssh took 255 in 6
        assert set(ends) <= {255, -signal.SIGHUP}
    else:
        assert ends[0] == ends[1]


DISPOSED = """
import os, signal, sys
what, *argv = sys.argv[1:]
if what == "ignored SIGCHLD":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
elif what == "ignored SIGWINCH":
    signal.signal(signal.SIGWINCH, signal.SIG_IGN)
else:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGWINCH, signal.SIGTERM})
os.execvp(argv[0], argv)
"""


@pytest.mark.parametrize("what", ["ignored SIGCHLD", "ignored SIGWINCH", "blocked signals"])
@pytest.mark.parametrize("asks_ssh", [False, True], ids=["", "ssh -G"])
def test_inherited_dispositions(
    host: Sshd, start_terminal: Start, way: str, what: str, asks_ssh: bool
) -> None:
    config = host.access.ssh_config(*(["ServerAliveCountMax 3"] if asks_ssh else []))
    ends = []
    for ssh in ("ssh", way):
        words = [*shlex.split(ssh), "-F", str(config), "testhost"]
        terminal = start_terminal([sys.executable, "-c", DISPOSED, what, *words])
        terminal.expect(PROMPT)
        if what != "blocked signals":  # ssh sees no SIGWINCH then
            terminal.resize(33, 111)
            # ssh may send the keys before the size, both being there.
            terminal.send_line("until [ \"$(stty size)\" = '33 111' ]; do :; done; echo si$((1))ze")
            terminal.expect("si1ze\r\n")
            terminal.expect(PROMPT)
        terminal.send_line("exit 7")
        ends.append((terminal.read_to_end(), terminal.wait()))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("what", ["ignored SIGCHLD", "blocked signals", "nothing"])
def test_the_child_gets_the_dispositions_that_we_got(
    start_terminal: Start, keepshell_exe: Path, what: str
) -> None:
    show = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]
    outputs = []
    for prefix in ([], [str(keepshell_exe), "run", "--"]):
        argv = [*prefix, *show]
        if what != "nothing":
            argv = [sys.executable, "-c", DISPOSED, what, *argv]
        # CPython ignores SIGPIPE and SIGXFSZ, and leaves it so to what it runs.
        unpython = ["env", "--default-signal=PIPE", "--default-signal=XFSZ"]
        argv = argv if what == "nothing" else [*argv[:4], *unpython, *argv[4:]]
        outputs.append(start_terminal(argv).read_to_end())
    assert outputs[0] == outputs[1]


def test_an_ignored_suspend_stops_nobody(host: Sshd, start_terminal: Start, way: str) -> None:
    for ssh in ("ssh", way):
        script = f"trap '' TSTP; exec {ssh} {shlex.join(host.access.ssh_args())}"
        terminal = start_terminal(["sh", "-c", script], job=True)
        terminal.expect(PROMPT)
        terminal.send("~\x1a")
        terminal.expect("[suspend ssh]")
        terminal.send_line("")
        terminal.expect(PROMPT)
        terminal.send_line("exit 7")
        assert terminal.wait() == 7


def test_a_stopped_ssh_is_a_stopped_job_and_fg_continues_it(
    host: Sshd, start_terminal: Start, way: str
) -> None:
    for ssh in ("ssh", way):
        argv = ["sh", "-c", f"exec {ssh} {shlex.join(host.access.ssh_args())}"]
        terminal = start_terminal(argv, job=True)
        terminal.expect(PROMPT)
        ssh_of(terminal).send_signal(signal.SIGSTOP)
        terminal.wait_stopped()
        terminal.foreground()
        eventually(partial(all_go_on, tree(terminal.pid)), "all going on")
        eventually(partial(is_raw, terminal), "raw again")
        terminal.send_line("echo $((6*7))")
        terminal.expect("42\r\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_ssh_ends_when_we_are_told_to(
    host: Sshd, start_terminal: Start, keepshell_exe: Path, number: signal.Signals
) -> None:
    """Without job control: nobody is there to continue us."""
    terminal = start_terminal([str(keepshell_exe), "ssh", *host.access.ssh_args()])
    terminal.expect(PROMPT)
    child = ssh_of(terminal)
    child.suspend()
    eventually(lambda: child.status() == psutil.STATUS_STOPPED, "a stopped ssh")
    terminal.signal(number)
    assert terminal.wait() == 255


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/null", "3</dev/null 4<&3"])
def test_descriptors_of_any_kind(host: Sshd, start_terminal: Start, way: str, closed: str) -> None:
    ends = []
    for ssh in ("ssh", way):
        script = f"exec {ssh} {shlex.join(host.access.ssh_args())} {closed}"
        terminal = start_terminal(["sh", "-c", script])
        terminal.expect(PROMPT)
        terminal.send_line("exit 7")
        ends.append((terminal.read_to_end(), terminal.wait()))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("limit", ["-n 40", "-n 20", "-c 0", "-s 512", "-t 100", "-v 400000"])
def test_limits(host: Sshd, start_terminal: Start, way: str, limit: str) -> None:
    ends = []
    for ssh in ("ssh", way):
        script = f"ulimit {limit}; exec {ssh} {shlex.join(host.access.ssh_args())}"
        terminal = start_terminal(["sh", "-c", script])
        terminal.expect(PROMPT)
        terminal.send_line("exit 7")
        ends.append((terminal.read_to_end(), terminal.wait()))
    assert ends[0] == ends[1]


def test_no_file_may_grow(host: Sshd, start_terminal: Start, way: str) -> None:
    """The session is not remembered, and keepshell says so; nothing else is other than bare."""
    ends = []
    for ssh in ("ssh", way):
        script = f"ulimit -f 0; exec {ssh} {shlex.join(host.access.ssh_args())}"
        terminal = start_terminal(["sh", "-c", script], cols=400)
        terminal.expect(PROMPT)
        terminal.send_line("exit 7")
        lines = terminal.read_to_end().splitlines(keepends=True)
        ends.append((terminal.wait(), [row for row in lines if not row.startswith(b"keepshell: ")]))
    assert ends[0] == ends[1]


OTHERS = {"keepshell ssh": "games", "shim": "news", "exec": "uucp"}
"""Whose processes are counted: root's are not, and another test's would count too."""


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_few_processes(
    host: Sshd, start_terminal: Start, way: str, most: int, request: pytest.FixtureRequest
) -> None:
    """RLIMIT_NPROC. ssh needs one; without a second one, it runs without keepshell."""
    user = OTHERS[request.node.callspec.params["way"]]
    reads = ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
    become = ["setpriv", f"--reuid={user}", "--clear-groups", *reads]
    ends = []
    for ssh in ("ssh", way):
        script = f"ulimit -u {most}; exec {ssh} {shlex.join(host.access.ssh_args())}"
        terminal = start_terminal([*become, "bash", "-c", script], cols=400)
        terminal.expect(PROMPT)
        terminal.send_line("exit 7")
        lines = terminal.read_to_end().splitlines(keepends=True)
        ends.append((terminal.wait(), [row for row in lines if not row.startswith(b"keepshell: ")]))
    assert ends[0] == ends[1]


def test_tmux_sees_ssh(host: Sshd, start_tmux: Callable[..., Tmux], keepshell_exe: Path) -> None:
    """#{pane_current_command}: window names, and plug-ins that ask what runs in a pane."""
    words = shlex.join([str(keepshell_exe), "ssh", *host.access.ssh_args()])
    tmux = start_tmux(PLAIN_SHELL)
    tmux.wait_for("LOCAL$")
    tmux.send_line(words)
    tmux.wait_for("READY$")
    eventually(lambda: tmux.query("pane_current_command") == "ssh", "the name of the program")
    tmux.send_line("exit")
    tmux.wait_for("closed.")
    eventually(lambda: tmux.query("pane_current_command") != "ssh", "the shell's name")


def test_a_pane_that_is_killed(
    host: Sshd, start_tmux: Callable[..., Tmux], keepshell_exe: Path
) -> None:
    """Nothing is left running, and the session is remembered."""
    words = shlex.join([str(keepshell_exe), "ssh", *host.access.ssh_args()])
    tmux = start_tmux(PLAIN_SHELL)
    tmux.run("new-window", words)
    pane = tmux.query("pane_id")
    eventually(lambda: "READY$" in "\n".join(tmux.lines(pane)), "the prompt")
    started = tree(int(tmux.query("pane_pid", pane)))
    tmux.run("kill-pane", "-t", pane)
    eventually(partial(all_gone, started), "nothing left")
    folder = Path(os.environ["XDG_RUNTIME_DIR"], "keepshell")
    assert list(folder.iterdir()) == []
    done = subprocess.run(
        [str(keepshell_exe), "history", "--json"], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 1
