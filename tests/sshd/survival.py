"""Which idle rule kills which session: the table, and how a session is shown to die or to live.

Nothing here measures time. A session *dies* when it is cut while another, opened before it and
the same but for the rule, still answers. It *lives* when it still answers after `ROUNDS` bare and
silent sessions under the same rule were opened after it, one after another, and were cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from tests.support.access import Access
from tests.support.dropbear import Dropbear
from tests.support.middlebox import Counts, Middlebox
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal

LIMIT = 4
"""Seconds of idleness that every rule allows. A keepalive should act every second: half the limit
is lost to ChannelTimeout, which may fire a second early, the rest is for a loaded machine."""

ROUNDS = 2

SSH = ("ssh",)
# Not 1: ssh reckons in whole seconds from the last packet that it received, rounded down, so an
# interval of 1 is due at every full second, and is sent although the host prints.
SSH_SERVER_ALIVE = ("ssh", "-o", "ServerAliveInterval=2")

# In the background, so that the prompt is there to answer. A loop in the foreground is not always
# ended by ^C: bash goes on when the signal comes between two of its children.
_PRINT = "while echo tick; do sleep 0.2; done &"


class Outcome(Enum):
    """What becomes of a session under a rule."""

    DIES = "dies"
    LIVES = "lives"


DIES, LIVES = Outcome.DIES, Outcome.LIVES


@dataclass(frozen=True)
class Rule:
    """An idle rule of `LIMIT` seconds."""

    name: str
    ending: bytes
    """What ssh 9.2 with a tty says last, as a regular expression, when the rule has struck."""
    sshd: tuple[str, ...] = ()
    """Lines of sshd_config."""
    dropbear: tuple[str, ...] = ()
    """Options of a dropbear that stands in place of the sshd."""
    middlebox: Counts | None = None
    """What a middlebox in front of the server counts."""


@dataclass(frozen=True)
class Case:
    """A rule, what the host does, and what becomes of a session with each keepalive.

    The host prints five times a second, or nothing; the user types nothing in either case.
    """

    rule: Rule
    printing: bool
    bare: Outcome
    server_alive: Outcome
    window_change: Outcome

    def __str__(self) -> str:
        return f"{self.rule.name}-{'printing' if self.printing else 'quiet'}"


_CLOSED = rb"Connection to 127\.0\.0\.1 closed\."
_BY_REMOTE_HOST = rb"Connection to 127\.0\.0\.1 closed by remote host\.\r+\n" + _CLOSED
_RESET = rb"client_loop: send disconnect: Broken pipe"

_CHANNEL_TIMEOUT = Rule("ChannelTimeout", _CLOSED, sshd=(f"ChannelTimeout session:*={LIMIT}s",))
# A keepalive that dropbear has not read when it exits turns its close into a RST.
_DROPBEAR = Rule("dropbear-I", rb"%b|%b" % (_BY_REMOTE_HOST, _RESET), dropbear=("-I", str(LIMIT)))
_CLIENT_BYTES = Rule("client-bytes", _RESET, middlebox=Counts.CLIENT_BYTES)
_ANY_BYTES = Rule("any-bytes", _RESET, middlebox=Counts.ANY_BYTES)

# client-bytes also stands for sshd 7.6 to 8.1 with ClientAliveCountMax 0.
CASES = (
    #    rule, host prints                 bare   server-alive window-change
    Case(_CHANNEL_TIMEOUT, printing=False, bare=DIES, server_alive=DIES, window_change=DIES),
    Case(_CHANNEL_TIMEOUT, printing=True, bare=LIVES, server_alive=LIVES, window_change=LIVES),
    Case(_DROPBEAR, printing=False, bare=DIES, server_alive=DIES, window_change=LIVES),
    Case(_DROPBEAR, printing=True, bare=LIVES, server_alive=LIVES, window_change=LIVES),
    Case(_CLIENT_BYTES, printing=False, bare=DIES, server_alive=LIVES, window_change=LIVES),
    Case(_CLIENT_BYTES, printing=True, bare=DIES, server_alive=DIES, window_change=LIVES),
    Case(_ANY_BYTES, printing=False, bare=DIES, server_alive=LIVES, window_change=LIVES),
    Case(_ANY_BYTES, printing=True, bare=LIVES, server_alive=LIVES, window_change=LIVES),
)


class Session:
    """A login in a terminal, idle since it was opened."""

    def __init__(self, terminal: Terminal, *, printing: bool) -> None:
        self.terminal = terminal
        terminal.expect(PROMPT)
        if printing:
            terminal.send_line(_PRINT)
            terminal.expect("tick\r\n")

    def wait_cut(self, ending: bytes) -> None:
        """Return when ssh has ended by itself, with 255 and `ending` as its last words."""
        status = self.terminal.wait()
        output = self.terminal.read_to_end()
        shown = self.terminal.describe()
        assert status == 255, f"status {status}\n{shown}"
        # keepshell adds a line of its own, after ssh's.
        assert re.search(rb"(?:%b)\r*\n" % ending, output), shown

    def answers(self) -> None:
        """Have the remote shell calculate something; AssertionError if it is no longer there."""
        self.terminal.send_line("echo answer-$((6*7))")
        self.terminal.expect("answer-42")


class Survival:
    """Servers and a middlebox for one case; `dies` or `lives` shows what becomes of a session.

    The arguments are the fixtures of the same names. A command is what stands before ssh's own
    arguments: `("ssh",)`, or `(keepshell_exe, "--window-change-interval", "1s", "ssh")`.
    """

    def __init__(
        self,
        case: Case,
        *,
        start_sshd: Callable[..., Sshd],
        start_dropbear: Callable[..., Dropbear],
        start_middlebox: Callable[..., Middlebox],
        start_terminal: Callable[..., Terminal],
    ) -> None:
        self._case = case
        self._start_terminal = start_terminal
        rule = case.rule
        free: Sshd | Dropbear = start_dropbear() if rule.dropbear else start_sshd()
        self._free = self._ruled = free.access
        self.box: Middlebox | None = None
        """The middlebox, if it is the one that has the rule."""
        if rule.middlebox:
            self.box = start_middlebox(free.port, LIMIT, rule.middlebox)
            self._ruled = free.access.through(self.box.port)
        elif rule.dropbear:
            self._ruled = start_dropbear(*rule.dropbear).access
        else:
            self._ruled = start_sshd(*rule.sshd).access

    def check(self, command: Sequence[str], expected: Outcome) -> Session:
        """Show that a session of this command has this outcome, and return it."""
        return self.dies(command) if expected is DIES else self.lives(command)

    def dies(self, command: Sequence[str]) -> Session:
        """Show that the rule, and nothing else, kills a session of this command."""
        witness = self._open(command, self._free, printing=self._case.printing)
        session = self._open(command, self._ruled, printing=self._case.printing)
        session.wait_cut(self._case.rule.ending)
        witness.answers()
        return session

    def lives(self, command: Sequence[str]) -> Session:
        """Show that a session of this command outlives the rule."""
        session = self._open(command, self._ruled, printing=self._case.printing)
        for _ in range(ROUNDS):
            self._open(SSH, self._ruled, printing=False).wait_cut(self._case.rule.ending)
        session.answers()
        return session

    def _open(self, command: Sequence[str], access: Access, *, printing: bool) -> Session:
        terminal = self._start_terminal([*command, *access.ssh_args()])
        return Session(terminal, printing=printing)
