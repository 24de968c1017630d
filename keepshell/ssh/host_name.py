"""Under which name a host is remembered: `user@hostname:port`, as ssh resolves them."""

from __future__ import annotations

import os

from keepshell.core.ssh import arguments
from keepshell.ssh import client, config_scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DEFAULT_PORT = "22"


class NameLookup:
    """The name of one command's host; `ssh -G` is asked in the background where it may matter.

    Make it once ssh itself has been started, so that asking delays nothing.
    """

    def __init__(
        self, ssh: str, command: arguments.SshCommand, resolved: Mapping[str, str] | None
    ) -> None:
        """`resolved` is what `ssh -G` has said, or None if it was not asked. Raises OSError."""
        self._command = command
        self._resolved = resolved or {}
        self._resolving: client.ConfigQuery | None = None
        names_hosts = config_scan.HOST_NAME
        if resolved is None and config_scan.look(ssh, command.value("F"), names_hosts).ask:
            self._resolving = client.ConfigQuery(ssh, arguments.probe_argv(command))

    def name(self) -> str:
        """The name, as soon as it is known; that of the command line if ssh does not answer."""
        if self._resolving is not None:
            with self._resolving as query:
                self._resolved = query.answer() or {}
            self._resolving = None
        return name_of(self._command, self._resolved)


def name_of(command: arguments.SshCommand, resolved: Mapping[str, str]) -> str:
    """`user@hostname:port` by what `ssh -G` printed; by the command line where that is empty."""
    host = (resolved.get("hostname") or command.host or "").lower()  # ssh leaves IPv6's as typed
    user = resolved.get("user") or command.user or _account()
    port = resolved.get("port") or str(command.port or _DEFAULT_PORT)
    return f"{user}@{host}:{port}"


def _account() -> str:
    """Our own name on this machine, which ssh takes where nothing else is said."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def host_part(name: str) -> str:
    """The host of `user@hostname:port`."""
    return name.rpartition("@")[2].rpartition(":")[0]


def on_same_host(name: str, known: Sequence[str]) -> list[str]:
    """Those of the `known` names that have the host of `name`, with any user and port."""
    return [other for other in known if host_part(other) == host_part(name)]
