"""`import keepshell`: pexpect's own semantics, and a session kept alive meanwhile."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

import keepshell
from keepshell.core.rules.kinds import CONFIG, KINDS, Rule
from keepshell.core.ssh.arguments import Unparsed
from tests.support.processes import is_gone
from tests.support.waiting import eventually

COUNT_NUDGES = """
import os, signal, sys
count = 0
def winch(*_):
    global count
    count += 1
    os.write(1, b"[%d]" % count)
signal.signal(signal.SIGWINCH, winch)
os.write(1, b"SET")
sys.stdin.read(1)
"""
OFTEN = {"window_change_interval": 0.2}


def keepshell_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "keepshell"]


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_the_session_is_nudged_while_the_script_does_something_else() -> None:
    child = keepshell.spawn(sys.executable, ["-S", "-c", COUNT_NUDGES], keepalive=OFTEN)
    child.expect_exact("SET")
    child.expect_exact("[3]", timeout=30)
    child.close()
    assert not keepshell_threads()


def test_sending_begins_the_interval_anew() -> None:
    """A script that sends all the time is never nudged."""
    child = keepshell.spawn("cat", keepalive={"window_change_interval": 3600.0})
    first = child._nudging.sent_at
    child.sendline("x")
    child.expect_exact("x")
    assert child._nudging.sent_at > first
    child.close()


def test_off_starts_no_thread() -> None:
    child = keepshell.spawn("cat", keepalive={"rung": keepshell.Rung.SERVER_ALIVE})
    assert not keepshell_threads()
    child.close()


def test_leaving_the_with_block_leaves_nothing() -> None:
    before = descriptors()
    with keepshell.spawn("cat", keepalive=OFTEN) as child:
        pid = child.pid
        child.sendline("x")
        child.expect_exact("x")
    assert is_gone(pid)
    assert not keepshell_threads()
    assert descriptors() == before


def test_losing_the_reference_leaves_nothing() -> None:
    before = descriptors()
    child = keepshell.spawn("cat", keepalive=OFTEN)
    pid = child.pid
    child.expect(pexpect.TIMEOUT, timeout=0)
    del child
    gc.collect()
    assert pid is not None
    eventually(lambda: is_gone(pid), "the child has ended")
    assert not keepshell_threads()
    assert descriptors() == before


def test_a_child_that_ends_by_itself_ends_the_thread() -> None:
    child = keepshell.spawn("true", keepalive=OFTEN)
    child.expect(pexpect.EOF)
    child.wait()
    eventually(lambda: not keepshell_threads(), "the thread has ended")
    child.close()


def test_with_an_encoding_and_a_log() -> None:
    log = io.StringIO()
    with keepshell.spawn("cat", encoding="utf-8", echo=False, logfile=log) as child:
        child.sendline("größe")
        child.expect_exact("größe")
    assert "größe" in log.getvalue()


def test_with_asyncio() -> None:
    async def run() -> int:
        child = keepshell.spawn("echo hello", keepalive=OFTEN)
        index = await child.expect(["nothing", "hello"], async_=True)
        await child.expect(pexpect.EOF, async_=True)
        child.close()
        return int(index)

    assert asyncio.run(run()) == 1


def test_the_examples_of_pexpect_behave_the_same() -> None:
    """pexpect is the reference: expect lists, before and after, EOF, isalive, exit status."""
    seen = []
    for kind in (pexpect.spawn, keepshell.spawn):
        child = kind("sh", ["-c", "echo one; read x; echo got $x; exit 3"], encoding="utf-8")
        index = child.expect(["two", "one\r\n", pexpect.EOF])
        child.sendline("answer")
        child.expect(r"got (\w+)")
        assert isinstance(child.match, re.Match)
        word = child.match.group(1)
        child.expect(pexpect.EOF)
        child.wait()
        seen.append((index, word, child.before, child.isalive(), child.exitstatus))
        child.close()
    assert seen[0] == seen[1]


@pytest.fixture
def nothing_spawned(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails a test that comes as far as pexpect's own spawning."""
    spawned: list[object] = []
    monkeypatch.setattr(pexpect.spawn, "_spawnpty", lambda _, args, **__: spawned.append(args))
    yield
    assert spawned == []


@pytest.fixture
def fake_ssh(tmp_path: Path) -> Path:
    """An `ssh` that prints its arguments, and answers -G with the defaults."""
    path = tmp_path / "bin" / "ssh"
    path.parent.mkdir()
    path.write_text('#!/bin/sh\n[ "$1" = -G ] && exit 0\nprintf "<%s>" "$@"\n')
    path.chmod(0o755)
    return path


def test_options_are_added_when_the_program_is_ssh(fake_ssh: Path) -> None:
    with keepshell.spawn(str(fake_ssh), ["-p", "22", "host"], encoding="utf-8") as child:
        child.expect(pexpect.EOF)
        assert child.before == (
            "<-o><ServerAliveInterval=60><-o><ServerAliveCountMax=20><-p><22><host>"
        )


def test_options_of_the_scripts_own_stay_alone(fake_ssh: Path) -> None:
    arguments = ["-o", "ServerAliveInterval=5", "host"]
    with keepshell.spawn(str(fake_ssh), arguments, encoding="utf-8") as child:
        child.expect(pexpect.EOF)
        assert child.before == "<-o><ServerAliveInterval=5><host>"


@pytest.mark.parametrize("keepalive", [None, {}])
@pytest.mark.parametrize("encoding", [None, "utf-8"])
def test_below_a_shim_the_real_ssh_is_spawned(
    fake_ssh: Path,
    keepshell_exe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    encoding: str | None,
    keepalive: Any,
) -> None:
    """As `keepshell exec` sets it up: one keepshell is enough, and it is the script's."""
    shim = tmp_path / "shims" / "ssh"
    shim.parent.mkdir()
    shim.symlink_to(keepshell_exe)
    path = (shim.parent, fake_ssh.parent, Path("/usr/bin"), Path("/bin"))
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, path)))
    with keepshell.spawn("ssh", ["host"], encoding=encoding, keepalive=keepalive) as child:
        child.expect(pexpect.EOF)
        told = child.before
    expected = "<-o><ServerAliveInterval=60><-o><ServerAliveCountMax=20><host>"
    assert told == (expected if encoding else expected.encode())


def options_of(ssh: Path, host: str = "host", **given: Any) -> list[int]:
    """The interval and the count that a session gets."""
    with keepshell.spawn(str(ssh), [host], encoding="utf-8", **given) as child:
        child.expect(pexpect.EOF)
        return [int(number) for number in re.findall(r"<ServerAlive\w+=(\d+)>", child.before)]


def test_switched_off_nothing_is_done(
    fake_ssh: Path, monkeypatch: pytest.MonkeyPatch, config_toml: Path
) -> None:
    monkeypatch.setenv("KEEPSHELL", "0")
    config_toml.write_text("broken [")
    assert options_of(fake_ssh) == options_of(fake_ssh, keepalive=OFTEN) == []
    with keepshell.spawn("cat", keepalive=OFTEN):
        assert not keepshell_threads()


CONFIGURED = """
[default]
window_change_interval = "10m"
server_alive_interval = "45s"
no_op = "always"
empty_line = true

[host.quiet]
rung = "off"

[host.host]
server_alive_interval = "30s"
"""


def test_the_policy_is_the_hosts_as_config_toml_has_it(fake_ssh: Path, config_toml: Path) -> None:
    """Rungs that type are for the command line: nothing is typed here, and nothing is wrong."""
    config_toml.write_text(CONFIGURED)
    assert options_of(fake_ssh) == [30, 40]
    assert options_of(fake_ssh, "other") == [45, 27]
    assert options_of(fake_ssh, "quiet") == []
    with keepshell.spawn("cat") as child:
        assert child._nudging._interval == 600
    config_toml.write_text('[default]\nrung = "off"\n')
    with keepshell.spawn("cat"):
        assert not keepshell_threads()


def test_what_the_script_asks_for_takes_the_place_of_the_configuration(
    fake_ssh: Path, config_toml: Path
) -> None:
    config_toml.write_text('[default]\nrung = "off"\n')
    assert options_of(fake_ssh, keepalive={}) == [60, 20]
    with keepshell.spawn("cat", keepalive=OFTEN):
        assert len(keepshell_threads()) == 1


@pytest.mark.parametrize(
    ("keepalive", "asked"),
    [
        (None, False),
        ({}, False),
        ({"server_alive_interval": 30}, False),
        (keepshell.Policy(server_alive_interval=30), False),
        ({"rung": "server-alive"}, False),
        ({"rung": "window-change"}, True),
        ({"window_change_interval": 60}, True),
        (keepshell.Policy(rung=keepshell.Rung.WINDOW_CHANGE), True),
        (keepshell.Policy(window_change_interval=30.0), True),
    ],
)
def test_window_changes_are_sent_where_they_are_asked_for_by_name(
    keepalive: Any, asked: bool
) -> None:
    """A device answers one by a new prompt, which the script would have to read."""
    with keepshell.spawn("cat", keepalive=keepalive):
        assert bool(keepshell_threads()) is asked


def test_a_pty_without_a_size_is_not_told_of_it() -> None:
    child = keepshell.spawn(
        sys.executable, ["-S", "-c", COUNT_NUDGES], keepalive=OFTEN, dimensions=(0, 0)
    )
    child.expect_exact("SET")
    with pytest.raises(pexpect.TIMEOUT):
        child.expect_exact("[1]", timeout=1.5)
    child.setwinsize(24, 80)
    child.expect_exact("[2]", timeout=30)
    child.close()


# Of a fork beside xdist's threads, from Python 3.12 on.
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("program", ["cat", "ssh"])
def test_a_broken_configuration_is_a_warning(
    program: str, fake_ssh: Path, config_toml: Path
) -> None:
    """What is spawned runs all the same, as it would by pexpect."""
    config_toml.write_text("[default]\nrung = 5\n")
    command = {"cat": ("cat", []), "ssh": (str(fake_ssh), ["host"])}[program]
    with pytest.warns(UserWarning, match=r"config.toml:2: \[default\] rung: expected one of"):
        child = keepshell.spawn(*command)
    child.close()


def test_parse_ssh_args() -> None:
    assert keepshell.parse_ssh_args(["-p", "22", "u@h", "ls"]).command == ("ls",)
    with pytest.raises(Unparsed):
        keepshell.parse_ssh_args(["--nonsense"])


def test_importing_keepshell_loads_nothing() -> None:
    program = (
        "import sys; before = set(sys.modules); import keepshell; "
        "print(len(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) <= 2  # keepshell and its version


NOTHING_TO_WAIT_FOR = ("0", "-1", "nan", "inf", "1e12")
BAD_VALUES = [
    *(
        ("window_change_interval", float(text), "a duration from 0.1s")
        for text in NOTHING_TO_WAIT_FOR
    ),
    ("window_change_interval", "30 parsecs", "a duration from 0.1s"),
    ("window_change_interval", None, "a duration from 0.1s"),
    ("window_change_interval", True, "a duration from 0.1s"),
    ("server_alive_interval", 0.5, "whole seconds from 1s"),
    ("outage_tolerance", 0, "a duration from 1s"),
    ("rung", "of", 'one of "off", "server-alive"'),
    ("rung", 2, 'one of "off", "server-alive"'),
    ("no_op", "sometimes", 'one of "auto"'),
    ("warn", "perhaps", "true or false"),
    ("rules", [5], "a list such as"),
]


@pytest.mark.usefixtures("nothing_spawned")
@pytest.mark.parametrize("kind", [dict, keepshell.Policy])
@pytest.mark.parametrize(("name", "value", "expected"), BAD_VALUES, ids=str)
@pytest.mark.parametrize("made", [lambda **kw: keepshell.spawn("true", **kw), keepshell.pxssh])
def test_a_value_that_config_toml_would_refuse(
    made: Callable[..., object], name: str, value: object, expected: str, kind: Callable[..., Any]
) -> None:
    with pytest.raises(ValueError, match=f"^keepalive: {name}: expected {expected}.*, found "):
        made(keepalive=kind(**{name: value}))


@pytest.mark.usefixtures("nothing_spawned")
@pytest.mark.parametrize(
    ("keepalive", "complaint"),
    [
        ({"foo": 1}, "keepalive: foo: unknown key; known: rung, "),
        ({"window_change": 1}, "unknown key; did you mean window_change_interval\\?"),
        ({"server-alive-interval": 1}, "unknown key; did you mean server_alive_interval\\?"),
        ({5: 1}, "keepalive: 5: unknown key"),
        ({"rules": ["nonsense=5m"]}, "keepalive: rules: .*nonsense"),
        (30, "keepalive: expected a Policy or a dict of its arguments, found 30"),
        ("off", 'keepalive: expected a Policy or a dict of its arguments, found "off"'),
    ],
    ids=str,
)
def test_what_is_no_policy(keepalive: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        keepshell.spawn("true", keepalive=keepalive)


@pytest.mark.parametrize(
    ("keepalive", "shown"),
    [
        ({"server_alive_interval": "30s", "outage_tolerance": "5m"}, (30, 10)),
        ({"server_alive_interval": 30.0}, (30, 40)),
        (keepshell.Policy(server_alive_interval=30), (30, 40)),
        ({"rung": "server-alive"}, (60, 20)),
        (
            {"rung": keepshell.Rung.SERVER_ALIVE, "idle_limit": None, "rules": ["tmout=5m"]},
            (60, 20),
        ),
        (keepshell.Policy(rules=(Rule(KINDS["tmout"], 5, CONFIG),)), (60, 20)),
        ({}, (60, 20)),
    ],
)
def test_what_config_toml_takes_is_taken(
    fake_ssh: Path, keepalive: Any, shown: tuple[int, int]
) -> None:
    assert options_of(fake_ssh, keepalive=keepalive) == list(shown)


@pytest.mark.parametrize("asked", [{"no_op": "always"}, {"xon": True}, {"empty_line": True}])
def test_typed_input_can_t_be_asked_for(asked: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"keepalive: {next(iter(asked))}.* asks for typed input"):
        keepshell.spawn("true", keepalive=asked)


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        keepshell.nothing  # noqa: B018
    assert set(keepshell.__all__) >= {"Policy", "Rung", "spawn", "pxssh"}
    for name in keepshell.__all__:
        assert getattr(keepshell, name)
