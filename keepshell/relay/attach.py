"""One child in a pty under the user's terminal, from its spawn to its exit status."""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial

from keepshell.errors import InternalError
from keepshell.relay import child, tty, wakeups
from keepshell.text import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import NoReturn

    from keepshell.core.ending.endings import Ending
    from keepshell.core.rules.kinds import Rule
    from keepshell.core.rules.plan import Plan
    from keepshell.core.rules.policy import Policy
    from keepshell.core.session import Session, TypistOf
    from keepshell.core.warner import Warner
    from keepshell.job import Job
    from keepshell.relay.loop import Relay
    from keepshell.relay.trace import Trace
    from keepshell.store.memory import Memory

_CLOSED_WITHIN = 1.0
"""Seconds that the live file may take to be deleted."""


class Attached:
    """A child that has been spawned; `finish` relays until it ends."""

    def __init__(self, job: Job) -> None:
        """Spawn the child; raises the error that prevents it, and has then changed nothing."""
        self._job = job
        _open_stderr()
        self._terminal = tty.Terminal()
        self._terminal.wait_for_foreground()
        self._signals = wakeups.Signals()
        self._child = self._spawned()

    def _spawned(self) -> child.Child:
        stderr = None if os.isatty(2) else os.dup(2)
        self._notice_shown = stderr is None
        try:
            return child.Child(
                self._job.argv,
                env=self._job.env,
                terminal=self._terminal,
                stderr=stderr,
                may_stop=not self._job.is_ssh,
            )
        finally:
            if stderr is not None:
                os.close(stderr)

    def finish(self) -> NoReturn:
        """Relay to the end, then end this process as the child has ended.

        What goes wrong before the first byte costs no more than the keepalives. Raises what goes
        wrong from then on to the child's end; nothing that goes wrong afterwards counts.
        """
        try:
            session, relay, known, trace, close = self._prepared()
        except Exception as error:
            self._do_without(error)
        try:
            with self._signals.watching(), self._terminal.given_back():
                relay.run(self._signals, self._alarm)
                wakeups.block_for_the_end()
            status = os.waitstatus_to_exitcode(relay.child.status or 0)
            with _harmless(self._job.env):
                ending = self._conclude(session, known, status)
                trace.note(wakeups.clock(), "ended", kind=ending.kind.value, nudges=session.nudges)
        finally:
            with contextlib.suppress(InternalError):
                close()
        self._end(session, relay, status)

    def _prepared(self) -> tuple[Session, Relay, Memory, Trace, Callable[[], object]]:
        """All that the relay needs; the last closes what others see of the session."""
        # Imported while ssh connects, so that it delays nothing.
        from keepshell.relay import clerk, title
        from keepshell.relay.trace import Trace
        from keepshell.store import live, memory

        job = self._job
        title.show_as(job.plain)
        self._alarm = wakeups.Alarm()
        files, trace = clerk.Clerk(), Trace(job.env)
        known = memory.Memory(job)
        policy = known.recall()
        session = self._session(policy, known.plan, wakeups.clock())
        session.nudge_answered = known.nudge_answered
        known.note_sleep(wakeups.asleep(), wakeups.clock())
        if policy.title:
            from keepshell.core.titles import Titles

            session.titles = Titles(job.name, known.plan.remedies)
        shown = live.LiveFile(job, known.host, policy, known.plan)

        def watch(now: float) -> None:
            files.leave(partial(shown.write, session.record(now)))
            known.note_holds(session.held, now)
            known.note_sleep(wakeups.asleep(), now)

        at_idle = partial(files.put, partial(_load_what_the_end_needs, trace))
        relay = self._relay(session, trace, watch=watch, at_idle=at_idle)
        if job.hold:
            session.held_until(self._held_until(), wakeups.clock())
        return session, relay, known, trace, partial(files.ask, shown.close, _CLOSED_WITHIN)

    def _do_without(self, error: Exception) -> NoReturn:
        """Relay without the rest of us: the child runs, and may have done something already."""
        from keepshell.relay import plain
        from keepshell.text.installed import fault

        say.say(f"{fault(error)}; the session goes on without keepshell")
        plain.relay(self._child, self._terminal)

    def _held_until(self) -> float | None:
        """When the hold that the session runs through ends, by its clock; None: it has ended."""
        from keepshell.store import holds

        until = holds.until(self._job.hold, self._job.env)
        return None if until is None else wakeups.clock() + until - time.time()

    def _session(self, policy: Policy, plan: Plan, now: float) -> Session:
        from keepshell.core.link.silence import Silence
        from keepshell.core.session import Session

        job = self._job
        return Session(
            policy,
            now,
            escape_char=job.escape_char,
            notice_shown=self._notice_shown,
            hidden=job.is_ssh and not job.says_closed,
            program=job.program,
            typist=typist_for(policy, plan.to_type_for),
            link=Silence() if job.is_ssh else None,
            server_alive=job.pings and not plan.window_change_every and not policy.idle_limit,
            gives_up_after=job.gives_up_after,
            warner=warner_for(job, policy, plan, now),
        )

    def _relay(
        self,
        session: Session,
        trace: Trace,
        *,
        watch: Callable[[float], None],
        at_idle: Callable[[], None],
    ) -> Relay:
        from keepshell.link.connection import Watched
        from keepshell.relay.loop import Relay

        return Relay(
            session,
            self._child,
            self._terminal,
            trace=trace,
            is_ssh=self._job.is_ssh,
            watch=watch,
            look=Watched(self._child.pid).sample,
            held_until=self._held_until,
            at_idle=at_idle,
        )

    def _conclude(self, session: Session, known: Memory, status: int) -> Ending:
        """Put the screen in order, remember the session, and say what ended it."""
        session.conclude()
        if session.titles is not None and session.titles.begun:
            from keepshell.core.titles import RESTORE

            self._terminal.write(RESTORE)
        now = wakeups.clock()
        ending = _ending(session, now, status, known.plan)
        last = session.unsaid()
        if ending.is_drop or session.cut_off:
            last += session.modes.undo(self._terminal.rows())
        self._terminal.write(last)
        if session.disconnected and self._job.says_closed:
            _say_closed(known.host, self._job.name)
        record = session.record(now)
        known.note_sleep(wakeups.asleep(), now)
        advice = known.remember(record, ending, status=status)
        if ending.is_drop and self._job.explains and not session.parting:
            explain(ending, advice)
        elif self._job.explains and os.isatty(2) and (hint := known.hint(record)):
            say.say(hint)
        return ending

    def _end(self, _session: Session, relay: Relay, status: int) -> NoReturn:
        child.end_as(status, relay.key_typed)


def _open_stderr() -> None:
    """A closed stderr becomes /dev/null, as ssh does it: no file of ours is to get its number."""
    try:
        os.fstat(2)
    except OSError:
        os.open(os.devnull, os.O_RDWR)


def _load_what_the_end_needs(trace: Trace) -> None:
    """While the session first idles: at its end the package may be another one, or gone."""
    import keepshell.link.sockdiag
    import keepshell.ssh.host_name  # noqa: F401
    from keepshell.store import memory

    memory.preload()
    trace.note(wakeups.clock(), "ready-to-end")


@contextlib.contextmanager
def _harmless(env: Mapping[str, str]) -> Iterator[None]:
    """What fails within is of no consequence; shown where KEEPSHELL_DEBUG asks for it."""
    try:
        yield
    except Exception as error:
        if env.get("KEEPSHELL_DEBUG"):
            import traceback

            traceback.print_exception(error)


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


def warner_for(job: Job, policy: Policy, plan: Plan, now: float) -> Warner | None:
    """Only where the user wants to be warned."""
    if not policy.warn:
        return None
    from keepshell.core.warner import Warner

    return Warner(job.name, plan.remedies, now, server_alive=job.pings)


def typist_for(policy: Policy, rules: Sequence[Rule]) -> TypistOf | None:
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
