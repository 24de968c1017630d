"""One row of the matrix: a real program, the state it is brought into, and what must come of it.

What is waited for is plain text on the screen, in which `▮` stands where the cursor is, so that
`READY$ ▮` is a prompt with nothing typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

CURSOR = "▮"
END = "the end of the program"
"""Waits for the end of the program instead of for text."""

EDITS = "a line editor that reads"
"""Waits until bracketed paste is on, where a line editor has no prompt."""

REPORTS = "a program that has asked for focus reports"
"""Waits until they are on: no terminal reports its focus before."""

XTERM = b"\x1b[>41;379;0c"
"""Secondary device attributes, as xterm answers ESC [ > c."""
APPLE = b"\x1b[>1;95;0c"
"""As Terminal.app of macOS answers; emacs takes it for a terminal too old for modifyOtherKeys."""

ESC, CTRL_C, CTRL_D, CTRL_V, CTRL_X = "\x1b", "\x03", "\x04", "\x16", "\x18"

PROMPT = "READY$ ▮"
BASH = ("bash", "--noprofile", "--norc", "-i")

Step = tuple[str, str]
"""Keys, and what the screen shows then; an empty text waits for nothing."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """`{work}` in `argv` and `env` is the working directory, `{home}` the private HOME, `{ink}`
    the directory with ink's modules."""

    program: str
    state: str
    argv: tuple[str, ...]
    reach: tuple[Step, ...]
    finish: tuple[Step, ...]
    expect: str
    """The row of keepshell.core.noops.table that sends, or `hold: ` with the reason."""
    needs: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    """Written before the start; a name that begins with `~/` is in HOME."""
    masks: tuple[str, ...] = ()
    """Regular expressions for what differs between any two runs: a process id, the time."""
    why_masked: str = ""
    enters: bool = False
    """Whether Enter is sent where a shell timer is to be beaten."""
    xon: bool = True
    empty_line: bool = True
    why_not_allowed: str = ""
    """Why `xon` or `empty_line` is off in this case."""
    terminal: bytes = XTERM

    @property
    def name(self) -> str:
        return f"{self.program}: {self.state}"


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program and how it starts; `at` makes its cases."""

    name: str
    starts: tuple[Step, ...]
    """The steps from the start to where every case of this program begins."""
    ends: tuple[Step, ...] = ()
    """The steps from where every case ends to the end of the program."""
    argv: tuple[str, ...] = BASH
    command: str = ""
    """What is typed at the shell's prompt to start it; empty for a shell."""
    needs: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    masks: tuple[str, ...] = ()
    why_masked: str = ""

    def at(self, state: str, expect: str, *steps: Step | None, **more: object) -> Case:
        """The steps before None lead to the state, those after it complete the user's action."""
        if None not in steps:
            steps = (*steps, None)
        middle = steps.index(None)
        starts, ends = self.starts, self.ends
        if self.command:
            starts = (("", PROMPT), (f"{self.command}\r", starts[0][1]), *starts[1:])
            ends = (*((keys, PROMPT if text == END else text) for keys, text in ends),)
            ends = (*ends, ("exit $?\r", END))
        case = Case(
            program=self.name,
            state=state,
            expect=expect,
            argv=self.argv,
            reach=(*starts, *(step for step in steps[:middle] if step)),
            finish=(*(step for step in steps[middle:] if step), *ends),
            needs=self.needs or (self.command.split()[0] if self.command else self.argv[0],),
            env=self.env,
            files=self.files,
            masks=self.masks,
            why_masked=self.why_masked,
        )
        return replace(case, **more)  # type: ignore[arg-type]
