"""`keepshell probe HOST`: asks a host for its idle timers in one ordinary session, and tells them.

The rules it keeps:

- what ssh said in the answers' stead is shown;
- only a complete answer is remembered.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keepshell.cli import tables
from keepshell.cli.arguments import Typed
from keepshell.core.probing import answers, findings, servertimers
from keepshell.core.rules import durations, measuring
from keepshell.core.rules.durations import exact, show
from keepshell.core.rules.kinds import MEASURED, MOST, PROBE, Rule
from keepshell.errors import UsageError
from keepshell.probe import script
from keepshell.probe.ask import Answer, Target, ask, find
from keepshell.store.database import State, StateError
from keepshell.text.wording import visible

_VALUED = {"floor": "30s", "limit": "20m"}
"""Options of --measure, with their defaults: the idle times between which a limit is searched."""

_SHORTEST = 0.5  # seconds between two keepalives of a measured session


_NOT_REMEMBERED = "nothing of it is remembered"


def command(typed: Typed) -> tuple[str, int]:
    """`probe [--json] [--measure] HOST [SSH OPTIONS]`: 1 where the answer is missing or cut off.

    Raises UsageError.
    """
    for name in _VALUED:
        if typed.has(name) and not typed.has("measure"):
            raise UsageError(f"--{name}: means nothing without --measure")
    target = find(typed.words, typed.settings, typed.environ)
    if typed.has("measure"):
        return _measure(target, typed)
    nonce = secrets.token_hex(8)
    answer = ask(target, script.script(nonce), nonce, typed.environ)
    report = answers.read(answer.output, nonce)
    software = answers.banner(answer.messages, target.name, let_in=answer.let_in)
    found = findings.findings(software, report)
    learnt = findings.rules(found, time.time()) if report.complete else ()
    sentences = [*_unseen(answer, report), *_shortcomings(target, answer, report)]
    if report.complete:
        sentences += _remember(target.name, learnt, typed.environ)
    rows = [findings.judged(finding, target.policy) for finding in found]
    told = {
        "host": target.name,
        "server": software or None,
        "complete": report.complete,
        "ssh_status": answer.status,
        "notes": sentences,
        "rows": [_plain(row) for row in rows],
        "learned": [{"kind": rule.kind.name, "limit": rule.limit} for rule in learnt],
    }
    text = json.dumps(told) if typed.has("json") else _text(target, software, rows, sentences)
    return text, 0 if report.complete else 1


def _measure(target: Target, typed: Typed) -> tuple[str, int]:
    """Raises UsageError for limits that make no sense."""
    from keepshell.cli import measure_view
    from keepshell.probe import measure

    floor, limit = (_seconds(name, typed.values) for name in _VALUED)
    if floor >= limit:
        raise UsageError(f"--floor {show(floor)} is not below --limit {show(limit)}")
    every = max(_SHORTEST, floor / 2)
    measurement = measure.Measurement(target.session_argv, floor, limit, every)
    notes = []
    try:
        with measure_view.progress(limit) as report:
            measurement.run(report)
    except KeyboardInterrupt:
        notes.append("interrupted: what is found so far is kept")
    learnt = measuring.rules(measurement.searches, time.time())
    if learnt or measurement.complete:
        notes += _remember(target.name, learnt, typed.environ, source=MEASURED)
    elif not notes:
        notes.append(_NOT_REMEMBERED)
    as_json = typed.has("json")
    text = measure_view.told(target.name, measurement, notes, as_json=as_json)
    return text, 0 if measurement.complete else 1


def _seconds(name: str, values: Mapping[str, str]) -> float:
    text = values.get(name, _VALUED[name])
    try:
        seconds = durations.with_unit(text)
    except durations.NoUnitError as error:
        raise UsageError(f"--{name}: {error}") from None
    except ValueError:
        raise UsageError(f"--{name}: expected a duration such as 20m, found {text!r}") from None
    if not 1 <= seconds <= MOST:
        raise UsageError(f"--{name}: expected 1s to {show(MOST)}, found {text!r}")
    return seconds


def _unseen(answer: Answer, report: answers.Report) -> Iterator[str]:
    """A sentence about the banner that the master of a shared connection has seen, and we not."""
    if answers.through_master(answer.messages):
        program = servertimers.of_program(report)
        instead = f"; its sshd is {program} by the program on the disk" if program else ""
        yield f"through a running ControlMaster, the server's banner is not to be seen{instead}"


def _shortcomings(target: Target, answer: Answer, report: answers.Report) -> Iterator[str]:
    """Sentences about what is missing in the answer, and why."""
    if report.complete:
        return
    name = target.name
    ended = "was given up" if answer.status is None else f"ended with status {answer.status}"
    if report.begun:
        yield f"{name}: the answer was cut off (ssh {ended}); what follows is partial"
    elif not answer.let_in:
        yield f"{name}: ssh {ended}, and nothing could be asked"
    else:
        words = answers.first_words(answer.output)
        instead = f"; it said {visible(words)!r}" if words else ""
        yield f"{name}: the host ran no script (ssh {ended}){instead}"
    yield _NOT_REMEMBERED


def _remember(
    name: str, learnt: Sequence[Rule], environ: Mapping[str, str], *, source: str = PROBE
) -> list[str]:
    try:
        State.of(environ).put_rules(name, source, learnt)
    except StateError as error:
        return [f"{_NOT_REMEMBERED}: {error}"]
    if not learnt:
        return ["no idle rule was found that keepshell would act on"]
    stated = ", ".join(f"{rule.kind.name} {exact(rule.limit)}" for rule in learnt)
    return [f"remembered: {stated} (keepshell forget {name})"]


def _plain(row: findings.Row) -> dict[str, Any]:
    return {
        "rule": row.rule,
        "limit": row.limit,
        "where": row.where,
        "reset_by": row.reset_by or None,
        "rung": None if row.rung is None else row.rung.label,
        "verdict": row.verdict,
    }


def _text(
    target: Target, software: str, rows: Sequence[findings.Row], sentences: Sequence[str]
) -> str:
    cells = [
        (
            row.rule,
            "-" if row.limit is None else exact(row.limit),
            row.where,
            row.reset_by or "-",
            "-" if row.rung is None else row.rung.label,
            row.verdict,
        )
        for row in rows
    ]
    head = f"{target.name}: {software or 'no banner seen'}"
    table = tables.table(("rule", "limit", "read in", "reset by", "rung", "verdict"), cells)
    return "\n\n".join((visible(head), table, "\n".join(map(visible, sentences))))
