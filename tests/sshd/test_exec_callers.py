"""What calls ssh, below `keepshell exec`, with an installed shim: everything works, kept alive.

docs/callers.md names the tests of this file.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.support.access import ALIAS, Access
from tests.support.listening import free_port
from tests.support.passwords import PASSWORD, AsyncPasswordServer
from tests.support.processes import end, end_tree, is_gone, reap, tree
from tests.support.programs import path_of, require
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.trees import assert_same_trees, make_tree, payload
from tests.support.waiting import DEADLINE, eventually

Start = Callable[..., Terminal]

# The real ssh, which notes how it was called. Where a user has ~/.ssh/config, we have this.
REAL = """\
#!/bin/sh
[ "$1" = -G ] || echo "$@" >> {calls}
exec {ssh} {options} "$@"
"""

# Debian's ssh has an interval of its own for BatchMode, which sftp -b sets.
KEPT_ALIVE = re.compile("ServerAliveInterval=60 |batchmode yes")

# Of these nobody is kept alive: to a master, and ansible's whether ssh knows ControlPersist.
QUESTION = re.compile(" -O |^-o ControlPersist$")


class Caller:
    """Runs programs below `keepshell exec`; the ssh behind it knows `words`, a destination."""

    def __init__(self, folder: Path, keepshell_exe: Path, access: Access, *, named: bool) -> None:
        """With `named`, callers need no options: the destination is `testhost`.

        Without, they bring all options, and the shim decides without Python.
        """
        self._exe = keepshell_exe
        self._calls = folder / "calls"
        config = access.ssh_config()
        self.real = folder / "real"
        self.real.write_text(
            REAL.format(
                calls=shlex.quote(str(self._calls)),
                ssh=path_of("ssh"),
                options=f"-F {shlex.quote(str(config))}" if named else "",
            )
        )
        self.real.chmod(0o755)
        self.words = [ALIAS] if named else access.ssh_args()
        self.ssh = shlex.join(["ssh", *self.words])

    def argv(self, *words: str | Path) -> list[str]:
        """The command line that runs `words` below exec."""
        return [str(self._exe), "exec", "--", *map(str, words)]

    def run(self, *words: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
        """Run to the end; AssertionError with all output unless it succeeds."""
        done = self.attempt(*words, **options)
        assert done.returncode == 0, (words, done.stdout, done.stderr, self._calls_made())
        return done

    def attempt(self, *words: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            self.argv(*words), capture_output=True, timeout=2 * DEADLINE, check=False, **options
        )

    def sh(self, line: str, **options: object) -> bytes:
        """What a script prints that calls `ssh`."""
        done = self.run("sh", "-c", line, **options)
        assert done.stderr == b"", done
        return done.stdout

    def check_calls(self, *words: str) -> list[str]:
        """The real ssh was called, and kept alive each time; once with all these words."""
        calls = [call for call in self._calls_made() if not QUESTION.search(call)]
        assert calls
        assert [call for call in calls if not KEPT_ALIVE.search(call)] == []
        assert any(set(words) <= set(call.split()) for call in calls), calls
        return calls

    def _calls_made(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def make_caller(
    tmp_path: Path, keepshell_exe: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Caller]:
    def make(access: Access, *, named: bool) -> Caller:
        caller = Caller(tmp_path, keepshell_exe, access, named=named)
        monkeypatch.setenv("KEEPSHELL_SSH", str(caller.real))
        return caller

    return make


@pytest.fixture
def caller(make_caller: Callable[..., Caller], sshd: Sshd) -> Caller:
    """For programs that call ssh with no more than a name."""
    return make_caller(sshd.access, named=True)


@pytest.fixture(params=["python", "sh"])
def script(
    request: pytest.FixtureRequest, make_caller: Callable[..., Caller], sshd: Sshd
) -> Caller:
    """For scripts, once with the shim asking Python and once with it deciding alone."""
    return make_caller(sshd.access, named=request.param == "python")


def shell_words(*words: str | Path) -> str:
    return shlex.join(map(str, words))


@pytest.mark.usefixtures("git_project")
class TestGit:
    @pytest.mark.parametrize(
        "setting", ["", "GIT_SSH=ssh", "GIT_SSH_COMMAND=ssh -4", "core.sshCommand=ssh -4"]
    )
    def test_clone_push_and_ls_remote(
        self,
        setting: str,
        caller: Caller,
        tmp_path: Path,
        remote_home: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        name, _, value = setting.partition("=")
        options = ["-c", setting] if "." in name else []
        if name and not options:
            monkeypatch.setenv(name, value)
        first, second = tmp_path / "first", tmp_path / "second"
        url = f"{ALIAS}:{remote_home}/project.git"
        caller.run("git", *options, "clone", "-q", url, first)
        tree = make_tree(first / "content")
        (tree / "sub dir" / "empty").rmdir()  # git has no directories
        for words in (["add", "."], ["commit", "-q", "-m", "c"], ["push", "-q", url, "HEAD:main"]):
            caller.run("git", *options, "-C", first, *words)
        caller.run(
            "git", *options, "clone", "-q", f"ssh://{ALIAS}{remote_home}/project.git", second
        )
        assert_same_trees(first / "content", second / "content")
        heads = caller.run("git", *options, "ls-remote", url, "main").stdout
        assert re.fullmatch(rb"[0-9a-f]{40}\trefs/heads/main\n", heads)
        caller.check_calls(ALIAS, *(["-4"] if "-4" in value else []))

    def test_the_variant_probe_is_answered(
        self, caller: Caller, sshd: Sshd, remote_home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """git asks a program it does not know with -G whether it is OpenSSH."""
        monkeypatch.setenv("GIT_SSH_COMMAND", "command ssh")
        caller.run("git", "ls-remote", f"ssh://{ALIAS}:{sshd.port}{remote_home}/project.git")
        caller.check_calls("-p", str(sshd.port))

    def test_a_variable_that_the_user_has_set_is_left(
        self, caller: Caller, remote_home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GIT_SSH", str(caller.real))
        caller.run("git", "ls-remote", f"{ALIAS}:{remote_home}/project.git")
        with pytest.raises(AssertionError):
            caller.check_calls(ALIAS)

    @pytest.mark.parametrize("variable", ["GIT_SSH={shim}/ssh", "GIT_SSH_COMMAND={exe} ssh"])
    def test_everything_at_once(
        self,
        variable: str,
        caller: Caller,
        keepshell_exe: Path,
        tmp_path: Path,
        remote_home: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """An installed shim and git's own variable below exec, in an exec: one ssh, told once."""
        folder, system = tmp_path / "bin", tmp_path / "system"
        system.mkdir()
        (system / "ssh").symlink_to(caller.real)
        monkeypatch.delenv("KEEPSHELL_SSH")  # the real one must be found behind all the others
        monkeypatch.setenv("PATH", f"{folder}:{system}:{os.environ['PATH']}")
        install = [str(keepshell_exe), "shim", "install", "--dir", str(folder)]
        subprocess.run(install, stdout=subprocess.DEVNULL, check=True)
        name, _, value = variable.format(shim=folder, exe=keepshell_exe).partition("=")
        monkeypatch.setenv(name, value)
        caller.run(keepshell_exe, "exec", "git", "ls-remote", f"{ALIAS}:{remote_home}/project.git")
        (call,) = caller.check_calls(ALIAS)
        assert call.count("ServerAliveInterval=60") == 1


@pytest.mark.parametrize("rsh", ["", "ssh -4"])
def test_rsync_both_ways(
    rsh: str, caller: Caller, tmp_path: Path, remote_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("rsync")
    if rsh:
        monkeypatch.setenv("RSYNC_RSH", rsh)
    source, back = make_tree(tmp_path / "source"), tmp_path / "back"
    caller.run("rsync", "-a", "--checksum", f"{source}/", f"{ALIAS}:there/")
    caller.run("rsync", "-a", "--checksum", f"{ALIAS}:there/", f"{back}/")
    assert_same_trees(source, remote_home / "there")
    assert_same_trees(source, back)
    caller.check_calls(ALIAS, "rsync", "--server")


@pytest.mark.parametrize("protocol", ["-s", "-O"], ids=["sftp", "scp"])
def test_scp_both_ways(protocol: str, caller: Caller, tmp_path: Path, remote_home: Path) -> None:
    """scp knows ssh by its absolute path: it is the shim of scp that brings it here."""
    source, back = make_tree(tmp_path / "source"), tmp_path / "back"
    caller.run("scp", protocol, "-q", "-r", source, f"{ALIAS}:there")
    caller.run("scp", protocol, "-q", "-r", f"{ALIAS}:there", back)
    assert_same_trees(source, remote_home / "there")
    assert_same_trees(source, back)
    caller.check_calls(ALIAS)


def test_scp_with_an_ssh_of_the_user_s(caller: Caller, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    caller.run("scp", "-q", "-S", caller.real, tmp_path / "file", f"{ALIAS}:")
    with pytest.raises(AssertionError):
        caller.check_calls(ALIAS)


def test_sftp_batch(caller: Caller, tmp_path: Path, remote_home: Path) -> None:
    (tmp_path / "up").write_bytes(payload(400_000))
    (tmp_path / "batch").write_text("put up there\nget there down\n")
    caller.run("sftp", "-b", tmp_path / "batch", ALIAS, cwd=tmp_path)
    assert (tmp_path / "down").read_bytes() == payload(400_000)
    caller.check_calls("-s", "sftp")


def test_sftp_on_a_terminal(caller: Caller, remote_home: Path, start_terminal: Start) -> None:
    (remote_home / "a file").write_text("text")
    terminal = start_terminal(caller.argv("sftp", ALIAS))
    terminal.expect("sftp> ")
    terminal.send_line("ls")
    terminal.expect("a file")
    terminal.send_line("bye")
    assert terminal.wait() == 0
    caller.check_calls("-s", "sftp")


class TestAnsible:
    @pytest.fixture
    def ansible(self, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The command line up to the module."""
        settings = {
            "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "ansible"),
            "ANSIBLE_TIMEOUT": "60",
        }
        (tmp_path / "ansible.cfg").write_text("")
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return [path_of("ansible"), "all", "-i", f"{ALIAS},"]

    @pytest.fixture
    def masters(
        self,
        monkeypatch: pytest.MonkeyPatch,
        closing: ExitStack,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> Path:
        """Where ansible has its masters' sockets; they end with the test."""
        folder = tmp_path_factory.mktemp("cm")
        monkeypatch.setenv("ANSIBLE_SSH_CONTROL_PATH_DIR", str(folder))
        closing.callback(_end_those_with, str(folder))
        return folder

    def test_ping_with_persistent_masters(
        self, ansible: list[str], masters: Path, caller: Caller
    ) -> None:
        done = caller.run(*ansible, "-m", "ping")
        assert b'"ping": "pong"' in done.stdout
        calls = caller.check_calls("ControlMaster=auto", "ControlPersist=60s")
        assert any("-tt" in call.split() for call in calls)
        assert any("sftp" in call.split() for call in calls)
        assert os.listdir(masters)

    def test_a_command_without_masters(
        self, ansible: list[str], caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ANSIBLE_SSH_ARGS", "-o ControlMaster=no")
        monkeypatch.setenv("ANSIBLE_SSH_TRANSFER_METHOD", "scp")
        done = caller.run(*ansible, "-m", "command", "-a", "echo one two")
        assert done.stdout.endswith(b"| CHANGED | rc=0 >>\none two\n")
        done = caller.attempt(*ansible, "-m", "raw", "-a", "echo out; exit 3")
        assert b"| FAILED | rc=3 >>\nout" in done.stdout
        caller.check_calls("ControlMaster=no")


def _end_those_with(words: str) -> None:
    """End our descendants that have this text in their command line, and wait for it."""
    doomed = set()
    for process in tree(os.getpid()):
        with suppress(psutil.Error):
            if any(words in word for word in process.cmdline()):
                doomed.add(process)
    end(doomed)
    for process in doomed:
        reap(process.pid)


@pytest.mark.parametrize("options", [[], ["--ssh=ssh -4"], ["--ssh=keepshell ssh -4"]], ids=str)
def test_mosh_starts(
    options: list[str],
    caller: Caller,
    start_terminal: Start,
    closing: ExitStack,
    keepshell_exe: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require("mosh", "mosh-server")
    monkeypatch.setenv("PATH", f"{keepshell_exe.parent}:{os.environ['PATH']}")
    closing.callback(_end_those_with, "mosh-server")
    command = ["sh", "-c", "echo started; read x; echo got $x"]
    terminal = start_terminal(caller.argv("mosh", *options, ALIAS, "--", *command))
    terminal.expect("started")
    terminal.send_line("words")
    terminal.expect("got words")
    terminal.expect("[mosh is exiting.]")
    assert terminal.wait() == 0
    caller.check_calls("-n", "-tt", *(["-4"] if options else []))


def test_autossh(caller: Caller, sshd: Sshd, closing: ExitStack, tmp_path: Path) -> None:
    """It knows ssh by its absolute path, and is told ours by AUTOSSH_PATH."""
    port = free_port()
    forward = f"127.0.0.1:{port}:127.0.0.1:{sshd.port}"
    env = {**os.environ, "AUTOSSH_GATETIME": "0", "AUTOSSH_LOGFILE": str(tmp_path / "log")}
    words = [path_of("autossh"), "-M", "0", "-N", "-L", forward, ALIAS]
    started = subprocess.Popen(caller.argv(*words), env=env, stdin=subprocess.DEVNULL)
    closing.callback(end_tree, started)

    def forwards() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as through:
            return through.recv(8) == b"SSH-2.0-"
        return False

    eventually(forwards, "a tunnel")
    before = len(caller.check_calls(forward))
    end({process for process in tree(sshd.pid) if process.pid != sshd.pid})
    eventually(lambda: len(caller.check_calls(forward)) > before, "another ssh")
    eventually(forwards, "the tunnel again")


def test_autossh_with_a_path_of_the_user_s(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOSSH_PATH", "/mine")
    assert caller.sh("echo $AUTOSSH_PATH") == b"/mine\n"


def test_borg(
    caller: Caller, tmp_path: Path, remote_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("borg")
    monkeypatch.setenv("BORG_PASSPHRASE", "words")
    monkeypatch.setenv("BORG_HOST_ID", "us")  # else it asks a resolver for our full name
    source, back = make_tree(tmp_path / "source"), tmp_path / "back"
    url = f"ssh://{ALIAS}{remote_home}/backups"
    caller.run("borg", "init", "--encryption=repokey", url)
    caller.run("borg", "create", f"{url}::first", ".", cwd=source)
    listed = caller.run("borg", "list", "--short", url)
    assert (listed.stdout, listed.stderr) == (b"first\n", b"")
    back.mkdir()
    caller.run("borg", "extract", f"{url}::first", cwd=back)
    assert_same_trees(source, back)
    assert len(caller.check_calls(ALIAS, "borg", "serve")) == 4


def test_svn(caller: Caller, tmp_path: Path, remote_home: Path) -> None:
    require("svn", "svnserve")
    subprocess.run([path_of("svnadmin"), "create", remote_home / "project"], check=True)
    url = f"svn+ssh://{ALIAS}{remote_home}/project"
    source, back = make_tree(tmp_path / "source"), tmp_path / "back"
    svn = ["svn", "--config-dir", str(tmp_path / "svn"), "--quiet"]  # else it goes by passwd(5)
    caller.run(*svn, "import", "--message", "all", source, url)
    caller.run(*svn, "checkout", url, back)
    shutil.rmtree(back / ".svn")
    assert_same_trees(source, back)
    caller.check_calls("-q", ALIAS, "svnserve", "-t")


def test_a_proxy_command(
    make_caller: Callable[..., Caller], start_sshd: Callable[..., Sshd], sshd: Sshd, tmp_path: Path
) -> None:
    """Both the ssh that connects and the one that carries it are kept alive."""
    hop = start_sshd("AllowTcpForwarding yes").access
    caller = make_caller(sshd.access, named=False)
    proxy = shell_words("ssh", *hop.ssh_args()[:-1], "-W", "%h:%p", hop.ssh_args()[-1])
    line = shell_words("ssh", "-o", f"ProxyCommand={proxy}", *caller.words, "cat; exit 9")
    data = payload(300_000)
    done = caller.attempt("sh", "-c", line, input=data)
    assert (done.returncode, done.stderr) == (9, b"")
    assert done.stdout == data
    assert len(caller.check_calls("-W")) == 2


def test_proxy_jump(
    make_caller: Callable[..., Caller], start_sshd: Callable[..., Sshd], sshd: Sshd, tmp_path: Path
) -> None:
    """ssh starts itself again for the hop, not us."""
    hop = start_sshd("AllowTcpForwarding yes").access
    text = hop.ssh_config().read_text().replace(f"Host {ALIAS}", "Host jump", 1)
    both = tmp_path / "both"
    both.write_text(text + sshd.access.ssh_config().read_text())
    caller = make_caller(sshd.access, named=False)
    assert caller.sh(f"ssh -F {both} -J jump {ALIAS} echo through") == b"through\n"
    caller.check_calls("-J", "jump")


class TestPasswords:
    @pytest.fixture
    def asked(
        self, make_caller: Callable[..., Caller], password_server: AsyncPasswordServer
    ) -> Caller:
        return make_caller(password_server.access, named=False)

    def test_sshpass(self, asked: Caller) -> None:
        env = {**os.environ, "SSHPASS": PASSWORD}
        done = asked.attempt(
            path_of("sshpass"), "-e", "ssh", *asked.words, input=b"words\nexit 4\n", env=env
        )
        assert done.returncode == 4, done
        assert b"got: words" in done.stdout
        asked.check_calls("-p")

    def test_sshpass_on_a_terminal(self, asked: Caller, start_terminal: Start) -> None:
        env = {**os.environ, "SSHPASS": PASSWORD}
        argv = asked.argv(path_of("sshpass"), "-e", "ssh", *asked.words)
        terminal = start_terminal(argv, env=env)
        terminal.expect(PROMPT)
        terminal.send_line("exit 4")
        assert terminal.wait() == 4
        asked.check_calls("-p")

    def test_an_expect_script(self, asked: Caller, tmp_path: Path) -> None:
        path = tmp_path / "log in"
        path.write_text(
            f"#!{path_of('expect')} -f\nset timeout 60\nspawn {asked.ssh}\n"
            'expect "password: "\nsend "$env(PASSWORD)\\r"\nexpect "READY$ "\n'
            'send "exit 3\\r"\nexpect eof\nexit [lindex [wait] 3]\n'
        )
        path.chmod(0o755)
        done = asked.attempt(path, env={**os.environ, "PASSWORD": PASSWORD})
        assert done.returncode == 3, done
        asked.check_calls("-p")


class TestScripts:
    def test_a_script_on_stdin(self, script: Caller, tmp_path: Path) -> None:
        (tmp_path / "remote").write_text('echo "$1: $((6 * 7))"\nexit 5\n')
        line = f"{script.ssh} 'bash -s' -- argument < {shell_words(tmp_path / 'remote')}"
        done = script.attempt("sh", "-c", line)
        assert (done.returncode, done.stdout, done.stderr) == (5, b"argument: 42\n", b"")
        script.check_calls("bash", "-s")

    def test_a_loop_over_hosts(self, script: Caller, tmp_path: Path) -> None:
        (tmp_path / "hosts").write_text("one\ntwo\nthree\n")
        hosts = shell_words(tmp_path / "hosts")
        line = f"while read -r h; do {script.ssh} -n echo $h; done < {hosts}"
        assert script.sh(line) == b"one\ntwo\nthree\n"
        # Without -n ssh takes the rest of the list for itself, and so it must here.
        line = f"while read -r h; do {script.ssh} cat; done < {hosts}"
        assert script.sh(line) == b"two\nthree\n"
        script.check_calls("-n")

    def test_a_big_file_through_a_pipe(self, script: Caller, remote_home: Path) -> None:
        data = payload(8_000_000)
        (remote_home / "big").write_bytes(data)
        wanted = hashlib.sha256(data).hexdigest()
        assert script.sh(f"{script.ssh} cat big | sha256sum").decode() == f"{wanted}  -\n"

    def test_a_pipe_that_closes_early(self, script: Caller) -> None:
        line = f"({script.ssh} yes; echo $? >&2) | head -n 1"
        bare = subprocess.run(
            ["sh", "-c", line.replace("ssh ", f"{script.real} ", 1)],
            capture_output=True,
            timeout=DEADLINE,
            check=True,
        )
        done = script.run("sh", "-c", line)
        assert (done.stdout, done.stderr) == (bare.stdout, bare.stderr)
        assert done.stdout == b"y\n"

    def test_stdout_closed(self, script: Caller, remote_home: Path) -> None:
        line = f"{script.ssh} 'touch made; exit 6' >&-; echo $? >&2"
        assert script.run("sh", "-c", line).stderr.splitlines()[-1] == b"6"
        assert (remote_home / "made").exists()

    def test_a_tunnel_in_the_background(
        self, script: Caller, sshd: Sshd, closing: ExitStack
    ) -> None:
        port = free_port()
        forward = f"127.0.0.1:{port}:127.0.0.1:{sshd.port}"
        closing.callback(_end_those_with, forward)
        words = ["-f", "-N", "-o", "ExitOnForwardFailure=yes", "-L", forward]
        # No pipes: the ssh that stays holds its stderr.
        subprocess.run(
            script.argv("ssh", *words, *script.words),
            stdin=subprocess.DEVNULL,
            timeout=DEADLINE,
            check=True,
        )
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as through:
            assert through.recv(8) == b"SSH-2.0-"
        script.check_calls("-f", "-N")

    def test_a_master_has_the_options(
        self, script: Caller, closing: ExitStack, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """A client's own would be ignored."""
        path = tmp_path_factory.mktemp("cm") / "master"
        closing.callback(_end_those_with, str(path))
        options = f"-o ControlMaster=auto -o ControlPersist=yes -S {shell_words(path)}"
        line = f"{script.ssh.replace('ssh', f'ssh {options}', 1)} 'echo first' 2>/dev/null"
        assert script.sh(line) == b"first\n"
        masters = [
            process
            for process in tree(os.getpid())
            if process.name() == "ssh" and not is_gone(process.pid)
        ]
        assert len(masters) == 1
        assert script.sh(f"ssh -S {shell_words(path)} -O check x 2>&1").startswith(
            b"Master running"
        )
        assert script.sh(f"ssh -F none -S {shell_words(path)} x 'echo second'") == b"second\n"
        assert "ServerAliveInterval=60" in script.check_calls("ControlMaster=auto")[0]
        script.sh(f"ssh -S {shell_words(path)} -O exit x 2>/dev/null")
        eventually(lambda: is_gone(masters[0].pid), "the master's end")
        reap(masters[0].pid)

    @pytest.mark.parametrize(("count", "at_once"), [(24, 8), (50, 50)])
    def test_xargs(self, count: int, at_once: int, script: Caller) -> None:
        line = f"seq {count} | xargs -P {at_once} -I N {script.ssh} echo N"
        numbers = sorted(map(int, script.sh(line).split()))
        assert numbers == list(range(1, count + 1))
        assert len(script.check_calls("echo")) == count

    def test_nohup(self, script: Caller, tmp_path: Path) -> None:
        """What hangs up the script leaves its ssh alone, and the output is where it should be."""
        inner = f"kill -HUP $$; {script.ssh} echo still here"
        done = script.run("nohup", "sh", "-c", inner)
        assert done.stdout == b"still here\n"

    def test_a_signal_reaches_ssh(self, script: Caller) -> None:
        started = subprocess.Popen(
            script.argv("ssh", *script.words, "echo started; sleep 1000"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert started.stdout is not None
        with started.stdout:
            assert started.stdout.readline() == b"started\n"
            started.send_signal(signal.SIGTERM)
            bare = 255  # ssh's own way to end by SIGTERM
            assert started.wait(DEADLINE) in (bare, -signal.SIGTERM)


@pytest.mark.parametrize("variables", [["HOME", "PATH", "SHELL", "LOGNAME"], ["PATH"], []], ids=str)
def test_an_environment_as_of_cron(
    variables: list[str], sshd: Sshd, keepshell_exe: Path, tmp_path: Path
) -> None:
    values = {
        "HOME": str(tmp_path / "user"),
        "PATH": "/usr/bin:/bin",
        "SHELL": "/bin/sh",
        "LOGNAME": "x",
    }
    env = {name: values[name] for name in variables}
    if "HOME" not in variables:  # lest the shim's directory be made in /tmp
        env["TMPDIR"] = str(tmp_path)
    line = shell_words("ssh", *sshd.access.ssh_args(), "echo $TERM; exit 4")
    done = subprocess.run(
        [keepshell_exe, "exec", "--", "sh", "-c", line],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (4, b"\n", b"")


def test_an_installed_shim(
    caller: Caller,
    keepshell_exe: Path,
    tmp_path: Path,
    remote_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same without exec: for ssh, for what calls it by name, and for what does not."""
    folder = tmp_path / "bin"
    install = [str(keepshell_exe), "shim", "install", "--dir", str(folder)]
    subprocess.run(install, stdout=subprocess.DEVNULL, check=True)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    (tmp_path / "file").write_bytes(payload(100_000))
    line = f"""
        set -e
        ssh {ALIAS} echo words
        scp -q {tmp_path}/file {ALIAS}:one
        rsync {tmp_path}/file {ALIAS}:two
        echo 'put {tmp_path}/file three' | sftp -q -b - {ALIAS} >/dev/null
    """
    done = subprocess.run(
        ["sh", "-c", line],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"words\n", b"")
    for name in ("one", "two", "three"):
        assert (remote_home / name).read_bytes() == payload(100_000)
    assert len(caller.check_calls(ALIAS)) == 4


def test_an_interactive_session_below_exec(caller: Caller, start_terminal: Start) -> None:
    """On a terminal the shim leads to the pty, and the session is kept alive by the ladder."""
    terminal = start_terminal(caller.argv("sh", "-c", f"ssh {ALIAS}; echo status $?"))
    terminal.expect(PROMPT)
    names = {Path(process.exe()).name for process in tree(terminal.pid)}
    assert any(name.startswith("python") for name in names), names
    terminal.send_line("exit 7")
    terminal.expect("status 7")
    assert terminal.wait() == 0
