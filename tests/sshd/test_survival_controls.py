"""What bare ssh survives, and what it does not: the controls of every claim about keepshell."""

from __future__ import annotations

from collections.abc import Callable

from tests.sshd.survival import LIMIT, SSH, SSH_SERVER_ALIVE, Case, Session, Survival
from tests.support.middlebox import Action, Counts, Middlebox
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal


def test_bare_ssh(case: Case, survival: Survival) -> None:
    survival.check(SSH, case.bare)


def test_ssh_with_server_alive(case: Case, survival: Survival) -> None:
    survival.check(SSH_SERVER_ALIVE, case.server_alive)


def test_a_black_hole_leaves_bare_ssh_hanging(
    sshd: Sshd,
    start_middlebox: Callable[..., Middlebox],
    start_terminal: Callable[..., Terminal],
) -> None:
    box = start_middlebox(sshd.port, LIMIT, Counts.CLIENT_BYTES, Action.DROP)
    ssh_args = sshd.access.through(box.port).ssh_args()
    bare = start_terminal([*SSH, *ssh_args])
    Session(bare, printing=True)
    # Its probes start when the host's printing stops to arrive, which is too late.
    probing = start_terminal([*SSH_SERVER_ALIVE, *ssh_args])
    Session(probing, printing=True)
    assert probing.wait() == 255
    assert b"Timeout, server 127.0.0.1 not responding." in probing.read_to_end()
    assert len(box.wait_for("idle", 2)) == 2
    assert bare.running
