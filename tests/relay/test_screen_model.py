"""The screen model shows what tmux shows, for generated streams and for those of real programs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.programs import require
from tests.support.screen import Screen
from tests.support.terminal import Terminal
from tests.support.tmux import Tmux
from tests.support.waiting import eventually

ROWS, COLS = 10, 30


class Shown(NamedTuple):
    """What can be seen of a screen."""

    lines: list[str]
    cursor: tuple[int, int]
    alternate: bool


class TmuxScreen:
    """Shows a stream of bytes in a window of a tmux server."""

    def __init__(self, tmux: Tmux, directory: Path) -> None:
        self._tmux = tmux
        self._directory = directory
        self._count = 0

    def show(self, stream: bytes, *sizes: tuple[int, int]) -> Shown:
        """Show it at the first size, change to the others one after another, and look."""
        self._count += 1
        # tmux parses in order: when this title has arrived, everything before it is on the screen.
        title = f"shown {self._count}"
        path = self._directory / str(self._count)
        path.write_bytes(stream + f"\x1b]2;{title}\x07".encode())
        tmux = self._tmux
        command = f"stty raw -echo; cat {path}; exec cat"
        pane = tmux.run("new-window", "-d", "-P", "-F", "#{pane_id}", "cat").strip()
        self._resize(pane, *sizes[0])
        tmux.run("respawn-pane", "-k", "-t", pane, "sh", "-c", command)
        eventually(lambda: tmux.query("pane_title", pane) == title, title)
        for size in sizes[1:]:
            self._resize(pane, *size)
        cursor = int(tmux.query("cursor_y", pane)), int(tmux.query("cursor_x", pane))
        shown = Shown(tmux.lines(pane), cursor, tmux.query("alternate_on", pane) == "1")
        tmux.run("kill-window", "-t", pane)
        return shown

    def _resize(self, pane: str, rows: int, cols: int) -> None:
        self._tmux.run("resize-window", "-t", pane, "-x", str(cols), "-y", str(rows))


@pytest.fixture(scope="module")
def tmux_screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TmuxScreen]:
    """One server for all streams; each gets a window of its own."""
    require("tmux")
    with ExitStack() as closing:
        tmux = Tmux(["cat"], rows=ROWS, cols=COLS)
        closing.callback(tmux.stop)
        yield TmuxScreen(tmux, tmp_path_factory.mktemp("streams"))


def _model(stream: bytes, cut: random.Random, rows: int, cols: int) -> Screen:
    """The model, fed in small pieces that may end inside a character or a sequence."""
    screen = Screen(rows, cols)
    at = 0
    while at < len(stream):
        size = cut.choice((1, 2, 7, 100, 5000))
        screen.feed(stream[at : at + size])
        at += size
    return screen


def _assert_same(tmux_screen: TmuxScreen, stream: bytes, rows: int, cols: int) -> None:
    tmux = tmux_screen.show(stream, (rows, cols))
    ours = _model(stream, random.Random(len(stream)), rows, cols)
    assert ours.lines == tmux.lines, repr(stream)
    assert _visible(ours.cursor, cols) == _visible(tmux.cursor, cols)
    assert ours.alternate == tmux.alternate


def _visible(cursor: tuple[int, int], cols: int) -> tuple[int, int]:
    """A pending wrap is column `cols` in the model and in tmux, and the last column to a user."""
    return cursor[0], min(cursor[1], cols - 1)


class _Stream:
    """Random output such as full-screen programs write.

    What tmux 3.3a reads unlike xterm is placed where the two agree: REP, insert mode, tabs and
    backspaces away from the last column; line insertion within the margins; no half-overwritten
    wide characters together with shifts inside a line.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._alternate_mode = self._random.choice((47, 1049))
        self._alternate = False
        self._wide = seed % 3 == 0

    def bytes(self, items: int) -> bytes:
        kinds = (
            *(self._words,) * 9,
            *(self._move,) * 9,
            *(self._fixed,) * 3,
            self._erase,
            self._lines,
            self._shift,
            self._scroll,
            self._margins,
            self._switch,
            self._unicode,
            self._ignored,
        )
        return "".join(self._random.choice(kinds)() for _ in range(items)).encode()

    def _number(self, below: int = 12) -> str:
        return str(self._random.randrange(below)) if self._random.random() < 0.8 else ""

    def _words(self) -> str:
        letters = "abcdefgh XYZ"
        return "".join(self._random.choices(letters, k=self._random.randrange(1, 25)))

    def _move(self) -> str:
        final = self._random.choice("HHHABCGd")
        column = f";{self._number(32)}" if final == "H" else ""
        return f"\x1b[{self._number()}{column}{final}"

    def _fixed(self) -> str:
        return self._random.choice(
            (
                *("\r\n", "\r", "\n", "\x1b7", "\x1b8", "\x1bM", "\x1bD", "\x1bE"),
                *("\x1b[7;3H\t", "\x1b[6;6Hab\b", "\x1b[4;9H\x1b[3D", "\x1b[8;20H\x1b[2Z"),
                *("\x1b[2;3Hab\x1b[3b", "\x1b[3;3H\x1b[4hab\x1b[4l", "\x1b[?7l", "\x1b[?7h"),
            )
        )

    def _erase(self) -> str:
        return f"\x1b[{self._random.choice(('', '0', '1', '2'))}{self._random.choice('JK')}"

    def _lines(self) -> str:
        return f"\x1b[5;{self._number()}H\x1b[{self._number(6)}{self._random.choice('LM')}"

    def _shift(self) -> str:
        if self._wide:
            return ""
        at = f"{self._random.randrange(1, 11)};{self._random.randrange(1, 10)}"
        return f"\x1b[{at}H\x1b[{self._number(6)}{self._random.choice('@PX')}"

    def _scroll(self) -> str:
        return f"\x1b[{self._number(6)}{self._random.choice('ST')}"

    def _margins(self) -> str:
        if self._random.random() < 0.4:
            return "\x1b[r"
        return f"\x1b[{self._random.randrange(1, 5)};{self._random.randrange(6, 11)}r"

    def _switch(self) -> str:
        self._alternate = not self._alternate
        return f"\x1b[?{self._alternate_mode}{'h' if self._alternate else 'l'}"

    def _unicode(self) -> str:
        return "漢字" if self._wide and self._random.random() < 0.5 else "é"

    def _ignored(self) -> str:
        return self._random.choice(
            (
                *("\x1b[>4;2m", "\x1b[<u", "\x1b[>1u", "\x1b[38;2;1;2;3m", "\x1b[4:3m", "\x1b[m"),
                *("\x1bP+q544e\x1b\\", "\x1b]0;title\x07", "\x1b]8;;http://x/\x1b\\", "\x1b[0 q"),
                *("\x1b[?2004h", "\x1b[?25l", "\x1b[?25h", "\x07", "\x1b=", "\x1b>", "\x1b[c"),
            )
        )


@pytest.mark.parametrize("seed", range(40))
def test_generated_streams(tmux_screen: TmuxScreen, seed: int) -> None:
    _assert_same(tmux_screen, _Stream(seed).bytes(60), ROWS, COLS)


class Recorded(NamedTuple):
    """A program, a text that shows it is ready, what is then typed, a text that ends it."""

    argv: tuple[str, ...]
    ready: str
    typed: str
    last: str


_RECORDED = (
    Recorded(
        ("vim", "-u", "NONE", "-i", "NONE", "-n", "lines"),
        "line 1",
        "G$inew\x1bggdd:set nu\r:sp\r/line 77\r",
        "77 line 77",
    ),
    Recorded(("less", "lines"), "line 1", "Gkkkgjj/line 50\r", "line 50"),
    Recorded(("top", "-d", "1000"), "load average", "h", "Help for Interactive"),
    Recorded(
        ("bash", "--norc", "--noprofile", "-i"),
        "LOCAL$",
        "for i in 1 2 3; do echo say$i; done\x01echo x; \x05 # a comment too long for one line of "
        "this terminal\x17\x17\r",
        "say3\n",
    ),
    Recorded(
        ("zsh", "-f"), "LOCAL$", "print -l one two three; print -n no newline\r", "no newline"
    ),
)


@pytest.mark.parametrize("recorded", _RECORDED, ids=lambda recorded: recorded.argv[0])
def test_streams_of_programs(
    recorded: Recorded,
    tmux_screen: TmuxScreen,
    start_terminal: Callable[..., Terminal],
    tmp_path: Path,
) -> None:
    require(recorded.argv[0])
    text = "".join(f"line {n} {'wide ' * (n % 40)}\n" for n in range(200))
    (tmp_path / "lines").write_text(text)
    terminal = start_terminal(recorded.argv, cwd=tmp_path)
    terminal.wait_for_screen(lambda seen: recorded.ready in seen.text, recorded.ready)
    terminal.send(recorded.typed)

    def settled() -> bytes:
        stream = terminal.output
        screen = Screen(24, 80)
        screen.feed(stream)
        return stream if recorded.last in screen.text and not screen.incomplete else b""

    stream = eventually(settled, lambda: f"{recorded.last!r}\n{terminal.describe()}")
    _assert_same(tmux_screen, stream, 24, 80)


@pytest.mark.parametrize("last_row", [1, 4, 8, 10])
@pytest.mark.parametrize("size", [(6, COLS), (ROWS, 20), (5, 25), (13, 40)])
def test_resizing(tmux_screen: TmuxScreen, last_row: int, size: tuple[int, int]) -> None:
    rows = "\r\n".join(f"row {number}" for number in range(ROWS))
    stream = f"{rows}\x1b[{last_row};4H".encode()
    tmux = tmux_screen.show(stream, (ROWS, COLS), size)
    ours = _model(stream, random.Random(last_row), ROWS, COLS)
    ours.resize(*size)
    assert (ours.lines, ours.cursor) == (tmux.lines, tmux.cursor)


def test_line_drawing_characters() -> None:
    screen = Screen(2, 10)
    screen.feed(b"\x1b(0lqk\x1b(Blqk\x1b)0\x0ex\x0fx")
    assert screen.text == "┌─┐lqk│x"


def test_modes_bells_and_title() -> None:
    screen = Screen(2, 10)
    screen.feed(b"\x07\x1b]2;name\x1b\\\x1b[?2004;1004h\x07\x1b[?1004l\x1b[?1049h")
    assert (screen.bells, screen.title, screen.modes) == (2, "name", {2004, 1049})
    assert screen.alternate
    screen.feed(b"\x1bc")
    assert (screen.modes, screen.alternate) == (set(), False)


def test_a_stream_that_ends_inside_something() -> None:
    screen = Screen(2, 10)
    for chunk in (b"a\x1b", b"[", b"1", b";", b"5", b"Hb\xc3"):
        screen.feed(chunk)
        assert screen.incomplete == (chunk[-1:] != b"a")
    screen.feed(b"\xa9")
    assert (screen.incomplete, screen.lines[0]) == (False, "a   bé")


def test_an_escape_that_begins_nothing() -> None:
    screen = Screen(2, 10)
    screen.feed(b"\x1b[1\x01\x1b\x07z")
    assert screen.lines[0].endswith("z")
