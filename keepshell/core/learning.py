"""What a drop teaches about its host, and what known rules ask of the next session.

The rules it keeps:

- one drop is a suspicion, a second after the same idle time confirms it;
- a rule is acted on at half its limit or sooner (ChannelTimeout and sshd 8.0 can fire a second
  early, idle-rules.md), and only by a rung that the user allows;
- what nothing beats, or nothing allowed, is said, with the setting that would;
- a rung that was held in the end has not failed: why it was held is said instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from keepshell.core.durations import describe, exact
from keepshell.core.policy import Policy
from keepshell.core.rules import DROP, KINDS, Rule, RuleKind, of_ending
from keepshell.core.rung import Rung

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keepshell.core.endings import Ending

ACT_AT = 0.5
"""The part of a limit after which a rule is acted on."""

SHORTEST = 1.0
"""Seconds; nothing is sent more often than that, whatever a rule would need."""

_MINUTE, _HOUR = 60, 3600
_WRITTEN = (
    *range(1, 11),
    *(12, 15, 20, 25, 30, 40, 45, 50, 60, 75, 90, 100, 120, 150, 180, 200, 240, 250, 300),
    *(400, 450, 500, 600, 720, 750, 900, 1000, 1200, 1500, 1800, 2000, 2400, 2700, 3000),
    *(45 * _MINUTE, 50 * _MINUTE, 90 * _MINUTE, 150 * _MINUTE),
    *(hours * _HOUR for hours in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 18, 24, 36, 48, 72)),
)
"""Limits in seconds as administrators write them."""

_SENT = {
    Rung.WINDOW_CHANGE: "a window-change",
    Rung.NO_OP: "a no-op",
    Rung.EMPTY_LINE: "an empty line",
}

_DEMANDS: tuple[tuple[Rung, Callable[[Policy, Rung], bool], str], ...] = (
    (Rung.WINDOW_CHANGE, lambda policy, rung: policy.rung >= rung, 'rung = "{rung}"'),
    (Rung.NO_OP, lambda policy, _rung: policy.no_op != "never", 'no_op = "auto"'),
    (Rung.EMPTY_LINE, lambda policy, _rung: policy.empty_line, "empty_line = true"),
)
"""What a rung demands of the policy, and of the rungs above it: the setting that allows it."""


_KEY = "one more key"
_WOULD_HAVE_HELPED = {
    "only ^Q would do, and `xon` is off": "xon = true",
    "a line is half typed": "leaving no line half typed",
    "output is stopped by ^S": "^Q",
    "the escape character is typed, and the next key decides": _KEY,
    "the last key may have been tmux's prefix": _KEY,
    "the last key may make the next one a literal": _KEY,
}
"""What would have made a hold needless, by its reason in noop.py; of others nothing is known."""


class Verdict(Enum):
    """Whether a rule is beaten, and if not, why."""

    BEATEN = "beaten"
    NOT_ALLOWED = "not-allowed"
    OUTLASTED = "outlasted"  # it struck in spite of the rung, and no higher one may be used
    DOUBTED = "doubted"  # a short silence and a single drop: too little to act on
    NOTHING = "nothing"


@dataclass(frozen=True)
class Measure:
    """What is done about one rule.

    `rung` is the lowest that beats it, None where nothing does. Where the measure `acts`, it is
    used after `every` seconds of silence. `setting` is what would allow a rung that is not.
    """

    rule: Rule
    verdict: Verdict
    rung: Rung | None
    every: float
    setting: str = ""

    @property
    def acts(self) -> bool:
        """Whether something is sent because of it: what failed once may do the next time."""
        return self.verdict in (Verdict.BEATEN, Verdict.OUTLASTED)

    @property
    def mark(self) -> str:
        """What `Rule.told` has when the user was told of this: `beaten no-op`."""
        return f"{self.verdict.value} {self.rung.label if self.rung else 'nothing'}"


@dataclass(frozen=True)
class Plan:
    """What a session does about the rules of its host."""

    measures: tuple[Measure, ...] = ()

    @property
    def window_change_every(self) -> float | None:
        """Seconds of the user's silence until a window-change is due; None: no rule asks for it."""
        acting = (measure for measure in self.measures if measure.acts)
        return min((m.every for m in acting if m.rung == Rung.WINDOW_CHANGE), default=None)

    @property
    def to_type_for(self) -> tuple[Rule, ...]:
        """The rules that the rungs which type are to act on, at half of what is the limit here."""
        return tuple(_for_typist(measure) for measure in self.measures if measure.acts)


def _for_typist(measure: Measure) -> Rule:
    rule = measure.rule.with_changes(limit=measure.every / ACT_AT)
    # What a no-op does not beat is left to the timer of the next rung, whoever enforces it.
    return rule.with_changes(kind=KINDS["tmout"]) if measure.rung == Rung.EMPTY_LINE else rule


def plan_for(rules: Iterable[Rule], policy: Policy) -> Plan:
    """What a session with this policy does about these rules, and about those the user states."""
    return Plan(tuple(measure(rule, policy) for rule in (*policy.rules, *rules)))


def measure(rule: Rule, policy: Policy) -> Measure:
    """What a session with this policy does about one rule."""
    needs, every = rule.kind.needs, _every(rule)
    if needs is None:
        return Measure(rule, Verdict.NOTHING, None, every)
    rung = needs if rule.outlasted < needs else _above(rule.outlasted)
    setting = "" if rung is None else missing(rung, policy)
    if rung == Rung.WINDOW_CHANGE:
        every = min(every, policy.window_change_interval)
    if rung is None or (setting and rule.outlasted):
        return Measure(rule, Verdict.OUTLASTED, rule.outlasted, every, setting)
    if setting:
        return Measure(rule, Verdict.NOT_ALLOWED, rung, every, setting)
    return Measure(rule, Verdict.BEATEN if rule.believed else Verdict.DOUBTED, rung, every)


def _above(rung: Rung) -> Rung | None:
    return next((higher for higher in _SENT if higher > rung), None)


def missing(rung: Rung, policy: Policy) -> str:
    """The settings that would allow this rung, as they stand in config.toml; empty if it is."""
    lacking = [
        setting.format(rung=rung.label)
        for lowest, allows, setting in _DEMANDS
        if rung >= lowest and not allows(policy, rung)
    ]
    return ", ".join(lacking)


def adjusted(policy: Policy, plan: Plan) -> Policy:
    """The policy with window-changes as often as the plan and the user's idle limit ask for."""
    asked = [policy.window_change_interval]
    if plan.window_change_every is not None:
        asked.append(plan.window_change_every)
    if policy.idle_limit is not None:
        asked.append(policy.idle_limit * ACT_AT)
    values = {name: getattr(policy, name) for name in Policy.__slots__}
    return Policy(**{**values, "window_change_interval": min(asked)})


def against_idle_limit(limit: float, policy: Policy) -> dict[Rung, float]:
    """After how many seconds of silence each rung acts on `Policy.idle_limit`, in seconds.

    Nobody knows what resets it, so all is sent that may: packets and input.
    """
    half = limit * ACT_AT
    every = {Rung.WINDOW_CHANGE: min(half, policy.window_change_interval), Rung.NO_OP: half}
    return {rung: seconds for rung, seconds in every.items() if not missing(rung, policy)}


@dataclass(frozen=True)
class Held:
    """What was due and not sent: why, and how many seconds before the end that was last seen."""

    reason: str
    idle: float


@dataclass(frozen=True)
class Efforts:
    """What was done in the idle time that ended a session, and what else there is to know of it.

    `rung` is the highest that was used in it, `typed_idle` the seconds since the last input that
    was not the user's, `half_line` whether a line was half typed when it began. `held` has the
    last hold of each timer (`RuleKind.timer`), be it long ago.
    """

    rung: Rung = Rung.OFF
    typed_idle: float | None = None
    half_line: bool = False
    held: Mapping[str, Held] = field(default_factory=dict)

    def meant_for(self, kind: RuleKind) -> bool:
        """Whether something was typed that should have reset a rule of this kind."""
        return kind.needs is not None and self.rung >= kind.needs >= Rung.NO_OP

    def hold_of(self, timer: str, idle: float) -> Held | None:
        """The hold that lasted to the end of a silence of `idle` seconds; None where none did."""
        held = self.held.get(timer)
        if held is None or held.idle > idle:
            return None
        typed_since = self.typed_idle is not None and self.typed_idle <= held.idle
        return None if typed_since else held


def learn(
    ending: Ending, known: Sequence[Rule], now: float, efforts: Efforts | None = None
) -> Rule | None:
    """The rule that this ending points to, new or known before; None where it points to none.

    `known` are the stored rules of the host, `now` is in seconds since 1970. The answer replaces a
    known rule of the same kind, source and limit.
    """
    efforts = efforts or Efforts()
    kind, idle = of_ending(ending.rule), ending.idle
    if kind is None or idle is None or not ending.is_drop:
        return None
    if kind.needs == Rung.EMPTY_LINE and efforts.half_line:
        return None  # its timer had begun before the last key: nobody knows when
    same = [rule for rule in known if rule.kind is kind]
    if efforts.meant_for(kind) and efforts.typed_idle is not None:
        idle = min(idle, efforts.typed_idle)
        for rule in same if efforts.hold_of(kind.timer, idle) is None else ():
            if rule.believed and idle < rule.limit and not _same_time(idle, rule.limit):
                return rule.with_changes(seen_at=now, drops=rule.drops + 1, outlasted=efforts.rung)
    for rule in same:
        if _same_time(idle, rule.limit):
            return rule.with_changes(seen_at=now, drops=rule.drops + 1, confirmed=True)
    return Rule(kind, rounded(idle), DROP, seen_at=now, drops=1)


def held_back(ending: Ending, plan: Plan, efforts: Efforts) -> str:
    """The sentence about what was due against the rule that ended the session, and was held.

    Empty where nothing was.
    """
    kind, idle = of_ending(ending.rule), ending.idle
    if kind is None or idle is None or kind.needs is None:
        return ""
    known = {
        _for_typist(measure).kind.timer: measure.rung or kind.needs
        for measure in plan.measures
        if measure.acts and measure.every <= idle and measure.rule.kind.timer == kind.timer
    }
    for timer, rung in (known or {kind.timer: kind.needs}).items():
        held = efforts.hold_of(timer, idle)
        if held is not None:
            said = f"{_SENT[rung]} was due, but held ({held.reason}); {_helps(held)}."
            return f"This rule was known: {said}" if known else said[0].upper() + said[1:]
    return ""


def _helps(held: Held) -> str:
    helps = _WOULD_HAVE_HELPED.get(held.reason)
    return f"{helps} would have helped" if helps else "nothing is known that would have helped"


def rounded(idle: float) -> float:
    """The limit in seconds that an administrator would have written, given when it fired.

    Whole seconds, rounded down, where no usual limit is near.
    """
    nearest = min(_WRITTEN, key=lambda limit: abs(limit - idle))
    return float(nearest if _same_time(idle, nearest) else max(1, int(idle)))


def _same_time(idle: float, limit: float) -> bool:
    """Whether a rule with this limit may have fired after this silence.

    Servers reckon in whole seconds, and look now and then: 1 s early was measured, and late by what
    a loaded machine takes.
    """
    return abs(idle - limit) <= max(1.0, 0.03 * limit)


def _every(rule: Rule) -> float:
    limit = rule.limit
    return max(SHORTEST, min(limit * ACT_AT, limit - rule.kind.lag))


def next_time(measure: Measure) -> str:
    """What keepshell will do about it, as the second half of a sentence."""
    return _WORDS[measure.verdict](measure)


def _sent(measure: Measure) -> str:
    return _SENT[measure.rung or Rung.WINDOW_CHANGE]


def _beaten(measure: Measure) -> str:
    return f"{_sent(measure)} goes out after {exact(measure.every)} of silence"


def _not_allowed(measure: Measure) -> str:
    return f"only {_sent(measure)} beats it, to be allowed by {measure.setting}"


def _outlasted(measure: Measure) -> str:
    spite = f"it struck in spite of {_SENT[measure.rule.outlasted]}"
    if measure.setting:
        return f"{spite}; what may beat it is to be allowed by {measure.setting}"
    return f"{spite}, and nothing else may beat it"


def _doubted(measure: Measure) -> str:
    sent = f"{_sent(measure)} goes out after {exact(measure.every)}"
    return f"if it happens again after the same time, {sent}"


def _nothing(_measure: Measure) -> str:
    return "nothing that keepshell sends beats it"


def idle_limit_says(limit: float, policy: Policy) -> str:
    """What keepshell will do about it."""
    every = against_idle_limit(limit, policy)
    sent = ", ".join(f"{_SENT[rung]} after {exact(seconds)}" for rung, seconds in every.items())
    lacking = missing(Rung.NO_OP, policy)
    allowed = f"a no-op is to be allowed by {lacking}" if lacking else ""
    return "; ".join(filter(None, (f"{sent} of silence" if sent else "", allowed)))


_WORDS: dict[Verdict, Callable[[Measure], str]] = {
    Verdict.BEATEN: _beaten,
    Verdict.NOT_ALLOWED: _not_allowed,
    Verdict.OUTLASTED: _outlasted,
    Verdict.DOUBTED: _doubted,
    Verdict.NOTHING: _nothing,
}


def to_tell(plan: Plan) -> list[Measure]:
    """What the user is to be told about at the start of a session: drops, and each once."""
    return [
        measure
        for measure in plan.measures
        if measure.rule.source == DROP
        and measure.verdict is not Verdict.DOUBTED
        and measure.rule.told != measure.mark
    ]


def told(host: str, measure: Measure) -> str:
    """The line for it, with how to undo what was learned."""
    rule = measure.rule
    owner = rule.kind.owner if rule.confirmed else f"by its looks {rule.kind.owner}"
    happened = f"a session was dropped after {describe(rule.limit)} {rule.kind.quiet} ({owner})"
    return f"{host}: {happened}; {next_time(measure)}. To undo: keepshell forget {host}"
