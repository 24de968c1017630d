"""`keepshell run`, `exec` and `shim`: other programs than ssh, and what they call."""

from __future__ import annotations

from keepshell.cli import main
from keepshell.errors import KeepshellError, UsageError
from keepshell.text.say import say, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keepshell.cli.arguments import Typed


def run(typed: Typed) -> tuple[str, int]:
    """`run [--] COMMAND [ARG...]`: the program's own status. Raises KeepshellError."""
    from keepshell import launch
    from keepshell.ssh.exec import exec_program

    words = typed.words[1:] if typed.words[:1] == ["--"] else typed.words
    if not words:
        raise UsageError("run needs a command: keepshell run -- COMMAND [ARG...]")
    environ = dict(typed.environ)
    program = launch.Program(words, typed.settings, environ)
    warn(program.warnings, environ)
    if "dry_run" in typed.settings:
        import shlex

        return shlex.join(program.argv), 0
    try:
        attached = launch.start_program(program, environ)
    except KeepshellError:
        raise
    except Exception as error:  # if we fail, the program still runs
        say(f"{main.fault(error)}; running {words[0]} without a pty")
        exec_program(program.argv[0], program.argv, environ)
    return main.finish(attached)


def execute(typed: Typed) -> tuple[str, int]:
    """`exec [--] COMMAND [ARG...]`; does not return. Raises KeepshellError."""
    from keepshell.shim.execute import Execution

    execution = Execution(typed.words, typed.settings, typed.environ)
    warn(execution.warnings, execution.env)
    if "dry_run" in typed.settings:
        return execution.describe(), 0
    return execution.start()


def shim(typed: Typed) -> tuple[str, int]:
    """`shim install [--dir DIR] | remove | status`. Raises KeepshellError."""
    if typed.verb == "call":
        from keepshell.shim import execute

        return "", main.ssh(execute.called(typed.words, typed.environ), {})
    from keepshell.shim import install

    return install.command(typed.verb, typed.values.get("dir"), typed.environ)
