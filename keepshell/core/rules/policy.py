"""What keepshell may do for a host: the highest rung of the ladder and the intervals.

No dataclass, NamedTuple or enum here: this module is imported before ssh starts, and importing
`enum` alone takes 6 ms, a third of `python -c pass` (ARCHITECTURE.md, "Start-up").
"""

from __future__ import annotations

from keepshell.core.rules.rung import Rung

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keepshell.core.rules.kinds import Rule

NO_OP_WHEN = ("auto", "always", "never")
"""When the rungs that type are used: where a rule needs them, everywhere, nowhere."""


class Policy:
    """The keepalives one host gets. Immutable by convention; all times are in seconds."""

    __slots__ = (
        "empty_line",
        "hints",
        "hold_for",
        "idle_limit",
        "no_op",
        "no_op_interval",
        "outage_tolerance",
        "reattach",
        "reattach_keep",
        "rules",
        "rung",
        "server_alive_interval",
        "ssh",
        "title",
        "warn",
        "window_change_interval",
        "xon",
    )

    def __init__(  # noqa: PLR0913 - one argument a setting
        self,
        *,
        rung: Rung = Rung.EMPTY_LINE,  # the highest allowed; the two that type need more than that
        server_alive_interval: int = 60,  # whole seconds: ServerAliveInterval takes nothing else
        outage_tolerance: float = 1200.0,
        window_change_interval: float = 60.0,
        no_op: str = "auto",  # of NO_OP_WHEN
        no_op_interval: float = 240.0,
        xon: bool = False,
        empty_line: bool = False,
        idle_limit: float | None = None,
        rules: tuple[Rule, ...] = (),  # stated by the user
        warn: bool = False,
        reattach: bool | str = False,  # text: what each connection runs, for none is kept
        reattach_keep: float = 43200.0,
        title: bool = False,
        hints: bool = True,  # one line after the first session with a host
        hold_for: float = 28800.0,
        ssh: str | None = None,  # None: the first ssh on PATH that is not keepshell
    ) -> None:
        self.rung = rung
        self.server_alive_interval = server_alive_interval
        self.outage_tolerance = outage_tolerance
        self.window_change_interval = window_change_interval
        self.no_op = no_op
        self.no_op_interval = no_op_interval
        self.xon = xon
        self.empty_line = empty_line
        self.idle_limit = idle_limit
        self.rules = rules
        self.warn = warn
        self.reattach = reattach
        self.reattach_keep = reattach_keep
        self.title = title
        self.hints = hints
        self.hold_for = hold_for
        self.ssh = ssh

    def up_to(self, rung: Rung) -> Policy:
        """The same with no rung above this one."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return Policy(**{**values, "rung": min(self.rung, rung)})

    @property
    def may_type(self) -> bool:
        """Whether the no-op rung may be used where it is needed."""
        return self.rung >= Rung.NO_OP and self.no_op != "never"

    @property
    def may_enter(self) -> bool:
        """Whether the empty-line rung may be used where it is needed."""
        return self.may_type and self.rung >= Rung.EMPTY_LINE and self.empty_line


def count_max(interval: float, outage_tolerance: float) -> int:
    """ServerAliveCountMax such that `interval` × count covers an outage of that many seconds.

    Both are more than 0, and so is the count.

    ssh ends a session after count unanswered requests (ssh_config(5)); TCP itself gives up after
    about 15 minutes, so a smaller product would end sessions that plain ssh would have kept.
    """
    return -int(-outage_tolerance // interval)  # -(-a // b) rounds up
