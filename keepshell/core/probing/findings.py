"""What a probed host says of its idle timers, each with an honest verdict.

A finding is remembered as a rule only where nothing but a value could be wrong: what depends on a
condition, on an unknown version or on a program that may not run is shown, and not acted on.
What each timer is, and what resets it, was measured (docs/idle-rules.md; `rules.KINDS`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from keepshell.core.probing import hosttimers, servertimers
from keepshell.core.probing.answers import Finding, Report
from keepshell.core.rules import plan
from keepshell.core.rules.kinds import LEAST, MOST, PROBE, Rule
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung

_ON_THE_WAY = Finding(
    name="the kernel, a firewall, NAT or bastion",
    where="the host can't tell",
    verdict="unknown; --measure tries it out",
)


@dataclass(frozen=True)
class Row:
    """A finding, judged by what the user allows; `limit` is in seconds."""

    rule: str
    limit: float | None
    where: str
    reset_by: str
    rung: Rung | None
    verdict: str


def findings(software: str, report: Report) -> tuple[Finding, ...]:
    """All that is known of the host's idle timers.

    `software` is the server's banner, empty where unknown; the report may be empty or cut off.
    """
    found = list(servertimers.findings(software, report))
    if report.begun:
        found += hosttimers.findings(report)
    return tuple(_bounded(finding) for finding in (*found, _ON_THE_WAY))


def _bounded(finding: Finding) -> Finding:
    """The same; not to be acted on where nothing could be in time, or the wait has no end."""
    if not finding.holds or finding.limit is None or LEAST <= finding.limit <= MOST:
        return finding
    return replace(finding, holds=False, verdict="too short or too long for keepshell to act on")


def rules(found: Iterable[Finding], now: float) -> tuple[Rule, ...]:
    """What to remember about the host, seen at `now` (seconds since 1970)."""
    return tuple(
        Rule(finding.kind, finding.limit, PROBE, seen_at=now)
        for finding in found
        if finding.holds and finding.kind is not None and finding.limit is not None
    )


def judged(finding: Finding, policy: Policy) -> Row:
    """The finding's row for a user with this policy."""
    rung, verdict = None, finding.verdict
    for rule in rules([finding], 0.0):
        remedy = plan.remedy_for(rule, policy)
        rung = remedy.rung if remedy.acts else None
        verdict = _VERDICTS[remedy.verdict](remedy)
    words = "; ".join(word for word in (verdict, finding.note) if word)
    resets = finding.resets or ("" if finding.kind is None else finding.kind.reset_by)
    return Row(finding.name, finding.limit, finding.where, resets, rung, words)


def _beaten(remedy: plan.Remedy) -> str:
    return f"beaten: {plan.next_time(remedy)}"


def _not_allowed(remedy: plan.Remedy) -> str:
    what = plan.SENT[remedy.rung or remedy.rule.kind.needs or Rung.EMPTY_LINE]
    return f"only {what} beats it: `{remedy.setting}`"


_VERDICTS: dict[plan.Verdict, Callable[[plan.Remedy], str]] = {
    plan.Verdict.BEATEN: _beaten,
    plan.Verdict.NOT_ALLOWED: _not_allowed,
}
"""What was read on the host has not struck yet, so it can't be doubted, nor have outlasted a rung;
and what nothing beats is no rule of a session."""
