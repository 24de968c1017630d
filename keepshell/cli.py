"""The command line: which of our commands is meant, and what every failure of ours looks like."""

from __future__ import annotations

import os
import sys

from keepshell import config
from keepshell.errors import InternalError, KeepshellError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Command = Callable[[Sequence[str], Mapping[str, str]], int]

_USAGE = """\
usage: keepshell [OPTIONS] ssh [SSH ARGUMENTS]      ssh, kept alive; also under the name `ssh`
       keepshell [OPTIONS] run [--] COMMAND [ARG...]  any interactive program, kept alive
"""

_NOTES = """\
Everything after `ssh` belongs to ssh(1). Durations: 90s, 15m, 8h, or seconds.
Rungs: off, server-alive, window-change (the default).
The same keys stand in $XDG_CONFIG_HOME/keepshell/config.toml, under [default] or [host."PATTERN"].
Environment: KEEPSHELL=0 turns everything off; KEEPSHELL_SSH=/path names the real ssh.
Exit status: ssh's; 2 if keepshell can't read its command line or configuration, 70 if it fails.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one call; `argv` as in sys.argv. Every error of ours ends here, as one line on stderr."""
    name, *arguments = sys.argv if argv is None else argv
    try:
        return _dispatch(os.path.basename(name), arguments)
    except KeepshellError as error:
        return _failed(error)
    except KeyboardInterrupt:
        from keepshell.child import die_by

        die_by(2)
        return 130
    except Exception as error:
        if os.environ.get("KEEPSHELL_DEBUG"):
            raise
        return _failed(InternalError(f"internal error: {type(error).__name__}: {error}"))


def _dispatch(name: str, arguments: Sequence[str]) -> int:
    if name == "ssh":
        return _ssh(arguments, {})
    options, rest = config.take_options(arguments)
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
            f"(to reach a host: keepshell ssh {rest[0]})"
        )
    return command(rest[1:], options)


def _ssh(arguments: Sequence[str], options: Mapping[str, str]) -> int:
    from keepshell import launch

    call = launch.Call(arguments, options, os.environ)
    try:
        call.decide()
        if "dry_run" in options:
            print(call.describe())
            return 0
        attached = call.start()
    except KeepshellError:
        raise
    except Exception as error:
        if "dry_run" in options:
            raise
        _say(f"{type(error).__name__}: {error}; running ssh without a pty")
        call.become()
    return attached.finish()


def _run(arguments: Sequence[str], options: Mapping[str, str]) -> int:
    from keepshell import launch

    words = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not words:
        raise UsageError("run needs a command: keepshell run -- COMMAND [ARG...]")
    return launch.run(words, options, os.environ)


def _help() -> int:
    rows = list(config.option_rows())
    width = max(len(option) for option, _ in rows)
    print(_USAGE)
    print("options, before the command:")
    for option, meaning in rows:
        print(f"  {option:<{width}}  {meaning}")
    print()
    print(_NOTES, end="")
    return 0


def _version() -> int:
    from keepshell._version import VERSION

    print(f"keepshell {VERSION}")
    return 0


def _failed(error: KeepshellError) -> int:
    _say(str(error))
    return error.exit_code


def _say(sentence: str) -> None:
    try:
        print(f"keepshell: {sentence}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return  # stderr is closed or gone: the exit status must do


_COMMANDS: dict[str, Command] = {"ssh": _ssh, "run": _run}
