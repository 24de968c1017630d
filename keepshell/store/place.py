"""Where a process runs: whose pids mean what. A pid names a process only there."""

from __future__ import annotations

import os
from typing import NamedTuple


class Place(NamedTuple):
    """One pid namespace of one machine, since its last boot."""

    machine: str
    """Its name, for people."""
    boot: str
    """The kernel's boot_id, random(4): two machines have not the same. Empty where unknown."""
    pids: int
    """The pid namespace's inode, namespaces(7): a container has its own. 0 where unknown."""

    @property
    def label(self) -> str:
        """For the name of a file: two containers that share a home may have the same pid."""
        return f"{self.boot[:8] or 'here'}-{self.pids}"


def here() -> Place:
    """Where we are."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        pids = os.stat("/proc/self/ns/pid").st_ino
    except (OSError, ValueError):
        boot, pids = "", 0
    return Place(os.uname().nodename, boot, pids)
