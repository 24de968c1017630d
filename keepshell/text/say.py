"""What keepshell says to the user: one line on stderr, which never fails and is never cut short."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

_WARNED = "KEEPSHELL_WARNED"


def say(sentence: str) -> bool:
    """Write `keepshell: SENTENCE` on stderr; returns whether it went out.

    Not through Python's own stderr: its buffer would be flushed again at the end of the process,
    and change the exit status if that failed.
    """
    return write(f"keepshell: {sentence}\n".encode(errors="backslashreplace"))


def warn(warnings: Sequence[str], environ: MutableMapping[str, str]) -> None:
    """Say each once; programs started with this environment say none of them again."""
    said = environ.get(_WARNED, "").split("\n")
    for warning in warnings:
        if warning not in said:
            say(warning)
            said.append(warning)
            environ[_WARNED] = "\n".join(said)


def write(line: bytes) -> bool:
    """Write `line` on stderr as it is; returns whether all of it went out."""
    try:
        while line:
            line = line[os.write(2, line) :]
    except OSError:  # closed, or gone: the exit status must do
        return False
    return True
