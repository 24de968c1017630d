"""What the loop does, as JSON lines in the file that KEEPSHELL_TRACE names; never any content."""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


# A FIFO without a reader is not waited for.
_OPENED = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


class Trace:
    """Writes one line an event, and nothing where no file was asked for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Opens the file to append; one that can't be opened is not traced to."""
        self._fd: int | None = None
        path = environ.get("KEEPSHELL_TRACE")
        if path:
            with contextlib.suppress(OSError):
                self._fd = os.open(path, _OPENED, 0o600)

    def note(self, now: float, event: str, **fields: str | float | None) -> None:
        """Append one event; a full disk loses the line, not the session."""
        if self._fd is None:
            return
        import json

        line = json.dumps({"at": round(now, 6), "event": event, **fields}) + "\n"
        with contextlib.suppress(OSError):
            os.write(self._fd, line.encode())

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
