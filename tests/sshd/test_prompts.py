"""ssh's own questions, through keepshell: same words, same keys, same ends, and nothing is sent."""

from __future__ import annotations

import os
import re
import signal
import socket
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sshd.sides import ssh_of, wait_for_session, wait_until_reading
from tests.support.access import PASSPHRASE, Keys
from tests.support.passwords import PASSWORD, AsyncPasswordServer
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.trace import Trace
from tests.support.waiting import DEADLINE, eventually

Start = Callable[..., Terminal]

PLAIN_SHELL = ("bash", "--norc", "--noprofile", "--noediting", "-i")
PROMPTS = "ssh is asking you something"
STOPPED = "the program is stopped"


@dataclass(frozen=True)
class Question:
    """Something that ssh asks before the session."""

    arguments: Callable[[], list[str]]
    """Those that make ssh ask; called for each session, since an answer may be remembered."""
    words: str
    """The end of the question."""
    answer: str
    wrong: tuple[str, ...]
    """Answers that end ssh."""
    refusal: str
    """ssh's last words then."""
    shown: bool
    """Whether the answer is seen as it is typed."""


@pytest.fixture(params=["host key", "passphrase", "password"])
def question(
    request: pytest.FixtureRequest,
    start_sshd: Callable[..., Sshd],
    password_server: AsyncPasswordServer,
    keys: Keys,
) -> Question:
    """Each of ssh's questions in turn."""
    host, asking = start_sshd(shell=PLAIN_SHELL).access, password_server.access
    questions = {
        "host key": Question(
            lambda: host.ssh_args(known=False),
            "continue connecting (yes/no/[fingerprint])? ",
            answer="yes",
            wrong=("no",),
            refusal="Host key verification failed.\r\r\n",
            shown=True,
        ),
        "passphrase": Question(
            lambda: host.ssh_args(identity=keys.locked),
            f"Enter passphrase for key '{keys.locked}': ",
            answer=PASSPHRASE,
            wrong=("wrong",) * 3,
            refusal="Permission denied (publickey).\r\r\n",
            shown=False,
        ),
        "password": Question(
            asking.ssh_args,
            f"{asking.user}@testhost's password: ",
            answer=PASSWORD,
            wrong=("wrong",) * 3,
            refusal="Permission denied (password).\r\r\n",
            shown=False,
        ),
    }
    return questions[request.param]


@pytest.fixture
def both(
    start_terminal: Start, keepshell_exe: Path, tmp_path: Path
) -> Callable[[Question], Iterator[Terminal]]:
    """The question asked on two terminals, one after the other: by ssh, and through keepshell."""

    def ask(question: Question) -> Iterator[Terminal]:
        for prefix in ([], [str(keepshell_exe)]):
            argv = [*prefix, "ssh", *question.arguments()]
            # A core file, if the machine writes them, belongs with the test.
            terminal = start_terminal(argv, job=True, cwd=tmp_path)
            terminal.expect(question.words)
            wait_until_reading(ssh_of(terminal))
            yield terminal

    return ask


Both = Callable[[Question], Iterator[Terminal]]


def leave(terminal: Terminal) -> None:
    terminal.expect(PROMPT)
    terminal.send_line("exit 7")
    terminal.expect("closed.\r\r\n")
    assert terminal.wait() == 7


def words(output: bytes) -> list[bytes]:
    """The output without line ends and echoed control keys.

    A key that makes a signal flushes the terminal, which may or may not have shown these yet.
    """
    return re.sub(rb"\^[CZ\\]", b"", output).split()


def test_the_answer_lets_in(question: Question, both: Both) -> None:
    outputs = []
    for terminal in both(question):
        terminal.send_line(question.answer)
        leave(terminal)
        outputs.append(terminal.output)
    assert outputs[0] == outputs[1]
    assert (question.answer.encode() in outputs[0]) == question.shown


def test_wrong_answers_end_ssh(question: Question, both: Both) -> None:
    outputs = []
    for terminal in both(question):
        first, *others = question.wrong
        terminal.send_line(first)
        for answer in others:
            terminal.expect(question.words)
            terminal.send_line(answer)
        terminal.expect(question.refusal)
        assert terminal.wait() == 255
        outputs.append(terminal.output)
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    ("key", "number"), [("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT)], ids=["^C", "^\\"]
)
def test_a_key_that_interrupts_the_question(
    question: Question, both: Both, key: str, number: signal.Signals
) -> None:
    ends = []
    for terminal in both(question):
        terminal.send(key)
        assert terminal.wait() == -number
        ends.append((words(terminal.output), terminal.termios()))
    assert ends[0] == ends[1]


def test_the_suspend_key_stops_the_job_and_ssh_asks_again(question: Question, both: Both) -> None:
    """What was typed before it is no part of the answer."""
    ends = []
    for terminal in both(question):
        terminal.send("half")
        if question.shown:
            terminal.expect("half")
        terminal.send("\x1a")
        assert terminal.wait_stopped() == signal.SIGTSTP
        assert not is_raw(terminal)
        terminal.foreground()
        terminal.expect(question.words)
        terminal.send_line(question.answer)
        leave(terminal)
        ends.append((words(terminal.output), terminal.termios()))
    assert ends[0] == ends[1]


@pytest.fixture
def nudging(
    start_terminal: Start, keepshell_exe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[list[str]], tuple[Terminal, Trace]]:
    """Starts `keepshell ssh` with a nudge due all the time."""

    def start(arguments: list[str]) -> tuple[Terminal, Trace]:
        trace = Trace(tmp_path / "trace")
        monkeypatch.setenv("KEEPSHELL_TRACE", str(trace.path))
        options = ["--window-change-interval", "0.5s"]
        # Without ServerAlive, they are sent.
        words = ["ssh", "-o", "ServerAliveInterval=0", *arguments]
        return start_terminal([str(keepshell_exe), *options, *words]), trace

    return start


Nudging = Callable[[list[str]], tuple[Terminal, Trace]]


def held(trace: Trace, why: str) -> list[float]:
    """When nudges were held for this reason."""
    return [event["at"] for event in trace.named("hold") if event["detail"] == why]


def wait_held(trace: Trace, why: str, count: int) -> None:
    eventually(lambda: len(held(trace, why)) >= count, lambda: f"{count} × {why}: {trace.events}")


def test_nothing_is_sent_while_ssh_asks(question: Question, nudging: Nudging) -> None:
    terminal, trace = nudging(question.arguments())
    terminal.expect(question.words)
    wait_held(trace, PROMPTS, 4)
    assert trace.named("nudge-sent") == []
    terminal.send_line(question.answer)
    terminal.expect(PROMPT)
    first = trace.wait_for("nudge-sent")[0]["at"]
    assert max(held(trace, PROMPTS)) < first


def test_nothing_is_sent_at_the_command_line_of_an_escape(
    start_sshd: Callable[..., Sshd], nudging: Nudging
) -> None:
    access = start_sshd(shell=PLAIN_SHELL).access
    terminal, trace = nudging(["-o", "EnableEscapeCommandline=yes", *access.ssh_args()])
    terminal.expect(PROMPT)
    trace.wait_for("nudge-sent", 2)
    terminal.send("~C")
    terminal.expect("ssh> ")
    wait_held(trace, PROMPTS, 1)
    sent = len(trace.named("nudge-sent"))
    wait_held(trace, PROMPTS, 4)
    assert len(trace.named("nudge-sent")) == sent
    terminal.send_line("-h")
    terminal.expect("Cancel dynamic forward")
    wait_for_session(ssh_of(terminal))
    trace.wait_for("nudge-sent", sent + 2)


def test_nothing_is_sent_while_the_child_is_stopped(
    start_sshd: Callable[..., Sshd], nudging: Nudging
) -> None:
    terminal, trace = nudging(start_sshd(shell=PLAIN_SHELL).access.ssh_args())
    terminal.expect(PROMPT)
    trace.wait_for("nudge-sent", 2)
    child = ssh_of(terminal)
    child.suspend()
    wait_held(trace, STOPPED, 1)
    sent = len(trace.named("nudge-sent"))
    wait_held(trace, STOPPED, 4)
    assert len(trace.named("nudge-sent")) == sent
    child.resume()
    trace.wait_for("nudge-sent", sent + 2)
    terminal.send_line("echo $((6*7))")
    terminal.expect("42\r\n")


@pytest.fixture
def black_hole() -> Iterator[socket.socket]:
    """Listens, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE)
        yield listener


def connected(listener: socket.socket) -> socket.socket:
    """The connection of the ssh that waits for an answer: it has introduced itself."""
    connection, _ = listener.accept()
    connection.settimeout(DEADLINE)
    assert connection.recv(8) == b"SSH-2.0-"
    return connection


def to_black_hole(listener: socket.socket) -> list[str]:
    return ["-F", "/dev/null", "-p", str(listener.getsockname()[1]), "nobody@127.0.0.1"]


@pytest.mark.parametrize("suspended", [False, True], ids=["at once", "after ^Z and fg"])
def test_an_interrupt_while_nobody_answers(
    black_hole: socket.socket, start_terminal: Start, keepshell_exe: Path, suspended: bool
) -> None:
    ends = []
    for prefix in ([], [str(keepshell_exe)]):
        terminal = start_terminal([*prefix, "ssh", *to_black_hole(black_hole)], job=True)
        with connected(black_hole):
            has_terminal(terminal)
            if suspended:
                terminal.send("\x1a")
                assert terminal.wait_stopped() == signal.SIGTSTP
                assert not is_raw(terminal)
                terminal.foreground()
                has_terminal(terminal)
                terminal.expect("^Z")
            terminal.send("\x03")
            assert terminal.wait() == -signal.SIGINT
            terminal.expect("^C")  # the kernel's echo may be read a moment later
            ends.append((terminal.output, terminal.termios()))
    assert ends[0] == ends[1]


def has_terminal(terminal: Terminal) -> None:
    """Return once the job is in the foreground; the terminal is as it was, since nobody asks."""
    eventually(lambda: os.tcgetpgrp(terminal.fd) == terminal.pid, "the job in the foreground")
    assert not is_raw(terminal)


def is_raw(terminal: Terminal) -> bool:
    local = terminal.termios()[3]
    assert isinstance(local, int)
    return not local & (termios.ICANON | termios.ECHO)


def test_nothing_is_sent_while_nobody_answers(black_hole: socket.socket, nudging: Nudging) -> None:
    terminal, trace = nudging(to_black_hole(black_hole))
    with connected(black_hole) as connection:
        connection.recv(100)
        wait_held(trace, PROMPTS, 4)
        assert trace.named("nudge-sent") == []
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
    assert terminal.wait() == 255
