"""What is chosen at a tick: the timers to beat, and what is sent against them."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from keepshell.core.reasons import Reason
from keepshell.core.rules.rung import Rung


class Timer(Enum):
    """A timer that ends idle sessions; the value is the kind of rule it usually is."""

    CHANNEL_TIMEOUT = "channel-timeout"
    LOGIND = "logind"
    TTY_IDLE = "tty-idle"
    ZSH_TMOUT = "zsh-tmout"
    TMUX_LOCK = "tmux-lock"
    TMOUT = "tmout"  # TMOUT of bash and ksh, autologout of tcsh
    CONNECTION = "connection"  # counts packets: a window-change resets it, no input is needed


class Noop(NamedTuple):
    """Input that does nothing; to be sent in one write."""

    data: bytes
    row: str
    resets: frozenset[Timer]

    @property
    def rung(self) -> Rung:
        return Rung.NO_OP


class EmptyLine(NamedTuple):
    """Enter; its reply goes through a `Withholding`."""

    data: bytes
    row: str
    resets: frozenset[Timer]

    @property
    def rung(self) -> Rung:
        return Rung.EMPTY_LINE


class WindowChange(NamedTuple):
    """SIGWINCH with the size unchanged: no input."""

    resets: frozenset[Timer] = frozenset((Timer.CONNECTION,))


class Hold(NamedTuple):
    """Nothing is sent now, and why."""

    reason: Reason


Choice = Noop | EmptyLine | WindowChange | Hold | None
"""None where nothing need be sent."""
