"""Sessions to a host with an idle rule: kept ones, whose trace is read, and bare ones beside them.

Nothing here measures time. What keepshell types for an idle user is counted: never twice within
half a limit (`test_never_twice_within_half_the_limit`), so `TURNS` of them take five limits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import psutil

from tests.support.access import Access
from tests.support.processes import Rest, tree
from tests.support.remoteshell import PROMPT
from tests.support.screen import Screen
from tests.support.terminal import Terminal
from tests.support.trace import Trace
from tests.support.waiting import eventually

LIMIT = 5
"""Seconds of idleness that a rule allows. Acted on at half of it, ChannelTimeout a second early:
that leaves 1.5 s to a loaded machine."""

TURNS = 10
"""Half limits in five limits."""

PRINTING = "the host is printing"
"""A hold just after a prompt has come."""

NO_WINDOW_CHANGE = "--window-change-interval=1d"
"""Only what is typed can have kept a session."""


class Look(NamedTuple):
    """All that a user can see or hear of a terminal."""

    lines: tuple[str, ...]
    cursor: tuple[int, int]
    alternate: bool
    bells: int
    title: str
    modes: frozenset[int]


def settled(terminal: Terminal) -> Look:
    """What the user has before the eyes once nothing of the session is on its way.

    A prompt may be there before the line editor's modes are.
    """
    rest, us = Rest(), psutil.Process()
    eventually(
        lambda: rest.reached(tree(us.pid) - {us}, len(terminal.output)),
        lambda: f"a session at rest\n{terminal.describe()}",
    )
    return look(terminal)


def look(terminal: Terminal) -> Look:
    """What the user has before the eyes now."""
    screen = terminal.screen
    return Look(
        tuple(screen.lines),
        screen.cursor,
        screen.alternate,
        screen.bells,
        screen.title,
        frozenset(screen.modes),
    )


@dataclass(frozen=True)
class Kept:
    """A session below keepshell."""

    terminal: Terminal
    trace: Trace
    holds_of_login: int = 0
    """Limits run from the spawn: while a slow host logs in, something may be due."""

    def typed(self) -> list[str]:
        """The rows of the table that were sent, in order."""
        return [event["detail"] for event in self.trace.named("noop-sent")]

    def holds(self) -> list[str]:
        """The reasons for which nothing was sent since the first prompt came, in order."""
        return [event["detail"] for event in self.trace.named("hold")][self.holds_of_login :]

    def wait_for_turns(self, row: str, count: int = TURNS, *, limit: float = LIMIT) -> None:
        """Return when this row was sent `count` times, and no other was, ever.

        `limit` is that of the rule, in seconds.
        """
        self.trace.wait_for("noop-sent", count, deadline=30 + count * limit)
        assert set(self.typed()) == {row}

    def wait_for_redraws(self, prompt: str, *, above: int = 0) -> None:
        """Return when every Enter has been answered, and check what the user sees of the answers.

        `above` are the user's own lines over it.
        Of a redraw that came too late to be hidden, that is one more line with the prompt.
        """
        eventually(
            lambda: len(self.redraws()) == self.typed().count("empty-line"),
            lambda: f"the answers\n{self.trace.events}\n{self.terminal.describe()}",
        )

        def shown(screen: Screen) -> bool:
            visible = above + self.redraws().count("visible")
            return screen.lines[visible] == prompt.rstrip() and screen.cursor[0] == visible

        self.terminal.wait_for_screen(shown, "a prompt for each redraw that is visible, and one")

    def redraws(self) -> list[str]:
        """What became of the answers to the Enters so far: `hidden` or `visible`."""
        names = [event["event"] for event in self.trace.events]
        return [name.partition("-")[2] for name in names if name.startswith("redraw-")]

    def wait_for_hold(self, *reasons: str) -> None:
        """Return when a no-op that was due has been held for one of these reasons.

        There may have been another before, while a slow host was still printing.
        """
        eventually(
            lambda: self.holds()[-1:] in [[reason] for reason in reasons],
            lambda: f"a hold: {reasons}\n{self.trace.events}\n{self.terminal.describe()}",
        )


class Logins:
    """Opens sessions to one host, each idle at its first prompt."""

    def __init__(
        self,
        access: Access,
        *,
        keepshell_exe: Path,
        start_terminal: Callable[..., Terminal],
        directory: Path,
        prompt: str = PROMPT,
        inside: Sequence[str] = (),
    ) -> None:
        """`directory` is for the traces; `prompt` is what the host shows first.

        `inside` is a command that runs another one where the host can be reached.
        """
        self.home = access.directory / "home"
        """HOME on the host."""
        self._access = access
        self._exe = str(keepshell_exe)
        self._start = start_terminal
        self._directory = directory
        self._prompt = prompt
        self._inside = inside

    def bare(self, *options: str, job: bool = False) -> Terminal:
        """A session of ssh alone, with these options of ssh's."""
        command = [*self._inside, "ssh", *options, *self._access.ssh_args()]
        return self._opened(self._start(command, job=job))

    def kept(self, *options: str, job: bool = False) -> Kept:
        """A session below keepshell with these options of its own."""
        number = len(list(self._directory.glob("trace.*"))) + 1
        trace = Trace(self._directory / f"trace.{number}")
        trace.path.touch()
        command = [*self._inside, self._exe, NO_WINDOW_CHANGE, *options]
        terminal = self._start(
            [*command, "ssh", *self._access.ssh_args()],
            env={**os.environ, "KEEPSHELL_TRACE": str(trace.path)},
            job=job,
        )
        return Kept(self._opened(terminal), trace, len(trace.named("hold")))

    def _opened(self, terminal: Terminal) -> Terminal:
        terminal.expect(self._prompt)
        return terminal


class Open(Protocol):
    """The fixture `open_logins`."""

    def __call__(self, *config: str, prompt: str = PROMPT, **parameters: object) -> Logins:
        """Start an sshd with these lines and parameters, and open sessions to it."""


def answers(terminal: Terminal) -> None:
    """Have the remote shell calculate something; AssertionError if it is no longer there."""
    terminal.send_line("echo answer-`expr 6 '*' 7`")  # as every shell has it
    terminal.expect("answer-42")


def cut(terminal: Terminal) -> bytes:
    """The output of a session that was ended from outside, with ssh's status 255."""
    output = terminal.read_to_end()
    assert terminal.wait() == 255, terminal.describe()
    return output
