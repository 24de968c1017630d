"""The man page, keepshell.1, made from the tables that --help is made from."""

from __future__ import annotations

import textwrap

from keepshell._version import VERSION
from keepshell.cli import commands
from keepshell.config.settings import KEYS, option_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_DESCRIPTION = (
    "keepshell runs the system's ssh(1) and keeps idle sessions alive, with no change on the "
    "server. An interactive session runs in a pseudo-terminal, which keepshell relays byte for "
    "byte; while the user is idle it sends what the host is known to need, and nothing that the "
    "program on the screen would notice.",
    "keepshell's own options come before the command; everything after ssh belongs to ssh(1).",
)

_CONFIGURATION = (
    "Settings are in config.toml, in TOML: under [default], or for certain hosts under "
    '[host."PATTERN"], with patterns as in ssh_config(5). The first section that sets a key wins, '
    "[default] last; an option of the command line beats the file. A duration is text with a unit, "
    "such as 90s, 15m, 1h 30m."
)

_SEE_ALSO = "ssh(1), ssh_config(5), pty(7)"


def page() -> str:
    """The page as man(7) macros."""
    sections = (
        ("NAME", ["keepshell \\- keeps idle ssh sessions alive"]),
        ("SYNOPSIS", _synopsis()),
        ("DESCRIPTION", _paragraphs(*_DESCRIPTION)),
        ("COMMANDS", list(_commands())),
        ("OPTIONS", _tagged(option_rows())),
        ("CONFIGURATION", [*_paragraphs(_CONFIGURATION), *_tagged(_keys())]),
        ("ENVIRONMENT", _tagged(commands.ENVIRONMENT)),
        ("FILES", _tagged(commands.FILES)),
        ("EXIT STATUS", _tagged(commands.EXIT_STATUS)),
        ("NOTES", _paragraphs(*commands.NOTES)),
        ("EXAMPLES", list(_examples())),
        ("SEE ALSO", _paragraphs(_SEE_ALSO)),
    )
    lines = [
        '.\\" Made by scripts/share from the tables of the program: change those.',
        f'.TH KEEPSHELL 1 "" "keepshell {VERSION}" "User Commands"',
    ]
    for title, body in sections:
        lines += [f".SH {title}", *body]
    return "\n".join(lines) + "\n"


def _synopsis() -> list[str]:
    lines = []
    for command in commands.COMMANDS:
        for usage in command.usage:
            lines += [".B keepshell", _text(usage), ".br"]
    return lines[:-1]


def _commands() -> Iterable[str]:
    for group in commands.GROUPS:
        rows = [command for command in commands.COMMANDS if command.group == group]
        if rows:
            yield f".SS {group.capitalize()}"
        for command in rows:
            yield from _command(command)


def _command(command: commands.Command) -> Iterable[str]:
    yield from (".TP", f"{_bold(command.name)} {_text(command.arguments)}".rstrip())
    yield from _filled(command.details)
    if command.options:
        yield from (".RS", *_tagged(command.options), ".RE")
    for word in command.shown_words:
        options = _tagged(word.options)
        name = f"{word.name} {word.arguments}".rstrip()
        yield from (".RS", *_tagged([(name, word.meaning)]))
        yield from (".RS", *options, ".RE") if options else ()
        yield ".RE"


def _examples() -> Iterable[str]:
    """The first example of each command."""
    for command in commands.COMMANDS:
        line, meaning = command.examples[0]
        yield from (".TP", _bold(line), *_filled(meaning))


def _keys() -> Iterable[tuple[str, str]]:
    """Each key of config.toml, and what it takes."""
    for key in KEYS.values():
        where = "; under [default] only" if key.default_only else ""
        yield key.name, f"{key.meaning}{where}. Takes {key.kind.expected}."


def _tagged(rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = []
    for tag, meaning in rows:
        name, blank, value = tag.partition(" ")
        lines += [".TP", f"{_bold(name)}{blank}{_text(value)}", *_filled(meaning)]
    return lines


def _paragraphs(*texts: str) -> list[str]:
    return [line for text in texts for line in (".PP", *_filled(text))][1:]


def _filled(text: str) -> list[str]:
    return textwrap.wrap(_text(text), 79, break_long_words=False, break_on_hyphens=False)


def _bold(text: str) -> str:
    return f"\\fB{_text(text)}\\fR"


def _text(text: str) -> str:
    """Text as roff: it is shown as it is, and a hyphen can be copied as the minus it is."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    escaped = escaped.replace("'", "\\(aq").replace("^", "\\(ha").replace("~", "\\(ti")
    # A point is no request, wherever the line is broken.
    return f" {escaped}".replace(" .", " \\&.")[1:]
