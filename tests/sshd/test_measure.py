"""`keepshell probe --measure` against rules of seconds: which rung outlives which."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from keepshell.core.rules.kinds import MEASURED
from keepshell.core.rules.rung import RUNGS
from keepshell.store.database import State
from tests.support.access import Access
from tests.support.dropbear import Dropbear
from tests.support.middlebox import Action, Counts, Middlebox
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE

LIMITS = ("--floor", "1s", "--limit", "8s")

Measure = Callable[..., dict[str, Any]]


def _argv(keepshell_exe: Path, access: Access, limits: Sequence[str] = LIMITS) -> list[str]:
    return [str(keepshell_exe), "probe", "--measure", *limits, *access.ssh_args()]


@pytest.fixture
def measure(keepshell_exe: Path) -> Measure:
    """What `--measure --json` finds at a server."""

    def run(access: Access) -> dict[str, Any]:
        done = subprocess.run(
            [*_argv(keepshell_exe, access), "--json"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=4 * DEADLINE,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return {**json.loads(done.stdout), "status": done.returncode}

    return run


def _survivors(told: dict[str, Any]) -> set[str]:
    return {row["rung"] for row in told["rungs"] if row["lived"] == 8.0 and row["died"] is None}


def _died(told: dict[str, Any]) -> dict[str, float]:
    return {row["rung"]: row["died"] for row in told["rungs"] if row["died"] is not None}


def _remembered(told: dict[str, Any]) -> set[tuple[str, str]]:
    rules = State.of(os.environ).rules(told["host"])
    return {(rule.kind.name, rule.source) for rule in rules}


def test_a_firewall_that_resets(
    sshd: Sshd, start_middlebox: Callable[..., Middlebox], measure: Measure
) -> None:
    box = start_middlebox(sshd.port, 3, Counts.CLIENT_BYTES)
    told = measure(sshd.access.through(box.port))
    assert told["status"] == 0, told
    assert _survivors(told) == {"server-alive", "window-change", "no-op", "empty-line"}
    assert _died(told)["off"] < 8
    assert _remembered(told) == {("connection-idle", MEASURED)}


def test_a_firewall_that_drops_in_silence_is_bisected(
    sshd: Sshd, start_middlebox: Callable[..., Middlebox], measure: Measure
) -> None:
    box = start_middlebox(sshd.port, 4, Counts.CLIENT_BYTES, Action.DROP)
    told = measure(sshd.access.through(box.port))
    assert told["status"] == 0, told
    off = next(row for row in told["rungs"] if row["rung"] == "off")
    assert off["lived"] < 8
    assert off["died"] < 8
    assert off["died"] - off["lived"] <= 1
    assert len(box.wait_for("opened")) > len(told["rungs"])
    assert _remembered(told) == {("connection-idle", MEASURED)}


def test_channel_timeout(start_sshd: Callable[..., Sshd], measure: Measure) -> None:
    told = measure(start_sshd("ChannelTimeout session:*=4s").access)
    assert told["status"] == 0, told
    assert _survivors(told) == {"no-op", "empty-line"}
    assert _died(told).keys() == {"off", "server-alive", "window-change"}
    assert _remembered(told) == {("stop-idle", MEASURED)}


def test_dropbear(start_dropbear: Callable[..., Dropbear], measure: Measure) -> None:
    told = measure(start_dropbear("-I", "4").access)
    assert told["status"] == 0, told
    assert _survivors(told) == {"window-change", "no-op", "empty-line"}
    assert _remembered(told) == {("connection-idle", MEASURED)}


def test_a_shells_tmout(start_sshd: Callable[..., Sshd], measure: Measure) -> None:
    told = measure(start_sshd(env={"TMOUT": "4"}).access)
    assert told["status"] == 0, told
    assert _survivors(told) == {"empty-line"}
    assert _remembered(told) == {("tmout", MEASURED)}


def test_a_prompt_that_takes_no_pastes_gets_no_no_op(
    start_sshd: Callable[..., Sshd], measure: Measure
) -> None:
    told = measure(start_sshd(shell=["dash", "-i"]).access)
    failures = {row["rung"]: row["failure"] for row in told["rungs"] if row["failure"]}
    assert told["status"] == 1
    assert failures.keys() == {"no-op"}
    assert "nothing typed is a no-op there" in failures["no-op"]
    assert _survivors(told) == {"off", "server-alive", "window-change", "empty-line"}


def test_a_host_that_cannot_be_reached(sshd: Sshd, measure: Measure) -> None:
    sshd.stop()
    told = measure(sshd.access)
    assert told["status"] == 1
    assert all("Connection refused" in row["failure"] for row in told["rungs"])
    assert told["notes"] == ["nothing is remembered"]
    assert _remembered(told) == set()


def test_a_table_of_failures_has_no_blank_parts(sshd: Sshd, keepshell_exe: Path) -> None:
    sshd.stop()
    argv = _argv(keepshell_exe, sshd.access)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 1
    assert done.stdout.count("Connection refused") == len(RUNGS)
    assert done.stdout.endswith("\n\nnothing is remembered\n")
    assert "\n\n\n" not in done.stdout


def test_a_host_with_a_forced_command_is_quoted(
    start_sshd: Callable[..., Sshd], measure: Measure
) -> None:
    told = measure(start_sshd("ForceCommand echo 'No shell for you.'; echo bye").access)
    assert {row["failure"] for row in told["rungs"]} == {"no session: No shell for you."}


def test_what_was_found_before_an_interruption_is_kept(
    sshd: Sshd, start_middlebox: Callable[..., Middlebox], keepshell_exe: Path
) -> None:
    box = start_middlebox(sshd.port, 3, Counts.CLIENT_BYTES)
    access = sshd.access.through(box.port)
    argv = _argv(keepshell_exe, access, ("--floor", "1s", "--limit", "10m"))
    with subprocess.Popen([*argv, "--json"], stdout=subprocess.PIPE, text=True) as running:
        box.wait_for("closed")
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=DEADLINE)
    told = json.loads(output)
    assert running.returncode == 1
    assert told["notes"] == ["interrupted: what is found so far is kept"]
    assert any(row["unfinished"] for row in told["rungs"])
    assert all(row["lived"] is None for row in told["rungs"])


def test_a_table_and_bars_on_a_terminal(
    sshd: Sshd, keepshell_exe: Path, start_terminal: Callable[..., Terminal]
) -> None:
    argv = _argv(keepshell_exe, sshd.access, ("--floor", "1s", "--limit", "3s"))
    terminal = start_terminal(argv, rows=40, cols=120)
    terminal.expect("window-change")
    terminal.expect("opening")
    terminal.expect("idle for")
    terminal.expect(re.compile(rb"0:00:0[1-9]"))  # the clock goes on: no bar is full from the first
    terminal.expect("no idle timer was found")
    terminal.read_to_end()
    assert terminal.wait() == 0
    shown = "\n".join(terminal.screen.lines)
    assert "a window-change every 0.5s" in shown
    assert "lives 3s and longer" in shown


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (("--floor", "10m", "--limit", "5m"), "--floor 10m is not below --limit 5m"),
        (("--floor", "soon"), "--floor: expected a duration such as 20m, found 'soon'"),
        (("--limit", "100d"), "--limit: expected 1s to 24d, found '100d'"),
        (("--limit",), "--limit: expected"),
    ],
)
def test_limits_that_make_no_sense(
    keepshell_exe: Path, limits: tuple[str, ...], words: str
) -> None:
    argv = [str(keepshell_exe), "probe", "nowhere.invalid", "--measure", *limits]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_limits_mean_nothing_without_measure(keepshell_exe: Path) -> None:
    argv = [str(keepshell_exe), "probe", "nowhere.invalid", "--limit=5m"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.stderr == "keepshell: --limit goes with --measure only\n"
