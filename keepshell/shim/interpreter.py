"""What runs keepshell in the scripts and functions that it writes, in any environment."""

from __future__ import annotations

import os
import sys

_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_ROOT = os.path.dirname(_PACKAGE)
_IS_ONE_FILE = os.path.isfile(_ROOT)
"""As scripts/packaging/pyz packs it: a file that is run, and replaced, as a whole."""
WATCHED = _ROOT if _IS_ONE_FILE else __file__
"""What is another file when keepshell is another version."""


def interpreter_words() -> list[str]:
    """Python, a flag, and a file.

    By the flag, a caller's PYTHONPATH and PYTHONHOME, and the file's directory, are not for
    keepshell; unless keepshell itself is found by PYTHONPATH.
    """
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    flag = "-P" if _ROOT in map(os.path.abspath, paths) else "-EP"
    main = _ROOT if _IS_ONE_FILE else os.path.join(_PACKAGE, "__main__.py")
    return [sys.executable, flag, main]
