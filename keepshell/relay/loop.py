"""The only place that waits: bytes between the user's terminal and the child, signals, the alarm.

The rules it keeps:

- a side is read only while the other side's outbox is empty, so memory is bounded and a stalled
  terminal stalls the host;
- the clock is read once per wakeup, and nothing due means no wakeup;
- the end is the end of the pty, never the exit of the child alone: its output comes first.
"""

from __future__ import annotations

import os
import select
import signal
from enum import Enum

from keepshell.core.effects import (
    AskHold,
    Disconnect,
    Effect,
    LinkChanged,
    Look,
    Note,
    Notify,
    Nudge,
    Phase,
    Suspend,
    ToHost,
    ToUser,
)
from keepshell.core.session import Session
from keepshell.relay import notify, readers, tty, wakeups
from keepshell.relay.asking import Asking
from keepshell.relay.linger import Linger
from keepshell.relay.outbox import Outbox, is_gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from keepshell.core.link.silence import Sample
    from keepshell.relay.child import Child
    from keepshell.relay.trace import Trace
    from keepshell.relay.tty import Terminal

CHUNK = 65536
"""Bytes read at once from the user."""

READS_AT_ONCE = 16
MORE_FROM = 1024
"""After so many bytes there are often more at once: the host is read again, so many times, before
anything else is looked at. To poll for each read, of 4 kB mostly, took 13 % more of our CPU."""

BLOCKING_WRITE = 512
"""Bytes a terminal that said POLLOUT takes without blocking, where it can't be non-blocking."""

READERS_EVERY = 0.2
"""Seconds between two looks for a program that reads ssh's pty, while ssh connects."""

LOOK_EVERY = 0.05
"""Seconds between two looks at a terminal whose raw mode the kernel does not tell of."""

IDLE_AFTER = 1.0
"""Seconds without an event after which there is time for what is needed only later."""

_NO_PTY = b"PTY allocation request failed on channel"
"""What ssh says when it has been raw for a moment, and reads lines from now on (ssh.c)."""

_FORWARDED = frozenset((signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM))
_NOTHING: dict[int, int] = {}


class _Stop(Enum):
    """Who is to stop as a job."""

    ALONE = False
    WITH_GROUP = True


class Relay:
    """Carries one session from its spawn to its end."""

    def __init__(  # noqa: PLR0913 - one argument a thing that others do for it
        self,
        session: Session,
        child: Child,
        terminal: Terminal,
        *,
        trace: Trace,
        is_ssh: bool = True,
        watch: Callable[[float], None] | None = None,
        look: Callable[[], Sample | None] | None = None,
        at_idle: Callable[[], None] | None = None,
        held_until: Callable[[], float | None] | None = None,
    ) -> None:
        """The four are the caller's, who closes them.

        `is_ssh`: the child reads the terminal only when it asks, until its session has begun, and
        can't stop by itself when the user types ^Z. Any other program reads at any time.

        `look` asks the kernel about the child's connection, `held_until` its hold for its end.

        `watch` is called with the time when the session has begun and after what happens in it
        without the user: never so as to need a wakeup of its own. `at_idle` is called once, when
        nothing has happened for a moment.
        """
        self._session = session
        self.child = child
        self._terminal = terminal
        self._trace = trace
        self._clock = wakeups.clock
        self._is_ssh = is_ssh
        self._watch = watch
        self._at_idle = at_idle
        self._look = look
        self._held_until = held_until
        self._verbatim = session.verbatim
        # A key, or its echo, and nothing else: carried before anything else is done.
        self._carriers: dict[tuple[int, int], Callable[[], float]] = {
            (terminal.input, select.POLLIN): self._from_user,
            (child.fd, select.POLLIN): self._from_host,
        }
        self._asking = Asking()
        self._is_told = is_ssh and child.tell(True)
        self._to_host = Outbox(child.fd)
        self._to_user = Outbox(
            terminal.output, at_once=BLOCKING_WRITE if terminal.output_blocks else 0
        )
        self._return = b""
        self._user_gone = False
        self._linger = Linger()
        self._stop_wanted: _Stop | None = None
        self.key_typed: signal.Signals | None = None
        """The signal that the user's last key was to the child."""
        self._poll = wakeups.Poll()
        self._asked_for: tuple[bool, ...] = ()
        self._performers: dict[type[Effect], Callable[..., None]] = {
            ToHost: self._send_host,
            ToUser: self._send_user,
            Nudge: self._nudge,
            Notify: self._notify,
            Look: self._look_at_link,
            LinkChanged: self._link_changed,
            AskHold: self._ask_hold,
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
        self._see_phase(now)
        self._on_signals({signal.SIGCHLD, signal.SIGWINCH}, now)
        while not self._finished(now):
            deadline = self._session.next_deadline()
            alarm.arm(deadline)
            self._ask_for_bytes()
            stalled_since = now if self._to_user.waiting else None
            now, ready = self._wait(self._timeout(deadline, now, alarm.fd is not None))
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
            if self._stop_wanted and not self._to_user.waiting:
                self._stop(self._stop_wanted)

    def _wait(self, seconds: float | None) -> tuple[float, dict[int, int]]:
        """Wait; the time after it, and what is ready and not yet carried."""
        events = self._poll.wait(seconds)
        carrier = self._carriers.get(events[0]) if len(events) == 1 else None
        if carrier is not None:
            return carrier(), _NOTHING
        now = self._clock()
        if not events:
            self._use_idle_time(now)
        return now, dict(events)

    def close(self) -> None:
        """Close what the relay has opened itself: nothing."""

    def _finished(self, now: float) -> bool:
        if not self._linger.begun or self._to_user.waiting:
            return False
        return not self.child.is_open or now >= self._linger.until(self._session.idle.output_at)

    def _timeout(self, deadline: float | None, now: float, has_alarm: bool) -> float | None:
        """Seconds to wait at most, where the alarm doesn't serve."""
        if self._linger.begun and not self._to_user.waiting:
            return self._linger.until(self._session.idle.output_at) - now
        waits = [] if has_alarm or deadline is None else [deadline - now]
        if self._at_idle is not None:
            waits.append(IDLE_AFTER)
        if self._must_look:
            waits.append(LOOK_EVERY)
        elif self._may_be_read:
            waits.append(READERS_EVERY)
        return min(waits, default=None)

    @property
    def _may_be_read(self) -> bool:
        """Whether a ProxyCommand or LocalCommand may ask something without showing that it does."""
        asking = self._asking
        return self._is_ssh and not self._session.begun and (asking.is_read or not asking.now)

    @property
    def _must_look(self) -> bool:
        """Whether the session may begin without anything that wakes us."""
        if self._session.begun or self._terminal.taken:
            return False
        return not self._is_told or self._asking.unclear

    def _use_idle_time(self, now: float) -> None:
        """Nothing has happened: look where nothing tells us, and do what can be done ahead."""
        if self._may_be_read:
            self._asking.is_read = readers.are_there(self.child.pid)
            self._see_phase(now)
        if self._must_look:
            # ssh was raw for a moment only, and has not said so here: a line that is never read.
            unread = self._terminal.has_line()
            if unread and self._asking.unclear:
                self._asking.unread()
            self._see_phase(now, begun=unread and self.child.has_own_stderr)
        elif not self._may_be_read:
            self._work_ahead()

    def _work_ahead(self) -> None:
        at_idle, self._at_idle = self._at_idle, None
        if at_idle is not None:
            at_idle()

    def _ask_for_bytes(self) -> None:
        # What is typed once the child has ended belongs to the next reader of the terminal.
        is_open = self.child.is_open
        reads_user = self._listens_to_user() and self._terminal.taken and not self._user_gone
        to_host, to_user = bool(self._to_host.waiting), bool(self._to_user.waiting)
        holds_back = to_user or self._holds_host_back()
        state = (is_open, reads_user, to_host, to_user, holds_back)
        if state == self._asked_for:
            return
        self._asked_for = state
        reading_user = select.POLLIN if reads_user and not to_host else 0
        reading_host = select.POLLIN if is_open and not holds_back else 0
        writing_host = select.POLLOUT if is_open and to_host else 0
        self._poll.ask(self.child.fd, reading_host | writing_host)
        self._poll.ask(self._terminal.input, reading_user)
        self._poll.ask(self._terminal.output, select.POLLOUT if to_user else 0)

    def _listens_to_user(self) -> bool:
        return self.child.is_open and not self._linger.begun

    def _holds_host_back(self) -> bool:
        """Whether the host is not to be read, whatever the terminal takes."""
        return False

    def _carry(self, ready: dict[int, int]) -> None:
        if self._terminal.input in ready:
            self._from_user()
        events = ready.get(self.child.fd, 0)
        if events & select.POLLOUT:
            self._to_host.write()
        if events & ~select.POLLOUT and self.child.is_open:
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
        self.key_typed = self.child.signal_of(data)
        if self._verbatim:
            self._to_host.send(data)
            now = self._clock()
            self._session.user_sent(data, now)
        else:
            now = self._clock()
            self._perform(self._session.user_input(data, now), now)
        if self.key_typed is signal.SIGTSTP and self._is_ssh:
            self._stop_wanted = _Stop.WITH_GROUP
        if not self._session.begun:
            self._asking.typed()
        return now

    def _from_host(self) -> float:
        """Carry what the host printed; the time after it was shown."""
        asks_first = self._is_ssh and not self._session.begun
        if self._verbatim and not asks_first and not self._user_gone:
            shown = self._show_at_once()
            now = self._clock()
            if shown:
                self._perform(self._session.host_shown(shown, now), now)
                self._see_phase(now)
            return now
        data = self.child.read()
        now = self._clock()
        if asks_first:
            self._asking.output(data)
            # A prompt is not on the screen before its answer can be typed, unseen if need be.
            self._see_phase(now, begun=_NO_PTY in data)
        if data:
            self._perform(self._session.host_output(data, now), now)
            self._see_phase(now)
        return now

    def _show_at_once(self) -> bytes:
        """Put on the user's terminal what the host printed, unchanged; all that was read."""
        shown: list[bytes] = []
        for _ in range(READS_AT_ONCE):
            data = self.child.read()
            if data:
                self._to_user.send(data)
                shown.append(data)
            if len(data) < MORE_FROM or self._to_user.waiting:
                break
        self._see_user()
        return shown[0] if len(shown) == 1 else b"".join(shown)

    def _see_phase(self, now: float, *, begun: bool = False) -> None:
        """Before the session, see whether it has begun, and whose the terminal is."""
        child = self.child
        if self._session.begun or not child.is_open:
            return
        if begun or child.was_raw or not child.prompting():
            child.tell(False)
            self._session.begin(now)
            self._terminal.take()
            self._send_user(ToUser(b""), now)  # what was kept back of a line end
            self._show(now)
            return
        if self._is_ssh:
            self._see_whose_terminal()
        else:
            self._terminal.take()

    def _see_whose_terminal(self) -> None:
        """Ours while ssh asks. What it threw away before it did, we throw away too."""
        child, asking = self.child, self._asking
        flushed, child.has_flushed = child.has_flushed, False
        if flushed:
            asking.flushed(echo=child.echoes())
        else:
            asking.settings(echo=child.echoes())
        if asking.now:
            self._terminal.take(flush=flushed and not self._terminal.taken)
        else:
            self._terminal.give_back()

    def _show(self, now: float) -> None:
        if self._watch is not None:
            self._watch(now)

    def _tick(self, now: float) -> None:
        self._see_phase(now)
        phase = Phase.PROMPTING if self.child.prompting() else Phase.IN_SESSION
        self._perform(self._session.tick(now, phase), now)
        self._show(now)
        if self._session.begun:
            self._work_ahead()

    def _perform(self, effects: list[Effect], now: float) -> None:
        for effect in effects:
            self._performers[type(effect)](effect, now)

    def _send_host(self, effect: ToHost, _now: float) -> None:
        if self.child.is_open:
            self._to_host.send(effect.data)  # dropped if the child has closed its terminal

    def _send_user(self, effect: ToUser, _now: float) -> None:
        if not self._user_gone:
            self._to_user.send(self._as_terminal_wants(effect.data))
            self._see_user()

    def _as_terminal_wants(self, data: bytes) -> bytes:
        """A terminal that is not raw makes CR LF of line ends, as the child's has done already."""
        data, self._return = self._return + data, b""
        if self._terminal.taken or not self._terminal.adds_returns:
            return data
        if data.endswith(b"\r"):  # perhaps the first half of a line end
            data, self._return = data[:-1], b"\r"
        return data.replace(b"\r\n", b"\n")

    def _see_user(self) -> None:
        if self._to_user.gone:
            self._lose_user()

    def _lose_user(self) -> None:
        """The terminal is gone, and so is the child's: the kernel does what it did to ours.

        That is SIGHUP and SIGCONT, and no more reading or writing there.
        """
        if self._user_gone:
            return
        self._user_gone = True
        self._to_user.waiting = b""
        self._poll.ask(self.child.fd, 0)
        self.child.close()

    def _nudge(self, _effect: Nudge, _now: float) -> None:
        self.child.nudge()

    def _notify(self, effect: Notify, now: float) -> None:
        self._trace.note(now, "notified", detail=effect.text)
        self._send_user(ToUser(notify.for_terminal(effect.text, os.environ)), now)
        notify.on_desktop(effect.text, os.environ)

    def _look_at_link(self, _effect: Look, now: float) -> None:
        sample = None if self._look is None else self._look()
        self._trace.note(now, "look", unacked=None if sample is None else sample.unacked)
        self._perform(self._session.looked(sample, now), now)

    def _ask_hold(self, _effect: AskHold, now: float) -> None:
        if self._held_until is not None:
            self._perform(self._session.held_until(self._held_until(), now), now)

    def _link_changed(self, effect: LinkChanged, now: float) -> None:
        self._trace.note(now, "link", detail=effect.state)
        self._show(now)

    def _disconnect(self, _effect: Disconnect, _now: float) -> None:
        self.child.signal(signal.SIGTERM)  # ssh leaves with status 255, as after its own `~.`

    def _note(self, effect: Note, now: float) -> None:
        self._trace.note(now, effect.event, detail=effect.detail)

    def _want_suspend(self, _effect: Suspend, _now: float) -> None:
        self._stop_wanted = _Stop.ALONE

    def _stop(self, who: _Stop) -> None:
        """Stop as a job, and go on together with the child when we are continued."""
        self._stop_wanted = None
        now = self._clock()
        self._trace.note(now, "suspended")
        if self._session.begun:
            self._show(now)  # the terminal's atime is the local shell's from now on
        if self._is_ssh and not self._terminal.taken:
            self.child.stop()  # as ssh, which is connecting, would have been
        self._terminal.suspend(with_group=who is _Stop.WITH_GROUP)
        self._session.continued(self._clock())
        if not self._terminal.taken:
            self.child.go_on()
        self._follow_size()

    def _on_signals(self, came: set[int], now: float) -> None:
        if signal.SIGCONT in came:
            self._session.continued(now)
            self.child.go_on()
            self._terminal.resume()
        if signal.SIGCHLD in came:
            self._see_child(now)
        for signum in came & _FORWARDED:
            self._session.forwarded(signum)
            if signum == signal.SIGHUP and self._terminal.is_gone():
                self._lose_user()
            else:
                self.child.signal(signum)
        if signal.SIGTSTP in came:
            self._stop_wanted = _Stop.ALONE
        if came & {signal.SIGUSR1, signal.SIGUSR2}:
            # Both at the same time: their order is unknown, and on is the harmless one.
            self._session.keepalives = signal.SIGUSR2 in came
            self._show(now)
        if came & {signal.SIGWINCH, signal.SIGCONT}:
            self._follow_size()

    def _see_child(self, now: float) -> None:
        was_stopped = self.child.stopped
        self.child.look()
        self._session.child_stopped(self.child.stopped, now)
        if self.child.exited:
            self._linger.begin(now)
        elif self.child.stopped and not was_stopped:
            # On its own, or by a signal from elsewhere: the shell must see a stopped job. vim stops
            # the whole group, which a script that runs us is in.
            with_group = not self._is_ssh or self.key_typed is signal.SIGTSTP
            self._stop_wanted = _Stop.WITH_GROUP if with_group else _Stop.ALONE

    def _follow_size(self) -> None:
        winsize = self._terminal.winsize()
        self.child.resize(winsize)
        self._session.sized = tty.has_size(winsize)
