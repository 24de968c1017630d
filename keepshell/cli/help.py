"""The help pages: made from the table of commands, and never wider than the terminal."""

from __future__ import annotations

import re
import shutil
import textwrap

from keepshell.cli import commands
from keepshell.cli.commands import COMMANDS, Command, row_of
from keepshell.config.settings import option_rows
from keepshell.errors import UsageError
from keepshell.text.wording import printable, suggest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from keepshell.cli.arguments import Typed

_PROMISE = "keepshell keeps idle ssh sessions alive, and changes nothing else."
_MOST_LEFT = 26
_NARROW = 50
"""In fewer columns than these, a meaning gets lines of its own."""


def command(typed: Typed) -> tuple[str, int]:
    """`help [COMMAND]`. Raises UsageError for a command that is not there."""
    if not typed.words:
        return page(), 0
    row = row_of(typed.words[0])
    if row is None:
        known = [known.name for known in COMMANDS]
        unknown = printable(typed.words[0])
        raise UsageError(f"help {unknown}: unknown command; {suggest(unknown, known)}")
    return page(row), 0


def short() -> str:
    """What `-h` prints: the usual commands, and three examples."""
    usual = [row for name in commands.FIRST if (row := row_of(name)) is not None]
    sections = [
        _filled(_PROMISE),
        _section("usage", _usage(["[OPTIONS] COMMAND [ARG...]"])),
        _section("the usual commands", _table([(row.name, row.meaning) for row in usual])),
        _section("examples", _examples([row.examples[0] for row in usual[:3]])),
        _filled("All commands and options: keepshell --help. One command: keepshell help COMMAND"),
    ]
    return "\n\n".join(sections)


def page(row: Command | None = None) -> str:
    """What `--help` prints: all, or the page of one command."""
    return "\n\n".join(_whole() if row is None else _of(row))


def _whole() -> Iterable[str]:
    yield _filled(_PROMISE)
    yield _section("usage", _usage(["[OPTIONS] COMMAND [ARG...]"]))
    for group in commands.GROUPS:
        rows = [(row.name, row.meaning) for row in COMMANDS if row.group == group]
        if rows:
            yield _section(group, _table(rows))
    yield _section("options, before the command", _table(option_rows()))
    yield _section("files", _table(commands.FILES))
    yield _section("environment", _table(commands.ENVIRONMENT))
    yield _section("exit status", _table(commands.EXIT_STATUS))
    yield _section("notes", "\n".join(_filled(note, "  ") for note in commands.NOTES))
    yield _section("examples", _examples(row.examples[0] for row in COMMANDS if row.examples))


def _of(row: Command) -> Iterable[str]:
    yield _filled(f"keepshell {row.name}: {row.meaning}")
    yield _section("usage", _usage(row.usage))
    yield _filled(row.details)
    if row.words:
        words = [
            (f"{word.name} {word.arguments}".rstrip(), word.meaning) for word in row.shown_words
        ]
        yield _section("words", _table(words))
    options = [*row.options, *(option for word in row.shown_words for option in word.options)]
    options = list(dict.fromkeys(options))  # some words share one
    if options:
        yield _section("options", _table(options))
    if row.takes_settings:
        yield _filled("The options that go before the command are in keepshell --help.")
    yield _section("examples", _examples(row.examples))


def _section(title: str, body: str) -> str:
    return f"{_filled(title.upper())}\n{body}"


def _columns() -> int:
    return max(10, shutil.get_terminal_size().columns)


def _filled(text: str, indent: str = "", first: str | None = None) -> str:
    return textwrap.fill(
        text,
        _columns(),
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _usage(lines: Sequence[str]) -> str:
    """Each way to call it; `[--for TIME]` is not broken where there is room for it."""
    kept = "\N{NO-BREAK SPACE}"
    if _columns() >= _NARROW:
        lines = [
            re.sub(r"\[[^][]*]", lambda found: found[0].replace(" ", kept), line) for line in lines
        ]
    text = "\n".join(_filled(f"keepshell {line}", "      ", "  ") for line in lines)
    return text.replace(kept, " ")


def _table(rows: Iterable[commands.Row]) -> str:
    """Names on the left, meanings on the right, or below where there is no room beside."""
    rows = list(rows)
    short = [len(left) for left, _ in rows if len(left) <= _MOST_LEFT]
    width = max(short, default=0) + 4
    if _columns() < _NARROW:
        width = 4
    lines = []
    for left, right in rows:
        head = f"  {left}"
        if len(head) + 2 > width:
            lines.append(_filled(left, "    ", "  "))
            head = ""
        lines.append(_filled(right, " " * width, head.ljust(width)))
    return "\n".join(lines)


def _examples(rows: Iterable[commands.Row]) -> str:
    """Each with what it is for above it, as a comment: what is pasted runs."""
    lines = []
    for line, meaning in rows:
        lines.append(_filled(meaning, "  # "))
        lines.append(_continued(line))
    return "\n".join(lines)


def _continued(line: str) -> str:
    """A command on as many lines as it needs, each but the last with a backslash at its end."""
    lines = textwrap.wrap(
        line,
        _columns() - 2,
        initial_indent="  ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return " \\\n".join(lines)
