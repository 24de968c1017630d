"""What ended a session, for the one line that the user gets and for learning the host's rules.

The rules it keeps:

- one ordered table, `_ROWS`; the first row that fits decides, and the last one always fits;
- known rules come first: a rule of the host that can end a session this way, and whose limit fits
  the silence it counts, names the ending;
- an ending that looks like another says so, in the sentence and in `alternatives`;
- words about a lost connection count only with the status of one, and only as ssh's last words
  (`evidence.py`); a shell's words only as the host's last, and after an idle time.

The texts and statuses were captured from ssh 9.2 and plink 0.78 (docs/idle-rules.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from keepshell.core.ending.evidence import Case, Evidence
from keepshell.core.rules.durations import describe
from keepshell.core.rules.kinds import KINDS, Rule

__all__ = ["Ending", "Evidence", "Kind", "classify"]

_QUOTE_SIZE, _NAME_SIZE = 60, 30
"""Characters shown of a server's words, and of a program's name."""


class Kind(Enum):
    """What ended a session; of several causes that look alike, the likeliest."""

    OWN_EXIT = "own-exit"
    SIGNAL_HERE = "signal-here"
    ESCAPE_QUIT = "escape-quit"
    MOVED = "moved"
    REMOTE_EXIT = "remote-exit"
    AUTH_FAILED = "auth-failed"
    HOST_KEY = "host-key"
    UNREACHABLE = "unreachable"
    NOT_BEGUN = "not-begun"
    UNKNOWN = "unknown"
    # From here on: ended from outside; an idle rule's ending has the name of its kind.
    CHANNEL_TIMEOUT = "channel-timeout"
    CLIENT_ALIVE = "client-alive"
    CLIENT_GAVE_UP = "client-gave-up"
    CONNECTION_IDLE = "connection-idle"
    DISCONNECTED = "disconnected"
    DROPBEAR_IDLE = "dropbear-idle"
    KILLED_HERE = "killed-here"
    LOGIND = "logind"
    MASTER_GONE = "master-gone"
    REMOTE_KILLED = "remote-killed"
    RESET = "reset"
    SERVER_ALIVE = "server-alive"
    SERVER_GONE = "server-gone"
    SESSION_IDLE = "session-idle"
    TMOUT = "tmout"
    STOP_IDLE = "stop-idle"
    TTY_IDLE = "tty-idle"
    UNANSWERED = "unanswered"

    @property
    def is_drop(self) -> bool:
        """Whether the session was ended from outside."""
        return self not in _NO_DROP


_NO_DROP = {
    Kind.OWN_EXIT,
    Kind.SIGNAL_HERE,
    Kind.ESCAPE_QUIT,
    Kind.MOVED,
    Kind.REMOTE_EXIT,
    Kind.AUTH_FAILED,
    Kind.HOST_KEY,
    Kind.UNREACHABLE,
    Kind.NOT_BEGUN,
    Kind.UNKNOWN,
}


@dataclass(frozen=True)
class Ending:
    """What ended a session.

    `sentence` is one printable line without prefix and line end, worth showing for a drop; about
    other endings ssh has said enough, or the user knows. `rule` is the kind of idle rule that the
    ending points to, by its name in `kinds.KINDS`, `idle` the silence in seconds after which it
    fired, if known, and `known` the rule that was known before and explains it.
    """

    kind: Kind
    sentence: str
    alternatives: tuple[Kind, ...] = ()
    rule: str | None = None
    idle: float | None = None
    known: Rule | None = None

    @property
    def is_drop(self) -> bool:
        """Whether the session was ended from outside."""
        return self.kind.is_drop


@dataclass(frozen=True)
class _Row:
    """Fits when each of `when` holds, `said` is in ssh's words and `shown` in the host's text.

    `idle` is the silence that the sentence calls {idle} and after which `rule` fired. `perhaps` is
    a second sentence, for a drop: what it looks like, or what else is known. `may_be` is the kind
    of rule it may be, though it teaches none.
    """

    kind: Kind
    sentence: str
    when: tuple[Callable[[Case], bool], ...] = ()
    said: bytes = b""
    shown: bytes = b""
    perhaps: str = ""
    idle: Callable[[Case], float | None] = Case.input_idle
    rule: str | None = None
    may_be: str | None = None
    alternatives: tuple[Kind, ...] = ()

    def fits(self, case: Case) -> bool:
        return (
            all(holds(case) for holds in self.when)
            and re.search(self.said, case.said) is not None
            and re.search(self.shown, case.shown) is not None
        )


_UP = (Case.in_session,)
_LOST = (Case.in_session, Case.failed)
_NOT_UP = (Case.before_session, Case.failed)

_EOL = rb"\r{1,2}\n"
_ZSH = rb"zsh: timeout" + _EOL + rb"\Z"
_SHELL = (
    rb"(?:(?:\a|: )timed out waiting for input(?:: auto-logout)?|auto-logout)(?:" + _EOL + rb")+\Z"
)
_RANG = rb"\a[^\x00-\x1f\x7f]{8,200}" + _EOL + rb"\Z"
_LEFT = rb"(?:\A|[\r\n])(?:exit|logout)" + _EOL + rb"\Z"
_GOES_DOWN = rb"(?i)the system (?:is going down|will (?:reboot|power off|halt))"
_BY_SERVER = rb"closed by (?:remote host|.* port \d+)|Remote side (?:unexpectedly )?closed"
_GIVES = rb'(?:from [^\r\n]*?:\d+: |type \d+ [^\r\n]*\r+\n")'
_REASON = _GIVES + rb'(?P<reason>[^\r\n"]+)'
_IDLE_REASON = _GIVES + rb'(?P<reason>[^\r\n"]*(?i:idle|inactiv(?:e|ity))[^\r\n"]*)'
_BROKEN = rb"Broken pipe|reset by|connection abort|(?:timed out|No route to host|unreachable)\r"
_FATAL = rb"(?:ssh_dispatch_run_fatal: [^\r\n]*|FATAL ERROR): (?P<reason>[^\r\n]+)"
_CLOSED = rb"onnection to [^\r\n]* closed\."
_NO_KEY = rb"Host key verification failed|FATAL ERROR: Host key"
_NO_LOGIN = rb"Permission denied|Too many authentication failures|No supported authentication"
_NO_HOST = rb"refused|Could not resolve|timed out|No route|unreachable|Unable to open connection"

_ROWS = (
    # The user's own doing, or a signal.
    _Row(Kind.ESCAPE_QUIT, "you left with the escape", (Case.quit_typed,)),
    _Row(Kind.MOVED, "the shell has moved to another terminal", (Case.moved,)),
    _Row(Kind.SIGNAL_HERE, "{signal} was sent to keepshell", (Case.passed_on,)),
    _Row(
        Kind.NOT_BEGUN,
        "{program} was ended by {signal} before the session began",
        (Case.before_session, Case.signalled),
    ),
    _Row(Kind.KILLED_HERE, "{program} was killed here by {signal}", (Case.signalled,)),
    # There was no session, and ssh said why.
    _Row(Kind.HOST_KEY, "ssh did not accept the host key", _NOT_UP, shown=_NO_KEY),
    _Row(Kind.AUTH_FAILED, "the login failed", _NOT_UP, shown=_NO_LOGIN),
    _Row(Kind.UNREACHABLE, "the host could not be reached", _NOT_UP, shown=_NO_HOST),
    _Row(Kind.NOT_BEGUN, "{program} failed before the session began", _NOT_UP),
    # The shell's own timer; the status is the last command's (bash, mksh), 0, or 14 (zsh).
    _Row(
        Kind.TMOUT,
        "zsh logged you out after {idle} without a key",
        (*_UP, Case.user_quiet),
        shown=_ZSH,
        rule="zsh-tmout",
        perhaps="That is its TMOUT",
    ),
    _Row(
        Kind.TMOUT,
        "the shell logged you out after {idle} without a command",
        (*_UP, Case.user_quiet),
        shown=_SHELL,
        idle=Case.user_idle,
        rule="tmout",
        perhaps="That is TMOUT, or tcsh's autologout",
    ),
    # bash in another language: a bell, one line, the end.
    _Row(
        Kind.TMOUT,
        "the shell rang the bell and ended after {idle} without a command",
        (*_UP, Case.user_quiet),
        shown=_RANG,
        idle=Case.user_idle,
        rule="tmout",
        alternatives=(Kind.REMOTE_EXIT,),
        perhaps="It looks like TMOUT, or the remote command had finished",
    ),
    # The connection was lost.
    _Row(
        Kind.UNANSWERED,
        "ssh gave up after {idle}: the host does not answer ServerAlive",
        (*_LOST, Case.unanswered),
        perhaps="The requests did reach its network",
        said=rb"Timeout, server ",
        idle=Case.host_idle,
    ),
    _Row(
        Kind.UNANSWERED,
        "ssh gave up after {idle}: the host does not answer ServerAlive",
        (*_LOST, Case.of_ssh, Case.hidden, Case.unanswered),
        perhaps="So it looks, with ssh's message hidden: the requests did reach the host's network",
        idle=Case.host_idle,
    ),
    _Row(
        Kind.SERVER_ALIVE,
        "the host no longer answered ServerAlive requests",
        _LOST,
        said=rb"Timeout, server ",
        alternatives=(Kind.RESET, Kind.SERVER_GONE),
        perhaps="You had typed nothing for {idle}: the network or the host was gone, or a"
        " firewall forgot the connection",
    ),
    _Row(
        Kind.SERVER_GONE,
        "the server closed it; the host had said that it was going down",
        _LOST,
        said=_BY_SERVER,
        shown=_GOES_DOWN,
    ),
    _Row(
        Kind.STOP_IDLE,
        "the server closed it after {idle} without input, despite keepalives",
        (*_LOST, Case.kept),
        said=_BY_SERVER,
        rule="stop-idle",
        alternatives=(Kind.SERVER_GONE,),
        perhaps="It looks like logind's StopIdleSessionSec or a bastion's limit, or sshd or the"
        " host was stopped",
    ),
    _Row(
        Kind.CONNECTION_IDLE,
        "the server closed it after {idle} without input or window-change",
        (*_LOST, Case.client_quiet),
        said=_BY_SERVER,
        idle=Case.client_idle,
        rule="connection-idle",
        alternatives=(Kind.STOP_IDLE, Kind.SERVER_GONE),
        perhaps="It looks like a timer on the connection, such as ClientAliveInterval or"
        " dropbear -I, or like logind; or sshd or the host was stopped",
    ),
    _Row(
        Kind.SERVER_GONE,
        "the server closed the connection while it was in use",
        _LOST,
        said=_BY_SERVER,
        perhaps="Either sshd or the host was stopped",
    ),
    _Row(
        Kind.DISCONNECTED,
        "the server disconnected after {idle} without input, despite keepalives",
        (*_LOST, Case.kept),
        said=_IDLE_REASON,
        perhaps='It said "{reason}"',
        rule="stop-idle",
    ),
    _Row(
        Kind.DISCONNECTED,
        "the server disconnected after {idle} without input or window-change",
        (*_LOST, Case.client_quiet),
        said=_IDLE_REASON,
        perhaps='It said "{reason}"',
        idle=Case.client_idle,
        rule="connection-idle",
    ),
    _Row(
        Kind.DISCONNECTED,
        "the server disconnected after {idle} without input",
        _LOST,
        said=_REASON,
        perhaps='It said "{reason}"',
    ),
    _Row(
        Kind.RESET,
        "the connection broke after {idle} without input, despite keepalives",
        (*_LOST, Case.kept),
        said=_BROKEN,
        may_be="stop-idle",
        alternatives=(Kind.SERVER_GONE,),
        perhaps="The network or the host was gone, or a firewall reset it",
    ),
    _Row(
        Kind.RESET,
        "the connection broke after {idle} without input or window-change",
        (*_LOST, Case.client_quiet),
        said=_BROKEN,
        idle=Case.client_idle,
        rule="connection-idle",
        alternatives=(Kind.SERVER_GONE,),
        perhaps="A firewall reset it, or the network or the host was gone",
    ),
    _Row(
        Kind.RESET,
        "the connection broke while it was in use",
        _LOST,
        said=_BROKEN,
        alternatives=(Kind.SERVER_GONE,),
        perhaps="It was reset, or the network or the host was gone",
    ),
    _Row(
        Kind.CLIENT_GAVE_UP,
        "{program} gave up the connection",
        _LOST,
        said=_FATAL,
        perhaps='It said "{reason}"',
    ),
    _Row(Kind.KILLED_HERE, "ssh was killed here by a signal", _LOST, said=rb"Killed by signal"),
    # The session was closed in good order: by the user, or without the user.
    _Row(
        Kind.OWN_EXIT,
        "you ended the session, status {status}",
        (*_UP, Case.exited, Case.typing),
    ),
    _Row(
        Kind.OWN_EXIT,
        "you left the shell with exit or ^D, status {status}",
        (*_UP, Case.exited),
        shown=_LEFT,
    ),
    _Row(
        Kind.MASTER_GONE,
        "the connection's master ended it after {idle} without input",
        _LOST,
        said=rb"Shared c" + _CLOSED,
        may_be="session-idle",
        alternatives=(Kind.CHANNEL_TIMEOUT, Kind.CLIENT_ALIVE, Kind.REMOTE_KILLED),
        perhaps="The master or its server was stopped, or it was ChannelTimeout, or the remote"
        " shell was killed",
    ),
    _Row(
        Kind.CHANNEL_TIMEOUT,
        "the server closed the channel after {idle} without input or output",
        (*_LOST, Case.user_quiet, Case.channel_quiet),
        said=_CLOSED,
        idle=Case.channel_idle,
        rule="channel-timeout",
        alternatives=(Kind.REMOTE_KILLED, Kind.REMOTE_EXIT),
        perhaps="It looks like ChannelTimeout, or the remote shell was killed or ended with"
        " status 255",
    ),
    _Row(
        Kind.REMOTE_KILLED,
        "the remote shell was killed, or ended with status 255",
        _LOST,
        perhaps="You had typed nothing for {idle}",
        said=_CLOSED,
        alternatives=(Kind.REMOTE_EXIT,),
    ),
    # Timing speaks without words.
    _Row(
        Kind.SESSION_IDLE,
        "ssh ended without a word after {idle} without input or output",
        (*_LOST, Case.of_ssh, Case.hidden, Case.user_quiet, Case.channel_quiet),
        idle=Case.channel_idle,
        rule="session-idle",
        alternatives=(Kind.RESET, Kind.REMOTE_KILLED, Kind.REMOTE_EXIT, Kind.KILLED_HERE),
        perhaps="A timer on the session, the network or a signal ended it: -q, LogLevel or a"
        " redirection hid ssh's message",
    ),
    # TERM, HUP, INT and QUIT leave only the status, as does whatever -q hides.
    _Row(
        Kind.KILLED_HERE,
        "ssh ended after {idle} without input, and gave no reason",
        (*_LOST, Case.of_ssh),
        alternatives=(Kind.UNKNOWN,),
        perhaps="A signal ended it here, or -q, LogLevel or a redirection hid its message",
    ),
    # plink says nothing when the channel is closed.
    _Row(
        Kind.CHANNEL_TIMEOUT,
        "plink ended after {idle} without input or output",
        (*_UP, Case.of_plink, Case.succeeded, Case.wordless, Case.channel_quiet),
        idle=Case.channel_idle,
        rule="channel-timeout",
        alternatives=(Kind.REMOTE_EXIT,),
        perhaps="It looks like ChannelTimeout, or the remote command had finished",
    ),
    _Row(
        Kind.REMOTE_EXIT, "the remote shell or command ended with status {status}", (Case.exited,)
    ),
    _Row(Kind.UNKNOWN, "how the session ended is unknown"),
)


def classify(evidence: Evidence, known: Iterable[Rule] = ()) -> Ending:
    """The ending that the evidence points to; there always is one.

    `known` are the rules of the host, the more certain first.
    """
    case = Case(evidence)
    row = next(row for row in _ROWS if row.fits(case))
    for rule in known:
        idle = _fired_after(rule, row, case)
        if idle is not None:
            return _explained(rule, idle, evidence)
    words = _words(row, case)
    sentence, perhaps = (text.format_map(words) for text in (row.sentence, row.perhaps))
    return Ending(
        kind=row.kind,
        sentence=_dropped(evidence, sentence, perhaps) if row.kind.is_drop else f"{sentence}.",
        alternatives=row.alternatives,
        rule=row.rule,
        idle=row.idle(case) if row.rule else None,
    )


def _dropped(evidence: Evidence, sentence: str, perhaps: str = "") -> str:
    """The line about a drop; with `keepshell: `, its first sentence fits into 100 columns."""
    return " ".join(
        f"{part}." for part in (f"session dropped: {sentence}", perhaps, _sent(evidence)) if part
    )


def _fired_after(rule: Rule, row: _Row, case: Case) -> float | None:
    """The silence after which a known rule may have ended the session; None if it has not."""
    kind = KINDS.get(row.rule or row.may_be or "")
    if kind is None or not (rule.kind is kind or rule.kind.name in kind.may_be):
        return None
    idles = (silence(case) for silence in _SILENCES[rule.kind.name])
    fitting = (idle for idle in idles if idle is not None and rule.kind.fires_at(idle, rule.limit))
    return next(fitting, None)


def _explained(rule: Rule, idle: float, evidence: Evidence) -> Ending:
    kind = rule.kind
    sentence = _dropped(evidence, f"{kind.owner} ended it after {describe(idle)} {kind.quiet}")
    ended_by = Kind.TMOUT if kind.does == "logs you out" else Kind(kind.name)
    return Ending(ended_by, sentence, rule=kind.name, idle=idle, known=rule)


_SILENCES: dict[str, tuple[Callable[[Case], float | None], ...]] = {
    **dict.fromkeys(("client-alive", "dropbear-idle", "connection-idle"), (Case.client_idle,)),
    "channel-timeout": (Case.channel_idle,),
    **dict.fromkeys(("logind", "stop-idle", "tty-idle", "zsh-tmout"), (Case.input_idle,)),
    "session-idle": (Case.channel_idle, Case.input_idle, Case.client_idle),
    **dict.fromkeys(("tmout", "autologout"), (Case.user_idle,)),
}
"""What each kind of rule counts (docs/idle-rules.md)."""


def _words(row: _Row, case: Case) -> dict[str, object]:
    evidence = case.evidence
    found = re.search(row.said, case.said)
    idle = row.idle(case)
    return {
        "idle": "some time" if idle is None else describe(idle),
        "program": _printable(evidence.program.encode(errors="replace"))[:_NAME_SIZE],
        "reason": _printable(found["reason"]) if found and "reason" in found.groupdict() else "",
        "signal": _signal_name(evidence.signal or evidence.forwarded),
        "status": evidence.exit_status,
    }


def _printable(text: bytes) -> str:
    """`text`, safe to show on one line; the other end may have written it."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in text[:_QUOTE_SIZE])


# Not the module `signal`: the core talks to no system.
_SIGNALS = {1: "HUP", 2: "INT", 3: "QUIT", 6: "ABRT", 9: "KILL", 11: "SEGV", 13: "PIPE", 15: "TERM"}


def _signal_name(number: int | None) -> str:
    return f"SIG{_SIGNALS[number]}" if number in _SIGNALS else f"signal {number}"


def _sent(evidence: Evidence) -> str:
    """What the drop came despite; empty where nothing had been sent, which explains nothing."""
    nudges = evidence.keepalives - evidence.no_ops
    counts = ((nudges, "window-change"), (evidence.no_ops, "harmless input"))
    named = [f"{count} {name}{'s' * (count > 1)}" for count, name in counts if count > 0]
    return f"keepshell had sent {' and '.join(named)}" if named else ""
