"""What a drop teaches about its host.

The rules it keeps:

- one drop is a suspicion, a second after the same idle time confirms it;
- a rung that had to wait in the end has not failed: the user is told why it waited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from keepshell.core.reasons import Reason
from keepshell.core.rules.durations import rounded, same_time
from keepshell.core.rules.kinds import CONFIG, DROP, KINDS, PROBE, Rule, RuleKind
from keepshell.core.rules.plan import SENT, Plan, for_typist
from keepshell.core.rules.rung import Rung

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keepshell.core.ending.endings import Ending


@dataclass(frozen=True)
class LastHold:
    """What was due and not sent: why, and when that was last seen, in seconds before the end."""

    reason: Reason
    idle: float


@dataclass(frozen=True)
class Efforts:
    """What was done in the idle time that ended a session, and what else is known about it."""

    rung: Rung = Rung.OFF
    """The highest rung used then."""
    typed_idle: float | None = None
    """Seconds since the last input that was not the user's."""
    user_idle: float = 0.0
    """Seconds since the user's last input."""
    half_line: bool = False
    """Whether a line was half typed when it began."""
    held: Mapping[str, LastHold] = field(default_factory=dict)
    """The last hold of each timer (`RuleKind.timer`), even one of long ago."""

    def meant_for(self, kind: RuleKind) -> bool:
        """Whether something was typed that should have reset a rule of this kind."""
        return kind.needs is not None and self.rung >= kind.needs >= Rung.NO_OP

    def hold_of(self, timer: str, idle: float) -> LastHold | None:
        """The hold that lasted to the end of a silence of `idle` seconds; None where none did."""
        held = self.held.get(timer)
        if held is None or held.idle > idle:
            return None
        typed_since = self.typed_idle is not None and self.typed_idle <= held.idle
        return None if typed_since else held


def learn(
    ending: Ending, known: Sequence[Rule], now: float, efforts: Efforts | None = None
) -> Rule | None:
    """The rule that this ending points to, new or known before; None if it points to none.

    `known` are the stored rules of the host, `now` is in seconds since 1970. The answer replaces a
    known rule of the same timer (`Rule.is_same_timer`).
    """
    efforts = efforts or Efforts()
    kind, idle = KINDS.get(ending.rule or ""), ending.idle
    if kind is None or idle is None or not ending.is_drop:
        return None
    if kind.needs == Rung.EMPTY_LINE and efforts.half_line:
        return None  # its timer had begun before the last key, at an unknown time
    if efforts.meant_for(kind) and efforts.typed_idle is not None:
        idle = min(idle, efforts.typed_idle)
        failed = next((rule for rule in known if _outlasted(rule, kind, idle, efforts)), None)
        if failed is not None:
            return failed.with_changes(seen_at=now, drops=failed.drops + 1, outlasted=efforts.rung)
    plain = not ending.alternatives
    taught = Rule(kind, rounded(idle), DROP, seen_at=now, drops=1, plain=plain)
    if ending.known is not None:
        return None if ending.known.source == CONFIG else _confirmed(ending.known, taught)
    struck = next((rule for rule in known if _struck_again(rule, kind, idle)), None)
    return taught if struck is None else _confirmed(struck, taught)


def _outlasted(rule: Rule, kind: RuleKind, idle: float, efforts: Efforts) -> bool:
    """Whether a rule struck despite what was typed, at the time it would have struck anyway.

    At another time something else ended the session: one accident doesn't condemn a rung.
    """
    acted_on = rule.kind is kind and rule.believed and idle < rule.limit
    if not acted_on or same_time(idle, rule.limit) or efforts.hold_of(kind.timer, idle):
        return False
    return kind.fires_at(efforts.user_idle, rule.limit)


def _struck_again(rule: Rule, kind: RuleKind, idle: float) -> bool:
    """Whether this rule may have fired after `idle` seconds, and looked like that kind."""
    agrees = rule.kind is kind or kind.name in rule.kind.may_be
    return agrees and rule.kind.fires_at(idle, rule.limit)


def _confirmed(rule: Rule, taught: Rule) -> Rule:
    """A known rule that has struck once more; this ending may tell more about it."""
    open_still = rule.source in (CONFIG, PROBE) or taught.kind.name not in rule.kind.may_be
    return rule.with_changes(
        kind=rule.kind if open_still else taught.kind,
        seen_at=taught.seen_at,
        drops=rule.drops + 1,
        confirmed=True,
    )


def held_back(ending: Ending, plan: Plan, efforts: Efforts) -> tuple[str, str]:
    """What was due against the rule that ended the session, but had to wait.

    A sentence, and the setting that would have helped, as in config.toml. Both are empty where
    nothing waited or nothing would have helped.
    """
    kind, idle = KINDS.get(ending.rule or ""), ending.idle
    if kind is None or idle is None or kind.needs is None:
        return "", ""
    known = {
        for_typist(remedy).kind.timer: remedy.rung or kind.needs
        for remedy in plan.remedies
        if remedy.acts and remedy.every <= idle and remedy.rule.kind.timer == kind.timer
    }
    for timer, rung in (known or {kind.timer: kind.needs}).items():
        held = efforts.hold_of(timer, idle)
        if held is not None:
            said = f"{SENT[rung]} was due, but had to wait: {held.reason.text}."
            said = f"This timer was known: {said}" if known else _capital(said)
            cure = held.reason.cure
            helps = f" {_capital(cure)} would have helped." if cure else ""
            return said + helps, held.reason.setting
    return "", ""


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
