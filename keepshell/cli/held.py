"""What is held, as `keepshell status` shows it."""

from __future__ import annotations

import time

from keepshell.cli import tables
from keepshell.cli.tables import AT_RISK, GOOD, LOST, Column
from keepshell.core.rules.durations import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_SHAPE = (
    Column(""),
    Column("HELD", least=12),
    Column("UNTIL", 3),
    Column("SESSIONS", 2, right=True),
    Column("TUNNELS", 1, least=12),
    Column("", least=12),
)

_STYLES = {"alive": GOOD, "ending": GOOD, "no-answer": LOST, "needs-you": AT_RISK}


def text(found: Sequence[Mapping[str, Any]]) -> str:
    """The table; empty where nothing is held."""
    if not found:
        return ""
    styles = [_style(hold) for hold in found]
    rows = [_row(hold, style) for hold, style in zip(found, styles, strict=True)]
    coloured = [style if style != GOOD else "" for style in styles]
    cures = [f"keepshell hold {hold['name']}" * (hold["state"] == "needs-you") for hold in found]
    return tables.with_cures(_SHAPE, rows, cures, styles=coloured)


def _style(hold: Mapping[str, Any]) -> str:
    style = _STYLES.get(str(hold["state"]), LOST)
    return AT_RISK if hold["missing"] and style == GOOD else style


def _row(hold: Mapping[str, Any], style: str) -> list[str]:
    sessions = hold["sessions"]
    return [
        tables.mark(style),
        str(hold["name"]),
        clock(hold["until"]),
        "-" if sessions is None else str(sessions),
        ", ".join(hold["tunnels"]) or "-",
        _says(hold),
    ]


def _says(hold: Mapping[str, Any]) -> str:
    if hold["state"] == "needs-you":
        return "lost, log in again"
    if hold["state"] == "no-answer":
        since = hold["silent_since"]
        return f"no answer for {describe(max(0.0, time.time() - since))}" if since else "no answer"
    if hold["missing"]:
        return f"not open: {', '.join(hold['missing'])}"
    return "ending" if hold["state"] == "ending" else ""


def clock(moment: float) -> str:
    """A time of day; with the day of the week where that is not today's or tonight's.

    More than six days from now a day of the week may be any of several: the date is there instead.
    """
    left = moment - time.time()
    shape = "%H:%M" if left < 20 * 3600 else "%a %H:%M" if left <= 6 * 86400 else "%Y-%m-%d %H:%M"
    return time.strftime(shape, time.localtime(moment))
