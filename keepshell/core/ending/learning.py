"""What a drop teaches about its host.

The rules it keeps:

- one drop is a suspicion, a second after the same idle time confirms it;
- a rung that was held in the end has not failed: why it was held is said instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from keepshell.core.reasons import Reason
from keepshell.core.rules.durations import rounded, same_time
from keepshell.core.rules.kinds import DROP, KINDS, Rule, RuleKind
from keepshell.core.rules.plan import SENT, Plan, for_typist
from keepshell.core.rules.rung import Rung

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keepshell.core.ending.endings import Ending


@dataclass(frozen=True)
class LastHold:
    """What was due and not sent: why, and how many seconds before the end that was last seen."""

    reason: Reason
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
    held: Mapping[str, LastHold] = field(default_factory=dict)

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
    """The rule that this ending points to, new or known before; None where it points to none.

    `known` are the stored rules of the host, `now` is in seconds since 1970. The answer replaces a
    known rule of the same kind, source and limit.
    """
    efforts = efforts or Efforts()
    kind, idle = KINDS.get(ending.rule or ""), ending.idle
    if kind is None or idle is None or not ending.is_drop:
        return None
    if kind.needs == Rung.EMPTY_LINE and efforts.half_line:
        return None  # its timer had begun before the last key: nobody knows when
    same = [rule for rule in known if rule.kind is kind]
    if efforts.meant_for(kind) and efforts.typed_idle is not None:
        idle = min(idle, efforts.typed_idle)
        for rule in same if efforts.hold_of(kind.timer, idle) is None else ():
            if rule.believed and idle < rule.limit and not same_time(idle, rule.limit):
                return rule.with_changes(seen_at=now, drops=rule.drops + 1, outlasted=efforts.rung)
    for rule in same:
        if same_time(idle, rule.limit):
            return rule.with_changes(seen_at=now, drops=rule.drops + 1, confirmed=True)
    return Rule(kind, rounded(idle), DROP, seen_at=now, drops=1)


def held_back(ending: Ending, plan: Plan, efforts: Efforts) -> str:
    """The sentence about what was due against the rule that ended the session, and was held.

    Empty where nothing was.
    """
    kind, idle = KINDS.get(ending.rule or ""), ending.idle
    if kind is None or idle is None or kind.needs is None:
        return ""
    known = {
        for_typist(remedy).kind.timer: remedy.rung or kind.needs
        for remedy in plan.remedies
        if remedy.acts and remedy.every <= idle and remedy.rule.kind.timer == kind.timer
    }
    for timer, rung in (known or {kind.timer: kind.needs}).items():
        held = efforts.hold_of(timer, idle)
        if held is not None:
            said = f"{SENT[rung]} was due, but held ({held.reason.text}); {_helps(held.reason)}."
            return f"This rule was known: {said}" if known else said[0].upper() + said[1:]
    return ""


def _helps(reason: Reason) -> str:
    return f"{reason.cure or 'nothing is known that'} would have helped"
