"""`keepshell probe --script` and `--read`: many hosts at once, asked by a runner that you have."""

from __future__ import annotations

import json
import os
import sys
import time

from keepshell.cli import tables, words
from keepshell.cli.tables import AT_RISK, GOOD, LOST, Column
from keepshell.core.probing import findings
from keepshell.core.rules.durations import exact
from keepshell.core.rules.kinds import PROBE
from keepshell.core.rules.plan import remedy_for
from keepshell.errors import UsageError
from keepshell.probe import fleet
from keepshell.probe.ask import find
from keepshell.store.database import State
from keepshell.text.wording import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keepshell.cli.arguments import Typed

_SHAPE = (
    Column(""),
    Column("HOSTS", least=12),
    Column("COUNT", 3, right=True),
    Column("IDLE TIMERS", least=16),
)


def script() -> tuple[str, int]:
    """`probe --script`: the script, for the runner to run as `sh SCRIPT NAME` on each host."""
    return fleet.for_runners().rstrip("\n"), 0


def read(typed: Typed) -> tuple[str, int]:
    """`probe --read FILE [HOST...]`: books each answer on its own host; 1 if one lacks.

    Raises UsageError for a file that can't be read or has no answer in it.
    """
    found = fleet.read(_text_of(typed.values["read"]), typed.words)
    if not found:
        raise UsageError(f"{typed.values['read']}: no answer to keepshell probe --script is in it")
    timers: dict[str, list[tuple[str, bool]]] = {}
    for name, answer in found.items():
        if not answer.problem:
            timers[name] = _booked(name, answer, typed.environ)
    lacking = {name: answer.problem for name, answer in found.items() if answer.problem}
    status = 1 if lacking else 0
    if typed.has("json"):
        return _json(timers, lacking), status
    return _text(timers, lacking), status


def _text_of(path: str) -> str:
    try:
        if path == "-":
            return sys.stdin.buffer.read().decode(errors="replace")
        with open(path, errors="replace") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"{visible(path)}: {error.strerror}") from None


def _booked(name: str, answer: fleet.Answer, environ: Mapping[str, str]) -> list[tuple[str, bool]]:
    """Remember the host's timers; each in words, and whether it is beaten. Raises StateError."""
    target = find([name], {}, environ)
    rules = findings.rules(findings.findings("", answer.report), time.time())
    State.of(environ).put_rules(target.name, PROBE, rules)
    return [
        (
            f"{words.timer(rule.kind.name)} {exact(rule.limit)}",
            remedy_for(rule, target.policy).acts,
        )
        for rule in rules
    ]


def _json(timers: Mapping[str, list[tuple[str, bool]]], lacking: Mapping[str, str]) -> str:
    lines = [
        {"schema": 1, "host": name, "timers": [timer for timer, _ in found], "problem": None}
        for name, found in timers.items()
    ]
    lines += [
        {"schema": 1, "host": name, "timers": None, "problem": problem}
        for name, problem in lacking.items()
    ]
    return "\n".join(json.dumps(line) for line in lines)


def _text(timers: Mapping[str, list[tuple[str, bool]]], lacking: Mapping[str, str]) -> str:
    """One row for the hosts that answered alike; below, those that did not answer, by reason."""
    alike: dict[tuple[tuple[str, bool], ...], list[str]] = {}
    for name, found in timers.items():
        alike.setdefault(tuple(found), []).append(name)
    rows, styles = [], []
    for found_timers, names in alike.items():
        style = GOOD if all(acts for _, acts in found_timers) else AT_RISK
        told = ", ".join(timer for timer, _ in found_timers) or "none that keepshell would act on"
        rows.append([tables.mark(style), ", ".join(names), str(len(names)), told])
        styles.append("" if style == GOOD else style)
    parts = [tables.table(_SHAPE, rows, styles=styles, width=tables.columns())] if rows else []
    reasons: dict[str, list[str]] = {}
    for name, problem in lacking.items():
        reasons.setdefault(problem, []).append(name)
    for problem, names in reasons.items():
        sentence = f"{tables.mark(LOST)} {', '.join(names)}: {problem}"
        parts.append(tables.styled(os.linesep.join(_wrapped(sentence)), LOST))
    return "\n".join(parts)


def _wrapped(sentence: str) -> Sequence[str]:
    return tables.wrapped(visible(sentence), hanging="  ")
