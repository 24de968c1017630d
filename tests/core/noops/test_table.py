"""The table of what may be typed, held against a second reading of the same rule."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.noops.table import (
    EMPTY_PASTE,
    ENTER,
    FOCUS_IN,
    FOCUS_OUT,
    ROWS,
    XON,
    EmptyLine,
    Hold,
    Keys,
    Noop,
    Row,
    Situation,
    Timer,
    choose,
)
from keepshell.core.reasons import Reason
from keepshell.core.terminal.keystrokes import Keystrokes, Line
from keepshell.core.terminal.modes import ModeTracker
from keepshell.core.terminal.prompt import PromptMemory

TESTS = Path(__file__).parents[2]
LOGIND = frozenset({Timer.LOGIND})
CHANNEL = frozenset({Timer.CHANNEL_TIMEOUT})
SHELL = frozenset({Timer.TMOUT})

BASH = b"Welcome\r\n\x1b[?2004h$ "
DASH = b"Welcome\r\n$ "
VIM = BASH + b"\x1b[?1049h\x1b[>4;2m\x1b[?1004h\x1b[Htext"
TMUX = BASH + b"\x1b[?1049h\x1b[?1h\x1b=\x1b[?7727h$ \x1b[?2004h"
EMACS = BASH + b"\x1b[?1049h\x1b[?1004h\x1b[>4;1m\x1b[Htext"
LESS = BASH + b"\x1b[?1049h\x1b[?1h\x1b="


@dataclass
class Told:
    """A session: what was shown and typed, each at its second; then what the table reads of it."""

    modes: ModeTracker = field(default_factory=ModeTracker)
    keystrokes: Keystrokes = field(default_factory=Keystrokes)
    memory: PromptMemory = field(default_factory=PromptMemory)
    output_at: float | None = None

    def shown(self, data: bytes, at: float) -> Told:
        self.modes.feed(data, at)
        self.memory.shown(data)
        self.output_at = at
        return self

    def typed(self, data: bytes, at: float) -> Told:
        self.keystrokes.feed(data, at)
        if self.keystrokes.typed_at == at:
            self.memory.typed(entered=self.keystrokes.line is Line.NOTHING)
        return self

    def at(self, now: float, rules: frozenset[Timer] = LOGIND, **more: bool) -> Situation:
        return Situation(
            now=now,
            modes=self.modes.snapshot(),
            keys=Keys.of(self.keystrokes),
            sight=self.memory.sight(),
            drawn=self.memory.drawn,
            back=self.memory.back,
            output_at=self.output_at,
            timers=rules,
            **more,
        )


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
    yield "prompting", b"", b"", {"prompting": True}, "ssh itself prompts"
    yield "stopped", b"", b"", {"child_stopped": True}, "the program is stopped"
    yield "reply", b"", b"", {"reply_pending": True}, "the last empty line has not been answered"
    yield "paste", b"", b"\x1b[200~", {}, "the user is pasting"
    yield "half key", b"", b"\x1b[", {}, "an escape sequence is half typed"
    yield "half output", b"\x1b[?10", b"", {}, "an escape sequence is half shown"
    yield "tilde", b"", b"\r~", {}, "the escape character is typed, and the next key decides"
    yield "^S", b"", b"\x13", {}, "output is stopped by ^S"


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
        (screen(VIM).typed(b"j", 10.0), 11.9, "the user is typing"),
        (screen(VIM).typed(b"j", 10.0), 12.0, None),
        (screen(VIM).typed(b"\x1b", 10.0), 11.9, "the user is typing"),
        (screen(VIM).typed(b"\x1b", 10.0), 12.0, None),
        (screen(VIM).shown(b"x", 10.0), 10.9, "the host is printing"),
        (screen(VIM).shown(b"x", 10.0), 11.0, None),
        (
            screen(VIM).shown(b"**\x18B00", 10.0),
            69.9,
            "binary output: a file transfer may be running",
        ),
        (screen(VIM).shown(b"**\x18B00", 10.0), 70.0, None),
        (screen(VIM).typed(b"\x13", 10.0).typed(b"\x11j", 11.0), 20.0, None),
        (screen(VIM).typed(b"\x1b[200~x", 10.0).typed(b"\x1b[201~", 11.0), 20.0, None),
    ],
)
def test_ready_again(told: Told, now: float, why: str | None) -> None:
    if why is None:
        assert sent(told.at(now)) == FOCUS_IN
    else:
        assert reason(told.at(now)) == why


@pytest.mark.parametrize("key", [b"j", b"\r", b"\n", b"\t", b"\x1b", b"\x08", b"\x7f", b"\x1b[A"])
def test_tmux(key: bytes) -> None:
    assert choose(screen(TMUX).typed(key, 10.0).at(99.0)) == Noop(FOCUS_IN, "tmux", ROWS[1].resets)
    focused = screen(TMUX + b"\x1b[?1004h").typed(b"\x1b[O" + key, 10.0)
    assert sent(focused.at(99.0)) == FOCUS_IN


@pytest.mark.parametrize("login", [BASH, DASH])
def test_tmux_that_died(login: bytes) -> None:
    told = screen(login).typed(b"tmux\r", 2.0).shown(b"tmux\r\n\x1b[?1049h\x1b[?7727h", 3.0)
    told.shown(b"\x1b[Hbye\r\n" + login.partition(b"\n")[2], 4.0)
    why = "the prompt is back, and the program that turned modes on has ended"
    assert reason(told.at(99.0)) == why


@pytest.mark.parametrize("key", [b"\x02", b"\x01", b"\x00", b"x\x1d", b"\x1b[98;5u"])
def test_tmux_with_a_prefix_perhaps_pending(key: bytes) -> None:
    told = screen(TMUX + b"\x1b[?1004h").typed(key, 10.0)
    assert reason(told.at(99.0)) == "the last key may have been tmux's prefix"
    assert sent(told.typed(b"c", 11.0).at(99.0)) == FOCUS_IN


def test_focus_is_repeated_as_the_terminal_reported_it() -> None:
    told = screen(VIM)
    assert sent(told.at(99.0)) == FOCUS_IN
    assert sent(told.typed(FOCUS_OUT, 10.0).at(99.0)) == FOCUS_OUT
    assert sent(told.typed(FOCUS_IN, 11.0).at(99.0)) == FOCUS_IN
    assert sent(told.typed(b"j", 12.0).at(99.0)) == FOCUS_IN


@pytest.mark.parametrize("focus", [FOCUS_IN, FOCUS_OUT])
@pytest.mark.parametrize("key", [b"\x16", b"\x11", b"\x0b", b"\x1b[27;5;118~"])
def test_focus_after_a_key_that_makes_the_next_one_a_literal(focus: bytes, key: bytes) -> None:
    told = screen(VIM).typed(focus, 2.0).typed(key, 12.0)
    assert reason(told.at(99.0)) == "the last key may make the next one a literal"
    assert sent(told.typed(b"x", 13.0).at(99.0)) == focus


@pytest.mark.parametrize("focus", [b"", FOCUS_IN, FOCUS_OUT])
@pytest.mark.parametrize("left_on", [b"\x1b[?2004h", b"\x1b[?1049h\x1b[>4;2m\x1b[?1004h"])
def test_modes_left_on_at_a_prompt_that_turns_none_on(left_on: bytes, focus: bytes) -> None:
    told = screen(DASH).typed(b"x\r", 2.0).shown(left_on + b"\r\nended\r\n$ ", 3.0)
    told.typed(focus, 4.0)
    why = "the prompt is back, and the program that turned modes on has ended"
    assert reason(told.at(99.0)) == why


@pytest.mark.parametrize("focus", [FOCUS_IN, FOCUS_OUT])
def test_emacs(focus: bytes) -> None:
    told = screen(EMACS).typed(focus, 10.0)
    assert reason(told.at(99.0)) == "the program takes focus reports for keys, as emacs does"
    assert sent(told.shown(b"\x1b[>1u", 11.0).at(99.0)) == focus
    assert sent(told.shown(b"\x1b[<u\x1b[>4;2m", 12.0).at(99.0)) == focus
    told.shown(b"\x1b[>4m", 13.0)
    assert reason(told.at(99.0)) == "the program takes focus reports for keys, as emacs does"


@pytest.mark.parametrize("focus", [FOCUS_IN, FOCUS_OUT])
@pytest.mark.parametrize("switch", [b"\x1b[?2004l", b"\x1b[?2004h"])
def test_stale_focus(focus: bytes, switch: bytes) -> None:
    told = screen(b"\x1b[?1049h\x1b[>4;2m\x1b[?1004h").typed(focus, 1.5)
    assert sent(told.shown(switch, 2.0).at(99.0)) == focus
    told.shown(switch, 2.1)
    assert reason(told.at(99.0)) == "the program that asked for focus reports has probably ended"


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
    told = screen(output).typed(focus, 2.0)
    assert choose(told.at(99.0)) == Hold(Reason.NOTHING_HARMLESS)
    assert choose(told.at(99.0, CHANNEL, xon=True)) == Hold(Reason.NOTHING_HARMLESS)


@pytest.mark.parametrize("drawn", [b"\x1b[H", b"\x1b[24;1H", b"\x1b[3d", b"x" * 3000 + b"\x1b[H"])
def test_empty_paste_into_a_whole_screen(drawn: bytes) -> None:
    told = screen(BASH).typed(b"joe\r", 2.0).shown(b"joe\r\n\x1b[?2004h" + drawn + b"text", 3.0)
    why = "the program draws the whole screen, as joe does without ?1049"
    assert reason(told.at(99.0)) == why


@pytest.mark.parametrize("drawn", [b"", b"\x1b7\x1b[1;60H12:00\x1b8", b"\x1b[2C"])
def test_empty_paste_at_a_prompt_below_something_drawn(drawn: bytes) -> None:
    told = screen(BASH).typed(b"clear\r", 2.0)
    told.shown(b"clear\r\n\x1b[H\x1b[2J\x1b[?2004h$ " + drawn, 3.0)
    assert sent(told.at(99.0)) == EMPTY_PASTE


def test_empty_paste() -> None:
    told = screen(BASH)
    chosen = choose(told.at(99.0))
    assert chosen == Noop(EMPTY_PASTE, "empty-paste", ROWS[4].resets)
    told.typed(b"ls\r", 10.0)
    waiting = "no prompt has been shown since the last Enter"
    assert reason(told.at(99.0)) == waiting
    told.shown(b"ls\r\nfile\r\n", 10.5)
    assert reason(told.at(99.0)) == waiting
    told.shown(b"\x1b[?2004l\r", 10.6)
    assert choose(told.at(99.0)) == Hold(Reason.NOTHING_HARMLESS)
    told.shown(b"\x1b[?2004h$ ", 11.0)
    assert sent(told.at(99.0)) == EMPTY_PASTE
    for keys in (b"x", b"\x7f", b"\t", b"\x16", b"\x1b", b"\x1b[A"):
        half = screen(BASH).typed(keys, 12.0)
        assert reason(half.at(99.0)) == "a line is half typed"


@pytest.mark.parametrize(
    "output", [*(b"\x1b[?%dh" % mode for mode in range(1000, 1005)), b"\x1b[>1u", b"\x1b[?1049h"]
)
def test_no_paste_into_a_program_that_is_more_than_a_line_editor(output: bytes) -> None:
    told = screen(BASH + output)
    assert choose(told.at(99.0)) == Hold(Reason.NOTHING_HARMLESS)


def test_xon() -> None:
    told = screen(DASH + b"Password: ")
    assert sent(told.at(99.0, CHANNEL, xon=True)) == XON
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


@pytest.mark.parametrize("login", [BASH, DASH])
def test_empty_line(login: bytes) -> None:
    told = screen(login)
    chosen = choose(told.at(99.0, SHELL, empty_line=True))
    assert chosen == EmptyLine(ENTER, "empty-line", frozenset(Timer))
    assert isinstance(chosen, EmptyLine)
    assert sent(told.at(99.0, SHELL | LOGIND, empty_line=True)) == ENTER
    prompt = login.removeprefix(b"Welcome\r\n")
    told.typed(b"ls\r", 10.0).shown(b"ls\r\nfile\r\n", 10.1)
    assert sent(told.at(99.0, SHELL, empty_line=True)) is None
    told.shown(prompt, 10.2)
    assert sent(told.at(99.0, SHELL, empty_line=True)) == ENTER
    assert sent(told.at(99.0, LOGIND, empty_line=True)) != ENTER
    assert sent(told.at(99.0, frozenset(), empty_line=True)) != ENTER


ELSEWHERE = "the line under the cursor is not the login prompt"
NOT_SHOWN = "the shell has not shown its prompt since the last Enter"


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (screen(VIM), "a full-screen program runs; the shell's timer stands still"),
        (screen(BASH).typed(b"x", 10.0), "a line is half typed"),
        (screen(BASH).typed(b"\r", 10.0), NOT_SHOWN),
        (screen(BASH).typed(b"\r", 10.0).shown(b"\r\n$ ", 10.1), NOT_SHOWN),
        (screen(BASH).typed(b"\r", 10.0).shown(b"\r\n\x1b[?2004l\r$ ", 10.1), NOT_SHOWN),
        (screen(DASH).typed(b"\r", 10.0).shown(b"\r\n\x1b[?2004h$ ", 10.1), NOT_SHOWN),
        (screen(DASH).typed(b"\r", 10.0).shown(b"\r\n> ", 10.1), ELSEWHERE),
        (screen(DASH).typed(b"\r", 10.0).shown(b"\r\n(gdb) ", 10.1), ELSEWHERE),
        (screen(DASH).typed(b"\r", 10.0).shown(b"\r\nGo on? [Y/n] ", 10.1), ELSEWHERE),
        (screen(DASH).typed(b"\r", 10.0).shown(b"\r\n... ", 10.1), ELSEWHERE),
        (screen(DASH).typed(b"\r", 10.0).shown(b"\r\n[sudo] password: ", 10.1), ELSEWHERE),
        (screen(DASH).typed(b"\r", 10.0), ELSEWHERE),
        (screen(DASH).typed(b"\r", 3.0).shown(b"\r\n$ \r\nBroadcast\r\n", 5.0), ELSEWHERE),
        (screen(b"Proceed? [Y/n] "), "no prompt of the shell was seen at login"),
        (screen(b""), "no prompt of the shell was seen at login"),
    ],
)
def test_no_enter(told: Told, why: str) -> None:
    assert reason(told.at(99.0, SHELL, empty_line=True)) == why


def test_no_enter_unless_allowed_and_never_after_a_mismatch() -> None:
    told = screen(BASH)
    why = "only Enter resets the shell's timer, and `empty_line` is off"
    assert reason(told.at(99.0, SHELL)) == why
    told.memory.mismatch()
    why = "an earlier Enter was answered by something else than the prompt"
    assert reason(told.at(99.0, SHELL, empty_line=True)) == why


@pytest.mark.parametrize(
    "prompt", [b"\x1b]133;A\x07%s\x1b]133;B\x07\x1b[?2004h", b"\x1b]133;A\x07%s\x1b]133;B\x07"]
)
def test_an_enter_at_a_marked_prompt_that_was_not_seen_at_login(prompt: bytes) -> None:
    told = Told().typed(b"early", 0.5).shown(b"Welcome\r\n" + prompt % b"~ $ ", 1.0)
    told.typed(b"cd src\r", 2.0).shown(b"cd src\r\n" + prompt % b"~/src $ ", 2.1)
    assert sent(told.at(99.0, SHELL, empty_line=True)) == ENTER


def test_every_row_resets_what_it_is_asked_to() -> None:
    for rules in (frozenset({rule}) for rule in Timer):
        for told in (screen(output) for output in SCREENS.values()):
            chosen = choose(told.at(99.0, rules, xon=True, empty_line=True))
            assert isinstance(chosen, Hold) or rules <= chosen.resets


def cases() -> Iterator[Situation]:
    """Enough that each requirement and each state of the table decides one of them."""
    outputs = [
        *SCREENS.values(),
        *(BASH + b"\x1b[?%dh" % mode for mode in (1000, 1004, 25, 1049)),
        *(BASH + more for more in (b"\x1b[>1u", b"\x1b[?7727h", b"\x1b[?25l")),
        *(DASH + more for more in (b"\x1b[?25l", b"\x18", b"\x1b[?1004h", b"\x1b[?7727h")),
        *(b"Go on? [Y/n] ", b"\x1b[?1004h\x1b[?2004hGo on? ", b""),
    ]
    keys = [b"", b"x", b"\r", b"\x02", b"\x1b[200~", b"\x1b[", b"\r~", b"\x13", FOCUS_OUT]
    facts = [{}, {"prompting": True}, {"child_stopped": True}, {"reply_pending": True}]
    for output in outputs:
        for key in keys:
            for fact in facts:
                for rules in (LOGIND, CHANNEL, SHELL, frozenset[Timer]()):
                    told = screen(output).typed(key, 2.0)
                    for now in (2.5, 99.0):
                        yield told.at(now, rules, xon=True, empty_line=True, **fact)
                    yield told.at(99.0, rules)
    for more in (b"x", b"\x1b[?2004l", b"\x1b[?2004h", b"\x1b[?10", b"\x18"):
        yield screen(VIM).shown(more, 98.5).at(99.0)
        yield screen(VIM).shown(more, 90.0).at(99.0)
        yield screen(VIM).typed(FOCUS_OUT, 2.0).shown(more, 90.0).at(99.0)
    yield screen(EMACS).typed(FOCUS_OUT, 2.0).at(99.0)
    yield screen(VIM).typed(FOCUS_OUT, 2.0).typed(b"\x16", 3.0).at(99.0)
    yield screen(BASH).shown(b"\x1b[H", 3.0).at(99.0)
    told = screen(DASH).typed(b"x\r", 2.0)
    yield told.shown(b"\r\n\x1b[?1049h\x1b[?7727h\r\n$ ", 3.0).at(99.0)
    for left_on in (b"\x1b[?2004h", b"\x1b[?1049h\x1b[>4;2m\x1b[?1004h"):
        told = screen(DASH).typed(b"x\r", 2.0).shown(left_on + b"\r\n$ ", 3.0)
        yield told.at(99.0)
        yield told.typed(FOCUS_OUT, 4.0).at(99.0)
    told = screen(BASH)
    told.memory.mismatch()
    yield told.at(99.0, SHELL, empty_line=True)


CASES = list(cases())
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
    assert any(choose(s) != choose(s, rows) for s in CASES)


@pytest.mark.parametrize(("row", "state"), STATES, ids=lambda part: part.name.replace(" ", "-"))
def test_no_state_can_be_left_out(row: Row, state: object) -> None:
    rest = tuple(known for known in row.state if known is not state)
    rows = with_row(row, replace(row, state=rest))
    assert any(choose(s) != choose(s, rows) for s in CASES)


def test_every_proof_is_a_test() -> None:
    tests = {
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
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
RULES = st.frozensets(st.sampled_from(Timer), max_size=2)


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

    def may(self, data: bytes, rules: frozenset[Timer], facts: dict[str, bool]) -> bool:
        entered = self.last(b"\r", b"\n", kind="typed")
        fresh = self.last(b"\x1b[?2004h") > entered
        if data == ENTER:
            return (
                facts["empty_line"]
                and Timer.TMOUT in rules
                and not self.on(1049)
                and not self.keys_since_enter
                and (fresh or not self.on(2004))
                and self.last(b"$ ", b"\x1b]133;A\x07$ \x1b]133;B\x07", b"> ") > entered
            )
        if data == XON:
            modes = (2004, 1049, 1004, 1000, 7727)
            return (
                facts["xon"]
                and rules <= {Timer.CHANNEL_TIMEOUT, Timer.TMUX_LOCK}
                and Timer.CHANNEL_TIMEOUT in rules
                and not any(self.on(mode) for mode in modes)
                and self.last(b"\x18") <= entered
            )
        if Timer.TMOUT in rules:
            return False
        if data == EMPTY_PASTE:
            no_more = not any(self.on(mode) for mode in (1049, 1004, 1000))
            return self.on(2004) and fresh and no_more and not self.keys_since_enter
        return self.on(1049) and (self.on(1004) or self.on(7727)) and Timer.ZSH_TMOUT not in rules


@given(HISTORY, FACTS, RULES, st.sampled_from([0.0, 0.9, 1.9, 5.0, 100.0]))
def test_nothing_is_sent_where_the_rule_demands_a_hold(
    steps: list[tuple[tuple[str, bytes], float]],
    facts: dict[str, bool],
    rules: frozenset[Timer],
    wait: float,
) -> None:
    told, now, history = Told(), 100.0, []
    for (kind, data), delay in steps:
        now += delay
        history.append((kind, data, now))
        getattr(told, kind)(data, now)
        told.memory.sight()
    situation = told.at(now + wait, rules, **facts)
    typed = sent(situation)
    seen = Seen(history, now + wait)
    if typed is not None:
        assert not seen.must_hold(facts)
        assert seen.may(typed, rules, facts)
        assert typed in (FOCUS_IN, FOCUS_OUT, EMPTY_PASTE, XON, ENTER)


@given(st.lists(OUTPUT | st.binary(max_size=20), max_size=40), RULES)
def test_a_hostile_host_gets_no_more_than_a_report_it_asked_for(
    chunks: list[bytes], rules: frozenset[Timer]
) -> None:
    """Without the user's `empty_line` and `xon`, nothing a host prints makes Enter or ^Q."""
    told = Told()
    for at, chunk in enumerate(chunks):
        told.shown(chunk, float(at))
    assert sent(told.at(1000.0, rules)) in (None, FOCUS_IN, EMPTY_PASTE)
