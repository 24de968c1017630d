"""Bad command lines, bad configurations, bad surroundings: one line that says so, or plain ssh."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import keepshell
from keepshell import launch
from keepshell.cli.main import main
from keepshell.core.rules.rung import Rung
from tests.support.programs import path_of, require
from tests.support.screen import Screen
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE, eventually

Start = Callable[..., Terminal]

FULL = "/dev/full"
USAGE, INTERNAL = 2, 70

# Stands in for ssh: leaves a mark, says what it was given, and exits with a status of its own.
STAND_IN = """\
#!/bin/sh
echo >> "$RAN"
printf '<%s>' "$@"
echo " TERM=${TERM-unset}"
exit 7
"""


class StandIn:
    """The program that KEEPSHELL_SSH names."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "stand-in"
        self.mark = folder / "ran"
        self.write(STAND_IN)

    def write(self, text: str) -> None:
        """Replace it."""
        self.path.write_text(text)
        self.path.chmod(0o755)

    @property
    def ran(self) -> bool:
        """Whether it was ever started."""
        return self.mark.exists()


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """In place of ssh in every test here."""
    made = StandIn(tmp_path)
    monkeypatch.setenv("KEEPSHELL_SSH", str(made.path))
    monkeypatch.setenv("RAN", str(made.mark))
    return made


SSH = ("ssh", "-F", "none", "web")
IGNORED = "; this session ignores the whole file"
TOLD = "<-o><ServerAliveInterval=60><-o><ServerAliveCountMax=20><-F><none><web>"


def run(*argv: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    defaults = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        argv, text=True, timeout=DEADLINE, check=False, **{**defaults, **options}
    )


def refusal(stand_in: StandIn, *argv: str | Path, status: int = USAGE) -> str:
    """The one line that keepshell says when it refuses, having run nothing."""
    ended = run(*argv)
    assert (ended.returncode, ended.stdout) == (status, ""), ended.stderr
    assert not stand_in.ran
    return one_line(ended.stderr)


def one_line(complaint: str) -> str:
    assert complaint.startswith("keepshell: ")
    assert complaint.count("\n") == 1
    return complaint.removeprefix("keepshell: ").rstrip("\n")


class TestCommandLine:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--xon", "true"], "--xon needs a command after it: keepshell --xon ... ssh HOST"),
            (["web"], "unknown command 'web'; keepshell --help lists the commands"),
            ([""], "unknown command ''; keepshell --help lists the commands"),
            (["-V"], "unknown command '-V'; keepshell --help lists the commands"),
            (["stauts"], "unknown command 'stauts'; did you mean status?"),
            (["run"], "run needs a command: keepshell run -- COMMAND [ARG...]"),
            (["run", "--"], "run needs a command: keepshell run -- COMMAND [ARG...]"),
            (["run", "no-such-program"], "no-such-program: no such program on PATH"),
            (["run", "--", "/no/such/program"], "/no/such/program: no such program on PATH"),
            (["run", "/"], "/: not an executable file"),
            (["run", ""], ": no such program on PATH"),
            (["--rungs", "off", *SSH], "unknown option --rungs; did you mean --rung?"),
            (["--dryrun", *SSH], "unknown option --dryrun; did you mean --dry-run?"),
            (["probe", "web", "--jsn"], "unknown option --jsn; did you mean --json?"),
            (
                ["probe", "--json", "web", "--rung", "off"],
                "--rung goes before probe: keepshell --rung off probe --json web",
            ),
            (["explain", "-p", "22", "web", "--al"], "unknown option --al; did you mean --all?"),
            (["hold", "web", "--fro", "3h"], "unknown option --fro; did you mean --for?"),
            (["hold", "web", "-Z"], "hold expects a host and ssh's options: keepshell knows no "),
            (["--rung"], '--rung: expected one of "off", '),
            (["--rung", "high", *SSH], '--rung: expected one of "off", '),
            (["--dry-run=yes", *SSH], '--dry-run: expected no value, found "yes"'),
            (["--server-alive-interval", "0", *SSH], "--server-alive-interval: expected whole "),
            (["--server-alive-interval=soon", *SSH], "--server-alive-interval: expected whole "),
            (["--window-change-interval", "-1", *SSH], "--window-change-interval: expected a "),
            (["--ssh", "ssh", *SSH], "--ssh: expected an absolute path, such as "),
        ],
    )
    def test_refused(
        self, words: list[str], said: str, stand_in: StandIn, keepshell_exe: Path
    ) -> None:
        status = {"/: ": 126, "no-": 127, "/no": 127, ": n": 127}.get(said[:3], USAGE)
        assert refusal(stand_in, keepshell_exe, *words, status=status).startswith(said)

    @pytest.mark.parametrize(
        ("words", "line"),
        [
            (["--rung", "no-op", "web"], "keepshell --rung no-op ssh web"),
            (["-p", "22", "web", "--rung=no-op"], "keepshell --rung=no-op ssh -p 22 web"),
            (["--dry-run", "web", "a b"], "keepshell --dry-run ssh web 'a b'"),
        ],
    )
    def test_an_option_of_ours_after_ssh(
        self, words: list[str], line: str, stand_in: StandIn, keepshell_exe: Path
    ) -> None:
        option = next(word for word in words if word.startswith("--")).partition("=")[0]
        said = refusal(stand_in, keepshell_exe, "ssh", *words)
        assert said == f"{option} goes before ssh: {line}"

    def test_but_a_command_s_own_option_is_no_fault(self, keepshell_exe: Path) -> None:
        ended = run(keepshell_exe, *SSH, "ls", "--rung", "--help")
        assert (ended.returncode, ended.stderr) == (7, "")
        assert "<web><ls><--rung><--help>" in ended.stdout

    def test_a_host_without_the_command(self, stand_in: StandIn, keepshell_exe: Path) -> None:
        line = refusal(stand_in, keepshell_exe, "web")
        assert line.endswith("(To reach a host: keepshell ssh web)")

    def test_no_argv_at_all(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([]) == 0
        assert capsys.readouterr().err == ""

    def test_a_missing_host_is_ssh_s_to_complain_of(
        self, keepshell_exe: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("KEEPSHELL_SSH")
        for words in ([], ["-t"], ["-p", "22"]):
            mine, bare = run(keepshell_exe, "ssh", *words), run(path_of("ssh"), *words)
            assert mine.returncode == bare.returncode == 255
            assert mine.stderr == bare.stderr

    def test_control_characters_do_not_reach_the_terminal(
        self, stand_in: StandIn, keepshell_exe: Path
    ) -> None:
        for words in (
            ["--\x1b[2J"],
            ["--rung", "\x1b]0;\x07"],
            ["\x1b[2J"],
        ):
            assert "\x1b" not in refusal(stand_in, keepshell_exe, *words)
        assert "\x1b" not in refusal(stand_in, keepshell_exe, "run", "\x1b[2J", status=127)

    def test_bytes_that_are_no_text(self, stand_in: StandIn, keepshell_exe: Path) -> None:
        assert "unknown command" in refusal(stand_in, keepshell_exe, "\udcff\udcfe")
        ended = run(keepshell_exe, "ssh", "-F", "none", "web", "\udcff", errors="surrogateescape")
        assert ended.stdout.startswith("<-o><ServerAliveInterval=60>")
        assert "<web><\udcff>" in ended.stdout

    def test_as_long_as_the_system_allows(self, keepshell_exe: Path) -> None:
        command = "x" * 130_000
        ended = run(keepshell_exe, *SSH, command)
        assert (ended.returncode, ended.stderr) == (7, "")
        assert f"<web><{command}>" in ended.stdout


def _directory(path: Path) -> None:
    path.mkdir()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def _no_utf8(path: Path) -> None:
    path.write_bytes(b'[default]\nrung = "off\xff"\n')


def _syntax(path: Path) -> None:
    path.write_text('[default]\nrung = "off"\n\n[host."web"\n')


def _unknown_key(path: Path) -> None:
    path.write_text('[default]\nrung = "off"\n[host."web"]\nserver_alive_intervall = 5\n')


def _another_hosts_key(path: Path) -> None:
    path.write_text('[host."other"]\nrung = "highest"\n')


def _unknown_section(path: Path) -> None:
    path.write_text('[defaults]\nrung = "off"\n')


def _no_section(path: Path) -> None:
    path.write_text('rung = "off"\n')


def _wrong_type(path: Path) -> None:
    path.write_text("[default]\nserver_alive_interval = [60]\n")


BAD = (
    (_directory, ": can't be read: Is a directory; make it readable or move it away"),
    (_fifo, ": not a regular file; move it away or make it one"),
    (_link_to_itself, ": can't be read: Too many levels of symbolic links; "),
    (_no_utf8, ":2: "),
    (_syntax, ": not TOML: Expected ']' at the end of a table declaration (at line 4, "),
    (
        _unknown_key,
        ':4: [host."web"] server_alive_intervall: unknown key; did you mean server_alive_interval?',
    ),
    (_another_hosts_key, ':2: [host."other"] rung: expected one of "off", '),
    (_unknown_section, ":1: defaults: unknown section; did you mean [default]?"),
    (_no_section, ":1: rung: is above the first section; move it below [default]"),
    (_wrong_type, ":2: [default] server_alive_interval: expected whole seconds "),
)


def warning(stand_in: StandIn, *argv: str | Path, told: str = TOLD) -> str:
    """The one line that keepshell says when ssh runs all the same, and runs once."""
    stand_in.mark.unlink(missing_ok=True)
    ended = run(*argv)
    assert (ended.returncode, ended.stdout) == (7, f"{told} TERM=xterm-256color\n"), ended.stderr
    assert stand_in.mark.read_text() == "\n"
    return one_line(ended.stderr)


@pytest.mark.parametrize(("make", "said"), BAD, ids=lambda value: getattr(value, "__name__", ""))
class TestConfiguration:
    """The line names the file, and where it is wrong; what was asked for runs all the same."""

    def test_ssh(
        self,
        make: Callable[[Path], None],
        said: str,
        config_toml: Path,
        stand_in: StandIn,
        keepshell_exe: Path,
    ) -> None:
        make(config_toml)
        for words, told in (
            (SSH, TOLD),
            (("ssh", "-V"), "<-V>"),
            (("ssh",), "<>"),
            (("--rung", "off", *SSH), "<-F><none><web>"),
            (("run", "--", str(stand_in.path), "a"), "<a>"),
            (("exec", "--", str(keepshell_exe), *SSH), TOLD),
            (("exec", "--", *SSH), TOLD),
        ):
            line = warning(stand_in, keepshell_exe, *words, told=told)
            assert line.startswith(f"{config_toml}{said}")

    def test_a_dry_run(
        self,
        make: Callable[[Path], None],
        said: str,
        config_toml: Path,
        stand_in: StandIn,
        keepshell_exe: Path,
    ) -> None:
        make(config_toml)
        ended = run(keepshell_exe, "--dry-run", *SSH)
        assert ended.returncode == 0
        assert ended.stdout.startswith(f"{stand_in.path} -o ServerAliveInterval=60 ")
        assert one_line(ended.stderr).startswith(f"{config_toml}{said}")
        assert not stand_in.ran

    def test_on_a_terminal(
        self,
        make: Callable[[Path], None],
        said: str,
        config_toml: Path,
        stand_in: StandIn,
        keepshell_exe: Path,
        start_terminal: Start,
    ) -> None:
        make(config_toml)
        for words, told in ((SSH, TOLD), (("run", "--", str(stand_in.path)), "<>")):
            terminal = start_terminal([str(keepshell_exe), *words], cols=200)
            line, ran = terminal.read_to_end().decode().split("\r\n", 1)
            warned = one_line(f"{line}\n")
            assert warned.startswith(f"{config_toml}{said}")
            assert warned.endswith(IGNORED)
            assert ran == f"{told} TERM=xterm-256color\r\n"
            assert terminal.wait() == 7

    def test_our_own_commands(
        self,
        make: Callable[[Path], None],
        said: str,
        config_toml: Path,
        stand_in: StandIn,
        keepshell_exe: Path,
    ) -> None:
        make(config_toml)
        for words in (("explain", "web"), ("probe", "web"), ("shim", "install")):
            line = refusal(stand_in, keepshell_exe, *words)
            assert line.startswith(f"{config_toml}{said}")
            assert not line.endswith(IGNORED)  # there is no session


def test_nothing_is_typed_under_a_configuration_that_can_t_be_read(
    config_toml: Path, keepshell_exe: Path
) -> None:
    """It may forbid what it could not say; an option says it for one call."""
    config_toml.write_text("[default]\nno_op = 5\n")
    for options, rung in (({}, "window-change"), ({"rung": Rung.NO_OP}, "no-op")):
        resolved = launch.resolve(["-F", "none", "web"], options, os.environ)
        assert len(resolved.warnings) == 1
        way = launch.route(resolved, is_on_terminal=True)
        assert isinstance(way, launch.Pty)
        assert way.job.policy.rung.label == rung


def test_a_configuration_that_may_not_be_read(
    config_toml: Path, stand_in: StandIn, keepshell_exe: Path
) -> None:
    config_toml.write_text("")
    config_toml.chmod(0)
    line = warning(stand_in, *without_privilege(), keepshell_exe, *SSH)
    said = "can't be read: Permission denied; make it readable or move it away"
    assert line == f"{config_toml}: {said}{IGNORED}"


def without_privilege() -> list[str]:
    """Root may read everything, but not without these capabilities, capabilities(7)."""
    if os.geteuid() != 0:
        return []
    require("setpriv")
    capabilities = "-dac_override,-dac_read_search"
    return ["setpriv", "--bounding-set", capabilities, "--inh-caps", "-all"]


@pytest.mark.parametrize("folder", ["dangling", "file", "missing"])
def test_no_configuration_is_no_fault(folder: str, config_toml: Path, keepshell_exe: Path) -> None:
    if folder == "dangling":
        config_toml.symlink_to("nowhere")
    else:
        config_toml.parent.rmdir()
        if folder == "file":
            config_toml.parent.write_text("")
    ended = run(keepshell_exe, *SSH)
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        7,
        f"{TOLD} TERM=xterm-256color\n",
        "",
    )


class Surroundings:
    """Runs the stand-in through keepshell, without a terminal and with one."""

    def __init__(self, start_terminal: Start, keepshell_exe: Path) -> None:
        self._start_terminal = start_terminal
        self._exe = keepshell_exe

    def check(
        self,
        *prefix: str,
        cwd: Path | None = None,
        said: str = TOLD,
        lines_before: Sequence[str] = (),
    ) -> None:
        """Both ways, the stand-in says this, keepshell `lines_before`, and the status is right."""
        ended = run(*prefix, self._exe, *SSH, cwd=cwd)
        assert (ended.returncode, ended.stderr) == (7, "")
        assert said in ended.stdout
        terminal = self._start_terminal([*prefix, str(self._exe), *SSH], cwd=cwd, cols=200)
        *before, last = terminal.read_to_end().decode().splitlines()
        assert before == list(lines_before)
        assert said in last
        assert terminal.wait() == 7


@pytest.fixture
def surroundings(start_terminal: Start, keepshell_exe: Path) -> Surroundings:
    """Where everything but the surroundings is good."""
    return Surroundings(start_terminal, keepshell_exe)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["-u", "TERM"], f"{TOLD} TERM=unset"),
        (["TERM="], f"{TOLD} TERM="),
        (["TERM=no-such-terminal"], f"{TOLD} TERM=no-such-terminal"),
        (["-u", "HOME", "-u", "XDG_CONFIG_HOME"], TOLD),
        (["HOME=", "XDG_CONFIG_HOME="], TOLD),
        (["HOME=relative", "XDG_CONFIG_HOME=relative"], TOLD),
        (["HOME=/nowhere", "XDG_CONFIG_HOME=/nowhere/config"], TOLD),
        (["-u", "PATH"], TOLD),
        (["PATH=/nowhere"], TOLD),
        (["LC_ALL=no_SUCH.locale"], TOLD),
        (["LC_ALL=C"], TOLD),
        (["-u", "LC_ALL", "LANG=de_DE.ISO-8859-1"], TOLD),
        (["COLUMNS=0", "LINES=-1"], TOLD),
        ([f"KEEPSHELL_TRACE={FULL}"], TOLD),
        (["KEEPSHELL_TRACE=/no/such/folder/trace"], TOLD),
        (["KEEPSHELL_TRACE=/"], TOLD),
    ],
    ids=" ".join,
)
def test_environment(settings: list[str], said: str, surroundings: Surroundings) -> None:
    surroundings.check(path_of("env"), *settings, said=said)


def test_a_home_that_nobody_can_write_to(surroundings: Surroundings) -> None:
    """Not even root creates a file in /proc."""
    unset = [word for name in os.environ if name.startswith("XDG_") for word in ("-u", name)]
    surroundings.check(path_of("env"), *unset, "HOME=/proc/self")


def test_nothing_is_written_to_home(surroundings: Surroundings) -> None:
    home = Path(os.environ["HOME"])
    before = sorted(home.rglob("*"))
    surroundings.check()
    assert sorted(home.rglob("*")) == before


def test_a_working_directory_that_is_gone(
    tmp_path: Path, keepshell_exe: Path, start_terminal: Start
) -> None:
    """Bare ssh does not mind either. sh would, so echo stands in for ssh."""
    gone = tmp_path / "gone"
    gone.mkdir()
    command = [str(keepshell_exe), "--ssh", path_of("echo"), *SSH]
    terminal = start_terminal(["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", *command], cwd=gone)
    said = terminal.read_to_end()
    assert said == b"-o ServerAliveInterval=60 -o ServerAliveCountMax=20 -F none web\r\n"
    assert not gone.exists()


@contextmanager
def terminal_of_nobody(argv: Sequence[str | Path]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `argv` on a terminal that is not its controlling one; the terminal's master."""
    master, slave = os.openpty()
    try:
        with subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        ) as process:
            os.close(slave)
            os.set_blocking(master, False)
            try:
                yield process, master
            finally:
                process.kill()
    finally:
        os.close(master)


def test_no_controlling_terminal(stand_in: StandIn, keepshell_exe: Path) -> None:
    stand_in.write('#!/bin/sh\nread -r line\necho "got $line"\nstty size\nexit 7\n')
    screen = Screen(24, 80)
    with terminal_of_nobody([keepshell_exe, *SSH]) as (process, master):
        os.write(master, b"some words\r")

        def shown() -> str:
            try:
                screen.feed(os.read(master, 4096))
            except BlockingIOError:
                pass
            except OSError:  # EIO: Linux's word for "the last slave closed"
                return screen.text
            return ""

        text = eventually(shown, lambda: screen.text)
        assert "got some words\n0 0" in text
        assert process.wait(DEADLINE) == 7


DESCRIPTORS = """\
#!/bin/sh
for fd in 0 1 2 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$fd ] || set -- "$@" "$fd"; done
# sh itself keeps its script open at 10 or above.
echo "$@" > "$RAN"
exit 7
"""


@pytest.mark.parametrize("asked", [False, True], ids=["not asked", "asked"])
@pytest.mark.parametrize(
    "closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"]
)
def test_closed_descriptors_stay_closed(
    closed: str, asked: bool, tmp_path: Path, stand_in: StandIn, keepshell_exe: Path
) -> None:
    stand_in.write(DESCRIPTORS.replace("for", '[ "$1" != -G ] || exit 1\nfor', 1))
    ssh_config = tmp_path / "ssh_config"
    ssh_config.write_text("ServerAliveCountMax 3\n" if asked else "")
    words = ["-F", str(ssh_config), "web"]
    line = f'exec "$@" {closed}'
    left = []
    for argv in ([str(stand_in.path), *words], [str(keepshell_exe), "ssh", *words]):
        ended = run("sh", "-c", line, "sh", *argv)
        assert (ended.returncode, ended.stdout, ended.stderr) == (7, "", "")
        left.append(stand_in.mark.read_text().rsplit("web", 1)[-1])
    assert left[0] == left[1]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", [["-V"], ["-Z"], ["-p", "0", "web"]], ids=" ".join)
def test_closed_descriptors_with_the_real_ssh(
    closed: str, words: list[str], keepshell_exe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEEPSHELL_SSH")
    line = f'exec "$@" {closed}'
    mine, bare = (
        run("sh", "-c", line, "sh", *argv, *words)
        for argv in ([str(keepshell_exe), "ssh"], [path_of("ssh")])
    )
    assert (mine.returncode, mine.stdout, mine.stderr) == (
        (bare.returncode, bare.stdout, bare.stderr)
    )


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_a_complaint_that_nobody_can_read(
    redirection: str, stand_in: StandIn, keepshell_exe: Path
) -> None:
    ended = run("sh", "-c", f'exec "$@" {redirection}', "sh", keepshell_exe, "--nonsense")
    assert (ended.returncode, ended.stdout, ended.stderr) == (USAGE, "", "")
    assert not stand_in.ran


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["--dry-run", *SSH], ["explain", "host"]],
    ids=" ".join,
)
class TestOurOwnOutput:
    def test_on_a_full_disk(self, words: list[str], keepshell_exe: Path) -> None:
        with Path(FULL).open("w") as full:
            ended = run(keepshell_exe, *words, stdout=full)
        assert ended.returncode == INTERNAL
        assert one_line(ended.stderr) == "stdout: No space left on device"

    def test_closed(self, words: list[str], keepshell_exe: Path) -> None:
        ended = run("sh", "-c", 'exec "$@" >&-', "sh", keepshell_exe, *words)
        assert ended.returncode == INTERNAL
        assert one_line(ended.stderr) == "stdout: Bad file descriptor"

    def test_nobody_reads(self, words: list[str], keepshell_exe: Path) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as pipe:
            ended = run(keepshell_exe, *words, stdout=pipe)
        assert (ended.returncode, ended.stderr) == (-signal.SIGPIPE, "")

    def test_is_complete(self, words: list[str], keepshell_exe: Path) -> None:
        ended = run(keepshell_exe, *words)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.endswith("\n")
        assert not ended.stdout.endswith("\n\n")


def limited(descriptors: int) -> list[str]:
    return ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh"]


@pytest.fixture(params=[64, 1_000_000])
def descriptors(request: pytest.FixtureRequest) -> int:
    """A limit; a million, or as many as the system gives us."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted: int = request.param
    return wanted if run(*limited(wanted), "true").returncode == 0 else hard


class TestDescriptorLimit:
    def test_the_program_gets_the_limit_and_no_descriptor(
        self, descriptors: int, stand_in: StandIn, keepshell_exe: Path, start_terminal: Start
    ) -> None:
        stand_in.write(DESCRIPTORS.replace('"$@" >', '"$@" of $(ulimit -n) >'))
        terminal = start_terminal([*limited(descriptors), str(keepshell_exe), *SSH])
        assert terminal.read_to_end() == b""
        assert terminal.wait() == 7
        assert stand_in.mark.read_text().endswith(f"web 0 1 2 of {descriptors}\n")

    def test_starting_costs_no_call_for_each_descriptor(
        self, descriptors: int, tmp_path: Path, keepshell_exe: Path, start_terminal: Start
    ) -> None:
        self.check_calls(
            tmp_path / "strace", [*limited(descriptors)], [str(keepshell_exe)], start_terminal
        )

    def test_nor_where_the_system_would_not_give_us_that_many(
        self, tmp_path: Path, start_terminal: Start
    ) -> None:
        (tmp_path / "sitecustomize.py").write_text(
            "import resource\nresource.getrlimit = lambda _: (1_000_000, 1_000_000)\n"
        )
        # What is found by PYTHONPATH listens to it, nothing else of ours does.
        prefix = ["env", f"PYTHONPATH={tmp_path}:{Path(keepshell.__file__).parents[1]}"]
        module = [sys.executable, "-m", "keepshell"]
        self.check_calls(tmp_path / "strace", prefix, module, start_terminal)

    def check_calls(
        self, log: Path, prefix: list[str], program: list[str], start_terminal: Start
    ) -> None:
        strace = [path_of("strace"), "-f", "-o", str(log), "-e", "trace=close,close_range,fcntl"]
        terminal = start_terminal([*prefix, *strace, *program, *SSH])
        assert TOLD.encode() in terminal.read_to_end()
        assert terminal.wait() == 7
        assert 0 < len(log.read_text().splitlines()) < 5000


@pytest.mark.parametrize("descriptors", [4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24])
def test_hardly_any_descriptors(
    descriptors: int, stand_in: StandIn, keepshell_exe: Path, start_terminal: Start
) -> None:
    """Plain ssh, if a pty can't be had; where not even Python starts, its own failure."""
    argv = [*limited(descriptors), str(keepshell_exe), *SSH]
    terminal = start_terminal(argv, cols=200)
    output = terminal.read_to_end().decode()
    status = terminal.wait()
    assert status != 255
    if stand_in.ran:
        assert status == 7
        assert TOLD in output
        assert output.count("\n") <= 2
    else:
        assert status != 0
        assert output


def test_a_disk_without_room_for_bytecode(
    keepshell_exe: Path, surroundings: Surroundings, tmp_path: Path
) -> None:
    """Python would write its caches beside the sources; here it may nowhere."""
    surroundings.check(path_of("env"), "PYTHONPYCACHEPREFIX=/proc/self/nowhere")


def test_an_environment_of_odd_names(keepshell_exe: Path) -> None:
    env = {**os.environ, "BASH_FUNC_x%%": "() { :; }", "é\udcff": "\udcff", "A B": ""}
    ended = run(keepshell_exe, *SSH, env=env)
    assert (ended.returncode, ended.stderr) == (7, "")
