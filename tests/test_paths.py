"""The directories of the XDG Base Directory Specification, and who may look into them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from keepshell import paths
from keepshell.errors import InternalError
from keepshell.store import livedir
from keepshell.store.database import PastSession, State, StateError

PAST = PastSession(
    host="me@web:22", started=1.0, ended=2.0, ending="own-exit", status=0, longest_idle=0.0
)


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/keepshell"),
        ({"XDG_STATE_HOME": "/s/"}, "/s/keepshell"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/keepshell"),
        ({"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/keepshell"),
        ({"HOME": "h"}, None),
        ({}, None),
    ],
)
def test_the_state(environ: dict[str, str], directory: str | None) -> None:
    assert paths.state_dir(environ) == directory


def test_what_runs_now(tmp_path: Path) -> None:
    runtime = str(tmp_path)
    best, fallback = f"{runtime}/keepshell", "/h/.local/state/keepshell/live"
    assert [*paths.live_dirs({"XDG_RUNTIME_DIR": runtime, "HOME": "/h"})] == [best, fallback]
    assert [*paths.live_dirs({"XDG_RUNTIME_DIR": f"{runtime}/gone", "HOME": "/h"})] == [fallback]
    assert [*paths.live_dirs({"HOME": "/h"})] == [fallback]
    assert [*paths.live_dirs({})] == []


def test_a_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    old = os.umask(0)
    try:
        paths.make_private(str(path))
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o700
    path.chmod(0o755)
    paths.make_private(str(path))
    assert path.stat().st_mode & 0o777 == 0o700


def test_root_makes_nothing_in_another_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sudo` may have kept HOME: a `~/.local` of root's would be of no use to anyone."""
    home = tmp_path / "home"
    home.mkdir()
    if os.geteuid() == 0:
        os.chown(home, 65534, 65534)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    environ = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
    with pytest.raises(PermissionError, match="another user"):
        paths.make_private(f"{home}/.local/state/keepshell")
    with pytest.raises(StateError, match="another user"):
        State.of(environ).record(PAST)
    assert livedir.writable(environ) is None
    assert [*home.iterdir()] == []
    assert paths.is_anothers(f"{home}/.local")
    assert not paths.is_anothers("/")


def test_a_command_that_needs_a_directory_says_so() -> None:
    assert paths.required("/s") == "/s"
    with pytest.raises(InternalError, match="neither XDG_STATE_HOME nor HOME"):
        paths.required(None)
