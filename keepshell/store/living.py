"""The sessions that run now, as their live files tell, and a signal to no other process.

The rules it keeps:

- an entry is believed if its file is ours; its process must be ours too, and have been started when
  the entry says;
- of another machine, another container or another boot nothing is known: such an entry is shown as
  it is, gets no signal, and is not deleted unless this machine has been booted since.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping

from keepshell.errors import InternalError
from keepshell.process import Process, started_at
from keepshell.store import livedir, place

_SAME_START = 1.5
"""Seconds: where there is no /proc, the time of boot is in whole ones."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Entry = dict[str, Any]
    """A live file's fields (docs/state.md), `user_idle`, `elsewhere` and `stopped`."""

_NUMBER, _NOTHING = (int, float), type(None)
_REQUIRED: Mapping[str, tuple[type, ...]] = {
    "pid": (int,),
    "start": (*_NUMBER, _NOTHING),
    "host": (str, _NOTHING),
    "name": (str,),
    "terminal": (str, _NOTHING),
    "since": _NUMBER,
    "written": _NUMBER,
    "user_at": (*_NUMBER, _NOTHING),
    "rung": (str,),
    "interval": _NUMBER,
    "keepalives": (int,),
    "last_keepalive": (*_NUMBER, _NOTHING),
    "next": (*_NUMBER, _NOTHING),
    "hold": (str, _NOTHING),
    "off": (bool,),
}
_LATER: Mapping[str, tuple[type, ...]] = {
    "machine": (str,),
    "boot": (str,),
    "pid_namespace": (int,),
    "limits": (list,),
    "silent_since": (*_NUMBER, _NOTHING),
}
"""Not in the file of an older keepshell."""
_ALL = {**_REQUIRED, **_LATER}


def entries(environ: Mapping[str, str]) -> list[Entry]:
    """The sessions that run now, the oldest first; files that sessions left here are deleted."""
    with livedir.readable(environ) as directories:
        found = [entry for directory in directories for entry in _read_all(directory)]
    return sorted(found, key=lambda entry: (entry["since"], entry["pid"]))


def send(entry: Entry, signum: int) -> None:
    """Send a signal to the process that wrote the entry, and to no other. Raises InternalError."""
    pid: int = entry["pid"]
    if entry["elsewhere"]:
        raise InternalError(f"{pid} runs on {entry['elsewhere']}: switch it there")
    try:
        with contextlib.closing(Process(pid)) as process:
            if not _is_alive(entry):  # asked once the process is held: it can't become another
                raise ProcessLookupError
            process.signal(signum)
    except OSError as error:
        raise InternalError(f"{pid}: {error.strerror or 'the session has just ended'}") from None


def _read_all(directory: livedir.LiveDirectory) -> Iterator[Entry]:
    ours = place.here()
    for name in directory.names():
        pid, _, rest = name.partition(".")
        if not pid.isdecimal() or not rest.endswith(("json", "json.new")):
            continue
        entry = _parsed(directory.read(name)) if rest.endswith("json") else None
        if entry is None:
            if _is_of(rest, ours) and not _exists(int(pid)):
                directory.delete(name)  # torn, or a draft
            continue
        entry["elsewhere"] = _elsewhere(entry, ours)
        entry["stopped"] = entry["elsewhere"] is None and _is_stopped(entry["pid"])
        if _is_left_over(entry, int(pid), ours):
            directory.delete(name)
        else:
            entry["user_idle"] = round(_user_idle(entry), 3)
            yield entry


def _is_left_over(entry: Entry, pid: int, ours: place.Place) -> bool:
    """Whether the session has ended; `pid` is the one in the file's name."""
    if entry["elsewhere"] is not None:
        return _is_of_an_earlier_boot(entry, ours)
    return entry["pid"] != pid or not _is_alive(entry)


def _is_of(rest: str, ours: place.Place) -> bool:
    """Whether a file's name, after the pid, says that it was written here."""
    return rest in ("json", "json.new") or rest.startswith(f"{ours.label}.")


def _parsed(content: bytes | None) -> Entry | None:
    """A live file's fields; None for anything else."""
    try:
        entry = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not entry.keys() >= _REQUIRED.keys():
        return None
    found = ((entry[name], types) for name, types in _ALL.items() if name in entry)
    return entry if all(isinstance(value, types) for value, types in found) else None


def _elsewhere(entry: Entry, ours: place.Place) -> str | None:
    """Where the session runs, if that is not here."""
    theirs = place.Place(
        str(entry.get("machine", ours.machine)),
        str(entry.get("boot", ours.boot)),  # not in the file of an older keepshell
        int(entry.get("pid_namespace", ours.pids)),
    )
    if theirs[1:] == ours[1:]:
        return None
    return theirs.machine if theirs.boot != ours.boot else f"{theirs.machine}, in another container"


def _is_of_an_earlier_boot(entry: Entry, ours: place.Place) -> bool:
    import psutil

    same_machine = entry["machine"] == ours.machine and entry["boot"] != ours.boot
    return bool(same_machine and entry["written"] < psutil.boot_time())


def _is_alive(entry: Entry) -> bool:
    """Whether the process still runs, is ours, and is not another one with the same pid."""
    start = started_at(entry["pid"])
    if start is not None and entry["start"] is not None:  # without psutil, for `status --line`
        return start == entry["start"] and _is_ours_and_runs(entry["pid"])
    import psutil

    try:
        process = psutil.Process(entry["pid"])
        if process.status() == psutil.STATUS_ZOMBIE or process.uids().real != os.getuid():
            return False
        created = process.create_time()
    except psutil.Error:
        return False
    # No /proc: the file was written by the process that had this pid.
    return entry["start"] is None and bool(created <= entry["since"] + _SAME_START)


def _is_ours_and_runs(pid: int) -> bool:
    """By proc(5); a zombie has ended."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            lines = file.read().split(b"\n")
        facts = dict(line.split(b"\t", 2)[:2] for line in lines if b"\t" in line)
        return not facts[b"State:"].startswith(b"Z") and int(facts[b"Uid:"]) == os.getuid()
    except (OSError, KeyError, ValueError):
        return False


def _is_stopped(pid: int) -> bool:
    """Whether it is a stopped job, which sends nothing."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            return b"\nState:\tT" in file.read()
    except OSError:
        pass
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False


def _exists(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid)


def _user_idle(entry: Entry) -> float:
    """Seconds since the user's last key, as far as is known.

    The file is only as new as the last keepalive. The terminal's atime, which moves when keepshell
    reads a key (by 8 s at once, on Linux), is newer; while it is stopped, the shell reads there.
    """
    known: list[float] = [entry["since"], entry["user_at"] or 0.0]
    if entry["elsewhere"] is None and not entry["stopped"]:
        with contextlib.suppress(OSError, TypeError, ValueError):  # a path with a NUL
            known.append(os.stat(entry["terminal"]).st_atime)
    return max(0.0, time.time() - max(known))
