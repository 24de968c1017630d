"""A session in which something is typed for an absent user: what goes where, and when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from keepshell.core.effects import (
    Disconnect,
    Effect,
    Note,
    Notify,
    Phase,
    Suspend,
    ToHost,
    ToUser,
)
from keepshell.core.idle import IdleClock
from keepshell.core.noops import typist
from keepshell.core.noops.choice import Timer
from keepshell.core.noops.table import EMPTY_PASTE, ENTER, FOCUS_IN, XON
from keepshell.core.noops.typist import Allowed, Typist
from keepshell.core.reasons import Reason
from keepshell.core.rules import kinds as rules
from keepshell.core.rules.plan import plan_for
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.core.session import Session
from keepshell.core.terminal.keystrokes import Keystrokes
from keepshell.core.terminal.modes import ModeTracker
from keepshell.core.warner import Warner

START = 1000.0
LIMIT = 100.0
PROMPT = b"\x1b[?2004hhost$ "
DRAWN = b"\x1b[?25l\x1b[Htext\x1b[1;1H\x1b[?25h"
VIM = b"\x1b[?1049h\x1b[>4;2m\x1b[?1004h\x1b[?2004h" + DRAWN
REPLY = b"\r\n\x1b[?2004l\r" + PROMPT


def make(
    *timers: Timer, policy: Policy | None = None, warner: Warner | None = None, **allowed: bool
) -> Session:
    limits = dict.fromkeys(timers or (Timer.CHANNEL_TIMEOUT,), LIMIT)
    hands = partial(Typist, limits, Allowed(**allowed))
    policy = policy or Policy(window_change_interval=1e6)
    return Session(policy, START, typist=hands, warner=warner)


def tick(session: Session, now: float, phase: Phase = Phase.IN_SESSION) -> list[Effect]:
    return session.tick(now, phase)


def typed(effects: list[Effect]) -> bytes:
    return b"".join(effect.data for effect in effects if isinstance(effect, ToHost))


def shown(effects: list[Effect]) -> bytes:
    return b"".join(effect.data for effect in effects if isinstance(effect, ToUser))


def test_an_empty_paste_at_a_fresh_prompt() -> None:
    session = make()
    session.host_output(PROMPT, START + 1)
    assert session.next_deadline() == START + 1 + LIMIT / 2
    assert not session.verbatim
    effects = tick(session, START + 51)
    assert effects == [ToHost(EMPTY_PASTE), Note("noop-sent", "empty-paste")]
    assert session.no_ops == 1
    assert session.idle.user_at is None
    assert session.next_deadline() == START + 51 + LIMIT / 2


def test_nothing_while_ssh_prompts() -> None:
    session = make()
    session.host_output(PROMPT, START)
    assert tick(session, START + 50, Phase.PROMPTING) == [
        Note("hold", "ssh is asking you something")
    ]


def test_a_hold_says_its_reason_and_near_the_limit_it_is_said_once() -> None:
    session = make()
    session.host_output(PROMPT, START)
    session.user_input(b"half a li", START)
    session.host_output(b"half a li", START)
    assert tick(session, START + 50) == [Note("hold", "a line is half typed")]
    effects = tick(session, START + 95)
    assert Note("near-limit", "channel-timeout: a line is half typed") in effects
    assert shown(effects) == b""
    assert Note("near-limit", "channel-timeout: a line is half typed") not in tick(
        session, START + 101
    )


SAID = "web: %s ends this session in 5s; press a key"
KNOWN = rules.Rule(rules.KINDS["channel-timeout"], LIMIT, rules.PROBE)


def warning(*timers: Timer, known: Sequence[rules.Rule] = (KNOWN,)) -> Session:
    """A session of a user who wants to be warned."""
    policy = Policy(window_change_interval=1e6)
    plan = plan_for(known, policy)
    return make(*timers, policy=policy, warner=Warner("web", plan.remedies, START))


def told(effects: list[Effect]) -> list[str]:
    return [effect.text for effect in effects if isinstance(effect, Notify)]


def test_the_user_is_warned_of_what_is_held() -> None:
    session = warning()
    session.host_output(PROMPT, START)
    session.user_input(b"x", START)
    session.host_output(b"x", START)
    tick(session, START + 50)
    assert told(tick(session, START + 95)) == [SAID % "ChannelTimeout"]
    assert told(tick(session, START + 99)) == []


def test_a_warning_never_comes_within_a_sequence() -> None:
    session = warning()
    session.host_output(PROMPT, START)
    session.user_input(b"x", START)
    session.host_output(b"x\x1b[?25", START)
    tick(session, START + 50)
    assert told(tick(session, START + 95)) == []
    assert session.next_deadline() == START + 96
    assert told(tick(session, START + 96)) == []
    session.host_output(b"h", START + 96.5)
    assert told(tick(session, START + 97)) == [SAID % "ChannelTimeout"]


def test_a_limit_of_unknown_kind_is_one_warning() -> None:
    session = warning(Timer.CHANNEL_TIMEOUT, Timer.TTY_IDLE, known=())
    session.host_output(PROMPT, START)
    session.user_input(b"x", START)
    session.host_output(b"x", START)
    tick(session, START + 50)
    effects = tick(session, START + 95)
    assert told(effects) == [SAID % "a timer on the session"]
    assert [e.event for e in effects if isinstance(e, Note)] == ["hold", "near-limit", "near-limit"]


def test_an_empty_line_and_its_redraw_withheld() -> None:
    session = make(Timer.TMOUT, empty_line=True)
    session.host_output(PROMPT, START)
    assert typed(tick(session, START + 50)) == ENTER
    for byte in REPLY:
        assert session.host_output(bytes((byte,)), START + 50.01) == []
    deadline = session.next_deadline()
    assert deadline is not None
    assert tick(session, deadline) == [Note("redraw-hidden")]
    assert typed(tick(session, START + 50 + LIMIT)) == ENTER


def test_a_late_reply_is_shown_and_widens_the_window() -> None:
    session = make(Timer.TMOUT, empty_line=True)
    session.host_output(PROMPT, START)
    tick(session, START + 50)
    assert session.host_output(REPLY[:4], START + 50.1) == []
    deadline = session.next_deadline()
    assert deadline is not None
    effects = tick(session, deadline)
    assert effects == [ToUser(REPLY[:4]), Note("redraw-visible")]
    assert shown(session.host_output(REPLY[4:], START + 51)) == REPLY[4:]


def test_another_answer_is_shown_at_once_and_ends_it_for_the_session() -> None:
    session = make(Timer.TMOUT, empty_line=True)
    session.host_output(PROMPT, START)
    tick(session, START + 50)
    assert shown(session.host_output(b"\r\nlisting\r\n" + PROMPT, START + 50.1)) == (
        b"\r\nlisting\r\n" + PROMPT
    )
    assert typed(tick(session, START + 500)) == b""


def test_a_redraw_is_noted_whatever_decides_it() -> None:
    session = make(Timer.TMOUT, empty_line=True)
    session.host_output(PROMPT, START)
    tick(session, START + 50)
    session.host_output(REPLY, START + 50.1)
    assert session.host_output(b"Mail.", START + 51) == [ToUser(b"Mail."), Note("redraw-hidden")]
    assert session.host_output(b"Mail.", START + 52) == [ToUser(b"Mail.")]
    session = make(Timer.TMOUT, empty_line=True)
    session.host_output(PROMPT, START)
    tick(session, START + 50)
    assert session.host_output(b"?", START + 50.1) == [ToUser(b"?"), Note("redraw-visible")]


TITLED = b"\x1b[?2004h\x1b]0;me@host: ~\ahost$ "


@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_a_prompt_that_sets_the_title_rings_no_bell(piece: int) -> None:
    session = make(Timer.TMOUT, empty_line=True)
    session.host_output(TITLED, START)
    for turn in (1, 2, 3):
        now = START + turn * LIMIT / 2
        assert typed(tick(session, now)) == ENTER
        reply = b"\r\n\x1b[?2004l\r" + TITLED
        for at in range(0, len(reply), piece):
            session.host_output(reply[at : at + piece], now + 0.1)
        assert tick(session, now + 0.2) == [Note("redraw-hidden")]


@pytest.mark.parametrize(
    ("answer", "rings"),
    [
        (b"\a", True),
        (b"\x1b]0;title\a\a", True),
        (b"\x1b]0;title\x1b\\\a", True),
        (b"\x1b]0;title\x1b\\", False),
        (b"\x1bPq" + b"\x1b\\", False),
    ],
)
@pytest.mark.parametrize("piece", [1, 1000])
def test_a_bell_ends_the_row_that_rang_it(answer: bytes, rings: bool, piece: int) -> None:
    session = make()
    session.host_output(PROMPT, START)
    assert typed(tick(session, START + 50)) == EMPTY_PASTE
    for at in range(0, len(answer), piece):
        session.host_output(answer[at : at + piece], START + 50.1)
    assert (typed(tick(session, START + 150)) == b"") is rings


def test_a_key_during_the_withholding_releases_it_first() -> None:
    session = make(Timer.TMOUT, empty_line=True)
    session.host_output(PROMPT, START)
    tick(session, START + 50)
    session.host_output(REPLY[:3], START + 50.1)
    assert session.user_input(b"l", START + 50.2) == [
        ToUser(REPLY[:3]),
        Note("redraw-visible"),
        ToHost(b"l"),
    ]
    assert shown(session.host_output(REPLY[3:], START + 50.3)) == REPLY[3:]


def test_a_late_reply_widens_the_next_window() -> None:
    session = make(Timer.TMOUT, empty_line=True)
    session.host_output(PROMPT, START)
    tick(session, START + 50)
    tick(session, START + 50.3)
    session.host_output(REPLY, START + 51)
    sent_at = START + 50 + LIMIT / 2
    assert typed(tick(session, sent_at)) == ENTER
    assert session.host_output(REPLY, sent_at + 1) == []
    assert tick(session, sent_at + 1.1) == [Note("redraw-hidden")]


def test_a_report_of_the_terminal_releases_nothing() -> None:
    session = make(Timer.TMOUT, empty_line=True)
    session.host_output(PROMPT, START)
    tick(session, START + 50)
    session.host_output(REPLY[:3], START + 50.1)
    assert session.user_input(b"\x1b[I", START + 50.15) == [ToHost(b"\x1b[I")]
    assert session.host_output(REPLY[3:], START + 50.2) == []


def test_a_row_that_rang_the_bell_is_used_no_more() -> None:
    """tmux behind a nested ssh that dropped: its modes stay on, and a shell rings at the report."""
    session = make()
    session.host_output(VIM, START)
    assert typed(tick(session, START + 50)) == FOCUS_IN
    session.host_output(b"\a", START + 50.2)
    for later in (110.0, 200.0, 300.0):
        assert typed(tick(session, START + later)) == b""


def test_a_bell_much_later_is_none_of_ours() -> None:
    session = make()
    session.host_output(VIM, START)
    tick(session, START + 50)
    session.host_output(b"\a", START + 60)
    assert typed(tick(session, START + 160)) == FOCUS_IN


def after_focus_in() -> Session:
    """In vim, at a line start for the user; ssh has seen a no-op since."""
    session = make()
    session.host_output(VIM, START)
    assert typed(tick(session, START + 50)) == FOCUS_IN
    return session


@pytest.mark.parametrize("escape", [b"~?", b"~#", b"~\x1a"])
def test_an_escape_that_ssh_took_leaves_no_half_typed_line(escape: bytes) -> None:
    session = make()
    session.host_output(PROMPT, START)
    assert session.user_input(escape, START + 10) == [ToHost(escape)]
    assert typed(tick(session, START + 10 + LIMIT / 2)) == EMPTY_PASTE


def test_an_escape_that_ssh_took_is_no_input_for_the_host() -> None:
    session = make(Timer.TTY_IDLE)
    session.host_output(PROMPT, START)
    session.user_input(b"~?", START + 49)
    assert session.next_deadline() == START + 50
    session.user_input(b"x", START + 49)
    assert session.next_deadline() == START + 49 + LIMIT / 2


def test_an_escape_that_ssh_missed_is_text_on_the_line() -> None:
    session = make()
    session.host_output(PROMPT, START)
    assert typed(tick(session, START + 50)) == EMPTY_PASTE
    assert session.user_input(b"~?", START + 60) == [ToHost(b"~?")]
    session.host_output(b"~?", START + 60)
    assert tick(session, START + 110) == [Note("hold", "a line is half typed")]


@pytest.mark.parametrize("pieces", [[b"~."], [b"~", b"."]])
def test_the_quit_after_a_no_op_is_done_here(pieces: list[bytes]) -> None:
    session = after_focus_in()
    effects = [e for piece in pieces for e in session.user_input(piece, START + 60)]
    assert effects == [Disconnect()]
    assert session.disconnected
    assert session.evidence(START + 61, exit_status=255, signal=None).quit_typed


def test_the_suspend_after_a_no_op_is_done_here() -> None:
    session = after_focus_in()
    effects = session.user_input(b"~\x1a", START + 60)
    assert effects == [ToUser(b"~^Z [suspend ssh]\r\n"), Suspend()]
    assert session.next_deadline() == START + 50 + LIMIT / 2  # the host got nothing since


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        (b"~w", b"~w"),
        (b"~~", b"~"),
        (b"~?", b"~?"),
        (b"x~.", b"x~."),
        (b"abc", b"abc"),
        (b"~", b""),
    ],
)
def test_other_keys_after_a_no_op_reach_the_host(keys: bytes, sent: bytes) -> None:
    session = after_focus_in()
    assert typed(session.user_input(keys, START + 60)) == sent


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        ([b"\x1b[A"], b"\x1b[A"),
        ([b"\x1b[200~pasted\x1b[201~"], b"\x1b[200~pasted\x1b[201~"),
        (["\u00e9".encode()], "\u00e9".encode()),
        ([b"~", b"\x1b[A"], b"~\x1b[A"),
    ],
)
def test_what_is_typed_first_after_a_no_op_stays_in_one_piece(
    keys: list[bytes], sent: bytes
) -> None:
    """A program that reads a lone ESC at once would take it for the key."""
    session = after_focus_in()
    assert [e for key in keys for e in session.user_input(key, START + 60)] == [ToHost(sent)]


def test_after_the_next_enter_ssh_sees_its_escapes_again() -> None:
    session = after_focus_in()
    assert typed(session.user_input(b"\r", START + 60)) == b"\r"
    assert session.user_input(b"~.", START + 61) == [ToHost(b"~.")]


def test_nothing_is_typed_between_the_escape_character_and_the_next_key() -> None:
    session = after_focus_in()
    session.user_input(b"~", START + 60)
    assert typed(tick(session, START + 110)) == b""
    assert session.keystrokes.tilde_pending


def test_a_report_of_the_terminal_is_not_typed() -> None:
    """The prompt stays the fresh one it is."""
    session = make(Timer.TMOUT, empty_line=True)
    session.host_output(PROMPT, START)
    session.user_input(b"\x1b[I", START + 1)
    assert typed(tick(session, START + 60)) == ENTER


LOGIND = rules.Rule(rules.KINDS["logind"], 900, rules.CONFIG)
TMOUT = rules.Rule(rules.KINDS["tmout"], 600, rules.DROP)
CLIENT = rules.Rule(rules.KINDS["client-alive"], 900, rules.CONFIG)
BOTH = {Timer.CHANNEL_TIMEOUT, Timer.TTY_IDLE}


@pytest.mark.parametrize(
    ("settings", "known", "limits"),
    [
        ({}, [], {}),
        ({"rules": (LOGIND, CLIENT)}, [], {Timer.LOGIND: 900}),
        ({"rules": (LOGIND,), "no_op": "never"}, [], {}),
        ({"rules": (LOGIND,), "rung": Rung.WINDOW_CHANGE}, [], {}),
        ({}, [TMOUT], {}),
        ({"empty_line": True}, [TMOUT], {Timer.TMOUT: 600}),
        ({"empty_line": True}, [], {}),
        ({"idle_limit": 300.0}, [], dict.fromkeys(BOTH, 300)),
        ({"no_op": "always", "no_op_interval": 10.0}, [], dict.fromkeys(BOTH, 20)),
        (
            {"no_op": "always", "no_op_interval": 10.0, "empty_line": True, "idle_limit": 8.0},
            [],
            dict.fromkeys(BOTH, 8) | {Timer.TMOUT: 20},
        ),
        (
            {"rules": (LOGIND,)},
            [rules.Rule(rules.KINDS["stop-idle"], 60, rules.DROP)],
            {Timer.LOGIND: 60},
        ),
    ],
)
def test_limits(settings: dict[str, Any], known: list[rules.Rule], limits: dict[Any, int]) -> None:
    assert typist.limits(Policy(**settings), known) == limits


def test_what_is_held_can_be_asked() -> None:
    session = make(Timer.LOGIND)
    tick(session, START + 50)
    assert session.held[Timer.LOGIND].reason is Reason.NOTHING_HARMLESS
    assert session.hold == "no input is known to be harmless here"
    assert (session.no_ops, session.injected) == (0, 0)


def test_without_an_empty_line_there_is_nothing_to_reveal() -> None:
    hands = Typist(
        {Timer.LOGIND: LIMIT},
        Allowed(),
        modes=ModeTracker(),
        keystrokes=Keystrokes(),
        idle=IdleClock(START),
    )
    assert hands.withheld_until() is None
    assert hands.reveal(START) == b""


def test_the_rung_that_is_in_use() -> None:
    assert make(Timer.LOGIND).rung is Rung.NO_OP
    assert make(Timer.LOGIND, Timer.TMOUT).rung is Rung.EMPTY_LINE


def test_switched_off_nothing_is_typed() -> None:
    session = make()
    session.host_output(PROMPT, START + 1)
    session.keepalives = False
    assert (session.next_deadline() or math.inf) > START + 1e5
    assert typed(tick(session, START + 60)) == b""
    session.keepalives = True
    assert typed(tick(session, START + 60)) == EMPTY_PASTE
    assert session.injected == len(EMPTY_PASTE)


def test_what_was_typed_is_counted_by_rung() -> None:
    session = make()
    session.host_output(PROMPT, START + 1)
    tick(session, START + 51)
    assert dict(session.idle.counts) == {Rung.NO_OP: 1}
    assert session.idle.tried is Rung.NO_OP
    shell = make(Timer.TMOUT, empty_line=True)
    shell.host_output(PROMPT, START + 1)
    assert typed(tick(shell, START + 51)) == ENTER
    assert dict(shell.idle.counts) == {Rung.EMPTY_LINE: 1}


def test_why_a_no_op_is_held() -> None:
    session = make()
    session.host_output(b"Password: ", START + 1)
    tick(session, START + 51)
    assert session.hold == "only ^Q would do, and `xon` is off"


@pytest.mark.parametrize("answer", [b"^[[I", b"\r\n", b"\a", b"x"])
def test_whatever_answers_a_no_op_ends_its_row(answer: bytes) -> None:
    """A hidden prompt rings no bell: it is read when Enter shows it, or echoed at once."""
    session = make()
    session.host_output(VIM, START)
    assert typed(tick(session, START + 50)) == FOCUS_IN
    session.host_output(answer, START + 50.9)
    session.host_output(DRAWN, START + 60)
    assert typed(tick(session, START + 150)) == b""


@pytest.mark.parametrize("answer", [DRAWN, b"\x1b[?25l\x1b[?25h", b"\x1b]0;title\a"])
def test_a_redraw_and_a_title_end_no_row(answer: bytes) -> None:
    session = make()
    session.host_output(VIM, START)
    assert typed(tick(session, START + 50)) == FOCUS_IN
    session.host_output(answer, START + 50.1)
    assert typed(tick(session, START + 150)) == FOCUS_IN


def test_what_answers_a_key_of_the_users_is_none_of_ours() -> None:
    session = make()
    session.host_output(VIM, START)
    assert typed(tick(session, START + 50)) == FOCUS_IN
    session.user_input(b"x", START + 50.5)
    session.host_output(b"x", START + 50.6)
    assert typed(tick(session, START + 150)) == FOCUS_IN


def test_xon_ends_where_a_character_is_not_shown_after_it() -> None:
    """IXON was off, and what reads has taken ^Q: it may have been a key."""
    session = make(xon=True)
    session.host_output(b"Welcome\r\nAnswer: ", START)
    assert typed(tick(session, START + 50)) == XON
    session.user_input(b"y", START + 60)
    session.host_output(b"y", START + 60.1)
    assert typed(tick(session, START + 120)) == XON
    session.user_input(b"z", START + 130)
    assert typed(tick(session, START + 190)) == b""
    session.user_input(b"\r", START + 200)
    session.host_output(b"\r\n", START + 200.1)
    assert typed(tick(session, START + 260)) == b""
