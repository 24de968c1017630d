"""Twenty hosts, some broken, asked by clush and by ansible: each is told of once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from keepshell.probe import fleet
from keepshell.store.database import State
from tests.support.access import ALIAS
from tests.support.cli import keepshell
from tests.support.programs import path_of, require
from tests.support.sshd import Sshd

BASH = {"SHELL": "/bin/bash"}
TMOUT, CHANNEL, BOTH, CLOSED, MUTE, CUT = (
    [f"web{number}" for number in numbers]
    for numbers in (range(1, 9), range(9, 15), (15, 16), (17, 18), (19,), (20,))
)
HOSTS = [*TMOUT, *CHANNEL, *BOTH, *CLOSED, *MUTE, *CUT]


class Fleet:
    """The hosts, and the names by which ssh reaches them."""

    def __init__(self, start_sshd: Callable[..., Sshd], folder: Path) -> None:
        timeout = "ChannelTimeout session:*=15m"
        cut = folder / "cut"
        cut.write_text('#!/bin/sh\nsh -c "$SSH_ORIGINAL_COMMAND" | head -n 3\n')
        cut.chmod(0o755)
        servers = {
            **dict.fromkeys(TMOUT, start_sshd(env={"TMOUT": "600", **BASH})),
            **dict.fromkeys(CHANNEL, start_sshd(timeout)),
            **dict.fromkeys(BOTH, start_sshd(timeout, env={"TMOUT": "600", **BASH})),
            **dict.fromkeys(MUTE, start_sshd('ForceCommand echo "No shell for you."; exit 3')),
            **dict.fromkeys(CUT, start_sshd(f"ForceCommand {cut}")),
        }
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            closed = taken.getsockname()[1]
        self.ports = {**{name: server.access.port for name, server in servers.items()}}
        self.ports |= dict.fromkeys(CLOSED, closed)
        access = servers[TMOUT[0]].access
        block = access.ssh_config().read_text()
        self.config = folder / "fleet_config"
        known = "UserKnownHostsFile /dev/null\nStrictHostKeyChecking no\nLogLevel ERROR\n"
        self.config.write_text(
            "".join(
                f"Host {name}\n  Port {port}\n  {known.replace(chr(10), chr(10) + '  ')}\n"
                for name, port in self.ports.items()
            )
            + block.replace(f"Host {ALIAS}", "Host *", 1)
        )
        self.user = access.user
        self.ssh = folder / "ssh"
        self.ssh.write_text(f'#!/bin/sh\nexec {path_of("ssh")} -F {self.config} "$@"\n')
        self.ssh.chmod(0o755)
        self.script = folder / "probe.sh"
        self.script.write_text(keepshell("probe", "--script").stdout)

    def name(self, host: str) -> str:
        """As remembered."""
        return f"{self.user}@127.0.0.1:{self.ports[host]}"

    def clush(self) -> str:
        """`clush -R exec -w web[1-20] 'ssh %h sh -s %h < probe.sh'`"""
        require("clush")
        command = f"{self.ssh} %h sh -s %h < {self.script}"
        done = subprocess.run(
            [path_of("clush"), "-R", "exec", "-w", "web[1-20]", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout + done.stderr

    def ansible(self, folder: Path) -> str:
        """`ansible all -m script -a 'probe.sh {{ inventory_hostname }}'`"""
        require("ansible")
        inventory = folder / "inventory"
        inventory.write_text("\n".join(HOSTS) + "\n")
        words = ["all", "-i", str(inventory), "-f", "5", "-m", "script"]
        words += ["-a", f"{self.script} {{{{ inventory_hostname }}}}"]
        words += ["--ssh-common-args", f"-F {self.config}"]
        env = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_NOCOLOR": "1"}
        env["ANSIBLE_SSH_ARGS"] = "-o ControlMaster=no"  # its socket's path would be too long here
        # Not by sftp, which would wait for ever for the host whose answers are cut off.
        env["ANSIBLE_SSH_TRANSFER_METHOD"] = "piped"
        done = subprocess.run(
            [path_of("ansible"), *words],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout + done.stderr


@pytest.fixture
def hosts(
    start_sshd: Callable[..., Sshd], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Fleet:
    made = Fleet(start_sshd, tmp_path)
    monkeypatch.setenv("KEEPSHELL_SSH", str(made.ssh))
    return made


@pytest.mark.parametrize("runner", ["clush", "ansible"])
def test_every_answer_is_booked_on_its_own_host(
    runner: str, hosts: Fleet, state: State, tmp_path: Path
) -> None:
    said = hosts.clush() if runner == "clush" else hosts.ansible(tmp_path)
    output = tmp_path / "output"
    output.write_text(said)
    done = keepshell("probe", "--read", str(output), "--json", *HOSTS, status=1)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(row["host"] for row in told) == sorted(HOSTS), said
    timers = {row["host"]: row["timers"] for row in told}
    channel, tmout = "ChannelTimeout 15m", "TMOUT 10m"
    assert [timers[name] for name in TMOUT] == [[tmout]] * len(TMOUT), said[:3500]
    assert [timers[name] for name in CHANNEL] == [[channel]] * len(CHANNEL)
    assert [sorted(timers[name] or ()) for name in BOTH] == [[channel, tmout]] * len(BOTH)
    problems = {row["host"]: row["problem"] for row in told if row["problem"]}
    assert problems.keys() == {*CLOSED, *MUTE, *CUT}
    for name in CLOSED:
        assert "Connection refused" in problems[name]
    assert state.rules(hosts.name(CUT[0])) == state.rules(hosts.name(MUTE[0])) == []
    assert [rule.kind.name for rule in state.rules(hosts.name(TMOUT[0]))] == ["tmout"]
    text = keepshell("probe", "--read", str(output), *HOSTS, status=1).stdout
    assert "web1, web2" in text
    assert "Connection refused" in text


def test_an_answer_under_another_label_is_nobodys() -> None:
    lines = [f"=KEEPSHELL fleet:web2 {word}" for word in ("begin", "tmout 600", "end")]
    found = fleet.read("\n".join(f"web1: {line}" for line in lines))
    assert found["web1"].problem == "it answered as web2"
    assert "web2" not in found
    found = fleet.read("\n".join(f"web2: {line}" for line in lines), ["web1", "web2"])
    assert (found["web1"].problem, found["web2"].problem) == ("no answer", "")


def test_what_can_t_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    said = keepshell("probe", "--read", str(tmp_path / "empty"), status=2).stderr
    assert "no answer to keepshell probe --script is in it" in said
    assert "No such file" in keepshell("probe", "--read", "/no/such/file", status=2).stderr
