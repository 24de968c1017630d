"""How one call starts: ssh as it is, ssh with the keepalive options, or ssh inside our pty.

`resolve` finds ssh and reads the command line and config.toml; `route` asks ssh's own configuration
where that can matter, and picks the way. Both return values that never change.
"""

from __future__ import annotations

import os

from keepshell import paths
from keepshell.config.load import Config, load, load_anyway
from keepshell.config.settings import is_off
from keepshell.core.rules.policy import Policy, count_max
from keepshell.core.rules.rung import Rung
from keepshell.core.ssh import arguments
from keepshell.errors import NoProgramError, NotRunnableError, UsageError
from keepshell.ssh import client, config_scan
from keepshell.ssh.exec import exec_program
from keepshell.text.wording import printable, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Final, NoReturn

    from keepshell.job import Job
    from keepshell.relay.attach import Attached
    from keepshell.ssh.host_name import NameLookup

_INTERVAL, _COUNT = SERVER_ALIVE = ("ServerAliveInterval", "ServerAliveCountMax")
_SSH_DEFAULTS = {"serveraliveinterval": "0", "serveralivecountmax": "3"}
_QUIET_LEVELS = frozenset(("quiet", "silent", "fatal"))
_BELOW_INFO = _QUIET_LEVELS | {"error"}
_NOT_KNOWN = "?"
_REFUSED = "ssh is to answer for itself"
_UNATTENDED = {
    "forkafterauthentication": "yes",
    "remotecommand": "?",
    "requesttty": "no",
    "sessiontype": "none",
    "stdinnull": "yes",
}
"""What leaves the session without a terminal; assumed where only ssh knows: in a pty, ssh without a
terminal on the host would not get what is typed."""
_TYPES_NOTHING = Rung.WINDOW_CHANGE
"""The highest rung that types nothing."""


class Resolved:
    """One call of ssh, as far as the command line and our configuration tell."""

    __slots__ = (
        "command",
        "config",
        "environ",
        "fixed",
        "options",
        "ssh",
        "typed",
        "warnings",
        "why",
    )

    def __init__(  # noqa: PLR0913 - one argument a slot
        self,
        ssh: str,
        typed: Sequence[str],
        environ: Mapping[str, str],
        *,
        command: arguments.SshCommand | None = None,
        config: Config | None = None,
        options: Mapping[str, Any] | None = None,
        fixed: Policy | None = None,
        warnings: Sequence[str] = (),
        why: str = "",
    ) -> None:
        self.ssh: Final = ssh
        """The path of the real ssh."""
        self.typed: Final = typed
        """ssh's arguments, verbatim."""
        self.environ: Final = environ
        self.command: Final = command
        """The arguments as ssh reads them; None where ssh is to run as typed."""
        self.config: Final = config or Config()
        self.options: Final = options or {}
        self.fixed: Final = fixed
        """The policy that takes the place of all that configuration and options say."""
        self.warnings: Final = warnings
        """What is wrong with the configuration, and done without."""
        self.why: Final = why
        """Why ssh is to run as typed."""

    @property
    def is_refused(self) -> bool:
        """Whether ssh is to run as typed since it can't read the arguments either."""
        return self.why.startswith(_REFUSED)


def resolve(
    typed: Sequence[str],
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    policy: Policy | None = None,
) -> Resolved:
    """Find ssh, and read what was typed and configured. Raises UsageError where there is no ssh.

    `typed` are ssh's arguments, `options` our own as `take_options` reads them. A `policy` takes
    the place of all that configuration and options say.
    """
    tried = client.led_back("ssh", typed, environ)
    if tried:
        return Resolved(_next_ssh(tried, environ), typed, environ, why=f"{tried[-1]} led back here")
    if is_off(environ):
        why = f"KEEPSHELL={environ['KEEPSHELL']}"
        return Resolved(_any_ssh(environ), typed, environ, why=why)
    config, warnings = load_anyway(environ)
    named, source = config.setting("ssh", options)
    named = policy.ssh if policy else named
    try:
        ssh = client.find(environ, named, source)
    except UsageError as error:
        if named is None or "ssh" in options:
            raise
        warnings.append(str(error))
        ssh = client.find(environ)
    try:
        command = arguments.parse(typed)
    except arguments.Unparsed as reason:
        why = f"{_REFUSED}: {reason}"
        return Resolved(ssh, typed, environ, warnings=warnings, why=why)
    return Resolved(
        ssh,
        typed,
        environ,
        command=command,
        config=config,
        options=options,
        fixed=policy,
        warnings=warnings,
    )


def examine(
    typed: Sequence[str], options: Mapping[str, Any], environ: Mapping[str, str]
) -> Resolved:
    """`resolve` for a command of our own, which is not about this call of ssh.

    KEEPSHELL=0 does not count. Raises UsageError for a configuration that can't be read.
    """
    switched_on = {name: value for name, value in environ.items() if name != "KEEPSHELL"}
    load(switched_on)
    resolved = resolve(typed, options, switched_on)
    for warning in resolved.warnings:
        raise UsageError(warning)
    return resolved


def _next_ssh(tried: Sequence[str], environ: Mapping[str, str]) -> str:
    """The real ssh, after those that led back to us. Raises UsageError."""
    path = client.which("ssh", environ, skip_shims=True, skipped=tried)
    if path is None and tried.count(tried[-1]) > 1:
        raise UsageError(
            f"{visible(tried[-1])} leads back to keepshell, and there is no other ssh on PATH; "
            "name the real one in KEEPSHELL_SSH"
        )
    return path or tried[-1]  # which may have had a reason of its own to call us


def holds_exist(environ: Mapping[str, str]) -> bool:
    """Whether any connection may be held: one look at a folder is all it costs everyone else."""
    folder = paths.hold_dir(environ)
    return folder is not None and os.path.isdir(folder)


def _any_ssh(environ: Mapping[str, str]) -> str:
    """The real ssh, without a configuration. Raises UsageError where there is none."""
    try:
        return client.find(environ, environ.get("KEEPSHELL_SSH"), "KEEPSHELL_SSH")
    except UsageError:
        return client.find(environ)


class HostSettings:
    """What a call gets for its host, by our configuration and ssh's own."""

    __slots__ = (
        *("added", "answer", "command", "found", "hold", "policy", "sources", "ssh"),
        "unanswered",
    )

    def __init__(
        self,
        resolved: Resolved,
        command: arguments.SshCommand,
        answer: Mapping[str, str] | None,
        found: config_scan.Found,
        *,
        on_terminal: bool = False,
    ) -> None:
        """`answer` is what `ssh -G` said, None without one; `found`, what ssh_config mentions.

        `on_terminal`: an interactive session is asked for.
        """
        self.ssh: Final = resolved.ssh
        self.command: Final = command
        self.answer: Final = answer
        self.found: Final = found
        names = [command.host or "", self.configured("HostName", "")]
        effective = resolved.config.policy([name for name in names if name], resolved.options)
        policy = resolved.fixed or effective.policy
        self.sources: Final = effective.sources
        """Of each setting of the policy: where its value comes from."""
        if self.option("EscapeChar", "~") is None and policy.rung > _TYPES_NOTHING:
            # After a no-op the escape character is ours to act on (ARCHITECTURE.md).
            policy, self.sources["rung"] = policy.up_to(_TYPES_NOTHING), self._unknown("EscapeChar")
        self.policy: Final = policy
        self.unanswered: Final = self._is_unanswered(resolved.environ)
        """Whether the host is known to answer no keepalive request."""
        # Of a shared connection's loss, a kept shell would learn too late.
        held = None if on_terminal and self.keeps_shell() else self._held(resolved.environ)
        self.hold: Final = "" if held is None else held[0]
        """The name of a live hold of this host, whose connection is used."""
        self.added: Final = (*_through(held), *self._added())
        """Options to put in front of the user's: name, value, where the value comes from."""

    def configured(self, name: str, default: str) -> str | None:
        """What ssh_config sets a keyword to; None where ssh alone knows."""
        if self.answer is None:
            return None if self.found.may_set(name) else default
        return self.answer.get(name.lower(), default)

    def option(self, name: str, default: str) -> str | None:
        """What ssh will go by, typed or configured; None where ssh alone knows."""
        typed = self.command.option(name)
        return self.configured(name, default) if typed is None else typed

    def keeps_shell(self) -> bool:
        """Whether an interactive session is to outlive its connection."""
        runs = " ".join(self.command.command) or self.option("RemoteCommand", "none")
        return bool(self.policy.reattach) and runs in ("", "none")

    def answer_or_worst(self) -> Mapping[str, str]:
        """What `ssh -G` said; without it, what would take the terminal away, if it may be set."""
        if self.answer is not None:
            return self.answer
        return {name: value for name, value in _UNATTENDED.items() if self.found.may_set(name)}

    def added_words(self) -> list[str]:
        """The added options as words of a command line."""
        return [word for name, value, _ in self.added for word in ("-o", f"{name}={value}")]

    def lookup(self) -> NameLookup:
        """Begins to find out under which name the host is remembered. Raises OSError."""
        from keepshell.ssh.host_name import NameLookup

        # Not asked twice: an ssh -G that hangs would hang again.
        answer = {} if self.answer is None and self.found.ask else self.answer
        return NameLookup(self.ssh, self.command, answer)

    def _is_unanswered(self, environ: Mapping[str, str]) -> bool:
        path = paths.unanswered(environ)
        if path is None or not os.path.exists(path):  # as nearly everywhere
            return False
        from keepshell.store import unanswered

        return unanswered.is_known(environ, lambda: self.lookup().name())

    @property
    def gives_up_after(self) -> float | None:
        """Seconds after which ssh ends a session whose host answers no request of ours."""
        if not self.added or self._has_master():
            return None
        interval, count = (float(value) for _, value, _ in self.server_alive())
        return interval * count if count >= 2 else None  # nothing is known of a single request

    def server_alive(self) -> list[tuple[str, str, str]]:
        """What ssh will use of the ServerAlive options: name, value, where the value comes from."""
        added = {row[0]: row for row in self.added}
        return [added.get(name) or self._not_added(name) for name in SERVER_ALIVE]

    @property
    def pings(self) -> bool:
        """Whether ssh itself will speak to a silent host: not as a client of a master."""
        _, interval, _ = self.server_alive()[0]
        has_master = self.hold or self._has_master()
        return interval.strip("0smhdw")[:1].isdecimal() and not has_master

    def _has_master(self) -> bool:
        """Whether a connection seems to be there that this call will share."""
        path = self.option("ControlPath", "none") or "none"
        return path.lower() != "none" and ("%" in path or os.path.exists(os.path.expanduser(path)))

    def _not_added(self, name: str) -> tuple[str, str, str]:
        if (typed := self.command.option(name)) is not None:
            return name, typed, "the command line"
        if (configured := self._users(name)) is not None:
            is_known = self.configured(name, "") is not None
            return name, configured, "ssh_config" if is_known else self._unknown(name)
        source = "the host answers none" if self.unanswered else "ssh's default"
        return name, _SSH_DEFAULTS[name.lower()], source

    def _held(self, environ: Mapping[str, str]) -> tuple[str, str] | None:
        """The name and the control path of a hold that has just proved to live, if there is one."""
        if not holds_exist(environ):
            return None
        from keepshell.hold import use

        return use.find(self.command, self.option, lambda: self.lookup().name(), environ)

    def _added(self) -> list[tuple[str, str, str]]:
        """The ServerAlive options to add: none where the interval is the user's own choice."""
        policy, sources = self.policy, self.sources
        if policy.rung < Rung.SERVER_ALIVE or self._users(_INTERVAL) is not None:
            return []
        if self.unanswered:
            return []
        tolerance, interval = policy.outage_tolerance, policy.server_alive_interval
        source = sources["server_alive_interval"]
        count = self._users(_COUNT)
        if count is None:
            counted = str(count_max(interval, tolerance))
            return [
                (_INTERVAL, str(interval), source),
                (_COUNT, counted, sources["outage_tolerance"]),
            ]
        if not count.isdecimal() or count == "0":
            return []
        # The count is the user's: only a longer interval keeps an outage from ending the session.
        longest = count_max(int(count), tolerance)
        return [(_INTERVAL, str(max(interval, longest)), f"{source}, {_COUNT} {count} is yours")]

    def _users(self, name: str) -> str | None:
        """The value that the user gave a ServerAlive option, typed or in ssh_config."""
        typed = self.command.option(name)
        if typed is not None:
            return typed
        keyword = name.lower()
        value = self.configured(name, _SSH_DEFAULTS[keyword])
        is_default = value == _SSH_DEFAULTS[keyword] and keyword not in self.found.restated
        return None if is_default else value or _NOT_KNOWN

    def _unknown(self, name: str) -> str:
        """Why only ssh knows the value of a keyword."""
        asking = "`ssh -G` does not answer"
        if self.found.executes:
            asking = "asking `ssh -G` would run the program of a `Match exec`"
        return f"ssh_config may set {name}, and {asking}"


def _through(held: tuple[str, str] | None) -> list[tuple[str, str, str]]:
    """The options that have ssh use a held connection: name, value, where the value comes from."""
    if held is None:
        return []
    name, path = held
    given = {"ControlPath": path, "ControlMaster": "no", "ClearAllForwardings": "yes"}
    return [(keyword, value, f"hold {name}") for keyword, value in given.items()]


class _Way:
    """How a call is to run: the whole command line, and why so."""

    __slots__ = ("argv", "settings", "why")

    def __init__(self, resolved: Resolved, why: str, settings: HostSettings | None = None) -> None:
        added = () if settings is None else settings.added_words()
        self.argv = [resolved.ssh, *added, *resolved.typed]
        self.settings: Final = settings
        self.why: Final = why


class Answer(_Way):
    """Replace keepshell by ssh as it was typed: it only answers, or says what is wrong."""


class Exec(_Way):
    """Replace keepshell by ssh, with the options added."""


class Pty(_Way):
    """Run ssh in a pty of ours, with the options added."""

    __slots__ = ("job",)

    def __init__(self, resolved: Resolved, why: str, settings: HostSettings) -> None:
        super().__init__(resolved, why, settings)
        self.job: Final = _job(self.argv, settings, resolved.environ)
        self.job.typed = resolved.typed
        if settings.keeps_shell():
            _keep(self.job, settings)
            self.argv = list(self.job.argv)


def route(resolved: Resolved, is_on_terminal: bool) -> Answer | Exec | Pty:
    """The way to run the call, for stdin and stdout on a terminal or not."""
    command = resolved.command
    if command is None:
        return Answer(resolved, resolved.why)
    if arguments.route(command, {}) == arguments.Route.ANSWER:
        return Answer(resolved, "ssh only answers a question")
    settings = _ask(resolved, command, is_on_terminal)
    if not is_on_terminal:
        return Exec(resolved, "stdin or stdout is not a terminal", settings)
    if arguments.route(command, settings.answer_or_worst()) != arguments.Route.PTY:
        return Exec(resolved, "no terminal is asked for on the host", settings)
    return Pty(resolved, "an interactive session", settings)


def _ask(resolved: Resolved, command: arguments.SshCommand, is_on_terminal: bool) -> HostSettings:
    """What ssh_config says, asked of ssh itself where it can matter."""
    keywords = config_scan.SERVER_ALIVE
    interactive = is_on_terminal and arguments.route(command, {}) == arguments.Route.PTY
    if interactive:
        keywords |= config_scan.SESSION
    elif is_on_terminal:
        keywords |= config_scan.TERMINAL
    if holds_exist(resolved.environ):
        keywords |= config_scan.HOST_NAME | config_scan.SHARED
    elif resolved.config.has_hosts:
        keywords |= config_scan.HOST_NAME
    found = config_scan.look(resolved.ssh, command.value("F"), keywords)
    answer = None
    if found.ask:
        with client.ConfigQuery(resolved.ssh, arguments.probe_argv(command)) as query:
            if interactive:
                _import_early()
            answer = query.answer()
    return HostSettings(resolved, command, answer, found, on_terminal=interactive)


def _import_early() -> None:
    """Import what a pty needs while `ssh -G` works; what fails now fails again when needed."""
    try:
        from keepshell.relay import attach  # noqa: F401
    except ImportError:
        return


def _job(argv: Sequence[str], settings: HostSettings, environ: Mapping[str, str]) -> Job:
    from keepshell.job import Job

    job = Job(argv, client.started("ssh", argv, environ), settings.policy, is_ssh=True)
    job.escape_char = _escape_char(settings.option("EscapeChar", "~") or "none")
    level = (settings.option("LogLevel", "info") or "quiet").lower()
    job.explains = level not in _QUIET_LEVELS
    job.says_closed = level not in _BELOW_INFO
    job.name = settings.command.host or job.name
    job.lookup = settings.lookup
    job.pings = settings.pings
    job.gives_up_after = settings.gives_up_after
    job.hold = settings.hold
    return job


_ALONE = (
    *("ConnectTimeout=8", "ConnectionAttempts=1", "ControlMaster=no", "ClearAllForwardings=yes"),
)
"""What a further connection is: one by itself. Its forwards may still be the lost one's."""


def _keep(job: Job, settings: HostSettings) -> None:
    """Have the host keep the job's shell, or have every connection run the user's command."""
    from keepshell.core.link import bootstrap
    from keepshell.core.link.header import Kept
    from keepshell.store.kept import REFUSED, fate

    client_name = os.uname().nodename
    policy, command = settings.policy, None
    if isinstance(policy.reattach, str):
        command = policy.reattach
    elif fate(job.env, job.typed) == REFUSED:
        command = ""
    job.kept = Kept(
        os.urandom(16).hex(), job.name, client_name, policy.reattach_keep, command=command
    )
    # The escape character would break the count of what was typed; -S none: no shared connection.
    raw = ("-tt", "-e", "none")

    def connection(remote: str, *, first: bool = False, attended: bool = True) -> list[str]:
        options = () if first else _ALONE if attended else ("BatchMode=yes", *_ALONE)
        words = [word for option in options for word in ("-o", option)]
        last = raw if first else (*raw, "-S", "none")
        words += [*settings.added_words(), *arguments.remote_argv(settings.command, last, remote)]
        return [settings.ssh, *words]

    first = bootstrap.command(client_name) if command is None else command
    job.argv, job.connection = connection(first, first=True), connection


def _escape_char(value: str) -> int | None:
    """EscapeChar as ssh reads it (ssh_config(5)): a character, `^` and a letter, or `none`.

    `ssh -G` prints a control character as `\\^A`.
    """
    value = value.removeprefix("\\") if len(value) == 3 else value
    if value.lower() == "none":
        return None
    if len(value) == 2 and value[0] == "^":
        return ord(value[1]) & 0x1F
    return ord(value) & 0xFF if len(value) == 1 else 0x7E


def describe(way: Answer | Exec | Pty) -> str:
    """What would be run, and where each added option came from."""
    import shlex

    kind = "in a pty" if isinstance(way, Pty) else "replacing keepshell"
    lines = [shlex.join(way.argv), f"  # {kind}: {way.why}"]
    settings = way.settings
    if settings is not None:
        lines += [f"  # {name}={value}: {source}" for name, value, source in settings.added]
        if isinstance(way, Pty) and way.job.kept is not None:
            shown = way.job.kept.command or "true"
            lines.append(f"  # reattach={shown}: {settings.sources['reattach']}")
    return "\n".join(lines)


def start(way: Answer | Exec | Pty, environ: Mapping[str, str]) -> Attached:
    """Become ssh, or spawn it in a pty and return it. Raises the error that prevents it."""
    if not isinstance(way, Pty):
        become(way, environ)
    if way.job.kept is not None:
        from keepshell.relay.attach_kept import AttachedKept

        return AttachedKept(way.job)
    from keepshell.relay.attach import Attached

    return Attached(way.job)


def become(way: Answer | Exec | Pty, environ: Mapping[str, str]) -> NoReturn:
    """Replace this process by ssh, without a pty."""
    exec_program(way.argv[0], way.argv, client.started("ssh", way.argv, environ))


def on_terminal() -> bool:
    """Whether stdin and stdout are terminals, and stdin the one that ssh would ask on.

    Under sshpass it is not: ssh asks on /dev/tty, which sshpass has made, and stdin is the user's.
    """
    if not (os.isatty(0) and os.isatty(1)):
        return False
    try:
        os.tcgetpgrp(0)
    except OSError:  # ENOTTY: not our controlling terminal
        return False
    return True


class Program:
    """Any program: its command line, and how it is kept alive."""

    __slots__ = ("argv", "name", "policy", "warnings")

    def __init__(
        self, words: Sequence[str], options: Mapping[str, Any], environ: Mapping[str, str]
    ) -> None:
        """Raises UsageError where there is no such program."""
        skipped = client.led_back(f"run {words[0]}", words[1:], environ)
        path = client.which(words[0], environ, skipped=skipped) or client.which(words[0], environ)
        if path is None and "/" in words[0] and os.path.exists(words[0]):
            raise NotRunnableError(f"{printable(words[0])}: not an executable file")
        if path is None:
            raise NoProgramError(f"{printable(words[0])}: no such program on PATH")
        self.name: Final = words[0]
        self.argv: Final = [path, *words[1:]]
        config, warnings = (Config(), []) if is_off(environ) else load_anyway(environ)
        self.policy: Final = config.policy([], options).policy
        self.warnings: Final[Sequence[str]] = warnings


def start_program(program: Program, environ: Mapping[str, str]) -> Attached:
    """Spawn a program in a pty, kept alive by window-changes, or become it where that is no use.

    Raises the error that prevents it.
    """
    env = client.started(f"run {program.name}", program.argv, environ)
    if is_off(environ) or not on_terminal():
        exec_program(program.argv[0], program.argv, env)
    from keepshell.job import Job
    from keepshell.relay.attach import Attached

    return Attached(Job(program.argv, env, program.policy, is_ssh=False))


def reached(word: str, environ: Mapping[str, str]) -> str:
    """The name of the host that `ssh WORD` would reach, by our configuration and ssh's own.

    The word itself where ssh would refuse it. Raises UsageError.
    """
    from keepshell.ssh.host_name import NameLookup

    resolved = examine(["--", word], {}, environ)
    if resolved.command is None:
        return word
    return NameLookup(resolved.ssh, resolved.command, None).name()
