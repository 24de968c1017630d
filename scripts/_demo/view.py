"""What the user sees of both sessions: moving panels on a terminal, lines of text elsewhere."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import termios
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from .server import Seen
    from .sessions import Session

SIDE_BY_SIDE_FROM = 70  # columns; in fewer, the panels are one above the other
MOST_TERMINAL_ROWS, FEWEST_TERMINAL_ROWS = 9, 3
FACTS_ROWS = 7  # of a panel: its border, four facts, the rule


@dataclasses.dataclass
class Side:
    """One of the two: the command, whom it logs in as, and what is known of it so far."""

    title: str
    user: str
    session: Session
    seen: Seen | None = None


@dataclasses.dataclass
class Scene:
    """All there is to see at one moment; `now` in the event loop's seconds."""

    now: float
    started_at: float
    limit: float
    caption: str
    sides: tuple[Side, ...]


class View(Protocol):
    """A way to show scenes; `columns` is how wide the terminals of the sessions should be."""

    columns: int

    def show(self, scene: Scene) -> None: ...


class Lines:
    """One line of text for each thing that happens, with the seconds since the start before it."""

    columns = 80

    def __init__(self) -> None:
        self._caption = ""
        self._told: set[tuple[str, str, int]] = set()

    def show(self, scene: Scene) -> None:
        if scene.caption != self._caption:
            self._caption = scene.caption
            for line in scene.caption.split("\n"):
                self._say(scene, "", line)
        for side in scene.sides:
            for kind, number, what in _events(side, scene.now):
                if (side.title, kind, number) not in self._told:
                    self._told.add((side.title, kind, number))
                    self._say(scene, side.title, what)

    def _say(self, scene: Scene, title: str, what: str) -> None:
        print(f"{scene.now - scene.started_at:5.1f} s  {title:20}{what}", flush=True)


def _events(side: Side, now: float) -> Iterator[tuple[str, int, str]]:
    """All that has happened to it, each with its kind and its number among those of the kind."""
    seen = side.seen
    if seen is not None:
        for number in range(seen.server_alives):
            yield "server-alive", number, f"server-alive {number + 1}"
        for number in range(seen.window_changes):
            yield "window-change", number, f"window-change {number + 1}"
        if seen.cut:
            yield "cut", 0, f"CUT after {seen.silence(now):.1f} s of silence"
    for number, line in enumerate(side.session.lines()[:-1]):
        yield "line", number, f"| {line}"


class Panels:
    """A panel for each session, redrawn in place: clock, silence, keepalives, terminal."""

    def __init__(self, console: Console, live: Live) -> None:
        self._console = console
        self._live = live
        width = console.width
        self._stacked = width < SIDE_BY_SIDE_FROM
        self.columns = (width if self._stacked else width // 2) - 4
        # The heading above and the caption below take four.
        room = (console.height - 4) // (2 if self._stacked else 1) - FACTS_ROWS
        self._rows = max(FEWEST_TERMINAL_ROWS, min(room, MOST_TERMINAL_ROWS))

    def show(self, scene: Scene) -> None:
        panels = [self._panel(side, scene) for side in scene.sides]
        body: RenderableType = Group(*panels)
        if not self._stacked:
            body = grid = Table.grid(expand=True)
            for _ in panels:
                grid.add_column(ratio=1)
            grid.add_row(*panels)
        heading = Text.assemble(
            ("keepshell demo", "bold"),
            f"   an SSH server on this machine cuts clients that are silent for {scene.limit:g} s",
        )
        self._live.update(Group(heading, body, Text(scene.caption)), refresh=True)

    def _panel(self, side: Side, scene: Scene) -> Panel:
        cut = side.seen is not None and side.seen.cut
        return Panel(
            Group(_facts(side, scene.now), Rule(style="dim"), self._terminal(side.session)),
            title=Text(side.title, "bold"),
            title_align="left",
            border_style="red" if cut else "green",
            height=self._rows + FACTS_ROWS,
        )

    def _terminal(self, session: Session) -> Text:
        """The last rows of the session's terminal, with a cursor while it lives."""
        text = Text("\n".join(session.lines()) + ("" if session.ended else "▏"))
        rows = text.wrap(self._console, self.columns)
        return Text("\n").join(rows[-self._rows :])


def _facts(side: Side, now: float) -> Table:
    """Four rows: its state and for how long, the silence, and the keepalives of each rung."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    seen = side.seen
    if seen is None:
        for label in ("connecting", "", "", ""):
            facts.add_row(Text(label, "dim"))
        return facts
    state = Text("alive", "bold green")
    if seen.cut:
        state = Text("cut", "bold red")
    elif seen.lost_at is not None:
        state = Text("ended", "bold")
    facts.add_row(state, f"{'for' if seen.lost_at is None else 'after'} {seen.alive(now):.1f} s")
    facts.add_row(Text("silent", "dim"), _gauge(seen, now))
    facts.add_row(Text("server-alive", "dim"), _count(seen.server_alives))
    return facts


def _gauge(seen: Seen, now: float) -> RenderableType:
    """The silence so far, as a bar that is full when the server cuts."""
    silence = min(seen.silence(now), seen.limit)
    bar = ProgressBar(
        total=seen.limit,
        completed=silence,
        width=12,
        complete_style="red" if silence > seen.limit * 0.6 else "green",
        finished_style="red",
    )
    grid = Table.grid(padding=(0, 1))
    grid.add_row(bar, f"{silence:.1f} of {seen.limit:g} s")
    return grid


def _count(count: int) -> Text:
    return Text(str(count), "bold" if count else "dim")


@contextlib.contextmanager
def opened() -> Iterator[View]:
    """Panels if the output is a terminal that can redraw, lines of text if not."""
    console = Console(highlight=False)
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        yield Lines()
        return
    with _no_echo(), Live(console=console, auto_refresh=False, transient=False) as live:
        yield Panels(console, live)


@contextlib.contextmanager
def _no_echo() -> Iterator[None]:
    """Keys pressed meanwhile are not shown, since they would tear the panels, and not kept."""
    try:
        before = termios.tcgetattr(0)
        # In the background, changing the terminal would stop us (SIGTTOU).
        ours = os.tcgetpgrp(0) == os.getpgrp()
    except (termios.error, OSError):
        ours = False
    if not ours:
        yield
        return
    quiet = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(0, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSAFLUSH, before)
