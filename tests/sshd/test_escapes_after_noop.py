"""ssh's escapes after a no-op, of which ssh takes the end for the middle of a line.

`~.` and `~^Z` are done by keepshell then; all of them are ssh's again after the next Enter.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from signal import SIGTSTP

import pytest

from tests.sshd.kept import Kept, Open, answers
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.trace import Trace

LIMIT = 4
RULE = f"--rules=channel-timeout={LIMIT}s"


def after_a_no_op(open_logins: Open, *, job: bool = False) -> Kept:
    """A session at a fresh prompt, where one empty paste was typed."""
    return typed_to(open_logins().kept(RULE, job=job))


def typed_to(kept: Kept) -> Kept:
    kept.trace.wait_for("noop-sent")
    return kept


@pytest.mark.parametrize("typed", [("~.",), ("~", ".")], ids=["at once", "key by key"])
def test_the_quit_disconnects(open_logins: Open, typed: tuple[str, ...]) -> None:
    logins = open_logins()
    kept = typed_to(logins.kept(RULE)).terminal
    ends = []
    for terminal in (logins.bare(), kept):
        for key in typed:
            terminal.send(key)
        output = terminal.read_to_end()
        assert terminal.wait() == 255
        assert b"keepshell: " not in output
        ends.append(terminal.screen.lines)
    assert ends[0] == ends[1]
    assert ends[0][0] == f"{PROMPT}Connection to 127.0.0.1 closed."


@pytest.mark.parametrize("options", [["-q"], ["-o", "LogLevel=ERROR"]], ids=str)
def test_the_quit_is_silent_where_ssh_is(
    options: list[str],
    sshd: Sshd,
    start_terminal: Callable[..., Terminal],
    trace: Trace,
    keepshell_exe: Path,
) -> None:
    argv = [str(keepshell_exe), RULE, "ssh", *options, *sshd.access.ssh_args()]
    terminal = start_terminal(argv)
    terminal.expect(PROMPT)
    trace.wait_for("noop-sent")
    terminal.send("~.")
    assert b"closed" not in terminal.read_to_end()
    assert terminal.wait() == 255


def test_the_suspend_stops_the_job_and_fg_brings_it_back(open_logins: Open) -> None:
    kept = after_a_no_op(open_logins, job=True)
    kept.terminal.send("~\x1a")
    assert kept.terminal.wait_stopped() == SIGTSTP
    kept.terminal.expect("~^Z [suspend ssh]\r\n")
    kept.terminal.foreground()
    answers(kept.terminal)
    kept.terminal.expect(PROMPT)
    kept.trace.wait_for("noop-sent", 2)
    kept.terminal.send("~.")
    assert kept.terminal.wait() == 255


def test_help_is_shown_after_enter(open_logins: Open) -> None:
    kept = after_a_no_op(open_logins)
    kept.terminal.send("\r")
    kept.terminal.expect(PROMPT)
    kept.terminal.send("~?")
    kept.terminal.expect("Supported escape sequences:\r\n")
    answers(kept.terminal)


def test_between_no_ops_the_escapes_are_the_ones_of_ssh(open_logins: Open) -> None:
    """A no-op, a line of the user's, a no-op; the text `~~` is one `~`, as ever."""
    kept = after_a_no_op(open_logins)
    answers(kept.terminal)
    kept.terminal.expect(PROMPT)
    kept.trace.wait_for("noop-sent", 2)
    for key in ("~", "~", "\x01", "printf '<%s>' '", "\x05", "'\r"):
        kept.terminal.send(key)
    kept.terminal.expect("<~>")
    answers(kept.terminal)


def test_nothing_is_typed_while_the_escape_character_waits(open_logins: Open) -> None:
    kept = after_a_no_op(open_logins)
    why = "you typed the escape character; the next key decides"
    kept.terminal.send("~")
    kept.wait_for_hold(why)
    sent, held = kept.typed(), len(kept.holds())
    kept.trace.wait_for("hold", held + 2)
    assert set(kept.holds()[held:]) == {why}
    assert kept.typed() == sent
    kept.terminal.send(".")
    kept.terminal.read_to_end()
    assert kept.terminal.wait() == 255
