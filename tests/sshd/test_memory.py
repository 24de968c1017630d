"""A drop teaches, the next session acts on it, and no fault of the memory hurts a session."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from keepshell.core.reasons import Reason
from keepshell.core.rules.kinds import CONFIG, DROP, KINDS, PROBE, Rule
from keepshell.core.rules.rung import Rung
from keepshell.store.database import PastSession, State
from tests.sshd.sides import ssh_of
from tests.store.test_database import without_privileges
from tests.support.access import ALIAS, Access
from tests.support.dropbear import Dropbear
from tests.support.middlebox import Action, Counts, Middlebox
from tests.support.programs import path_of, require
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.trace import Trace
from tests.support.waiting import DEADLINE, eventually

LIMIT = 4
NOTHING_HARMLESS = Reason.NOTHING_HARMLESS.text
Start = Callable[..., Terminal]


@pytest.fixture
def path() -> Path:
    return Path(os.environ["XDG_STATE_HOME"], "keepshell", "state.db")


@pytest.fixture
def keep(start_terminal: Start, keepshell_exe: Path) -> Start:
    """Opens `keepshell OPTIONS ssh`, and waits for the prompt."""

    def start(
        access: Access, *options: str, ssh: tuple[str, ...] = (), prefix: tuple[str, ...] = ()
    ) -> Terminal:
        argv = [*prefix, str(keepshell_exe), *options, "ssh", *ssh, *access.ssh_args()]
        terminal = start_terminal(argv, cols=300)
        terminal.expect(PROMPT)
        return terminal

    return start


def name_of(access: Access) -> str:
    return f"{access.user}@127.0.0.1:{access.port}"


def said_by_keepshell(terminal: Terminal) -> list[str]:
    text = terminal.read_to_end().decode()
    # Behind what turns off the modes of a program that was cut off.
    return re.findall(r"(?:^|\x1b[^\r\n]*)keepshell: (.*?)\r*$", text, re.MULTILINE)


def wait_begun(terminal: Terminal) -> None:
    """Return when keepshell has seen the session begin: one that is cut sooner was none."""
    live = Path(os.environ["XDG_RUNTIME_DIR"], "keepshell")
    eventually(lambda: list(live.glob(f"{terminal.pid}.*json")), "a live session")


def leave(terminal: Terminal, status: int = 0) -> list[str]:
    """Leave the shell; what keepshell has said in all."""
    terminal.send_line(f"exit {status}")
    assert terminal.wait() == status
    return said_by_keepshell(terminal)


def answers(terminal: Terminal) -> None:
    terminal.send_line("echo answer-$((6*7))")
    terminal.expect("answer-42\r\n")
    terminal.expect(PROMPT)


T = TypeVar("T")


def one(several: list[T]) -> T:
    (only,) = several
    return only


@pytest.mark.parametrize("deaths", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_channel_timeout_is_learned_and_then_beaten(
    start_sshd: Callable[..., Sshd], keep: Start, state: State, deaths: int
) -> None:
    access = start_sshd(f"ChannelTimeout session:*={LIMIT}s").access
    for confirmed in (False, True):
        terminal = keep(access)
        assert terminal.wait() == 255
        (said,) = said_by_keepshell(terminal)
        assert "ChannelTimeout" in said
        if_again = "" if confirmed else "if it happens again after the same time, "
        assert re.search(rf"Next time: {if_again}harmless input is sent after [\d.]+s", said)
        (rule,) = state.rules(name_of(access))
        assert (rule.kind, rule.source) == (KINDS["channel-timeout"], DROP)
        assert (rule.confirmed, rule.believed) == (confirmed, confirmed)
        assert LIMIT - 1 <= rule.limit <= LIMIT + 1
        past = state.sessions()[-1]
        assert (past.ending, past.status, past.keepalives) == ("channel-timeout", 255, 0)

    second = keep(access)
    for _ in range(deaths):
        assert bare_session(access).returncode == 255
    answers(second)
    (told,) = leave(second)
    assert told.startswith(f"{name_of(access)}: sshd's ChannelTimeout ended a session after ")
    assert told.endswith(f"To undo: keepshell forget {name_of(access)}")
    past = state.sessions()[-1]
    assert (past.ending, past.status) == ("own-exit", 0)
    assert past.no_ops >= deaths
    assert past.injected > 0
    assert past.stretches[0].keepalives == past.no_ops

    third = keep(access)
    assert leave(third) == []  # it was told once
    assert state.rules(name_of(access))[0].told == "beaten no-op"


def bare_session(access: Access) -> subprocess.CompletedProcess[bytes]:
    """A session that sends nothing until its host ends it: a limit has passed."""
    # The pipe stays open as long as this waits: an end of input would be sent, and end the shell.
    with subprocess.Popen(
        [path_of("ssh"), "-tt", *access.ssh_args()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as bare:
        assert bare.stdout is not None
        output = bare.stdout.read()
        return subprocess.CompletedProcess(bare.args, bare.wait(DEADLINE), output)


def test_what_may_not_be_typed_is_named(
    start_sshd: Callable[..., Sshd], keep: Start, state: State
) -> None:
    access = start_sshd(f"ChannelTimeout session:*={LIMIT}s").access
    for confirmed in (False, True):
        terminal = keep(access, "--no-op", "never")
        assert terminal.wait() == 255
        *told, said = said_by_keepshell(terminal)
        assert said.endswith(
            "only harmless input beats it, and you have not allowed that. Allow it:"
        )
        assert b"\n  keepshell config set 127.0.0.1 no_op=auto\r" in terminal.output
        assert told == []  # so far it was only suspected
        assert state.rules(name_of(access))[0].confirmed == confirmed


LESS = "less --clear-screen /etc/passwd"


@pytest.mark.parametrize(
    ("options", "typed", "shown", "reason", "helps"),
    [
        ((), "ech", "ech", "a line is half typed", " Clearing it would have helped."),
        ((), f"{LESS}\r", "\x1b[?1049h", NOTHING_HARMLESS, ""),
        ((), "cat\r", "\x1b[?2004l", "only ^Q would do, and `xon` is off", " Allow it:"),
        (("--xon=true",), f"{LESS}\r", "\x1b[?1049h", NOTHING_HARMLESS, ""),
    ],
    ids=["half-line", "less", "cat", "less-xon"],
)
def test_a_no_op_that_was_held_is_not_promised(
    start_sshd: Callable[..., Sshd],
    keep: Start,
    state: State,
    options: tuple[str, ...],
    typed: str,
    shown: str,
    reason: str,
    helps: str,
) -> None:
    # The limit is known too short, so that a loaded machine has seen the hold before the end.
    access = start_sshd(f"ChannelTimeout session:*={LIMIT + 2}s").access
    state.put_rules(name_of(access), PROBE, [Rule(KINDS["channel-timeout"], LIMIT, PROBE)])
    terminal = keep(access, *options)
    terminal.send(typed)
    terminal.expect(shown)
    assert terminal.wait() == 255
    (said,) = said_by_keepshell(terminal)
    assert "ChannelTimeout" in said
    waited = f" This timer was known: harmless input was due, but had to wait: {reason}.{helps}"
    assert said.endswith(waited)
    assert "Next time" not in said
    assert {rule.outlasted for rule in state.rules(name_of(access))} == {Rung.OFF}


def test_an_empty_line_that_was_held_is_not_promised(
    start_sshd: Callable[..., Sshd], keep: Start, state: State
) -> None:
    """A half line teaches no limit; what it held back is told all the same."""
    access = start_sshd(env={"TMOUT": str(LIMIT + 2)}).access
    state.put_rules(name_of(access), PROBE, [Rule(KINDS["tmout"], LIMIT, PROBE)])
    terminal = keep(access, "--empty-line", "true")
    terminal.send("ech")
    assert terminal.wait() == 0
    (said,) = said_by_keepshell(terminal)
    held = "Enter was due, but had to wait: a line is half typed."
    assert said.endswith(f"{held} Clearing it would have helped.")


def test_a_shells_timer_is_named_with_what_would_beat_it(
    start_sshd: Callable[..., Sshd], keep: Start, state: State
) -> None:
    access = start_sshd(env={"TMOUT": str(LIMIT)}).access
    first = keep(access)
    assert first.wait() == 0
    (said,) = said_by_keepshell(first)
    assert "TMOUT" in said
    assert said.endswith("only Enter beats it, and you have not allowed that. Allow it:")
    (rule,) = state.rules(name_of(access))
    assert rule == Rule(KINDS["tmout"], LIMIT, DROP, seen_at=rule.seen_at, plain=True, drops=1)
    assert keep(access).wait() == 0  # below a minute, once is not enough

    second = keep(access, "--empty-line", "true")
    for _ in range(3):
        assert b"timed out waiting for input" in bare_session(access).stdout
    answers(second)
    (told,) = leave(second)
    assert "Enter is sent after 2s of silence" in told
    assert state.sessions()[-1].empty_lines >= 2


@pytest.mark.parametrize("way", ["-q", "LogLevel", "redirected"])
def test_timing_speaks_where_ssh_says_nothing(
    start_sshd: Callable[..., Sshd],
    start_terminal: Start,
    keepshell_exe: Path,
    state: State,
    way: str,
) -> None:
    """Twice after the same silence is a rule, of whatever kind; the third session lives."""
    access = start_sshd(f"ChannelTimeout session:*={LIMIT}s").access
    options = {"-q": ["-q"], "LogLevel": ["-o", "LogLevel=ERROR"], "redirected": []}[way]
    argv = [str(keepshell_exe), "ssh", *options, *access.ssh_args()]
    if way == "redirected":
        messages = str(access.directory / "messages")
        argv = ["sh", "-c", 'exec "$@" 2>"$0"', messages, *argv]
    for drops in (1, 2):
        terminal = start_terminal(argv)
        assert terminal.wait() == 255
        (rule,) = state.rules(name_of(access))
        assert (rule.kind.name, rule.drops, rule.believed) == ("session-idle", drops, drops == 2)
        assert state.sessions()[-1].ending == "session-idle"
        assert LIMIT - 1 <= rule.limit <= LIMIT + 1
    kept = start_terminal(argv)
    kept.expect(PROMPT)
    for _ in range(2):
        assert bare_session(access).returncode == 255
    answers(kept)
    leave(kept)
    assert state.sessions()[-1].no_ops >= 2


def test_one_accident_teaches_nothing_that_is_acted_on(
    sshd: Sshd, start_terminal: Start, keepshell_exe: Path, keep: Start, state: State, trace: Trace
) -> None:
    """A remote `exit 255`, and a shell that is killed: both look like ChannelTimeout."""
    argv = [str(keepshell_exe), "ssh", "-t", *sshd.access.ssh_args(), "sleep 3; exit 255"]
    terminal = start_terminal(argv)
    assert terminal.wait() == 255
    (said,) = said_by_keepshell(terminal)
    assert "if it happens again after the same time" in said
    (rule,) = state.rules(name_of(sshd.access))
    assert not rule.believed
    kept = keep(sshd.access)
    answers(kept)
    assert leave(kept) == []
    assert trace.named("noop-sent") == []


def test_what_a_probe_has_read_names_the_drop_and_stays_the_only_rule(
    start_dropbear: Callable[..., Dropbear], keep: Start, state: State
) -> None:
    access = start_dropbear("-I", str(LIMIT)).access
    assert keep(access).wait() == 255
    (rule,) = state.rules(name_of(access))
    assert rule.kind.owner == "a timer on the connection"
    state.put_rules(name_of(access), PROBE, [Rule(KINDS["dropbear-idle"], LIMIT, PROBE)])
    (rule,) = state.rules(name_of(access))
    assert (rule.kind.name, rule.source) == ("dropbear-idle", PROBE)
    terminal = keep(access, "--rung", "server-alive")
    assert terminal.wait() == 255
    (said,) = said_by_keepshell(terminal)
    assert said.startswith("session dropped: dropbear -I ended it after ")
    assert state.sessions()[-1].ending == "dropbear-idle"
    assert len(state.rules(name_of(access))) == 1


def test_dropbear_is_never_dropped(
    start_dropbear: Callable[..., Dropbear], keep: Start, state: State
) -> None:
    access = start_dropbear("-I", str(LIMIT)).access
    kept = keep(access, "--window-change-interval", "1s", ssh=("-o", "ServerAliveInterval=0"))
    for _ in range(3):
        assert bare_session(access).returncode == 255
    answers(kept)
    assert leave(kept) == []
    assert state.rules(name_of(access)) == []
    assert one(state.sessions()).window_changes >= 4


def test_two_equal_drops_of_a_short_limit_are_believed(
    start_dropbear: Callable[..., Dropbear], keep: Start, state: State
) -> None:
    """One would as well have been a restart; the third session lives."""
    access = start_dropbear("-I", str(LIMIT)).access
    for advice in ("if it happens again after the same time, a window-change", "a window-change"):
        terminal = keep(access)
        assert terminal.wait() == 255
        said = said_by_keepshell(terminal)
        assert len(said) == 1
        assert f"Next time: {advice} is sent after 2s" in said[0]
    (rule,) = state.rules(name_of(access))
    assert (rule.kind, rule.confirmed) == (KINDS["connection-idle"], True)
    assert LIMIT <= rule.limit <= LIMIT + 1
    kept = keep(access)
    for _ in range(3):
        assert bare_session(access).returncode == 255
    answers(kept)
    (told,) = leave(kept)
    assert "a window-change is sent after 2s of silence" in told


def test_a_rule_that_was_probed_is_acted_on_in_silence(
    sshd: Sshd,
    keep: Start,
    state: State,
    trace: Trace,
) -> None:
    state.put_rules(name_of(sshd.access), PROBE, [Rule(KINDS["client-alive"], 4, PROBE)])
    terminal = keep(sshd.access)
    trace.wait_for("nudge-sent", 2)
    assert leave(terminal) == []


def test_a_stated_rule_is_acted_on_and_not_stored(
    sshd: Sshd,
    keep: Start,
    state: State,
    trace: Trace,
) -> None:
    terminal = keep(sshd.access, "--rules", "connection-idle=4s,channel-timeout=6s")
    trace.wait_for("nudge-sent")
    trace.wait_for("noop-sent")
    assert leave(terminal) == []
    assert [rule for rule in state.rules(name_of(sshd.access)) if rule.source == CONFIG] == []


def test_the_host_is_named_as_ssh_resolves_it(
    sshd: Sshd, start_terminal: Start, keepshell_exe: Path, state: State
) -> None:
    """HostName, Port and User come from ssh_config, which keepshell had no other reason to ask."""
    config = sshd.access.ssh_config()
    terminal = start_terminal([str(keepshell_exe), "ssh", "-F", str(config), ALIAS])
    terminal.expect(PROMPT)
    leave(terminal)
    assert state.hosts() == [name_of(sshd.access)]


def test_a_session_is_switched_by_the_name_of_its_host(
    sshd: Sshd, start_terminal: Start, keepshell_exe: Path
) -> None:
    config = sshd.access.ssh_config()
    terminal = start_terminal([str(keepshell_exe), "ssh", "-F", str(config), ALIAS])
    terminal.expect(PROMPT)
    name = name_of(sshd.access)

    def said(*words: str) -> str:
        return subprocess.check_output([keepshell_exe, *words], text=True, timeout=DEADLINE)

    eventually(lambda: name in said("status", "--json"), "the session")
    shown = f"{ALIAS} (pid {terminal.pid})"
    for word in (ALIAS, name, str(terminal.pid)):
        assert said("off", word).startswith(f"{shown}: keepalives off")
        eventually(lambda: '"off": true' in said("status", "--json"), "off")
        assert said("on", word) == f"{shown}: keepalives on\n"
        eventually(lambda: '"off": false' in said("status", "--json"), "on")
    answers(terminal)
    leave(terminal)
    assert said("status").startswith("no session runs")


def test_how_each_session_ended(sshd: Sshd, keep: Start, state: State) -> None:
    leave(keep(sshd.access), 7)
    quitting = keep(sshd.access)
    quitting.send("~.")
    assert quitting.wait() == 255
    killed = keep(sshd.access)
    wait_begun(killed)
    sessions = sshd.sessions()
    sshd.stop()
    assert sessions
    assert killed.wait() == 255
    assert [(past.ending, past.status) for past in state.sessions()] == [
        ("own-exit", 7),
        ("escape-quit", 255),
        ("server-gone", 255),
    ]


@pytest.mark.parametrize("command", ["sleep 1000", "read x"])
def test_a_session_without_a_word_from_the_host(
    start_sshd: Callable[..., Sshd],
    start_terminal: Start,
    keepshell_exe: Path,
    state: State,
    command: str,
) -> None:
    """Only ssh's closing words show that there was one: its drop is explained and remembered."""
    access = start_sshd(f"ChannelTimeout session:*={LIMIT}s").access
    argv = [str(keepshell_exe), "ssh", "-t", *access.ssh_args(), command]
    terminal = start_terminal(argv, cols=300)
    assert terminal.wait() == 255
    (said,) = said_by_keepshell(terminal)
    assert "ChannelTimeout" in said
    assert one(state.sessions()).ending == "channel-timeout"
    assert [rule.kind for rule in state.rules(name_of(access))] == [KINDS["channel-timeout"]]


def test_a_quick_command_on_a_terminal(
    sshd: Sshd, start_terminal: Start, keepshell_exe: Path, state: State
) -> None:
    """Its output comes together with the end, when ssh no longer has the terminal."""
    argv = [str(keepshell_exe), "ssh", "-t", *sshd.access.ssh_args(), "echo hi; exit 3"]
    for _ in range(5):
        assert start_terminal(argv).wait() == 3
    assert [(past.ending, past.status) for past in state.sessions()] == [("remote-exit", 3)] * 5


def test_a_silent_session_is_one_from_its_first_keepalive(
    sshd: Sshd, start_terminal: Start, keepshell_exe: Path, state: State, trace: Trace
) -> None:
    """Also where ssh hides its closing words."""
    no_server_alive = ("-o", "ServerAliveInterval=0")
    argv = [str(keepshell_exe), "--window-change-interval=1s", "ssh", "-q", "-t", *no_server_alive]
    go_on = sshd.access.directory / "home" / "go-on"
    wait = "until [ -e go-on ]; do sleep 0.1; done; exit 3"
    terminal = start_terminal([*argv, *sshd.access.ssh_args(), wait])
    trace.wait_for("nudge-sent")
    go_on.touch()
    assert terminal.wait() == 3
    assert one(state.sessions()).status == 3


def test_an_ssh_that_was_killed_here(sshd: Sshd, keep: Start, state: State) -> None:
    terminal = keep(sshd.access)
    wait_begun(terminal)
    ssh_of(terminal).terminate()
    assert terminal.wait() == 255
    assert "A signal ended it here, or -q" in said_by_keepshell(terminal)[0]
    assert one(state.sessions()).ending == "killed-here"
    assert state.rules(name_of(sshd.access)) == []


def test_a_login_that_is_refused(
    sshd: Sshd,
    start_terminal: Start,
    keepshell_exe: Path,
    trace: Trace,
) -> None:
    """ssh has said all there is to say, and no session was there to be remembered."""
    no_key = sshd.access.ssh_args(identity=Path(os.devnull))
    ask_nothing = ("-o", "PreferredAuthentications=publickey")
    terminal = start_terminal([str(keepshell_exe), "ssh", *ask_nothing, *no_key])
    assert terminal.wait() == 255
    assert said_by_keepshell(terminal) == []
    assert "Permission denied" in terminal.output.decode()
    assert one(trace.named("ended"))["kind"] == "auth-failed"


def test_a_host_that_no_longer_answers(
    sshd: Sshd, start_middlebox: Callable[..., Middlebox], keep: Start, state: State
) -> None:
    """A firewall that has forgotten the connection; the user's own ServerAlive notices it."""
    box = start_middlebox(sshd.port, LIMIT, Counts.CLIENT_BYTES, Action.DROP)
    options = ("-o", f"ServerAliveInterval={LIMIT + 1}", "-o", "ServerAliveCountMax=1")
    terminal = keep(sshd.access.through(box.port), ssh=options)
    assert terminal.wait() == 255
    assert "no longer answered ServerAlive requests" in said_by_keepshell(terminal)[0]
    assert one(state.sessions()).ending == "server-alive"


@pytest.mark.parametrize(
    ("shell", "kind", "limit"),
    [
        (("zsh", "-f"), "zsh-tmout", None),  # it goes by the terminal's atime, and may be late
        (("mksh",), "tmout", 3),
        # The one gives a minute of grace, the other counts in minutes.
        pytest.param(("ksh93",), "tmout", 63, marks=pytest.mark.slow),
        pytest.param(("tcsh",), "tmout", 60, marks=pytest.mark.slow),
    ],
    ids=["zsh", "mksh", "ksh93", "tcsh"],
)
def test_how_each_shell_logs_out(
    start_sshd: Callable[..., Sshd],
    start_terminal: Start,
    keepshell_exe: Path,
    state: State,
    shell: tuple[str, ...],
    kind: str,
    limit: int | None,
) -> None:
    require(shell[0])
    # For root, mksh takes no PS1 without #.
    access = start_sshd(shell=shell, env={"TMOUT": "3", "PS1": "READY# "}).access
    (access.directory / "home" / ".tcshrc").write_text(
        'set prompt = "READY# "\nset autologout = 1\n'
    )
    terminal = start_terminal([str(keepshell_exe), "ssh", *access.ssh_args()], cols=300)
    terminal.expect("READY# ")
    terminal.wait(deadline=60 + DEADLINE)
    (said,) = said_by_keepshell(terminal)
    assert "logged you out after" in said
    assert one(state.sessions()).ending == "tmout"
    (rule,) = state.rules(name_of(access))
    assert (rule.kind.name, rule.source) == (kind, DROP)
    assert limit is None or limit <= rule.limit <= limit + 2


def test_what_never_became_a_session_is_not_remembered(
    start_terminal: Start, keepshell_exe: Path, sshd: Sshd, state: State
) -> None:
    args = sshd.access.ssh_args()
    sshd.stop()
    terminal = start_terminal([str(keepshell_exe), "ssh", *args])
    assert terminal.wait() == 255
    assert state.hosts() == []


def test_nothing_typed_or_shown_is_kept(
    sshd: Sshd, keep: Start, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = keep(sshd.access)
    terminal.send_line("secret=hunter2; echo shown-$secret")
    terminal.expect("shown-hunter2")
    leave(terminal)
    for file in path.parent.parent.parent.rglob("*"):
        if file.is_file():
            assert b"hunter2" not in file.read_bytes()


# A state that is no use: the session is as good as ever, and at most one line tells of it.


def is_unhurt(keep: Start, access: Access, words: str, prefix: tuple[str, ...] = ()) -> None:
    terminal = keep(access, prefix=prefix)
    answers(terminal)
    (said,) = leave(terminal, 9)
    assert said.startswith("this session is not remembered: ")
    assert words in said


def test_a_damaged_state(sshd: Sshd, keep: Start, path: Path, state: State) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 500)
    is_unhurt(keep, sshd.access, "damaged (file is not a database); it is state.db.damaged now")
    assert leave(keep(sshd.access)) == []
    assert len(state.sessions()) == 2


@pytest.fixture
def read_only(state: State, path: Path) -> Iterator[Path]:
    state.record(PastSession(host="x", started=0, ended=1, ending="", status=0, longest_idle=0))
    path.chmod(0o400)
    path.parent.chmod(0o500)
    yield path
    path.parent.chmod(0o700)


def test_a_read_only_state(sshd: Sshd, keep: Start, read_only: Path) -> None:
    is_unhurt(keep, sshd.access, "Permission denied", tuple(without_privileges()))


def test_a_full_disk(sshd: Sshd, keep: Start) -> None:
    require("prlimit")
    is_unhurt(keep, sshd.access, "", ("prlimit", "--fsize=0"))


def test_a_locked_state(sshd: Sshd, keep: Start, path: Path, state: State) -> None:
    state.put_rules("x", PROBE, [])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        terminal = keep(sshd.access)
        answers(terminal)
        said = leave(terminal, 9)
        assert said == [f"this session is not remembered: {path}: database is locked"]
        connection.rollback()
        # It is written as soon as nobody holds the lock.
        eventually(lambda: [past.status for past in state.sessions()] == [9], "the session")


def test_no_home_and_no_state(sshd: Sshd, keep: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(variable)
    terminal = keep(sshd.access)
    assert len(leave(terminal, 9)) <= 1


def test_under_q_not_a_word_is_said(sshd: Sshd, keep: Start, path: Path) -> None:
    path.parent.write_text("in the way")
    assert leave(keep(sshd.access, ssh=("-q",)), 9) == []


def test_ten_sessions_cut_at_once_are_one_suspicion(sshd: Sshd, keep: Start, state: State) -> None:
    """A restart is no idle rule, however many sessions it ends: none confirms another."""
    terminals = [keep(sshd.access) for _ in range(10)]
    for terminal in terminals:
        wait_begun(terminal)
    eventually(lambda: len(sshd.sessions()) >= 20, "ten sessions")
    sshd.stop()
    for terminal in terminals:
        assert terminal.wait() == 255
    assert len(state.sessions()) == 10
    assert not any(rule.confirmed for rule in state.rules(name_of(sshd.access)))


# As a limit of 10s would end it, had the no-op after 5s not reset it.
KILLED_LATER = ("sh", "-c", "(sleep 9.5; kill -KILL $$) & exec bash --norc --noprofile -i")


@pytest.mark.slow
def test_a_rung_that_has_failed_is_known(
    start_sshd: Callable[..., Sshd], keep: Start, state: State
) -> None:
    """The session ends as by ChannelTimeout, although no-ops had gone out in time."""
    access = start_sshd(shell=KILLED_LATER).access
    before = PastSession(
        host=name_of(access), started=0, ended=1, ending="", status=255, longest_idle=10
    )
    state.record(before, learned=Rule(KINDS["channel-timeout"], 10, DROP, confirmed=True))
    terminal = keep(access)
    assert terminal.wait() == 255
    told, said = said_by_keepshell(terminal)
    assert "harmless input is sent after 5s of silence" in told
    spite = "it struck despite harmless input, and you have not allowed what might beat it"
    assert said.endswith(f"Next time: {spite}. Allow it:")
    (rule,) = state.rules(name_of(access))
    assert (rule.limit, rule.drops, rule.outlasted) == (10, 1, Rung.NO_OP)

    terminal = keep(access, "--empty-line", "true")
    assert terminal.wait() == 255
    told, said = said_by_keepshell(terminal)
    assert "Enter is sent after 5s of silence" in told
    assert "it struck despite Enter, and nothing else might beat it" in said
