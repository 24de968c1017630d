"""Waiting for a condition, with a deadline and a picture of what was there instead."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE = 30.0
"""Seconds that any single thing may take on a loaded machine of two cores."""

_POLL_EVERY = 0.01


def eventually(
    probe: Callable[[], T], what: str | Callable[[], str], *, deadline: float = DEADLINE
) -> T:
    """The first true value of `probe`, which is asked again and again for `deadline` seconds.

    `what` names the thing waited for, or is called to describe what was there instead.
    Raises AssertionError when the deadline passes.
    """
    give_up_at = time.monotonic() + deadline
    while not (value := probe()):
        if time.monotonic() > give_up_at:
            raise AssertionError(
                f"not within {deadline:g} s: {what if isinstance(what, str) else what()}"
            )
        time.sleep(_POLL_EVERY)
    return value
