"""Tunnels as `ssh -G` of OpenSSH 9.2 lists them, and as `ssh -O forward` takes them."""

from __future__ import annotations

import pytest

from keepshell.core.hold.tunnels import ALL, listed, shown


@pytest.mark.parametrize(
    ("lines", "tunnels"),
    [
        (["localforward 3306 [localhost]:3306"], [("-L", "3306:[localhost]:3306")]),
        (["localforward /tmp/x.sock [localhost]:22"], [("-L", "/tmp/x.sock:[localhost]:22")]),
        (["localforward /tmp/a /tmp/b"], [("-L", "/tmp/a:/tmp/b")]),
        (["dynamicforward [127.0.0.1]:1080"], [("-D", "[127.0.0.1]:1080")]),
        (["remoteforward 8080 [localhost]:80"], [("-R", "8080:[localhost]:80")]),
        (["remoteforward 1080 [socks]:0"], [("-R", "1080")]),
        (["forwardagent no", "exitonforwardfailure no", "clearallforwardings yes"], []),
        # -L *:99:/run/y.sock
        (
            ["dynamicforward [*]:99", "localforward [*]:99 /run/y.sock"],
            [("-L", "[*]:99:/run/y.sock")],
        ),
        (["localforward 1 [h]:2", "localforward 1 [h]:2"], [("-L", "1:[h]:2")]),
    ],
)
def test_each_tunnel_is_taken_once(lines: list[str], tunnels: list[tuple[str, str]]) -> None:
    assert listed(lines) == tunnels


def test_how_they_are_shown() -> None:
    assert shown([("-L", "1:[h]:2"), ("-D", "1080")]) == "-L 1:[h]:2, -D 1080"
    assert shown([]) == ""
    assert shown([ALL]) == "those of ssh_config"
