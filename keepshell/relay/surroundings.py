"""What this machine goes through beside its connections: sleep, a change of network, an echo."""

from __future__ import annotations

import select
from typing import Final

from keepshell.link.network import Network
from keepshell.link.ping import Ping
from keepshell.relay import wakeups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from keepshell.relay.wakeups import Poll

_SLEPT: Final = 1.0
"""Seconds that CLOCK_BOOTTIME must have gained on CLOCK_MONOTONIC for a sleep of the machine."""


class Surroundings:
    """Asks the relay's `Poll` for its own descriptors, while it has them."""

    def __init__(self, poll: Poll) -> None:
        self._poll = poll
        self._network = Network()
        self._ping: Ping | None = None
        self._asleep = wakeups.asleep()
        if self._network.fd is not None:
            poll.ask(self._network.fd, select.POLLIN)

    def slept(self) -> float:
        """Seconds that the machine has slept since this was last asked; 0 for less than one."""
        asleep = wakeups.asleep()
        slept, self._asleep = asleep - self._asleep, asleep
        return slept if slept > _SLEPT else 0.0

    def came_up(self, ready: Container[int | None]) -> bool | None:
        """Whether something of the network has come; None where nothing has changed."""
        return self._network.came_up() if self._network.fd in ready else None

    def answered(self, ready: Container[int | None]) -> bool:
        """Whether the host has answered an echo request."""
        ping = self._ping
        return ping is not None and ping.fd in ready and ping.answered()

    def ask(self, address: str | None) -> None:
        """Send the host an echo request, if its address is known."""
        if self._ping is None and address is not None:
            self._ping = Ping(address)
            if self._ping.fd is not None:
                self._poll.ask(self._ping.fd, select.POLLIN)
        if self._ping is not None:
            self._ping.send()

    def forget(self) -> None:
        """The host may have another address next time."""
        if self._ping is not None:
            if self._ping.fd is not None:
                self._poll.ask(self._ping.fd, 0)
            self._ping.close()
            self._ping = None

    def close(self) -> None:
        """Listen no more."""
        self._network.close()
        self.forget()
