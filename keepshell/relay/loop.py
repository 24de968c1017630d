"""The only place that waits: bytes between the user's terminal and the child, signals, the alarm.

The rules it keeps:

- a side is read only while the other side's outbox is empty, so memory is bounded and a stalled
  terminal stalls the host;
- the clock is read once per wakeup, and nothing due means no wakeup;
- the end is the end of the pty, never the exit of the child alone: its output comes first.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
from typing import Final

from keepshell.core.effects import (
    Disconnect,
    Effect,
    LinkChanged,
    Look,
    Note,
    Nudge,
    Phase,
    Suspend,
    ToHost,
    ToUser,
)
from keepshell.core.session import Session
from keepshell.relay import tty, wakeups
from keepshell.relay.linger import Linger
from keepshell.relay.outbox import Outbox, is_gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from keepshell.core.link.silence import Sample
    from keepshell.relay.child import Child
    from keepshell.relay.trace import Trace
    from keepshell.relay.tty import Terminal

CHUNK: Final = 65536
"""Bytes read at once from the user."""

HOST_CHUNK: Final = 16384
"""Bytes read at once from the host. A read takes what is there, and waiting for more costs more
than it saves: gathered up to 64 kB, a bulk output was 10 % slower."""

READS_AT_ONCE: Final = 16
MORE_FROM: Final = 1024
"""After so many bytes there are often more at once: the host is read again, so many times, before
anything else is looked at. To poll for each read, of 4 kB mostly, took 13 % more of our CPU."""

BLOCKING_WRITE: Final = 512
"""Bytes a terminal that said POLLOUT takes without blocking, where it can't be non-blocking."""

_FORWARDED: Final = frozenset((signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM))
_NOTHING: Final[dict[int, int]] = {}


class Relay:
    """Carries one session from its spawn to its end."""

    def __init__(
        self,
        session: Session,
        child: Child,
        terminal: Terminal,
        *,
        trace: Trace,
        suspends_at_prompt: bool = True,
        watch: Callable[[float], None] | None = None,
        look: Callable[[], Sample | None] | None = None,
        clock: Callable[[], float] = wakeups.clock,
    ) -> None:
        """The four are the caller's, who closes them.

        `watch` is called with the time when the session has begun and after what happens in it
        without the user: never so as to need a wakeup of its own.

        `look` asks the kernel about the child's connection.

        `suspends_at_prompt`: ^Z where the pty makes a signal of it suspends keepshell, since ssh
        asking for a password can't stop by itself; a program with job control of its own can.
        """
        self._session = session
        self._child = child
        self._terminal = terminal
        self._trace = trace
        self._clock = clock
        self._suspends_at_prompt = suspends_at_prompt
        self._watch = watch
        self._look = look
        self._verbatim = session.verbatim
        # A key, or its echo, and nothing else: carried before anything else is done.
        self._carriers: dict[tuple[int, int], Callable[[], float]] = {
            (terminal.input, select.POLLIN): self._from_user,
            (child.fd, select.POLLIN): self._from_host,
        }
        self._to_host = Outbox(child.fd)
        self._to_user = Outbox(
            terminal.output, at_once=BLOCKING_WRITE if terminal.output_blocks else 0
        )
        self._user_gone = False
        self._pty_open = True
        self._linger = Linger()
        self._suspend_wanted = False
        self._poll = wakeups.Poll()
        self._asked_for: tuple[bool, ...] = ()
        self._performers: dict[type[Effect], Callable[..., None]] = {
            ToHost: self._send_host,
            ToUser: self._send_user,
            Nudge: self._nudge,
            Look: self._look_at_link,
            LinkChanged: self._link_changed,
            Suspend: self._want_suspend,
            Disconnect: self._disconnect,
            Note: self._note,
        }

    def run(self, signals: wakeups.Signals, alarm: wakeups.Alarm) -> None:
        """Relay until the child has ended and its last byte is on the user's terminal."""
        self._poll.ask(signals.fd, select.POLLIN)
        if alarm.fd is not None:
            self._poll.ask(alarm.fd, select.POLLIN)
        now = self._clock()
        self._on_signals({signal.SIGCHLD, signal.SIGWINCH}, now)
        while not self._finished(now):
            deadline = self._session.next_deadline()
            alarm.arm(deadline)
            self._ask_for_bytes()
            stalled_since = now if self._to_user.waiting else None
            events = self._poll.wait(self._timeout(deadline, now, alarm.fd is not None))
            carrier = self._carriers.get(events[0]) if len(events) == 1 else None
            if carrier is not None:
                now, ready = carrier(), _NOTHING
            else:
                now, ready = self._clock(), dict(events)
            if deadline is not None and (now >= deadline or alarm.fd in ready):
                fired = alarm.fired()
                if now >= deadline or fired == deadline:
                    # The alarm's word counts: the core never sees a wakeup before its deadline.
                    now = max(now, deadline)
                    self._tick(now)
            if stalled_since is not None:
                self._linger.stalled(stalled_since, now)
            if signals.fd in ready:
                self._on_signals(signals.take(), now)
            if ready:
                self._carry(ready)
            if self._suspend_wanted and not self._to_user.waiting:
                self._suspend()

    def _finished(self, now: float) -> bool:
        if not self._linger.begun or self._to_user.waiting:
            return False
        return not self._pty_open or now >= self._linger.until(self._session.idle.output_at)

    def _timeout(self, deadline: float | None, now: float, has_alarm: bool) -> float | None:
        """Seconds to wait at most, where the alarm doesn't serve."""
        if self._linger.begun and not self._to_user.waiting:
            return self._linger.until(self._session.idle.output_at) - now
        return None if has_alarm or deadline is None else deadline - now

    def _ask_for_bytes(self) -> None:
        # What is typed when the child has ended is for whoever reads the terminal next.
        reads_user = self._pty_open and not self._user_gone and not self._linger.begun
        to_host, to_user = bool(self._to_host.waiting), bool(self._to_user.waiting)
        state = (self._pty_open, reads_user, to_host, to_user)
        if state == self._asked_for:
            return
        self._asked_for = state
        reading_host = select.POLLIN if self._pty_open and not to_user else 0
        writing_host = select.POLLOUT if self._pty_open and to_host else 0
        self._poll.ask(self._child.fd, reading_host | writing_host)
        self._poll.ask(self._terminal.input, select.POLLIN if reads_user and not to_host else 0)
        self._poll.ask(self._terminal.output, select.POLLOUT if to_user else 0)

    def _carry(self, ready: dict[int, int]) -> None:
        if self._terminal.input in ready:
            self._from_user()
        events = ready.get(self._child.fd, 0)
        if events & select.POLLOUT:
            self._to_host.write()
        if events & ~select.POLLOUT:
            self._from_host()
        if self._terminal.output in ready:
            self._to_user.write()
            self._see_user()

    def _from_user(self) -> float:
        """Carry what the user typed; the time after it has gone out."""
        try:
            data = os.read(self._terminal.input, CHUNK)
        except BlockingIOError:
            return self._clock()
        except OSError as error:
            if not is_gone(error):
                raise
            data = b""
        if not data:
            self._lose_user()
            return self._clock()
        suspends = self._suspends_at_prompt and self._child.suspends_on(data)
        if self._verbatim:
            self._to_host.send(data)
            now = self._clock()
            self._session.user_sent(data, now)
        else:
            now = self._clock()
            self._perform(self._session.user_input(data, now), now)
        self._suspend_wanted |= suspends
        self._see_phase(now)
        return now

    def _from_host(self) -> float:
        """Carry what the host printed; the time after it was shown."""
        if not self._verbatim or self._user_gone:
            data = self._read_host()
            now = self._clock()
            if data:
                self._perform(self._session.host_output(data, now), now)
                self._see_phase(now)
            return now
        shown = self._show_at_once()
        now = self._clock()
        if shown:
            self._perform(self._session.host_shown(shown, now), now)
            self._see_phase(now)
        return now

    def _show_at_once(self) -> bytes:
        """Put on the user's terminal what the host printed, unchanged; all that was read."""
        shown = []
        for _ in range(READS_AT_ONCE):
            data = self._read_host()
            if data:
                self._to_user.send(data)
                shown.append(data)
            if len(data) < MORE_FROM or self._to_user.waiting:
                break
        self._see_user()
        return shown[0] if len(shown) == 1 else b"".join(shown)

    def _read_host(self) -> bytes:
        try:
            data = os.read(self._child.fd, HOST_CHUNK)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: Linux's word for "the slave is closed"
                raise
            data = b""
        if not data:
            self._pty_open = False
        return data

    def _see_phase(self, now: float) -> None:
        if not self._session.begun and self._pty_open and not self._child.prompting():
            self._session.begin(now)
            self._show(now)

    def _show(self, now: float) -> None:
        if self._watch is not None:
            self._watch(now)

    def _tick(self, now: float) -> None:
        self._see_phase(now)
        phase = Phase.PROMPTING if self._child.prompting() else Phase.IN_SESSION
        self._perform(self._session.tick(now, phase), now)
        self._show(now)

    def _perform(self, effects: list[Effect], now: float) -> None:
        for effect in effects:
            self._performers[type(effect)](effect, now)

    def _send_host(self, effect: ToHost, _now: float) -> None:
        self._to_host.send(effect.data)  # dropped if the child has closed its terminal

    def _send_user(self, effect: ToUser, _now: float) -> None:
        if not self._user_gone:
            self._to_user.send(effect.data)
            self._see_user()

    def _see_user(self) -> None:
        if self._to_user.gone and not self._user_gone:
            self._lose_user()

    def _lose_user(self) -> None:
        """The terminal is gone: end the child as the kernel would, and drop what it prints."""
        self._user_gone = True
        self._child.signal(signal.SIGHUP)

    def _nudge(self, _effect: Nudge, _now: float) -> None:
        self._child.nudge()

    def _look_at_link(self, _effect: Look, now: float) -> None:
        sample = None if self._look is None else self._look()
        self._trace.note(now, "look", unacked=None if sample is None else sample.unacked)
        self._perform(self._session.looked(sample, now), now)

    def _link_changed(self, effect: LinkChanged, now: float) -> None:
        self._trace.note(now, "link", detail=effect.state)
        self._show(now)

    def _disconnect(self, _effect: Disconnect, _now: float) -> None:
        self._child.signal(signal.SIGTERM)  # ssh leaves with status 255, as after its own `~.`

    def _note(self, effect: Note, now: float) -> None:
        self._trace.note(now, effect.event, detail=effect.detail)

    def _want_suspend(self, _effect: Suspend, _now: float) -> None:
        self._suspend_wanted = True

    def _suspend(self) -> None:
        self._suspend_wanted = False
        self._trace.note(self._clock(), "suspended")
        self._terminal.suspend()
        self._follow_size()

    def _on_signals(self, came: set[int], now: float) -> None:
        if signal.SIGCHLD in came:
            self._child.look()
            self._session.child_stopped(self._child.stopped)
            if self._child.exited:
                self._linger.begin(now)
        for signum in came & _FORWARDED:
            self._child.signal(signum)
            self._session.forwarded(signum)
        if signal.SIGTSTP in came:
            self._suspend_wanted = True
        if came & {signal.SIGUSR1, signal.SIGUSR2}:
            # Both at once: nobody knows their order, and on is the harmless one.
            self._session.keepalives = signal.SIGUSR2 in came
            self._show(now)
        if signal.SIGCONT in came:
            self._terminal.resume()
        if came & {signal.SIGWINCH, signal.SIGCONT}:
            self._follow_size()

    def _follow_size(self) -> None:
        with contextlib.suppress(OSError):  # a terminal that is gone has no size
            winsize = self._terminal.winsize()
            self._child.resize(winsize)
            self._session.sized = tty.has_size(winsize)
