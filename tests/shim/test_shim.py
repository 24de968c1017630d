"""The shims: what sh decides is what Python would decide, and nothing is noticed of either."""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from keepshell import launch
from keepshell.core.ssh import arguments as sshargs
from keepshell.errors import UsageError
from keepshell.shim import files as shimfiles
from keepshell.shim import install
from keepshell.shim import script as shimtext
from keepshell.ssh import client, config_scan
from keepshell.ssh.client import DEPTH
from tests.support.programs import path_of
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE, eventually

NOBODY = 65534

# What stands for the real ssh: it says with what it was called, one word a line.
REAL = "#!/bin/sh\nprintf 'real\\n'\nprintf '%s\\n' \"$@\"\nexit 7\n"
# What stands for Python, where a test only asks whether it is called.
PYTHON = "#!/bin/sh\necho python\n"
ELSEWHERE = "choose another directory with shim install --dir DIR"
OURS = ["-o", "ServerAliveInterval=60", "-o", "ServerAliveCountMax=20"]

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """The real ssh, as far as keepshell can tell."""
    return script(tmp_path / "system" / "ssh", REAL)


@pytest.fixture
def env(real: Path) -> dict[str, str]:
    """The environment with that ssh first on PATH, and with no ssh_config that says anything."""
    return {**os.environ, "PATH": f"{real.parent}:/usr/bin:/bin"}


@pytest.fixture(autouse=True)
def _silent_files(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: that ssh is the system's, and reads a user's file that a test may write."""
    files = [(str(tmp_path / "ssh_config"), str(tmp_path))]
    monkeypatch.setattr(config_scan, "_SYSTEM_SSH", str(real))
    monkeypatch.setattr(config_scan, "_files", lambda chosen: [] if chosen else files)


@pytest.fixture
def shim(tmp_path: Path, env: dict[str, str]) -> Path:
    """The shim, made in this process, and first on PATH."""
    path = tmp_path / "shim" / "ssh"
    env["PATH"] = f"{path.parent}:{env['PATH']}"
    path.parent.mkdir()
    make(path, env)
    return path


def make(path: Path, env: Mapping[str, str]) -> None:
    """Write the shim; where it would start Python, it says so."""
    python = script(path.parent.parent / "python", PYTHON)
    text = shimtext.ssh_shim(str(path), env).decode()
    path.write_text(text.replace(sys.executable, str(python)))
    path.chmod(0o755)


def run(argv: Sequence[str | Path], env: Mapping[str, str]) -> list[str]:
    """The lines that a command prints."""
    done = subprocess.run(
        argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False
    )
    assert done.stderr == b"", done
    return done.stdout.decode().splitlines()


PLAIN = [
    ["host"],
    ["host", "command", "-V", "-oServerAliveInterval=1"],
    ["host", "-v", "-p", "22", "command"],
    ["-p22", "user@host", "--", "-V"],
    ["--", "host", "-V"],
    ["-x", "-oForwardAgent=no", "-l", "user", "-s", "--", "host", "sftp"],
    ["-tt", "-4", "-o", "ControlPath=/x y", "host", "a  b", "", "c'd"],
    ["-F", "/dev/null", "host"],
    ["-Fnone", "-T", "host"],
    ["-W", "other:22", "host"],
    ["-N", "-f", "-L", "1:h:2", "-M", "-S", "/s", "host"],
    ["-oBatchMode=yes", "host"],
    ["-E", "/dev/null", "host"],
    ["-i", "key", "-J", "jump", "ssh://user@host:22"],
    ["-o", "SendEnv=serveralone", "host"],
    ["-l", "", "host"],
]
DOUBTFUL = [
    ["-V"],
    ["-Q", "cipher"],
    ["-G", "host"],
    ["-O", "check", "host"],
    ["-vV"],
    ["-oServerAliveInterval=5", "host"],
    ["-o", "serveraliveinterval 5", "host", "command"],
    ["host", "-o", "SERVERALIVECOUNTMAX=5"],
    ["-oServerAliveCountMax=0", "host"],
    ["-o", 'Server"AliveInterval" 5', "host"],
    ["-o", "ProtocolKeepAlives=5", "host"],
    ["-oSetupTimeOut=5", "host"],
    ["-4p22", "host"],
    ["-P", "tag", "host"],
    ["-1", "host"],
    ["-Z", "host"],
    ["-p"],
    ["host", "-p"],
    [],
    ["-v"],
    ["--"],
    ["--option", "host"],
    ["-F", "/dev/fd/9", "host"],
]


class TestWhatShDecides:
    @pytest.mark.parametrize("arguments", PLAIN, ids=shlex.join)
    def test_plain_calls_are_as_from_python(
        self, arguments: list[str], shim: Path, env: dict[str, str]
    ) -> None:
        argv = launch.route(launch.resolve(arguments, {}, env), is_on_terminal=False).argv
        assert argv[1:5] == OURS
        assert run([shim, *arguments], env) == ["real", *argv[1:]]

    @pytest.mark.parametrize("arguments", DOUBTFUL, ids=shlex.join)
    def test_doubtful_calls_go_to_python(
        self, arguments: list[str], shim: Path, env: dict[str, str]
    ) -> None:
        assert run([shim, *arguments], env) == ["python"]

    def test_the_letters_are_those_of_the_parser(self) -> None:
        asking = set("VGQO")
        assert set(shimtext.PLAIN) == sshargs._PLAIN - asking
        assert set(shimtext.VALUED) == sshargs._VALUED - asking

    @pytest.mark.parametrize("shell", ["dash", "bash", "busybox", "mksh", "ksh93", "zsh"])
    @pytest.mark.parametrize("arguments", [PLAIN[5], PLAIN[6], DOUBTFUL[5]], ids=shlex.join)
    def test_any_sh_will_do(
        self, shell: str, arguments: list[str], shim: Path, env: dict[str, str]
    ) -> None:
        words = {"busybox": ["sh"], "bash": ["--posix"], "zsh": ["--emulate", "sh"]}
        expected = ["python"] if arguments in DOUBTFUL else ["real", *OURS, *arguments]
        assert run([path_of(shell), *words.get(shell, []), shim, *arguments], env) == expected

    def test_the_caller_s_environment_is_left_alone(
        self, shim: Path, real: Path, env: dict[str, str]
    ) -> None:
        real.write_text("#!/bin/sh\nexec /usr/bin/env -0\n")
        make(shim, env)
        env.pop("_", None)
        env |= {"rest": "mine", "file": "mine", "LC_ALL": "C", "PWD": os.getcwd()}
        printed = "\n".join(run([shim, "host"], env)).rstrip("\0")
        seen = dict(setting.split("=", 1) for setting in printed.split("\0"))
        seen.pop("_", None)
        assert seen == {**env, DEPTH: "1"}

    def test_a_path_with_every_character(self, tmp_path: Path, env: dict[str, str]) -> None:
        path = tmp_path / "a 'b' $(c) @{real} * \u00e4" / "ssh"
        path.parent.mkdir()
        env["PATH"] = f"{path.parent}:{env['PATH']}"
        make(path, env)
        assert run(["ssh", "host"], env) == ["real", *OURS, "host"]

    def test_a_terminal_is_for_python(
        self, shim: Path, env: dict[str, str], start_terminal: Callable[..., Terminal]
    ) -> None:
        assert start_terminal([str(shim), "host"], env=env).read_to_end() == b"python\r\n"
        line = f"{shlex.quote(str(shim))} host | cat"
        seen = start_terminal(["sh", "-c", line], env=env).read_to_end()
        assert seen.split() == [word.encode() for word in ("real", *OURS, "host")]


class TestWhatItWasMadeFrom:
    @pytest.fixture
    def config(self, tmp_path: Path) -> Path:
        path = tmp_path / "user" / "config" / "keepshell" / "config.toml"
        path.parent.mkdir()
        return path

    @pytest.mark.parametrize(
        ("text", "options"),
        [
            ('[default]\nrung = "off"\n', []),
            (
                '[default]\nserver_alive_interval = "90s"\noutage_tolerance = "1h"\n',
                ["-o", "ServerAliveInterval=90", "-o", "ServerAliveCountMax=40"],
            ),
        ],
    )
    def test_the_values_are_the_configuration_s(
        self, text: str, options: list[str], config: Path, shim: Path, env: dict[str, str]
    ) -> None:
        config.write_text(text)
        make(shim, env)
        assert run([shim, "host"], env) == ["real", *options, "host"]

    def test_sections_for_hosts_are_for_python(
        self, config: Path, shim: Path, env: dict[str, str]
    ) -> None:
        config.write_text('[host."*.example.com"]\nrung = "off"\n')
        make(shim, env)
        assert run([shim, "host"], env) == ["python"]

    def test_files_that_say_something_are_for_python(
        self, tmp_path: Path, shim: Path, env: dict[str, str]
    ) -> None:
        (tmp_path / "ssh_config").write_text("Host x\n  ServerAliveInterval 5\n")
        make(shim, env)
        assert run([shim, "host"], env) == ["python"]
        assert run([shim, "-F", "none", "host"], env) == ["real", *OURS, "-F", "none", "host"]

    def test_every_change_is_noticed(
        self, config: Path, shim: Path, env: dict[str, str], tmp_path: Path
    ) -> None:
        def is_fast() -> bool:
            return run([shim, "host"], env)[0] == "real"

        assert is_fast()
        config.write_text("[default]\n")
        assert not is_fast()
        make(shim, env)
        assert is_fast()
        known = config.stat()
        config.write_text("#default]\n")  # in place, of the same length and date
        os.utime(config, ns=(known.st_atime_ns, known.st_mtime_ns))
        assert not is_fast()
        make(shim, env)
        older = tmp_path / "older"
        older.write_text("[default]\n")
        os.utime(older, (1, 1))
        older.rename(config)
        assert not is_fast()
        make(shim, env)
        config.unlink()
        assert not is_fast()
        make(shim, env)
        assert is_fast()

    def test_an_include_that_appears_is_noticed(
        self, tmp_path: Path, shim: Path, env: dict[str, str]
    ) -> None:
        (tmp_path / "conf.d").mkdir()
        (tmp_path / "ssh_config").write_text(f"Include {tmp_path}/conf.d/*.conf {tmp_path}/more\n")
        make(shim, env)
        assert run([shim, "host"], env)[0] == "real"
        for name in ("conf.d/new.conf", "more"):
            (tmp_path / name).write_text("")
            assert run([shim, "host"], env) == ["python"]
            make(shim, env)
            assert run([shim, "host"], env)[0] == "real"

    def test_another_real_ssh_is_noticed(
        self, tmp_path: Path, real: Path, shim: Path, env: dict[str, str]
    ) -> None:
        new = script(tmp_path / "new", REAL)
        new.rename(real)
        assert run([shim, "host"], env) == ["python"]
        make(shim, env)
        env["PATH"] = f"{script(tmp_path / 'other' / 'ssh', REAL).parent}:{env['PATH']}"
        assert run([shim, "host"], env) == ["python"]

    @pytest.mark.parametrize(
        "change",
        [
            {"KEEPSHELL": "0"},
            {"KEEPSHELL_SSH": "/usr/bin/ssh"},
            {"HOME": "/elsewhere"},
            {"XDG_CONFIG_HOME": ""},
            {DEPTH: "15"},
            {DEPTH: "many"},
            {"PATH": ""},
            {"PATH": ":/usr/bin"},
            {"PATH": "/nowhere"},
        ],
        ids=str,
    )
    def test_another_environment_is_for_python(
        self, change: dict[str, str], shim: Path, env: dict[str, str]
    ) -> None:
        assert run([shim, "host"], env | change) == ["python"]

    def test_a_named_ssh_needs_no_path(
        self, tmp_path: Path, real: Path, shim: Path, env: dict[str, str]
    ) -> None:
        env["KEEPSHELL_SSH"] = str(real)
        make(shim, env)
        assert run([shim, "host"], env | {"PATH": ""}) == ["real", *OURS, "host"]

    def test_other_shims_on_path_are_passed(
        self, tmp_path: Path, shim: Path, env: dict[str, str]
    ) -> None:
        wrapper = script(tmp_path / "wrapper" / "ssh", '#!/bin/sh\nexec keepshell ssh "$@"\n')
        env["PATH"] = f"{shim.parent}:{wrapper.parent}:{env['PATH']}"
        assert run([shim, "host"], env) == ["python"]
        make(shim, env)
        assert run([shim, "host"], env)[0] == "real"
        wrapper.write_text(REAL)
        assert run([shim, "host"], env) == ["python"]

    def test_it_is_another_user_s(self, shim: Path, env: dict[str, str]) -> None:
        if os.geteuid() == 0:
            os.chown(shim, NOBODY, -1)
            assert run([shim, "host"], env) == ["python"]
        else:
            assert b"[ -O " in shim.read_bytes()

    def test_without_keepshell_it_is_ssh(
        self, tmp_path: Path, shim: Path, env: dict[str, str]
    ) -> None:
        (tmp_path / "python").unlink()
        assert run([shim, "host"], env) == ["real", "host"]

    def test_a_stat_without_parts_of_seconds_is_not_trusted(
        self, tmp_path: Path, shim: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path_of("busybox")
        stat = script(tmp_path / "coarse" / "stat", '#!/bin/sh\nexec busybox stat "$@"\n')
        monkeypatch.setattr(os, "confstr", lambda name: str(stat.parent))
        make(shim, env)
        assert run([shim, "host"], env) == ["python"]


@pytest.fixture
def keepshell(keepshell_exe: Path, env: dict[str, str]) -> Run:
    """Runs `keepshell WORDS` to its end, with what it says."""

    def call(*words: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
        options = {"env": env, "stdin": subprocess.DEVNULL, "timeout": DEADLINE, **options}
        if "stdout" not in options:
            options["capture_output"] = True
        argv = [keepshell_exe, *words]
        return subprocess.run(argv, check=False, **options)  # type: ignore[call-overload, no-any-return]

    return call


def output(done: subprocess.CompletedProcess[bytes]) -> str:
    """What a command printed that has succeeded and had nothing to complain of."""
    assert (done.returncode, done.stderr) == (0, b""), done
    return done.stdout.decode()


def refusal(done: subprocess.CompletedProcess[bytes], status: int = 2) -> str:
    """The one line in which keepshell refused."""
    assert (done.returncode, done.stdout) == (status, b""), done
    text = done.stderr.decode()
    assert text.startswith("keepshell: ")
    assert text.count("\n") == 1
    return text.removeprefix("keepshell: ").rstrip("\n")


class TestExec:
    def test_the_directory_holds_ssh_and_nothing_else(self, keepshell: Run) -> None:
        first, second, *rest = output(keepshell("exec", "--", "sh", "-c", 'echo "$PATH"')).split(
            ":"
        )
        assert os.listdir(first) == ["ssh"]
        assert sorted(os.listdir(second)) == ["scp", "sftp"]
        assert Path(first).stat().st_mode & 0o777 == 0o700
        assert rest[-2:] == ["/usr/bin", "/bin\n"]

    def test_nothing_is_left_by_a_call(self, keepshell: Run, tmp_path: Path) -> None:
        def tree() -> list[tuple[str, int]]:
            return sorted((str(p), p.stat().st_mtime_ns) for p in (tmp_path / "user").rglob("*"))

        output(keepshell("exec", "true"))
        once = tree()
        output(keepshell("exec", "--", "true"))
        assert tree() == once

    def test_a_script_s_ssh_gets_the_options(self, keepshell: Run, tmp_path: Path) -> None:
        caller = script(tmp_path / "deploy.sh", '#!/bin/sh\nssh -F none host "$@"; exit $?\n')
        done = keepshell("exec", "--", caller, "a b")
        assert done.returncode == 7
        assert done.stdout.decode().split("\n") == [
            *("real", *OURS, "-F", "none", "host", "a b", "")
        ]

    def test_the_shim_is_renewed_by_the_call_that_finds_it_old(
        self, keepshell: Run, tmp_path: Path
    ) -> None:
        config = tmp_path / "user" / "config" / "keepshell" / "config.toml"
        config.parent.mkdir()
        change = f'printf "[default]\\nrung = \\"off\\"\\n" > {config}'
        line = f"ssh -F none a; {change}; command -v ssh; cat $(command -v ssh) > {tmp_path}/old"
        line += f"; ssh -F none b; cat $(command -v ssh) > {tmp_path}/new; ssh -F none c; true"
        words = output(keepshell("exec", "sh", "-c", line)).split()
        shim = words[8]
        assert words == [
            *("real", *OURS, "-F", "none", "a", shim),
            *("real", "-F", "none", "b", "real", "-F", "none", "c"),
        ]
        assert (tmp_path / "old").read_bytes() != (tmp_path / "new").read_bytes()

    @pytest.mark.parametrize("before", [True, False], ids=["before", "meanwhile"])
    def test_a_bad_configuration_is_told_once(
        self, before: bool, keepshell: Run, tmp_path: Path
    ) -> None:
        config = tmp_path / "user" / "config" / "keepshell" / "config.toml"
        config.parent.mkdir()
        if before:
            config.write_text("[default]\nrang = 1\n")
        line = f"printf '[default]\\nrang = 1\\n' > {config}; ssh -F none host"
        done = keepshell("exec", "sh", "-c", line)
        assert done.stdout.decode().splitlines() == ["real", *OURS, "-F", "none", "host"]
        assert done.returncode == 7
        assert done.stderr.startswith(f"keepshell: {config}:2: [default] rang".encode())
        assert done.stderr.count(b"\n") == 1

    def test_a_configuration_that_is_good_again(self, keepshell: Run, tmp_path: Path) -> None:
        config = tmp_path / "user" / "config" / "keepshell" / "config.toml"
        config.parent.mkdir()
        config.write_text("[default]\nrang = 1\n")
        keepshell("exec", "true")
        config.write_text('[default]\nserver_alive_interval = "5s"\n')
        done = keepshell("exec", "ssh", "-F", "none", "host")
        assert done.stdout.decode().splitlines()[:3] == ["real", "-o", "ServerAliveInterval=5"]
        assert done.stderr == b""

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ([], "exec needs a command: keepshell exec -- COMMAND [ARG...]"),
            (["--"], "exec needs a command: keepshell exec -- COMMAND [ARG...]"),
            (
                ["./plain"],
                "./plain: not executable; chmod +x it, or: keepshell exec -- sh ./plain",
            ),
            (["plain"], "plain: not executable; chmod +x it, or: keepshell exec -- sh ./plain"),
            (["job"], "job: no such program on PATH; the one in this directory is ./job"),
            (["./folder"], "./folder: is a directory"),
            (["./nothing"], "./nothing: no such file"),
            (["no-such-program"], "no-such-program: no such program on PATH"),
            ([""], "'': no such program on PATH"),
            (["./lost"], "./lost: the interpreter in its first line is not there"),
        ],
        ids=str,
    )
    def test_what_can_t_be_run(
        self, words: list[str], said: str, keepshell: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "plain").write_text("#!/bin/sh\n")
        (tmp_path / "folder").mkdir()
        script(tmp_path / "job", "#!/bin/sh\n")
        script(tmp_path / "lost", "#!/no/such/interpreter\n")
        status = 2 if said.startswith("exec needs") else 127 if ": no such " in said else 126
        assert refusal(keepshell("exec", *words, cwd=tmp_path), status) == said

    def test_a_script_without_a_first_line_is_for_sh(self, keepshell: Run, tmp_path: Path) -> None:
        script(tmp_path / "script", 'echo "$0" "$@"\n')
        assert output(keepshell("exec", "./script", "a b", cwd=tmp_path)) == "./script a b\n"

    def test_the_command_keeps_the_name_it_was_called_by(self, keepshell: Run) -> None:
        done = keepshell("exec", "ls", "/no/such/file")
        assert done.returncode == 2
        assert done.stderr.startswith(b"ls: ")

    def test_an_empty_path(self, keepshell: Run, env: dict[str, str], tmp_path: Path) -> None:
        env["PATH"] = ""
        line = 'echo "$PATH"; ssh host; echo $?'
        done = keepshell("exec", "/bin/sh", "-c", line, cwd=tmp_path)
        path, status = done.stdout.decode().split()
        assert path.endswith("/copiers:")
        assert status == "2"
        assert done.stderr.startswith(b"keepshell: no ssh found on PATH besides keepshell itself")

    def test_no_path(self, keepshell: Run, env: dict[str, str]) -> None:
        del env["PATH"]
        path = output(keepshell("exec", "sh", "-c", 'echo "$PATH"')).rstrip("\n")
        assert path.split(":")[2:] == os.confstr("CS_PATH").split(":")  # type: ignore[union-attr]

    def test_turned_off(self, keepshell: Run, env: dict[str, str], real: Path) -> None:
        env["KEEPSHELL"] = "0"
        assert output(keepshell("exec", "sh", "-c", "command -v ssh")) == f"{real}\n"

    def test_options_that_reach_no_further_are_refused(self, keepshell: Run, real: Path) -> None:
        said = refusal(keepshell("--rung", "off", "exec", "true"))
        assert said == "--rung doesn't reach the ssh calls under exec; set rung in config.toml"
        line = "echo $KEEPSHELL_SSH"
        assert output(keepshell("--ssh", "/bin/true", "exec", "sh", "-c", line)) == "/bin/true\n"

    def test_dry_run(self, keepshell: Run) -> None:
        command, path = output(keepshell("--dry-run", "exec", "--", "echo", "a b")).splitlines()
        assert command == "/usr/bin/echo 'a b'"
        assert re.fullmatch(r"  # PATH=/.*/shim:/.*/copiers:.*", path)


class TestTransparency:
    """The command can't tell, and neither can whoever started it."""

    @pytest.mark.parametrize("status", [0, 1, 2, 70, 127, 255])
    def test_the_status(self, status: int, keepshell: Run) -> None:
        assert keepshell("exec", "sh", "-c", f"exit {status}").returncode == status

    @pytest.mark.parametrize("name", ["TERM", "INT", "KILL", "PIPE", "HUP"])
    def test_a_signal(self, name: str, keepshell: Run) -> None:
        done = keepshell("exec", "sh", "-c", f"kill -{name} $$")
        assert done.returncode == -signal.Signals[f"SIG{name}"]

    def test_it_is_the_same_process(self, keepshell_exe: Path, env: dict[str, str]) -> None:
        argv = [str(keepshell_exe), "exec", "sh", "-c", "echo $$"]
        started = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE)
        assert int(started.communicate(timeout=DEADLINE)[0]) == started.pid

    def test_stdin_and_stdout_byte_for_byte(self, keepshell: Run) -> None:
        data = bytes(range(256)) * 1000
        done = keepshell("exec", "cat", input=data, stdin=None)
        assert done.stdout == data

    def test_descriptors_and_dispositions(self, keepshell_exe: Path, env: dict[str, str]) -> None:
        line = "ls /proc/self/fd; grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; umask; ulimit -a"
        # By a path, as keepshell is: since 3.13, subprocess starts a path with glibc's posix_spawn,
        # which leaves its two internal signals ignored, and a bare name with fork.
        bare = run([path_of("sh"), "-c", line], env)
        assert run([keepshell_exe, "exec", "--", "sh", "-c", line], env) == bare

    def test_sigpipe_ends_a_writer(self, keepshell_exe: Path, env: dict[str, str]) -> None:
        line = f"({keepshell_exe} exec -- yes; echo $? >&2) | head -n 1"
        done = subprocess.run(
            ["sh", "-c", line], env=env, capture_output=True, timeout=DEADLINE, check=True
        )
        assert (done.stdout, done.stderr) == (b"y\n", b"141\n")

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
    def test_closed_descriptors(
        self, closed: str, keepshell_exe: Path, env: dict[str, str], real: Path, tmp_path: Path
    ) -> None:
        real.write_text(
            f'#!/bin/sh\necho "$@" > {tmp_path}/called\nls /proc/$$/fd > {tmp_path}/fd\n'
        )
        for line in ("ssh -F none host", "ssh -o ServerAliveInterval=1 -F none host"):
            argv = ["sh", "-c", f"{keepshell_exe} exec -- {line} {closed}"]
            done = subprocess.run(argv, env=env, timeout=DEADLINE, check=False)
            assert done.returncode == 0
            assert (tmp_path / "called").read_text().endswith("-F none host\n")
            still = set((tmp_path / "fd").read_text().split())
            number = {"<&-": "0", ">&-": "1", "2>&-": "2"}
            # The shell that looks may have its script open as one of them.
            assert len(still & {number[word] for word in closed.split()}) <= 1

    def test_job_control(
        self, keepshell_exe: Path, env: dict[str, str], start_terminal: Callable[..., Terminal]
    ) -> None:
        argv = [str(keepshell_exe), "exec", "--", "sh", "-c", "echo ready; read x; exit $x"]
        terminal = start_terminal(argv, env=env, job=True)
        terminal.expect("ready")
        terminal.send("\x1a")
        terminal.wait_stopped()
        terminal.foreground()
        terminal.send_line("9")
        assert terminal.wait() == 9

    def test_interrupt(
        self, keepshell_exe: Path, env: dict[str, str], start_terminal: Callable[..., Terminal]
    ) -> None:
        terminal = start_terminal([str(keepshell_exe), "exec", "sleep", "1000"], env=env, job=True)
        process = psutil.Process(terminal.pid)
        eventually(lambda: process.name() == "sleep", terminal.describe)
        terminal.send("\x03")
        assert terminal.wait() == -signal.SIGINT

    def test_nohup(self, keepshell_exe: Path, env: dict[str, str]) -> None:
        line = "kill -HUP $$; ssh -F none host"
        done = run(["nohup", keepshell_exe, "exec", "--", "sh", "-c", line], env)
        assert done == ["real", *OURS, "-F", "none", "host"]


class TestRecursion:
    def test_exec_inside_exec(self, keepshell: Run, keepshell_exe: Path) -> None:
        line = f'echo "$PATH"; {keepshell_exe} exec sh -c \'echo "$PATH"; ssh -F none host\''
        outer, inner, *called = output(keepshell("exec", "sh", "-c", f"{line}; true")).split("\n")
        assert inner == outer
        assert called == ["real", *OURS, "-F", "none", "host", ""]

    @pytest.mark.parametrize("arguments", ["-F none host", "-oServerAliveInterval=9 -F none host"])
    def test_everything_at_once(
        self,
        arguments: str,
        keepshell: Run,
        keepshell_exe: Path,
        tmp_path: Path,
        env: dict[str, str],
    ) -> None:
        """An installed shim, exec, a wrapper, and the shell's function around them."""
        output(keepshell("shim", "install", "--dir", tmp_path / "installed"))
        wrapper = script(
            tmp_path / "wrapper" / "ssh", f'#!/bin/sh\nexec {keepshell_exe} ssh "$@"\n'
        )
        env["PATH"] = f"{wrapper.parent}:{tmp_path}/installed:{env['PATH']}"
        line = f'ssh() {{ {keepshell_exe} ssh "$@"; }}; ssh {arguments}; command ssh {arguments}'
        line += f"; GIT_SSH=ssh {tmp_path}/installed/ssh {arguments}; true"
        called = output(keepshell("exec", "sh", "-c", line)).split()
        options = [] if "Alive" in arguments else OURS
        assert called == ["real", *options, *arguments.split()] * 3

    def test_a_circle_is_left(self, keepshell: Run, tmp_path: Path, env: dict[str, str]) -> None:
        """A real ssh that leads back to the shim, in a way that no look into it shows."""
        circle = script(tmp_path / "circle" / "ssh", '#!/bin/sh\nexec ssh "$@"\n')
        env["KEEPSHELL_SSH"] = str(circle)
        done = keepshell("exec", "ssh", "-F", "none", "host")
        assert done.returncode == 7
        assert done.stdout.decode().split() == ["real", *OURS, "-F", "none", "host"]

    def test_the_shims_are_known_as_such(self, keepshell: Run) -> None:
        line = "for name in ssh scp sftp; do command -v $name; done"
        for path in output(keepshell("exec", "sh", "-c", line)).split():
            assert client.is_shim(path)
            assert shimtext.is_ours(path)


class TestCopiers:
    @pytest.fixture(autouse=True, params=["scp", "sftp"])
    def name(self, request: pytest.FixtureRequest, real: Path) -> str:
        script(real.parent / request.param, REAL)
        name: str = request.param
        return name

    def test_they_are_told_the_shim(self, name: str, keepshell: Run) -> None:
        line = f"command -v ssh; {name} -r a host:; exit $?"
        done = keepshell("exec", "sh", "-c", line)
        assert done.returncode == 7
        shim, *called = done.stdout.decode().split()
        assert called == ["real", "-S", shim, "-r", "a", "host:"]

    def test_one_that_was_not_there_before_is_found(
        self, name: str, keepshell: Run, tmp_path: Path
    ) -> None:
        other = script(tmp_path / "other" / name, REAL.replace("real", "other"))
        line = f"command -v ssh; PATH=${{PATH%%:*}}:$(dirname $(command -v {name})):"
        line += f"{other.parent}:$PATH"
        done = keepshell("exec", "sh", "-c", f"{line}; {name} a host:; true")
        shim, *called = output(done).split()
        assert called == ["other", "-S", shim, "a", "host:"]

    def test_nested_shims(
        self, name: str, keepshell: Run, tmp_path: Path, env: dict[str, str]
    ) -> None:
        output(keepshell("shim", "install", "--dir", tmp_path / "installed"))
        env["PATH"] = f"{tmp_path}/installed:{env['PATH']}"
        line = f"command -v ssh; {name} a host:; {tmp_path}/installed/{name} b; true"
        shim, *called = output(keepshell("exec", "sh", "-c", line)).split()
        installed = f"{tmp_path}/installed/ssh"
        assert called == ["real", "-S", shim, "a", "host:", "real", "-S", installed, "b"]

    def test_one_that_is_gone(self, name: str, keepshell: Run, real: Path) -> None:
        line = f"rm {real.parent}/{name}; PATH=${{PATH%%:/*/system:*}}:/bin; {name} a host:"
        done = keepshell("exec", "sh", "-c", line.replace("/bin;", "/nowhere;"), stdin=None)
        assert done.returncode in (2, 127)


class TestPrivateDirectory:
    """Where the shims of exec are kept."""

    def folders(self, keepshell: Run) -> Path:
        line = "command -v ssh"
        return Path(output(keepshell("exec", "sh", "-c", line)).rstrip("\n")).parent

    def test_the_state_is_the_first_choice(self, keepshell: Run, tmp_path: Path) -> None:
        assert self.folders(keepshell) == tmp_path / "user/state/keepshell/exec/shim"

    def test_then_the_runtime_then_tmp(
        self, keepshell: Run, env: dict[str, str], tmp_path: Path
    ) -> None:
        (tmp_path / "user" / "state" / "keepshell").write_text("in the way")
        assert self.folders(keepshell) == tmp_path / "user/runtime/keepshell-exec/shim"
        env |= {"XDG_STATE_HOME": "relative", "HOME": "", "XDG_RUNTIME_DIR": ""}
        env["TMPDIR"] = str(tmp_path)
        expected = tmp_path / f"keepshell-exec-{os.geteuid()}" / "shim"
        assert self.folders(keepshell) == expected

    def test_a_directory_that_can_t_stand_on_path(
        self, keepshell: Run, env: dict[str, str], tmp_path: Path
    ) -> None:
        env["XDG_STATE_HOME"] = str(tmp_path / "a:b")
        assert self.folders(keepshell) == tmp_path / "user/runtime/keepshell-exec/shim"

    def test_without_any_the_command_still_runs(
        self, keepshell: Run, env: dict[str, str], tmp_path: Path, real: Path
    ) -> None:
        for variable in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "TMPDIR"):
            env[variable] = "/dev/null"
        done = keepshell("exec", "ssh", "host")
        assert (done.returncode, done.stdout) == (7, b"real\nhost\n")
        said = done.stderr.decode()
        assert said.startswith("keepshell: no place for the shim (/dev/null")
        assert said.endswith("; no call of ssh is kept alive\n")

    def test_what_others_may_write_to_is_closed_to_them(
        self, keepshell: Run, tmp_path: Path
    ) -> None:
        folder = tmp_path / "user" / "state" / "keepshell" / "exec"
        folder.mkdir(parents=True)
        folder.chmod(0o777)
        self.folders(keepshell)
        assert folder.stat().st_mode & 0o022 == 0

    def test_a_link_is_not_followed(self, keepshell: Run, tmp_path: Path) -> None:
        (tmp_path / "theirs").mkdir()
        folder = tmp_path / "user" / "state" / "keepshell"
        folder.mkdir()
        (folder / "exec").symlink_to(tmp_path / "theirs")
        assert self.folders(keepshell) == tmp_path / "user/runtime/keepshell-exec/shim"
        assert os.listdir(tmp_path / "theirs") == []

    def test_another_user_s_place_is_left_alone(
        self, env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ours = os.geteuid()
        env["TMPDIR"] = str(tmp_path)
        monkeypatch.setattr(os, "geteuid", lambda: ours + 1)
        with pytest.raises(OSError, match="another user's directory"):
            shimfiles.prepare(env)
        assert os.listdir(tmp_path / "user" / "state") == []

    def test_a_file_system_where_no_program_runs(
        self, env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        access = os.access
        state = str(tmp_path / "user" / "state")

        def no_programs(path: str, mode: int) -> bool:
            return not path.startswith(state) and access(path, mode)

        monkeypatch.setattr(os, "access", no_programs)
        assert shimfiles.prepare(env).shims == str(tmp_path / "user/runtime/keepshell-exec/shim")

    def test_a_full_disk(
        self, env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_room(fd: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        env["TMPDIR"] = str(tmp_path)
        monkeypatch.setattr(os, "fsync", no_room)
        with pytest.raises(OSError, match="No space left on device"):
            shimfiles.prepare(env)
        assert [path for path in tmp_path.rglob("*ssh*") if path.is_file()] == [
            tmp_path / "system" / "ssh"
        ]

    def test_many_at_once(self, keepshell_exe: Path, env: dict[str, str], tmp_path: Path) -> None:
        argv = [
            str(keepshell_exe),
            "exec",
            "sh",
            "-c",
            "ssh -F none host; ls $(dirname $(command -v ssh))",
        ]
        many = [
            subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(12)
        ]
        for started in many:
            said = started.communicate(timeout=2 * DEADLINE)
            assert said[1] == b""
            assert said[0].decode().split()[:6] == ["real", *OURS, "-F"]
        left = [path.name for path in (tmp_path / "user" / "state").rglob("*")]
        assert sorted(left) == ["copiers", "exec", "keepshell", "scp", "sftp", "shim", "ssh"]


class TestInstall:
    @staticmethod
    def tree(folder: Path) -> dict[str, bytes | None]:
        paths = sorted(folder.rglob("*"))
        return {str(path): path.read_bytes() if path.is_file() else None for path in paths}

    def test_install_and_remove(self, keepshell: Run, env: dict[str, str], tmp_path: Path) -> None:
        before = self.tree(tmp_path)
        folder = tmp_path / "user" / "data" / "keepshell" / "bin"
        said = output(keepshell("shim", "install"))
        line = said.splitlines()[-1].strip()
        assert line == f'export PATH={folder}:"$PATH"'
        assert sorted(os.listdir(folder)) == ["scp", "sftp", "ssh"]
        done = subprocess.run(
            ["sh", "-c", f"{line}; ssh -F none host"], env=env, capture_output=True, check=False
        )
        assert done.stdout.decode().split() == ["real", *OURS, "-F", "none", "host"]
        removed = output(keepshell("shim", "remove"))
        assert removed.splitlines() == [f"removed: {folder}/{n}" for n in ("ssh", "scp", "sftp")]
        assert self.tree(tmp_path) == before

    def test_it_can_be_done_again(self, keepshell: Run, tmp_path: Path) -> None:
        first = output(keepshell("shim", "install"))
        tree = self.tree(tmp_path)
        assert output(keepshell("shim", "install")) == first
        assert self.tree(tmp_path) == tree
        output(keepshell("shim", "remove"))
        assert output(keepshell("shim", "remove")) == "nothing is installed\n"

    def test_its_values_hold_though_keepshell_is_off_now(
        self, keepshell: Run, env: dict[str, str], tmp_path: Path
    ) -> None:
        output(
            keepshell("shim", "install", "--dir", tmp_path / "bin", env={**env, "KEEPSHELL": "0"})
        )
        env["PATH"] = f"{tmp_path}/bin:{env['PATH']}"
        called = ["real", *OURS, "-F", "none", "host"]
        assert run([tmp_path / "bin" / "ssh", "-F", "none", "host"], env) == called

    def test_status(self, keepshell: Run, env: dict[str, str], tmp_path: Path, real: Path) -> None:
        def status() -> tuple[int, list[str]]:
            done = keepshell("shim", "status")
            assert done.stderr == b""
            return done.returncode, done.stdout.decode().splitlines()

        folder = tmp_path / "data dir"
        assert status() == (1, ["nothing is installed"])
        output(keepshell("shim", "install", "--dir", folder))
        advice = "add this line to your shell's start-up file"
        line = f"    export PATH='{folder}':\"$PATH\""
        installed = f"{folder}/ssh: installed"
        assert status() == (1, [installed, f"not in use: not on PATH; {advice}", line])
        path = env["PATH"]
        env["PATH"] = f"{path}:{folder}"
        behind = f"not in use: {real} comes first on PATH; {advice}"
        assert status() == (1, [installed, behind, line])
        env["PATH"] = f"{folder}:{path}"
        assert status() == (0, [installed, "in use: `ssh` is found there"])
        (folder / "ssh").write_text("#!/bin/sh\n")
        assert status() == (1, [f"{folder}/ssh: is not keepshell's any more"])
        (folder / "ssh").unlink()
        assert status() == (1, [f"{folder}/ssh: is missing"])

    def test_the_line_for_fish(self, keepshell: Run, env: dict[str, str], tmp_path: Path) -> None:
        env["SHELL"] = "/usr/bin/fish"
        said = output(keepshell("shim", "install", f"--dir={tmp_path}/a b"))
        assert said.splitlines()[-1] == f"    set --global --export PATH '{tmp_path}/a b' $PATH"
        line = f"{said.splitlines()[-1]}; command -v ssh"
        assert run([path_of("fish"), "--no-config", "-c", line], env) == [f"{tmp_path}/a b/ssh"]

    @pytest.mark.parametrize("name", ["ssh", "scp", "sftp"])
    @pytest.mark.parametrize("kind", ["a program", "a link to ours", "a directory", "a dead link"])
    def test_what_is_not_ours_is_not_overwritten(
        self, name: str, kind: str, keepshell: Run, tmp_path: Path
    ) -> None:
        output(keepshell("shim", "install", "--dir", tmp_path / "ours"))
        output(keepshell("exec", "true"))
        path = tmp_path / "bin" / name
        path.parent.mkdir()
        if kind == "a program":
            script(path, REAL)
        elif kind == "a directory":
            path.mkdir()
        else:
            path.symlink_to(tmp_path / "ours" / name if "ours" in kind else "nowhere")
        before = self.tree(tmp_path)
        said = refusal(keepshell("shim", "install", "--dir", path.parent))
        assert said.startswith(f"{path}: is not keepshell's; move it away, or ")
        assert self.tree(tmp_path) == before

    def test_remove_leaves_what_is_not_ours(self, keepshell: Run, tmp_path: Path) -> None:
        folder = tmp_path / "bin"
        output(keepshell("shim", "install", "--dir", folder))
        script(folder / "ssh", REAL)
        (folder / "more").write_text("")
        assert output(keepshell("shim", "remove")).splitlines() == [
            f"removed: {folder}/scp",
            f"removed: {folder}/sftp",
            f"left, not keepshell's: {folder}/ssh",
        ]
        assert sorted(os.listdir(folder)) == ["more", "ssh"]

    def test_a_directory_that_was_there_stays(self, keepshell: Run, tmp_path: Path) -> None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "other").write_text("")
        before = self.tree(tmp_path)
        output(keepshell("shim", "install", "--dir", "bin", cwd=tmp_path))
        output(keepshell("shim", "install", "--dir", tmp_path / "more" / "deep"))
        output(keepshell("shim", "remove"))
        assert self.tree(tmp_path) == before

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["shim"], "shim needs one of install, remove, status: keepshell shim install"),
            (["shim", "up"], "shim up: unknown; known: install, remove, status"),
            (
                ["shim", "status", "x"],
                "shim status takes no arguments, found x",
            ),
            (
                ["shim", "install", "x"],
                "shim install takes no arguments, found x",
            ),
            (["shim", "install", "--dir"], "--dir: expected DIR, found nothing"),
            (["shim", "install", "--dir="], "shim install --dir: expected one directory"),
            (
                ["shim", "install", "--dir", "a", "b"],
                "shim install takes no arguments, found b",
            ),
            (
                ["shim", "install", "--dir", "a:b"],
                "a:b: a directory with a colon can't be on PATH",
            ),
            (
                ["shim", "install", "--dir", "/dev/null/x"],
                f"/dev/null/x: Not a directory; nothing was installed; {ELSEWHERE}",
            ),
            (
                ["shim", "install", "--dir", "/proc/x"],
                f"/proc/x: No such file or directory; nothing was installed; {ELSEWHERE}",
            ),
            (["--rung", "off", "shim", "install"], "shim takes no --rung"),
            (["--dry-run", "shim", "install"], "shim takes no --dry-run"),
            (
                ["shim", "call"],
                "shim call is what a shim runs; you want: keepshell ssh HOST",
            ),
        ],
        ids=str,
    )
    def test_what_it_refuses(
        self, words: list[str], said: str, keepshell: Run, tmp_path: Path
    ) -> None:
        before = self.tree(tmp_path)
        assert refusal(keepshell(*words, cwd=tmp_path)) == said
        assert self.tree(tmp_path) == before

    def test_a_directory_that_can_t_be_written(self, env: dict[str, str]) -> None:
        with tempfile.TemporaryDirectory() as name:  # others may look into it, unlike tmp_path
            place = Path(name)
            place.chmod(0o755)
            folder, state = place / "bin", place / "state"
            folder.mkdir()
            state.mkdir()
            env |= {"XDG_STATE_HOME": str(state), "XDG_CONFIG_HOME": str(place)}
            with without_privilege(state, folder):
                folder.chmod(0o555)
                with pytest.raises(UsageError) as caught:
                    install.command("install", str(folder), env)
            assert str(caught.value).startswith(f"{folder}/")
            assert str(caught.value).endswith(
                f": Permission denied; nothing was installed; {ELSEWHERE}"
            )
            assert os.listdir(folder) == os.listdir(state) == []

    def test_a_note_that_can_t_be_written(
        self, keepshell: Run, env: dict[str, str], tmp_path: Path
    ) -> None:
        """Another directory for the shims would not help."""
        env["XDG_STATE_HOME"] = "/proc/x"
        said = refusal(keepshell("shim", "install", "--dir", str(tmp_path / "bin")))
        assert said == "/proc/x: No such file or directory; nothing was installed"

    def test_without_a_home(self, keepshell: Run, env: dict[str, str]) -> None:
        for variable in ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
            del env[variable]
        said = refusal(keepshell("shim", "install"))
        assert said == "HOME is not set: name a directory with shim install --dir DIR"
        done = keepshell("shim", "status")
        assert done.returncode == 70

    @pytest.mark.parametrize("text", ["", "[]", '{"/x": 1}', '{"/x": [1]}', "\x00", "{"])
    def test_a_damaged_note(self, text: str, keepshell: Run, tmp_path: Path) -> None:
        note = tmp_path / "user" / "state" / "keepshell" / "shims.json"
        note.parent.mkdir()
        note.write_text(text)
        said = refusal(keepshell("shim", "remove"))
        assert said.startswith(f"{note}: ")
        assert said.endswith("; delete it and the shims that you have installed")


@contextmanager
def without_privilege(*folders: Path) -> Iterator[None]:
    """Root may write anywhere; for a while, be somebody who owns these directories and no more."""
    uid = os.geteuid()
    if uid == 0:
        for folder in folders:
            os.chown(folder, NOBODY, -1)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(uid)
