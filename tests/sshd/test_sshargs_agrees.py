"""sshargs and the installed ssh read the same command lines in the same way.

`ssh -G` says what ssh made of options and destination. What it does not say, the remote command
and whether a terminal is wanted, ssh says to the master of a shared connection (PROTOCOL.mux), so
the last test plays that master. Nothing here connects to a host or reads a configuration file.
"""

from __future__ import annotations

import os
import pty
import random
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from keepshell.core.ssh.arguments import Route, SshCommand, Unparsed, parse, probe_argv, route
from tests.support.programs import path_of
from tests.support.waiting import DEADLINE, eventually

ROUNDS = 10
PER_ROUND = 40

PLAIN = "246aAfgkKnNqstTvxXYCMG"
VALUED = {
    "l": ["u", "a@b", "a b", "é", ""],
    "p": ["22", " 7", "+9", "007"],
    "e": ["none", "~", "^A", "^", "-", "\udcff"],
    "S": ["none", "path", "--", "", "a b"],
    "b": ["1.2.3.4"],
    "B": ["eth0"],
    "c": ["aes128-ctr"],
    "m": ["hmac-sha2-256"],
    "E": ["log"],
    "F": ["none", "/dev/null"],
    "i": ["no-such-key"],
    "J": ["j", "u@j:3"],
    "L": ["1:a:2"],
    "O": ["check"],
    "W": ["a:1"],
}
LINES = [
    *("", " ", "#x", '"Port', "Port=33", "port 44", "Port = 5", "=Port=6", '"Port" 7', 'Po"rt" 8'),
    *("Port= '9' #x", "User=o", "User 'o p'", 'User="o\'p"', r"User=o\ p", r"User 'o\p'"),
    *("RequestTTY=yes", "RequestTTY=No", "RequestTTY=force", "RequestTTY=TRUE", "RequestTTY=auto"),
    *("SessionType=none", "SessionType=default", "SessionType=subsystem"),
    *("StdinNull=yes", "StdinNull=false", "ForkAfterAuthentication=no"),
    *("LogLevel=silent", "LogLevel=debug", "LogLevel=Debug2", "LogLevel=info"),
    *("EscapeChar=none", "EscapeChar=^B", "EscapeChar=%", "EscapeChar='+'"),
    *("ControlMaster=auto", "ControlMaster=yes", "ControlMaster=no", "ControlPath=c"),
    *("RemoteCommand=none", "RemoteCommand=echo  'a b'", "RemoteCommand = =x", "RemoteCommand=="),
    *("ServerAliveInterval=5", "ServerAliveInterval 6", "ServerAliveCountMax=7"),
    *("AddressFamily=inet6", "Compression=yes", "ForwardX11=yes", "BindAddress = 4.3.2.1"),
]
DESTINATIONS = [
    *("h", "u@h", "a@b@h", "u@", "", "1.2.3.4", "::1", "[::1]", "H", "SSH://h", "ssh:/h"),
    *("ssh://h", "ssh://u@h", "ssh://h:22", "ssh://u;p=1@h.:23/", "ssh://a%20b@h", "ssh://a+b@h"),
    *("ssh://[h]:24", "ssh://h:", "ssh://h/", "ssh://%c3%a9@h", "ssh://%ff@h"),
]
REMOTE = [["ls"], ["ls", "-l", "a  b"], [""], ["", ""], ["-"], ["-4-", "x"], ["--", "-p1"], ["é"]]
# One of these into a line that was good before.
SPOILERS = [
    *("-Z", "-1", "-é", "--x", "-4-4", "-", "-4-", "-u@h", "@h", "h,i", "$h", "h\x07", "u;@h"),
    *("u -x@h", "u\\@h", "-p0", "-p-1", "-p65536", "-e^?", "-eab", "-eé", "-Wa:1", "-Ocheck"),
    *("-s", "-N", "-Jj", "-V", "ssh://[::1]:22", "ssh://h:/", "ssh://h/p", "ssh://", "ssh://@h"),
    *("ssh://u%zz@h", "ssh://;@h", "ssh://h:0", "ssh://a..b", "ssh://.a", "ssh://a@b@h"),
    *("ssh://h:25/x", "ssh://u%00@h", "ssh://u%3b@h", "ssh://[h", "ssh://[h]x", "ssh://h_"),
    *("-oPort", "-oPort=", "-oPort==1", "-oPort=1 2", "-oPort='1", '-oPort="1', "-oPort #1"),
    *('-o"Port"=1', "-oHost=x", "-oInclude x", "-oPort=0", "-oUser=a b", "-oUser=''"),
    *("-oRequestTTY=x", "-oSessionType=1", "-oStdinNull=maybe", "-oLogLevel=x"),
    *("-oEscapeChar=xy", "-oRemoteCommand='"),
]

# What `ssh -G` prints for these hangs on the command line alone.
COMPARED = (
    *("addressfamily", "bindaddress", "bindinterface", "ciphers", "compression", "controlmaster"),
    *("controlpath", "escapechar", "forkafterauthentication", "forwardagent", "forwardx11"),
    *("forwardx11trusted", "gatewayports", "loglevel", "macs", "proxyjump", "remotecommand"),
    *("requesttty", "serveralivecountmax", "serveraliveinterval", "sessiontype", "stdinnull"),
)


def spelled(rng: random.Random, letters: str) -> list[str]:
    """Up to five options of these letters as words, clustered and attached at random."""
    words: list[str] = []
    cluster = False
    for _ in range(rng.choice((0, 1, 1, 2, 3, 5))):
        letter = rng.choice(letters)
        if cluster and rng.random() < 0.5:
            words[-1] += letter
        else:
            words.append("-" + letter)
        cluster = letter in PLAIN
        if not cluster:
            value = rng.choice(LINES if letter == "o" else VALUED[letter])
            if value and rng.random() < 0.5:
                words[-1] += value
            else:
                words.append(value)
    return words


def command_line(rng: random.Random, letters: str, *spoilers: str) -> list[str]:
    words = [*spelled(rng, letters), *spoilers]
    words += ["--"] if rng.random() < 0.1 else []
    words += [rng.choice(DESTINATIONS), *spelled(rng, letters)]
    return words + (rng.choice(REMOTE) if rng.random() < 0.6 else [])


def command_lines(number: int) -> list[list[str]]:
    """A round of command lines, always the same ones; every third is spoilt."""
    rng = random.Random(number)
    letters = PLAIN + "".join(VALUED) + "o" * 15
    spoilt = [[rng.choice(SPOILERS)] if index % 3 == 0 else [] for index in range(PER_ROUND)]
    return [command_line(rng, letters, *spoilers) for spoilers in spoilt]


def run_ssh(argv: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [path_of("ssh"), *argv],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        timeout=DEADLINE,
        check=False,
    )


def printed(answer: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Keyword → value; of a keyword that adds up, the last."""
    pairs = (line.partition(" ") for line in answer.stdout.splitlines())
    # Debian's ssh prints its old name for QUIET.
    return {keyword: value.replace("SILENT", "QUIET") for keyword, _, value in pairs}


def parsed(argv: list[str]) -> SshCommand | None:
    try:
        return parse(argv)
    except Unparsed:
        return None


def as_printed(keyword: str, value: str) -> str | None:
    """A value of `SshCommand.option` as `ssh -G` prints it; None if it prints no line for it."""
    if keyword in ("controlpath", "remotecommand") and value == "none":
        return None
    if keyword in ("controlmaster", "requesttty"):
        return {"yes": "true", "no": "false"}.get(value, value)
    if keyword == "escapechar":
        return {"^A": r"\^A", "^B": r"\^B", "\udcff": r"\M^?"}.get(value, value)
    return value


def expected(command: SshCommand, defaults: dict[str, str]) -> dict[str, str | None]:
    """What ssh must print for this command, where it prints `defaults` for the bare host."""
    facts: dict[str, str | None] = {
        "host": command.host,
        "user": command.user if command.user is not None else defaults["user"],
        "port": defaults["port"] if command.port is None else str(command.port),
    }
    for keyword in COMPARED:
        value = command.option(keyword)
        facts[keyword] = defaults.get(keyword) if value is None else as_printed(keyword, value)
    return facts


@pytest.mark.parametrize("number", range(ROUNDS))
def test_ssh_reads_the_same(number: int, tmp_path: Path) -> None:
    defaults = printed(run_ssh(["-G", "-F", "none", "h"], tmp_path))
    accepted = refused = 0
    for argv in command_lines(number):
        answer = run_ssh(["-G", "-F", "none", *argv], tmp_path)
        command = parsed(argv)
        good = command is not None and not forks_for_nothing(command)
        assert (answer.returncode == 0) == good, (argv, answer.stderr)
        if command is None or not good:
            refused += 1
            continue
        accepted += 1
        if not command.flags & {"V", "Q"}:
            said = printed(answer)
            wanted = expected(command, defaults)
            assert {keyword: said.get(keyword) for keyword in wanted} == wanted, argv
    assert accepted >= PER_ROUND // 4
    assert refused >= PER_ROUND // 8


def forks_for_nothing(command: SshCommand) -> bool:
    """What ssh refuses only after it has found no RemoteCommand in the configuration either."""
    return (
        command.option("forkafterauthentication") == "yes"
        and command.option("sessiontype") != "none"
        and command.option("remotecommand") in (None, "none")
        and " ".join(command.command) == ""
    )


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_probe_resolves_the_same_and_leaves_nothing(number: int, tmp_path: Path) -> None:
    home = tmp_path / "probe"
    home.mkdir()
    for argv in command_lines(number):
        full = ["-F", "none", *argv]
        command = parsed(full)
        if command is None or command.host is None or command.flags & {"V", "Q"}:
            continue
        answer = run_ssh(["-G", *full], tmp_path)
        probe = run_ssh(probe_argv(command), home)
        assert probe.returncode == answer.returncode, (argv, probe.stderr)
        resolved, probed = printed(answer), printed(probe)
        if "v" in command.flags:
            for keyword in ("loglevel", "updatehostkeys"):
                resolved.pop(keyword, None)
                probed.pop(keyword, None)
        assert probed == resolved, argv
        assert not list(home.iterdir()), argv


class Request:
    """What ssh asks of the master when it opens a session: MUX_C_NEW_SESSION."""

    def __init__(self, packet: bytes) -> None:
        skip = 12 + struct.unpack_from(">I", packet, 8)[0]
        self.tty, _, _, self.subsystem, self.escape_char = struct.unpack_from(">5I", packet, skip)
        term = skip + 20
        command = term + 4 + struct.unpack_from(">I", packet, term)[0]
        length = struct.unpack_from(">I", packet, command)[0]
        self.command = packet[command + 4 : command + 4 + length]


def receive(link: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        chunk = link.recv(length - len(data))
        if not chunk:
            raise EOFError("ssh hung up")
        data += chunk
    return data


def send(link: socket.socket, *numbers: int) -> None:
    link.sendall(struct.pack(f">{len(numbers) + 1}I", 4 * len(numbers), *numbers))


def serve(link: socket.socket) -> Request:
    """One client's whole conversation with a master whose session ends at once, with status 0."""
    hello, alive_check, new_session = 0x1, 0x10000004, 0x10000002
    is_alive, opened, exit_message = 0x80000005, 0x80000006, 0x80000004
    send(link, hello, 4)
    while True:
        packet = receive(link, struct.unpack(">I", receive(link, 4))[0])
        kind, request_id = struct.unpack_from(">2I", packet)
        if kind == alive_check:
            send(link, is_alive, request_id, os.getpid())
        if kind == new_session:
            receive(link, 3)  # a byte with each of the three descriptors
            send(link, opened, request_id, 1)
            send(link, exit_message, 1, 0)
            return Request(packet)


@contextmanager
def master(path: str) -> Iterator[list[Request]]:
    """Plays a ControlMaster at `path`; yields the list that the requests are added to."""
    requests: list[Request] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def accept() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                with link:
                    requests.append(serve(link))

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield requests
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE)


def session_lines() -> list[list[str]]:
    """Command lines that open a session through the master whose socket is put in front."""
    rng = random.Random(0)
    lines = [command_line(rng, "4anqsttTTvelpooo") for _ in range(200)]
    elsewhere = ("ControlMaster", "SessionType=none")
    return [line for line in lines if not any(name in word for name in elsewhere for word in line)]


def check_session(command: SshCommand, request: Request) -> None:
    words = command.option("remotecommand")
    if words in (None, "none"):
        words = " ".join(command.command)
    assert request.command.decode("utf-8", "surrogateescape") == words
    assert bool(request.subsystem) == (command.option("sessiontype") == "subsystem")
    escape = command.option("escapechar") or "~"
    if escape == "none":
        assert request.escape_char == 0xFFFFFFFF
    else:
        byte = escape[-1:].encode("utf-8", "surrogateescape")[0]
        assert request.escape_char == (byte & 31 if len(escape) == 2 else byte)
    if route(command, {}) == Route.PTY:
        assert request.tty
        assert not request.subsystem
    else:
        unattended = command.option("stdinnull") == "yes" or request.subsystem
        assert not request.tty or unattended


def test_ssh_asks_the_host_for_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # so that the socket's name is short
    ours = [("ControlPath", "m"), ("ProxyCommand", "false")]
    keyboard, terminal = pty.openpty()
    checked = 0
    try:
        with master("m") as requests:
            for argv in session_lines():
                command = parsed(argv)
                if command is None:
                    continue
                assert not requests
                ended = subprocess.run(
                    [path_of("ssh"), "-F", "none", *command.with_options(ours).render()],
                    stdin=terminal,
                    capture_output=True,
                    env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TERM": "dumb"},
                    timeout=DEADLINE,
                    check=False,
                )
                assert ended.returncode == 0, (argv, ended.stderr)
                eventually(lambda: bool(requests), f"the session of {argv}")
                check_session(command, requests.pop())
                checked += 1
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert checked >= 100
