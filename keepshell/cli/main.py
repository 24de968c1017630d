"""The command line: which of our commands is meant, and what every failure of ours looks like."""

from __future__ import annotations

import os
import sys

from keepshell.config import settings
from keepshell.errors import InternalError, KeepshellError, NotStartedError
from keepshell.ssh.exec import take_signals
from keepshell.text.say import say, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

    from keepshell.relay.attach import Attached


def main(argv: Sequence[str] | None = None) -> int:
    """Run one call; `argv` as in sys.argv. Every error of ours ends here, as one line on stderr.

    Raises NotStartedError where what was asked for can be run without us.
    """
    name, *arguments = (sys.argv if argv is None else argv) or ["keepshell"]
    take_signals()
    try:
        return _dispatch(os.path.basename(name), arguments)
    except KeepshellError as error:
        return _failed(error)
    except NotStartedError:
        raise
    except KeyboardInterrupt:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return 130
    except Exception as error:  # never once something runs, see `finish`
        if os.environ.get("KEEPSHELL_DEBUG"):
            raise
        raise NotStartedError from error


def _dispatch(name: str, arguments: Sequence[str]) -> int:
    if name == "ssh":
        return ssh(arguments, {})
    options, rest = settings.take_options(arguments)
    if rest[:1] == ["ssh"] and rest[1:] not in (["-h"], ["--help"]) and not _ANSWERS & set(options):
        return ssh(rest[1:], options)
    from keepshell.cli import calls

    text, status = calls.answer(rest, options, os.environ)
    return _show(text) or status if text else status


_ANSWERS = {"help", "short_help", "version"}
"""Our own options that ask for text, whatever follows."""


def ssh(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    """`ssh ...`: becomes ssh, or runs it in a pty and answers with its status."""
    way = None
    try:
        if os.environ.pop("KEEPSHELL_IN_SUBSHELL", None):
            from keepshell.ssh import subshell

            subshell.end_with_it()
        from keepshell import launch

        resolved = launch.resolve(arguments, options, os.environ)
        warn(resolved.warnings, os.environ)
        if resolved.is_refused:
            _refuse_ours(arguments)
        way = launch.route(resolved, launch.on_terminal())
        if "dry_run" in options:
            return _show(launch.describe(way))
        attached = launch.start(way, os.environ)
    except KeepshellError:
        raise
    except Exception as error:  # if we fail, ssh still runs
        if "dry_run" in options:
            raise
        if way is None:
            raise NotStartedError from error
        say(f"{fault(error)}; running ssh without a pty")
        launch.become(way, os.environ)
    return finish(attached)


def finish(attached: Attached) -> NoReturn:
    """Relay to the end of a child that runs, and end as it did.

    Raises InternalError, and NotStartedError where nothing has come of the child.
    """
    try:
        attached.finish()
    except (KeepshellError, NotStartedError):
        raise
    except Exception as error:
        if os.environ.get("KEEPSHELL_DEBUG"):
            raise
        raise InternalError(f"internal error: {type(error).__name__}: {error}") from error


def fault(error: Exception) -> str:
    """What is wrong with us, and what would help; the bare error where that can't be loaded."""
    try:
        from keepshell.text.installed import fault
    except Exception:
        return f"{type(error).__name__}: {error}"
    return fault(error)


def _refuse_ours(arguments: Sequence[str]) -> None:
    """What ssh can't read may have an option of ours in it. Raises UsageError if it has."""
    if any(word.startswith("--") for word in arguments):
        from keepshell.cli.arguments import refuse_ours

        refuse_ours("ssh", arguments)


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
