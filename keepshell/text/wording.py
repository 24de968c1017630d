"""How a user's value or word appears in a message: short, on one line, safe to print."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def suggest(word: str, known: Collection[str]) -> str:
    """`did you mean rung?`, or all known words if none is near."""
    near = nearest(word, known)
    return f"did you mean {near}?" if near else "known: " + ", ".join(known)


def nearest(word: str, known: Collection[str]) -> str:
    """The known word that was probably meant; empty where none is near."""
    from difflib import get_close_matches

    def spelled(name: str) -> str:
        return name.lower().replace("-", "").replace("_", "")

    near = get_close_matches(spelled(word), map(spelled, known), n=1)
    return next((name for name in known if spelled(name) in near), "")


def found(value: object) -> str:
    """A value as an error names it: short, on one line, and safe to print on a terminal."""
    if isinstance(value, str):
        return f'"{printable(value)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) >= 10**15:
        return "a number out of all bounds"  # more than 4300 digits, str() would refuse it
    if type(value).__module__ == "datetime":
        return "a date or a time"
    names: dict[type, str] = {dict: "a table", list: "a list"}
    return names.get(type(value)) or printable(repr(value))  # from a script, whatever there is


def visible(text: str) -> str:
    """`text` without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def printable(text: str) -> str:
    """The same, cut at 60 characters."""
    return visible(text[:60]) + "…" * (len(text) > 60)


def cure(host: str, setting: str) -> str:
    """The command that allows what `setting` says, as `rung = "no-op", empty_line = true` does."""
    import shlex

    return shlex.join(["keepshell", "config", "set", host, *_pairs(setting)])


def _pairs(setting: str) -> Sequence[str]:
    pairs = (pair.partition("=") for pair in setting.split(", "))
    return [f"{name.strip()}={value.strip().strip(chr(34))}" for name, _, value in pairs]
