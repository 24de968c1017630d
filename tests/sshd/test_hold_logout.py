"""What becomes of a hold when its user closes the terminal and logs out, on a booted Debian."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import keepshell
from tests.support.access import Keys
from tests.support.machine import PROMPT, USER, Machine
from tests.support.programs import path_of
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE, eventually

_KEEPSHELL = "PYTHONPATH=/opt/keepshell python3 -m keepshell"
_OPTIONS = "-i /opt/key -o StrictHostKeyChecking=accept-new"
HOST = f"{_OPTIONS} {USER}@127.0.0.1"

pytestmark = pytest.mark.slow


class Guest:
    """Somebody who works on a machine, and holds a connection from there to itself."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.log_in = [*machine.inside, path_of("ssh"), *machine.access.ssh_args()]

    def run(self, command: str) -> str:
        """What it prints, in a login of its own."""
        done = subprocess.run(
            [*self.log_in, command],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=DEADLINE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def held(self) -> list[dict[str, Any]]:
        lines = self.run(f"{_KEEPSHELL} status --json").splitlines()
        return [entry for entry in map(json.loads, lines) if "held" in entry]

    def terminals(self) -> list[str]:
        """The terminals of those who are logged in; one that left processes behind is closing."""
        show = "loginctl show-session --property=State --property=TTY --value"
        listed = "loginctl list-sessions --no-legend | while read -r id rest"
        told = self.machine.run("sh", "-c", f"{listed}; do echo $({show} $id); done")
        return [line for line in told.splitlines() if "pts/" in line and "closing" not in line]


@pytest.fixture
def make_guest(start_machine: Callable[..., Machine], keys: Keys, tmp_path: Path) -> Any:
    def make(logind: str) -> Guest:
        key = tmp_path / "key"
        key.write_bytes(keys.user.read_bytes())
        key.chmod(0o644)  # root's there; ssh wants its own user's keys to be private, not root's
        package = Path(keepshell.__file__).parent
        files = {"/opt/keepshell/keepshell": package, "/opt/key": key}
        return Guest(start_machine(logind=[logind], files=files))

    return make


@pytest.mark.parametrize(
    ("logind", "lingers", "outlives"),
    [
        ("KillUserProcesses=no", False, True),
        ("KillUserProcesses=yes", True, True),
        ("KillUserProcesses=yes", False, False),
    ],
)
def test_the_terminal_is_closed(
    make_guest: Callable[[str], Guest],
    start_terminal: Callable[..., Terminal],
    logind: str,
    lingers: bool,
    outlives: bool,
) -> None:
    guest = make_guest(logind)
    if lingers:
        guest.machine.run("loginctl", "enable-linger", USER)
    terminal = start_terminal(guest.log_in)
    terminal.expect(PROMPT)
    terminal.send_line(f"{_KEEPSHELL} hold --name db {HOST}")
    terminal.expect(b"db is held until")
    terminal.hang_up()
    terminal.wait()
    eventually(lambda: not guest.terminals(), "logged out")
    if not outlives:
        eventually(lambda: not guest.held(), "nothing is held")
        return
    (held,) = guest.held()
    assert held["state"] == "alive"
    unit = guest.machine.run("ps", "-o", "unit=,uunit=", "-p", str(held["pid"]))
    assert ("keepshell-hold-" in unit) == lingers, unit
    assert guest.run(f"{_KEEPSHELL} ssh {HOST} echo through") == "through\n"
    assert "released" in guest.run(f"{_KEEPSHELL} release db")
    eventually(lambda: not guest.held(), "nothing is held")
