"""Tables for the terminal; where stdout is none, plain text that is never cut or wrapped."""

from __future__ import annotations

import sys
import time

from keepshell.errors import InternalError
from keepshell.settings import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

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
    console = make_console()
    with console.capture() as capture:
        console.print(shown)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def make_console() -> Console:
    """One for stdout."""
    _require_rich()
    from rich.console import Console

    width = None if sys.stdout.isatty() else _ENDLESS
    return Console(highlight=False, soft_wrap=False, width=width)


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
