"""Every login shell passes the bootstrap on alike, and a host that can't keep a shell shows so."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.link import MARKER, PLAIN, Host, login_through, ssh
from tests.support.programs import find, require
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

SHELLS = {
    "bash": ["bash"],
    "zsh": ["zsh"],
    "fish": ["fish"],
    "tcsh": ["tcsh"],
    "ksh93": ["ksh93"],
    "mksh": ["mksh"],
    "dash": ["dash"],
    "ash": ["busybox"],
    "csh": ["bsd-csh"],
    "yash": ["yash"],
    "posh": ["posh"],
    "rc": ["rc"],
    "elvish": ["elvish"],
}

START_UP = {
    ".profile": "PS1='$ '\n",
    ".zshrc": "PS1='$ '\n",
    ".tcshrc": "set prompt = '$ '\n",
    ".cshrc": "set prompt = '$ '\n",
    ".yashrc": "PS1='$ '\n",
    ".rcrc": "prompt=('$ ' '')\n",
    ".config/elvish/rc.elv": "set edit:prompt = { print '$ ' }\n",
    ".config/fish/config.fish": "function fish_prompt; echo -n '$ '; end\n",
}


class Hosts:
    """Starts hosts whose login shell and programs a test chooses."""

    def __init__(
        self,
        start_sshd: Callable[..., Sshd],
        start_terminal: Callable[..., Terminal],
        directory: Path,
    ) -> None:
        self.start_sshd, self.start_terminal = start_sshd, start_terminal
        self.directory = directory
        self.started: list[Host] = []
        self.home = directory / "login"

    def host(self, shell: str, *, path: str = "/usr/bin:/bin", env: str = "") -> Host:
        """A host with this login shell."""
        entry = login_through(self.directory, shell, path=path, env=env)
        for name, text in START_UP.items():
            (self.home / name).parent.mkdir(parents=True, exist_ok=True)
            (self.home / name).write_text(text)
        self.started.append(Host(self.start_sshd(entry), self.start_terminal, self.home))
        return self.started[-1]

    def programs(self, **programs: str) -> str:
        """A PATH with these programs and sh: each a path, or the text of a script."""
        folder = self.directory / "bin"
        folder.mkdir()
        for name, what in {"sh": "/bin/sh", **programs}.items():
            if what.startswith("#!"):
                (folder / name).write_text(what)
                (folder / name).chmod(0o755)
            else:
                (folder / name).symlink_to(what)
        return str(folder)

    def bare(self, host: Host) -> Terminal:
        """A connection whose answer is not known yet."""
        return self.start_terminal(ssh(host.sshd.access.ssh_args()))


@pytest.fixture
def hosts(
    start_sshd: Callable[..., Sshd], start_terminal: Callable[..., Terminal], tmp_path: Path
) -> Iterator[Hosts]:
    require("/usr/bin/python3")
    hosts = Hosts(start_sshd, start_terminal, tmp_path)
    yield hosts
    for host in hosts.started:
        host.stop()


@pytest.mark.parametrize("engine", ["python", "perl"])
@pytest.mark.parametrize("name", SHELLS)
def test_every_login_shell_passes_the_bootstrap_on(
    hosts: Hosts, tmp_path: Path, name: str, engine: str
) -> None:
    require(*SHELLS[name])
    shell = tmp_path / name
    program = find(SHELLS[name][0])
    assert program is not None
    shell.symlink_to(program)
    path = f"{hosts.programs(python3='/bin/false')}:/usr/bin:/bin"
    host = hosts.host(str(shell), **({} if engine == "python" else {"path": path}))
    link = host.connect("op=new id={id} keep=600")
    assert (link.word, link.engine) == ("new", engine)
    # It is a login shell, and answers at its prompt.
    [child] = psutil.Process(host.pid).children()
    eventually(lambda: child.cmdline()[:1] == [f"-{name}"], lambda: f"-{name}: {child.cmdline()}")
    link.terminal.expect("$ ")
    link.terminal.send("exit 9\r")
    assert link.terminal.wait() == 9
    eventually(host.is_over, "the end of holder and socket")


def test_a_restricted_shell_refuses(hosts: Hosts) -> None:
    require("rbash")
    terminal = hosts.bare(hosts.host("/bin/rbash"))
    assert terminal.wait() == 1
    assert not MARKER.search(terminal.read_to_end())


@pytest.mark.parametrize(
    ("line", "status"), [("ForceCommand internal-sftp", 1), ("PermitTTY no", 255)]
)
def test_a_server_without_shells_gives_no_marker(
    hosts: Hosts, start_sshd: Callable[..., Sshd], line: str, status: int
) -> None:
    sshd = start_sshd(line)
    terminal = hosts.start_terminal(ssh(sshd.access.ssh_args()))
    assert terminal.wait() == status
    assert not MARKER.search(terminal.read_to_end())


def test_a_forced_command_that_shows_the_command_forges_no_marker(
    hosts: Hosts, start_sshd: Callable[..., Sshd], tmp_path: Path
) -> None:
    script = tmp_path / "forced"
    script.write_text('#!/bin/sh\necho "$SSH_ORIGINAL_COMMAND"\nexec sh -c "exit 6"\n')
    script.chmod(0o755)
    terminal = hosts.start_terminal(ssh(start_sshd(f"ForceCommand {script}").access.ssh_args()))
    assert terminal.wait() == 6
    shown = terminal.read_to_end()
    assert b"7**42" in shown
    assert not MARKER.search(shown)
    assert not PLAIN.search(shown)


@pytest.mark.parametrize(
    ("rc", "shown"),
    [
        ("PS1='in bash ' exec bash --norc", "in bash "),
        ("exec fish", "$ "),
        ("exec tmux -L keepshell-test -f /dev/null new", "["),
        ("read -p 'how are you? ' x", "how are you? "),
    ],
)
def test_a_start_up_file_that_takes_the_terminal_gives_no_marker(
    hosts: Hosts, rc: str, shown: str
) -> None:
    require("fish", "tmux")
    host = hosts.host("/bin/bash", env="SSH_CLIENT=x")
    (host.home / ".bashrc").write_text(f"{rc}\n")
    terminal = hosts.bare(host)
    terminal.expect(shown)
    assert not MARKER.search(terminal.output)
    terminal.close()


def test_a_start_up_file_that_exits_gives_its_status(hosts: Hosts) -> None:
    host = hosts.host("/bin/bash", env="SSH_CLIENT=x")
    (host.home / ".bashrc").write_text("exit 3\n")
    terminal = hosts.bare(host)
    assert terminal.wait() == 3
    assert not MARKER.search(terminal.read_to_end())


def test_a_start_up_file_that_speaks_is_no_hindrance(hosts: Hosts) -> None:
    host = hosts.host("/bin/bash", env="SSH_CLIENT=x")
    (host.home / ".bashrc").write_text("echo hello; stty -echo; alias exec=false; set -e\n")
    link = host.connect("op=new id={id}")
    assert link.word == "new"
    assert link.terminal.output.startswith(b"hello\r\n")


def test_modules_at_home_are_not_loaded(hosts: Hosts) -> None:
    host = hosts.host("/bin/bash", env=f"PYTHONPATH={hosts.home}")
    for name in ("os", "tty", "socket", "select", "hashlib"):
        (host.home / f"{name}.py").write_text("import sys; sys.exit('the wrong module')\n")
    link = host.connect("op=new id={id}")
    assert link.word == "new"
    assert not list(host.home.glob("__pycache__"))


def test_an_interpreter_that_fails_is_passed_over(hosts: Hosts) -> None:
    # As Xcode's stub, and a Python 2.7 under this name: the probe ends with 1.
    path = hosts.programs(python3="#!/bin/sh\necho no >&2\nexit 1\n")
    terminal = hosts.bare(hosts.host("/bin/bash", path=path))
    terminal.expect(PLAIN)
    terminal.send("exit 5\r")
    assert terminal.wait() == 5
    assert b"no\r\n" not in terminal.output


def minimal_python(folder: Path) -> Path:
    """A Python with what Debian's python3-minimal has of the library, and no more."""
    listed = subprocess.run(
        ["dpkg", "-L", "libpython3.11-minimal"], capture_output=True, text=True, check=True
    )
    library = Path("/usr/lib/python3.11")
    for name in listed.stdout.split():
        file = Path(name)
        if file.is_file() and file.is_relative_to(library):
            copy = folder / "lib/python3.11" / file.relative_to(library)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    (folder / "lib/python3.11/lib-dynload").mkdir(exist_ok=True)
    (folder / "bin").mkdir()
    shutil.copy("/usr/bin/python3.11", folder / "bin/python3")
    return folder / "bin/python3"


def test_a_minimal_python_is_passed_over(hosts: Hosts, tmp_path: Path) -> None:
    python = minimal_python(tmp_path / "minimal")
    tried = subprocess.run([python, "-IS", "-c", "import tty"], check=False, capture_output=True)
    assert b"No module named 'tty'" in tried.stderr
    terminal = hosts.bare(hosts.host("/bin/bash", path=hosts.programs(python3=str(python))))
    terminal.expect(PLAIN)
    terminal.send("exit 5\r")
    assert terminal.wait() == 5


def test_without_an_interpreter_it_is_a_login_shell(hosts: Hosts) -> None:
    terminal = hosts.bare(hosts.host("/bin/bash", path=hosts.programs()))
    terminal.expect(PLAIN)
    terminal.expect("$ ")
    terminal.send("shopt login_shell; exit 5\r")
    terminal.expect(re.compile(rb"login_shell +\ton"))
    assert terminal.wait() == 5
