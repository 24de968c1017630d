"""Whether a call of ssh goes through a hold: only one that has just proved that it lives."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keepshell.core.ssh.arguments import SshCommand

_ALLOWED = frozenset("46CEFTaeiklnopqstvx")
"""Options that mean the same in a shared connection; -L and the like would outlive the session."""

_OURS_ALONE = ("ControlPath", "ControlMaster")
_NONE = ("no", "none", "false")


def find(
    command: SshCommand,
    option: Callable[[str, str], str | None],
    name: Callable[[], str],
    environ: Mapping[str, str],
) -> tuple[str, str] | None:
    """The name and the control path of a live hold of this host; None where there is none to use.

    `option` answers what ssh goes by, `name` with the host's full name. Takes 1 s at most.
    """
    is_users = any(option(key, "no") not in _NONE for key in _OURS_ALONE)
    if is_users or command.flags - _ALLOWED:
        return None
    from keepshell.store import holds

    host = ""
    for known in holds.names(environ):
        record = holds.read(known, environ)
        host = host or name()
        if record is None or record.get("host") != host:
            continue
        files = holds.files_of(known, environ)
        if holds.ask(files, "alive") == "yes":
            return known, files.link
    return None
