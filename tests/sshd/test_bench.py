"""scripts/bench: every measurement is taken, and what other load can't change is as it must be.

Rates, latencies and start-up times are not asserted: they need a quiet machine, which CI is not.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import require

BENCH = Path(__file__).resolve().parents[2] / "scripts" / "_bench"

KEYS = {
    "bulk-bare",
    "bulk-script",
    "bulk-expect",
    "bulk-pexpect",
    "bulk-complete",
    "relay-cpu",
    "relay-cpu-coloured",
    "echo-p50",
    "echo-p99",
    "exec-version",
    "exec-refused",
    "exec-asked",
    "exec-sections",
    "shim-sh",
    "shim-python",
    "init-bash",
    "init-zsh",
    "init-fish",
    "prompt",
    "prompt-asked",
    "idle-wakeups",
    "idle-cpu",
    "memory-rss",
    "memory-growth",
    "holder-memory-python",
    "holder-memory-perl",
    "kept-memory",
    "holder-bulk-python",
    "holder-bulk-perl",
    "holder-echo-python",
    "holder-echo-perl",
    "kept-wakeups",
    "outage-told-10",
    "outage-back-10",
    "outage-rows-10",
    "hold-command-ssh",
    "hold-command-keepshell",
    "hold-memory",
    "hold-wakeups",
}

Run = subprocess.CompletedProcess[str]


def run(tmp_path: Path, *options: str) -> Run:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    return subprocess.run(
        [sys.executable, BENCH, "--json", tmp_path / "out" / "bench.json", *options],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_quick_run(tmp_path: Path) -> None:
    require("ssh", "sshd", "script", "expect", "strace", "zsh", "fish", "mosh", "tmux", "ip")
    done = run(tmp_path, "--quick", "--environment", sys.prefix)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []

    written = json.loads((tmp_path / "out" / "bench.json").read_text())
    rows = {row["key"]: row for row in written["rows"]}
    assert rows.keys() == KEYS
    assert written["quick"] is True
    assert written["machine"]["cpus"] == os.cpu_count()
    assert str(tmp_path) not in json.dumps(written)
    assert done.returncode == int(not all(row["met"] for row in written["rows"]))
    assert_table_shows(written["rows"], done.stdout)

    # Counted, not timed.
    assert rows["bulk-complete"]["value"] == 0
    assert rows["idle-wakeups"]["value"] == 1
    assert 5 < rows["memory-rss"]["value"] <= 22
    assert rows["kept-wakeups"]["value"] == 1
    assert rows["outage-rows-10"]["value"] == 0
    assert rows["kept-memory"]["met"]
    assert rows["holder-memory-python"]["met"]
    assert rows["holder-memory-perl"]["met"]
    assert rows["hold-memory"]["met"]


def assert_table_shows(rows: list[dict[str, Any]], table: str) -> None:
    _heading, rule, *lines = [re.split(r" *\| *", line)[1:-1] for line in table.splitlines()]
    assert all(re.fullmatch("-+", cell) for cell in rule)
    verdicts = {(None, True): "-"}
    for row, (what, _, _, verdict, _) in zip(rows, lines, strict=True):
        assert what == row["what"]
        assert verdict == verdicts.get((row["bar"], row["met"]), "pass" if row["met"] else "FAIL")


def test_says_what_it_can_measure(tmp_path: Path) -> None:
    done = run(tmp_path, "--only", "weight")
    assert done.returncode == 2
    assert "'bulk', 'echo', 'exec', 'shim', 'init', 'prompt', 'idle', 'memory'" in done.stderr
    assert "'holder', 'outage', 'hold'" in done.stderr
    assert not (tmp_path / "out").exists()
