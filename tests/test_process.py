"""A process is named by its pid and when it was started, until it ends."""

from __future__ import annotations

import os
import subprocess

from keepshell.process import started_at
from tests.support.waiting import eventually


def test_one_that_runs_and_one_that_has_ended() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        started = started_at(child.pid)
        assert started is not None
        assert started == started_at(child.pid)
        assert started >= (started_at(os.getpid()) or 0.0)
        assert child.stdin is not None
        child.stdin.close()
        eventually(lambda: started_at(child.pid) is None, "ended, and not waited for")
        assert child.poll() == 0
