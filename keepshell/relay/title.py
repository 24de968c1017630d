"""Has this process look like the program it runs, to all who go by the name of a process.

tmux's #{pane_current_command}, a terminal's title and editors' plug-ins look at the first word of
the foreground process's command line, or at its short name: they are to see ssh. Linux only;
elsewhere, and where anything is in the way, the name stays what it is.
"""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_NAME = 15  # <linux/prctl.h>
_ARG_START = 45  # proc_pid_stat(5): field 48, counted from the one after the name


def show_as(argv: Sequence[str]) -> None:
    """Show `argv` as this process's command line, as far as it fits, the program without path."""
    words = [os.path.basename(argv[0]), *argv[1:]]
    text = b"\0".join(os.fsencode(word) for word in words)
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[_ARG_START]), int(fields[_ARG_START + 1])
    except (OSError, IndexError, ValueError):
        return
    room = end - start
    if start <= 0 or room <= 1:
        return
    # The kernel shows what is there, and more only if the last byte is no NUL: it stays one.
    ctypes.memmove(start, text[: room - 1].ljust(room, b"\0"), room)
    ctypes.CDLL(None).prctl(_PR_SET_NAME, os.fsencode(words[0]), 0, 0, 0)
