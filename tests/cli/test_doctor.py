"""`keepshell doctor` finds each thing that is broken, and says what would help."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path

import pytest

from keepshell.cli import doctor, tables
from keepshell.core.rules.kinds import KINDS, PROBE, Rule
from keepshell.store.database import State
from keepshell.text import installed
from tests.support.cli import keepshell

Check = dict[str, str | None]


@pytest.fixture(autouse=True)
def healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which all is well."""
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\n[ $1 = -V ] && echo OpenSSH_9.9 >&2 || echo loglevel INFO\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SHELL", "/bin/bash")
    Path(os.environ["HOME"], ".bashrc").write_text('eval "$(keepshell init bash)"\n')


def checks(status: int = 0) -> dict[str, Check]:
    told = json.loads(keepshell("doctor", "--json", status=status).stdout)
    assert told["schema"] == 1
    return {check["about"]: check for check in told["checks"]}


def wrong(status: int = 0) -> list[tuple[str | None, ...]]:
    """What is not good: about what, how bad, and the cure; none of it without words."""
    found = [check for check in checks(status).values() if check["state"] != "good"]
    assert all(check["says"] for check in found)
    return [(check["about"], check["state"], check["cure"]) for check in found]


def test_all_is_well() -> None:
    assert wrong() == []
    text = keepshell("doctor").stdout
    assert all(line.startswith(("✓ ", "  ")) for line in text.splitlines())
    assert "OpenSSH_9.9" in text


def test_keepshell_is_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPSHELL", "no")
    assert wrong() == [("environment", "warning", "unset KEEPSHELL")]


@pytest.mark.parametrize(
    ("other", "cure"),
    [
        ("user/.local/bin", "rm {}"),
        ("pipx/venvs/keepshell/bin", "pipx uninstall keepshell"),
        ("share/uv/tools/keepshell/bin", "uv tool uninstall keepshell"),
    ],
)
def test_two_installations(
    other: str, cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first" / "keepshell", tmp_path / other / "keepshell"
    for path in (first, second):
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\necho keepshell 0.0.1\n")
        path.chmod(0o755)
    if "venvs" in other or "tools" in other:  # as pipx and uv do it
        link = Path(os.environ["HOME"], ".local", "bin", "keepshell")
        link.parent.mkdir(parents=True)
        link.symlink_to(second)
        second = link
    again = tmp_path / "again"  # the same one, as /bin and /usr/bin are
    again.symlink_to(first.parent)
    monkeypatch.setenv("PATH", f"{first.parent}:{again}:{os.environ['PATH']}")
    assert wrong() == [("another keepshell", "warning", cure.format(second))]
    says = checks()["another keepshell"]["says"]
    assert says == f"{second} (0.0.1) is there too; {first} is the one that runs"


def test_the_package_of_debian_s_is_apt_s() -> None:
    assert installed.ways("/usr/bin/keepshell") == ("", "apt purge keepshell")
    again, remove = installed.ways("/usr/lib/python3/dist-packages/keepshell")
    assert again.startswith("apt install --reinstall")
    assert remove == "apt purge keepshell"


def test_there_is_no_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPSHELL_SSH", "/no/such/ssh")
    ((about, state, cure),) = wrong(status=1)
    assert (about, state) == ("ssh", "bad")
    assert cure is not None
    assert cure.startswith("apt install openssh-client")


def test_endings_are_hidden(tmp_path: Path) -> None:
    (tmp_path / "ssh").write_text("#!/bin/sh\necho loglevel QUIET\n")
    assert [found[:2] for found in wrong()] == [("LogLevel", "warning")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_ssh_is_not_ours_in_the_shell(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    Path(os.environ["HOME"], ".bashrc").write_text("")
    ((about, state, cure),) = wrong()
    assert (about, state) == ("ssh in your shell", "warning")
    assert f"keepshell init {shell}" in str(cure)


@pytest.mark.parametrize("name", ["GIT_SSH", "GIT_SSH_COMMAND", "RSYNC_RSH"])
def test_a_tool_goes_past_us(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/usr/bin/ssh -x")
    assert [found[:2] for found in wrong()] == [(name, "warning")]


def test_a_shim_that_is_not_first(tmp_path: Path) -> None:
    keepshell("shim", "install", "--dir", str(tmp_path / "shim"))
    ((about, state, cure),) = wrong()
    assert (about, state) == ("shim", "warning")
    assert str(cure).startswith(f"export PATH={tmp_path}/shim:")


def test_a_bad_configuration(config_toml: Path) -> None:
    config_toml.write_text("[default]\nrung = 1\n")
    assert wrong(status=1) == [("configuration", "bad", "keepshell config edit")]
    assert f"{config_toml}:2" in str(checks(status=1)["configuration"]["says"])


def test_state_that_can_t_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/self")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/proc/self")
    found = wrong(status=1)
    assert ("live sessions", "bad", "ls -ld /proc/self/keepshell") in found


def test_as_root_in_the_home_of_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sudo` may have kept HOME: root may write there, and keepshell does not."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 65534)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    environ = {"HOME": str(tmp_path), "XDG_STATE_HOME": f"{tmp_path}/state"}
    found = {check.about: check for check in doctor._state(environ)}
    assert found["state"].says.endswith("can't be written, so nothing is remembered there")
    assert found["state"].style == found["live sessions"].style != found["SQLite"].style


def test_state_that_is_none(state: State) -> None:
    path = Path(os.environ["XDG_STATE_HOME"], "keepshell", "state.db")
    path.mkdir(parents=True)
    assert [found[:2] for found in wrong(status=1)] == [("state", "bad")]


def test_tmux_keeps_notifications(
    config_toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmux").write_text("#!/bin/sh\necho off\n")
    (tmp_path / "tmux").chmod(0o755)
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    assert wrong() == []
    config_toml.write_text("[default]\nwarn = true\n")
    assert wrong() == [("tmux", "warning", "tmux set -g allow-passthrough on")]


def test_a_host_whose_timer_nothing_allowed_beats(state: State) -> None:
    state.put_rules("me@web:22", PROBE, [Rule(KINDS["tmout"], 600, PROBE, seen_at=time.time())])
    cure = "keepshell config set web empty_line=true"
    assert wrong() == [("web", "warning", cure)]
    assert "! web: TMOUT 10m ends idle sessions" in keepshell("doctor").stdout
    keepshell(*cure.split()[1:])
    assert wrong() == []


@pytest.mark.parametrize("pattern", ["web", "w*"])
def test_a_setting_for_its_alias_counts(
    pattern: str, state: State, config_toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered is the address, and what the user types and configures is a name."""
    for host in ("me@10.9.9.1:22", "me@10.9.9.2:22"):
        state.put_rules(host, PROBE, [Rule(KINDS["tmout"], 600, PROBE, seen_at=time.time())])
    ssh, configured = tmp_path / "bin" / "ssh", tmp_path / "etc" / "ssh_config"
    for path in (ssh, configured):
        path.parent.mkdir()
    ssh.write_text("#!/bin/sh\necho hostname 10.9.9.1\n")
    ssh.chmod(0o755)
    configured.write_text("Host web *.example.com\n    HostName 10.9.9.1\n")
    monkeypatch.setenv("KEEPSHELL_SSH", str(ssh))
    other = ("10.9.9.2", "warning", "keepshell config set 10.9.9.2 empty_line=true")
    assert ("10.9.9.1", *other[1:2], other[2].replace("9.2", "9.1")) in wrong()
    config_toml.write_text(f'[host."{pattern}"]\nempty_line = true\n')
    assert wrong() == [other]


def test_it_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = keepshell("doctor").stdout.splitlines()
    assert [line for line in lines if len(line) > 60 and " " in line.strip()[2:]] == []


def test_every_cure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPSHELL", "0")
    assert "\n    unset KEEPSHELL\n" in keepshell("doctor").stdout


def test_an_old_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 30, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.30.1")
    check, *_ = doctor._state({})
    assert check.style == tables.AT_RISK
    assert check.says.startswith("3.30.1 is older than 3.31")
