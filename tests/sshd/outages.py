"""Programs in a kept shell, and what may happen to its connection.

What a terminal with scrollback shows in the end is compared to that of an uninterrupted twin.
"""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import psutil

from tests.support.access import Keys
from tests.support.link import login_through
from tests.support.middlebox import Counts, Middlebox
from tests.support.network import Network
from tests.support.processes import end, is_gone, reap, with_home
from tests.support.programs import path_of
from tests.support.sshd import Sshd
from tests.support.tmux import Tmux
from tests.support.trace import Trace
from tests.support.waiting import eventually

_NEVER = 1e6
_CLEAR = "\x15"
"""^U: takes back a key that may have arrived, or not."""

Step = tuple[str, str]
"""What is typed, and what the screen shows afterwards."""


@dataclass(frozen=True)
class Program:
    """What runs in the shell while the connection is lost."""

    name: str
    before: tuple[Step, ...]
    after: tuple[Step, ...]
    leave: tuple[Step, ...] = ()
    """Back to the shell, whose screen and scrollback are compared too."""
    shell: str = "/bin/bash"
    key: str = "k"
    """Typed into the hole; it may arrive, or not."""
    undo: str = _CLEAR
    masked: str = ""
    """Lines with this, a regular expression, differ from run to run; colours then count no more."""

    def __str__(self) -> str:
        return self.name


_ROWS = "for i in $(seq 60); do echo row $i; done; x=kept\r"
_BACK = ("echo $x aga''in\r", "kept again")
_TMUX = "tmux -S $HOME/t -f /dev/null new \"PS1='in''> ' bash --norc\" \\; set status off\r"
_VIM = "vim -u NONE -N -n --cmd 'set ttimeout ttimeoutlen=10' rows\r"

PROGRAMS = (
    Program("bash", ((_ROWS, "row 60\n$"),), (_BACK,)),
    Program("zsh", ((_ROWS, "row 60\n$"),), (_BACK,), shell="/bin/zsh"),
    Program(
        "fish",
        (("for i in (seq 60); echo row $i; end; set x kept\r", "row 60\n$"),),
        (_BACK,),
        shell="/usr/bin/fish",
    ),
    Program(
        "vim",
        ((_ROWS, "row 60\n$"), (_VIM, "row-1"), ("50Gitext \x1b", "text row-50")),
        (("ggOfirst\x1b", "first"),),
        ((":q!\r", "row 60"),),
        key="l",
        undo="\x1b50G",
    ),
    Program(
        "less",
        ((_ROWS, "row 60\n$"), ("less rows\r", "row-23"), (" ", "row-46")),
        (("G", "row-300"),),
        (("q", "row 60"),),
        key="\x0c",
        undo="\x0c",
    ),
    Program(
        "htop",
        ((_ROWS, "row 60\n$"), ("htop -d 100 -u games\r", "F10Quit")),
        (("\x0c", "F10Quit"),),
        (("q", "row 60"),),
        key="\x0c",
        undo="\x0c",
        masked=r"\[.*\]",
    ),
    Program(
        "tmux",
        (
            (_ROWS, "row 60\n$"),
            (_TMUX, "in>"),
            ("seq 100; y=inner\r", "100"),
        ),
        (("echo $y aga''in\r", "inner again"),),
        (("exit\r", "[exited]"),),
    ),
    Program(
        "python",
        (
            (_ROWS, "row 60\n$"),
            ("python3 -q\r", ">>>"),
            ("x = [print('line', n) for n in range(40)]\r", "line 39"),
        ),
        (("print(len(x), 'kept')\r", "40 kept"),),
        (("exit()\r", "$"),),
    ),
    Program(
        "sudo",
        (
            (_ROWS, "row 60\n$"),
            ("runuser -u nobody -- sudo -k -p 'Pass''word: ' true\r", "Password:"),
        ),
        (("wrong\r", "Sorry, try again."),),
        (("\x03", "1 incorrect password attempt"),),
    ),
)


class Scene:
    """One program in one shell, in a tmux in the client's network namespace.

    The connection goes through a middlebox, so that it can be reset, and through the namespace's
    link, so that packets can vanish. Everything ends when `stack` closes.
    """

    def __init__(
        self,
        stack: ExitStack,
        directory: Path,
        program: Program,
        *,
        keys: Keys,
        exe: Path,
        env: Mapping[str, str],
        engine: str = "python",
        config: tuple[str, ...] = (),
    ) -> None:
        """`exe` is keepshell, `env` its environment, `config` are lines for sshd."""
        directory.mkdir(exist_ok=True)
        self.program = program
        self.network = Network()
        stack.callback(self.network.close)
        path = "/usr/bin:/bin"
        if engine == "perl":
            without = directory / "bin"
            without.mkdir()
            (without / "python3").symlink_to("/bin/false")
            path = f"{without}:{path}"
        login = login_through(directory, program.shell, path=path, env="LC_ALL=C.UTF-8")
        self.home = directory / "login"
        _furnish(self.home)
        self.sshd = Sshd(directory / "sshd", keys, *config, login)
        stack.callback(self.sshd.stop)
        stack.callback(self._end_kept)
        self.box = Middlebox(self.sshd.port, _NEVER, Counts.ANY_BYTES, address=self.network.host)
        stack.callback(self.box.stop)
        *self._arguments, _ = self.sshd.access.through(self.box.port).ssh_args()
        self._target = f"{self.sshd.access.user}@{self.network.host}"
        self.trace = Trace(directory / "trace")
        self._env = {**env, "KEEPSHELL_TRACE": str(self.trace.path), "TERM": "tmux-256color"}
        self._stack, self._exe = stack, exe
        self._tmux: Tmux | None = None

    @property
    def tmux(self) -> Tmux:
        """The user's terminal."""
        assert self._tmux is not None
        return self._tmux

    def open_kept(self) -> None:
        """The session under test, its program as it is before the outage."""
        words = ["--reattach", "true", "ssh", *self._arguments, self._target]
        self._start([str(self._exe), *words])
        self._begin()

    def open_twin(self) -> None:
        """The same by bare ssh."""
        shell = self.program.shell
        self._start([path_of("ssh"), "-tt", *self._arguments, self._target, f"exec {shell} -l"])
        self._begin()

    def attach(self) -> None:
        """keepshell is gone: its shell is fetched into another terminal."""
        self._start([str(self._exe), "attach", self.network.host])

    def finish(self) -> list[str]:
        """What the terminal holds after the steps that follow the outage, and out of the program.

        The steps that follow are those of a user: each when the one before has been answered.
        """
        held = []
        for steps in (self.program.after, self.program.leave):
            for step in steps:
                self._step(step)
            if steps:
                held.append(self.settled())
        return held

    def compare(self, wanted: list[str]) -> str:
        """As `finish`, but waits for what the twin had; the difference, or nothing."""
        for steps, want in zip(
            (self.program.after, self.program.leave or ()), [*wanted, ""], strict=False
        ):
            for step in steps:
                self._step(step)
            if steps and not self._holds(want):
                return "\n".join(unified_diff(want.split("\n"), self.held().split("\n")))
        return ""

    def _holds(self, wanted: str) -> bool:
        return _within(10.0, lambda: self.held() == wanted)

    def settled(self) -> str:
        """What it holds once it has been the same for half a second."""
        seen: list[str] = []

        def still() -> bool:
            seen.append(self.held())
            return len(seen) > 5 and len(set(seen[-6:])) == 1

        while not still():
            time.sleep(0.1)
        return seen[-1]

    def held(self) -> str:
        """Screen and scrollback, with colours."""
        tmux, masked = self.tmux, self.program.masked
        colours = [] if masked else ["-e"]
        shown = tmux.run("capture-pane", "-p", *colours, "-t", tmux.pane, "-S", "-")
        if masked:
            shown = "\n".join("" if re.search(masked, row) else row for row in shown.split("\n"))
        return shown.rstrip("\n")

    def runs(self) -> bool:
        """Whether keepshell does."""
        return bool(self.local_shell().children())

    def title(self) -> str:
        """The window's."""
        return self.tmux.query("pane_title")

    def wait_for_title(self, text: str) -> None:
        eventually(lambda: text in self.title(), lambda: f"{text}: {self.title()}")

    def took_over(self) -> int:
        """How many new connections have had the shell so far."""
        return len(self.trace.named("took-over"))

    def go_on_in_it(self) -> None:
        """The page says that the host is back: forget the held keys, and find the same shell."""
        self.tmux.wait_for("is back.")
        self.tmux.type("\x1b")
        self.wait_live()
        self.tmux.wait_until(lambda screen: "is back." not in screen, "the page is gone")
        self.tmux.send_line("echo $x aga''in")
        self.tmux.wait_for("kept again")

    def wait_live(self) -> None:
        """Return when nothing is amiss."""

        def live() -> bool:
            told = [each for each in self.trace.events if each["event"] in ("link", "reattached")]
            last = told[-1]
            return last["event"] == "reattached" or last["detail"] in ("kept", "live")

        eventually(live, lambda: str(self.trace.events[-20:]), deadline=60)

    def wait_repainted(self) -> None:
        """Return when a program that has to draw itself anew has its former size again."""

        def told() -> bool:
            resized = self.trace.named("resized")
            return len(resized) % 2 == 0

        eventually(told, "the former size")
        self.settled()

    def local_shell(self) -> psutil.Process:
        """What keepshell is a job of."""
        [shell] = psutil.Process(int(self.tmux.query("pid"))).children()
        return shell

    def keepshell(self) -> psutil.Process:
        """The process of the session."""
        [found] = self.local_shell().children()
        return found

    def servers(self) -> set[psutil.Process]:
        """The server's processes of each connection."""
        return {
            each
            for process in psutil.Process(self.sshd.pid).children()
            for each in (process, *process.children())
            if "sshd" in each.name()
        }

    def kill_servers(self) -> None:
        """They die."""
        _kill(self.servers())

    def kill_kept(self) -> None:
        """The holder and all it keeps die, as at a reboot or below KillUserProcesses=yes."""
        holders = [each for each in self._kept() if "keepshell-holder" in " ".join(each.cmdline())]
        for each in holders:
            each.kill()
        eventually(lambda: all(is_gone(each.pid) for each in holders), "the end of the holder")

    def _start(self, argv: list[str]) -> None:
        self._tmux = Tmux([*self.network.prefix, *argv], env=self._env)
        self._stack.callback(self._tmux.stop)

    def _begin(self) -> None:
        self.tmux.wait_for("$")
        for step in self.program.before:
            self._step(step)
        self.settled()

    def _step(self, step: Step) -> None:
        typed, shown = step
        self.tmux.type(typed)
        self.tmux.wait_until(lambda screen: shown in f"\n{screen}", repr(shown), deadline=30)

    def _kept(self) -> set[psutil.Process]:
        """What runs on the host, holders whose environment is written over included."""
        found = with_home(self.home)
        for each in list(found):
            with suppress(psutil.Error):
                above = each.parent()
                if above is not None and "keepshell-holder" in " ".join(above.cmdline()):
                    found.add(above)
        return found

    def _end_kept(self) -> None:
        left = self._kept()
        end(left)
        for process in left:
            reap(process.pid)


def _furnish(home: Path) -> None:
    """A home in which two runs look the same."""
    (home / "rows").write_text("".join(f"row-{n}\n" for n in range(1, 301)))
    (home / ".zshrc").write_text("PS1='$ '\n")
    fish = home / ".config/fish"
    fish.mkdir(parents=True)
    prompt = "function fish_prompt; echo -n '$ '; end\nset -g fish_greeting\n"
    (fish / "config.fish").write_text(prompt + "function fish_title; end\n")


def _kill(processes: set[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _within(seconds: float, probe: Callable[[], bool]) -> bool:
    with suppress(AssertionError):
        return eventually(probe, "", deadline=seconds)
    return False


# What may happen. Each returns when the user may go on, with the program as it was.


def killed(scene: Scene) -> None:
    """The server's process of the connection is killed."""
    _replaced(scene, scene.kill_servers)


def reset(scene: Scene) -> None:
    """Both ends get a RST."""
    _replaced(scene, scene.box.reset_all)


def fin(scene: Scene) -> None:
    """Both ends get a FIN."""
    _replaced(scene, scene.box.close_all)


def hole(scene: Scene) -> None:
    """Packets vanish in both directions; keys are held, and forgotten."""
    _silence(scene, to_host=True, to_client=True)


def to_host(scene: Scene) -> None:
    """Nothing arrives at the host any more."""
    _silence(scene, to_host=True, to_client=False)


def to_client(scene: Scene) -> None:
    """Nothing arrives from the host any more."""
    _silence(scene, to_host=False, to_client=True)


def flapping(scene: Scene) -> None:
    """The link comes and goes."""
    for seconds in (0.5, 2.5, 1.0, 4.0, 1.5):
        scene.network.cut()
        time.sleep(seconds)
        scene.network.heal()
        time.sleep(0.4)
    scene.wait_live()


def address(scene: Scene) -> None:
    """The client has another address."""

    def move() -> None:
        scene.network.take_address()
        time.sleep(0.5)
        scene.network.give_other_address()

    _replaced(scene, move)


def client_killed(scene: Scene) -> None:
    """keepshell is killed, and the shell attached in another terminal."""
    keepshell = scene.keepshell()
    keepshell.send_signal(signal.SIGKILL)
    eventually(lambda: is_gone(keepshell.pid), "keepshell's end")
    begun = len(scene.trace.named("kept"))
    scene.attach()
    scene.trace.wait_for("kept", begun + 1)


def startups(scene: Scene) -> None:
    """The server lets nobody in for a while: it has `MaxStartups 1`, and somebody waits there."""
    before, doomed = scene.took_over(), scene.servers()
    with socket.create_connection(("127.0.0.1", scene.sshd.port)) as waiting:
        waiting.recv(99)
        _kill(doomed)
        scene.trace.wait_for("attempt-failed")
    scene.trace.wait_for("took-over", before + 1)
    scene.wait_live()


CUTS: tuple[Callable[[Scene], None], ...] = (
    *(killed, reset, fin, hole, to_host, to_client),
    *(flapping, address, client_killed, startups),
)

CONFIG: Mapping[Callable[[Scene], None], tuple[str, ...]] = {startups: ("MaxStartups 1",)}
"""What sshd has to be told for some of them."""


def _replaced(scene: Scene, cut: Callable[[], None]) -> None:
    before = scene.took_over()
    cut()
    scene.trace.wait_for("took-over", before + 1)
    scene.wait_live()


def _silence(scene: Scene, *, to_host: bool, to_client: bool) -> None:
    scene.network.cut(to_host=to_host, to_client=to_client)
    scene.tmux.type(scene.program.key)
    scene.wait_for_title("no answer for")
    scene.tmux.type("held")
    scene.tmux.wait_for("Held until you say so")
    scene.network.heal()
    scene.tmux.wait_for("is back.", deadline=60)
    scene.tmux.type("\x1b")
    scene.tmux.wait_until(lambda screen: "is back." not in screen, "the page is gone")
    scene.wait_live()
    scene.wait_repainted()
    scene.tmux.type(scene.program.undo)
    scene.settled()
