"""Programs that call ssh, and programs at the far end, notice nothing of keepshell in between."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.access import ALIAS
from tests.support.listening import free_port
from tests.support.passwords import PASSWORD, AsyncPasswordServer
from tests.support.processes import end, is_gone, reap, tree
from tests.support.programs import path_of
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.tmux import Tmux
from tests.support.trace import Trace
from tests.support.trees import assert_same_trees, make_tree, payload
from tests.support.waiting import DEADLINE, eventually

Start = Callable[..., Terminal]

UNTIL_SIZED = "until [ \"$(stty size)\" = '{}' ]; do sleep 0.1; done; echo sized"
PROMPT_SHOWN = re.escape(PROMPT.rstrip())

# The real ssh for callers that can give it no -F: where a user has ~/.ssh/config, we have this.
REAL = """\
#!/bin/sh
[ "$1" = -G ] || echo "$@" >> {calls}
exec {ssh} -F {config} "$@"
"""


class Shim:
    """keepshell under the name `ssh`, and the ssh behind it, which knows `testhost`."""

    def __init__(self, folder: Path, keepshell_exe: Path, config: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.ssh = folder / "ssh"
        self.ssh.symlink_to(keepshell_exe)
        self.real = folder / "real"
        self._calls = folder / "calls"
        words = {"ssh": path_of("ssh"), "config": config, "calls": self._calls}
        self.real.write_text(
            REAL.format(**{name: shlex.quote(str(word)) for name, word in words.items()})
        )
        self.real.chmod(0o755)

    def check_calls(self, *words: str) -> None:
        """The real ssh was called, each time with our options, and the last time with `words`."""
        calls = self._calls.read_text().splitlines()
        assert calls
        # Debian's ssh has an interval of its own for BatchMode, which sftp -b sets.
        assert all(re.search("ServerAliveInterval=60 |batchmode yes", call) for call in calls)
        assert set(words) <= set(calls[-1].split())


@pytest.fixture
def config(sshd: Sshd) -> Path:
    """An ssh_config in which `testhost` is the sshd."""
    return sshd.access.ssh_config()


@pytest.fixture
def shim(
    config: Path, tmp_path: Path, keepshell_exe: Path, monkeypatch: pytest.MonkeyPatch
) -> Shim:
    """First on PATH, as after `alias` or `keepshell exec`."""
    made = Shim(tmp_path / "shim", keepshell_exe, config)
    monkeypatch.setenv("KEEPSHELL_SSH", str(made.real))
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    return made


def run(*argv: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run to the end; AssertionError with all output unless it succeeds."""
    ended = attempt(*argv, **options)
    assert ended.returncode == 0, (argv, ended.stdout, ended.stderr)
    return ended


def attempt(*argv: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        argv, capture_output=True, timeout=2 * DEADLINE, check=False, **options
    )


@pytest.mark.usefixtures("git_project")
class TestGit:
    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("GIT_SSH", "{shim.ssh}"),
            ("GIT_SSH", "ssh"),
            ("GIT_SSH_COMMAND", "{shim.ssh} -4"),
            ("GIT_SSH_COMMAND", "{exe} ssh"),  # git asks an unknown program with -G what it is
        ],
    )
    def test_clone_and_push(
        self,
        variable: str,
        value: str,
        shim: Shim,
        tmp_path: Path,
        remote_home: Path,
        keepshell_exe: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv(variable, value.format(shim=shim, exe=keepshell_exe))
        first, second = tmp_path / "first", tmp_path / "second"
        url = f"ssh://{ALIAS}{remote_home}/project.git"
        run("git", "clone", "-q", url, first)
        make_tree(first / "content")
        run("git", "-C", first, "add", ".")
        run("git", "-C", first, "commit", "-q", "-m", "content")
        run("git", "-C", first, "push", "-q", "origin", "HEAD:main")
        run("git", "clone", "-q", f"{ALIAS}:{remote_home}/project.git", second)
        heads = [run("git", "-C", at, "rev-parse", "HEAD").stdout for at in (first, second)]
        assert heads[0] == heads[1]
        run("git", "-C", second, "fsck", "--strict")
        assert (second / "content" / "b c").read_bytes() == payload(1)
        shim.check_calls(ALIAS)

    def test_a_protocol_that_git_asks_for_arrives(
        self, shim: Shim, remote_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GIT_SSH", str(shim.ssh))
        run("git", "ls-remote", f"{ALIAS}:{remote_home}/project.git")
        shim.check_calls("SendEnv=GIT_PROTOCOL")


@pytest.mark.parametrize("rsh", ["{shim.ssh}", "{exe} --rung server-alive ssh"])
def test_rsync_both_ways(
    rsh: str, shim: Shim, tmp_path: Path, remote_home: Path, keepshell_exe: Path
) -> None:
    source, back = make_tree(tmp_path / "source"), tmp_path / "back"
    rsync = [path_of("rsync"), "-a", "--checksum", "-e", rsh.format(shim=shim, exe=keepshell_exe)]
    run(*rsync, f"{source}/", f"{ALIAS}:there/")
    assert_same_trees(source, remote_home / "there")
    run(*rsync, f"{ALIAS}:there/", f"{back}/")
    assert_same_trees(source, back)
    again = run(*rsync, "--itemize-changes", f"{ALIAS}:there/", f"{back}/")
    assert again.stdout == b""
    shim.check_calls(ALIAS, "rsync", "--server")


@pytest.mark.parametrize("protocol", ["-s", "-O"], ids=["sftp", "scp"])
def test_scp_both_ways(protocol: str, shim: Shim, tmp_path: Path, remote_home: Path) -> None:
    source, back = make_tree(tmp_path / "source"), tmp_path / "back"
    (source / "link").unlink()  # scp would copy the file it points to
    scp = [path_of("scp"), protocol, "-q", "-r", "-S", str(shim.ssh)]
    run(*scp, source, f"{ALIAS}:there")
    assert_same_trees(source, remote_home / "there")
    run(*scp, f"{ALIAS}:there", back)
    assert_same_trees(source, back)
    shim.check_calls(ALIAS)


def test_scp_of_a_missing_file_fails_as_ever(shim: Shim, config: Path, tmp_path: Path) -> None:
    nothing, here = f"{ALIAS}:nothing", tmp_path / "here"
    mine = attempt(path_of("scp"), "-S", shim.ssh, nothing, here)
    bare = attempt(path_of("scp"), "-F", config, nothing, here)
    assert (mine.returncode, mine.stdout, mine.stderr) == (
        (bare.returncode, bare.stdout, bare.stderr)
    )
    assert mine.returncode != 0


def test_scp_on_a_terminal_shows_its_meter(
    shim: Shim, tmp_path: Path, remote_home: Path, start_terminal: Start
) -> None:
    (tmp_path / "file").write_bytes(payload(300_000))
    argv = [path_of("scp"), "-S", str(shim.ssh), str(tmp_path / "file"), f"{ALIAS}:"]
    terminal = start_terminal(argv)
    terminal.expect("100%")
    assert terminal.wait() == 0
    assert (remote_home / "file").read_bytes() == payload(300_000)


def test_sftp_batch(shim: Shim, tmp_path: Path, remote_home: Path) -> None:
    (tmp_path / "up").write_bytes(payload(400_000))
    batch = tmp_path / "batch"
    batch.write_text("mkdir folder\nput up folder/there\nget folder/there down\nls folder\n")
    ended = run(path_of("sftp"), "-S", shim.ssh, "-b", batch, ALIAS, cwd=tmp_path)
    assert (tmp_path / "down").read_bytes() == payload(400_000)
    assert (remote_home / "folder" / "there").read_bytes() == payload(400_000)
    assert b"folder/there" in ended.stdout
    shim.check_calls("-s", "sftp")


def test_a_remote_command_is_clean_both_ways(sshd: Sshd, keepshell_exe: Path) -> None:
    data = bytes(range(256)) * 64 + payload(3_000_000)
    command = "cat; echo done >&2; exit 42"
    ended = attempt(keepshell_exe, "ssh", *sshd.access.ssh_args(), command, input=data)
    assert (ended.returncode, ended.stderr) == (42, b"done\n")
    assert ended.stdout == data


@pytest.mark.parametrize(
    "command", ["exit 0", "exit 1", "exit 255", "kill -9 $$", "kill -TERM $$", "nosuchcommand"]
)
@pytest.mark.parametrize("option", ["-T", "-tt"])
def test_the_status_is_that_of_ssh(
    option: str, command: str, sshd: Sshd, keepshell_exe: Path, start_terminal: Start
) -> None:
    arguments = [option, *sshd.access.ssh_args(), command]
    mine = start_terminal([str(keepshell_exe), "ssh", *arguments])
    bare = start_terminal([path_of("ssh"), *arguments])
    assert mine.wait() == bare.wait()
    said, wanted = mine.read_to_end(), bare.read_to_end()
    # What only keepshell says stands after all that ssh says, and only of a drop.
    assert said.startswith(wanted)
    assert (said == wanted) or command in ("exit 255", "kill -9 $$", "kill -TERM $$")


@pytest.mark.parametrize("redirection", ["", "2>/dev/null", "2>&1 | cat", "< /dev/null"])
def test_without_a_terminal_on_every_side(
    redirection: str, sshd: Sshd, keepshell_exe: Path, start_terminal: Start
) -> None:
    shown = []
    for ssh in (f"{keepshell_exe} ssh", path_of("ssh")):
        line = f'{ssh} "$@" {redirection}; echo status $?'
        words = [*sshd.access.ssh_args(), "tty; echo error >&2; cat /no/such/file; exit 3"]
        terminal = start_terminal(["sh", "-c", line, "sh", *words])
        shown.append(terminal.read_to_end())
    assert shown[0] == shown[1]


def test_a_loop_over_hosts(sshd: Sshd, keepshell_exe: Path, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("one\ntwo\nthree\n")
    ssh = shlex.join([str(keepshell_exe), "ssh", *sshd.access.ssh_args()])
    bare = shlex.join([path_of("ssh"), *sshd.access.ssh_args()])
    with_n = run("sh", "-c", f"while read -r h; do {ssh} -n echo $h; done < {tmp_path}/hosts")
    assert with_n.stdout == b"one\ntwo\nthree\n"
    # Without -n ssh takes the rest of the list for itself, and so it must here.
    eaten = [
        run("sh", "-c", f"while read -r h; do {name} cat; done < {tmp_path}/hosts").stdout
        for name in (ssh, bare)
    ]
    assert eaten == [b"two\nthree\n"] * 2


class Shared:
    """A ControlMaster's socket, and ssh's questions to it."""

    def __init__(self, sshd: Sshd, folder: Path) -> None:
        self.path = folder / "master"
        self.arguments = ["-S", str(self.path), *sshd.access.ssh_args()]

    def ask(self, question: str) -> bool:
        return attempt(path_of("ssh"), "-O", question, *self.arguments).returncode == 0

    def leave(self) -> None:
        """End the master, and wait until it is gone."""
        masters = {p for p in tree(os.getpid()) if any(str(self.path) in w for w in p.cmdline())}
        if self.path.exists():
            self.ask("exit")
        eventually(lambda: all(is_gone(process.pid) for process in masters), "the master's end")
        for process in masters:
            reap(process.pid)


@pytest.fixture
def shared(sshd: Sshd, tmp_path: Path, closing: ExitStack) -> Shared:
    """No master yet; whatever becomes one here is ended with the test."""
    made = Shared(sshd, tmp_path)
    closing.callback(made.leave)
    return made


class TestSharedConnection:
    def test_a_client_of_a_bare_master(
        self, shared: Shared, keepshell_exe: Path, tmp_path: Path, start_terminal: Start
    ) -> None:
        run(path_of("ssh"), "-fNM", *shared.arguments)
        trace = Trace(tmp_path / "trace")
        env = {**os.environ, "KEEPSHELL_TRACE": str(trace.path)}
        options = ["--window-change-interval", "0.2s"]
        command = [str(keepshell_exe), *options, "ssh", *shared.arguments]
        terminal = start_terminal(command, env=env)
        terminal.expect(PROMPT)
        trace.wait_for("nudge-sent", 2)
        terminal.resize(33, 99)
        terminal.send_line(f"{UNTIL_SIZED.format('33 99')}; exit 5")
        terminal.expect("\rsized\r\n")
        terminal.expect("Shared connection to 127.0.0.1 closed.")
        assert terminal.wait() == 5
        assert (
            attempt(keepshell_exe, "ssh", *shared.arguments, "echo again; exit 6").returncode == 6
        )
        assert shared.ask("check")

    @pytest.mark.parametrize("command", [[], ["-tt", "cat /etc/hostname; sleep 0"]], ids=str)
    def test_a_master_that_persists_gives_the_prompt_back(
        self,
        command: list[str],
        shared: Shared,
        keepshell_exe: Path,
        start_terminal: Start,
    ) -> None:
        options = ["-o", "ControlMaster=auto", "-o", "ControlPersist=yes"]
        terminal = start_terminal(
            [str(keepshell_exe), "ssh", *options, *shared.arguments, *command], job=True
        )
        if not command:
            terminal.expect(PROMPT)
            terminal.send_line("exit 4")
        assert terminal.wait() == (0 if command else 4)
        terminal.expect("Shared connection to 127.0.0.1 closed.")
        assert shared.ask("check")
        ended = attempt(path_of("ssh"), *shared.arguments, "echo still there")
        assert ended.stdout == b"still there\n"

    def test_a_master_that_persists_without_a_terminal(
        self, shared: Shared, keepshell_exe: Path
    ) -> None:
        """Its output goes to /dev/null: who reads ours from a pipe sees the end."""
        options = ["-o", "ControlMaster=auto", "-o", "ControlPersist=yes"]
        words = [*options, *shared.arguments, "echo hello"]
        read = subprocess.run(
            [keepshell_exe, "ssh", *words],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=DEADLINE,
            check=True,
        )
        assert read.stdout == b"hello\n"
        assert shared.ask("check")


@pytest.fixture
def jump(start_sshd: Callable[..., Sshd], sshd: Sshd) -> list[str]:
    """`-F` with an ssh_config in which `target` is the sshd and `jump` another one."""
    hop = start_sshd("AllowTcpForwarding yes").access
    text = hop.ssh_config().read_text().replace(f"Host {ALIAS}", "Host jump", 1)
    target = sshd.access.ssh_config().read_text().replace(f"Host {ALIAS}", "Host target", 1)
    path = hop.directory / "both"
    path.write_text(text + target)
    return ["-F", str(path)]


class TestJump:
    @pytest.fixture(
        params=["-J", "ProxyJump", "ProxyCommand through keepshell"],
    )
    def arguments(
        self, request: pytest.FixtureRequest, jump: list[str], keepshell_exe: Path
    ) -> list[str]:
        if request.param == "-J":
            return [*jump, "-J", "jump", "target"]
        if request.param == "ProxyJump":
            return [*jump, "-o", "ProxyJump=jump", "target"]
        hop = shlex.join([str(keepshell_exe), "ssh", *jump, "-W", "%h:%p", "jump"])
        return [*jump, "-o", f"ProxyCommand={hop}", "target"]

    def test_a_command(self, arguments: list[str], keepshell_exe: Path) -> None:
        data = payload(300_000)
        ended = attempt(keepshell_exe, "ssh", *arguments, "cat; exit 9", input=data)
        assert (ended.returncode, ended.stderr) == (9, b"")
        assert ended.stdout == data

    def test_a_session(
        self, arguments: list[str], keepshell_exe: Path, start_terminal: Start
    ) -> None:
        terminal = start_terminal([str(keepshell_exe), "ssh", *arguments])
        terminal.expect(PROMPT)
        terminal.send_line("echo $((6*7)); exit 8")
        terminal.expect("\r42\r\n")
        assert terminal.wait() == 8


EXPECT = """\
set timeout 60
log_user 0
spawn -noecho {*}$argv
expect "password: "
send "wrong\\r"
expect "Permission denied"
expect "password: "
send "$env(PASSWORD)\\r"
expect "READY$ "
send "some words\\r"
expect "got: some words"
expect "READY$ "
send "exit 3\\r"
expect eof
exit [lindex [wait] 3]
"""


def test_an_expect_script_types_a_password(
    password_server: AsyncPasswordServer, keepshell_exe: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text(EXPECT)
    arguments = password_server.access.ssh_args()
    env = {**os.environ, "PASSWORD": PASSWORD}
    ended = attempt(path_of("expect"), script, keepshell_exe, "ssh", *arguments, env=env)
    assert (ended.returncode, ended.stderr) == (3, b"")


def test_a_tunnel_in_the_background(sshd: Sshd, keepshell_exe: Path, closing: ExitStack) -> None:
    port = free_port()
    forward = ["-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:127.0.0.1:{sshd.port}"]
    # No pipes: the ssh that stays holds its stderr.
    started = subprocess.run(
        [keepshell_exe, "ssh", "-f", "-N", *forward, *sshd.access.ssh_args()],
        stdin=subprocess.DEVNULL,
        timeout=DEADLINE,
        check=True,
    )
    assert started.returncode == 0
    tunnels = {process for process in tree(os.getpid()) if forward[-1] in process.cmdline()}
    for process in tunnels:
        closing.callback(reap, process.pid)
    closing.callback(end, tunnels)
    assert len(tunnels) == 1
    assert "ServerAliveInterval=60" in next(iter(tunnels)).cmdline()
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as through:
        assert through.recv(8) == b"SSH-2.0-"
    end(tunnels)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)


MANY = 20


class TestParallel:
    def test_commands(self, sshd: Sshd, keepshell_exe: Path) -> None:
        argv = [str(keepshell_exe), "ssh", *sshd.access.ssh_args()]
        started = [
            subprocess.Popen(
                [*argv, f"cat; exit {number}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            for number in range(MANY)
        ]
        for number, process in enumerate(started):
            data = payload(10_000 + number)
            assert process.communicate(data, timeout=2 * DEADLINE)[0] == data
            assert process.returncode == number

    def test_sessions(self, sshd: Sshd, keepshell_exe: Path, start_terminal: Start) -> None:
        argv = [str(keepshell_exe), "ssh", *sshd.access.ssh_args()]
        terminals = [start_terminal(argv) for _ in range(MANY)]
        for number, terminal in enumerate(terminals):
            terminal.expect(PROMPT, deadline=2 * DEADLINE)
            terminal.send_line(f"echo n-$(({number}*2)); exit {number}")
        for number, terminal in enumerate(terminals):
            terminal.expect(f"\rn-{number * 2}\r\n", deadline=2 * DEADLINE)
            assert terminal.wait() == number


class Views:
    """The same session twice, bare and through keepshell, shown by two terminals of one kind."""

    def __init__(self, open_view: Callable[[Sequence[str]], Terminal | Tmux], sshd: Sshd) -> None:
        self._open = open_view
        self._sshd = sshd
        self.views: list[Terminal | Tmux] = []

    def open(self, keepshell_exe: Path) -> None:
        """Log in twice, to a prompt."""
        for ssh in ([path_of("ssh")], [str(keepshell_exe), "ssh"]):
            self.views.append(self._open([*ssh, *self._sshd.access.ssh_args()]))
        self.expect(PROMPT_SHOWN)

    def type(self, text: str) -> None:
        """Type the same in both."""
        for view in self.views:
            view.send(text) if isinstance(view, Terminal) else view.type(text)

    def resize(self, rows: int, cols: int) -> None:
        for view in self.views:
            view.resize(rows, cols)

    def lines(self) -> list[list[str]]:
        return [v.screen.lines if isinstance(v, Terminal) else v.lines() for v in self.views]

    def expect(self, pattern: str) -> None:
        """Both show the same, and somewhere in it the pattern."""

        def same() -> bool:
            bare, kept = self.lines()
            return bare == kept and re.search(pattern, "\n".join(bare)) is not None

        eventually(same, self.describe(pattern))

    def expect_rows(self, rows: slice, pattern: str) -> None:
        """The same for some rows only, where the others change all the time."""

        def same() -> bool:
            bare, kept = (lines[rows] for lines in self.lines())
            return bare == kept and re.search(pattern, "\n".join(bare)) is not None

        eventually(same, self.describe(pattern))

    def describe(self, pattern: str) -> Callable[[], str]:
        def text() -> str:
            bare, kept = ("\n".join(lines) for lines in self.lines())
            return f"{pattern!r} on both\n--- bare\n{bare}\n--- kept\n{kept}"

        return text


@pytest.fixture(params=["terminal", "tmux"])
def views(
    request: pytest.FixtureRequest,
    sshd: Sshd,
    keepshell_exe: Path,
    start_terminal: Start,
    start_tmux: Callable[..., Tmux],
) -> Views:
    """Two logins, at their first prompts."""
    made = Views(start_terminal if request.param == "terminal" else start_tmux, sshd)
    made.open(keepshell_exe)
    return made


ESCAPE, ENTER = "\x1b", "\r"


class TestScreens:
    """What the user sees of a program at the far end is what bare ssh shows, cell by cell."""

    def test_vim(self, views: Views, remote_home: Path) -> None:
        (remote_home / "text").write_text(
            "".join(f"line {n} \u00e4\u4e16\n" for n in range(1, 200))
        )
        vim = shlex.join([path_of("vim"), "-u", "NONE", "-i", "NONE", "-N", "-n", "-R"])
        views.type(f"{vim} +'set nu ruler showcmd hlsearch mouse=a' text{ENTER}")
        views.expect(r"1 line 1 ")
        views.type("100G")
        views.expect(r"100,1 ")
        views.type("/line 17.")
        views.type(ENTER)
        views.expect(r"170,1 ")
        views.type("ihello ")
        views.expect(r"hello line 170")
        views.type(f"{ESCAPE}:sp{ENTER}:vsp{ENTER}")
        views.expect(r"text.* 170,6 .*text.* 170,6 ")
        views.resize(20, 60)
        views.expect(r"\A(.*\n){18}text.* 170,6 .*\n\Z")
        views.resize(24, 80)
        views.expect(r"\A(.*\n){22}text.* 170,6 .*\n\Z")
        views.type(f":only{ENTER}yypu:echo 'abc'.6*7{ENTER}")
        views.expect("abc42")
        views.type(f":qa!{ENTER}")
        views.expect(rf"(?m)^{PROMPT_SHOWN}$")

    def test_less(self, views: Views, remote_home: Path) -> None:
        (remote_home / "text").write_text("".join(f"row {number}\n" for number in range(500)))
        views.type(f"{path_of('less')} -N text{ENTER}")
        views.expect(r"1 row 0\n")
        views.type("G")
        views.expect(r"500 row 499\n")
        views.type(f"?row 25{ENTER}")
        views.expect(r"260 row 259\n")
        views.resize(10, 40)
        views.expect(r"\A +260 row 259\n(.*\n){8}:\Z")  # a key that meets SIGWINCH is lost on less
        views.type("g")
        views.expect(r"\A +1 row 0\n(.*\n){8}:\Z")
        views.type("q")
        views.expect(PROMPT_SHOWN + r"\n*\Z")

    def test_htop(self, views: Views) -> None:
        views.type(f"{path_of('htop')} -d 100 -C{ENTER}")
        views.expect_rows(slice(-1, None), "F1Help.*F10Quit")
        views.type("h")
        views.expect("Released under the GNU GPL")
        views.type("q")
        views.expect_rows(slice(-1, None), "F1Help.*F10Quit")
        views.type("q")
        views.expect(PROMPT_SHOWN + r"\n*\Z")

    def test_typing_at_the_prompt(self, views: Views) -> None:
        views.type("printf '\\033[1;31m%s\\033[m\\n' r\u00f6d \u4e16\u754c; stty size; tput cols")
        views.type(f"\x01: ; \x05; echo $TERM{ENTER}")
        views.expect(r"r\u00f6d\n\u4e16\u754c\n24 80\n80\n(xterm|tmux)-256color")
        # In a subshell: a ^C that meets bash between two commands, or in its fork, is lost on bash.
        views.type("clear; (echo 'started'; exec sleep 100)\r")
        views.expect(r"\Astarted\n")
        views.type("\x03")
        views.expect(rf"\^C\n{PROMPT_SHOWN}")
        views.type("clear; echo 'reading'; cat\r")
        views.expect(r"\Areading\n")
        views.type("abc\r")
        views.expect(r"abc\nabc\n")
        views.type("\x04")
        views.expect(rf"abc\nabc\n{PROMPT_SHOWN}")
        views.resize(12, 60)
        views.type(f"clear; {UNTIL_SIZED.format('12 60')}\r")
        views.expect(r"\Asized\n")
