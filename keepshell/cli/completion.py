"""What a shell's start-up file evaluates: the function `ssh`, and completions.

The completions are made from the tables of commands and settings. After `keepshell ssh` they are
the shell's own for ssh, and after `run` and `exec` the shell's own for that command.
"""

from __future__ import annotations

from keepshell.cli import completion_scripts
from keepshell.cli.commands import AS_COMMAND, AS_SSH, COMMANDS, HOLD, Command
from keepshell.config.settings import KEYS, option_rows
from keepshell.core.rules.rung import RUNGS
from keepshell.shim.function import function, quoted_for_fish
from keepshell.text.template import filled, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from keepshell.cli.arguments import Typed

    Row = tuple[str, str]

# How each shell completes a value that is a file or a directory.
_BASH_PATHS = {"DIR": "_keepshell_files -d", "PATH": "_keepshell_files -f"}
_ZSH_PATHS = {"DIR": "_directories", "PATH": "_files"}
_FISH_PATHS = {"DIR": "-x -a '(__fish_complete_directories)'", "PATH": "-r -F"}


def completion(shell: str) -> str:
    """The completion script for a shell that `init` takes."""
    made = {"bash": _bash, "zsh": _zsh, "fish": _fish}.get(shell)
    return made() if made else _ASKING[shell][1]


_ASKING = {
    "nu": (completion_scripts.NU_SSH, completion_scripts.NU),
    "elvish": (completion_scripts.ELVISH_SSH, completion_scripts.ELVISH),
    "tcsh": (completion_scripts.TCSH_SSH, completion_scripts.TCSH),
}
"""The shells in which `keepshell complete` is asked at each Tab: their `ssh`, and that."""


def for_startup(typed: Typed) -> tuple[str, int]:
    """`init SHELL`: what the shell's start-up file evaluates."""
    shell = typed.verb
    if typed.has("no-ssh"):
        return completion(shell), 0
    ssh = _ASKING[shell][0] if shell in _ASKING else function(shell)
    return f"{ssh}\n{completion(shell)}", 0


class _Option:
    """An option as completions see it."""

    def __init__(self, row: Row) -> None:
        """`row` is as of `settings.option_rows`: `--rung RUNG`, and the meaning."""
        self.name, _, self.kind = row[0].partition(" ")
        """The placeholder of the value; empty where the option takes none."""
        self.meaning = row[1]
        self.choices = _choices(self.name, self.kind)

    @property
    def bash(self) -> str:
        """What completes the value."""
        words = f'COMPREPLY=($(compgen -W {quoted(self.choices)} -- "$cur"))'
        return words if self.choices else _BASH_PATHS.get(self.kind, ":")

    @property
    def zsh(self) -> str:
        """The option as a specification for _arguments."""
        shown = f"[{_escaped(self.meaning, '[]')}]"
        if not self.kind:
            return quoted(self.name + shown)
        value = f"({self.choices})" if self.choices else _ZSH_PATHS.get(self.kind, "")
        return quoted(f"{self.name}={shown}:{_escaped(self.kind, ':')}:{value}")

    @property
    def fish(self) -> str:
        """The option as arguments for `complete`."""
        if not self.kind:
            value = ""
        elif self.choices:
            value = f" -x -a '{self.choices}'"
        else:
            value = f" {_FISH_PATHS.get(self.kind, '-x')}"
        name = f"-l {self.name[2:]}" if self.name.startswith("--") else f"-s {self.name[1:]}"
        return f"{name}{value} -d {quoted_for_fish(self.meaning)}"


def _choices(option: str, kind: str) -> str:
    """The words that a value may be, with blanks between them; empty where there are more."""
    if "|" in kind:
        return " ".join(word for word in kind.split("|") if word.islower())
    if kind == "RUNG":
        return " ".join(rung.label for rung in RUNGS)
    words = (getattr(key.kind, "words", ()) for key in KEYS.values() if key.option == option)
    return " ".join(next(words, ()))


def _bash() -> str:
    options = [_Option(row) for row in option_rows()]
    steps = []
    for step in _steps():
        action = step.value.bash if step.value else f"_keepshell_offer {_pairs(step.rows)}"
        steps.append(f"{step.pattern}) {action} ;;")
    return filled(
        completion_scripts.BASH,
        {
            **_adopting(" | "),
            "commands": _pairs(_command_rows()),
            "options": _pairs((option.name, option.meaning) for option in options),
            "steps": "\n    ".join(steps),
            "valued": " | ".join(option.name for option in options if option.kind),
            "values": "\n    ".join(f"{o.name}) {o.bash} ;;" for o in options if o.kind),
        },
    )


def _zsh() -> str:
    steps = []
    for step in _steps():
        action = f"offers=({_described(step.rows)}) && _describe -t commands argument offers"
        if step.value:
            action = _ZSH_PATHS.get(step.value.kind, f"_message {quoted(step.value.meaning)}")
        steps.append(f"{step.pattern}) {action} ;;")
    return filled(
        completion_scripts.ZSH,
        {
            **_adopting(" | "),
            "commands": _described(_command_rows()),
            "options": " \\\n        ".join(_Option(row).zsh for row in option_rows()),
            "steps": "\n    ".join(steps),
        },
    )


def _fish() -> str:
    options = [_Option(row) for row in option_rows()]
    first = "not __keepshell_at >/dev/null"
    rows = [(first, option.fish) for option in options]
    rows += [(first, _fish_word(row)) for row in _command_rows()]
    for command in COMMANDS:
        for word in command.shown_words:
            rows.append(
                (f"__keepshell_right_behind {command.name}", _fish_word((word.name, word.meaning)))
            )
            behind = f"__keepshell_behind {command.name} {word.name}"
            rows += [(behind, _Option(row).fish) for row in word.options]
        rows += [
            (f"__keepshell_behind {command.name}", _Option(row).fish) for row in command.options
        ]
        if command.name == "help":
            behind = f"__keepshell_right_behind {command.name}"
            rows += [(behind, _fish_word(row)) for row in _command_rows()]
        if _asks(command):
            when = f'__keepshell_behind {command.name}; and not string match -q -- "-*"'
            rows.append((f"{when} (commandline -ct)", "-a '(__keepshell_known)'"))
        if command.follows:
            rows.append(_fish_adopting(command))
    return filled(
        completion_scripts.FISH,
        {
            "rows": "\n".join(f"complete -c keepshell -n '{when}' {what}" for when, what in rows),
            "valued": " ".join(option.name for option in options if option.kind),
        },
    )


def _fish_adopting(command: Command) -> Row:
    when = f"__keepshell_behind {command.name}"
    return when, f"-a '(__keepshell_as{'' if command.follows == AS_COMMAND else ' ssh'})'"


def _fish_word(row: Row) -> str:
    return f"-a {row[0]} -d {quoted_for_fish(row[1])}"


def _adopting(between: str) -> dict[str, str]:
    """The commands that other programs' completions follow, by how they go on."""
    return {
        f"as_{follows}": between.join(c.name for c in COMMANDS if c.follows == follows)
        for follows in (AS_COMMAND, AS_SSH)
    }


def _asks(command: Command) -> bool:
    """Whether its words are among what keepshell itself knows."""
    shapes = (command.arguments, *(word.arguments for word in command.words))
    named = any("HOST" in arguments or "NAME" in arguments for arguments in shapes)
    return (named and not command.follows) or command.group == HOLD or command.name == "attach"


def _command_rows() -> list[Row]:
    return [(command.name, command.meaning) for command in COMMANDS]


class _Step:
    """What may follow some words of ours: words to offer, or the value of an option."""

    def __init__(self, pattern: str, rows: Iterable[Row] = (), value: _Option | None = None):
        """`pattern` is of a shell's `case`, for the words from the command to the cursor."""
        self.pattern = pattern
        self.rows = list(rows)
        self.value = value


def _steps() -> Iterator[_Step]:
    for command in COMMANDS:
        if command.name == "help":
            yield _Step(quoted(command.name), _command_rows())
        if command.words:
            rows = [(word.name, word.meaning) for word in command.shown_words]
            yield _Step(quoted(command.name), rows)
        for before, options in [
            (command.name, command.options),
            *((f"{command.name} {word.name}", word.options) for word in command.shown_words),
        ]:
            yield from _option_steps(before, [_Option(row) for row in options])


def _option_steps(before: str, options: Sequence[_Option]) -> Iterator[_Step]:
    for option in options:
        if option.kind:
            yield _Step(f"{quoted(before)}*{quoted(f' {option.name}')}", value=option)
    if options:
        rows = [(option.name, option.meaning) for option in options]
        yield _Step(f"{quoted(before)} | {quoted(f'{before} ')}*", rows)


def _pairs(rows: Iterable[Row]) -> str:
    return " ".join(quoted(text) for row in rows for text in row)


def _described(rows: Iterable[Row]) -> str:
    """The words of an array for zsh's _describe: `word:meaning`."""
    return " ".join(quoted(f"{_escaped(word, ':')}:{meaning}") for word, meaning in rows)


def _escaped(text: str, characters: str) -> str:
    return "".join(f"\\{c}" if c in characters else c for c in text)
