"""What keepshell may type by itself, and where: one table, and nothing is typed outside it.

A row applies when it resets every timer to beat and the screen is in the row's state.
The first that applies decides: with all its requirements met it sends its bytes, in one write;
with one unmet it holds, and no later row is asked. The first row sends nothing, it only demands.
Where no row applies, nothing is sent.

The states are what the program on the screen has declared by turning modes on, never a guess from
its name; the requirements demand proof that it still lives, or that the row is a prompt with
nothing typed (docs/no-ops.md). What each input resets: docs/idle-rules.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from keepshell.core.noops.choice import EmptyLine, Hold, Noop, Timer
from keepshell.core.noops.life import FOCUS, TMUX, declared_together
from keepshell.core.noops.prompts import Sight
from keepshell.core.reasons import Reason
from keepshell.core.terminal.keystrokes import Keys
from keepshell.core.terminal.modes import Modes

FOCUS_IN, FOCUS_OUT = b"\x1b[I", b"\x1b[O"
EMPTY_PASTE = b"\x1b[200~\x1b[201~"
XON = b"\x11"
ENTER = b"\r"

TYPED_BEFORE = 2.0  # seconds since the user's last key
OUTPUT_BEFORE = 1.0  # seconds since the last output
BINARY_BEFORE = 60.0  # seconds; a waiting XMODEM or ZMODEM end repeats itself every 10 s

_MOUSE_AND_FOCUS = range(1000, 1005)
_CURSOR = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything the table reads, at one moment; times are monotonic seconds.

    `timers` are those to be beaten now. `reply_pending`: an Enter was sent and its `Withholding` is
    not over. `xon` and `empty_line` are what the user allows.
    """

    now: float
    modes: Modes
    keys: Keys
    sight: Sight
    output_at: float | None
    alive: bool = False
    """The program that asked for reports still lives (`Life`)."""
    prefix: bool = False
    """A prefix of tmux's may be pending (`Prefix`)."""
    literal: bool = False
    """The next input may be inserted as it is (`Literal`)."""
    timers: frozenset[Timer]
    prompting: bool = False
    child_stopped: bool = False
    reply_pending: bool = False
    xon: bool = False
    empty_line: bool = False


class State(NamedTuple):
    """Where a row applies."""

    name: str
    fits: Callable[[Situation], bool]


class Requirement(NamedTuple):
    """What must also be so; `otherwise` is why it is held."""

    name: str
    met: Callable[[Situation], bool]
    otherwise: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table; `proof` names the tests that show it, under tests/."""

    name: str
    why: str  # it is harmless
    state: tuple[State, ...] = ()
    requires: tuple[Requirement, ...]
    sends: bytes = b""
    repeats: bool = False  # what the terminal reported last, if it did; else it sends `sends`
    redraws: bool = False  # the reply is a prompt, to be withheld
    resets: frozenset[Timer]
    proof: tuple[str, ...]

    def applies(self, situation: Situation) -> bool:
        return situation.timers <= self.resets and all(s.fits(situation) for s in self.state)


def _seconds_since(time: float | None, now: float) -> float:
    return math.inf if time is None else now - time


def _last_report(s: Situation) -> bytes | None:
    """What the terminal has said of its focus since it was asked."""
    asked_at, said_at = s.modes[FOCUS].set_at, s.keys.focus_at
    said = asked_at is not None and said_at is not None and said_at >= asked_at
    return s.keys.last_focus if said else None


def _not_emacs(s: Situation) -> bool:
    """emacs sets modifyOtherKeys 1 or, in a terminal that it takes for old, nothing."""
    return s.modes.modify_other_keys == 2 or s.modes.kitty_flags != 0


def _text_since_enter(s: Situation) -> bool:
    binary_at, entered_at = s.modes.binary_at, s.keys.entered_at
    return binary_at is None or (entered_at is not None and binary_at < entered_at)


_FULL_SCREEN = State("?1049", lambda s: s.modes.alternate_screen)
_FOCUS = State("?1004", lambda s: s.modes[FOCUS].on)

_READY = (
    Requirement("in session", lambda s: not s.prompting, Reason.SSH_PROMPTS),
    Requirement("child runs", lambda s: not s.child_stopped, Reason.STOPPED),
    Requirement("no paste open", lambda s: not s.keys.paste_open, Reason.PASTING),
    Requirement(
        "no half sequence typed",
        lambda s: not s.keys.half_sequence,
        Reason.HALF_TYPED,
    ),
    Requirement(
        "no half sequence shown",
        lambda s: not s.modes.half_sequence,
        Reason.HALF_SHOWN,
    ),
    Requirement(
        "no escape pending",
        lambda s: not s.keys.tilde_pending,
        Reason.ESCAPE_PENDING,
    ),
    Requirement("not stopped by ^S", lambda s: not s.keys.stopped, Reason.OUTPUT_STOPPED),
    Requirement(
        "keys quiet",
        lambda s: _seconds_since(s.keys.typed_at, s.now) >= TYPED_BEFORE,
        Reason.TYPING,
    ),
    Requirement(
        "output quiet",
        lambda s: _seconds_since(s.output_at, s.now) >= OUTPUT_BEFORE,
        Reason.PRINTING,
    ),
    Requirement(
        "no binary output",
        lambda s: _seconds_since(s.modes.binary_at, s.now) >= BINARY_BEFORE,
        Reason.BINARY,
    ),
    Requirement(
        "no reply pending",
        lambda s: not s.reply_pending,
        Reason.REPLY_PENDING,
    ),
)
_NOT_EMACS = Requirement(
    "not emacs-like",
    _not_emacs,
    Reason.FOCUS_IS_KEYS,
)
_ALIVE = Requirement(
    "alive",
    lambda s: s.alive,
    Reason.ENDED,
)
_NO_LITERAL = Requirement(
    "no literal pending",
    lambda s: not s.literal,
    Reason.LITERAL,
)
_ECHOES = Requirement(
    "echo seen",
    lambda s: s.sight.echoes,
    Reason.NOT_SHOWN,
)
_NO_LINE_BEGUN = Requirement("no line begun", lambda s: not s.sight.begun, Reason.LINE_TYPED)


def _together(*requests: int) -> Requirement:
    return Requirement(
        "declared together",
        lambda s: declared_together(s.modes, *requests),
        Reason.OTHER_SCREEN,
    )


_INPUT = frozenset(Timer) - {Timer.CONNECTION}
_TTY = frozenset({Timer.CHANNEL_TIMEOUT, Timer.LOGIND, Timer.TTY_IDLE, Timer.TMUX_LOCK})

ROWS = (
    Row(
        name="ready",
        why="it sends nothing",
        requires=_READY,
        resets=_INPUT,
        proof=("test_ready_holds_whatever_is_on_the_screen",),
    ),
    Row(
        name="tmux",
        why="tmux 3.3a swallows focus reports in every pane state, unless a key is pending",
        state=(_FULL_SCREEN, State("?7727", lambda s: s.modes[TMUX].on)),
        requires=(
            _together(TMUX, FOCUS),
            _ALIVE,
            Requirement(
                "no prefix pending",
                lambda s: not s.prefix,
                Reason.PREFIX,
            ),
            Requirement(
                # A list, a question or a message that any key ends, opened by a key, by a command
                # typed in a pane or by a hook: tmux 3.3a hides the cursor in all of them.
                "no overlay",
                lambda s: s.modes[_CURSOR].on,
                Reason.OVERLAY,
            ),
            _NO_LITERAL,
        ),
        sends=FOCUS_IN,
        repeats=True,
        resets=_TTY,
        proof=(
            "test_tmux",
            "test_tmux_that_died",
            "test_tmux_with_a_key_pending",
            "test_tmux_with_the_cursor_hidden",
            "test_tmuxs_mode_without_its_screen_counts_for_nothing",
        ),
    ),
    Row(
        name="focus",
        why="the program asked for this report, and has had the same one before",
        state=(_FULL_SCREEN, _FOCUS),
        requires=(
            Requirement(
                "not emacs-like",
                _not_emacs,
                Reason.FOCUS_IS_KEYS,
            ),
            _together(FOCUS),
            _ALIVE,
            _NO_LITERAL,
        ),
        sends=FOCUS_IN,
        repeats=True,
        resets=_TTY,
        proof=(
            "test_focus_is_repeated_as_the_terminal_reported_it",
            "test_full_screen_without_focus_reports_and_focus_without_full_screen",
            "test_emacs",
            "test_a_dead_program_gets_no_report",
            "test_focus_after_a_key_that_makes_the_next_one_a_literal",
        ),
    ),
    Row(
        name="empty-paste",
        why="the line editor asked for pastes to be marked; this one inserts nothing",
        state=(
            State("?2004", lambda s: s.modes[2004].on),
            State("no ?1049", lambda s: not s.modes.alternate_screen),
            State("no ?1000–1004", lambda s: not s.modes.any_on(_MOUSE_AND_FOCUS)),
            State("no kitty flags", lambda s: s.modes.kitty_flags == 0),
        ),
        requires=(
            _ECHOES,
            _NO_LINE_BEGUN,
            Requirement(
                "at a prompt",
                lambda s: s.sight.empty,
                Reason.NOT_PROVEN,
            ),
        ),
        sends=EMPTY_PASTE,
        resets=_TTY | {Timer.ZSH_TMOUT},
        proof=("test_empty_paste", "test_a_line_that_is_no_proven_prompt"),
    ),
    Row(
        name="xon",
        why="with IXON on, as canonical readers leave it, the remote kernel eats ^Q",
        state=(
            State("ChannelTimeout to beat", lambda s: Timer.CHANNEL_TIMEOUT in s.timers),
            State("no mode on", lambda s: s.modes.plain),
        ),
        requires=(
            Requirement("xon allowed", lambda s: s.xon, Reason.XON_OFF),
            Requirement(
                "output printable",
                _text_since_enter,
                Reason.BINARY_SINCE_ENTER,
            ),
            Requirement(
                "a line, not a screen",
                lambda s: not s.sight.addressed,
                Reason.ADDRESSED,
            ),
        ),
        sends=XON,
        resets=frozenset({Timer.CHANNEL_TIMEOUT, Timer.TMUX_LOCK}),
        proof=("test_xon",),
    ),
    Row(
        name="empty-line",
        why="at a prompt of the login shell it is a command of nothing",
        state=(State("TMOUT to beat", lambda s: Timer.TMOUT in s.timers),),
        requires=(
            Requirement(
                "empty_line allowed",
                lambda s: s.empty_line,
                Reason.EMPTY_LINE_OFF,
            ),
            Requirement(
                "no ?1049",
                lambda s: not s.modes.alternate_screen,
                Reason.FULL_SCREEN,
            ),
            Requirement(
                "no mismatch",
                lambda s: not s.sight.mismatched,
                Reason.MISMATCH,
            ),
            Requirement(
                "prompt known",
                lambda s: s.sight.known,
                Reason.NO_LOGIN_PROMPT,
            ),
            _ECHOES,
            _NO_LINE_BEGUN,
            Requirement(
                "at the prompt",
                lambda s: s.sight.login and bool(s.sight.drawn),
                Reason.NOT_AT_PROMPT,
            ),
        ),
        sends=ENTER,
        redraws=True,
        resets=_INPUT,
        proof=("test_empty_line", "test_a_captured_reply_is_hidden_however_it_is_cut"),
    ),
)


def choose(situation: Situation, rows: tuple[Row, ...] = ROWS) -> Noop | EmptyLine | Hold:
    """What to send now, or why not."""
    for row in rows:
        if not row.applies(situation):
            continue
        for requirement in row.requires:
            if not requirement.met(situation):
                return Hold(requirement.otherwise)
        if row.sends:
            kind = EmptyLine if row.redraws else Noop
            data = (_last_report(situation) if row.repeats else None) or row.sends
            return kind(data, row.name, row.resets)
    return Hold(Reason.NOTHING_HARMLESS)
