"""Types for an absent user: what the table of `noop` allows, when the ladder says that it is due.

It composes the ladder's timers, the table, the memory of the login prompt and the withholding of a
redraw; the session gives it the streams and sends what it returns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from keepshell.core import noop
from keepshell.core.echo import Withholding, window
from keepshell.core.idle import IdleClock
from keepshell.core.keystrokes import Keystrokes, Line
from keepshell.core.ladder import Held, Ladder, NearLimit
from keepshell.core.policy import Policy
from keepshell.core.prompt import PromptMemory
from keepshell.core.rules import Rule
from keepshell.core.session import Seen

ECHOES_KEPT = 8

_ANY_INPUT = (noop.Rule.CHANNEL_TIMEOUT, noop.Rule.TTY_IDLE)
"""What a limit of unknown kind is taken for: together they are reset by every no-op alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the user allows to be typed."""

    xon: bool = False
    empty_line: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What is to be typed at one tick, or why nothing is; `near_limits` are for the user."""

    to_host: bytes = b""
    row: str = ""
    holds: tuple[str, ...] = ()
    near_limits: Sequence[NearLimit] = ()


def limits(policy: Policy, rules: Iterable[Rule]) -> dict[noop.Rule, float]:
    """The rules that only input resets, of those known, as far as the policy allows to type.

    In seconds. With `no_op = "always"` an interval stands for half the limit of an unknown rule.
    """
    known: dict[noop.Rule, float] = {}

    def at_most(rule: noop.Rule, limit: float) -> None:
        known[rule] = min(limit, known.get(rule, limit))

    if not policy.may_type:
        return known
    for rule in (*policy.rules, *rules):
        if rule.kind.timer:
            at_most(noop.Rule(rule.kind.timer), rule.limit)
    guesses = [policy.idle_limit] if policy.idle_limit is not None else []
    if policy.no_op == "always":
        guesses.append(2 * policy.no_op_interval)
    for limit in guesses:
        for kind in _ANY_INPUT:
            at_most(kind, limit)
    if policy.no_op == "always":
        at_most(noop.Rule.SHELL_TIMER, 2 * policy.no_op_interval)
    if not policy.may_enter:
        known.pop(noop.Rule.SHELL_TIMER, None)
    return known


class Typist:
    """One for each session that has a rule which only input resets."""

    def __init__(self, limits: Mapping[noop.Rule, float], allowed: Allowed, now: float) -> None:
        """`limits`, of at least one rule, in seconds."""
        self.sent = 0
        """No-ops and empty lines typed so far."""
        self.sent_bytes = 0
        self._ladder = Ladder(limits, now)
        self._allowed = allowed
        self._prompt = PromptMemory()
        self._withholding: Withholding | None = None
        self._echoes: deque[float] = deque(maxlen=ECHOES_KEPT)
        self._asked_at: float | None = None

    @property
    def held(self) -> Mapping[noop.Rule, Held]:
        """The rules that are not being beaten at the moment, and why."""
        return self._ladder.held

    def before_input(self, now: float) -> bytes:
        """The user types: what must be shown before the key goes out."""
        self._asked_at = now
        if self._withholding is None or self._withholding.over:
            return b""
        return self._shown(self._withholding.release())

    def after_input(self, keystrokes: Keystrokes, now: float) -> None:
        """The user's bytes have been read by `keystrokes`."""
        if keystrokes.typed_at == now:
            entered = keystrokes.entered_at == now and keystrokes.line is Line.NOTHING
            self._prompt.typed(entered=entered)

    def output(self, data: bytes, now: float) -> bytes:
        """The host printed; answers with what is to be shown of it now."""
        if self._asked_at is not None:
            self._echoes.append(now - self._asked_at)
            self._asked_at = None
        withholding = self._withholding
        if withholding is not None and not withholding.over:
            data = withholding.feed(data, now)
        return self._shown(data)

    def _shown(self, data: bytes) -> bytes:
        if data:
            self._prompt.shown(data)
        withholding = self._withholding
        if withholding is not None and withholding.mismatch:
            self._prompt.mismatch()
        return data

    def withheld_until(self) -> float | None:
        """When `reveal` is due."""
        return None if self._withholding is None else self._withholding.deadline

    def reveal(self, now: float) -> tuple[bytes, str]:
        """The withholding's deadline: what is to be shown, and `hidden` or `visible` if decided."""
        withholding = self._withholding
        if withholding is None:
            return b"", ""
        was = withholding.outcome
        shown = self._shown(withholding.tick(now))
        if withholding.reply_after is not None:
            self._echoes.append(withholding.reply_after)
        decided = withholding.outcome is not was
        return shown, withholding.outcome.value if decided else ""

    def deadline(self, idle: IdleClock, keystrokes: Keystrokes) -> float:
        """When `type` is due."""
        self._ladder.follow(idle, keystrokes.entered_at)
        return min(self._ladder.deadline(rule) for rule in self._ladder.limits)

    def type(self, now: float, seen: Seen) -> Typed:
        """What is to be typed now for the rules that are due."""
        modes, sight = seen.modes.snapshot(), self._prompt.sight()
        pending = self._withholding is not None and not self._withholding.over

        def choose(rules: frozenset[noop.Rule]) -> noop.Noop | noop.EmptyLine | noop.Hold:
            return noop.choose(
                noop.Situation(
                    now=now,
                    modes=modes,
                    keys=noop.Keys.of(seen.keystrokes),
                    sight=sight,
                    output_at=seen.idle.output_at,
                    rules=rules,
                    prompting=seen.prompting,
                    child_stopped=seen.child_stopped,
                    reply_pending=pending,
                    xon=self._allowed.xon,
                    empty_line=self._allowed.empty_line,
                )
            )

        chosen = self._ladder.act(now, choose)
        near_limits = self._ladder.near_limits(now)
        if chosen is None:
            return Typed(holds=_reasons(self._ladder.held), near_limits=near_limits)
        if isinstance(chosen, noop.EmptyLine):
            span = window(min(self._echoes, default=None))
            self._withholding = Withholding(sight.prompts, modes, now, span)
        self.sent += 1
        self.sent_bytes += len(chosen.data)
        return Typed(to_host=chosen.data, row=chosen.row, near_limits=near_limits)


def _reasons(held: Mapping[noop.Rule, Held]) -> tuple[str, ...]:
    return tuple(sorted({hold.reason for hold in held.values()}))
