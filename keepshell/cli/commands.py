"""What each command is for, in one table: --help, the man page and the completions come from it.

Only these need it, so nothing here is loaded before ssh starts.
"""

from __future__ import annotations

from keepshell.config.settings import option_rows
from keepshell.core.rules.rung import RUNGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

AS_SSH = "ssh"
"""What follows is completed as ssh's own arguments."""
AS_HOST = "host"
"""What follows is a host, completed as ssh's are."""
AS_COMMAND = "command"
"""What follows is a command line of its own, perhaps behind `--`."""


class Word:
    """A word that a command takes, and the options that it takes in turn."""

    __slots__ = ("meaning", "name", "options")

    def __init__(self, name: str, meaning: str, options: Sequence[tuple[str, str]] = ()) -> None:
        """`options` are pairs as of `settings.option_rows`."""
        self.name = name
        self.meaning = meaning
        self.options = options


class Command:
    """One command: what is typed behind it, and what it does."""

    __slots__ = ("arguments", "details", "follows", "meaning", "name", "options", "words")

    def __init__(
        self,
        name: str,
        arguments: str,
        meaning: str,
        details: str,
        *,
        follows: str = "",
        words: Sequence[Word] = (),
        options: Sequence[tuple[str, str]] = (),
    ) -> None:
        """`meaning` is for a list, `details` for the man page.

        Behind the command stands what `follows` says, or one of `words`, or `options`, which are
        pairs as of `settings.option_rows`.
        """
        self.name = name
        self.arguments = arguments
        self.meaning = meaning
        self.details = details
        self.follows = follows
        self.words = words
        self.options = options


_JSON = ("--json", "print JSON")

COMMANDS = (
    Command(
        "ssh",
        "[SSH ARGUMENTS]",
        "ssh, kept alive; also under the name `ssh`",
        "Run the system's ssh with these arguments, verbatim. An interactive session runs in a "
        "pty and is kept alive; without a terminal, keepshell adds the ServerAlive options that "
        "neither the arguments nor ssh_config(5) set, and becomes ssh.",
        follows=AS_SSH,
    ),
    Command(
        "run",
        "[--] COMMAND [ARG...]",
        "any interactive program, kept alive",
        "Run any interactive program in a pty, kept alive by window-changes.",
        follows=AS_COMMAND,
    ),
    Command(
        "exec",
        "[--] COMMAND [ARG...]",
        "a script whose calls of ssh are kept alive",
        "Run a command with keepshell's own ssh first on PATH, so that whatever it or its "
        "children call by that name goes through keepshell. scp and sftp, which know ssh by its "
        "path only, are told the other path; so is autossh, unless AUTOSSH_PATH is set. The "
        "command replaces keepshell: status, signals and job control are its own.",
        follows=AS_COMMAND,
    ),
    Command(
        "shim",
        "install [--dir DIR] | remove | status",
        "the same for every script: an `ssh` to put on PATH",
        "Write ssh, scp and sftp into a directory of their own and print the line that puts it "
        "on PATH; take away what was written; say whether it is in use.",
        words=(
            Word(
                "install",
                "write ssh, scp and sftp, and print the line for PATH",
                (("--dir DIR", "where to write them (default $XDG_DATA_HOME/keepshell/bin)"),),
            ),
            Word("remove", "take away what install has written"),
            Word("status", "say where the shim is and whether it is in use"),
        ),
    ),
    Command(
        "init",
        "bash | zsh | fish",
        "the function `ssh` and completions, for a shell",
        "Print what defines ssh as keepshell ssh in an interactive shell, with the completions.",
        words=(
            Word("bash", 'for ~/.bashrc: eval "$(keepshell init bash)"'),
            Word("zsh", 'for ~/.zshrc: eval "$(keepshell init zsh)"'),
            Word("fish", "for config.fish: keepshell init fish | source"),
        ),
    ),
    Command(
        "probe",
        "[--json] [--measure [--floor TIME] [--limit TIME]] [SSH OPTIONS] HOST",
        "ask a host for its idle timers",
        "Read a host's idle timers in one ordinary session, and print which keepalives beat each. "
        "Nothing is written on the host; the rules are remembered here.",
        follows=AS_SSH,
        options=(
            ("--measure", "try the idle times out, in sessions of each rung, instead of asking"),
            ("--floor TIME", "with --measure: the shortest idle time of interest (default 30s)"),
            ("--limit TIME", "with --measure: the longest, after which it ends (default 20m)"),
            _JSON,
        ),
    ),
    Command(
        "explain",
        "[--json] [SSH OPTIONS] HOST",
        "what keepshell would do for a host, and why",
        "Print the settings that a session would have, each with where it comes from, and the idle "
        "rules known of the host with what beats each.",
        follows=AS_SSH,
        options=(_JSON,),
    ),
    Command(
        "status",
        "[--watch] [--json]",
        "the live sessions",
        "Print the live sessions: how long their users have been idle, and which keepalives were "
        "sent or are held back.",
        options=(("--watch", "keep showing them, until ^C"), _JSON),
    ),
    Command(
        "history",
        "[--host HOST] [--since TIME] [--json]",
        "past sessions, and how each ended",
        "Print past sessions, how each ended, and how long it had been idle.",
        options=(
            ("--host HOST", "the sessions of one host"),
            ("--since TIME", "how far back: 2d, or a date such as 2026-10-01"),
            _JSON,
        ),
    ),
    Command(
        "forget",
        "HOST",
        "drop what was learned of a host",
        "Delete the rules and the past sessions of a host.",
        follows=AS_HOST,
    ),
    Command(
        "off",
        "PID|HOST",
        "no keepalives in a live session",
        "Switch the keepalives of a live session off; ssh's own ServerAlive requests go on.",
        follows=AS_HOST,
    ),
    Command(
        "on",
        "PID|HOST",
        "keepalives again, after off",
        "Switch the keepalives of a live session on again.",
        follows=AS_HOST,
    ),
)

NOTES = (
    "Everything after `ssh` belongs to ssh(1). Durations: 90s, 15m, 8h, or seconds.",
    f"Rungs: {', '.join(rung.label for rung in RUNGS)}.",
)

FILES = (
    (
        "$XDG_CONFIG_HOME/keepshell/config.toml",
        'the same keys as the options, under [default] or [host."PATTERN"]',
    ),
)

ENVIRONMENT = (
    ("KEEPSHELL=0", "turns everything off"),
    ("KEEPSHELL_SSH=/path", "names the real ssh"),
)

EXIT_STATUS = (
    ("ssh's", "or that of the command that was run"),
    ("2", "keepshell can't read its command line or configuration"),
    ("70", "keepshell failed"),
)


def help_text() -> str:
    """What --help prints, without the last newline."""
    usage = [f"keepshell [OPTIONS] {command.name} {command.arguments}" for command in COMMANDS]
    sections = (
        ("commands", [(command.name, command.meaning) for command in COMMANDS]),
        ("options, before the command", list(option_rows())),
        ("files", FILES),
        ("environment", ENVIRONMENT),
        ("exit status", EXIT_STATUS),
    )
    paragraphs = ["usage: " + "\n       ".join(usage)]
    paragraphs += [f"{title}:\n{_aligned(rows)}" for title, rows in sections]
    return "\n\n".join([*paragraphs, "\n".join(NOTES)])


def _aligned(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"  {left:<{width}}  {right}" for left, right in rows)
