"""`keepshell probe` against real servers and real shells, and hosts that run no script."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keepshell.core.probing import answers, findings
from keepshell.probe import script
from keepshell.store.database import State
from tests.support.access import ALIAS, Access, Keys
from tests.support.dropbear import Dropbear
from tests.support.listening import Listening, free_port
from tests.support.programs import path_of, require
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE, eventually

StartSshd = Callable[..., Sshd]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(keepshell_exe: Path) -> Run:
    """Runs `keepshell probe` with these arguments, away from any terminal."""

    def probe(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(keepshell_exe), "probe", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            timeout=2 * DEADLINE,
            check=False,
        )

    return probe


@pytest.fixture
def probed(run: Run) -> Callable[..., dict[str, Any]]:
    """What `probe --json` says of a server; the status is in `status`."""

    def probe(server: Listening, *options: str) -> dict[str, Any]:
        done = run("--json", *options, *server.access.ssh_args())  # type: ignore[attr-defined]
        assert "Traceback" not in done.stderr
        return {**json.loads(done.stdout), "status": done.returncode, "stderr": done.stderr}

    return probe


def _rows(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["rule"]: row for row in told["rows"]}


def _learned(told: Mapping[str, Any]) -> dict[str, float]:
    return {rule["kind"]: rule["limit"] for rule in told["learned"]}


def _remembered(told: Mapping[str, Any]) -> dict[str, float]:
    known = State.of(os.environ).rules(told["host"])
    assert {rule.source for rule in known} <= {"probe"}
    return {rule.kind.name: rule.limit for rule in known}


def test_sshd_and_a_login_bash(start_sshd: StartSshd, probed: Callable[..., Any]) -> None:
    server = start_sshd(
        "ClientAliveInterval 900",
        "ClientAliveCountMax 0",
        "ChannelTimeout session:*=20m",
        env={"SHELL": path_of("bash")},
    )
    (server.access.directory / "home" / ".bash_profile").write_text(
        "echo hello; sleep 0 & readonly TMOUT=600\n"
    )
    told = probed(server)
    assert (told["status"], told["complete"]) == (0, True)
    assert told["server"].startswith("OpenSSH_")
    assert told["host"] == f"{server.access.user}@127.0.0.1:{server.port}"
    made = _rows(told)
    assert made["ChannelTimeout session:*=20m"]["rung"] == "no-op"
    assert "never kills" in made["ClientAliveInterval 900, CountMax 0"]["verdict"]
    assert made["TMOUT=600, read-only"]["verdict"] == ("only Enter beats it: `empty_line = true`")
    assert _learned(told) == {"channel-timeout": 1200.0, "tmout": 600.0}
    assert _remembered(told) == _learned(told)


def test_the_settings_are_read_where_sshd_does_not_tell_them(
    start_sshd: StartSshd, probed: Callable[..., Any], tmp_path: Path
) -> None:
    """A forced command without a PATH to sshd's own keys: here, an sshd -T that fails."""
    included = tmp_path / "timers.conf"
    included.write_text("ChannelTimeout session:*=30m\nMatch User nobody\nClientAliveInterval 60\n")
    server = start_sshd(f"Include {tmp_path}/*.conf")
    directory = server.access.directory
    config = directory / "sshd_config"
    config.write_text(config.read_text() + "NoSuchOption yes\n")  # what runs has read it before
    told = probed(server)
    row = _rows(told)["ChannelTimeout session:*=30m"]
    assert row["where"] == f"{included}, line 1"
    guest = _rows(told)["ClientAliveInterval 60, CountMax 3"]
    assert guest["verdict"].startswith("only for `Match User nobody`; not an idle timer")
    assert _learned(told) == {"channel-timeout": 1800.0}


def test_dropbear(start_dropbear: Callable[..., Dropbear], probed: Callable[..., Any]) -> None:
    told = probed(start_dropbear("-I", "300"))
    assert told["server"].startswith("dropbear_")
    assert _rows(told)["dropbear -I 300"]["rung"] == "window-change"
    assert _learned(told) == _remembered(told) == {"dropbear-idle": 300.0}


def _jumping(bastion: Access, target: Access) -> Path:
    """An ssh_config in which `target` is reached through `bastion`, each by its own name."""
    config = target.directory / "jumping"
    ways = ((bastion, "bastion", ()), (target, "target", ("ProxyJump bastion",)))
    config.write_text(
        "\n".join(
            access.ssh_config(*lines).read_text().replace(f"Host {ALIAS}", f"Host {name}", 1)
            for access, name, lines in ways
        )
    )
    return config


def test_behind_a_proxyjump_it_is_the_last_host(start_sshd: StartSshd, run: Run) -> None:
    bastion = start_sshd("VersionAddendum bastion", "ChannelTimeout session:*=3m")
    target = start_sshd("VersionAddendum target", "ChannelTimeout session:*=20m")
    config = _jumping(bastion.access, target.access)
    done = run("--json", "-F", str(config), "target")
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert told["host"] == f"{target.access.user}@127.0.0.1:{target.port}"
    assert told["server"].endswith(" target")
    assert _learned(told) == _remembered(told) == {"channel-timeout": 1200.0}
    assert State.of(os.environ).hosts() == [told["host"]]


def test_a_proxyjump_to_nobody_is_not_the_bastions_answer(sshd: Sshd, run: Run) -> None:
    nobody = replace(sshd.access, port=free_port(), directory=sshd.access.directory / "nobody")
    nobody.directory.mkdir()
    done = run("--json", "-F", str(_jumping(sshd.access, nobody)), "target")
    told = json.loads(done.stdout)
    assert (done.returncode, told["server"], told["learned"]) == (1, None, [])
    assert told["host"].endswith(f":{nobody.port}")
    assert told["notes"][0].endswith("ssh ended with status 255; nothing is remembered")


@pytest.mark.parametrize("jumps", [False, True])
def test_a_login_that_is_refused(start_sshd: StartSshd, run: Run, keys: Keys, jumps: bool) -> None:
    """The server is known by its banner; that it ran no script would be false."""
    bastion = start_sshd("VersionAddendum bastion")
    target = start_sshd("VersionAddendum target", "AuthorizedKeysFile none")
    config = _jumping(bastion.access, target.access)
    if not jumps:
        config.write_text(config.read_text().replace("ProxyJump bastion", ""))
    done = run("--json", "-F", str(config), "target")
    told = json.loads(done.stdout)
    assert "Permission denied" in done.stderr
    assert (done.returncode, told["learned"]) == (1, [])
    assert told["server"].endswith(" target")
    assert told["notes"][0].endswith("ssh ended with status 255; nothing is remembered")


@pytest.fixture
def master(closing: ExitStack, tmp_path: Path) -> Callable[[Access], str]:
    """Opens a connection to be shared; its ControlPath."""

    def start(access: Access) -> str:
        path = tmp_path / "mux"
        options = ["-o", "ControlMaster=yes", "-o", f"ControlPath={path}", "-N"]
        process = subprocess.Popen([path_of("ssh"), *options, *access.ssh_args()])
        closing.callback(process.wait, DEADLINE)
        closing.callback(process.terminate)
        eventually(path.is_socket, "the master")
        return str(path)

    return start


def test_through_a_running_controlmaster_no_banner_is_seen(
    start_sshd: StartSshd, probed: Callable[..., Any], master: Callable[[Access], str]
) -> None:
    server = start_sshd(
        "VersionAddendum seen-by-the-master",
        "ClientAliveInterval 900",
        "ClientAliveCountMax 0",
        "ChannelTimeout session:*=20m",
    )
    path = master(server.access)
    told = probed(server, "-o", f"ControlPath={path}")
    assert (told["status"], told["complete"], told["server"]) == (0, True, None)
    assert len(server.log.split("Accepted publickey")) == 2  # the master's own, and no other
    assert told["notes"][0].startswith(
        "the connection is shared (ControlMaster): the server's banner was not seen; its sshd is"
    )
    pair = _rows(told)["ClientAliveInterval 900, CountMax 0"]
    assert pair["verdict"].startswith("never kills on this version")
    assert _learned(told) == _remembered(told) == {"channel-timeout": 1200.0}


def test_dropbear_through_a_running_controlmaster(
    start_dropbear: Callable[..., Dropbear],
    probed: Callable[..., Any],
    master: Callable[[Access], str],
) -> None:
    """No sshd is named, though one is installed."""
    server = start_dropbear("-I", "300")
    told = probed(server, "-o", f"ControlPath={master(server.access)}")
    assert (told["status"], told["server"]) == (0, None)
    assert told["notes"][0].endswith("the server's banner was not seen")
    assert _learned(told) == {"dropbear-idle": 300.0}


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """Where every user may read; `tmp_path` is its owner's alone."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up being root")
@pytest.mark.parametrize("readable", [True, False])
def test_a_user_who_is_not_root(
    probed: Callable[..., Any],
    keys: Keys,
    closing: ExitStack,
    public_directory: Path,
    readable: bool,
) -> None:
    """sshd -T wants the host's private keys, so sshd_config is read, if that is permitted."""
    require("sshd", "setpriv")
    unprivileged = [path_of("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups"]
    (public_directory / "timers.conf").write_text("ChannelTimeout session:*=20m\n")
    server = Sshd(
        public_directory,
        keys,
        *_forced(public_directory, [*unprivileged, "/bin/sh", "-c", "$SSH_ORIGINAL_COMMAND"]),
        f"Include {public_directory}/*.conf",
        "ClientAliveInterval 900",
    )
    closing.callback(server.stop)
    config = public_directory / "sshd_config"
    config.chmod(0o644 if readable else 0o600)
    told = probed(server)
    assert (told["status"], told["complete"]) == (0, True)
    made = _rows(told)
    if not readable:
        assert (made["sshd_config"]["where"], made["sshd_config"]["verdict"]) == (
            str(config),
            "may not be read: unknown",
        )
        assert _learned(told) == {}
        return
    channel = made["ChannelTimeout session:*=20m"]
    assert channel["where"] == f"{public_directory}/timers.conf, line 1"
    pair = made["ClientAliveInterval 900, CountMax 3"]
    assert pair["where"] == f"{config}, line 3"
    assert pair["verdict"].startswith("not an idle timer")
    assert _learned(told) == {"channel-timeout": 1200.0}


# The login shell of a user: what sshd runs `-c 'sh -s'` with, and what SHELL names.
@pytest.mark.parametrize(
    ("shell", "file", "line", "rule"),
    [
        ("bash", ".bash_profile", "TMOUT=700", ("tmout", 700.0)),
        ("zsh", ".zprofile", "TMOUT=700", ("zsh-tmout", 700.0)),
        ("ksh93", ".profile", "export TMOUT=700", ("tmout", 700.0)),
        ("ksh93", ".kshrc", "TMOUT=700", ("tmout", 700.0)),
        ("mksh", ".profile", "readonly TMOUT=700", ("tmout", 700.0)),
        ("tcsh", ".login", "echo hello; set autologout=20", ("autologout", 1200.0)),
        ("fish", ".profile", "TMOUT=700", None),
        ("dash", ".profile", "TMOUT=700", None),
    ],
)
def test_login_shells(
    start_sshd: StartSshd,
    probed: Callable[..., Any],
    tmp_path: Path,
    shell: str,
    file: str,
    line: str,
    rule: tuple[str, float] | None,
) -> None:
    require(shell)
    home = tmp_path / "home"
    home.mkdir()
    (home / file).write_text(f"{line}\n")
    told = probed(start_sshd(*_forced(tmp_path, [path_of(shell), "-c", "$SSH_ORIGINAL_COMMAND"])))
    assert (told["status"], told["complete"]) == (0, True), told
    assert _learned(told) == dict([rule] if rule else [])
    written = {path.name for path in home.iterdir()} - {file}
    # fish makes these whenever it runs, be it for `fish -c true`.
    assert written <= ({".config", ".local", ".cache"} if shell == "fish" else set())


def _answered(shell: str, root: Path, **env: str) -> answers.Report:
    """What the script answers, run here by `shell`, and with `root` before the paths of files."""
    done = subprocess.run(
        [path_of(shell), *(["ash"] if shell == "busybox" else []), "-s"],
        input=script.script("ab12", root=str(root)),
        capture_output=True,
        text=True,
        cwd=env["HOME"],
        env={"PATH": os.environ["PATH"], **env},
        timeout=DEADLINE,
        check=True,
    )
    report = answers.read(done.stdout, "ab12")
    assert report.complete, done
    return report


KSH_RC = "TMOUT=300\nHISTFILE=$HOME/history; export HISTFILE\n"


@pytest.mark.parametrize("shell", ["ksh93", "mksh", "mksh-static", "lksh"])
@pytest.mark.parametrize(
    ("profile", "rc"),
    [
        ("export ENV=$HOME/.rc", ".rc"),
        ("ENV='${HOME}/r c'; export ENV", "r c"),
        ("", ""),
        ("export ENV=$HOME; TMOUT=300", None),
    ],
    ids=["exported", "expanded", "default", "no-file"],
)
def test_what_an_interactive_ksh_reads_besides(
    tmp_path: Path, shell: str, profile: str, rc: str | None
) -> None:
    """Its history file stays as it is: an interactive one would have begun it anew."""
    require(shell)
    default = ".kshrc" if shell.endswith("ksh93") else ".mkshrc"
    files = {".profile": f"{profile}\n", "history": "kept\n"}
    if rc is not None:
        files[rc or default] = KSH_RC
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    report = _answered("dash", tmp_path, SHELL=path_of(shell), HOME=str(tmp_path))
    assert report.last("tmout") == "300"
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == files


@pytest.mark.parametrize("shell", ["rksh93", "rmksh"])
def test_a_restricted_ksh_still_tells_what_its_profile_sets(tmp_path: Path, shell: str) -> None:
    require(shell)
    (tmp_path / ".profile").write_text("TMOUT=300; export ENV=$HOME/rc\n")
    (tmp_path / "rc").write_text(KSH_RC)
    report = _answered("dash", tmp_path, SHELL=path_of(shell), HOME=str(tmp_path))
    assert report.last("tmout") == "300"


def test_the_file_of_all_ksh93(tmp_path: Path) -> None:
    require("ksh93")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "ksh.kshrc").write_text("TMOUT=300\n")
    report = _answered("dash", tmp_path, SHELL=path_of("ksh93"), HOME=str(tmp_path))
    assert report.last("tmout") == "300"


def _forced(directory: Path, words: Sequence[str]) -> list[str]:
    """Settings that make sshd run `words`; `$SSH_ORIGINAL_COMMAND` is what the client asked for."""
    entry = directory / "forced"
    quoted = " ".join(f'"{word}"' if word.startswith("$") else shlex.quote(word) for word in words)
    settings = {"HOME": directory / "home", "SHELL": words[0], "PATH": "/usr/bin:/bin:/usr/sbin"}
    (directory / "home").mkdir(exist_ok=True)
    env = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in settings.items())
    entry.write_text(f"#!/bin/sh\nexec env -i {env} {quoted}\n")
    entry.chmod(0o755)
    return [f"ForceCommand {entry}"]


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox", "ksh93", "mksh"])
def test_the_script_runs_under_every_sh_and_writes_nothing(shell: str, tmp_path: Path) -> None:
    require(shell)
    home = tmp_path / "home"
    home.mkdir()
    report = _answered(shell, tmp_path, HOME=str(home), SHELL=path_of("bash"))
    assert report.last("tmout-of") == "bash"
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_the_script_does_without_any_program(shell: str, tmp_path: Path) -> None:
    require(shell)
    (tmp_path / "etc" / "systemd").mkdir(parents=True)
    (tmp_path / "etc" / "systemd" / "logind.conf").write_text("[Login]\n StopIdleSessionSec=15min")
    env = {"HOME": str(tmp_path), "PATH": "/nonexistent", "SHELL": path_of("bash")}
    report = _answered(shell, tmp_path, **env)
    assert report.last("logind-line") == "2 StopIdleSessionSec=15min"
    assert report.last("tmout-of") == "bash"


def test_what_the_script_reads_below_etc(tmp_path: Path) -> None:
    """The reapers of terminals and tmux, which are not there on most machines."""
    (tmp_path / "etc").mkdir()
    files = {
        "autolog.conf": "# idle=5\nname=.* idle=30 grace=30\n",
        "timeouts": "Al:*:*:*:20:0:0:0:0\n",
        "tmux.conf": "set -g status off\n  set -g lock-after-time 900\n",
    }
    for name, text in files.items():
        (tmp_path / "etc" / name).write_text(text)
    env = {"HOME": str(tmp_path), "PATH": "/nonexistent", "SHELL": path_of("dash")}
    found = findings.findings("", _answered("dash", tmp_path, **env))
    limits = {finding.name: finding.limit for finding in found if finding.limit is not None}
    assert limits == {"autolog": 1800.0, "timeoutd": 1200.0, "lock-after-time 900": 900.0}
    assert not any(finding.holds for finding in found)


def test_a_start_up_file_that_hangs(start_sshd: StartSshd, probed: Callable[..., Any]) -> None:
    server = start_sshd("ChannelTimeout session:*=20m", env={"SHELL": path_of("bash")})
    (server.access.directory / "home" / ".bash_profile").write_text("TMOUT=600\nsleep 1000\n")
    told = probed(server)
    assert (told["status"], told["complete"]) == (0, True)
    assert _rows(told)["TMOUT"]["verdict"] == "the shell did not answer: unknown"
    assert _learned(told) == {"channel-timeout": 1200.0}


@pytest.mark.slow
def test_a_host_that_says_nothing_is_left(
    start_sshd: StartSshd, probed: Callable[..., Any], tmp_path: Path
) -> None:
    # Nothing but line feeds, so that it ends when nobody listens any more.
    silent = "while sleep 1; do echo; done"
    told = probed(start_sshd(*_forced(tmp_path, ["/bin/sh", "-c", silent])))
    assert (told["status"], told["complete"], told["ssh_status"]) == (1, False, None)
    assert "the host ran no script (ssh was given up)" in told["notes"][0]


def test_garbage_before_the_answer(
    start_sshd: StartSshd, probed: Callable[..., Any], tmp_path: Path
) -> None:
    noise = f"printf 'Welcome\\033[2J\\n{answers.MARK} x tmout 5\\nno newline'; "
    told = probed(start_sshd(*_forced(tmp_path, ["/bin/sh", "-c", noise + "exec sh -s"])))
    assert (told["status"], told["complete"]) == (0, True)
    assert _learned(told) == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["/bin/echo", "This account is not available."], "This account is not available."),
        (["/bin/sh", "-c", "echo '% Invalid input detected'; exit 1"], "% Invalid input detected"),
        (["/bin/cat"], ""),  # echoes the script
        (["/bin/sh", "-c", "exit 127"], ""),
        (["/bin/sh", "-c", "echo 'rbash: sh: restricted'; exit 126"], "rbash: sh: restricted"),
        (["/bin/sh", "-c", "kill -9 $$"], ""),
    ],
)
def test_a_host_that_runs_no_script(
    start_sshd: StartSshd,
    probed: Callable[..., Any],
    tmp_path: Path,
    words: list[str],
    said: str,
) -> None:
    told = probed(start_sshd(*_forced(tmp_path, words)))
    assert (told["status"], told["complete"]) == (1, False)
    assert "the host ran no script" in told["notes"][0]
    assert said in told["notes"][0]
    assert told["notes"][0].endswith("nothing is remembered")
    assert len(told["rows"]) == 2  # the server, by its banner, and what is on the way
    assert told["learned"] == []
    assert _remembered(told) == {}


def test_an_answer_that_is_cut_off_erases_nothing_either(
    start_sshd: StartSshd, probed: Callable[..., Any], tmp_path: Path
) -> None:
    server = start_sshd("ChannelTimeout session:*=20m", *_forced(tmp_path, ["/bin/sh", "-s"]))
    assert _remembered(probed(server)) == {"channel-timeout": 1200.0}
    entry = tmp_path / "forced"
    entry.write_text("#!/bin/sh\nsh -s | head -n 4\n")
    told = probed(server)
    assert (told["status"], told["complete"], told["learned"]) == (1, False, [])
    assert "the answer was cut off" in told["notes"][0]
    assert _remembered(told) == {"channel-timeout": 1200.0}


def test_a_flood_is_left(start_sshd: StartSshd, probed: Callable[..., Any], tmp_path: Path) -> None:
    told = probed(start_sshd(*_forced(tmp_path, ["/usr/bin/yes", "x" * 500])))
    assert (told["status"], told["complete"], told["ssh_status"]) == (1, False, None)


def test_ssh_that_fails_is_quoted(run: Run, sshd: Sshd) -> None:
    access = sshd.access.through(free_port())
    done = run(*access.ssh_args())
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    assert "debug1" not in done.stderr
    assert "ssh ended with status 255; nothing is remembered" in done.stdout
    assert "Traceback" not in done.stderr


def test_an_unknown_host(run: Run) -> None:
    done = run("-F", "/dev/null", "no-such-host.invalid")
    assert done.returncode == 1
    assert "Could not resolve hostname" in done.stderr
    assert "nothing is remembered" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "probe expects a host"),
        (["host", "ls"], "leave out the command"),
        (["-N", "host"], "leave out -N"),
        (["-V"], "leave out the command"),
        (["--frobnicate", "host"], "unknown option --frobnicate"),
    ],
)
def test_what_is_no_probe(run: Run, arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("keepshell: ")
    assert words in done.stderr


def test_ssh_config_is_the_users(start_sshd: StartSshd, run: Run, sshd: Sshd) -> None:
    """A forwarding, a command of its own and a master would each spoil an ordinary `sh -s`."""
    config = sshd.access.ssh_config(
        f"LocalForward {sshd.port} 127.0.0.1:1",
        "ExitOnForwardFailure yes",
        "RemoteCommand uptime",
        "RequestTTY force",
        "ControlMaster auto",
        f"ControlPath {sshd.access.directory}/mux",
        "ControlPersist 30",
    )
    done = run("--json", "-F", str(config), "testhost", "-q")
    told = json.loads(done.stdout)
    assert (done.returncode, told["complete"], done.stderr) == (0, True, "")
    assert told["server"].startswith("OpenSSH_")
    assert not (sshd.access.directory / "mux").exists()


def test_a_table_on_a_terminal(
    start_sshd: StartSshd, start_terminal: Callable[..., Terminal], keepshell_exe: Path
) -> None:
    server = start_sshd("ChannelTimeout session:*=20m")
    arguments = ["probe", *server.access.ssh_args()]
    terminal = start_terminal([str(keepshell_exe), *arguments], rows=40, cols=200)
    terminal.expect("Remembered: ChannelTimeout 20m")
    terminal.read_to_end()
    assert terminal.wait() == 0
    shown = "\n".join(terminal.screen.lines)
    assert "WHAT BEATS IT" in shown
    assert "ChannelTimeout" in shown


def test_a_state_that_cannot_be_written_costs_a_sentence(run: Run, sshd: Sshd) -> None:
    done = run(*sshd.access.ssh_args(), XDG_STATE_HOME="/dev/null")
    assert done.returncode == 0
    assert "nothing is remembered: /dev/null/keepshell" in done.stdout
