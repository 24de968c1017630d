"""What to run in the pty, and how to keep it alive."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keepshell.core.link.header import Kept
    from keepshell.core.rules.policy import Policy
    from keepshell.ssh.host_name import NameLookup


_EXPLAINED = frozenset(("ssh", "plink"))
"""The programs whose last words `endings.classify` knows."""


class Job:
    """What to run in the pty, and how to keep it alive."""

    __slots__ = (
        "argv",
        "connection",
        "env",
        "escape_char",
        "explains",
        "gives_up_after",
        "hold",
        "is_ssh",
        "kept",
        "lookup",
        "name",
        "pings",
        "plain",
        "policy",
        "program",
        "says_closed",
        "typed",
    )

    def __init__(
        self, argv: Sequence[str], env: dict[str, str], policy: Policy, *, is_ssh: bool
    ) -> None:
        """`argv[0]` is a path; `env` is the whole environment of the child."""
        self.argv = argv
        self.env = env
        self.policy = policy
        self.kept: Kept | None = None
        """Which shell the host is to keep; None for a plain session."""
        self.plain: Sequence[str] = argv
        """The command line without what has the host keep the shell: what `ps` shows."""
        self.typed: Sequence[str] = ()
        """ssh's arguments as the user typed them."""
        self.connection: Callable[..., Sequence[str]] = lambda _remote, **_how: argv
        """The command line of a connection that runs `remote`: the `first`, as it was typed, or a
        further one, `attended` or asking nobody."""
        self.is_ssh = is_ssh
        self.program = "ssh" if is_ssh else os.path.basename(argv[0])
        self.escape_char: int | None = 0x7E if is_ssh else None
        """ssh's EscapeChar as a byte, None for `none` or where the child is not ssh."""
        self.explains = self.program in _EXPLAINED
        """Whether a drop is explained on stderr, if that is a terminal."""
        self.says_closed = is_ssh
        """Whether ssh, left with `~.`, says that the connection is closed (LogLevel)."""
        self.name = self.program
        """What the user calls it: the host as typed, or the program."""
        self.pings = False
        """Whether the child itself speaks to a silent host, as ssh's ServerAlive does."""
        self.gives_up_after: float | None = None
        """Seconds without an answer after which ssh ends the session because of options of ours."""
        self.hold = ""
        """The name of the hold that the child's connection is shared from."""
        self.lookup: Callable[[], NameLookup] | None = None
        """Begins to find out under which name the host is remembered; None for no host."""
