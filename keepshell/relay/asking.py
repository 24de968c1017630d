"""Whether a program that has not begun its session is asking the user something, seen on its pty.

Only then does it read the terminal: at any other time another program that asks there (an agent's
pinentry) must get every key. These are the signs of a question:

- an unfinished line of output, which is how a prompt ends;
- ECHO turned off, which hides an answer;
- input flushed while ECHO is on, as readpassphrase(3) does before it asks: a prompt whose line is
  finished. A second flush, with ECHO on again, ends a hidden answer.
"""

from __future__ import annotations

import re

# What moves no cursor off the start of a line: colours and other sequences, controls, blanks.
_UNSEEN = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00- \x7f]")


class Asking:
    """Told of one pty's output and settings; `now` is the answer."""

    def __init__(self) -> None:
        self._line = b""
        self._hides = False
        self._flushed = False
        self._typed = False

    @property
    def now(self) -> bool:
        """Whether somebody waits for the user's answer."""
        return self._hides or self._flushed or bool(_UNSEEN.sub(b"", self._line))

    def flushed(self, *, echo: bool) -> None:
        """The program threw away what had been typed; `echo` as it has it now."""
        self._flushed = echo and not self._hides
        self._typed = False
        self._hides = not echo

    def settings(self, *, echo: bool) -> None:
        """The program's terminal, as it is now."""
        self._hides = not echo

    def typed(self) -> None:
        """The user has typed something."""
        self._typed = True

    def output(self, data: bytes) -> None:
        """The program, or the echo of its pty, has written `data`."""
        *finished, rest = data.split(b"\n")
        self._line = rest if finished else self._line + rest
        if finished and self._typed:
            self._flushed = False
