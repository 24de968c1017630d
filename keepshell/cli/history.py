"""`keepshell history`: the past sessions and how each ended; and `forget`, which deletes them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keepshell import launch
from keepshell.cli import tables, timeline, words
from keepshell.cli.arguments import Typed
from keepshell.cli.tables import AT_RISK, FAINT, LOST, Column
from keepshell.core.ending.endings import Kind
from keepshell.core.rules import durations
from keepshell.core.rules.durations import describe
from keepshell.core.rules.rung import Rung
from keepshell.errors import NotFoundError, UsageError
from keepshell.ssh import host_name
from keepshell.store import unanswered
from keepshell.store.database import PastSession, State
from keepshell.text.wording import visible

_SINCE = "7d"
_INDENT = 2


def command(typed: Typed) -> tuple[str, int]:
    """`history [--dropped] [-n N] [--since TIME] [--json] [HOST]`. Raises KeepshellError."""
    since = _since(typed.values.get("since", _SINCE), time.time())
    most = _most(typed.values.get("n"))
    state = State.of(typed.environ)
    chosen = None
    if word := typed.values.get("host") or next(iter(typed.words), None):
        chosen = [meant(word, state, typed.environ)]
    sessions = sorted(state.sessions(chosen, since), key=lambda session: session.ended)
    if typed.has("dropped"):
        sessions = [session for session in sessions if _dropped(session)]
    shown = sessions[-most:] if most else sessions
    if typed.has("json"):
        return "\n".join(json.dumps(as_json(session)) for session in shown), 0
    if not shown:
        kind = "dropped session" if typed.has("dropped") else "session"
        return f"no {kind} since {tables.when(since)}", 0
    return f"{_table(shown)}\n\n{_summary(sessions)}\n\n{_timelines(shown)}", 0


def _most(text: str | None) -> int:
    """How many sessions `-n` asks for; 0 for all. Raises UsageError."""
    if text is None:
        return 0
    if not text.isdecimal() or not int(text):
        raise UsageError(f"-n: expected a number of sessions, such as 20, found {visible(text)}")
    return int(text)


def forget(typed: Typed) -> tuple[str, int]:
    """`forget HOST`: deletes everything known about it, and says how much that was.

    Raises UsageError and StateError.
    """
    (word,) = typed.words
    state = State.of(typed.environ)
    name = meant(word, state, typed.environ)
    rules, sessions = state.forget(name) or (0, 0)
    unanswered.forget(typed.environ, name)
    forgot = f"{words.count(rules, 'idle timer')} and {words.count(sessions, 'session')}"
    return f"{name}: forgot {forgot}", 0


def meant(word: str, state: State, environ: Mapping[str, str]) -> str:
    """The one host that `word` means: as remembered, or as `ssh WORD` would reach it."""
    known = state.hosts()
    reached = word if word in known else launch.reached(word, environ)
    if reached in known:
        return reached
    near = host_name.on_same_host(reached, known) or known
    meant = word if reached == word else f"{word}, which is {reached}"
    hosts = visible(", ".join(near)) or "none yet"
    raise NotFoundError(f"nothing is remembered about {visible(meant)}; hosts: {hosts}")


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
        "schema": 1,
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


_SHAPE = (
    Column("WHEN"),
    Column("HOST", least=12),
    Column("LASTED", 4, right=True),
    Column("IDLE", 3, right=True),
    Column("KEPT", 2, right=True),
    Column("SENT", 1, right=True),
    Column("ENDED BY", least=12),
)


def _table(sessions: Sequence[PastSession]) -> str:
    now = time.time()
    hosts = _short_names([session.host for session in sessions])
    rows = [
        (
            _ago(session.ended, now),
            hosts[session.host],
            describe(session.ended - session.started),
            describe(session.longest_idle),
            describe(_kept_alive(session)) if session.keepalives else "-",
            str(session.keepalives or "-"),
            words.ending(session.ending),
        )
        for session in sessions
    ]
    styles = [LOST if _dropped(session) else "" for session in sessions]
    return tables.table(_SHAPE, rows, styles=styles, width=tables.columns())


def _short_names(hosts: Sequence[str]) -> dict[str, str]:
    """`web` for `me@web:22`, where no other host would be called the same."""
    short = {host: host_name.host_part(host) or host for host in hosts}
    names = [name for host, name in short.items()]
    return {host: name if names.count(name) == 1 else host for host, name in short.items()}


def _ago(moment: float, now: float) -> str:
    """`4h 10m ago`, and from a week on the day."""
    seconds = max(0.0, now - moment)
    if seconds > 7 * 86400:
        return time.strftime("%Y-%m-%d", time.localtime(moment))
    return f"{describe(seconds)} ago"


def _summary(sessions: Sequence[PastSession]) -> str:
    """`39 sessions on 3 hosts, kept 61h; 6 cut: web ChannelTimeout ×3, db TMOUT ×3`."""
    hosts = {session.host for session in sessions}
    kept = sum(_kept_alive(session) for session in sessions)
    line = f"{words.count(len(sessions), 'session')} on {words.count(len(hosts), 'host')}"
    if kept:
        line += f", kept {describe(kept)}"
    cuts: dict[str, int] = {}
    names = _short_names([session.host for session in sessions])
    for session in sessions:
        if _dropped(session):
            cause = f"{names[session.host]} {words.ending(session.ending)}"
            cuts[cause] = cuts.get(cause, 0) + 1
    if not cuts:
        return f"{line}; none cut"
    times = "×" if tables.is_utf8() else "x"
    causes = sorted(cuts.items(), key=lambda cut: -cut[1])
    told = [f"{cause} {times}{number}" if number > 1 else cause for cause, number in causes]
    style = AT_RISK
    lines = tables.wrapped(visible(f"{line}; {sum(cuts.values())} cut: {', '.join(told)}"))
    return "\n".join(tables.styled(told_line, style) for told_line in lines)


def _timelines(sessions: Sequence[PastSession]) -> str:
    """The sessions of each host, all to the same scale, above an axis of hours and days."""
    width = max(20, (tables.columns() or 80) - 2 * _INDENT)
    scale = timeline.Scale(
        min(session.started for session in sessions),
        max(session.ended for session in sessions) + 1,
        width,
    )
    glyphs = timeline.GLYPHS if _has_blocks() else timeline.ASCII
    indent = " " * _INDENT
    lines = []
    names = _short_names([session.host for session in sessions])
    for host in dict.fromkeys(session.host for session in sessions):
        spans = [_span(session) for session in sessions if session.host == host]
        lines.append(tables.cut(visible(names[host]), width))
        for lane in timeline.lanes(spans):
            drawn = "".join(glyphs[cell] for cell in timeline.cells(lane, scale))
            lines.append(f"{indent}{drawn}".rstrip())
    lines += [tables.styled(f"{indent}{line}".rstrip(), FAINT) for line in _axis(scale)]
    legend = "   ".join(f"{glyphs[cell]} {cell.value}" for cell in timeline.LEGEND)
    return "\n".join([*lines, *tables.wrapped(legend, indent)])


_STEPS = (60, 300, 900, 1800, 3600, 2 * 3600, 4 * 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400)
"""Seconds between two marks of the axis."""

_MARK_WIDTH = 8  # columns that a mark takes at least


def _axis(scale: timeline.Scale) -> Iterator[str]:
    """Marks at round hours of the local zone, midnights as dates."""
    span = scale.end - scale.start
    marks = max(1, scale.width // _MARK_WIDTH)
    step = next((step for step in _STEPS if span / step <= marks), 30 * 86400)
    line, names = [" "] * scale.width, [" "] * scale.width
    offset = time.localtime(scale.start).tm_gmtoff
    at = (scale.start + offset) // step * step - offset + step
    while at < scale.end:
        place = min(int(scale.position(at)), scale.width - 1)
        local = time.localtime(at)
        is_midnight = (local.tm_hour, local.tm_min) == (0, 0)
        name = time.strftime("%d %b" if is_midnight else "%H:%M", local)
        line[place] = "|"
        if place + len(name) <= scale.width:
            names[place : place + len(name)] = name
        at += step
    yield "".join(line)
    yield "".join(names)


def _span(session: PastSession) -> timeline.Span:
    return timeline.Span(
        session.started, session.ended, _dropped(session), tuple(session.stretches)
    )


def _has_blocks() -> bool:
    """Whether the terminal has the glyphs; the font of Linux's console lacks most of them."""
    return tables.is_utf8() and not os.environ.get("TERM", "").startswith("linux")
