"""What the session answers with: plain data, performed by the edge, one performer for each kind."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Phase(Enum):
    """Whom the child is talking to; the edge reads it from the pty's ICANON flag."""

    PROMPTING = "prompting"
    IN_SESSION = "in-session"


class ToHost(NamedTuple):
    """Bytes for the child's pty."""

    data: bytes


class ToUser(NamedTuple):
    """Bytes for the user's terminal."""

    data: bytes


class Nudge(NamedTuple):
    """Send SIGWINCH to the child with the size unchanged: one `window-change` packet."""


class Look(NamedTuple):
    """Ask the kernel about the connection, and tell the session: `Session.looked`."""


class LinkChanged(NamedTuple):
    """The host answers no more, or again: worth telling who looks."""

    state: str


class Suspend(NamedTuple):
    """Stop keepshell as a job; the child keeps running."""


class Disconnect(NamedTuple):
    """End the child: the user typed `~.` where ssh, because of us, could not see it."""


class Notify(NamedTuple):
    """Tell the user, who may be looking elsewhere."""

    text: str


class AskHold(NamedTuple):
    """Ask when the hold that the session runs through ends, and tell it: `Session.held_until`."""


class Note(NamedTuple):
    """Something worth a line in the trace."""

    event: str
    detail: str = ""


Effect = (
    ToHost | ToUser | Nudge | Notify | Look | LinkChanged | Suspend | Disconnect | AskHold | Note
)
