"""Sessions drawn as lines of cells: in use, idle and kept alive, idle, dropped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from keepshell.core.idle import Stretch


class Cell(Enum):
    """What a cell shows: a drop if there was one, else what took most of its time."""

    NOTHING = "nothing"
    USED = "in use"
    KEPT = "idle, kept alive"  # keepalives went out
    IDLE = "idle"
    DROP = "dropped"


GLYPHS = {Cell.NOTHING: " ", Cell.IDLE: "░", Cell.KEPT: "▒", Cell.USED: "█", Cell.DROP: "✗"}
ASCII = {Cell.NOTHING: " ", Cell.IDLE: "-", Cell.KEPT: "=", Cell.USED: "#", Cell.DROP: "x"}
LEGEND = (Cell.USED, Cell.KEPT, Cell.IDLE, Cell.DROP)


class Span(NamedTuple):
    """One session, in seconds since 1970; the stretches count from its start."""

    started: float
    ended: float
    dropped: bool
    stretches: tuple[Stretch, ...] = ()


class Scale(NamedTuple):
    """The time that `width` cells show; `start` is before `end`."""

    start: float
    end: float
    width: int

    def position(self, moment: float) -> float:
        """Where a moment is, in cells from the left; within the scale whatever the moment."""
        share = (moment - self.start) / (self.end - self.start)
        return min(1.0, max(0.0, share)) * self.width

    def shares(self, start: float, end: float) -> Iterator[tuple[int, float]]:
        """The cells that a time falls into, and how much of each it fills."""
        left, right = self.position(start), self.position(end)
        first = min(int(left), self.width - 1)
        for index in range(first, max(first + 1, math.ceil(right))):
            yield index, min(right, index + 1) - max(left, index)


def lanes(spans: Iterable[Span]) -> list[list[Span]]:
    """The spans on as few lines as they fit on without lying over each other."""
    found: list[list[Span]] = []
    for span in sorted(spans):
        for lane in found:
            if lane[-1].ended <= span.started:
                lane.append(span)
                break
        else:
            found.append([span])
    return found


def cells(lane: Sequence[Span], scale: Scale) -> list[Cell]:
    """One line."""
    filled: list[dict[Cell, float]] = [{} for _ in range(scale.width)]
    for span in lane:
        for cell, start, end in _parts(span):
            for index, share in scale.shares(start, end):
                filled[index][cell] = filled[index].get(cell, 0.0) + share
        if span.dropped:
            last = min(int(scale.position(span.ended)), scale.width - 1)
            filled[last][Cell.DROP] = math.inf
    return [max(parts, key=lambda cell: parts[cell]) if parts else Cell.NOTHING for parts in filled]


def _parts(span: Span) -> Iterator[tuple[Cell, float, float]]:
    """What a session consists of; the times between its stretches are those of its use."""
    at = span.started
    for stretch in span.stretches:
        began = span.started + stretch.began
        if began > at:
            yield Cell.USED, at, began
        at = began + stretch.seconds
        yield Cell.KEPT if stretch.keepalives else Cell.IDLE, began, at
    if span.ended > at or not span.stretches:
        yield Cell.USED, at, span.ended
