"""The command line: which of our commands is meant, and what every failure of ours looks like."""

from __future__ import annotations

import os
import sys

from keepshell.config import settings
from keepshell.errors import InternalError, KeepshellError, UsageError
from keepshell.ssh.exec import exec_program
from keepshell.text.say import say
from keepshell.text.wording import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Command = Callable[[Sequence[str], Mapping[str, Any]], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one call; `argv` as in sys.argv. Every error of ours ends here, as one line on stderr."""
    name, *arguments = (sys.argv if argv is None else argv) or ["keepshell"]
    try:
        return _dispatch(os.path.basename(name), arguments)
    except KeepshellError as error:
        return _failed(error)
    except KeyboardInterrupt:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return 130
    except Exception as error:
        if os.environ.get("KEEPSHELL_DEBUG"):
            raise
        return _failed(InternalError(f"internal error: {type(error).__name__}: {error}"))


def _dispatch(name: str, arguments: Sequence[str]) -> int:
    if name == "ssh":
        return _ssh(arguments, {})
    options, rest = settings.take_options(arguments)
    if "help" in options:
        return _help()
    if "version" in options:
        return _version()
    if not rest:
        raise UsageError("no command; `keepshell ssh HOST` is the usual one (keepshell --help)")
    command = _COMMANDS.get(rest[0])
    if command is None:
        raise UsageError(
            f"unknown command {rest[0]!r}; the commands are {', '.join(_COMMANDS)} "
            f"(to reach a host: keepshell ssh {printable(rest[0])})"
        )
    return command(rest[1:], options)


def _ssh(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    from keepshell import launch

    way = None
    try:
        resolved = launch.resolve(arguments, options, os.environ)
        way = launch.route(resolved, launch.on_terminal())
        if "dry_run" in options:
            return _show(launch.describe(way))
        attached = launch.start(way, os.environ)
    except KeepshellError:
        raise
    except Exception as error:  # if we fail, ssh still runs
        if "dry_run" in options:
            raise
        say(f"{type(error).__name__}: {error}; running ssh without a pty")
        launch.fall_back(way, arguments, os.environ)
    return attached.finish()


def _run(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    from keepshell import launch

    words = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not words:
        raise UsageError("run needs a command: keepshell run -- COMMAND [ARG...]")
    argv = launch.program(words, os.environ)
    if "dry_run" in options:
        import shlex

        return _show(shlex.join(argv))
    try:
        attached = launch.start_program(argv, options, os.environ)
    except KeepshellError:
        raise
    except Exception as error:  # if we fail, the program still runs
        say(f"{type(error).__name__}: {error}; running {words[0]} without a pty")
        exec_program(argv[0], argv, os.environ)
    return attached.finish()


def _exec(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    from keepshell.shim import execute

    execution = execute.Execution(arguments, options, os.environ)
    if "dry_run" in options:
        return _show(execution.describe())
    if execution.warning:
        say(execution.warning)
    return execution.start()


def _shim(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    _take_no_options("shim", options)
    if arguments[:1] == ["call"]:
        from keepshell.shim import execute

        return _ssh(execute.called(arguments[1:], os.environ), {})
    from keepshell.shim import install

    text, status = install.command(arguments, os.environ)
    return _show(text) or status


def _init(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    _take_no_options("init", options)
    from keepshell.cli import completion

    return _show(completion.for_startup(arguments, os.environ))


def _explain(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    from keepshell.cli import explain

    return _show(explain.command(arguments, options, os.environ))


def _probe(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    from keepshell.cli import probe

    text, status = probe.command(arguments, options, os.environ)
    return _show(text) or status


def _forget(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    _take_no_options("forget", options)
    from keepshell.cli import history

    return _show(history.forget(arguments, os.environ))


def _history(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    _take_no_options("history", options)
    from keepshell.cli import history

    return _show(history.command(arguments, os.environ))


def _status(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    _take_no_options("status", options)
    from keepshell.cli import status

    return _show(status.command(arguments, os.environ))


def _off(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    return _switch("off", arguments, options)


def _on(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    return _switch("on", arguments, options)


def _switch(command: str, arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    _take_no_options(command, options)
    from keepshell.cli import status

    return _show(status.switch(arguments, os.environ, on=command == "on"))


def _take_no_options(command: str, options: Mapping[str, Any]) -> None:
    for name in options:
        raise UsageError(f"--{name.replace('_', '-')}: means nothing to {command}")


def _help() -> int:
    from keepshell.cli import commands

    return _show(commands.help_text())


def _version() -> int:
    from keepshell._version import VERSION

    return _show(f"keepshell {VERSION}")


def _show(text: str) -> int:
    """Print on stdout; bytes that are no text, as an argument may have, come out as they were."""
    import signal

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # CPython ignores it; `| head -1` should end us
    try:
        with open(1, "wb", closefd=False) as stdout:
            stdout.write(os.fsencode(f"{text}\n" if text else ""))
    except OSError as error:
        raise InternalError(f"stdout: {error.strerror}") from error
    return 0


def _failed(error: KeepshellError) -> int:
    say(str(error))
    return error.exit_code


_COMMANDS: dict[str, Command] = {
    "ssh": _ssh,
    "run": _run,
    "exec": _exec,
    "shim": _shim,
    "init": _init,
    "explain": _explain,
    "probe": _probe,
    "forget": _forget,
    "history": _history,
    "status": _status,
    "off": _off,
    "on": _on,
}
