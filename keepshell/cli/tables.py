"""Tables for the terminal; where stdout is none, plain text that is never cut or wrapped."""

from __future__ import annotations

import io
import sys
import time

from keepshell.errors import InternalError
from keepshell.text.wording import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    from rich.console import Console, RenderableType

_ENDLESS = 10_000  # columns


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows below the names of their columns. Raises InternalError without rich."""
    return drawn(build(columns, rows))


def build(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    """The same, to be drawn by a rich console."""
    _require_rich()
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(visible(cell)) for cell in row))
    return made


def drawn(shown: RenderableType) -> str:
    """What a terminal would be sent, colours included; or the text alone."""
    paper = io.StringIO()  # at its end, rich's own capture writes on stdout, which may be full
    make_console(paper).print(shown)
    return "\n".join(line.rstrip() for line in paper.getvalue().splitlines())


def make_console(file: IO[str] | None = None) -> Console:
    """One for stdout, or one that writes into `file` what stdout would be sent."""
    _require_rich()
    from rich.console import Console

    is_terminal = sys.stdout is not None and sys.stdout.isatty()  # None: it is closed
    width = None if is_terminal else _ENDLESS
    # Without a terminal FORCE_COLOR decides, as rich has it.
    forced = is_terminal or None
    return Console(file=file, force_terminal=forced, highlight=False, soft_wrap=False, width=width)


def when(moment: float | None) -> str:
    """A time since 1970 as people read it, in the local zone."""
    if moment is None:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def _require_rich() -> None:
    try:
        import rich  # noqa: F401
    except ImportError:
        raise InternalError("a table needs rich (pip install rich); --json does without") from None
