"""The command line as one table: parsing, dispatch, help, man page and completions read it.

A new command is one row of `COMMANDS` and one file with the function that the row names. None of
this is loaded on the way to ssh.
"""

from __future__ import annotations

from keepshell.core.rules.rung import RUNGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Row = tuple[str, str]
    """What is typed, and what it means: `--since TIME`, or a line of the examples."""

CONNECT, HOLD, LOOK, HOSTS, SET_UP = GROUPS = ("connect", "hold", "look", "hosts", "set up")

AS_SSH = "ssh"
"""ssh's own arguments follow, and are passed on as they are."""
AS_COMMAND = "command"
"""A whole command line follows, perhaps after `--`, and is passed on as it is."""


class Word:
    """A word that a command takes first, such as `set` in `config set`, and what follows it."""

    __slots__ = ("arguments", "follows", "hidden", "meaning", "name", "options")

    def __init__(
        self,
        name: str,
        arguments: str,
        meaning: str,
        *,
        options: Sequence[Row] = (),
        follows: str = "",
        hidden: bool = False,
    ) -> None:
        """As `Command`. A `hidden` one is for our own programs, and not shown."""
        self.name = name
        self.arguments = arguments
        self.meaning = meaning
        self.options = options
        self.follows = follows
        self.hidden = hidden


class Command:
    """One command of ours.

    `runs` is `MODULE:FUNCTION` below `keepshell.cli`; the function takes the `Typed` and returns
    the text to print and the exit status. Empty for ssh, which `main` runs without this table.

    `arguments` are the words it takes, as the help shows them, and the parser goes by that: `HOST`
    is one word, `[HOST]` none or one, `[HOST...]` any number. With `words`, one of those must be
    typed first; with `follows`, the rest is not ours to read.

    `options` are its own; `takes_settings` says whether the options before it matter to it.
    `meaning` is for lists, `details` for its own page. A test runs the `examples`.
    """

    __slots__ = (
        *("arguments", "details", "examples", "follows", "group", "meaning", "name", "options"),
        *("runs", "takes_settings", "words"),
    )

    def __init__(  # noqa: PLR0913 - one argument a column
        self,
        name: str,
        arguments: str,
        meaning: str,
        *,
        group: str,
        runs: str,
        details: str,
        examples: Sequence[Row],
        options: Sequence[Row] = (),
        words: Sequence[Word] = (),
        follows: str = "",
        takes_settings: bool = False,
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.meaning = meaning
        self.group = group
        self.runs = runs
        self.details = details
        self.examples = examples
        self.options = options
        self.words = words
        self.follows = follows
        self.takes_settings = takes_settings

    @property
    def shown_words(self) -> Sequence[Word]:
        return [word for word in self.words if not word.hidden]

    @property
    def usage(self) -> list[str]:
        """Each way to call it, without the program's name."""
        options = "[OPTIONS] " if self.takes_settings else ""
        rows: Sequence[Command | Word] = self.shown_words or [self]
        return [f"{options}{self._prefix(row)}{_usage(row)}".rstrip() for row in rows]

    def _prefix(self, row: Command | Word) -> str:
        return f"{self.name} " if row is self else f"{self.name} {row.name} "


def _usage(row: Command | Word) -> str:
    options = "".join(f"[{option}] " for option, _ in row.options)
    return options + row.arguments


_JSON = ("--json", "print JSON")
_NO_SSH = (("--no-ssh", "the completions alone: `ssh` stays ssh"),)

COMMANDS = (
    Command(
        "ssh",
        "[SSH ARGUMENTS]",
        "ssh, kept alive",
        group=CONNECT,
        runs="",
        details="Runs the system's ssh with exactly these arguments. On a terminal, ssh runs in a "
        "pty and the session is kept alive while you are idle. Without a terminal (git, rsync, "
        "scripts), keepshell adds the ServerAlive options that you have not set yourself, and then "
        "becomes ssh: from then on there is no keepshell, and `keepshell status` can't list it.",
        follows=AS_SSH,
        takes_settings=True,
        examples=(
            ("keepshell ssh web", "log in to web, and stay logged in"),
            ("keepshell ssh -C me@web uptime", "everything after ssh is ssh's own"),
            ("keepshell --empty-line true ssh web", "our options go before ssh"),
        ),
    ),
    Command(
        "run",
        "[--] COMMAND [ARG...]",
        "any other interactive program, kept alive",
        group=CONNECT,
        runs="programs:run",
        details="Runs an interactive program, such as plink or mosh, in a pty. While you are idle "
        "it gets a SIGWINCH now and then, with the window's size unchanged.",
        follows=AS_COMMAND,
        takes_settings=True,
        examples=(("keepshell run -- ssh web", "any program that asks for nothing but a pty"),),
    ),
    Command(
        "exec",
        "[--] COMMAND [ARG...]",
        "run a script, with every ssh it calls kept alive",
        group=CONNECT,
        runs="programs:execute",
        details="Runs a command with keepshell's own ssh first on PATH, so that every `ssh` it or "
        "its children call goes through keepshell. scp and sftp, which call ssh by its path, are "
        "given ours; so is autossh, unless AUTOSSH_PATH is set. The command replaces keepshell: "
        "status, signals and job control are its own.",
        follows=AS_COMMAND,
        takes_settings=True,
        examples=(
            ("keepshell exec -- ./deploy.sh", "a script that calls ssh, git or rsync"),
            ("keepshell exec -- rsync -a site/ web:/srv/", "one command"),
        ),
    ),
    Command(
        "attach",
        "[SSH OPTIONS] [HOST[:N]]",
        "back into a shell that a host keeps",
        group=CONNECT,
        runs="attach:command",
        details="Fetches a shell that outlived its connection (the setting `reattach`) into this "
        "terminal: after keepshell's window was closed, or this machine restarted. Without HOST it "
        "is the only one, or they are listed; web:2 is the second of web.",
        follows=AS_SSH,
        takes_settings=True,
        examples=(
            ("keepshell attach", "return to the only kept shell"),
            ("keepshell attach web", "return to the one on web"),
        ),
    ),
    Command(
        "hold",
        "[SSH OPTIONS] HOST",
        "log in once, and keep the connection open for what follows",
        group=HOLD,
        runs="hold:hold",
        details="Logs in to a host here and now, and returns; the connection stays open, with its "
        "tunnels (-L, -R, -D), and is made again by itself after a loss. Every `keepshell ssh` to "
        "that host goes through it without a login. Typed again, it moves the end.",
        follows=AS_SSH,
        takes_settings=True,
        options=(
            ("--for TIME", "how long (default hold_for, 8h)"),
            ("--name NAME", "what to call it (default: the host as you type it)"),
            ("--print-config", "print what plain ssh needs to go through it, for ssh_config"),
        ),
        examples=(
            ("keepshell hold web", "log in once"),
            ("keepshell hold --for 3h --name db -L 3306:localhost:3306 web", "with a tunnel"),
        ),
    ),
    Command(
        "release",
        "[NAME...]",
        "end a hold",
        group=HOLD,
        runs="hold:release",
        details="Ends a hold. Sessions that run through it may finish, and nothing new begins.",
        options=(("--all", "every hold"), ("--now", "cut the sessions that run through it")),
        examples=(("keepshell release --all", "end every hold"),),
    ),
    Command(
        "status",
        "",
        "your running sessions, and whether they will survive",
        group=LOOK,
        runs="status:command",
        details="Lists your running sessions: how long you have been idle in each, what keeps it "
        "alive, and what happens next. An ssh without a terminal is not listed, because there "
        "keepshell has become ssh.",
        options=(
            ("--watch", "keep showing them until you press q or ^C"),
            ("--line", "one short line, for a status bar: 3 kept, 1 !"),
            ("--ask", "ask the hosts about their kept shells, where the login needs no one"),
            _JSON,
        ),
        examples=(
            ("keepshell status", "list all sessions"),
            (
                "keepshell status --line",
                "for tmux: set -g status-right '#(keepshell status --line)'",
            ),
            ("keepshell status --json", "for programs: one object a line"),
        ),
    ),
    Command(
        "history",
        "[HOST]",
        "past sessions, and how each ended",
        group=LOOK,
        runs="history:command",
        details="Lists past sessions: how long each lasted, how long you were idle in it, how many "
        "keepalives were sent, and what ended it. Below that, a timeline for each host shows when "
        "you typed, when an idle session was kept alive, when it was merely idle, and each drop.",
        options=(
            ("-n N", "only the last N sessions"),
            ("--dropped", "only those that were cut"),
            ("--since TIME", "how far back: 2d, or a date such as 2026-10-01 (default 7d)"),
            ("--host HOST", "the same as HOST"),
            _JSON,
        ),
        examples=(
            ("keepshell history --since 30d", "the sessions of the last month"),
            ("keepshell history --dropped -n 20", "the last twenty that were cut"),
            ("keepshell history --json web", "one host, for programs"),
        ),
    ),
    Command(
        "explain",
        "[SSH OPTIONS] HOST",
        "what keepshell would do for a host, and why",
        group=LOOK,
        runs="explain:command",
        details="Says whether an idle session with this host survives, lists the host's known idle "
        "timers with what beats each, and the settings that differ from the defaults, with where "
        "each was set. Nothing is sent to the host.",
        options=(("--all", "also the settings that have their defaults"), _JSON),
        follows=AS_SSH,
        takes_settings=True,
        examples=(
            ("keepshell explain web", "what a session with web would do"),
            ("keepshell --idle-limit 10m explain web", "what an option would change"),
        ),
    ),
    Command(
        "probe",
        "[SSH OPTIONS] HOST",
        "read a host's idle timers",
        group=HOSTS,
        runs="probe:command",
        details="Reads a host's idle timers in one ordinary session and shows what beats each. "
        "Nothing is written on the host. keepshell remembers the timers, and later sessions act on "
        "them.",
        options=(
            ("--measure", "don't ask the host: let a test session of each level sit idle"),
            ("--floor TIME", "with --measure: the shortest limit to look for (default 30s)"),
            ("--limit TIME", "with --measure: the longest to wait for (default 20m)"),
            ("--script", "print the script, for ansible, clush or pssh to run on many hosts"),
            ("--read FILE", "read their output back (- for stdin), and list who didn't answer"),
            _JSON,
        ),
        follows=AS_SSH,
        takes_settings=True,
        examples=(
            ("keepshell probe web", "read web's idle timers once; later sessions know them"),
            ("keepshell probe --json -C web", "for programs, and with an option of ssh"),
        ),
    ),
    Command(
        "forget",
        "HOST",
        "delete what keepshell remembers about a host",
        group=HOSTS,
        runs="history:forget",
        details="Deletes the idle timers and past sessions that keepshell remembers of a host.",
        examples=(("keepshell forget web", "start over with web"),),
    ),
    Command(
        "init",
        "SHELL",
        "make `ssh` mean `keepshell ssh` in your shell, with completions",
        group=SET_UP,
        runs="completion:for_startup",
        details="Prints a function `ssh` and completions, for your shell's start-up file.",
        words=(
            Word("bash", "", 'for ~/.bashrc: eval "$(keepshell init bash)"', options=_NO_SSH),
            Word("zsh", "", 'for ~/.zshrc: eval "$(keepshell init zsh)"', options=_NO_SSH),
            Word("fish", "", "for config.fish: keepshell init fish | source", options=_NO_SSH),
            Word("nu", "", "keepshell init nu | save keepshell.nu; source that", options=_NO_SSH),
            Word("elvish", "", "for rc.elv: eval (keepshell init elvish | slurp)", options=_NO_SSH),
            Word("tcsh", "", 'for ~/.tcshrc: eval "`keepshell init tcsh`"', options=_NO_SSH),
        ),
        examples=(('eval "$(keepshell init bash)"', "the line for ~/.bashrc"),),
    ),
    Command(
        "shim",
        "",
        "put an `ssh` on PATH that keeps the ssh of scripts alive",
        group=SET_UP,
        runs="programs:shim",
        details="Puts ssh, scp and sftp into a directory of their own, and prints the line that "
        "puts that directory on PATH; removes them again; says whether they are in use.",
        words=(
            Word(
                "install",
                "",
                "write ssh, scp and sftp, and print the line for PATH",
                options=(
                    ("--dir DIR", "where to write them (default $XDG_DATA_HOME/keepshell/bin)"),
                ),
            ),
            Word("remove", "", "delete what install has written"),
            Word("status", "", "where the shim is, and whether it is in use"),
            Word("call", "", "", follows=AS_COMMAND, hidden=True),
        ),
        examples=(
            ("keepshell shim install", "write ssh, scp and sftp, and print the line for PATH"),
            ("keepshell shim remove", "remove them again"),
        ),
    ),
    Command(
        "config",
        "",
        "where config.toml is, what it says, and changes to it",
        group=SET_UP,
        runs="config:command",
        details="Shows and changes config.toml. A change is checked first, touches only its own "
        "line, and is shown. HOST is a host's name or a pattern as in ssh_config(5), or `default` "
        "for every host.",
        words=(
            Word("path", "", "where the file is"),
            Word("check", "", "whether it is valid; if not, what is wrong and where"),
            Word(
                "show",
                "",
                "the settings, in the order keepshell looks for them",
                options=(("--defaults", "also those that are not set"),),
            ),
            Word("edit", "", "open it in $VISUAL or $EDITOR, and check it afterwards"),
            Word("init", "", "write a file with every setting, explained and commented out"),
            Word("set", "HOST KEY=VALUE...", "set keys for a host, or for `default`"),
            Word("unset", "HOST KEY", "remove a key again"),
        ),
        examples=(
            ("keepshell config set web empty_line=true", "allow Enter at web's empty prompt"),
            ("keepshell config set default warn=true", "for every host"),
            ("keepshell config unset web empty_line", "remove a setting"),
            ("keepshell config show --defaults", "all settings, with where each was set"),
            ("EDITOR=true keepshell config edit", "in an editor of your choice"),
        ),
    ),
    Command(
        "doctor",
        "",
        "check the setup, and say how to fix what is wrong",
        group=SET_UP,
        runs="doctor:command",
        details="Checks the versions, which ssh is run, whether `ssh` in your shell and scripts is "
        "keepshell, config.toml, the directories where things are remembered, the terminal, and "
        "the hosts whose idle timers nothing you allow beats. Exits with 1 if something is wrong. "
        "Changes nothing.",
        options=(_JSON,),
        examples=(
            ("keepshell doctor", "check everything"),
            ("keepshell doctor --json", "for programs"),
        ),
    ),
    Command(
        "off",
        "PID|HOST",
        "stop the keepalives of a running session",
        group=SET_UP,
        runs="status:off",
        details="Switches off the keepalives of a running session. ssh's own ServerAlive requests "
        "go on.",
        examples=(("keepshell off web", "let web's idle timers do as they please"),),
    ),
    Command(
        "on",
        "PID|HOST",
        "start a session's keepalives again, after off",
        group=SET_UP,
        runs="status:on",
        details="Switches the keepalives of a running session on again.",
        examples=(("keepshell on web", "keep web's session alive again"),),
    ),
    Command(
        "help",
        "[COMMAND]",
        "this help, or the page of one command",
        group=SET_UP,
        runs="help:command",
        details="Prints this help, or the page of one command, as --help does.",
        examples=(("keepshell help probe", "the same as keepshell probe --help"),),
    ),
    Command(
        "man",
        "",
        "the manual",
        group=SET_UP,
        runs="man:command",
        details="Shows the manual with the system's man, which finds it on its own only if it is "
        "installed in a directory of its MANPATH.",
        examples=(("keepshell man | less", "the manual as plain text"),),
    ),
)

HIDDEN = (
    Command(
        "complete",
        "",
        "",
        group="",
        runs="complete:command",
        details="",
        examples=(),
        follows=AS_COMMAND,
    ),
)
"""What our own scripts call."""

FIRST = ("ssh", "status", "explain", "probe", "init")
"""The commands that `-h` shows."""

NOTES = (
    "Everything after `ssh` is ssh's own. A duration has a unit: 90s, 15m, 1h 30m.",
    f"Levels (--rung), from the lowest: {', '.join(rung.label for rung in RUNGS)}.",
)

FILES = (
    (
        "$XDG_CONFIG_HOME/keepshell/config.toml",
        'the same keys as the options, under [default] or [host."PATTERN"]',
    ),
)

ENVIRONMENT = (
    ("KEEPSHELL=0", "turns everything off; so do false, no and off"),
    ("KEEPSHELL_SSH=/path", "the ssh to run"),
    ("KEEPSHELL_HINTS=false", "no line after the first session with a host"),
)

EXIT_STATUS = (
    ("ssh's", "or that of the command that was run"),
    ("1", "nothing was found"),
    ("2", "keepshell can't read its command line or its configuration"),
    ("70", "keepshell failed"),
    ("126, 127", "the command of run or exec can't be run, or is not there"),
    ("130", "^C"),
)


def row_of(name: str) -> Command | None:
    """The row of a command by its name."""
    return next((command for command in (*COMMANDS, *HIDDEN) if command.name == name), None)
