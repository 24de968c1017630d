"""From the README to a host with TMOUT that is kept, by pasting its commands and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import keepshell
from tests.sshd.test_docs import Place
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.trace import Trace

TMOUT = 4
README = (Path(keepshell.__file__).parents[1] / "README.md").read_text()


@pytest.fixture
def place(
    start_sshd: Callable[..., Sshd], tmp_path: Path, keepshell_exe: Path, trace: Trace
) -> Place:
    """Every host has a bash that logs out after `TMOUT` seconds."""
    server = start_sshd(env={"TMOUT": str(TMOUT), "SHELL": "/bin/bash"})
    return Place(tmp_path, keepshell_exe, server.access)


def pasted(words: str) -> str:
    """The README's own line for it, comment and all."""
    (line,) = set(re.findall(rf"^keepshell {words}\b.*$", README, re.M))
    return str(line)


def test_from_the_page_to_a_kept_session(
    place: Place, trace: Trace, start_terminal: Callable[..., Terminal]
) -> None:
    bare = start_terminal(["sh", "-c", "ssh web"], env=place.env)
    bare.expect("timed out waiting for input: auto-logout")
    shell = start_terminal(["bash", "--norc", "--noprofile", "-i"], env=place.env, cols=200)
    shell.expect("LOCAL$ ")
    shell.send_line(pasted("probe web"))
    shell.expect(f"TMOUT={TMOUT}")
    shell.expect("Remembered: TMOUT 4s")
    shell.expect("LOCAL$ ")
    shell.send_line(pasted("config set web"))
    shell.expect("+empty_line = true")
    shell.send_line(pasted("ssh web"))
    shell.expect(PROMPT)
    trace.wait_for("noop-sent", 5)  # every two seconds: more than twice TMOUT
    shell.send_line("echo still $((40 + 2))")
    shell.expect("still 42")
