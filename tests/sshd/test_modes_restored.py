"""A session that ends in the middle of a program leaves the user's terminal as it began."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from keepshell.core.ending.evidence import JUST
from tests.sshd.sides import ssh_of
from tests.support.programs import path_of
from tests.support.remoteshell import PROMPT
from tests.support.screen import Screen
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.tmux import Tmux
from tests.support.trace import Trace
from tests.support.waiting import eventually

Start = Callable[..., Terminal]
StartSession = Callable[..., Terminal]
End = Callable[[Terminal, Sshd], None]

PLAIN_SHELL = ("bash", "--norc", "--noprofile", "--noediting", "-i")
EDITING_SHELL = ("bash", "--norc", "--noprofile", "-i")
LANDMARK = "landmark"
AT_FIRST = {25}
"""The private modes that a terminal starts with, of those that `Screen` is told of."""
EXPLAINED = re.compile(rb"keepshell: session dropped: [^\r\n]+\r\n")
GONE = b"Connection to 127.0.0.1 closed by remote host.\r\r\n"
SSH_SAYS = GONE + b"Connection to 127.0.0.1 closed.\r\r\n"

# What a program turns on, and what alone turns it off again.
SWITCHES = {
    "alternate screen": (b"\x1b[?1049h", b"\x1b[?1049l"),
    "mouse": (b"\x1b[?1000h\x1b[?1006h", b"\x1b[?1006l\x1b[?1000l"),
    "bracketed paste": (b"\x1b[?2004h", b"\x1b[?2004l"),
    "focus": (b"\x1b[?1004h", b"\x1b[?1004l"),
    "cursor": (b"\x1b[?25l", b"\x1b[?25h"),
    "cursor keys and keypad": (b"\x1b[?1h\x1b=", b"\x1b[?1l\x1b>"),
    "nothing": (b"", b""),
}
_RESTORING = re.compile(
    rb"(?:\x1b\[\?\d+[hl]|\x1b>|\x1b\[>4m|\x1b7\x1b\[r\x1b8|\x1b\(B|\x0f|\x1b\[m|\x1b\[0 q)*\Z"
)


def _kill_session(_terminal: Terminal, host: Sshd) -> None:
    """kill -9 of the sshd that has the session."""
    for pid in host.sessions():
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.name().startswith("sshd"):
                process.kill()


def _kill_child(terminal: Terminal, _host: Sshd) -> None:
    """kill -9 of the ssh below keepshell."""
    ssh_of(terminal).kill()


ENDS: dict[str, tuple[End, int, bytes]] = {
    "on the host": (_kill_session, 255, SSH_SAYS),
    "here": (_kill_child, -9, b""),
}


@pytest.fixture
def host(start_sshd: Callable[..., Sshd]) -> Sshd:
    """A host whose shell turns no mode on."""
    return start_sshd(shell=PLAIN_SHELL)


@pytest.fixture
def session(host: Sshd, start_terminal: Start, keepshell_exe: Path) -> StartSession:
    """A session through keepshell that is at its prompt."""

    def start(*options: str) -> Terminal:
        argv = [str(keepshell_exe), "ssh", *options, *host.access.ssh_args()]
        terminal = start_terminal(argv, job=True)
        terminal.expect(PROMPT)
        return terminal

    return start


def print_and_wait(terminal: Terminal, codes: bytes) -> None:
    """Have the host print `codes`, and a program run on."""
    escaped = codes.decode().replace("\x1b", "\\033")
    terminal.send_line(f"printf '{escaped}mark%s\\n' $((1)); cat")
    terminal.expect("mark1\r\n")


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("name", SWITCHES)
def test_what_is_on_is_turned_off_and_nothing_else(
    name: str, end: tuple[End, int, bytes], session: StartSession, host: Sshd
) -> None:
    kill, status, said = end
    on, off = SWITCHES[name]
    terminal = session()
    print_and_wait(terminal, on)
    before = len(terminal.output)
    kill(terminal, host)
    assert terminal.wait() == status
    explained = terminal.expect(EXPLAINED)
    assert terminal.output[before:] == said + off + explained[0]
    assert terminal.screen.modes <= AT_FIRST


@pytest.fixture(params=["vim", "tmux"])
def program(request: pytest.FixtureRequest, host: Sshd, start_tmux: Callable[..., Tmux]) -> str:
    """A command line on the host that turns nearly everything on, and shows `LANDMARK`."""
    file = host.access.directory / "home" / "file"
    file.write_text(f"{LANDMARK}\n")
    if request.param == "vim":
        return f"{path_of('vim')} -u NONE -i NONE -n -c 'set mouse=a' {file}"
    show = f"cat {shlex.quote(str(file))}; exec {shlex.join(EDITING_SHELL)}"
    server = start_tmux(["sh", "-c", show])
    server.run("set", "-g", "mouse", "on", ";", "set", "-g", "focus-events", "on")
    return f"{path_of('tmux')} -S {server.query('socket_path')} attach"


def start_program(terminal: Terminal, command: str) -> None:
    terminal.send_line(command)
    terminal.wait_for_screen(
        lambda screen: LANDMARK in screen.text and {1, 1000, 1049, 2004, 25} <= screen.modes,
        "the program",
    )


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_in_the_middle_of_a_program(
    end: tuple[End, int, bytes], program: str, session: StartSession, host: Sshd
) -> None:
    kill, status, _ = end
    terminal = session()
    start_program(terminal, program)
    kill(terminal, host)
    assert terminal.wait() == status
    explained = terminal.expect(EXPLAINED)
    screen = terminal.screen
    assert screen.modes == AT_FIRST
    assert not screen.alternate
    assert LANDMARK not in screen.text
    assert f"{PROMPT}{program.split(maxsplit=1)[0]}" in screen.text
    assert "\nkeepshell: session dropped: " in screen.text
    assert each_has_an_effect(terminal.output.removesuffix(explained[0]))


def each_has_an_effect(output: bytes) -> bool:
    """Whether each private mode that is set at the very end of the output was otherwise before."""
    found = _RESTORING.search(output)
    assert found is not None
    screen = Screen(24, 80)
    screen.feed(output[: found.start()])
    switches = re.findall(rb"\x1b\[\?\d+[hl]", found[0])
    for switch in switches:
        before = set(screen.modes)
        screen.feed(switch)
        if screen.modes == before:
            return False
    return bool(switches)


def test_after_the_quit_escape(program: str, session: StartSession) -> None:
    """The user knows what ended the session: nothing is explained."""
    terminal = session()
    start_program(terminal, program)
    terminal.send("\r")
    terminal.send("~.")
    assert terminal.wait() == 255
    terminal.expect("closed.\r\r\n")
    terminal.wait_for_screen(lambda screen: screen.modes == AT_FIRST, "the modes it began with")
    assert each_has_an_effect(terminal.output)
    assert b"keepshell" not in terminal.output.partition(b"closed.")[2]


@pytest.mark.parametrize("status", [0, 1, 255])
def test_nothing_is_added_to_an_end_of_the_users_own(
    host: Sshd, start_terminal: Start, keepshell_exe: Path, status: int
) -> None:
    """Not even for a mode that is on: the user's own shell may want it so."""
    outputs = []
    for prefix in ([], [str(keepshell_exe)]):
        terminal = start_terminal([*prefix, "ssh", *host.access.ssh_args()])
        terminal.expect(PROMPT)
        terminal.send_line("printf '\\033[?2004h\\033[?1hmark%s\\n' $((1))")
        terminal.expect("mark1\r\n")
        terminal.expect(PROMPT)
        terminal.send_line(f"exit {status}")
        outputs.append(terminal.read_to_end())
        assert terminal.wait() == status
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("options", [["-q"], ["-o", "LogLevel=QUIET"]], ids=["-q", "LogLevel"])
def test_a_quiet_ssh_has_a_quiet_keepshell(
    options: list[str], session: StartSession, host: Sshd
) -> None:
    terminal = session(*options)
    on, off = SWITCHES["bracketed paste"]
    print_and_wait(terminal, on)
    before = len(terminal.output)
    _kill_session(terminal, host)
    assert terminal.wait() == 255
    terminal.expect(off)
    assert terminal.output[before:] == GONE + off


def test_with_stderr_elsewhere_nothing_is_explained(
    start_sshd: Callable[..., Sshd],
    start_terminal: Start,
    keepshell_exe: Path,
    tmp_path: Path,
    trace: Trace,
) -> None:
    """Neither on the terminal nor in the file, which gets ssh's own words and no more."""
    log = tmp_path / "stderr"
    host = start_sshd("LogLevel DEBUG1", shell=PLAIN_SHELL)
    interval = f"--window-change-interval={JUST + 1}s"
    alone = ["-o", "ServerAliveInterval=0"]
    argv = [str(keepshell_exe), interval, "ssh", *alone, *host.access.ssh_args()]
    terminal = start_terminal(["sh", "-c", f"exec {shlex.join(argv)} 2>{log}"], job=True)
    terminal.expect(PROMPT)
    on, off = SWITCHES["bracketed paste"]
    print_and_wait(terminal, on)
    # Unheard, ssh's words tell nothing: an end soon after a key would be taken for the user's.
    trace.wait_for("nudge-sent", len(trace.named("nudge-sent")) + 1)
    # With a request still unread, the kernel would reset the connection, and ssh say other words.
    eventually(
        lambda: host.log.count("request window-change") == len(trace.named("nudge-sent")),
        lambda: host.log,
    )
    before = len(terminal.output)
    _kill_session(terminal, host)
    assert terminal.wait() == 255
    terminal.expect(off)
    assert terminal.output[before:] == off
    assert log.read_bytes() == SSH_SAYS.replace(b"\r\r\n", b"\r\n")
