"""What a terminal shows after a stream of bytes: pyte's model, corrected where tmux disagrees.

pyte 0.8.2 knows no alternate screen, takes `ESC [ > 4 ; 2 m` for an underline and `ESC [ < u` for
text, and ignores line drawing under UTF-8. So the stream is cut up here, and pyte does the drawing.
`tests/relay/test_screen_model.py` holds the model against `tmux capture-pane`.
"""

from __future__ import annotations

import codecs
import copy
import re
from collections.abc import Callable

import pyte
from wcwidth import wcwidth

_TOKEN = re.compile(
    r"""
      (?P<text>[^\x00-\x1f\x7f]+)
    | \x1b\[(?P<private>[<=>?]?)(?P<numbers>[\d;:]*)(?P<middle>[ -/]*)(?P<final>[@-~])
    | \x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)
    | \x1b[P_^X].*?\x1b\\                       # DCS, APC, PM, SOS: not for the screen
    | \x1b(?P<slot>[()])(?P<charset>.)
    | \x1b[*+%\-./\ ].
    | \x1b\#(?P<sharp>.)
    | \x1b(?P<escape>[^\[\]P_^X()*+%\-./\ \#])
    | (?P<control>[\x00-\x1a\x1c-\x1f\x7f])
    """,
    re.VERBOSE | re.DOTALL,
)
_BEGUN = re.compile(
    r"\x1b(?:\[[<=>?]?[\d;:]*[ -/]*|\][^\x07\x1b]*\x1b?|[P_^X].*|[()*+%\-./ #])?\Z", re.DOTALL
)

_ALTERNATE = (47, 1047, 1049)
_MODES_OF_THE_MODEL = (6, 7, 25)  # DECOM, DECAWM, DECTCEM
_INSERT_MODE = 4  # IRM, an ANSI mode

# Final byte → method of the model, and how many numbers it takes (ECMA-48, xterm ctlseqs).
_CSI = {
    "@": ("insert_characters", 1),
    "A": ("move_up", 1),
    "B": ("move_down", 1),
    "C": ("cursor_forward", 1),
    "D": ("cursor_back", 1),
    "E": ("cursor_down1", 1),
    "F": ("cursor_up1", 1),
    "G": ("cursor_to_column", 1),
    "H": ("cursor_position", 2),
    "J": ("erase_in_display", 1),
    "K": ("erase_in_line", 1),
    "L": ("insert_lines", 1),
    "M": ("delete_lines", 1),
    "P": ("delete_characters", 1),
    "S": ("scroll_up", 1),
    "T": ("scroll_down", 1),
    "X": ("erase_characters", 1),
    "Z": ("back_tab", 1),
    "`": ("cursor_to_column", 1),
    "b": ("repeat", 1),
    "d": ("cursor_to_line", 1),
    "f": ("cursor_position", 2),
    "g": ("clear_tab_stop", 1),
    "m": ("select_graphic_rendition", 99),
    "r": ("set_margins", 2),
    "s": ("save_cursor", 0),
    "u": ("restore_cursor", 0),
}
_ESCAPE = {
    "7": "save_cursor",
    "8": "restore_cursor",
    "D": "index",
    "E": "next_line",
    "H": "set_tab_stop",
    "M": "reverse_index",
    "c": "reset",
}
_CONTROL = {
    "\x07": "bell",
    "\x08": "backspace",
    "\x09": "tab",
    "\x0a": "linefeed",
    "\x0b": "linefeed",
    "\x0c": "linefeed",
    "\x0d": "carriage_return",
    "\x0e": "shift_out",
    "\x0f": "shift_in",
}


class Screen:
    """Feed it bytes, cut anywhere; then look. Rows and columns count from 0."""

    def __init__(self, rows: int, cols: int) -> None:
        self._model = _Model(cols, rows)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._begun = ""
        self.modes: set[int] = set()
        """The DEC private modes that are on, of those that were ever set (`ESC [ ? n h`)."""

    @property
    def rows(self) -> int:
        """The height."""
        return self._model.lines

    @property
    def cols(self) -> int:
        """The width."""
        return self._model.columns

    @property
    def lines(self) -> list[str]:
        """Every row as text, without the blanks at its end."""
        return [self._model.row(y).rstrip() for y in range(self.rows)]

    @property
    def text(self) -> str:
        """All rows, without the empty ones at the end."""
        return "\n".join(self.lines).rstrip("\n")

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column; past the last column where the next character would wrap."""
        return self._model.cursor.y, self._model.cursor.x

    @property
    def cursor_line(self) -> str:
        """The row that the cursor is in."""
        return self.lines[self._model.cursor.y]

    @property
    def bells(self) -> int:
        """How often the bell rang."""
        return self._model.bells

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown."""
        return self._model.alternate

    @property
    def title(self) -> str:
        """The window's title, OSC 0 or 2."""
        return self._model.title

    @property
    def incomplete(self) -> bool:
        """Whether the bytes so far end inside a sequence or a character."""
        return bool(self._begun or self._decoder.getstate()[0])

    def resize(self, rows: int, cols: int) -> None:
        """Change the size: rows vanish below the cursor, then at the top; no line is rewrapped."""
        self._model.resize(rows, cols)

    def feed(self, chunk: bytes) -> None:
        """Show these bytes. A sequence that is not complete waits for the next chunk."""
        stream = self._begun + self._decoder.decode(chunk)
        self._begun = ""
        at = 0
        while at < len(stream):
            token = _TOKEN.match(stream, at)
            if token is not None:
                self._show(token)
                at = token.end()
            elif _BEGUN.match(stream, at):
                self._begun = stream[at:]
                return
            else:
                at += 1  # an ESC that begins nothing

    def _show(self, token: re.Match[str]) -> None:
        model = self._model
        match token.lastgroup:
            case "text":
                model.draw(token["text"])
            case "final":
                self._csi(token)
            case "osc":
                kind, _, rest = token["osc"].partition(";")
                if kind in ("0", "2"):
                    model.set_title(rest)
            case "charset":
                model.define_charset(token["charset"], token["slot"])
            case "sharp" if token["sharp"] == "8":
                model.alignment_display()
            case "escape" if token["escape"] in _ESCAPE:
                getattr(model, _ESCAPE[token["escape"]])()
                if token["escape"] == "c":
                    self.modes.clear()
            case "control" if token["control"] in _CONTROL:
                getattr(model, _CONTROL[token["control"]])()

    def _csi(self, token: re.Match[str]) -> None:
        private, final = token["private"], token["final"]
        if token["middle"] or ":" in token["numbers"]:
            return
        numbers = [min(int(number or 0), 9999) for number in token["numbers"].split(";")]
        if final in "hl":
            for mode in numbers:
                if private == "?":
                    self._private_mode(mode, final == "h")
                elif mode == _INSERT_MODE and not private:
                    self._change_mode(mode, final == "h", private=False)
        elif not private and final in _CSI:
            name, count = _CSI[final]
            getattr(self._model, name)(*numbers[:count])

    def _private_mode(self, mode: int, on: bool) -> None:
        (self.modes.add if on else self.modes.discard)(mode)
        if mode in _ALTERNATE:
            self._model.show_alternate(on, with_cursor=mode == 1049)
        elif mode in _MODES_OF_THE_MODEL:
            self._change_mode(mode, on, private=True)

    def _change_mode(self, mode: int, on: bool, *, private: bool) -> None:
        change = self._model.set_mode if on else self._model.reset_mode
        change(mode, private=private)


class _Model(pyte.Screen):
    """pyte's screen with two buffers, and with tmux's reading of what pyte gets wrong."""

    def __init__(self, columns: int, lines: int) -> None:
        self.bells = 0
        self.alternate = False
        self._last_drawn = ""
        super().__init__(columns, lines)
        self._main_buffer = self.buffer
        self._main_cursor: pyte.screens.Cursor | None = None

    def reset(self) -> None:
        if self.alternate:
            self.show_alternate(False, with_cursor=False)
        super().reset()

    def bell(self, *args: object) -> None:
        self.bells += 1

    def row(self, y: int) -> str:
        """One row as text; half a wide character, the other half overwritten, is a blank."""
        cells = [self.buffer[y][x].data for x in range(self.columns)]
        shown, other_half = "", False
        for here, after in zip(cells, [*cells[1:], " "], strict=True):
            wide = here != "" and wcwidth(here[0]) == 2
            if here == "":
                shown += "" if other_half else " "
            else:
                shown += " " if wide and after != "" else here
            other_half = wide
        return shown

    def show_alternate(self, on: bool, *, with_cursor: bool) -> None:
        """Switch buffers; the alternate one starts empty each time."""
        if on == self.alternate:
            return
        self.alternate = on
        if on:
            self._main_cursor = copy.copy(self.cursor) if with_cursor else None
            self._main_buffer = self.buffer
            self.buffer = copy.copy(self.buffer)
            self.buffer.clear()
        else:
            self.buffer = self._main_buffer
            if with_cursor and self._main_cursor is not None:
                self.cursor = self._main_cursor

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        rows = lines or self.lines
        surplus = max(0, self.cursor.y - (rows - 1))
        if surplus:  # as rows below the cursor go first, only now do rows at the top
            for y in range(self.lines):
                self.buffer[y] = self.buffer[y + surplus]
            self.cursor.y -= surplus
        for y in range(rows, self.lines + surplus):
            self.buffer.pop(y, None)
        self.lines, self.columns = rows, columns or self.columns
        self.margins = None
        self.tabstops = set(range(8, self.columns, 8))
        self.ensure_hbounds()

    def draw(self, data: str) -> None:
        self._last_drawn = data[-1]
        wraps = pyte.modes.DECAWM in self.mode
        if data.isascii() and wraps:
            super().draw(data)
            return
        for character in data:
            no_room = wcwidth(character) == 2 and self.cursor.x == self.columns - 1
            if no_room and wraps:
                self.cursor.x = self.columns
            if wraps or not no_room:
                super().draw(character)
            if not wraps:
                self.ensure_hbounds()

    def repeat(self, count: int) -> None:
        """REP: the last character again."""
        if self._last_drawn:
            self.draw(self._last_drawn * (count or 1))

    def restore_cursor(self) -> None:
        kept = copy.deepcopy(self.savepoints)  # pyte takes it off a stack; terminals keep it
        super().restore_cursor()
        if kept and pyte.modes.DECOM not in self.mode:  # pyte keeps it inside the margins
            self.cursor.y = min(kept[-1].cursor.y, self.lines - 1)
        self.savepoints = kept

    def set_margins(self, top: int | None = None, bottom: int | None = None) -> None:
        first, last = (top or 1) - 1, min(bottom or self.lines, self.lines) - 1
        if first < last:
            whole = (first, last) == (0, self.lines - 1)
            self.margins = None if whole else pyte.screens.Margins(first, last)
            self.cursor.x = self.cursor.y = 0

    def cursor_up(self, count: int | None = None) -> None:
        if self.margins and self.cursor.y < self.margins.top:  # it stops at the screen's edge
            self.cursor.y = max(0, self.cursor.y - (count or 1))
        else:
            super().cursor_up(count)

    def cursor_down(self, count: int | None = None) -> None:
        if self.margins and self.cursor.y > self.margins.bottom:
            self.cursor.y = min(self.lines - 1, self.cursor.y + (count or 1))
        else:
            super().cursor_down(count)

    def move_up(self, count: int) -> None:
        """CUU, which forgets a pending wrap; a reverse index keeps it."""
        self.ensure_hbounds()
        self.cursor_up(count)

    def move_down(self, count: int) -> None:
        """CUD, likewise."""
        self.ensure_hbounds()
        self.cursor_down(count)

    def insert_lines(self, count: int | None = None) -> None:
        x = self.cursor.x
        super().insert_lines(count)
        self.cursor.x = x

    def delete_lines(self, count: int | None = None) -> None:
        for y in range(self.lines):
            self.buffer[y]  # pyte leaves a row as it was when the row that moves up has no entry
        x = self.cursor.x
        super().delete_lines(count)
        self.cursor.x = x

    def delete_characters(self, count: int | None = None) -> None:
        super().delete_characters(count)
        self._cut()

    def insert_characters(self, count: int | None = None) -> None:
        super().insert_characters(count)
        self._cut()

    def erase_in_display(self, how: int = 0, *args: object, **kwargs: object) -> None:
        if how in (0, 1, 2):  # 3 is the scrollback, of which there is none
            super().erase_in_display(how)

    def _cut(self) -> None:
        """Forget what pyte keeps beyond the last column."""
        self.buffer[self.cursor.y].pop(self.columns, None)

    def next_line(self) -> None:
        """NEL."""
        self.linefeed()
        self.carriage_return()

    def back_tab(self, count: int) -> None:
        """CBT: to the tab stop before."""
        for _ in range(count or 1):
            before = [stop for stop in self.tabstops if stop < self.cursor.x]
            self.cursor.x = max(before, default=0)

    def scroll_up(self, count: int) -> None:
        """SU: the margins' contents move up, the cursor stays."""
        self._at_top_of_margins(self.delete_lines, count)

    def scroll_down(self, count: int) -> None:
        """SD: down."""
        self._at_top_of_margins(self.insert_lines, count)

    def _at_top_of_margins(self, change: Callable[[int], None], count: int) -> None:
        x, y = self.cursor.x, self.cursor.y
        self.cursor.y = self.margins.top if self.margins else 0
        change(count)
        self.cursor.x, self.cursor.y = x, y
