"""How ssh(1) reads a single word: a user, a host, a URI, the line of an -o, a keyword's value.

As OpenSSH 9.2 does, function by function; what it refuses is `Unparsed`.

Imported before ssh starts, so no `re`, no `typing`, no `dataclasses` (ARCHITECTURE.md, "Start-up").
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ONLY_IN_FILES = frozenset({"host", "match", "include"})
# readconf.c, parse_command: the value is the rest of the line, quotes and all.
_WHOLE_LINE = frozenset(
    {"remotecommand", "proxycommand", "localcommand", "knownhostscommand", "proxyjump"}
)
# Debian's other names for ServerAliveInterval (its patch keepalive-extensions).
ALIASES = {"protocolkeepalives": "serveraliveinterval", "setuptimeout": "serveraliveinterval"}

LOG_LEVELS = ("QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG2", "DEBUG3")
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
    """This argv is ssh's to judge: run ssh with it unchanged. Its `str()` is the reason."""


def check_user(user: str) -> None:
    """ssh.c, valid_ruser(), which Debian has in 9.2 already. Raises Unparsed."""
    if user.startswith("-") or " -" in user or user.endswith("\\"):
        raise Unparsed("the user's name has a form that ssh refuses")
    if not _NOT_IN_A_USER.isdisjoint(user):
        raise Unparsed("the user's name has characters that ssh refuses")


def check_host(host: str) -> None:
    """ssh.c, valid_hostname(). Raises Unparsed."""
    if host.startswith("-") or not _NOT_IN_A_HOST.isdisjoint(host):
        raise Unparsed("the host has characters that ssh refuses")


def split_uri(rest: str) -> tuple[str, str, str]:
    """User, host and port of `ssh://rest`, each maybe empty (misc.c, parse_uri()).

    Raises Unparsed.
    """
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
    if name not in LOG_LEVELS:
        raise Unparsed(f"{text!r} is no log level")
    return name


def switch(text: str) -> str:
    """One word of readconf.c's multistate tables; `true` is its other name for `yes`."""
    word = text.lower()
    return {"true": "yes", "false": "no"}.get(word, word)


def read_line(line: str) -> list[tuple[str, str]]:
    """The setting of an -o, or none, as readconf.c's process_config_line() reads it.

    Raises Unparsed.
    """
    keyword, rest = _split_keyword(line[:1] + line[1:].rstrip(_BLANKS + "\f"))
    if not keyword:
        keyword, rest = _split_keyword(rest)
    if not keyword or keyword.startswith("#"):
        return []
    keyword = keyword.lower()
    keyword = ALIASES.get(keyword, keyword)
    if keyword in _ONLY_IN_FILES:
        raise Unparsed(f"-o takes no {keyword}")
    if not rest:
        raise Unparsed(f"-o {keyword} lacks its value")
    arguments = _split_arguments(rest)
    if keyword in _WHOLE_LINE:
        return [(keyword, rest.lstrip(_BLANKS + "="))]
    if keyword in _VALUES and (len(arguments) != 1 or not arguments[0]):
        raise Unparsed(f"-o {keyword} takes one value")
    return [(keyword, checked(keyword, " ".join(arguments)))]


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


def checked(keyword: str, value: str) -> str:
    """The value in one spelling; only the keywords in _VALUES have a rule. Raises Unparsed."""
    rule = _VALUES.get(keyword)
    return value if rule is None else rule(value)


def _choice(*choices: str) -> Callable[[str], str]:
    """The rule for a keyword that takes one of a few words."""

    def rule(text: str) -> str:
        word = switch(text)
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
