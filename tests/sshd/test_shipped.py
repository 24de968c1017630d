"""What scripts/package builds: the same bytes each time, and it runs where people put it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import keepshell
from tests.support.listening import free_port
from tests.support.machine import debian
from tests.support.programs import find, path_of
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE
from tests.test_gone import old_pythons
from tests.test_packaging import NOT_COPIED, ROOT, run

EPOCH = "1700000000"
STOCK = [find("python3.11") or sys.executable, "-I", "-S"]
"""An interpreter that finds nothing but its own library."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that building leaves nothing in this one."""
    source = tmp_path_factory.mktemp("shipped") / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_COPIED))
    (source / "dist").mkdir()
    return source


def build(kind: str, checkout: Path) -> dict[str, bytes]:
    """What a script of scripts/packaging puts into dist/, by its name."""
    for old in (checkout / "dist").iterdir():
        old.unlink()
    for path in checkout.rglob("*.py"):  # a checkout is never as old as the last one
        os.utime(path)
    env = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    built = subprocess.run(
        [checkout / "scripts" / "packaging" / kind, sys.executable],
        cwd=checkout,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20 * DEADLINE,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return {path.name: path.read_bytes() for path in (checkout / "dist").iterdir()}


@pytest.mark.parametrize("kind", ["wheel", "pyz"])
def test_the_same_bytes_each_time(kind: str, checkout: Path) -> None:
    assert build(kind, checkout) == build(kind, checkout)


@pytest.fixture(scope="module")
def one_file(checkout: Path) -> Path:
    build("pyz", checkout)
    return checkout / "dist" / "keepshell.pyz"


@pytest.fixture
def shim(one_file: Path, tmp_path: Path) -> Iterator[Path]:
    """The directory of shims that the single file has written."""
    run(*STOCK, one_file, "shim", "install", "--dir", tmp_path / "shims")
    yield tmp_path / "shims"
    run(*STOCK, one_file, "shim", "remove")


class TestOneFile:
    def test_a_session(
        self, one_file: Path, sshd: Sshd, start_terminal: Callable[..., Terminal]
    ) -> None:
        terminal = start_terminal([*STOCK, str(one_file), "ssh", *sshd.access.ssh_args()])
        terminal.expect(PROMPT)
        terminal.send_line("echo $((40 + 2)); exit 3")
        terminal.expect("42")
        assert terminal.wait() == 3
        assert "keepshell" not in terminal.screen.text

    def test_a_shim(self, shim: Path, sshd: Sshd) -> None:
        done = run(shim / "ssh", *sshd.access.ssh_args(), "echo $((40 + 2))")
        assert (done.stdout, done.stderr) == ("42\n", "")
        assert "keepshell.pyz" in (shim / "ssh").read_text()

    @pytest.mark.parametrize(
        "line",
        [
            *("explain --json web", "init bash", "config path", "config check", "config init"),
            *("config show --defaults", "history", "status", "doctor --json", "man"),
        ],
    )
    def test_what_needs_nothing_more(self, line: str, one_file: Path) -> None:
        assert run(*STOCK, one_file, *line.split()).stderr == ""

    def test_what_does(self, one_file: Path) -> None:
        done = subprocess.run(
            [*STOCK, one_file, "config", "set", "web", "xon=true"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 70
        needs = r"keepshell: this needs the Python package tomlkit, which \S+ does not have; "
        assert re.fullmatch(needs + "without it: keepshell config edit\n", done.stderr)

    def test_an_old_python(self, one_file: Path) -> None:
        for old, number in old_pythons():
            done = run(*old, one_file, "ssh", "-V")
            said, ssh = done.stderr.splitlines()
            assert said.startswith(f"keepshell: needs Python 3.11 or newer, and this is {number} (")
            assert said.endswith("); running ssh without keepshell")
            assert ssh.startswith("OpenSSH")

    def test_python_2(self, one_file: Path) -> None:
        program = (
            "import runpy, sys; sys.version_info = (2, 7, 18)\n"
            f"runpy.run_path({str(one_file)!r}, run_name='__main__')"
        )
        done = subprocess.run([*STOCK, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 70
        said = "keepshell: needs Python 3.11 or newer, and this is 2.7.18 ("
        assert done.stderr.startswith(said)
        assert done.stderr.count("\n") == 1


HOMES = {
    "unset": "unset HOME",
    "gone": "export HOME=/proc/gone",  # where not even root makes a directory
    "a file": "touch $0/file; export HOME=$0/file",
    "read-only": "mount -t tmpfs -o ro none $0; export HOME=$0",
}


@pytest.fixture(params=["installed", "one file"])
def program(request: pytest.FixtureRequest, keepshell_exe: Path) -> list[str]:
    """The words that run keepshell."""
    if request.param == "installed":
        return [str(keepshell_exe)]
    return [*STOCK, str(request.getfixturevalue("one_file"))]


@pytest.fixture(params=HOMES)
def within(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The words that run what follows with a bad HOME, and without XDG directories.

    In a namespace of its own, since to root nothing but a mount is read-only.
    """
    folder = tmp_path / "home"
    folder.mkdir()
    unset = "unset XDG_CONFIG_HOME XDG_STATE_HOME XDG_RUNTIME_DIR XDG_CACHE_HOME XDG_DATA_HOME"
    line = f'{HOMES[request.param]}; {unset}; exec "$@"'
    mounts = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
    return [path_of("unshare"), *mounts, "sh", "-ec", line, str(folder)]


def test_a_session_without_a_home(
    program: list[str], within: list[str], sshd: Sshd, start_terminal: Callable[..., Terminal]
) -> None:
    terminal = start_terminal([*within, *program, "ssh", *sshd.access.ssh_args()])
    terminal.expect(PROMPT)
    terminal.send_line("echo $((40 + 2)); exit 3")
    terminal.expect("42")
    assert terminal.wait() == 3
    said = [line for line in terminal.read_to_end().splitlines() if b"keepshell" in line]
    assert len(said) <= 1
    assert all(line.startswith(b"keepshell: this session is not remembered: ") for line in said)


def test_a_host_s_command_without_a_home(program: list[str], within: list[str], sshd: Sshd) -> None:
    done = run(*within, *program, "ssh", *sshd.access.ssh_args(), "echo $((40 + 2))")
    assert (done.stdout, done.stderr) == ("42\n", "")


@pytest.mark.parametrize(
    "line",
    [
        *("config show", "config init", "config set web xon=true", "shim install", "shim status"),
        *("status", "history", "forget web", "explain -F none 127.0.0.1", "doctor", "hold web"),
    ],
)
def test_our_commands_without_a_home(program: list[str], within: list[str], line: str) -> None:
    done = subprocess.run(
        [*within, *program, *shlex.split(line)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode in (0, 1, 2, 70)
    assert bool(done.stderr) == (done.returncode not in (0, 1) or not done.stdout)
    for word in ("Traceback", "internal error", "Errno", "install it again"):
        assert word not in done.stdout + done.stderr
    assert done.stderr == "" or done.stderr.startswith("keepshell: ")


IN_DEBIAN = """
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes --no-install-recommends man-db bash-completion /dist/*.deb >/dev/null
dpkg --verify keepshell
keepshell --version
man -w keepshell
keepshell --dry-run ssh web | head -n 1
keepshell status
keepshell config set web xon=true | tail -n 1
keepshell doctor >/dev/null

mkdir -p /run/sshd ~/.ssh
ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519
cp ~/.ssh/id_ed25519.pub ~/.ssh/authorized_keys
/usr/sbin/sshd -o ListenAddress=127.0.0.1 -p "$1"
new_host="-o StrictHostKeyChecking=accept-new -o LogLevel=ERROR"
log_in="keepshell ssh -tt $new_host -p $1 127.0.0.1"
script -qec "$log_in 'tty >/dev/null && echo a session'" /dev/null | grep -o 'a session'

. /usr/share/bash-completion/bash_completion
_completion_loader keepshell || [ $? = 124 ]
complete -p keepshell
dpkg --purge keepshell >/dev/null
find / -xdev -name '*keepshell*' -not -path '/dist/*' | sort
"""


@pytest.mark.slow
def test_the_debian_package(checkout: Path) -> None:
    """Built, installed by apt with Debian's own pexpect, used, and removed again."""
    path_of("dpkg-buildpackage")
    built = build("deb", checkout)
    version = keepshell.__version__
    assert set(built) == {f"keepshell_{version}-1_all.deb"}
    (package,) = (checkout / "dist").iterdir()
    depends = set(run(path_of("dpkg-deb"), "-f", package, "Depends").stdout.strip().split(", "))
    packages = {
        f"python3-{name}" for name in ("pexpect", "psutil", "ptyprocess", "rich", "tomlkit")
    }
    assert depends == {"openssh-client", "python3:any (>= 3.11~)"} | packages
    run(
        path_of("lintian"),
        "--allow-root",
        "--fail-on",
        "error,warning",
        *(checkout / "dist").iterdir(),
    )
    with debian(f"--bind-ro={checkout / 'dist'}:/dist") as inside:
        said = run(*inside, "bash", "-c", IN_DEBIAN, "bash", str(free_port())).stdout.splitlines()
    assert said == [
        f"keepshell {version}",
        "/usr/share/man/man1/keepshell.1.gz",
        "/usr/bin/ssh -o ServerAliveInterval=60 -o ServerAliveCountMax=20 web",
        "no session runs (ssh without a terminal is ssh alone, and not listed)",
        "+xon = true",
        "a session",
        "complete -F _keepshell keepshell",
        "/root/.config/keepshell",  # these two are the user's
        "/root/.local/state/keepshell",
    ]
