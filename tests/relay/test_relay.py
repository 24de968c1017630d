"""Bytes through `keepshell run`: exact both ways, complete at the end, bounded in between."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import re
import signal
import struct
import sys
import termios
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from keepshell.relay.linger import QUIET
from tests.support.processes import is_gone, is_running
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

Start = Callable[..., Terminal]

RAW = """
import os, sys, termios, tty
tty.setraw(0)
os.write(1, b"READY")
"""

FILL = """
import time
os.write(1, b"<%d>" % os.getpid())
os.read(0, 1)
os.set_blocking(1, False)
total = tries = 0
while tries < 20:
    try:
        total, tries = total + os.write(1, b"x" * 4096), 0
    except BlockingIOError:
        tries += 1
        time.sleep(0.02)
"""


@pytest.fixture
def run(start_terminal: Start, keepshell_exe: Path, tmp_path: Path) -> Start:
    """Runs a Python child under `keepshell run`; the child's pty is raw once it printed READY."""

    def start(body: str, *, options: tuple[str, ...] = (), **parameters: object) -> Terminal:
        script = tmp_path / f"child{len(list(tmp_path.glob('child*')))}.py"
        script.write_text(RAW + textwrap.dedent(body))
        argv = [str(keepshell_exe), *options, "run", "--", sys.executable, "-S", str(script)]
        return start_terminal(argv, **parameters)

    return start


def payload(size: int, seed: int = 1) -> bytes:
    """Every byte value, NUL and non-UTF-8 too, in no order."""
    return random.Random(seed).randbytes(size)


def test_output_of_every_byte_value_is_exact(run: Start) -> None:
    terminal = run("""
        import random
        os.write(1, bytes(range(256)) * 4)
        sys.stdout.buffer.write(random.Random(1).randbytes(300_000))
    """)
    assert terminal.read_to_end() == b"READY" + bytes(range(256)) * 4 + payload(300_000)
    assert terminal.wait() == 0


def test_input_of_every_byte_value_is_exact(run: Start) -> None:
    data = bytes(range(256)) * 4 + payload(300_000)
    terminal = run(f"""
        import hashlib
        digest, left = hashlib.sha256(), {len(data)}
        while left:
            chunk = os.read(0, left)
            digest.update(chunk)
            left -= len(chunk)
        os.write(1, digest.hexdigest().encode() + b".")
    """)
    terminal.expect("READY")
    terminal.send(data)
    terminal.expect(hashlib.sha256(data).hexdigest() + ".")


def test_a_200_kilobyte_paste_into_a_child_that_floods_output(run: Start) -> None:
    """Blocking on either side would deadlock: the child writes 20 MB before it reads a byte."""
    data = payload(200_000)
    flood = 20_000_000
    terminal = run(f"""
        import hashlib
        for _ in range({flood} // 50_000):
            sys.stdout.buffer.write(b"x" * 50_000)
        digest, left = hashlib.sha256(), {len(data)}
        while left:
            chunk = os.read(0, min(left, 1000))
            sys.stdout.buffer.write(b"y" * 5000)
            sys.stdout.buffer.flush()
            digest.update(chunk)
            left -= len(chunk)
        os.write(1, digest.hexdigest().encode() + b".")
    """)
    terminal.expect("READY")
    terminal.send(data, deadline=60)
    output = terminal.read_to_end(deadline=60)
    assert output.count(b"x") == flood
    assert output.endswith(hashlib.sha256(data).hexdigest().encode() + b".")


def test_64_megabytes_of_output_with_the_last_byte_before_the_exit(run: Start) -> None:
    size = 64 << 20
    terminal = run(f"""
        block = bytes(range(32, 96)) * 1024
        for _ in range({size} // len(block)):
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.write(b"LAST")
        sys.stdout.flush()
        os._exit(7)
    """)
    output = terminal.read_to_end(deadline=120)
    assert len(output) == len("READY") + size + len("LAST")
    assert output.endswith(b"LAST")
    expected = b"READY" + bytes(range(32, 96)) * (size // 64) + b"LAST"
    assert hashlib.sha256(output).digest() == hashlib.sha256(expected).digest()
    assert terminal.wait() == 7


@pytest.mark.parametrize("attempt", range(20))
def test_the_tail_before_a_quick_exit_is_never_lost(run: Start, attempt: int) -> None:
    terminal = run("""
        os.write(1, b"z" * 4000 + b"END")
        os._exit(3)
    """)
    assert terminal.read_to_end() == b"READY" + b"z" * 4000 + b"END"
    assert terminal.wait() == 3


def rss(pid: int) -> int:
    """VmRSS in kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def test_a_stalled_terminal_stalls_the_child_and_memory_stays(run: Start, tmp_path: Path) -> None:
    written = tmp_path / "written"
    terminal = run(f"""
        os.read(0, 1)
        total, counter = 0, os.open({str(written)!r}, os.O_CREAT | os.O_WRONLY)
        while total < 50_000_000:
            total += os.write(1, b"x" * 4096)
            os.pwrite(counter, b"%012d" % total, 0)
        os.write(1, b"DONE")
    """)
    terminal.expect("READY")
    before = rss(terminal.pid)
    terminal.pause()
    terminal.send("g")
    eventually(written.exists, "the child has begun to write")
    stalled_at = eventually(lambda: _steady(written), "the child stalls")
    assert stalled_at < 2_000_000
    assert rss(terminal.pid) - before < 2_000
    terminal.resume()
    output = terminal.read_to_end(deadline=60)
    assert output.endswith(b"DONE")
    assert output.count(b"x") == 50_003_968


def test_a_terminal_stalled_over_the_childs_end_still_gets_all(run: Start, tmp_path: Path) -> None:
    """As after ^S: what the child left in its pty waits until the terminal goes on."""
    written = tmp_path / "written"
    terminal = run(FILL + f"open({str(written)!r}, 'w').write(str(total))")
    pid = int(terminal.expect(re.compile(rb"<(\d+)>"))[1])
    terminal.pause()
    terminal.send("g")
    eventually(lambda: not psutil.pid_exists(pid), "keepshell has reaped the child")
    # Time is what is tested: this much of it is the end, but not of a terminal that is stalled.
    time.sleep(4 * QUIET)
    terminal.resume()
    assert terminal.read_to_end().count(b"x") == int(written.read_text())


def _steady(counter: Path) -> int:
    """The count, if it did not move in 20 looks."""
    first = counter.read_bytes()
    for _ in range(20):
        time.sleep(0.02)
        if counter.read_bytes() != first:
            return 0
    return int(first)


def test_keys_reach_the_child_while_the_terminal_is_stalled(run: Start, tmp_path: Path) -> None:
    """^C must get through although the user's terminal takes no output."""
    got = tmp_path / "got"
    terminal = run(f"""
        import threading
        def read():
            data = b""
            while b"C" not in data:
                data += os.read(0, 100)
            open({str(got)!r}, "wb").write(data)
            os._exit(5)
        threading.Thread(target=read).start()
        while True:
            os.write(1, b"x" * 4096)
    """)
    terminal.expect("READY")
    terminal.pause()
    terminal.send("abC")
    eventually(lambda: got.exists() and got.read_bytes() == b"abC", "the keys arrive")
    terminal.resume()
    assert terminal.wait() == 5


def test_type_ahead_is_kept(start_terminal: Start, keepshell_exe: Path) -> None:
    """Typed before keepshell has even started: TCSAFLUSH would drop it."""
    terminal = start_terminal(
        ["sh", "-c", f"read -r go; sleep 0.3; exec {keepshell_exe} run -- cat"]
    )
    terminal.send("go\rtyped ahead\r")
    terminal.expect("typed ahead")
    terminal.expect("typed ahead")
    terminal.send("\x04")
    assert terminal.wait() == 0


def test_the_child_sees_the_terminal_it_would_have_had(
    start_terminal: Start, keepshell_exe: Path
) -> None:
    """The inner pty is born with the outer settings and size."""

    def unusual(fd: int) -> None:
        attributes = termios.tcgetattr(fd)
        attributes[0] &= ~termios.IXON
        attributes[6][termios.VERASE] = b"\x08"
        attributes[6][termios.VINTR] = b"\x1d"
        termios.tcsetattr(fd, termios.TCSANOW, attributes)

    shown = []
    for prefix in ([], [str(keepshell_exe), "run", "--"]):
        terminal = start_terminal([*prefix, "stty", "-a"], prepare=unusual, rows=33, cols=111)
        shown.append(terminal.read_to_end())
        assert terminal.wait() == 0
    assert shown[0] == shown[1]
    assert b"erase = ^H" in shown[0]
    assert b"rows 33; columns 111" in shown[0]


def test_pixel_sizes_are_passed_on(start_terminal: Start, keepshell_exe: Path) -> None:
    size = struct.pack("HHHH", 40, 100, 1000, 800)
    show = "import fcntl; print(fcntl.ioctl(0, 0x5413, bytes(8)).hex())"
    terminal = start_terminal(
        [str(keepshell_exe), "run", "--", sys.executable, "-c", show],
        prepare=lambda fd: fcntl.ioctl(fd, termios.TIOCSWINSZ, size),
        rows=40,
        cols=100,
    )
    assert size.hex().encode() in terminal.read_to_end()


COUNT_SIZES = """
    import signal
    def winch(*_):
        size = os.get_terminal_size(0)
        os.write(1, b"[%dx%d]" % (size.lines, size.columns))
    signal.signal(signal.SIGWINCH, winch)
    os.write(1, b"SET")
    while os.read(0, 1) != b"q":
        pass
"""


def test_a_resize_is_followed(run: Start) -> None:
    terminal = run(COUNT_SIZES)
    terminal.expect("SET")
    terminal.resize(40, 132)
    terminal.expect("[40x132]")
    terminal.send("q")
    assert terminal.wait() == 0


def test_a_storm_of_10000_resizes_ends_at_the_last_size(run: Start) -> None:
    terminal = run(COUNT_SIZES)
    terminal.expect("SET")
    for number in range(10_000):
        terminal.resize(20 + number % 30, 80 + number % 40)
    terminal.resize(51, 151)
    terminal.expect("[51x151]")
    terminal.send("q")
    assert terminal.wait() == 0


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_the_exit_status_is_the_childs(run: Start, status: int) -> None:
    assert run(f"os._exit({status})").wait() == status


@pytest.mark.parametrize(
    "name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGSEGV", "SIGPIPE", "SIGUSR1"]
)
def test_dies_by_the_signal_that_killed_the_child(run: Start, name: str) -> None:
    number = getattr(signal, name)
    terminal = run(f"""
        import signal
        signal.signal({number}, signal.SIG_DFL) if {number} != 9 else None
        os.kill(os.getpid(), {number})
    """)
    assert terminal.wait() == -number


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"])
def test_signals_reach_the_child(run: Start, name: str) -> None:
    number = int(getattr(signal, name))
    terminal = run(f"""
        import signal
        def got(number, _frame):
            os.write(1, b"<%d>" % number)
            os._exit(9)
        signal.signal({number}, got)
        os.write(1, b"SET")
        while True:
            signal.pause()
    """)
    terminal.expect("SET")
    terminal.signal(signal.Signals(number))
    terminal.expect(f"<{number}>")
    assert terminal.wait() == 9


def test_the_child_has_default_signals(start_terminal: Start, keepshell_exe: Path) -> None:
    """CPython ignores SIGPIPE and SIGXFSZ for itself; a child must not inherit that."""
    show = ["grep", "SigIgn", "/proc/self/status"]
    bare = start_terminal(show).read_to_end()
    assert start_terminal([str(keepshell_exe), "run", "--", *show]).read_to_end() == bare


def test_no_descriptor_leaks_into_the_child(start_terminal: Start, keepshell_exe: Path) -> None:
    show = ["ls", "/proc/self/fd"]
    bare = start_terminal(show).read_to_end()
    assert start_terminal([str(keepshell_exe), "run", "--", *show]).read_to_end() == bare


def test_stderr_that_is_no_terminal_stays_where_it_was(
    start_terminal: Start, keepshell_exe: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    command = f"{keepshell_exe} run -- sh -c 'echo out; echo err >&2; exit 4' 2>{log}"
    terminal = start_terminal(["sh", "-c", command])
    assert terminal.read_to_end() == b"out\r\n"
    assert terminal.wait() == 4
    assert log.read_text() == "err\n"


def test_a_background_process_that_keeps_the_pty_does_not_keep_us(
    start_terminal: Start, keepshell_exe: Path
) -> None:
    """As a ControlPersist master with -v does: the child's end is the end."""
    script = "trap '' HUP; (sleep 60) & echo pid $!; echo said"
    terminal = start_terminal([str(keepshell_exe), "run", "--", "sh", "-c", script])
    terminal.expect("said")
    assert terminal.wait() == 0
    pid = int(terminal.output.split()[1])
    os.kill(pid, signal.SIGKILL)


def unread(pid: int) -> int:
    """How many bytes of what was typed wait on the terminal of this process."""
    slave = os.open(f"/proc/{pid}/fd/0", os.O_RDONLY | os.O_NOCTTY)
    try:
        return int.from_bytes(fcntl.ioctl(slave, termios.FIONREAD, bytes(4)), sys.byteorder)
    finally:
        os.close(slave)


def test_what_is_typed_after_the_end_is_left_for_the_next_reader(
    start_terminal: Start, keepshell_exe: Path, tmp_path: Path
) -> None:
    """The terminal is stalled: the child's last output waits for it, and so does our end."""
    child = tmp_path / "child.py"
    child.write_text(RAW + FILL)
    run = f"{keepshell_exe} run -- {sys.executable} -S {child}"
    terminal = start_terminal(["sh", "-c", f"{run}; read line; echo got-$line"])
    terminal.expect(re.compile(rb"<(\d+)>"))
    (keepshell,) = psutil.Process(terminal.pid).children()
    terminal.pause()
    terminal.send("g")
    eventually(lambda: not keepshell.children(), "keepshell has reaped the child")
    terminal.send("late\n")
    eventually(lambda: unread(keepshell.pid) == len("late\n"), "the line waits for a reader")
    # The line would have woken it, if it listened.
    eventually(lambda: not is_running(keepshell), "keepshell sleeps")
    assert unread(keepshell.pid) == len("late\n")
    terminal.resume()
    terminal.expect("got-late")
    assert terminal.wait() == 0


def test_kill_9_of_keepshell_leaves_no_child(run: Start) -> None:
    terminal = run("""
        os.write(1, b"<%d>" % os.getpid())
        while True:
            os.read(0, 1)
    """)
    pid = int(terminal.expect(re.compile(rb"<(\d+)>")).group(1))
    terminal.signal(signal.SIGKILL)
    assert terminal.wait() == -signal.SIGKILL
    eventually(lambda: is_gone(pid), "the child is gone")
