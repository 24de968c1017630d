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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# ssh.c's getopt string, without -1, which ssh refuses, and without -P, which took no value before
# OpenSSH 9.4 and takes one since.
_PLAIN = frozenset("246afgknqstvxACGKMNTVXYy")
_VALUED = frozenset("bceilmopBDEFIJLOQRSWw")

_ANSWERING = frozenset("VGQO")
_EXITING = frozenset("VQ")  # ssh answers at once and never looks at the words behind these
_ONCE = frozenset("WO")  # neither twice nor together
# -E and -y send ssh's messages to the user's log file and to syslog; -v makes more of them.
_NOT_PROBED = frozenset("EGvy")

# What a letter sets, whatever was set before; None stands for the value given with it.
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

# The settings that leave nobody at a terminal.
_UNATTENDED = (
    ("sessiontype", "none"),
    ("sessiontype", "subsystem"),
    ("stdinnull", "yes"),
    ("forkafterauthentication", "yes"),
    ("requesttty", "no"),
)

_ONLY_IN_FILES = frozenset({"host", "match", "include"})
# readconf.c, parse_command: the value is the rest of the line, quotes and all.
_WHOLE_LINE = frozenset(
    {"remotecommand", "proxycommand", "localcommand", "knownhostscommand", "proxyjump"}
)
# Debian's other names for ServerAliveInterval (its patch keepalive-extensions).
_ALIASES = {"protocolkeepalives": "serveraliveinterval", "setuptimeout": "serveraliveinterval"}

_LOG_LEVELS = ("QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG2", "DEBUG3")
_LOG_ALIASES = {"SILENT": "QUIET", "DEBUG1": "DEBUG"}

_SPACES = " \t\n\v\f\r"  # isspace(3)
_BLANKS = " \t\r\n"  # misc.c, WHITESPACE
_CONTROLS = frozenset(map(chr, [*range(0x20), 0x7F]))  # iscntrl(3)
_NOT_IN_A_HOST = _CONTROLS | frozenset("'`\"$\\;&<>|(){}, ")
_NOT_IN_A_USER = _CONTROLS | frozenset("'`\";&<>|(){}")
_ALPHANUMERIC = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_IN_A_URI_HOST = _ALPHANUMERIC | frozenset(".-_")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


class Unparsed(ValueError):  # noqa: N818 - it is no error: ssh runs anyway
    """This argv is ssh's to judge: run ssh with it unchanged. `str()` of it is the reason."""


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

    def option(self, keyword: str) -> str | None:
        """What the command line sets an ssh_config(5) keyword to, None if it does not.

        Letters that stand for a keyword count (-t RequestTTY, -q LogLevel, -e EscapeChar, ...).
        Switches are `yes` or `no`, also where `ssh -G` prints `true` or `false`; the log level of
        -q is QUIET, also where it prints SILENT. Of a keyword that adds up this is the first -o.
        """
        name = keyword.lower()
        return self._reading.settings.get(_ALIASES.get(name, name))

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
        return _switch(resolved.get(keyword, default) if value is None else value)

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
        raise ValueError("no host whose configuration could be resolved")
    reading = command._reading
    before, after = reading.options[: reading.before], reading.options[reading.before :]
    tail = ["--", *command.command] if command.command else []
    return ["-G", *_words(before), reading.destination, *_words(after), *tail]


def _words(options: Sequence[tuple[str, str]]) -> list[str]:
    """The probed options as words; values attached, lest a `--` stand before the destination."""
    words: list[str] = []
    for letter, value in options:
        if letter not in _NOT_PROBED:
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
        self.before = 0  # how many of the options stand before the destination
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
                raise Unparsed(f"-{letter} is no option known here")
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
            self.settings[keyword] = _checked(keyword, value) if setting is None else setting
        for keyword, again in _STEPS.get(letter, ()):
            self.settings[keyword] = again if self.settings.get(keyword) == "yes" else "yes"
        for keyword in _KEEPS.get(letter, ()):
            if keyword not in self.settings:  # ssh does not even look at a second -p
                self.settings[keyword] = _checked(keyword, value)
        if letter == "v":
            self.settings["loglevel"] = self.raised_level()
        if letter == "o":
            for keyword, setting in _read_line(value):
                self.settings.setdefault(keyword, setting)
        self.options.append((letter, value))
        self.exits = letter in _EXITING

    def refuse(self, letter: str) -> None:
        for refused, keyword, allowed in _EXCLUSIVE:
            if letter == refused and self.settings.get(keyword, allowed) != allowed:
                raise Unparsed(f"-{letter} contradicts an earlier {keyword}")
        if letter in _ONCE and (self.seen("W") or self.seen("O")):
            raise Unparsed("-W and -O stand alone")

    def raised_level(self) -> str:
        """The first -v overwrites the log level, each further one raises it by one."""
        if not self.seen("v"):
            return "DEBUG"
        above = _LOG_LEVELS.index(self.settings["loglevel"]) + 1
        return _LOG_LEVELS[min(above, len(_LOG_LEVELS) - 1)]

    def read_destination(self) -> None:
        self.destination = self.argv[self.at]
        self.at += 1
        self.before = len(self.options)
        port = ""
        if self.destination.startswith("ssh://"):
            user, self.host, port = _split_uri(self.destination.removeprefix("ssh://"))
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
        _check_user(self.settings.get("user", ""))
        host = self.host or ""
        if host.startswith("-") or not _NOT_IN_A_HOST.isdisjoint(host):
            raise Unparsed("the host has characters that ssh refuses")
        words = self.argv[self.at :]
        if not words and self.settings.get("sessiontype") == "subsystem":
            raise Unparsed("a subsystem is asked for and not named")
        if self.seen("y") and self.seen("E"):
            raise Unparsed("-y and -E exclude each other")
        if " ".join(words) and _switch(self.settings.get("remotecommand", "none")) != "none":
            raise Unparsed("there are two remote commands")

    def seen(self, letter: str) -> bool:
        return any(found == letter for found, _ in self.options)


def _check_user(user: str) -> None:
    """sshconnect.c, ssh_valid_ruser()."""
    if user.startswith("-") or " -" in user or user.endswith("\\"):
        raise Unparsed("the user's name has a form that ssh refuses")
    if not _NOT_IN_A_USER.isdisjoint(user):
        raise Unparsed("the user's name has characters that ssh refuses")


def _split_uri(rest: str) -> tuple[str, str, str]:
    """User, host and port of `ssh://rest`, each maybe empty (misc.c, parse_uri())."""
    login, at_sign, place = rest.partition("@")
    if not at_sign:
        login, place = "", rest
    name = login.partition(";")[0]
    if at_sign and not name:
        raise Unparsed("the URI has an @ and no user")
    start = place.find("]") if place.startswith("[") else 0
    ends = [end for end in (place.find(mark, start) for mark in ":/") if end >= 0]
    end = min(ends, default=len(place))
    host, path = place[:end], place[end + 1 :]
    port = ""
    if path and place[end] == ":":
        port, _, path = path.partition("/")
        port = _port(port)
    if path:
        raise Unparsed("the URI has a path")
    return _decode(name), _uri_host(host), port


def _uri_host(host: str) -> str:
    """misc.c, valid_domain(): it takes [name], and no [address] for the sake of its colons."""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if host[:1] not in _ALPHANUMERIC or ".." in host or not _IN_A_URI_HOST.issuperset(host):
        raise Unparsed("the URI has no host name that ssh takes")
    return host.removesuffix(".")


def _decode(text: str) -> str:
    """misc.c, urldecode(): `+` is a blank, `%41` a byte."""
    first, *escaped = text.replace("+", " ").split("%")
    decoded = first
    for piece in escaped:
        digits = piece[:2]
        if len(digits) != 2 or not _HEX_DIGITS.issuperset(digits) or digits == "00":
            raise Unparsed("the URI has a bad % escape")
        byte = int(digits, 16)
        # A byte that is no ASCII is a surrogate, as in sys.argv (PEP 383).
        decoded += chr(byte if byte < 0x80 else 0xDC00 + byte) + piece[2:]
    try:
        return decoded.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise Unparsed("the URI is not text") from error


def _port(text: str) -> str:
    """misc.c, a2port(): digits as strtoll(3) takes them, else the name of a service."""
    digits = text.lstrip(_SPACES).removeprefix("+")
    if digits.isascii() and digits.isdigit():
        number = digits.lstrip("0")
        if not number or len(number) > 5 or int(number) > 65535:
            raise Unparsed(f"{text!r} is no port")
        return number
    if not any(map(str.isalpha, text)) or any(map(str.isspace, text)):
        raise Unparsed(f"{text!r} is no port and no name of a service")
    return text


def _escape_char(text: str) -> str:
    """readconf.c, oEscapeChar: one byte, `^` and a letter, or none."""
    single = len(text) == 1 and (text < "\x80" or "\udc80" <= text <= "\udcff")
    control = len(text) == 2 and text[0] == "^" and "@" <= text[1] <= "\x7f"
    if not single and not control and text != "none":
        raise Unparsed(f"{text!r} is no escape character")
    return text


def _log_level(text: str) -> str:
    name = text.upper()
    name = _LOG_ALIASES.get(name, name)
    if name not in _LOG_LEVELS:
        raise Unparsed(f"{text!r} is no log level")
    return name


def _switch(text: str) -> str:
    """One word of readconf.c's multistate tables; `true` is its other name for `yes`."""
    word = text.lower()
    return {"true": "yes", "false": "no"}.get(word, word)


def _read_line(line: str) -> list[tuple[str, str]]:
    """The setting of an -o, or none, as readconf.c's process_config_line() reads it."""
    keyword, rest = _split_keyword(line[:1] + line[1:].rstrip(_BLANKS + "\f"))
    if not keyword:
        keyword, rest = _split_keyword(rest)
    if not keyword or keyword.startswith("#"):
        return []
    keyword = keyword.lower()
    keyword = _ALIASES.get(keyword, keyword)
    if keyword in _ONLY_IN_FILES:
        raise Unparsed(f"-o takes no {keyword}")
    if not rest:
        raise Unparsed(f"-o {keyword} lacks its value")
    arguments = _split_arguments(rest)
    if keyword in _WHOLE_LINE:
        return [(keyword, rest.lstrip(_BLANKS + "="))]
    if keyword in _VALUES and (len(arguments) != 1 or not arguments[0]):
        raise Unparsed(f"-o {keyword} takes one value")
    return [(keyword, _checked(keyword, " ".join(arguments)))]


def _split_keyword(line: str) -> tuple[str, str]:
    """misc.c, strdelim(): the first word, which ends at a blank, one `=` or a quote, and the rest.

    Both are empty where strdelim finds no second quote.
    """
    end = min((line.find(mark) for mark in _BLANKS + '="' if mark in line), default=len(line))
    word, mark, rest = line[:end], line[end : end + 1], line[end + 1 :]
    if mark == '"':
        quoted, mark, rest = rest.partition('"')
        return (word + quoted, rest.lstrip(_BLANKS)) if mark else ("", "")
    rest = rest.lstrip(_BLANKS)
    if mark != "=" and rest.startswith("="):
        rest = rest[1:].lstrip(_BLANKS)
    return word, rest


def _split_arguments(text: str) -> list[str]:
    """misc.c, argv_split(): words, quotes and backslashes, up to a word that begins with #."""
    arguments: list[str] = []
    quote = ""
    inside = False
    characters = iter(enumerate(text, 1))
    for following, character in characters:
        if not inside:
            if character in " \t":
                continue
            if character == "#":
                break
            arguments.append("")
            inside = True
        after = text[following : following + 1]
        if character == "\\" and after and (after in "'\"\\" or (after == " " and not quote)):
            arguments[-1] += after
            next(characters)
        elif character == quote:
            quote = ""
        elif quote or character not in " \t'\"":
            arguments[-1] += character
        elif character in "'\"":
            quote = character
        else:
            inside = False
    if quote:
        raise Unparsed("-o has a quote that does not end")
    return arguments


def _checked(keyword: str, value: str) -> str:
    """The value in one spelling; only the keywords in _VALUES have a rule. Raises Unparsed."""
    rule = _VALUES.get(keyword)
    return value if rule is None else rule(value)


def _choice(*choices: str) -> Callable[[str], str]:
    """The rule for a keyword that takes one of a few words."""

    def rule(text: str) -> str:
        word = _switch(text)
        if word not in choices:
            raise Unparsed(f"{text!r} is not one of {', '.join(choices)}")
        return word

    return rule


# How a single value must look for those keywords whose values matter here.
_VALUES: dict[str, Callable[[str], str]] = {
    "controlmaster": _choice("yes", "no", "auto", "ask", "autoask"),
    "escapechar": _escape_char,
    "forkafterauthentication": _choice("yes", "no"),
    "loglevel": _log_level,
    "port": _port,
    "requesttty": _choice("yes", "no", "force", "auto"),
    "sessiontype": _choice("none", "subsystem", "default"),
    "stdinnull": _choice("yes", "no"),
    "user": str,
}
