"""A kept shell on a real sshd: what the holder does with its shell, its terminal and its socket."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.link import Host, Link, login_through
from tests.support.processes import is_gone
from tests.support.programs import require
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.waiting import eventually


def test_a_shell_goes_on_where_the_connection_was_lost(host: Host) -> None:
    link = host.new()
    link.terminal.send_line("read x; echo got $x")
    link.terminal.expect("got $x\r\n")
    before = link.stream
    host.drop(link)
    again = host.attach(len(before))
    assert (again.word, again.number("out")) == ("attached", len(before))
    assert again.number("in") == len(b"read x; echo got $x\r")
    again.terminal.send_line("me")
    again.terminal.expect("me\r\ngot me\r\n")
    again.terminal.send_line("exit 7")
    assert again.terminal.wait() == 7
    eventually(host.is_over, "the end of holder and socket")


def test_what_was_printed_meanwhile_comes_first(host: Host) -> None:
    link = host.new()
    link.terminal.send_line("sleep 0.3; seq 3; echo done")
    link.terminal.expect("echo done\r\n")
    have = len(link.stream)
    host.drop(link)
    again = host.attach(have)
    again.terminal.expect("done\r\n")
    assert again.stream.startswith(b"1\r\n2\r\n3\r\ndone\r\n")


def test_a_client_that_is_killed_is_no_end(host: Host) -> None:
    link = host.new()
    link.terminal.signal(signal.SIGKILL)
    again = host.attach(len(link.stream))
    again.terminal.send_line("echo here")
    again.terminal.expect("here\r\n")


@pytest.mark.parametrize(("ending", "status"), [("exit 3", 3), ("kill -KILL $$", 255)])
def test_the_status_comes_back(host: Host, ending: str, status: int) -> None:
    link = host.new()
    link.terminal.send_line(ending)
    assert link.terminal.wait() == status
    eventually(host.is_over, "the end of holder and socket")


def test_all_output_comes_before_the_status(host: Host) -> None:
    link = host.new()
    link.terminal.send_line("stty raw; head -c 3000000 /dev/zero | tr '\\0' x; exit 3")
    link.terminal.expect("exit 3\r\n")
    assert link.terminal.wait() == 3
    _, _, output = link.terminal.read_to_end().partition(b"exit 3\r\n")
    assert output.count(b"x") == 3_000_000


def test_a_status_waits_for_who_was_away(host: Host) -> None:
    link = host.new()
    link.terminal.send_line("read x; echo last words; exit 5")
    link.terminal.expect("exit 5\r\n")
    have = len(link.stream)
    host.drop(link)
    again = host.attach(have)
    again.terminal.send("\r")
    again.terminal.expect("last words")
    assert again.terminal.wait() == 5


def test_a_shell_that_ended_while_away_is_told(host: Host) -> None:
    link = host.new()
    link.terminal.send_line("sleep 0.5; echo last words; exit 5")
    link.terminal.expect("exit 5\r\n")
    have = len(link.stream)
    shell = psutil.Process(host.pid).children()[0]
    host.drop(link)
    eventually(lambda: is_gone(shell.pid), "the shell's end")
    listed = host.connect("op=list").terminal.read_to_end()
    assert re.search(rb" id=%b [^\n]* ended=5" % host.id.encode(), listed)
    again = host.attach(have)
    assert again.terminal.wait() == 5
    assert again.stream.startswith(b"last words\r\n")
    eventually(host.is_over, "the end of holder and socket")


def test_the_newest_connection_wins(host: Host) -> None:
    first = host.new()
    second = host.attach(len(first.stream))
    assert first.terminal.wait() == 254
    second.terminal.send_line("echo $((6*7))")
    second.terminal.expect("42\r\n")


def test_a_second_new_of_the_same_id_attaches(host: Host) -> None:
    first = host.new()
    first.terminal.signal(signal.SIGKILL)
    second = host.connect("op=new id={id} have=0")
    assert second.word == "attached"
    assert second.fields["pid"] == first.fields["pid"]


def test_keys_that_arrived_are_counted(host: Host) -> None:
    link = host.new()
    link.terminal.send_line("stty -echo raw; echo ready; cat >/dev/null")
    link.terminal.expect("ready\n")
    typed = len(b"stty -echo raw; echo ready; cat >/dev/null\r")
    link.terminal.send(b"x" * 100_000)
    have = len(link.stream)
    again = host.attach(have)
    assert typed <= again.number("in") <= typed + 100_000
    link.terminal.wait()
    third = host.attach(have)
    assert third.number("in") == again.number("in")


def test_the_terminal_is_as_the_users_own(host: Host) -> None:
    def prepare(fd: int) -> None:
        import termios

        modes = termios.tcgetattr(fd)
        modes[6][termios.VINTR] = b"\x07"
        modes[0] &= ~termios.IXON
        termios.tcsetattr(fd, termios.TCSANOW, modes)

    link = host.new(rows=31, cols=97, prepare=prepare)
    link.terminal.send_line("stty -a; echo $TERM $0")
    text = link.terminal.expect(re.compile(rb"rows 31.*xterm-256color -bash", re.DOTALL))[0]
    assert b"columns 97;" in text
    assert b"intr = ^G;" in text
    assert b"-ixon" in text
    assert b" icanon" in text


def test_a_new_size_reaches_the_program(host: Host) -> None:
    link = host.new()
    link.terminal.send_line("trap 'stty size' WINCH; echo set")
    link.terminal.expect("\nset\r\n")
    link.terminal.resize(40, 120)
    link.terminal.expect("40 120")
    link.terminal.signal(signal.SIGKILL)
    again = host.attach(len(link.stream), rows=33, cols=99)
    again.terminal.expect("33 99")


def test_ssh_tty_is_the_shells_own_and_the_environment_is_the_logins(host: Host) -> None:
    link = host.new()
    link.terminal.send_line("[ $(tty) = $SSH_TTY ] && echo same; echo [$LC_CTYPE] $SHLVL")
    link.terminal.expect("\r\nsame\r\n[] 1\r\n")


def test_the_holder_names_itself(host: Host) -> None:
    host.new()
    argv = " ".join(psutil.Process(host.pid).cmdline())
    assert re.search(r"keepshell-holder[= ]laptop\b", argv[:50]), argv


def test_motd_unless_hushed(host: Host) -> None:
    (host.home / ".hushlogin").unlink()
    motd = Path("/etc/motd").read_bytes().replace(b"\n", b"\r\n")
    link = host.new()
    assert link.stream.startswith(motd)


def test_a_kept_shell_is_hung_up_when_its_time_is_over(host: Host) -> None:
    link = host.connect("op=new id={id} keep=1")
    link.terminal.expect("$ ")
    trap = "trap 'echo hung up >~/word; exit' HUP; echo set; while :; do sleep 0.1; done"
    link.terminal.send_line(f'sh -c "{trap}"')
    link.terminal.expect("\nset\r\n")
    host.drop(link)
    eventually(host.is_over, "the end of holder and socket")
    eventually((host.home / "word").exists, "the shell's last word")
    assert host.attach().word == "gone"


def test_a_holder_that_is_killed_takes_its_shell_along(host: Host) -> None:
    link = host.new()
    shell = psutil.Process(host.pid).children()[0]
    os.kill(host.pid, signal.SIGKILL)
    assert link.terminal.wait() == 255
    eventually(lambda: is_gone(shell.pid), "the shell's end")
    gone = host.attach()
    assert gone.word == "gone"
    assert gone.terminal.wait() == 0
    assert host.files() == []


def test_a_holder_that_is_told_to_end_leaves_nothing(host: Host) -> None:
    link = host.new()
    os.kill(host.pid, signal.SIGTERM)
    assert link.terminal.wait() == 255
    eventually(host.is_over, "the end of holder and socket")


def test_end_ends_it(host: Host) -> None:
    link = host.new()
    host.drop(link)
    ended = host.connect("op=end id={id}")
    assert (ended.word, ended.terminal.wait()) == ("ended", 0)
    eventually(host.is_over, "the end of holder and socket")


def test_list_names_each(host: Host) -> None:
    host.new()
    listed = host.connect("op=list").terminal
    text = listed.read_to_end().decode()
    assert re.search(rf" holder [^\n]* id={host.id} from=laptop name=web [^\n]*attached=1", text)
    assert "KEEPSHELL-LINK 1 end" in text
    assert listed.wait() == 0


def test_a_socket_that_was_taken_away_is_bound_again(host: Host) -> None:
    link = host.new()
    [socket] = host.files()
    host.drop(link)
    socket.unlink()
    eventually(host.files, "a new socket")
    assert host.attach().word == "attached"


def test_the_tail_begins_with_a_line(host: Host) -> None:
    link = host.new()
    link.terminal.send_line("seq 1000; echo done")
    link.terminal.expect("\ndone\r\n$ ")
    again = host.connect("op=attach id={id} tail=100")
    again.terminal.expect("done\r\n$ ")
    assert re.match(rb"9\d\d\r\n.*\r\n1000\r\ndone\r\n\$ $", again.stream, re.DOTALL)
    assert len(again.stream) <= 100


def test_a_name_too_long_for_a_socket_gets_a_plain_shell(host: Host) -> None:
    host.id = "f" * 120
    link = host.connect("op=new id={id}")
    assert link.word == "failed"
    link.terminal.expect("$ ")
    link.terminal.send_line("stty -a; exit 4")
    link.terminal.expect(" icanon")
    assert link.terminal.wait() == 4


PRINTED = b"".join(b"%d\r\n" % number for number in range(1, 1_000_001)) + b"logout\r\n"
"""What a login shell prints for `seq 1000000; exit`."""


def leave_while_it_prints(link: Link) -> int:
    """The program prints `PRINTED`, and the client is killed; where that begins in the stream."""
    link.terminal.send_line("read x; seq 1000000; exit 4")
    link.terminal.expect("exit 4\r\n")
    link.terminal.send("\r")
    link.terminal.expect("\r\n1\r\n")
    link.terminal.signal(signal.SIGKILL)
    link.terminal.wait()
    return link.stream.index(b"\r\n1\r\n") + 2


def holder_rests(host: Host) -> bool:
    """Whether the ring is full, and the program waits."""
    holder = psutil.Process(host.pid)
    before = holder.cpu_times()
    children = [child.status() for child in holder.children(recursive=True)]
    return holder.cpu_times() == before and psutil.STATUS_RUNNING not in children


def test_output_that_nobody_reads_blocks_the_program(host: Host) -> None:
    link = host.new()
    begin = leave_while_it_prints(link)
    eventually(lambda: holder_rests(host), "the holder at rest")
    have = len(link.stream)
    again = host.attach(have)
    assert again.number("out") == have
    assert again.terminal.wait() == 4
    assert link.stream[begin:] + again.terminal.read_to_end()[again.start :] == PRINTED


def test_after_the_grace_time_the_oldest_output_is_dropped_and_counted(host: Host) -> None:
    link = host.connect("op=new id={id} keep=600 grace=1")
    link.terminal.expect("$ ")
    [shell] = psutil.Process(host.pid).children()
    begin = leave_while_it_prints(link)
    eventually(lambda: is_gone(shell.pid), "the shell's end")
    have = len(link.stream)
    again = host.attach(have)
    assert again.terminal.wait() == 4
    output = again.terminal.read_to_end()[again.start :]
    assert have < again.number("out") == begin + len(PRINTED) - len(output)
    assert PRINTED.endswith(output)
    assert 4_000_000 < len(output) < 5_500_000


def test_input_that_a_dead_connection_took_is_not_counted(host: Host) -> None:
    link = host.new()
    typed = b"0123456789abcde\n" * 125_000
    line = f"stty raw -echo; echo ready; head -c {len(typed)} | sha256sum; stty sane"
    link.terminal.send_line(line)
    link.terminal.expect("ready\n")
    [server] = psutil.Process(host.sshd.pid).children()
    server.suspend()
    link.terminal.send(typed)  # ssh takes it all into its windows
    have = len(link.stream)
    again = host.attach(have)
    arrived = again.number("in") - len(line) - 1
    assert 0 <= arrived < len(typed)
    again.terminal.send(typed[arrived:])
    again.terminal.expect(hashlib.sha256(typed).hexdigest())
    server.resume()
    assert link.terminal.wait() == 254


def test_the_agents_socket_is_that_of_the_newest_connection(
    start_host: Callable[..., Host], tmp_path: Path
) -> None:
    (tmp_path / "agent").write_text("/first/agent")
    host = start_host(env=f"SSH_AUTH_SOCK=$(cat {tmp_path / 'agent'})")
    link = host.new()
    link.terminal.send_line("readlink $SSH_AUTH_SOCK")
    link.terminal.expect("\r\n/first/agent\r\n")
    (tmp_path / "agent").write_text("/second/agent")
    again = host.attach(len(link.stream))
    again.terminal.send_line("readlink $SSH_AUTH_SOCK; exit")
    again.terminal.expect("\r\n/second/agent\r\n")
    eventually(host.is_over, "the end of holder and socket")


def mounts(tmp_path: Path, *lines: str) -> str:
    """A program that runs another with its own mounts. Only root can have them."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    require("unshare")
    script = tmp_path / "mounts"
    script.write_text("\n".join(["#!/bin/sh", "set -e", *lines, 'exec "$@"', ""]))
    script.chmod(0o755)
    return f"unshare --mount {script}"


def test_a_directory_of_somebody_else_is_not_used(
    start_host: Callable[..., Host], tmp_path: Path
) -> None:
    foreign = f"mkdir /tmp/keepshell-{os.getuid()}; chown 1 /tmp/keepshell-{os.getuid()}"
    # /tmp holds the test's own files: it is covered last, and the program needs none of them.
    through = mounts(tmp_path, "mount -t tmpfs none /mnt", "mount --bind /mnt /tmp", foreign)
    host = start_host(through=through)
    link = host.connect("op=new id={id} keep=600")
    assert link.word == "new"
    [path] = host.files()
    assert path.is_relative_to("/var/tmp")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    again = host.attach()
    assert again.word == "attached"


def test_where_everything_is_full_there_is_a_plain_shell(
    start_host: Callable[..., Host], tmp_path: Path
) -> None:
    full = "mount -t tmpfs -o nr_inodes=1 none"
    places = ("/run", "/var/tmp", "/dev/shm", "/tmp")
    host = start_host(through=mounts(tmp_path, *(f"{full} {place}" for place in places)))
    link = host.connect("op=new id={id}")
    assert link.word == "failed"
    assert link.fields["why"] == "no%20place%20for%20a%20socket"
    link.terminal.expect("# ")
    link.terminal.send_line("exit 4")
    assert link.terminal.wait() == 4


def test_red_hats_platform_python(
    start_sshd: Callable[..., Sshd], start_terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    through = mounts(
        tmp_path,
        "mount -t tmpfs none /usr/libexec",
        "ln -s /usr/bin/python3 /usr/libexec/platform-python",
    )
    entry = login_through(tmp_path, "/bin/bash", path="/nonexistent", through=through)
    host = Host(start_sshd(entry), start_terminal, tmp_path / "login")
    assert host.connect("op=new id={id}").engine == "python"
    host.stop()
