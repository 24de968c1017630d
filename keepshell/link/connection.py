"""Which TCP connection one ssh talks to its host by: its own, or that of its ProxyCommand."""

from __future__ import annotations

import os

from keepshell.core.link.silence import SILENT_BACKOFF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from keepshell.core.link.silence import Sample
    from keepshell.link.sockdiag import Connection

_SOCKET = "socket:["


class Watched:
    """The connection of one ssh, looked for when it is first asked about."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._connection: Connection | None = None
        self._looked = False

    def sample(self) -> Sample | None:
        """What the kernel says of it; None where it can't be found, or is closed."""
        found = self.found()
        sample = None if found is None else found.sample()
        return None if sample is None else sample._replace(direct=self._is_direct())

    def found(self) -> Connection | None:
        """The connection, once it has been looked for."""
        if not self._looked:
            self._connection, self._looked = of_process(self._pid), True
        return self._connection

    def _is_direct(self) -> bool:
        assert self._connection is not None
        return self._connection.inode in _inodes(self._pid)


def silent_for(pid: int) -> float | None:
    """How long the host of the ssh below this process has owed an answer; None if it owes none.

    By TCP's own timeout, which has doubled often enough: no matter when anybody looked before.
    """
    sample = Watched(pid).sample()
    if sample is None or not sample.unacked or sample.backoff < SILENT_BACKOFF:
        return None
    return sample.heard_ago


def of_process(pid: int) -> Connection | None:
    """The connection of the ssh with this pid.

    None where there is none (a client of a shared connection) or none can be found (no Linux, no
    /proc). With a jump it is the connection to the first hop, and says nothing of what lies beyond.
    """
    if not os.path.isdir("/proc/self/fd"):
        return None
    # A connection through a command is not ssh's own, and ssh's TCP sockets are its forwards then.
    below = [inode for child in _descendants(pid) for inode in _inodes(child)]
    inodes = [*below, *_inodes(pid)]
    if not inodes:
        return None
    from keepshell.link import sockdiag

    known = {found.inode: found for found in sockdiag.connections()}
    ours = [known[inode] for inode in inodes if inode in known]
    accepting = {found.local[1] for found in ours if found.listening}
    for found in ours:
        if not found.listening and found.local[1] not in accepting:  # else somebody's forward
            return found
    return None


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)


def _children(pid: int) -> list[int]:
    """Empty where the kernel does not tell (CONFIG_PROC_CHILDREN)."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _inodes(pid: int) -> list[int]:
    """Its sockets by descriptor, the lowest first: ssh opens the connection before all else."""
    folder = f"/proc/{pid}/fd"
    try:
        links = [os.readlink(f"{folder}/{fd}") for fd in sorted(os.listdir(folder), key=int)]
    except OSError:
        return []
    return [int(link[len(_SOCKET) : -1]) for link in links if link.startswith(_SOCKET)]
