"""What the loop wrote to KEEPSHELL_TRACE: one JSON object a line, the event's name in `event`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.waiting import DEADLINE, eventually


class Trace:
    """Reads a trace that may still be growing; a last line without its end is left for later."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every complete event so far, in order."""
        if not self.path.exists():
            return []
        complete, _, _ = self.path.read_text().rpartition("\n")
        return [json.loads(line) for line in complete.splitlines()]

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events of one name so far, in order."""
        return [event for event in self.events if event["event"] == name]

    def wait_for(
        self, name: str, count: int = 1, *, deadline: float = DEADLINE
    ) -> list[dict[str, Any]]:
        """The events of this name, once there are at least `count`.

        Raises AssertionError, with the whole trace, after `deadline` seconds.
        """

        def enough() -> list[dict[str, Any]]:
            found = self.named(name)
            return found if len(found) >= count else []

        return eventually(enough, lambda: self._lacking(name, count), deadline=deadline)

    def _lacking(self, name: str, count: int) -> str:
        shown = self.path.read_text() if self.path.exists() else "(no such file)"
        return f"{count} × {name} in {self.path}\n{shown}"
