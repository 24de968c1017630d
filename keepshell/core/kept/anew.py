"""What follows where no shell is kept: the user's command again, or a new shell in the same place.

The place is the directory that the shell has last told the terminal, by OSC 7: `file://HOST/PATH`.
"""

from __future__ import annotations

import re

from keepshell.core.link import bootstrap, words
from keepshell.core.link.header import unquoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keepshell.core.link.header import Kept

LASTING = 5.0
"""Seconds that a session lasts at least if its loss is to be followed by a new one: a host that
ends each session soon gets no second login."""

_START = b"\x1b]7;"
_TOLD = re.compile(rb"\x1b\]7;file://[^/\x07\x1b]*(/[^\x07\x1b]*)(?:\x07|\x1b\\)")
_LONGEST = 4096 * 3
"""Bytes of one such sequence: a path of Linux's, each byte as `%XX`."""


class Anew:
    """Reads a plain shell's output; any cut of it gives the same."""

    def __init__(self, kept: Kept) -> None:
        self.sh_runs = False
        """Whether the host is known to have /bin/sh run what it is sent."""
        self.since: float | None = None
        """When the last new one began."""
        self._kept = kept
        self._directory = ""
        """Empty while none was told, or none that is text."""
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """The next output of the host."""
        data = self._tail + data
        begun = data.rfind(_START)
        is_whole = begun < 0 or _TOLD.match(data, begun) or len(data) - begun > _LONGEST
        self._tail = data[1 - len(_START) :] if is_whole else data[begun:]
        if begun >= 0 and (told := _TOLD.findall(data)):
            path = unquoted(told[-1])
            self._directory = path if path.isprintable() and "\ufffd" not in path else ""

    @property
    def command(self) -> str:
        """What the next connection runs; empty for ssh's own login shell."""
        if self._kept.command or not self.sh_runs:
            return self._kept.command or ""
        return bootstrap.new_shell(self._directory)

    @property
    def told(self) -> str:
        """The line about it."""
        is_there = not self._kept.command and self.command
        return words.begun_anew(self._kept, self._directory if is_there else "")
