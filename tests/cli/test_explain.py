"""What a session would do, with the source of each value; what was, and how it is forgotten."""

from __future__ import annotations

import json
import os
import pwd
import re
import time
from pathlib import Path
from typing import Any

import pytest

from keepshell import launch
from keepshell.cli import history
from keepshell.core.idle import Stretch
from keepshell.core.rules.kinds import DROP, KINDS, PROBE, Rule
from keepshell.core.rules.rung import Rung
from keepshell.errors import NotFoundError
from keepshell.store import kept
from keepshell.store.database import PastSession, State
from tests.support.cli import keepshell
from tests.support.terminal import Terminal

ME = pwd.getpwuid(os.getuid()).pw_name
WEB = f"{ME}@web:22"
NOW = time.time()
DAY = 86400


def told(*words: str, status: int = 0) -> str:
    """stdout, or stderr where another status than 0 is expected."""
    done = keepshell(*words, status=status)
    return done.stderr if status else done.stdout


def explained(*words: str, options: tuple[str, ...] = ()) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told(*options, "explain", "--json", *words))
    return found


def settings(found: dict[str, Any]) -> dict[str, tuple[object, str]]:
    return {row["name"]: (row["value"], row["source"]) for row in found["settings"]}


def ssh_options(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {row["name"]: (row["value"], row["source"]) for row in found["ssh_options"]}


def test_a_host_of_which_nothing_is_known(ssh_config: Path) -> None:
    found = explained("-F", str(ssh_config), "web")
    assert (found["host"], found["name"]) == (WEB, "web")
    assert (found["route"], found["why"]) == ("pty", "an interactive session")
    assert found["rules"] == []
    assert settings(found)["window_change_interval"] == (60.0, "default")
    assert settings(found)["rung"] == ("empty-line", "default")
    sources = {name: source for name, (_, source) in settings(found).items()}
    assert sources.pop("hints") == "KEEPSHELL_HINTS"  # of the tests' environment
    assert set(sources.values()) == {"default"}
    assert ssh_options(found) == {
        "ServerAliveInterval": ("60", "default"),
        "ServerAliveCountMax": ("20", "default"),
    }
    assert not Path(os.environ["XDG_STATE_HOME"], "keepshell").exists()


def test_the_source_of_each_value(config_toml: Path, ssh_config: Path) -> None:
    config_toml.write_text(
        '[host."web"]\nrung = "no-op"\nrules = ["tmout=10m"]\n\n'
        '[default]\noutage_tolerance = "5m"\n'
    )
    ssh_config.write_text("Host web\n  ServerAliveInterval 30\n  User bob\n  Port 2200\n")
    found = explained("-F", str(ssh_config), "web", options=("--warn", "true"))
    assert found["host"] == "bob@web:2200"
    assert settings(found)["rung"] == ("no-op", f'{config_toml}:2 [host."web"] rung')
    assert settings(found)["rules"] == (["tmout=10m"], f'{config_toml}:3 [host."web"] rules')
    tolerance = (300, f"{config_toml}:6 [default] outage_tolerance")
    assert settings(found)["outage_tolerance"] == tolerance
    assert settings(found)["warn"] == (True, "--warn")
    assert ssh_options(found) == {
        "ServerAliveInterval": ("30", "ssh_config"),
        "ServerAliveCountMax": ("3", "ssh's default"),
    }
    (rule,) = found["rules"]
    assert (rule["kind"], rule["limit"], rule["source"]) == ("tmout", 600, "config")
    assert (rule["verdict"], rule["rung"], rule["every"]) == ("not-allowed", "empty-line", None)
    assert rule["setting"] == 'rung = "empty-line", empty_line = true'


def test_the_command_line_beats_ssh_config(ssh_config: Path) -> None:
    ssh_config.write_text("ServerAliveInterval 30\n")
    found = explained("-F", str(ssh_config), "-oServerAliveInterval=7", "-l", "eve", "WEB")
    assert found["host"] == "eve@web:22"
    assert ssh_options(found)["ServerAliveInterval"] == ("7", "the command line")


def test_learned_rules_and_what_is_done_about_them(state: State, ssh_config: Path) -> None:
    known = [
        Rule(KINDS["connection-idle"], 40, DROP, confirmed=True, drops=2, seen_at=NOW),
        Rule(KINDS["tmout"], 600, DROP, drops=1, seen_at=NOW, plain=True),
        Rule(KINDS["channel-timeout"], 900, DROP, drops=1, seen_at=NOW),
        Rule(KINDS["client-alive"], 7200, PROBE, seen_at=NOW),
    ]
    state.put_rules(WEB, "any", known)
    found = explained("-F", str(ssh_config), "web")
    source = "half of connection-idle=40s, drop, confirmed (default: 1m)"
    assert settings(found)["window_change_interval"] == (20, source)
    rules = {rule["kind"]: rule for rule in found["rules"]}
    assert {
        kind: (rule["verdict"], rule["rung"], rule["every"]) for kind, rule in rules.items()
    } == {
        "connection-idle": ("beaten", "window-change", 20),
        "tmout": ("not-allowed", "empty-line", None),
        "channel-timeout": ("doubted", "no-op", None),
        "client-alive": ("beaten", "window-change", 60),
    }
    assert rules["channel-timeout"]["known_from"] == "drop, suspected"
    assert rules["client-alive"]["known_from"] == "probe"
    assert rules["connection-idle"]["seen_at"] == NOW
    text = told("explain", "-F", str(ssh_config), "web")
    said, timers, settings_ = text.split("\n\n")
    assert said.splitlines() == [
        "✗ No host called web: its name can't be resolved.",
        "! TMOUT may end an idle session after 10m.",
        "  Only Enter resets it. Allow it: keepshell config set web empty_line=true",
    ]
    assert "!  ChannelTimeout 15m      drop, suspected  nothing yet: it was seen once" in timers
    assert "window_change_interval  20s    half of connection-idle=40s" in settings_
    assert "rung" not in settings_
    assert "rung                    empty-line" in told(
        "explain", "--all", "-F", str(ssh_config), "web"
    )


def test_an_idle_limit_shortens_the_interval_too(ssh_config: Path) -> None:
    found = explained("-F", str(ssh_config), "web", options=("--idle-limit", "90s"))
    assert settings(found)["window_change_interval"] == (
        45,
        "half of idle_limit = 90s (default: 1m)",
    )


def test_an_idle_limit_is_a_row_of_the_rules(ssh_config: Path) -> None:
    ssh_config.write_text("Host web\n  HostName 127.0.0.1\n")
    words, options = ("-F", str(ssh_config), "web"), ("--idle-limit", "5m")
    found = explained(*words, options=options)
    says = "a window-change after 60s, harmless input after 2m 30s of silence"
    assert found["idle_limit"] == {
        "limit": 300,
        "source": "--idle-limit",
        "reset_by": "packets or input; which is unknown",
        "every": {"window-change": 60, "no-op": 150},
        "says": says,
    }
    text = told(*options, "explain", *words)
    assert "✓ An idle session here stays open: packets every 60s, harmless input" in text
    assert "✓  idle_limit 5m  --idle-limit  packets every 60s, harmless input every 2m 30s" in text
    assert explained(*words)["idle_limit"] is None


def test_json_may_stand_last_and_a_command_is_not_run(ssh_config: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    command = ("touch", str(mark), "--al")  # no misspelt --all: it is touch's
    found = json.loads(told("explain", "-F", str(ssh_config), "web", *command, "--json"))
    assert (found["route"], found["why"]) == ("exec", "no terminal is asked for on the host")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "explain needs a host: keepshell explain HOST"),
        (("--json",), "explain needs a host: keepshell explain HOST"),
        (("-9", "web"), "explain expects ssh's arguments, a host at least: "),
        (("-p", "22"), "explain expects ssh's arguments, a host at least: "),
        (("-V",), "explain needs a host: keepshell explain HOST"),
        (("-Q", "cipher", "--json"), "explain needs a host: keepshell explain HOST"),
    ],
)
def test_what_can_t_be_explained(words: tuple[str, ...], complaint: str) -> None:
    assert told("explain", *words, status=2).startswith(f"keepshell: {complaint}")


def test_a_state_that_can_t_be_read_is_a_failure_of_ours(ssh_config: Path) -> None:
    Path(os.environ["XDG_STATE_HOME"], "keepshell", "state.db").mkdir(parents=True)
    said = told("explain", "-F", str(ssh_config), "web", status=70)
    assert said.startswith("keepshell: ")
    assert "not a regular file" in said


# history


def past(host: str = WEB, ago: float = 3600, **known: Any) -> PastSession:
    facts: dict[str, Any] = {"ending": "own-exit", "status": 0, "longest_idle": 600.0}
    return PastSession(host=host, started=NOW - ago, ended=NOW - ago + 1800, **{**facts, **known})


STRETCHES = (Stretch(60.0, 600.0, 10), Stretch(700.0, 90.0, 0), Stretch(1000.0, 300.0, 5))


def test_no_history() -> None:
    assert told("history").startswith("no session since ")
    assert told("history", "--json") == ""


def test_sessions_as_json(state: State) -> None:
    state.record(past(window_changes=14, no_ops=1, injected=12, stretches=STRETCHES))
    state.record(past("me@db:22", 1800, ending="channel-timeout", status=255))
    first, second = (json.loads(line) for line in told("history", "--json").splitlines())
    assert first == {
        "schema": 1,
        "host": WEB,
        "started": NOW - 3600,
        "ended": NOW - 1800,
        "lasted": 1800.0,
        "ending": "own-exit",
        "dropped": False,
        "status": 0,
        "longest_idle": 600.0,
        "kept_alive": 900.0,
        "keepalives": {"window-change": 14, "no-op": 1, "empty-line": 0},
        "injected": 12,
        "stretches": [stretch._asdict() for stretch in STRETCHES],
    }
    assert (second["host"], second["dropped"]) == ("me@db:22", True)
    assert set(first["keepalives"]) == {
        rung.label for rung in (Rung.WINDOW_CHANGE, Rung.NO_OP, Rung.EMPTY_LINE)
    }


def test_sessions_for_people(state: State) -> None:
    state.record(past(window_changes=1, no_ops=15, stretches=STRETCHES))
    state.record(past("me@db:22", 1800, ending="channel-timeout", status=255))
    lines = told("history").splitlines()
    assert re.split(r"  +", lines[0]) == [
        "WHEN",
        "HOST",
        "LASTED",
        "IDLE",
        "KEPT",
        "SENT",
        "ENDED BY",
    ]
    cells = [re.split(r"  +", line) for line in lines[1:3]]
    assert cells[0][1:] == ["web", "30m", "10m", "15m", "16", "you left"]
    assert cells[1][1:] == ["db", "30m", "10m", "-", "-", "ChannelTimeout"]
    assert lines[4] == "2 sessions on 2 hosts, kept 15m; 1 cut: db ChannelTimeout"
    drawn = lines[lines.index("web") + 1]
    assert set(drawn) == {" ", "█", "▒", "░"}
    assert "✗" in lines[lines.index("db") + 1]
    assert "in use" in lines[-1]
    assert "dropped" in lines[-1]


def test_who_ended_it(state: State) -> None:
    for number, ending in enumerate(("own-exit", "remote-exit", "signal-here", "moved")):
        state.record(past(ago=3600 - number, ending=ending))
    lines = told("history").splitlines()
    ended_by = ["you left", "you left", "a signal here", "moved to another terminal"]
    assert [re.split(r"  +", line)[-1] for line in lines[1:5]] == ended_by
    assert "none cut" in lines[6]


def test_overlapping_sessions_are_on_lines_of_their_own(state: State) -> None:
    for ago in (3600, 3000, 2400):
        state.record(past(ago=ago))
    lines = told("history").splitlines()
    at = lines.index("web")
    assert all("█" in line for line in lines[at + 1 : at + 4])
    assert set(lines[at + 4]) == {" ", "|"}
    assert re.fullmatch(r"( *(\d\d:\d\d|\d\d \w+))+", lines[at + 5])
    assert lines[at + 6].strip().startswith("█ in use")


def test_a_terminal_that_lacks_the_characters(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.record(past(stretches=STRETCHES))
    monkeypatch.setenv("TERM", "linux")
    text = told("history")
    assert "# in use   = idle, kept alive   - idle   x dropped" in text
    assert text.isascii()


def test_by_host_and_time(state: State, ssh_config: Path) -> None:
    state.record(past(ago=10 * DAY))
    state.record(past(ago=3 * DAY))
    state.record(past("bob@web:2200", 2 * DAY))
    state.record(past("me@db:22"))

    def hosts(*options: str) -> list[str]:
        text = told("history", "--json", *options)
        return [json.loads(line)["host"] for line in text.splitlines()]

    assert hosts() == [WEB, "bob@web:2200", "me@db:22"]
    assert hosts("--since", "30d") == [WEB, WEB, "bob@web:2200", "me@db:22"]
    assert hosts("--since=60h") == ["bob@web:2200", "me@db:22"]
    assert hosts("--since", time.strftime("%Y-%m-%d", time.localtime(NOW - 5 * DAY))) == hosts()
    assert hosts("--host", "web", "--since", "30d") == [WEB, WEB]
    assert hosts("--host", "bob@web:2200") == ["bob@web:2200"]
    assert hosts("--host", "WEB") == hosts("--host", "web")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("a", "b"), "found a b, expected: keepshell history [HOST]"),
        (("-n", "few"), "-n: expected a number of sessions, such as 20, found few"),
        (("--since", "15"), "--since: a duration has a unit: 15m or 15s?"),
        (("--host",), "--host: expected HOST, found nothing"),
        (("--since", "soon"), "--since: expected a duration such as 2d or a date such as 2026-10"),
        (("--since", "9999999-01-01"), "--since: expected a duration"),
        (("--hots", "web"), "unknown option --hots; did you mean --host?"),
    ],
)
def test_what_history_can_t_read(words: tuple[str, ...], complaint: str) -> None:
    assert told("history", *words, status=2).startswith(f"keepshell: {complaint}")


def test_a_host_of_which_nothing_is_remembered() -> None:
    for words in (("history", "nonesuch"), ("history", "--host", "nonesuch")):
        said = told(*words, status=1)
        assert said.startswith("keepshell: nothing is remembered about nonesuch, which is ")
        assert said.endswith("; hosts: none yet\n")


def test_the_last_ones_and_the_dropped_ones(state: State) -> None:
    for ago, ending in ((9000, "tmout"), (6000, "reset"), (3000, "remote-exit")):
        state.record(past(ago=ago, ending=ending))

    def endings(*options: str) -> list[str]:
        text = told("history", "--json", *options)
        return [json.loads(line)["ending"] for line in text.splitlines()]

    assert endings("-n", "2") == endings("-n2") == ["reset", "remote-exit"]
    assert endings("--dropped") == ["tmout", "reset"]
    assert endings("--dropped", "-n1", "web") == ["reset"]
    assert "3 sessions on 1 host; 2 cut: web TMOUT, web network\n" in told("history", "-n", "1")


def test_names_from_the_state_can_t_drive_the_terminal(state: State) -> None:
    state.record(past("me@\x1b]0;title\x07web:22", ending="\x1b[31m"))
    assert "\x1b" not in told("history")
    assert "\\x1b" in told("history")


# forget


def test_forgetting_a_host(state: State) -> None:
    for _ in range(2):
        state.record(past(), learned=Rule(KINDS["tmout"], 600, DROP, drops=1))
    state.record(past("me@db:22"))
    assert told("forget", "web") == f"{WEB}: forgot 1 idle timer and 2 sessions\n"
    assert state.hosts() == ["me@db:22"]
    said = told("forget", "web", status=1)
    assert said == f"keepshell: nothing is remembered about web, which is {WEB}; hosts: me@db:22\n"
    assert told("forget", "me@db:22") == "me@db:22: forgot 0 idle timers and 1 session\n"
    assert told("forget", "me@db:22", status=1).endswith("hosts: none yet\n")


def test_a_name_means_the_host_that_it_reaches_and_no_other(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two names of one address with different ports; other users of it."""
    one, two = "me@192.0.2.7:22", "me@192.0.2.7:2200"
    reaches = {"one": one, "two": two, "three": "me@192.0.2.7:2222"}
    monkeypatch.setattr(launch, "reached", lambda word, _environ: reaches[word])
    others = ["bob@192.0.2.7:22", "me@two:22"]
    for host in (one, two, *others):
        state.record(past(host))
    for word, host in (("two", two), ("one", one), (one, one), (others[1], others[1])):
        assert history.meant(word, state, os.environ) == host
    with pytest.raises(NotFoundError) as caught:
        history.meant("three", state, os.environ)
    known = ", ".join(sorted([one, two, others[0]]))
    assert (
        str(caught.value)
        == f"nothing is remembered about three, which is {reaches['three']}; hosts: {known}"
    )


def test_other_users_of_a_host_are_not_forgotten_with_it(state: State) -> None:
    for host in ("bob@web:22", WEB):
        state.record(past(host))
    told("forget", "web")
    said = told("forget", "web", status=1)
    assert (
        said == f"keepshell: nothing is remembered about web, which is {WEB}; hosts: bob@web:22\n"
    )
    assert state.hosts() == ["bob@web:22"]


@pytest.mark.parametrize("words", [(), ("a", "b"), ("--all",)])
def test_forget_takes_one_host(words: tuple[str, ...]) -> None:
    assert told("forget", *words, status=2).startswith("keepshell: ")


def test_options_of_sessions_mean_nothing_here() -> None:
    for command in ("history", "forget", "status", "off", "on"):
        said = told("--rung", "off", command, status=2)
        assert said == f"keepshell: {command} takes no --rung\n"


def test_colours_on_a_terminal_unless_the_user_wants_none(
    start_terminal: Any, keepshell_exe: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.record(past())
    coloured: Terminal = start_terminal([str(keepshell_exe), "history"])
    assert b"\x1b[2m" in coloured.read_to_end()
    monkeypatch.setenv("NO_COLOR", "1")
    plain: Terminal = start_terminal([str(keepshell_exe), "history"])
    assert b"\x1b[" not in plain.read_to_end()


@pytest.mark.parametrize("columns", [80, 40])
def test_no_word_of_a_sentence_is_broken(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = told("explain", "nonesuch.invalid").splitlines()
    assert max(map(len, lines)) <= columns
    sentence = "No host called nonesuch.invalid: its name can't be resolved."
    assert " ".join(" ".join(lines).split()) == f"✗ {sentence}"


def test_no_good_sign_for_a_host_that_can_t_be_reached(state: State) -> None:
    name, options = "nonesuch.invalid", ("--reattach", "true", "explain", "-F", "none")
    problem = f"✗ No host called {name}: its name can't be resolved."
    assert told(*options, name).splitlines() == [problem]
    assert "SETTING" in told(*options, "--all", name)
    beaten = Rule(KINDS["client-alive"], 7200, PROBE, seen_at=NOW)
    state.put_rules(f"{ME}@{name}:22", PROBE, [beaten])
    said, timers, _ = told(*options, name).split("\n\n")
    assert said == problem
    assert "ClientAlive" in timers


@pytest.mark.parametrize(
    ("setting", "fate", "becomes", "says"),
    [
        ("false", "", None, ""),
        ("true", "", "kept", "keepshell brings you back into the same shell"),
        ("true", kept.REFUSED, "refused", "This host can't keep a shell"),
        ("true", kept.DROP, "ended", "loginctl enable-linger"),
        ("tmux new -A", "", "command", "a new one runs the command of `reattach`"),
    ],
)
def test_what_becomes_of_the_shell(
    ssh_config: Path, setting: str, fate: str, becomes: str | None, says: str
) -> None:
    ssh_config.write_text("Host web\n  HostName 127.0.0.1\n")
    words = ("-F", str(ssh_config), "web")
    if fate:
        kept.note_fate(os.environ, words, fate)
    option = f"--reattach={setting}"
    assert explained(*words, options=(option,))["reattach"] == becomes
    shown = " ".join(told(option, "explain", *words).split())
    assert says in shown
    if not becomes:
        assert "connection is lost" not in shown
