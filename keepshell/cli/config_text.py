"""config.toml as text: a setting changed in its place, a commented sample, a schema for editors."""

from __future__ import annotations

import json
import os

from keepshell import config
from keepshell.config.settings import KEYS
from keepshell.config.toml_lines import TomlText
from keepshell.core.rules import patterns
from keepshell.core.rules.kinds import KINDS
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import RUNGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from tomlkit import TOMLDocument
    from tomlkit.items import Table

SCHEMA = os.path.join(os.path.dirname(config.__file__), "config.schema.json")
"""Installed beside the code that reads the file; written by scripts/share."""


def header(pattern: str | None) -> str:
    """`[default]`, or `[host."PATTERN"]`."""
    return "[default]" if pattern is None else f"[host.{literal(pattern)}]"


def literal(value: object) -> str:
    """A value as TOML has it: for all that a setting may be, JSON is TOML, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def item(name: str, text: str) -> str:
    """The value of a key, given as text, as TOML has it."""
    return literal(_value(name, text))


def _value(name: str, text: str) -> bool | str | list[str]:
    placeholder = KEYS[name].kind.placeholder
    if placeholder.startswith("true|false") and text in ("true", "false"):
        return text == "true"
    if placeholder.startswith("RULE"):
        return [rule.strip() for rule in text.split(",") if rule.strip()]
    return text


def changed(text: str, pattern: str | None, values: Mapping[str, str | None]) -> str:
    """`text` with these keys set in one section, or removed where there is no value.

    All other lines stay as they are. The text must be good TOML.
    """
    import tomlkit

    document = tomlkit.parse(text)
    table = _section(document, pattern)
    if table is None:
        added = {name: value for name, value in values.items() if value is not None}
        return _with_section(text, pattern, added) if added else text
    for name, value in values.items():
        if value is None:
            table.pop(name, None)
        elif name not in table or table[name] != _value(name, value):
            table[name] = _value(name, value)
    return tomlkit.dumps(document)


def _section(document: TOMLDocument, pattern: str | None) -> Table | None:
    found: Any = document.get("default") if pattern is None else document.get("host", {})
    table: Table | None = found if pattern is None else found.get(pattern)
    return table


def _with_section(text: str, pattern: str | None, values: Mapping[str, str]) -> str:
    """A new section before the first that fits the host, since the first that sets a key wins."""
    lines = [header(pattern), *(f"{name} = {item(name, value)}" for name, value in values.items())]
    there = text.removesuffix("\n").split("\n") if text else []
    at = len(there) if pattern is None else _first_that_fits(text, there, pattern)
    before, after = there[:at], there[at:]
    if before and before[-1].strip():
        lines.insert(0, "")
    if after:
        lines.append("")
    end = "\r" if there and there[0].endswith("\r") else ""
    return "\n".join([*before, *(line + end for line in lines), *after]) + "\n"


def _first_that_fits(text: str, lines: Sequence[str], pattern: str) -> int:
    """How many lines come before the first section that is for this host; all, if none is."""
    source = TomlText(text.encode(), "")
    for other in source.tables.get("host", {}):
        if patterns.matches(patterns.split(other), [pattern]):
            at = int(source.at("host", other).rpartition(":")[2]) - 1
            while at and lines[at - 1].startswith("#"):  # a comment belongs to what is below it
                at -= 1
            return at
    return len(lines)


def sample() -> str:
    """A file in which every setting is explained and commented out, with its default."""
    lines = [
        *([f"#:schema {SCHEMA}"] if os.path.isfile(SCHEMA) else []),  # not in a single file
        "# What keepshell does for your hosts. Every line that is commented out shows a default.",
        "# The first section that fits a host and sets a key wins; [default] is asked last.",
        "",
        '# [host."web-*, !web-test"]',
        '# rules = ["channel-timeout=15m", "tmout=10m"]',
        "# empty_line = true",
        "",
        "[default]",
    ]
    policy = Policy()
    for key in KEYS.values():
        value = getattr(policy, key.name)
        shown = "" if value in (None, ()) else item(key.name, key.kind.show(value))
        lines += [f"# {key.meaning}", f"# {key.name} = {shown or _EXAMPLES[key.name]}"]
    return "\n".join(lines) + "\n"


_EXAMPLES = {"idle_limit": '"15m"', "rules": '["tmout=10m"]', "ssh": '"/usr/bin/ssh"'}
"""For the keys that have no default."""


def schema() -> str:
    """A JSON schema (draft 7) of config.toml, by which editors complete and check it."""
    keys = {name: _schema_of(name) for name in KEYS}
    per_host = {name: row for name, row in keys.items() if not KEYS[name].default_only}
    section = {"type": "object", "additionalProperties": False}
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "keepshell's config.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "default": {**section, "properties": keys},
            "host": {
                "type": "object",
                "additionalProperties": {**section, "properties": per_host},
            },
        },
    }
    return json.dumps(whole, indent=2) + "\n"


def _schema_of(name: str) -> dict[str, object]:
    kind = KEYS[name].kind
    told = {"description": KEYS[name].meaning}
    words = getattr(kind, "words", ()) or [rung.label for rung in RUNGS]
    if kind.placeholder in ("WORD", "RUNG"):
        return {**told, "enum": list(words)}
    duration = r"^\s*([0-9.]+[smhdw] ?)+$"
    match kind.placeholder:
        case "true|false":
            return {**told, "type": "boolean"}
        case "true|false|COMMAND":
            return {**told, "type": ["boolean", "string"]}
        case "DURATION":
            return {**told, "type": "string", "pattern": duration}
        case "PATH":
            return {**told, "type": "string", "pattern": "^/"}
        case _:
            rule = {"type": "string", "pattern": f"^({'|'.join(KINDS)})="}
            return {**told, "type": "array", "items": rule}
