"""A command for which `ssh` is keepshell, and what its shims ask of Python."""

from __future__ import annotations

import contextlib
import os

from keepshell.config.settings import KEYS, is_off
from keepshell.errors import KeepshellError, NoProgramError, NotRunnableError, UsageError
from keepshell.shim import files, script
from keepshell.ssh import client
from keepshell.ssh.exec import exec_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

VARIABLES = ("AUTOSSH_PATH",)
"""What names ssh to a program that knows it by its absolute path only."""


class Execution:
    """One call of `keepshell exec`: the command, and the environment in which `ssh` is ours."""

    def __init__(
        self, arguments: Sequence[str], options: Mapping[str, Any], environ: Mapping[str, str]
    ) -> None:
        """Find the command and prepare the shims. Raises UsageError."""
        self.warnings: list[str] = []
        """What the user must know before the command starts."""
        self.words = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
        if not self.words:
            raise UsageError("exec needs a command: keepshell exec -- COMMAND [ARG...]")
        self.env = {**environ, **_variables(options)}
        if not is_off(environ):
            self._put_first()
        skipped = client.led_back(f"exec {self.words[0]}", self.words[1:], environ)
        self.path = _found(self.words[0], self.env, skipped)
        self.env = client.started(f"exec {self.words[0]}", [self.path, *self.words[1:]], self.env)

    def _put_first(self) -> None:
        """Have `ssh` and the copiers be ours in the environment."""
        env = self.env
        try:
            prepared = files.prepare(env)
        except OSError as error:
            self.warnings.append(f"no place for the shim ({error}); no call of ssh is kept alive")
            return
        if prepared.problem:
            self.warnings.append(prepared.problem)
        shims, copiers = prepared.shims, prepared.copiers
        rest = env.get("PATH", os.confstr("CS_PATH") or os.defpath).split(os.pathsep)
        kept = [folder for folder in rest if folder not in (shims, copiers)]
        env["PATH"] = os.pathsep.join([shims, copiers, *kept])
        for name in VARIABLES:
            env.setdefault(name, os.path.join(shims, "ssh"))

    def describe(self) -> str:
        """What would be run, and the PATH it would get."""
        import shlex

        return f"{shlex.join([self.path, *self.words[1:]])}\n  # PATH={self.env.get('PATH', '')}"

    def start(self) -> NoReturn:
        """Replace this process by the command. Raises UsageError if the system refuses."""
        exec_program(self.path, self.words, self.env)


def called(arguments: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """What the shim at `arguments[0]` asks for when it can't go on by itself; ssh's arguments.

    The shim of ssh is written again; a copier's program is run, and this does not return.
    """
    if not arguments:
        raise UsageError("shim call is what a shim runs; you want: keepshell ssh HOST")
    path, *rest = arguments
    name = os.path.basename(path)
    if name in files.COPIERS:
        skipped = client.led_back(f"shim {name}", rest, environ)
        real = client.which(name, environ, skip_shims=True, skipped=skipped)
        if real is None:
            raise UsageError(f"no {name} found on PATH besides keepshell's own")
        argv = [real, *rest]
        exec_program(real, argv, client.started(f"shim {name}", argv, environ))
    if name == "ssh" and script.is_ours(path):
        with contextlib.suppress(OSError, KeepshellError):  # ssh itself will say what is wrong
            files.write(path, script.ssh_shim(path, environ))
    return rest


def _variables(options: Mapping[str, Any]) -> dict[str, str]:
    """Our own options as variables, which reach the calls of ssh. Raises UsageError."""
    variables = {}
    for name, value in options.items():
        if name not in KEYS:
            continue
        key = KEYS[name]
        if not key.variable:
            raise UsageError(
                f"{key.option} doesn't reach the ssh calls under exec; set {name} in config.toml"
            )
        variables[key.variable] = key.kind.show(value)
    return variables


def _found(word: str, environ: Mapping[str, str], skipped: Sequence[str]) -> str:
    """The path of a command, as a shell finds it. Raises UsageError."""
    path = client.which(word, environ, skipped=skipped) or client.which(word, environ)
    if path is not None:
        return path
    here = os.path.join(os.curdir, word)
    if not os.path.exists(word):
        problem = "no such file" if "/" in word else "no such program on PATH"
        raise NoProgramError(f"{word or repr(word)}: {problem}")
    if os.path.isdir(word):
        problem = "is a directory"
    elif os.access(word, os.X_OK):
        raise NoProgramError(
            f"{word}: no such program on PATH; the one in this directory is {here}"
        )
    else:
        named = word if "/" in word else here
        problem = f"not executable; chmod +x it, or: keepshell exec -- sh {named}"
    raise NotRunnableError(f"{word}: {problem}")
