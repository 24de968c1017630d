"""Before the session the terminal is ours only while ssh asks: others may be asking there."""

from __future__ import annotations

import os
import re
import shlex
import sys
import termios
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.sshd.sides import ssh_of
from tests.support.access import PASSPHRASE, Keys
from tests.support.gpgagent import PASSPHRASE as PIN
from tests.support.gpgagent import GpgAgent
from tests.support.remoteshell import PROMPT
from tests.support.screen import Screen
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

Start = Callable[..., Terminal]

PLAIN_SHELL = ("bash", "--norc", "--noprofile", "--noediting", "-i")
BANNER = "Authorized use only: tell nobody\r\n"


@pytest.fixture
def agent() -> Iterator[GpgAgent]:
    agent = GpgAgent()
    yield agent
    agent.stop()


@pytest.fixture(params=["bare", "keepshell", "keepshell, no flow control"])
def side(request: pytest.FixtureRequest, keepshell_exe: Path) -> tuple[list[str], bool]:
    """What stands before `ssh`, and whether the user has ^S turned off (stty -ixon)."""
    prefix = [] if request.param == "bare" else [str(keepshell_exe)]
    return prefix, "no flow" in request.param


def without_flow(fd: int) -> None:
    attributes = termios.tcgetattr(fd)
    attributes[0] &= ~termios.IXON
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def local_modes(terminal: Terminal) -> int:
    modes = terminal.termios()[3]
    assert isinstance(modes, int)
    return modes


def is_raw(terminal: Terminal) -> bool:
    return not local_modes(terminal) & (termios.ICANON | termios.ECHO)


def shows(text: str, screen: Screen) -> bool:
    return text in screen.text


def open_shell(terminal: Terminal) -> None:
    terminal.expect(PROMPT)
    terminal.send_line("echo $((6*7))")
    terminal.expect("42\r\n")


@pytest.mark.parametrize(
    "banner", ["", BANNER, BANNER.rstrip()], ids=["", "banner", "banner without its line feed"]
)
def test_a_pin_that_the_agent_asks_for_is_the_agents(
    start_sshd: Callable[..., Sshd],
    start_terminal: Start,
    agent: GpgAgent,
    tmp_path: Path,
    side: tuple[list[str], bool],
    banner: str,
) -> None:
    (tmp_path / "banner").write_text(BANNER.replace("\r", ""))
    config = [f"Banner {tmp_path / 'banner'}"] if banner else []
    access = start_sshd(*config, shell=PLAIN_SHELL).access
    with (access.directory / "authorized_keys").open("a") as authorized:
        authorized.write(agent.public.read_text())
    prefix, no_flow = side
    words = [*prefix, "ssh", *agent.arguments(), *access.ssh_args(identity=agent.public)]
    terminal = start_terminal(
        agent.on_this_terminal(shlex.join(words)),
        job=True,
        prepare=without_flow if no_flow else None,
    )
    terminal.wait_for_screen(lambda screen: "Passphrase" in screen.text, "the question")
    if banner:
        terminal.expect(BANNER[:10])
    for count, key in enumerate(PIN, 1):
        terminal.send(key)
        terminal.wait_for_screen(partial(shows, "*" * count), "a star")
    terminal.send("\r")
    open_shell(terminal)
    assert not any(word.encode() in terminal.output for word in PIN.split())
    assert b"*" * (len(PIN) + 1) not in terminal.output


def test_what_is_typed_while_ssh_connects_is_seen_once_and_kept(
    sshd: Sshd, start_terminal: Start, tmp_path: Path, side: tuple[list[str], bool]
) -> None:
    """Shown by the terminal as it is typed, and by the shell that reads it; so with bare ssh."""
    prefix, no_flow = side
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    connect = f"ProxyCommand=sh -c 'cat {gate}; exec socat - TCP:127.0.0.1:{sshd.port}'"
    terminal = start_terminal(
        [*prefix, "ssh", "-o", connect, *sshd.access.ssh_args()],
        job=True,
        prepare=without_flow if no_flow else None,
    )
    ssh_of(terminal)
    terminal.send("echo $((6*7))\r")
    terminal.expect("echo $((6*7))\r\n")
    assert not is_raw(terminal)
    gate.write_text("")
    terminal.expect("42\r\n")
    terminal.send_line("exit")
    assert terminal.wait() == 0
    assert 1 <= terminal.output.count(b"6*7") <= 3  # ours, and readline's before or after it is on


def test_type_ahead_is_no_answer(
    start_sshd: Callable[..., Sshd],
    start_terminal: Start,
    keys: Keys,
    tmp_path: Path,
    side: tuple[list[str], bool],
) -> None:
    """ssh throws away what was typed before it asks for a passphrase."""
    access = start_sshd(shell=PLAIN_SHELL).access
    prefix, no_flow = side
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    connect = f"ProxyCommand=sh -c 'cat {gate}; exec socat - TCP:127.0.0.1:{access.port}'"
    terminal = start_terminal(
        [*prefix, "ssh", "-o", connect, *access.ssh_args(identity=keys.locked)],
        job=True,
        prepare=without_flow if no_flow else None,
    )
    ssh_of(terminal)
    terminal.send("type ahead\r")
    terminal.expect("type ahead\r\n")
    gate.write_text("")
    terminal.expect(re.compile(rb"Enter passphrase for key '.*?': "))
    terminal.send_line(PASSPHRASE)
    open_shell(terminal)
    assert terminal.output.count(b"Enter passphrase") == 1
    assert PASSPHRASE.encode() not in terminal.output


def test_after_an_answer_the_terminal_is_nobodys_again(
    start_sshd: Callable[..., Sshd], start_terminal: Start, side: tuple[list[str], bool]
) -> None:
    """Bare ssh, having asked for the host key, connects on with the terminal as it was."""
    host = start_sshd(shell=PLAIN_SHELL)
    prefix, no_flow = side
    terminal = start_terminal(
        [*prefix, "ssh", *host.access.ssh_args(known=False)],
        job=True,
        prepare=without_flow if no_flow else None,
    )
    terminal.expect("(yes/no/[fingerprint])? ")
    eventually(lambda: is_raw(terminal) == bool(prefix), "whose the terminal is")
    connection = psutil.Process(host._popen.pid).children(recursive=True)
    for process in connection:
        process.suspend()
    terminal.send_line("yes")
    terminal.expect("Permanently added")
    eventually(lambda: not is_raw(terminal), "the terminal as it was")
    for process in connection:
        process.resume()
    open_shell(terminal)


def test_a_host_without_a_pty_is_typed_to(
    start_sshd: Callable[..., Sshd], start_terminal: Start, side: tuple[list[str], bool]
) -> None:
    """ssh is raw until the host has refused, and reads lines from then on."""
    access = start_sshd("PermitTTY no", shell=("sh", "-c", "echo hello; exec cat")).access
    prefix, no_flow = side
    terminal = start_terminal(
        [*prefix, "ssh", *access.ssh_args()],
        job=True,
        prepare=without_flow if no_flow else None,
    )
    terminal.expect("PTY allocation request failed")
    terminal.expect("hello")
    terminal.send_line("a line")
    terminal.expect("a line")
    terminal.expect("a line")
    terminal.send("\x04")
    assert terminal.wait() == 0
    assert terminal.output.count(b"a line") == 2


def test_a_silent_host_is_typed_to(
    start_sshd: Callable[..., Sshd], start_terminal: Start, side: tuple[list[str], bool]
) -> None:
    """Nothing is printed at the begin: only the terminal's settings tell of it."""
    access = start_sshd(shell=("sh", "-c", "stty -echo; read x; echo got $x")).access
    prefix, no_flow = side
    terminal = start_terminal(
        [*prefix, "ssh", *access.ssh_args()],
        job=True,
        prepare=without_flow if no_flow else None,
    )
    eventually(lambda: is_raw(terminal), "the session")
    terminal.send("unseen\r")
    terminal.expect("got unseen\r\n")
    assert terminal.wait() == 0


def test_the_banner_and_the_end_are_as_bare_sshs(
    start_sshd: Callable[..., Sshd], start_terminal: Start, keepshell_exe: Path, tmp_path: Path
) -> None:
    """Bytes for bytes, though two terminals have made line ends of them."""
    (tmp_path / "banner").write_text("one\n\ttwo\n\nthree")
    access = start_sshd(f"Banner {tmp_path / 'banner'}", shell=PLAIN_SHELL).access
    outputs = []
    for prefix in ([], [str(keepshell_exe)]):
        terminal = start_terminal([*prefix, "ssh", *access.ssh_args()], job=True)
        terminal.expect(PROMPT)
        terminal.send_line("exit 3")
        terminal.expect("closed.\r\r\n")
        assert terminal.wait() == 3
        outputs.append(terminal.output)
        terminal = start_terminal([*prefix, "ssh", "-p", "1", "127.0.0.1"], job=True)
        terminal.expect("refused\r\r\n")
        assert terminal.wait() == 255
        outputs.append(terminal.output)
    assert outputs[:2] == outputs[2:]


ASKERS = {
    "with a whole line": "echo Your code: >/dev/tty; read x </dev/tty",
    "with nothing": "read x </dev/tty",
}
CARRY = """\
import os, socket, sys, threading
server = socket.create_connection(sys.argv[1:]).detach()
def copy(source, to):
    while data := os.read(source, 65536):
        os.write(to, data)
threading.Thread(target=copy, args=(0, server), daemon=True).start()
copy(server, 1)
"""


@pytest.mark.parametrize("asks", ASKERS)
@pytest.mark.parametrize("option", ["ProxyCommand", "LocalCommand"])
def test_a_program_that_asks_without_a_prompt_gets_its_answer(
    start_sshd: Callable[..., Sshd],
    start_terminal: Start,
    side: tuple[list[str], bool],
    tmp_path: Path,
    option: str,
    asks: str,
) -> None:
    """As a ProxyCommand may that wants a code: the words are there, and the cursor below them."""
    host = start_sshd(shell=PLAIN_SHELL)
    prefix, no_flow = side
    begun = tmp_path / "begun"
    program = f"touch {begun}; {ASKERS[asks]}; echo got $x >/dev/tty"
    if option == "ProxyCommand":
        (tmp_path / "carry.py").write_text(CARRY)
        program += f"; exec {sys.executable} {tmp_path}/carry.py %h %p"
    option = f"{option}=sh -c {shlex.quote(program)}"
    terminal = start_terminal(
        [*prefix, "ssh", "-o", "PermitLocalCommand=yes", "-o", option, *host.access.ssh_args()],
        job=True,
        prepare=without_flow if no_flow else None,
    )
    eventually(begun.exists, "the program that asks")
    if "line" in asks:
        terminal.expect("code:\r\n")
    eventually(lambda: is_raw(terminal) == bool(prefix), "whose the terminal is")
    terminal.send_line("12345")
    terminal.expect("12345\r\ngot 12345\r\n")
    open_shell(terminal)
    assert terminal.output.count(b"12345") == 2
