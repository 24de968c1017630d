"""`keepshell explain HOST`: what a session would do, each value with its source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from keepshell import explained
from keepshell.cli import tables
from keepshell.cli.arguments import Typed
from keepshell.core.rules.durations import show
from keepshell.errors import UsageError
from keepshell.text.wording import visible


def command(typed: Typed) -> tuple[str, int]:
    """`explain [--json] [SSH OPTIONS] HOST`. Raises KeepshellError."""
    if not typed.words:
        raise UsageError(explained.NEEDS_A_HOST)
    found = explained.explain(typed.words, typed.settings, typed.environ)
    return json.dumps(found) if typed.has("json") else _text(found), 0


def _text(found: Mapping[str, Any]) -> str:
    settings = [(row["name"], row["text"], row["source"]) for row in found["settings"]]
    options = [(row["name"], row["value"], row["source"]) for row in found["ssh_options"]]
    rules = [
        (row["stated"], row["known_from"], row["owner"], row["reset_by"], row["says"])
        for row in found["rules"]
    ]
    if limit := found["idle_limit"]:
        stated = f"idle_limit={show(limit['limit'])}"
        whose = "whatever ends idle sessions"
        rules.insert(0, (stated, limit["source"], whose, limit["reset_by"], limit["says"]))
    parts = [
        f"{visible(found['host'])}: {found['why']}",
        tables.table(("setting", "value", "source"), [*settings, *options]),
        "no idle rule of this host is known"
        if not rules
        else tables.table(("rule", "known from", "whose", "reset by", "what is done"), rules),
    ]
    return "\n\n".join(parts)
