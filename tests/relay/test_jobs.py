"""Programs below `keepshell run` stop, go on and end as they do without it."""

from __future__ import annotations

import os
import re
import signal
import sys
import termios
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.support.processes import is_gone, tree
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

Start = Callable[..., Terminal]


@pytest.fixture(params=[False, True], ids=["bare", "run"])
def prefix(request: pytest.FixtureRequest, keepshell_exe: Path) -> list[str]:
    return [str(keepshell_exe), "run", "--"] if request.param else []


def is_raw(terminal: Terminal) -> bool:
    local = terminal.termios()[3]
    assert isinstance(local, int)
    return not local & termios.ICANON


def goes_on(pid: int) -> bool:
    return all(process.status() != psutil.STATUS_STOPPED for process in tree(pid))


def all_stopped(pid: int) -> bool:
    return all(process.status() == psutil.STATUS_STOPPED for process in tree(pid))


def stop_and_go_on(terminal: Terminal, key: str, *, count: int = 1) -> None:
    terminal.send(key)
    terminal.wait_stopped(count=count)
    eventually(partial(all_stopped, terminal.pid), "all of the job stopped")
    assert not is_raw(terminal)
    terminal.foreground()
    eventually(partial(goes_on, terminal.pid), "all going on")
    eventually(partial(is_raw, terminal), "raw again")


def test_top_stops(start_terminal: Start, prefix: list[str]) -> None:
    terminal = start_terminal([*prefix, "top"], job=True)
    terminal.wait_for_screen(lambda screen: "PID" in screen.text, "top")
    stop_and_go_on(terminal, "\x1a")
    stop_and_go_on(terminal, "\x1a", count=2)
    terminal.send("q")
    assert terminal.wait() == 0


def test_top_stops_with_the_script_that_runs_it(start_terminal: Start, keepshell_exe: Path) -> None:
    """Bare top does too, but its tcsetattr may meet the SIGCONT, and it ends."""
    command = f"{keepshell_exe} run -- top"
    terminal = start_terminal(["sh", "-c", f"{command}; echo CONTINUED"], job=True)
    terminal.wait_for_screen(lambda screen: "PID" in screen.text, "top")
    stop_and_go_on(terminal, "\x1a")
    terminal.send("q")
    terminal.expect("CONTINUED")


@pytest.mark.parametrize("name", ["vim", "less"])
def test_a_program_stops_itself(
    start_terminal: Start, prefix: list[str], tmp_path: Path, name: str
) -> None:
    """By SIGTSTP, from raw mode: no key of the terminal does it."""
    (tmp_path / "text").write_text("one two\n" * 100)
    command = {"vim": ["vim", "-u", "NONE", "-i", "NONE", "-n"], "less": ["less"]}[name]
    terminal = start_terminal([*prefix, *command, "text"], job=True, cwd=tmp_path)
    terminal.wait_for_screen(lambda screen: "one two" in screen.text, "the text")
    stop_and_go_on(terminal, "\x1a")
    stop_and_go_on(terminal, "\x1a", count=2)
    terminal.send(":q!\r" if name == "vim" else "q")
    assert terminal.wait() == 0


def test_vim_stops_with_the_script_that_runs_it(
    start_terminal: Start, prefix: list[str], tmp_path: Path
) -> None:
    command = " ".join([*prefix, "vim", "-u", "NONE", "-i", "NONE", "-n", "text"])
    terminal = start_terminal(["sh", "-c", f"{command}; echo CONTINUED"], job=True, cwd=tmp_path)
    terminal.wait_for_screen(lambda screen: "text" in screen.text, "vim")
    stop_and_go_on(terminal, "\x1a")
    terminal.send(":q!\r")
    terminal.expect("CONTINUED")


def test_a_program_without_a_second_process(start_terminal: Start, keepshell_exe: Path) -> None:
    """RLIMIT_NPROC, which is none for root: keepshell and the program are all that may be."""
    reads = ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
    become = ["setpriv", "--reuid=lp", "--clear-groups", *reads]
    script = f"ulimit -u 2; exec {keepshell_exe} run -- bash -c 'echo $PPID; exit 5'"
    terminal = start_terminal([*become, "bash", "-c", script])
    assert terminal.read_to_end() == b"%d\r\n" % terminal.pid
    assert terminal.wait() == 5


def test_a_shell_suspends_itself(start_terminal: Start, prefix: list[str]) -> None:
    bash = ["bash", "--norc", "--noprofile"]
    terminal = start_terminal([*prefix, *bash], job=True)
    terminal.expect("LOCAL$ ")
    terminal.send_line("suspend -f")
    terminal.wait_stopped()
    terminal.foreground()
    eventually(partial(goes_on, terminal.pid), "all going on")
    terminal.send_line("echo $((6*7))")
    terminal.expect("42\r\n")
    terminal.send_line("exit 3")
    assert terminal.wait() == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_program_ends_when_it_is_told_to(
    start_terminal: Start, keepshell_exe: Path, number: signal.Signals
) -> None:
    script = "trap 'exit 5' TERM HUP; kill -STOP $$; while :; do sleep 0.1; done"
    terminal = start_terminal([str(keepshell_exe), "run", "--", "sh", "-c", script])

    def child() -> list[psutil.Process]:
        children = psutil.Process(terminal.pid).children()
        return [each for each in children if each.status() == psutil.STATUS_STOPPED]

    eventually(child, "a stopped program")
    eventually(partial(is_raw, terminal), "keepshell relays")
    terminal.signal(number)
    assert terminal.wait() == 5


def test_a_program_that_ignores_the_hangup_finds_no_terminal(
    start_terminal: Start, prefix: list[str]
) -> None:
    terminal = start_terminal([*prefix, "sh", "-c", "trap '' HUP; echo SET; cat >/dev/null"])
    terminal.expect("SET")
    started = tree(terminal.pid)
    terminal.hang_up()
    eventually(lambda: all(is_gone(process.pid) for process in started), "all gone")


def test_a_program_that_needs_no_terminal_outlives_it(
    start_terminal: Start, prefix: list[str], tmp_path: Path
) -> None:
    """And its status reaches whoever waits for it."""
    fifo, status = tmp_path / "go", tmp_path / "status"
    os.mkfifo(fifo)
    inner = f"trap '' HUP; echo SET; read go <{fifo}; exit 6"
    command = " ".join([*prefix, "sh", "-c", f'"{inner}"'])
    script = f"trap '' HUP; {command}; echo $? >{status}.new; mv {status}.new {status}"
    terminal = start_terminal(["sh", "-c", script])
    terminal.expect("SET")
    terminal.hang_up()
    fifo.write_text("go\n")
    eventually(status.exists, "the status")
    assert status.read_text() == "6\n"


KEYED = "import os, time; os.write(1, b'SET'); time.sleep(1000)"


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_an_interrupt_goes_to_the_script_too(
    start_terminal: Start, prefix: list[str], shell: str
) -> None:
    command = f'{" ".join(prefix)} {sys.executable} -S -c "{KEYED}"'
    terminal = start_terminal([shell, "-c", f"{command}; echo CONTINUED"], job=True)
    terminal.expect("SET")
    terminal.send("\x03")
    assert terminal.wait() == -signal.SIGINT
    assert b"CONTINUED" not in terminal.output


def test_an_interrupt_that_was_survived_is_forgotten(
    start_terminal: Start, prefix: list[str]
) -> None:
    """Typed on, then left with a status of its own."""
    inner = "trap 'echo CAUGHT' INT; echo SET; read a; read b; exit 4"
    command = f'{" ".join(prefix)} sh -c "{inner}"'
    terminal = start_terminal(["bash", "-c", f"{command}; echo status $?"], job=True)
    terminal.expect("SET")
    terminal.send("\x03")
    terminal.expect("CAUGHT")
    terminal.send_line("on")
    terminal.send_line("on")
    terminal.expect("status 4")


def test_descriptors_are_passed_on(
    start_terminal: Start, prefix: list[str], tmp_path: Path
) -> None:
    """Those of process substitution too."""
    (tmp_path / "file").write_text("a file\n")
    command = " ".join([*prefix, "cat", "/dev/fd/3", "<(echo substituted)"])
    terminal = start_terminal(["bash", "-c", f"{command} 3<{tmp_path}/file"])
    assert terminal.read_to_end() == b"a file\r\nsubstituted\r\n"
    assert terminal.wait() == 0


def test_a_closed_stderr(start_terminal: Start, prefix: list[str]) -> None:
    """No file of ours gets its number."""
    script = " ".join([*prefix, "sh", "-c", "'echo out; echo err >&2; exit 4'", "2>&-"])
    terminal = start_terminal(["sh", "-c", script])
    assert terminal.read_to_end() == b"out\r\n"
    assert terminal.wait() == 4


def test_a_fifo_in_the_live_files_place(start_terminal: Start, keepshell_exe: Path) -> None:
    folder = Path(os.environ["XDG_RUNTIME_DIR"], "keepshell")
    folder.mkdir(mode=0o700)
    script = f'mkfifo {folder}/$$.json {folder}/$$.json.new; exec "$@"'
    inner = "stty raw -echo; echo READY; exec cat"
    command = [str(keepshell_exe), "--window-change-interval", "0.2s", "run", "--"]
    terminal = start_terminal(["sh", "-c", script, "sh", *command, "sh", "-c", inner])
    terminal.expect("READY")
    for word in (b"one", b"two"):
        terminal.send(word)
        terminal.expect(word)
    (child,) = psutil.Process(terminal.pid).children()
    child.terminate()
    assert terminal.wait() == -signal.SIGTERM


def test_the_foreground_program_is_seen_by_its_name(
    start_terminal: Start, keepshell_exe: Path
) -> None:
    """As tmux's #{pane_current_command}, `ps` and editors' plug-ins see it."""
    script = "echo SET; read x"
    terminal = start_terminal([str(keepshell_exe), "run", "--", "sh", "-c", script], job=True)
    terminal.expect("SET")
    proc = Path("/proc", str(terminal.pid))
    eventually(lambda: (proc / "comm").read_text() == "sh\n", "the name")
    shown = (proc / "cmdline").read_bytes()
    assert re.match(rb"sh\0-c\0echo SET; read x\0*\Z", shown)
    terminal.send_line("")
    assert terminal.wait() == 0
