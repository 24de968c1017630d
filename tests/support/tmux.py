"""A tmux server of a test's own, as the user's terminal or as a second opinion on a screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support import jobshell
from tests.support.processes import end, is_gone, reap, tree
from tests.support.programs import path_of
from tests.support.waiting import DEADLINE, eventually

_OPTIONS = (
    ("status", "off"),
    ("escape-time", "0"),
    ("exit-empty", "off"),
    ("default-terminal", "tmux-256color"),
)


class Tmux:
    """One server on a socket of its own, with one pane of the given size that runs `argv`.

    `stop` ends that server and its panes; no other tmux server is spoken to.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        rows: int = 24,
        cols: int = 80,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        # Not in tmp_path: a socket's path has room for 107 bytes (unix(7)).
        self._directory = Path(tempfile.mkdtemp(prefix="tmux-"))
        self._report = self._directory / "report"
        self._tmux = [path_of("tmux"), "-S", str(self._directory / "socket"), "-f", "/dev/null"]
        self._env = {**(os.environ if env is None else env)}
        self._env.pop("TMUX", None)
        options = [word for option in _OPTIONS for word in ("set", "-g", *option, ";")]
        start = ["start-server", ";", *options, "new-session", "-d"]
        self.run(*start, "-x", str(cols), "-y", str(rows), *self._as_job(argv), cwd=cwd)
        self.pane = self.query("pane_id")
        self._pid = int(self.query("pid"))

    def _as_job(self, argv: Sequence[str]) -> list[str]:
        """Under `jobshell`: tmux 3.3a's own remain-on-exit scrolls the screen by a line, and at
        times knows no status or no output of a program that ends at once."""
        shell = ["sh", "-c", 'exec "$@" 3</dev/null 4>"$0"', str(self._report)]
        return [*shell, sys.executable, "-I", "-S", jobshell.__file__, "3", "4", *argv]

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """Run a tmux command on this server, and return what it prints.

        Raises AssertionError with tmux's message when it fails.
        """
        done = subprocess.run(
            [*self._tmux, *command],
            env=self._env,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, f"tmux {' '.join(command)}: {done.stderr}"
        return done.stdout

    def query(self, variable: str, pane: str | None = None) -> str:
        """The value of a format variable, tmux(1) FORMATS, for the pane."""
        target = ("-t", pane) if pane else ()
        return self.run("display-message", "-p", *target, f"#{{{variable}}}").rstrip("\n")

    def send_keys(self, *keys: str) -> None:
        """Press keys by tmux's names (`Enter`, `C-c`), or type a word of text."""
        self.run("send-keys", "-t", self.pane, *keys)

    def type(self, text: str) -> None:
        """Type text exactly as it is."""
        self.run("send-keys", "-t", self.pane, "-l", text)

    def send_line(self, line: str) -> None:
        """Type a line and Enter."""
        self.type(line)
        self.send_keys("Enter")

    def lines(self, pane: str | None = None) -> list[str]:
        """Every row of the screen, without the blanks at its end."""
        shown = self.run("capture-pane", "-p", "-t", pane or self.pane)
        rows = [row.rstrip() for row in shown.removesuffix("\n").split("\n")]
        height = int(self.query("pane_height", pane or self.pane))
        return rows + [""] * (height - len(rows))

    def capture(self) -> str:
        """The screen as text, without the empty rows at the end."""
        return "\n".join(self.lines()).rstrip("\n")

    def wait_for(self, text: str, *, deadline: float = DEADLINE) -> str:
        """The screen, once it shows `text`; AssertionError with the screen after `deadline` s."""
        return self.wait_until(lambda screen: text in screen, repr(text), deadline=deadline)

    def wait_until(
        self, seen: Callable[[str], bool], what: str, *, deadline: float = DEADLINE
    ) -> str:
        """The screen, once `seen(screen)` is true; `what` says what that would have been."""
        screen = ""

        def looked() -> bool:
            nonlocal screen
            screen = self.capture()
            return seen(screen)

        eventually(looked, lambda: f"{what} on\n{screen}", deadline=deadline)
        return screen

    def resize(self, rows: int, cols: int) -> None:
        """Change the size of the window."""
        self.run("resize-window", "-t", self.pane, "-x", str(cols), "-y", str(rows))

    def wait(self, *, deadline: float = DEADLINE) -> int:
        """The exit status of `argv`, or minus the signal that ended it.

        Its screen stays, and may still be catching up: `wait_for` what it should show.
        """

        def status() -> list[str]:
            words = self._report.read_text().split() if self._report.exists() else []
            return words[words.index("status") + 1 :] if "status" in words else []

        what = "the end of the program in the pane"
        found = eventually(status, lambda: f"{what}\n{self.capture()}", deadline=deadline)
        return os.waitstatus_to_exitcode(int(found[0]))

    def stop(self) -> None:
        """End the server by its own socket, and all that its panes have started."""
        started = tree(self._pid)
        self.run("kill-server")
        eventually(lambda: is_gone(self._pid), "the end of the tmux server")
        end(started)
        for process in started:
            reap(process.pid)
        shutil.rmtree(self._directory)
