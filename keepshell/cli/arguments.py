"""What was typed after a command of ours, read by that command's row of the table."""

from __future__ import annotations

from keepshell.cli.commands import AS_COMMAND
from keepshell.config.settings import FLAGS, KEYS
from keepshell.core.ssh.arguments import Unparsed, parse
from keepshell.errors import UsageError
from keepshell.text.wording import printable, suggest, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keepshell.cli.commands import Command, Word


class Typed:
    """One call of a command, as its function gets it.

    `words` are the arguments, or ssh's where the row says so; `values` are the command's own
    options by their name without dashes, empty for a flag; `verb` is the word that came first, of
    a command that takes some; `settings` are our options before the command, by their key.
    """

    __slots__ = ("environ", "settings", "values", "verb", "words")

    def __init__(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        *,
        values: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        verb: str = "",
    ) -> None:
        self.words = list(words)
        self.environ = environ
        self.values = dict(values or {})
        self.settings = dict(settings or {})
        self.verb = verb

    def has(self, flag: str) -> bool:
        """Whether this option was typed."""
        return flag in self.values


def asks_for_help(row: Command, typed: Sequence[str]) -> bool:
    """Whether the user wants to read the command's page."""
    if row.follows == AS_COMMAND:
        return list(typed[:1]) in (["-h"], ["--help"])
    if row.follows:  # every letter is ssh's, and so is everything between
        return list(typed) == ["-h"] or "--help" in (*typed[:1], *typed[-1:])
    before = typed[: typed.index("--")] if "--" in typed else typed
    return "-h" in before or "--help" in before


def read(
    row: Command,
    typed: Sequence[str],
    settings: Mapping[str, str],
    environ: Mapping[str, str],
) -> Typed:
    """Raises UsageError for what the row does not take."""
    if settings and not row.takes_settings:
        option = f"--{next(iter(settings)).replace('_', '-')}"
        raise UsageError(f"{row.name} takes no {option}")
    shape: Command | Word = row
    called, verb, rest = row.name, "", list(typed)
    if row.words:
        shape, rest = _verb(row, rest)
        verb = shape.name
        called = f"{row.name} {verb}"
    if shape.follows:
        if shape.options and rest[:1] and rest[0].partition("=")[0] not in _known(shape.options):
            refuse_ours(called, rest)
        values, words = _split(shape, rest)
    else:
        values, words = _all_ours(shape, rest)
        _check_count(shape.arguments, words, called)
    return Typed(words, environ, values=values, settings=settings, verb=verb)


def _verb(row: Command, typed: Sequence[str]) -> tuple[Word, list[str]]:
    """The word that came first, and the rest. Raises UsageError."""
    known = [word.name for word in row.shown_words]
    for place, typed_word in enumerate(typed):
        for word in row.words:
            if word.name == typed_word:
                return word, [*typed[:place], *typed[place + 1 :]]
        if not typed_word.startswith("-"):
            unknown = printable(typed_word)
            raise UsageError(f"{row.name} {unknown}: unknown; {suggest(typed_word, known)}")
    choices = ", ".join(known)
    raise UsageError(f"{row.name} needs one of {choices}: keepshell {row.name} {known[0]}")


def _split(shape: Command | Word, typed: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Our own long options, which ssh has none of, and the rest as it is. Raises UsageError."""
    known = _known(shape.options)
    values = dict[str, str]()
    rest, waiting = list[str](), list(typed)
    while known and waiting and waiting[0] != "--":
        word = waiting.pop(0)
        is_ours = word.partition("=")[0] in known
        if is_ours or (word.startswith("--") and _is_before_command(shape, rest)):
            if not is_ours:
                refuse_ours(shape.name, typed)
            _take(word, waiting, known, values)
        else:  # an option that we don't know may be the command's
            rest.append(word)
    return values, [*rest, *waiting]


def _is_before_command(shape: Command | Word, words: Sequence[str]) -> bool:
    """Whether the next word, an option by its look, is no part of a command, nor a value."""
    if not words or shape.follows == AS_COMMAND:
        return not words
    try:
        return not parse(words).command
    except Unparsed:
        return False


def _all_ours(shape: Command | Word, typed: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Options and words in any order; `--` ends the options. Raises UsageError."""
    known = _known(shape.options)
    values = dict[str, str]()
    words, waiting = list[str](), list(typed)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return values, [*words, *waiting]
        if word.startswith("-") and word != "-":
            _take(word, waiting, known, values)
        else:
            words.append(word)
    return values, words


def _known(options: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Each option, and what its value is called; empty for a flag."""
    return {name: value for name, _, value in (option.partition(" ") for option, _ in options)}


def _take(word: str, waiting: list[str], known: Mapping[str, str], values: dict[str, str]) -> None:
    """Note one option, and take its value from what is waiting. Raises UsageError."""
    name, given, value = word.partition("=")
    if not word.startswith("--") and word[:2] in known:  # -n20
        name, given, value = word[:2], word[2:], word[2:]
    if name not in known:
        near = suggest(name, known) if known else "it takes none"
        raise UsageError(f"unknown option {printable(name)}; {near}")
    if known[name] and not given:
        if not waiting:
            raise UsageError(f"{name}: expected {known[name]}, found nothing")
        value = waiting.pop(0)
    elif given and not known[name]:
        raise UsageError(f"{name}: expected no value, found {printable(value)}")
    values[name.lstrip("-")] = value


def refuse_ours(name: str, typed: Sequence[str]) -> None:
    """Raises UsageError, with the line as it should be, if an option of ours comes after `name`."""
    import shlex

    options = {f"--{key.replace('_', '-')}": key for key in (*KEYS, *FLAGS)}
    for place, word in enumerate(typed):
        option, given, _ = word.partition("=")
        key = options.get(option)
        if key is None:
            continue
        end = place + (1 if given or key in FLAGS else 2)
        ours, rest = typed[place:end], [*typed[:place], *typed[end:]]
        line = shlex.join(["keepshell", *ours, name, *rest])
        raise UsageError(f"{option} goes before {name}: {visible(line)}")


def _check_count(arguments: str, words: Sequence[str], called: str) -> None:
    """Whether there are as many words as `HOST KEY=VALUE` or `[HOST...]` say. UsageError if not."""
    expected = arguments.split()
    least = sum(not word.startswith("[") for word in expected)
    most = len(words) if "..." in arguments else len(expected)
    if least <= len(words) <= most:
        return
    found = " ".join(map(printable, words)) or "nothing"
    if not arguments:
        raise UsageError(f"{called} takes no arguments, found {found}")
    raise UsageError(f"found {found}, expected: keepshell {called} {arguments}")
