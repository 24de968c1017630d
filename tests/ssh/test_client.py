"""The real ssh is found behind every kind of shim, and no way back to keepshell becomes a loop."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from keepshell.ssh.client import DEPTH
from tests.support.processes import is_gone
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE, eventually

# What stands for the real ssh: it says by which path it was started and with what.
REAL = '#!/bin/sh\necho "real $0" "$@"\nexit 7\n'
BY_NAME = '#!/bin/sh\nexec keepshell ssh "$@"\n'
AS_CHILD = '#!/bin/sh\nkeepshell ssh "$@"\n'
# No look into this one can tell where it leads: as a compiled wrapper.
BY_VARIABLE = '#!/bin/sh\nexec "$LEADS_TO" ssh "$@"\n'


class Folders:
    """Directories for PATH, in the order in which they were made; `run` looks for ssh in them."""

    def __init__(self, base: Path, keepshell_exe: Path) -> None:
        self._base = base
        self._paths: list[Path] = []
        self._exe = keepshell_exe
        # Where the wrappers find keepshell: without the rest of the environment's programs.
        (self.add() / "keepshell").symlink_to(keepshell_exe)

    def add(self) -> Path:
        """One more directory, empty."""
        path = self._base / f"bin{len(self._paths)}"
        path.mkdir()
        self._paths.append(path)
        return path

    def add_script(self, text: str, name: str = "ssh") -> Path:
        """One more directory, with this program in it; returns the program."""
        path = self.add() / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    @property
    def env(self) -> dict[str, str]:
        """The environment with these directories and no others on PATH."""
        return {**os.environ, "PATH": os.pathsep.join(map(str, self._paths))}

    def run(
        self, argv: Sequence[str | Path] = (), env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv`, or `keepshell ssh -F none host`."""
        return subprocess.run(
            list(argv) or [self._exe, "ssh", "-F", "none", "host"],
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=DEADLINE,
            check=False,
        )


@pytest.fixture
def folders(tmp_path: Path, keepshell_exe: Path) -> Folders:
    """PATH, with keepshell on it and no ssh yet."""
    return Folders(tmp_path, keepshell_exe)


def _symlink(path: Path, exe: Path) -> None:
    path.symlink_to(exe)


def _symlinks(path: Path, exe: Path) -> None:
    path.with_name("to").symlink_to(exe)
    path.symlink_to("to")


def _copy(path: Path, exe: Path) -> None:
    shutil.copy(exe, path)


def _hard_link(path: Path, exe: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(exe, copy)
    os.link(copy, path)


def _wrapper(path: Path, exe: Path) -> None:
    path.write_text(BY_NAME)
    path.chmod(0o755)


def _wrapper_that_waits(path: Path, exe: Path) -> None:
    path.write_text(AS_CHILD)
    path.chmod(0o755)


def _module(path: Path, exe: Path) -> None:
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -m keepshell ssh "$@"\n')
    path.chmod(0o755)


SHIMS = [_symlink, _symlinks, _copy, _hard_link, _wrapper, _wrapper_that_waits, _module]
Make = Callable[[Path, Path], None]


def _name(make: Make) -> str:
    return make.__name__.strip("_")


@pytest.mark.parametrize("make", SHIMS, ids=_name)
def test_a_shim_on_path_is_skipped(make: Make, folders: Folders, keepshell_exe: Path) -> None:
    shim = folders.add() / "ssh"
    make(shim, keepshell_exe)
    real = folders.add_script(REAL)
    for argv in ([], [str(shim), "-F", "none", "host"]):
        ended = folders.run(argv)
        assert ended.returncode == 7, ended.stderr
        assert ended.stdout.startswith(f"real {real} -o ServerAliveInterval=60 ")
        assert ended.stdout.count("ServerAliveInterval") == 1
        assert ended.stderr == ""


@pytest.mark.parametrize("outer", SHIMS, ids=_name)
@pytest.mark.parametrize("inner", [_symlink, _wrapper, _wrapper_that_waits], ids=_name)
def test_shims_in_front_of_each_other(
    outer: Make, inner: Make, folders: Folders, keepshell_exe: Path
) -> None:
    for make in (outer, inner):
        make(folders.add() / "ssh", keepshell_exe)
    real = folders.add_script(REAL)
    ended = folders.run([real.parents[1] / "bin1" / "ssh", "-F", "none", "host"])
    assert ended.returncode == 7, ended.stderr
    assert ended.stdout.startswith(f"real {real} ")
    assert ended.stdout.count("ServerAliveInterval") == 1


def test_a_wrapper_of_the_users_own_is_the_real_ssh(folders: Folders) -> None:
    wrapper = folders.add_script('#!/bin/sh\nPATH=${PATH#*:*:}\nexec ssh -C "$@"\n')
    real = folders.add_script(REAL)
    ended = folders.run()
    assert ended.returncode == 7, ended.stderr
    assert ended.stdout.startswith(f"real {real} -C -o ServerAliveInterval=60 ")
    assert wrapper.exists()


def test_what_is_no_program_is_skipped(folders: Folders, tmp_path: Path) -> None:
    (folders.add() / "ssh").mkdir()
    (folders.add() / "ssh").write_text(REAL)  # not executable
    (folders.add() / "ssh").symlink_to(tmp_path / "nothing")
    loop = folders.add() / "ssh"
    loop.symlink_to(loop)
    real = folders.add_script(REAL)
    assert folders.run().stdout.startswith(f"real {real} ")


def test_a_folder_of_path_may_be_missing_or_empty(folders: Folders) -> None:
    real = folders.add_script(REAL)
    path = f"/no/such/folder::{folders.env['PATH']}"
    assert folders.run(env={"PATH": path}).stdout.startswith(f"real {real} ")


def test_the_current_directory_where_path_says_so(folders: Folders, keepshell_exe: Path) -> None:
    real = folders.add_script(REAL)
    ended = subprocess.run(
        [keepshell_exe, "ssh", "-F", "none", "host"],
        env={**os.environ, "PATH": ""},
        cwd=real.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.startswith("real ./ssh ")


def test_without_a_path_the_systems_own_is_used(folders: Folders, keepshell_exe: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "PATH"}
    ended = subprocess.run(
        [keepshell_exe, "--dry-run", "ssh", "-F", "none", "host"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split()[0] in {f"{folder}/ssh" for folder in os.defpath.split(":")}


REMEDY = (
    "keepshell: no ssh found on PATH besides keepshell itself; install an ssh client (Debian: "
    'openssh-client) or name it in KEEPSHELL_SSH or as ssh = "/path" in config.toml\n'
)


@pytest.mark.parametrize("make", [None, *SHIMS], ids=lambda make: make and _name(make))
def test_no_ssh_at_all(make: Make | None, folders: Folders, keepshell_exe: Path) -> None:
    if make is not None:
        make(folders.add() / "ssh", keepshell_exe)
    exe = str(keepshell_exe)
    for argv in ([], [exe, "ssh", "-V"], [exe, "ssh"]):
        ended = folders.run(argv)
        assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", REMEDY)


def test_no_ssh_with_everything_turned_off(folders: Folders) -> None:
    ended = folders.run(env={"KEEPSHELL": "0"})
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", REMEDY)


@pytest.mark.parametrize("source", ["KEEPSHELL_SSH", "--ssh", "config.toml"])
class TestNamed:
    """An ssh that was named is taken, or refused with the name of who named it.

    What was named for every call is no reason not to run ssh: the one on PATH does.
    """

    def run(self, folders: Folders, source: str, path: str) -> subprocess.CompletedProcess[str]:
        env, options = {}, []
        if source == "KEEPSHELL_SSH":
            env = {source: path}
        elif source == "--ssh":
            options = [source, path]
        else:
            config = Path(os.environ["XDG_CONFIG_HOME"], "keepshell", "config.toml")
            config.parent.mkdir(exist_ok=True)
            config.write_text(f"[default]\nssh = '{path}'\n")
        return folders.run([path_in(folders), *options, "ssh", "-F", "none", "host"], env)

    def check(self, folders: Folders, source: str, path: Path, said: str) -> None:
        """Of this path, one line is said that ends so."""
        real = folders.add_script(REAL)
        ended = self.run(folders, source, str(path))
        assert ended.returncode == (2 if source == "--ssh" else 7), ended.stderr
        assert ended.stdout.startswith("" if source == "--ssh" else f"real {real} -o ")
        assert ended.stderr.startswith("keepshell: ")
        assert source in ended.stderr
        assert ended.stderr.endswith(f": {str(path)!r} {said}; name the real ssh\n")
        assert ended.stderr.count("\n") == 1

    def test_it_beats_path(self, source: str, folders: Folders) -> None:
        folders.add_script(REAL)
        named = folders.add_script(REAL, "another")
        ended = self.run(folders, source, str(named))
        assert ended.returncode == 7, ended.stderr
        assert ended.stdout.startswith(f"real {named} ")

    @pytest.mark.parametrize("make", SHIMS, ids=_name)
    def test_ourselves_are_refused(
        self, source: str, make: Make, folders: Folders, keepshell_exe: Path
    ) -> None:
        shim = folders.add() / "mine"
        make(shim, keepshell_exe)
        self.check(folders, source, shim, "leads back to keepshell")

    @pytest.mark.parametrize("kind", ["nothing", "directory", "no program", "dangling"])
    def test_no_program_is_refused(
        self, source: str, kind: str, folders: Folders, tmp_path: Path
    ) -> None:
        path = tmp_path / "named"
        if kind == "directory":
            path.mkdir()
        elif kind == "no program":
            path.write_text(REAL)
        elif kind == "dangling":
            path.symlink_to(tmp_path / "nowhere")
        self.check(folders, source, path, "is not an executable file")

    def test_a_program_of_another_machine(
        self, source: str, folders: Folders, tmp_path: Path
    ) -> None:
        broken = tmp_path / "broken"
        broken.write_bytes(b"\x7fELF of another machine")
        broken.chmod(0o755)
        ended = self.run(folders, source, str(broken))
        assert (ended.returncode, ended.stdout) == (126, "")
        assert ended.stderr.splitlines()[-1] == f"keepshell: {broken}: Exec format error"


def path_in(folders: Folders) -> str:
    """keepshell, as found on that PATH."""
    path = shutil.which("keepshell", path=folders.env["PATH"])
    assert path is not None
    return path


def led_back(path: Path) -> str:
    return (
        f"keepshell: {path} leads back to keepshell, and there is no other ssh on PATH; "
        "name the real one in KEEPSHELL_SSH\n"
    )


class TestAWayBackThatNobodyCanSee:
    """After one turn it is known which program leads back, and the next one on PATH is ssh."""

    @pytest.fixture
    def hidden(
        self, folders: Folders, keepshell_exe: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Path:
        monkeypatch.setenv("LEADS_TO", str(keepshell_exe))
        return folders.add_script(BY_VARIABLE)

    @pytest.mark.parametrize("arguments", [["-F", "none", "host"], ["-V"], ["host", "a", "--help"]])
    @pytest.mark.parametrize("off", [{}, {"KEEPSHELL": "0"}], ids=["on", "off"])
    def test_the_next_ssh_is_taken(
        self, off: dict[str, str], arguments: list[str], hidden: Path, folders: Folders
    ) -> None:
        real = folders.add_script(REAL)
        calls: list[list[str]] = [[path_in(folders), "ssh", *arguments], [str(hidden), *arguments]]
        for argv in calls:
            ended = folders.run(argv, off)
            assert (ended.returncode, ended.stderr) == (7, "")
            assert ended.stdout.startswith(f"real {real} ")
            assert ended.stdout.endswith(f"{' '.join(arguments)}\n")
            assert ended.stdout.count("ServerAliveInterval") == (not off and arguments != ["-V"])

    def test_two_scripts(self, folders: Folders, keepshell_exe: Path) -> None:
        second = folders.add_script('#!/bin/sh\nexec keepshell ssh -C "$@"\n', "s")
        folders.add_script(f'#!/bin/sh\n{second} -4 "$@"\n')
        real = folders.add_script(REAL)
        ended = folders.run()
        assert (ended.returncode, ended.stderr) == (7, "")
        assert ended.stdout.startswith(f"real {real} -C -4 -o ServerAliveInterval=60 ")

    def test_two_that_lead_back(self, hidden: Path, folders: Folders) -> None:
        folders.add_script(BY_VARIABLE)
        real = folders.add_script(REAL)
        ended = folders.run()
        assert (ended.returncode, ended.stderr) == (7, "")
        assert ended.stdout.startswith(f"real {real} -o ServerAliveInterval=60 ")

    def test_one_that_was_named(self, hidden: Path, folders: Folders) -> None:
        named = folders.add_script(BY_VARIABLE, "mine")
        real = folders.add_script(REAL)
        ended = folders.run(env={"KEEPSHELL_SSH": str(named)})
        assert (ended.returncode, ended.stderr) == (7, "")
        assert ended.stdout.startswith(f"real {real} -o ServerAliveInterval=60 ")

    @pytest.mark.parametrize("program", ["scp", "git", "top"])
    @pytest.mark.parametrize("command", ["exec", "run"])
    def test_other_programs(
        self, command: str, program: str, folders: Folders, keepshell_exe: Path
    ) -> None:
        folders.add_script(f'#!/bin/sh\nexec "$LEADS_TO" {command} -- {program} "$@"\n', program)
        folders.add_script(REAL)
        real = folders.add_script(REAL, program)
        env = {"LEADS_TO": str(keepshell_exe), "PATH": f"{folders.env['PATH']}:/usr/bin:/bin"}
        ended = folders.run([keepshell_exe, command, "--", program, "a b"], env)
        assert (ended.returncode, ended.stderr) == (7, "")
        assert ended.stdout.startswith(f"real {real} ")
        assert ended.stdout.endswith("a b\n")

    @pytest.mark.parametrize("arguments", [["-F", "none", "host"], ["-V"]])
    @pytest.mark.parametrize("off", [{}, {"KEEPSHELL": "0"}], ids=["on", "off"])
    def test_without_another_it_ends(
        self, off: dict[str, str], arguments: list[str], hidden: Path, folders: Folders
    ) -> None:
        ended = folders.run([path_in(folders), "ssh", *arguments], off)
        assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", led_back(hidden))

    def test_it_ends_without_arguments(self, hidden: Path, folders: Folders) -> None:
        ended = folders.run([path_in(folders), "ssh"])
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "leads back to keepshell" in ended.stderr

    @pytest.mark.parametrize("is_there", [True, False])
    def test_on_a_terminal(
        self,
        is_there: bool,
        hidden: Path,
        folders: Folders,
        keepshell_exe: Path,
        start_terminal: Callable[..., Terminal],
    ) -> None:
        if is_there:
            folders.add_script(REAL)
        prefix = ["env", f"PATH={folders.env['PATH']}"]
        terminal = start_terminal([*prefix, str(keepshell_exe), "ssh", "-F", "none", "host"])
        assert terminal.wait() == (7 if is_there else 2), terminal.describe()
        said = terminal.read_to_end().decode().replace("\r", "")
        assert said.startswith("real ") if is_there else said == led_back(hidden)


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("3", "4"), ("nonsense", "1")])
def test_the_depth_is_counted(before: str | None, after: str, folders: Folders) -> None:
    folders.add_script(f'#!/bin/sh\necho "${DEPTH}"\n')
    ended = folders.run(env={} if before is None else {DEPTH: before})
    assert ended.stdout == f"{after}\n"


# A stand-in whose `ssh -G` is the given text; otherwise it says what it was started with.
ANSWERS = '#!/bin/sh\n[ "$1" = -G ] || {{ echo real "$@"; exit 7; }}\n{body}\n'
ADDED = "real -o ServerAliveInterval=60 -o ServerAliveCountMax=20 "


def probed(folders: Folders, body: str) -> str:
    """The output of an ssh whose -G is `body`; being none of the system's, it is always asked."""
    folders.add_script(ANSWERS.format(body=body))
    ended = folders.run(
        [path_in(folders), "ssh", "host"],
        {"PATH": f"{folders.env['PATH']}:/bin:/usr/bin"},
    )
    assert ended.returncode == 7, ended.stderr
    assert ended.stderr == ""
    return ended.stdout


@pytest.mark.parametrize(
    "body",
    [
        "exit 1",
        "echo serveraliveinterval 5; exit 255",
        "echo serveraliveinterval 5; kill -9 $$",
        "echo Bad owner >&2; exit 255",
        "",
        "echo; echo; echo nonsense; printf 'no\\377t text \\0 '",
        "head -c 3000000 /dev/zero",
    ],
)
def test_an_answer_that_is_none_is_ignored(body: str, folders: Folders) -> None:
    assert probed(folders, body) == f"{ADDED}host\n"


def test_the_first_answer_counts(folders: Folders) -> None:
    said = "echo ServerAliveInterval 5; echo serveraliveinterval 0"
    assert probed(folders, said) == "real host\n"


@pytest.mark.parametrize(
    "hangs",
    [
        "exec sleep 1000",
        "sleep 1000; echo serveraliveinterval 5",
        "sleep 1000 & echo $! >> pids; wait",
        "echo serveraliveinterval 5; sleep 1000",
        "echo serveraliveinterval 5; exec >&-; exec sleep 1000",
        "trap '' TERM HUP INT; sleep 1000",
        "yes",
    ],
)
def test_one_that_hangs_is_ignored_and_gone(
    hangs: str, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert probed(folders, f"echo $$ >> pids; {hangs}") == f"{ADDED}host\n"
    pids = [int(pid) for pid in Path("pids").read_text().split()]
    assert pids
    eventually(lambda: all(map(is_gone, pids)), lambda: f"the end of {pids}")


@pytest.mark.parametrize("body", ["exit 1", "exec sleep 1000"])
@pytest.mark.parametrize("line", ["ServerAliveInterval 300", "ServerAliveCountMax 2"])
def test_no_answer_is_no_default(body: str, line: str, folders: Folders, tmp_path: Path) -> None:
    config = tmp_path / "ssh_config"
    config.write_text(f"Host other\n  {line}\n")
    folders.add_script(ANSWERS.format(body=body))
    ended = folders.run(
        [path_in(folders), "ssh", "-F", str(config), "host"],
        {"PATH": f"{folders.env['PATH']}:/bin:/usr/bin"},
    )
    assert ended.stdout == f"real -F {config} host\n"


def test_one_that_hangs_may_clean_up(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hangs = "trap 'echo ended > cleaned; exit 1' TERM; sleep 1000 & wait"
    assert probed(folders, hangs) == f"{ADDED}host\n"
    assert (tmp_path / "cleaned").read_text() == "ended\n"


def test_interrupted_while_ssh_is_asked(
    folders: Folders, tmp_path: Path, start_terminal: Callable[..., Terminal]
) -> None:
    folders.add_script(ANSWERS.format(body="echo $$ > pid.new; mv pid.new pid; exec sleep 1000"))
    env = {**folders.env, "PATH": f"{folders.env['PATH']}:/bin:/usr/bin"}
    terminal = start_terminal([path_in(folders), "ssh", "host"], env=env, cwd=tmp_path, job=True)
    pid = tmp_path / "pid"
    eventually(pid.exists, "ssh -G to start")
    terminal.send(b"\x03")
    assert terminal.wait() == -2, terminal.describe()
    assert is_gone(int(pid.read_text()))
    assert terminal.output in (b"^C", b"")
