"""A shell that outlives its connection, as a user sees it: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support.access import PASSPHRASE
from tests.support.cli import keepshell
from tests.support.network import Network
from tests.support.trace import Trace
from tests.support.web import Start, Web


def test_it_is_a_shell_as_any_other(web: Web, trace: Trace) -> None:
    terminal = web.open()
    terminal.send("tty; echo $SHLVL one''two; stty -a | grep -o 'erase = [^;]*'\r")
    terminal.expect("onetwo")
    terminal.send("exit 7\r")
    terminal.read_to_end()
    assert terminal.wait() == 7
    assert b"KEEPSHELL-LINK" not in terminal.output
    assert b"3119734" not in terminal.output
    assert terminal.output.endswith(b" closed.\r\r\n")  # as ssh itself says it


def test_a_connection_that_is_killed_is_replaced(web: Web, trace: Trace) -> None:
    terminal = web.open()
    terminal.send("x=kept; echo be''fore\r")
    terminal.expect("before")
    web.drop()
    trace.wait_for("took-over")
    terminal.send("echo $x and af''ter\r")
    terminal.expect("kept and after")
    terminal.send("exit 3\r")
    assert terminal.wait() == 3


def test_a_black_hole(web: Web, trace: Trace) -> None:
    """The user is told within seven seconds, and what is typed then is sent only when asked for."""
    terminal = web.open()
    terminal.send("echo be''fore\r")
    terminal.expect("before")
    web.network.cut()
    terminal.send("x")  # into the connection, which never delivers it
    terminal.expect(re.compile(rb"\x1b\]0;[^\x07]*no answer for \d+s\x07"), deadline=7)
    terminal.send("echo he''ld")
    terminal.expect("Held until you say so: 11 keys.")
    web.drop()
    web.network.heal()
    terminal.expect("is back.")
    terminal.expect("Before it was lost: the last key did not arrive.")
    terminal.send("\r")
    terminal.expect("echo he''ld")
    terminal.send("\r")
    terminal.expect("held")
    terminal.send("exit\r")
    assert terminal.wait() == 0


def test_the_old_connection_may_answer_first(web: Web, trace: Trace) -> None:
    terminal = web.open()
    web.refuse_logins()
    web.network.cut()
    terminal.send("echo l''ate\r")
    trace.wait_for("attempt-failed")
    web.network.heal()
    terminal.expect("late")
    terminal.send("echo t''wo\r")
    terminal.expect("two")
    terminal.send("exit 4\r")
    assert terminal.wait() == 4
    assert trace.named("took-over") == []


def test_escapes(web: Web) -> None:
    terminal = web.open()
    terminal.send("\r~?")
    terminal.expect("Supported escape sequences:")
    terminal.send("\r~~x\r")
    terminal.expect("~x")
    terminal.send("\r~.")
    terminal.read_to_end()
    assert terminal.wait() == 255
    assert b"goes on for 12h" in terminal.output


def test_attached_again_after_keepshell_was_killed(web: Web, keepshell_exe: Path) -> None:
    terminal = web.open()
    terminal.send("x=kept; echo be''fore\r")
    terminal.expect("before")
    psutil.Process(terminal.pid).kill()
    terminal.wait()
    shown = keepshell("status").stdout
    assert f"{web.network.host}:1  kept for" in shown
    assert re.search(r"detached, ends in 1[12]h", shown)
    again = web.attach()
    again.expect("before")  # the last of its output
    again.send("echo $x aga''in\r")
    again.expect("kept again")
    assert "detached, ends" not in keepshell("status").stdout
    again.send("exit 5\r")
    assert again.wait() == 5
    assert keepshell("status").stdout.startswith("no session runs")
    assert "detached, ends" not in keepshell("status").stdout


def test_left_and_fetched_back(web: Web) -> None:
    terminal = web.open()
    terminal.send("x=left; echo s''et\r")
    terminal.expect("set")
    terminal.send("\r~.")
    assert terminal.wait() == 255
    again = web.attach(web.network.host)
    again.send("echo $x aga''in\r")
    again.expect("left again")
    other = web.attach(f"{web.network.host}:1")
    other.send("echo $x oth''er\r")
    other.expect("left other")
    again.read_to_end()
    assert again.wait() == 254
    assert b"has moved to another terminal" in again.output
    assert "moved to" in keepshell("history").stdout
    other.send("exit\r")
    assert other.wait() == 0


@pytest.mark.parametrize("lost", ["killed", "black hole"])
def test_who_leaves_the_page_has_left(web: Web, trace: Trace, lost: str) -> None:
    terminal = web.open()
    web.refuse_logins()
    if lost == "killed":
        web.drop()
    else:
        web.network.cut()
        terminal.send("x")
    terminal.expect(re.compile(rb"\x1b\]0;[^\x07]* for "))
    terminal.send("k")
    terminal.expect("Held until you say so: 1 key.")
    terminal.send("~.")
    terminal.read_to_end()
    assert terminal.wait() == 255
    (ended,) = trace.named("ended")
    assert ended["kind"] == "escape-quit"


def test_one_of_two_is_left_with_the_words_that_fetch_it_back(web: Web) -> None:
    first, second = web.open(), web.open()
    second.send("x=sec''ond\r")
    second.expect("$ ")
    second.send("~.")
    second.read_to_end()
    named = f"{web.network.host}:2"
    assert f"keepshell attach {named}\r\n".encode() in second.output
    again = web.attach(named)
    again.send("echo $x aga''in; exit\r")
    again.expect("second again")
    assert again.wait() == 0
    first.send("~.")
    first.read_to_end()
    assert f"keepshell attach {web.network.host}\r\n".encode() in first.output


def test_the_host_is_asked_what_it_keeps(web: Web) -> None:
    """From our own memory as a rule; with --ask its host says so."""
    terminal = web.open()
    psutil.Process(terminal.pid).kill()
    terminal.wait()

    def status(*words: str) -> str:
        return web.run("status", *words)

    assert re.search(r":1  kept for .*detached, ends in 1[12]h", status("--ask"))
    (shell,) = [json.loads(line) for line in status("--json").splitlines()]
    assert (shell["schema"], shell["kept"]) == (1, web.network.host)
    assert shell["attached"] is False
    (asked,) = [json.loads(line) for line in status("--ask", "--json").splitlines()]
    assert asked["asked"] == "there"
    assert abs(asked["detached"] - shell["detached"]) < 60
    for holder in web.holders():
        with suppress(psutil.NoSuchProcess):
            holder.kill()
    assert ":1  kept for" in status()  # our memory knows no better
    assert "gone, as its host says" in status("--ask")
    assert ":1  kept for" not in status()


def test_a_host_that_can_not_be_asked_is_not_forgotten(web: Web) -> None:
    terminal = web.open()
    psutil.Process(terminal.pid).kill()
    terminal.wait()
    web.refuse_logins()
    assert "its host does not answer" in web.run("status", "--ask")
    assert ":1  kept for" in web.run("status")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [((), "no shell is kept"), (("web",), "no shell of web is kept")],
)
def test_nothing_to_attach_to(words: tuple[str, ...], sentence: str) -> None:
    assert sentence in keepshell("attach", *words, status=2).stderr


def test_a_login_shell_that_refuses_gets_a_plain_session(web: Web, tmp_path: Path) -> None:
    script = tmp_path / "login.sh"
    script.write_text(script.read_text().replace("/bin/bash", "/bin/rbash"))
    web.without_command()
    terminal = web.open(prompt="# ")
    assert b"can't keep a shell" in terminal.output
    terminal.send("echo pl''ain; exit 2\r")
    terminal.expect("plain")
    assert terminal.wait() == 2
    again = web.open(prompt="# ")
    assert b"can't keep a shell" not in again.output


@pytest.mark.slow
def test_after_a_minute_in_a_black_hole_it_is_back_as_soon_as_a_login_takes(
    web: Web, trace: Trace
) -> None:
    terminal = web.open()
    web.network.cut()
    terminal.send("x")
    time.sleep(60)  # the outage is the point
    web.drop()
    web.network.heal()
    healed = time.monotonic()
    trace.wait_for("took-over", deadline=10)
    terminal.send("echo ba''ck\r")
    terminal.expect("back")
    took = time.monotonic() - healed
    print(f"back after {took:.2f} s")
    assert took < 3  # half a second and a login, on a machine that may be loaded


def test_the_first_loss_of_a_plain_session_names_the_setting(
    web: Web,
    network: Network,
    keepshell_exe: Path,
    start_terminal: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KEEPSHELL_HINTS")
    argv = [*network.prefix, str(keepshell_exe), "ssh", *web.arguments, web.target]
    advice = f"keepshell config set {network.host} reattach=true".encode()
    web.without_command()
    for is_said in (True, False):
        terminal = start_terminal(argv)
        terminal.expect("# ")
        web.drop()
        terminal.read_to_end()
        assert terminal.wait() == 255
        assert (advice in terminal.output) is is_said


DRAWN = re.compile(rb"\x1b\[\?1049h\x0f.*?\x1b\[\?1049l|\x1b\]0;[^\x07]*\x07|\x1b\[2[23];0t", re.S)
"""What keepshell itself draws: the page, and the title."""


@pytest.mark.parametrize("seed", range(2))
def test_under_random_cuts_every_byte_comes_once(web: Web, trace: Trace, seed: int) -> None:
    chance = random.Random(seed)
    terminal = web.open(rows=24, cols=80)
    terminal.send(
        "clear; for i in $(seq 3000); do echo line $i of many; sleep 0.002; done; echo DO''NE\r"
    )
    terminal.expect("line 1 of many")
    for cut in range(6):
        time.sleep(chance.uniform(0.0, 0.8))  # when, is left to chance
        if chance.random() < 0.5:
            web.drop()
        else:
            web.network.cut()
            terminal.send("k" if chance.random() < 0.5 else "")
            web.drop()
            web.network.heal()
        trace.wait_for("took-over", cut + 1)
    terminal.expect("DONE", deadline=60)
    shown = DRAWN.sub(b"", terminal.output)
    numbers = [int(number) for number in re.findall(rb"line (\d+) of many\r\n", shown)]
    assert numbers == list(range(1, 3001))


def test_vim_looks_as_before(web: Web, trace: Trace) -> None:
    terminal = web.open(rows=24, cols=80)
    terminal.send("vim -u NONE -N\r")
    terminal.wait_for_screen(lambda screen: "~" in screen.text, "vim")
    terminal.send("ione line\x1b")
    terminal.wait_for_screen(lambda s: "one line" in s.text and "INSERT" not in s.text, "the line")
    before = terminal.screen.text
    web.network.cut()
    terminal.send("x")
    terminal.expect(re.compile(rb"no answer for \d+s\x07"))
    terminal.send("ipage")
    terminal.expect("Held until you say so")
    web.drop()
    web.network.heal()
    terminal.expect("is back.")
    terminal.send("\x1b")
    terminal.wait_for_screen(lambda screen: screen.text == before, before)
    terminal.send(":q!\r")
    terminal.wait_for_screen(lambda screen: not screen.alternate, "the shell")


def test_a_login_that_needs_a_person_is_left_to_the_person(web: Web, trace: Trace) -> None:
    """The key wants its passphrase each time: nothing is tried until Enter."""
    locked = web.sshd.access.keys.locked
    arguments = [
        str(locked) if word == str(web.sshd.access.keys.user) else word for word in web.arguments
    ]
    words = ["--reattach", "true", "ssh", *arguments, web.target]
    terminal = web.start(words, rows=30)  # a size that a pty is not born with
    terminal.expect("passphrase")
    terminal.send(PASSPHRASE + "\r")
    terminal.expect("$ ")
    terminal.send("x=mine\r")
    terminal.expect("$ ")
    web.drop()
    terminal.expect("Enter logs in")
    terminal.send("\r")
    terminal.expect("passphrase")
    terminal.send(PASSPHRASE + "\r")
    trace.wait_for("took-over")
    terminal.send("echo $x aga''in\r")
    terminal.expect("mine again")
    assert [event["attended"] for event in trace.named("attempt")] == ["True"]
    assert b"Traceback" not in terminal.output


def test_a_holder_that_is_gone_ends_it(web: Web, trace: Trace) -> None:
    terminal = web.open()
    for holder in web.holders():
        with suppress(psutil.NoSuchProcess):
            holder.kill()
    terminal.read_to_end()
    assert terminal.wait() == 255
    assert b"keepshell: The shell has ended." in terminal.output


def test_a_new_address_is_a_new_connection(web: Web, trace: Trace) -> None:
    terminal = web.open()
    terminal.send("x=moved\r")
    terminal.expect("$ ")
    web.network.take_address()
    trace.wait_for("link", 2)
    web.network.give_other_address()
    trace.wait_for("took-over")
    terminal.send("echo $x aga''in\r")
    terminal.expect("moved again")


def test_a_window_that_is_closed_while_away(web: Web, trace: Trace) -> None:
    terminal = web.open()
    terminal.send("x=kept; echo be''fore\r")
    terminal.expect("before")
    web.network.cut()
    terminal.send("x")
    terminal.expect(re.compile(rb"no answer for \d+s\x07"))
    terminal.send("rm -rf keys")
    terminal.expect("Held until you say so: 11 keys.")
    terminal.close()
    web.network.heal()
    again = web.attach()
    again.expect("before")
    again.send("\x15echo $x aga''in\r")  # the x was sent before anybody knew, and may arrive
    again.expect("kept again")
    assert b"rm -rf" not in again.output
    again.send("exit\r")
    assert again.wait() == 0


def test_an_interrupt_while_away_is_a_key_as_any_other(web: Web, trace: Trace) -> None:
    terminal = web.open()
    terminal.send("trap 'echo ro''ared' INT; echo be''fore\r")
    terminal.expect("before")
    web.network.cut()
    terminal.send("x")
    terminal.expect(re.compile(rb"no answer for \d+s\x07"))
    terminal.send("\x03")
    terminal.expect("Held until you say so: 1 key.")
    web.drop()
    web.network.heal()
    terminal.expect("is back.")
    assert b"roared" not in terminal.output
    terminal.send("\r")
    terminal.expect("roared")
    terminal.send("exit 2\r")
    assert terminal.wait() == 2


def test_an_interrupt_before_the_shell_ends_ssh(web: Web) -> None:
    locked, mine = (str(key) for key in (web.sshd.access.keys.locked, web.sshd.access.keys.user))
    arguments = [locked if word == mine else word for word in web.arguments]
    terminal = web.start(["--reattach", "true", "ssh", *arguments, web.target])
    terminal.expect("passphrase")
    terminal.send("\x03")
    assert terminal.wait() in (-2, 130, 255)


@pytest.mark.parametrize("web", ["python"], indirect=True)
def test_suspended_during_an_attempt(web: Web, trace: Trace) -> None:
    terminal = web.open(job=True)
    terminal.send("x=kept; echo be''fore\r")
    terminal.expect("before")
    web.network.cut(to_client=False)
    web.drop()
    trace.wait_for("attempt")
    terminal.send("~")
    terminal.expect("Held until you say so")
    terminal.send("\x1a")
    terminal.wait_stopped()
    web.network.heal()
    terminal.foreground()
    trace.wait_for("took-over")
    terminal.send("echo $x aga''in\r")
    terminal.expect("kept again")
    terminal.send("exit 3\r")
    assert terminal.wait() == 3


@pytest.mark.parametrize("web", ["python"], indirect=True)
def test_a_server_that_allows_one_session_a_connection(web: Web, trace: Trace) -> None:
    """Each connection is ssh's own, and has but one."""
    config = web.sshd.access.directory / "sshd_config"
    config.write_text("MaxSessions 1\n" + config.read_text())
    psutil.Process(web.sshd.pid).send_signal(signal.SIGHUP)
    terminal = web.open()
    web.drop()
    trace.wait_for("took-over")
    terminal.send("exit 3\r")
    assert terminal.wait() == 3
