"""One generation of a held connection: an ssh master whose own session is a `cat` on the host.

The `cat` keeps `UnusedConnectionTimeout` and ChannelTimeout away, sends back what it is sent, and
its parent is the server's process of this connection.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess

from keepshell.core.hold.tunnels import ALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from keepshell.core.hold.tunnels import Tunnel

    Server = tuple[str, str]
    """A process of the host: its pid, and when it was started, as `ps` there says."""

_OURS = {
    "ControlMaster": "yes",
    "ControlPersist": "no",  # with `yes` it counts from the last client, and may fork by itself
    "ClearAllForwardings": "yes",  # each is asked for when the connection stands
    "EscapeChar": "none",
    "LogLevel": "VERBOSE",  # tells how the login was made
    "RequestTTY": "no",
    "ServerAliveInterval": "0",  # the heartbeat does more
    "RemoteCommand": "none",
}

_UNATTENDED = {"BatchMode": "yes", "ConnectTimeout": "8"}

_HEART = (
    "exec /bin/sh -c 'echo keepshell-heart $PPID; ps -o lstart= -p $PPID 2>/dev/null || echo; "
    "exec cat'"
)
_BEGUN = re.compile(rb"^keepshell-heart (\d+)\n([^\n]*)\n", re.M)
_MOST_BEFORE = 65536  # bytes that a start-up file on the host may print

_END_OLD = 'exec /bin/sh -c \'[ "$(ps -o lstart= -p {pid})" = "{started}" ] && kill {pid}; exit 0\''

CONTROL_WITHIN = 1.0
"""Seconds that a master gets to answer on its control socket; a stopped one never does."""
TUNNEL_WITHIN = 4.0
"""Seconds for a tunnel that the host has to agree to."""

_NOISE = (b"Authenticated to ", b"Transferred: sent ", b"Bytes per second: ", b"debug")
_BY_PERSON = re.compile(rb'using "(?:password|keyboard-interactive)|user presence')
_REFUSED = re.compile(
    rb"Permission denied|Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|"
    rb"Too many authentication failures|No more authentication methods"
)


class Master:
    """One ssh. Nothing here waits, but for an answer on the control socket."""

    def __init__(
        self,
        number: int,
        path: str,
        ssh: str,
        typed: Sequence[str],
        environ: Mapping[str, str],
        *,
        attended: bool,
    ) -> None:
        """Start it. `path` is its own control socket; raises OSError."""
        self.number = number
        self.path = path
        self.begun = False
        """Whether the host's `cat` runs."""
        self.let_in = False
        """Whether the host has let us in."""
        self.by_person = False
        """Whether a person had to do something for the login."""
        self.refused = False
        """Whether the login was refused, or the host's key was another."""
        self.last_words = ""
        self.server: Server | None = None
        """The host's process of this connection, once it is known."""
        self._ssh = ssh
        self._typed = typed
        self._environ = environ
        self._heard = b""
        self._said = b""
        options = _OURS if attended else _OURS | _UNATTENDED
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        self._child = subprocess.Popen(
            [ssh, *words, "-S", path, *typed, _HEART],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            bufsize=0,
            # ssh leaves a SIGHUP that is ignored alone: it outlives the terminal.
            preexec_fn=_ignore_hangups,  # noqa: PLW1509 - no thread runs here
            start_new_session=not attended,
        )
        assert self._child.stdout is not None
        assert self._child.stderr is not None
        self.pid = self._child.pid
        self.output, self.messages = self._child.stdout.fileno(), self._child.stderr.fileno()
        os.set_blocking(self.output, False)
        os.set_blocking(self.messages, False)

    def beat(self) -> None:
        """Send a byte that `cat` sends back."""
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):  # its end is seen elsewhere
            self._child.stdin.write(b"\n")

    def hear(self) -> bool | None:
        """Read from the host: whether it was an answer; None at the end."""
        data = _read(self.output)
        if not data:
            return None if data is not None else False
        if self.begun:
            return True
        self._heard = (self._heard + data)[-_MOST_BEFORE:]
        begun = _BEGUN.search(self._heard)
        if begun is None:
            return False
        if started := begun[2].decode(errors="replace").strip():
            self.server = begun[1].decode(), started
        self.begun, self._heard = True, b""
        return True

    def messages_for_user(self) -> bytes | None:
        """What ssh has said since the last call and a person should read; None at the end."""
        data = _read(self.messages)
        if not data:
            return None if data is not None else b""
        self.let_in |= b"Authenticated to " in data
        self.by_person |= bool(_BY_PERSON.search(data))
        self.refused |= bool(_REFUSED.search(data))
        *lines, self._said = (self._said + data).split(b"\n")
        shown = [line for line in lines if line.strip() and not line.startswith(_NOISE)]
        if shown:
            self.last_words = shown[-1].decode(errors="replace").strip()
        return b"".join(line + b"\n" for line in shown)

    def ended(self) -> bool:
        """Whether ssh has ended; reaps it."""
        return self._child.poll() is not None

    def forward(self, tunnel: Tunnel) -> str:
        """Open a tunnel; what ssh said against it, or nothing."""
        return self._control("forward", tunnel, within=TUNNEL_WITHIN)

    def cancel(self, tunnel: Tunnel) -> bool:
        """Close a tunnel on this side; whether the master answered."""
        return self.ended() or self._control("cancel", tunnel, within=CONTROL_WITHIN) != _NO_ANSWER

    def end_at_host(self, server: Server) -> None:
        """End the server's process of another connection there, if it is still the same."""
        self.run([_END_OLD.format(pid=server[0], started=server[1])])

    def run(self, words: Sequence[str], within: float = TUNNEL_WITHIN) -> None:
        """Run a command over this connection, and wait for it."""
        argv = [self._ssh, "-F", "none", "-S", self.path, "-T", "-o", "BatchMode=yes", "host"]
        _run([*argv, *words], self._environ, within)

    def finish(self) -> None:
        """Take nothing new, end `cat`, and so end with the last session."""
        self._control("stop", within=CONTROL_WITHIN)
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()

    def cut(self) -> None:
        """End it at once, also where it is stopped; its ports are free afterwards."""
        with contextlib.suppress(ProcessLookupError):
            self._child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(CONTROL_WITHIN)

    def close(self) -> None:
        """End it, if it has not ended, and remove the socket that a killed ssh leaves."""
        self.cut()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def _control(self, verb: str, tunnel: Tunnel | None = None, *, within: float) -> str:
        argv = [self._ssh, "-S", self.path, "-O", verb]
        if tunnel == ALL:
            return _run([*argv, *self._typed], self._environ, within)
        return _run([*argv, "-F", "none", *(tunnel or ()), "host"], self._environ, within)


_NO_ANSWER = "ssh's master does not answer"


def _run(argv: Iterable[str], environ: Mapping[str, str], within: float) -> str:
    """Run a short ssh: nothing if it succeeded, else what it said."""
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=dict(environ),
            timeout=within,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _NO_ANSWER
    if done.returncode == 0:
        return ""
    return done.stderr.decode(errors="replace").strip() or f"ssh ended with {done.returncode}"


def _read(fd: int) -> bytes | None:
    """What can be read now; empty at the end, None where nothing is there."""
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _ignore_hangups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
