"""A Debian that has booted: systemd, its logind and an sshd with PAM, in a container of nspawn.

Its root is made by debootstrap, once, and kept in `CACHE`; what a machine writes is gone with it.
It has a network of its own, with nothing but a loopback: clients are started `inside`.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psutil

from tests.support.access import Access, Keys, public_half
from tests.support.processes import end, end_tree
from tests.support.programs import lacking, path_of, require
from tests.support.waiting import DEADLINE, eventually

_CACHE_HOME = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
CACHE = Path(os.environ.get("KEEPSHELL_TEST_CACHE") or Path(_CACHE_HOME, "keepshell-tests"))
"""Read when this is imported: a test has another HOME."""

PROGRAMS = ("debootstrap", "systemd-nspawn", "nsenter")
USER = "guest"
"""Not root, whose sessions have no terminal in logind's books and are never idle to it."""
PROMPT = f"{USER}@lab:~$ "

_SUITE = "bookworm"
_RECIPE = 3
"""Another number makes another root: for a change of `_make` or `_PACKAGES`."""
_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "openssh-server"),
    *("vim", "tmux", "less", "procps", "zsh", "python3"),
)
_SSHD = """\
HostKey /etc/keepshell-test/host
AuthorizedKeysFile /etc/keepshell-test/authorized_keys
StrictModes no
PrintMotd no
PrintLastLog no
UseDNS no
MaxStartups 100
"""
# --read-only locks the root for others that run from it, too; the overlay is written to.
_NSPAWN = ("--quiet", "--register=no", "--keep-unit", "--volatile=overlay", "--read-only")
_numbers = count(1)


class Machine:
    """A booted machine; `access` has the arguments for a client of its user."""

    def __init__(
        self,
        directory: Path,
        keys: Keys,
        *,
        sshd: Sequence[str] = (),
        logind: Sequence[str] = (),
        files: Mapping[str, Path] | None = None,
    ) -> None:
        """Boot it, with lines for sshd_config(5) before ours and for logind.conf(5)'s [Login].

        `files` are what can be read there: the path in the machine, and that of ours.
        Raises AssertionError with what the console says when it does not come up.
        """
        root = _root()
        directory.mkdir(parents=True)
        self._console = directory / "console"
        keys.write_authorized(directory / "authorized_keys")
        (directory / "host").write_bytes(keys.host.read_bytes())
        (directory / "host").chmod(0o600)
        (directory / "sshd.conf").write_text("\n".join([*sshd, _SSHD]))
        (directory / "logind.conf").write_text("\n".join(["[Login]", *logind, ""]))
        name = _new_name()
        self._group = _ControlGroup(name)
        with self._console.open("wb") as console:
            self._popen = subprocess.Popen(
                self._group.run(*_nspawn(root, directory, name, files or {})),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, **self._group.environ},
            )
        try:
            self._init = self._wait_for_init()
            self.inside = (path_of("nsenter"), f"--net=/proc/{self._init.pid}/ns/net")
            self.access = Access(22, keys, directory, public_half(keys.host).strip(), USER)
            eventually(self._greets, lambda: f"sshd and logind\n{self.log}", deadline=2 * DEADLINE)
        except BaseException:
            self.stop()
            raise

    @property
    def log(self) -> str:
        """What the console says so far."""
        return self._console.read_text(errors="replace")

    def run(self, *words: str) -> str:
        """What a command prints that runs in the machine, as root and in no session of logind's."""
        enter = [path_of("nsenter"), f"--target={self._init.pid}", "--all", "--", *words]
        done = subprocess.run(enter, capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def stop(self) -> None:
        """Kill it: with its init goes all that runs in it, and then nspawn cleans up."""
        if hasattr(self, "_init"):
            end({self._init})
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(DEADLINE)
        end_tree(self._popen)
        self._group.remove()

    def _wait_for_init(self) -> psutil.Process:
        """Its process 1, once that is systemd."""
        found = eventually(self._find_init, lambda: f"init\n{self.log}")
        assert found is not None
        return found

    def _find_init(self) -> psutil.Process | None:
        assert self._popen.poll() is None, self.log
        ours = os.readlink("/proc/self/ns/pid")
        for process in psutil.Process(self._popen.pid).children():
            try:
                if process.name() == "systemd" and _pid_namespace(process) != ours:
                    return process
            except (psutil.Error, OSError):
                continue
        return None

    def _greets(self) -> bool:
        """Whether sshd and logind are up; a login without logind would be in no session."""
        asked = [path_of("nsenter"), f"--target={self._init.pid}", "--all", "--"]
        units = [*asked, "systemctl", "is-active", "--quiet", "ssh", "systemd-logind"]
        done = subprocess.run(units, capture_output=True, timeout=DEADLINE, check=False)
        return done.returncode == 0


@contextmanager
def debian(*options: str) -> Iterator[list[str]]:
    """The words that run a command in a Debian that has not booted, as root, with our network.

    `options` are nspawn's. What the command writes is gone afterwards.
    """
    root, name = _root(), _new_name()
    group = _ControlGroup(name)
    environ = [f"{variable}={value}" for variable, value in group.environ.items()]
    nspawn = [*_NSPAWN, "--pipe", f"--machine={name}", f"--directory={root}", *options]
    try:
        yield group.run("env", *environ, path_of("systemd-nspawn"), *nspawn)
    finally:
        group.remove()


def _new_name() -> str:
    return f"keepshell-{os.getpid()}-{next(_numbers)}"


def _pid_namespace(process: psutil.Process) -> str:
    return os.readlink(f"/proc/{process.pid}/ns/pid")


def _nspawn(root: Path, directory: Path, name: str, files: Mapping[str, Path]) -> list[str]:
    command = [path_of("systemd-nspawn"), *_NSPAWN, "--boot", f"--machine={name}"]
    command += ["--private-network", "--link-journal=no", "--resolv-conf=off", "--timezone=off"]
    command += ["--console=read-only"]
    bound = {
        directory: "/etc/keepshell-test",
        directory / "sshd.conf": "/etc/ssh/sshd_config.d/keepshell-test.conf",
        directory / "logind.conf": "/etc/systemd/logind.conf.d/keepshell-test.conf",
    }
    bound |= {here: there for there, here in files.items()}
    command += [f"--bind-ro={here}:{there}" for here, there in bound.items()]
    return [*command, f"--directory={root}"]


class _ControlGroup:
    """A control group of a machine's own: nspawn divides the one that it finds itself in."""

    def __init__(self, name: str) -> None:
        ours = {}
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)  # cgroups(7)
            ours[controllers] = path
        mounted = Path("/sys/fs/cgroup")
        self._is_unified = (mounted / "cgroup.controllers").exists()
        places = (
            {mounted: ""}
            if self._is_unified
            else {
                mounted / "systemd": "name=systemd",
                mounted / "unified": "",
            }
        )
        self._folders = [
            Path(f"{place}{ours[controllers]}", name)
            for place, controllers in places.items()
            if place.exists() and controllers in ours
        ]
        for folder in self._folders:
            folder.mkdir()

    def run(self, *command: str) -> list[str]:
        """The command line that runs this one in the group."""
        enter = "; ".join(f"echo $$ >'{folder}/cgroup.procs'" for folder in self._folders)
        return ["sh", "-c", f'{enter}; exec "$@"', "sh", *command]

    @property
    def environ(self) -> dict[str, str]:
        """What nspawn must be told where the host still has version 1 of the control groups."""
        return {} if self._is_unified else {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "0"}

    def remove(self) -> None:
        """Remove the groups, once the kernel has done with the last process in them."""
        eventually(self._is_removed, "an empty control group")

    def _is_removed(self) -> bool:
        with suppress(OSError):
            for folder in self._folders:
                for below in (*sorted(folder.glob("**/"), reverse=True), folder):
                    with suppress(FileNotFoundError):
                        below.rmdir()
            return True
        return False


def _root() -> Path:
    """The directory of the root, which is made if it is not there yet: a minute or two, once.

    The running test is skipped, or fails in CI, with the reason why it can't be made.
    """
    if os.geteuid() != 0:
        lacking("a machine is booted by root alone")
    require(*PROGRAMS)
    root = CACHE / f"{_SUITE}-{_RECIPE}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker of this run may be at it
        if not root.exists():
            _make(root)
    return root


def _make(root: Path) -> None:
    unfinished = CACHE / "unfinished"
    subprocess.run(["rm", "-rf", unfinished], check=True)
    environ = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    packages = f"--include={','.join(_PACKAGES)}"
    made = subprocess.run(
        [path_of("debootstrap"), "--variant=minbase", packages, _SUITE, str(unfinished)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )
    if made.returncode != 0:
        lacking(f"debootstrap can't make a Debian: {made.stdout[-2000:]}{made.stderr[-2000:]}")
    # Without Debian's .bashrc, which would colour the prompt and set a title.
    user_add = ["chroot", str(unfinished), "useradd", "--create-home", "--skel=/dev/null"]
    user_add += ["--shell=/bin/bash", USER]
    subprocess.run(user_add, env=environ, check=True)
    (unfinished / "etc" / "hostname").write_text("lab\n")
    unfinished.rename(root)
