"""Which socket an ssh talks to its host by, found as any user may."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from keepshell.link import sockdiag
from keepshell.link.connection import Watched, of_process
from tests.support.listening import free_port
from tests.support.programs import path_of, require
from tests.support.sshd import Sshd
from tests.support.waiting import eventually


@contextmanager
def ssh(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """An ssh that is logged in, with a `cat` on the host."""
    argv = [path_of("ssh"), *words, "echo IN; exec cat"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"IN\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def server(start_sshd: Callable[..., Sshd]) -> Sshd:
    return start_sshd("ForceCommand eval $SSH_ORIGINAL_COMMAND")


def test_its_own(server: Sshd) -> None:
    with ssh(*server.access.ssh_args()) as process:
        found = of_process(process.pid)
        assert found is not None
        assert found.peer == ("127.0.0.1", server.port)
        sample = found.sample()
        assert sample is not None
        assert (sample.unacked, sample.backoff) == (0, 0)
        assert 0 < sample.round_trip < 5
        assert 0 <= sample.heard_ago < 30


@pytest.mark.parametrize(
    "command", ["socat - TCP:%h:%p", "sh -c 'socat - TCP:%h:%p; true'", "ssh -W"]
)
def test_that_of_a_command_in_between(server: Sshd, command: str) -> None:
    require("socat")
    arguments = server.access.ssh_args()
    if command == "ssh -W":
        command = shlex.join(["ssh", *arguments[:-1], "-W", "%h:%p", arguments[-1]])
    with ssh("-o", f"ProxyCommand={command}", *arguments) as process:
        found = of_process(process.pid)
        assert found is not None
        assert found.peer == ("127.0.0.1", server.port)


def test_not_that_of_a_forward(server: Sshd) -> None:
    port = free_port()
    with ExitStack() as stack:
        target = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        forward = f"{port}:127.0.0.1:{target.getsockname()[1]}"
        process = stack.enter_context(ssh("-L", forward, *server.access.ssh_args()))
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        stack.enter_context(closing(target.accept()[0]))
        found = of_process(process.pid)
        assert found is not None
        assert found.peer == ("127.0.0.1", server.port)


def test_none_of_a_client_of_a_shared_connection(server: Sshd, tmp_path: Path) -> None:
    shared = ("-o", f"ControlPath={tmp_path}/mux")
    arguments = server.access.ssh_args()
    with ssh(*shared, "-o", "ControlMaster=yes", *arguments) as master:
        found = of_process(master.pid)
        assert found is not None
        with ssh(*shared, *arguments) as client:
            assert of_process(client.pid) is None


def test_a_connection_that_is_over_has_no_sample(server: Sshd) -> None:
    with ssh(*server.access.ssh_args()) as process:
        watched = Watched(process.pid)
        assert watched.sample() is not None
    eventually(lambda: watched.sample() is None, "the socket's end")
    assert Watched(process.pid).sample() is None


def test_a_connection_by_ipv6() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
        client = stack.enter_context(socket.create_connection(server.getsockname()[:2]))
        stack.enter_context(closing(server.accept()[0]))
        ours = [one for one in sockdiag.connections() if one.local == client.getsockname()[:2]]
        (found,) = ours
        assert found.peer == server.getsockname()[:2]
        assert not found.listening
        assert found.inode == os.fstat(client.fileno()).st_ino
        assert found.sample() is not None


def test_where_the_kernel_does_not_answer_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise PermissionError

    monkeypatch.setattr(socket, "socket", refuse)
    assert sockdiag.connections() == []
    assert of_process(os.getpid()) is None
