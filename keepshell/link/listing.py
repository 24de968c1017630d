"""Which shells a host keeps for its user, asked by a login of its own that asks nobody anything."""

from __future__ import annotations

import os
import select
import subprocess
import time

from keepshell.core.link.header import Opening, parse_header, request
from keepshell.link.bootstrap import source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from keepshell.core.link.header import Header

WITHIN = 20.0
"""Seconds that a host may take."""

_MOST = 65536


class Question:
    """One host that is asked; ssh runs from the start, so that several are asked at once."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """`argv` runs the bootstrap command there. Raises OSError."""
        self._by = time.monotonic() + WITHIN
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        self._ssh = subprocess.Popen(
            argv, env=env, stdin=pipe, stdout=pipe, stderr=nothing, start_new_session=True
        )

    def answer(self) -> list[Header] | None:
        """What it says of each shell; None where it can't be reached, or says nothing we know."""
        with self._ssh:
            try:
                return self._read()
            finally:
                self._ssh.kill()

    def _read(self) -> list[Header] | None:
        opening, found, rest = Opening(), [], b""
        for data in self._output():
            if opening.header is None:
                opened = opening.feed(data)
                if opened.engine is not None and not self._ask(opened.engine.value):
                    return None
                if opened.header is None:
                    continue
                found, rest = [opened.header], opened.stream
            else:
                rest += data
            *lines, rest = rest.split(b"\n")
            found += [header for each in lines if (header := parse_header(each.rstrip(b"\r")))]
            if found[-1].word == "end":
                return found[:-1]
        return None

    def _ask(self, engine: str) -> bool:
        if engine == "none":
            return False
        assert self._ssh.stdin is not None
        self._ssh.stdin.write(source(engine) + b"\0\n" + request("list") + b"\n")
        self._ssh.stdin.flush()
        return True

    def _output(self) -> Iterator[bytes]:
        assert self._ssh.stdout is not None
        fd = self._ssh.stdout.fileno()
        while (left := self._by - time.monotonic()) > 0 and select.select([fd], [], [], left)[0]:
            data = os.read(fd, _MOST)
            if not data:
                return
            yield data
