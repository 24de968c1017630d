"""What keepshell may type by itself, and where: one table, and nothing is typed outside it.

A row applies when it resets every timer that is to be beaten and the screen is in the row's state.
The first that applies decides: with all its requirements met it sends its bytes, in one write;
with one unmet it holds, and no later row is asked. The first row sends nothing, it only demands.
Where no row applies, nothing is sent.

The states are what the program on the screen has declared by turning modes on, never a guess from
its name. The measurements are in docs/no-ops.md (290 states of 60 programs); what each input
resets, in docs/idle-rules.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from keepshell.core.reasons import Reason
from keepshell.core.terminal.keystrokes import Keystrokes, Line
from keepshell.core.terminal.modes import Modes
from keepshell.core.terminal.prompt import Place, Sight

FOCUS_IN, FOCUS_OUT = b"\x1b[I", b"\x1b[O"
EMPTY_PASTE = b"\x1b[200~\x1b[201~"
XON = b"\x11"
ENTER = b"\r"

TYPED_BEFORE = 2.0  # seconds since the user's last key
OUTPUT_BEFORE = 1.0  # seconds since the last output
BINARY_BEFORE = 60.0  # seconds; a waiting XMODEM or ZMODEM end repeats itself every 10 s
STALE_AFTER = 1.0  # seconds from ?1004h; a later ?2004 h or l is a shell's, and the program dead

_TMUX = 7727  # mintty's application escape key, which tmux turns on in every terminal
_MOUSE_AND_FOCUS = range(1000, 1005)


class Timer(Enum):
    """An idle timer that only input can reset; the value is the kind of rule that it usually is."""

    CHANNEL_TIMEOUT = "channel-timeout"
    LOGIND = "logind"
    TTY_IDLE = "tty-idle"
    ZSH_TMOUT = "zsh-tmout"
    TMUX_LOCK = "tmux-lock"
    TMOUT = "tmout"  # TMOUT of bash and ksh, autologout of tcsh


class Keys(NamedTuple):
    """What the table reads of the user's input; the fields are those of `Keystrokes`."""

    line: Line = Line.NOTHING
    typed_at: float | None = None
    entered_at: float | None = None
    half_sequence: bool = False  # ESC alone is none: it is the Esc key by the time it counts
    paste_open: bool = False
    tilde_pending: bool = False
    stopped: bool = False
    after_control: bool = False
    last_focus: bytes | None = None

    @classmethod
    def of(cls, keystrokes: Keystrokes) -> Keys:
        return cls(
            line=keystrokes.line,
            typed_at=keystrokes.typed_at,
            entered_at=keystrokes.entered_at,
            half_sequence=keystrokes.half_sequence and not keystrokes.escape_alone,
            paste_open=keystrokes.paste_open,
            tilde_pending=keystrokes.tilde_pending,
            stopped=keystrokes.stopped,
            after_control=keystrokes.after_control,
            last_focus=keystrokes.last_focus,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything the table reads, at one moment; times are monotonic seconds.

    `timers` are those to be beaten now. `reply_pending`: an Enter was sent and its `Withholding` is
    not over. `drawn` and `back` are those of `PromptMemory`. `xon` and `empty_line` are what the
    user allows.
    """

    now: float
    modes: Modes
    keys: Keys
    sight: Sight
    output_at: float | None
    drawn: bool = False
    back: bool = False
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
    redraws: bool = False  # the reply is a prompt, to be withheld
    resets: frozenset[Timer]
    proof: tuple[str, ...]

    def applies(self, situation: Situation) -> bool:
        return situation.timers <= self.resets and all(s.fits(situation) for s in self.state)


class Noop(NamedTuple):
    """Input that does nothing; to be sent in one write."""

    data: bytes
    row: str
    resets: frozenset[Timer]


class EmptyLine(NamedTuple):
    """Enter; its reply goes through a `Withholding`."""

    data: bytes
    row: str
    resets: frozenset[Timer]


class Hold(NamedTuple):
    """Nothing is sent now, and why."""

    reason: Reason


def _seconds_since(time: float | None, now: float) -> float:
    return math.inf if time is None else now - time


def _fresh_prompt(s: Situation) -> bool:
    """?2004h came after the user's last Enter."""
    shown_at, entered_at = s.modes[2004].set_at, s.keys.entered_at
    return shown_at is not None and (entered_at is None or shown_at > entered_at)


def _focus_is_wanted(s: Situation) -> bool:
    """No shell has spoken since the program asked for focus reports: it has not died."""
    asked_at, shell_at = s.modes[1004].set_at, s.modes[2004].changed_at
    return asked_at is not None and (shell_at is None or shell_at <= asked_at + STALE_AFTER)


def _not_emacs(s: Situation) -> bool:
    """emacs sets modifyOtherKeys 1 or, in a terminal that it takes for old, nothing."""
    return s.modes.modify_other_keys == 2 or s.modes.kitty_flags != 0


def _text_since_enter(s: Situation) -> bool:
    binary_at, entered_at = s.modes.binary_at, s.keys.entered_at
    return binary_at is None or (entered_at is not None and binary_at < entered_at)


def _paste_as_at_login(s: Situation) -> bool:
    """A shell that turns ?2004 on for its prompt has done so since Enter; another never does."""
    on = s.modes[2004].on
    if s.sight.pastes not in (None, on):
        return False
    return not on or _fresh_prompt(s)


_FULL_SCREEN = State("?1049", lambda s: s.modes.alternate_screen)
_FOCUS = State("?1004", lambda s: s.modes[1004].on)

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
_NOT_STALE = Requirement(
    "focus reports wanted",
    _focus_is_wanted,
    Reason.FOCUS_STALE,
)
_NOTHING_TYPED = Requirement(
    "nothing typed", lambda s: s.keys.line is Line.NOTHING, Reason.LINE_TYPED
)
_NO_LITERAL = Requirement(
    "no control key",
    lambda s: not s.keys.after_control,
    Reason.LITERAL,
)
_NOT_BACK = Requirement(
    "login prompt not back",
    lambda s: s.sight.place is not Place.LOGIN,
    Reason.PROMPT_BACK,
)
_PASTE_NOT_STALE = Requirement(
    "pastes wanted",
    lambda s: s.sight.place is not Place.LOGIN or s.sight.pastes is not False,
    _NOT_BACK.otherwise,
)
_NOT_DRAWN = Requirement(
    "a line, not a screen",
    lambda s: not s.drawn,
    Reason.DRAWN,
)
_FOCUS_REQUIRES = (_NOT_EMACS, _NOT_STALE, _NOT_BACK, _NO_LITERAL)
_FOCUS_PROOF = (
    "test_focus_is_repeated_as_the_terminal_reported_it",
    "test_full_screen_without_focus_reports_and_focus_without_full_screen",
    "test_emacs",
    "test_stale_focus",
    "test_modes_left_on_at_a_prompt_that_turns_none_on",
    "test_focus_after_a_key_that_makes_the_next_one_a_literal",
)
_TTY = frozenset({Timer.CHANNEL_TIMEOUT, Timer.LOGIND, Timer.TTY_IDLE, Timer.TMUX_LOCK})

ROWS = (
    Row(
        name="ready",
        why="it sends nothing",
        requires=_READY,
        resets=frozenset(Timer),
        proof=("test_ready_holds_whatever_is_on_the_screen",),
    ),
    Row(
        name="tmux",
        why="tmux 3.3a swallows focus reports in every pane state, unless a prefix is pending",
        state=(_FULL_SCREEN, State("?7727", lambda s: s.modes[_TMUX].on)),
        requires=(
            Requirement(
                "no control key",
                lambda s: not s.keys.after_control,
                Reason.PREFIX,
            ),
            Requirement("login prompt not back", lambda s: not s.back, _NOT_BACK.otherwise),
        ),
        sends=FOCUS_IN,
        resets=_TTY,
        proof=(
            "test_tmux",
            "test_tmux_that_died",
            "test_tmux_with_a_prefix_perhaps_pending",
            "test_tmuxs_mode_without_its_screen_counts_for_nothing",
        ),
    ),
    Row(
        name="focus-out",
        why="the program asked for this report, and has had the same one before",
        state=(
            _FULL_SCREEN,
            _FOCUS,
            State("reported focus-out last", lambda s: s.keys.last_focus == FOCUS_OUT),
        ),
        requires=_FOCUS_REQUIRES,
        sends=FOCUS_OUT,
        resets=_TTY,
        proof=_FOCUS_PROOF,
    ),
    Row(
        name="focus-in",
        why="the program asked for this report, and takes it as nothing typed",
        state=(_FULL_SCREEN, _FOCUS),
        requires=_FOCUS_REQUIRES,
        sends=FOCUS_IN,
        resets=_TTY,
        proof=_FOCUS_PROOF,
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
            Requirement("fresh prompt", _fresh_prompt, Reason.NO_PROMPT),
            _NOTHING_TYPED,
            _PASTE_NOT_STALE,
            _NOT_DRAWN,
        ),
        sends=EMPTY_PASTE,
        resets=_TTY | {Timer.ZSH_TMOUT},
        proof=(
            "test_empty_paste",
            "test_modes_left_on_at_a_prompt_that_turns_none_on",
            "test_empty_paste_into_a_whole_screen",
        ),
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
            _NOTHING_TYPED,
            Requirement(
                "?2004 as at login",
                _paste_as_at_login,
                Reason.NO_SHELL_PROMPT,
            ),
            Requirement(
                "no mismatch",
                lambda s: not s.sight.mismatched,
                Reason.MISMATCH,
            ),
            Requirement(
                "prompt known",
                lambda s: s.sight.place is not Place.UNKNOWN,
                Reason.NO_LOGIN_PROMPT,
            ),
            Requirement(
                "at the prompt",
                lambda s: bool(s.sight.prompts),
                Reason.NOT_AT_PROMPT,
            ),
        ),
        sends=ENTER,
        redraws=True,
        resets=frozenset(Timer),
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
            return kind(row.sends, row.name, row.resets)
    return Hold(Reason.NOTHING_HARMLESS)
