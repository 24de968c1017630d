"""How one call starts: ssh as it is, ssh with the keepalive options, or ssh inside our pty.

Whatever fails here before the pty's child has been spawned, ssh still runs.
"""

from __future__ import annotations

import os

from keepshell.config.load import Config, load
from keepshell.core.rules.policy import Policy, count_max
from keepshell.core.rules.rung import Rung
from keepshell.core.ssh import arguments as sshargs
from keepshell.errors import UsageError
from keepshell.ssh import client, config_scan
from keepshell.ssh.become import become
from keepshell.text.wording import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from keepshell.job import Job
    from keepshell.relay.attach import Attached
    from keepshell.ssh.host_name import Naming

_INTERVAL, _COUNT = _OPTIONS = ("ServerAliveInterval", "ServerAliveCountMax")
_SSH_DEFAULTS = {"serveraliveinterval": "0", "serveralivecountmax": "3"}
_QUIET_LEVELS = frozenset(("quiet", "silent", "fatal"))
_BELOW_INFO = _QUIET_LEVELS | {"error"}


class Call:
    """One call of ssh through keepshell: what was typed, and what became of it so far."""

    def __init__(
        self,
        arguments: Sequence[str],
        options: Mapping[str, str],
        environ: Mapping[str, str],
        *,
        policy: Policy | None = None,
    ) -> None:
        """`arguments` are ssh's, verbatim; `options` are ours, by their configuration key.

        A `policy` takes the place of all that configuration and options say.
        """
        self.arguments = list(arguments)
        self.path: str | None = None
        self.added: list[tuple[str, str, str]] = []
        """Options put in front of the user's: name, value, where the value came from."""
        self.in_pty = False
        self.why = ""
        self.on_terminal = _on_terminal()
        """What to decide for; set it to learn what would be."""
        self.policy = Policy()
        self.sources: Mapping[str, str] = {}
        """Of each setting of the policy: where its value comes from."""
        self._options = options
        self._environ = environ
        self._fixed = policy
        self._command: sshargs.SshCommand | None = None
        self._resolved: dict[str, str] = {}
        self._asked = False
        self._restated: frozenset[str] = frozenset()

    @property
    def argv(self) -> list[str]:
        """The command line to run; without a parsed command, what the user typed."""
        assert self.path is not None
        command = self._command
        if command is None:
            return [self.path, *self.arguments]
        pairs = [(name, value) for name, value, _ in self.added]
        return [self.path, *command.with_options(pairs).render()]

    def decide(self) -> None:
        """Find ssh, ask its configuration, choose the path and the options. Raises UsageError."""
        if self._environ.get("KEEPSHELL") == "0":
            self._find_named()
            self.why = "KEEPSHELL=0"
            return
        settings = load(self._environ)
        self._decide_policy(settings, [])
        try:
            command = sshargs.parse(self.arguments)
        except sshargs.Unparsed as reason:
            self._find_ssh()
            self.why = f"ssh is to answer for itself: {reason}"
            return
        self._decide_policy(settings, [command.host or ""])
        self._find_ssh()
        self._command = command
        if sshargs.route(command, {}) == sshargs.Route.ANSWER:
            self.why = "ssh only answers a question"
            return
        self._resolve(command, settings)
        names = [command.host or "", self._resolved.get("hostname", "")]
        self._decide_policy(settings, names)
        self._decide_route(command)
        self.added = self._server_alive(command)

    def _decide_policy(self, settings: Config, names: Sequence[str]) -> None:
        effective = settings.policy([name for name in names if name], self._options)
        if self._fixed is not None:
            self.policy, self.sources = self._fixed, effective.sources
            return
        self.policy, self.sources = effective.policy, effective.sources

    def _find_ssh(self) -> None:
        self.path = client.find(self._environ, self.policy.ssh, self.sources["ssh"])

    def _find_named(self) -> None:
        """Without a configuration."""
        named = self._environ.get("KEEPSHELL_SSH")
        self.path = client.find(self._environ, named, "KEEPSHELL_SSH")

    def _resolve(self, command: sshargs.SshCommand, settings: Config) -> None:
        """What ssh_config says, asked of ssh itself where it can matter."""
        assert self.path is not None
        keywords = config_scan.SERVER_ALIVE
        interactive = self.on_terminal and sshargs.route(command, {}) == sshargs.Route.PTY
        if interactive:
            keywords |= config_scan.SESSION
        elif self.on_terminal:
            keywords |= config_scan.TERMINAL
        if settings.has_hosts:
            keywords |= config_scan.NAMING
        found = config_scan.look(self.path, command.value("F"), keywords)
        self._restated = found.restated
        if not found.ask:
            return
        self._asked = True
        with client.Resolving(self.path, sshargs.probe_argv(command)) as resolving:
            if interactive:
                _import_early()
            self._resolved = resolving.answer()

    def _decide_route(self, command: sshargs.SshCommand) -> None:
        if not self.on_terminal:
            self.why = "stdin or stdout is not a terminal"
        elif sshargs.route(command, self._resolved) != sshargs.Route.PTY:
            self.why = "no terminal is asked for on the host"
        else:
            self.in_pty = True
            self.why = "an interactive session"

    def _server_alive(self, command: sshargs.SshCommand) -> list[tuple[str, str, str]]:
        """The ServerAlive options to add: none where the interval is the user's own choice."""
        policy, sources = self.policy, self.sources
        if policy.rung < Rung.SERVER_ALIVE or self._users(command, _INTERVAL) is not None:
            return []
        tolerance, interval = policy.outage_tolerance, policy.server_alive_interval
        source = sources["server_alive_interval"]
        count = self._users(command, _COUNT)
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

    def _users(self, command: sshargs.SshCommand, name: str) -> str | None:
        """The value that the user gave `name`, on the command line or in ssh_config."""
        typed = command.option(name)
        if typed is not None:
            return typed
        keyword = name.lower()
        value = self._resolved.get(keyword, _SSH_DEFAULTS[keyword])
        is_default = value == _SSH_DEFAULTS[keyword] and keyword not in self._restated
        return None if is_default else value

    def server_alive(self) -> list[tuple[str, str, str]]:
        """What ssh will use of the ServerAlive options: name, value, where the value comes from."""
        assert self._command is not None
        added = {name: (name, value, source) for name, value, source in self.added}
        return [added.get(name) or self._not_added(self._command, name) for name in _OPTIONS]

    def _not_added(self, command: sshargs.SshCommand, name: str) -> tuple[str, str, str]:
        if (typed := command.option(name)) is not None:
            return name, typed, "the command line"
        if (configured := self._users(command, name)) is not None:
            return name, configured, "ssh_config"
        return name, _SSH_DEFAULTS[name.lower()], "ssh's default"

    def job(self) -> Job:
        """The call as something to run in a pty."""
        from keepshell.job import Job

        assert self._command is not None
        job = Job(self.argv, client.deeper(self._environ), self.policy, is_ssh=True)
        job.escape_char = _escape_char(self._setting("EscapeChar", "~"))
        level = self._setting("LogLevel", "info").lower()
        job.explains = level not in _QUIET_LEVELS
        job.says_closed = level not in _BELOW_INFO
        job.name = self._command.host or job.name
        job.naming = self.naming
        return job

    def naming(self) -> Naming:
        """Begins to find out under which name the host is remembered. Raises OSError."""
        from keepshell.ssh.host_name import Naming

        assert self.path is not None
        assert self._command is not None
        # Not asked twice: an ssh -G that hangs would hang again.
        return Naming(self.path, self._command, self._resolved if self._asked else None)

    def _setting(self, name: str, default: str) -> str:
        assert self._command is not None
        typed = self._command.option(name)
        return self._resolved.get(name.lower(), default) if typed is None else typed

    def start(self) -> Attached:
        """Become ssh, or spawn it in a pty and return it. Raises what stands in the way."""
        if not self.in_pty:
            self.become()
        from keepshell.relay.attach import Attached

        return Attached(self.job())

    def become(self) -> NoReturn:
        """Replace this process by ssh; whatever is decided so far is used."""
        if self.path is None:
            self._find_named()
        become(self.argv[0], self.argv, client.deeper(self._environ))

    def describe(self) -> str:
        """What would be run, and where each added option came from."""
        import shlex

        way = "in a pty" if self.in_pty else "replacing keepshell"
        lines = [shlex.join(self.argv), f"  # {way}: {self.why}"]
        lines += [f"  # {name}={value}: {source}" for name, value, source in self.added]
        return "\n".join(lines)


def _import_early() -> None:
    """Import what a pty needs while `ssh -G` works; what fails now fails again when needed."""
    try:
        from keepshell.relay import attach  # noqa: F401
    except ImportError:
        return


def _on_terminal() -> bool:
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


def program(words: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """The command line of any program, with its path. Raises UsageError where there is none."""
    path = client.on_path(words[0], environ)
    if path is None:
        raise UsageError(f"{printable(words[0])}: no such program on PATH")
    return [path, *words[1:]]


def start(argv: Sequence[str], options: Mapping[str, str], environ: Mapping[str, str]) -> Attached:
    """Spawn any program in a pty, kept alive by window-changes, or become it where that is no use.

    Raises what stands in the way.
    """
    env = client.deeper(environ)
    if environ.get("KEEPSHELL") == "0" or not _on_terminal():
        become(argv[0], argv, env)
    effective = load(environ).policy([], options)
    from keepshell.job import Job
    from keepshell.relay.attach import Attached

    return Attached(Job(argv, env, effective.policy, is_ssh=False))


def reached(word: str, environ: Mapping[str, str]) -> str:
    """The name of the host that `ssh WORD` would reach, by our configuration and ssh's own.

    Raises UsageError.
    """
    call = Call(["--", word], {}, environ)
    call.decide()
    return call.naming().name()
