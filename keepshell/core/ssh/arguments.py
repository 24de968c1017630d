"""What a command line means to ssh(1): destination, options, remote command, and how to run it.

The grammar is that of OpenSSH 9.2's main() (ssh.c): getopt(3) up to the destination, getopt again
up to the remote command, the remote command verbatim. The first value of a setting wins, except
that most letters overwrite. What ssh refuses here is `Unparsed`, and so is a letter that is not in
the tables: the caller then runs ssh unchanged, and the user sees ssh's own words. Values that only
ssh can judge (ciphers, forwardings, names of services, keywords newer than this file) are passed
through, and ssh judges them a moment later.

Imported before ssh starts, so no `re`, no `typing`, no `dataclasses` (ARCHITECTURE.md, "Start-up").
"""

from __future__ import annotations

from keepshell.core.ssh.words import (
    ALIASES,
    LOG_LEVELS,
    Unparsed,
    check_host,
    check_user,
    checked,
    read_line,
    split_uri,
    switch,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["Route", "SshCommand", "Unparsed", "parse", "probe_argv", "remote_argv", "route"]

# ssh.c's getopt string, without -1, which ssh refuses, and without -P, which took no value before
# OpenSSH 9.4 and takes one since.
_PLAIN = frozenset("246afgknqstvxACGKMNTVXYy")
_VALUED = frozenset("bceilmopBDEFIJLOQRSWw")

_ANSWERING = frozenset("VGQO")
_EXITING = frozenset("VQ")  # ssh answers and never looks at the words after these
_ONCE = frozenset("WO")  # neither twice nor together
# -E and -y send ssh's messages to the user's log file and to syslog; -v makes more of them.
_NOT_PROBED = frozenset("EGvy")

# What a letter sets, whatever was set before; None means the value given with it.
_SETS: dict[str, tuple[tuple[str, str | None], ...]] = {
    "4": (("addressfamily", "inet"),),
    "6": (("addressfamily", "inet6"),),
    "a": (("forwardagent", "no"),),
    "A": (("forwardagent", "yes"),),
    "b": (("bindaddress", None),),
    "B": (("bindinterface", None),),
    "c": (("ciphers", None),),
    "C": (("compression", "yes"),),
    "e": (("escapechar", None),),
    "f": (("forkafterauthentication", "yes"), ("stdinnull", "yes")),
    "g": (("gatewayports", "yes"),),
    "I": (("pkcs11provider", None),),
    "k": (("gssapidelegatecredentials", "no"),),
    "K": (("gssapiauthentication", "yes"), ("gssapidelegatecredentials", "yes")),
    "m": (("macs", None),),
    "n": (("stdinnull", "yes"),),
    "N": (("sessiontype", "none"), ("requesttty", "no")),
    "q": (("loglevel", "QUIET"),),
    "s": (("sessiontype", "subsystem"),),
    "S": (("controlpath", None),),
    "T": (("requesttty", "no"),),
    "W": (("sessiontype", "none"), ("requesttty", "no")),
    "x": (("forwardx11", "no"),),
    "X": (("forwardx11", "yes"),),
    "Y": (("forwardx11", "yes"), ("forwardx11trusted", "yes")),
}

# What a letter sets to `yes`, and to this other value where it was `yes` before.
_STEPS = {"t": (("requesttty", "force"),), "M": (("controlmaster", "ask"),)}
# What a letter sets unless it was set before.
_KEEPS = {"l": ("user",), "p": ("port",), "J": ("proxyjump",)}
# A letter that ssh refuses after another value of this keyword than the one named.
_EXCLUSIVE = (
    ("N", "sessiontype", "none"),
    ("s", "sessiontype", "subsystem"),
    ("J", "proxyjump", None),
    ("J", "proxycommand", None),
)

# The settings that leave a session without a terminal.
_UNATTENDED = (
    ("sessiontype", "none"),
    ("sessiontype", "subsystem"),
    ("stdinnull", "yes"),
    ("forkafterauthentication", "yes"),
    ("requesttty", "no"),
)


class Route:
    """How a command must be run: one of three constants."""

    ANSWER = "answer"  # exec ssh with nothing added: what it prints is the purpose
    EXEC = "exec"  # exec ssh with options added
    PTY = "pty"


class SshCommand:
    """One ssh command line as ssh reads it; made by `parse`, immutable by convention.

    `host` is the name as typed, None only where ssh exits before it reads one (-V, -Q). `user` and
    `port` are those of the command line, None where ssh_config decides; a port given by a service's
    name stays a string. `command` is the remote command's words, verbatim.
    """

    __slots__ = ("_reading", "command", "host", "port", "user")

    def __init__(self, reading: _Reading) -> None:
        self._reading = reading
        self.command = () if reading.exits else reading.argv[reading.at :]
        self.host = reading.host
        self.user = reading.settings.get("user")
        port = reading.settings.get("port")
        self.port = int(port) if port is not None and port.isdigit() else port

    @property
    def flags(self) -> frozenset[str]:
        """The letters present, those that take a value included."""
        return frozenset(letter for letter, _ in self._reading.options)

    def value(self, letter: str) -> str | None:
        """The value of a letter that takes one: the first for -l, -p, -J, else the last.

        Of the letters that add up (-i, -L, -R, -D, -o) this is only the last one.
        """
        values = [value for found, value in self._reading.options if found == letter]
        if not values:
            return None
        return values[0] if letter in _KEEPS else values[-1]

    @property
    def forwards(self) -> list[tuple[str, str]]:
        """The tunnels typed with -L, -R and -D, in their order: the option and its value."""
        return [(f"-{key}", value) for key, value in self._reading.options if key in "LRD"]

    def option(self, keyword: str) -> str | None:
        """What the command line sets an ssh_config(5) keyword to, None if it does not.

        Letters that set a keyword count (-t RequestTTY, -q LogLevel, -e EscapeChar, ...).
        Switches are `yes` or `no`, also where `ssh -G` prints `true` or `false`; the log level of
        -q is QUIET, also where it prints SILENT. Of a keyword that adds up this is the first -o.
        """
        name = keyword.lower()
        return self._reading.settings.get(ALIASES.get(name, name))

    def with_options(self, added: Sequence[tuple[str, str]]) -> SshCommand:
        """The same command with `-o Name=value` for each pair in front of everything else.

        The first -o wins in ssh, so add only what the user did not set. Raises Unparsed for a pair
        that ssh would refuse.
        """
        words = [word for name, value in added for word in ("-o", f"{name}={value}")]
        return parse([*words, *self._reading.argv])

    def render(self) -> list[str]:
        """The argv, without argv[0], exactly as it was parsed."""
        return list(self._reading.argv)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SshCommand) and other.render() == self.render()

    def __hash__(self) -> int:
        return hash(self._reading.argv)

    def __repr__(self) -> str:
        return f"SshCommand({self.render()!r})"


def parse(argv: Sequence[str]) -> SshCommand:
    """Read `argv`, which is without argv[0]. Raises Unparsed."""
    reading = _Reading(tuple(argv))
    reading.read()
    return SshCommand(reading)


def route(command: SshCommand, resolved: Mapping[str, str]) -> str:
    """Which of `Route` the command takes.

    `resolved` is what `ssh -G` printed, keywords in lower case; it may be empty, and the command
    line beats it. Whether stdin and stdout are terminals is the caller's to ask.
    """
    if command.flags & _ANSWERING:
        return Route.ANSWER

    def setting(keyword: str, default: str = "") -> str:
        value = command.option(keyword)
        return switch(resolved.get(keyword, default) if value is None else value)

    if any(setting(keyword) == value for keyword, value in _UNATTENDED):
        return Route.EXEC
    runs = " ".join(command.command) != "" or setting("remotecommand", "none") != "none"
    return Route.EXEC if runs and setting("requesttty") not in ("yes", "force") else Route.PTY


def probe_argv(command: SshCommand) -> list[str]:
    """The argv, without argv[0], of the `ssh -G` that resolves this command's configuration.

    The remote command stays: `ssh -G` does not run it, and configurations may ask for it (`Match
    command`, OpenSSH 10.0). -E and -y go, because ssh would write to the user's log, and -v, so
    `loglevel` may come out differently. A `Match exec` runs its program, as for any `ssh -G`.
    Raises ValueError for a command without a host.
    """
    if command.host is None:
        raise ValueError("no host to resolve a configuration for")
    reading = command._reading
    before, after = reading.options[: reading.before], reading.options[reading.before :]
    tail = ["--", *command.command] if command.command else []
    return ["-G", *_words(before), reading.destination, *_words(after), *tail]


def without(command: SshCommand, letters: Collection[str]) -> list[str]:
    """The argv, without argv[0], of a command without some of its options, and of what it runs."""
    reading = command._reading
    return [*_words(reading.options, letters), reading.destination]


def remote_argv(command: SshCommand, last: Sequence[str], remote: str) -> list[str]:
    """The argv, without argv[0], that runs `remote` on the host, where nothing is run as typed.

    An empty `remote` is the login shell.
    `last` are options that come after those that were typed, and so beat their letters.
    """
    reading = command._reading
    words = [*_words(reading.options, left_out=()), *last, reading.destination]
    return [*words, remote] if remote else words


def _words(
    options: Sequence[tuple[str, str]], left_out: Collection[str] = _NOT_PROBED
) -> list[str]:
    """Options as words; values attached, lest a `--` come before the destination."""
    words: list[str] = []
    for letter, value in options:
        if letter not in left_out:
            words.append(f"-{letter}{value}")
            if letter in _VALUED and not value:
                words.append("")
    return words


class _Reading:
    """One walk over an argv in the order of ssh's main()."""

    __slots__ = ("argv", "at", "before", "destination", "exits", "host", "options", "settings")

    def __init__(self, argv: tuple[str, ...]) -> None:
        self.argv = argv
        self.at = 0  # the first word not yet read
        self.options: list[tuple[str, str]] = []
        self.before = 0  # how many of the options come before the destination
        self.settings: dict[str, str] = {}  # keyword in lower case → value
        self.destination = ""
        self.host: str | None = None
        self.exits = False  # a -V or -Q was read

    def read(self) -> None:
        self.read_options()
        if self.exits:
            return
        if self.at == len(self.argv):
            raise Unparsed("there is no destination")
        # ssh asks what the word is, not what getopt took it for: `-S -- host` ends the options too.
        terminated = self.at > 0 and self.argv[self.at - 1] == "--"
        self.read_destination()
        if not terminated:
            self.read_options()
        if not self.exits:
            self.check()

    def read_options(self) -> None:
        """All that getopt(3) returns before its -1."""
        while self.at < len(self.argv) and not self.exits:
            word = self.argv[self.at]
            if word == "--":
                self.at += 1
                return
            if not word.startswith("-") or word == "-" or not self.read_cluster(word):
                return

    def read_cluster(self, word: str) -> bool:
        """Read one word like `-4p22`.

        False if getopt stays at this word: it takes the 4 of `-4-`, then ends the options there.
        """
        for index, letter in enumerate(word[1:], 1):
            rest = word[index + 1 :]
            if letter in _VALUED:
                self.at += 1
                self.apply(letter, rest or self.next_word(letter))
                return True
            if letter == "-" and index > 1 and not rest:
                return False
            if letter not in _PLAIN:
                shown = word if letter == "-" and word.isprintable() else f"-{letter}"
                raise Unparsed(f"keepshell knows no ssh option {shown}")
            self.apply(letter, "")
            if self.exits:
                return True
        self.at += 1
        return True

    def next_word(self, letter: str) -> str:
        if self.at == len(self.argv):
            raise Unparsed(f"-{letter} lacks its value")
        self.at += 1
        return self.argv[self.at - 1]

    def apply(self, letter: str, value: str) -> None:
        """Change the settings as ssh does at this letter."""
        self.refuse(letter)
        for keyword, setting in _SETS.get(letter, ()):
            self.settings[keyword] = checked(keyword, value) if setting is None else setting
        for keyword, again in _STEPS.get(letter, ()):
            self.settings[keyword] = again if self.settings.get(keyword) == "yes" else "yes"
        for keyword in _KEEPS.get(letter, ()):
            if keyword not in self.settings:  # ssh does not even look at a second -p
                self.settings[keyword] = checked(keyword, value)
        if letter == "v":
            self.settings["loglevel"] = self.raised_level()
        if letter == "o":
            for keyword, setting in read_line(value):
                self.settings.setdefault(keyword, setting)
        self.options.append((letter, value))
        self.exits = letter in _EXITING

    def refuse(self, letter: str) -> None:
        for refused, keyword, allowed in _EXCLUSIVE:
            if letter == refused and self.settings.get(keyword, allowed) != allowed:
                raise Unparsed(f"-{letter} contradicts an earlier {keyword}")
        if letter in _ONCE and (self.seen("W") or self.seen("O")):
            raise Unparsed("-W and -O go alone")

    def raised_level(self) -> str:
        """The first -v overwrites the log level, each further one raises it by one."""
        if not self.seen("v"):
            return "DEBUG"
        above = LOG_LEVELS.index(self.settings["loglevel"]) + 1
        return LOG_LEVELS[min(above, len(LOG_LEVELS) - 1)]

    def read_destination(self) -> None:
        self.destination = self.argv[self.at]
        self.at += 1
        self.before = len(self.options)
        port = ""
        if self.destination.startswith("ssh://"):
            user, self.host, port = split_uri(self.destination.removeprefix("ssh://"))
        else:
            user, at_sign, self.host = self.destination.rpartition("@")
            if at_sign and not user:
                raise Unparsed("the destination has an @ and no user")
        if user:
            self.settings.setdefault("user", user)
        if port:
            self.settings.setdefault("port", port)

    def check(self) -> None:
        """What ssh refuses when it has read everything, before it opens a file."""
        check_user(self.settings.get("user", ""))
        check_host(self.host or "")
        words = self.argv[self.at :]
        if not words and self.settings.get("sessiontype") == "subsystem":
            raise Unparsed("a subsystem is asked for and not named")
        if self.seen("y") and self.seen("E"):
            raise Unparsed("-y and -E exclude each other")
        if " ".join(words) and switch(self.settings.get("remotecommand", "none")) != "none":
            raise Unparsed("there are two remote commands")

    def seen(self, letter: str) -> bool:
        return any(found == letter for found, _ in self.options)
