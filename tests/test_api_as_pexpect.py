"""What pexpect's documentation shows, shown by `keepshell.spawn` too, kept alive or not."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest
from pexpect.replwrap import REPLWrapper

import keepshell
from keepshell import api
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE, eventually

Spawn = Callable[..., Any]

EVERY = 0.02
"""Seconds: nudged all the time, and oftener than is allowed, the child is to show nothing of it."""

ASKS = """\
stty -echo; printf 'Password: '; read secret; stty echo; printf '\\r\\n'
[ "$secret" = right ] && echo '$ ' || echo 'Permission denied'
"""


def a_command_line_or_a_list(spawn: Spawn) -> object:
    Path("file").write_text("")
    listings = []
    for words in (("ls -a .",), ("ls", ["-a", "."])):
        child = spawn(*words)
        child.expect(pexpect.EOF)
        listings.append(child.before)
    return listings


def a_shell_for_a_pipe(spawn: Spawn) -> object:
    child = spawn("/bin/bash", ["-c", "echo LOG | cat > logs.txt"])
    child.expect(pexpect.EOF)
    return Path("logs.txt").read_text(), child.before


def the_index_and_what_stands_around_the_match(spawn: Spawn) -> object:
    child = spawn("echo one two three")
    index = child.expect(["four", "t(w)o", pexpect.EOF])
    return index, child.before, child.after, child.match.groups()


def the_smallest_match(spawn: Spawn) -> object:
    child = spawn("echo 12345", maxread=1)
    seen = [child.expect(pattern) or child.after for pattern in (".+", ".*", r"\d+\D+")]
    return seen, child.expect(["x", pexpect.EOF])


def lists_that_are_compiled_or_exact(spawn: Spawn) -> object:
    child = spawn("echo 'a.c abc'", searchwindowsize=50)
    compiled = child.compile_pattern_list(["nothing", "b", pexpect.EOF])
    return child.expect_exact(["abc", "a.c"]), child.expect_list(compiled), child.before


def the_end_and_a_timeout(spawn: Spawn) -> object:
    child = spawn("cat", timeout=0.1)
    seen: list[object] = [child.expect(["x", pexpect.TIMEOUT])]
    with pytest.raises(pexpect.TIMEOUT):
        child.expect("x")
    child.sendeof()
    with pytest.raises(pexpect.EOF):
        child.expect("x", timeout=DEADLINE)
    return seen, child.before, child.flag_eof


def how_it_ended(spawn: Spawn) -> object:
    seen = []
    for line in ("exit 3", "kill -TERM $$"):
        child = spawn("sh", ["-c", line])
        child.expect(pexpect.EOF)
        child.close()
        seen.append((child.exitstatus, child.signalstatus, child.isalive(), child.closed))
    return seen


def a_signal(spawn: Spawn) -> object:
    child = spawn("sleep 1000")
    alive = child.isalive()
    child.kill(signal.SIGTERM)
    child.wait()
    return alive, child.exitstatus, child.signalstatus


def lines(spawn: Spawn) -> object:
    child = spawn("printf 'one\\ntwo\\n\\nthree\\nfour'", encoding="utf-8")
    return [child.readline(), child.readline(), *child], child.read()


def an_answer_that_is_not_echoed(spawn: Spawn) -> object:
    child = spawn("sh", ["-c", ASKS])
    child.expect("Password: ")
    quiet = child.waitnoecho()
    child.sendline("right")
    return quiet, child.expect(["Permission denied", r"[#\$] "]), child.before


def echo(spawn: Spawn) -> object:
    child = spawn("cat", echo=False)
    was = child.getecho()
    child.sendline("1234")
    child.expect("1234")
    return was, child.expect(["1234", pexpect.TIMEOUT], timeout=0.2)


def control_characters(spawn: Spawn) -> object:
    line = "trap 'echo caught' INT; echo set; until read x; do :; done; echo got $x"
    child = spawn("sh", ["-c", line])
    child.expect("set")
    child.sendintr()
    child.expect("caught")
    child.send("word")
    child.sendcontrol("u")
    child.sendline("other")
    return child.expect(["got word", "got other"])


def logs(spawn: Spawn) -> object:
    both, read, sent = io.StringIO(), io.StringIO(), io.StringIO()
    child = spawn("cat", encoding="utf-8", echo=False, logfile=both)
    child.logfile_read, child.logfile_send = read, sent
    child.sendline("größe")
    child.expect("größe\r\n")
    return [log.getvalue() for log in (both, read, sent)]


def bytes_that_are_no_text(spawn: Spawn) -> object:
    child = spawn("printf 'a\\377b'", encoding="utf-8", codec_errors="replace")
    child.expect(pexpect.EOF)
    return child.before


def the_size(spawn: Spawn) -> object:
    line = "stty size; read x; stty size"
    child = spawn("sh", ["-c", line], dimensions=(10, 20))
    child.expect("10 20")
    size = child.getwinsize()
    child.setwinsize(30, 90)
    child.sendline()
    return size, child.expect(["10 20", "30 90"]), child.getwinsize()


def where_it_runs(spawn: Spawn) -> object:
    child = spawn(
        "sh",
        ["-c", "pwd; echo $WORD; kill -HUP $$; umask"],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "WORD": "word"},
        ignore_sighup=True,
        preexec_fn=lambda: os.umask(0o027),
        use_poll=True,
    )
    child.expect(pexpect.EOF)
    return child.before


def without_waiting_for_all(spawn: Spawn) -> object:
    child = spawn("echo hello")
    eventually(lambda: not child.isalive(), "the end")
    return child.read_nonblocking(size=3, timeout=1), child.read()


def a_repl(spawn: Spawn) -> object:
    child = spawn("sh", ["-c", "while printf '> '; read x; do eval \"$x\"; done"], encoding="utf-8")
    child.setecho(False)
    repl = REPLWrapper(child, "> ", None)
    return repl.run_command("echo one; echo two")


def with_asyncio(spawn: Spawn) -> object:
    async def run() -> object:
        child = spawn("sh", ["-c", "echo ready; read x; echo got $x"])
        seen = [await child.expect(["nothing", "ready"], async_=True)]
        child.sendline("answer")
        seen.append(await child.expect([r"got (\w+)"], async_=True))
        return seen, child.match.group(1), await child.expect(pexpect.EOF, async_=True)

    return asyncio.run(run())


EXAMPLES = [
    a_command_line_or_a_list,
    a_shell_for_a_pipe,
    the_index_and_what_stands_around_the_match,
    the_smallest_match,
    lists_that_are_compiled_or_exact,
    the_end_and_a_timeout,
    how_it_ended,
    a_signal,
    lines,
    an_answer_that_is_not_echoed,
    echo,
    control_characters,
    logs,
    bytes_that_are_no_text,
    the_size,
    where_it_runs,
    without_waiting_for_all,
    a_repl,
    with_asyncio,
]


@pytest.fixture(autouse=True)
def _a_directory_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("nudged", [False, True], ids=["as it is", "nudged"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
def test_an_example_shows_the_same(
    example: Callable[[Spawn], object], nudged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if nudged:
        nudging = api._Nudging
        monkeypatch.setattr(api, "_Nudging", lambda pid, _: nudging(pid, EVERY))
    assert example(keepshell.spawn) == example(pexpect.spawn)


INTERACTS = """\
import pexpect, keepshell
child = {kind}("sh", ["-c", "echo hello; read x; echo got $x; read x; echo never"])
child.interact()
print("back")
"""


@pytest.mark.parametrize("kind", ["pexpect.spawn", "keepshell.spawn"])
def test_interact(kind: str, start_terminal: Callable[..., Terminal]) -> None:
    """The user gets the child, and the script gets it back at the escape character."""
    terminal = start_terminal([sys.executable, "-c", INTERACTS.format(kind=kind)])
    terminal.expect("hello")
    terminal.send_line("word")
    terminal.expect("got word")
    terminal.send("\x1d")
    terminal.expect("back")
    assert terminal.wait() == 0
    assert b"never" not in terminal.output


COUNTS = """
import signal
counted = open("counted", "ab", buffering=0)
signal.signal(signal.SIGWINCH, lambda *_: counted.write(b"x"))
print("SET", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("busy", [False, True], ids=["sleeps", "computes"])
def test_kept_alive_between_two_calls(busy: bool) -> None:
    """The script leaves the spawn alone meanwhile; the thread gets the interpreter all the same."""
    keepalive = {"window_change_interval": 0.1}
    child = keepshell.spawn(sys.executable, ["-S", "-c", COUNTS], keepalive=keepalive)
    child.expect_exact("SET")
    give_up_at = time.monotonic() + DEADLINE
    while Path("counted").stat().st_size < 3 and time.monotonic() < give_up_at:
        if busy:
            sum(range(200_000))
        else:
            time.sleep(0.05)
    assert Path("counted").stat().st_size >= 3
    child.close()
    assert re.fullmatch("x+", Path("counted").read_text())
