"""`keepshell status`, `off` and `on`: the sessions that run now, and their switch."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keepshell import launch
from keepshell.cli import tables
from keepshell.cli.arguments import Typed
from keepshell.core.rules.durations import describe
from keepshell.errors import UsageError
from keepshell.store.living import Entry, entries, send
from keepshell.text.wording import visible

_WATCH_EVERY = 2.0
"""Seconds between two looks of --watch."""


def command(typed: Typed) -> tuple[str, int]:
    """`status [--watch] [--json]`. Raises UsageError."""
    environ = typed.environ
    if typed.has("json"):
        if typed.has("watch"):
            raise UsageError("--watch draws a table; --json prints once")
        return "\n".join(json.dumps(entry) for entry in entries(environ)), 0
    if typed.has("watch"):
        if not sys.stdout.isatty():
            raise UsageError("--watch needs a terminal")
        _watch(environ)
        return "", 0
    found = entries(environ)
    return tables.drawn(_table(found)) if found else "no session runs", 0


def off(typed: Typed) -> tuple[str, int]:
    """`off PID|HOST`: no keepalives in live sessions. Raises UsageError where none is meant."""
    return _switch(typed, signal.SIGUSR1, "off, but for ssh's own ServerAlive requests")


def on(typed: Typed) -> tuple[str, int]:
    """`on PID|HOST`: keepalives again. Raises UsageError where no session is meant."""
    return _switch(typed, signal.SIGUSR2, "on")


def _switch(typed: Typed, signum: signal.Signals, state: str) -> tuple[str, int]:
    (word,) = typed.words
    chosen = _meant(word, entries(typed.environ), typed.environ)
    if not chosen:
        raise UsageError(f"no live session of {visible(word)}; see `keepshell status`")
    lines = []
    for entry in chosen:
        send(entry, signum)
        lines.append(f"{entry['pid']} {_shown_host(entry)}: keepalives {state}")
    return "\n".join(lines), 0


def _meant(word: str, found: Sequence[Entry], environ: Mapping[str, str]) -> list[Entry]:
    if word.isdecimal():
        return [entry for entry in found if entry["pid"] == int(word)]
    named = any(entry["host"] == word for entry in found)
    reached = word if named or not any(e["host"] for e in found) else launch.reached(word, environ)
    of_host = [entry for entry in found if entry["host"] == reached]
    # As typed: the program of `run`, or a host that only the options of its own command reach.
    typed = [entry for entry in found if entry["name"] == word]
    hosts = {str(entry["host"]) for entry in typed}
    if not of_host and len(hosts) > 1:
        raise UsageError(f"{visible(word)} may be any of {', '.join(sorted(hosts))}")
    return of_host or typed


def _watch(environ: Mapping[str, str]) -> None:
    """Show the table until ^C."""
    console = tables.make_console()
    from rich.live import Live

    with (
        contextlib.suppress(KeyboardInterrupt),
        Live(_table(entries(environ)), console=console, auto_refresh=False, screen=True) as live,
    ):
        while True:
            time.sleep(_WATCH_EVERY)
            live.update(_table(entries(environ)), refresh=True)


def _shown_host(entry: Entry) -> str:
    host = str(entry["host"] or entry["name"])
    return f"{host} (on {entry['elsewhere']})" if entry["elsewhere"] else host


def _ago(moment: float | None) -> str:
    return "-" if moment is None else f"{describe(max(0.0, time.time() - moment))} ago"


def _until(moment: float | None) -> str:
    return "-" if moment is None else f"in {describe(max(0.0, moment - time.time()))}"


def _silence(entry: Entry) -> str:
    since = entry.get("silent_since")  # not in the file of an older keepshell
    return "" if since is None else f"no answer for {describe(max(0.0, time.time() - since))}"


_COLUMNS: tuple[tuple[str, Callable[[Entry], str]], ...] = (
    ("pid", lambda entry: str(entry["pid"])),
    ("host", _shown_host),
    ("since", lambda entry: tables.when(entry["since"])),
    ("user idle", lambda entry: describe(entry["user_idle"])),
    ("rung", lambda entry: f"{entry['rung']}{' (switched off)' if entry['off'] else ''}"),
    ("keepalives", lambda entry: str(entry["keepalives"])),
    ("last", lambda entry: _ago(entry["last_keepalive"])),
    ("next", lambda entry: _until(entry["next"])),
    ("held because", lambda entry: _silence(entry) or entry["hold"] or "-"),
)


def _table(found: Sequence[Entry]) -> Any:
    rows = [[shown(entry) for _, shown in _COLUMNS] for entry in found]
    return tables.build([name for name, _ in _COLUMNS], rows)
