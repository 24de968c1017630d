"""Tables that fit the terminal: one line a row, no word broken; where stdout is none, nothing cut.

The rules it keeps:

- what doesn't fit goes column by column, the least important first; then text is cut with an `…`;
- colour says good, at risk or lost, and only on a terminal that may have it (NO_COLOR, TERM=dumb);
- without UTF-8 in the locale there is nothing but ASCII.
"""

from __future__ import annotations

import os
import shutil
import sys
import time

from keepshell.text.wording import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PLAIN, GOOD, AT_RISK, LOST, FAINT = "", "32", "33", "31", "2"
"""Styles: the parameters of SGR, ECMA-48 8.3.117."""

MARKS = {GOOD: "✓", AT_RISK: "!", LOST: "✗"}
_ASCII_MARKS = {GOOD: "+", AT_RISK: "!", LOST: "x"}

_GAP = 2  # columns between two columns


class Column:
    """One column: its head, and what it may lose."""

    __slots__ = ("head", "importance", "least", "right", "yields")

    def __init__(
        self,
        head: str,
        importance: int = 9,
        *,
        least: int | None = None,
        right: bool = False,
        yields: bool = False,
    ) -> None:
        """9 stays, whatever the width; of the others the lowest `importance` goes first.

        `least`: in how many columns it still makes sense, cut with an `…`; None: never cut.
        `yields`: it is cut before the others are, of which the last is cut first.
        """
        self.head = head
        self.importance = importance
        self.least = least
        self.right = right
        self.yields = yields


def on_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()  # None: it is closed


def columns() -> int | None:
    """How wide a line may be; None where stdout is no terminal and COLUMNS says nothing."""
    if not on_terminal() and not os.environ.get("COLUMNS", "").isdecimal():
        return None
    return max(20, shutil.get_terminal_size().columns)


def is_utf8() -> bool:
    """Whether the locale has more than ASCII; Python's own encoding is UTF-8 even in the C one."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next(filter(None, names), "").lower()
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower()
    return encoding.replace("-", "") == "utf8" and ("utf-8" in locale or "utf8" in locale)


def mark(style: str) -> str:
    """The sign for good, at risk or lost, as the locale can have it."""
    return (MARKS if is_utf8() else _ASCII_MARKS)[style]


def styled(text: str, style: str) -> str:
    """The text in a style, where there may be colours."""
    plain = not style or not on_terminal() or os.environ.get("NO_COLOR")
    if plain or os.environ.get("TERM", "dumb") == "dumb":
        return text
    return f"\x1b[{style}m{text}\x1b[0m"


def table(
    shape: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    styles: Sequence[str] = (),
    width: int | None = None,
) -> str:
    """The rows below the heads of their columns, `styles` one a row; None: as wide as it takes."""
    cells = [[_ascii(visible(cell)) for cell in row] for row in rows]
    shown = list(range(len(shape)))
    widths = [
        max(_width(text) for text in [column.head, *(row[at] for row in cells)])
        for at, column in enumerate(shape)
    ]
    while width is not None and not _fit(shape, shown, widths, width):
        droppable = [at for at in shown if shape[at].importance < 9]
        if not droppable:
            _squeeze(shape, shown, widths, width)
            break
        shown.remove(min(droppable, key=lambda at: shape[at].importance))
    lines = [styled(_line(shape, [column.head for column in shape], shown, widths), FAINT)]
    for number, row in enumerate(cells):
        style = styles[number] if styles else PLAIN
        lines.append(styled(_line(shape, row, shown, widths), style))
    return "\n".join(lines)


def with_cures(
    shape: Sequence[Column],
    rows: Sequence[Sequence[str]],
    cures: Sequence[str],
    *,
    styles: Sequence[str],
) -> str:
    """The table with the command that would help each row, or "": in it if all fit, else below."""
    width = columns()
    beside = [
        [*row[:-1], "; ".join(filter(None, (row[-1], cure)))]
        for row, cure in zip(rows, cures, strict=True)
    ]
    drawn = table(shape, beside, styles=styles)
    if width is None or widest(drawn) <= width:
        return drawn
    below = [styled(f"{mark(AT_RISK)} {cure}", AT_RISK) for cure in cures if cure]
    drawn = table(shape, rows, styles=styles, width=width)
    return "\n".join([drawn, *([""] if below else []), *below])


def _fit(shape: Sequence[Column], shown: Sequence[int], widths: list[int], width: int) -> bool:
    """Narrow what may be cut until all that is shown fits; whether it does."""
    over = sum(widths[at] + _GAP for at in shown) - _GAP - width
    least = {at: shape[at].least for at in shown}
    can_go = sum(max(0, widths[at] - most) for at, most in least.items() if most is not None)
    if over > can_go:
        return False
    for at in _cut_order(shape, shown):
        most = least[at]
        if most is not None and over > 0:
            cut = min(over, max(0, widths[at] - most))
            widths[at] -= cut
            over -= cut
    return True


def _squeeze(shape: Sequence[Column], shown: Sequence[int], widths: list[int], width: int) -> None:
    """Cut what may be cut as far as it must be, sense or not: nothing else is left to do."""
    over = sum(widths[at] + _GAP for at in shown) - _GAP - width
    for at in _cut_order(shape, shown):
        if shape[at].least is not None and over > 0:
            cut_off = min(over, max(0, widths[at] - 3))
            widths[at] -= cut_off
            over -= cut_off


def _cut_order(shape: Sequence[Column], shown: Sequence[int]) -> Sequence[int]:
    return sorted(shown, key=lambda at: (not shape[at].yields, -at))


def _line(
    shape: Sequence[Column], cells: Sequence[str], shown: Sequence[int], widths: Sequence[int]
) -> str:
    parts = []
    for at in shown:
        text = cut(cells[at], widths[at])
        filling = " " * (widths[at] - _width(text))
        parts.append(filling + text if shape[at].right else text + filling)
    return (" " * _GAP).join(parts).rstrip()


def cut(text: str, width: int) -> str:
    """The text in so many columns, with an `…` where something is missing."""
    if _width(text) <= width:
        return text
    dots = "…" if is_utf8() else "~"
    while text and _width(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + dots


def _ascii(text: str) -> str:
    return text if is_utf8() else text.encode("ascii", "backslashreplace").decode()


def _width(text: str) -> int:
    """How many columns of the terminal it takes: two for East Asian wide characters."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    wide = sum(east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(combining(char) > 0 for char in text)


def widest(text: str) -> int:
    """The columns of the widest line, escape sequences not counted."""
    import re

    return max(_width(re.sub("\x1b\\[[0-9;]*m", "", text_line)) for text_line in text.splitlines())


def wrapped(text: str, indent: str = "", *, hanging: str = "") -> list[str]:
    """Lines of whole words, as wide as the terminal; one where stdout is none."""
    import textwrap

    return textwrap.wrap(
        text,
        columns() or 10_000,
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def when(moment: float | None) -> str:
    """A time since 1970 as people read it, in the local zone."""
    if moment is None:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
