"""A look through ssh_config spares us `ssh -G`, and is never wrong: ssh itself is the judge."""

from __future__ import annotations

import os
import random
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from keepshell.ssh import config_scan
from keepshell.ssh.config_scan import HOST_NAME, SERVER_ALIVE, SESSION, look
from tests.support.programs import path_of
from tests.support.waiting import DEADLINE

ROUNDS = 8
PER_ROUND = 30

SSH = "/usr/bin/ssh"
KEYWORDS = SERVER_ALIVE | SESSION | HOST_NAME
INTERVAL, COUNT = "serveraliveinterval", "serveralivecountmax"
SENTINELS = {INTERVAL: "777", COUNT: "778"}

# A line is one of each: what goes before the keyword, the keyword, what follows it.
LEADS = [*[""] * 12, "  ", "\t", "=", " = ", "\r ", '""', "#", " # ", "\f"]
NAMES = [
    *("ServerAliveInterval", "serveraliveinterval", "SERVERALIVECOUNTMAX", "ServerAliveCountMax"),
    *('"ServerAliveInterval"', 'Server"AliveInterval"', "ProtocolKeepAlives", "SetupTimeOut"),
    *("BatchMode", "RequestTTY", "LogLevel", "EscapeChar", "User", "Port", "HostName", "StdinNull"),
    *("RemoteCommand", "SessionType", "ForkAfterAuthentication", "CanonicalizeHostname"),
    "ServerAliveIntervalX",
]
OTHERS = [
    "Compression yes",
    "# ServerAliveInterval 5",
    "SetEnv User=x",
    "HostKeyAlias LogLevel",
    "",
]
GLUE = [*[" "] * 6, "\t", "=", " = ", "\r", "  ", "= =", ""]
VALUES = ["0", "0", "3", "5", "yes", "no", "00", "0s", "+3", '"0"', "'3'", "1m", "none", "DEBUG"]
TRAILS = [*[""] * 6, " ", "\t", " # why", "\r", " x"]
HOSTS = ["Host *", "Host h", "Host other", "Host !h *", "Match all", "Match host h", "host=h"]
INCLUDES = [
    *("Include {}", "include={}", 'Include "{}"', "Include\t{} nowhere", 'Include nowhere "{}"'),
    *("Include {} # why", "Include '{}'", "Include nowhere"),
]

# How an Include can name a file; the walk can't follow all of them.
FOLLOWED = [
    "{path}",
    "{folder}/*",
    "~/.ssh/{name}",
    "{name}",
    "{stem}?",
    "{stem}*",
    "[cws]*",
    "[*sw]?*",
]
DOUBTED = ["*/../{name}", "{folder}/../*/{name}", "\\{name}", "{{{name},x}}", "{folder}"]


@pytest.fixture
def home() -> Path:
    """The `~/.ssh` that Includes of a chosen file are relative to."""
    folder = Path(os.environ["HOME"], ".ssh")
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Where the file goes that is looked at."""
    return tmp_path / "ssh_config"


def resolved(config: Path | str, *options: str) -> dict[str, str] | None:
    """What `ssh -G` prints for the host `h`, or None where it refuses."""
    answer = subprocess.run(
        [path_of("ssh"), "-G", *options, "-F", str(config), "h"],
        capture_output=True,
        encoding="latin-1",
        stdin=subprocess.DEVNULL,
        timeout=DEADLINE,
        check=False,
    )
    if answer.returncode != 0:
        return None
    pairs = (line.partition(" ") for line in answer.stdout.splitlines())
    return {keyword: value for keyword, _, value in pairs if keyword in KEYWORDS}


def unset(config: Path, text: str) -> set[str]:
    """The ServerAlive keywords that no line sets: those where a last line of ours wins."""
    added = "".join(f"{keyword} {value}\n" for keyword, value in SENTINELS.items())
    copy = config.with_name("with_sentinels")
    copy.write_text(f"{text}\nMatch all\n{added}", encoding="latin-1", newline="")
    answer = resolved(copy) or {}
    return {keyword for keyword, value in SENTINELS.items() if answer.get(keyword) == value}


class Writer:
    """Writes configurations at random, each with a file in `home` that it may include."""

    def __init__(self, seed: int, names: Sequence[str], ways: Sequence[str]) -> None:
        self._rng = random.Random(seed)
        self._names = names
        self._ways = ways

    def write(self, config: Path, home: Path) -> str:
        """Write the file and the included one; returns the text of the first."""
        choose = self._rng.choice
        included = home / choose(("work", "s p", "config.d"))
        included.write_text("\n".join(self._block()), encoding="latin-1", newline="")
        lines = self._block()
        if self._rng.random() < 0.6:
            way = choose(self._ways).format(
                path=included, folder=home, name=included.name, stem=included.name[:-1]
            )
            lines.append(choose(INCLUDES).format(way))
        text = choose(("\n", "\n", "\r\n")).join([*lines, *self._block(), ""])
        config.write_text(text, encoding="latin-1", newline="")
        return text

    def _block(self) -> list[str]:
        """A few lines, now and then below a Host or Match."""
        lines = [self._setting() for _ in range(self._rng.choice((0, 1, 1, 2)))]
        return [*([self._rng.choice(HOSTS)] if self._rng.random() < 0.4 else []), *lines]

    def _setting(self) -> str:
        if self._rng.random() < 0.4:
            return self._rng.choice(OTHERS)
        pools = (LEADS, self._names, GLUE, VALUES, TRAILS)
        return "".join(self._rng.choice(pool) for pool in pools)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_what_is_not_asked_would_have_been_the_default(
    number: int, config: Path, home: Path
) -> None:
    writer = Writer(number, NAMES, FOLLOWED + DOUBTED)
    defaults = resolved("none")
    spared = 0
    for _ in range(PER_ROUND):
        text = writer.write(config, home)
        answer = resolved(config)
        found = look(SSH, str(config), KEYWORDS)
        if answer is not None and not found.ask:
            assert answer == defaults, text
            spared += 1
    assert spared > 0


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_default_that_somebody_set_is_told_from_one_that_nobody_did(
    number: int, config: Path, home: Path
) -> None:
    writer = Writer(-1 - number, NAMES[:8], FOLLOWED)
    defaults = resolved("none")
    assert defaults is not None
    restated = 0
    for _ in range(PER_ROUND):
        text = writer.write(config, home)
        answer = resolved(config)
        found = look(SSH, str(config), KEYWORDS)
        if answer is None:
            continue
        as_default = {keyword for keyword in SENTINELS if answer[keyword] == defaults[keyword]}
        set_to_default = as_default - unset(config, text)
        assert set_to_default <= found.restated, text
        restated += bool(set_to_default)
    assert restated > 0


ASKED = [
    "ServerAliveInterval 5",
    "Host h\n  ServerAliveCountMax 9",
    "Host other\n\tserveraliveinterval=0",
    "BatchMode yes",
    "RequestTTY no",
    '"LogLevel" QUIET',
    "LogLevel\tQUIET",
    " = User u",
    "HostName=real.example.com",
]
# What ssh makes of the bytes in a file, name and all.
AS_BYTES = [
    b"Include gr\xc3\xb6\xc3\x9fe\n",
    b"Include latin-\xe9\n",
    b"Include latin-?\n",
    b"Compression yes\0\nServerAliveInterval\0 5\n",
    b"Compression yes\0\nServerAliveInterval 5\0 x\n",
    b"Include nowhere\0 x\nInclude latin-?\0 x\n",
    b"User \xff\n",
]
SPARED = [
    "",
    "\n\n",
    "# ServerAliveInterval 5",
    "   #ServerAliveInterval 5\n#\tUser u\n",
    "Host *\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n    GSSAPIAuthentication yes\n",
    "Host h\nUserKnownHostsFile ~/hosts\nIdentityFile ~/.ssh/LogLevel\n",
    "Include nowhere\nInclude none.d/*.conf\nInclude '/no where'\n",
    "SetEnv User=x Port=7\nProxyCommand ssh -o ServerAliveInterval=5 h\n",
]


@pytest.mark.parametrize("text", ASKED)
def test_a_keyword_that_matters_is_asked_for(text: str, config: Path) -> None:
    config.write_text(text)
    assert look(SSH, str(config), KEYWORDS).ask


@pytest.mark.parametrize("text", SPARED)
def test_most_files_hold_nothing_that_matters(text: str, config: Path) -> None:
    config.write_text(text)
    assert not look(SSH, str(config), KEYWORDS).ask
    assert resolved(config) == resolved("none")


@pytest.mark.parametrize("text", AS_BYTES)
def test_bytes_are_what_they_are_to_ssh(text: bytes, config: Path, home: Path) -> None:
    for name in (b"gr\xc3\xb6\xc3\x9fe", b"latin-\xe9"):
        (home / os.fsdecode(name)).write_text("ServerAliveInterval 7\n")
    config.write_bytes(text)
    answer = resolved(config)
    assert look(SSH, str(config), KEYWORDS).ask >= (answer not in (None, resolved("none")))


def test_only_the_keywords_that_matter_to_this_call_count(config: Path) -> None:
    config.write_text("RequestTTY no\nUser u\n")
    assert not look(SSH, str(config), SERVER_ALIVE).ask
    assert look(SSH, str(config), SERVER_ALIVE | SESSION).ask
    assert look(SSH, str(config), HOST_NAME).ask


@pytest.mark.parametrize("name", ["/dev/null", "none", "NONE", "/no/such/file"])
def test_a_file_that_says_nothing(name: str) -> None:
    found = look(SSH, name, KEYWORDS)
    assert not found.ask
    assert not found.restated


def _directory(path: Path) -> None:
    path.mkdir()


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(64 << 20)  # a hole: it takes no room on the disk


def _long_chain(path: Path) -> None:
    """Deeper than ssh follows: it refuses the file, and we look no further than to know that."""
    for number in range(300):
        path.with_name(f"link{number}").write_text(f"Include {path.parent}/link{number + 1}\n")
    path.write_text(f"Include {path.parent}/link0\n")


def _loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    "make",
    [_directory, _huge, _long_chain, _loop],
    ids=lambda make: make.__name__.strip("_"),
)
def test_an_included_file_that_cannot_be_judged_is_asked_for(
    make: Callable[[Path], None], config: Path
) -> None:
    included = config.with_name("included")
    make(included)
    config.write_text(f"Include {included}\nServerAliveCountMax 3\n")
    found = look(SSH, str(config), SESSION)
    assert found.ask
    assert found.restated == {COUNT}


def test_files_that_include_each_other(config: Path) -> None:
    """ssh refuses them; all that is left to us is to come back."""
    config.write_text(f"Include {config} {config}\nInclude {config.parent}/ssh_*\n")
    assert resolved(config) is None
    assert not look(SSH, str(config), SERVER_ALIVE).ask


def test_only_the_files_that_a_pattern_means_are_read(config: Path, home: Path) -> None:
    (home / "data.bin").write_text("ServerAliveInterval 5\n")
    (home / "work.conf").write_text("User u\n")
    config.write_text("Include *.conf w?rk* *rk.conf\n")
    assert not look(SSH, str(config), SERVER_ALIVE).ask
    assert look(SSH, str(config), HOST_NAME).ask


@pytest.mark.parametrize("included", [False, True])
def test_a_file_that_can_be_read_once_is_left_for_ssh(config: Path, included: bool) -> None:
    fifo = config.with_name("fifo")
    os.mkfifo(fifo)
    config.write_text(f"Include {fifo}\nLogLevel INFO\n")
    text = b"ServerAliveInterval 5\n"
    writer = threading.Thread(target=fifo.write_bytes, args=(text,))
    writer.start()  # and it waits for ssh, whatever opens the FIFO before
    found = look(SSH, str(config if included else fifo), KEYWORDS)
    assert not found.ask
    assert all(map(found.may_set, KEYWORDS))
    assert fifo.read_bytes() == text
    writer.join(DEADLINE)


def test_a_default_for_another_host_counts_as_set(config: Path) -> None:
    """`ssh -G` cannot tell; to add nothing is what cannot hurt."""
    config.write_text("Host other\n  ServerAliveInterval 0\n")
    assert look(SSH, str(config), KEYWORDS).restated == {INTERVAL}


@pytest.mark.parametrize(
    ("line", "restated"),
    [
        ("ServerAliveInterval 0", {INTERVAL}),
        ("ServerAliveInterval=00s # off", {INTERVAL}),
        ('ServerAliveInterval "0"', {INTERVAL}),
        ("ProtocolKeepAlives none", {INTERVAL}),
        ("SetupTimeOut 0", {INTERVAL}),
        ("ServerAliveInterval 30", set()),
        ("ServerAliveCountMax 03", {COUNT}),
        ("ServerAliveCountMax 30", set()),
        ("#ServerAliveInterval 0", set()),
        ("ConnectTimeout 0", set()),
    ],
)
def test_spellings_of_the_default(line: str, restated: set[str], config: Path) -> None:
    config.write_text(line)
    assert look(SSH, str(config), KEYWORDS).restated == restated


def test_an_ssh_from_elsewhere_is_always_asked(tmp_path: Path, config: Path) -> None:
    other = tmp_path / "ssh"
    other.write_text("")
    assert look(str(other), None, SERVER_ALIVE).ask
    config.write_text("Compression yes\n")
    assert not look(str(other), str(config), SERVER_ALIVE).ask


def test_the_system_ssh_is_the_same_by_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepshell.ssh.config_scan.SYSTEM_FILE", str(tmp_path / "system"))
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_dir=str(tmp_path)))
    link = tmp_path / "ssh"
    link.symlink_to(SSH)
    assert not look(str(link), None, KEYWORDS).ask
    (tmp_path / "system").write_text("Host *\n ServerAliveInterval 7\n")
    assert look(str(link), None, KEYWORDS).ask
    (tmp_path / "system").write_text("Include more\n")
    (tmp_path / "more").write_text("User u\n")
    assert look(str(link), None, KEYWORDS).ask
    assert not look(str(link), None, SERVER_ALIVE).ask


def test_the_users_file_stands_in_the_accounts_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("ServerAliveInterval 7\n")
    monkeypatch.setattr("keepshell.ssh.config_scan.SYSTEM_FILE", os.devnull)
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_dir=str(tmp_path)))
    assert look(SSH, None, SERVER_ALIVE).ask


EXECUTING = [
    "Match exec /bin/true\n  User u",
    'Match host h exec "/bin/true"\n  User u',
    "Match !exec /bin/false\n  User u",
    'match HOST h "exec" /bin/true\n  User u',
    "Match=host h EXEC /bin/true\n  User u",
    "Host other\nMatch originalhost x exec true",
    "Match all\nInclude {folder}/inner",
    "Include {folder}/*.conf",
    "Include {folder}/d*/more",
    "Include ${{FOLDER}}/inner",
    "Host none\n  Include {folder}/inner",
]
"""In each, a program that asking ssh might run; {folder} has files to include."""


@pytest.mark.parametrize("text", EXECUTING)
def test_ssh_is_not_asked_where_that_would_run_a_program(
    text: str, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOLDER", str(tmp_path))
    (tmp_path / "dir").mkdir()
    for name in ("inner", "a.conf", "dir/more"):
        (tmp_path / name).write_text("Match exec true\n  User u\n")
    config.write_text(f"{text.format(folder=tmp_path)}\nServerAliveInterval 5\n")
    found = look(SSH, str(config), KEYWORDS)
    assert found.executes
    assert not found.ask
    assert found.may_set("ServerAliveInterval")


@pytest.mark.parametrize("text", ["Match host exec-1 user u", "Host exec", "# Match exec true"])
def test_what_is_no_exec(text: str, config: Path) -> None:
    config.write_text(f"{text}\nServerAliveInterval 5\n")
    assert look(SSH, str(config), KEYWORDS).ask


def test_the_system_s_file_is_looked_at_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system"
    system.write_text("Match exec true\n  LogLevel ERROR\n")
    monkeypatch.setattr(config_scan, "SYSTEM_FILE", str(system))
    found = look(SSH, None, SESSION)
    assert found.executes
    assert not found.ask
    assert found.may_set("LogLevel")


def test_the_file_of_an_ssh_from_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "bin" / "ssh"
    elsewhere.parent.mkdir()
    elsewhere.symlink_to("/bin/true")
    assert look(str(tmp_path / "bin" / "ssh"), None).ask
    copy = tmp_path / "bin" / "copy"
    copy.write_text("#!/bin/sh\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "ssh_config").write_text("Match exec true\n  User u\n")
    assert not look(str(copy), None).ask


def test_what_the_files_may_set(config: Path) -> None:
    config.write_text("Host other\n  BatchMode yes\n  EscapeChar none\n")
    found = look(SSH, str(config), KEYWORDS)
    assert found.may_set("ServerAliveInterval")  # Debian's BatchMode does
    assert found.may_set("escapechar")
    assert not found.may_set("ServerAliveCountMax")
    assert not found.may_set("LogLevel")


def test_the_hosts_that_are_named(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text('Host web "db" *.lan !gone # web3\nhost=nas\nMatch host other\nHost w?b\n')
    assert look(SSH, str(path)).hosts == ["web", "db", "nas"]
