"""`keepshell complete`: what may come next, from what keepshell knows.

The completion scripts ask this at a Tab, for hosts, sessions, keys and values. It never fails, and
says nothing on stderr.
"""

from __future__ import annotations

import contextlib

from keepshell.cli.arguments import Typed
from keepshell.cli.commands import COMMANDS, HOLD, row_of
from keepshell.config.settings import KEYS, option_rows
from keepshell.core.rules.rung import RUNGS
from keepshell.errors import KeepshellError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from keepshell.cli.commands import Command, Row, Word


def command(typed: Typed) -> tuple[str, int]:
    """`complete [WORD...] BEGUN`: a line for each word that may come, a tab, and its meaning."""
    words = typed.words or [""]
    if words[0] == "--line":  # tcsh has the line only, and takes words without meanings
        words = " ".join(words[1:]).split(" ")[1:] or [""]
        found = command(Typed(words, typed.environ))[0].splitlines()
        return "\n".join(line.partition("\t")[0] for line in found), 0
    *before, begun = words
    with contextlib.suppress(KeepshellError, OSError):
        rows = _after(before, begun, typed.environ)
        return "\n".join(f"{word}\t{meaning}" for word, meaning in rows), 0
    return "", 0


def _after(before: Sequence[str], begun: str, environ: Mapping[str, str]) -> list[Row]:
    words = list(before)
    while words and words[0].startswith("-"):  # our options before the command
        is_whole = "=" in words[0] or f"--{words[0][2:]}" not in _valued()
        del words[: 1 if is_whole else 2]
    row = row_of(words[0]) if words else None
    if not words:
        return _fitting(_first(begun), begun)
    return [] if row is None else _fitting(_of(row, words[1:], begun, environ), begun)


def _valued() -> set[str]:
    return {option.partition(" ")[0] for option, _ in option_rows() if " " in option}


def _first(begun: str) -> Iterable[Row]:
    if begun.startswith("-"):
        return ((option.partition(" ")[0], meaning) for option, meaning in option_rows())
    return ((command.name, command.meaning) for command in COMMANDS)


def _of(row: Command, words: list[str], begun: str, environ: Mapping[str, str]) -> Iterable[Row]:
    """What may come after a command and some words of its own."""
    shape: Command | Word = row
    if row.words:
        chosen = next((word for word in row.words if words and word.name == words[0]), None)
        if chosen is None:
            return [(word.name, word.meaning) for word in row.shown_words]
        shape, words = chosen, words[1:]
    if begun.startswith("-") or row.name == "attach":
        options = [(option.partition(" ")[0], meaning) for option, meaning in shape.options]
        return [*options, *(_kept(environ) if row.name == "attach" else ())]
    expected = shape.arguments.split()
    place = sum(not word.startswith("-") and word != "=" for word in words)
    if "=" in words:  # bash breaks words at it
        return _values(words[words.index("=") - 1])
    if not expected or (place >= len(expected) and "..." not in expected[-1]):
        return []
    if row.group == HOLD:
        found = _holds(environ)
        return found if row.name == "release" else [*found, *_hosts(environ)]
    return _known(expected[min(place, len(expected) - 1)].strip("[].").rstrip("."), begun, environ)


def _known(kind: str, begun: str, environ: Mapping[str, str]) -> Iterable[Row]:
    if kind.startswith("KEY"):
        name, equals, _ = begun.partition("=")
        if equals:
            return [(f"{name}={value}", meaning) for value, meaning in _values(name)]
        sign = "=" if "VALUE" in kind else ""
        return [(f"{key.name}{sign}", key.meaning) for key in KEYS.values()]
    if kind == "COMMAND":
        return _first("")
    return [*_hosts(environ), *(_sessions(environ) if "PID" in kind else ())]


def _values(name: str) -> list[Row]:
    """The words that a key may be set to, where they can be told."""
    key = KEYS.get(name)
    if key is None:
        return []
    if key.kind.placeholder.startswith("true|false"):
        return [("true", ""), ("false", "")]
    if key.kind.placeholder == "RUNG":
        return [(rung.label, "") for rung in RUNGS]
    return [(word, "") for word in getattr(key.kind, "words", ())]


def _hosts(environ: Mapping[str, str]) -> Iterator[Row]:
    """The hosts of which something is remembered, by name, and those of config.toml."""
    from keepshell.config.load import load
    from keepshell.ssh import host_name
    from keepshell.store.database import State

    seen = {""}
    for host in State.of(environ).hosts():
        name = host_name.host_part(host)
        if name not in seen:
            yield name, f"remembered as {host}"
        seen.add(name)
    for name in load(environ).patterns:
        if name not in seen and not set(name) & set("*?!, "):
            yield name, "in config.toml"
        seen.add(name)


def _holds(environ: Mapping[str, str]) -> list[Row]:
    from keepshell.store import holds

    return [(hold["name"], f"held, {hold['host']}") for hold in holds.live(environ)]


def _kept(environ: Mapping[str, str]) -> Iterator[Row]:
    """The kept shells, as attach takes them: `web`, or `web:2` if there are several there."""
    from keepshell.store import kept

    names = [entry["name"] for entry in kept.entries(environ)]
    for place, name in enumerate(names):
        number = names[: place + 1].count(name)
        word = name if names.count(name) == 1 else f"{name}:{number}"
        yield word, "a shell that its host keeps"


def _sessions(environ: Mapping[str, str]) -> Iterator[Row]:
    from keepshell.store import living

    for entry in living.entries(environ):
        yield str(entry["name"]), f"a session, pid {entry['pid']}"
        yield str(entry["pid"]), f"a session with {entry['name']}"


def _fitting(rows: Iterable[Row], begun: str) -> list[Row]:
    found = {word: meaning for word, meaning in rows if word.startswith(begun)}
    return list(found.items())
