"""The options behind a command that is ours alone, such as `history --since 2d --json`."""

from __future__ import annotations

from keepshell.errors import UsageError
from keepshell.text.wording import printable, suggest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class Arguments:
    """What was typed behind a command: `words`, and `values` by option, without the dashes."""

    __slots__ = ("values", "words")

    def __init__(
        self, typed: Sequence[str], *, flags: Collection[str] = (), valued: Collection[str] = ()
    ) -> None:
        """A flag has an empty value, and options may stand behind words.

        `--` ends the options. Raises UsageError for an option that is unknown or lacks its value.
        """
        self.words: list[str] = []
        self.values: dict[str, str] = {}
        rest = list(typed)
        while rest:
            word = rest.pop(0)
            if word == "--":
                self.words += rest
                return
            if not word.startswith("--"):
                self.words.append(word)
                continue
            name, given, value = word.removeprefix("--").partition("=")
            if name not in (*flags, *valued):
                known = [f"--{known}" for known in (*flags, *valued)]
                raise UsageError(f"unknown option {printable(word)}; {suggest(word, known)}")
            if name in flags and given:
                raise UsageError(f"--{name}: expected no value, found {printable(value)}")
            if name in valued and not given:
                if not rest:
                    raise UsageError(f"--{name}: expected a value, found nothing")
                value = rest.pop(0)
            self.values[name] = value

    def has(self, flag: str) -> bool:
        return flag in self.values

    def only(self, expected: str) -> str:
        """The one word there must be, called `expected`. Raises UsageError."""
        if len(self.words) != 1:
            found = " ".join(map(printable, self.words)) or "nothing"
            raise UsageError(f"expected {expected}, found {found}")
        return self.words[0]
