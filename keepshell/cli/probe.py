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

from keepshell.cli import tables, words
from keepshell.cli.arguments import Typed
from keepshell.cli.tables import AT_RISK, GOOD, Column
from keepshell.core.probing import answers, findings, servertimers
from keepshell.core.probing.answers import Finding
from keepshell.core.rules import durations, measuring
from keepshell.core.rules.durations import exact, show
from keepshell.core.rules.kinds import MEASURED, MOST, PROBE, Rule
from keepshell.core.rules.plan import remedy_for
from keepshell.core.rules.rung import Rung
from keepshell.errors import UsageError
from keepshell.probe import script
from keepshell.probe.ask import Answer, Target, ask, find
from keepshell.store.database import State, StateError
from keepshell.text import wording
from keepshell.text.wording import visible

_VALUED = {"floor": "30s", "limit": "20m"}
"""Options of --measure, with their defaults: the idle times between which a limit is searched."""

_SHORTEST = 0.5  # seconds between two keepalives of a measured session


_NOT_REMEMBERED = "nothing is remembered"


def command(typed: Typed) -> tuple[str, int]:
    """`probe [--json] [--measure] HOST [SSH OPTIONS]`: 1 where the answer is missing or cut off.

    Raises UsageError.
    """
    for name in _VALUED:
        if typed.has(name) and not typed.has("measure"):
            raise UsageError(f"--{name} goes with --measure only")
    if typed.has("script") or typed.has("read"):
        from keepshell.cli import fleet

        return fleet.script() if typed.has("script") else fleet.read(typed)
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
        "schema": 1,
        "host": target.name,
        "server": software or None,
        "complete": report.complete,
        "ssh_status": answer.status,
        "notes": sentences,
        "rows": [_plain(row) for row in rows],
        "learned": [{"kind": rule.kind.name, "limit": rule.limit} for rule in learnt],
    }
    status = 0 if report.complete else 1
    if typed.has("json"):
        return json.dumps(told), status
    if not report.begun:
        return "\n".join(map(visible, sentences)), status
    return _text(target, software, found, sentences), status


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
        yield f"the connection is shared (ControlMaster): the server's banner was not seen{instead}"


def _shortcomings(target: Target, answer: Answer, report: answers.Report) -> Iterator[str]:
    """Sentences about what is missing in the answer, and why."""
    if report.complete:
        return
    name = target.name
    ended = "was given up" if answer.status is None else f"ended with status {answer.status}"
    if report.begun:
        yield f"{name}: the answer was cut off (ssh {ended}), so {_NOT_REMEMBERED}"
    elif not answer.let_in:
        yield f"{name}: ssh {ended}; {_NOT_REMEMBERED}"
    else:
        said = answers.first_words(answer.output)
        instead = f"; it said {visible(said)!r}" if said else ""
        yield f"{name}: the host ran no script (ssh {ended}){instead}; {_NOT_REMEMBERED}"


def _remember(
    name: str, learnt: Sequence[Rule], environ: Mapping[str, str], *, source: str = PROBE
) -> list[str]:
    try:
        State.of(environ).put_rules(name, source, learnt)
    except StateError as error:
        return [f"{_NOT_REMEMBERED}: {error}"]
    if not learnt:
        return ["no idle timer was found that keepshell would act on"]
    stated = ", ".join(f"{words.timer(rule.kind.name)} {exact(rule.limit)}" for rule in learnt)
    return [f"Remembered: {stated}. To undo: keepshell forget {name}"]


def _plain(row: findings.Row) -> dict[str, Any]:
    return {
        "rule": row.rule,
        "limit": row.limit,
        "where": row.where,
        "reset_by": row.reset_by or None,
        "rung": None if row.rung is None else row.rung.label,
        "verdict": row.verdict,
    }


_SHAPE = (
    Column(""),
    Column("TIMER", least=12),
    Column("LIMIT", right=True),
    Column("READ IN", 2, least=12),
    Column("WHAT BEATS IT", least=16),
)


def _text(target: Target, software: str, found: Sequence[Finding], sentences: Sequence[str]) -> str:
    """The timers as a table; what else was found, what would help, and what is remembered."""
    host = str(target.command.host)
    rows, styles, notes, cures = [], [], [], []
    for finding in found:
        row = findings.judged(finding, target.policy)
        remedy = next((remedy_for(r, target.policy) for r in findings.rules([finding], 0)), None)
        if remedy is None:
            limit = "" if row.limit is None else f" {exact(row.limit)}"
            notes.append(f"{row.rule}{limit} ({row.where}): {row.verdict}")
            continue
        style = GOOD if remedy.acts else AT_RISK
        level = words.LEVELS[(remedy.rung or Rung.OFF).label]
        beats = f"{level} every {exact(remedy.every)}" if remedy.acts else f"{level}, not allowed"
        rows.append([tables.mark(style), row.rule, exact(remedy.rule.limit), row.where, beats])
        styles.append("" if remedy.acts else style)
        if finding.note:
            notes.append(f"{row.rule}: {finding.note}")
        if remedy.setting:
            cures.append(
                f"Only {level} resets {row.rule}. Allow it: {wording.cure(host, remedy.setting)}"
            )
    parts = [f"{target.name}: {software or 'no banner seen'}"]
    if rows:
        parts.append(tables.table(_SHAPE, rows, styles=styles, width=tables.columns()))
    parts += ["\n".join(_paragraphs(tables.mark(AT_RISK), cures))]
    parts += ["\n".join(_paragraphs("-", notes)), "\n".join(_paragraphs("", sentences))]
    return "\n\n".join(filter(None, parts))


def _paragraphs(sign: str, sentences: Sequence[str]) -> Iterator[str]:
    """Each sentence as lines of whole words; a command to paste stays on a line of its own."""
    for sentence in sentences:
        told, colon, command = visible(sentence).partition(": keepshell ")
        lines = tables.wrapped(f"{sign} {told}{colon[:1]}".strip(), hanging="  " if sign else "")
        command = f"keepshell {command}" if colon else ""
        if command and len(f"{lines[-1]} {command}") <= (tables.columns() or 10_000):
            lines[-1] += f" {command}"
        elif command:
            lines.append(f"    {command}")
        yield from lines
