"""What a session has been up to one moment, as data: for what is remembered, and for `status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keepshell.core.idle import Stretch
from keepshell.core.rules.rung import Rung


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRecord:
    """One session at one moment. Every `_at` is in seconds of the session's clock; None: never."""

    at: float
    """The moment."""
    started_at: float
    begun: bool
    """Whether the host has answered, after whatever ssh had to ask."""
    begun_at: float
    """When it did; before that, as `started_at`."""
    user_at: float | None
    """When the user last typed."""
    output_at: float | None
    """When the host, or ssh, last printed."""
    sent_at: float | None
    """When a keepalive last went out."""
    typed_at: float | None
    """When one that is input last did."""
    counts: Mapping[Rung, int]
    """How many keepalives went out."""
    tried: Rung
    """The highest rung that was used since the user's last key."""
    half_line: bool
    """Whether a line was half typed then."""
    longest_idle: float
    """The longest time without a key, in seconds."""
    stretches: tuple[Stretch, ...]
    """The long times without a key, in their order."""
    injected: int
    """Bytes typed for the user."""
    rung: Rung
    """The highest rung in use."""
    hold: str | None
    """Why a keepalive that is due is not sent."""
    next_at: float | None
    """When something is due next."""
    silent_since: float | None
    """Since when the host does not answer, as far as the kernel knows; None while it does."""
    nudge_answered: bool
    """Whether output has answered a window-change, in this session or an earlier one."""
    on: bool
    """Whether keepalives are switched on."""
    continued_at: float | None
    """When keepshell, or its child, last went on after a stop."""

    @property
    def user_idle(self) -> float:
        """Seconds since the user's last key, or since the session itself began."""
        return self.at - max(self.begun_at, self.user_at or self.begun_at)

    def since(self, moment: float | None) -> float | None:
        """Seconds from then to the moment of this record; None for what never happened."""
        return None if moment is None else max(0.0, self.at - moment)
