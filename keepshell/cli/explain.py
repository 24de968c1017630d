"""`keepshell explain HOST`: whether an idle session survives, what beats each timer, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from keepshell import explained
from keepshell.cli import tables, words
from keepshell.cli.arguments import Typed
from keepshell.cli.tables import AT_RISK, GOOD, LOST, Column
from keepshell.config.settings import KEYS
from keepshell.core.rules.durations import exact
from keepshell.errors import UsageError
from keepshell.text import wording
from keepshell.text.wording import visible

Explained = Mapping[str, Any]
"""What `explained.explain` answers; docs/state.md has the fields."""


def command(typed: Typed) -> tuple[str, int]:
    """`explain [--json] [--all] [SSH OPTIONS] HOST`. Raises KeepshellError."""
    if not typed.words:
        raise UsageError(explained.NEEDS_A_HOST)
    found = explained.explain(typed.words, typed.settings, typed.environ)
    if typed.has("json"):
        return json.dumps({"schema": 1, **found}), 0
    said = "\n".join((*_sentences(found), *_after_a_loss(found)))
    if _is_nowhere(found) and not typed.has("all"):
        return said, 0
    parts = [said, _timers(found), _settings(found, typed.has("all"))]
    return "\n\n".join(filter(None, parts)), 0


def _is_nowhere(found: Explained) -> bool:
    """Whether ssh can't get there, and no timer is known: there is nothing more to say."""
    return bool(found["problem"]) and not found["rules"] and not found["idle_limit"]


def _sentences(found: Explained) -> Iterator[str]:
    """What will happen to an idle session, and what would help."""
    name = visible(str(found["name"]))
    if problem := found["problem"]:
        yield _marked(LOST, problem)
    if _is_nowhere(found):
        return
    if found["route"] == "exec":
        yield _marked(AT_RISK, "This is ssh alone, with no keepalives but its own:")
        yield _indented(f"{found['why']}.")
        return
    threats = [rule for rule in found["rules"] if rule["every"] is None]
    beaten = [rule for rule in found["rules"] if rule["every"] is not None]
    if threats:
        first = min(threats, key=lambda rule: float(rule["limit"]))
        limit = exact(first["limit"])
        yield _marked(
            AT_RISK, f"{words.timer(first['kind'])} may end an idle session after {limit}."
        )
        if first["verdict"] == "doubted":
            yield _indented("It was seen once. If it strikes again, keepshell acts on it.")
        elif first["setting"]:
            sent = words.LEVELS[first["rung"]]
            cure = wording.cure(name, first["setting"])
            yield _indented(f"Only {sent} resets it. Allow it: {cure}")
        else:
            yield _indented("Nothing that keepshell sends resets it.")
    elif problem:
        return
    elif beaten or found["idle_limit"]:
        yield _marked(GOOD, f"An idle session here stays open: {_sent(found)}.")
    else:
        yield _marked(GOOD, f"No idle timer is known for {name}: {_sent(found)}.")
        yield _indented(f"To read the host's timers: keepshell probe {name}")


_AFTER_A_LOSS = {
    "kept": (GOOD, "If the connection is lost, keepshell brings you back into the same shell."),
    "command": (GOOD, "If the connection is lost, a new one runs the command of `reattach`."),
    "refused": (AT_RISK, "This host can't keep a shell: after a loss, you get a new one."),
    "ended": (
        AT_RISK,
        "This host ends your shell with its connection (logind's KillUserProcesses).",
    ),
}


def _after_a_loss(found: Explained) -> Iterator[str]:
    if found["route"] != "exec" and found["reattach"] and not found["problem"]:
        yield _marked(*_AFTER_A_LOSS[found["reattach"]])
        if found["reattach"] == "ended":
            yield _indented("To keep it there: loginctl enable-linger, on the host")


def _sent(found: Explained) -> str:
    """What goes out while the user is idle: `packets every 60s, harmless input every 7m 30s`."""
    values = {row["name"]: row["value"] for row in found["settings"]}
    every: dict[str, float] = {}
    if values["rung"] not in ("off", "server-alive"):
        every["packets"] = values["window_change_interval"]
    elif values["rung"] == "server-alive":
        every["packets"] = values["server_alive_interval"]
    limit = found["idle_limit"]
    acting = [(rule["rung"], rule["every"]) for rule in found["rules"] if rule["every"]]
    for rung, seconds in [*acting, *(limit["every"].items() if limit else ())]:
        level = words.LEVELS[rung]
        every[level] = min(seconds, every.get(level, seconds))
    sent = [f"{level} every {exact(seconds)}" for level, seconds in every.items()]
    return ", ".join(sent) or 'nothing (rung = "off")'


def _marked(style: str, sentence: str) -> str:
    lines = tables.wrapped(f"{tables.mark(style)} {sentence}", hanging="  ")
    return "\n".join(tables.styled(line, style) for line in lines)


def _indented(sentence: str) -> str:
    return "\n".join(tables.wrapped(sentence, "  "))


_TIMERS = (
    Column(""),
    Column("TIMER", least=12),
    Column("KNOWN FROM", 2),
    Column("WHAT BEATS IT", least=20),
)


def _timers(found: Explained) -> str:
    rows, styles = [], []
    if limit := found["idle_limit"]:
        sent = ", ".join(
            f"{words.LEVELS[rung]} every {exact(every)}" for rung, every in limit["every"].items()
        )
        rows.append(
            [
                tables.mark(GOOD),
                f"idle_limit {exact(limit['limit'])}",
                _short(limit["source"]),
                sent,
            ]
        )
        styles.append("")
    for rule in found["rules"]:
        style = GOOD if rule["every"] is not None else AT_RISK
        rows.append(
            [
                tables.mark(style),
                f"{words.timer(rule['kind'])} {exact(rule['limit'])}",
                _short(rule["known_from"]),
                _beaten_by(rule),
            ]
        )
        styles.append("" if style == GOOD else style)
    return tables.table(_TIMERS, rows, styles=styles, width=tables.columns()) if rows else ""


def _beaten_by(rule: Explained) -> str:
    if rule["every"] is not None:
        return f"{words.LEVELS[rule['rung']]} every {exact(rule['every'])}"
    if rule["verdict"] == "doubted":
        return "nothing yet: it was seen once"
    if rule["setting"]:
        return f"{words.LEVELS[rule['rung']]}, with {rule['setting']}"
    return "nothing"


_SETTINGS = (Column("SETTING"), Column("VALUE", least=8), Column("SET BY", least=12))


def _settings(found: Explained, show_all: bool) -> str:
    rows = [
        [row["name"], row["text"], _short(row["source"])]
        for row in found["settings"]
        if show_all or row["source"] != "default"
    ]
    rows += [
        [row["name"], str(row["value"]), _short(row["source"])]
        for row in found["ssh_options"]
        if show_all or row["source"] not in ("default", "ssh's default")
    ]
    if not rows:
        return "\n".join(tables.wrapped("Every setting has its default (all: --all)."))
    return tables.table(_SETTINGS, rows, width=tables.columns())


def _short(source: str) -> str:
    """A source without the folders of config.toml and the key: `config.toml:3 [host."web"]`."""
    place, _, rest = source.partition(" [")
    name = f"{os.path.basename(place)} [{rest}" if rest else source
    for key in KEYS:
        name = name.removesuffix(f" {key}")
    return name
