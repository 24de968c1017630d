"""`keepshell config` changes the line that it means, checks first, and says what it did."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.cli import config_text
from keepshell.config.load import load, parse_toml
from keepshell.config.settings import KEYS
from tests.support.cli import keepshell

COMMENTED = """\
#:schema /somewhere/config.schema.json
# My hosts.

[host."db1"]          # the database
empty_line = false    # not yet
rules = [
    "tmout=10m",      # from its profile
]

# All of these are behind the firewall.
[host."*.example.com, !build.example.com"]
idle_limit = "15m"

[default]
# Louder than usual.
warn = true
"""


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that are gone, and those that are new."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


def said(*words: str, status: int = 0) -> str:
    done = keepshell("config", *words, status=status)
    assert (done.stderr if status != 2 else done.stdout) == ""
    return done.stdout + done.stderr


@pytest.fixture
def file(config_toml: Path) -> Path:
    """config.toml with comments in every place."""
    config_toml.write_text(COMMENTED)
    return config_toml


@pytest.mark.parametrize(
    ("words", "gone", "new"),
    [
        (
            ["db1", "empty_line=true"],
            ["empty_line = false    # not yet"],
            ["empty_line = true    # not yet"],
        ),
        (["db1", "rung=no-op"], [], ['rung = "no-op"']),
        (["default", "outage-tolerance=5m"], [], ['outage_tolerance = "5m"']),
        (["default", "warn=false"], ["warn = true"], ["warn = false"]),
        (["*.example.com, !build.example.com", "xon=true"], [], ["xon = true"]),
        (
            ["db2", "empty_line=true", "rules=tmout=5m, logind=1h"],
            [],
            ['[host."db2"]', "empty_line = true", 'rules = ["tmout=5m", "logind=1h"]'],
        ),
    ],
    ids=str,
)
def test_only_its_own_lines_change(
    words: list[str], gone: list[str], new: list[str], file: Path
) -> None:
    shown = said("set", *words)
    assert changed_lines(COMMENTED, file.read_text()) == (gone, new)
    for line in gone:
        assert f"-{line}\n" in shown
    for line in new:
        assert f"+{line}\n" in shown
    assert shown.startswith(f"{file}\n")


def test_what_is_set_is_what_the_host_gets(file: Path) -> None:
    said("set", "db1", "empty_line=true", "idle_limit=1h 30m")
    policy = load(os.environ).policy(["db1"], {}).policy
    assert (policy.empty_line, policy.idle_limit) == (True, 5400)


def test_a_new_section_comes_before_one_that_would_win(file: Path) -> None:
    said("set", "web.example.com", "idle_limit=2m")
    assert load(os.environ).policy(["web.example.com"], {}).policy.idle_limit == 120
    assert load(os.environ).policy(["other.example.com"], {}).policy.idle_limit == 900
    assert '"2m"\n\n# All of these are behind the firewall.\n' in file.read_text()


def test_a_key_that_another_section_sets_first_is_said(file: Path) -> None:
    file.write_text(f'[host."*"]\nxon = true\n\n{COMMENTED}')
    shown = said("set", "db1", "xon=false")
    assert f'! {file}:2 [host."*"] xon is asked first, so xon stays as it is there' in shown


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_set_and_unset_leave_no_trace(start: str, end: str, file: Path) -> None:
    text = (start + COMMENTED.replace("\n", end)).encode()
    file.write_bytes(text)
    said("set", "db1", "rung=no-op")
    assert file.read_bytes() != text
    said("unset", "db1", "rung")
    assert file.read_bytes() == text
    assert said("unset", "db1", "rung", status=1).endswith('[host."db1"] rung is not set there\n')
    assert said("set", "db1", "empty_line=false").endswith("empty_line is set so already\n")
    assert file.read_bytes() == text


@given(st.sampled_from(["db1", "*.example.com, !build.example.com", None, "new", "a.example.com"]))
def test_no_other_line_is_touched(pattern: str | None) -> None:
    after = config_text.changed(COMMENTED, pattern, {"outage_tolerance": "7m"})
    gone, new = changed_lines(COMMENTED, after)
    assert gone == []
    assert new[-1] == 'outage_tolerance = "7m"'
    parse_toml(after.encode(), "config.toml")


def test_without_a_file_one_is_made(config_toml: Path) -> None:
    assert said("check") == (
        f"{config_toml}: not there, so every setting has its default; keepshell config init\n"
    )
    said("set", "web", "empty_line=true")
    assert config_toml.read_text() == '[host."web"]\nempty_line = true\n'
    assert said("check") == f"{config_toml}: good\n"
    assert said("path") == f"{config_toml}\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["set", "db1", "emptyline=true"], "emptyline: unknown key; did you mean empty_line?"),
        (["set", "db1", "empty_line"], "expected KEY=VALUE, found empty_line; as in empty_"),
        (["set", "db1", "idle_limit=15"], "idle_limit=15: a duration has a unit: 15m or 15s?"),
        (["set", "db1", "empty_line=maybe"], "empty_line=maybe: expected true or false"),
        (["set", "db1", "ssh=/usr/bin/ssh"], "is the same for every host; move it to [default]"),
        (["set", "db1", "rung=off", "xon=true"], "xon contradicts rung in the same section"),
        (["set", "db1"], "found db1, expected: keepshell config set HOST KEY=VALUE..."),
        (["unset", "db1", "emptyline"], "emptyline: unknown key; did you mean empty_line?"),
        (["init"], "is there already; to change it: keepshell config edit"),
        (["sett", "db1"], "config sett: unknown; did you mean set?"),
    ],
    ids=str,
)
def test_what_is_refused_changes_nothing(words: list[str], complaint: str, file: Path) -> None:
    assert complaint in said(*words, status=2)
    assert file.read_text() == COMMENTED


def test_a_file_that_can_t_be_read_is_not_written_over(file: Path) -> None:
    file.write_text("[default]\nrung = highest\n")
    assert f"{file}: not TOML" in said("set", "web", "xon=true", status=2)
    assert f"{file}: not TOML" in said("check", status=2)
    assert file.read_text() == "[default]\nrung = highest\n"


def test_a_link_stays_a_link_and_a_mode_a_mode(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.toml"
    file.rename(target)
    target.chmod(0o600)
    file.symlink_to(target)
    said("set", "db1", "rung=no-op")
    assert file.is_symlink()
    assert 'rung = "no-op"' in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_place_that_can_t_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc/self")
    path = "/proc/self/keepshell/config.toml"
    for words in (["set", "web", "xon=true"], ["init"]):
        assert said(*words, status=2).endswith("can't be written: No such file or directory\n")
    assert said("path") == f"{path}\n"


def test_show_is_toml_with_the_place_of_each_setting(file: Path) -> None:
    shown = said("show")
    assert tomllib.loads(shown) == tomllib.loads(COMMENTED)
    assert f"empty_line = false  # {file}:5" in shown
    whole = tomllib.loads(said("show", "--defaults"))
    assert whole["default"].keys() == KEYS.keys() - {"idle_limit", "rules", "ssh"}
    parse_toml(said("show", "--defaults").encode(), "config.toml")


class TestInit:
    def test_the_sample_explains_every_setting(
        self, config_toml: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("KEEPSHELL_HINTS")
        said("init")
        text = config_toml.read_text()
        for key in KEYS.values():
            assert f"# {key.meaning}\n# {key.name} = " in text
        assert load(os.environ).policy(["web"], {}).sources == dict.fromkeys(KEYS, "default")

    def test_every_line_of_the_sample_can_be_used(self) -> None:
        lines = config_text.sample().splitlines()
        for line in lines:
            statement = line.removeprefix("# ")
            if statement.partition(" = ")[0] in KEYS:
                parse_toml(f"[default]\n{statement}\n".encode(), "config.toml")

    def test_its_first_line_names_the_schema(self, config_toml: Path) -> None:
        said("init")
        directive, path = config_toml.read_text().splitlines()[0].split(" ", 1)
        assert directive == "#:schema"
        schema = json.loads(Path(path).read_text())
        assert schema == json.loads(config_text.schema()), "run scripts/share"
        section = schema["properties"]["default"]["properties"]
        assert section.keys() == KEYS.keys()
        assert "ssh" not in schema["properties"]["host"]["additionalProperties"]["properties"]


class TestEdit:
    def edit(self, editor: str, status: int = 0) -> str:
        os.environ["EDITOR"] = editor
        return said("edit", status=status)

    @pytest.fixture(autouse=True)
    def _editor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EDITOR", "")

    def test_it_is_checked_afterwards(self, file: Path) -> None:
        complaint = self.edit("sed -i s/warn/warm/", status=2)
        assert "[default] warm: unknown key; did you mean warn?" in complaint
        assert "to go on editing: keepshell config edit" in complaint

    def test_a_file_is_made_where_there_is_none(self, config_toml: Path) -> None:
        assert self.edit("sed -i s/#.warn/warn/") == f"{config_toml}: good\n"
        assert "\nwarn = false\n" in config_toml.read_text()

    def test_an_editor_that_fails(self, file: Path) -> None:
        assert "the editor false ended with status 1" in self.edit("false", status=2)
        assert "the editor nonesuch: No such file" in self.edit("nonesuch", status=2)
        assert "the editor 'x: No closing quotation" in self.edit("'x", status=2)
        assert file.read_text() == COMMENTED
