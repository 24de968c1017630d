"""Where holds are: a folder of small files, one set for each hold, that any keepshell can read.

For a hold called `db`: `db.json` says what it is, `db` is the link that `ControlPath` names, `db~1`
is the socket of its first generation, `db~ask` is where its supervisor answers.
"""

from __future__ import annotations

import contextlib
import os

from keepshell import paths
from keepshell.errors import UsageError
from keepshell.process import Process, started_at
from keepshell.text.wording import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ANSWERS_WITHIN = 1.0
"""Seconds that a supervisor gets to prove its connection; after that the hold is bypassed."""

_LONGEST = 104 - 17 - 4
"""Bytes of a socket's path: 104 on BSD, less what ssh appends while it binds, and `~999`."""

_RECORD = ".json"
_SIGKILL = 9
_IN_NAMES = "-._@:+,="
"""Besides letters and digits: ssh expands `%` and `${}` in a ControlPath, and splits at blanks."""


class Files:
    """The files of one hold."""

    __slots__ = ("ask", "folder", "link", "name", "record")

    def __init__(self, folder: str, name: str) -> None:
        self.folder = folder
        self.name = name
        self.link = f"{folder}/{name}"
        self.record = self.link + _RECORD
        self.ask = f"{self.link}~ask"

    def generation(self, number: int) -> str:
        """The control socket of one generation."""
        return f"{self.link}~{number}"


def files_of(name: str, environ: Mapping[str, str]) -> Files:
    """Raises UsageError for a name or a place that can't be used."""
    if not name or name[0] in ".-" or not all(one.isalnum() or one in _IN_NAMES for one in name):
        raise UsageError(f"{printable(name)!r} can't be a hold's name; choose one with --name NAME")
    folder = paths.required(paths.hold_dir(environ))
    files = Files(folder, name)
    if len(os.fsencode(files.link)) > _LONGEST:
        raise UsageError(
            f"{files.link}: too long for a socket (at most {_LONGEST} bytes); "
            "choose a shorter --name, or set XDG_RUNTIME_DIR to a shorter path"
        )
    return files


def names(environ: Mapping[str, str]) -> list[str]:
    """The holds that there are, or were: a supervisor that was killed leaves its files."""
    folder = paths.hold_dir(environ)
    if folder is None or not paths.is_private(folder):
        return []
    return sorted(
        name.removesuffix(_RECORD) for name in os.listdir(folder) if name.endswith(_RECORD)
    )


def read(name: str, environ: Mapping[str, str]) -> dict[str, Any] | None:
    """What a hold says of itself; None where it can't be read."""
    import json

    try:
        with open(files_of(name, environ).record, "rb") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def until(name: str, environ: Mapping[str, str]) -> float | None:
    """When a hold ends, in seconds since 1970; None where there is none of that name."""
    record = read(name, environ)
    return None if record is None else float(record["until"])


def write(files: Files, record: Mapping[str, Any]) -> None:
    """Replace the record. Raises OSError."""
    import json

    draft = f"{files.record}.new"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as file:
        file.write(json.dumps(record).encode())
    os.replace(draft, files.record)


def point(files: Files, generation: int) -> None:
    """Have the public link lead to this generation. Raises OSError."""
    draft = f"{files.link}~link"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    os.symlink(os.path.basename(files.generation(generation)), draft)
    os.replace(draft, files.link)


def remove(files: Files) -> None:
    """Delete every file of the hold."""
    with contextlib.suppress(OSError):
        for name in os.listdir(files.folder):
            if name.partition("~")[0] == files.name or name == os.path.basename(files.record):
                with contextlib.suppress(OSError):
                    os.unlink(f"{files.folder}/{name}")
        os.rmdir(files.folder)  # fails while another hold is in it


def ask(files: Files, question: str, within: float = ANSWERS_WITHIN) -> str | None:
    """The supervisor's answer to one word or line; None where none comes in time."""
    import socket

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(within)
            connection.connect(files.ask)
            connection.sendall(f"{question}\n".encode())
            answer = b""
            while not answer.endswith(b"\n"):
                part = connection.recv(4096)
                if not part:
                    return None
                answer += part
    except OSError:
        return None
    return answer.decode(errors="replace").strip()


def is_there(record: Mapping[str, Any]) -> bool:
    """Whether the supervisor that wrote this record still runs."""
    return bool(started_at(record["pid"]) == record["start"])


def kill(record: Mapping[str, Any]) -> bool:
    """End a supervisor that does not answer, and with it its ssh; whether it was there."""
    if not is_there(record):
        return False
    with contextlib.suppress(OSError), contextlib.closing(Process(record["pid"])) as supervisor:
        supervisor.signal(_SIGKILL)
    return True


def sessions(path: str | None) -> int | None:
    """How many run through a control socket now; None where the kernel does not tell."""
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
            rows = [line.split() for line in file]
    except OSError:
        return None
    # The path is that of the accepting side's socket, which ssh binds under a longer name and then
    # renames: a dot and 16 letters (muxserver_listen() in mux.c); 03 is SS_CONNECTED.
    return sum(len(row) > 7 and row[7].startswith(f"{path}.") and row[5] == "03" for row in rows)


def live(environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """What is held, each record with how many sessions run through it; the dead are tidied away."""
    found = []
    for name in names(environ):
        record = read(name, environ)
        if record is None or not is_there(record):
            remove(files_of(name, environ))
            continue
        found.append({**record, "sessions": sessions(record["socket"])})
    return found
