"""Files to copy: every byte value, awkward names, and whether a copy is the same."""

from __future__ import annotations

import filecmp
import random
from pathlib import Path


def payload(size: int) -> bytes:
    """Bytes of every value."""
    return random.Random(size).randbytes(size)


def make_tree(folder: Path) -> Path:
    """Files of several sizes and odd names, a link, an empty directory."""
    (folder / "sub dir" / "empty").mkdir(parents=True)
    for name, size in (("a", 0), ("b c", 1), ("sub dir/bin\u00e4r", 1_500_000), ("-n", 70_000)):
        (folder / name).write_bytes(payload(size))
    (folder / "link").symlink_to("a")
    return folder


def assert_same_trees(one: Path, other: Path) -> None:
    """The same names below both, and the same bytes in all files."""
    names = sorted(path.relative_to(one) for path in one.rglob("*"))
    assert names == sorted(path.relative_to(other) for path in other.rglob("*"))
    assert names
    files = [str(name) for name in names if (one / name).is_file()]
    assert filecmp.cmpfiles(one, other, files, shallow=False) == (files, [], [])
