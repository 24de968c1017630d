"""The servers of the tests let us in, run what they are told to, and leave nothing behind."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.access import PASSPHRASE, Keys
from tests.support.dropbear import Dropbear
from tests.support.listening import Listening
from tests.support.passwords import PASSWORD, AsyncPasswordServer
from tests.support.processes import is_gone
from tests.support.programs import path_of
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE, eventually

Start = Callable[..., Terminal]


@pytest.fixture(params=["sshd", "dropbear"])
def start_server(request: pytest.FixtureRequest) -> Callable[..., Sshd | Dropbear]:
    """Either server's factory."""
    factory: Callable[..., Sshd | Dropbear] = request.getfixturevalue(f"start_{request.param}")
    return factory


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_a_shell_with_a_fixed_environment(
    start_server: Callable[..., Sshd | Dropbear], start_terminal: Start
) -> None:
    server = start_server(env={"COLOUR": "teal"})
    terminal = start_terminal(["ssh", *server.access.ssh_args()])
    terminal.expect(PROMPT)
    terminal.send_line("echo $COLOUR-$TERM-$((6*7)); pwd")
    terminal.expect("teal-xterm-256color-42\r\n")
    terminal.expect(f"{server.access.directory}/home\r\n")
    terminal.expect(PROMPT)
    terminal.send_line("exit 7")
    assert b"closed" in terminal.read_to_end()
    assert terminal.wait() == 7


def test_a_command_instead_of_the_shell(start_server: Callable[..., Sshd | Dropbear]) -> None:
    access = start_server().access
    done = _run("ssh", *access.ssh_args(), "echo out; echo err >&2; exit 5")
    assert (done.returncode, done.stdout) == (5, "out\n")
    assert done.stderr.endswith("err\n")


def test_another_shell(start_server: Callable[..., Sshd | Dropbear], start_terminal: Start) -> None:
    server = start_server(shell=[path_of("zsh"), "-f"])
    terminal = start_terminal(["ssh", *server.access.ssh_args()])
    terminal.expect(PROMPT)
    terminal.send_line("echo zsh=$ZSH_VERSION=")
    assert terminal.expect(PROMPT)
    assert b"\r\nzsh=5" in terminal.output


def test_stopping_ends_sessions_and_all_that_they_run(
    start_server: Callable[..., Sshd | Dropbear], start_terminal: Start
) -> None:
    server = start_server()
    terminal = start_terminal(["ssh", *server.access.ssh_args()])
    terminal.expect(PROMPT)
    terminal.send_line("(trap '' HUP TERM; setsid sleep 1000 & sleep 1000) & echo started $((1+1))")
    terminal.expect("started 2")
    eventually(lambda: _sleeps(server) == 2, lambda: f"two sleeps in {server.sessions()}")
    pids = server.sessions() | {server.pid}
    server.stop()
    assert terminal.wait() == 255
    assert b"closed by remote host" in terminal.read_to_end()
    assert [pid for pid in pids if not is_gone(pid)] == []


def test_stopping_ends_what_an_earlier_session_left_behind(
    start_server: Callable[..., Sshd | Dropbear],
) -> None:
    server = start_server()
    command = "setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!"
    left = int(_run("ssh", *server.access.ssh_args(), command).stdout)
    eventually(lambda: not server.sessions(), "the end of the session")
    assert not is_gone(left)
    server.stop()
    assert is_gone(left)


def _sleeps(server: Listening) -> int:
    commands = (Path(f"/proc/{pid}/comm") for pid in server.sessions())
    return sum(path.exists() and path.read_text() == "sleep\n" for path in commands)


def test_a_taken_port_is_given_up_for_another(
    sshd: Sshd, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = iter([sshd.port, sshd.port])
    real = Listening.__init__.__globals__["free_port"]
    monkeypatch.setattr("tests.support.listening.free_port", lambda: next(ports, None) or real())
    second = Sshd(tmp_path / "second", keys)
    try:
        assert second.port != sshd.port
        assert _run("ssh", *second.access.ssh_args(), "true").returncode == 0
    finally:
        second.stop()


def test_a_server_that_does_not_start_says_why(keys: Keys, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Bad configuration option: NoSuchOption"):
        Sshd(tmp_path / "broken", keys, "NoSuchOption yes")


def test_config_file_sftp_and_scp(sshd: Sshd, tmp_path: Path) -> None:
    config = str(sshd.access.ssh_config("LogLevel ERROR"))
    (tmp_path / "letter").write_text("dear host\n")
    sent = _run(path_of("scp"), "-F", config, str(tmp_path / "letter"), "testhost:received")
    assert (sent.returncode, sent.stderr) == (0, "")
    assert (sshd.access.directory / "home" / "received").read_text() == "dear host\n"
    assert _run("ssh", "-F", config, "testhost", "cat received").stdout == "dear host\n"


def test_prompt_for_a_passphrase(sshd: Sshd, keys: Keys, start_terminal: Start) -> None:
    terminal = start_terminal(["ssh", *sshd.access.ssh_args(identity=keys.locked)])
    terminal.expect("Enter passphrase for key")
    terminal.send_line(PASSPHRASE)
    terminal.expect(PROMPT)


def test_prompt_for_an_unknown_host_key(sshd: Sshd, start_terminal: Start) -> None:
    for _ in range(2):  # the answer is not remembered by the next call of ssh_args
        terminal = start_terminal(["ssh", *sshd.access.ssh_args(known=False)])
        terminal.expect("Are you sure you want to continue connecting")
        terminal.send_line("yes")
        terminal.expect(PROMPT)


def test_prompt_for_a_password(password_server: AsyncPasswordServer, start_terminal: Start) -> None:
    terminal = start_terminal(["ssh", *password_server.access.ssh_args()])
    terminal.expect("password: ")
    terminal.send_line("wrong")
    terminal.expect("Permission denied, please try again.")
    terminal.expect("password: ")
    terminal.send_line(PASSWORD)
    terminal.expect(PROMPT)
    terminal.send_line("hello")
    terminal.expect("got: hello\r\n")
    terminal.send_line("exit 3")
    assert terminal.wait() == 3
