"""What keepshell says to the user: one line on stderr, which never fails and is never half said."""

from __future__ import annotations

import os


def say(sentence: str) -> bool:
    """Write `keepshell: SENTENCE` on stderr; whether it went out.

    Without Python's own stderr, whose buffer would be flushed again at the end of the process, and
    change its exit status if that failed.
    """
    return write(f"keepshell: {sentence}\n".encode(errors="backslashreplace"))


def write(line: bytes) -> bool:
    """Write `line` on stderr as it is; whether all of it went out."""
    try:
        while line:
            line = line[os.write(2, line) :]
    except OSError:  # closed, or gone: the exit status must do
        return False
    return True
