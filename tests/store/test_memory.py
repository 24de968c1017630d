"""Whatever the memory meets, the session goes on as if nothing were known."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keepshell.core.ending.endings import Ending, Kind
from keepshell.core.noops import ladder
from keepshell.core.noops.choice import Timer
from keepshell.core.reasons import Reason
from keepshell.core.rules.kinds import DROP, KINDS, PROBE, Rule
from keepshell.core.rules.policy import Policy
from keepshell.core.session import Session
from keepshell.errors import UsageError
from keepshell.job import Job
from keepshell.ssh.host_name import NameLookup
from keepshell.store import memory, unanswered
from keepshell.store.database import State

HOST = "me@web:22"
DROPPED = Ending(Kind.CHANNEL_TIMEOUT, "dropped.", rule="channel-timeout", idle=900.0)


class Named(NameLookup):
    """A host whose name is known."""

    def __init__(self) -> None:
        pass

    def name(self) -> str:
        return HOST


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user is told."""
    lines: list[str] = []

    def say(_: object, line: str) -> bool:
        lines.append(line)
        return True

    monkeypatch.setattr(memory.Memory, "_say", say)
    return lines


def job(lookup: Callable[[], NameLookup] = Named) -> Job:
    made = Job(["/usr/bin/ssh", "web"], dict(os.environ), Policy(), is_ssh=True)
    made.lookup = lookup
    return made


def ended(known: memory.Memory, ending: Ending = DROPPED, *, begun: bool = True) -> str:
    session = Session(Policy(), 1000.0)
    if begun:
        session.begin(1001.0)
    return known.remember(session.record(1900.0), ending, status=255)


def test_from_a_drop_to_the_next_session(said: list[str]) -> None:
    first = memory.Memory(job())
    assert first.recall().window_change_interval == 60
    assert ended(first) == "Next time: harmless input is sent after 7m 30s of silence."
    assert said == []
    second = memory.Memory(job())
    second.recall()
    assert [rule.kind.name for rule in second.plan.to_type_for] == ["channel-timeout"]
    assert len(said) == 1
    assert ended(second) == "Next time: harmless input is sent after 7m 30s of silence."
    (rule,) = State.of(os.environ).rules(HOST)
    assert (rule.confirmed, rule.drops, rule.told) == (True, 2, "beaten no-op")


@pytest.mark.parametrize(("woke_at", "learns"), [(None, True), (1000.5, True), (1500.0, False)])
def test_a_computer_that_slept_learns_nothing(
    said: list[str], woke_at: float | None, learns: bool
) -> None:
    """The silence was the sleep's, however often it is as long."""
    for _ in range(2):
        known = memory.Memory(job())
        known.recall()
        known.note_sleep(5000.0, 999.0)
        if woke_at:
            known.note_sleep(5000.0 + memory.SLEPT, woke_at)
        known.note_sleep(5000.9 + memory.SLEPT * bool(woke_at), 1900.0)
        assert ("asleep meanwhile" in ended(known)) is not learns
    assert bool(State.of(os.environ).rules(HOST)) is learns
    assert len(State.of(os.environ).sessions()) == 2


@pytest.mark.parametrize("how", ["as a job", "the child alone"])
def test_a_session_that_was_stopped_learns_nothing(said: list[str], how: str) -> None:
    """Its timer struck while nobody looked; what ssh's end left behind was not why it struck."""
    known = memory.Memory(job())
    known.recall()
    prompts = ladder.Held(Reason.SSH_PROMPTS, 1899.9)
    known.note_holds({Timer.CHANNEL_TIMEOUT: prompts}, 1899.9)
    session = Session(Policy(), 1000.0)
    session.begin(1001.0)
    if how == "as a job":
        session.continued(1899.0)
    else:
        session.child_stopped(True, 1100.0)
        session.child_stopped(False, 1899.0)
    told = known.remember(session.record(1900.0), DROPPED, status=255)
    assert told == "It was stopped meanwhile: nothing was sent, and nothing is learned from it."
    assert State.of(os.environ).rules(HOST) == []
    session.user_input(b"x", 1899.5)
    assert known.remember(session.record(2800.0), DROPPED, status=255).startswith("Next time: ")


def test_a_host_may_answer_no_request_because_we_slept(said: list[str]) -> None:
    known = memory.Memory(job())
    known.recall()
    known.note_sleep(0.0, 999.0)
    known.note_sleep(100.0, 1900.0)
    assert "asleep" in ended(known, Ending(Kind.UNANSWERED, "dropped."))
    assert not unanswered.is_known(os.environ, lambda: HOST)


@pytest.mark.parametrize("writable", [True, False])
def test_a_no_op_that_was_held_is_not_promised(said: list[str], writable: bool) -> None:
    """Its hold is told by the last tick that saw it; a state that is lost changes nothing of it."""
    State.of(os.environ).put_rules(HOST, PROBE, [Rule(KINDS["channel-timeout"], 900, PROBE)])
    known = memory.Memory(job())
    known.recall()
    held = ladder.Held(Reason.NOTHING_HARMLESS, 1500.0)
    known.note_holds({Timer.CHANNEL_TIMEOUT: held}, 1890.0)
    known.note_holds({}, 1895.0)
    # ssh has left raw mode, and not yet ended.
    prompts = ladder.Held(Reason.SSH_PROMPTS, 1899.9)
    known.note_holds({Timer.CHANNEL_TIMEOUT: prompts}, 1899.9)
    if not writable:
        Path(os.environ["XDG_STATE_HOME"], "keepshell", "state.db").write_text("damaged")
    assert ended(known) == (
        "This timer was known: harmless input was due, but had to wait: no input is known to be"
        " harmless here."
    )
    assert len(said) == (not writable)


def test_a_hold_of_nothing_but_sshs_own_prompt_is_told(said: list[str]) -> None:
    State.of(os.environ).put_rules(HOST, PROBE, [Rule(KINDS["channel-timeout"], 900, PROBE)])
    known = memory.Memory(job())
    known.recall()
    prompts = ladder.Held(Reason.SSH_PROMPTS, 1500.0)
    known.note_holds({Timer.CHANNEL_TIMEOUT: prompts}, 1890.0)
    assert f"had to wait: {Reason.SSH_PROMPTS.text}." in ended(known)


def test_without_a_session_nothing_is_remembered(said: list[str]) -> None:
    known = memory.Memory(job())
    known.recall()
    assert ended(known, begun=False) == ""
    assert State.of(os.environ).hosts() == []


def test_a_program_has_no_host(said: list[str]) -> None:
    made = job()
    made.lookup = None
    known = memory.Memory(made)
    known.recall()
    assert ended(known) == ""
    assert said == []
    assert State.of(os.environ).hosts() == []


def fails(error: Exception) -> Callable[[], NameLookup]:
    def lookup() -> NameLookup:
        raise error

    return lookup


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("a fault of ours"), "RuntimeError: a fault of ours"),
        (OSError(12, "no memory"), "no memory"),
        (UsageError("16 keepshells inside each other"), "16 keepshells inside each other"),
    ],
)
def test_a_fault_costs_one_line(said: list[str], error: Exception, words: str) -> None:
    known = memory.Memory(job(fails(error)))
    assert known.recall().window_change_interval == 60
    assert ended(known) == ""
    (line,) = said
    assert line.startswith("this session is not remembered: ")
    assert words in line


def test_two_faults_cost_one_line_too(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    State.of(os.environ).put_rules(HOST, DROP, [Rule(KINDS["tmout"], 600, DROP)])
    monkeypatch.setattr(State, "rules", broken)
    monkeypatch.setattr(State, "record", broken)
    known = memory.Memory(job())
    known.recall()
    assert ended(known) == ""
    assert len(said) == 1


def test_a_fault_can_be_looked_for(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPSHELL_DEBUG", "1")
    with pytest.raises(RuntimeError, match="a fault of ours"):
        memory.Memory(job(fails(RuntimeError("a fault of ours"))))


def test_a_python_without_sqlite(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    State.of(os.environ).put_rules(HOST, DROP, [Rule(KINDS["tmout"], 600, DROP)])
    monkeypatch.delitem(sys.modules, "keepshell.store.database")
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    known = memory.Memory(job())
    assert known.recall().window_change_interval == 60
    assert ended(known) == ""
    assert len(said) == 1


def test_sqlite_is_not_loaded_for_hosts_of_which_nothing_is_known(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "keepshell.store.database")
    memory.Memory(job()).recall()
    assert "keepshell.store.database" not in sys.modules


def test_nobody_is_told_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal on stderr, and under -q: it is told at the next occasion."""
    State.of(os.environ).put_rules(HOST, DROP, [Rule(KINDS["tmout"], 600, DROP)])
    quiet = job()
    quiet.explains = False
    for made in (quiet, job()):
        known = memory.Memory(made)
        known.recall()
        ended(known, Ending(Kind.OWN_EXIT, "left."))
    (rule,) = State.of(os.environ).rules(HOST)
    assert rule.told == ""
