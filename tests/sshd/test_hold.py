"""A held connection on real servers: through it, without it, and when it is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from keepshell.relay.notify import BELL
from keepshell.store.holds import ANSWERS_WITHIN, ask, files_of
from tests.sshd import flaps
from tests.sshd.flaps import Held
from tests.sshd.holds import Holds, banner_at, free_port, logins
from tests.support.access import Keys
from tests.support.cli import keepshell
from tests.support.dropbear import Dropbear
from tests.support.network import require_namespaces
from tests.support.passwords import PASSWORD, AsyncPasswordServer
from tests.support.programs import path_of, require
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.trace import Trace
from tests.support.waiting import eventually

TOLD_WITHIN = 7.0
BYPASSED_WITHIN = ANSWERS_WITHIN + 0.5
"""The second of the promise, and what a loaded machine may add."""


@pytest.fixture
def config(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> str:
    """An ssh_config for -F, whose host is `testhost`."""
    return str(sshd.access.ssh_config())


class TestLife:
    def test_log_in_once_and_run_many_commands(self, holds: Holds, sshd: Sshd, config: str) -> None:
        said = holds.begin("--for", "3h", "--name", "db", "-F", config, "testhost")
        assert "db is held until" in said
        assert "keepshell release db" in said
        for number in range(3):
            done = keepshell("ssh", "-F", config, "testhost", f"echo {number}")
            assert done.stdout == f"{number}\n"
        assert logins(sshd) == 1
        assert holds.state() == "alive"

    @pytest.mark.parametrize(
        "command",
        [
            "ssh -F {config} testhost cat {file} >{folder}/got",
            "scp -qF {config} testhost:{file} {folder}/got",
            "scp -OqF {config} testhost:{file} {folder}/got",
            "echo get {file} {folder}/got | sftp -qb - -F {config} testhost",
            "rsync -e 'ssh -F {config}' testhost:{file} {folder}/got",
            "GIT_SSH_COMMAND='ssh -F {config}' git archive --remote=testhost:{git} HEAD f"
            " | tar -xOf - >{folder}/got",
        ],
        ids=["ssh", "scp", "scp-O", "sftp", "rsync", "git"],
    )
    def test_what_a_script_calls_goes_through_it(
        self, holds: Holds, sshd: Sshd, config: str, command: str, tmp_path: Path
    ) -> None:
        require("scp", "sftp", "rsync", "git", "tar")
        file, git = tmp_path / "repository" / "f", tmp_path / "repository"
        git.mkdir()
        file.write_text("it came through\n")
        made = "git init -q && git add f && git -c user.name=n -c user.email=e commit -qm c"
        subprocess.run(["sh", "-c", made], cwd=git, check=True)
        holds.begin("--name", "db", "-F", config, "testhost")
        words = command.format(config=config, folder=tmp_path, file=file, git=git)
        keepshell("exec", "--", "sh", "-c", words)
        assert (tmp_path / "got").read_text() == "it came through\n"
        assert logins(sshd) == 1

    def test_ansible_goes_through_it(
        self, holds: Holds, sshd: Sshd, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        require("ansible-playbook")
        monkeypatch.setenv("ANSIBLE_LOCAL_TEMP", str(tmp_path / "ansible"))
        monkeypatch.setenv("ANSIBLE_REMOTE_TEMP", str(tmp_path / "remote"))
        monkeypatch.setenv("ANSIBLE_SSH_COMMON_ARGS", f"-F {config}")
        (tmp_path / "site.yml").write_text(_PLAYBOOK)
        holds.begin("--name", "db", "-F", config, "testhost")
        words = ("-i", "testhost,", "-e", "ansible_ssh_args=", str(tmp_path / "site.yml"))
        done = keepshell("exec", "--", "ansible-playbook", *words)
        assert "ok=2" in done.stdout
        assert logins(sshd) == 1

    def test_status_shows_it_with_its_tunnels(self, holds: Holds, sshd: Sshd, config: str) -> None:
        port = free_port()
        tunnel = f"-L{port}:127.0.0.1:{sshd.port}"
        holds.begin("--name", "db", tunnel, "-F", config, "testhost")
        shown = keepshell("status").stdout
        assert re.search(rf"^✓ +db +\d\d:\d\d +0 +-L {port}:\S+$", shown, re.M), shown
        (told,) = map(json.loads, keepshell("status", "--json").stdout.splitlines())
        assert told["schema"] == 1
        assert told["held"] == "db"
        assert (told["state"], told["sessions"]) == ("alive", 0)
        supervisor, master = holds.supervisor(), holds.master()
        supervisor.kill()
        supervisor.wait(10)
        assert "db" not in keepshell("status").stdout
        assert holds.files() == []
        psutil.wait_procs([master], 10)
        assert not master.is_running()

    @pytest.mark.parametrize("also", ["", "Include {config}"])
    def test_plain_ssh_goes_through_it_by_what_is_printed(
        self, holds: Holds, sshd: Sshd, config: str, tmp_path: Path, also: str
    ) -> None:
        holds.begin("--name", "db", "-F", config, "testhost")
        printed = keepshell("hold", "--print-config", "--name", "db", "-F", config, "testhost")
        plain = tmp_path / "plain"
        plain.write_text(f"{printed.stdout}{also.format(config=config)}\n")
        done = subprocess.run(
            [path_of("ssh"), "-F", str(plain), "testhost", "echo through"],
            capture_output=True,
            text=True,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.stdout == "through\n"
        assert logins(sshd) == 1

    @pytest.mark.parametrize(("reattach", "expected"), [("false", 1), ("true", 2)])
    def test_a_kept_shell_has_a_connection_of_its_own(
        self,
        holds: Holds,
        sshd: Sshd,
        config: str,
        start_terminal: Any,
        keepshell_exe: Path,
        *,
        reattach: str,
        expected: int,
    ) -> None:
        """Of a shared one's loss it would learn too late; its commands go through the hold."""
        holds.begin("--name", "db", "-F", config, "testhost")
        words = ["--reattach", reattach, "ssh", "-F", config, "testhost"]
        terminal = start_terminal([str(keepshell_exe), *words])
        terminal.expect(re.compile(rb"[$#] "))
        assert keepshell(*words, "echo on").stdout == "on\n"
        terminal.send("exit 3\r")
        assert terminal.wait() == 3
        assert logins(sshd) == expected

    def test_its_end_moves(self, holds: Holds, config: str) -> None:
        holds.begin("--for", "1h", "--name", "db", "-F", config, "testhost")
        first = holds.record()["until"]
        assert "db is held until" in holds.begin("--for", "2h", "db")
        eventually(lambda: holds.record()["until"] > first + 3000, "the end has moved")

    def test_without_a_time_its_end_is_the_one_configured_for_its_host(
        self, holds: Holds, config: str, config_toml: Path
    ) -> None:
        config_toml.write_text('[host."testhost"]\nhold_for = "2h"\n')
        holds.begin("--for", "10m", "--name", "db", "-F", config, "testhost")
        holds.begin("db")
        left = holds.record()["until"] - time.time()
        assert left == pytest.approx(7200, abs=60)

    def test_another_tunnel_under_its_name_is_refused(
        self, holds: Holds, sshd: Sshd, config: str
    ) -> None:
        holds.begin("--name", "db", "-F", config, "testhost")
        tunnel = f"-L{free_port()}:127.0.0.1:{sshd.port}"
        words = ("--name", "db", tunnel, "-F", config, "testhost")
        done = keepshell("hold", *words, status=2)
        assert "db is held already, without -L " in done.stderr
        assert "--name" in done.stderr

    def test_at_its_end_a_session_finishes_and_nothing_is_left(
        self, holds: Holds, sshd: Sshd, config: str
    ) -> None:
        holds.begin("--for", "3s", "--name", "db", "-F", config, "testhost")
        supervisor, master = holds.supervisor(), holds.master()
        session = subprocess.Popen(
            [path_of("ssh"), "-F", "none", "-S", holds.socket_of(), "x", "sleep 6; echo over"],
            stdout=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        holds.await_state("ending")
        output, _ = session.communicate(timeout=30)
        assert output == "over\n"
        supervisor.wait(10)
        assert not master.is_running()
        assert holds.files() == []

    def test_release_now_cuts_what_runs_through_it(self, holds: Holds, config: str) -> None:
        holds.begin("--name", "db", "-F", config, "testhost")
        supervisor = holds.supervisor()
        session = subprocess.Popen(
            [path_of("ssh"), "-F", "none", "-S", holds.socket_of(), "x", "echo begun; sleep 60"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
        assert session.stdout is not None
        assert session.stdout.readline() == b"begun\n"
        keepshell("release", "--now", "db")
        session.communicate(timeout=10)
        assert session.returncode == 255
        supervisor.wait(10)
        assert holds.files() == []

    def test_a_session_is_told_before_the_end_and_outlives_it(
        self, holds: Holds, sshd: Sshd, config: str, start_terminal: Any, trace: Trace
    ) -> None:
        holds.begin("--for", f"{_NOTICE + 8}s", "--name", "db", "-F", config, "testhost")
        terminal = start_terminal([*_keepshell(), "ssh", "-F", config, "testhost"])
        terminal.expect(PROMPT)
        before = terminal.size_of_output
        (told,) = trace.wait_for("notified", 1)
        assert told["detail"] == "the connection is held for another 5m"
        eventually(lambda: BELL in terminal.output_since(before), "the bell")
        holds.begin("--for", "2s", "db")
        holds.await_state("ending")
        terminal.send_line("echo $((6 * 7))")
        terminal.expect(b"42")
        assert keepshell("ssh", "-F", config, "testhost", "echo new").stdout == "new\n"
        assert logins(sshd) == 2  # it had to log in
        terminal.send_line("exit")
        assert terminal.wait() == 0
        eventually(lambda: holds.files() == [], "nothing is left")

    def test_what_the_server_lets_through_no_more_logs_in_by_itself(
        self, holds: Holds, start_sshd: Callable[..., Sshd]
    ) -> None:
        sshd = start_sshd("MaxSessions 2")
        config = str(sshd.access.ssh_config())
        holds.begin("--name", "db", "-F", config, "testhost")
        argv = [*_keepshell(), "ssh", "-F", config, "testhost", "echo begun; cat"]
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, stdin=pipe, stdout=pipe) as session:
            assert session.stdout is not None
            assert session.stdout.readline() == b"begun\n"
            assert logins(sshd) == 1
            done = keepshell("ssh", "-F", config, "testhost", "echo alone")
            session.communicate(timeout=30)
        assert done.stdout == "alone\n"
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert logins(sshd) == 2

    def test_a_supervisor_that_hangs_is_killed(self, holds: Holds, config: str) -> None:
        holds.begin("--name", "db", "-F", config, "testhost")
        supervisor, master = holds.supervisor(), holds.master()
        supervisor.suspend()
        said = keepshell("release", "db").stdout
        assert said == "db: its supervisor did not answer; it is killed\n"
        assert psutil.wait_procs([supervisor, master], 10)[1] == []
        assert holds.files() == []

    def test_another_host_under_its_name_is_refused(
        self, holds: Holds, config: str, start_sshd: Callable[..., Sshd]
    ) -> None:
        other = start_sshd().access.ssh_config()
        holds.begin("--name", "db", "-F", config, "testhost")
        done = keepshell("hold", "--name", "db", "-F", str(other), "testhost", status=2)
        assert "db is held already" in done.stderr
        assert "--name" in done.stderr

    def test_two_holds_of_one_host(self, holds: Holds, sshd: Sshd, config: str) -> None:
        holds.begin("--name", "one", "-F", config, "testhost")
        holds.begin("--name", "two", "-F", config, "testhost")
        keepshell("release", "one")
        eventually(lambda: holds.state("one") == "none", "one is gone")
        assert keepshell("ssh", "-F", config, "testhost", "echo 2").stdout == "2\n"
        assert logins(sshd) == 2

    @pytest.mark.parametrize("own", ["ControlPath /tmp/own-%C", "ControlMaster auto"])
    def test_a_connection_of_the_users_own_to_share_comes_first(
        self, holds: Holds, sshd: Sshd, own: str
    ) -> None:
        config = str(sshd.access.ssh_config())
        holds.begin("--name", "db", "-F", config, "testhost")
        config = str(sshd.access.ssh_config(own))
        keepshell("ssh", "-o", "ControlMaster=no", "-F", config, "testhost", "true")
        assert logins(sshd) == 2 if own.startswith("ControlPath") else logins(sshd) >= 1

    def test_status_of_what_nobody_holds(self, holds: Holds) -> None:
        assert keepshell("release", "--all").stdout == "nothing is held\n"
        assert "no hold called db" in keepshell("release", "db", status=1).stderr


class TestTunnels:
    def test_they_are_open_and_come_back_on_the_same_port(
        self, holds: Holds, sshd: Sshd, config: str
    ) -> None:
        local, back = free_port(), free_port()
        tunnels = [f"-L{local}:127.0.0.1:{sshd.port}", f"-R{back}:127.0.0.1:{sshd.port}"]
        said = holds.begin("--name", "db", "-f", "-N", *tunnels, "-F", config, "testhost")
        assert f"-L {local}:[127.0.0.1]:{sshd.port}" in said
        assert banner_at(local).startswith(b"SSH-")
        assert banner_at(back).startswith(b"SSH-")
        first = holds.record()["socket"]
        holds.master().send_signal(signal.SIGSTOP)
        eventually(lambda: holds.record()["socket"] not in (first, None), "a new generation")
        holds.await_state("alive")
        eventually(lambda: banner_at(local).startswith(b"SSH-"), "the tunnel is back")
        eventually(lambda: banner_at(back).startswith(b"SSH-"), "the tunnel from there is back")

    def test_a_port_in_use_is_said_and_nothing_is_held(
        self, holds: Holds, sshd: Sshd, config: str
    ) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            tunnel = f"-L127.0.0.1:{port}:127.0.0.1:{sshd.port}"
            words = ("--name", "db", tunnel, "-F", config, "testhost")
            done = keepshell("hold", *words, status=2)
        assert f"-L [127.0.0.1]:{port}:" in done.stderr
        assert "not held" in done.stderr
        assert holds.files() == []

    @pytest.mark.parametrize("letter", ["-L", "-R"])
    def test_one_that_could_not_be_opened_again_is_shown_and_tried_again(
        self, holds: Holds, start_sshd: Callable[..., Sshd], letter: str
    ) -> None:
        """Somebody else has taken its port, here or on the host."""
        sshd = start_sshd("AddressFamily inet")
        config, port = str(sshd.access.ssh_config()), free_port()
        tunnel = f"127.0.0.1:{port}:127.0.0.1:{sshd.port}"
        holds.begin("--name", "db", letter, tunnel, "-F", config, "testhost")
        supervisor = holds.supervisor()
        supervisor.suspend()  # so that the port is ours between two generations
        for process in psutil.Process(sshd.pid).children(recursive=True):
            process.kill()
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            eventually(lambda: _bound(taken, port), "the port is free")
            taken.listen()
            supervisor.resume()
            eventually(lambda: holds.record()["missing"], "it is missing")
            holds.await_state("alive")
            shown = keepshell("status").stdout
            assert re.search(rf"^! +db .*not open: {letter} .127", shown, re.M), shown
        eventually(lambda: not holds.record()["missing"], "it is there again", deadline=40)
        assert banner_at(port).startswith(b"SSH-")


class TestAsking:
    """keepshell asks ssh for what ssh_config says once at most."""

    @pytest.fixture
    def called(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
        """The command lines of all calls of ssh."""
        log, wrapper = tmp_path / "called", tmp_path / "real-ssh"
        wrapper.write_text(f'#!/bin/sh\necho "$*" >>{log}\nexec {path_of("ssh")} "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setenv("KEEPSHELL_SSH", str(wrapper))
        return lambda: log.read_text().splitlines()

    def test_tunnels_of_ssh_config(
        self, holds: Holds, sshd: Sshd, called: Callable[[], list[str]]
    ) -> None:
        port = free_port()
        line = f"LocalForward {port} 127.0.0.1:{sshd.port}"
        holds.begin("--name", "db", "-F", str(sshd.access.ssh_config(line)), "testhost")
        assert banner_at(port).startswith(b"SSH-")
        assert holds.record()["tunnels"] == [f"-L {port}:[127.0.0.1]:{sshd.port}"]
        assert len([words for words in called() if words.startswith("-G ")]) == 1

    def test_not_where_nothing_of_it_matters(
        self, holds: Holds, sshd: Sshd, called: Callable[[], list[str]]
    ) -> None:
        port = free_port()
        words = ("--name", "db", f"-fNL{port}:127.0.0.1:{sshd.port}", *sshd.access.ssh_args())
        holds.begin(*words)
        assert banner_at(port).startswith(b"SSH-")
        assert holds.record()["tunnels"] == [f"-L {port}:127.0.0.1:{sshd.port}"]
        assert not [words for words in called() if words.startswith("-G ")]

    def test_not_where_that_would_run_a_program(
        self, holds: Holds, sshd: Sshd, tmp_path: Path, called: Callable[[], list[str]]
    ) -> None:
        """Its tunnels are left to ssh, and come back on a new connection all the same."""
        configured, back, runs = free_port(), free_port(), tmp_path / "runs"
        config = sshd.access.ssh_config(f"LocalForward {configured} 127.0.0.1:{sshd.port}")
        with config.open("a") as file:
            file.write(f'Match originalhost testhost exec "echo once >>{runs}"\n')
            file.write(f"RemoteForward {back} 127.0.0.1:{sshd.port}\n")
        holds.begin("--name", "db", "-F", str(config), "testhost")
        assert runs.read_text() == "once\n" * 2  # ssh's login, and ssh -O forward
        assert not [words for words in called() if words.startswith("-G ")]
        assert "those of ssh_config" in keepshell("status").stdout
        first = holds.record()["socket"]
        for _ in range(2):
            assert banner_at(configured).startswith(b"SSH-")
            assert banner_at(back).startswith(b"SSH-")
            if first == holds.record()["socket"]:
                holds.master().send_signal(signal.SIGSTOP)
                eventually(lambda: holds.record()["socket"] not in (first, None), "a new one")
                holds.await_state("alive")
                eventually(lambda: banner_at(back).startswith(b"SSH-"), "the tunnel is back")

    def test_a_file_that_can_be_read_only_once_is_refused(
        self, holds: Holds, tmp_path: Path
    ) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        done = keepshell("hold", "-F", str(fifo), "testhost", status=2)
        assert "can be read only once" in done.stderr

    @pytest.mark.parametrize(
        ("typed", "lines"), [(["-f"], []), ([], ["ForkAfterAuthentication yes"])]
    )
    def test_a_hold_that_is_to_fork_is_of_the_same_host(
        self, holds: Holds, sshd: Sshd, typed: list[str], lines: list[str]
    ) -> None:
        """`ssh -G` refuses to fork without a command, and would name no host."""
        forks = str(sshd.access.ssh_config(*lines))
        holds.begin("--name", "db", *typed, "-F", forks, "testhost")
        assert holds.record()["host"].endswith(f"@127.0.0.1:{sshd.port}")
        plain = str(sshd.access.ssh_config())
        assert keepshell("ssh", "-F", plain, "testhost", "echo through").stdout == "through\n"
        assert logins(sshd) == 1

    def test_a_host_that_has_no_session_by_ssh_config(self, holds: Holds, sshd: Sshd) -> None:
        lines = ("SessionType none", "ForkAfterAuthentication yes", "StdinNull yes")
        holds.begin("--name", "db", "-F", str(sshd.access.ssh_config(*lines)), "testhost")
        assert holds.state() == "alive"


class TestLoss:
    @pytest.mark.parametrize("signum", [signal.SIGSTOP, signal.SIGKILL])
    def test_a_master_that_dies_or_hangs_is_replaced(
        self, holds: Holds, config: str, signum: signal.Signals
    ) -> None:
        holds.begin("--name", "db", "-F", config, "testhost")
        first, began = holds.record()["socket"], time.monotonic()
        holds.master().send_signal(signum)
        eventually(lambda: holds.state() != "alive" or holds.record()["socket"] != first, "told")
        assert time.monotonic() - began <= TOLD_WITHIN + 1.0
        eventually(lambda: holds.record()["socket"] not in (first, None), "replaced")
        holds.await_state("alive")
        assert keepshell("ssh", "-F", config, "testhost", "echo on").stdout == "on\n"

    def test_a_stopped_one_is_kept_only_for_what_runs_through_it(
        self, holds: Holds, config: str
    ) -> None:
        """Its sessions can go on once it is continued; without any it would be left for ever."""
        holds.begin("--name", "db", "-F", config, "testhost")
        first, socket_path = holds.master(), holds.record()["socket"]
        argv = [path_of("ssh"), "-F", "none", "-S", socket_path, "x", "echo begun; cat"]
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, stdin=pipe, stdout=pipe) as session:
            assert session.stdout is not None
            assert session.stdout.readline() == b"begun\n"
            (told,) = map(json.loads, keepshell("status", "--json").stdout.splitlines())
            assert told["sessions"] == 1
            first.send_signal(signal.SIGSTOP)
            eventually(lambda: holds.record()["socket"] not in (socket_path, None), "a second")
            holds.await_state("alive")
            second, socket_path = holds.master(), holds.record()["socket"]
            second.send_signal(signal.SIGSTOP)
            eventually(lambda: holds.record()["socket"] not in (socket_path, None), "a third")
            second.wait(10)
            first.send_signal(signal.SIGCONT)
            assert session.communicate(b"on\n", timeout=30)[0] == b"on\n"
        first.wait(10)

    def test_a_doubtful_one_is_bypassed(self, holds: Holds, sshd: Sshd, config: str) -> None:
        holds.begin("--name", "db", "-F", config, "testhost")
        holds.master().send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert ask(files_of("db", os.environ), "alive") != "yes"
        assert time.monotonic() - began <= BYPASSED_WITHIN
        assert keepshell("ssh", "-F", config, "testhost", "echo past").stdout == "past\n"
        assert logins(sshd) >= 2

    def test_it_lives_where_the_server_is_restarted(
        self, holds: Holds, sshd: Sshd, config: str
    ) -> None:
        holds.begin("--name", "db", "-F", config, "testhost")
        for process in psutil.Process(sshd.pid).children(recursive=True):
            process.kill()
        eventually(lambda: logins(sshd) == 2, "logged in again")
        holds.await_state("alive")

    def test_a_login_that_needs_a_person_is_not_tried_again(
        self,
        holds: Holds,
        password_server: AsyncPasswordServer,
        start_terminal: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        words = ("hold", "--name", "db", *password_server.access.ssh_args())
        shown = tmp_path / "shown"
        (tmp_path / "notify-send").write_text(f'#!/bin/sh\necho "$*" >>{shown}\n')
        (tmp_path / "notify-send").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setenv("DISPLAY", ":0")
        terminal = start_terminal([*_keepshell(), *words])
        terminal.expect(rb"assword: ")
        terminal.send(f"{PASSWORD}\r")
        terminal.expect(rb"db is held until")
        holds.master().kill()
        holds.await_state("needs-you")
        time.sleep(3)  # the attempts of a login that needs nobody begin at once
        assert password_server.connections == 1
        assert "lost, log in again; keepshell hold db" in keepshell("status").stdout
        eventually(shown.exists, "a notification")
        assert "db is lost; to log in again: keepshell hold db" in shown.read_text()
        again = start_terminal([*_keepshell(), "hold", "db"])
        again.expect(rb"assword: ")
        again.send(f"{PASSWORD}\r")
        again.expect(rb"db is held until")
        assert holds.state() == "alive"


class TestFlaps:
    def test_nothing_is_left_of_connections_that_were_lost(
        self, holds: Holds, closing: ExitStack, tmp_path: Path, keys: Keys
    ) -> None:
        """Three of those that `scripts/soak --hold 30` takes."""
        require_namespaces()
        exe = Path(_keepshell()[0])
        held = Held(closing, tmp_path, keys=keys, exe=exe, env=os.environ)
        for flap in (flaps.master_killed, flaps.master_stopped, flaps.short_hole):
            assert held.flap(flap).told <= TOLD_WITHIN + 1.0
            assert held.leaks() == []


class TestRules:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "rule",
        ["UnusedConnectionTimeout 8s", "ChannelTimeout session:*=8s", "ClientAliveInterval 4"],
    )
    def test_it_lives_under_a_rule(
        self, holds: Holds, start_sshd: Callable[..., Sshd], rule: str
    ) -> None:
        sshd = start_sshd(rule)
        config = str(sshd.access.ssh_config())
        holds.begin("--name", "db", "-F", config, "testhost")
        time.sleep(20)  # two limits and a half
        assert holds.state() == "alive"
        assert logins(sshd) == 1

    @pytest.mark.slow
    def test_it_lives_under_dropbears(
        self, holds: Holds, start_dropbear: Callable[..., Dropbear]
    ) -> None:
        dropbear = start_dropbear("-I", "8")
        holds.begin("--name", "db", *dropbear.access.ssh_args())
        first = holds.record()["socket"]
        time.sleep(20)
        assert (holds.state(), holds.record()["socket"]) == ("alive", first)


class TestPlaces:
    def test_a_path_too_long_for_a_socket(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: str
    ) -> None:
        long = tmp_path / ("x" * 60)
        long.mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
        done = keepshell("hold", "-F", config, "testhost", status=2)
        assert "too long for a socket" in done.stderr
        assert "XDG_RUNTIME_DIR" in done.stderr

    @pytest.mark.usefixtures("holds")  # whose folder has a short path
    def test_a_place_where_nothing_can_be_made(self, config: str) -> None:
        require_namespaces()
        folder = os.environ["XDG_RUNTIME_DIR"]
        words = f'mount -t tmpfs -o ro,mode=700 none {folder} && exec "$@"'
        done = subprocess.run(
            [path_of("unshare"), "-m", "sh", "-c", words, "sh", *_keepshell(), "hold", "-F", config,
             "testhost"],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 2
        assert f"{folder}/keepshell/hold: no socket can be made there: Read-only" in done.stderr
        assert "set XDG_RUNTIME_DIR" in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_a_home_that_is_read_only_does_not_matter(
        self, holds: Holds, config: str, tmp_path: Path
    ) -> None:
        require_namespaces()
        home = os.environ["HOME"]
        words = f'mount -o bind,ro {home} {home} && mount -o remount,bind,ro {home} && exec "$@"'
        done = subprocess.run(
            [path_of("unshare"), "-m", "sh", "-c", words, "sh", *_keepshell(), "hold", "--name",
             "db", "-F", config, "testhost"],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert holds.state() == "alive"

    def test_a_host_that_nobody_knows(self, holds: Holds) -> None:
        done = keepshell("hold", "-F", "none", "nowhere.invalid", status=2)
        resolved, held = done.stderr.splitlines()
        assert resolved.startswith("ssh: Could not resolve hostname nowhere.invalid")
        assert held == "keepshell: nowhere.invalid is not held: ssh could not log in"
        assert holds.files() == []

    @pytest.mark.parametrize("name", ["two words", "a/b", "a~1", "%h", "${HOME}", "-x", ".x"])
    def test_a_name_that_ssh_would_read_otherwise(self, name: str, config: str) -> None:
        done = keepshell("hold", f"--name={name}", "-F", config, "testhost", status=2)
        assert "choose one with --name" in done.stderr

    @pytest.mark.parametrize("words", [["-M"], ["-S", "/tmp/x"], ["-O", "check"], ["-W", "h:1"]])
    def test_what_makes_something_else_of_it(self, words: list[str], config: str) -> None:
        done = keepshell("hold", *words, "-F", config, "testhost", status=2)
        assert words[0] in done.stderr or "hold" in done.stderr

    def test_a_command_is_for_ssh(self, holds: Holds, config: str) -> None:
        done = keepshell("hold", "-F", config, "testhost", "uptime", status=2)
        assert "keepshell ssh" in done.stderr
        assert holds.files() == []

    def test_a_login_that_is_refused(self, holds: Holds, sshd: Sshd, config: str) -> None:
        done = keepshell("hold", "-F", config, "-l", "nobody", "testhost", status=2)
        assert "not held" in done.stderr
        assert "ermission denied" in done.stderr
        assert holds.files() == []


def test_memory_and_wakeups_of_a_supervisor(holds: Holds, config: str) -> None:
    holds.begin("--name", "db", "-F", config, "testhost")
    assert holds.supervisor().memory_info().rss <= 16 << 20


def test_json_of_the_record(holds: Holds, config: str) -> None:
    holds.begin("--name", "db", "-F", config, "testhost")
    assert json.loads(json.dumps(holds.record())).keys() >= {"host", "until", "tunnels", "state"}


_NOTICE = 300
"""Seconds before the end at which the sessions through a hold are told."""

_PLAYBOOK = """\
- hosts: all
  vars: {ansible_python_interpreter: /usr/bin/python3}
  gather_facts: false
  tasks:
    - command: echo one
    - copy: {content: two, dest: "{{ playbook_dir }}/copied"}
"""


def _keepshell() -> list[str]:
    return [str(Path(sys.prefix, "bin", "keepshell"))]


def _bound(listening: socket.socket, port: int) -> bool:
    try:
        listening.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
