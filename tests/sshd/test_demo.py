"""scripts/demo: what it shows is what happened, and it leaves nothing behind however it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tests.support import programs
from tests.support.processes import describe, is_gone
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE, eventually

DEMO = Path(__file__).resolve().parents[2] / "scripts" / "demo"
REUSE = ["--environment", sys.prefix]
SHORT = ["--cut-after", "5"]
LFLAG = 3  # of tcgetattr(3)
CURSOR_HIDDEN, CURSOR_SHOWN = b"\x1b[?25l", b"\x1b[?25h"  # DECTCEM


class Place:
    """A home and a temporary directory of the test's own, which the demo must leave empty."""

    def __init__(self, root: Path) -> None:
        self.home, self.temporary = root / "home", root / "tmp"
        for directory in (self.home, self.temporary):
            directory.mkdir()
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KEEPSHELL", "XDG_", "PYTHON")) and name != "NO_COLOR"
        }
        self.env |= {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8",
            # pip asks rustc for its version, to name it to the registry; where rustc is rustup's,
            # that makes files in a new home.
            "PATH": os.pathsep.join(
                directory
                for directory in os.environ["PATH"].split(os.pathsep)
                if not Path(directory, "rustup").exists()
            ),
        }

    def files(self) -> list[Path]:
        """All that is there; os.walk, unlike rglob, bears a folder that goes meanwhile."""
        return sorted(
            Path(folder, name)
            for root in (self.home, self.temporary)
            for folder, folders, files in os.walk(root)
            for name in (*folders, *files)
        )

    def processes(self) -> list[psutil.Process]:
        """Those that have our temporary directory on their command line: ssh -F, pip, ..."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if str(self.temporary) in " ".join(process.info["cmdline"] or ())
            and not is_gone(process.pid)
        ]

    def assert_clean(self) -> None:
        # The kernel hangs up on a session's processes after its leader has ended.
        eventually(lambda: not self.processes(), lambda: describe(self.processes()))
        assert self.files() == []


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    programs.require("ssh")
    place = Place(tmp_path)
    yield place
    for process in place.processes():
        process.kill()


def run(
    place: Place,
    *options: str,
    under: Sequence[str] = (),
    path: str | None = None,
    demo: Path = DEMO,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*under, demo, *options],
        env=place.env if path is None else place.env | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def assert_shown(output: str) -> None:
    """The lines of a show that went well, in order."""
    steps = (
        r"^ssh demo +\| A pretend shell",
        r"^ +.*no key is pressed",
        r"^keepshell ssh demo +server-alive 1$",
        r"^ssh demo +CUT after \d+\.\d s of silence$",
        r"^keepshell ssh demo +\| demo\$ idle$",
        r"^keepshell ssh demo +\| \d+ s since keepalive \d+$",
        r"^ +`keepshell ssh demo` answers after \d+ s without a key",
    )
    lines = [re.sub(r"^ *\d+\.\d s  ", "", line) for line in output.splitlines()]
    at = 0
    for step in steps:
        found = [
            number for number, line in enumerate(lines) if number >= at and re.search(step, line)
        ]
        assert found, f"no {step!r} from line {at} on in\n{output}"
        at = found[0]
    assert not re.search("keepshell ssh demo +CUT", output)


@pytest.mark.slow
def test_fresh_machine(place: Place) -> None:
    """The only test that makes the environment: it needs the package registry."""
    done = run(place, "--fresh")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert_shown(done.stdout)
    place.assert_clean()


@pytest.mark.slow
def test_the_second_run_makes_nothing(place: Place, tmp_path: Path) -> None:
    """In a checkout of its own, where the environment is kept."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "scripts", "keepshell"):
        source = DEMO.parents[1] / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, checkout / name)
    for name in ("bin", "docs/share"):
        shutil.copytree(DEMO.parents[1] / name, checkout / name)
    first = run(place, demo=checkout / "scripts" / "demo")
    assert "installing keepshell" in first.stdout
    began = time.monotonic()
    second = run(place, demo=checkout / "scripts" / "demo")
    assert time.monotonic() - began < 15 + DEADLINE / 2  # 15 s where nothing else runs
    assert "installing keepshell" not in second.stdout
    assert_shown(second.stdout)
    place.assert_clean()


def test_show_touches_none_of_the_users_files(place: Place, tmp_path: Path) -> None:
    programs.require("strace")
    log = tmp_path / "strace"
    trace = ["strace", "-f", "-e", "trace=%file", "-o", str(log)]
    done = run(place, *REUSE, "--cut-after", "7", under=trace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_shown(done.stdout)
    assert re.search("s  keepshell ssh demo +server-alive 1$", done.stdout, re.MULTILINE)
    assert not re.search("s  ssh demo +server-alive", done.stdout)
    touched = log.read_text()
    assert f"{place.temporary}/keepshell-demo-" in touched
    assert not re.findall(r".*(?:/\.ssh|/etc/ssh/).*", touched)
    place.assert_clean()


def test_panels(place: Place) -> None:
    with Terminal([str(DEMO), *REUSE, *SHORT], env=place.env, job=True) as terminal:
        before = terminal.termios()
        terminal.wait_for_screen(
            lambda screen: (
                re.search(r"│ alive .*│ alive .*no key is pressed", screen.text, re.DOTALL)
                is not None
            ),
            "both alive",
        )
        assert not int(str(terminal.termios()[LFLAG])) & termios.ECHO
        terminal.send("typed meanwhile")
        terminal.wait_for_screen(
            lambda screen: any(re.search(r"│ cut .*│ alive", line) for line in screen.lines),
            "the bare one cut, the kept one alive",
        )
        assert terminal.wait() == 0, terminal.describe()
        terminal.expect(CURSOR_SHOWN)
        text = terminal.screen.text
        assert text.count("╭") == 2, text
        assert text.startswith("keepshell demo ")
        assert re.search(r"closed\. +││ \d+ s since keepalive \d+", text), text
        assert "`keepshell ssh demo` answers after" in text
        assert "typed meanwhile" not in text
        assert terminal.termios() == before
    place.assert_clean()


@pytest.mark.parametrize(
    ("env", "panels"), [({"NO_COLOR": "1"}, True), ({"TERM": "dumb"}, False)], ids=["plain", "dumb"]
)
def test_terminal_without_colours(place: Place, env: dict[str, str], panels: bool) -> None:
    with Terminal([str(DEMO), *REUSE, *SHORT], env=place.env | env) as terminal:
        terminal.expect("no key is pressed")
        terminal.expect("was cut for its silence")
        terminal.send(b"\x03")
        output = terminal.read_to_end()
    assert (CURSOR_HIDDEN in output) == panels
    assert (b"\x1b" in output) == panels
    assert not re.findall(rb"\x1b\[[0-9;]*(?:3[0-9]|4[0-9]|9[0-7]|38;5)[0-9;]*m", output)


@pytest.mark.parametrize("how", ["^C", signal.SIGTERM, signal.SIGHUP], ids=str)
def test_interrupted(place: Place, how: str | signal.Signals) -> None:
    with Terminal([str(DEMO), *REUSE], env=place.env, job=True) as terminal:
        before = terminal.termios()
        terminal.wait_for_screen(lambda screen: "no key is pressed" in screen.text, "the idling")
        assert len(place.processes()) >= 3  # the demo, ssh, keepshell and its ssh
        if isinstance(how, signal.Signals):
            terminal.signal(how)
        else:
            terminal.send(b"\x03")
        expected = how if isinstance(how, signal.Signals) else signal.SIGINT
        assert terminal.wait() == -expected, terminal.describe()
        assert terminal.termios() == before
        terminal.expect(CURSOR_SHOWN)
        assert "Traceback" not in terminal.screen.text
        place.assert_clean()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_setting_up(place: Place, number: signal.Signals) -> None:
    demo = subprocess.Popen(
        [DEMO, "--fresh"], env=place.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    eventually(lambda: list(place.temporary.glob("*/venv/bin/python")), "the environment's python")
    demo.send_signal(number)
    _, complaint = demo.communicate(timeout=60)
    assert demo.returncode == -number
    assert complaint == ""
    assert not place.processes(), describe(place.processes())
    place.assert_clean()


def test_keepshell_that_does_not_keep(place: Place, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", environment)
    (environment / "lib").symlink_to(Path(sys.prefix) / "lib")
    (environment / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    idler = environment / "bin" / "keepshell"
    idler.write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    idler.chmod(0o755)
    done = run(place, "--environment", str(environment), *SHORT)
    assert done.returncode == 1
    assert done.stderr.startswith("demo: `keepshell ssh demo` was to last, and was cut. It said: ")
    place.assert_clean()


def test_shell(place: Place) -> None:
    with Terminal([str(DEMO), "--shell", *REUSE, *SHORT], env=place.env, job=True) as terminal:
        terminal.expect("type `idle`")
        terminal.expect("demo$ ")
        typed_at = time.monotonic()
        eventually(lambda: time.monotonic() - typed_at > 2 * 5, "twice the limit without a key")
        terminal.send_line("idle")
        idle = terminal.expect(re.compile(rb"(\d+) s since a command was typed\r\n"))
        assert int(idle[1]) >= 10
        kept = terminal.expect(re.compile(rb"\d+ s since keepalive (\d+)\r\n"))
        assert int(kept[1]) >= 3
        terminal.send_line("whoami")
        terminal.expect("whoami: not here; try help")
        terminal.send_line("exit")
        terminal.expect(re.compile(rb"The server saw \d+ keepalives: \d+ server-alive, \d+ window"))
        assert terminal.wait() == 0
        place.assert_clean()


def test_shell_suspended_is_one_job(place: Place) -> None:
    with Terminal([str(DEMO), "--shell", *REUSE], env=place.env, job=True) as terminal:
        terminal.expect("demo$ ")
        terminal.send(b"\r~\x1a")
        terminal.wait_stopped()
        terminal.foreground()
        terminal.send_line("echo back")
        terminal.expect("\r\nback\r\n")
        terminal.send(b"\x04")
        assert terminal.wait() == 0
        place.assert_clean()


def test_shell_hung_up(place: Place) -> None:
    with Terminal([str(DEMO), "--shell", *REUSE], env=place.env) as terminal:
        terminal.expect("demo$ ")
        terminal.hang_up()
        eventually(lambda: not place.files(), lambda: str(place.files()))
        place.assert_clean()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--cut-after", "3"], "expected 5 to 3600 seconds, found '3'"),
        (["--cut-after", "nan"], "expected 5 to 3600 seconds, found 'nan'"),
        (["--environment", "/nowhere"], "it has no bin/python"),
        (["--shell"], "--shell needs a terminal"),
    ],
)
def test_bad_usage(place: Place, options: list[str], complaint: str) -> None:
    done = run(place, *options)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stdout == ""
    place.assert_clean()


def test_help(place: Place) -> None:
    done = run(place, "--help")
    assert done.returncode == 0
    assert "--shell" in done.stdout


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ({"dirname": "dirname"}, "apt install python3 python3-venv"),
        ({"dirname": "dirname", "python3": sys.executable}, "apt install openssh-client"),
    ],
    ids=["python", "ssh"],
)
def test_missing_program(place: Place, tmp_path: Path, there: dict[str, str], missing: str) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    for name, program in there.items():
        (path / name).symlink_to(str(shutil.which(program)))
    done = run(place, path=str(path))
    assert done.returncode == 1
    assert missing in done.stderr
    assert "Traceback" not in done.stderr
    place.assert_clean()
