"""Every example of the help runs as it is printed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keepshell.cli.commands import COMMANDS
from keepshell.core.rules.kinds import KINDS, PROBE, Rule
from keepshell.store.database import PastSession, State
from tests.sshd.test_docs import Place
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

FILES = {
    "deploy.sh": "#!/bin/sh\nssh web 'echo deployed'\n",
    "rsync": "#!/bin/sh\nexec ssh web :\n",
}
EXAMPLES = [(row.name, line) for row in COMMANDS for line, _ in row.examples]

# What the user types to end it.
ENDED_BY = {"keepshell ssh web": "exit", "keepshell --empty-line true ssh web": "exit"}
ENDED_BY |= dict.fromkeys(("keepshell run -- ssh web", "keepshell attach"), "exit")
ENDED_BY["keepshell attach web"] = "exit"

# What must have been typed before.
AFTER = {"keepshell config unset web empty_line": ["config", "set", "web", "empty_line=true"]}


_LOGIN_PROMPT = re.compile(rb"[#$] ")
"""A kept shell is a login shell, and sets its own."""


@pytest.fixture
def place(sshd: Sshd, tmp_path: Path, keepshell_exe: Path, state: State) -> Iterator[Place]:
    """Where every host is the sshd, and web is one of which something is known."""
    made = Place(tmp_path, keepshell_exe, sshd.access)
    made.write(FILES)
    made.env["PATH"] = f"{made.here}:{made.env['PATH']}"
    short = tempfile.mkdtemp(prefix="ks")  # pytest's paths are too long for a hold's sockets
    made.env["XDG_RUNTIME_DIR"] = short
    host = f"{sshd.access.user}@127.0.0.1:{sshd.access.port}"
    state.put_rules(host, PROBE, [Rule(KINDS["tmout"], 600, PROBE)])
    now = time.time()
    state.record(
        PastSession(
            host=host, started=now - 60, ended=now, ending="own-exit", status=0, longest_idle=9
        )
    )
    yield made
    command = [str(keepshell_exe), "release", "--all", "--now"]
    subprocess.run(command, env=made.env, check=True, stdout=subprocess.DEVNULL)
    eventually(lambda: not list(Path(short).rglob("*~ask")), "nothing is held any more")
    shutil.rmtree(short)


def test_every_command_has_examples() -> None:
    assert {name for name, _ in EXAMPLES} == {row.name for row in COMMANDS}


# In pytest's directories the line would be part of a path, and an ssh that names keepshell is none.
@pytest.mark.parametrize(("command", "line"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_it_runs(
    command: str,
    line: str,
    place: Place,
    keepshell_exe: Path,
    start_terminal: Callable[..., Terminal],
) -> None:
    live: Terminal = start_terminal([str(keepshell_exe), "ssh", "web"], env=place.env)
    live.expect(PROMPT)
    if command == "attach":
        left = start_terminal(
            [str(keepshell_exe), "--reattach", "true", "ssh", "web"], env=place.env
        )
        left.expect(_LOGIN_PROMPT)
        left.send("\r~.")
        assert left.wait() == 255
    if line in AFTER:
        subprocess.run([str(keepshell_exe), *AFTER[line]], env=place.env, check=True)
    terminal: Terminal = start_terminal(
        ["bash", "--norc", "-ec", line], env=place.env, cwd=place.here, cols=200
    )
    if line in ENDED_BY:
        terminal.expect(_LOGIN_PROMPT if command == "attach" else PROMPT)
        terminal.send_line(ENDED_BY[line])
    if line.endswith("| less"):
        terminal.expect("SYNOPSIS")
        terminal.send("q")
    said = terminal.read_to_end().decode()
    assert terminal.wait() == 0, said
    assert not re.search("^keepshell: ", said, re.M) or command in ("off", "on"), said
