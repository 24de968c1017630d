"""What is known of a host when a session starts, and what the session's end adds to it.

Nothing here hurts the session: whatever fails costs one line on stderr, and is done without.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping

from keepshell import paths
from keepshell.core.ending import learning
from keepshell.core.reasons import Reason
from keepshell.core.rules import plan
from keepshell.core.rules.kinds import Rule
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.errors import InternalError
from keepshell.store import patience
from keepshell.text.say import say
from keepshell.text.wording import cure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keepshell.core.ending.endings import Ending
    from keepshell.core.noops.choice import Timer
    from keepshell.core.noops.ladder import Held
    from keepshell.core.record import SessionRecord
    from keepshell.job import Job
    from keepshell.ssh.host_name import NameLookup


READS_WITHIN = 1.0
"""Seconds that a session waits for what is known of its host, while ssh connects."""

WRITES_WITHIN = 0.5
"""Seconds that the user's shell is kept waiting for the end."""

SLEPT = 1.0
"""Seconds by which a computer's sleep shows; its clocks are not read at the same moment."""

LATER_WITHIN = 20.0
"""Seconds within which another process's transaction must be over for ours to follow it."""


def preload() -> None:
    """Load all that a session needs at its end: the package may be gone or another by then."""
    import keepshell.core.ending.endings
    import keepshell.store.database
    import keepshell.store.unanswered  # noqa: F401


class Memory:
    """What one session knows of its host, and leaves behind."""

    def __init__(self, job: Job) -> None:
        """Begins to find out the host's name, if the job has one."""
        self.host = ""
        self.plan = plan.Plan()
        self.nudge_answered = False
        """Whether the host has answered a window-change by output before."""
        self.is_new = True
        """Whether nothing is remembered of the host."""
        self._job = job
        self._policy = job.policy
        self._known: list[Rule] = []
        self._told: list[Rule] = []
        self._held: dict[str, tuple[Reason, float]] = {}
        self._asleep: float | None = None
        self._woke_at: float | None = None
        self._warned = False
        self._began = time.time()
        self._lookup: NameLookup | None = None
        with self._unhurt():
            self._lookup = job.lookup() if job.lookup else None

    def recall(self) -> Policy:
        """The policy that the known rules ask for; tells the user what is new in it."""
        with self._unhurt():
            if self._lookup is not None:
                self.host = self._lookup.name()
                self._known = self._read()
        self.plan = plan.plan_for(self._known, self._policy)
        for remedy in plan.to_tell(self.plan):
            if self._say(plan.told(self.host, remedy) + self._cure(remedy.setting)):
                self._told.append(remedy.rule.with_changes(told=remedy.mark))
        return plan.adjusted(self._policy, self.plan)

    def _read(self) -> list[Rule]:
        """What is known of the host. Raises InternalError, also where the disk hangs."""
        try:
            return patience.read(self._read_state, within=READS_WITHIN)
        except TimeoutError as error:
            raise InternalError(f"{paths.state_dir(self._job.env)}: {error}") from None

    def _read_state(self) -> list[Rule]:
        directory = paths.state_dir(self._job.env)
        # sqlite3 takes 5 ms to import, which is not worth it if no host is known.
        if directory is None or not os.path.exists(f"{directory}/state.db"):
            return []
        from keepshell.store.database import READ_WITHIN, State

        state = State.of(self._job.env)
        rules = state.rules(self.host)
        self.is_new = self.host not in state.hosts(within=READ_WITHIN)
        self.nudge_answered = state.shows_window_changes(self.host)
        return rules

    def hint(self, record: SessionRecord) -> str:
        """How to read the host's idle timers, after the first session with it; else empty.

        So that the first lost session need not be the teacher.
        """
        policy, job = self._policy, self._job
        is_stated = bool(policy.rules or policy.idle_limit)
        if not (self.is_new and self.host and record.begun and policy.hints) or is_stated:
            return ""
        name = job.name
        return f"{name}'s idle timers are unknown; to read them: keepshell probe {name}"

    def note_holds(self, held: Mapping[Timer, Held], now: float) -> None:
        """What is held at `now`; ssh's own last words will have it forget.

        At its end ssh has the terminal as if it prompted: that was not what held all the time.
        """
        for timer, hold in held.items():
            if hold.reason is not Reason.SSH_PROMPTS or timer.value not in self._held:
                self._held[timer.value] = hold.reason, now

    def note_sleep(self, asleep: float, now: float) -> None:
        """This machine has slept so many seconds until `now`, of the session's clock."""
        if self._asleep is not None and asleep - self._asleep >= SLEPT:
            self._woke_at = now
        self._asleep = asleep

    def _unseen(self, record: SessionRecord) -> str:
        """Why it could not be seen here what ended the session, and after which silence.

        A sentence: the machine slept, or we were stopped, since the user's last key. Else empty.
        """
        since = record.user_at or record.begun_at
        if self._woke_at is not None and self._woke_at >= since:
            return "This computer was asleep meanwhile, so nothing is learned from it."
        if record.continued_at is not None and record.continued_at >= since:
            return "It was stopped meanwhile: nothing was sent, and nothing is learned from it."
        return ""

    def remember(self, record: SessionRecord, ending: Ending, *, status: int) -> str:
        """Record the session and what it has taught; returns what to say about it.

        `status` as of os.waitstatus_to_exitcode.
        """
        if not record.begun:
            return ""
        from keepshell.core.ending.endings import Kind
        from keepshell.store import unanswered

        lost = (Kind.RESET, Kind.SERVER_GONE, Kind.CLIENT_GAVE_UP, Kind.SERVER_ALIVE)

        efforts = self._efforts(record)
        learned: Rule | None = None
        with self._unhurt():
            if self.host:
                learned = self._record(record, ending, efforts, status=status)
            if ending.is_drop and (unseen := self._unseen(record)):
                return unseen
            if ending.kind is Kind.UNANSWERED and self.host:
                unanswered.add(self._job.env, self.host)
                return "Next time: keepshell adds no ServerAlive requests for this host."
        held_back, setting = learning.held_back(ending, self.plan, efforts)
        if held_back:
            return held_back + self._cure(setting)
        struck = learned or ending.known
        if struck is None:
            return self._kept_next_time(ending.kind in lost)
        remedy = plan.remedy_for(struck, self._policy)
        return f"Next time: {plan.next_time(remedy)}.{self._cure(remedy.setting)}"

    def _cure(self, setting: str) -> str:
        """The command that makes this setting, on a line of its own."""
        return f" Allow it:\n  {cure(self._job.name, setting)}" if setting else ""

    def _kept_next_time(self, is_lost: bool) -> str:
        """How the shell would have outlived its connection, after the first loss there."""
        policy, name = self._policy, self._job.name
        if not (is_lost and policy.hints and not policy.reattach and self._job.is_ssh):
            return ""
        from keepshell.store import kept

        if not kept.is_first_loss(self._job.env, name):
            return ""
        return f"To keep the shell next time:\n  {cure(name, 'reattach = true')}"

    def _record(
        self, record: SessionRecord, ending: Ending, efforts: learning.Efforts, *, status: int
    ) -> Rule | None:
        """What the session has taught, once it is remembered. Raises StateError."""
        from keepshell.store.database import PastSession, State

        ended = self._began + record.at - record.started_at
        unseen = self._unseen(record)
        learned = None if unseen else learning.learn(ending, self._known, ended, efforts)
        past = PastSession(
            host=self.host,
            started=self._began,
            ended=ended,
            ending=ending.kind.value,
            status=status,
            longest_idle=record.longest_idle,
            window_changes=record.counts.get(Rung.WINDOW_CHANGE, 0),
            no_ops=record.counts.get(Rung.NO_OP, 0),
            empty_lines=record.counts.get(Rung.EMPTY_LINE, 0),
            injected=record.injected,
            shows_window_changes=record.nudge_answered,
            stretches=record.stretches,
        )
        state, told = State.of(self._job.env), self._told
        patience.write(
            lambda: state.record(past, learned=learned, told=told, within=LATER_WITHIN),
            within=WRITES_WITHIN,
        )
        return learned

    def _efforts(self, record: SessionRecord) -> learning.Efforts:
        return learning.Efforts(
            rung=record.tried,
            typed_idle=record.since(record.typed_at) if record.tried >= Rung.NO_OP else None,
            user_idle=record.user_idle,
            half_line=record.half_line,
            held={
                timer: learning.LastHold(reason, record.at - at)
                for timer, (reason, at) in self._held.items()
            },
        )

    @contextlib.contextmanager
    def _unhurt(self) -> Iterator[None]:
        from keepshell.errors import KeepshellError

        try:
            yield
        except KeepshellError as error:
            self._warn(str(error))
        except Exception as error:  # the session is worth more than its history
            if self._job.env.get("KEEPSHELL_DEBUG"):
                raise
            self._warn(f"{type(error).__name__}: {error}")

    def _warn(self, sentence: str) -> None:
        if not self._warned:
            self._warned = True
            self._say(f"this session is not remembered: {sentence}")

    def _say(self, sentence: str) -> bool:
        """One line on the terminal; returns whether the user may have seen it."""
        return self._job.explains and os.isatty(2) and say(sentence)
