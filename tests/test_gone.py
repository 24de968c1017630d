"""Where keepshell, a part of it or its Python is gone, what it was to run is run without it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import keepshell
from tests.support.programs import path_of
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE

PACKAGE = Path(keepshell.__file__).parent
COMMAND = PACKAGE.parent / "bin" / "keepshell"
REAL = "#!/bin/sh\nprintf '<%s>' real \"$@\"\nexit ${STATUS-7}\n"


class Installed:
    """A copy of keepshell, as pip would install it for a user, and a real ssh on PATH."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.bin = folder / "bin"
        self.python = self.bin / "python3"
        self.package = folder / "lib" / NAME / "site-packages" / "keepshell"
        self.command = self.bin / "keepshell"
        self.bin.mkdir(parents=True)
        text = COMMAND.read_text().removeprefix("#!python\n")
        self.command.write_text(f"#!{self.python}\n{text}")
        self.command.chmod(0o755)
        shutil.copytree(PACKAGE, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        self.python.symlink_to(sys.executable)
        (self.bin / NAME).symlink_to(sys.executable)
        (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
        real = folder / "real" / "ssh"
        real.parent.mkdir()
        real.write_text(REAL)
        real.chmod(0o755)
        self.env = {**env, "PATH": f"{self.bin}:{real.parent}:/usr/bin:/bin"}

    def run(self, *argv: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            env={**self.env, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )


NAME = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path / "it's.here", os.environ)


def _python_gone(installed: Installed) -> None:
    for name in ("python3", NAME):
        (installed.bin / name).unlink()
        (installed.bin / name).symlink_to("/no/such/python")


def _package_gone(installed: Installed) -> None:
    shutil.rmtree(installed.package)


def _package_moved(installed: Installed) -> None:
    installed.package.rename(installed.package.with_name("moved"))


def _part_gone(installed: Installed) -> None:
    (installed.package / "launch.py").unlink()


def _part_broken(installed: Installed) -> None:
    (installed.package / "ssh" / "client.py").write_text("def of another version(:\n")


def _parts_of_two_versions(installed: Installed) -> None:
    (installed.package / "config" / "settings.py").write_text('"""Another."""\n')


FAULTS = [
    *(_package_gone, _package_moved),
    *(_part_gone, _part_broken, _parts_of_two_versions),
]
Fault = Callable[[Installed], None]


@pytest.mark.parametrize("words", [("ssh",), ("--rung", "off", "ssh"), ("--xon=true", "ssh")])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_ssh_runs(words: tuple[str, ...], fault: Fault, installed: Installed) -> None:
    before = installed.run(installed.command, *words, "-F", "none", "host", "a b")
    assert before.stdout.endswith("<-F><none><host><a b>")
    assert (before.returncode, before.stderr) == (7, "")
    fault(installed)
    ended = installed.run(installed.command, *words, "-F", "none", "host", "a b")
    assert (ended.returncode, ended.stdout) == (7, "<real><-F><none><host><a b>")
    assert ended.stderr.startswith("keepshell: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("words", [("run", "--"), ("run",), ("exec", "--")])
def test_programs_run(words: tuple[str, ...], fault: Fault, installed: Installed) -> None:
    fault(installed)
    ended = installed.run(installed.command, *words, "ssh", "a b")
    assert ended.returncode == 7
    assert ended.stdout.endswith("<a b>")
    assert ended.stderr.count("\n") <= 1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_our_own_commands_say_so(fault: Fault, installed: Installed) -> None:
    fault(installed)
    ended = installed.run(installed.command, "explain", "host")
    assert (ended.returncode, ended.stdout) == (70, "")
    assert ended.stderr.startswith("keepshell: ")


def test_a_way_back_ends(installed: Installed) -> None:
    _package_gone(installed)
    wrapper = installed.bin / "ssh"
    wrapper.write_text('#!/bin/sh\nexec "$LEADS_TO" ssh "$@"\n')
    wrapper.chmod(0o755)
    ended = installed.run(installed.command, "ssh", "host", LEADS_TO=str(installed.command))
    assert ended.returncode == 70


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
class TestShellFunction:
    """`ssh` of an interactive shell."""

    def call(
        self, shell: str, installed: Installed, fault: Fault | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        printed = installed.run(installed.command, "init", shell).stdout
        assert "function ssh" in printed
        if fault is not None:
            fault(installed)
        options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
        line = f"{printed}\nssh -F none host 'a b'"
        return installed.run(path_of(shell), *options, "-c", line, **variables)

    @pytest.mark.parametrize("status", ["7", "126", "127", "255"])
    def test_the_status_is_ssh_s(self, status: str, shell: str, installed: Installed) -> None:
        ended = self.call(shell, installed, STATUS=status)
        assert ended.returncode == int(status)
        assert ended.stdout.startswith("<real><-o>")
        assert ended.stdout.endswith("<-F><none><host><a b>")
        assert ended.stderr == ""

    @pytest.mark.parametrize("fault", [_python_gone, *FAULTS], ids=lambda fault: fault.__name__)
    def test_ssh_runs(self, fault: Fault, shell: str, installed: Installed) -> None:
        ended = self.call(shell, installed, fault)
        assert (ended.returncode, ended.stdout) == (7, "<real><-F><none><host><a b>")

    def test_a_python_that_does_not_start(self, shell: str, installed: Installed) -> None:
        def breaks(installed: Installed) -> None:
            for name in ("python3", "python", NAME):
                python = installed.bin / name
                python.unlink(missing_ok=True)
                python.write_text("#!/bin/sh\nexit 127\n")
                python.chmod(0o755)

        ended = self.call(shell, installed, breaks)
        assert (ended.returncode, ended.stdout) == (7, "<real><-F><none><host><a b>")


SPEAKS = """#!/bin/sh
echo READY
read line
echo "got $line"
stty size
exit 5
"""
NOT_WHOLE = "parts of keepshell are missing or of another version ("


def on_terminal(installed: Installed, *words: str) -> list[str]:
    return ["env", f"PATH={installed.env['PATH']}", str(installed.command), *words]


def modules_of_a_session(installed: Installed) -> list[Path]:
    """The files that Python reads for a session on a terminal, without the empty ones."""
    timed = [str(installed.python), "-EPX", "importtime", str(installed.package / "__main__.py")]
    argv = ["env", f"PATH={installed.env['PATH']}", *timed, "ssh", "-F", "none", "host"]
    with Terminal(argv) as terminal:
        assert terminal.wait() == 7
        names = re.findall(r"\| +keepshell\.([\w.]+)", terminal.read_to_end().decode())
    files = [installed.package / f"{name.replace('.', '/')}.py" for name in names]
    return [file for file in files if file.exists()]


@pytest.mark.parametrize("lacks", ["the file", "its names"])
def test_any_part_of_a_session(lacks: str, installed: Installed) -> None:
    """Before or after ssh has been started: it runs once, and one line at most is said."""
    files = modules_of_a_session(installed)
    assert len(files) > 40
    for file in files:
        whole = file.read_bytes()
        if lacks == "the file":
            file.unlink()
        else:
            file.write_text('"""Of another version."""\n')
        with Terminal(on_terminal(installed, "ssh", "-F", "none", "host"), cols=999) as terminal:
            assert terminal.wait() == 7, (file, terminal.output)
            shown = terminal.read_to_end()
        file.write_bytes(whole)
        said, real = shown[: shown.index(b"<real>")], shown.count(b"<real>")
        assert shown.endswith(b"<-F><none><host>"), (file, shown)
        assert real == 1
        assert said.count(b"\n") <= 1, (file, said)
        assert not said or b"; install it again" in said or b"not remembered" in said, said


def test_a_session_goes_on_without_us(
    installed: Installed, start_terminal: Callable[..., Terminal]
) -> None:
    (installed.package / "relay" / "loop.py").unlink()
    real = installed.bin.parent / "real" / "ssh"
    real.write_text(SPEAKS)
    terminal = start_terminal(on_terminal(installed, "ssh", "-F", "none", "host"), cols=300)
    before = terminal.termios()
    terminal.expect("READY")
    said = terminal.output.decode().splitlines()[0]
    assert said.startswith(f"keepshell: {NOT_WHOLE}ModuleNotFoundError: ")
    assert said.endswith("); install it again; the session goes on without keepshell")
    terminal.resize(33, 99)
    terminal.send("one\r")
    terminal.expect("got one\r\n33 99\r\n")
    assert terminal.wait() == 5
    assert terminal.termios() == before


def test_a_kept_shell_is_not_begun(
    installed: Installed, start_terminal: Callable[..., Terminal]
) -> None:
    (installed.package / "relay" / "kept.py").unlink()
    argv = on_terminal(installed, "--reattach", "true", "ssh", "-F", "none", "host")
    terminal = start_terminal(argv, cols=300)
    assert terminal.wait() == 7
    assert terminal.read_to_end().endswith(
        b"running ssh without keepshell\r\n<real><-F><none><host>"
    )


def test_a_program_goes_on_without_us(
    installed: Installed, start_terminal: Callable[..., Terminal]
) -> None:
    """It is not run twice: what it did until then is done."""
    (installed.package / "core" / "session.py").write_text("def of another version(:\n")
    count = "echo x >>count; wc -l <count; exit 6"
    argv = on_terminal(installed, "run", "--", "sh", "-c", count)
    terminal = start_terminal(argv, cwd=installed.bin, cols=300)
    assert terminal.wait() == 6
    assert terminal.read_to_end().endswith(b"keepshell\r\n1\r\n")


def test_a_file_that_is_not_as_installed(installed: Installed) -> None:
    """Also where the fault that it causes says nothing of it."""
    about = installed.package.parent / f"keepshell-{keepshell.__version__}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Name: keepshell\nVersion: {keepshell.__version__}\n")
    launch = installed.package / "launch.py"
    digest = base64.urlsafe_b64encode(hashlib.sha256(launch.read_bytes()).digest()).decode()
    (about / "RECORD").write_text(f"keepshell/launch.py,sha256={digest.rstrip('=')},1\n")
    assert "launch.py" not in installed.run(installed.command, "doctor").stdout
    launch.write_text("def resolve(of_another_version):\n    pass\n")
    ended = installed.run(installed.command, "ssh", "-F", "none", "host")
    assert (ended.returncode, ended.stdout) == (7, "<real><-F><none><host>")
    assert ended.stderr.startswith(f"keepshell: {NOT_WHOLE}TypeError: ")
    told = installed.run(installed.command, "doctor")
    assert told.returncode == 1
    assert "keepshell/launch.py" in told.stdout
    assert "hosts: could not be checked: " in told.stdout


SIMULATED = """
import runpy, sys
sys.version_info = (3, 10, 1)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def old_pythons() -> list[tuple[list[str], str]]:
    """A simulated one, and those that are installed here; their words, and their versions."""
    pythons = PACKAGE.parent / "scripts" / "pythons"
    asked = subprocess.run(
        [pythons, "3.6", "3.7", "3.8", "3.9", "3.10"], capture_output=True, text=True, check=True
    )
    found = [([sys.executable, "-c", SIMULATED], "3.10.1")]
    for python in asked.stdout.split():
        said = subprocess.run([python, "-V"], capture_output=True, text=True, check=True)
        found.append(([python], said.stdout.split()[1]))
    return found


def test_an_old_python(installed: Installed) -> None:
    for old, number in old_pythons():
        said = f"keepshell: needs Python 3.11 or newer, and this is {number} ("
        ended = installed.run(*old, installed.command, "ssh", "-F", "none", "host")
        assert (ended.returncode, ended.stdout) == (7, "<real><-F><none><host>")
        assert ended.stderr.startswith(said)
        assert ended.stderr.endswith("); running ssh without keepshell\n")
        ended = installed.run(*old, installed.command, "status")
        assert (ended.returncode, ended.stdout) == (70, "")
        assert re.fullmatch(rf"{re.escape(said)}\S+\)\n", ended.stderr)


MOVED = """\
import os, sys
import keepshell.cli.main, keepshell.launch, keepshell.text.say
from keepshell.__main__ import start

os.rename({package!r}, {package!r} + ".moved")
sys.argv = ["keepshell", "ssh", "-F", "none", "host"]
sys.exit(start())
"""


@pytest.mark.parametrize("on_terminal", [True, False])
def test_moved_away_after_the_start(
    on_terminal: bool, installed: Installed, start_terminal: Callable[..., Terminal]
) -> None:
    """What is loaded by then is enough to become ssh, with what was decided by then."""
    code = MOVED.format(package=str(installed.package))
    argv = [str(installed.python), "-EP", "-c", code]
    if not on_terminal:
        ended = installed.run(*argv)
        assert (ended.returncode, ended.stderr) == (7, "")
        assert ended.stdout.endswith("<-F><none><host>")
        return
    terminal = start_terminal(["env", f"PATH={installed.env['PATH']}", *argv], cols=200)
    assert terminal.wait() == 7
    assert terminal.read_to_end().endswith(b"<real><-F><none><host>")
    assert terminal.output.count(b"keepshell:") == 1
