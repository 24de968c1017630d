"""Both ends count the shell's bytes, so that a new connection goes on exactly where the old ended.

Nothing that was typed is kept: only how many bytes each key had.
"""

from __future__ import annotations

import re
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

IN_FLIGHT = 2_200_000
"""Bytes that ssh may have taken and never delivered: its window and sshd's, as measured."""

_RUNS_KEPT = 4096

# A key: one sequence, or one character; plain text is taken in one run. What the terminal says by
# itself or when the host asks (cursor reports, attributes, focus, mouse, colours) is none.
_KEYS = re.compile(
    rb"(?P<report>\x1b(?:\[[IO]|\[M...|\[<[0-9;]+[Mm]|\[[=>?][0-?]*[ -/]*[@-~]"
    rb"|\[[0-9;]+(?:\$y|[nRtx])"
    rb"|\][0-9][^\x07\x1b]*(?:\x07|\x1b\\)|[P_][^\x07\x1b]*(?:\x07|\x1b\\)))"
    rb"|\x1b(?:\[20[01]~|\[[0-?]*[ -/]*[@-~]|O[0-9;]*[@-~]|[^\x1b])"
    rb"|(?P<text>[ -~]+)|[\xc0-\xff][\x80-\xbf]{1,3}|.",
    re.DOTALL,
)


class Output:
    """The shell's output as it arrived here, over however many connections."""

    def __init__(self, have: int = 0) -> None:
        self.have = have
        """Bytes of the shell's output that have come, counted from its first."""
        self._skip = 0
        self._asked = 0

    def take(self, data: bytes) -> bytes:
        """What is new in the next bytes of the connection."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        self.have += len(data)
        return data

    def ask(self) -> int:
        """What we have, said to the host now: more may come on the old connection meanwhile."""
        self._asked = self.have
        return self.have

    def go_on_at(self, out: int) -> int:
        """A new connection starts at offset `out`; how many bytes are lost for good.

        What came on the old one after we said what we have comes once more, and is skipped. A host
        that has less than that was set back, as by a restored snapshot: all it says is new, and the
        number is negative.
        """
        if out < self._asked:
            back, self.have, self._skip = out - self._asked, out, 0
            return back
        self._skip = max(0, self.have - out)
        lost = max(0, out - self.have)
        self.have += lost
        return lost


class Input:
    """What was sent to the shell, as the lengths of its keys."""

    def __init__(self, sent: int = 0) -> None:
        self.sent = sent
        """Bytes that were given to ssh for the shell."""
        self._runs: deque[tuple[int, int, int]] = deque(maxlen=_RUNS_KEPT)

    def add(self, data: bytes) -> None:
        """These bytes go to the shell."""
        for size, count, is_key in _sizes(data):
            self.sent += size * count
            self._add(size if is_key else -size, count)
        while self._runs and self._runs[0][0] < self.sent - IN_FLIGHT:
            self._runs.popleft()

    def go_on_at(self, arrived: int) -> int:
        """The host has counted `arrived` bytes; how many keys of the rest never arrived.

        A key of which a part has arrived counts, and what is sent next follows that part.
        """
        keys = 0
        for end, size, count in reversed(self._runs):
            if end <= arrived:
                break
            if size > 0:
                keys += min(count, -((arrived - end) // size))
        self.sent = arrived
        self._runs.clear()
        return keys

    def _add(self, size: int, count: int) -> None:
        """A run is (where it ends, bytes of each key, keys); reports have a negative size."""
        if self._runs and self._runs[-1][1] == size:
            count += self._runs.pop()[2]
        self._runs.append((self.sent, size, count))


def keys_in(data: bytes) -> int:
    """How many keys these bytes are."""
    return sum(count for _, count, is_key in _sizes(data) if is_key)


def without_reports(data: bytes) -> bytes:
    """`data` without what the terminal has said by itself."""
    return _KEYS.sub(lambda match: b"" if match["report"] else match[0], data)


def _sizes(data: bytes) -> Iterator[tuple[int, int, bool]]:
    """Keys or reports in data: the bytes of each, how many, and whether they are keys."""
    for match in _KEYS.finditer(data):
        size = match.end() - match.start()
        if match["text"]:
            yield 1, size, True
            continue
        is_paste_mark = size == 6 and match[0][:3] == b"\x1b[2" and match[0][-1:] == b"~"
        yield size, 1, match["report"] is None and not is_paste_mark
