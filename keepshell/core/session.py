"""One session: told the bytes, the time and the phase, it answers with what to do.

The rules it keeps:

- every byte goes on as it came, in the order it came;
- a timer never fires before its deadline, and never twice for one deadline, however late it is;
- `next_deadline` and `tick` read the same list of timers;
- nothing is sent while ssh itself prompts, or while the child is stopped;
- what is due is the ladder's, what is typed for an absent user the typist's; neither counts as
  the user's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

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
from keepshell.core.ending.evidence import Evidence
from keepshell.core.idle import IdleClock
from keepshell.core.noops.choice import Choice, Hold, Timer, WindowChange
from keepshell.core.noops.ladder import Ladder
from keepshell.core.noops.silent import Silent
from keepshell.core.reasons import Reason
from keepshell.core.record import SessionRecord
from keepshell.core.rules.durations import describe
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.core.terminal.keystrokes import Keystrokes, Line
from keepshell.core.terminal.modes import ModeTracker

if TYPE_CHECKING:
    from keepshell.core.link.silence import Link, Sample, Silence
    from keepshell.core.noops.ladder import Held
    from keepshell.core.terminal.keys import Key
    from keepshell.core.titles import Titles
    from keepshell.core.warner import Warner

TAIL_SIZE = 1024
"""Bytes of the last output kept to tell what ended the session."""

# clientloop.c and mux.c, at the end of a session with a terminal. Compiled only there.
_CLOSED_BY_SSH = rb"(?:Shared c|C)onnection to [^\r\n]* closed\.\r+\n\Z"

SUSPEND_NOTICE = b"^Z [suspend ssh]"
SUSPEND_WITHIN = 2.0
SUSPEND_UNSEEN_AFTER = 0.05

NUDGE_ANSWERED_WITHIN = 1.0
"""Seconds after a window-change in which output is taken for its answer, if the host had been
silent for half the interval before."""

PROBE_AT = 0.6
"""The part of the time until ssh gives up after which the kernel is asked whether the host is still
there: one request of ssh's, at least, has gone out by then."""

HOLD_NOTICE = 300.0
"""Seconds before the end of a hold when those who work through it are told."""

TELL_AGAIN_AFTER = 1.0
"""Seconds until a warning is tried again that would have come within a sequence."""

TypistOf = Callable[..., Silent]
"""Makes the typist of a session from its `modes`, `keystrokes` and `idle`."""


class Session:
    """The relay's mind: no descriptor, no clock; every `now` is in seconds and never goes back."""

    def __init__(  # noqa: PLR0913 - one argument a thing the edge knows of the child
        self,
        policy: Policy,
        now: float,
        *,
        escape_char: int | None = 0x7E,
        notice_shown: bool = True,
        hidden: bool = False,
        program: str = "ssh",
        typist: TypistOf | None = None,
        link: Silence | None = None,
        server_alive: bool = False,
        warner: Warner | None = None,
        gives_up_after: float | None = None,
        ssh_reads_escapes: bool = True,
    ) -> None:
        """`escape_char` is ssh's EscapeChar, None for `none` or for a child that is not ssh.

        `notice_shown` says whether ssh's own messages come through the pty; they do not when the
        user redirected stderr. `hidden` says whether those about the end can't be seen, by -q or
        LogLevel. `program` is the child's name. `typist` is there when a rule is known that only
        input resets, and the user allows to type. `link` is there when the kernel can be asked
        about the connection. `server_alive` says that ssh itself speaks to a silent host, and that
        its known rules need no more. `warner` is there when the user wants to be warned.
        `gives_up_after` says after how many seconds without an answer ssh ends the session because
        of ServerAlive options that are ours.
        """
        self.idle = IdleClock(now)
        self.modes = ModeTracker()
        self.keystrokes = Keystrokes(escape_char, ssh_reads_it=ssh_reads_escapes)
        self.link = link
        self.nudges = 0
        self.begun = False
        self.disconnected = False
        """Whether `~.` was acted on here, so that ssh says nothing of a closed connection."""
        self.titles: Titles | None = None
        """Where the user wants the window's title to say how the session fares."""
        self._title_due_at: float | None = None
        self.parting = ""
        """What to say about the end instead of the usual line."""
        self.keepalives = True
        """The user's switch; off, nothing is sent that ssh would not have sent by itself."""
        self._policy = policy
        self._notice_shown = notice_shown
        self._hidden = hidden or not notice_shown
        self._program = program
        self.sized = True
        """Whether the terminal has a size; a window-change would tell of it."""
        self.nudge_answered = False
        """Whether output has answered a window-change, now or in an earlier session: a program sees
        them, and none follows."""
        self._server_alive = server_alive
        self._warner = warner
        self._gives_up_after = gives_up_after
        self._probed_at: float | None = None
        self._acked_at: float | None = None
        self._untold: list[str] = []
        self._tell_at = now
        make = typist or _silent
        self._typist = make(modes=self.modes, keystrokes=self.keystrokes, idle=self.idle)
        limits = dict(self._typist.limits)
        if policy.rung >= Rung.WINDOW_CHANGE:
            limits[Timer.CONNECTION] = 2 * policy.window_change_interval
        self._ladder = Ladder(limits, now)
        self._nudged_at: float | None = None
        self._looks = False
        self._ask_hold_at: float | None = None
        self._kept_back = b""
        self._forwarded: int | None = None
        self._stopped = False
        self._continued_at: float | None = None
        self._suspend_by: float | None = None
        self._tail = b""

    @property
    def verbatim(self) -> bool:
        """Whether nothing is ever typed: all bytes go on as they are, whatever they are.

        Then the edge may send them first and tell us afterwards: `user_sent`, `host_shown`.
        """
        return self._typist.verbatim

    def user_input(self, data: bytes, now: float) -> list[Effect]:
        """Bytes the user typed or pasted."""
        effects: list[Effect] = []
        keys: list[Key] = []
        for piece, is_unseen in self.keystrokes.pieces(data):
            keys += self.keystrokes.feed(piece, now)
            effects += self._unseen_by_ssh(piece, now) if is_unseen else [ToHost(piece)]
        self._typed(now)
        return [*self._shown(self._typist.input(keys, now)), *joined(effects)]

    def user_sent(self, data: bytes, now: float) -> None:
        """The user's bytes have gone to the child as they were; only where `verbatim`."""
        self.keystrokes.feed(data, now)
        self._typed(now)

    def _typed(self, now: float) -> None:
        """What the keys, which `keystrokes` has read, mean for the clock and for a suspend."""
        self._nudged_at = None
        reached = self.keystrokes.reached_at == now
        self.idle.user(now, reached=reached)
        if self.titles is not None and self.titles.warns:
            self._title_due_at = now
        if self.link is not None and reached and self.begun:
            self.link.sent(now)
        if self.keystrokes.suspend_at == now and not self.keystrokes.escape_missed:
            after = SUSPEND_WITHIN if self._notice_shown else SUSPEND_UNSEEN_AFTER
            self._suspend_by = now + after

    def _unseen_by_ssh(self, key: bytes, now: float) -> list[Effect]:
        """A key, read, at a line start that ssh, because of a no-op, takes for a line's middle.

        The escape character is kept back, as ssh would; `~.` and `~^Z` are acted on here.
        """
        keys = self.keystrokes
        if keys.tilde_pending:
            self._kept_back = key
            return []
        kept, self._kept_back = self._kept_back, b""
        if kept and keys.escape_missed:
            if keys.quit_at == now:
                self.disconnected = True
                return [Disconnect()]
            if keys.suspend_at == now:
                return [ToUser(kept + SUSPEND_NOTICE + b"\r\n"), Suspend()]
        return [ToHost(key if kept == key else kept + key)]

    def host_output(self, data: bytes, now: float) -> list[Effect]:
        """Bytes the child printed: the host's, or ssh's own."""
        suspends = self.host_shown(data, now)
        return [*self._shown(self._typist.output(data, now)), *suspends]

    def host_shown(self, data: bytes, now: float) -> list[Effect]:
        """The child's bytes are on the user's terminal; by itself only where `verbatim`."""
        if self._nudged_at is not None:
            self.nudge_answered = now - self._nudged_at <= NUDGE_ANSWERED_WITHIN
            self._nudged_at = None
        self.idle.output(now, len(data))
        self.modes.feed(data, now)
        before, self._tail = self._tail, last_of(self._tail, data)
        changed = self._heard(now)
        if self._suspend_by is None:
            return changed
        # ssh has left and entered raw mode by itself, since the kernel discards its SIGTSTP
        # (an orphaned process group); its notice says that the escape was one.
        if SUSPEND_NOTICE not in before[-len(SUSPEND_NOTICE) :] + data:
            return changed
        self._suspend_by = None
        return [*changed, Suspend()]

    def _heard(self, now: float) -> list[Effect]:
        if self.link is None or self.link.since is None:
            return []
        before = self.link.state
        self.link.heard()
        return self._changed(before, now)

    def looked(self, sample: Sample | None, now: float) -> list[Effect]:
        """The kernel's answer to a `Look`; None where it has none."""
        assert self.link is not None
        self._probed_at = now
        if sample is not None and sample.direct and not sample.unacked:
            self._acked_at = now
        before = self.link.state
        self.link.sampled(sample, now)
        if self.idle.sent_at == now:  # a keepalive goes out right after the look
            self.link.sent(now, look=False)
        return self._changed(before, now)

    def _changed(self, before: Link, now: float) -> list[Effect]:
        assert self.link is not None
        if before is self.link.state:
            return []
        self._title_due_at = now
        return [LinkChanged(self.link.state.value)]

    def begin(self, now: float) -> None:
        """ssh has asked what it had to, and the host answers."""
        self.begun = True
        self.idle.begun_at = self._title_due_at = now

    def conclude(self) -> None:
        """The child has ended: ssh's closing words prove a session in which nothing was shown."""
        if not self.begun and re.search(_CLOSED_BY_SSH, self._tail):
            self.begin(self.idle.started_at)

    def unsaid(self) -> bytes:
        """What the user is still to see once the child has ended."""
        return b""

    def child_stopped(self, stopped: bool, now: float) -> None:
        """The child was stopped by a signal, or goes on."""
        if self._stopped and not stopped:
            self.continued(now)
        self._stopped = stopped

    def continued(self, now: float) -> None:
        """We go on after a stop, in which nothing was sent and no ending could be seen."""
        self._continued_at = now

    def next_deadline(self) -> float | None:
        """When `tick` has something to do; None for never."""
        return min((deadline for deadline, _ in self._timers()), default=None)

    def tick(self, now: float, phase: Phase) -> list[Effect]:
        """Let every timer act that is due at `now`."""
        due = [action for deadline, action in self._timers() if deadline <= now]
        effects = [effect for action in due for effect in action(now, phase)]
        if self.titles is not None and self.begun:
            half = self.modes.snapshot().half_sequence
            effects += self.titles.show(self.record(now), half_sequence=half)
            self._title_due_at = None
        return effects

    def forwarded(self, signum: int) -> None:
        """keepshell got a signal and passed it on to the child."""
        self._forwarded = signum

    @property
    def no_ops(self) -> int:
        """How often something was typed for the user."""
        return self._typist.sent

    @property
    def injected(self) -> int:
        """How many bytes that was."""
        return self._typist.sent_bytes

    @property
    def rung(self) -> Rung:
        """The highest rung that is in use."""
        if not self.keepalives:
            return min(self._policy.rung, Rung.SERVER_ALIVE)
        return min(self._policy.rung, self._typist.rung)

    @property
    def hold(self) -> str | None:
        """Why a keepalive that is due is not sent; None where none is held."""
        return "; ".join(reason.text for reason in self._ladder.reasons) or None

    @property
    def held(self) -> Mapping[Timer, Held]:
        """The timers that are not being beaten at the moment, and why."""
        return self._ladder.held

    @property
    def withheld_until(self) -> float | None:
        """When a redraw that is withheld will be shown or dropped; None where none is."""
        return self._typist.withheld_until()

    @property
    def silent_since(self) -> float | None:
        """Since when the host owes an answer; None if it has answered, or that is unknown."""
        return None if self.link is None else self.link.silent_since

    @property
    def cut_off(self) -> bool:
        """Whether the user ended the session over the head of the program on the screen."""
        return self._quit_typed or self._forwarded is not None

    @property
    def _quit_typed(self) -> bool:
        quit_at = self.keystrokes.quit_at
        return quit_at is not None and quit_at == self.idle.user_at

    def evidence(self, now: float, *, exit_status: int | None, signal: int | None) -> Evidence:
        """What is known about the end of this session, for `endings.classify`."""
        idle = self.idle
        return Evidence(
            exit_status=exit_status,
            signal=signal,
            tail=self._tail,
            session=self.begun,
            user_idle=idle.since(idle.input_at, now),
            output_idle=idle.since(idle.output_at, now),
            sent_idle=idle.since(idle.sent_at, now),
            quit_typed=self._quit_typed or self.disconnected,
            keepalives=self.nudges + self.no_ops,
            no_ops=self.no_ops,
            typed_idle=idle.since(idle.typed_at, now),
            sent_gap=idle.sent_gap,
            lasted=now - idle.begun_at,
            reads=idle.reads(now),
            forwarded=self._forwarded,
            hidden=self._hidden,
            acked_idle=idle.since(self._acked_at, now),
            gives_up_after=self._gives_up_after,
            program=self._program,
        )

    def record(self, now: float) -> SessionRecord:
        """What this session has been up to `now`."""
        idle = self.idle
        return SessionRecord(
            at=now,
            started_at=idle.started_at,
            begun=self.begun,
            begun_at=idle.begun_at,
            user_at=idle.user_at,
            output_at=idle.output_at,
            sent_at=idle.sent_at,
            typed_at=idle.typed_at,
            counts=dict(idle.counts),
            tried=idle.tried,
            half_line=self.keystrokes.line is not Line.NOTHING,
            longest_idle=idle.longest_idle(now),
            stretches=idle.stretches(now),
            injected=self.injected,
            rung=self.rung,
            hold=self.hold,
            next_at=self.next_deadline(),
            silent_since=self.silent_since,
            nudge_answered=self.nudge_answered,
            on=self.keepalives,
            continued_at=self._continued_at,
        )

    def _timers(self) -> Iterator[tuple[float, Callable[[float, Phase], list[Effect]]]]:
        if self._suspend_by is not None:
            yield self._suspend_by, self._suspend
        if self.link is not None and self.link.look_at is not None:
            yield self.link.look_at, self._look
        if self.link is not None and self._gives_up_after is not None and self.begun:
            silent_at = max(self.idle.begun_at, self.idle.output_at or 0.0)
            probe_at = silent_at + self._gives_up_after * PROBE_AT
            if self._probed_at is None or self._probed_at < probe_at:
                yield probe_at, self._look
        if self.withheld_until is not None:
            yield self.withheld_until, self._reveal
        if self._ask_hold_at is not None:
            yield self._ask_hold_at, self._ask_hold
        if self.titles is not None and self.begun and self._title_due_at is not None:
            yield self._title_due_at, lambda _now, _phase: []  # each tick shows the title
        if self.keepalives:
            due_at = self._ladder.next_deadline(self.idle, self.keystrokes.entered_at)
            if due_at < math.inf:
                yield due_at, self._keep_alive
            yield from self._warnings()

    def _warnings(self) -> Iterator[tuple[float, Callable[[float, Phase], list[Effect]]]]:
        if self._warner is None:
            return
        due_at = self._warner.next_deadline(self.idle, self.keystrokes.entered_at)
        if due_at < math.inf:
            yield due_at, self._warn
        if self._untold:
            yield self._tell_at, self._tell

    def _warn(self, now: float, _phase: Phase) -> list[Effect]:
        assert self._warner is not None
        self._untold += self._warner.due(now)
        return self._tell(now, _phase)

    def _tell(self, now: float, _phase: Phase) -> list[Effect]:
        """Tell what has not been told, as one; never within a sequence that the host prints."""
        if self.modes.snapshot().half_sequence:
            self._tell_at = now + TELL_AGAIN_AFTER
            return []
        told, self._untold = self._untold, []
        return [Notify("; ".join(dict.fromkeys(told)))] if told else []

    def _keep_alive(self, now: float, phase: Phase) -> list[Effect]:
        self._looks = False
        chosen = self._ladder.act(now, lambda timers: self._choose(timers, now, phase))
        effects: list[Effect] = self._say_near_limits(now)
        if (self._looks or isinstance(chosen, WindowChange)) and self.begun and self.link:
            # Before more goes out is the time to see whether the last was acknowledged.
            effects.append(Look())
        if chosen is None:
            return [*(Note("hold", reason.text) for reason in self._ladder.reasons), *effects]
        if isinstance(chosen, WindowChange):
            if self._is_quiet(now):
                self._nudged_at = now
            self.idle.sent(now)
            self.nudges += 1
            return [*effects, Nudge(), Note("nudge-sent")]
        self._typist.typed(chosen, now)
        self.idle.sent(now, chosen.rung)
        self.keystrokes.injected(chosen.data)
        return [*effects, ToHost(chosen.data), Note("noop-sent", chosen.row)]

    def _choose(self, timers: frozenset[Timer], now: float, phase: Phase) -> Choice:
        prompting = phase is Phase.PROMPTING
        if timers != _CONNECTION:
            return self._typist.choose(
                timers, now, prompting=prompting, child_stopped=self._stopped
            )
        if self._stopped:
            return Hold(Reason.STOPPED)
        if prompting:
            return Hold(Reason.SSH_PROMPTS)
        if self._needs_nudge():
            return WindowChange()
        self._looks = True
        return None

    def _needs_nudge(self) -> bool:
        """Whether only a window-change will do.

        With ServerAlive, ssh speaks after an interval in which the host did not: late, where that
        one printed long after the client last sent something.
        """
        if not self.sized or self.nudge_answered:
            return False
        idle, half = self.idle, self._policy.window_change_interval / 2
        printed = idle.output_at is not None and idle.output_at - idle.quiet_since() >= half
        return printed or not self._server_alive

    def _is_quiet(self, now: float) -> bool:
        """Whether output right after a window-change will be its answer.

        Before the host's first words it would be those, late.
        """
        idle, half = self.idle, self._policy.window_change_interval / 2
        return idle.output_at is not None and idle.begun_at <= idle.output_at <= now - half

    def _ask_hold(self, _now: float, _phase: Phase) -> list[Effect]:
        self._ask_hold_at = None
        return [AskHold()]

    def held_until(self, at: float | None, now: float) -> list[Effect]:
        """The hold that this session runs through ends at that time; None: it has ended."""
        if at is None:
            return []
        if at - HOLD_NOTICE > now:
            self._ask_hold_at = at - HOLD_NOTICE
            return []
        return [Notify(f"the connection is held for another {describe(max(0.0, at - now))}")]

    def _look(self, _now: float, _phase: Phase) -> list[Effect]:
        return [Look()]

    def _reveal(self, now: float, _phase: Phase) -> list[Effect]:
        return self._shown(self._typist.reveal(now))

    def _shown(self, data: bytes) -> list[Effect]:
        """What the typist shows of the output, and what has become of the redraw it withheld."""
        outcome = self._typist.redraw()
        return [*_to_user(data), *([Note(f"redraw-{outcome}")] if outcome else [])]

    def _say_near_limits(self, now: float) -> list[Effect]:
        """In the trace, and to the user who wishes it."""
        nears = self._ladder.near_limits(now)
        effects: list[Effect] = [
            Note("near-limit", f"{near.timer.value}: {near.reason.text}") for near in nears
        ]
        if self._warner is None:
            return effects
        self._untold += [self._warner.held(near.timer, near.left) for near in nears]
        return [*effects, *self._tell(now, Phase.IN_SESSION)]

    def _suspend(self, _now: float, _phase: Phase) -> list[Effect]:
        self._suspend_by = None
        # With ssh's messages on the pty, no notice in time means that ssh did not suspend: a mux
        # client, or a `~^Z` that was no escape to it.
        return [] if self._notice_shown else [Suspend()]


_CONNECTION = frozenset((Timer.CONNECTION,))


def _silent(**_streams: object) -> Silent:
    return Silent()


def _to_user(data: bytes) -> list[Effect]:
    return [ToUser(data)] if data else []


def joined(effects: list[Effect]) -> list[Effect]:
    """Neighbouring bytes for the host as one: a program may take a lone ESC for the key."""
    together: list[Effect] = []
    for effect in effects:
        before = together[-1] if together else None
        if isinstance(before, ToHost) and isinstance(effect, ToHost):
            together[-1] = ToHost(before.data + effect.data)
        else:
            together.append(effect)
    return together


def last_of(tail: bytes, data: bytes) -> bytes:
    if len(data) >= TAIL_SIZE:
        return data[-TAIL_SIZE:]
    return (tail + data)[-TAIL_SIZE:]
