"""Drops queries to the terminal from output so old that no program waits for the answer.

The answer to a query comes as input: a program that asked minutes ago has given up, and the shell
would take the answer for a command. Grammar as in xterm's control sequences.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# What a terminal answers: attributes, status and position, modes, settings, capabilities, colours,
# the clipboard, its window, its name, the answerback of ENQ, kitty's keyboard flags and images.
_QUERY: Final = re.compile(
    rb"\x05|\x1bZ|\x1b\[(?:[>=]?[0-9;]*c|\??[0-9;]*n|\??[0-9;]*\$p|>[0-9;]*q|\?[0-9;]*u|[01]?x"
    rb"|(?:1[1345689]|2[01])[0-9;]*t|[0-9;]*\*y|\?[0-9;]+S)"
    rb"|\x1bP[$+]q[^\x07\x1b]*(?:\x1b\\|\x07)"
    rb"|\x1b\](?:[0-9]+;)+(?:[^\x07\x1b;]*;)*\?(?:\x1b\\|\x07)"
    rb"|\x1b_G[^\x1b;]*a=q[^\x1b]*\x1b\\"
)
_UNFINISHED: Final = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*|[\]P_][^\x07\x1b]*\x1b?|)\Z",
)
LONGEST: Final = 4096
"""Bytes of one sequence; a longer one is an image or the like, and no query."""


class Queries:
    """Reads replayed output; any cut of it gives the same."""

    def __init__(self, old: int) -> None:
        """The first `old` bytes that are fed are so old; a sequence that begins in them is, too."""
        self._old = old
        self._kept = b""
        self.dropped = 0

    @property
    def over(self) -> bool:
        """Whether all old bytes have passed; what follows need not be fed."""
        return not (self._old or self._kept)

    def feed(self, data: bytes) -> bytes:
        """The next bytes without the queries among the old ones."""
        old, new = data[: self._old], data[self._old :]
        self._old -= len(old)
        text = self._without(self._kept + old)
        if self._old:
            return text
        return text + self._finished(new)

    def _without(self, text: bytes) -> bytes:
        text, dropped = _QUERY.subn(b"", text)
        self.dropped += dropped
        begun = _UNFINISHED.search(text)
        self._kept = begun[0] if begun and len(begun[0]) <= LONGEST else b""
        return text[: len(text) - len(self._kept)]

    def _finished(self, new: bytes) -> bytes:
        """What was begun in the old bytes and ends in the new ones."""
        kept, self._kept = self._kept, b""
        if not kept:
            return new
        match = _QUERY.match(kept + new)
        if match is not None and match.end() > len(kept):
            self.dropped += 1
            return new[match.end() - len(kept) :]
        if (new and not _UNFINISHED.fullmatch(kept + new)) or len(kept) > LONGEST:
            return kept + new
        self._kept = kept + new
        return b""
