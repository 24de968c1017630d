"""What keepshell may do for a host: the highest rung of the ladder and the intervals.

No dataclass, NamedTuple or enum here: this module is imported before ssh starts, and importing
`enum` alone takes 6 ms, a third of `python -c pass` (ARCHITECTURE.md, "Start-up").
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class Rung(int):
    """One step of the ladder; a higher one beats more idle rules than the ones below."""

    OFF: ClassVar[Rung]
    SERVER_ALIVE: ClassVar[Rung]
    WINDOW_CHANGE: ClassVar[Rung]

    @property
    def label(self) -> str:
        """The name as it stands in the configuration: `window-change`."""
        return _LABELS[self]

    def __repr__(self) -> str:
        return f"Rung({self.label!r})"


_LABELS = ("off", "server-alive", "window-change")
RUNGS = (Rung(0), Rung(1), Rung(2))
Rung.OFF, Rung.SERVER_ALIVE, Rung.WINDOW_CHANGE = RUNGS


class Policy:
    """The keepalives one host gets. Immutable by convention; all times are in seconds."""

    __slots__ = (
        "outage_tolerance",
        "rung",
        "server_alive_interval",
        "ssh",
        "window_change_interval",
    )

    def __init__(
        self,
        *,
        rung: Rung = Rung.WINDOW_CHANGE,
        server_alive_interval: int = 60,  # whole seconds: ServerAliveInterval takes nothing else
        outage_tolerance: float = 1200.0,
        window_change_interval: float = 60.0,
        ssh: str | None = None,  # None: the first ssh on PATH that is not keepshell
    ) -> None:
        self.rung = rung
        self.server_alive_interval = server_alive_interval
        self.outage_tolerance = outage_tolerance
        self.window_change_interval = window_change_interval
        self.ssh = ssh


def count_max(interval: float, outage_tolerance: float) -> int:
    """ServerAliveCountMax such that `interval` × count covers an outage of that many seconds.

    Both are more than 0, and so is the count.

    ssh ends a session after count unanswered requests (ssh_config(5)); TCP itself gives up after
    about 15 minutes, so a smaller product would end sessions that plain ssh would have kept.
    """
    return -int(-outage_tolerance // interval)  # -(-a // b) rounds up
