"""The shell at the far end: fixed environment, no rc file, a prompt to wait for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

PROMPT = "READY$ "

BASH = ("bash", "--norc", "--noprofile", "-i")

# What the client sent or sshd knows passes through; the rest is the same on every machine.
_SCRIPT = """\
#!/bin/sh
cd {home} || exit 1
if [ -n "${{SSH_ORIGINAL_COMMAND-}}" ]
then set -- sh -c "$SSH_ORIGINAL_COMMAND"
else set -- {shell}
fi
exec env -i {settings} ${{TERM+"TERM=$TERM"}} ${{SSH_TTY+"SSH_TTY=$SSH_TTY"}} "$@"
"""


def write_entry(
    directory: Path, *, shell: Sequence[str] = BASH, env: Mapping[str, str] | None = None
) -> Path:
    """Write the script that a server runs as its forced command, and return it.

    `ssh host` gets `shell`; `ssh host command` gets `sh -c command`, as do scp, sftp, rsync and
    git. HOME is `directory`/home. `env` is added to the shell's environment, or overrides it.
    """
    home = directory / "home"
    home.mkdir(exist_ok=True)
    settings = {
        "HOME": str(home),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "SHELL": "/bin/sh",
        "LC_ALL": "C.UTF-8",
        "PS1": PROMPT,
        "INPUTRC": "/dev/null",
        **(env or {}),
    }
    script = directory / "entry"
    script.write_text(
        _SCRIPT.format(
            home=shlex.quote(str(home)),
            shell=shlex.join(shell),
            settings=shlex.join(f"{name}={value}" for name, value in settings.items()),
        )
    )
    script.chmod(0o755)
    return script
