"""The supervisor of one hold: a small process that keeps its connection, and answers for it.

It waits in one place, `_wait`; everything else is told by the keeper (core/hold/keeper.py).
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import time
from dataclasses import dataclass

from keepshell.core.hold.keeper import Adopt, Ask, Beat, Cut, Finish, Keeper, Open, State
from keepshell.core.hold.tunnels import ALL, REMOTE, name_of
from keepshell.hold.master import TUNNEL_WITHIN, Master
from keepshell.link.connection import Watched
from keepshell.link.network import Network, has_route
from keepshell.link.ping import Ping
from keepshell.process import started_at
from keepshell.relay import notify, wakeups
from keepshell.store import holds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from keepshell.core.hold.keeper import Act
    from keepshell.core.hold.tunnels import Tunnel
    from keepshell.hold.master import Server

_FRESH = 0.3
"""Seconds for which an answer of the host proves that the connection lives."""

_BEGINS_WITHIN = 10.0
"""Seconds from the login until the host's `cat` must run; an appliance may have none."""

_RETRY_EVERY = 10.0
"""Seconds until a tunnel that could not be opened again is tried once more."""

_PORT_IS_FREED = 0.1
"""Seconds until the host is asked again for a port that it is about to free."""

_RESUMED = 2.0
"""Seconds by which a deadline must have passed for the machine to have slept."""


@dataclass
class Hold:
    """What is held: the words for ssh, and for people."""

    files: holds.Files
    host: str
    """`user@hostname:port`"""
    ssh: str
    typed: Sequence[str]
    """ssh's arguments."""
    tunnels: Sequence[Tunnel]
    until: float
    """As of time.time."""
    environ: Mapping[str, str]


class Supervisor:
    """One hold, from its login to its end."""

    def __init__(self, hold: Hold) -> None:
        """Make its socket. Raises OSError where none can be made."""
        self._hold = hold
        self._poll = wakeups.Poll()
        self._does: dict[int, Callable[[], None]] = {}
        self._masters: dict[int, Master] = {}
        self._doubted: list[tuple[socket.socket, float]] = []
        """Who asked whether the connection lives, and until when they wait."""
        self._network = Network()
        self._peer: str | None = None
        """The address that the connection leads to, where it can be seen."""
        self._ping: Ping | None = None
        self._servers: list[Server] = []
        """The host's processes of all generations that may still run there."""
        self._missing: list[Tunnel] = []
        """The tunnels that could not be opened again."""
        self._retry_at = 0.0
        self._answered_at = 0.0
        self._needs_person = False
        self._record: Mapping[str, Any] = {}
        self._keeper: Keeper | None = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(hold.files.ask)
        self._listener.bind(hold.files.ask)
        self._listener.listen(8)
        self._listener.setblocking(False)

    def log_in(self, tell: Callable[[bytes], object]) -> str:
        """Open the first connection on the user's terminal; what stands against it, or nothing.

        `tell` gets what ssh says meanwhile.
        """
        master = self._start(1, attended=True)
        give_up_at: float | None = None
        while not master.begun:
            if master.let_in and give_up_at is None:
                give_up_at = wakeups.clock() + _BEGINS_WITHIN
            left = None if give_up_at is None else max(0.0, give_up_at - wakeups.clock())
            ready = select.select([master.output, master.messages], [], [], left)[0]
            if not ready:
                self._drop(master)
                return f"the host has not run `cat` within {_BEGINS_WITHIN:.0f} s"
            if master.messages in ready:
                tell(master.messages_for_user() or b"")
            if master.output in ready and master.hear() is None:
                with contextlib.suppress(OSError):
                    os.set_blocking(master.messages, True)
                while last := master.messages_for_user():
                    tell(last)
                return "the host ran no `cat`" if master.let_in else "ssh could not log in"
        self._needs_person = master.by_person
        for tunnel in self._hold.tunnels:
            if said := master.forward(tunnel):
                self._drop(master)
                return f"{name_of(tunnel)}: {said}"
        return ""

    def run(self, ready: Callable[[], object]) -> None:
        """Keep the connection until the hold's end, and leave nothing behind.

        `ready` is called once others can find it.
        """
        now = wakeups.clock()
        self._keeper = Keeper(now, now + self._hold.until - time.time(), random.random)
        self._keeper.needs_person = self._needs_person
        with contextlib.ExitStack() as stack:
            stack.callback(holds.remove, self._hold.files)
            stack.callback(self._cut_all)
            stack.callback(self._network.close)
            stack.callback(self._ask_no_more)
            signals = wakeups.Signals(("SIGCHLD", "SIGTERM"))
            stack.enter_context(contextlib.closing(signals))
            alarm = stack.enter_context(contextlib.closing(wakeups.Alarm()))
            stack.enter_context(signals.watching())
            holds.point(self._hold.files, 1)
            self._on(self._listener.fileno(), self._accept)
            self._on(signals.fd, lambda: self._signalled(signals))
            if self._network.fd is not None:
                self._on(self._network.fd, self._network_changed)
            self._listen_to(self._masters[1])
            self._see_peer(self._masters[1])
            self._write()
            ready()
            while self._keeper.state is not State.ENDED:
                self._wait(alarm)

    def _on(self, fd: int, does: Callable[[], None]) -> None:
        self._does[fd] = does
        self._poll.ask(fd, select.POLLIN)

    def _off(self, fd: int) -> None:
        if self._does.pop(fd, None) is not None:
            self._poll.ask(fd, 0)

    def _wait(self, alarm: wakeups.Alarm) -> None:
        """The only wait: for a byte, a signal, or the next deadline."""
        deadlines = [self._mind.next_deadline(), *(at for _, at in self._doubted)]
        deadline = min((at for at in deadlines if at is not None), default=None)
        timeout = None
        if alarm.fd is None:
            timeout = None if deadline is None else deadline - wakeups.clock()
        else:
            self._does[alarm.fd] = lambda: None
            self._poll.ask(alarm.fd, select.POLLIN)
            alarm.arm(deadline)
        for fd, _ in self._poll.wait(timeout):
            if fd == alarm.fd:
                fired = alarm.fired()
                if fired is not None and wakeups.clock() - fired > _RESUMED:
                    self._perform(self._mind.resumed(wakeups.clock()))
            elif fd in self._does:
                self._does[fd]()
        now = wakeups.clock()
        self._perform(self._mind.tick(now))
        self._refuse_late(now)
        if self._mind.silent_since is None:
            self._ask_no_more()
        self._write()

    @property
    def _mind(self) -> Keeper:
        assert self._keeper is not None
        return self._keeper

    def _perform(self, acts: Sequence[Act]) -> None:
        for act in acts:
            self._PERFORMERS[type(act)](self, act)

    def _beat(self, act: Beat) -> None:
        self._masters[act.generation].beat()

    def _open(self, act: Open) -> None:
        try:
            self._listen_to(self._start(act.generation, attended=False))
        except OSError:
            self._perform(self._mind.ended(act.generation, wakeups.clock()))

    def _adopt(self, act: Adopt) -> None:
        """Use a new generation: new sessions, then the tunnels; the old one may finish."""
        new = self._masters[act.generation]
        old = None if act.old is None else self._masters.get(act.old)
        holds.point(self._hold.files, act.generation)
        self._see_peer(new)
        if old is not None and (holds.sessions(old.path) == 0 or not self._cancel(old)):
            old.cut()  # a stopped one would keep the ports
        self._missing = [one for one in self._hold.tunnels if self._forward(new, one)]
        if old is not None:
            old.finish()

    def _cancel(self, master: Master) -> bool:
        """Close a generation's tunnels; whether it answered."""
        return all(master.cancel(tunnel) for tunnel in self._hold.tunnels)

    def _forward(self, master: Master, tunnel: Tunnel) -> str:
        """Open a tunnel; what stands against it, or nothing.

        A port on the host may still be an older generation's, which the host takes for alive.
        """
        said = master.forward(tunnel)
        older = [server for server in self._servers if server != master.server]
        if not said or tunnel[0] not in (REMOTE, ALL[0]) or not older:
            return said
        for server in older:
            master.end_at_host(server)
        self._servers = []
        give_up_at = wakeups.clock() + TUNNEL_WITHIN
        while said and wakeups.clock() < give_up_at:
            time.sleep(_PORT_IS_FREED)
            said = master.forward(tunnel)
        return said

    def _see_peer(self, master: Master) -> None:
        """Note where a generation's connection leads, and which process serves it there."""
        found = Watched(master.pid).found()
        self._ask_no_more()
        self._peer = None if found is None else found.peer[0]
        if master.server is not None:
            self._servers.append(master.server)

    def _retry(self, master: Master) -> None:
        """Try what could not be opened, now and then."""
        now = wakeups.clock()
        if self._missing and now >= self._retry_at:
            self._retry_at = now + _RETRY_EVERY
            self._missing = [one for one in self._missing if self._forward(master, one)]

    def _network_changed(self) -> None:
        came_up = self._network.came_up()
        route = self._peer is None or has_route(self._peer)
        self._perform(self._mind.network(wakeups.clock(), route=route, came_up=came_up))

    def _finish(self, act: Finish) -> None:
        master = self._masters[act.generation]
        self._cancel(master)
        master.finish()

    def _cut(self, act: Cut) -> None:
        self._masters[act.generation].cut()

    def _ask_host(self, _act: Ask) -> None:
        if self._ping is None and self._peer is not None:
            self._ping = Ping(self._peer)
            if self._ping.fd is not None:
                self._on(self._ping.fd, self._echoed)
        if self._ping is not None:
            self._ping.send()

    def _echoed(self) -> None:
        if self._ping is not None and self._ping.answered():
            self._perform(self._mind.reachable(wakeups.clock()))

    def _ask_no_more(self) -> None:
        ping, self._ping = self._ping, None
        if ping is not None and ping.fd is not None:
            self._off(ping.fd)
            ping.close()

    _PERFORMERS: Mapping[type, Callable[[Supervisor, Any], None]] = {
        Beat: _beat,
        Open: _open,
        Adopt: _adopt,
        Finish: _finish,
        Cut: _cut,
        Ask: _ask_host,
    }

    def _start(self, number: int, *, attended: bool) -> Master:
        hold = self._hold
        path = hold.files.generation(number)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        master = Master(number, path, hold.ssh, hold.typed, hold.environ, attended=attended)
        self._masters[number] = master
        return master

    def _listen_to(self, master: Master) -> None:
        self._on(master.output, lambda: self._hear(master))
        self._on(master.messages, lambda: self._overhear(master))

    def _hear(self, master: Master) -> None:
        heard = master.hear()
        if heard is None:
            self._off(master.output)
        elif heard:
            self._answered_at = wakeups.clock()
            self._perform(self._mind.answered(master.number, self._answered_at))
            if self._mind.state is State.ALIVE:
                self._answer_all("yes")
            if master.number == self._mind.current:
                self._retry(master)

    def _overhear(self, master: Master) -> None:
        if master.messages_for_user() is None:
            self._off(master.messages)

    def _signalled(self, signals: wakeups.Signals) -> None:
        """A child has ended, or we are to end."""
        import signal

        if signal.SIGTERM in signals.take():
            self._perform(self._mind.release(wakeups.clock(), cut=True))
        for number, master in list(self._masters.items()):
            if master.ended():
                while master.messages_for_user():
                    pass
                refused = master.refused
                self._drop(master)
                self._perform(self._mind.ended(number, wakeups.clock(), needs_person=refused))

    def _drop(self, master: Master) -> None:
        self._off(master.output)
        self._off(master.messages)
        master.close()
        del self._masters[master.number]

    def _cut_all(self) -> None:
        for master in list(self._masters.values()):
            self._drop(master)
        self._listener.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        self._on(connection.fileno(), lambda: self._asked(connection))

    def _asked(self, connection: socket.socket) -> None:
        self._off(connection.fileno())
        try:
            word, _, argument = connection.recv(4096).decode().strip().partition(" ")
        except (OSError, ValueError):
            connection.close()
            return
        now = wakeups.clock()
        if word == "alive":
            self._prove(connection, now)
            return
        if word == "until":
            self._hold.until = float(argument)
            self._mind.until = now + self._hold.until - time.time()
        elif word in ("release", "cut"):
            self._perform(self._mind.release(now, cut=word == "cut"))
        self._write()
        self._answer(connection, "done")

    def _prove(self, connection: socket.socket, now: float) -> None:
        """Answer whether the connection lives, after asking the host if that is not just known."""
        if self._mind.state is not State.ALIVE:
            self._answer(connection, f"no {self._mind.state.value}")
        elif now - self._answered_at <= _FRESH:
            self._answer(connection, "yes")
        else:
            self._doubted.append((connection, now + holds.ANSWERS_WITHIN))
            self._perform(self._mind.beat(now))

    def _answer(self, connection: socket.socket, words: str) -> None:
        with contextlib.suppress(OSError), connection:
            connection.send(f"{words}\n".encode())

    def _answer_all(self, words: str) -> None:
        waiting, self._doubted = self._doubted, []
        for connection, _ in waiting:
            self._answer(connection, words)

    def _refuse_late(self, now: float) -> None:
        late = [who for who, at in self._doubted if at <= now]
        self._doubted = [(who, at) for who, at in self._doubted if at > now]
        for connection in late:
            self._answer(connection, "no no-answer")

    def _write(self) -> None:
        """Write the record, if anything in it has changed."""
        hold, mind = self._hold, self._mind
        now = wakeups.clock()
        silent = mind.silent_since
        master = None if mind.current is None else self._masters.get(mind.current)
        record = {
            "name": hold.files.name,
            "host": hold.host,
            "pid": os.getpid(),
            "start": started_at(os.getpid()),
            "until": round(hold.until, 3),
            "typed": hold.typed,
            "tunnels": [name_of(tunnel) for tunnel in hold.tunnels],
            "missing": [name_of(tunnel) for tunnel in self._missing],
            "state": mind.state.value,
            "silent_since": None if silent is None else round(time.time() - now + silent),
            "socket": None if master is None else master.path,
            "says": "" if master is None else master.last_words,
        }
        if record != self._record:
            if mind.state is State.NEEDS_YOU and record["state"] != self._record.get("state"):
                name = hold.files.name
                lost = f"{name} is lost; to log in again: keepshell hold {name}"
                notify.on_desktop(lost, hold.environ)
            self._record = record
            with contextlib.suppress(OSError):
                holds.write(hold.files, record)
