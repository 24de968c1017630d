"""The tunnels of a held connection, as `ssh -G` lists them and as `ssh -O forward` takes them."""

from __future__ import annotations

from collections.abc import Iterable

_LETTERS = {"localforward": "-L", "remoteforward": "-R", "dynamicforward": "-D"}
_SOCKS = "[socks]:0"
"""What `ssh -G` prints as the target of a `-R` without one: ssh is the proxy itself."""

REMOTE = "-R"

ALL = ("-F", "ssh_config")
"""Those that ssh alone knows, since it can't be asked: they are opened all at once."""

Tunnel = tuple[str, str]
"""The option and its argument: `("-L", "3306:[localhost]:3306")`."""


def listed(answer: Iterable[str]) -> list[Tunnel]:
    """The tunnels in the lines that `ssh -G` printed, in their order, each once.

    OpenSSH 9.2 lists `-L PORT:/SOCKET` a second time, as if it were `-D PORT` as well.
    """
    found: list[Tunnel] = []
    local = set[str]()
    for line in answer:
        keyword, _, rest = line.partition(" ")
        letter = _LETTERS.get(keyword.lower())
        if letter is None:
            continue
        listen, _, target = rest.partition(" ")
        if letter == "-L":
            local.add(listen)
        tunnel = letter, listen if target in ("", _SOCKS) else f"{listen}:{target}"
        if tunnel not in found:
            found.append(tunnel)
    return [(letter, spec) for letter, spec in found if letter != "-D" or spec not in local]


def shown(tunnels: Iterable[Tunnel]) -> str:
    """For a table: `-L 3306:[localhost]:3306, -D 1080`."""
    return ", ".join(map(name_of, tunnels))


def name_of(tunnel: Tunnel) -> str:
    """For people: `-L 3306:[localhost]:3306`."""
    return "those of ssh_config" if tunnel == ALL else " ".join(tunnel)
