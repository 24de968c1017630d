"""Which command of the table is meant, and the call of its function."""

from __future__ import annotations

from keepshell.cli import arguments
from keepshell.cli.commands import COMMANDS, Command, row_of
from keepshell.errors import UsageError
from keepshell.text.wording import nearest, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def answer(
    typed: Sequence[str], options: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[str, int]:
    """What to print for the words after our options, and the exit status. Raises KeepshellError."""
    if "version" in options:
        from keepshell._version import VERSION

        return f"keepshell {VERSION}", 0
    row = _row(typed, options)
    if row is None or "help" in options or "short_help" in options:
        from keepshell.cli import help  # noqa: A004 - what the user calls it

        whole = row is not None or "help" in options
        return help.page(row) if whole else help.short(), 0
    rest = typed[1:]
    if arguments.asks_for_help(row, rest):
        from keepshell.cli import help  # noqa: A004

        return help.page(row), 0
    return function_of(row)(arguments.read(row, rest, options, environ))


def function_of(row: Command) -> Callable[[arguments.Typed], tuple[str, int]]:
    """What the row says that it runs."""
    module, _, name = row.runs.partition(":")
    function: Callable[[arguments.Typed], tuple[str, int]] = getattr(
        __import__(f"keepshell.cli.{module}", fromlist=[name]), name
    )
    return function


def _row(typed: Sequence[str], options: Mapping[str, str]) -> Command | None:
    """The command that was typed, None where none was. Raises UsageError for an unknown one."""
    if not typed:
        for name in options.keys() - {"help", "short_help"}:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} needs a command after it: keepshell {option} ... ssh HOST")
        return None
    row = row_of(typed[0])
    if row is not None:
        return row
    word = printable(typed[0])
    near = nearest(typed[0], [command.name for command in COMMANDS])
    meant = f"did you mean {near}?" if near else "keepshell --help lists the commands"
    raise UsageError(f"unknown command {word!r}; {meant} (To reach a host: keepshell ssh {word})")
