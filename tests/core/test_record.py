"""What a session has been up to one moment."""

from __future__ import annotations

from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.core.session import Session

START = 1000.0


def test_a_record_is_as_of_its_moment() -> None:
    session = Session(Policy(window_change_interval=60), START)
    session.begin(START + 5)
    first = session.record(START + 20)
    assert (first.begun, first.user_idle, first.since(first.user_at)) == (True, 15, None)
    session.user_sent(b"ls", START + 30)
    later = session.record(START + 100)
    assert (later.user_idle, later.since(later.user_at), later.half_line) == (70, 70, True)
    assert first.user_at is None
    assert first.rung is Rung.WINDOW_CHANGE


def test_a_key_before_the_session_began_was_for_ssh() -> None:
    session = Session(Policy(), START)
    session.user_sent(b"password\r", START + 1)
    session.begin(START + 5)
    assert session.record(START + 20).user_idle == 15
