"""How a call becomes ssh: the options added, the pty or none, and the words of ssh left to ssh."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import keepshell
from keepshell import launch
from tests.core.test_layout import BEFORE_THE_EXEC
from tests.support.programs import path_of
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE

Start = Callable[..., Terminal]

# Stands in for ssh, except for `ssh -G`: says which process it is, and the words it was given.
TELLS = """\
#!/bin/sh
[ "$1" != -G ] || exec {ssh} "$@"
printf 'pid %s ' $$
printf '<%s>' "$@"
echo
exit 7
"""
TOLD = re.compile(rb"pid (\d+) ((?:<[^>]*>)*)\r?\n")

INTERVAL, COUNT = "ServerAliveInterval", "ServerAliveCountMax"
DEFAULTS = {INTERVAL: "60", COUNT: "20"}


@dataclass(frozen=True)
class Told:
    """What the stand-in said."""

    pid: int
    words: tuple[str, ...]

    @classmethod
    def read(cls, output: bytes) -> Told:
        """From the whole output, which must hold nothing else."""
        match = TOLD.fullmatch(output)
        assert match is not None, output
        return cls(int(match[1]), tuple(match[2].decode()[1:-1].split("><")))

    def added(self, arguments: Sequence[str]) -> dict[str, str]:
        """The options in front of the arguments that the user typed."""
        mine = self.words[: len(self.words) - len(arguments)]
        assert self.words[len(mine) :] == tuple(arguments)
        assert mine[::2] == ("-o",) * (len(mine) // 2)
        return dict(option.split("=", 1) for option in mine[1::2])


@pytest.fixture
def tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in, named in KEEPSHELL_SSH."""
    path = tmp_path / "tells"
    path.write_text(TELLS.format(ssh=path_of("ssh")))
    path.chmod(0o755)
    monkeypatch.setenv("KEEPSHELL_SSH", str(path))
    return path


def run(*argv: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False
    )


@dataclass(frozen=True)
class Options:
    """What is configured and typed, and the options that keepshell adds to it."""

    name: str
    added: dict[str, str]
    typed: tuple[str, ...] = ("web",)
    ssh_config: str = ""
    config: str = ""
    options: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    """Others that `ssh_config` may include, by their names in {folder}."""

    def __str__(self) -> str:
        return self.name


def typed(*words: str, added: dict[str, str]) -> Options:
    return Options(shlex.join(words), added, typed=words)


def in_file(text: str, added: dict[str, str], **files: str) -> Options:
    return Options(text.strip().replace("\n", " | "), added, ssh_config=text, files=files)


INTERVAL_TYPED = (
    ("-o", "ServerAliveInterval=5", "web"),
    ("-oServerAliveInterval=5", "web"),
    ("-oserveraliveINTERVAL=5", "web"),
    ("-o", "ServerAliveInterval 5", "web"),
    ("-o", " ServerAliveInterval = 5", "web"),
    ("-o", 'ServerAliveInterval="5"', "web"),
    ("-oServerAliveInterval=0", "web"),
    ("-voServerAliveInterval=5", "web"),
    ("web", "-o", "ServerAliveInterval=5"),
    ("web", "-oServerAliveInterval=5", "uptime"),
    ("-o", "ServerAliveInterval=5", "-oServerAliveCountMax=3", "web"),
    ("-o", "ProtocolKeepAlives=5", "web"),
    ("-o", "SetupTimeOut=5", "web"),
)

OPTIONS = (
    *(typed(*words, added={}) for words in INTERVAL_TYPED),
    typed("web", "-p", "2222", "-l", "me", "ls", "-oServerAliveInterval=5", added=DEFAULTS),
    typed("me@web", "--", "-oServerAliveInterval=5", added=DEFAULTS),
    # The count is the user's: the interval alone must cover 20 minutes.
    typed("-oServerAliveCountMax=5", "web", added={INTERVAL: "240"}),
    typed("-oServerAliveCountMax=100", "web", added={INTERVAL: "60"}),
    typed("web", "-oserveralivecountmax 3", added={INTERVAL: "400"}),
    typed("-oServerAliveCountMax=0", "web", added={}),
    in_file("ServerAliveInterval 5", {}),
    in_file("Host web\n  ServerAliveInterval 5", {}),
    in_file("Host w?b !web2\n\tserveraliveinterval=5", {}),
    in_file("Match host web\n  ServerAliveInterval 5", {}),
    in_file("Host other\n  ServerAliveInterval 5", DEFAULTS),
    in_file("Host * !web\n  ServerAliveInterval 5", DEFAULTS),
    in_file("# ServerAliveInterval 5", DEFAULTS),
    in_file("ServerAliveInterval 0", {}),
    in_file("Host web\n  ServerAliveInterval 0s", {}),
    in_file("ServerAliveCountMax 5", {INTERVAL: "240"}),
    in_file("Host web\n  ServerAliveCountMax 3", {INTERVAL: "400"}),
    in_file("Host other\n  ServerAliveCountMax 5", DEFAULTS),
    in_file("Include {folder}/more", {}, more="ServerAliveInterval 5"),
    in_file("Include {folder}/*.conf", {}, **{"a.conf": "Host web\n ServerAliveInterval 0"}),
    in_file("Host other\n Include {folder}/more", DEFAULTS, more="ServerAliveInterval 5"),
    in_file('Include "{folder}/m o"', {}, **{"m o": "Include {folder}/n", "n": INTERVAL + " 0"}),
    # Asking would run a program: what the files mention is not ours to set.
    in_file("Match exec true\n  ServerAliveInterval 5", {}),
    in_file("Match host w exec true\n  User u\nHost web\n  ServerAliveInterval 5", {}),
    in_file("Match exec true\n  User u\nHost web\n  ServerAliveCountMax 5", {}),
    in_file("Match exec true\n  User u\nHost other\n  BatchMode yes", {}),
    in_file("Match exec true\n  LogLevel ERROR", DEFAULTS),
    in_file("Include {folder}/*.conf", {}, **{"a.conf": f"Match exec true\n {INTERVAL} 5"}),
    Options(
        "typed beats what asking would tell",
        {INTERVAL: "240"},
        typed=("-oServerAliveCountMax=5", "web"),
        ssh_config="Match exec true\n  ServerAliveCountMax 50",
    ),
    Options(
        "typed beats ssh_config",
        {INTERVAL: "240"},
        typed=("-oServerAliveCountMax=5", "web"),
        ssh_config="ServerAliveCountMax 50",
    ),
    Options(
        "config.toml, default",
        {INTERVAL: "15", COUNT: "4"},
        config='[default]\nserver_alive_interval = "15s"\noutage_tolerance = "1m"\n',
    ),
    Options(
        "config.toml, the host typed",
        {INTERVAL: "30", COUNT: "40"},
        config='[host."w*"]\nserver_alive_interval = "30s"\n'
        '[default]\nserver_alive_interval = "15s"\n',
    ),
    Options(
        "config.toml, another host",
        {INTERVAL: "15", COUNT: "80"},
        config='[host."x*"]\nserver_alive_interval = "30s"\n'
        '[default]\nserver_alive_interval = "15s"\n',
    ),
    Options(
        "config.toml, the host resolved",
        {INTERVAL: "30", COUNT: "40"},
        ssh_config="Host web\n  HostName www1.example.com",
        config='[host."*.example.com"]\nserver_alive_interval = "30s"\n',
    ),
    Options(
        "config.toml, the resolved name excluded",
        DEFAULTS,
        ssh_config="Host web\n  HostName www1.example.com",
        config='[host."web !*.example.com"]\nserver_alive_interval = "30s"\n',
    ),
    Options(
        "config.toml, the host of a URI",
        {INTERVAL: "30", COUNT: "40"},
        typed=("ssh://me@web:2222",),
        config='[host."web"]\nserver_alive_interval = "30s"\n',
    ),
    Options(
        "config.toml, ssh_config wins",
        {},
        ssh_config="ServerAliveInterval 5",
        config='[default]\nserver_alive_interval = "30s"\n',
    ),
    Options("config.toml, off", {}, config='[host."web"]\nrung = "off"\n'),
    Options("config.toml, lower rung", DEFAULTS, config='[default]\nrung = "server-alive"\n'),
    Options(
        "an option beats config.toml",
        {INTERVAL: "20", COUNT: "60"},
        options=("--server-alive-interval", "20s"),
        config='[host."web"]\nserver_alive_interval = "30s"\n',
    ),
    Options(
        "the other options",
        {INTERVAL: "20", COUNT: "3"},
        options=("--outage-tolerance=50s", "--server-alive-interval=20s"),
    ),
    Options("rung off as an option", {}, options=("--rung", "off")),
)


@pytest.mark.parametrize("case", OPTIONS, ids=str)
def test_options_added(
    case: Options, ssh_config: Path, config_toml: Path, tells: Path, keepshell_exe: Path
) -> None:
    folder = ssh_config.parent
    for name, text in {"ssh_config": case.ssh_config, **case.files}.items():
        (folder / name).write_text(text.format(folder=folder))
    if case.config:
        config_toml.write_text(case.config)
    arguments = ["-F", str(ssh_config), *case.typed]
    ended = run(keepshell_exe, *case.options, "ssh", *arguments)
    assert (ended.returncode, ended.stderr) == (7, b"")
    assert Told.read(ended.stdout).added(arguments) == case.added


def test_batch_mode_of_debians_ssh(ssh_config: Path, tells: Path, keepshell_exe: Path) -> None:
    """Its BatchMode sets ServerAliveInterval 300; elsewhere it sets nothing, and we add ours."""
    ssh_config.write_text("BatchMode yes\n")
    arguments = ["-F", str(ssh_config), "web"]
    is_debians = b"\nserveraliveinterval 300\n" in run("ssh", "-G", *arguments).stdout
    ended = run(keepshell_exe, "ssh", *arguments)
    assert Told.read(ended.stdout).added(arguments) == ({} if is_debians else DEFAULTS)


def test_options_of_the_systems_ssh_where_nothing_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keepshell_exe: Path
) -> None:
    """No `-F`: the files that any user has."""
    ended = run(keepshell_exe, "--dry-run", "ssh", "host.invalid")
    said = dict(
        line.split(" ", 1) for line in run("ssh", "-G", "host.invalid").stdout.decode().splitlines()
    )
    words = shlex.split(ended.stdout.decode().splitlines()[0])
    is_added = "ServerAliveInterval=60" in words
    assert is_added == (said["serveraliveinterval"] == "0")
    assert words[-1] == "host.invalid"


def test_a_configuration_that_can_be_read_once_is_ssh_s(
    ssh_config: Path, tells: Path, keepshell_exe: Path
) -> None:
    """A pipe: who looks first leaves nothing for ssh. What it says nobody knows: add nothing."""
    tells.write_text('#!/bin/sh\necho "$@"\nexec cat "$2"\n')
    arguments = ["-F", "/dev/stdin", "web"]
    ended = subprocess.run(
        [keepshell_exe, "ssh", *arguments],
        input=b"ServerAliveInterval 5\n",
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.stdout == b"-F /dev/stdin web\nServerAliveInterval 5\n"


PTY, EXEC = "pty", "exec"


def _joined(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else " ".join(value)


# The words after `-F ssh_config`, and what becomes of them on a terminal.
ROUTES = (
    (("web",), PTY),
    (("me@web", "-p", "22"), PTY),
    (("ssh://web",), PTY),
    (("-t", "web", "top"), PTY),
    (("-tt", "web", "top"), PTY),
    (("web", "-t", "top"), PTY),
    (("-o", "RequestTTY=force", "web", "top"), PTY),
    (("-A", "-X", "-L", "1:a:2", "web"), PTY),
    (("-M", "-S", "/no/socket", "web"), PTY),
    (("web", "uptime"), EXEC),
    (("web", "--", "uptime"), EXEC),
    (("-T", "web"), EXEC),
    (("-T", "-t", "web"), PTY),
    (("-t", "-T", "web"), EXEC),
    (("-N", "web"), EXEC),
    (("-f", "-N", "web"), EXEC),
    (("-fN", "-L", "1:a:2", "web"), EXEC),
    (("-n", "web"), EXEC),
    (("-n", "-t", "web", "top"), EXEC),
    (("-s", "web", "sftp"), EXEC),
    (("-W", "a:1", "web"), EXEC),
    (("-f", "web", "sleep 1"), EXEC),
    (("-o", "RequestTTY=no", "web"), EXEC),
    (("-o", "SessionType=none", "web"), EXEC),
    (("-o", "StdinNull=yes", "web"), EXEC),
    (("-o", "RemoteCommand=top", "web"), EXEC),
    (("-o", "RemoteCommand=top", "-t", "web"), PTY),
)


@pytest.mark.parametrize(("words", "route"), ROUTES, ids=_joined)
def test_route_of_a_command_line(
    words: tuple[str, ...],
    route: str,
    ssh_config: Path,
    tells: Path,
    keepshell_exe: Path,
    start_terminal: Start,
) -> None:
    check_route(start_terminal, [str(keepshell_exe), "ssh", "-F", str(ssh_config), *words], route)


def check_route(
    start_terminal: Start, argv: list[str], route: str, added: dict[str, str] | None = None
) -> None:
    """Run on a terminal. The process that was keepshell is ssh afterwards, or its child is."""
    terminal = start_terminal(argv)
    told = Told.read(terminal.read_to_end())
    assert terminal.wait() == 7
    arguments = argv[argv.index("ssh") + 1 :] if "ssh" in argv else argv[1:]
    assert told.added(arguments) == (DEFAULTS if added is None else added)
    assert (EXEC if told.pid == terminal.pid else PTY) == route


@pytest.mark.parametrize(
    ("text", "words", "route"),
    [
        ("RequestTTY no", ("web",), EXEC),
        ("RequestTTY no", ("-t", "web"), PTY),
        ("Match exec true\n  RequestTTY no", ("web",), EXEC),
        ("Match exec true\n  RequestTTY no", ("-t", "web"), PTY),
        ("Match exec true\n  RemoteCommand top", ("web",), EXEC),
        ("Match exec true\n  RemoteCommand top", ("-t", "web"), PTY),
        ("Match exec true\n  LogLevel QUIET\n  EscapeChar none", ("web",), PTY),
        ("RequestTTY yes", ("web", "top"), PTY),
        ("RequestTTY force", ("web", "top"), PTY),
        ("RequestTTY auto", ("web", "top"), EXEC),
        ("RequestTTY force", ("-T", "web"), EXEC),
        ("RemoteCommand top", ("web",), EXEC),
        ("RemoteCommand none", ("web",), PTY),
        ("RemoteCommand top\nRequestTTY yes", ("web",), PTY),
        ("RemoteCommand top", ("-t", "web"), PTY),
        ("SessionType none", ("web",), EXEC),
        ("SessionType default", ("web",), PTY),
        ("SessionType subsystem", ("web", "sftp"), EXEC),
        ("StdinNull yes", ("web",), EXEC),
        ("ForkAfterAuthentication yes", ("-N", "web"), EXEC),
        ("Host other\n  RequestTTY no", ("web",), PTY),
        ("Match host web\n  RequestTTY no", ("web",), EXEC),
    ],
)
def test_route_of_a_configuration(
    text: str,
    words: tuple[str, ...],
    route: str,
    ssh_config: Path,
    tells: Path,
    keepshell_exe: Path,
    start_terminal: Start,
) -> None:
    ssh_config.write_text(text)
    check_route(start_terminal, [str(keepshell_exe), "ssh", "-F", str(ssh_config), *words], route)


@pytest.mark.parametrize(
    ("redirection", "route"),
    [
        ("", PTY),
        ("2>/dev/null", PTY),
        ("2>&-", PTY),
        ("</dev/null", EXEC),
        ("<&-", EXEC),
        ("<input", EXEC),
        ("3<&0", PTY),
    ],
)
def test_route_of_a_redirection(
    redirection: str,
    route: str,
    tmp_path: Path,
    tells: Path,
    keepshell_exe: Path,
    start_terminal: Start,
) -> None:
    (tmp_path / "input").write_text("some\n")
    argv = ["sh", "-c", f'exec "$@" {redirection}', "sh", str(keepshell_exe)]
    terminal = start_terminal([*argv, "ssh", "-F", "none", "web"], cwd=tmp_path)
    told = Told.read(terminal.read_to_end())
    assert (EXEC if told.pid == terminal.pid else PTY) == route
    assert terminal.wait() == 7


@pytest.mark.parametrize("redirection", [">output", "| cat > output"])
def test_route_without_a_terminal_for_the_output(
    redirection: str, tmp_path: Path, tells: Path, keepshell_exe: Path, start_terminal: Start
) -> None:
    # The shell keeps its own process, so that what it has started can be told apart.
    line = f'"$@" {redirection}; echo ended with $?'
    argv = ["sh", "-c", line, "sh", str(keepshell_exe), "ssh", "-F", "none", "web"]
    tells.write_text('#!/bin/sh\necho "$PPID $@"\n')
    terminal = start_terminal(argv, cwd=tmp_path)
    terminal.expect("ended with 0\r\n")
    parent, arguments = (tmp_path / "output").read_text().split(" ", 1)
    assert int(parent) == terminal.pid
    assert arguments.endswith("-F none web\n")


@pytest.mark.parametrize("broken", [None, "no toml", "directory"])
def test_turned_off(
    broken: str | None, config_toml: Path, tells: Path, keepshell_exe: Path, start_terminal: Start
) -> None:
    if broken == "directory":
        config_toml.mkdir()
    elif broken:
        config_toml.write_text(broken)
    for off, words in (("0", ["-F", "none", "web"]), ("False", ["-Z"]), ("no", [])):
        argv = [str(keepshell_exe), "ssh", *words]
        if words:
            check_route(start_terminal, ["env", f"KEEPSHELL={off}", *argv], EXEC, added={})
        ended = run("env", f"KEEPSHELL={off}", *argv)
        assert (ended.returncode, ended.stderr) == (7, b"")
        if words:
            assert Told.read(ended.stdout).added(words) == {}


@pytest.mark.parametrize("value", ["1", "", "yes"])
def test_nothing_else_turns_it_off(value: str, tells: Path, keepshell_exe: Path) -> None:
    ended = run("env", f"KEEPSHELL={value}", keepshell_exe, "ssh", "-F", "none", "web")
    assert Told.read(ended.stdout).added(["-F", "none", "web"]) == DEFAULTS


ANSWERS = (
    ["-V"],
    ["-V", "web"],
    ["-Q", "cipher"],
    ["-Q", "key"],
    ["-Q", "nonsense"],
    ["-G", "web"],
    ["-G", "me@web", "-p", "2222"],
    ["-tG", "web", "top"],
    ["-F", "{config}", "-G", "web"],
    ["-oServerAliveInterval=7", "-G", "web"],
    ["-O", "check", "web"],
    ["-S", "/no/such/socket", "-O", "check", "web"],
    ["-S", "/no/such/socket", "-O", "exit", "web"],
    ["-O", "nonsense", "web"],
)
REFUSED: tuple[list[str], ...] = (
    [],
    ["-Z"],
    ["-Z", "web"],
    ["-1", "web"],
    ["-p"],
    ["-p", "0", "web"],
    ["-p", "many", "web"],
    ["-e", "abc", "web"],
    ["-o", "Nonsense=1", "web"],
    ["-o", "ServerAliveInterval=often", "web"],
    ["-o", "ServerAliveCountMax=many", "web"],
    ["-o", "ServerAliveInterval", "web"],
    ["-c", "nonsense", "web"],
    ["-m", "nonsense", "web"],
    ["-L", "nonsense", "web"],
    ["-W", "nonsense", "web"],
    ["-J", "a,,b", "web"],
    ["-F", "/no/such/file", "web"],
    ["-s", "web"],
    ["-f", "web"],
    ["-N", "-W", "a:1", "-O", "check", "web"],
    ["-l", "a'b", "web"],
    ["a;b"],
    ["@web"],
    ["ssh://"],
    ["-o", "RemoteCommand=ls", "web", "ls"],
    ["-i"],
    [""],
)


@pytest.mark.parametrize("words", [*ANSWERS, *REFUSED], ids=shlex.join)
def test_what_ssh_says_itself_is_the_same(
    words: list[str], ssh_config: Path, keepshell_exe: Path
) -> None:
    """`ProxyCommand` keeps what ssh does not refuse from leaving this machine."""
    ssh_config.write_text("Host web\n  ProxyCommand false\n  ServerAliveCountMax 9\n")
    words = [word.format(config=ssh_config) for word in words]
    if words in [list(answer) for answer in REFUSED] and words and "-F" not in words:
        words = ["-F", str(ssh_config), *words]
    mine, bare = run(keepshell_exe, "ssh", *words), run("ssh", *words)
    assert (mine.returncode, mine.stdout, mine.stderr) == (
        (bare.returncode, bare.stdout, bare.stderr)
    )
    assert bare.stdout or bare.stderr


@pytest.mark.parametrize("words", [["-V"], ["-Q", "mac"], ["-Z"], ["-p", "0", "web"]])
def test_what_ssh_says_itself_is_the_same_on_a_terminal(
    words: list[str], keepshell_exe: Path, start_terminal: Start
) -> None:
    mine = start_terminal([str(keepshell_exe), "ssh", *words])
    bare = start_terminal(["ssh", *words])
    assert mine.read_to_end() == bare.read_to_end()
    assert mine.wait() == bare.wait()


ROOT = Path(keepshell.__file__).parents[1]
MODULE = (sys.executable, "-m", "keepshell")

NO_PTY = """\
import os
import pty

def _none(*_):
    raise OSError("out of pty devices")

os.forkpty = os.openpty = pty.openpty = _none
"""
NO_PEXPECT = """\
import sys

sys.modules["pexpect"] = None
"""


@pytest.fixture(
    params=[
        (NO_PTY, "OSError: out of pty devices"),
        (
            NO_PEXPECT,
            f"this needs the Python package pexpect, which {sys.executable} does not have",
        ),
    ],
    ids=["no pty", "no pexpect"],
)
def fault(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Something of ours that fails before the spawn; its name.

    keepshell listens to PYTHONPATH where that is how it is found, as `MODULE` then is.
    """
    code, name = request.param
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{ROOT}")
    return str(name)


@pytest.mark.parametrize("text", ["", "RequestTTY auto"], ids=["not asked", "asked"])
def test_a_fault_of_ours_leaves_plain_ssh(
    text: str,
    fault: str,
    ssh_config: Path,
    tells: Path,
    start_terminal: Start,
) -> None:
    ssh_config.write_text(text)
    terminal = start_terminal([*MODULE, "ssh", "-F", str(ssh_config), "web"])
    said, told = terminal.read_to_end().split(b"\r\n", 1)
    assert said.decode() == f"keepshell: {fault}; running ssh without a pty"
    assert Told.read(told).pid == terminal.pid
    assert Told.read(told).added(["-F", str(ssh_config), "web"]) == DEFAULTS
    assert terminal.wait() == 7


def test_a_fault_of_ours_leaves_any_plain_program(
    fault: str, tells: Path, start_terminal: Start
) -> None:
    terminal = start_terminal([*MODULE, "run", "--", str(tells), "some", "words"])
    said, told = terminal.read_to_end().split(b"\r\n", 1)
    assert said.decode() == f"keepshell: {fault}; running {tells} without a pty"
    assert Told.read(told) == Told(terminal.pid, ("some", "words"))
    assert terminal.wait() == 7


def test_a_fault_of_ours_where_no_pty_is_wanted_is_not_met(fault: str, tells: Path) -> None:
    ended = run(*MODULE, "ssh", "-F", "none", "web", "uptime")
    assert ended.stderr == b""
    assert Told.read(ended.stdout).added(["-F", "none", "web", "uptime"]) == DEFAULTS


class TestDryRun:
    """The command line that would be run, and where each option came from; nothing is run."""

    def test_without_a_terminal(self, tells: Path, keepshell_exe: Path) -> None:
        ended = run(keepshell_exe, "--dry-run", "ssh", "-F", "none", "web")
        assert ended.stdout.decode().splitlines() == [
            f"{tells} -o ServerAliveInterval=60 -o ServerAliveCountMax=20 -F none web",
            "  # replacing keepshell: stdin or stdout is not a terminal",
            "  # ServerAliveInterval=60: default",
            "  # ServerAliveCountMax=20: default",
        ]
        assert (ended.returncode, ended.stderr) == (0, b"")

    def test_on_a_terminal(
        self, config_toml: Path, tells: Path, keepshell_exe: Path, start_terminal: Start
    ) -> None:
        config_toml.write_text('[host."web*"]\n\nserver_alive_interval = "15s"\n')
        options = ["--dry-run", "--outage-tolerance", "1m"]
        argv = [str(keepshell_exe), *options, "ssh", "-F", "none", "web1"]
        terminal = start_terminal(argv, cols=400)
        assert terminal.read_to_end().decode().split("\r\n") == [
            f"{tells} -o ServerAliveInterval=15 -o ServerAliveCountMax=4 -F none web1",
            "  # in a pty: an interactive session",
            f'  # ServerAliveInterval=15: {config_toml}:3 [host."web*"] server_alive_interval',
            "  # ServerAliveCountMax=4: --outage-tolerance",
            "",
        ]
        assert terminal.wait() == 0

    @pytest.mark.parametrize("reattach", ["true", "tmux new -A -s main"])
    def test_a_shell_to_be_kept(
        self, tells: Path, keepshell_exe: Path, start_terminal: Start, reattach: str
    ) -> None:
        options = ["--dry-run", "--reattach", reattach]
        argv = [str(keepshell_exe), *options, "ssh", "-F", "none", "web"]
        terminal = start_terminal(argv, cols=400)
        *_, last, _ = terminal.read_to_end().decode().split("\r\n")
        assert last == f"  # reattach={reattach}: --reattach"
        assert terminal.wait() == 0

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (["-V"], "ssh only answers a question"),
            (["-Z"], "ssh is to answer for itself: keepshell knows no ssh option -Z"),
            ([], "ssh is to answer for itself: there is no destination"),
        ],
    )
    def test_nothing_added(
        self, words: list[str], why: str, tells: Path, keepshell_exe: Path
    ) -> None:
        ended = run(keepshell_exe, "--dry-run", "ssh", *words)
        assert ended.returncode == 0
        assert ended.stdout.decode().splitlines() == [
            shlex.join([str(tells), *words]),
            f"  # replacing keepshell: {why}",
        ]

    def test_turned_off(self, tells: Path, keepshell_exe: Path) -> None:
        ended = run("env", "KEEPSHELL=0", keepshell_exe, "--dry-run", "ssh", "web")
        assert ended.stdout.decode() == f"{tells} web\n  # replacing keepshell: KEEPSHELL=0\n"

    def test_a_count_of_the_users(self, tells: Path, keepshell_exe: Path) -> None:
        ended = run(
            keepshell_exe, "--dry-run", "ssh", "-F", "none", "-oServerAliveCountMax=5", "web"
        )
        assert ended.stdout.decode().splitlines()[2:] == [
            "  # ServerAliveInterval=240: default, ServerAliveCountMax 5 is yours",
        ]

    def test_the_command_line_can_be_pasted_into_a_shell(
        self, tells: Path, keepshell_exe: Path
    ) -> None:
        words = ["-F", "none", "-o", "SetEnv=A='b  c'", "web", "echo $HOME; ls *", "é\udcff\n"]
        ended = run(keepshell_exe, "--dry-run", "ssh", *words)
        assert ended.returncode == 0, ended.stderr
        pasted = os.fsdecode(ended.stdout.partition(b"\n  # ")[0])
        assert shlex.split(pasted)[-len(words) :] == words

    def test_any_program(self, keepshell_exe: Path) -> None:
        for words in (["run", "--", "sh", "-c", "exit 3"], ["run", "sh", "-c", "exit 3"]):
            ended = run(keepshell_exe, "--dry-run", *words)
            assert ended.stdout.decode() == f"{path_of('sh')} -c 'exit 3'\n"
            assert ended.returncode == 0


@pytest.mark.parametrize("config", ["", '[host."web"]\nrules = ["tmout=10m"]\nrung = "off"\n'])
def test_what_is_loaded_before_ssh_is_watched(config: str, tells: Path, config_toml: Path) -> None:
    """tests/core/test_layout.py sees that none of these modules loads anything slow."""
    if config:
        config_toml.write_text(config)
    command = ("ssh", "web", "true")
    done = run(sys.executable, "-X", "importtime", "-m", "keepshell", *command)
    loaded = set(re.findall(r"\b(keepshell(?:\.\w+)*)$", done.stderr.decode(), re.M))
    assert loaded - {"keepshell.__main__", "keepshell.config.toml_lines"} <= set(BEFORE_THE_EXEC)
    assert "keepshell.launch" in loaded
    assert Told.read(done.stdout).words[-2:] == ("web", "true")


@pytest.mark.parametrize(
    ("lines", "typed", "pings"),
    [
        ("", (), True),
        ("", ("-o", "ServerAliveInterval=0"), False),
        ("", ("-o", "ServerAliveInterval=5m"), True),
        ("ServerAliveInterval 0", (), False),
        ("ServerAliveInterval 240", (), True),
        ("ControlPath {there}", (), False),
        ("ControlPath {there}.%h", (), True),
        ("ControlPath none", (), True),
        ("", ("-S", "{there}"), False),
    ],
)
def test_whether_ssh_itself_speaks_to_a_silent_host(
    lines: str, typed: tuple[str, ...], pings: bool, tmp_path: Path
) -> None:
    """Not where ServerAlive is off, and not as a client of a master, whose options count."""
    (there := tmp_path / "master").touch()
    config = tmp_path / "ssh_config"
    config.write_text(f"Host *\n    {lines.format(there=there)}\n")
    words = [word.format(there=there) for word in typed]
    resolved = launch.resolve(["-F", str(config), *words, "host"], {}, dict(os.environ))
    way = launch.route(resolved, is_on_terminal=True)
    assert isinstance(way, launch.Pty)
    assert way.job.pings is pings
