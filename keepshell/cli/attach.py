"""`keepshell attach`: back into a shell that a host keeps."""

from __future__ import annotations

import os
import time

from keepshell import launch
from keepshell.cli import tables
from keepshell.cli.tables import Column
from keepshell.core.rules.durations import describe
from keepshell.errors import UsageError
from keepshell.store import kept
from keepshell.text.wording import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keepshell.cli.arguments import Typed
    from keepshell.store.kept import Entry


def command(typed: Typed) -> tuple[str, int]:
    """`attach [SSH OPTIONS] [HOST[:N]]`: the shell's own status. Raises UsageError."""
    environ = dict(typed.environ)
    known = kept.entries(environ)
    *options, word = typed.words or [""]
    name, number = _split(word)
    chosen = [entry for entry in known if name in ("", entry["name"])]
    if not chosen:
        raise UsageError(f"no shell of {visible(name)} is kept" if name else "no shell is kept")
    if number is None and len(chosen) > 1:
        return _list(chosen), 1
    if number is not None and number > len(chosen):
        raise UsageError(f"{visible(name)} has only {len(chosen)} kept; {_hint(chosen)}")
    entry = chosen[(number or 1) - 1]
    ssh_arguments = [*options, *entry["typed"]]
    resolved = launch.resolve(ssh_arguments, {**typed.settings, "reattach": True}, environ)
    way = launch.route(resolved, launch.on_terminal())
    if not isinstance(way, launch.Pty) or way.job.kept is None:
        raise UsageError("attach needs a terminal on stdin and stdout")
    way.job.kept = way.job.kept._replace(id=entry["id"], name=entry["name"], exists=True)
    way.job.name, way.job.typed = entry["name"], ssh_arguments
    return "", launch.start(way, environ).finish()


def _split(word: str) -> tuple[str, int | None]:
    """`web:2` is the second shell of web."""
    name, colon, number = word.rpartition(":")
    if colon and number.isdecimal() and number != "0" and ":" not in name:
        return name, int(number)
    return word, None


def _list(entries: Sequence[Entry]) -> str:
    return "\n".join([*lines(entries), "Which one? keepshell attach HOST:N"])


def _hint(entries: Sequence[Entry]) -> str:
    return "; ".join(lines(entries))


def lines(entries: Sequence[Entry]) -> list[str]:
    """One line for each kept shell, as `attach` wants it named; no wider than the terminal."""
    counts: dict[str, int] = {}
    rows = []
    for entry in entries:
        counts[entry["name"]] = counts.get(entry["name"], 0) + 1
        name = f"{entry['name']}:{counts[entry['name']]}"
        rows.append([name, f"kept for {_ago(entry['since'])}", _state(entry)])
    return tables.table(_SHAPE, rows, width=tables.columns()).splitlines()[1:]


_SHAPE = (Column("", least=12), Column("", 1), Column("", least=20))
"""No heads: each line says what it is about."""


def detached(entries: Sequence[Entry]) -> list[str]:
    """The lines of those that no one is in, or that will end with their connection."""
    shown = zip(entries, lines(entries), strict=True)
    return [line for entry, line in shown if not entry["attached"] or _is_doomed(entry)]


def _is_doomed(entry: Entry) -> bool:
    return entry.get("life") == "drop"  # not in the file of an older keepshell


def ask(entries: Sequence[Entry], environ: Mapping[str, str]) -> list[Entry]:
    """The same as their hosts know them: `asked` is "there", "gone" or "no answer".

    A shell that is gone is forgotten.
    """
    from keepshell.link import listing

    questions = {
        typed: listing.Question(*_reaching(typed, environ))
        for typed in {tuple(entry["typed"]) for entry in entries}
    }
    answers = {typed: question.answer() for typed, question in questions.items()}
    where = str(kept.directory(environ))
    for entry in entries:
        answer = answers[tuple(entry["typed"])]
        found = {header.fields.get("id"): header for header in answer or ()}.get(entry["id"])
        entry["asked"] = "no answer" if answer is None else "there" if found else "gone"
        if entry["asked"] == "gone":
            kept.forget(where, entry["id"])
        elif found and not entry["attached"] and found.fields.get("attached") == "0":
            entry["detached"] = float(found.number("detached") or entry["detached"])
    return list(entries)


def _reaching(typed: Sequence[str], environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The command line that asks a host, and its environment. Raises UsageError."""
    from keepshell.core.link.bootstrap import command

    resolved = launch.resolve(list(typed), {"reattach": True}, dict(environ))
    way = launch.route(resolved, is_on_terminal=True)
    assert isinstance(way, launch.Pty)
    remote = command(os.uname().nodename)
    return list(way.job.connection(remote, attended=False)), way.job.env


def _state(entry: Entry) -> str:
    asked = entry.get("asked", "there")
    if asked == "gone":
        return "gone, as its host says"
    if asked == "no answer":
        return "its host does not answer"
    if entry["attached"]:
        end = "; ends with its connection (logind)" if _is_doomed(entry) else ""
        return f"open in keepshell {entry['pid']}{end}"
    left = entry["detached"] + entry["keep"] - time.time()
    return f"detached, ends in {describe(max(0.0, left))}"


def _ago(moment: float) -> str:
    return describe(max(0.0, time.time() - moment))
