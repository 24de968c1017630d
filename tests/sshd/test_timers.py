"""Timers that only input resets are beaten, in real time, and the user sees nothing of it.

Each is shown both ways: a bare session in the same state, opened later, is ended by the timer while
the kept one lives five limits, keeps its screen, and answers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keepshell.core.reasons import Reason
from tests.sshd.kept import LIMIT, TURNS, Logins, Open, answers, cut, look, settled
from tests.support.processes import end, reap, tree
from tests.support.programs import path_of, require
from tests.support.remoteshell import PROMPT
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

CHANNEL_TIMEOUT = f"ChannelTimeout session:*={LIMIT}s"
CHANNEL_RULE = f"--rules=channel-timeout={LIMIT}s"
NOTHING = "no input is known to be harmless here"
LONG_AGO = 1e9
"""An atime, seconds since 1970. The kernel stores a new one only when it differs by eight seconds
(docs/idle-rules.md), so the next read of input is sure to be seen."""


@pytest.fixture
def tmux_sockets(closing: ExitStack) -> Iterator[Path]:
    """TMUX_TMPDIR for the host; the server that a test leaves there is ended."""
    # Not in tmp_path: a socket's path has room for 107 bytes (unix(7)).
    directory = Path(tempfile.mkdtemp(prefix="tmux-"))
    yield directory
    asked = subprocess.run(
        [path_of("tmux"), "display-message", "-p", "#{pid}"],
        env={**os.environ, "TMUX_TMPDIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.stdout:
        server = tree(int(asked.stdout))
        end(server)
        for process in server:
            reap(process.pid)
    shutil.rmtree(directory)


@dataclass(frozen=True)
class State:
    """What the user was doing before the hands left the keys."""

    name: str
    enter: Callable[[Terminal], object]
    leave: Callable[[Terminal], object] = lambda terminal: None
    """Back to the prompt."""
    row: str = ""
    """What keeps it."""
    hold: str = ""
    """Or why nothing does."""
    cure: str = ""
    """What would help, as it is told."""
    options: tuple[str, ...] = ()
    needs: str = "bash"

    def __str__(self) -> str:
        return self.name


def _vim(terminal: Terminal) -> None:
    terminal.send_line("vim -u NONE -N -n -i NONE")
    terminal.wait_for_screen(
        lambda screen: {1049, 1004} <= screen.modes and "~" in screen.text, "vim"
    )
    terminal.send("ihello")
    terminal.wait_for_screen(
        lambda screen: "hello" in screen.lines[0] and "INSERT" in screen.text, "text in vim"
    )


def _leave_vim(terminal: Terminal) -> None:
    terminal.send("\x1b")
    terminal.wait_for_screen(lambda screen: "INSERT" not in screen.text, "normal mode")
    terminal.send_line(":q!")
    terminal.wait_for_screen(lambda screen: not screen.alternate, "the prompt")


def _sleep(terminal: Terminal) -> None:
    terminal.send_line("echo sle$((1))ps; sleep 1000")
    terminal.expect("sle1ps\r\n")


def _password(terminal: Terminal) -> None:
    terminal.send_line("read -rsp 'Pass''word: ' secret")
    terminal.expect("Password: ")
    terminal.send("swordf")


def _finish_password(terminal: Terminal) -> None:
    terminal.send("ish\r")
    terminal.expect(PROMPT)
    terminal.send_line('printf "%s" "$secret" | od -An -c | tr -d " "')
    terminal.expect("swordfish\r\n")


def _less(terminal: Terminal) -> None:
    terminal.send_line("seq 100 | less")
    terminal.wait_for_screen(lambda screen: screen.cursor_line == ":", "less")


def _half_a_line(terminal: Terminal) -> None:
    terminal.send("echo half a li")
    terminal.expect("half a li")


LIVING = (
    State("prompt", lambda terminal: None, row="empty-paste"),
    State("vim", _vim, _leave_vim, row="focus", needs="vim"),
    State(
        "sleep",
        _sleep,
        lambda terminal: terminal.send("\x03"),
        row="xon",
        options=("--xon=true",),
    ),
    State("password", _password, _finish_password, row="xon", options=("--xon=true",)),
)
HELD = (
    State("less", _less, hold=NOTHING, needs="less"),
    State("half a line", _half_a_line, hold="a line is half typed"),
    State(
        "sleep without xon",
        _sleep,
        hold="only ^Q would do, and `xon` is off",
        cure="  keepshell config set 127.0.0.1 xon=true\r\n",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("state", LIVING, ids=str)
def test_channel_timeout_is_beaten(open_logins: Open, state: State) -> None:
    require(state.needs)
    logins = open_logins(CHANNEL_TIMEOUT)
    kept = logins.kept(CHANNEL_RULE, *state.options)
    state.enter(kept.terminal)
    before = settled(kept.terminal)
    bare = logins.bare()
    state.enter(bare)
    cut(bare)
    kept.wait_for_turns(state.row)
    assert look(kept.terminal) == before
    state.leave(kept.terminal)
    answers(kept.terminal)


def test_the_rungs_below_do_not_beat_channel_timeout(
    open_logins: Open,
) -> None:
    logins = open_logins(CHANNEL_TIMEOUT)
    rungs = ("--rung=window-change", "--window-change-interval=1s", "--idle-limit=1d")
    kept = logins.kept(CHANNEL_RULE, *rungs)
    assert b"ChannelTimeout" in cut(kept.terminal)
    assert kept.trace.named("nudge-sent")
    assert not kept.typed()


@pytest.mark.parametrize("state", HELD, ids=str)
def test_what_cannot_be_beaten_is_held_and_explained(open_logins: Open, state: State) -> None:
    require(state.needs)
    # The limit is told too short, so that nine tenths of it have passed when the channel is closed.
    kept = open_logins(f"ChannelTimeout session:*={LIMIT + 2}s").kept(CHANNEL_RULE, *state.options)
    state.enter(kept.terminal)
    output = cut(kept.terminal)
    kept.wait_for_hold(state.hold)
    assert not kept.typed()
    near = kept.trace.named("near-limit")[-1]
    assert near["detail"] == f"channel-timeout: {state.hold}"
    told = output.rpartition(b"keepshell: ")[2]
    said = rb"session dropped: [^\r\n]*ChannelTimeout[^\r\n]*\r\n"
    assert re.fullmatch(said + re.escape(state.cure.encode()), told), output


TMUX_CONFIG = """\
set -g status off
set -g escape-time 0
set -g default-command "exec bash --norc --noprofile"
set -g lock-command "echo LOCK''ED; exec sleep 1000"
"""


def _tmux(terminal: Terminal) -> None:
    """Attach, and answer tmux's questions as a terminal does: it turns ?7727 on then."""
    terminal.send_line("exec tmux -f tmux.conf new-session")
    terminal.expect(b"\x1b[>c")
    terminal.send(b"\x1b[>41;367;0c")
    terminal.expect(b"\x1b[>q")
    terminal.send(b"\x1bP>|XTerm(367)\x1b\\")
    terminal.wait_for_screen(
        lambda screen: {1049, 7727} <= screen.modes and screen.text == PROMPT.rstrip(), "tmux"
    )


ESCAPES = (("~?", "recognized"), ("~#", "#0 client-session"), ("~\x1a", "[suspend ssh]"))


@pytest.mark.parametrize(("escape", "shown"), ESCAPES, ids=["~?", "~#", "~^Z"])
def test_after_an_escape_that_ssh_took(open_logins: Open, escape: str, shown: str) -> None:
    """Nothing of it is on the host's line, but ssh's words hide the prompt until Enter."""
    kept = open_logins().kept(CHANNEL_RULE, job=True)
    kept.terminal.send_line("true")
    kept.terminal.expect(PROMPT)
    kept.terminal.send(escape)
    kept.terminal.expect(shown)
    if shown == "[suspend ssh]":
        kept.terminal.wait_stopped()
        kept.terminal.foreground()
    kept.wait_for_hold(Reason.NOT_PROVEN.text)
    before = len(kept.typed())
    kept.terminal.send_line("")
    kept.wait_for_turns("empty-paste", before + 2)
    answers(kept.terminal)


def _logins_with_tmux(open_logins: Open, sockets: Path, *config: str, lock: bool) -> Logins:
    require("tmux")
    logins = open_logins(*config, env={"TMUX_TMPDIR": str(sockets)})
    locked = f"set -g lock-after-time {LIMIT}\n" if lock else ""
    (logins.home / "tmux.conf").write_text(TMUX_CONFIG + locked)
    return logins


@pytest.mark.slow
def test_channel_timeout_is_beaten_in_tmux(open_logins: Open, tmux_sockets: Path) -> None:
    logins = _logins_with_tmux(open_logins, tmux_sockets, CHANNEL_TIMEOUT, lock=False)
    kept = logins.kept(CHANNEL_RULE)
    _tmux(kept.terminal)
    before = settled(kept.terminal)
    bare = logins.bare()
    _tmux(bare)
    cut(bare)
    kept.wait_for_turns("tmux")
    assert look(kept.terminal) == before
    answers(kept.terminal)


@pytest.mark.slow
def test_the_lock_of_tmux_is_beaten(open_logins: Open, tmux_sockets: Path) -> None:
    logins = _logins_with_tmux(open_logins, tmux_sockets, lock=True)
    kept = logins.kept(f"--rules=tmux-lock={LIMIT}s")
    _tmux(kept.terminal)
    before = settled(kept.terminal)
    bare = logins.bare()
    _tmux(bare)
    bare.expect("LOCKED")
    kept.wait_for_turns("tmux")
    assert look(kept.terminal) == before
    answers(kept.terminal)


def _tty_of(terminal: Terminal) -> Path:
    """The terminal of the shell on the host."""
    terminal.send_line('echo "at $SSH_TTY."')
    path = Path(terminal.expect(re.compile(rb"at (/[^.]+)\.\r\n"))[1].decode())
    terminal.expect(PROMPT)
    return path


def _set_back(tty: Path) -> None:
    os.utime(tty, (LONG_AGO, tty.stat().st_mtime))


LOGIND_RULE = "--rules=logind=20s"
"""Ten seconds of it are lost to the lag of the atime."""


@pytest.mark.parametrize("state", [LIVING[0], LIVING[1]], ids=str)
def test_the_atime_of_the_remote_terminal_is_reset(open_logins: Open, state: State) -> None:
    """What logind's StopIdleSessionSec and reapers of idle terminals look at."""
    require(state.needs)
    logins = open_logins()
    kept, bare = logins.kept(LOGIND_RULE), logins.bare()
    ttys = [_tty_of(terminal) for terminal in (kept.terminal, bare)]
    for terminal, tty in zip((kept.terminal, bare), ttys, strict=True):
        state.enter(terminal)
        _set_back(tty)
    before = settled(kept.terminal)
    for _ in range(2):
        eventually(lambda: ttys[0].stat().st_atime > LONG_AGO, kept.terminal.describe)
        _set_back(ttys[0])
    assert ttys[1].stat().st_atime == LONG_AGO
    assert set(kept.typed()) == {state.row}
    assert look(kept.terminal) == before
    state.leave(kept.terminal)
    answers(kept.terminal)


@pytest.mark.parametrize(
    "state",
    [
        State("half a line", _half_a_line, hold="a line is half typed"),
        State("sleep", _sleep, hold=NOTHING, options=("--xon=true",)),
        State("less", _less, hold=NOTHING, needs="less"),
    ],
    ids=str,
)
def test_where_no_input_resets_the_atime_none_is_sent(open_logins: Open, state: State) -> None:
    require(state.needs)
    kept = open_logins().kept(LOGIND_RULE, *state.options)
    tty = _tty_of(kept.terminal)
    state.enter(kept.terminal)
    _set_back(tty)
    kept.wait_for_hold(state.hold)
    near = kept.trace.wait_for("near-limit")[-1]
    assert near["detail"] == f"logind: {state.hold}"
    assert not kept.typed()
    assert tty.stat().st_atime == LONG_AGO


@dataclass(frozen=True)
class ShellTimer:
    """A shell that ends an idle session by itself."""

    argv: tuple[str, ...]
    rule: str
    row: str
    says: bytes
    """What it says when its time has come; then it ends the session."""
    prompt: str = PROMPT
    env: dict[str, str] = field(default_factory=lambda: {"TMOUT": str(LIMIT)})
    files: dict[str, str] = field(default_factory=dict)
    limit: int = LIMIT
    turns: int = TURNS
    """How often it takes to type until five limits are over."""
    grace: int = 0
    """Seconds from what it says to its end."""

    def __str__(self) -> str:
        return self.argv[0]


SHELL_TIMERS = (
    # First, since it takes the longest.
    ShellTimer(
        ("tcsh",),
        "autologout",
        "empty-line",
        b"auto-logout",
        prompt="READY# ",
        env={},
        # It counts in minutes.
        files={".tcshrc": 'set prompt = "READY# "\nset autologout = 1\n'},
        limit=60,
    ),
    ShellTimer(
        ("zsh", "-f"),
        "zsh-tmout",
        "empty-paste",
        b"zsh: timeout",
        env={"TMOUT": "14"},
        # It goes by the terminal's atime, which lags by up to eight seconds (docs/idle-rules.md):
        # that is allowed for with ten, and every four seconds something is typed.
        limit=14,
        turns=18,
    ),
    ShellTimer(
        ("bash", "--norc", "--noprofile", "-i"), "tmout", "empty-line", b"timed out waiting for"
    ),
    ShellTimer(
        ("mksh",),
        "tmout",
        "empty-line",
        b"timed out waiting for",
        # For root, mksh takes no PS1 without #.
        prompt="READY# ",
        env={"TMOUT": str(LIMIT), "PS1": "READY# "},
    ),
    ShellTimer(("ksh93",), "tmout", "empty-line", b"shell will timeout in 60 seconds", grace=60),
)


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELL_TIMERS, ids=str)
def test_the_timer_of_a_shell_is_beaten(open_logins: Open, shell: ShellTimer) -> None:
    require(shell.argv[0])
    logins = open_logins(shell=shell.argv, env=shell.env, prompt=shell.prompt)
    for name, text in shell.files.items():
        (logins.home / name).write_text(text)
    options = ("--empty-line=true",) if shell.row == "empty-line" else ()
    kept = logins.kept(f"--rules={shell.rule}={shell.limit}s", *options)
    typed = 0
    if shell.row == "empty-line" and shell.argv[0] != "bash":
        # A prompt that no mode tells of is believed once Enter has brought it back.
        settled(kept.terminal)
        kept.terminal.send("\r")
        typed = 1
    before = settled(kept.terminal)
    bare = logins.bare()
    bare.expect(shell.says, deadline=30 + shell.limit)
    bare.read_to_end(deadline=30 + shell.grace)
    kept.wait_for_turns(shell.row, shell.turns, limit=shell.limit)
    if shell.row == "empty-line":
        kept.wait_for_redraws(shell.prompt, above=typed)
    if not kept.trace.named("redraw-visible"):
        assert look(kept.terminal) == before
    assert shell.says not in kept.terminal.output
    answers(kept.terminal)
