"""What the session answers with: plain data, performed by the edge, one performer for each kind."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Phase(Enum):
    """Whom the child is talking to; the edge reads it from the pty's ICANON flag."""

    PROMPTING = "prompting"
    IN_SESSION = "in-session"


class Shell(Enum):
    """What has become of the shell at the other end."""

    PLAIN = "plain"
    """It ends with its connection."""
    KEPT = "kept"
    """The host keeps it, and it has not ended."""
    LEFT = "left"
    """It goes on without us."""
    ENDED = "ended"
    """It was kept, and is gone."""
    REFUSED = "refused"
    """The host ended the connection rather than keep it."""


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


class Answer(NamedTuple):
    """Send the engine's source, and then this request, to the child or to the attempt."""

    engine: str
    request: bytes
    to_attempt: bool


class Try(NamedTuple):
    """Open a new connection that runs `command`; `attended` it may ask the user."""

    attended: bool
    command: str


class ToAttempt(NamedTuple):
    """Bytes for the pty of an attempt that asks the user."""

    data: bytes


class Ask(NamedTuple):
    """Send the host an echo request; its answer is `KeptSession.reachable`."""


class Abandon(NamedTuple):
    """End the attempt that is under way."""


class TakeOver(NamedTuple):
    """The attempt is the child from now on; the former one ends."""


class Resize(NamedTuple):
    """Give the child's pty the terminal's size, with so many rows less."""

    fewer: int


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


Reattaching = Answer | Ask | Try | ToAttempt | Abandon | TakeOver | Resize
"""What only a kept shell asks for."""

Effect = (
    ToHost
    | ToUser
    | Nudge
    | Notify
    | Look
    | LinkChanged
    | Suspend
    | Disconnect
    | AskHold
    | Note
    | Reattaching
)
