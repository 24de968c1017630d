"""What the window's title says of a session: `✓ web`, `! 4m web` or `✗ 40s web`.

The title that was there is kept on the terminal's own stack (xterm ctlseqs, XTWINOPS 22 and 23).
"""

from __future__ import annotations

from collections.abc import Sequence

from keepshell.core.effects import Effect, ToUser
from keepshell.core.record import SessionRecord
from keepshell.core.rules.durations import describe
from keepshell.core.rules.plan import Remedy

_PUSH, RESTORE = b"\x1b[22;2t", b"\x1b[23;2t"
"""RESTORE brings the former title back; to be sent once, and only if `Titles.begun`."""


class Titles:
    """The title of one session, sent when what it says has changed."""

    def __init__(self, name: str, remedies: Sequence[Remedy]) -> None:
        """`name` is the host as typed; `remedies` are those for its idle timers."""
        self._name = "".join(char for char in name if char.isprintable())
        self._limits = [(remedy.rule.limit, remedy.acts) for remedy in remedies if remedy.threatens]
        self._said = ""

    @property
    def begun(self) -> bool:
        """Whether there is a former title to bring back."""
        return bool(self._said)

    @property
    def warns(self) -> bool:
        """Whether it says that an idle timer will strike, which a key puts off."""
        return self._said.startswith("!")

    def show(self, record: SessionRecord, *, half_sequence: bool) -> list[Effect]:
        """The title as it should be now; nothing where it is so, or would break a sequence."""
        text = f"{self._state(record)} {self._name}"
        if text == self._said or half_sequence:
            return []
        push = b"" if self.begun else _PUSH
        self._said = text
        return [ToUser(push + b"\x1b]2;" + text.encode() + b"\x07")]

    def _state(self, record: SessionRecord) -> str:
        if record.silent_since is not None:
            return f"✗ {describe(record.at - record.silent_since)}"
        waits = bool(record.hold) or not record.on
        threats = [limit for limit, acts in self._limits if waits or not acts]
        if not threats:
            return "✓"
        since = record.started_at if record.user_at is None else record.user_at
        return f"! {describe(max(0.0, min(threats) - (record.at - since)))}"
