"""Whether there is a way to a host, asked in a network of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keepshell
from tests.support.network import Network
from tests.support.programs import path_of

_ASK = """\
import sys
sys.path.insert(0, sys.argv[1])
from keepshell.link.network import has_route
print(*map(has_route, sys.argv[2:]))
"""


def routes(network: Network, *peers: str) -> list[str]:
    root = str(Path(keepshell.__file__).parents[1])
    argv = [*network.prefix, sys.executable, "-c", _ASK, root, *peers]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


def test_a_route_leads_to_the_host_or_out_by_the_other_family(network: Network) -> None:
    peers = (network.host, "198.51.100.7", "2001:db8::7")
    assert routes(network, *peers) == ["True", "False", "False"]
    default = ["route", "add", "default", "via", network.host]
    subprocess.run([path_of("ip"), "-n", network.name, *default], check=True)
    assert routes(network, *peers) == ["True", "True", "True"]
    network.take_link()
    assert routes(network, *peers) == ["False", "False", "False"]
