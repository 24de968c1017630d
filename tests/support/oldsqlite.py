"""SQLite 3.31.1, the oldest that keepshell must do with, as a library for LD_LIBRARY_PATH.

The sources are those that npm's package `sqlite3` 4.2.0 carries; built once, and kept in a cache.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.support.programs import require

VERSION = "3.31.1"
_PACKAGE = "sqlite3@4.2.0"
_SOURCES = "package/deps/sqlite-autoconf-3310100.tar.gz"
_AMALGAMATION = "sqlite-autoconf-3310100/sqlite3.c"
_NAME = "libsqlite3.so.0"

# What Python's own module may need to be loaded at all.
_OPTIONS = ("-DSQLITE_ENABLE_DESERIALIZE", "-DSQLITE_ENABLE_COLUMN_METADATA")


def directory(cache: Path) -> Path:
    """The directory with the library, made below `cache` where it is not there yet."""
    place = cache / f"sqlite-{VERSION}"
    if not (place / _NAME).exists():
        require("npm", "cc")
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            built = _build(Path(scratch))
            os.replace(built, place / _NAME)
    return place


def _build(scratch: Path) -> Path:
    _run(["npm", "pack", "--silent", _PACKAGE], scratch)
    (packed,) = scratch.glob("*.tgz")
    _unpack(packed, _SOURCES, scratch)
    _unpack(scratch / _SOURCES, _AMALGAMATION, scratch)
    built = scratch / _NAME
    link = ["-O1", "-shared", "-fPIC", f"-Wl,-soname,{_NAME}", "-o", str(built)]
    _run(["cc", *link, *_OPTIONS, _AMALGAMATION, "-lpthread", "-ldl", "-lm"], scratch)
    return built


def _unpack(archive: Path, name: str, place: Path) -> None:
    """One file of an archive, by its name: nothing else in it can do any harm."""
    with tarfile.open(archive) as opened:
        source = opened.extractfile(name)
        assert source is not None, f"{archive} has no {name}"
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read())


def _run(argv: list[str], place: Path) -> None:
    done = subprocess.run(argv, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv[0]}: {done.stderr}"
