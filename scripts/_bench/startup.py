"""Start-up: what keepshell adds before ssh runs, before the remote prompt is there, and to the
start of a shell."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter, sleep

from tests.support.access import ALIAS
from tests.support.listening import free_port
from tests.support.remoteshell import PROMPT

from .outer import BenchError, Outer, deadline
from .place import Place, path_of, run
from .plan import Plan
from .report import Bar, Row

_LONGEST = 120  # seconds for one kind of start
_EXEC_BAR = Bar("≤", 1.6)
_SECTIONS_BAR = Bar("≤", 20)
_SECTIONS = 2000
_SETTLES_WITHIN = 2.5  # seconds: keepshell keeps no copy of a config.toml changed just now
_PROMPT_BAR = Bar("≤", 45)
_SHIM_SH_BAR = Bar("≤", 5)
_SHIM_PYTHON_BAR = Bar("≤", 25)
_INIT_BAR = Bar("≤", 30)
_ASKED = "LogLevel INFO"
"""A line of ssh_config with ssh's own default, of a keyword that keepshell must ask ssh for."""

_ASKED_ALWAYS = "ServerAliveCountMax 3"
"""The same, of a keyword that matters on the exec path too."""

_SHELLS = {
    "bash": (("--norc", "--noprofile"), 'eval "$(keepshell init bash)"'),
    "zsh": (("-f",), 'eval "$(keepshell init zsh)"'),
    "fish": (("--no-config",), "keepshell init fish | source"),
}
"""How each shell starts without the user's files, and the line for its start-up file."""


@dataclass(frozen=True)
class _Call:
    """One way to call ssh; `arguments` are ssh's."""

    key: str
    title: str
    arguments: tuple[str, ...]
    bar: Bar | None


def measure_exec(place: Place, plan: Plan) -> list[Row]:
    """The exec path, as scripts see it: to the exit of an ssh that answers or fails at once."""
    refused = ("-p", str(free_port()), ALIAS, "true")
    calls = (
        _Call("exec-version", "ssh -V", ("-V",), _EXEC_BAR),
        _Call("exec-refused", "ssh HOST true, refused", refused, _EXEC_BAR),
    )
    rows = [_exec_row(place, plan, call) for call in calls]
    place.configure(_ASKED_ALWAYS)
    rows.append(
        _exec_row(place, plan, _Call("exec-asked", "the same, `ssh -G` asked first", refused, None))
    )
    place.configure()
    return [*rows, _sections_row(place, plan, refused)]


def measure_prompt(place: Place, plan: Plan) -> list[Row]:
    """The pty path: from the fork to the remote prompt on the user's terminal."""
    rows = [_prompt_row(place, plan, _Call("prompt", "ssh HOST", (ALIAS,), _PROMPT_BAR))]
    place.configure(_ASKED)
    asked = _Call("prompt-asked", "ssh HOST, `ssh -G` asked first", (ALIAS,), _PROMPT_BAR)
    rows.append(_prompt_row(place, plan, asked))
    place.configure()
    return rows


def measure_shim(place: Place, plan: Plan) -> list[Row]:
    """One call of many by a tool: the installed shim beside ssh, to the exit of a refused ssh."""
    folder = place.directory / "shim"
    run([*place.keepshell, "shim", "install", "--dir", str(folder)], place.env)
    refused = ("-p", str(free_port()), "127.0.0.1", "true")
    # Without any ssh_config, sh has nothing to ask; a file that -F names is for Python to read.
    calls = (
        _Call("shim-sh", "decided in sh", ("-F", "/dev/null", *refused), _SHIM_SH_BAR),
        _Call(
            "shim-python",
            "decided in Python",
            tuple(place.ssh_arguments(*refused)),
            _SHIM_PYTHON_BAR,
        ),
    )
    rows = []
    for call in calls:
        programs = {
            "shim": [str(folder / "ssh"), *call.arguments],
            "bare": [path_of("ssh"), *call.arguments],
        }
        seconds = _alternate(partial(_to_exit, place.env), programs, plan.exec_rounds)
        what = f"a call of the shim, {call.title}: beyond bare ssh"
        rows.append(_beyond_row(call.key, what, seconds, call.bar))
    return rows


def measure_init(place: Place, plan: Plan) -> list[Row]:
    """What each start of a shell pays for the line in its start-up file, beyond a start without."""
    path = f"{place.environment / 'bin'}{os.pathsep}{place.env['PATH']}"
    rows = []
    for shell, (options, line) in _SHELLS.items():
        start = [path_of(shell), *options, "-c"]
        programs = {"with": [*start, line], "without": [*start, "true"]}
        env = {**place.env, "PATH": path}
        run([*start, f"{line}; type ssh | grep -q function"], env)
        seconds = _alternate(partial(_to_exit, env), programs, plan.exec_rounds)
        what = f"start of a shell, {shell}, with `keepshell init`: beyond one without"
        rows.append(_beyond_row(f"init-{shell}", what, seconds, _INIT_BAR))
    return rows


def _exec_row(place: Place, plan: Plan, call: _Call) -> Row:
    programs = {
        "keepshell": place.kept(*call.arguments),
        "bare": place.ssh(*call.arguments),
        "python": [place.python, "-c", "pass"],
    }
    seconds = _alternate(partial(_to_exit, place.env), programs, plan.exec_rounds)
    return Row(
        key=call.key,
        what=f"start-up, exec path, {call.title}: beyond bare ssh, against `python3 -c pass`",
        value=(seconds["keepshell"] - seconds["bare"]) / seconds["python"],
        unit="×",
        bar=call.bar,
        numbers=_milliseconds(seconds),
    )


def _sections_row(place: Place, plan: Plan, arguments: tuple[str, ...]) -> Row:
    """The same call with very many sections in config.toml, beside one with an empty file."""
    section = '[host."web-{}.example"]\nwindow_change_interval = "{}s"\n'
    texts = {
        "sections": "".join(section.format(number, 60 + number) for number in range(_SECTIONS)),
        "empty": "",
    }
    programs = {}
    for name, text in texts.items():
        folder = place.directory / name
        (folder / "keepshell").mkdir(parents=True)
        (folder / "keepshell" / "config.toml").write_text(text)
        homes = (f"XDG_CONFIG_HOME={folder}", f"XDG_STATE_HOME={folder}")
        programs[name] = [path_of("env"), *homes, *place.kept(*arguments)]
    sleep(_SETTLES_WITHIN)
    seconds = _alternate(partial(_to_exit, place.env), programs, plan.exec_rounds)
    what = f"start-up, exec path, {_SECTIONS} [host] sections in config.toml: beyond an empty one"
    return _beyond_row("exec-sections", what, seconds, _SECTIONS_BAR)


def _prompt_row(place: Place, plan: Plan, call: _Call) -> Row:
    programs = {"keepshell": place.kept(*call.arguments), "bare": place.ssh(*call.arguments)}
    seconds = _alternate(partial(_to_prompt, place.env), programs, plan.prompt_rounds)
    what = f"start-up, pty path to the remote prompt, {call.title}: beyond bare ssh"
    return _beyond_row(call.key, what, seconds, call.bar)


def _beyond_row(key: str, what: str, seconds: dict[str, float], bar: Bar | None) -> Row:
    """The milliseconds by which the first of two contenders takes longer than the second."""
    longer, shorter = seconds.values()
    return Row(
        key=key,
        what=what,
        value=(longer - shorter) * 1000,
        unit="ms",
        bar=bar,
        numbers=_milliseconds(seconds),
    )


def _alternate(
    measured: Callable[[list[str]], float], programs: dict[str, list[str]], rounds: int
) -> dict[str, float]:
    """The median seconds of each; they take turns, and the first round does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    with deadline(_LONGEST):
        for _ in range(rounds + 1):
            for name, argv in programs.items():
                seconds[name].append(measured(argv))
    return {name: median(taken[1:]) for name, taken in seconds.items()}


def _to_exit(env: dict[str, str], argv: list[str]) -> float:
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
        (os.POSIX_SPAWN_DUP2, 0, 1),
        (os.POSIX_SPAWN_DUP2, 0, 2),
    ]
    started_at = perf_counter()
    pid = os.posix_spawn(argv[0], argv, env, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    taken = perf_counter() - started_at
    if os.waitstatus_to_exitcode(status) not in (0, 255):  # 255: ssh was refused
        raise BenchError(f"{argv[0]} ended with wait status {status}")
    return taken


def _to_prompt(env: dict[str, str], argv: list[str]) -> float:
    with Outer(argv, env) as outer:
        taken = outer.wait_for(PROMPT.encode()) - outer.started_at
        os.write(outer.fd, b"exit\r")
        outer.wait()
    return taken


def _milliseconds(seconds: dict[str, float]) -> dict[str, float]:
    return {f"{name} ms": taken * 1000 for name, taken in seconds.items()}
