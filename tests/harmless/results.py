"""What the runs of the matrix found, one JSON object a line, for the page in docs/."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keepshell.core.noops.choice import Timer
from keepshell.core.noops.table import ROWS
from tests.harmless.runs import Result

PATH = "KEEPSHELL_TEST_HARMLESS"
"""The environment variable that names the file; nothing is recorded without it."""

RESET_ATIME = {row.name for row in ROWS if row.sends and Timer.TTY_IDLE in row.resets}


def record(result: Result) -> None:
    """Append one result; each line is one write, so that several processes may."""
    if PATH not in os.environ:
        return
    line = json.dumps(
        {
            "program": result.case.program,
            "state": result.case.state,
            "decision": result.decision,
            "sent": dict(result.sent),
            "held": {timer.value: sorted(reasons) for timer, reasons in result.held.items()},
            "atime_reset": result.atime_reset,
            "differences": result.differences,
        }
    )
    with Path(os.environ[PATH]).open("a") as file:
        file.write(f"{line}\n")
