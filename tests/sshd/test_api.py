"""`keepshell.spawn` and `keepshell.pxssh` with a real server, kept alive all the time."""

from __future__ import annotations

from collections.abc import Callable

import pexpect

import keepshell
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.test_api import OFTEN, keepshell_threads


def test_a_session_with_a_real_sshd(sshd: Sshd) -> None:
    with keepshell.spawn(
        "ssh", sshd.access.ssh_args(), encoding="utf-8", keepalive=OFTEN, timeout=30
    ) as child:
        child.expect_exact(PROMPT)
        child.sendline("trap 'echo resized' WINCH; echo set")
        child.expect_exact("set\r\n")
        child.expect_exact(PROMPT)
        child.expect(pexpect.TIMEOUT, timeout=1)
        child.sendline("exit 4")
        child.expect(pexpect.EOF)
        assert "resized" not in child.before
        child.wait()
        assert child.exitstatus == 4


def test_pxssh_logs_in_and_is_kept(start_sshd: Callable[..., Sshd]) -> None:
    server = start_sshd()
    config = server.access.ssh_config("StrictHostKeyChecking yes")
    session = keepshell.pxssh(keepalive=OFTEN, encoding="utf-8", timeout=30)
    session.login("testhost", ssh_config=str(config), quiet=False, check_local_ip=False)
    assert len(keepshell_threads()) == 1
    session.sendline("echo $((40 + 2))")
    session.prompt()
    assert "42" in str(session.before)
    session.logout()
    session.close()
    assert not keepshell_threads()
