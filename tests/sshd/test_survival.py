"""What keepshell survives where bare ssh does not, and what is beyond its first rungs.

`test_survival_controls.py` has the same rules with bare ssh; `docs/survival.md` the outcomes.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.sshd.survival import DIES, LIMIT, ROUNDS, SSH, Case, Outcome, Session, Survival
from tests.support.access import Access
from tests.support.middlebox import Counts, Middlebox
from tests.support.processes import is_gone, reap, tree
from tests.support.programs import path_of, require
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.tmux import Tmux
from tests.support.waiting import DEADLINE, eventually

Start = Callable[..., Terminal]
StartBox = Callable[..., Middlebox]

SERVER_ALIVE = ("--rung", "server-alive", "--server-alive-interval", "2s")
WINDOW_CHANGE = ("--rung", "window-change", "--window-change-interval", "1s")

BROKEN = rb"client_loop: send disconnect: Broken pipe\r*\n"

# How keepshell explains a drop by each of these rules, as a regular expression.
EXPLAINED = {
    "ChannelTimeout": r"the server closed the channel after \d+s without input or output\. "
    r"It looks like ChannelTimeout, ",
    # A keepalive that dropbear has not read when it exits turns its close into a RST.
    "dropbear-I": r"the server closed it after \d+s without input or window-change\. "
    r"It looks like a timer on the connection|the connection broke after \d+s ",
    "client-bytes": r"the connection broke after \d+s without input",
    "any-bytes": r"the connection broke after \d+s without input",
}


def assert_explained(terminal: Terminal, sentence: str) -> None:
    """keepshell's words come last: one line, and perhaps a command that would help."""
    lines = terminal.read_to_end().decode().splitlines()
    if lines[-1].startswith("  keepshell config set "):
        lines.pop()
    *others, last = lines
    assert re.search(rf"keepshell: session dropped: (?:{sentence})", last), terminal.describe()
    assert not [line for line in others if "keepshell: " in line]


def check(survival: Survival, case: Case, command: tuple[str, ...], expected: Outcome) -> None:
    session = survival.check(command, expected)
    if expected is DIES:
        assert_explained(session.terminal, EXPLAINED[case.rule.name])
    else:
        session.terminal.send_line("exit 7")
        assert session.terminal.wait() == 7
        assert b"keepshell" not in session.terminal.read_to_end()


def test_window_change(case: Case, survival: Survival, keepshell_exe: Path) -> None:
    command = (str(keepshell_exe), *WINDOW_CHANGE, "ssh", "-o", "ServerAliveInterval=0")
    check(survival, case, command, case.window_change)


def test_server_alive(case: Case, survival: Survival, keepshell_exe: Path) -> None:
    command = (str(keepshell_exe), *SERVER_ALIVE, "ssh")
    check(survival, case, command, case.server_alive)


class Firewalled:
    """An sshd behind a firewall that resets whoever sent nothing for `LIMIT` seconds."""

    def __init__(self, access: Access, box: Middlebox, start_terminal: Start) -> None:
        self.access = access
        self.through = access.through(box.port)
        self._start_terminal = start_terminal

    def open(self, *argv: str) -> Session:
        """A session of this command line, at its prompt."""
        return Session(self._start_terminal(list(argv)), printing=False)

    def outlived(self) -> None:
        """Return when the firewall has reset as many silent sessions, one after another."""
        for _ in range(ROUNDS):
            self.open(*SSH, *self.through.ssh_args()).wait_cut(BROKEN.removesuffix(rb"\r*\n"))


@pytest.fixture
def firewalled(sshd: Sshd, start_middlebox: StartBox, start_terminal: Start) -> Firewalled:
    """Counts the client's bytes."""
    box = start_middlebox(sshd.port, LIMIT, Counts.CLIENT_BYTES)
    return Firewalled(sshd.access, box, start_terminal)


class TestPlink:
    """Any program that takes SIGWINCH is kept alive in the same way."""

    @pytest.fixture
    def plink(self, firewalled: Firewalled, tmp_path: Path) -> list[str]:
        """Its command line, to the sshd behind the firewall."""
        require("plink", "puttygen", "ssh-keygen")
        access = firewalled.through
        key = tmp_path / "key.ppk"
        convert = [path_of("puttygen"), str(access.keys.user), "-O", "private", "-o", str(key)]
        subprocess.run(convert, check=True, timeout=DEADLINE)
        print_it = [path_of("ssh-keygen"), "-l", "-f", f"{access.keys.host}.pub"]
        shown = subprocess.run(print_it, check=True, capture_output=True, text=True)
        fingerprint = shown.stdout.split()[1]
        options = ["-batch", "-no-antispoof", "-hostkey", fingerprint, "-i", str(key)]
        return [path_of("plink"), *options, "-P", str(access.port), f"{access.user}@127.0.0.1"]

    def test_bare_plink(self, firewalled: Firewalled, plink: list[str]) -> None:
        witness = firewalled.open(*SSH, *firewalled.access.ssh_args())
        session = firewalled.open(*plink)
        assert session.terminal.wait() == 1
        assert b"FATAL ERROR" in session.terminal.read_to_end()
        witness.answers()

    def test_window_change(
        self, firewalled: Firewalled, plink: list[str], keepshell_exe: Path
    ) -> None:
        session = firewalled.open(str(keepshell_exe), *WINDOW_CHANGE, "run", "--", *plink)
        firewalled.outlived()
        session.answers()
        session.terminal.resize(30, 90)
        session.terminal.send_line(
            "until [ \"$(stty size)\" = '30 90' ]; do sleep 0.1; done; exit 6"
        )
        assert session.terminal.wait() == 6

    def test_a_drop_is_explained(
        self, firewalled: Firewalled, plink: list[str], keepshell_exe: Path
    ) -> None:
        session = firewalled.open(str(keepshell_exe), "--rung", "off", "run", "--", *plink)
        session.answers()  # a slow login is no idle time
        assert session.terminal.wait() == 1
        assert_explained(session.terminal, r"the (?:server closed the )?connection .*after \d+s ")


class TestSharedConnection:
    """A client of a master: the master's packets count, and it is none of ours."""

    @pytest.fixture
    def arguments(self, firewalled: Firewalled, tmp_path: Path, closing: ExitStack) -> list[str]:
        """Those of a client; the master is bare, in the background, and ends with its server."""
        socket = tmp_path / "master"
        shared = ["-S", str(socket), *firewalled.through.ssh_args()]
        log = tmp_path / "master.log"
        subprocess.run([*SSH, "-E", str(log), "-fNM", *shared], check=True, timeout=DEADLINE)
        masters = {p for p in tree(os.getpid()) if any(str(socket) in w for w in p.cmdline())}
        closing.callback(self._leave, masters, [*SSH, "-O", "exit", *shared])
        return shared

    def _leave(self, masters: set[psutil.Process], leave: list[str]) -> None:
        subprocess.run(leave, capture_output=True, check=False, timeout=DEADLINE)
        pids = [process.pid for process in masters]
        eventually(lambda: all(map(is_gone, pids)), "the end of the master")
        for pid in pids:
            reap(pid)

    def test_bare_client(self, firewalled: Firewalled, arguments: list[str]) -> None:
        witness = firewalled.open(*SSH, *firewalled.access.ssh_args())
        # Of no use: a client of a master sends no packets of its own.
        session = firewalled.open(*SSH, "-o", "ServerAliveInterval=1", *arguments)
        session.wait_cut(rb"Shared connection to 127\.0\.0\.1 closed\.")
        witness.answers()

    def test_window_change(
        self, firewalled: Firewalled, arguments: list[str], keepshell_exe: Path
    ) -> None:
        session = firewalled.open(str(keepshell_exe), *WINDOW_CHANGE, "ssh", *arguments)
        firewalled.outlived()
        session.answers()

    def test_a_drop_is_explained(
        self, firewalled: Firewalled, arguments: list[str], keepshell_exe: Path
    ) -> None:
        session = firewalled.open(str(keepshell_exe), *SERVER_ALIVE, "ssh", *arguments)
        session.wait_cut(rb"Shared connection to 127\.0\.0\.1 closed\.")
        assert_explained(session.terminal, r"the connection's master ended it after \d+s ")


def test_server_alive_keeps_a_session_without_a_terminal(
    firewalled: Firewalled, keepshell_exe: Path
) -> None:
    """`ssh host command` has no window: bare it is cut, with the options it is not."""
    script = ["read -r line; echo got $line"]
    arguments = [*firewalled.through.ssh_args(), *script]
    kept, bare = (
        subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in ((str(keepshell_exe), *SERVER_ALIVE, "ssh"), SSH)
    )
    assert bare.wait(DEADLINE) == 255
    firewalled.outlived()
    assert kept.communicate("a line\n", timeout=DEADLINE) == ("got a line\n", "")
    assert bare.communicate()[0] == ""
    assert kept.returncode == 0


class TestShellTimeout:
    """bash's TMOUT takes nothing but a command line: these rungs send none."""

    @pytest.fixture
    def arguments(self, start_sshd: Callable[..., Sshd]) -> list[str]:
        """To a shell that leaves after `LIMIT` seconds."""
        return start_sshd(env={"TMOUT": str(LIMIT)}).access.ssh_args()

    @pytest.mark.parametrize("rung", [None, SERVER_ALIVE, WINDOW_CHANGE], ids=str)
    def test_beyond(
        self,
        rung: tuple[str, ...] | None,
        arguments: list[str],
        sshd: Sshd,
        keepshell_exe: Path,
        start_terminal: Start,
    ) -> None:
        witness = Session(start_terminal([*SSH, *sshd.access.ssh_args()]), printing=False)
        command = list(SSH) if rung is None else [str(keepshell_exe), *rung, "ssh"]
        session = Session(start_terminal([*command, *arguments]), printing=False)
        assert session.terminal.wait() == 0
        assert b"timed out waiting for input: auto-logout" in session.terminal.read_to_end()
        if rung is not None:
            assert_explained(
                session.terminal,
                r"the shell logged you out after \d+s without a command\. That is TMOUT",
            )
        witness.answers()


def test_tmux_attach(
    keepshell_exe: Path, start_tmux: Callable[..., Tmux], start_terminal: Start
) -> None:
    """`keepshell run -- tmux attach`: the same screen, the same keys, the same size."""
    require("tmux")
    inside = start_tmux(["bash", "--norc", "--noprofile", "-i"], rows=24, cols=80)
    inside.wait_for("LOCAL$")
    attach = [path_of("tmux"), "-S", inside.query("socket_path"), "attach"]
    terminal = start_terminal([str(keepshell_exe), *WINDOW_CHANGE, "run", "--", *attach])
    terminal.wait_for_screen(lambda screen: "LOCAL$" in screen.text, "the prompt")
    terminal.send_line("echo $((6*7)) typed")
    terminal.wait_for_screen(lambda screen: "42 typed" in screen.text, "the answer")
    terminal.resize(20, 70)
    eventually(lambda: inside.query("client_width") == "70", "the client's new size")
    terminal.wait_for_screen(lambda screen: screen.lines == inside.lines(), "the same screen")
    terminal.send(b"\x02d")
    assert terminal.wait() == 0
    assert 1049 not in terminal.screen.modes
    inside.type("echo still here")
    inside.wait_for("echo still here")
