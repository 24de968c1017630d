"""What people call the idle timers and the endings that the code has names of its own for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

TIMERS = {
    "client-alive": "ClientAliveInterval",
    "dropbear-idle": "dropbear -I",
    "connection-idle": "connection timer",
    "channel-timeout": "ChannelTimeout",
    "logind": "logind",
    "stop-idle": "idle-session limit",
    "session-idle": "session timer",
    "tty-idle": "idle-terminal reaper",
    "zsh-tmout": "zsh's TMOUT",
    "tmux-lock": "tmux's lock",
    "tmout": "TMOUT",
    "autologout": "autologout",
    "unused-connection": "UnusedConnectionTimeout",
}

ENDINGS = {
    "own-exit": "you left",
    "signal-here": "a signal here",
    "escape-quit": "you left with ~.",
    "moved": "moved to another terminal",
    "remote-exit": "you left",
    "auth-failed": "login failed",
    "host-key": "host key not accepted",
    "unreachable": "not reachable",
    "not-begun": "never began",
    "unknown": "unknown",
    "channel-timeout": "ChannelTimeout",
    "client-alive": "ClientAliveInterval",
    "client-gave-up": "network",
    "connection-idle": "connection timer",
    "disconnected": "server disconnected",
    "dropbear-idle": "dropbear -I",
    "killed-here": "ssh was killed here",
    "logind": "logind",
    "master-gone": "shared connection gone",
    "remote-killed": "shell was killed",
    "reset": "network",
    "server-alive": "host stopped answering",
    "server-gone": "server closed it",
    "session-idle": "session timer",
    "tmout": "TMOUT",
    "stop-idle": "idle-session limit",
    "tty-idle": "idle-terminal reaper",
    "unanswered": "ServerAlive unanswered",
}

LEVELS = {
    "off": "nothing",
    "server-alive": "packets",
    "window-change": "packets",
    "no-op": "harmless input",
    "empty-line": "Enter",
}
"""What keeps a session at each rung."""


def timer(kind: str) -> str:
    """`ChannelTimeout` for `channel-timeout`."""
    return TIMERS.get(kind, kind)


def ending(kind: str) -> str:
    """`you left` for `remote-exit`."""
    return ENDINGS.get(kind, kind)


def count(number: int, noun: str) -> str:
    """`1 session`, `2 sessions`."""
    return f"{number} {noun}{'s' * (number != 1)}"
