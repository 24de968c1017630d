"""A warning arrives where the user looks: in the terminal, in tmux, on a desktop."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.tmux import Tmux
from tests.support.trace import Trace
from tests.support.waiting import eventually

OPTIONS = ("--rules", "tmout=4s", "--warn", "true")
TEXT = "127.0.0.1: TMOUT logs you out in less than 1s; press Enter"


@pytest.fixture
def argv(sshd: Sshd, keepshell_exe: Path) -> list[str]:
    """A session with a host of which the user says that it logs out after 4 s."""
    return [str(keepshell_exe), *OPTIONS, "ssh", *sshd.access.ssh_args()]


def warned(start_terminal: Callable[..., Terminal], argv: list[str], trace: Trace) -> Terminal:
    """The terminal, when the warning was given."""
    terminal = start_terminal(argv)
    terminal.expect(PROMPT)
    (event, *_) = trace.wait_for("notified")
    assert event["detail"] == TEXT
    return terminal


def test_a_terminal_of_which_nothing_is_known_rings(
    start_terminal: Callable[..., Terminal], argv: list[str], trace: Trace
) -> None:
    terminal = warned(start_terminal, argv, trace)
    terminal.wait_for_screen(lambda screen: screen.bells == 1, "a bell")
    assert b"\x1b]9;" not in terminal.output
    # At the next prompt the silence begins anew.
    terminal.send_line("")
    trace.wait_for("notified", 2)


def test_a_terminal_that_shows_notifications_gets_one(
    start_terminal: Callable[..., Terminal],
    argv: list[str],
    trace: Trace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM_PROGRAM", "WezTerm")
    terminal = warned(start_terminal, argv, trace)
    terminal.expect(f"\x1b]9;{TEXT}\x07")


def test_tmux_marks_the_window(
    start_tmux: Callable[..., Tmux],
    argv: list[str],
    trace: Trace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though the terminal around it would show a notification: tmux does not pass it on."""
    monkeypatch.setenv("TERM_PROGRAM", "WezTerm")
    tmux = start_tmux(argv)
    tmux.wait_for(PROMPT.strip())
    tmux.run("new-window", "sh")
    trace.wait_for("notified")
    eventually(lambda: tmux.query("window_bell_flag", tmux.pane) == "1", "a marked window")


def test_a_desktop_shows_it(
    start_terminal: Callable[..., Terminal],
    argv: list[str],
    trace: Trace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`notify-send` is what every desktop has; here one that writes down what it was told."""
    shown = tmp_path / "shown"
    program = tmp_path / "bin" / "notify-send"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{shown}.new; mv {shown}.new {shown}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DISPLAY", ":99")
    warned(start_terminal, argv, trace)
    eventually(shown.exists, "a notification")
    assert shown.read_text() == f"--app-name=keepshell\n--\n{TEXT}\n"
