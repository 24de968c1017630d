"""What the bytes of a shell's prompt tell: whether it is one, and what would draw it again.

Two drawings of one prompt differ where there is a clock or a date in it, and where the shell clears
what it doesn't know: `normal` takes that away.
"""

from __future__ import annotations

import re

_MOST_NEWLINES = 4  # in a prompt; what is above is taken for output
_MOST_STARTS = 16  # places where a prompt may have begun

# The last visible character of a prompt. Questions, menus and passwords asked at login, before the
# shell starts, end in `:`, `?` or `]`.
_SIGNS = tuple("$#%>❯➜→»λ▶⟩❱\ue0b0")
NO_PROMPTS = (">", "#?")  # PS2 and select, as shells come

_OSC = rb"\x1b\][^\x07\x1b]*+(?:\x07|\x1b\\)"
_COMMAND_MARK = re.compile(rb"\x1b\]133;[CD](?:;[^\x07\x1b]{0,64})?(?:\x07|\x1b\\)")
_MARK = re.compile(rb"\x1b\]133;(?P<kind>[A-D])(?P<options>[^\x07\x1b]*+)(?:\x07|\x1b\\)")
_NOT_FIRST = re.compile(rb";k=[^i]")  # A;k=s: PS2 and its like; k=i is a first prompt

# zsh's PROMPT_SP: an inverse % and blanks to the edge show where a line did not end; at column 0
# the prompt covers it. Its blanks count the columns, so they change when the window does.
_SGR = rb"(?:\x1b\[[0-9]*m|\x0f)*"
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
    # The first run of _NOTHING is taken as a whole.
    rb"(?P<once>(?:\A|[\r\n])(?=(?P<nothing>(?:" + _NOTHING + rb")*))(?P=nothing)"
    rb"(?P<line>[^\r\n]+?)(?:" + _NOTHING + rb")*)"
    rb"\r+(?:\x1b\[[JK]\r)?(?P=line)\Z"
)
_COLOUR = re.compile(rb"\x1b\[[0-9:;]*m|\x1b\([0-~]|\x0f")
_MOVES = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_COLUMN_0 = re.compile(rb"\r\n*")


def normal(data: bytes) -> bytes:
    """Output without what may differ between two drawings of one prompt.

    Clocks and dates lose their digits. zsh's PROMPT_SP, OSC 133 C and D, the blanks with which
    ksh93 and mksh clear the rest of the line, and a second drawing of the prompt are left out.
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


def looks_like_a_prompt(text: str) -> bool:
    """Whether this, before the cursor, ends as shells' prompts do."""
    text = text.rstrip()
    return text.endswith(_SIGNS) and text not in NO_PROMPTS


def marked(tail: bytes) -> bool:
    """Whether the shell has marked a prompt by OSC 133, and nothing visible follows.

    The last two marks must be A and B, of a first prompt.
    """
    last = list(_MARK.finditer(tail))[-2:]
    if [mark["kind"] for mark in last] != [b"A", b"B"] or _NOT_FIRST.search(last[0]["options"]):
        return False
    return not _COLOUR.sub(b"", _SHOWS_NOTHING.sub(b"", tail[last[1].end() :]))


def starts(tail: bytes, cut: bool) -> tuple[bytes, ...]:
    """The ends of `tail`, which is `normal`, that begin at column 0; so does it unless `cut`."""
    places = [] if cut else [0]
    places += [match.end() for match in _COLUMN_0.finditer(tail)]
    ends = [tail[place:] for place in places[-_MOST_STARTS:]]
    return tuple(end for end in ends if _shows(end) and end.count(b"\n") <= _MOST_NEWLINES)


def _shows(drawn: bytes) -> bool:
    """Whether its last line is drawn from column 0, and not by going back over what is there."""
    return bool(_MOVES.sub(b"", _COLOUR.sub(b"", _line(drawn))).strip())
