"""What both ends say to each other before the shell's bytes: marker, request, header.

The host prints the marker, which no echo of the command can forge since it is computed there. The
client answers with the engine's source and one request line, the host with one header line; from
the next byte on everything is the shell's. docs/reattach.md has the whole exchange.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Engine(Enum):
    """What runs on the host."""

    PYTHON = "python"
    PERL = "perl"
    NONE = "none"
    """Neither: the host has gone on with a plain login shell."""


_MARKERS = {
    b"311973482284542371301330321821976049": Engine.PYTHON,
    b"3.11973482284542e+35": Engine.PERL,
    b"62773913": Engine.NONE,
}
"""7 ** 42 as Python and as Perl print it, and 7919 * 7927."""

_MARKER_LINE = re.compile(rb"(?<![0-9.])(" + b"|".join(map(re.escape, _MARKERS)) + rb")\r*\n")
_LONGEST_MARKER = max(map(len, _MARKERS)) + 4
_HEADER_START = b"KEEPSHELL-LINK 1 "
LONGEST_HEADER = 1000
"""Bytes; what is longer is no header."""

_UNSAFE = re.compile(rb"[^!-$&-~]")
_QUOTED = re.compile(rb"%([0-9A-Fa-f]{2})")


class Kept(NamedTuple):
    """Which shell this is: what is said to the host, and told to the user."""

    id: str
    name: str
    """The host as the user typed it."""
    client: str
    keep: float
    """Seconds the shell lives without anybody attached."""
    exists: bool = False
    """Whether an earlier keepshell kept it, and we return to it."""
    command: str | None = None
    """What each connection runs where the host is not to keep a shell: the user's command, or none,
    which is ssh's own login shell."""


class Header(NamedTuple):
    """What the host answered; `word` says what became of the request."""

    word: str
    fields: Mapping[str, str]

    def number(self, key: str) -> int | None:
        """A field that counts bytes or seconds; None where it is absent or no number."""
        value = self.fields.get(key, "")
        return int(value) if value.isdecimal() and len(value) <= 20 else None


def request(op: str, **fields: str | int) -> bytes:
    """The one line that asks for a shell, without its end."""
    words = [f"{key}={_quoted(str(value))}" for key, value in fields.items()]
    return " ".join(["keepshell 1", f"op={op}", *words]).encode("ascii")


def _quoted(value: str) -> str:
    data = value.encode("utf-8", "surrogateescape")
    return _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], data).decode("ascii")


def parse_header(line: bytes) -> Header | None:
    """One line of the host's, without its end; None where it is no header."""
    words = line[len(_HEADER_START) :].split()
    if not (words and line.startswith(_HEADER_START)) or len(line) > LONGEST_HEADER:
        return None
    word, *pairs = words
    split = [pair.partition(b"=") for pair in pairs]
    return Header(unquoted(word), {unquoted(key): unquoted(value) for key, _, value in split})


def unquoted(value: bytes) -> str:
    """Text with `%XX` for bytes, as in a URL."""
    data = _QUOTED.sub(lambda match: bytes((int(match[1], 16),)), value)
    return data.decode("utf-8", "replace")


class Opened(NamedTuple):
    """What one piece of output turned out to be."""

    shown: bytes = b""
    """For the user, as it came: ssh's words, or a plain shell's."""
    engine: Engine | None = None
    """The marker has come: send the source and the request, or for NONE nothing."""
    header: Header | None = None
    stream: bytes = b""
    """What followed the header: the shell's."""


class Opening:
    """Reads one new connection up to its header; any cut of the stream gives the same."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.header: Header | None = None
        self._kept = b""
        self._before = b""
        """The last byte shown: a marker does not follow a digit."""

    def feed(self, data: bytes) -> Opened:
        """The next output of the connection; not to be called once the header has come."""
        if self.engine is None:
            return self._before_marker(self._before + self._kept + data)
        if self.engine is Engine.NONE:
            return Opened(shown=data)
        return self._before_header(self._kept + data)

    def give_up(self) -> bytes:
        """There is no marker: what was kept back, for the user."""
        self.engine, kept, self._kept = Engine.NONE, self._kept, b""
        return kept

    def _before_marker(self, data: bytes) -> Opened:
        match = _MARKER_LINE.search(data)
        if match is None:
            cut = len(data) - _begun_marker(data)
            shown, self._kept = data[len(self._before) : cut], data[cut:]
            self._before = data[:cut][-1:]
            return Opened(shown=shown)
        self.engine, self._kept = _MARKERS[match[1]], b""
        shown, rest = data[len(self._before) : match.start()], data[match.end() :]
        if self.engine is Engine.NONE:
            return Opened(shown=shown + rest, engine=self.engine)
        return self._before_header(rest)._replace(shown=shown, engine=self.engine)

    def _before_header(self, data: bytes) -> Opened:
        """Drops what a terminal echoes of the source; only whole lines count."""
        while (end := data.find(b"\n")) >= 0:
            line, data = data[:end].rstrip(b"\r"), data[end + 1 :]
            start = max(line.find(_HEADER_START), 0)
            self.header = parse_header(line[start:])
            if self.header is not None:
                return Opened(header=self.header, stream=data)
        self._kept = data[-LONGEST_HEADER:]
        return Opened()


def _begun_marker(data: bytes) -> int:
    """How many bytes at the end of data may be the beginning of a marker's line."""
    for length in range(min(len(data), _LONGEST_MARKER), 0, -1):
        tail = data[-length:]
        whole = tail.rstrip(b"\r")
        if any(line == whole or (line.startswith(tail)) for line in _MARKERS):
            return length
    return 0
