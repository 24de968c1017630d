"""Text with `@{name}` in it, for the languages of shells, where braces, `$` and `%` mean much."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with each `@{name}` replaced; values are inserted as they are.

    A value of several lines comes with its own indentation. Raises KeyError.
    """
    first, *pieces = template.split("@{")
    parts = (piece.partition("}") for piece in pieces)
    return first + "".join(values[name] + text for name, _, text in parts)


def quoted(text: str) -> str:
    """One word of a POSIX shell; shlex.quote would cost an import of re."""
    return "'" + text.replace("'", "'\\''") + "'"
