"""One child in a pty under the user's terminal, from its spawn to its exit status."""

from __future__ import annotations

import contextlib
import os

from keepshell.relay import child, tty
from keepshell.text import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keepshell.core.ending.endings import Ending
    from keepshell.core.rules.kinds import Rule
    from keepshell.core.rules.plan import Plan
    from keepshell.core.rules.policy import Policy
    from keepshell.core.session import Session, TypistOf
    from keepshell.job import Job


class Attached:
    """A child that has been spawned; `finish` relays until it ends."""

    def __init__(self, job: Job) -> None:
        """Spawn the child; raises whatever stands in the way, and has changed nothing then."""
        self._job = job
        self._terminal = tty.Terminal()
        self._terminal.wait_for_foreground()
        stderr = None if os.isatty(2) else _copy_of_stderr()
        self._notice_shown = stderr is None
        try:
            self._child = child.Child(job.argv, env=job.env, terminal=self._terminal, stderr=stderr)
        finally:
            if stderr is not None:
                os.close(stderr)

    def finish(self) -> int:
        """Relay to the end; returns the exit status, or dies by the child's signal."""
        # Imported while ssh connects, so that it delays nothing.
        from keepshell.core.link.silence import Silence
        from keepshell.core.session import Session
        from keepshell.relay import wakeups
        from keepshell.store import live, memory

        job = self._job
        known = memory.Memory(job)
        now = wakeups.clock()
        policy = known.recall()
        session = Session(
            policy,
            now,
            escape_char=job.escape_char,
            notice_shown=self._notice_shown,
            hidden=job.is_ssh and not job.says_closed,
            program=job.program,
            typist=_typist(policy, known.plan.to_type_for),
            link=Silence() if job.is_ssh else None,
            server_alive=job.pings and not known.plan.window_change_every and not policy.idle_limit,
        )
        session.nudge_answered = known.nudge_answered
        shown = live.LiveFile(job, known.host, policy)

        def watch(now: float) -> None:
            shown.write(session.record(now))
            known.note_holds(session.held, now)

        with contextlib.closing(shown):
            ending, status, now = self._relay(session, watch, known.plan)
        if session.disconnected and job.says_closed:
            _say_closed(known.host, job.name)
        advice = known.remember(session.record(now), ending, status=status)
        if ending.is_drop and job.explains:
            explain(ending, advice)
        if status < 0:
            child.die_by(-status)
        return status

    def _relay(
        self, session: Session, watch: Callable[[float], None], plan: Plan
    ) -> tuple[Ending, int, float]:
        """Relay until the child has ended; what ended it, its status, and the time."""
        from keepshell.link.connection import Watched
        from keepshell.relay import loop, wakeups
        from keepshell.relay.trace import Trace

        with contextlib.ExitStack() as stack:
            signals = stack.enter_context(contextlib.closing(wakeups.Signals()))
            alarm = stack.enter_context(contextlib.closing(wakeups.Alarm()))
            trace = stack.enter_context(contextlib.closing(Trace(self._job.env)))
            stack.enter_context(contextlib.closing(self._terminal))
            stack.enter_context(contextlib.closing(self._child))
            relay = loop.Relay(
                session,
                self._child,
                self._terminal,
                trace=trace,
                suspends_at_prompt=self._job.is_ssh,
                watch=watch,
                look=Watched(self._child.pid).sample,
            )
            with signals.watching(), self._terminal.raw():
                relay.run(signals, alarm)
                session.conclude()
                now = wakeups.clock()
                status = os.waitstatus_to_exitcode(self._child.status or 0)
                ending = _ending(session, now, status, plan)
                if ending.is_drop or session.cut_off:
                    self._terminal.write(session.modes.undo(self._terminal.rows()))
            trace.note(now, "ended", kind=ending.kind.value, nudges=session.nudges)
        return ending, status, now


def _ending(session: Session, now: float, status: int, plan: Plan) -> Ending:
    """What ended it; `status` as of os.waitstatus_to_exitcode, negative for a signal."""
    from keepshell.core.ending.endings import classify

    return classify(
        session.evidence(
            now,
            exit_status=status if status >= 0 else None,
            signal=-status if status < 0 else None,
        ),
        plan.rules,
    )


def _typist(policy: Policy, rules: Sequence[Rule]) -> TypistOf | None:
    """Only where something may be typed: the bulk of sessions has no use for its modules."""
    if not (rules or policy.rules or policy.idle_limit or policy.no_op == "always"):
        return None
    from functools import partial

    from keepshell.core.noops import typist

    limits = typist.limits(policy, rules)
    allowed = typist.Allowed(xon=policy.xon, empty_line=policy.may_enter)
    return partial(typist.Typist, limits, allowed) if limits else None


def explain(ending: Ending, advice: str = "") -> None:
    """Say on stderr, in one line, what ended the session, and the `advice`, a sentence.

    Silent where stderr is no terminal.
    """
    if os.isatty(2):
        say.say(f"{ending.sentence} {advice}".rstrip())


def _say_closed(host: str, typed: str) -> None:
    """What ssh says after its own `~.` (clientloop.c), wherever its messages go.

    `host` is as remembered; where it is not known, the name as `typed` must do.
    """
    from keepshell.ssh import host_name

    name = host_name.host_part(host) or typed
    say.write(os.fsencode(f"Connection to {name} closed.\r\n"))


def _copy_of_stderr() -> int | None:
    try:
        return os.dup(2)
    except OSError:  # closed: the child gets the pty, as a program that opens its own would
        return None
