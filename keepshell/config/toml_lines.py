"""A TOML text: its tables, and the line of each key.

tomllib doesn't say on which line a key is. The text is searched when a message, the source of a
setting or the compiled copy needs to know.
"""

from __future__ import annotations

from keepshell.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Lines = dict[tuple[str, ...], int]
    Tables = dict[str, Any]

_QUOTES = 'put quotes around text, as in rung = "off"'
_REMEDIES = (
    ("Invalid value", _QUOTES),
    ("Expected newline", _QUOTES),  # after the 15 of an unquoted 15m
    ("Invalid initial character", 'put quotes around a pattern, as in [host."*.example.com"]'),
    ("Cannot declare", "put both into one section"),
    ("Cannot overwrite", "keep one of the two"),
)
"""The remedy, by the beginning of tomllib's message."""


class TomlText:
    """A text that could be read."""

    __slots__ = ("_lines", "_path", "_text", "tables")

    def __init__(self, data: bytes, path: str) -> None:
        """Raises UsageError, with `path` and where it can the line, for anything but TOML."""
        self._path = path
        self._text = _decode(data, path)
        self.tables = _parse(self._text, path)
        self._lines: Lines = {}

    def at(self, *keys: str) -> str:
        """`PATH:LINE` of a key or section, or of the nearest one around it whose line is known."""
        line = self.line(*keys)
        return f"{self._path}:{line}" if line else self._path

    def line(self, *keys: str) -> int:
        """The same line as a number, 0 if unknown."""
        self._lines = self._lines or _lines(self._text)
        while keys and keys not in self._lines:
            keys = keys[:-1]
        return self._lines[keys] if keys else 0


def _decode(data: bytes, path: str) -> str:
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise UsageError(
            f"{path}:{line}: expected UTF-8, found the byte 0x{byte:02x}; save the file as UTF-8"
        ) from None


def _parse(text: str, path: str) -> Tables:
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # digits or brackets without end
        said = str(error)
        remedies = (f"; {words}" for start, words in _REMEDIES if said.startswith(start))
        raise UsageError(f"{path}: not TOML: {said}{next(remedies, '')}") from None


def _lines(text: str) -> Lines:
    """The line of each section and key; a value of several lines can mislead this."""
    lines: Lines = {}
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):
        statement = line.strip()
        name, equals, _ = statement.partition("=")
        if statement.startswith("["):
            section = keys = _opened(statement) or section
        elif equals:
            keys = (*section, *_opened(f"{name} = 0"))
        else:
            continue
        for end in range(1, len(keys) + 1):
            lines.setdefault(keys[:end], number)
    return lines


def _opened(statement: str) -> tuple[str, ...]:
    """The keys, one within another, that a header or an assignment makes; empty for neither."""
    import tomllib

    try:
        table: object = tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return ()
    keys = []
    while isinstance(table, dict) and table:
        ((key, table),) = table.items()
        keys.append(key)
    return tuple(keys)
