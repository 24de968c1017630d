"""`keepshell man`: the manual, also where the system's man doesn't find it (uv, pipx, one file)."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import suppress

from keepshell.cli import help  # noqa: A004 - what the user calls it
from keepshell.cli.manpage import page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keepshell.cli.arguments import Typed


def command(typed: Typed) -> tuple[str, int]:
    """`man`: shown by man(1), with its status; without one, the help, which says the same."""
    with tempfile.NamedTemporaryFile("w", suffix=".1") as file:
        file.write(page())
        file.flush()
        try:
            shown = subprocess.Popen(["man", file.name], env=typed.environ)
        except OSError:
            return help.page(), 0
        while shown.returncode is None:
            with suppress(KeyboardInterrupt):  # ^C is the pager's
                shown.wait()
    return "", abs(shown.returncode)
