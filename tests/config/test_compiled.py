"""The compiled copy of config.toml says what the file says, and any doubt means the file."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import keepshell
from keepshell.config import compiled
from keepshell.config.load import load
from keepshell.config.settings import KEYS
from keepshell.core.rules.rung import Rung
from keepshell.errors import UsageError

NOBODY = 65534

TEXT = """\
[host."web*, !web9"]
rung = "no-op"
server_alive_interval = "11s"
rules = ["channel-timeout=90.5s", "tmout=10m", "logind=7m1s"]
idle_limit = "15m"

[host.'*.example.com "x"']
no_op = "always"
xon = true
window_change_interval = "0.3s"

[default]
ssh = "/opt/ß/ssh"
warn = true
empty_line = false
no_op_interval = "1h30m"
outage_tolerance = "1234.5s"
"""
HOSTS: tuple[list[str], ...] = (["web1"], ["web9"], ["web1", "db.example.com"], [])


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy may be made of a file that was written just now."""
    monkeypatch.setattr(compiled, "_SETTLED", -(10**9))


@pytest.fixture
def copy() -> Path:
    """Where the copy is kept."""
    return Path(os.environ["XDG_STATE_HOME"], "keepshell", "config.compiled")


@pytest.fixture
def config(config_toml: Path) -> Path:
    config_toml.write_text(TEXT)
    return config_toml


def said() -> list[object]:
    """All that is configured for some hosts, with its sources."""
    found = load(os.environ)
    answers: list[object] = [found.has_hosts, found.setting("ssh", {})]
    for names in HOSTS:
        effective = found.policy(names, {})
        values = [KEYS[name].kind.show(getattr(effective.policy, name)) for name in SHOWN]
        answers += [*values, effective.policy.rules, effective.policy.idle_limit, effective.sources]
    return answers


SHOWN = [name for name in KEYS if name not in ("idle_limit", "ssh")]


def rung() -> Rung:
    return load(os.environ).policy(["web1"], {}).policy.rung


def test_the_copy_says_what_the_file_says(config: Path, copy: Path) -> None:
    from_file = said()
    assert copy.exists()
    assert said() == from_file
    config.write_text(TEXT.replace("no-op", "off"))
    assert said() != from_file


def test_the_file_is_not_even_read(
    config: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said()
    monkeypatch.setitem(sys.modules, "keepshell.config.toml_lines", None)
    assert rung() == Rung.NO_OP


def test_it_is_private(config: Path, copy: Path) -> None:
    said()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert [path.name for path in copy.parent.iterdir()] == ["config.compiled"]


def test_an_edit_is_seen_at_once(config: Path) -> None:
    for rung_name, found in (("off", Rung.OFF), ("no-op", Rung.NO_OP), ("off", Rung.OFF)):
        config.write_text(f'[default]\nrung = "{rung_name}"\n')
        assert rung() == found


def test_an_edit_of_the_same_size_and_time_is_seen(config: Path, copy: Path) -> None:
    config.write_text('[default]\nrung = "off"  \n')
    assert rung() == Rung.OFF
    assert copy.exists()
    before = config.stat()
    config.write_text('[default]\nrung = "no-op"\n')
    os.utime(config, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert config.stat().st_size == before.st_size
    assert rung() == Rung.NO_OP


def test_another_file_in_its_place_is_seen(config: Path, tmp_path: Path) -> None:
    said()
    other = tmp_path / "other.toml"
    other.write_text('[default]\nrung = "off"\n')
    other.replace(config)
    assert rung() == Rung.OFF
    config.unlink()
    assert rung() == Rung.EMPTY_LINE


def test_a_file_that_was_changed_just_now_has_no_copy(
    config: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another change within the same tick of the clock would not show."""
    monkeypatch.setattr(compiled, "_SETTLED", 2 * 10**9)
    config.write_text(TEXT)
    said()
    assert not copy.exists()
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 3 * 10**9)
    said()
    assert copy.exists()


def test_a_clock_that_was_set_back(
    config: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 10**9)
    said()
    assert not copy.exists()


def test_a_bad_file_has_no_copy_and_an_old_one_does_not_hide_it(config: Path, copy: Path) -> None:
    said()
    config.write_text("[default]\nrang = 1\n")
    for _ in range(2):
        with pytest.raises(UsageError, match="rang: unknown key"):
            load(os.environ)


def test_a_damaged_copy_is_thrown_away(config: Path, copy: Path) -> None:
    from_file = said()
    good = copy.read_bytes()
    choose = random.Random(1)
    for _ in range(150):
        at, length = choose.randrange(len(good)), choose.choice((0, 1, 1, 7))
        damaged = good[:at] + choose.randbytes(length) + good[at + choose.choice((0, 1, 99)) :]
        copy.write_bytes(choose.choice((damaged, good[:at], b"", damaged[:16])))
        assert said() == from_file
        assert copy.read_bytes() == good


def test_another_version_s_copy_does_not_count(
    config: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said()
    before = copy.read_bytes()
    monkeypatch.setattr(compiled, "VERSION", "0.0.0")
    assert rung() == Rung.NO_OP
    assert copy.read_bytes() != before


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o666])
def test_a_copy_that_others_may_touch_does_not_count(mode: int, config: Path, copy: Path) -> None:
    said()
    copy.chmod(mode)
    assert rung() == Rung.NO_OP
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600  # made anew


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_copy_of_another_user_does_not_count(config: Path, copy: Path) -> None:
    """`sudo -E`: HOME is the user's, and so is what is in it."""
    said()
    os.chown(copy.parent, NOBODY, NOBODY)
    os.chown(copy, NOBODY, NOBODY)
    config.write_text(TEXT.replace("no-op", "off"))
    before = copy.read_bytes()
    assert rung() == Rung.OFF
    assert copy.read_bytes() == before
    assert copy.stat().st_uid == NOBODY
    assert [path.name for path in copy.parent.iterdir()] == ["config.compiled"]


def _directory(copy: Path) -> None:
    copy.mkdir()


def _fifo(copy: Path) -> None:
    os.mkfifo(copy, 0o600)


def _link(copy: Path) -> None:
    target = copy.with_name("target")
    target.write_bytes(b"")
    copy.symlink_to(target)


@pytest.mark.parametrize("make", [_directory, _fifo, _link])
def test_something_else_in_its_place(make: object, config: Path, copy: Path) -> None:
    from_file = said()
    copy.unlink()
    assert callable(make)
    make(copy)
    assert said() == from_file
    assert said() == from_file


@pytest.mark.parametrize("state", ["/dev/null", "/proc/self", ""])
def test_no_place_for_it(state: str, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", "/dev/null")
    assert rung() == Rung.NO_OP
    assert rung() == Rung.NO_OP


def test_two_at_once(config: Path, copy: Path) -> None:
    """Each writes a file of its own, and the last one stays: whole."""
    program = (
        "import sys, os; from keepshell.config import compiled; compiled._SETTLED = -10**9\n"
        "from keepshell.config.load import load\n"
        "for _ in range(20):\n"
        "    copy = sys.argv[1]\n"
        "    if os.path.exists(copy): os.truncate(copy, 40)\n"
        "    print(load(os.environ).policy(['web1'], {}).policy.rung.label)\n"
    )
    root = str(Path(keepshell.__file__).parents[1])
    argv = [sys.executable, "-c", program, str(copy)]
    running = [
        subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in running:
        output, complaint = process.communicate()
        assert output.split() == ["no-op"] * 20, complaint


def test_tomllib_is_not_loaded(config: Path, copy: Path) -> None:
    said()
    program = (
        "import sys, os; from keepshell.config.load import load\n"
        "load(os.environ).policy(['db'], {}); print(*sys.modules)"
    )
    root = str(Path(keepshell.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert not {"tomllib", "re", "json", "enum"} & set(done.stdout.split())
