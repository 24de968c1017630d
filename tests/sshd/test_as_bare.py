"""What keepshell runs into by itself is never worse for the caller than bare ssh would have been.

docs/callers.md names the tests of this file.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.access import ALIAS
from tests.support.programs import path_of
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE

CALLERS = ("bare", "keepshell ssh", "shim", "exec")
"""Each way in which ssh is called."""


@pytest.fixture(params=CALLERS)
def ssh(request: pytest.FixtureRequest, keepshell_exe: Path, tmp_path: Path) -> list[str]:
    """The words that call ssh; made while nothing is wrong."""
    folder = tmp_path / "shim"
    if request.param == "shim":
        subprocess.run(
            [keepshell_exe, "shim", "install", "--dir", folder],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return {
        "bare": [path_of("ssh")],
        "keepshell ssh": [str(keepshell_exe), "ssh"],
        "shim": [str(folder / "ssh")],
        "exec": [str(keepshell_exe), "exec", "--", "ssh"],
    }[request.param]


def run(argv: Sequence[str], **variables: str) -> tuple[int, bytes, bytes]:
    """The status and both outputs."""
    done = subprocess.run(
        argv,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


HELLO = ("echo hello; echo trouble >&2; exit 7",)
SAID = (7, b"hello\n", b"trouble\n")


class TestMatchExec:
    """ssh runs the program of a `Match ... exec`, and nobody else does."""

    @pytest.fixture
    def log(self, tmp_path: Path) -> Path:
        return tmp_path / "log"

    @pytest.fixture
    def config(self, sshd: Sshd, log: Path, tmp_path: Path) -> Path:
        """An ssh_config with such a Match, and keywords that keepshell would have to ask for."""
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\necho start >> {log}\nsleep 0.3\necho done >> {log}\n")
        program.chmod(0o755)
        config = sshd.access.ssh_config("ServerAliveInterval 7", "LogLevel INFO")
        config.write_text(
            f"Match host {ALIAS} exec {shlex.quote(str(program))}\n"
            f"  ServerAliveCountMax 3\n{config.read_text()}"
        )
        return config

    def test_one_run(self, ssh: list[str], config: Path, log: Path) -> None:
        assert run([*ssh, "-F", str(config), ALIAS, *HELLO]) == SAID
        assert log.read_text() == "start\ndone\n"

    def test_one_run_on_a_terminal(
        self, ssh: list[str], config: Path, log: Path, start_terminal: Callable[..., Terminal]
    ) -> None:
        terminal = start_terminal([*ssh, "-F", str(config), ALIAS])
        terminal.expect(PROMPT)
        terminal.send_line("exit 7")
        assert terminal.wait() == 7
        assert log.read_text() == "start\ndone\n"


class TestBrokenConfiguration:
    """A config.toml that can't be read is one line on stderr, and ssh runs."""

    @pytest.fixture
    def complaint(self, config_toml: Path, ssh: list[str]) -> bytes:
        """What is said of it, by all but bare ssh."""
        config_toml.write_text('[host."other"]\nrung = "noop"\n')
        said = f'keepshell: {config_toml}:2: [host."other"] rung: expected one of '
        return b"" if ssh == [path_of("ssh")] else said.encode()

    def test_a_command(self, ssh: list[str], sshd: Sshd, complaint: bytes) -> None:
        status, output, messages = run([*ssh, *sshd.access.ssh_args(), *HELLO])
        assert (status, output) == SAID[:2]
        *said, trouble = messages.splitlines(keepends=True)
        assert trouble == SAID[2]
        assert len(said) == bool(complaint)
        assert b"".join(said).startswith(complaint)

    def test_a_session(
        self,
        ssh: list[str],
        sshd: Sshd,
        complaint: bytes,
        start_terminal: Callable[..., Terminal],
    ) -> None:
        terminal = start_terminal([*ssh, *sshd.access.ssh_args()], cols=300)
        terminal.expect(PROMPT)
        terminal.send_line("exit 7")
        assert terminal.wait() == 7
        assert terminal.output.startswith(complaint)
        assert terminal.output.count(b"keepshell:") == bool(complaint)


def test_scp_and_git_under_a_broken_configuration(
    keepshell_exe: Path, config_toml: Path, sshd: Sshd, tmp_path: Path
) -> None:
    config_toml.write_text("[default]\nrang = 1\n")
    config = sshd.access.ssh_config()
    (tmp_path / "file").write_text("content")
    target = f"{ALIAS}:{tmp_path / 'copy'}"
    copied = run(
        [str(keepshell_exe), "exec", "--", "scp", "-F", str(config), str(tmp_path / "file"), target]
    )
    assert copied[0] == 0
    assert copied[2].count(b"keepshell:") == 1
    assert (tmp_path / "copy").read_text() == "content"
    subprocess.run([path_of("git"), "init", "-q", "--bare", tmp_path / "repository"], check=True)
    listed = run(
        [str(keepshell_exe), "exec", "--", "git", "ls-remote", f"{ALIAS}:{tmp_path}/repository"],
        GIT_SSH_COMMAND=f"ssh -F {config}",
    )
    assert (listed[0], listed[1]) == (0, b"")
    assert listed[2].count(b"keepshell:") == 1


ANOTHER_PYTHONS = "raise SystemError('a module of another Python')\n"
PYTHONS = (
    {"PYTHONPATH": "{folder}"},
    {"PYTHONHOME": "/usr"},
    {"PYTHONSTARTUP": "{folder}/enum.py"},
    {"PYTHONSAFEPATH": "1"},
    {"PYTHONDONTWRITEBYTECODE": "1"},
    {"PYTHONWARNINGS": "error"},
    {"PYTHONDEBUG": "1"},
    {"PYTHONINSPECT": "1"},
    {"PYTHONDEVMODE": "1"},
    {"PYTHONPYCACHEPREFIX": "/nowhere", "PYTHONUSERBASE": "/nowhere", "PYTHONUTF8": "0"},
)


class TestPythonsEnvironment:
    """It is for what the user runs, not for keepshell; ssh gets it as it is."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "modules"
        folder.mkdir()
        for name in ("enum", "re", "typing", "select", "pexpect"):
            (folder / f"{name}.py").write_text(ANOTHER_PYTHONS)
        return folder

    @pytest.mark.parametrize("variables", PYTHONS, ids=" ".join)
    def test_a_command(
        self, variables: dict[str, str], ssh: list[str], sshd: Sshd, folder: Path
    ) -> None:
        values = {name: value.format(folder=folder) for name, value in variables.items()}
        assert run([*ssh, *sshd.access.ssh_args(), *HELLO], **values) == SAID

    def test_a_session(
        self,
        ssh: list[str],
        sshd: Sshd,
        folder: Path,
        start_terminal: Callable[..., Terminal],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("PYTHONPATH", str(folder))
        monkeypatch.setenv("PYTHONWARNINGS", "error")
        monkeypatch.setenv("PYTHONHOME", "/usr")
        terminal = start_terminal([*ssh, *sshd.access.ssh_args()])
        terminal.expect(PROMPT)
        terminal.send_line("exit 7")
        assert terminal.wait() == 7
        assert terminal.output.partition(PROMPT.encode())[0] in (b"", b"\x1b[?2004h")

    def test_a_home_without_a_python(self, keepshell_exe: Path, sshd: Sshd, tmp_path: Path) -> None:
        install = [str(keepshell_exe), "shim", "install", "--dir", str(tmp_path / "shim")]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        shown = run([str(keepshell_exe), "init", "bash"])[1].decode()
        arguments = sshd.access.ssh_args()
        as_function = f"{shown}\nssh {shlex.join((*arguments, *HELLO))}"
        for argv in (
            [str(tmp_path / "shim" / "ssh"), *arguments, *HELLO],
            ["bash", "-c", as_function],
        ):
            assert run(argv, PYTHONHOME="/nowhere") == SAID

    @pytest.mark.parametrize(
        "locale",
        [{}, {"LC_CTYPE": "C"}, {"LC_CTYPE": "xx_YY"}, {"LANG": "C"}, {"LC_CTYPE": "C.UTF-8"}],
        ids=str,
    )
    def test_ssh_gets_the_environment_as_it_is(
        self, locale: dict[str, str], ssh: list[str], tmp_path: Path
    ) -> None:
        """Python sets LC_CTYPE where the locale is C, and Debian's ssh sends LC_* to the host."""
        config = tmp_path / "ssh_config"
        told = "env | grep -E '^(LC_|LANG|PYTHON)' | sort >&2; exit 1"
        config.write_text(f"Host *\n  ProxyCommand {told}\n")
        env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PYTHONHASHSEED": "1"}
        done = subprocess.run(
            [*ssh, "-F", str(config), "host"],
            env={**env, **locale},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        said = [line for line in done.stderr.splitlines() if "=" in line]
        assert said == sorted(f"{k}={v}" for k, v in {**locale, "PYTHONHASHSEED": "1"}.items())


class TestWrapper:
    """A script of the user's that is ssh on PATH, and leads back to keepshell by another one."""

    @pytest.fixture(autouse=True)
    def wrapper(self, tmp_path: Path, keepshell_exe: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "wrappers"
        folder.mkdir()
        for name, line in (("ssh", f"{folder}/s"), ("s", '"$LEADS_TO" ssh')):
            (folder / name).write_text(f'#!/bin/sh\nexec {line} "$@"\n')
            (folder / name).chmod(0o755)
        monkeypatch.setenv("LEADS_TO", str(keepshell_exe))
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return folder / "ssh"

    def test_a_command(self, ssh: list[str], sshd: Sshd) -> None:
        assert run([*ssh, *sshd.access.ssh_args(), *HELLO]) == SAID

    def test_itself(self, wrapper: Path, sshd: Sshd) -> None:
        assert run([str(wrapper), *sshd.access.ssh_args(), *HELLO]) == SAID

    def test_a_session(
        self, ssh: list[str], sshd: Sshd, start_terminal: Callable[..., Terminal]
    ) -> None:
        terminal = start_terminal([*ssh, *sshd.access.ssh_args()])
        terminal.expect(PROMPT)
        terminal.send_line("exit 7")
        assert terminal.wait() == 7
        assert b"keepshell" not in terminal.output


class TestScriptWithoutFirstLine:
    """An `ssh` on PATH that is a script without `#!`: a shell runs it by sh, and so do we."""

    @pytest.fixture(autouse=True)
    def script(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "scripts"
        folder.mkdir()
        script = folder / "ssh"
        script.write_text(f'echo "through a script"; exec {path_of("ssh")} "$@"\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return script

    def test_a_command(self, keepshell_exe: Path, sshd: Sshd) -> None:
        said = run([str(keepshell_exe), "ssh", *sshd.access.ssh_args(), *HELLO])
        assert said == (7, b"through a script\nhello\n", b"trouble\n")

    def test_a_session(
        self, keepshell_exe: Path, sshd: Sshd, start_terminal: Callable[..., Terminal]
    ) -> None:
        terminal = start_terminal([str(keepshell_exe), "ssh", *sshd.access.ssh_args()])
        terminal.expect(PROMPT)
        terminal.send_line("exit 7")
        assert terminal.wait() == 7
        assert terminal.output.startswith(b"through a script\r\n")

    def test_without_keepshell(self, script: Path, sshd: Sshd) -> None:
        """What takes over where a part of keepshell is gone."""
        call = f"sys.argv[:] = {['ssh', *sshd.access.ssh_args(), *HELLO]!r}"
        code = f"import sys; from keepshell import __main__; {call}; __main__._without('gone')"
        status, output, _ = run([sys.executable, "-c", code])
        assert (status, output) == (7, b"through a script\nhello\n")


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_of_the_shim_is_ssh_s_own(keepshell_exe: Path, tmp_path: Path, word: str) -> None:
    folder = tmp_path / "shim"
    install = [str(keepshell_exe), "shim", "install", "--dir", str(folder)]
    assert run(install)[0] == 0
    assert run([str(folder / "ssh"), word]) == run([path_of("ssh"), word])


@pytest.mark.parametrize("name", ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"])
def test_a_directory_with_a_name_that_is_too_long(name: str, ssh: list[str], sshd: Sshd) -> None:
    variables = {"XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "", name: "/" + 6000 * "0"}
    assert run([*ssh, *sshd.access.ssh_args(), *HELLO], **variables) == SAID
