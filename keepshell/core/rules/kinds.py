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
"""How a rule is known: the user states it, a probe read it or tried it out, or it struck."""

LEAST, MOST = 2, 24 * 86400
"""Limits in seconds: servers reckon in whole seconds and fire up to one early; poll(2) takes no
longer time."""


class RuleKind:
    """One kind of rule; a row of `KINDS`, compared by identity."""

    __slots__ = (
        *("also", "does", "lag", "may_be", "name", "needs", "owner", "quiet", "reset_by", "timer"),
        "title",
    )

    def __init__(  # noqa: PLR0913 - one argument a column
        self,
        name: str,
        title: str,
        owner: str = "",
        *,
        quiet: str,
        reset_by: str,
        needs: Rung | None,
        also: Rung | None = None,
        timer: str = "",
        lag: float = 0.0,
        may_be: tuple[str, ...] = (),
        does: str = "ends this session",
    ) -> None:
        self.name = name
        self.title = title
        """What people call it: `TMOUT`."""
        self.owner = owner or title
        """Who enforces it, in a sentence."""
        self.quiet = quiet
        """What was missing when it fired, in a sentence."""
        self.reset_by = reset_by
        self.needs = needs
        """The lowest rung that certainly beats it; None if nothing does."""
        self.also = also
        """A lower rung that might too, and is used as well."""
        self.timer = timer
        """The timer in core/noops/table.py that typing acts on for it."""
        self.lag = lag
        """How late a reset may be noticed, in seconds."""
        self.may_be = may_be
        """The kinds that this one may turn out to be, once more is known."""
        self.does = does
        """What it does to the user, for a warning."""

    def fires_at(self, idle: float, limit: float) -> bool:
        """Whether a rule of this kind with that limit may have fired after this silence."""
        return durations.same_time(idle, limit) or abs(idle - limit) <= min(self.lag, limit / 2)

    def __repr__(self) -> str:
        return f"RuleKind({self.name!r})"


_ATIME_LAG = 10.0
"""Linux stores a terminal's atime when seconds/8 changes; a lag of 8.2 s was measured."""

_PACKETS = "any packet from the client"
_ATIME = "input that a program on the host reads"
_LINE = "a complete line"

_ROWS = (
    RuleKind(
        "client-alive",
        "ClientAliveInterval",
        "sshd's ClientAliveInterval",
        quiet="without a packet",
        reset_by=_PACKETS,
        needs=Rung.WINDOW_CHANGE,
    ),
    RuleKind(
        "dropbear-idle",
        "dropbear -I",
        quiet="without input or window-change",
        reset_by="input, output or a window-change, but not ServerAlive",
        needs=Rung.WINDOW_CHANGE,
    ),
    RuleKind(
        "connection-idle",
        "a timer on the connection",
        quiet="without a packet",
        reset_by=_PACKETS,
        needs=Rung.WINDOW_CHANGE,
        may_be=("client-alive", "dropbear-idle", "stop-idle", "logind", "tty-idle"),
    ),
    RuleKind(
        "channel-timeout",
        "ChannelTimeout",
        "sshd's ChannelTimeout",
        quiet="without input or output",
        reset_by="input or output",
        needs=Rung.NO_OP,
        timer="channel-timeout",
        may_be=("tty-idle",),
    ),
    RuleKind(
        "logind",
        "logind",
        "logind's StopIdleSessionSec",
        quiet="without input",
        reset_by=_ATIME,
        needs=Rung.NO_OP,
        timer="logind",
        lag=_ATIME_LAG,
    ),
    RuleKind(
        "stop-idle",
        "a limit on idle sessions",
        quiet="without input",
        reset_by=_ATIME,
        needs=Rung.NO_OP,
        timer="logind",
        lag=_ATIME_LAG,
        may_be=("channel-timeout", "logind", "tty-idle", "zsh-tmout"),
    ),
    RuleKind(
        "session-idle",
        "a timer on the session",
        quiet="without input or output",
        reset_by=f"{_ATIME}, or less",
        needs=Rung.NO_OP,
        also=Rung.WINDOW_CHANGE,
        timer="tty-idle",
        lag=_ATIME_LAG,
        may_be=(
            *("client-alive", "dropbear-idle", "connection-idle", "channel-timeout"),
            *("logind", "stop-idle", "tty-idle"),
        ),
    ),
    RuleKind(
        "tty-idle",
        "an idle-terminal reaper",
        quiet="without input",
        reset_by=_ATIME,
        needs=Rung.NO_OP,
        timer="tty-idle",
        lag=_ATIME_LAG,
    ),
    RuleKind(
        "zsh-tmout",
        "TMOUT",
        "zsh's TMOUT",
        quiet="without a key",
        reset_by="any key that zsh's editor reads",
        needs=Rung.NO_OP,
        timer="zsh-tmout",
        # zshparam(1): when its alarm rings, it goes by "the idle time of the terminal".
        lag=_ATIME_LAG,
        does="logs you out",
    ),
    RuleKind(
        "tmux-lock",
        "tmux's lock-after-time",
        quiet="without input",
        reset_by="any input to the tmux client",
        needs=Rung.NO_OP,
        timer="tmux-lock",
        does="locks tmux",
    ),
    RuleKind(
        "tmout",
        "TMOUT",
        "the shell's TMOUT",
        quiet="without a command",
        reset_by=_LINE,
        needs=Rung.EMPTY_LINE,
        timer="tmout",
        may_be=("autologout",),
        does="logs you out",
    ),
    RuleKind(
        "autologout",
        "autologout",
        "tcsh's autologout",
        quiet="without a command",
        reset_by=_LINE,
        needs=Rung.EMPTY_LINE,
        timer="tmout",
        does="logs you out",
    ),
    RuleKind(
        "unused-connection",
        "UnusedConnectionTimeout",
        "sshd's UnusedConnectionTimeout",
        quiet="without an open channel",
        reset_by="an open channel, even a silent one",
        needs=None,
    ),
)
KINDS = {kind.name: kind for kind in _ROWS}

BELIEVED_FROM = 60.0
"""Seconds. Below this limit one drop is never enough: acting on it may cost a packet a second."""


class Rule:
    """One rule of one host. Immutable by convention; times are in seconds."""

    __slots__ = (
        *("confirmed", "drops", "kind", "limit", "outlasted", "plain", "seen_at", "source", "told"),
    )

    def __init__(  # noqa: PLR0913 - one argument an attribute
        self,
        kind: RuleKind,
        limit: float,
        source: str,
        *,
        seen_at: float = 0.0,
        confirmed: bool = False,
        plain: bool = False,
        drops: int = 0,
        outlasted: Rung = Rung.OFF,
        told: str = "",
    ) -> None:
        """`source` is one of `SOURCES`."""
        self.kind = kind
        self.limit = limit
        self.source = source
        self.seen_at = seen_at
        """When it was last seen in force, in seconds since 1970; 0 for what the user states."""
        self.confirmed = confirmed
        """Whether a second drop came after the same idle time; until then it is a suspicion."""
        self.plain = plain
        """Whether the host said what had ended the session, so that nothing else explains it."""
        self.drops = drops
        self.outlasted = outlasted
        """The highest rung it struck despite; OFF for none."""
        self.told = told
        """What the user was last told about it, as `plan.Remedy.mark`; or empty."""

    def is_same_timer(self, other: Rule) -> bool:
        """Whether both may be the same timer: neither their kinds nor their limits contradict that.

        5 s by a drop, 6 s by a probe and 5 s measured are one (ChannelTimeout and sshd 8.0 fire up
        to 1 s early, docs/idle-rules.md).
        """
        kinds = self.kind, other.kind
        agree = kinds[0] is kinds[1] or any(
            one.name in another.may_be for one, another in (kinds, kinds[::-1])
        )
        limits = self.limit, other.limit
        return agree and any(kind.fires_at(min(limits), max(limits)) for kind in kinds)

    @property
    def believed(self) -> bool:
        """Whether to act on it: always, unless it is one drop that may have had another cause."""
        plain = self.plain and self.limit >= BELIEVED_FROM
        return self.confirmed or plain or self.source != DROP

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
    """The rules in a list of such texts; also raises ValueError for a kind with two limits."""
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


def one_each(rules: Iterable[Rule]) -> list[Rule]:
    """The same rules, each timer once, however it is known.

    What the user states comes first, then what was read on the host, what was tried out, and what
    a drop taught. Two timers that were stated or read stay two, even with the same limit.
    """
    found: list[Rule] = []
    for rule in sorted(rules, key=_authority):
        known = next((known for known in found if _is_told_twice(rule, known)), None)
        if known is None:
            found.append(rule)
        else:
            found[found.index(known)] = _both(known, rule)
    return found


_TAUGHT = (MEASURED, DROP)
"""The sources that know a timer by what it does, and not what it is."""


def _is_told_twice(rule: Rule, known: Rule) -> bool:
    taught = rule.source in _TAUGHT or rule.kind is known.kind
    return taught and rule.is_same_timer(known)


def _authority(rule: Rule) -> tuple[int, bool, int]:
    return SOURCES.index(rule.source), not rule.confirmed, len(rule.kind.may_be)


def _both(known: Rule, rule: Rule) -> Rule:
    """`known`, with what the other rule of the same timer adds."""
    refined = known.source in _TAUGHT and rule.kind.name in known.kind.may_be
    return known.with_changes(
        kind=rule.kind if refined else known.kind,
        confirmed=known.confirmed or rule.confirmed,
        plain=known.plain or rule.plain,
        drops=max(known.drops, rule.drops),
        seen_at=max(known.seen_at, rule.seen_at),
        outlasted=max(known.outlasted, rule.outlasted),
        told=known.told or rule.told,
    )
