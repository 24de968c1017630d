"""The text of the cursor's row and where in it the cursor is, as far as the output tells.

Rows of any length, none of them numbered: a line program moves by characters, lines and within its
rows. What addresses the screen leaves the row unknown until a new one begins. The alternate screen
is passed over: when it is left, the cursor is where it was.
"""

from __future__ import annotations

import re

_TAB = 8
_ROWS_KEPT = 24
_LONGEST_ROW = 4096
_ALTERNATE = re.compile(rb"\x1b\[\?(?:47|1047|1049)([hl])")
_LEAVES = re.compile(rb"\x1b\[\?(?:47|1047|1049)l")
_TOKEN = re.compile(
    rb"(?P<text>[^\x00-\x1f\x7f]+)"
    rb"|\x1b\[(?P<marker>[<-?]?)(?P<numbers>[0-9:;]*)[ -/]*(?P<final>[@-~])"
    rb"|\x1b[]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"
    rb"|\x1b(?P<escape>[ -/]*[0-~])"
    rb"|(?P<control>[\x00-\x1f\x7f])"
)


class Row:
    """A few rows around the cursor; `feed` it output, sequences complete."""

    def __init__(self) -> None:
        self._rows: dict[int, str] = {}
        self._unknown: set[int] = set()
        self._at = 0  # the cursor's row
        self._column: int | None = 0
        self._saved: tuple[int, int | None] | None = None
        self._main: tuple[int, int | None] | None = None  # while the alternate screen is shown
        self._last = " "
        self._anew: int | None = None
        self.addressed = False
        """Whether the cursor was addressed, or the screen erased, since `mark`."""

    @property
    def known(self) -> bool:
        """Whether `before` and `after` can be believed."""
        return self._main is None and self._column is not None and self._at not in self._unknown

    @property
    def before(self) -> str:
        """The row's text before the cursor, blanks included."""
        column = self._column or 0
        return self._rows.get(self._at, "")[:column].ljust(column)

    @property
    def after(self) -> str:
        """The row's text from the cursor on."""
        return self._rows.get(self._at, "")[self._column or 0 :]

    @property
    def number(self) -> int:
        """Which row this is, for `text_of`."""
        return self._at

    def text_of(self, number: int) -> str | None:
        """The text of a row seen before; None where it is not known any more."""
        return None if number in self._unknown else self._rows.get(number)

    def mark(self) -> None:
        """From here on `printed_anew` and `addressed` count."""
        self._anew = None
        self.addressed = False

    @property
    def printed_anew(self) -> bool:
        """Whether all of the row before the cursor was printed since `mark`, from its start on."""
        text = self.before.rstrip()
        return self._anew is not None and bool(text) and self._anew >= len(text)

    def lose(self) -> None:
        """Output is missing here."""
        self._rows, self._unknown = {}, {self._at}
        self._column = self._saved = None

    def feed(self, data: bytes) -> None:
        """Takes output."""
        at = 0
        while at < len(data):
            if self._main is not None:
                leaves = _LEAVES.search(data, at)
                if leaves is None:
                    return
                at = leaves.end()
                self._switch(on=False)
            at = self._tokens(data, at)

    def _tokens(self, data: bytes, at: int) -> int:
        """Takes `data` from `at` until the alternate screen is shown; answers where it stopped."""
        for match in _TOKEN.finditer(data, at):
            kind = match.lastgroup
            if kind == "text":
                self._put(match["text"].decode("utf-8", "replace"))
            elif kind == "control":
                self._control(match["control"])
            elif kind == "final":
                if _ALTERNATE.fullmatch(match[0]):
                    self._switch(on=match["final"] == b"h")
                    if self._main is not None:
                        return match.end()
                elif not match["marker"]:
                    self._sequence(match["final"], match["numbers"])
            elif kind == "escape":
                self._escape(match["escape"])
        return len(data)

    def _put(self, text: str) -> None:
        self._last = text[-1]
        column = self._column
        if column is None:
            return
        row = self._rows.get(self._at, "")
        end = column + len(text)
        if end > _LONGEST_ROW:
            self._unknown.add(self._at)
            self._column = end
            return
        self._rows[self._at] = row[:column].ljust(column) + text + row[end:]
        if self._anew is not None and column <= self._anew:
            self._anew = max(self._anew, end)
        self._column = end

    def _control(self, code: bytes) -> None:
        if code == b"\n" or code in (b"\x0b", b"\x0c"):
            self._move(self._at + 1)
        elif code == b"\r":
            self._to(0)
        elif code == b"\b" and self._column:
            self._column -= 1
        elif code == b"\t" and self._column is not None:
            self._column = (self._column // _TAB + 1) * _TAB

    def _to(self, column: int | None) -> None:
        self._column = column
        if column == 0 and self._anew is None:
            self._anew = 0

    def _move(self, to: int) -> None:
        """Go to another row; one never seen is empty below, unknown above."""
        if to < self._at and to not in self._rows:
            self._unknown.add(to)
        self._at = to
        self._anew = 0 if self._column == 0 else None
        if len(self._rows) > 2 * _ROWS_KEPT:
            kept = sorted(self._rows, key=lambda row: abs(row - to))[:_ROWS_KEPT]
            self._rows = {row: self._rows[row] for row in kept}
            self._unknown &= {to, *kept}

    def _address(self, number: int) -> None:
        """The cursor goes to that column of some row, with unknown contents."""
        self.addressed = True
        self._at = max(self._rows, default=self._at) + _ROWS_KEPT
        self._unknown.add(self._at)
        self._anew = None
        self._to(number - 1)

    def _erase_row(self, how: int) -> None:
        if self._column is None:
            return
        row = self._rows.get(self._at, "")
        if how == 0:
            row = row[: self._column]
        elif how == 1:
            row = " " * min(self._column + 1, len(row)) + row[self._column + 1 :]
        else:
            row = ""
        if how == 2 or (how == 0 and self._column == 0):
            self._unknown.discard(self._at)
        self._rows[self._at] = row

    def _erase_screen(self, how: int) -> None:
        self.addressed = True
        if how == 0:
            self._erase_row(0)
            for row in [row for row in self._rows if row > self._at]:
                del self._rows[row]
        elif how == 1:
            self._erase_row(1)
            for row in [row for row in self._rows if row < self._at]:
                del self._rows[row]
        else:
            self._rows, self._unknown = {}, set()

    def _switch(self, *, on: bool) -> None:
        if on and self._main is None:
            self._main = (self._at, self._column)
        elif not on and self._main is not None:
            (self._at, self._column), self._main = self._main, None
            self._anew = 0 if self._column == 0 else None

    def _escape(self, code: bytes) -> None:
        if code == b"7":
            self._saved = (self._at, self._column)
        elif code == b"8":
            self._restore()
        elif code in (b"D", b"E"):
            if code == b"E":
                self._column = 0
            self._move(self._at + 1)
        elif code == b"M":
            self._move(self._at - 1)
        elif code == b"c":
            self._rows, self._unknown, self._column = {}, set(), 0

    def _restore(self) -> None:
        if self._saved is None:
            self._address(1)
        else:
            self._at, self._column = self._saved

    def _sequence(self, final: bytes, numbers: bytes) -> None:
        parameters = [int(number) if number.isdigit() else 0 for number in numbers.split(b";")]
        first, count = parameters[0], parameters[0] or 1
        match final:
            case b"A" | b"B":
                self._move(self._at + (count if final == b"B" else -count))
            case b"C" | b"D":
                self._across(count if final == b"C" else -count)
            case b"E" | b"F":
                self._column = 0
                self._move(self._at + (count if final == b"E" else -count))
            case b"G" | b"`":
                self.addressed = True
                self._to(count - 1)
            case b"H" | b"f":
                self._address((parameters[1] if len(parameters) > 1 else 1) or 1)
            case b"K":
                self._erase_row(first)
            case b"J":
                self._erase_screen(first)
            case _:
                self._edit(final, count)

    def _edit(self, final: bytes, count: int) -> None:
        """What is seldom: it changes the row in place, or the screen around it."""
        match final:
            case b"P" | b"@" | b"X":
                self._change(final, count)
            case b"b":
                self._put(self._last * min(count, _TAB * _TAB))
            case b"s":
                self._saved = (self._at, self._column)
            case b"u":
                self._restore()
            case b"d":
                self._address((self._column or 0) + 1)
            case b"r" | b"L" | b"M" | b"S" | b"T":
                self._address(1)

    def _change(self, final: bytes, count: int) -> None:
        """Delete, insert or blank so many characters at the cursor."""
        if self._column is None:
            return
        row = self._rows.get(self._at, "")
        before, after = row[: self._column].ljust(self._column), row[self._column :]
        if final == b"P":
            after = after[count:]
        elif final == b"@":
            after = " " * count + after
        else:
            after = " " * min(count, len(after)) + after[count:]
        self._rows[self._at] = before + after

    def _across(self, count: int) -> None:
        if self._column is not None:
            self._column = max(0, self._column + count)
