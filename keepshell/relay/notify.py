"""How a warning reaches a user who looks elsewhere: a notification, or else the bell.

The rules it keeps:

- OSC 9 goes only to terminals that are known to show it; others would drop it, and tmux and screen
  do not pass it on;
- the bell rings everywhere else: tmux and screen mark the window, and terminals ask for attention.
"""

from __future__ import annotations

import os

from keepshell.ssh import client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

BELL = b"\a"

_SHOW_OSC_9 = {
    "TERM_PROGRAM": ("iTerm.app", "WezTerm", "ghostty"),
    "LC_TERMINAL": ("iTerm2",),  # which ssh passes on
    "TERM": ("xterm-kitty", "xterm-ghostty", "foot", "foot-extra", "wezterm"),
}
"""By their own documentation, OSC 9 with a text is a notification."""

_MULTIPLEXERS = ("TMUX", "STY")

_SHOW = 'notify-send --app-name=keepshell -- "$1" </dev/null >/dev/null 2>&1 &'


def for_terminal(text: str, environ: Mapping[str, str]) -> bytes:
    """What to write to the terminal."""
    inside = any(environ.get(name) for name in _MULTIPLEXERS)
    shows = any(environ.get(name) in values for name, values in _SHOW_OSC_9.items())
    if inside or not shows:
        return BELL
    printable = "".join(char if char.isprintable() else "?" for char in text)
    return b"\x1b]9;" + printable.encode("ascii", "replace") + BELL


def on_desktop(text: str, environ: Mapping[str, str]) -> None:
    """Show it on the desktop that we run on, if there is one; nothing is waited for."""
    has_desktop = environ.get("WAYLAND_DISPLAY") or environ.get("DISPLAY")
    shell = client.which("sh", environ)
    if not has_desktop or shell is None or client.which("notify-send", environ) is None:
        return
    try:
        # The shell ends at once, so that no child of ours is left over.
        pid = os.posix_spawn(shell, ["sh", "-c", _SHOW, "sh", text], dict(environ))
        os.waitpid(pid, 0)
    except OSError:
        return
