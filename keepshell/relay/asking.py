"""Whether a program that has not begun its session is asking the user something, seen on its pty.

Only then does it read the terminal: at any other time another program that asks there (an agent's
pinentry) must get every key. These are the signs of a question:

- ECHO turned off, which hides an answer;
- input flushed while ECHO is on, as readpassphrase(3) does before it asks, and so ssh itself. A
  second flush, with ECHO on again, ends a hidden answer;
- an unfinished line of output that ends as questions do, with a sign: another program's, as a
  ProxyCommand's. One that ends otherwise may be a banner without its last line feed: it is a
  question only once a whole line was typed and has not been read;
- a program that was seen reading: it may have asked with a whole line, or with nothing.
"""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x1f\x7f]"
)
# What moves no cursor off the start of a line: colours and other sequences, controls, blanks.
_UNSEEN = re.compile(_SEQUENCE.pattern + rb"| ")
# A row of # may be the end of a banner: only a few signs need no blank.
_QUESTION = re.compile(rb"[:?>]\Z|[^\w\s] +\Z")


class Asking:
    """Told of one pty's output and settings; `now` is the answer."""

    def __init__(self) -> None:
        self._line = b""
        self._hides = False
        self._flushed = False
        self._typed = False
        self._unread = False
        self.is_read = False
        """Whether a program was seen reading there."""

    @property
    def now(self) -> bool:
        """Whether a program waits for the user's answer."""
        if self._hides or self._flushed or self.is_read:
            return True
        return bool(_UNSEEN.sub(b"", self._line)) and (self._unread or self._ends_as_a_question)

    @property
    def unclear(self) -> bool:
        """Whether an unfinished line may be a question or a banner."""
        return bool(_UNSEEN.sub(b"", self._line)) and not self.now

    @property
    def _ends_as_a_question(self) -> bool:
        return _QUESTION.search(_SEQUENCE.sub(b"", self._line)) is not None

    def unread(self) -> None:
        """A whole line was typed, and has not been read."""
        self._unread = True

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
        self._unread = self._unread and not finished
        if finished and self._typed:
            self._flushed = False
