"""`keepshell history`: the past sessions and how each ended; and `forget`, which deletes them."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from keepshell import launch
from keepshell.cli import tables
from keepshell.cli.arguments import Typed
from keepshell.core import timeline
from keepshell.core.ending.endings import Kind
from keepshell.core.rules import durations
from keepshell.core.rules.rung import Rung
from keepshell.errors import UsageError
from keepshell.ssh import host_name
from keepshell.store.database import PastSession, State
from keepshell.text.wording import visible

_SINCE = "7d"
_INDENT = 2


def command(typed: Typed) -> tuple[str, int]:
    """`history [--host HOST] [--since DURATION|DATE] [--json]`. Raises UsageError, StateError."""
    since = _since(typed.values.get("since", _SINCE), time.time())
    state = State.of(typed.environ)
    chosen = None
    if "host" in typed.values:
        chosen = [meant(typed.values["host"], state, typed.environ)]
    sessions = state.sessions(chosen, since)
    if typed.has("json"):
        return "\n".join(json.dumps(as_json(session)) for session in sessions), 0
    if not sessions:
        return f"no session since {tables.when(since)}", 0
    return f"{_table(sessions)}\n\n{_timelines(sessions)}", 0


def forget(typed: Typed) -> tuple[str, int]:
    """`forget HOST`: deletes all that is known of it, and says how much that was.

    Raises UsageError and StateError.
    """
    (word,) = typed.words
    state = State.of(typed.environ)
    name = meant(word, state, typed.environ)
    rules, sessions = state.forget(name) or (0, 0)
    return f"{name}: forgot {_count(rules, 'rule')} and {_count(sessions, 'session')}", 0


def meant(word: str, state: State, environ: Mapping[str, str]) -> str:
    """The one host that `word` means: as remembered, or as `ssh WORD` would reach it."""
    known = state.hosts()
    reached = word if word in known else launch.reached(word, environ)
    if reached in known:
        return reached
    near = host_name.on_same_host(reached, known) or known
    meant = word if reached == word else f"{word}, which is {reached}"
    raise UsageError(
        f"nothing is known of {visible(meant)}; known: {visible(', '.join(near)) or 'no host'}"
    )


def _since(text: str, now: float) -> float:
    """The time since 1970 that `2d`, `36h` or `2026-10-01` mean. Raises UsageError."""
    try:
        return now - durations.with_unit(text)
    except durations.NoUnitError as error:
        raise UsageError(f"--since: {error}") from None
    except ValueError:
        pass
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%d"))
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since: expected a duration such as 2d or a date such as 2026-10-01, "
            f"found {visible(text)}"
        ) from None


def as_json(session: PastSession) -> dict[str, Any]:
    """One session as docs/state.md has it."""
    return {
        "host": session.host,
        "started": session.started,
        "ended": session.ended,
        "lasted": round(session.ended - session.started, 3),
        "ending": session.ending,
        "dropped": _dropped(session),
        "status": session.status,
        "longest_idle": session.longest_idle,
        "kept_alive": _kept_alive(session),
        "keepalives": {
            Rung.WINDOW_CHANGE.label: session.window_changes,
            Rung.NO_OP.label: session.no_ops,
            Rung.EMPTY_LINE.label: session.empty_lines,
        },
        "injected": session.injected,
        "stretches": [stretch._asdict() for stretch in session.stretches],
    }


def _dropped(session: PastSession) -> bool:
    return any(kind.value == session.ending and kind.is_drop for kind in Kind)


def _kept_alive(session: PastSession) -> float:
    """Seconds of silence in which keepalives went out."""
    return round(sum(s.seconds for s in session.stretches if s.keepalives), 3)


def _table(sessions: Sequence[PastSession]) -> str:
    columns = (
        "started",
        "host",
        "lasted",
        "ending",
        "status",
        "longest idle",
        "kept alive",
        "sent",
    )
    rows = [
        (
            tables.when(session.started),
            session.host,
            durations.describe(session.ended - session.started),
            session.ending,
            str(session.status),
            durations.describe(session.longest_idle),
            durations.describe(_kept_alive(session)) if session.keepalives else "-",
            _sent(session),
        )
        for session in sessions
    ]
    return tables.table(columns, rows)


def _sent(session: PastSession) -> str:
    counts = (
        (session.window_changes, "window-change"),
        (session.no_ops, "no-op"),
        (session.empty_lines, "empty line"),
    )
    return ", ".join(_count(count, what) for count, what in counts if count) or "-"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _timelines(sessions: Sequence[PastSession]) -> str:
    """The sessions of each host, all to the same scale."""
    width = max(20, shutil.get_terminal_size().columns - 2 * _INDENT)
    scale = timeline.Scale(
        min(session.started for session in sessions),
        max(session.ended for session in sessions) + 1,
        width,
    )
    glyphs = timeline.GLYPHS if _shows(timeline.GLYPHS) else timeline.ASCII
    indent = " " * _INDENT
    lines = []
    for host in dict.fromkeys(session.host for session in sessions):
        spans = [_span(session) for session in sessions if session.host == host]
        lines.append(visible(host))
        for lane in timeline.lanes(spans):
            drawn = "".join(glyphs[cell] for cell in timeline.cells(lane, scale))
            lines.append(f"{indent}{drawn}".rstrip())
    start, end = tables.when(scale.start), tables.when(scale.end)
    lines.append(f"{indent}{start}{end:>{max(0, width - len(start))}}")
    legend = "   ".join(f"{glyphs[cell]} {cell.value}" for cell in timeline.LEGEND)
    return "\n".join([*lines, f"{indent}{legend}"])


def _span(session: PastSession) -> timeline.Span:
    return timeline.Span(
        session.started, session.ended, _dropped(session), tuple(session.stretches)
    )


def _shows(glyphs: Mapping[timeline.Cell, str]) -> bool:
    """Whether stdout's encoding has these characters."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        "".join(glyphs.values()).encode(encoding)
    except UnicodeEncodeError:
        return False
    return not os.environ.get("TERM", "").startswith("linux")  # its font lacks most of them
