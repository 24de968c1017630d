"""The show: two sessions idle, one is cut, the other answers; anything else is an error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .server import HOST
from .sessions import Session
from .view import Scene, Side, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from .server import Server
    from .sessions import Access
    from .view import View

FRAME = 0.2  # seconds between two looks at the sessions
GRACE = 30.0  # seconds for what should take a fraction of one
TERM = "xterm"  # asyncssh edits a line with the fewest backspaces there
PROMPTED = b"demo$"
ANSWERED = b"is the limit"


class NotShownError(Exception):
    """The show did not show what it is for; the sentence says what was seen in its place."""


async def perform(server: Server, access: Access) -> None:
    """Open both sessions and show the whole story. Raises NotShownError."""
    with opened() as view:
        # KEEPSHELL=0: the `ssh` that the user has on PATH may itself be a keepshell.
        bare_environment = access.environment(TERM=TERM, KEEPSHELL="0")
        bare = Session(access.bare("bare"), bare_environment, view.columns)
        kept = Session(access.kept("kept"), access.environment(TERM=TERM), view.columns)
        sides = Side("ssh demo", "bare", bare), Side("keepshell ssh demo", "kept", kept)
        try:
            await _Story(server, view, sides).run()
        finally:
            for side in sides:
                side.session.close()


class _Story:
    """What happens, in order; each step waits for its condition, or raises NotShownError."""

    def __init__(self, server: Server, view: View, sides: tuple[Side, Side]) -> None:
        self._server = server
        self._view = view
        self._bare, self._kept = self._sides = sides
        self._started_at = self._now()
        self._idle_since = self._started_at
        self._caption = ""

    async def run(self) -> None:
        await self._both_connect()
        await self._one_is_cut()
        await self._the_other_answers()
        await self._and_leaves()

    async def _both_connect(self) -> None:
        self._caption = f"Two clients connect to {HOST}, port {self._server.port}."
        await self._until(
            lambda: all(PROMPTED in side.session.shown for side in self._sides), GRACE
        )
        for side in self._sides:
            if PROMPTED not in side.session.shown:
                raise NotShownError(f"`{side.title}` did not get to the prompt.{_last_words(side)}")

    async def _one_is_cut(self) -> None:
        limit = self._server.limit
        self._idle_since = self._now()
        self._caption = "Both are in. From now on, no key is pressed."
        await self._until(lambda: self._bare.session.ended, limit + GRACE)
        if not (self._bare.session.ended and self._bare.seen and self._bare.seen.cut):
            raise NotShownError(f"`{self._bare.title}` was not cut.{_last_words(self._bare)}")
        answer_after = limit * 1.25
        self._caption = (
            f"`{self._bare.title}` was cut for its silence. The other idles on, for "
            f"{answer_after:g} s in all."
        )
        await self._until(lambda: self._now() - self._idle_since > answer_after, answer_after)

    async def _the_other_answers(self) -> None:
        idle_for = self._now() - self._idle_since
        self._caption = f"Typing `idle` into `{self._kept.title}`."
        self._kept.session.type_line("idle")
        await self._until(lambda: ANSWERED in self._kept.session.shown, GRACE)
        seen = self._kept.seen
        if seen is None or ANSWERED not in self._kept.session.shown:
            raise NotShownError(f"`{self._kept.title}` did not answer.{_last_words(self._kept)}")
        self._caption = (
            f"`{self._kept.title}` answers after {int(idle_for)} s without a key, thanks to "
            f"{seen.keepalives} keepalives.\n"
            "Here they come every 2 s; by default, every 60 s."
        )
        self._look()

    async def _and_leaves(self) -> None:
        self._kept.session.type_line("exit")
        give_up_at = self._now() + GRACE
        while not self._kept.session.ended and self._now() < give_up_at:
            await asyncio.sleep(FRAME)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Show what goes on until the condition holds or the time is up; the kept one must last."""
        give_up_at = self._now() + seconds
        while not condition() and self._now() < give_up_at:
            if self._kept.session.ended:
                cut = self._kept.seen and self._kept.seen.cut
                raise NotShownError(
                    f"`{self._kept.title}` was to last, and {'was cut' if cut else 'ended'}."
                    f"{_last_words(self._kept)}"
                )
            await asyncio.sleep(FRAME)
            self._look()

    def _look(self) -> None:
        for side in self._sides:
            side.seen = self._server.seen.get(side.user)
        self._view.show(
            Scene(self._now(), self._started_at, self._server.limit, self._caption, self._sides)
        )

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _last_words(side: Side) -> str:
    """The last line of its terminal; where keepshell itself said something, that."""
    lines = [line.strip() for line in side.session.lines() if line.strip()]
    words = [line for line in lines if line.startswith("keepshell:")] or lines[-1:]
    return f" It said: {' '.join(words)}" if words else " It said nothing."
