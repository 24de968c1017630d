"""The terminal of the tests behaves as a user's, and keeps every byte."""

from __future__ import annotations

import re
import signal
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import is_gone
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

Start = Callable[..., Terminal]

CAT = ["sh", "-c", "stty raw -echo; echo READY; exec cat"]


def test_a_session_with_its_own_controlling_terminal(start_terminal: Start) -> None:
    terminal = start_terminal(["sh", "-c", "ps -o pid=,sid=,tpgid= -p $$; tty; echo hi >/dev/tty"])
    terminal.expect("hi\r\n")
    output = terminal.read_to_end()
    assert output.split()[:3] == [str(terminal.pid).encode()] * 3
    assert b"/dev/pts/" in output
    assert terminal.wait() == 0


@pytest.mark.parametrize("job", [False, True])
@pytest.mark.parametrize(
    ("command", "status"), [("exit 0", 0), ("exit 255", 255), ("kill -9 $$", -9)]
)
def test_the_status(start_terminal: Start, command: str, status: int, job: bool) -> None:
    assert start_terminal(["sh", "-c", command], job=job).wait() == status


def test_a_program_that_is_not_there(start_terminal: Start) -> None:
    assert start_terminal(["no-such-program"], job=True).wait() == 127


def test_the_end_of_a_flood(start_terminal: Start) -> None:
    terminal = start_terminal(["sh", "-c", "stty raw; yes | head -c 20000000; printf LAST"])
    output = terminal.read_to_end()
    assert len(output) == 20_000_004
    assert output.endswith(b"y\nLAST")


def test_input_of_any_bytes_against_a_flood(start_terminal: Start) -> None:
    terminal = start_terminal(CAT)
    terminal.expect("READY\n")
    typed = bytes(range(256)) * 2000
    terminal.send(typed)
    eventually(lambda: terminal.size_of_output == 6 + len(typed), "the echo")
    assert terminal.output.endswith(typed)


def test_expect_goes_on_after_the_last_match(start_terminal: Start) -> None:
    terminal = start_terminal(["printf", "one two one"])
    terminal.expect("one")
    terminal.expect("one")
    with pytest.raises(AssertionError, match=r"before the end of the output\n-+\none two one"):
        terminal.expect("one")


def test_expect_shows_the_screen_after_its_deadline(start_terminal: Start) -> None:
    terminal = start_terminal(["sh", "-c", "printf 'Password:'; read x"])
    terminal.expect("Password:")
    with pytest.raises(AssertionError, match=r"no .*login.* in 0.1 s\n-+\nPassword:"):
        terminal.expect("login", deadline=0.1)


def test_a_terminal_that_is_not_read_stalls_the_program(start_terminal: Start) -> None:
    terminal = start_terminal(["sh", "-c", "echo READY; read go; yes; echo unreachable"])
    terminal.expect("READY")
    terminal.pause()
    before = terminal.size_of_output
    terminal.send_line("")
    eventually(lambda: _state_of_child(terminal.pid) == "S", "yes to block")
    assert terminal.size_of_output == before
    terminal.resume()
    eventually(lambda: terminal.size_of_output > 1_000_000, "output after resume")


def _state_of_child(pid: int) -> str:
    """The state of the only child, as in proc(5): S sleeps, R runs; empty without a child."""
    child = Path(f"/proc/{pid}/task/{pid}/children").read_text().strip()
    return _state(int(child)) if child else ""


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_size_and_resize(start_terminal: Start) -> None:
    terminal = start_terminal(
        ["bash", "-c", "trap 'stty size' WINCH; stty size; while :; do sleep 0.01; done"],
        rows=31,
        cols=97,
    )
    terminal.expect("31 97\r\n")
    terminal.resize(12, 40)
    terminal.expect("12 40\r\n")
    assert terminal.size() == (12, 40)
    assert (terminal.screen.rows, terminal.screen.cols) == (12, 40)


def test_the_screen_is_replayed_with_its_sizes(start_terminal: Start) -> None:
    terminal = start_terminal(CAT, rows=4, cols=20)
    terminal.expect("READY\n")
    terminal.send(b"\x1b[2J\x1b[4;20H*")
    terminal.expect("*")
    terminal.resize(6, 30)
    terminal.send(b"\x1b[6;30H#")
    terminal.expect("#")
    screen = terminal.wait_for_screen(lambda seen: "#" in seen.text, "a # in the corner")
    assert screen.lines[3].index("*") == 19
    assert screen.lines[5].index("#") == 29


def test_modes_before_and_after(start_terminal: Start) -> None:
    def backspace_erases(slave: int) -> None:
        modes = termios.tcgetattr(slave)
        modes[6][termios.VERASE] = b"\x08"
        termios.tcsetattr(slave, termios.TCSANOW, modes)

    terminal = start_terminal(
        ["sh", "-c", "stty -a | grep -o 'erase = ..'; stty -icrnl"],
        job=True,
        prepare=backspace_erases,
    )
    terminal.expect("erase = ^H")
    terminal.wait()
    input_modes = terminal.termios()[0]
    assert isinstance(input_modes, int)
    assert input_modes & termios.ICRNL == 0


@pytest.mark.parametrize("job", [False, True])
def test_closing_hangs_up(start_terminal: Start, job: bool) -> None:
    terminal = start_terminal(["sh", "-c", "echo READY; exec sleep 1000"], job=job)
    terminal.expect("READY")
    terminal.hang_up()
    assert terminal.wait() == -signal.SIGHUP


def test_a_job_is_stopped_and_brought_back(start_terminal: Start) -> None:
    terminal = start_terminal(["sh", "-c", "echo READY; read line; echo got $line"], job=True)
    terminal.expect("READY")
    for turn in (1, 2):
        terminal.send(b"\x1a")
        assert terminal.wait_stopped(count=turn) == signal.SIGTSTP
        terminal.foreground()
        eventually(lambda: _state(terminal.pid) != "T", "the job to run again")
    terminal.send_line("it")
    terminal.expect("got it")
    assert terminal.wait() == 0


def test_a_job_in_the_background_may_not_read(start_terminal: Start) -> None:
    terminal = start_terminal(["sh", "-c", "echo READY; kill -STOP $$; read line"], job=True)
    assert terminal.wait_stopped() == signal.SIGSTOP
    terminal.background()
    assert terminal.wait_stopped(count=2) == signal.SIGTTIN


@pytest.mark.parametrize("job", [False, True])
def test_closing_leaves_nobody(job: bool) -> None:
    program = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "hidden = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "print('hidden', hidden.pid, flush=True)\n"
        "if os.fork() == 0:\n"
        "    print('orphan', os.getpid(), flush=True)\n"
        "    time.sleep(1000)\n"
        "time.sleep(1000)\n"
    )
    with Terminal([sys.executable, "-c", program], job=job) as terminal:
        names = (b"hidden", b"orphan")
        pids = [int(terminal.expect(re.compile(name + rb" (\d+)\r\n")).group(1)) for name in names]
        pids.append(terminal.pid)
    assert [pid for pid in pids if not is_gone(pid)] == []


def test_signals_reach_the_program_alone(start_terminal: Start) -> None:
    terminal = start_terminal(["sh", "-c", "echo READY; exec sleep 1000"], job=True)
    terminal.expect("READY")
    terminal.signal(signal.SIGTERM)
    assert terminal.wait() == -signal.SIGTERM
    assert not terminal.running


def test_no_signal_is_inherited_as_ignored(start_terminal: Start) -> None:
    for job in (False, True):
        terminal = start_terminal(["grep", "SigIgn", "/proc/self/status"], job=job)
        terminal.expect(re.compile(rb"SigIgn:\s+0{16}\r\n"))
