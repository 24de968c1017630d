"""What the user has typed since the last Enter, as classes; the characters themselves are not kept.

Two readings of one stream. The line: nothing, plain text, edited, or something that may have opened
a mode or a question; a paste; an escape sequence not yet complete. And ssh's own: whether it is at
the start of a line, whether its escape character is pending, which escape was completed, as
`process_escapes` in clientloop.c reads them. ssh knows nothing of pastes and sequences, so this
reading looks at bytes only; it comes first, since what ssh keeps for itself, or we in its place,
is on no line of the host. Both are the same however the stream was cut.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from keepshell.core.terminal.keys import Key, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

ESCAPE_ALONE_AFTER = 0.1  # seconds; a terminal writes a key's bytes at once, as vim's ttimeoutlen


class Line(IntEnum):
    """What was typed since the last Enter; the greater, the less is known of the line's state."""

    NOTHING = 0
    PLAIN = 1  # text only
    EDITED = 2  # also erased, moved about, pasted or clicked
    UNSAFE = 3  # also a key that may have opened a mode or a question: Tab, ^V, ^X, Esc, Alt, ...


_ESC = b"\x1b"
_PASTE_END = b"\x1b[201~"
_PRINTABLE = bytes({*range(0x20, 0x100)} - {0x7F})
_EDITING = b"\x7f\x08\x01\x02\x05\x06\x0b\x15\x17"  # erase, ^A ^B ^E ^F ^K ^U ^W
_STOP, _START = 0x13, 0x11

# Reports the terminal sends by itself or when the host asks: no key begins with ?, > or =. A cursor
# report from line 1 looks like a modified F3 (`1;5R`) and is taken for one. Strings need the digit
# or letter that every reply has, so that Alt-] or Alt-P, typed, don't swallow what follows.
_STRING_START = rb"(?:\][0-9]|P[0-9>!$+|]|_G)"
_SEQUENCE = re.compile(
    rb"\x1b(?:(?P<focus>\[[IO])|(?P<paste>\[200~)"
    rb"|(?P<mouse>\[M[ -\xff]{3}|\[<[0-9;]++[Mm]|\[[0-9]++;[0-9]++;[0-9]++M)"
    rb"|(?P<string>" + _STRING_START + rb"[ -\xff]*+(?:\x07|\x1b\\))"
    rb"|(?P<report>\[[=>?][0-?]*+[ -/]*+[@-~]|\[[0-9;]++(?:\$y|[ntx])"
    rb"|\[(?!1;(?:[2-9]|1[0-6])R)[0-9]++;[0-9]++R)"
    rb"|(?P<editing>\[[0-9:;]*+[A-DFH]|\[[13478](?:;[0-9:;]*+)?~|O[A-DFH])"
    # kitty's and modifyOtherKeys' form of a key with Ctrl, Alt or the like; 1 is none, 2 is Shift
    rb"|(?P<control>\[[0-9:]++;(?![12]?[:;u])[0-9:;]++u|\[27;(?!2;)[0-9:;]++~)"
    rb"|(?P<key>\[\[[A-E]|\[(?![M\[])[0-?]*+[ -/]*+[@-~]|O[0-9;]*+[@-~]))"
)
_UNFINISHED = re.compile(
    rb"\x1b(?:\[(?:M[ -\xff]{0,2}|\[|[0-?]*+[ -/]*+)|O[0-9;]*+|[]P_]"
    rb"|(?P<string>" + _STRING_START + rb")[ -\xff]*+(?P<end>\x1b?))?"
)
LONGEST = 64  # bytes; what is longer, but for a string, is no sequence
_LINE_AFTER = {
    "mouse": Line.EDITED,
    "editing": Line.EDITED,
    "control": Line.UNSAFE,
    "key": Line.UNSAFE,
}
_CONTROL = re.compile(
    rb"\x1b\[(?:27;(?P<mods>[0-9]+);(?P<code>[0-9]+)~"
    rb"|(?P<key>[0-9]+)(?::[0-9]*)*;(?P<with>[0-9]+)(?::(?P<event>[0-9]+))?(?:;[0-9:]*)?u)"
)
_CTRL, _LOCKS, _RELEASED = 4, 64 | 128, b"3"
_KINDS = {"mouse": Kind.MOUSE, "editing": Kind.EDITING, "control": Kind.OTHER, "key": Kind.OTHER}
_LINE = re.compile(rb"[^\r\n]*[\r\n]?")
_KEYS = re.compile(rb"(?P<control>[\x00-\x1f\x7f])|[^\x00-\x1f\x7f]+")

# The escapes after which ssh is still at the start of a line; all else that follows the escape
# character is sent on and ends the start of the line unless it is CR or LF (OpenSSH 9.2).
_COMMANDS = b".\x1aBCRVv#&?"


class Keys(NamedTuple):
    """What was typed, at one moment; times are monotonic seconds."""

    line: Line = Line.NOTHING
    typed_at: float | None = None
    entered_at: float | None = None
    half_sequence: bool = False
    """Esc alone is none: it is the Esc key by the time it counts."""
    paste_open: bool = False
    tilde_pending: bool = False
    stopped: bool = False
    last_focus: bytes | None = None
    focus_at: float | None = None


class Keystrokes:
    """Follows the user's input; `feed` it before anything reads the attributes.

    entered_at, quit_at, suspend_at: when Enter, `~.`, `~^Z` were last typed (monotonic seconds).
    reached_at: when a byte last went on to the host; ssh keeps its escapes.
    other_escape_at: the same of all other escapes, where ssh reads none.
    escape_missed: ssh did not see the last escape, because of `injected` input; act in its place.
    at_line_start: what ssh would think had it seen the user's bytes alone.
    tilde_pending: the escape character was typed there, and the next byte decides.
    paste_open: between the marks of a bracketed paste.
    stopped_at: when ^S was typed, None after ^Q.
    last_focus, focus_at: the last focus report of the user's terminal, `ESC [ I` or `ESC [ O`, and
    when it came.
    """

    def __init__(self, escape_char: int | None = 0x7E, *, ssh_reads_it: bool = True) -> None:
        """Without `ssh_reads_it` ssh knows no escapes (`-e none`), and each is ours to act on."""
        self._ssh_reads_it = ssh_reads_it
        self._escape = b"" if escape_char is None else bytes((escape_char,))
        self._line_escape = re.compile(b"[\r\n]" + re.escape(self._escape))
        self._line = Line.NOTHING
        self._typed_at: float | None = None
        self._pending = b""  # an unfinished sequence; never text
        self._pending_at = 0.0
        self._ssh_lost_line = False
        self.entered_at: float | None = None
        self.reached_at: float | None = None
        self.quit_at: float | None = None
        self.suspend_at: float | None = None
        self.other_escape_at: float | None = None
        self.escape_missed = False
        self.at_line_start = True  # clientloop.c: last_was_cr = 1
        self.tilde_pending = False
        self.paste_open = False
        self.stopped_at: float | None = None
        self.last_focus: bytes | None = None
        self.focus_at: float | None = None
        self._keys: list[Key] = []

    @property
    def line(self) -> Line:
        """What was typed since the last Enter; UNSAFE while a sequence is unfinished."""
        return Line.UNSAFE if self._pending and not self.paste_open else self._line

    @property
    def typed_at(self) -> float | None:
        """When the user last typed or clicked (monotonic seconds), None before the first byte.

        Reports of the terminal are not typed; half a sequence is, until it proves to be a report.
        """
        return self._pending_at if self._pending else self._typed_at

    @property
    def half_sequence(self) -> bool:
        """Whether the input ends within an escape sequence; ESC alone is one too."""
        return bool(self._pending)

    @property
    def escape_alone(self) -> bool:
        """Whether the half sequence is ESC and no more; ESCAPE_ALONE_AFTER later it is the Esc key.

        A user leaves vim in normal mode, after Esc: who waits for more would wait for ever.
        """
        return self._pending == _ESC

    @property
    def stopped(self) -> bool:
        """Whether ^S was typed and ^Q not yet; programs with IXON off take ^S for a key."""
        return self.stopped_at is not None

    @property
    def ssh_at_line_start(self) -> bool:
        """Whether ssh itself would recognise an escape now."""
        return self.at_line_start and self._ssh_reads_it and not self._ssh_lost_line

    def pieces(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """`data` in pieces, each to be fed before the next is taken, and whether ssh misses one.

        That is a byte at the start of a line which ssh does not know for one. The rest is whole,
        but where ssh reads no escapes: there one may begin after every line.
        """
        at = 0
        while at < len(data):
            is_unseen = self.at_line_start and not self.ssh_at_line_start
            line = _LINE.match(data, at)
            assert line is not None
            end = len(data) if self._ssh_reads_it else line.end()
            piece = data[at : at + 1] if is_unseen else data[at:end]
            at += len(piece)
            yield piece, is_unseen

    def snapshot(self) -> Keys:
        """The state now; later input doesn't change what was answered."""
        return Keys(
            line=self.line,
            typed_at=self.typed_at,
            entered_at=self.entered_at,
            half_sequence=self.half_sequence and not self.escape_alone,
            paste_open=self.paste_open,
            tilde_pending=self.tilde_pending,
            stopped=self.stopped,
            last_focus=self.last_focus,
            focus_at=self.focus_at,
        )

    def injected(self, data: bytes) -> None:
        """Input that was not the user's has been sent: ssh's line start is what its end makes it.

        Not to be called, and nothing to be injected, while `tilde_pending`.
        """
        self._ssh_lost_line = not data.endswith((b"\r", b"\n"))

    def feed(self, data: bytes, now: float) -> list[Key]:
        """Takes the user's next bytes, read at `now` (monotonic seconds); answers with the keys.

        A sequence counts when it is complete. Esc at the end counts at once: its answer may come
        before it is known to be no sequence. What ssh keeps for itself is no key.
        """
        data = self._past_ssh(data, now)
        if not data:
            return []
        self.reached_at = now
        stop, start = data.rfind(_STOP), data.rfind(_START)
        if stop != start:
            self.stopped_at = now if stop > start else None
        if self._pending and not self.paste_open and now - self._pending_at > ESCAPE_ALONE_AFTER:
            self._give_up_pending()
        data, self._pending = self._pending + data, b""
        at = 0
        while at < len(data):
            at = self._pasted(data, at, now) if self.paste_open else self._typed(data, at, now)
        if self.escape_alone:
            self._keys.append(Key(Kind.CONTROL, _ESC))
        keys, self._keys = self._keys, []
        return keys

    def _past_ssh(self, data: bytes, now: float) -> bytes:
        """What goes on to the host: as process_escapes does, with a search instead of its loop."""
        going_on, at, end = [], 0, len(data)
        while at < end:
            if self.tilde_pending:
                self.tilde_pending = False
                key, at = data[at : at + 1], at + 1
                if key in _COMMANDS:
                    going_on.append(self._command(key, now))
                    continue
                passed = key if key == self._escape else self._escape + key
            elif self.at_line_start and self._escape == data[at : at + 1]:
                self.tilde_pending = True
                self._typed_at = now
                at += 1
                continue
            else:
                start, at = at, self._next_escape(data, at)
                passed = data[start:at]
            going_on.append(passed)
            self.at_line_start = passed[-1] in b"\r\n"
            self._ssh_lost_line = False
        return b"".join(going_on)

    def _next_escape(self, data: bytes, at: int) -> int:
        """Where the next escape character at a line start is, or the end of data."""
        if self._escape and self._escape in data:
            found = self._line_escape.search(data, at)
            if found:
                return found.start() + 1
        return len(data)

    def _command(self, key: bytes, now: float) -> bytes:
        """Take note of an escape; returns the bytes that ssh missed and we don't handle for it."""
        self.escape_missed = self._ssh_lost_line or not self._ssh_reads_it
        self._typed_at = now
        if key == b".":
            self.quit_at = now
        elif key == b"\x1a":
            self.suspend_at = now
        elif not self._ssh_reads_it:
            self.other_escape_at = now
        elif self.escape_missed:
            return self._escape + key
        return b""

    def _give_up_pending(self) -> None:
        """What was pending are keys: nothing that takes this long is one sequence."""
        self._type(Line.UNSAFE, self._pending_at)
        if not self.escape_alone:
            self._keys.append(Key(Kind.OTHER, self._pending))
        self._pending = b""

    def _type(self, line: Line, now: float) -> None:
        self._line = max(self._line, line)
        self._typed_at = now

    def _pasted(self, data: bytes, at: int, now: float) -> int:
        """The inside of a paste, from `at`; answers where it went on."""
        end = data.find(_PASTE_END, at)
        if end < 0:
            kept = _tail_of_mark(data[at:])
            self._pending, self._pending_at = _PASTE_END[:kept], now
            if len(data) - kept > at:
                self._type(Line.EDITED, now)
                self._keys.append(Key(Kind.PASTE, b""))
            return len(data)
        self._type(Line.EDITED if end > at else self._line, now)
        self.paste_open = False
        return end + len(_PASTE_END)

    def _typed(self, data: bytes, at: int, now: float) -> int:
        """Text up to the next ESC, or one sequence; answers where it went on."""
        escape = data.find(_ESC, at)
        if escape != at:
            end = len(data) if escape < 0 else escape
            self._text(data[at:end], now)
            return end
        match = _SEQUENCE.match(data, at)
        if match and (match["string"] or len(match[0]) <= LONGEST):
            self._sequence(match, now)
            return match.end()
        match = _UNFINISHED.fullmatch(data, at)
        if match and (match["string"] or len(match[0]) <= LONGEST):
            string = match["string"]
            self._pending = _ESC + string + match["end"] if string else match[0]
            self._pending_at = now
            return len(data)
        # ESC and a key that begins no sequence: Alt, or Esc and the key in quick succession.
        self._type(Line.UNSAFE, now)
        self._keys.append(Key(Kind.OTHER, data[at : at + 2]))
        return at + 1 if data[at + 1] == _ESC[0] else at + 2

    def _text(self, text: bytes, now: float) -> None:
        entered = max(text.rfind(b"\r"), text.rfind(b"\n")) + 1
        if entered:
            self._line, self.entered_at = Line.NOTHING, now
        self._type(_line_of(text[entered:]), now)
        for key in _KEYS.finditer(text):
            self._keys.append(Key(Kind.CONTROL if key["control"] else Kind.TEXT, key[0]))

    def _sequence(self, match: re.Match[bytes], now: float) -> None:
        kind = match.lastgroup or ""
        self._keys.append(_key(kind, match[0]))
        if kind == "focus":
            self.last_focus, self.focus_at = match[0], now
        elif kind == "paste":
            self.paste_open = True
            self._typed_at = now
            self._keys[-1] = Key(Kind.PASTE, b"")
        elif kind in _LINE_AFTER:
            self._type(_LINE_AFTER[kind], now)


def _key(kind: str, data: bytes) -> Key:
    """The key that a sequence is; one that is let go is none."""
    form = _CONTROL.fullmatch(data) if kind in ("control", "key") else None
    if form is None:
        return Key(_KINDS.get(kind, Kind.REPORT), data)
    if form["event"] == _RELEASED:
        return Key(Kind.REPORT, data)
    code, mods = int(form["code"] or form["key"]), int(form["mods"] or form["with"]) - 1
    if mods & ~_LOCKS == _CTRL and 0x40 <= code < 0x7F:
        return Key(Kind.CONTROL, bytes((code & 0x1F,)))
    return Key(Kind.OTHER, data)


def _line_of(text: bytes) -> Line:
    controls = text.translate(None, _PRINTABLE)
    if controls.translate(None, _EDITING):
        return Line.UNSAFE
    if controls:
        return Line.EDITED
    return Line.PLAIN if text else Line.NOTHING


def _tail_of_mark(data: bytes) -> int:
    """How many bytes at the end of data may be the beginning of the mark that ends a paste."""
    for length in range(len(_PASTE_END) - 1, 0, -1):
        if data.endswith(_PASTE_END[:length]):
            return length
    return 0
