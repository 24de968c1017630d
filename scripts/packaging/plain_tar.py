"""Writes a tar.gz again so that the same files give the same bytes: `plain_tar.py FILE EPOCH`."""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from pathlib import Path


def plain(archive: bytes, epoch: int) -> bytes:
    """The same members in order of their names, root's, and of that time (seconds since 1970)."""
    written = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid = epoch, 0, 0
            member.uname = member.gname = "root"
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    return gzip.compress(written.getvalue(), mtime=epoch)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_bytes(plain(path.read_bytes(), int(sys.argv[2])))
