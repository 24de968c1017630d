"""Where no shell is kept, a loss is followed by the user's command, or by a new shell, and said."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from keepshell.core.kept.anew import LASTING
from tests.support.access import PASSPHRASE
from tests.support.trace import Trace
from tests.support.web import Start, Web

pytestmark = pytest.mark.parametrize("web", ["python"], indirect=True)

COMMAND = "exec /bin/sh -c 'echo run by $$; exec /bin/sh -i'"


@pytest.fixture
def bare(web: Web) -> Web:
    """A host without Python or Perl: it goes on with a plain login shell."""
    script = web.home.parent / "login.sh"
    tools = web.home.parent / "tools"
    tools.mkdir()
    for name in ("python3", "perl"):
        (tools / name).symlink_to("/bin/false")
    script.write_text(script.read_text().replace("PATH=", f"PATH={tools}:", 1))
    web.without_command()
    return web


def test_the_command_runs_again(web: Web, trace: Trace) -> None:
    terminal = web.open(reattach=COMMAND, prompt="# ")
    first = re.search(rb"run by (\d+)", terminal.output)
    assert first is not None
    time.sleep(LASTING)
    terminal.send("printf '\\033[?1049h\\033[?1000h'\r")
    terminal.expect("\x1b[?1000h")
    web.drop()
    terminal.expect(f"is back: a new connection runs {COMMAND}.")
    second = terminal.expect(re.compile(rb"run by (\d+)"))
    assert second[1] != first[1]
    shown = terminal.output.partition(b"a new connection")[0]
    assert shown.rindex(b"\x1b[?1049l") > shown.rindex(b"\x1b[?1049h")  # the screen is in order
    assert b"\x1b[?1000l" in shown
    terminal.send("exit 6\r")
    assert terminal.wait() == 6


def test_a_new_shell_where_the_last_one_was(bare: Web, trace: Trace, tmp_path: Path) -> None:
    place = tmp_path / "a b"
    place.mkdir()
    terminal = bare.open()
    assert b"this shell is not kept: the host has neither Python 3 nor Perl" in terminal.output
    told = os.fspath(place).replace(" ", "%20")
    typed = told.replace("%", "%%")
    terminal.send(f"x=lost; cd '{place}'; printf '\\033]7;file://web{typed}\\033\\\\'\r")
    terminal.expect(f"\x1b]7;file://web{told}\x1b\\")
    time.sleep(LASTING)
    bare.drop()
    terminal.expect(f"is back with a new shell in {place}; the one before was lost.\r\n")
    terminal.send("echo $x in $PWD.\r")
    terminal.expect(f"in {place}.")
    terminal.send("exit 4\r")
    assert terminal.wait() == 4


def test_keys_typed_meanwhile_are_held_and_asked_about(bare: Web, trace: Trace) -> None:
    terminal = bare.open()
    time.sleep(LASTING)
    bare.network.cut(to_client=False)
    bare.drop()
    trace.wait_for("attempt")
    terminal.send("echo $((6*7))")
    terminal.expect("Held until you say so: 13 keys.")
    bare.network.heal()
    terminal.expect("is back with a new shell; the one before was lost.")
    assert b"42" not in terminal.output
    terminal.send("\r")
    terminal.expect("echo $((6*7))")
    terminal.send("\r")
    terminal.expect("42")
    terminal.send("exit\r")
    assert terminal.wait() == 0


def test_a_session_that_was_short_is_not_followed(bare: Web, trace: Trace) -> None:
    terminal = bare.open()
    bare.drop()
    terminal.read_to_end()
    assert terminal.wait() == 255
    assert trace.named("attempt") == []


def test_a_login_that_needs_a_person_waits_for_the_person(bare: Web, trace: Trace) -> None:
    locked = str(bare.sshd.access.keys.locked)
    mine = str(bare.sshd.access.keys.user)
    arguments = [locked if word == mine else word for word in bare.arguments]
    terminal = bare.start(["--reattach", COMMAND, "ssh", *arguments, bare.target])
    terminal.expect("passphrase")
    terminal.send(PASSPHRASE + "\r")
    terminal.expect("run by")
    time.sleep(LASTING)
    bare.drop()
    terminal.expect("Enter logs in")
    terminal.send("\r")
    terminal.expect("passphrase")
    terminal.send(PASSPHRASE + "\r")
    terminal.expect("a new connection runs")
    terminal.expect("run by")
    assert [event["attended"] for event in trace.named("attempt")] == ["True"]
    terminal.send("exit\r")
    assert terminal.wait() == 0


def test_leaving_while_it_is_away(bare: Web, trace: Trace) -> None:
    terminal = bare.open()
    time.sleep(LASTING)
    bare.refuse_logins()
    bare.drop()
    trace.wait_for("attempt-failed")
    terminal.send("~")
    terminal.expect("~.     leave\r\n")
    terminal.send(".")
    output = terminal.read_to_end()
    assert terminal.wait() == 255
    assert b"goes on" not in output


@pytest.mark.parametrize("reattach", ["true", COMMAND])
def test_with_stderr_elsewhere_it_is_kept_all_the_same(
    web: Web, trace: Trace, tmp_path: Path, start_terminal: Start, reattach: str
) -> None:
    log = tmp_path / "log"
    words = [*web.network.prefix, str(web.exe), "--reattach", reattach, "ssh", *web.arguments]
    terminal = start_terminal(["/bin/sh", "-c", 'exec "$@" 2>"$LOG"', "sh", *words, web.target],
                              env={**os.environ, "LOG": str(log)})  # fmt: skip
    terminal.expect("$ " if reattach == "true" else "# ")
    terminal.send("x=kept; echo be''fore\r")
    terminal.expect("before")
    time.sleep(LASTING if reattach != "true" else 0)
    web.drop()
    trace.wait_for("took-over")
    terminal.send("echo $x af''ter\r")
    terminal.expect("kept after" if reattach == "true" else "after")
    terminal.send("exit 3\r")
    shown = terminal.read_to_end()
    assert terminal.wait() == 3
    said = log.read_bytes()
    assert b"closed by remote host" in said  # of the first connection
    assert b"closed by remote host" not in shown
    assert said.endswith(b" closed.\r\n")
