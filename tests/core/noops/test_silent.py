"""What is in the typist's place where nothing may be typed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.noops.choice import Timer
from keepshell.core.noops.silent import Silent
from keepshell.core.terminal.keys import Key, Kind


@given(st.binary())
def test_all_output_is_shown_at_once_and_nothing_later(data: bytes) -> None:
    silent = Silent()
    assert silent.input([Key(Kind.CONTROL, b"\r")], 1.0) == b""
    assert silent.output(data, 2.0) == data
    assert silent.withheld_until() is None
    assert silent.reveal(3.0) == b""
    assert silent.redraw() == ""


def test_nothing_is_typed_against_any_timer() -> None:
    silent = Silent()
    for timer in Timer:
        timers = frozenset({timer})
        assert silent.choose(timers, 1e6, prompting=False, child_stopped=False) is None
    assert silent.limits == {}
    assert (silent.sent, silent.sent_bytes) == (0, 0)
