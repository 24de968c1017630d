"""What runs keepshell in the scripts and functions that it writes, in any environment."""

from __future__ import annotations

import os
import sys

_PACKAGE = os.path.dirname(os.path.dirname(__file__))


def interpreter_words() -> list[str]:
    """Python, a flag, and a file.

    By the flag, a caller's PYTHONPATH and PYTHONHOME, and the file's directory, are not for
    keepshell; unless keepshell itself is found by PYTHONPATH.
    """
    root = os.path.dirname(_PACKAGE)
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    flag = "-P" if root in map(os.path.abspath, paths) else "-EP"
    return [sys.executable, flag, os.path.join(_PACKAGE, "__main__.py")]
