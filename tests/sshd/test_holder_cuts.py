"""Not a byte is lost, doubled or reordered, wherever and however the connections are cut."""

from __future__ import annotations

import os
import random
import signal
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.link import Host, Link
from tests.support.middlebox import Counts, Middlebox
from tests.support.waiting import eventually

PROGRAM = """\
import os, sys, threading, tty
tty.setraw(0)
keys = int(sys.argv[1])
def check():
    got = b""
    while len(got) < keys * 8:
        got += os.read(0, 65536)
    right = got == b"".join(b"%07d." % n for n in range(keys))
    done.append(b"keys are right" if right else b"keys are wrong: " + got)
done = []
checking = threading.Thread(target=check)
checking.start()
os.write(1, b"BEGIN")
row = 0
while not done:
    block = b"".join(b"%09d\\n" % n for n in range(row, row + 1000))
    row += 1000
    while block:
        block = block[os.write(1, block):]
os.write(1, done[0] + b"END")
"""


def no_echo(terminal: int) -> None:
    """ssh gives the terminal its modes back when it ends: keys typed then would be echoed."""
    modes = termios.tcgetattr(terminal)
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, modes)


class Client:
    """The client's side over many connections: what it has, and what the host has of its input."""

    def __init__(self, host: Host, link: Link, box: Middlebox, typed: bytes) -> None:
        self.host, self.link, self.box = host, link, box
        self.have = bytearray(link.stream)
        self._seen = len(self.have)
        self._skip = 0
        self._first_key = 0
        self._typed = typed
        self.sent = 0
        self.may_send, self._most = 0, len(typed) - 8

    def begin(self, first_key: int) -> None:
        """From now on keys are typed; the host has had `first_key` bytes before."""
        self._first_key = first_key

    def exchange(self) -> None:
        """Take what has come, and type a bit more."""
        terminal = self.link.terminal
        fresh = terminal.output_since(self.link.start + self._seen)
        self._seen += len(fresh)
        skipped = min(self._skip, len(fresh))
        self._skip -= skipped
        self.have += fresh[skipped:]
        with suppress(OSError):
            chunk = self._typed[self.sent : min(self.sent + 4000, self.may_send)]
            self.sent += os.write(terminal.fd, chunk) if chunk else 0

    def type_the_rest(self) -> None:
        """Type all keys, upon which the program ends."""
        self.may_send = self._most = len(self._typed)

    def go_on(self, stale: int) -> None:
        """A new connection takes over; `stale` is what we had when it was asked for."""
        link = self.host.attach(stale, port=self.box.port, prepare=no_echo)
        self.exchange()  # what the old one still delivered before the header
        self.link, self._seen = link, 0
        self._skip = len(self.have) - link.number("out")
        assert self._skip >= 0, "bytes are missing"
        self.sent = link.number("in") - self._first_key

    def until(self, size: int) -> None:
        """Exchange until there are so many bytes."""

        def enough() -> bool:
            self.exchange()
            return len(self.have) >= size or self.have.endswith(b"END")

        self.may_send = min(self.may_send + 50_000, self._most)
        self.link.terminal.resume()
        eventually(enough, lambda: f"{size} bytes: {len(self.have)}, {self.have[-200:]!r}")
        self.link.terminal.pause()  # from now on as much as can be is under way


def cut_server(client: Client) -> None:
    """The server's process is killed."""
    client.link.terminal.resume()
    client.host.drop(client.link)
    client.exchange()


def cut_reset(client: Client) -> None:
    """A middlebox resets the connection."""
    client.link.terminal.resume()
    client.box.reset_all()
    assert client.link.terminal.wait() == 255
    client.exchange()


def cut_client(client: Client) -> None:
    """The client is killed."""
    client.link.terminal.signal(signal.SIGKILL)
    client.link.terminal.wait()
    client.exchange()


def freeze(client: Client) -> None:
    """The connection stands still, and wakes up while the new one is made: see `go_on`."""
    client.link.terminal.signal(signal.SIGSTOP)
    client.exchange()


CUTS: tuple[Callable[[Client], None], ...] = (cut_server, cut_reset, cut_client, freeze)


def first_difference(got: bytes, expected: bytes) -> tuple[int, bytes, bytes] | None:
    """Where they differ and what is there; None when they are equal."""
    if got == expected:
        return None
    pairs = zip(got, expected, strict=False)
    at = next((n for n, (one, other) in enumerate(pairs) if one != other), len(expected))
    return at, got[max(at - 40, 0) : at + 60], expected[max(at - 40, 0) : at + 60]


@pytest.mark.parametrize("seed", range(int(os.environ.get("KEEPSHELL_TEST_CUT_RUNS", "2"))))
def test_every_byte_comes_once(
    host: Host, start_middlebox: Callable[..., Middlebox], tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    keys = 50_000
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    box = start_middlebox(host.sshd.port, 3600, Counts.ANY_BYTES)
    link = host.new(port=box.port, prepare=no_echo)
    line = f"exec {sys.executable} {program} {keys}"
    link.terminal.send_line(line)
    link.terminal.expect("BEGIN")
    client = Client(host, link, box, b"".join(b"%07d." % n for n in range(keys)))
    client.begin(len(line) + 1)
    cuts = [*CUTS, *CUTS]
    rng.shuffle(cuts)
    for cut in cuts:
        client.until(len(client.have) + rng.randrange(800_000))
        old = client.link
        cut(client)
        stale = len(client.have)
        old.terminal.resume()
        if cut is freeze:
            old.terminal.signal(signal.SIGCONT)
        client.go_on(stale)
        if cut is freeze:
            assert old.terminal.wait() == 254
    client.type_the_rest()
    client.until(1 << 40)
    begin = client.have.index(b"BEGIN") + len(b"BEGIN")
    got = bytes(client.have[begin:])
    end = got.index(b"keys")
    expected = b"".join(b"%09d\n" % n for n in range(end // 10))
    assert first_difference(got[:end], expected) is None
    assert got[end:] == b"keys are rightEND"
    assert client.link.terminal.wait() == 0
    eventually(host.is_over, "the end of holder and socket")
