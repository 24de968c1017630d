"""ssh's escapes work through keepshell as they do without, and not a byte tells the two apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sshd.sides import ssh_of, wait_for_session, wait_until_reading
from tests.support.access import ALIAS
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.trace import Trace

Start = Callable[..., Terminal]

CLOSED = "Connection to 127.0.0.1 closed.\r\r\n"
COMMAND_LINE = "ssh> "
AGAIN = f"\r\n{PROMPT}"
NO_MODES = ("bash", "--norc", "--noprofile", "--noediting", "-i")
"""A shell that turns nothing on, so that there is nothing to turn off after `~.`."""


@dataclass(frozen=True)
class Dialogue:
    """What is typed after the first prompt, each line of it with the output that is waited for."""

    name: str
    steps: tuple[tuple[str, str], ...]
    options: tuple[str, ...] = ()
    config: str = ""
    """A line of ssh_config; the host is then reached by its alias."""
    status: int = 0

    def __str__(self) -> str:
        return self.name


LEAVE = ("exit 0\r", CLOSED)

DIALOGUES = (
    Dialogue("~. at the first prompt", (("~.", CLOSED),), status=255),
    Dialogue("~. after a line", (("echo $((6*7))\r", "42" + AGAIN), ("~.", CLOSED)), status=255),
    Dialogue("~. one key at a time", (("\r", AGAIN), ("~", ""), (".", CLOSED)), status=255),
    Dialogue("~. in mid-line is text", ((": ~.", ": ~."), ("\r", AGAIN), LEAVE)),
    Dialogue("~?", (("~?", "(Note that escapes are only recognized"), ("\r", AGAIN), LEAVE)),
    Dialogue("~#", (("~#", "#0 client-session"), ("\r", AGAIN), LEAVE)),
    Dialogue(
        "~C",
        (
            ("~C", COMMAND_LINE),
            ("-h\r", "Cancel dynamic forward"),
            ("\r", AGAIN),
            ("~C", COMMAND_LINE),
            ("-L0\r", "Bad local forwarding specification"),
            ("\r", AGAIN),
            LEAVE,
        ),
        options=("-o", "EnableEscapeCommandline=yes"),
    ),
    Dialogue(
        "~C, left with ^C",
        (("~C", COMMAND_LINE), ("\x03", "^C"), ("\r", AGAIN), LEAVE),
        options=("-o", "EnableEscapeCommandline=yes"),
    ),
    Dialogue("~C, disabled", (("~C", "commandline disabled\r\n"), ("\r", AGAIN), LEAVE)),
    Dialogue("~~", (("~~", "~"), ("\r", AGAIN), LEAVE)),
    Dialogue("~v and ~V", (("~v~V", "[LogLevel INFO]\r\n"), ("\r", AGAIN), LEAVE)),
    Dialogue("an unknown escape is text", (("~x", "~x"), ("\r", AGAIN), LEAVE)),
    Dialogue("-e %", (("%.", CLOSED),), options=("-e", "%"), status=255),
    Dialogue("-e %, ~. is text", (("~.", "~."), ("\r", AGAIN), LEAVE), options=("-e", "%")),
    Dialogue("-e ^B", (("\x02.", CLOSED),), options=("-e", "^B"), status=255),
    Dialogue("-e none", (("~.", "~."), ("\r", AGAIN), LEAVE), options=("-e", "none")),
    Dialogue("EscapeChar in ssh_config", (("%.", CLOSED),), config="EscapeChar %", status=255),
    Dialogue(
        "EscapeChar none in ssh_config",
        (("~.", "~."), ("\r", AGAIN), LEAVE),
        config="EscapeChar none",
    ),
)


def _argv(sshd: Sshd, dialogue: Dialogue) -> list[str]:
    if dialogue.config:
        config = sshd.access.ssh_config(dialogue.config)
        return ["ssh", "-F", str(config), *dialogue.options, ALIAS]
    return ["ssh", *dialogue.options, *sshd.access.ssh_args()]


def _hold(terminal: Terminal, dialogue: Dialogue) -> tuple[bytes, int]:
    """The output of the whole dialogue, and the exit status."""
    terminal.expect(PROMPT)
    ssh = ssh_of(terminal)
    for typed, shown in dialogue.steps:
        terminal.send(typed)
        terminal.expect(shown)
        if shown == COMMAND_LINE:
            wait_until_reading(ssh)
        else:
            wait_for_session(ssh)
    return terminal.read_to_end(), terminal.wait()


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=str)
def test_an_escape(
    start_sshd: Callable[..., Sshd], start_terminal: Start, keepshell_exe: Path, dialogue: Dialogue
) -> None:
    argv = _argv(start_sshd(shell=NO_MODES), dialogue)
    direct = _hold(start_terminal(argv), dialogue)
    through = _hold(start_terminal([str(keepshell_exe), *argv]), dialogue)
    assert direct[1] == dialogue.status
    assert through == direct


def test_an_escape_after_window_changes(
    start_sshd: Callable[..., Sshd],
    start_terminal: Start,
    keepshell_exe: Path,
    trace: Trace,
) -> None:
    """A nudge is no input: ssh still stands at the start of the line."""
    access = start_sshd(shell=NO_MODES).access
    argv = ["ssh", "-o", "ServerAliveInterval=0", *access.ssh_args()]
    options = ["--window-change-interval", "0.1s"]
    terminal = start_terminal([str(keepshell_exe), *options, *argv])
    terminal.expect(PROMPT)
    trace.wait_for("nudge-sent", 5)
    terminal.send("~.")
    assert terminal.read_to_end() == f"{PROMPT}{CLOSED}".encode()
    assert terminal.wait() == 255
