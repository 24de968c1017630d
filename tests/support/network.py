"""A namespace for the client, joined to ours by a link whose packets can be made to vanish."""

from __future__ import annotations

import os
import secrets
import subprocess

import pytest

from tests.support.programs import STRICT, path_of

_WRONG = "02:00:00:00:00:ff"


def require_namespaces() -> None:
    """Skip the running test where no network namespace can be made; fail it under `STRICT`."""
    if os.geteuid() != 0:
        sentence = "network namespaces need root"
        if os.environ.get(STRICT) == "1":
            pytest.fail(sentence)
        pytest.skip(sentence)


class Network:
    """`prefix` runs a program in the client's namespace, which reaches us as `host`.

    A black hole is a wrong hardware address: neither end's interface sees anything of it.
    """

    def __init__(self) -> None:
        """Make both, with the link up."""
        self._ip = path_of("ip")
        self._add()
        try:
            self._run("addr", "add", f"{self.host}/29", "dev", self._ours)
            self._run("link", "set", self._ours, "up")
            self._in("link", "set", "lo", "up")
            # As systemd sets it on every machine.
            self._run("netns", "exec", self.name, "sh", "-c",
                      "echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range")  # fmt: skip
            self.give_address()
            self._in("link", "set", self._theirs, "up")
            self._addresses = (self._mac("", self._ours), self._mac(self.name, self._theirs))
            self.heal()
        except BaseException:
            self.close()
            raise
        self.prefix = [self._ip, "netns", "exec", self.name]

    def _add(self) -> None:
        """The namespace and the link into it, by a number that nobody else on this machine has."""
        for _ in range(20):
            number = secrets.randbelow(16000)
            first = f"10.{200 + number // 6400}.{number // 25 % 256}"
            last = number % 25 * 8
            self.name = f"ks{os.getpid()}-{number}"
            self.host, self.client = f"{first}.{last + 1}", f"{first}.{last + 2}"
            self._ours, self._theirs = f"ksh{number}", "eth0"
            self._run("netns", "add", self.name)
            pair = [self._ours, "type", "veth", "peer", "name", self._theirs, "netns", self.name]
            if subprocess.run([self._ip, "link", "add", *pair], check=False).returncode == 0:
                return
            self.close()
        raise AssertionError("no free number for a network in 20 tries")

    def cut(self, *, to_host: bool = True, to_client: bool = True) -> None:
        """From now on packets vanish, in one direction or in both."""
        self._neighbours(_WRONG if to_host else None, _WRONG if to_client else None)

    def heal(self) -> None:
        """They arrive again."""
        self._neighbours(None, None)

    def take_link(self) -> None:
        """It is down, as with a cable pulled: the route goes, and the client is told."""
        self._in("link", "set", self._theirs, "down")

    def give_link(self) -> None:
        """It is up again."""
        self._in("link", "set", self._theirs, "up")
        self.heal()

    def give_address(self) -> None:
        """The client's address, and with it its route."""
        self._in("addr", "add", f"{self.client}/29", "dev", self._theirs)

    def take_address(self) -> None:
        """It is gone."""
        self._in("addr", "del", f"{self.client}/29", "dev", self._theirs)

    def give_other_address(self) -> None:
        """Another one, as in another network."""
        first, _, last = self.client.rpartition(".")
        self.client = f"{first}.{int(last) + 1}"
        self.give_address()
        self.heal()

    def close(self) -> None:
        """Delete both; the link goes with its namespace."""
        subprocess.run([self._ip, "netns", "del", self.name], check=True)

    def _neighbours(self, to_host: str | None, to_client: str | None) -> None:
        host, client = self._addresses
        self._in("neigh", "replace", self.host, "lladdr", to_host or host,
                 "dev", self._theirs, "nud", "permanent")  # fmt: skip
        self._run("neigh", "replace", self.client, "lladdr", to_client or client,
                  "dev", self._ours, "nud", "permanent")  # fmt: skip

    def _mac(self, namespace: str, device: str) -> str:
        where = ["-n", namespace] if namespace else []
        shown = subprocess.run(
            [self._ip, *where, "-o", "link", "show", device],
            capture_output=True,
            text=True,
            check=True,
        )
        words = shown.stdout.split()
        return words[words.index("link/ether") + 1]

    def _run(self, *words: str) -> None:
        subprocess.run([self._ip, *words], check=True)

    def _in(self, *words: str) -> None:
        self._run("-n", self.name, *words)
