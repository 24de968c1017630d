"""The table of what may be typed, held against a second reading of the same rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.idle import IdleClock
from keepshell.core.noops.choice import Choice, EmptyLine, Hold, Noop, Timer
from keepshell.core.noops.table import (
    EMPTY_PASTE,
    ENTER,
    FOCUS_IN,
    FOCUS_OUT,
    ROWS,
    XON,
    Row,
    Situation,
    choose,
)
from keepshell.core.noops.typist import Allowed, Typist
from keepshell.core.reasons import Reason
from keepshell.core.terminal.keystrokes import Keystrokes
from keepshell.core.terminal.modes import ModeTracker

TESTS = Path(__file__).parents[2]
LOGIND = frozenset({Timer.LOGIND})
CHANNEL = frozenset({Timer.CHANNEL_TIMEOUT})
SHELL = frozenset({Timer.TMOUT})
NAMED = {row.name: row for row in ROWS}

BASH = b"Welcome\r\n\x1b[?2004hme$ "
DASH = b"Welcome\r\nme$ "
DRAWN = b"\x1b[?25l\x1b[Htext\x1b[2;1H~\x1b[1;1H\x1b[?25h"
VIM = BASH + b"\x1b[?1049h\x1b[>4;2m\x1b[?1004h" + DRAWN
TMUX = BASH + b"\x1b[?1049h\x1b[?1h\x1b=\x1b[?7727h" + DRAWN + b"\x1b[?2004h"
EMACS = BASH + b"\x1b[?1049h\x1b[?1004h\x1b[>4;1m" + DRAWN
LESS = BASH + b"\x1b[?1049h\x1b[?1h\x1b="


class Told:
    """A session: what was shown and typed, each at its second; then what the table reads of it."""

    def __init__(self) -> None:
        self.modes, self.keystrokes, self.idle = ModeTracker(), Keystrokes(), IdleClock(0.0)
        self.typist = Typist(
            {Timer.LOGIND: 60.0},
            Allowed(),
            modes=self.modes,
            keystrokes=self.keystrokes,
            idle=self.idle,
        )

    def shown(self, data: bytes, at: float) -> Told:
        self.modes.feed(data, at)
        self.idle.output(at, len(data))
        self.typist.output(data, at)
        return self

    def typed(self, data: bytes, at: float) -> Told:
        self.typist.input(self.keystrokes.feed(data, at), at)
        return self

    def at(self, now: float, timers: frozenset[Timer] = LOGIND, **more: bool) -> Situation:
        prompting, stopped = more.pop("prompting", False), more.pop("child_stopped", False)
        seen = self.typist.situation(timers, now, prompting=prompting, child_stopped=stopped)
        return replace(seen, **more)  # type: ignore[arg-type]


def screen(data: bytes) -> Told:
    return Told().shown(data, 1.0)


def sent(situation: Situation) -> bytes | None:
    """What the table sends; None for a hold."""
    chosen = choose(situation)
    return None if isinstance(chosen, Hold) else chosen.data


def reason(situation: Situation) -> str:
    chosen = choose(situation)
    assert isinstance(chosen, Hold), chosen
    return chosen.reason.text


def not_ready() -> Iterator[tuple[str, bytes, bytes, dict[str, bool], str]]:
    """Name, more output, more keys, more facts, the reason: each forbids everything."""
    yield "prompting", b"", b"", {"prompting": True}, "ssh is asking you something"
    yield "stopped", b"", b"", {"child_stopped": True}, "the program is stopped"
    yield "reply", b"", b"", {"reply_pending": True}, "the last Enter has not been answered"
    yield "paste", b"", b"\x1b[200~", {}, "you are pasting"
    yield "half key", b"", b"\x1b[", {}, "an escape sequence is half typed"
    yield "half output", b"\x1b[?10", b"", {}, "the host has printed half an escape sequence"
    yield "tilde", b"", b"\r~", {}, "you typed the escape character; the next key decides"
    yield "^S", b"", b"\x13", {}, "you stopped the output with ^S"


NOT_READY = list(not_ready())
SCREENS = {"bash": BASH, "dash": DASH, "vim": VIM, "tmux": TMUX, "emacs": EMACS, "less": LESS}


@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("case", NOT_READY, ids=lambda case: case[0])
def test_ready_holds_whatever_is_on_the_screen(
    name: str, case: tuple[str, bytes, bytes, dict[str, bool], str]
) -> None:
    _, output, keys, facts, why = case
    told = screen(SCREENS[name]).shown(output, 10.0).typed(keys, 10.0)
    for rules in (LOGIND, CHANNEL, SHELL, frozenset[Timer]()):
        assert reason(told.at(99.0, rules, xon=True, empty_line=True, **facts)) == why


@pytest.mark.parametrize(
    ("told", "now", "why"),
    [
        (screen(VIM).typed(b"j", 10.0), 11.9, "you are typing"),
        (screen(VIM).typed(b"j", 10.0), 12.0, None),
        (screen(VIM).typed(b"\x1b", 10.0), 11.9, "you are typing"),
        (screen(VIM).typed(b"\x1b", 10.0), 12.0, None),
        (screen(VIM).shown(DRAWN, 10.0), 10.9, "the host is printing"),
        (screen(VIM).shown(DRAWN, 10.0), 11.0, None),
        (
            screen(VIM).shown(b"**\x18B00" + DRAWN, 10.0),
            69.9,
            "binary output: a file transfer may be running",
        ),
        (screen(VIM).shown(b"**\x18B00" + DRAWN, 10.0), 70.0, None),
        (screen(VIM).typed(b"\x13", 10.0).typed(b"\x11j", 11.0), 20.0, None),
        (screen(VIM).typed(b"\x1b[200~x", 10.0).typed(b"\x1b[201~", 11.0), 20.0, None),
    ],
)
def test_ready_again(told: Told, now: float, why: str | None) -> None:
    if why is None:
        assert sent(told.at(now)) == FOCUS_IN
    else:
        assert reason(told.at(now)) == why


ECHO = {b"j": b"j", b"\r": b"\x1b[2;1H", b"\x08": b"\b", b"\x1b[A": b"\x1b[1;1H"}


@pytest.mark.parametrize("key", ECHO)
def test_tmux(key: bytes) -> None:
    told = screen(TMUX).typed(key, 10.0).shown(ECHO[key], 10.1)
    assert choose(told.at(99.0)) == Noop(FOCUS_IN, "tmux", NAMED["tmux"].resets)
    focused = screen(TMUX + b"\x1b[?1004h").typed(b"\x1b[O" + key, 10.0).shown(ECHO[key], 10.1)
    assert sent(focused.at(99.0)) == FOCUS_OUT
    assert sent(focused.typed(FOCUS_IN, 11.0).at(99.0)) == FOCUS_IN


def test_a_report_from_before_it_was_asked_for_is_not_repeated() -> None:
    """It was another program's: this one has been told nothing."""
    told = screen(BASH).typed(FOCUS_OUT, 0.5).shown(VIM.removeprefix(BASH), 2.0)
    assert sent(told.at(99.0)) == FOCUS_IN


ENDED = "the program that asked for focus reports may have ended"


@pytest.mark.parametrize("login", [BASH, DASH])
@pytest.mark.parametrize("words", [b"", b"Killed\r\n", b"Connection to h closed.\r\n"])
def test_tmux_that_died(login: bytes, words: bytes) -> None:
    told = screen(TMUX).shown(words + login.partition(b"\n")[2], 4.0)
    assert reason(told.at(99.0)) == ENDED
    for key, echo in ((b"r", b"r"), (b"ead\r", b"ead\r\n"), (b"s", b"")):
        told.typed(key, 5.0).shown(echo, 5.1)
        assert reason(told.at(99.0)) == ENDED


def test_a_clock_that_ticks_proves_tmux_alive_and_is_no_output() -> None:
    told = screen(TMUX).typed(b"ls\r", 3.0).shown(b"ls\r\nfile\r\n$ ", 3.1)
    assert reason(told.at(60.0)) == ENDED
    tick = b"\x1b[?25l\x1b[30m\x1b[42m\x1b[24;1H[0] 16:48\x1b(B\x1b[m\x1b[?12l\x1b[?25h\x1b[1;5H"
    assert sent(told.shown(tick, 99.7).at(100.0)) == FOCUS_IN
    assert reason(told.shown(b"x\r\n", 100.5).at(100.9)) == "the host is printing"


PREFIX = "the last key may have been tmux's prefix"
OVERLAY = "tmux may show a list or a question that takes any key"


@pytest.mark.parametrize("answer", [b"", b"\x1b[?25l\x1b[?12l\x1b[?25h"])
@pytest.mark.parametrize("key", [b"\x02", b"\x01", b"\x00", b"\x1b[98;5u", b"`"])
def test_tmux_with_a_key_pending(key: bytes, answer: bytes) -> None:
    told = screen(TMUX).typed(key, 10.0)
    told = told.shown(answer, 10.1) if answer else told
    assert reason(told.at(99.0)) == PREFIX
    assert sent(told.typed(b"c", 11.0).shown(b"c", 11.1).at(99.0)) == FOCUS_IN
    told = screen(TMUX).typed(b"\x16", 10.0).shown(b"^", 10.1)
    assert reason(told.at(99.0)) == "the last key may quote the next one, as ^V does"


@pytest.mark.parametrize("keys", [b"\x02w", b"tmux choose-tree\r", b"\x1b[15~", b"\x1b[<2;5;24M"])
def test_tmux_with_the_cursor_hidden(keys: bytes) -> None:
    """In its lists, questions and messages it is, whatever has opened them."""
    told = screen(TMUX).typed(keys, 10.0)
    told.shown(b"\x1b[?25l\x1b[H(0) - 0: 1 windows\x1b[2;1H", 10.1)
    assert reason(told.at(99.0)) == OVERLAY
    assert sent(told.shown(DRAWN, 12.0).at(99.0)) == FOCUS_IN


def test_focus_is_repeated_as_the_terminal_reported_it() -> None:
    told = screen(VIM)
    assert sent(told.at(99.0)) == FOCUS_IN
    assert sent(told.typed(FOCUS_OUT, 10.0).at(99.0)) == FOCUS_OUT
    assert sent(told.typed(FOCUS_IN, 11.0).at(99.0)) == FOCUS_IN
    assert sent(told.typed(b"j", 12.0).at(99.0)) == FOCUS_IN


@pytest.mark.parametrize("focus", [FOCUS_IN, FOCUS_OUT])
@pytest.mark.parametrize("keys", [b"\x16", b"\x11", b"\x16u06", b"\x1b[27;5;118~"])
def test_focus_after_a_key_that_makes_the_next_one_a_literal(focus: bytes, keys: bytes) -> None:
    told = screen(VIM).typed(focus, 2.0).typed(keys, 12.0)
    assert reason(told.at(99.0)) == "the last key may quote the next one, as ^V does"
    assert sent(told.typed(b"z", 13.0).at(99.0)) == focus
    for key in (b"\x0b", b"\x12", b"\x06", b"\x18"):
        assert sent(screen(VIM).typed(focus, 2.0).typed(key, 12.0).at(99.0)) == focus


@pytest.mark.parametrize("focus", [b"", FOCUS_IN, FOCUS_OUT])
@pytest.mark.parametrize("login", [BASH, DASH, b"Select: "])
def test_a_dead_program_gets_no_report(login: bytes, focus: bytes) -> None:
    told = screen(VIM).shown(b"\r\n" + login, 3.0)
    told = told.typed(focus, 4.0) if focus else told
    assert reason(told.at(99.0)) == ENDED
    echoed = screen(VIM).typed(FOCUS_IN, 3.0).shown(b"^[[I", 3.1)
    assert reason(echoed.at(99.0)) == ENDED
    rung = screen(VIM).typed(FOCUS_IN, 3.0).shown(b"\a", 3.1)
    assert reason(rung.at(99.0)) == ENDED


def test_another_programs_screen_below_a_stale_request() -> None:
    told = screen(VIM).shown(b"\r\n$ ", 3.0).typed(b"nano\r", 4.0)
    told.shown(b"\x1b[?1049h" + DRAWN, 4.5)
    why = "the program that asked for focus reports no longer has the screen"
    assert reason(told.at(99.0)) == why
    assert sent(told.shown(b"\x1b[?1004h" + DRAWN, 5.0).at(99.0)) == FOCUS_IN


@pytest.mark.parametrize("focus", [FOCUS_IN, FOCUS_OUT])
def test_emacs(focus: bytes) -> None:
    told = screen(EMACS).typed(focus, 10.0)
    assert reason(told.at(99.0)) == "the program takes focus reports for keys, as emacs does"
    assert sent(told.shown(b"\x1b[>1u", 21.0).at(99.0)) == focus
    assert sent(told.shown(b"\x1b[<u\x1b[>4;2m", 22.0).at(99.0)) == focus
    told.shown(b"\x1b[>4m", 23.0)
    assert reason(told.at(99.0)) == "the program takes focus reports for keys, as emacs does"


def test_tmuxs_mode_without_its_screen_counts_for_nothing() -> None:
    assert sent(screen(BASH + b"\x1b[?7727h").at(99.0)) == EMPTY_PASTE


@pytest.mark.parametrize("focus", [b"", FOCUS_IN, FOCUS_OUT])
@pytest.mark.parametrize(
    "output",
    [b"\x1b[?1049h", b"\x1b[?1047h\x1b[?1h", b"\x1b[?1049h\x1b[?1000;1006h", b"\x1b[?1004h"],
)
def test_full_screen_without_focus_reports_and_focus_without_full_screen(
    output: bytes, focus: bytes
) -> None:
    told = screen(output + DRAWN).typed(focus, 2.0)
    assert choose(told.at(99.0)) == Hold(Reason.NOTHING_HARMLESS)
    assert choose(told.at(99.0, CHANNEL, xon=True)) == Hold(Reason.NOTHING_HARMLESS)


NO_PROMPT = "the line under the cursor is not a prompt seen before"
UNSEEN = "what you typed last is not shown"
BASH_REPLY = b"\r\n\x1b[?2004l\r%s\x1b[?2004hme$ "


def proven(login: bytes, reply: bytes = b"\r\n%sme$ ") -> Told:
    """A shell in which `true` has been typed."""
    told = screen(login).typed(b"t", 2.0).shown(b"t", 2.1).typed(b"rue", 2.5).shown(b"rue", 2.6)
    return told.typed(b"\r", 3.0).shown(reply % b"", 3.1)


def bash() -> Told:
    return proven(BASH, BASH_REPLY)


def test_empty_paste() -> None:
    told = screen(BASH)
    chosen = choose(told.at(99.0))
    assert chosen == Noop(EMPTY_PASTE, "empty-paste", NAMED["empty-paste"].resets)
    told = bash()
    assert sent(told.at(99.0)) == EMPTY_PASTE
    told.typed(b"ls\r", 10.0).shown(b"ls\r\n\x1b[?2004l\rfile\r\n", 10.5)
    assert choose(told.at(99.0)) == Hold(Reason.NOTHING_HARMLESS)
    told.shown(b"\x1b[?2004hme$ ", 11.0)
    assert sent(told.at(99.0)) == EMPTY_PASTE


def test_a_line_that_is_no_proven_prompt() -> None:
    told = bash().typed(b"e", 10.0).shown(b"e", 10.1)
    assert reason(told.at(99.0)) == "a line is half typed"
    assert sent(told.typed(b"\x15", 11.0).shown(b"\x1b[5G\x1b[K", 11.1).at(99.0)) == EMPTY_PASTE
    told.typed(b"s", 12.0)  # and it is not shown
    assert reason(told.at(99.0)) == UNSEEN
    for keys in (b"\x16", b"\x1b", b"\t", b"\x1b[2~", b"\x1b[200~\x1b[201~"):
        told = bash().typed(keys, 10.0)
        assert reason(told.at(99.0)) == NO_PROMPT
        assert reason(told.typed(b"\x15", 11.0).at(99.0)) == NO_PROMPT
        told.typed(b"\r", 12.0).shown(BASH_REPLY % b"", 12.1)
        assert sent(told.at(99.0)) == EMPTY_PASTE
    other = bash().typed(b"x\r", 10.0).shown(b"x\r\n\x1b[?2004l\r\x1b[?2004h> ", 10.1)
    assert reason(other.at(99.0)) == NO_PROMPT


@pytest.mark.parametrize("more", [b"Select: ", b"\r\nme$ "])
def test_a_shell_without_pastes_below_a_stale_mode(more: bytes) -> None:
    told = proven(DASH).typed(b"x\r", 10.0).shown(b"x\r\n\x1b[?2004h" + more, 10.1)
    assert reason(told.at(99.0)) == NO_PROMPT


@pytest.mark.parametrize(
    "output", [*(b"\x1b[?%dh" % mode for mode in range(1000, 1005)), b"\x1b[>1u", b"\x1b[?1049h"]
)
def test_no_paste_into_a_program_that_is_more_than_a_line_editor(output: bytes) -> None:
    told = screen(BASH + output)
    assert choose(told.at(99.0)) == Hold(Reason.NOTHING_HARMLESS)


def test_xon() -> None:
    told = screen(DASH + b"Password: ")
    assert sent(told.at(99.0, CHANNEL, xon=True)) == XON
    why = "the program draws on the screen, and may take ^Q for a key"
    drawn = screen(DASH).typed(b"node\r", 2.0).shown(b"node\r\n\x1b[1G\x1b[0J> \x1b[3G", 2.1)
    assert reason(drawn.at(99.0, CHANNEL, xon=True)) == why
    assert reason(told.at(99.0, CHANNEL)) == "only ^Q would do, and `xon` is off"
    assert choose(told.at(99.0, LOGIND, xon=True)) == Hold(Reason.NOTHING_HARMLESS)
    assert choose(told.at(99.0, CHANNEL | LOGIND, xon=True)) == Hold(Reason.NOTHING_HARMLESS)
    assert choose(told.at(99.0, frozenset(), xon=True)) == Hold(Reason.NOTHING_HARMLESS)
    hidden_cursor = screen(DASH + b"\x1b[?25l")
    assert choose(hidden_cursor.at(99.0, CHANNEL, xon=True)) == Hold(Reason.NOTHING_HARMLESS)


def test_xon_never_into_a_transfer() -> None:
    why = "binary output since the last Enter: ^Q could corrupt a transfer"
    told = screen(DASH).shown(b"rz\r**\x18B0100", 10.0)
    assert reason(told.at(99.0, CHANNEL, xon=True)) == why
    told.typed(b"rz\r", 10.0)
    assert reason(told.at(99.0, CHANNEL, xon=True)) == why
    told.typed(b"\r", 10.1)
    assert sent(told.at(99.0, CHANNEL, xon=True)) == XON


@pytest.mark.parametrize(("login", "reply"), [(BASH, BASH_REPLY), (DASH, b"\r\n%sme$ ")])
def test_empty_line(login: bytes, reply: bytes) -> None:
    told = proven(login, reply)
    chosen = choose(told.at(99.0, SHELL, empty_line=True))
    assert chosen == EmptyLine(ENTER, "empty-line", NAMED["empty-line"].resets)
    assert sent(told.at(99.0, SHELL | LOGIND, empty_line=True)) == ENTER
    told.typed(b"ls\r", 10.0).shown(b"ls\r\nfile\r\n", 10.1)
    assert sent(told.at(99.0, SHELL, empty_line=True)) is None
    told.shown(reply.removeprefix(b"\r\n") % b"", 10.2)
    assert sent(told.at(99.0, SHELL, empty_line=True)) == ENTER
    assert sent(told.at(99.0, LOGIND, empty_line=True)) != ENTER
    assert sent(told.at(99.0, frozenset(), empty_line=True)) != ENTER


def test_a_prompt_that_asks_for_nothing_is_believed_when_the_users_enter_has_brought_it_back() -> (
    None
):
    """A menu at login may end in `$ ` too."""
    assert sent(screen(BASH).at(99.0, SHELL, empty_line=True)) == ENTER
    told = screen(DASH)
    assert reason(told.at(99.0, SHELL, empty_line=True)) == ELSEWHERE
    assert sent(proven(DASH).at(99.0, SHELL, empty_line=True)) == ENTER


def test_a_prompt_in_another_directory() -> None:
    told = proven(b"\r\nme@here:~$ ", b"\r\n%sme@here:~$ ")
    told.typed(b"cd x\r", 10.0).shown(b"cd x\r\nme@here:~/x$ ", 10.1)
    assert sent(told.at(99.0, SHELL, empty_line=True)) == ENTER
    told.shown(b"\r\nme@there:~ and more$ ", 10.2)
    assert reason(told.at(99.0, SHELL, empty_line=True)) == ELSEWHERE


ELSEWHERE = "the line under the cursor is not the login prompt"


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (screen(VIM), "the shell's timer does not run during a full-screen program"),
        (bash().typed(b"x", 10.0).shown(b"x", 10.1), "a line is half typed"),
        (bash().typed(b"\r", 10.0), ELSEWHERE),
        (bash().typed(b"\r", 10.0).shown(b"\r\nme$ ", 10.1), ELSEWHERE),
        (bash().typed(b"\r", 10.0).shown(b"\r\n\x1b[?2004l\rme$ ", 10.1), ELSEWHERE),
        (proven(DASH).typed(b"\r", 10.0).shown(b"\r\n\x1b[?2004hme$ ", 10.1), ELSEWHERE),
        *(
            (proven(DASH).typed(b"\r", 10.0).shown(b"\r\n" + line, 10.1), ELSEWHERE)
            for line in (b"> ", b"(gdb) ", b"Go on? [Y/n] ", b"... ", b"[sudo] password: ", b"")
        ),
        (proven(DASH).typed(b"\r", 10.0).shown(b"\r\nme$ \r\nBroadcast\r\n", 10.1), ELSEWHERE),
        (screen(b"Proceed? [Y/n] "), "no shell prompt was seen at login"),
        (screen(b""), "no shell prompt was seen at login"),
    ],
)
def test_no_enter(told: Told, why: str) -> None:
    assert reason(told.at(99.0, SHELL, empty_line=True)) == why


def test_no_enter_unless_allowed_and_never_after_a_mismatch() -> None:
    told = screen(BASH)
    why = "only Enter resets the shell's timer, and `empty_line` is off"
    assert reason(told.at(99.0, SHELL)) == why
    told.typist._witness.prompts.mismatch()
    why = "something other than the prompt answered an earlier Enter"
    assert reason(told.at(99.0, SHELL, empty_line=True)) == why


@pytest.mark.parametrize(
    "prompt", [b"\x1b]133;A\x07%s\x1b]133;B\x07\x1b[?2004h", b"\x1b]133;A\x07%s\x1b]133;B\x07"]
)
def test_an_enter_at_a_marked_prompt_that_was_not_seen_at_login(prompt: bytes) -> None:
    told = Told().typed(b"early", 0.5).shown(b"Welcome\r\n" + prompt % b"~ $ ", 1.0)
    told.typed(b"\r", 2.0).shown(b"\r\n" + prompt % b"~ $ ", 2.1)
    told.typed(b"cd src\r", 3.0).shown(b"cd src\r\n" + prompt % b"~/src $ ", 3.1)
    assert reason(told.at(99.0, SHELL, empty_line=True)) == ELSEWHERE
    told.typed(b"cd\r", 4.0).shown(b"cd\r\n" + prompt % b"~ $ ", 4.1)
    assert sent(told.at(99.0, SHELL, empty_line=True)) == ENTER


def test_every_row_resets_what_it_is_asked_to() -> None:
    for timers in (frozenset({timer}) for timer in Timer):
        for told in (screen(output) for output in SCREENS.values()):
            chosen = choose(told.at(99.0, timers, xon=True, empty_line=True))
            assert isinstance(chosen, Hold) or timers <= chosen.resets


def cases() -> Iterator[Situation]:
    """Enough that each requirement and each state of the table decides one of them."""
    outputs = [
        *SCREENS.values(),
        *(BASH + b"\x1b[?%dh" % mode for mode in (1000, 1004, 25, 1049)),
        *(BASH + more for more in (b"\x1b[>1u", b"\x1b[?7727h", b"\x1b[?25l")),
        *(
            DASH + more
            for more in (b"\x1b[?25l", b"\x18", b"\x1b[?1004h", b"\x1b[?7727h", b"\x1b[G")
        ),
        *(b"Go on? [Y/n] ", b"\x1b[?1004h\x1b[?2004hGo on? ", b""),
    ]
    keys = [b"", b"x", b"\r", b"\x02", b"\x16", b"\x1b[200~", b"\x1b[", b"\r~", b"\x13", FOCUS_OUT]
    facts = [{}, {"prompting": True}, {"child_stopped": True}, {"reply_pending": True}]
    several = (LOGIND, CHANNEL, SHELL, frozenset[Timer]())
    for output, key in product(outputs, keys):
        told = screen(output).typed(key, 2.0)
        for now, fact, timers in product((2.5, 99.0), facts, several):
            yield told.at(now, timers, xon=True, empty_line=True, **fact)
        for timers in several:
            yield told.at(99.0, timers)


def more_cases() -> Iterator[Situation]:
    """What takes more than one step."""
    for more in (b"x", b"\x1b[?10", b"\x18"):
        yield screen(VIM).shown(more, 98.5).at(99.0)
        yield screen(VIM).shown(more, 90.0).at(99.0)
    for dead in (VIM, TMUX):
        yield screen(dead).shown(b"\r\nme$ ", 3.0).at(99.0)
        yield screen(dead).shown(b"\x1b[?1049h" + DRAWN, 3.0).at(99.0)
        yield screen(dead).typed(b"\x16", 3.0).shown(b"^", 3.1).at(99.0)
    listed = screen(TMUX).typed(b"\x02", 3.0).typed(b"w", 4.0)
    yield listed.shown(b"\x1b[?25l\x1b[H(0)\x1b[2;1H", 4.1).at(99.0)
    for told in (bash(), proven(DASH)):
        told.typed(b"e", 10.0).shown(b"e", 10.1)
        for timers in (LOGIND, SHELL):
            yield told.at(99.0, timers, empty_line=True)
        told.typed(b"\x15", 11.0).shown(b"\b\x1b[K", 11.1).typed(b"s", 12.0)
        for timers in (LOGIND, SHELL):
            yield told.at(99.0, timers, empty_line=True)
    yield bash().typed(b"x\r", 10.0).shown(b"x\r\n\x1b[?2004l\r\x1b[?2004h> ", 10.1).at(99.0)
    told = bash()
    told.typist._witness.prompts.mismatch()
    yield told.at(99.0, SHELL, empty_line=True)


@cache
def decided() -> list[tuple[Situation, Choice]]:
    """Each case, and what the table says of it."""
    return [(case, choose(case)) for case in (*cases(), *more_cases())]


REQUIREMENTS = [(row, requirement) for row in ROWS for requirement in row.requires]
STATES = [(row, state) for row in ROWS for state in row.state]


def with_row(row: Row, changed: Row) -> tuple[Row, ...]:
    return tuple(changed if known is row else known for known in ROWS)


@pytest.mark.parametrize(
    ("row", "requirement"), REQUIREMENTS, ids=lambda part: part.name.replace(" ", "-")
)
def test_no_requirement_can_be_left_out(row: Row, requirement: object) -> None:
    rest = tuple(known for known in row.requires if known is not requirement)
    rows = with_row(row, replace(row, requires=rest))
    assert any(choose(case, rows) != chosen for case, chosen in decided())


@pytest.mark.parametrize(("row", "state"), STATES, ids=lambda part: part.name.replace(" ", "-"))
def test_no_state_can_be_left_out(row: Row, state: object) -> None:
    rest = tuple(known for known in row.state if known is not state)
    rows = with_row(row, replace(row, state=rest))
    assert any(choose(case, rows) != chosen for case, chosen in decided())


def test_every_proof_is_a_test() -> None:
    tests = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)
    }
    for row in ROWS:
        assert row.proof, row.name
        assert set(row.proof) <= tests, row.name


def test_the_table_can_be_read() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        for requirement in row.requires:
            assert requirement.otherwise.text[0] not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
            assert not requirement.otherwise.text.endswith(".")


OUTPUT = st.sampled_from(
    [
        b"x",
        b"\r\n",
        b"$ ",
        b"> ",
        b"\x1b[",
        b"\x18",
        b"\x1b]133;A\x07$ \x1b]133;B\x07",
        b"\x1b]133;A;k=s\x07> \x1b]133;B\x07",
        b"\x1b]133;C\x07",
        b"\x1b[>4;1m",
        b"\x1b[>4m",
        b"\x1b[>1u",
        b"\x1b[<u",
        *(
            b"\x1b[?%d%s" % (n, hl)
            for n in (2004, 1049, 1004, 1000, 7727, 25)
            for hl in (b"h", b"l")
        ),
    ]
)
KEYS = st.sampled_from(
    [
        *(b"x", b"\r", b"\n", b"\x02", b"\x13", b"\x11", b"~", b".", b"\x7f"),
        *(b"\x1b", b"\x1b[A", b"\x1b[200~", b"\x1b[201~", FOCUS_IN, FOCUS_OUT, b"\x1b[?1;2c"),
    ]
)
STEP = st.tuples(st.just("shown"), OUTPUT) | st.tuples(st.just("typed"), KEYS)
HISTORY = st.lists(st.tuples(STEP, st.sampled_from([0.0, 0.05, 0.5, 1.5, 3.0, 80.0])), max_size=25)
FACTS = st.fixed_dictionaries(
    {
        name: st.booleans()
        for name in ("prompting", "child_stopped", "reply_pending", "xon", "empty_line")
    }
)
TIMERS = st.frozensets(st.sampled_from([*ROWS[0].resets]), max_size=2)


class Seen:
    """The rule of docs/no-ops.md read a second time, from the history itself."""

    def __init__(self, history: list[tuple[str, bytes, float]], now: float) -> None:
        self.history, self.now = history, now
        self.output = b"".join(data for kind, data, _ in history if kind == "shown")

    def on(self, mode: int) -> bool:
        return self.last(b"\x1b[?%dh" % mode) > self.last(b"\x1b[?%dl" % mode)

    def last(self, *outputs: bytes, kind: str = "shown") -> int:
        """The number of the last step that was one of these; -1 without one."""
        places = [i for i, (k, data, _) in enumerate(self.history) if k == kind and data in outputs]
        return max(places, default=-1)

    def since(self, kind: str, *but: bytes) -> float:
        times = [at for k, data, at in self.history if k == kind and data not in but]
        return self.now - max(times, default=-999.0)

    @property
    def keys_since_enter(self) -> list[bytes]:
        enter = self.last(b"\r", b"\n", kind="typed")
        reports = (FOCUS_IN, FOCUS_OUT, b"\x1b[?1;2c")
        keys = [data for kind, data, _ in self.history[enter + 1 :] if kind == "typed"]
        return [data for data in keys if data not in reports]

    def must_hold(self, facts: dict[str, bool]) -> bool:
        return (
            facts["prompting"]
            or facts["child_stopped"]
            or facts["reply_pending"]
            or self.since("typed", FOCUS_IN, FOCUS_OUT, b"\x1b[?1;2c") < 2.0
            or self.since("shown") < 1.0
            or self.output.endswith(b"\x1b[")
            or any(data == b"\x18" and self.now - at < 60 for k, data, at in self.history)
        )

    def may(self, data: bytes, timers: frozenset[Timer], facts: dict[str, bool]) -> bool:
        entered = self.last(b"\r", b"\n", kind="typed")
        if data == ENTER:
            return (
                facts["empty_line"]
                and Timer.TMOUT in timers
                and not self.on(1049)
                and self.last(b"$ ", b"\x1b]133;A\x07$ \x1b]133;B\x07") >= 0
            )
        if data == XON:
            modes = (2004, 1049, 1004, 1000, 7727)
            return (
                facts["xon"]
                and timers <= {Timer.CHANNEL_TIMEOUT, Timer.TMUX_LOCK}
                and Timer.CHANNEL_TIMEOUT in timers
                and not any(self.on(mode) for mode in modes)
                and self.last(b"\x18") <= entered
            )
        if Timer.TMOUT in timers:
            return False
        if data == EMPTY_PASTE:
            return self.on(2004) and not any(self.on(mode) for mode in (1049, 1004, 1000))
        return self.on(1049) and (self.on(1004) or self.on(7727)) and Timer.ZSH_TMOUT not in timers


@given(HISTORY, FACTS, TIMERS, st.sampled_from([0.0, 0.9, 1.9, 5.0, 100.0]))
def test_nothing_is_sent_where_the_rule_demands_a_hold(
    steps: list[tuple[tuple[str, bytes], float]],
    facts: dict[str, bool],
    timers: frozenset[Timer],
    wait: float,
) -> None:
    told, now, history = Told(), 100.0, []
    for (kind, data), delay in steps:
        now += delay
        history.append((kind, data, now))
        getattr(told, kind)(data, now)
    situation = told.at(now + wait, timers, **facts)
    answer = sent(situation)
    seen = Seen(history, now + wait)
    if answer is not None:
        assert not seen.must_hold(facts)
        assert seen.may(answer, timers, facts)
        assert answer in (FOCUS_IN, FOCUS_OUT, EMPTY_PASTE, XON, ENTER)


@given(st.lists(OUTPUT | st.binary(max_size=20), max_size=40), TIMERS)
def test_a_hostile_host_gets_no_more_than_a_report_it_asked_for(
    chunks: list[bytes], timers: frozenset[Timer]
) -> None:
    """Without the user's `empty_line` and `xon`, nothing a host prints makes Enter or ^Q."""
    told = Told()
    for at, chunk in enumerate(chunks):
        told.shown(chunk, float(at))
    assert sent(told.at(1000.0, timers)) in (None, FOCUS_IN, EMPTY_PASTE)
