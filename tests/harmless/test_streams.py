"""However output and keys fall together, nothing is typed where the user or the screen forbids it.

What is forbidden is said here once more, in another way: from the whole of the streams so far,
with searches that know no state. Hosts are the recorded ones, and one that wants us to type.
"""

from __future__ import annotations

import math
import re
from functools import partial

from hypothesis import example, given
from hypothesis import strategies as st

from keepshell.core.effects import Phase, ToHost
from keepshell.core.noops.choice import Timer
from keepshell.core.noops.table import EMPTY_PASTE, ENTER, FOCUS_IN, FOCUS_OUT, XON
from keepshell.core.noops.typist import Allowed, Typist
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.core.session import Session
from tests.harmless.record import sessions

LIMIT = 60.0

# Pieces that a hostile or a broken host may send in any order.
_HOSTILE = (
    *(
        b"\x1b[?%d%s" % (mode, how)
        for mode in (1004, 1049, 2004, 7727, 1000)
        for how in (b"h", b"l")
    ),
    *(b"\x1b[?1004;1049h", b"\x1b[>4;1m", b"\x1b[>1u", b"\x1b[?20", b"\x1b]133;A\x07"),
    *(b"\x1b]133;B\x07", b"login$ ", b"\r\n", b"\x18B", b"\x00", b"\x1bc"),
)
_KEYS = (
    b"a",
    b"\r",
    b"\x16",
    b"\x02",
    b"\x1b",
    b"\x1b[A",
    b"\x1b[200~",
    b"\x1b[201~",
    b"\x13",
    b"\x11",
    b"\x7f",
    b"\x1b[I",
    b"\x1b[O",
    b"~",
    b"\t",
)
_CLOSING = b"\x15\x03\x04\x0b\x17\x0c\x07\x1a\x08\x7fABCDFH"  # and the ends of arrows
_READ = frozenset((Timer.TTY_IDLE, Timer.CHANNEL_TIMEOUT))
_HARMLESS = {
    FOCUS_IN: _READ,
    FOCUS_OUT: _READ,
    EMPTY_PASTE: _READ,
    XON: frozenset((Timer.CHANNEL_TIMEOUT,)),  # the host's tty takes it, and no program reads it
}
"""What may be typed, and the rules that it resets."""


class _Streams:
    """One session, the whole of its two streams, and what was typed into it when."""

    def __init__(self, allowed: Allowed) -> None:
        limits = dict.fromkeys((Timer.TTY_IDLE, Timer.CHANNEL_TIMEOUT, Timer.TMOUT), LIMIT)
        self._session = Session(
            Policy(rung=Rung.SERVER_ALIVE), 0.0, typist=partial(Typist, limits, allowed)
        )
        self.now = 0.0
        self.shown, self.typed = b"", b""
        self.shown_at = self.typed_at = self.asked_at = -100.0
        self.sent: list[tuple[float, bytes]] = []

    def show(self, data: bytes) -> None:
        self.shown, self.shown_at = self.shown + data, self.now
        if b"\x1b[?2004h" in data:
            self.asked_at = self.now
        self._session.host_output(data, self.now)

    def type(self, data: bytes) -> None:
        self.typed, self.typed_at = self.typed + data, self.now
        self._session.user_input(data, self.now)

    def pass_by(self, seconds: float) -> None:
        until = self.now + seconds
        while (due_at := self._session.next_deadline()) is not None and due_at <= until:
            self.now = max(self.now, due_at)
            for effect in self._session.tick(self.now, Phase.IN_SESSION):
                if isinstance(effect, ToHost):
                    self.sent.append((self.now, effect.data))
                    self._judge(effect.data)
        self.now = until

    def _judge(self, data: bytes) -> None:
        line = re.split(rb"[\r\n]", self.typed)[-1]
        keys = re.sub(rb"\x1b\[(?:[IO]|[?>]?[0-9;]*[Rc])", b"", line)
        assert self.now - self.shown_at >= 1.0 or self._on(7727)
        assert not self.typed.rfind(b"\x1b[200~") > self.typed.rfind(b"\x1b[201~")
        assert not self.typed.rfind(b"\x13") > self.typed.rfind(b"\x11")
        if data == EMPTY_PASTE:
            assert not keys or keys[-1] in _CLOSING or self.asked_at > self.typed_at
            assert self._on(2004)
            assert not self._on(1049)
        elif data in (FOCUS_IN, FOCUS_OUT):
            assert self._on(1049)
            assert self._on(1004) or self._on(7727)
            assert keys[-1:] not in (b"\x02", b"\x16") or self.shown_at > self.typed_at
        elif data == XON:
            assert not any(self._on(mode) for mode in (1000, 1004, 1049, 2004, 7727))

    def _on(self, mode: int) -> bool:
        since = self.shown[self.shown.rfind(b"\x1bc") + 1 :]
        switches = re.findall(rb"\x1b\[\?(?:[0-9;]*;)?%d(?:;[0-9;]*)?([hl])" % mode, since)
        return switches[-1:] == [b"h"]


_GAPS = st.sampled_from((0.0, 0.3, 1.5, 31.0, 70.0))


@given(session=st.sampled_from(sessions()), data=st.data())
def test_no_interleaving_of_a_real_session_makes_us_type(
    session: tuple[list[bytes], list[bytes]], data: st.DataObject
) -> None:
    output, keys = list(session[0]), list(session[1])
    streams = _Streams(Allowed(xon=True))
    while output or keys:
        if keys and (not output or data.draw(st.booleans())):
            streams.type(keys.pop(0))
        else:
            streams.show(output.pop(0))
        streams.pass_by(data.draw(_GAPS))


@given(st.lists(st.tuples(st.sampled_from(_HOSTILE + _KEYS), _GAPS), min_size=1, max_size=15))
@example([(b"\x1b[?1004l", 31.0), (b"\x1b[?2004h", 31.0)])
def test_a_host_that_wants_us_to_type(steps: list[tuple[bytes, float]]) -> None:
    """It gets the no-ops themselves at most: no Enter, and for no rule two within its interval."""
    streams = _Streams(Allowed(xon=True))
    for data, gap in steps:
        if data in _KEYS:
            streams.type(data)
        else:
            streams.show(data)
        streams.pass_by(gap)
    assert {data for _, data in streams.sent} <= _HARMLESS.keys()
    assert ENTER not in b"".join(data for _, data in streams.sent)
    reset_at = dict.fromkeys(Timer, -math.inf)
    for now, data in streams.sent:
        assert any(now - reset_at[rule] >= LIMIT / 2 - 0.001 for rule in _HARMLESS[data])
        reset_at.update(dict.fromkeys(_HARMLESS[data], now))
