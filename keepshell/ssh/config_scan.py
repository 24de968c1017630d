"""Whether ssh's configuration files can say something that matters, read without parsing them.

`ssh -G` knows exactly, and costs as much as starting ssh once more. Most users have no such line at
all, so the files are looked through for the keywords first: where none of them names one, ssh need
not be asked. Every doubt (an unreadable file, a pattern too clever for us) means: ask.

But asking runs the program of each `Match exec` that ssh comes to, a second time and beside the
first. If any file has one, ssh is never asked, and whatever the files mention is unknown.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SERVER_ALIVE = frozenset(
    (
        "batchmode",  # this and the next two: Debian's ssh makes each a ServerAliveInterval
        "protocolkeepalives",
        "setuptimeout",
        "serveralivecountmax",
        "serveraliveinterval",
    )
)
"""What matters to every call."""

SESSION = frozenset(
    (
        "controlpath",  # a client of a master sends no ServerAlive of its own
        "escapechar",
        "forkafterauthentication",
        "loglevel",
        "remotecommand",
        "requesttty",
        "sessiontype",
        "stdinnull",
    )
)
"""What matters as well to a call that may get a pty."""

TERMINAL = frozenset(("requesttty",))
"""What can give a pty to a remote command."""

SHARED = frozenset(("controlmaster", "controlpath"))
"""What makes a connection the user's own to share."""

TUNNELS = frozenset(("dynamicforward", "localforward", "remoteforward"))
"""What opens tunnels."""

HOST_NAME = frozenset(("canonicalizehostname", "hostname", "port", "user"))
"""Keywords that change under which name a host is known."""

SYSTEM_FILE = "/etc/ssh/ssh_config"
_SYSTEM_SSH = "/usr/bin/ssh"
_MOST_BYTES = 1 << 20
_MOST_FILES = 256  # ssh itself refuses an Include within 16 others (readconf.c)
_BLANKS = " \t\r"
_WILD = frozenset("*?[{")
_IN_PATTERNS = frozenset("*?!")
_NO_QUOTES = {ord(character): None for character in "\"'\\"}

_DEFAULTS = {"serveraliveinterval": "", "serveralivecountmax": "3"}
"""The digits of ssh's own default without leading zeros: `0`, `0s` and `none` are one."""
_ALIASES = {"protocolkeepalives": "serveraliveinterval", "setuptimeout": "serveraliveinterval"}
_SET_BY = {"serveraliveinterval": SERVER_ALIVE - {"serveralivecountmax"}}
"""What sets a keyword besides itself."""


class Found:
    """What a look through the files found."""

    __slots__ = ("_lines", "_mentioned", "_unseen", "ask", "executes", "once", "paths", "restated")

    def __init__(
        self, lines: Sequence[tuple[str, str]], *, ask: bool, unseen: bool, paths: Sequence[str]
    ) -> None:
        """`unseen`: whether ssh may read lines that are not among these."""
        self.executes = any(name == "match" and _executes(value) for name, value in lines)
        """Whether there is a `Match exec`: asking ssh would run its program."""
        self.ask = ask and not self.executes
        """Whether to ask `ssh -G`: it can answer something but the defaults."""
        self.restated = _restated(lines)
        """ServerAlive keywords that some line sets to ssh's own default, on purpose; in the answer
        of `ssh -G` that looks like a keyword that was never set."""
        self.once = unseen and not paths
        """Whether the file chosen can be read only once, by ssh."""
        self.paths = paths
        """Where the look has been: each file, and each directory where another may appear."""
        self._lines = lines
        self._mentioned = {name for name, _ in lines}
        self._unseen = unseen

    @property
    def hosts(self) -> list[str]:
        """The names after `Host`, in their order, without those that are patterns."""
        texts = (value.partition("#")[0] for name, value in self._lines if name == "host")
        words = [word for text in texts for word in text.translate(_NO_QUOTES).split()]
        return [word for word in words if _IN_PATTERNS.isdisjoint(word)]

    def may_set(self, name: str) -> bool:
        """Whether the files may set a keyword, for some host."""
        keyword = name.lower()
        return self._unseen or not self._mentioned.isdisjoint(_SET_BY.get(keyword, {keyword}))


def look(ssh: str, chosen: str | None, keywords: frozenset[str] = frozenset()) -> Found:
    """Look through the files this ssh reads: `chosen` (its -F), or the user's and the system's.

    An ssh from elsewhere than the system's place may have another system-wide file compiled in: it
    is always asked. What can be read only once, `chosen` or included, is left to ssh, which would
    find it empty if anything else had read it. It may set anything.
    """
    if chosen is not None and _can_be_read_once(chosen):
        return Found((), ask=False, unseen=True, paths=())
    walk = _Walk()
    program = os.path.realpath(ssh)
    is_elsewhere = chosen is None and program != _SYSTEM_SSH
    for path, folder in [*_files(chosen), *(_files_of(program) if is_elsewhere else ())]:
        walk.read(path, folder)
    ask = walk.doubts or is_elsewhere or any(keyword in keywords for keyword, _ in walk.lines)
    return Found(
        walk.lines,
        ask=ask and not walk.is_ssh_s_to_read,
        unseen=walk.doubts or walk.is_ssh_s_to_read,
        paths=walk.paths,
    )


def _executes(criteria: str) -> bool:
    """Whether `exec` is among the criteria of a Match, or a word that it may be read as."""
    words = criteria.lower().translate(_NO_QUOTES).replace("=", " ").replace(",", " ").split()
    return any(word.lstrip("!") == "exec" for word in words)


def _can_be_read_once(path: str) -> bool:
    """Whether it is a FIFO, a terminal or such: `ssh -F /dev/stdin`."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False  # ssh will say what is wrong
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode) and path != os.devnull


def _restated(lines: Sequence[tuple[str, str]]) -> frozenset[str]:
    found = set()
    for name, value in lines:
        keyword = _ALIASES.get(name, name)
        digits = "".join(filter(str.isdigit, value.partition("#")[0])).lstrip("0")
        if digits == _DEFAULTS.get(keyword):
            found.add(keyword)
    return frozenset(found)


def _files(chosen: str | None) -> list[tuple[str, str]]:
    """Each file with the folder that its relative Includes start from."""
    includes = os.path.expanduser("~/.ssh")  # ssh's glob(3) goes by HOME
    if chosen is not None:
        return [] if chosen.lower() == "none" else [(chosen, includes)]
    import pwd

    try:
        home = pwd.getpwuid(os.getuid()).pw_dir  # whatever HOME says
    except KeyError:
        return [(SYSTEM_FILE, os.path.dirname(SYSTEM_FILE))]  # ssh refuses an unknown user
    return [
        (os.path.join(home, ".ssh", "config"), includes),
        (SYSTEM_FILE, os.path.dirname(SYSTEM_FILE)),
    ]


def _files_of(program: str) -> list[tuple[str, str]]:
    """Where an ssh from elsewhere usually has its system-wide file."""
    etc = os.path.join(os.path.dirname(os.path.dirname(program)), "etc")
    return [(f"{folder}/ssh_config", folder) for folder in (f"{etc}/ssh", etc)]


class _Walk:
    """A walk over files and what they include."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        """Keyword in lower case and the rest of the line, in whatever Host or Match block."""
        self.doubts = False
        """Whether ssh may find more in these files than the walk did."""
        self.is_ssh_s_to_read = False
        """Whether one of them, a FIFO say, can be read only once."""
        self.paths: list[str] = []
        self._seen: set[str] = set()

    def read(self, path: str, folder: str) -> None:
        """Add the lines of one file; its relative Includes start from `folder`."""
        self.paths.append(path)
        if path in self._seen:
            return
        self._seen.add(path)
        if len(self._seen) > _MOST_FILES:
            self.doubts = True
            return
        for line in self._text(path).split("\n"):
            keyword, value = _split(line.partition("\0")[0])
            if keyword == "include":
                for pattern in self._patterns(value):
                    for included in self._matching(os.path.join(folder, pattern)):
                        self.read(included, folder)
            elif keyword:
                self.lines.append((keyword, value))

    def _text(self, path: str) -> str:
        try:
            if _can_be_read_once(path):  # by ssh, that is: to open it is enough to spoil it
                self.is_ssh_s_to_read = True
                return ""
            with open(path, "rb", opener=_open_at_once) as file:
                if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    text = file.read(_MOST_BYTES)
                    self.doubts |= len(text) == _MOST_BYTES
                    return os.fsdecode(text)
                self.doubts |= path != os.devnull
        except FileNotFoundError:
            pass
        except OSError:
            self.doubts = True
        return ""

    def _patterns(self, value: str) -> list[str]:
        """What an Include names; more than it does is harmless, fewer is not."""
        self.doubts |= any(character in value for character in "\\$%")
        patterns = value.split()
        if '"' in value or "'" in value:
            import shlex

            try:
                patterns = shlex.split(value)
            except ValueError:
                self.doubts = True
        paths = [os.path.expanduser(pattern) for pattern in patterns]
        return [*paths, *(os.path.expandvars(path) for path in paths if "$" in path)]

    def _matching(self, path: str) -> list[str]:
        """The files that a pattern may mean: more than it does, by its start and its end."""
        if _WILD.isdisjoint(path):
            return [path]
        self.doubts |= "{" in path  # whatever this glob(3) makes of it
        parent, pattern = os.path.split(path)
        found = []
        for folder in self._matching(parent):
            names = [pattern] if _WILD.isdisjoint(pattern) else self._listed(folder, pattern)
            found += [os.path.join(folder, name) for name in names]
        return found

    def _listed(self, folder: str, pattern: str) -> list[str]:
        self.paths.append(folder)
        wild = [at for at, character in enumerate(pattern) if character in _WILD]
        listed = "[" in pattern or "{" in pattern  # a `*` in there is itself
        start, end = pattern[: wild[0]], "" if listed else pattern[wild[-1] + 1 :]
        try:
            names = os.listdir(folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError:
            self.doubts = True
            return []
        return [name for name in names if name.startswith(start) and name.endswith(end)]


def _split(line: str) -> tuple[str, str]:
    """The keyword in lower case and the rest (misc.c, strdelim()); empty where there is none.

    ssh takes one `=` before the keyword; more of them is more than it takes, and harmless here.
    """
    line = line.lstrip(_BLANKS + "=")
    end = min((at for at in map(line.find, _BLANKS + '="') if at >= 0), default=len(line))
    word, mark, rest = line[:end].lower(), line[end : end + 1], line[end + 1 :]
    if mark == '"':  # it ends a keyword, or puts it together from two parts
        quoted, _, rest = rest.partition('"')
        return (word + quoted.lower(), rest) if word or quoted else _split(rest)
    rest = rest.lstrip(_BLANKS)
    if mark != "=" and rest.startswith("="):
        rest = rest[1:].lstrip(_BLANKS)
    return word, rest


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO would wait for a writer
