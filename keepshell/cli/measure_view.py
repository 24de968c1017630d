"""What a measurement looks like: bars while it runs, a table or JSON at its end."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec

from keepshell.cli import tables
from keepshell.cli.tables import GOOD, LOST, Column
from keepshell.core.rules.durations import describe
from keepshell.core.rules.measuring import Search
from keepshell.core.rules.rung import RUNGS, Rung
from keepshell.text.wording import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keepshell.probe.measure import Idle, Measurement, Reports

_ALMOST = 0.99


@contextlib.contextmanager
def progress(limit: float) -> Iterator[Reports]:
    """A bar for each rung, on stderr where that is a terminal; `limit` in seconds is its end.

    None without rich, which the table at the end asks for, and JSON does not.
    """
    if not sys.stderr.isatty() or find_spec("rich") is None:
        yield lambda _searches, _idle: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:14}"),
        BarColumn(complete_style="yellow", finished_style="dim"),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bars:
        tasks = {rung: bars.add_task(rung.label, total=limit, said="opening") for rung in RUNGS}

        def report(searches: Mapping[Rung, Search], idle: Idle) -> None:
            for rung, task in tasks.items():
                said = _under_way(idle[rung]) if rung in idle else _coloured(searches[rung])
                bars.update(task, completed=filled(rung, idle, limit), said=said)

        yield report


def filled(rung: Rung, idle: Idle, limit: float) -> float:
    """How far the bar of a rung has come, in seconds: to `limit` once its search is over.

    Not before, since rich stops the clock of a bar that is full.
    """
    return min(idle[rung] or 0.0, _ALMOST * limit) if rung in idle else limit


def _under_way(idle: float | None) -> str:
    return "opening" if idle is None else f"idle for {describe(idle)}"


def _coloured(search: Search) -> str:
    """Green is alive, red is dead."""
    style = "red" if search.died is not None else "green" if search.lived else "dim"
    return f"[{style}]{_outcome(search)}"


def _outcome(search: Search, unfinished: float | None = None) -> str:
    """`unfinished`: the seconds that a session had been idle when it was interrupted."""
    lived, died = describe(search.lived), describe(search.died or 0.0)
    if search.died is not None:
        return f"lives {lived}, dead after {died}" if search.lived else f"dead after {died}"
    if search.lived:
        return f"lives {lived} and longer"
    return "unknown" if unfinished is None else f"no end seen in {describe(unfinished)}"


_SENDS: dict[Rung, Callable[[str], str]] = {
    Rung.OFF: lambda _every: "nothing",
    Rung.SERVER_ALIVE: lambda every: f"a ServerAlive request every {every}",
    Rung.WINDOW_CHANGE: lambda every: f"a window-change every {every}",
    Rung.NO_OP: lambda every: f"an empty paste every {every}",
    Rung.EMPTY_LINE: lambda every: f"Enter every {every}",
}


_SHAPE = (Column("LEVEL"), Column("SENT"), Column("AN IDLE SESSION", least=20))


def told(host: str, measurement: Measurement, sentences: Sequence[str], *, as_json: bool) -> str:
    """The text to print."""
    rows = [
        {
            "rung": rung.label,
            "every": measurement.every(rung) if rung else None,
            "lived": search.lived or None,
            "died": search.died,
            "unfinished": measurement.unfinished.get(rung),
            "failure": measurement.failures.get(rung),
        }
        for rung, search in measurement.searches.items()
    ]
    if as_json:
        return json.dumps({"schema": 1, "host": host, "rungs": rows, "notes": list(sentences)})
    cells = [
        (
            rung.label,
            _SENDS[rung](f"{measurement.every(rung):g}s"),
            measurement.failures.get(rung) or _outcome(search, measurement.unfinished.get(rung)),
        )
        for rung, search in measurement.searches.items()
    ]
    styles = [
        LOST if search.died is not None else GOOD if search.lived else ""
        for search in measurement.searches.values()
    ]
    table = tables.table(_SHAPE, cells, styles=styles, width=tables.columns())
    parts = (visible(host), table, "\n".join(map(visible, sentences)))
    return "\n\n".join(filter(None, parts))
