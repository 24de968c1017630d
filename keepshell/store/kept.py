"""The shells that hosts keep for us, and the hosts that can't: one small file each.

Only what it takes to reach them again; docs/reattach.md has the fields. Whatever fails here is no
failure of a session.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from keepshell import paths
from keepshell.core.effects import Shell
from keepshell.process import started_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from keepshell.job import Job

Entry = dict[str, "Any"]
"""A kept shell: `id`, `name`, `typed`, `since`, `keep`, `pid`, `start`, `detached`,
`life`."""

REFUSED, DROP = "plain", "drop"
"""What a host may do instead of keeping a shell: refuse, or end it with its connection."""

_REQUIRED = {"id", "name", "typed", "since", "keep", "pid", "start", "detached"}


class KeptFile:
    """The file of one kept shell."""

    def __init__(self, job: Job) -> None:
        """Nothing is written before `attached`."""
        self._directory = directory(job.env)
        self._job = job
        self._since = time.time()
        self._written = False
        self._life = ""

    def attached(self, life: str) -> None:
        """The host keeps it, and we are in it; the first call counts.

        `life` is the host's word on how long: "drop" for no longer than its connection.
        """
        if not self._written:
            self._written, self._life = True, life
            self._write(None)
            note_fate(self._job.env, self._job.typed, DROP if life == DROP else "")

    def settle(self, shell: Shell) -> None:
        """We are out of it: it goes on without us, or has ended."""
        if shell is Shell.LEFT:
            self._write(time.time())
        elif shell is Shell.ENDED and self._directory is not None and self._job.kept is not None:
            forget(self._directory, self._job.kept.id)

    def number(self) -> str:
        """What `keepshell attach HOST` needs more: `:2` for the second of several, else nothing."""
        kept = self._job.kept
        assert kept is not None
        there = [entry["id"] for entry in entries(self._job.env) if entry["name"] == kept.name]
        several = len(there) > 1 and kept.id in there and ":" not in kept.name
        return f":{there.index(kept.id) + 1}" if several else ""

    def _write(self, detached: float | None) -> None:
        kept = self._job.kept
        if self._directory is None or kept is None:
            return
        former = _read(f"{self._directory}/{kept.id}.json") or {}
        entry: Entry = {
            "id": kept.id,
            "name": kept.name,
            "typed": list(self._job.typed),
            "since": former.get("since", self._since),
            "keep": kept.keep,
            "pid": os.getpid(),
            "start": started_at(os.getpid()),
            "detached": detached,
            "life": self._life or former.get("life", ""),
        }
        with contextlib.suppress(OSError):
            _replace(self._directory, f"{kept.id}.json", json.dumps(entry).encode())


def directory(environ: Mapping[str, str]) -> str | None:
    """Where the files are; None where the environment names no directory."""
    state = paths.state_dir(environ)
    return None if state is None else f"{state}/kept"


def entries(environ: Mapping[str, str]) -> list[Entry]:
    """All kept shells that may still be there, the oldest first; `attached` says whether we are in.

    A shell whose time is over is forgotten. If keepshell was killed, it is unknown since when its
    shell is alone: that counts from the last change of the file.
    """
    where = directory(environ)
    found = []
    for name in _names(where):
        path = f"{where}/{name}"
        entry = _read(path)
        if entry is None:
            continue
        entry["attached"] = entry["detached"] is None and entry["start"] == started_at(entry["pid"])
        if not entry["attached"]:
            entry["detached"] = entry["detached"] or os.stat(path).st_mtime
            if time.time() > entry["detached"] + entry["keep"]:
                forget(str(where), entry["id"])
                continue
        found.append(entry)
    return sorted(found, key=lambda entry: (entry["since"], entry["id"]))


def forget(where: str, shell: str) -> None:
    """Delete the file of a kept shell."""
    with contextlib.suppress(OSError):
        os.unlink(f"{where}/{shell}.json")


def fate(environ: Mapping[str, str], typed: Sequence[str]) -> str:
    """What is known of shells that the host of this command line would keep.

    `REFUSED` where it can keep none, `DROP` where one ends with its connection; else empty.
    """
    where = directory(environ)
    # The mark's name takes a hash, so it is asked for only where there is a mark of the kind.
    known = (kind for kind in (REFUSED, DROP) if _names(where, f".{kind}"))
    return next((kind for kind in known if os.path.exists(f"{where}/{_mark(typed, kind)}")), "")


def note_fate(environ: Mapping[str, str], typed: Sequence[str], kind: str) -> None:
    """Remember the host's fate for the next session there; empty if shells are simply kept."""
    where = directory(environ)
    if where is None:
        return
    with contextlib.suppress(OSError):
        if kind:
            _replace(where, _mark(typed, kind), b"")
        elif known := fate(environ, typed):
            os.unlink(f"{where}/{_mark(typed, known)}")


def is_first_loss(environ: Mapping[str, str], name: str) -> bool:
    """Whether no connection to this host was lost before; true once."""
    where = directory(environ)
    mark = _mark([name], "lost")
    if where is None or os.path.exists(f"{where}/{mark}"):
        return False
    try:
        _replace(where, mark, b"")
    except OSError:
        return False
    return True


def _mark(typed: Sequence[str], kind: str) -> str:
    import hashlib  # its OpenSSL would take 3 MiB for as long as the session

    words = "\0".join(typed).encode(errors="surrogateescape")
    return f"{hashlib.sha256(words).hexdigest()[:32]}.{kind}"


def _names(where: str | None, ending: str = ".json") -> list[str]:
    try:
        names = os.listdir(where) if where is not None else []
    except OSError:
        return []
    return [name for name in names if name.endswith(ending)]


def _read(path: str) -> Entry | None:
    try:
        with open(path, encoding="utf-8") as file:
            entry = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and entry.keys() >= _REQUIRED else None


def _replace(where: str, name: str, data: bytes) -> None:
    paths.make_private(where)
    draft = f"{where}/{name}.new"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
    os.replace(draft, f"{where}/{name}")
