"""Types for an absent user what the table allows, going by what the witness has seen.

It composes the table, the witness of both streams and the withholding of a redraw. The session
gives it the streams, asks it when a timer is due, and sends what it returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keepshell.core.noops.choice import Choice, EmptyLine, Noop, Timer
from keepshell.core.noops.life import TMUX
from keepshell.core.noops.silent import Silent
from keepshell.core.noops.table import ROWS, Row, Situation, choose
from keepshell.core.noops.witness import Witness
from keepshell.core.rules.kinds import Rule
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.core.terminal.echo import Outcome, Withholding, window
from keepshell.core.terminal.keys import Key, Kind

if TYPE_CHECKING:
    from keepshell.core.idle import IdleClock
    from keepshell.core.terminal.keystrokes import Keystrokes
    from keepshell.core.terminal.modes import Modes, ModeTracker

_ANY_INPUT = (Timer.CHANNEL_TIMEOUT, Timer.TTY_IDLE)
"""What a limit of unknown kind is taken for: every no-op resets both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the user allows keepshell to type."""

    xon: bool = False
    empty_line: bool = False


def limits(policy: Policy, rules: Iterable[Rule]) -> dict[Timer, float]:
    """The limits of the known rules that only input resets, as far as the policy allows typing.

    In seconds. With `no_op = "always"` the interval is half the limit of an assumed rule.
    """
    known: dict[Timer, float] = {}

    def at_most(rule: Timer, limit: float) -> None:
        known[rule] = min(limit, known.get(rule, limit))

    if not policy.may_type:
        return known
    for rule in (*policy.rules, *rules):
        if rule.kind.timer:
            at_most(Timer(rule.kind.timer), rule.limit)
    guesses = [policy.idle_limit] if policy.idle_limit is not None else []
    if policy.no_op == "always":
        guesses.append(2 * policy.no_op_interval)
    for limit in guesses:
        for kind in _ANY_INPUT:
            at_most(kind, limit)
    if policy.no_op == "always":
        at_most(Timer.TMOUT, 2 * policy.no_op_interval)
    if not policy.may_enter:
        known.pop(Timer.TMOUT, None)
    return known


class Typist(Silent):
    """The typist of a session that has a timer which only input resets."""

    verbatim = False

    def __init__(
        self,
        limits: Mapping[Timer, float],
        allowed: Allowed,
        *,
        modes: ModeTracker,
        keystrokes: Keystrokes,
        idle: IdleClock,
        rows: tuple[Row, ...] = ROWS,
    ) -> None:
        """`limits`, of at least one timer, in seconds; `rows` is the table to go by.

        The streams must have been read by `modes` and `keystrokes` before they come here.
        """
        self.limits = dict(limits)
        self._allowed = allowed
        self._modes = modes
        self._keystrokes = keystrokes
        self._idle = idle
        self._rows = rows
        self._witness = Witness(modes)
        self._withholding: Withholding | None = None
        self._told = False
        self._reply_after = 0.0
        self._last_row = ""
        self._echo_due_at: float | None = None

    @property
    def rung(self) -> Rung:  # type: ignore[override]
        """The highest rung that its timers need."""
        return Rung.EMPTY_LINE if Timer.TMOUT in self.limits else Rung.NO_OP

    def input(self, keys: Iterable[Key], now: float) -> bytes:
        """The user's keys, not sent yet; returns what must be shown before they are.

        A report of the terminal is not typed: it releases nothing, and needs no echo.
        """
        keys, shown = tuple(keys), b""
        if self._keystrokes.typed_at == now:
            withholding = self._withholding
            if withholding is not None and not withholding.over:
                shown = self._shown(withholding.release(), now)
        if self._last_row == _XON and any(key.kind is Kind.TEXT for key in keys):
            self._echo_due_at, self._last_row = now, ""
        self._witness.typed(keys, now)
        return shown

    def output(self, data: bytes, now: float) -> bytes:
        """The host printed `data`; returns what to show now."""
        self._echo_due_at = None
        withholding = self._withholding
        if withholding is not None and not withholding.over:
            data = withholding.feed(data, now)
            self._reply_after = withholding.reply_after or self._reply_after
        return self._shown(data, now)

    def _shown(self, data: bytes, now: float) -> bytes:
        if data:
            self._witness.shown(data, now)
        withholding = self._withholding
        if withholding is not None and withholding.mismatch:
            self._witness.prompts.mismatch()
        return data

    def withheld_until(self) -> float | None:
        """When `reveal` is due."""
        return None if self._withholding is None else self._withholding.deadline

    def reveal(self, now: float) -> bytes:
        """The withholding's deadline has come; returns what to show."""
        return b"" if self._withholding is None else self._shown(self._withholding.tick(now), now)

    def redraw(self) -> str:
        """`hidden` or `visible`, once for each redraw, when that is decided; else nothing."""
        withholding = self._withholding
        if withholding is None or self._told or withholding.outcome is Outcome.NONE:
            return ""
        self._told = True
        return str(withholding.outcome.value)

    def choose(
        self, timers: frozenset[Timer], now: float, *, prompting: bool, child_stopped: bool
    ) -> Choice:
        """What the table says."""
        situation = self.situation(timers, now, prompting=prompting, child_stopped=child_stopped)
        self._give_up_what_did_harm()
        return choose(situation, self._rows)

    def situation(
        self, timers: frozenset[Timer], now: float, *, prompting: bool, child_stopped: bool
    ) -> Situation:
        """What the table reads."""
        witness = self._witness
        modes = witness.look(now)
        return Situation(
            now=now,
            modes=modes,
            keys=self._keystrokes.snapshot(),
            sight=witness.sight(now, modes),
            output_at=self._output_at(modes),
            alive=witness.life.alive,
            prefix=witness.prefix.pending,
            literal=witness.literal.pending,
            timers=timers,
            prompting=prompting,
            child_stopped=child_stopped,
            reply_pending=self._withholding is not None and not self._withholding.over,
            xon=self._allowed.xon,
            empty_line=self._allowed.empty_line,
        )

    def _output_at(self, modes: Modes) -> float | None:
        """When something was last printed; a living tmux's clock does not count."""
        in_tmux = modes.alternate_screen and modes[TMUX].on
        return self._witness.disturbed_at if in_tmux else self._idle.output_at

    def _give_up_what_did_harm(self) -> None:
        """In this session, stop using a row whose no-op was answered. Stop using ^Q too if the next
        typed character was not shown: ^Q was not the start character there."""
        gone = {self._last_row} if self._witness.life.answered else set()
        if self._echo_due_at is not None:
            gone.add(_XON)
        self._rows = tuple(row for row in self._rows if row.name not in gone)

    def typed(self, chosen: Noop | EmptyLine, now: float) -> None:
        """`chosen` is being sent."""
        self.sent += 1
        self.sent_bytes += len(chosen.data)
        witness = self._witness
        if isinstance(chosen, EmptyLine):
            # A shell that is slow to prompt answers later than the link alone would.
            span = max(window(witness.round_trip), 1.5 * self._reply_after)
            modes = witness.look(now)
            drawn = witness.sight(now, modes).drawn
            self._withholding = Withholding(drawn, modes, now, span)
            witness.prompts.entered_for_user(now)
            self._told = False
            self._last_row = ""
        else:
            self._last_row = chosen.row
            witness.life.reported(now)


_XON = "xon"
