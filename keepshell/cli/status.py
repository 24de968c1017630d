"""`keepshell status`, `off` and `on`: the sessions that run now, and their switch."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psutil

from keepshell import launch, paths
from keepshell.cli import tables
from keepshell.cli.arguments import Typed
from keepshell.core.rules.durations import describe
from keepshell.errors import InternalError, UsageError
from keepshell.process import Process
from keepshell.ssh import host_name
from keepshell.text.wording import visible

_WATCH_EVERY = 2.0
"""Seconds between two looks of --watch."""

_SAME_START = 1.5
"""Seconds: the kernel's time of boot is in whole ones. No pid comes round so soon."""

Entry = dict[str, Any]
"""A live file's fields (docs/state.md), and `user_idle`."""


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
        _signal(entry, signum)
        lines.append(f"{entry['pid']} {_shown_host(entry)}: keepalives {state}")
    return "\n".join(lines), 0


def entries(environ: Mapping[str, str]) -> list[Entry]:
    """The sessions that run now, the oldest first; files that others left behind are deleted."""
    directory = paths.required(paths.live_dir(environ))
    found = [entry for entry in _read_all(directory) if entry is not None]
    return sorted(found, key=lambda entry: (entry["since"], entry["pid"]))


def _read_all(directory: str) -> Iterator[Entry | None]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        pid, _, rest = name.partition(".")
        if not pid.isdecimal():
            continue
        path = os.path.join(directory, name)
        entry = _read(path) if rest == "json" else None
        if entry is not None and entry["pid"] == int(pid) and _is_alive(entry):
            entry["user_idle"] = round(_user_idle(entry), 3)
            yield entry
        elif entry is not None or not psutil.pid_exists(int(pid)):
            with contextlib.suppress(OSError):
                os.unlink(path)


def _read(path: str) -> Entry | None:
    """A live file; None for anything else."""
    try:
        with open(path, encoding="utf-8") as file:
            entry = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    known = isinstance(entry, dict) and entry.keys() >= _REQUIRED
    return entry if known else None


_REQUIRED = {
    *("pid", "start", "host", "name", "terminal", "since", "written", "user_at", "rung"),
    *("interval", "keepalives", "last_keepalive", "next", "hold", "off"),
}


def _is_alive(entry: Entry) -> bool:
    """Whether the process still runs, and is not another one with the same pid."""
    try:
        process = psutil.Process(entry["pid"])
        created = process.create_time()
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
    except psutil.Error:
        return False
    if entry["start"] is None:  # no /proc: the file was written by the process that had this pid
        return bool(created <= entry["since"] + _SAME_START)
    return bool(abs(created - psutil.boot_time() - entry["start"]) < _SAME_START)


def _user_idle(entry: Entry) -> float:
    """Seconds since the user's last key, as far as is known.

    The file is only as new as the last keepalive. The terminal's atime, which moves when keepshell
    reads a key (by 8 s at once, on Linux), is newer.
    """
    known: list[float] = [entry["since"], entry["user_at"] or 0.0]
    with contextlib.suppress(OSError, TypeError):
        known.append(os.stat(entry["terminal"]).st_atime)
    return max(0.0, time.time() - max(known))


def _meant(word: str, found: Sequence[Entry], environ: Mapping[str, str]) -> list[Entry]:
    if word.isdecimal():
        return [entry for entry in found if entry["pid"] == int(word)]
    same = [entry for entry in found if word in (entry["host"], entry["name"])]
    if same:
        return same
    names = [entry["host"] for entry in found if entry["host"]]
    chosen = host_name.on_host(word, launch.reached(word, environ), names) if names else []
    return [entry for entry in found if entry["host"] in chosen]


def _signal(entry: Entry, signum: signal.Signals) -> None:
    """Send it to the process that wrote the file, and to no other. Raises InternalError."""
    pid: int = entry["pid"]
    try:
        with contextlib.closing(Process(pid)) as process:
            if not _is_alive(entry):  # asked once the process is held: it can't become another
                raise ProcessLookupError
            process.signal(signum)
    except OSError as error:
        raise InternalError(f"{pid}: {error.strerror or 'the session has just ended'}") from None


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
    return str(entry["host"] or entry["name"])


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
