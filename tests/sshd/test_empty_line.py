"""Enter is typed at the login shell's prompt alone, and what it makes the shell print is hidden.

And what a host gets that shows whatever might make us type: no-ops, at their interval, never Enter.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.sshd.kept import PRINTING, Kept, Logins, Open, answers
from tests.support.programs import require
from tests.support.remoteshell import PROMPT
from tests.support.slowlink import SlowLink
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

LIMIT = 4
OPTIONS = (f"--rules=tmout={LIMIT}s", "--empty-line=true")

TITLED = r"\[\e]0;\u: \w\a\e[32m\]READY$ \[\e[m\]"

HALF_TYPED = "a line is half typed"
MISMATCH = "something other than the prompt answered an earlier Enter"
ELSEWHERE = "the line under the cursor is not the login prompt"
FULL_SCREEN = "the shell's timer does not run during a full-screen program"

PROGRAM = "\x1b[?2004l"
"""What bash prints last before it runs a program."""


@dataclass(frozen=True)
class NotAPrompt:
    """Where Enter would do something, and the proof that it was not typed."""

    name: str
    types: tuple[str, ...]
    """What the user types, each piece of it echoed."""
    shows: str
    """What the program shows then."""
    hold: tuple[str, ...]
    finishes: str
    then: str
    """Shown after `finishes` if, and only if, no Enter came before."""
    needs: str = "bash"
    first_shows: str = ""
    """What the first piece must have shown before the next is typed."""

    def __str__(self) -> str:
        return self.name


def _reads(name: str, command: str, shows: str) -> NotAPrompt:
    return NotAPrompt(
        name, (f'{command} x; echo "<$x>"\r',), shows, (ELSEWHERE,), "said\r", "<said>"
    )


PLACES = (
    NotAPrompt(
        "a half-typed line", ("echo half",), "", (HALF_TYPED,), "-a-line\r", "\rhalf-a-line"
    ),
    NotAPrompt("PS2", ("echo 'a\r",), "> ", (ELSEWHERE,), "b' | od -An -c\r", "a  \\n   b"),
    NotAPrompt("a heredoc", ("wc -l <<E''ND\r",), "> ", (ELSEWHERE,), "END\r", "\r0\r\n"),
    _reads("read", "read -r", PROGRAM),
    _reads("read -s", "read -rsp 'Pass''word: '", "Password: "),
    _reads("[Y/n]", "read -rp 'Go ''on? [Y/n] '", "Go on? [Y/n] "),
    _reads("sudo", "read -rsp '[sudo] pass''word for me: '", "[sudo] password for me: "),
    NotAPrompt("cat", ("cat | od -An -c\r",), PROGRAM, (ELSEWHERE,), "x\r\x04", "   x  \\n\r\n"),
    NotAPrompt(
        "a block of Python",
        (f"{shlex.quote(sys.executable)} -I -q\r", "if True:\r"),
        "... ",
        (ELSEWHERE,),  # a newer Python turns bracketed paste on
        "    print(6 * 7)\r\r",
        "42\r\n",
        first_shows=">>> ",  # Python drops what was typed before it reads
    ),
    NotAPrompt("gdb", ("gdb -nx -q\r",), "(gdb) ", (ELSEWHERE,), "print 6*7\r", "$1 = 42", "gdb"),
    NotAPrompt("less", ("seq 100 | less\r",), ":", (FULL_SCREEN,), "q", PROMPT, "less"),
    NotAPrompt("more", ("seq 100 | more\r",), "--More--", (ELSEWHERE,), " ", "46\r\n", "more"),
)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_elsewhere_no_enter_is_typed(open_logins: Open, place: NotAPrompt) -> None:
    require(place.needs)
    kept = open_logins().kept(*OPTIONS)
    terminal = kept.terminal
    for piece in place.types:
        terminal.send(piece)
        terminal.expect(piece.rstrip("\r"))
        if piece is place.types[0]:
            terminal.expect(place.first_shows)
    terminal.expect(place.shows)
    typed = kept.typed()  # at the first prompt, if it came late
    kept.wait_for_hold(*place.hold)
    kept.trace.wait_for("near-limit")
    assert kept.holds()[-1] in place.hold
    assert kept.typed() == typed
    terminal.send(place.finishes)
    terminal.expect(place.then)


def test_without_the_users_word_no_enter_is_typed(open_logins: Open) -> None:
    kept = open_logins(env={"TMOUT": f"{LIMIT}"}).kept(OPTIONS[0])
    kept.terminal.expect("timed out waiting for input")
    assert not kept.typed()


@pytest.mark.parametrize("prompt", [PROMPT, TITLED], ids=["plain", "with a title"])
def test_the_enters_and_what_became_of_them_are_in_the_trace(
    open_logins: Open, prompt: str
) -> None:
    """And the host has got as many lines as were typed."""
    counting = {"PROMPT_COMMAND": "echo x >> lines", "PS1": prompt}
    logins = open_logins(env=counting, prompt="READY")
    kept = logins.kept(*OPTIONS)
    kept.wait_for_turns("empty-line", 3, limit=LIMIT)
    kept.wait_for_redraws(PROMPT)
    lines = logins.home / "lines"
    eventually(  # for another Enter may come between the two looks
        lambda: lines.read_text().count("x") == 1 + len(kept.typed()),
        lambda: f"{lines.read_text()}\n{kept.trace.events}",
    )
    assert set(kept.holds()) <= {PRINTING}
    answers(kept.terminal)


# As the plug-in magic-enter of Oh My Zsh and its like: Enter on an empty line runs a command.
MAGIC_ENTER = r"""
PS1='READY$ '
cd work
magic-enter() {
    if [[ -z $BUFFER && $CONTEXT == start ]]; then
        print x >> ~/enters
        %s
    fi
    zle .accept-line
}
zle -N accept-line magic-enter
"""


@dataclass(frozen=True)
class Plugin:
    """What Enter does on an empty line, and what that shows."""

    name: str
    does: str
    shows: str

    def __str__(self) -> str:
        return self.name


PLUGINS = (
    Plugin("ls", "BUFFER=' ls -1'", "READY$  ls -1\nnotes\nREADY$"),
    Plugin("git status", "BUFFER='git status -s'", "READY$ git status -s\n?? notes\nREADY$"),
    # Nothing but the newline comes while the answer is withheld.
    Plugin("slow", "print; sleep 1; ls -1", "READY$\nnotes\n\nREADY$"),
)


@pytest.mark.parametrize("plugin", PLUGINS, ids=str)
def test_an_enter_that_a_plug_in_eats_is_the_only_one_and_is_seen(
    open_logins: Open, plugin: Plugin
) -> None:
    """No byte of a prompt tells of it: one Enter gets another answer, and none follows."""
    require("zsh", "git")
    logins = open_logins(shell=("zsh", "-d"))
    (logins.home / ".zshrc").write_text(MAGIC_ENTER % plugin.does)
    work = logins.home / "work"
    subprocess.run(["git", "init", "--quiet", work], check=True)
    (work / "notes").touch()
    kept = logins.kept(*OPTIONS)
    kept.terminal.wait_for_screen(
        lambda screen: plugin.shows in "\n".join(screen.lines), plugin.shows
    )
    kept.wait_for_hold(MISMATCH)
    kept.trace.wait_for("near-limit")
    answers(kept.terminal)
    kept.trace.wait_for("near-limit", 2)
    assert kept.redraws() == ["visible"]
    assert kept.typed() == ["empty-line"]
    assert (logins.home / "enters").read_text() == "x\n"


@pytest.fixture
def open_far(
    closing: ExitStack,
    start_sshd: Callable[..., Sshd],
    start_terminal: Callable[..., Terminal],
    keepshell_exe: Path,
    tmp_path: Path,
) -> Callable[[float], Kept]:
    """Opens a kept session to a host at the end of a link with this round trip, in seconds."""

    def start(round_trip: float) -> Kept:
        access = start_sshd().access
        link = SlowLink(access.port, round_trip)
        closing.callback(link.stop)
        logins = Logins(
            access.through(link.port),
            keepshell_exe=keepshell_exe,
            start_terminal=start_terminal,
            directory=tmp_path,
        )
        return logins.kept(*OPTIONS)

    return start


@pytest.mark.parametrize("round_trip", [0.05, 0.2, 0.4])
def test_a_slow_link_is_learned(open_far: Callable[[float], Kept], round_trip: float) -> None:
    """A redraw that comes too late costs a line with the prompt, and the next one is waited for."""
    kept = open_far(round_trip)
    kept.trace.wait_for("redraw-hidden", 2)
    kept.wait_for_redraws(PROMPT)
    answers(kept.terminal)


@pytest.mark.parametrize("round_trip", [0.05, 0.2, 0.4])
def test_a_key_typed_while_the_redraw_is_withheld_is_not_lost(
    open_far: Callable[[float], Kept], round_trip: float
) -> None:
    kept = open_far(round_trip)
    kept.terminal.send("true\r")  # what is typed in the middle of a redraw proves no prompt
    kept.terminal.expect("true\r\n")
    kept.terminal.expect(PROMPT)
    for turn in (1, 2):
        kept.trace.wait_for("noop-sent", turn)
        kept.terminal.send(f"echo $((40+{turn}))\r")
        kept.terminal.expect(f"{40 + turn}\r\n")
        kept.terminal.expect(PROMPT)
    # A line that meets the shell between the Enter and its prompt is shown by the kernel too.
    others = ("", PROMPT.rstrip(), f"{PROMPT}true", "echo $((40+1))", "echo $((40+2))")
    dialogue = [f"{PROMPT}echo $((40+1))", "41", f"{PROMPT}echo $((40+2))", "42"]
    assert [line for line in kept.terminal.screen.lines if line not in others] == dialogue
    eventually(lambda: len(kept.redraws()) == len(kept.typed()), lambda: str(kept.trace.events))


HOSTILE = r"""
import itertools, os, select, sys, time, tty
tty.setraw(0)
log = open("received", "ab", 0)
print("READY$ ", end="", flush=True)
baits = (
    "\x1b[?2004h", "\x1b[?1004h\x1b[?1049h", "\x1b[?7727h", "\x1b[?1004l", "\x1b[?1049l\x1b[?7727l",
    "\x1b]133;A\a", "\x1b]133;B\a", "\x1b[?2004l", "\x1b[?1004h", "\x1bc",
)
for bait in itertools.cycle(baits):
    for _ in range(int(sys.argv[1])):
        os.write(1, b"\r\nREADY$ " + bait.encode())
    until = time.monotonic() + float(sys.argv[2])
    while (left := until - time.monotonic()) > 0:
        if select.select([0], [], [], left)[0]:
            log.write(os.read(0, 1024).hex().encode() + b"\n")
"""


# Of a limit for logind, ten seconds are lost to the lag of the atime; output resets ChannelTimeout.
@pytest.mark.parametrize(
    ("rule", "floods"),
    [
        (f"logind={LIMIT + 10}s", True),
        (f"logind={LIMIT + 10}s", False),
        (f"channel-timeout={LIMIT}s", False),
    ],
)
def test_a_hostile_host_gets_no_ops_at_their_interval_and_never_enter(
    open_logins: Open, tmp_path: Path, rule: str, floods: bool
) -> None:
    """Modes and prompts in any order, in a flood or with the silence that a no-op waits for."""
    script = tmp_path / "hostile.py"
    script.write_text(HOSTILE)
    how = ("50", "0.001") if floods else ("1", "2.5")
    logins = open_logins(shell=(sys.executable, str(script), *how))
    kept = logins.kept(f"--rules={rule},tmout={LIMIT}s", "--xon=true")
    if floods:
        kept.trace.wait_for("hold", 5)
        assert set(kept.holds()) <= {PRINTING, "the host has printed half an escape sequence"}
    else:
        # Each row ends at the first output that follows what it sent.
        kept.trace.wait_for("noop-sent", 1)
    received = (logins.home / "received").read_text().split()
    assert len(received) <= len(kept.typed())
    assert {bytes.fromhex(piece) for piece in received} <= {
        b"\x1b[I",
        b"\x1b[200~\x1b[201~",
        b"\x11",
    }
    sent = [event["at"] for event in kept.trace.named("noop-sent")]
    assert all(later - earlier >= LIMIT / 2 - 1e-5 for earlier, later in pairwise(sent))
