"""keepshell keeps an idle ssh session alive and changes nothing else.

`keepshell.spawn` and `keepshell.pxssh` are pexpect's, kept alive (docs/python.md). What is named
here is loaded when it is first used: the command line must not pay for it.
"""

from keepshell._version import VERSION as __version__  # noqa: N811 - PEP 396's own name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from keepshell.api import explain as explain
    from keepshell.api import parse_ssh_args as parse_ssh_args
    from keepshell.api import pxssh as pxssh
    from keepshell.api import spawn as spawn
    from keepshell.core.rules.policy import Policy as Policy
    from keepshell.core.rules.rung import Rung as Rung

_HOMES = {
    "Policy": "keepshell.core.rules.policy",
    "Rung": "keepshell.core.rules.rung",
    "explain": "keepshell.api",
    "parse_ssh_args": "keepshell.api",
    "pxssh": "keepshell.api",
    "spawn": "keepshell.api",
}

__all__ = ["Policy", "Rung", "__version__", "explain", "parse_ssh_args", "pxssh", "spawn"]


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module 'keepshell' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
