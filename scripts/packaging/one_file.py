"""Packs a folder of packages into one program: `one_file.py FOLDER PROGRAM`."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

_MAIN = """\
import sys

if sys.version_info < (3, 6):
    found = "%d.%d.%d (%s)" % (sys.version_info[:3] + (sys.executable,))
    sys.stderr.write("keepshell: needs Python 3.11 or newer, and this is " + found + "\\n")
    sys.exit(70)
from keepshell.__main__ import start

sys.exit(start())
"""
"""Python 2 reads it too. From 3.6 on it is start() that says so, and runs ssh."""


def pack(folder: Path, program: Path) -> None:
    """Write the program, with the folder's files in order of their names."""
    with program.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo("__main__.py"), _MAIN)
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder))
    program.chmod(0o755)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
