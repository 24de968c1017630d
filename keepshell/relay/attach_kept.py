"""One session whose shell the host keeps: it outlives its connection, and may outlive us."""

from __future__ import annotations

import os

from keepshell.core.effects import Shell
from keepshell.core.kept.session import KeptSession
from keepshell.errors import NotStartedError
from keepshell.relay import attach
from keepshell.relay.attempt import Piped
from keepshell.store import kept
from keepshell.text import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from keepshell.core.ending.endings import Ending
    from keepshell.core.rules.plan import Plan
    from keepshell.core.rules.policy import Policy
    from keepshell.core.session import Session
    from keepshell.relay.child import Child
    from keepshell.relay.loop import Relay
    from keepshell.relay.trace import Trace
    from keepshell.store.memory import Memory


class AttachedKept(attach.Attached):
    """A connection that has been begun; `finish` relays until the shell has ended, or we leave."""

    def _spawned(self) -> Child:
        self._piped = Piped(self._job.argv, self._job.env, self._terminal)
        self._refused = False
        return self._piped.child

    def _do_without(self, error: Exception) -> NoReturn:
        """The host's shell is not begun before we answer."""
        self._piped.close()
        raise NotStartedError from error

    def _session(self, policy: Policy, plan: Plan, now: float) -> Session:
        from random import random

        assert self._job.kept is not None
        session = KeptSession(
            policy,
            now,
            self._job.kept,
            random,
            escape_char=self._job.escape_char,
            typist=attach.typist_for(policy, plan.to_type_for),
            warner=attach.warner_for(self._job, policy, plan, now),
            shows_words=os.isatty(2),
        )
        session.view.has_page, session.view.has_title = _of_terminal(os.environ.get("TERM", ""))
        return session

    def _relay(
        self,
        session: Session,
        trace: Trace,
        *,
        watch: Callable[[float], None],
        at_idle: Callable[[], None],
    ) -> Relay:
        from keepshell.relay.kept import KeptRelay

        assert isinstance(session, KeptSession)
        file = kept.KeptFile(self._job)

        def watch_both(now: float) -> None:
            watch(now)
            if session.shell is Shell.KEPT and session.header is not None:
                file.attached(session.header.fields.get("life", ""))

        self._file = file
        return KeptRelay(
            session,
            self._piped,
            self._terminal,
            job=self._job,
            trace=trace,
            watch=watch_both,
            at_idle=at_idle,
        )

    def _conclude(self, session: Session, known: Memory, status: int) -> Ending:
        assert isinstance(session, KeptSession)
        ending = super()._conclude(session, known, status)
        self._refused = session.shell is Shell.REFUSED and not ending.is_drop
        self._file.settle(session.shell)
        if session.parting:
            left = session.shell is Shell.LEFT
            say.say(session.parting + (self._file.number() if left else ""))
        return ending

    def _end(self, session: Session, relay: Relay, status: int) -> NoReturn:
        relay.close()
        if not self._refused:
            super()._end(session, relay, status)
        job = self._job
        kept.note_fate(job.env, job.typed, kept.REFUSED)
        say.say(f"{job.name} can't keep a shell; this is a plain one, and so is the next.")
        assert job.kept is not None
        job.argv, job.kept = job.connection("", first=True), job.kept._replace(command="")
        AttachedKept(job).finish()


def _of_terminal(name: str) -> tuple[bool, bool]:
    """Whether a terminal of this name has mode 1049, and whether it takes a title.

    By terminfo; a name that it does not know is a new terminal, which has both.
    """
    if name in ("", "dumb", "emacs"):
        return False, False
    try:
        import curses

        curses.setupterm(name, 1)
        return b"1049" in (curses.tigetstr("smcup") or b""), True
    except (ImportError, curses.error):
        return True, True
