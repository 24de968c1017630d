"""What known rules ask of a session: what is sent against each and when, or why nothing is.

The rules it keeps:

- a rule is acted on at half its limit or sooner (ChannelTimeout and sshd 8.0 can fire a second
  early, docs/idle-rules.md), and only by a rung that the user allows;
- the user is told of a rule that nothing, or nothing allowed, beats, and of the setting that would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from keepshell.core.rules.durations import describe, exact
from keepshell.core.rules.kinds import DROP, KINDS, Rule, one_each
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung

ACT_AT = 0.5
"""The part of a limit after which a rule is acted on."""


SHORTEST = 1.0
"""Seconds; nothing is sent more often than that, whatever a rule would need."""


SENT = {
    Rung.WINDOW_CHANGE: "a window-change",
    Rung.NO_OP: "harmless input",
    Rung.EMPTY_LINE: "Enter",
}
"""What a rung sends, in words for the user."""


_DEMANDS: tuple[tuple[Rung, Callable[[Policy, Rung], bool], str], ...] = (
    (Rung.WINDOW_CHANGE, lambda policy, rung: policy.rung >= rung, 'rung = "{rung}"'),
    (Rung.NO_OP, lambda policy, _rung: policy.no_op != "never", 'no_op = "auto"'),
    (Rung.EMPTY_LINE, lambda policy, _rung: policy.empty_line, "empty_line = true"),
)
"""What a rung demands of the policy, and of the rungs above it: the setting that allows it."""


class Verdict(Enum):
    """Whether a rule is beaten, and if not, why."""

    BEATEN = "beaten"
    NOT_ALLOWED = "not-allowed"
    OUTLASTED = "outlasted"  # it struck despite the rung, and no higher one may be used
    DOUBTED = "doubted"  # a short silence and a single drop: too little to act on
    NOTHING = "nothing"


@dataclass(frozen=True)
class Remedy:
    """What is done about one rule.

    `rung` is the lowest that beats it, None where nothing does. Where the remedy `acts`, it is
    used after `every` seconds of silence. `setting` is what would allow a rung that isn't allowed.
    """

    rule: Rule
    verdict: Verdict
    rung: Rung | None
    every: float
    setting: str = ""

    @property
    def acts(self) -> bool:
        """Whether something is sent because of it: what failed once may work the next time."""
        return self.verdict in (Verdict.BEATEN, Verdict.OUTLASTED)

    @property
    def threatens(self) -> bool:
        """Whether the rule may end a session with a shell that sends nothing."""
        has_shell = self.rule.kind.name != "unused-connection"
        return has_shell and self.rule.believed

    @property
    def mark(self) -> str:
        """What `Rule.told` holds once the user was told of this: `beaten no-op`."""
        return f"{self.verdict.value} {self.rung.label if self.rung else 'nothing'}"


@dataclass(frozen=True)
class Plan:
    """What a session does about the rules of its host."""

    remedies: tuple[Remedy, ...] = ()

    @property
    def window_change_every(self) -> float | None:
        """Seconds of the user's silence until a window-change is due; None: no rule asks for it."""
        return min(
            (
                remedy.every
                for remedy in self.remedies
                if remedy.acts and Rung.WINDOW_CHANGE in (remedy.rung, remedy.rule.kind.also)
            ),
            default=None,
        )

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules it goes by, the more certain first."""
        return tuple(remedy.rule for remedy in self.remedies)

    @property
    def to_type_for(self) -> tuple[Rule, ...]:
        """The rules that typing must beat. Each acts at half the limit given here."""
        return tuple(for_typist(remedy) for remedy in self.remedies if remedy.acts)


def for_typist(remedy: Remedy) -> Rule:
    rule = remedy.rule.with_changes(limit=remedy.every / ACT_AT)
    # What a no-op does not beat is left to the timer of the next rung, regardless of its owner.
    return rule.with_changes(kind=KINDS["tmout"]) if remedy.rung == Rung.EMPTY_LINE else rule


def plan_for(rules: Iterable[Rule], policy: Policy) -> Plan:
    """What a session with this policy does about these rules, and about those the user states."""
    known = one_each((*policy.rules, *rules))
    return Plan(tuple(remedy_for(rule, policy) for rule in known))


def remedy_for(rule: Rule, policy: Policy) -> Remedy:
    """What a session with this policy does about one rule."""
    needs, every = rule.kind.needs, _every(rule)
    if needs is None:
        return Remedy(rule, Verdict.NOTHING, None, every)
    rung = needs if rule.outlasted < needs else _above(rule.outlasted)
    setting = "" if rung is None else missing(rung, policy)
    if rung == Rung.WINDOW_CHANGE:
        every = min(every, policy.window_change_interval)
    if rung is None or (setting and rule.outlasted):
        return Remedy(rule, Verdict.OUTLASTED, rule.outlasted, every, setting)
    if setting:
        return Remedy(rule, Verdict.NOT_ALLOWED, rung, every, setting)
    return Remedy(rule, Verdict.BEATEN if rule.believed else Verdict.DOUBTED, rung, every)


def _above(rung: Rung) -> Rung | None:
    return next((higher for higher in SENT if higher > rung), None)


def missing(rung: Rung, policy: Policy) -> str:
    """The settings that would allow this rung, as in config.toml; empty if it is allowed."""
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

    What resets it is unknown, so everything that might is sent: packets and input.
    """
    half = limit * ACT_AT
    every = {Rung.WINDOW_CHANGE: min(half, policy.window_change_interval), Rung.NO_OP: half}
    return {rung: seconds for rung, seconds in every.items() if not missing(rung, policy)}


def _every(rule: Rule) -> float:
    limit = rule.limit
    return max(SHORTEST, min(limit * ACT_AT, limit - rule.kind.lag))


def next_time(remedy: Remedy) -> str:
    """What keepshell will do about it, as the second half of a sentence."""
    return _WORDS[remedy.verdict](remedy)


def _sent(remedy: Remedy) -> str:
    return SENT[remedy.rung or Rung.WINDOW_CHANGE]


def _beaten(remedy: Remedy) -> str:
    return f"{_sent(remedy)} is sent after {exact(remedy.every)} of silence"


def _not_allowed(remedy: Remedy) -> str:
    return f"only {_sent(remedy)} beats it, and you have not allowed that"


def _outlasted(remedy: Remedy) -> str:
    despite = f"it struck despite {SENT[remedy.rule.outlasted]}"
    if remedy.setting:
        return f"{despite}, and you have not allowed what might beat it"
    return f"{despite}, and nothing else might beat it"


def _doubted(remedy: Remedy) -> str:
    sent = f"{_sent(remedy)} is sent after {exact(remedy.every)}"
    return f"if it happens again after the same time, {sent}"


def _nothing(_remedy: Remedy) -> str:
    return "nothing that keepshell sends beats it"


def idle_limit_says(limit: float, policy: Policy) -> str:
    """What keepshell will do about it."""
    every = against_idle_limit(limit, policy)
    sent = ", ".join(f"{SENT[rung]} after {exact(seconds)}" for rung, seconds in every.items())
    lacking = missing(Rung.NO_OP, policy)
    allowed = f"harmless input is not allowed ({lacking} would allow it)" if lacking else ""
    return "; ".join(filter(None, (f"{sent} of silence" if sent else "", allowed)))


_WORDS: dict[Verdict, Callable[[Remedy], str]] = {
    Verdict.BEATEN: _beaten,
    Verdict.NOT_ALLOWED: _not_allowed,
    Verdict.OUTLASTED: _outlasted,
    Verdict.DOUBTED: _doubted,
    Verdict.NOTHING: _nothing,
}


def to_tell(plan: Plan) -> list[Remedy]:
    """What to tell the user at the start of a session: drops, each once."""
    return [
        remedy
        for remedy in plan.remedies
        if remedy.rule.source == DROP and remedy.rule.believed and remedy.rule.told != remedy.mark
    ]


def told(host: str, remedy: Remedy) -> str:
    """The line that says so, with how to undo what was learned."""
    rule = remedy.rule
    happened = f"{rule.kind.owner} ended a session after {describe(rule.limit)} {rule.kind.quiet}"
    return f"{host}: {happened}. From now on: {next_time(remedy)}. To undo: keepshell forget {host}"
