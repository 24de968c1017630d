"""What hosts enforce: the kinds of idle rules, what resets each, and the lowest rung that does.

One table, `KINDS`; its facts were measured (docs/idle-rules.md). A rule is a kind with its limit,
and how it is known. Loaded before ssh starts where config.toml states rules, so no dataclass or
enum.
"""

from __future__ import annotations

from keepshell.core.rules import durations
from keepshell.core.rules.rung import Rung

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

CONFIG, PROBE, MEASURED, DROP = SOURCES = ("config", "probe", "measured", "drop")
"""How a rule is known: the user states it, it was read on the host or tried out, or it struck."""

LEAST, MOST = 2, 24 * 86400
"""Limits in seconds: servers reckon in whole seconds and fire up to one early; poll(2) takes no
longer time."""


class RuleKind:
    """One kind of rule; a row of `KINDS`, compared by identity."""

    __slots__ = ("believed_from", "lag", "name", "needs", "owner", "quiet", "reset_by", "timer")

    def __init__(
        self,
        name: str,
        owner: str,
        quiet: str,
        *,
        reset_by: str,
        needs: Rung | None,
        timer: str = "",
        lag: float = 0.0,
        believed_from: float = 0.0,
    ) -> None:
        self.name = name
        self.owner = owner
        """Who enforces it, for a sentence."""
        self.quiet = quiet
        """Of what there was none when it fired, for a sentence."""
        self.reset_by = reset_by
        self.needs = needs
        """The lowest rung that beats it, None where nothing does."""
        self.timer = timer
        """The timer of the rungs that type which acts on it, as core/noops/table.py names them."""
        self.lag = lag
        """Seconds by which what resets it may be noticed late."""
        self.believed_from = believed_from
        """Limit in seconds below which one drop is not believed: it may as well have been the
        network or a restart, and acting on it would cost a packet every few seconds."""

    def __repr__(self) -> str:
        return f"RuleKind({self.name!r})"


_ATIME_LAG = 10.0
"""Linux stores a terminal's atime when seconds/8 changes; a lag of 8.2 s was measured."""

_PACKETS = "any packet from the client"
_ATIME = "input that a program on the host reads"
_LINE = "a completed line"

_ROWS = (
    RuleKind(
        "client-alive",
        "sshd's ClientAliveInterval",
        "without a packet from the client",
        reset_by=_PACKETS,
        needs=Rung.WINDOW_CHANGE,
        believed_from=30,
    ),
    RuleKind(
        "dropbear-idle",
        "dropbear -I",
        "without input or window-change",
        reset_by="input or output, or a window-change; no ServerAlive request",
        needs=Rung.WINDOW_CHANGE,
        believed_from=30,
    ),
    RuleKind(
        "connection-idle",
        "a firewall, NAT or bastion",
        "without a packet from the client",
        reset_by=_PACKETS,
        needs=Rung.WINDOW_CHANGE,
        believed_from=30,
    ),
    RuleKind(
        "channel-timeout",
        "sshd's ChannelTimeout",
        "without input or output",
        reset_by="input or output",
        needs=Rung.NO_OP,
        timer="channel-timeout",
    ),
    RuleKind(
        "logind",
        "logind's StopIdleSessionSec",
        "without input",
        reset_by=_ATIME,
        needs=Rung.NO_OP,
        timer="logind",
        lag=_ATIME_LAG,
    ),
    RuleKind(
        "stop-idle",
        "a limit on idle sessions (logind's StopIdleSessionSec, or a bastion's)",
        "without input, in spite of packets",
        reset_by=_ATIME,
        needs=Rung.NO_OP,
        timer="logind",
        lag=_ATIME_LAG,
        believed_from=60,
    ),
    RuleKind(
        "tty-idle",
        "a reaper of idle terminals (autolog, timeoutd)",
        "without input",
        reset_by=_ATIME,
        needs=Rung.NO_OP,
        timer="tty-idle",
        lag=_ATIME_LAG,
    ),
    RuleKind(
        "zsh-tmout",
        "zsh's TMOUT",
        "without a key",
        reset_by="any key that zsh's editor reads",
        needs=Rung.NO_OP,
        timer="zsh-tmout",
        # zshparam(1): when its alarm rings, it goes by "the idle time of the terminal".
        lag=_ATIME_LAG,
    ),
    RuleKind(
        "tmux-lock",
        "tmux's lock-after-time",
        "without input",
        reset_by="any input to the tmux client",
        needs=Rung.NO_OP,
        timer="tmux-lock",
    ),
    RuleKind(
        "tmout",
        "the shell's TMOUT",
        "without a command line",
        reset_by=_LINE,
        needs=Rung.EMPTY_LINE,
        timer="tmout",
    ),
    RuleKind(
        "autologout",
        "tcsh's autologout",
        "without a command line",
        reset_by=_LINE,
        needs=Rung.EMPTY_LINE,
        timer="tmout",
    ),
    RuleKind(
        "unused-connection",
        "sshd's UnusedConnectionTimeout",
        "without an open channel",
        reset_by="an open channel, even a silent one",
        needs=None,
    ),
)
KINDS = {kind.name: kind for kind in _ROWS}


class Rule:
    """One rule of one host. Immutable by convention; times are in seconds."""

    __slots__ = ("confirmed", "drops", "kind", "limit", "outlasted", "seen_at", "source", "told")

    def __init__(
        self,
        kind: RuleKind,
        limit: float,
        source: str,
        *,
        seen_at: float = 0.0,
        confirmed: bool = False,
        drops: int = 0,
        outlasted: Rung = Rung.OFF,
        told: str = "",
    ) -> None:
        """`source` is one of `SOURCES`."""
        self.kind = kind
        self.limit = limit
        self.source = source
        self.seen_at = seen_at
        """When it was last seen to hold, in seconds since 1970; 0 for what the user states."""
        self.confirmed = confirmed
        """Whether a second drop came after the same idle time; of a `DROP` alone, a suspicion."""
        self.drops = drops
        self.outlasted = outlasted
        """The highest rung that it struck in spite of; OFF for none."""
        self.told = told
        """What the user was last told about it, as `plan.Remedy.mark`; or nothing."""

    @property
    def believed(self) -> bool:
        """Whether to act on it: anything but one drop that may well have had another cause."""
        return self.confirmed or self.source != DROP or self.limit >= self.kind.believed_from

    def with_changes(self, **changes: object) -> Rule:
        """The same rule but for these attributes."""
        values = {name: getattr(self, name) for name in self.__slots__} | changes
        return Rule(**values)

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rule) and other._values() == self._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"Rule({self.kind.name}={durations.show(self.limit)}, {self.source})"


def parse(text: str) -> Rule:
    """The rule in `channel-timeout=15m`, as the user states it in the configuration.

    Raises ValueError, with what was expected and found as its text.
    """
    name, equals, limit = text.partition("=")
    kind = KINDS.get(name.strip().lower())
    if not equals:
        raise ValueError(f"expected KIND=LIMIT, such as channel-timeout=15m, found {text!r}")
    if kind is None:
        raise ValueError(f"unknown kind of rule {name.strip()!r}; {_nearest(name)}")
    try:
        seconds = durations.with_unit(limit)
    except durations.NoUnitError as error:
        raise ValueError(f"{kind.name}: {error}") from None
    except ValueError:
        raise ValueError(f"{kind.name}: expected a duration such as 15m, found {limit!r}") from None
    if not LEAST <= seconds <= MOST:
        bounds = f"from {durations.show(LEAST)} to {durations.show(MOST)}"
        raise ValueError(f"{kind.name}: expected a limit {bounds}, found {limit!r}")
    return Rule(kind, seconds, CONFIG)


def parse_all(texts: Iterable[str]) -> tuple[Rule, ...]:
    """The rules in a list of such texts; raises ValueError for a kind with two limits too."""
    found: dict[RuleKind, Rule] = {}
    for rule in map(parse, texts):
        stated = found.setdefault(rule.kind, rule)
        if stated.limit != rule.limit:
            limits = f"{durations.show(stated.limit)} and {durations.show(rule.limit)}"
            raise ValueError(f"{rule.kind.name}: has two limits, {limits}; keep one")
    return tuple(found.values())


def _nearest(name: str) -> str:
    words = name.strip().lower().replace("_", "-")
    near = [known for known in KINDS if words and (words in known or known in words)]
    return f"did you mean {near[0]}?" if near else "known: " + ", ".join(KINDS)
