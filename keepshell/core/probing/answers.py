"""What a host answers when it is probed, and the form in which findings are told.

Only lines with the run's own mark are an answer; banners, echoes and garbage are none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keepshell.core.rules.kinds import RuleKind

MARK = "=KEEPSHELL"


@dataclass(frozen=True)
class Report:
    """What the script has answered: keys with their values, in its order."""

    answers: tuple[tuple[str, str], ...] = ()

    def all(self, key: str) -> list[str]:
        return [value for found, value in self.answers if found == key]

    def last(self, key: str) -> str:
        """The last value; empty where there is none."""
        return (self.all(key) or [""])[-1]

    def has(self, key: str) -> bool:
        return bool(self.all(key))

    @property
    def begun(self) -> bool:
        """Whether the host runs scripts at all."""
        return self.has("begin")

    @property
    def complete(self) -> bool:
        return self.begun and self.has("end")


def read(output: str, nonce: str) -> Report:
    """The answers among all that came from the host; `nonce` is the one in the script's marks.

    A last line without its line feed is none: it may have been cut off.
    """
    prefix = f"{MARK} {nonce} "
    answers = []
    # No splitlines: only a line feed ends a line here, whatever a hostile file may contain.
    for line in output.split("\n")[:-1]:
        if line.startswith(prefix):
            key, _, value = line.removeprefix(prefix).rstrip("\r").partition(" ")
            answers.append((key, value))
    return Report(tuple(answers))


def first_words(output: str) -> str:
    """What a host that ran no script said instead: its first line that is not blank, shortened."""
    lines = (line.strip() for line in output.split("\n"))
    return next((line[:120] for line in lines if line), "")


_OPENSSH = re.compile(r"OpenSSH_(?:for_Windows_)?(\d{1,4})\.(\d{1,4})")
_SPOKEN = re.compile(
    r"^debug1: (?:Remote protocol version [^,\r\n]*, remote software version (?P<software>[^\r\n]*)"
    r"|Authenticating to (?P<address>[^\r\n]*) as '(?P<user>[^\r\n]*)')",
    re.MULTILINE,
)
"""A banner; and the line that follows it at once, which says whose it was."""

_THROUGH_MASTER = "debug1: mux_client_request_session"
_ASKS = "debug1: Sending command: "


def banner(messages: str, name: str, *, let_in: bool) -> str:
    """The server's software as its banner names it, out of what `ssh -v` printed.

    `name` is `user@hostname:port`: with a ProxyJump, other hosts speak first. If none is named so,
    the last one counts, provided it has let us in. Empty where there is none, as for the client of
    a ControlMaster.
    """
    last, banners = "", dict[str, str]()
    for spoken in _SPOKEN.finditer(messages):
        if spoken["software"] is None:
            banners[f"{spoken['user']}@{spoken['address']}".lower()] = last
        else:
            last = spoken["software"].strip()
    return banners.get(name.lower(), last if let_in else "")


def through_master(messages: str) -> bool:
    """Whether the session was one of a ControlMaster, by what `ssh -v` printed."""
    return any(line.startswith(_THROUGH_MASTER) for line in messages.split("\n"))


def lets_in(line: str, host: str, *, proxied: bool) -> bool:
    """Whether `ssh -v` says in this line that `host` has let us in, and not one on the way to it.

    `proxied`: there is a ProxyJump or a ProxyCommand.
    """
    by = f"authenticated to {host.lower()} ({'via proxy' if proxied else ''}"
    return line.lower().startswith(by) or line.startswith((_THROUGH_MASTER, _ASKS))


def openssh_version(software: str) -> tuple[int, int] | None:
    """Major and minor of OpenSSH; None for anything else."""
    match = _OPENSSH.search(software)
    return None if match is None else (int(match[1]), int(match[2]))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One timer, or a place where there could be one.

    `limit` is in seconds, None where unknown or none. With `holds`, it is a rule of this host, of
    this kind; nothing but a value could be wrong. `verdict` says what else it is, `note` what is
    to be known besides.
    """

    name: str
    where: str
    kind: RuleKind | None = None
    limit: float | None = None
    holds: bool = False
    resets: str = ""
    verdict: str = ""
    note: str = ""
