"""The text that keeps a shell on a host: the same bytes every time, for all to read."""

from __future__ import annotations

import re
from pathlib import Path

from keepshell.core.link.bootstrap import command

__all__ = ["command", "source"]

_FILES = {"python": "holder_python.py", "perl": "holder.pl"}

# What only people who read the file need: comments, the docstrings of functions, empty lines.
_REMARKS = re.compile(rb'^ +"""[^"]*"""\n|^ *#.*\n|  # .*$|^\n', re.MULTILINE)
_INDENT = re.compile(rb"^(?: {4})+", re.MULTILINE)


def source(engine: str) -> bytes:
    """What an engine is sent, without the NUL that ends it. `engine` is "python" or "perl".

    It is the file without its remarks, indented by tabs: as few bytes as can still be read.
    """
    text = Path(__file__).with_name(_FILES[engine]).read_bytes()
    return _INDENT.sub(lambda spaces: b"\t" * (len(spaces[0]) // 4), _REMARKS.sub(b"", text))
