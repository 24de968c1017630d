"""docs/harmless.md, from what the matrix found: `python -m tests.harmless.page FILE`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.harmless.case import Case
from tests.harmless.table import CASES

PAGE = Path(__file__).parents[2] / "docs" / "harmless.md"

_HEAD = """# What keepshell types into which program

Generated from the results of `tests/harmless` by `scripts/harmless-page`; a test holds it to the
table of cases.

Each row is a state of a real program. The program ran twice, side by side, in terminals of 24
rows and 80 columns that answer as xterm does: once as it is, and once under keepshell's own
session, with its decision forced every 0.2 s for 3 s, as if each time the user had been away for
another 4 s. Then the user's action was completed in both. Compared: the text, colours, cursor,
modes and title of the screen, the bells, the files of the working directory (with the shell's
history among them), and the exit status. **There was no
difference in any of these {cases} states of {programs} programs.**

- **typed** is the row of the table in `keepshell/core/noops/table.py` that sent something;
  `nothing` means that nothing is known to be harmless there, or not at that moment, for the reason
  given.
  `xon = true` and a rule of the kind `channel-timeout` are given throughout; without them `xon`
  reads `nothing`.
- **tty idle** says whether the idle time of the program's terminal (its atime, which logind and
  reapers of idle terminals go by) was reset.
- **Enter** says whether an empty line would be sent too where a shell timer is to be beaten and
  `empty_line = true`; its redraw is withheld.

Where a state can't be compared as a whole, what was left out is listed below the table.

| program | state | typed | tty idle | Enter |
|---|---|---|---|---|
"""

_LIMITS = """
## Known not to be harmless

What no byte of output tells from a state where it is harmless. [no-ops.md](no-ops.md) has the
evidence that is asked for, and its limits.

- After a program on the alternate screen has ended without a word and without turning its modes
  off, at a shell without bracketed paste: a script that hides the cursor, addresses it, shows it
  and then reads in silence looks like a redraw, and gets a focus report. So does an editor whose
  TERM has no alternate screen.
- A report that is on its way when a connection below ends is read by what comes after it.
- A question that is drawn byte for byte as a proven prompt of the shell is, in the same mode, as
  `read -e -p "$PS1"`: it gets an empty paste, and Enter where `empty_line` is on.
- neovim looks at its files whenever focus is reported: one that was changed on disk is loaded
  again (`autoread`), or the question about it (W11, W12) is asked and takes the next key, as on the
  next change of windows. Where the terminal has reported that it lost focus, that report is what is
  repeated, and neovim does nothing. vim does nothing in either case.
- A plug-in of zsh that runs a command for an empty line, as magic-enter: no byte of the prompt
  tells of it. With `empty_line = true` and a shell timer to be beaten, one Enter runs that command
  and its output is shown; no other Enter follows in that session.
- With `xon = true`: a reader that has turned flow control off, draws nothing and shows nothing
  (`stty -ixon; read -s`) takes ^Q as a key.
"""


def cells(case: Case) -> tuple[str, ...]:
    """The columns of the page that the table of cases decides."""
    return (case.program, case.state, _typed(case.expect), "sent" if case.enters else "")


def _typed(decision: str) -> str:
    word, _, reason = decision.partition(": ")
    return f"nothing: {reason}" if word == "hold" else word


def render(results: Iterable[Mapping[str, Any]]) -> str:
    """The page; raises ValueError where a case has no result, a difference or another decision."""
    found = {(result["program"], result["state"]): result for result in results}
    rows = []
    for case in CASES:
        result = found.get((case.program, case.state))
        if result is None or result["differences"] or result["decision"] != case.expect:
            raise ValueError(f"{case.name}: not run, or not as the table of cases says")
        program, state, typed, enters = cells(case)
        idle = "reset" if result["atime_reset"] else ""
        rows.append(f"| {program} | {_escaped(state)} | {_escaped(typed)} | {idle} | {enters} |\n")
    programs = len({case.program.partition(" (")[0] for case in CASES})
    head = _HEAD.format(cases=len(CASES), programs=programs)
    return head + "".join(rows) + _notes()


def listed(page: str) -> list[tuple[str, ...]]:
    """What a page says, in the form of `cells`."""
    rows = [
        line.replace("\\|", "¦").split("|")[1:-1] for line in page.splitlines() if line[:2] == "| "
    ]
    texts = [[cell.strip().replace("¦", "|") for cell in row] for row in rows]
    return [(program, state, typed, enters) for program, state, typed, _, enters in texts[1:]]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _notes() -> str:
    masked = {case.program: case.why_masked for case in CASES if case.why_masked}
    refused = [case for case in CASES if case.why_not_allowed]
    lines = ["\n## Left out of the comparison\n\n"]
    lines += [f"- {program}: {why}\n" for program, why in masked.items()]
    lines.append("\nColours are not compared where something is left out.\n")
    lines += ["\n## Run without an opt-in\n\n"]
    for case in refused:
        option = "`empty_line`" if case.xon else "`xon`"
        lines.append(f"- {case.name}, without {option}: {case.why_not_allowed}\n")
    return "".join(lines) + _LIMITS


def main(path: Path) -> None:
    """Write the page from a file of results."""
    results = [json.loads(line) for line in path.read_text().splitlines()]
    PAGE.write_text(render(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
