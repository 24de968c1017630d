"""`keepshell man`: the manual of the version that runs, wherever it is installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import keepshell
from tests.support.cli import keepshell as run
from tests.support.programs import require
from tests.support.terminal import Terminal


def test_the_manual() -> None:
    require("man")
    shown = run("man").stdout
    assert shown.startswith("KEEPSHELL(1)")
    assert f"keepshell {keepshell.__version__}" in shown
    assert "--outage-tolerance" in shown


def test_in_a_pager(keepshell_exe: Path) -> None:
    """^C is for the pager, and keepshell waits for its end."""
    require("man", "less")
    env = {**os.environ, "PAGER": "less", "LESS": ""}
    with Terminal([str(keepshell_exe), "man"], env=env) as terminal:
        terminal.wait_for_screen(lambda screen: "KEEPSHELL(1)" in screen.lines[0], "the manual")
        terminal.send("G")  # what formats the page has ended then: ^C would be for that, too
        terminal.wait_for_screen(lambda screen: "(END)" in screen.text, "its end")
        terminal.send("\x03")
        terminal.wait_for_screen(lambda screen: screen.bells == 1, "the pager's answer to ^C")
        terminal.send("g")
        terminal.wait_for_screen(lambda screen: "KEEPSHELL(1)" in screen.lines[0], "its beginning")
        terminal.send("q")
        assert terminal.wait() == 0


def test_without_man(keepshell_exe: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [keepshell_exe, "man"],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == run("--help").stdout
    assert done.stderr == ""
