"""A host has one name, whether ssh was asked for it or not."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from keepshell.core.ssh import arguments
from keepshell.ssh import client, host_name
from tests.support.programs import path_of

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["web"], f"{ME}@web:22"),
        (["WEB.Example.COM"], f"{ME}@web.example.com:22"),
        (["bob@web"], "bob@web:22"),
        (["-l", "bob", "web"], "bob@web:22"),
        (["-p", "2200", "eve@web"], "eve@web:2200"),
        (["-oPort=2200", "-oUser=bob", "web"], "bob@web:2200"),
        (["ssh://bob@web:2200"], "bob@web:2200"),
        (["::1"], f"{ME}@::1:22"),
        (["2001:DB8::1"], f"{ME}@2001:db8::1:22"),
        (["-v", "web", "uptime"], f"{ME}@web:22"),
    ],
)
def test_the_command_line_says_what_ssh_would_say(words: list[str], name: str) -> None:
    command = arguments.parse(["-F", "none", *words])
    assert host_name.name_of(command, {}) == name
    with client.ConfigQuery(path_of("ssh"), arguments.probe_argv(command)) as query:
        resolved = query.answer()
    assert resolved
    assert host_name.name_of(command, resolved) == name


def test_ssh_is_asked_where_its_configuration_names_hosts(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host web\n  HostName 192.0.2.7\n  User bob\n  Port 2200\n")
    command = arguments.parse(["-F", str(config), "web"])
    lookup = host_name.NameLookup(path_of("ssh"), command, None)
    assert lookup.name() == "bob@192.0.2.7:2200"
    assert lookup.name() == "bob@192.0.2.7:2200"
    assert host_name.NameLookup(path_of("ssh"), command, {"hostname": "x"}).name() == f"{ME}@x:22"
    failed = host_name.NameLookup(path_of("ssh"), command, {})
    assert failed.name() == f"{ME}@web:22"


def test_ssh_is_not_asked_where_it_could_only_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("Host web\n  ForwardAgent yes\n")
    monkeypatch.delattr(client, "ConfigQuery")
    command = arguments.parse(["-F", str(config), "web"])
    assert host_name.NameLookup(path_of("ssh"), command, None).name() == f"{ME}@web:22"


def test_an_ssh_that_does_not_answer_leaves_the_command_line(tmp_path: Path) -> None:
    broken = tmp_path / "ssh"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    config = tmp_path / "config"
    config.write_text("Host web\n  User bob\n")
    command = arguments.parse(["-F", str(config), "-p", "2200", "web"])
    assert host_name.NameLookup(str(broken), command, None).name() == f"{ME}@web:2200"


def test_the_names_on_one_host() -> None:
    known = ["bob@web:22", "eve@web:2200", "bob@192.0.2.7:22", "bob@::1:22"]
    assert host_name.on_same_host("me@web:22", known) == known[:2]
    assert host_name.on_same_host("me@::1:22", known) == known[3:]
    assert host_name.on_same_host("me@we:22", known) == []
