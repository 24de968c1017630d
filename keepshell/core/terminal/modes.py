"""Which modes the host has turned on in the user's terminal, judged by its output alone.

Grammar and meaning are xterm's (ECMA-48, xterm ctlseqs, and its parser tables): ESC starts a new
sequence wherever it comes, even inside an OSC, so an unfinished string hides nothing that follows
an ESC; CAN and SUB abort; other C0 controls inside a sequence act on their own; a byte from 0x80 up
is text, never a C1 control, and aborts a sequence. Because every sequence begins at an ESC and is
read without looking back, the state after a stream is the same however the stream was cut: an
unfinished sequence after the last ESC is carried to the next chunk, shortened to what still
decides.

Every byte of bulk output passes here, so the work is left to memchr and to compiled expressions;
Python code runs only for the sequences that change a mode.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEYPAD = -1  # ESC = and ESC >; no sequence carries this number (DECNKM, ?66, was never seen)

_ALTERNATE_SCREEN = (47, 1047, 1049)
_ON_AT_START = frozenset({7, 25})

# Each tracked private mode with the bytes that put it back, in the order they are sent. Modes whose
# default differs between terminals (12, 1007, 2027) are left out: there is nothing known to put
# back. Synchronized output comes first, so that the rest is seen.
_PUT_BACK: dict[int, bytes] = {
    2026: b"\x1b[?2026l",
    2048: b"\x1b[?2048l",
    2031: b"\x1b[?2031l",
    9001: b"\x1b[?9001l",  # win32 keys, asked for by the ConPTY of a Windows host
    1016: b"\x1b[?1016l",
    1015: b"\x1b[?1015l",
    1006: b"\x1b[?1006l",
    1005: b"\x1b[?1005l",
    1003: b"\x1b[?1003l",
    1002: b"\x1b[?1002l",
    1001: b"\x1b[?1001l",
    1000: b"\x1b[?1000l",
    9: b"\x1b[?9l",
    1004: b"\x1b[?1004l",
    2004: b"\x1b[?2004l",
    7727: b"\x1b[?7727l",
    1: b"\x1b[?1l",
    KEYPAD: b"\x1b>",
    5: b"\x1b[?5l",
    69: b"\x1b[?69l",
    # DECOM moves the cursor home, and DECRC would bring the mode back: go on at the last line.
    6: b"\x1b[?6l\x1b[9999H",
    47: b"\x1b[?47l",
    1047: b"\x1b[?1047l",
    1049: b"\x1b[?1049l",
    7: b"\x1b[?7h",
    25: b"\x1b[?25h",
}
_SOFT_RESET = (1, KEYPAD, 6, 69, 7, 25)  # what DECSTR resets in xterm

# Controls that no text holds: NUL; SOH, STX, EOT, ACK and NAK of XMODEM, YMODEM and Kermit; DLE;
# and CAN, which is ZMODEM's ZDLE and part of each of its headers (`**\x18B`). Bytes from 0x80 up
# prove nothing: hosts still speak Latin-1.
_BINARY = (0x00, 0x18, 0x01, 0x02, 0x04, 0x06, 0x10, 0x15)
_ESC, _SO, _SI = 0x1B, 0x0E, 0x0F

LONGEST = 256  # bytes of a sequence that are kept; a longer one changes nothing
_STRING_KEPT = 10  # bytes that decide what a string is: ESC ] P and seven digits
_KITTY_DEPTH = 8  # kitty's own stack; a push beyond it drops the oldest

# C0 controls but CAN, SUB and ESC, and DEL: inside a sequence they act as they do outside.
_C0 = rb"\x00-\x17\x19\x1c-\x1f\x7f"
_C0_BYTES = bytes({*range(0x20), 0x7F} - {0x18, 0x1A, 0x1B})
# ]R and ]P with seven digits are the Linux console's palette sequences, which never end; xterm
# leaves them as the console does (its resource brokenLinuxOSC).
_STRING = (
    rb"(?:\](?:R|P[^\x07\x18\x1a\x1b]{0,7}|(?![RP])[^\x07\x18\x1a\x1b]*+)"
    rb"|[PX^_][^\x18\x1a\x1b]*+)"
)
# Two passes over every chunk; nothing that one finds bears on what the other finds. Each begins
# with a literal and leaves the commonest sequences (SGR, cursor movement) early; one expression for
# both took three times as long. Both also find a sequence that a C0 control interrupts, up to that.
_CSI = re.compile(rb"\x1b\[[ -?]*+[hlpqrsu" + _C0 + rb"]")
_OTHER = re.compile(rb"\x1b(?!\[[^>])(?:[=>c" + _C0 + rb"]|[ -/]++[" + _C0 + rb"]|\[>[0-9;]*+[mn])")
# What colours and moves, and nothing else: a chunk that holds no other sequence sets no mode.
_MORE = re.compile(rb"\x1b(?!\[[0-9:;]*+[@-HJ-MPSTXZ`a-gm])")
# Sequences whose effect depends on what was there before; all others assign.
_RELATIVE = re.compile(rb"\x1b\[(?:\?[0-9;]*[rs]|[<=>][0-9;]*u)")
_RESET = re.compile(rb"\x1b(c|\[!p)(?:[^\x1b]*+\x1b\1)*")  # a run of equal resets is one
_RESETS = frozenset((b"\x1bc", b"\x1b[!p"))
_PARTS = re.compile(rb"\x1b\[([<-?]?)([0-9;]*)([ -/]*)([@-~])")
_INTERRUPTED = re.compile(rb"\x1b[ -/" + _C0 + rb"]*+(?:\[[ -?" + _C0 + rb"]*+)?")
_UNFINISHED = re.compile(rb"\x1b(?:(?P<string>" + _STRING + rb")|\[[ -?]*+|[ -/]*+)")
_STRINGS = re.compile(rb"\x1b" + _STRING)
# The leading .* makes the engine search from the end, so these find the last of their kind.
_LAST_SGR = re.compile(rb"(?s:.*)(?P<esc>\x1b)\[(?P<text>[0-9:;]*+)m")
_SGR = re.compile(rb"\x1b\[(?P<text>[0-9:;]*+)m")
_LAST_G0 = re.compile(rb"(?s:.*)(?P<esc>\x1b)\((?P<text>[ -/]*+[0-~])")
_SGR_COLOUR = re.compile(rb"(?<![0-9:])[345]8;(?:5;[0-9]*|2;[0-9]*;[0-9]*;[0-9]*)")
_SGR_OFF = frozenset((10, 22, 23, 24, 25, 27, 28, 29, 39, 49, 50, 54, 55, 59, 65, 75))


class Mode(NamedTuple):
    """One private mode: its state, when it was last set, and when last set or reset (seconds)."""

    on: bool
    set_at: float | None = None
    changed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Modes:
    """What the host had turned on at one moment. Times are those of the chunk a sequence ended in.

    `modes[1004]` is a private mode, `modes[KEYPAD]` the keypad. `kitty_flags` and
    `modify_other_keys` are 0 when off. `binary_at` is when the output last held a control that no
    text holds; every ZMODEM header has one.
    """

    private: Mapping[int, Mode]
    kitty_flags: int
    modify_other_keys: int
    half_sequence: bool
    binary_at: float | None

    def __getitem__(self, mode: int) -> Mode:
        return self.private[mode]

    def any_on(self, modes: Iterable[int]) -> bool:
        """Whether one of these private modes is on."""
        return any(self.private[mode].on for mode in modes)

    @property
    def alternate_screen(self) -> bool:
        """Whether the alternate screen is shown, by whichever of its three numbers."""
        return self.any_on(_ALTERNATE_SCREEN)

    @property
    def plain(self) -> bool:
        """Whether no mode at all is on: private modes at their start, keyboard as it was.

        Scroll region, attributes and character sets don't count: they are how a program draws, not
        what it takes as input, and vim and htop leave a scroll region behind on a clean exit.
        """
        return not (
            self.kitty_flags
            or self.modify_other_keys
            or any(state.on != (mode in _ON_AT_START) for mode, state in self.private.items())
        )


class ModeTracker:
    """Follows the output of one host; what it keeps does not grow with the stream.

    Cursor positions are not followed, and so DECSC and DECRC aren't: what they bring back of
    attributes and character sets was set by a sequence seen before.
    """

    def __init__(self) -> None:
        self._carry = b""
        self._private = {mode: Mode(mode in _ON_AT_START) for mode in _PUT_BACK}
        self._saved: dict[int, bool] = {}
        self._keyboards = ([0], [0])  # kitty keyboard flags of the main and alternate screen
        self._modify_other_keys = 0
        self._cursor_style = 0
        self._region = (1, 0)  # first and last line; 0 is the bottom of the screen
        self._g0 = b"B"
        self._shifted = False
        self._sgr = b""  # the parameters of the last SGR sequence
        self._binary_at: float | None = None

    def feed(self, data: bytes, now: float) -> None:
        """Takes the next piece of output, read at `now` (monotonic seconds)."""
        for code in _BINARY:
            if code in data:
                self._binary_at = now
                break
        data = self._carry + data
        if _ESC in data:
            if _MORE.search(data) is None:
                self._carry, self._sgr = b"", self._last_sgr(data)
            else:
                data = self._sequences(data, now)
                self._carry = _unfinished(data)
        if _SO in data or _SI in data:
            self._shift(data)

    def snapshot(self) -> Modes:
        """The state now; later output doesn't change what was answered."""
        return Modes(
            private=self._private.copy(),
            kitty_flags=self._keyboard[-1],
            modify_other_keys=self._modify_other_keys,
            half_sequence=bool(self._carry),
            binary_at=self._binary_at,
        )

    def undo(self, rows: int = 0) -> bytes:
        """The bytes that put back what the host has changed and not put back itself.

        Empty when nothing is on. `rows` is the height of the user's terminal: a scroll region that
        covers it is none; with 0 (unknown) a region from line 1 counts as none. Attributes are
        reset when the last SGR sequence set one: a program that ends its colours with 39 or 22
        instead of 0 has ended them too. Titles, palettes and tab stops are not modes; they stay.
        """
        parts = [b"\x18\x1b\\"] if self._carry else []  # CAN ends a sequence, ST what ignores CAN
        if self._alternate:
            parts.append(_drop_flags(self._keyboards[1]))
        parts += [code for mode, code in _PUT_BACK.items() if self._is_changed(mode)]
        parts.append(_drop_flags(self._keyboards[0]))
        switches = (
            (self._modify_other_keys, b"\x1b[>4m"),
            # DECSTBM moves the cursor home; DECSC and DECRC bring it back.
            (self._region[0] > 1 or 0 < self._region[1] < rows, b"\x1b7\x1b[r\x1b8"),
            (self._g0 != b"B", b"\x1b(B"),
            (self._shifted, b"\x0f"),
            (_sets_attribute(self._sgr), b"\x1b[m"),
            (self._cursor_style, b"\x1b[0 q"),
        )
        return b"".join(parts) + b"".join(code for on, code in switches if on)

    @property
    def _alternate(self) -> bool:
        return any(self._private[mode].on for mode in _ALTERNATE_SCREEN)

    @property
    def _keyboard(self) -> list[int]:
        return self._keyboards[self._alternate]

    def _is_changed(self, mode: int) -> bool:
        return self._private[mode].on != (mode in _ON_AT_START)

    def _sequences(self, data: bytes, now: float) -> bytes:
        """Applies every finished sequence; answers the data that follows the last reset, tidied."""
        found = _effective(data)
        if not {sequence[-1] for sequence in found}.isdisjoint(_C0_BYTES):
            data = _INTERRUPTED.sub(_uninterrupted, data)
            found = _effective(data)
        if not _RESETS.isdisjoint(found):
            *pieces, data = _RESET.split(data)
            for before, reset in zip(pieces[::2], pieces[1::2], strict=True):
                self._apply(_effective(before + b"\x1b"), now)  # the ESC ended a string
                self._reset(now, soft=reset != b"c")
            found = _effective(data)
        self._apply(found, now)
        self._sgr = self._last_sgr(data)
        if b"\x1b(" in data:
            self._g0 = _last(_LAST_G0, data) or self._g0
        return data

    def _last_sgr(self, data: bytes) -> bytes:
        """The parameters of the last SGR sequence, of those before where data has none."""
        last = _SGR.match(data, data.rfind(_ESC)) if _ESC in data else None
        if last and len(last[0]) <= LONGEST:
            return last["text"]
        sgr = _last(_LAST_SGR, data)
        return self._sgr if sgr is None else sgr

    def _apply(self, sequences: Iterable[bytes], now: float) -> None:
        for sequence in sequences:
            switch = _SWITCHES.get(sequence)
            if switch:
                self._put(*switch, now)
            elif len(sequence) <= LONGEST and (parts := _PARTS.fullmatch(sequence)):
                marker, numbers, between, final = parts.groups()
                action = _ACTIONS.get(marker + between + final)
                if action:
                    action(self, final, [int(number or 0) for number in numbers.split(b";")], now)

    def _put(self, mode: int, on: bool, now: float) -> None:
        private = self._private
        if mode in _ALTERNATE_SCREEN:  # three switches of one screen
            private.update({each: private[each]._replace(on=False) for each in _ALTERNATE_SCREEN})
        private[mode] = Mode(on, now if on else private[mode].set_at, now)

    def _set_private(self, final: bytes, numbers: list[int], now: float) -> None:
        """h and l set and reset; s and r save and restore (XTSAVE, XTRESTORE)."""
        for mode in numbers:
            if mode not in self._private:
                continue
            if final == b"s":
                self._saved[mode] = self._private[mode].on
            elif final != b"r":
                self._put(mode, final == b"h", now)
            elif mode in self._saved:
                self._put(mode, self._saved[mode], now)

    def _push_flags(self, _final: bytes, numbers: list[int], _now: float) -> None:
        self._keyboard.append(numbers[0] & 0x7F)
        del self._keyboard[:-_KITTY_DEPTH]

    def _pop_flags(self, _final: bytes, numbers: list[int], _now: float) -> None:
        del self._keyboard[-(numbers[0] or 1) :]
        if not self._keyboard:
            self._keyboard.append(0)

    def _change_flags(self, _final: bytes, numbers: list[int], _now: float) -> None:
        """`=5;1u` sets the flags, `=5;2u` adds to them, `=5;3u` takes from them."""
        flags, how, *_ = [*numbers, 1]
        now = self._keyboard[-1]
        self._keyboard[-1] = {2: now | flags, 3: now & ~flags}.get(how, flags) & 0x7F

    def _set_other_keys(self, final: bytes, numbers: list[int], _now: float) -> None:
        """modifyOtherKeys: `>4;2m`; off by `>4m`, `>4n` and, with all its siblings, `>m`."""
        if numbers[0] == 4 or (final, numbers) == (b"m", [0]):
            self._modify_other_keys = [*numbers, 0][1] if final == b"m" else 0

    def _set_region(self, _final: bytes, numbers: list[int], _now: float) -> None:
        """DECSTBM; xterm ignores a region of less than two lines."""
        top, bottom, *_ = [max(numbers[0], 1), *numbers[1:], 0]
        if not 0 < bottom <= top:
            self._region = (top, bottom)

    def _set_cursor_style(self, _final: bytes, numbers: list[int], _now: float) -> None:
        self._cursor_style = numbers[0]

    def _reset(self, now: float, *, soft: bool) -> None:
        """RIS, or DECSTR as xterm does it: mouse, paste, focus and the alternate screen stay."""
        for mode in filter(self._is_changed, _SOFT_RESET if soft else self._private):
            self._put(mode, mode in _ON_AT_START, now)
        if not soft:
            self._keyboards = ([0], [0])
        self._modify_other_keys = self._cursor_style = 0
        self._region, self._g0, self._shifted, self._sgr = (1, 0), b"B", False, b""

    def _shift(self, data: bytes) -> None:
        """SO and SI: the last one outside strings counts."""
        text = _STRINGS.sub(b"", data)
        out, back = text.rfind(_SO), text.rfind(_SI)
        if out != back:
            self._shifted = out > back


_SWITCHES = {
    **{b"\x1b[?%dh" % mode: (mode, True) for mode in _PUT_BACK if mode != KEYPAD},
    **{b"\x1b[?%dl" % mode: (mode, False) for mode in _PUT_BACK if mode != KEYPAD},
    b"\x1b=": (KEYPAD, True),
    b"\x1b>": (KEYPAD, False),
}
# By private marker, intermediate and final byte.
_ACTIONS = {
    b"?h": ModeTracker._set_private,
    b"?l": ModeTracker._set_private,
    b"?r": ModeTracker._set_private,
    b"?s": ModeTracker._set_private,
    b">u": ModeTracker._push_flags,
    b"<u": ModeTracker._pop_flags,
    b"=u": ModeTracker._change_flags,
    b">m": ModeTracker._set_other_keys,
    b">n": ModeTracker._set_other_keys,
    b"r": ModeTracker._set_region,
    b" q": ModeTracker._set_cursor_style,
}


def _effective(data: bytes) -> list[bytes]:
    """The sequences in data, in their order; of equal ones that only assign, the last is enough.

    A program that hides and shows the cursor with every line costs little more than one that
    does not.
    """
    found = _OTHER.findall(data) + _CSI.findall(data)
    once = list(dict.fromkeys(reversed(found)))[::-1]
    return found if any(map(_RELATIVE.match, once)) else once


def _uninterrupted(match: re.Match[bytes]) -> bytes:
    """The sequence without the C0 controls inside it; SO and SI, which matter, go before it."""
    shifts = bytes(code for code in match[0] if code in (_SO, _SI))
    before = b"\x1b\\" + shifts if shifts else b""  # ST: the ESC ended a string, if there was one
    return before + match[0].translate(None, _C0_BYTES)


def _unfinished(data: bytes) -> bytes:
    """An unfinished sequence after the last ESC, cut down to what decides its meaning."""
    match = _UNFINISHED.fullmatch(data, data.rfind(_ESC)) if _ESC in data else None
    if match is None:
        return b""
    return match[0][: _STRING_KEPT if match["string"] else LONGEST + 1]


def _last(pattern: re.Pattern[bytes], data: bytes) -> bytes | None:
    """The text of the last sequence of this kind in data, None without one."""
    match = pattern.match(data)
    while match and match.end() - match.start("esc") > LONGEST:
        match = pattern.match(data, 0, match.start("esc"))
    return match["text"] if match else None


def _sets_attribute(sgr: bytes) -> bool:
    """Whether one SGR sequence, `01;34`, leaves an attribute or colour set."""
    on = False
    for parameter in _SGR_COLOUR.sub(b"38:", sgr).split(b";"):
        if b":" in parameter:
            on = on or parameter != b"4:0"  # the only one of this form that turns something off
        elif int(parameter or 0) not in _SGR_OFF:
            on = int(parameter or 0) != 0
    return on


def _drop_flags(keyboard: list[int]) -> bytes:
    """Takes back what was pushed to one screen's kitty keyboard flags, and no more."""
    pop = b"\x1b[<%du" % (len(keyboard) - 1) if len(keyboard) > 1 else b""
    return pop + (b"\x1b[=0u" if keyboard[0] else b"")
