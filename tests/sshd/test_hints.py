"""The first session with a host ends with one line on how to read its timers, and no other does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from keepshell.core.rules.kinds import KINDS, PROBE, Rule
from keepshell.store.database import State
from tests.support.access import ALIAS
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal

HINT = f"keepshell: {ALIAS}'s idle timers are unknown; to read them: keepshell probe {ALIAS}\r\n"


@pytest.fixture
def ended(
    sshd: Sshd,
    keepshell_exe: Path,
    start_terminal: Callable[..., Terminal],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., str]:
    """What is shown from the user's `exit` on."""
    monkeypatch.delenv("KEEPSHELL_HINTS")
    config = sshd.access.ssh_config()

    def end(*options: str, ssh: tuple[str, ...] = ()) -> str:
        argv = [str(keepshell_exe), *options, "ssh", "-F", str(config), *ssh, ALIAS]
        terminal = start_terminal(argv, cols=200)
        terminal.expect(PROMPT)
        terminal.send_line("exit")
        said = terminal.read_to_end().decode()
        assert terminal.wait() == 0
        return said.rpartition("exit\r\n")[2]

    return end


def test_once_for_each_host(ended: Callable[..., str]) -> None:
    assert ended().endswith(f"closed.\r\r\n{HINT}")
    assert "keepshell" not in ended()


@pytest.mark.parametrize(
    ("options", "ssh"),
    [
        (("--hints=false",), ()),
        (("--rules=tmout=10m",), ()),
        (("--idle-limit=15m",), ()),
        ((), ("-q",)),
    ],
    ids=str,
)
def test_not_where_it_is_unwanted(
    options: tuple[str, ...], ssh: tuple[str, ...], ended: Callable[..., str]
) -> None:
    assert "keepshell" not in ended(*options, ssh=ssh)


def test_not_where_something_is_known(ended: Callable[..., str], sshd: Sshd, state: State) -> None:
    host = f"{sshd.access.user}@127.0.0.1:{sshd.access.port}"
    state.put_rules(host, PROBE, [Rule(KINDS["tmout"], 600, PROBE)])
    assert "keepshell" not in ended()


def test_not_without_a_terminal(sshd: Sshd, keepshell_exe: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "KEEPSHELL_HINTS"}
    argv = [str(keepshell_exe), "ssh", *sshd.access.ssh_args(), "true"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
