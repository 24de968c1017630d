"""A case, run twice side by side: as it is, and with keepshell's decision forced many times.

Both runs see the program's output through a `Session`; the treated one has a `Typist`. Nothing is
written to a program but what the session answers. To force a decision, the session's clock is put
forward by more than the limits allow: a user who was away, while the program did nothing.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from keepshell.core.effects import Effect, Note, Phase, ToHost, ToUser
from keepshell.core.noops.choice import Timer
from keepshell.core.noops.table import ROWS, Row
from keepshell.core.noops.typist import Allowed, Typist
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.core.session import Session, TypistOf
from tests.harmless.case import CURSOR, EDITS, END, REPORTS, Case, Step
from tests.support import ink
from tests.support.processes import Rest, end, reap, with_home
from tests.support.screen import Screen
from tests.support.terminal import Terminal
from tests.support.waiting import eventually

ROWS_OF_SCREEN, COLUMNS = 24, 80
LIMIT = 6.0  # seconds, of every rule; half of it is when the ladder acts
AWAY_FOR = 4.0  # seconds by which the session's clock is put forward for a decision
APART = 1.0  # seconds by which it is put forward for each step: the user does not hurry
FIRST_AFTER, AGAIN_AFTER, DECISIONS = 0.4, 0.2, 13  # seconds, seconds, a count: 3 s in all
AGREE_WITHIN = 10.0  # seconds for the screens of both runs to become the same
_POLL_EVERY = 0.01

_NO_TYPING = Policy(rung=Rung.SERVER_ALIVE)
_RULES = (Timer.TTY_IDLE, Timer.CHANNEL_TIMEOUT)
_MODES = {EDITS: 2004, REPORTS: 1004}
_QUERIES = re.compile(rb"\x1b\[(?:(?P<da1>0?c)|>(?P<da2>0?c)|(?P<cursor>6n))")


@dataclass
class Result:
    """What became of a case; `differences` is empty where the no-ops did nothing."""

    case: Case
    sent: Counter[str] = field(default_factory=Counter)
    held: dict[Timer, set[str]] = field(default_factory=dict)
    atime_reset: bool = False
    differences: list[str] = field(default_factory=list)

    @property
    def decision(self) -> str:
        """In the words of `Case.expect`."""
        rows = sorted(row for row in self.sent if row != "empty-line")
        if rows:
            return ", ".join(rows)
        return "hold: " + "; ".join(sorted(self.held.get(Timer.CHANNEL_TIMEOUT, ())))

    @property
    def entered(self) -> bool:
        return self.sent["empty-line"] > 0


class Run:
    """One of the two runs."""

    def __init__(self, case: Case, directory: Path, typist: TypistOf | None) -> None:
        self._case = case
        self.work, self.home = directory / "work", directory / "home"
        _write_files(case, self.work, self.home)
        self._ahead = 0.0
        self._fed = 0  # bytes of output
        self._pressed_after = 0
        self._rest = Rest()
        self.screen = Screen(ROWS_OF_SCREEN, COLUMNS)
        self.session = Session(_NO_TYPING, self._now(), escape_char=None, typist=typist)
        self.notes: Counter[Note] = Counter()
        self.terminal = Terminal(
            [self._placed(word) for word in case.argv],
            rows=ROWS_OF_SCREEN,
            cols=COLUMNS,
            env={name: self._placed(value) for name, value in _environment(case).items()},
            cwd=self.work,
        )
        self._tty = os.readlink(f"/proc/{self.terminal.pid}/fd/0")
        self.status: int | None = None

    def _placed(self, text: str) -> str:
        if "{ink}" in text:
            text = text.replace("{ink}", str(ink.modules()))
        return text.replace("{work}", str(self.work)).replace("{home}", str(self.home))

    def _now(self) -> float:
        return time.monotonic() + self._ahead

    def follow(self) -> None:
        """Show what the program has written since, and answer its questions as a terminal does."""
        output = self.terminal.output
        data, self._fed = output[self._fed :], len(output)
        if data:
            self._perform(self.session.host_output(data, self._now()))
            for query in _QUERIES.finditer(data):
                self.type(self._answer(query))
        if self.withholds(self._now()):
            self._perform(self.session.tick(self._now(), Phase.IN_SESSION))

    def withholds(self, until: float = math.inf) -> bool:
        """Whether a redraw is withheld that is to be decided by then."""
        at = self.session.withheld_until
        return at is not None and at <= until

    def _answer(self, query: re.Match[bytes]) -> bytes:
        if query["cursor"]:
            row, column = self.screen.cursor
            return b"\x1b[%d;%dR" % (row + 1, min(column, COLUMNS - 1) + 1)
        return self._case.terminal if query["da2"] else b"\x1b[?64;1;2;6;22c"

    def type(self, keys: bytes) -> None:
        """The user's keys, or the terminal's reports."""
        self._perform(self.session.user_input(keys, self._now()))

    def press(self, keys: str) -> None:
        """A step's keys; what the screen shows before any reply to them is not waited for."""
        self._pressed_after = self._fed
        self._ahead += APART
        self._rest = Rest()
        self.type(keys.encode())

    def force(self) -> None:
        """Go on as if nothing had happened for AWAY_FOR seconds: what is due is done."""
        self._ahead += AWAY_FOR
        for _ in Timer:
            due_at, now = self.session.next_deadline(), self._now()
            if due_at is None or due_at > now:
                return
            self._perform(self.session.tick(now, Phase.IN_SESSION))

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case ToHost(data):
                    self.terminal.send(data)
                case ToUser(data):
                    self.screen.feed(data)
                case Note():
                    self.notes[effect] += 1
                case _:
                    raise AssertionError(f"not expected: {effect}")

    def shows(self, text: str) -> bool:
        self.follow()
        if text == END:
            return self.status is not None or self._ended()
        if self._fed == self._pressed_after:
            return False
        if text in _MODES:
            return _MODES[text] in self.screen.modes
        return text in self.picture()

    def rests(self) -> bool:
        """Keys that come while a shell is on its way to its prompt are shown by the kernel too."""
        self.follow()
        return self._rest.reached(with_home(self.home), self._fed)

    def _ended(self) -> bool:
        if not self.terminal.running:
            self.terminal.read_to_end()
            self.status = self.terminal.wait()
            self.follow()
        return self.status is not None

    def picture(self) -> str:
        """The screen's text with `CURSOR` at the cursor."""
        lines = list(self.screen.lines)
        row, column = self.screen.cursor
        padded = lines[row].ljust(column)
        lines[row] = padded[:column] + CURSOR + padded[column:]
        return "\n".join(lines)

    def look(self) -> dict[str, object]:
        """Everything that the user sees or hears, what differs between any two runs masked."""
        self.follow()
        model = self.screen._model  # the cells' colours, which `Screen` does not show
        cells = [model.buffer[y][x] for y in range(model.lines) for x in range(model.columns)]
        masked = self._masked("\n".join(self.screen.lines))
        return {
            "screen": masked,
            "styles": [tuple(cell)[1:] for cell in cells] if not self._case.masks else [],
            "cursor": self.screen.cursor,
            "alternate": self.screen.alternate,
            "modes": sorted(self.screen.modes),
            "keyboard and the like": self.session.modes.undo(ROWS_OF_SCREEN),
            "bells": self.screen.bells,
            "title": self._masked(self.screen.title),
        }

    def _masked(self, text: str) -> str:
        text = text.replace(self.work.parent.name, "(which)")
        for mask in self._case.masks:
            text = re.sub(mask, "#", text, flags=re.MULTILINE)
        return text

    def left_behind(self) -> dict[str, object]:
        """The exit status, and every file of the working directory as a hash or as short text."""
        found: dict[str, object] = {"exit status": self.status}
        for path in sorted(self.work.rglob("*")):
            name = str(path.relative_to(self.work))
            if path.is_file() and ".git/" not in name:
                found[name] = _contents(path, self._masked)
        return found

    def start_watching_atime(self) -> None:
        os.utime(self._tty, (0, 0))

    @property
    def atime_reset(self) -> bool:
        return self.status is None and os.stat(self._tty).st_atime > 0

    def describe(self) -> str:
        return f"{self.work.parent.name}:\n{self.picture()}\n{self.terminal.output[-300:]!r}"

    def close(self) -> None:
        self.terminal.close()
        left = with_home(self.home)
        end(left)
        for process in left:
            reap(process.pid)


def run(case: Case, rows: tuple[Row, ...] = ROWS) -> Result:
    """Run both; `rows` is the table that the treated run's typist goes by."""
    result = Result(case)
    limits = dict.fromkeys((*_RULES, Timer.TMOUT), LIMIT)
    allowed = Allowed(xon=case.xon, empty_line=case.empty_line)
    typist = partial(Typist, limits, allowed, rows=rows)
    with place() as directory, ExitStack() as closing:
        runs = []
        for name, whose in (("control", None), ("treated", typist)):
            runs.append(Run(case, directory / name, whose))
            closing.callback(runs[-1].close)
        control, treated = runs
        walk(case.reach, runs)
        _force_decisions(runs, result)
        _compare(control, treated, "after the no-ops", result)
        try:
            walk(case.finish, runs)
        except AssertionError as error:
            if not result.sent:
                raise
            result.differences.append(f"the user's action could not be completed: {error}")
            return result
        _compare(control, treated, "at the end", result)
        result.differences += _differences(control.left_behind(), treated.left_behind(), "left")
    return result


def walk(steps: tuple[Step, ...], runs: list[Run]) -> None:
    """Type in all runs when all rest, and wait until all show what the step is to show."""
    for keys, text in steps:
        if keys:
            eventually(partial(_all_rest, runs), partial(_described, runs, "rest"))
        for each in runs:
            each.follow()
            if keys:
                each.press(keys)
        if text:
            eventually(partial(_all_show, runs, text), partial(_described, runs, text))


def _all_show(runs: list[Run], text: str) -> bool:
    shown = [each.shows(text) for each in runs]  # no run stops following because another lags
    return all(shown)


def _all_rest(runs: list[Run]) -> bool:
    resting = [each.rests() for each in runs]
    return all(resting)


def _described(runs: list[Run], text: str) -> str:
    return f"{text!r}\n" + "\n".join(each.describe() for each in runs)


def _force_decisions(runs: list[Run], result: Result) -> None:
    _, treated = runs
    started_at = time.monotonic() + FIRST_AFTER
    _follow_until(started_at, runs)
    treated.start_watching_atime()
    for number in range(DECISIONS):
        _follow_until(started_at + number * AGAIN_AFTER, runs)
        _follow_withheld(treated, runs)  # to put the clock forward now would end it
        treated.force()
        for timer, held in treated.session.held.items():
            result.held.setdefault(timer, set()).add(held.reason.text)
    _follow_until(time.monotonic() + AGAIN_AFTER, runs)
    _follow_withheld(treated, runs)
    result.atime_reset = treated.atime_reset
    for note, count in treated.notes.items():
        if note.event == "noop-sent":
            result.sent[note.detail] += count


def _follow_withheld(treated: Run, runs: list[Run]) -> None:
    """Until the redraw that is withheld, if one is, was shown or dropped."""
    while treated.withholds():
        _follow_until(time.monotonic() + _POLL_EVERY, runs)


def _follow_until(deadline: float, runs: list[Run]) -> None:
    while time.monotonic() < deadline:
        for each in runs:
            each.follow()
        time.sleep(_POLL_EVERY)


def _compare(control: Run, treated: Run, when: str, result: Result) -> None:
    give_up_at = time.monotonic() + AGREE_WITHIN
    while (different := _differences(control.look(), treated.look(), when)) and (
        time.monotonic() < give_up_at
    ):
        time.sleep(_POLL_EVERY)
    result.differences += different


def _differences(control: dict[str, object], treated: dict[str, object], when: str) -> list[str]:
    return [
        f"{when}, {what}:\n{control.get(what)}\n--- with no-ops:\n{treated.get(what)}"
        for what in sorted(control.keys() | treated.keys())
        if control.get(what) != treated.get(what)
    ]


def _contents(path: Path, masked: Callable[[str], str]) -> str:
    data = path.read_bytes()
    try:
        text = masked(data.decode())
    except UnicodeDecodeError:
        return hashlib.sha256(data).hexdigest()
    return text if len(text) < 400 else hashlib.sha256(text.encode()).hexdigest()


def _environment(case: Case) -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/games:/usr/sbin:/sbin",
        "HOME": "{home}",
        "XDG_RUNTIME_DIR": "{home}",
        "TMUX_TMPDIR": "{home}",
        "SCREENDIR": "{home}/screens",
        "TMPDIR": "{home}",
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SHELL": "/bin/sh",
        "PS1": "READY$ ",
        "PS2": "more> ",
        "ENV": "/dev/null",
        "HISTFILE": "{work}/history",
        **case.env,
    }


def _write_files(case: Case, work: Path, home: Path) -> None:
    for directory in (work, home, home / "screens"):
        directory.mkdir(mode=0o700, parents=True)
    for name, content in case.files.items():
        path = home / name[2:] if name.startswith("~/") else work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@contextmanager
def place() -> Iterator[Path]:
    # Not tmp_path: the sockets of tmux and screen have room for 107 bytes (unix(7)).
    directory = Path(tempfile.mkdtemp(prefix="noop-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
