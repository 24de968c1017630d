"""Types for an absent user: what the table of `noop` allows, when the ladder says that it is due.

It composes the ladder's timers, the table, the memory of the login prompt and the withholding of a
redraw; the session gives it the streams and sends what it returns.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from keepshell.core.idle import IdleClock
from keepshell.core.noops import table
from keepshell.core.noops.ladder import Held, Ladder, NearLimit
from keepshell.core.reasons import Reason
from keepshell.core.rules.kinds import Rule
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.core.terminal.echo import Outcome, Withholding, window
from keepshell.core.terminal.keystrokes import Keystrokes, Line
from keepshell.core.terminal.modes import ModeTracker
from keepshell.core.terminal.prompt import PromptMemory

ECHOES_KEPT = 8

RUNG_BY_US_WITHIN = 1.0
"""Seconds after a no-op within which a bell is taken for its answer: that row is used no more in
this session. A program may have died without turning off what the row goes by."""

# A window's title, and every other string of the terminal's, may end in a bell that rings nothing.
_STRING = re.compile(rb"\x1b[]PX^_][^\x07\x1b]*+(?:\x07|\x1b\\)")
_STRING_BEGUN = re.compile(rb"\x1b(?:[]PX^_][^\x07\x1b]*+\x1b?)?\Z")

_ANY_INPUT = (table.Timer.CHANNEL_TIMEOUT, table.Timer.TTY_IDLE)
"""What a limit of unknown kind is taken for: together they are reset by every no-op alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the user allows to be typed."""

    xon: bool = False
    empty_line: bool = False


class Seen(NamedTuple):
    """What the typist asks the session for."""

    modes: ModeTracker
    keystrokes: Keystrokes
    idle: IdleClock
    prompting: bool
    child_stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What is to be typed at one tick, or why nothing is; `near_limits` are for the user."""

    to_host: bytes = b""
    row: str = ""
    rung: Rung = Rung.NO_OP
    holds: tuple[Reason, ...] = ()
    near_limits: Sequence[NearLimit] = ()


def limits(policy: Policy, rules: Iterable[Rule]) -> dict[table.Timer, float]:
    """The rules that only input resets, of those known, as far as the policy allows to type.

    In seconds. With `no_op = "always"` an interval stands for half the limit of an unknown rule.
    """
    known: dict[table.Timer, float] = {}

    def at_most(timer: table.Timer, limit: float) -> None:
        known[timer] = min(limit, known.get(timer, limit))

    if not policy.may_type:
        return known
    for rule in (*policy.rules, *rules):
        if rule.kind.timer:
            at_most(table.Timer(rule.kind.timer), rule.limit)
    guesses = [policy.idle_limit] if policy.idle_limit is not None else []
    if policy.no_op == "always":
        guesses.append(2 * policy.no_op_interval)
    for limit in guesses:
        for timer in _ANY_INPUT:
            at_most(timer, limit)
    if policy.no_op == "always":
        at_most(table.Timer.TMOUT, 2 * policy.no_op_interval)
    if not policy.may_enter:
        known.pop(table.Timer.TMOUT, None)
    return known


class Typist:
    """One for each session that has a rule which only input resets."""

    def __init__(
        self,
        limits: Mapping[table.Timer, float],
        allowed: Allowed,
        now: float,
        *,
        rows: tuple[table.Row, ...] = table.ROWS,
    ) -> None:
        """`limits`, of at least one rule, in seconds; `rows` is the table to go by."""
        self.sent = 0
        """No-ops and empty lines typed so far."""
        self.sent_bytes = 0
        self._ladder = Ladder(limits, now)
        self._allowed = allowed
        self._rows = rows
        self._prompt = PromptMemory()
        self._withholding: Withholding | None = None
        self._told = False
        self._echoes: deque[float] = deque(maxlen=ECHOES_KEPT)
        self._asked_at: float | None = None
        self._reply_after = 0.0
        self._last_row = ""
        self._sent_at = -math.inf
        self._string_begun = b""

    @property
    def rung(self) -> Rung:
        """The highest rung that its rules need."""
        shell = table.Timer.TMOUT in self._ladder.limits
        return Rung.EMPTY_LINE if shell else Rung.NO_OP

    @property
    def held(self) -> Mapping[table.Timer, Held]:
        """The rules that are not being beaten at the moment, and why."""
        return self._ladder.held

    def input(self, keystrokes: Keystrokes, now: float) -> bytes:
        """`keystrokes` has read input: what must be shown before that goes out.

        A report of the terminal is not typed: it releases nothing, and nobody need echo it.
        """
        if keystrokes.typed_at != now:
            return b""
        self._asked_at = now
        withholding = self._withholding
        pending = withholding is not None and not withholding.over
        shown = self._shown(withholding.release()) if withholding and pending else b""
        entered = keystrokes.entered_at == now and keystrokes.line is Line.NOTHING
        self._prompt.typed(entered=entered)
        return shown

    def output(self, data: bytes, now: float) -> bytes:
        """The host printed; answers with what is to be shown of it now."""
        if self._asked_at is not None:
            self._echoes.append(now - self._asked_at)
            self._asked_at = None
        if now - self._sent_at < RUNG_BY_US_WITHIN and self._rings(data):
            self._rows = tuple(row for row in self._rows if row.name != self._last_row)
        withholding = self._withholding
        if withholding is not None and not withholding.over:
            data = withholding.feed(data, now)
            self._reply_after = withholding.reply_after or self._reply_after
        return self._shown(data)

    def _rings(self, data: bytes) -> bool:
        """Whether the bell rings in the next piece of the answer to a no-op."""
        text = _STRING.sub(b"", self._string_begun + data)
        begun = _STRING_BEGUN.search(text)
        kept = begun[0] if begun else b""
        self._string_begun = kept[:2] + kept[-1:] if len(kept) > 2 else kept
        return b"\a" in (text[: begun.start()] if begun else text)

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

    def reveal(self, now: float) -> bytes:
        """The withholding's deadline: what is to be shown."""
        return b"" if self._withholding is None else self._shown(self._withholding.tick(now))

    def redraw(self) -> str:
        """`hidden` or `visible`, once for each redraw, when that is decided; else nothing."""
        withholding = self._withholding
        if withholding is None or self._told or withholding.outcome is Outcome.NONE:
            return ""
        self._told = True
        return str(withholding.outcome.value)

    def deadline(self, idle: IdleClock, keystrokes: Keystrokes) -> float:
        """When `type` is due."""
        self._ladder.follow(idle, keystrokes.entered_at)
        return min(self._ladder.deadline(rule) for rule in self._ladder.limits)

    def type(self, now: float, seen: Seen) -> Typed:
        """What is to be typed now for the rules that are due."""
        modes, sight = seen.modes.snapshot(), self._prompt.sight()
        pending = self._withholding is not None and not self._withholding.over

        def choose(timers: frozenset[table.Timer]) -> table.Noop | table.EmptyLine | table.Hold:
            return table.choose(
                table.Situation(
                    now=now,
                    modes=modes,
                    keys=table.Keys.of(seen.keystrokes),
                    sight=sight,
                    drawn=self._prompt.drawn,
                    back=self._prompt.back,
                    output_at=seen.idle.output_at,
                    timers=timers,
                    prompting=seen.prompting,
                    child_stopped=seen.child_stopped,
                    reply_pending=pending,
                    xon=self._allowed.xon,
                    empty_line=self._allowed.empty_line,
                ),
                self._rows,
            )

        chosen = self._ladder.act(now, choose)
        near_limits = self._ladder.near_limits(now)
        if chosen is None:
            return Typed(holds=_reasons(self._ladder.held), near_limits=near_limits)
        rung = Rung.NO_OP
        if isinstance(chosen, table.EmptyLine):
            rung = Rung.EMPTY_LINE
            # A shell that is slow to prompt answers later than the link alone would.
            span = max(window(min(self._echoes, default=None)), 1.5 * self._reply_after)
            self._withholding = Withholding(sight.prompts, modes, now, span)
            self._told = False
        self._last_row, self._sent_at, self._string_begun = chosen.row, now, b""
        self.sent += 1
        self.sent_bytes += len(chosen.data)
        return Typed(to_host=chosen.data, row=chosen.row, rung=rung, near_limits=near_limits)


def _reasons(held: Mapping[table.Timer, Held]) -> tuple[Reason, ...]:
    return tuple(sorted({hold.reason for hold in held.values()}, key=lambda reason: reason.text))
