"""Whether the cursor stands at the login shell's prompt again, told from the output since Enter.

Enter is harmless at a prompt of the login shell and nowhere else that could be told from a stream
of bytes: gdb repeats its last command, `[Y/n]` takes its default, a block of Python ends. So the
proof is narrow. The line under the cursor must be the one that stood there before the user had
typed anything, or the shell itself must have marked a prompt with OSC 133; and one Enter that was
answered by something else than a prompt ends it for the whole session.

Nothing of the user's is kept: a key makes this forget what it has, and it listens again behind the
newline that answers the next Enter.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

KEPT = 2048  # bytes of output
_MOST_NEWLINES = 4  # in a prompt; what stands above is taken for output
_MOST_STARTS = 16  # places where a prompt may have begun; each is a candidate of `Sight.prompts`

# The last visible character of a prompt. Questions, menus and passwords asked at login, before the
# shell starts, end in `:`, `?` or `]`.
_SIGNS = tuple(sign.encode() for sign in "$#%>❯➜→»λ▶⟩❱\ue0b0")
_NO_PROMPTS = (b">", b"#?")  # PS2 and select, as shells come

_OSC = rb"\x1b\][^\x07\x1b]*+(?:\x07|\x1b\\)"
_COMMAND_MARK = re.compile(rb"\x1b\]133;[CD](?:;[^\x07\x1b]{0,64})?(?:\x07|\x1b\\)")
_PROMPT_MARK = re.compile(rb"\x1b\]133;(?P<kind>[AB])(?P<options>[^\x07\x1b]*+)(?:\x07|\x1b\\)")
_NOT_FIRST = re.compile(rb";k=[^i]")  # A;k=s: PS2 and its like; k=i is a first prompt

# zsh's PROMPT_SP: an inverse % and blanks to the edge show where a line did not end; at column 0
# the prompt covers it. Its blanks count the columns, so they change when the window does.
_SGR = rb"(?:\x1b\[[0-9]*m|\x0f)*+"
_PROMPT_SP = re.compile(rb"(?:\A|(?<=[\r\n]))" + _SGR + rb"[%#]" + _SGR + rb" +\r \r")
_CLOCK = re.compile(
    rb"(?<![0-9:])[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?![0-9:])(?: ?[AaPp][Mm])?"
    rb"|(?<![0-9-])[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9-])"
)

_ELSEWHERE = re.compile(rb"\x1b7.*?\x1b8|\x1b\[s.*?\x1b\[u", re.DOTALL)  # drawn, and back again
_NOTHING = _OSC + rb"|\x1b\[\?[0-9;]*[hl]|\x1b\[[0-9]* q|\x1b\[[0-2]?[JK]|\x1b[=>]|\x07"
_SHOWS_NOTHING = re.compile(_NOTHING)
# ksh93 does that when it starts, most line editors when the window is resized.
_DRAWN_TWICE = re.compile(
    rb"(?P<once>(?:\A|[\r\n])(?:" + _NOTHING + rb")*+(?P<line>[^\r\n]+?)(?:" + _NOTHING + rb")*+)"
    rb"\r+(?:\x1b\[[JK]\r)?(?P=line)\Z"
)
_COLOUR = re.compile(rb"\x1b\[[0-9:;]*m|\x1b\([0-~]|\x0f")
_FAR = re.compile(rb"\x1b\[[0-9]*C| {2,}")  # what follows is a right prompt or the directory
_PLACED = re.compile(rb"\x1b\[[0-9;]*[Hdf]")  # CUP, VPA, HVP
_PASTE_ON = b"\x1b[?2004h"
_COLUMN_0 = re.compile(rb"\r\n*")


class Place(Enum):
    """What the line under the cursor is."""

    UNKNOWN = "unknown"  # no prompt was seen at login
    ELSEWHERE = "elsewhere"
    LOGIN = "login"  # the login prompt
    MARKED = "marked"  # a prompt by OSC 133


class Sight(NamedTuple):
    """What `PromptMemory` has to say at one moment.

    `pastes` is whether the login prompt turned bracketed paste on, None when none was seen.
    `prompts` are the bytes, `normal`, that may draw this prompt from column 0: more than one,
    because only a shell knows how many lines its prompt has. Empty unless there is one.
    """

    place: Place
    pastes: bool | None
    mismatched: bool
    prompts: tuple[bytes, ...] = ()


class PromptMemory:
    """Made when the session begins; told what the user sees, and that, not what, the user types."""

    def __init__(self) -> None:
        self._tail = b""
        self._cut = False  # the beginning of the tail is lost
        self._deaf = False  # until the user's Enter and the newline that answers it
        self._awaits_newline = False
        self._typed = False
        self._login_line = b""
        self._login_bytes = b""
        self._pastes: bool | None = None
        self._mismatched = False

    def shown(self, data: bytes) -> None:
        """Takes output as it goes to the user's terminal."""
        if self._deaf:
            return
        start = 0
        if self._awaits_newline:
            start = data.find(b"\n") + 1
            if not start:
                return
            self._awaits_newline = False
        start = max(start, len(data) - KEPT - 1)
        tail = self._tail + data[start:]
        self._cut = self._cut or len(tail) > KEPT
        self._tail = tail[-KEPT:]

    def typed(self, *, entered: bool) -> None:
        """The user has typed; `entered` when the last key was Enter. Reports are not typed."""
        self._learn()
        self._typed = True
        self._tail, self._cut = b"", False
        self._deaf, self._awaits_newline = not entered, entered

    def mismatch(self) -> None:
        """An Enter of ours was answered by something else than a prompt: never again."""
        self._mismatched = True

    def sight(self) -> Sight:
        self._learn()
        tail = normal(self._tail)
        marked = None if _command_runs(self._tail) else _marked_prompt(tail)
        prompts: tuple[bytes, ...] = ()
        if marked is not None:
            place, prompts = Place.MARKED, _starts(tail, self._cut, *marked)
        elif not self._login_line:
            place = Place.UNKNOWN
        elif _line(tail) == self._login_line:
            place, prompts = Place.LOGIN, _starts(tail, self._cut)
        else:
            place = Place.ELSEWHERE
        return Sight(place, self._pastes, self._mismatched, prompts)

    @property
    def drawn(self) -> bool:
        """Whether the program has placed the cursor since it turned bracketed paste on.

        Line editors move it within their lines only.
        """
        _, asked, since = self._tail.rpartition(_PASTE_ON)
        if not asked and not self._cut:
            return False
        return _PLACED.search(_ELSEWHERE.sub(b"", since)) is not None

    @property
    def back(self) -> bool:
        """Whether the cursor's line was printed byte for byte as the login prompt was.

        A program that draws its screen, as tmux, prints a prompt inside it in its own way: after
        bash's it turns bracketed paste on, where bash does so before.
        """
        self._learn()
        return bool(self._login_line) and _raw_line(self._tail) == self._login_bytes

    def _learn(self) -> None:
        """Until the first key, the last line that looks like a prompt is the login prompt."""
        if self._typed:
            return
        line = _line(normal(self._tail))
        if _looks_like_a_prompt(line):
            self._login_line, self._pastes = line, _PASTE_ON in self._tail
            self._login_bytes = _raw_line(self._tail)


def normal(data: bytes) -> bytes:
    """Output without what may differ between two drawings of one prompt.

    Clocks and dates lose their digits. zsh's PROMPT_SP, OSC 133 C and D, the blanks with which
    ksh93 and mksh clear the rest of the line, and a second drawing of it are left out.
    """
    data = _COMMAND_MARK.sub(b"", data)
    data = _PROMPT_SP.sub(b"", data)
    data = _CLOCK.sub(_stopped_clock, data)
    padded = data.rstrip(b"\b")
    backspaces = len(data) - len(padded)
    if backspaces and padded.endswith(b" " * backspaces):
        data = padded[:-backspaces]
    return _DRAWN_TWICE.sub(rb"\g<once>", data)


def _stopped_clock(clock: re.Match[bytes]) -> bytes:
    """`12:40:07` and `9:05 PM` as `0:0:0` and `0:0 am`: the form stays, so that a part of one is
    not the whole."""
    return re.sub(rb"[0-9]+", b"0", clock[0]).lower().replace(b"p", b"a")


def _line(tail: bytes) -> bytes:
    """What was shown on the cursor's line since column 0; colours count."""
    return _SHOWS_NOTHING.sub(b"", _ELSEWHERE.sub(b"", _raw_line(tail)))


def _raw_line(tail: bytes) -> bytes:
    return tail[max(tail.rfind(b"\r"), tail.rfind(b"\n")) + 1 :]


def _looks_like_a_prompt(line: bytes) -> bool:
    text = _FAR.split(_COLOUR.sub(b"", line))[0].rstrip(b" ")
    return text.endswith(_SIGNS) and text not in _NO_PROMPTS


def _command_runs(tail: bytes) -> bool:
    """Whether OSC 133 C or D is newer than B."""
    command = max(tail.rfind(b"\x1b]133;C"), tail.rfind(b"\x1b]133;D"))
    return command > tail.rfind(b"\x1b]133;B")


def _marked_prompt(tail: bytes) -> tuple[int, int] | None:
    """Where the line begins on which a marked prompt begins, and where its first mark stands.

    None unless the last two marks are A and B, of a first prompt, with nothing visible after.
    """
    marks = list(_PROMPT_MARK.finditer(tail))[-2:]
    if [mark["kind"] for mark in marks] != [b"A", b"B"] or _NOT_FIRST.search(marks[0]["options"]):
        return None
    if _COLOUR.sub(b"", _SHOWS_NOTHING.sub(b"", tail[marks[1].end() :])):
        return None
    start = marks[0].start()
    return tail.rfind(b"\n", 0, start) + 1, start


def _starts(tail: bytes, cut: bool, first: int = 0, last: int = KEPT + 1) -> tuple[bytes, ...]:
    """The ends of `tail` that begin at column 0, in places from `first` to `last`."""
    places = [] if cut else [0]
    places += [match.end() for match in _COLUMN_0.finditer(tail)]
    ends = [tail[place:] for place in places if first <= place <= last]
    return tuple(
        end for end in ends[-_MOST_STARTS:] if _line(end) and end.count(b"\n") <= _MOST_NEWLINES
    )
