"""What is known when a session has ended, and what ssh's own last words are in it.

The tail is hostile text: a file that the user looks at may contain anything. Only lines that ssh
(or plink) prints, with nothing after them, count as its own words; everything else is the host's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

JUST = 2.0
"""Seconds within which a key, a keepalive or output belongs to the ending."""

_TAIL_SIZE = 1024

# One line of the child's own. What ssh prints after it has left raw mode ends in \r\r\n: the pty's
# ONLCR adds one.
_N = rb"[^\r\n]{0,400}"
_EOL = rb"\r{1,2}\n"
_SSH_LINES = (
    rb"(?:Shared c|C)onnection to " + _N + rb" closed(?: by remote host)?\.",
    rb"Connection (?:reset|closed) by " + _N,
    rb"(?:Received disconnect|Disconnected) from " + _N,
    rb"Timeout, server " + _N + rb" not responding\.",
    rb"Read from remote host " + _N,
    rb"(?:client_loop|packet_write_wait|ssh_dispatch_run_fatal|Write failed): " + _N,
    rb"Bad packet length \d+\.",
    rb"Corrupted MAC on input\.",
    rb"Killed by signal \d+\.",
    rb"(?:debug[123]|Transferred|Bytes per second): " + _N,
)
_PLINK_LINES = (
    rb"FATAL ERROR: " + _N + rb"(?:" + _EOL + rb"type \d+ " + _N + _EOL + rb'"' + _N + rb'")?',
)
_LINES = {"plink": _PLINK_LINES}

# The status for "the connection failed": ssh(1), and plink as measured.
_FAILURE = {"plink": 1}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known when the child has ended; every `_idle` is in seconds before that moment.

    `exit_status` is None if `signal` killed the child, `tail` the last output as the terminal got
    it. `user_idle` counts from the last key that went to the host, `sent_idle` from the last
    keepalive, `typed_idle` from the last keepalive that was input; `keepalives` counts them all,
    `no_ops` those that were input. `sent_gap` is how long neither a key nor a keepalive had gone
    out before the last one did. `reads` are the last reads of output as (seconds before the end,
    bytes), oldest first; without them it is unknown how long the host was silent before ssh spoke.
    `forwarded` is a signal that keepshell got and passed on. `hidden`: -q, LogLevel or a
    redirection hides ssh's own words. `acked_idle` counts from when the kernel last said that the
    host had acknowledged everything sent, and `gives_up_after` is the number of seconds without an
    answer after which ssh ends a session because of keepshell's options. `moved`: another terminal
    has the shell now.
    None: it never happened, or it is unknown.
    """

    exit_status: int | None
    signal: int | None
    tail: bytes
    session: bool
    user_idle: float | None = None
    output_idle: float | None = None
    sent_idle: float | None = None
    quit_typed: bool = False
    keepalives: int = 0
    no_ops: int = 0
    typed_idle: float | None = None
    sent_gap: float | None = None
    lasted: float | None = None
    reads: tuple[tuple[float, int], ...] = ()
    forwarded: int | None = None
    hidden: bool = False
    acked_idle: float | None = None
    gives_up_after: float | None = None
    program: str = "ssh"
    moved: bool = False


class Case:
    """One piece of evidence, taken apart: what ssh said, what the host showed, who was idle."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        tail = evidence.tail[-_TAIL_SIZE:]
        self.said = _last_words(tail, evidence.program) if evidence.session else b""
        self.shown = tail[: len(tail) - len(self.said)]

    def in_session(self) -> bool:
        return self.evidence.session

    def before_session(self) -> bool:
        return not self.evidence.session

    def failed(self) -> bool:
        """The status is the one that a lost connection has; a remote exit may have it too."""
        return self.evidence.exit_status == _FAILURE.get(self.evidence.program, 255)

    def exited(self) -> bool:
        return self.evidence.exit_status is not None

    def succeeded(self) -> bool:
        return self.evidence.exit_status == 0

    def signalled(self) -> bool:
        return self.evidence.signal is not None

    def passed_on(self) -> bool:
        """keepshell got a signal and passed it on, and that ended the child."""
        return self.evidence.forwarded is not None and (self.signalled() or self.failed())

    def quit_typed(self) -> bool:
        return self.evidence.quit_typed and (self.signalled() or self.failed())

    def moved(self) -> bool:
        return self.evidence.moved

    def of_ssh(self) -> bool:
        return self.evidence.program == "ssh"

    def of_plink(self) -> bool:
        return self.evidence.program == "plink"

    def wordless(self) -> bool:
        return not self.said

    def hidden(self) -> bool:
        return self.evidence.hidden

    def unanswered(self) -> bool:
        """ssh gave up on a host that was there all the time but answers no request at all.

        It had acknowledged one; an answer to that one would have made ssh start counting again.
        """
        acked, limit = self.evidence.acked_idle, self.evidence.gives_up_after
        idle = _least(self.host_idle(), self.evidence.lasted)
        if acked is None or limit is None or idle is None:
            return False
        # After half the time at least one of two or more requests has gone out.
        return idle - acked >= limit / 2 and limit - JUST <= idle < 1.5 * limit

    def typing(self) -> bool:
        return self.evidence.user_idle is not None and self.evidence.user_idle < JUST

    def user_quiet(self) -> bool:
        return _long(self.user_idle())

    def channel_quiet(self) -> bool:
        return _long(self.channel_idle())

    def client_quiet(self) -> bool:
        return _long(self.client_idle())

    def kept(self) -> bool:
        """Since the last key a keepalive went out and was survived."""
        sent, gap, user = self.evidence.sent_idle, self.evidence.sent_gap, self.user_idle()
        if sent is None or user is None or sent >= user:
            return False
        # One that met the end was not survived; the one before was.
        return sent >= JUST or (gap is not None and user >= 1.5 * gap)

    def user_idle(self) -> float | None:
        """Seconds since the user's last key, or since the session began."""
        # A password typed at ssh's prompt is older than the session.
        return _least(self.evidence.user_idle, self.evidence.lasted)

    def input_idle(self) -> float | None:
        """Seconds without input, the user's or a no-op."""
        return _least(self.user_idle(), self.evidence.typed_idle)

    def host_idle(self) -> float | None:
        """Seconds without output before ssh's own last words."""
        left = len(self.said)
        if not left:
            return self.evidence.output_idle
        for age, size in reversed(self.evidence.reads):
            if size > left:
                return age
            left -= size
        return None

    def channel_idle(self) -> float | None:
        """Seconds without data in the channel, either way."""
        return _least(self.input_idle(), self.host_idle())

    def client_idle(self) -> float | None:
        """Seconds in which nothing went out; up to the last packet, if that one met the end."""
        last, gap = _least(self.user_idle(), self.evidence.sent_idle), self.evidence.sent_gap
        return gap if gap is not None and last is not None and last < JUST else last


def _last_words(tail: bytes, program: str) -> bytes:
    """The lines at the very end that are the child's own; known only in a session."""
    lines = b"|".join(_LINES.get(program, _SSH_LINES))
    # Compiled only now: that takes longer than loading the rest of this module.
    found = re.search(rb"(?:(?:" + lines + rb")" + _EOL + rb")+\Z", tail)
    return found[0] if found else b""


def _long(idle: float | None) -> bool:
    return idle is None or idle >= JUST


def _least(*times: float | None) -> float | None:
    return min((time for time in times if time is not None), default=None)
