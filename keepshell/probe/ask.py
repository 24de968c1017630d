"""Asks a host in one ordinary ssh session: runs a script there, and hears the answer.

The rules it keeps:

- ssh's own messages reach the user as they come, and its questions too: it asks on the terminal;
- a host that answers too much or not at all is left.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from keepshell import launch
from keepshell.core.probing import answers
from keepshell.core.rules.policy import Policy
from keepshell.core.ssh import arguments
from keepshell.errors import UsageError
from keepshell.ssh import client, config_scan, host_name
from keepshell.text.wording import visible

LIMIT = 20.0
"""Seconds that the host gets, from the moment when ssh has let us in."""


_MOST = 1 << 20  # bytes of an answer


_LEAVES_WITHIN = 1.0  # seconds for ssh to end by itself after the last answer


_OURS = ("-T", "-o", "ClearAllForwardings=yes", "-o", "ControlMaster=no")
"""In front of the user's arguments: no terminal, none of the forwardings that another session may
hold, no connection that outlives ours."""


_ALONE = {
    "BatchMode": "yes",
    "ControlMaster": "no",
    "ControlPath": "none",
    "ClearAllForwardings": "yes",
    "EscapeChar": "none",
    "TCPKeepAlive": "no",
    "ServerAliveCountMax": "100000",
}
"""What makes measured sessions independent of each other and of the user."""


_UNLESS = {
    "remotecommand": "none",
    "sessiontype": "default",
    "stdinnull": "no",
    "forkafterauthentication": "no",
}
"""What ssh_config must not say of this session; set only where it does, as old ssh know it not."""


_PROXIES = ("proxyjump", "proxycommand")


_ASKED = config_scan.HOST_NAME | frozenset((*_UNLESS, *_PROXIES))
"""What ssh is asked for, if its configuration mentions any."""


_NOISE = (b"debug1: ", b"debug2: ", b"debug3: ", b"OpenSSH_", b"Authenticated to ")


# The last is a ProxyJump's own ssh, which ours ends with SIGHUP; it has the time to say so or not.
_CLOSING = b"Transferred: sent ", b"Bytes per second: sent ", b"Killed by signal 1."


@dataclass(frozen=True)
class Answer:
    """What came of one run of ssh.

    `status` as of Popen.returncode, None if it was given up; `let_in` tells whether there was a
    session at all.
    """

    output: str
    messages: str
    status: int | None
    let_in: bool


@dataclass(frozen=True)
class Target:
    """The host to be probed, and how ssh gets there."""

    name: str
    ssh: str
    command: arguments.SshCommand
    resolved: Mapping[str, str]
    policy: Policy

    def lets_in(self, line: bytes) -> bool:
        """Whether ssh says in this line, which -v has it say, that the host has let us in."""
        proxies = (self.resolved.get(keyword, "none") for keyword in _PROXIES)
        proxied = any(proxy.lower() != "none" for proxy in proxies)
        return answers.lets_in(os.fsdecode(line), host_name.host_part(self.name), proxied=proxied)

    def argv(self, words: Sequence[str]) -> list[str]:
        """ssh's command line for running `words` on the host."""
        added = [
            f"-o{keyword}={value}"
            for keyword, value in _UNLESS.items()
            if self.resolved.get(keyword, value).lower() not in (value, "false")
        ]
        typed = self.command.render()
        # Only -v shows the banner. Of -q and -v the last one counts; after `--` ssh takes neither.
        typed = ["-v", *typed] if "--" in typed else [*typed, "-v"]
        return [self.ssh, *_OURS, *added, *typed, *words]

    def session_argv(self, server_alive: int) -> list[str]:
        """ssh's command line for an interactive session of its own, which asks nothing."""
        added = dict(_ALONE) | {"ServerAliveInterval": str(server_alive)}
        pairs = [word for name, value in added.items() for word in ("-o", f"{name}={value}")]
        return [self.ssh, "-tt", *pairs, *self.command.render()]


def find(typed: Sequence[str], options: Mapping[str, Any], environ: Mapping[str, str]) -> Target:
    """The host that these arguments of ssh name. Raises UsageError where no script could run."""
    try:
        parsed = arguments.parse(typed)
    except arguments.Unparsed as reason:
        raise UsageError(f"probe expects a host and ssh's options: {reason}") from None
    if parsed.command or parsed.host is None:
        raise UsageError("probe runs its own script on the host; leave out the command")
    for letter in sorted(parsed.flags & frozenset("GNVWOQfnst")):
        raise UsageError(
            f"probe runs a script on the host; leave out -{letter}, which prevents that"
        )
    resolved = launch.examine(typed, options, environ)
    found = config_scan.look(resolved.ssh, parsed.value("F"), _ASKED)
    answer = None
    if found.ask:
        with client.ConfigQuery(resolved.ssh, arguments.probe_argv(parsed)) as query:
            answer = query.answer()
    settings = launch.HostSettings(resolved, parsed, answer, found)
    name = host_name.name_of(parsed, answer or {})
    return Target(name, resolved.ssh, parsed, answer or {}, settings.policy)


def ask(target: Target, script: str, nonce: str, environ: Mapping[str, str]) -> Answer:
    """Run ssh, the script on its stdin, until it ends, or the last answer is there, or too late."""
    with subprocess.Popen(
        target.argv(["sh -s"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=client.deeper(environ),
    ) as child:
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(script.encode())  # 8 kB: a pipe takes it, whatever ssh does
            child.stdin.close()
        last = f"{answers.MARK} {nonce} end".encode()
        listening = _Listening(child, last, target.lets_in)
        try:
            listening.listen()
            status = _status(child)
        finally:
            if child.poll() is None:
                child.kill()
    output, messages = (os.fsdecode(b"".join(parts)) for parts in listening.heard)
    return Answer(output, messages, status, listening.let_in)


def _status(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(_LEAVES_WITHIN)
    except subprocess.TimeoutExpired:
        return None


class _Listening:
    """Both outputs of one ssh, up to the host's last word; `heard` has stdout's and stderr's."""

    def __init__(
        self, child: subprocess.Popen[bytes], last: bytes, lets_in: Callable[[bytes], bool]
    ) -> None:
        """`lets_in` tells the line of ssh's messages from which on the host's time runs."""
        self.heard: tuple[list[bytes], list[bytes]] = ([], [])
        self._pipes: tuple[BinaryIO, BinaryIO] = (child.stdout, child.stderr)  # type: ignore[assignment] # both are pipes
        self._last = last
        self._lets_in = lets_in
        self._give_up_at: float | None = None
        self._unshown = b""

    @property
    def let_in(self) -> bool:
        return self._give_up_at is not None

    def listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            for number, pipe in enumerate(self._pipes):
                selector.register(pipe, selectors.EVENT_READ, number)
            while selector.get_map():
                wait = None
                if self._give_up_at is not None:
                    wait = max(0.0, self._give_up_at - time.monotonic())
                ready = selector.select(wait)
                if not ready:
                    return
                for key, _ in ready:
                    part = os.read(key.fd, 65536)
                    if not part:
                        selector.unregister(key.fileobj)
                    elif self._hear(key.data, part):
                        return
        self._show(b"\n")  # what was left without its line feed

    def _hear(self, number: int, part: bytes) -> bool:
        """Take it in; whether that was enough."""
        parts = self.heard[number]
        parts.append(part)
        if number:
            self._show(part)
            return False
        self._begin()  # -E would have sent the messages elsewhere
        tail = b"".join(parts[-2:])
        return b"\n" + self._last + b"\n" in tail or sum(map(len, parts)) > _MOST

    def _begin(self) -> None:
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + LIMIT

    def _show(self, part: bytes) -> None:
        """Pass ssh's messages on, without what only -v has it say."""
        *lines, self._unshown = (self._unshown + part).split(b"\n")
        for line in lines:
            if self._lets_in(line):
                self._begin()
            if not line.startswith((*_NOISE, *_CLOSING)) and line.strip():
                sys.stderr.write(visible(os.fsdecode(line.rstrip(b"\r"))) + "\n")
        sys.stderr.flush()
