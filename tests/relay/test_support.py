"""The small parts of the tests' own support: waiting, traces, missing programs, leaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.processes import end_tree, is_gone, session_members, tree
from tests.support.trace import Trace
from tests.support.waiting import eventually


def test_eventually_gives_the_first_true_value() -> None:
    values = iter([0, None, 3, 4])
    assert eventually(lambda: next(values), "a number") == 3


def test_eventually_says_what_was_there_instead() -> None:
    with pytest.raises(AssertionError, match=r"not within 0.05 s: it was False"):
        eventually(lambda: False, lambda: f"it was {False}", deadline=0.05)


def test_a_trace_that_grows(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    trace = Trace(path)
    assert trace.events == []

    def write() -> None:
        for number in range(3):
            with path.open("a") as file:
                file.write(json.dumps({"event": "nudge-sent", "number": number}) + "\n")
                file.write(json.dumps({"event": "other"}) + "\n")

    writer = threading.Thread(target=write)
    writer.start()
    found = trace.wait_for("nudge-sent", count=3)
    writer.join()
    assert [event["number"] for event in found] == [0, 1, 2]
    assert len(trace.events) == 6


def test_a_line_half_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text('{"event": "a"}\n{"event": "b"')
    assert Trace(path).events == [{"event": "a"}]
    with pytest.raises(AssertionError, match=r"1 × b in .*\n.*\n.*event.: .b."):
        Trace(path).wait_for("b", deadline=0.05)


def test_a_missing_program_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    programs.require("sh")
    for name in ("no-such-program", "libno_such_library.so"):
        monkeypatch.setenv(programs.STRICT, "0")
        with pytest.raises(pytest.skip.Exception, match=f"not installed: {name}"):
            programs.require("sh", name)
        monkeypatch.setenv(programs.STRICT, "1")
        with pytest.raises(pytest.fail.Exception, match=f"not installed: {name}"):
            programs.require("sh", name)


def test_ending_a_tree_that_forks_all_the_time() -> None:
    script = "echo up; while :; do sleep 1000 & setsid sleep 1000 & sleep 0.001; done"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE) as popen:
        assert popen.stdout is not None
        popen.stdout.readline()
        eventually(lambda: len(tree(popen.pid)) > 20, "children")
        seen = {process.pid for process in tree(popen.pid)}
        end_tree(popen)
    assert [pid for pid in seen if not is_gone(pid)] == []
    assert tree(popen.pid) == set()


def test_orphans_come_to_us_and_are_found_by_their_session() -> None:
    script = (
        "import os, subprocess\n"
        "if os.fork() == 0:\n"
        "    subprocess.run(['sleep', '1000'])\n"
        "os._exit(0)"
    )
    popen = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    popen.wait()
    members = session_members(popen.pid)
    assert members
    assert members <= tree(os.getpid())
    end_tree(popen)
    assert session_members(popen.pid) == set()


def test_the_environment_of_a_test(tmp_path: Path) -> None:
    assert os.environ["HOME"] == str(tmp_path / "user")
    assert os.environ["XDG_STATE_HOME"].startswith(os.environ["HOME"])
    assert "SSH_AUTH_SOCK" not in os.environ
    assert Path(os.environ["XDG_RUNTIME_DIR"]).stat().st_mode & 0o777 == 0o700


def test_a_leaked_process_fails_the_run(tmp_path: Path) -> None:
    """In a pytest of its own, with our conftest as a plugin."""
    (tmp_path / "test_leak.py").write_text(
        "import subprocess\n"
        "def test_leaks():\n"
        "    subprocess.run(['sh', '-c', 'setsid sleep 4321 >/dev/null 2>&1 &'])\n"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-p", "tests.conftest", "--rootdir", str(tmp_path), str(tmp_path / "test_leak.py")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "left running by the tests" in done.stdout
    assert "sleep 4321" in done.stdout
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert "sleep 4321" not in listed.stdout.splitlines()
