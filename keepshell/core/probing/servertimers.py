"""The idle timers of the server itself, sshd or dropbear: what its settings mean on its version.

The rules it keeps:

- the settings are those of the server that we hang from, never of one that merely is installed;
- the first value of a keyword counts, and one below a Match block only where that matches
  (sshd_config(5)); such a one is shown and not acted on;
- what a setting means depends on the version; on an unknown one it is not acted on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from keepshell.core.probing.answers import Finding, Report, openssh_version
from keepshell.core.rules import durations, patterns
from keepshell.core.rules.kinds import KINDS

_SHELL_CHANNEL = "session:shell"  # sshd_config(5), ChannelTimeout
_CHANNEL_TIMEOUT_SINCE = (9, 2)

_ANY_TRAFFIC = "any traffic, either way"

_PATCHED = "unless the distribution patched the old meaning back (possible; SONiC does)"
_MOVED = "some distributions took over the later, harmless meaning (possible)"


@dataclass(frozen=True)
class _Era:
    """What ClientAliveCountMax 0 means to the versions below `below`."""

    below: tuple[int, int]
    kills: bool
    resets: str = ""
    note: str = ""


# docs/idle-rules.md, measured with 7.4, 7.9, 8.1, 8.2, 9.2 and 10.5. Restored on a later version:
# sonic-net/sonic-buildimage#12591.
_COUNT_MAX_0 = (
    _Era((7, 6), True, _ANY_TRAFFIC),
    _Era((8, 2), True, note=f"ServerAlive alone fails while the host prints; {_MOVED}"),
    _Era((9999, 9999), False, note=_PATCHED),
)


@dataclass(frozen=True)
class _Setting:
    """One line that counts; `match` is the condition it is under."""

    keyword: str
    value: str
    where: str
    match: str = ""


@dataclass
class _Settings:
    lines: list[_Setting] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)

    def first(self, keyword: str, match: str = "") -> _Setting | None:
        found = (s for s in self.lines if s.keyword == keyword and s.match == match)
        return next(found, None)

    def conditions(self) -> list[str]:
        """The conditions of the Match blocks with a timer in them, in their order."""
        return list(dict.fromkeys(s.match for s in self.lines if s.match))


def findings(software: str, report: Report) -> Iterator[Finding]:
    """Those of the server; `software` is its banner, empty where unknown."""
    parents = _parents(report)
    dropbear = next((words for words in parents if _program(words).startswith("dropbear")), None)
    sshd = _sshd(parents)
    version = openssh_version(software) or openssh_version(of_program(report))
    if dropbear is not None or (sshd is None and software.startswith("dropbear")):
        yield _of_dropbear(dropbear)
    elif report.begun and (sshd is not None or version is not None):
        yield from _of_sshd(_read(report, sshd or []), version)
    else:
        name = f"timers of the server ({software})" if software else "timers of the server"
        where = "its banner" if software else "-"
        yield Finding(name=name, where=where, verdict="unknown")


def of_program(report: Report) -> str:
    """What the program of the sshd that we hang from calls itself; empty where there is none."""
    software = report.last("sshd-version").partition(",")[0]
    return software if _sshd(_parents(report)) and openssh_version(software) else ""


def _parents(report: Report) -> list[list[str]]:
    return [title.split("\t") for title in report.all("ancestor")]


def _sshd(parents: Sequence[Sequence[str]]) -> Sequence[str] | None:
    return next((words for words in reversed(parents) if "sshd" in _program(words)), None)


def _program(words: Sequence[str]) -> str:
    """`sshd` of `/usr/sbin/sshd` and of the title `sshd: user [priv]`."""
    return words[0].split(" ")[0].rstrip(":").rpartition("/")[2]


def _of_dropbear(words: Sequence[str] | None) -> Finding:
    kind, where = KINDS["dropbear-idle"], "the server's command line"
    if words is None:
        return Finding(name="dropbear -I", where="not visible", kind=kind, verdict="unknown")
    options = " ".join(words[1:])
    given = re.search(r"(?:^|\s)-I\s*(\d+)(?=\s|$)", options)
    if given is None:
        verdict = "not given: no idle timer, but for one compiled in"
        return Finding(name="dropbear -I", where=where, kind=kind, verdict=verdict)
    limit = float(given[1])
    name = f"dropbear -I {given[1]}"
    if not limit:
        return Finding(name=name, where=where, kind=kind, verdict="0 is none")
    return Finding(name=name, where=where, kind=kind, limit=limit, holds=True)


def _read(report: Report, title: Sequence[str]) -> _Settings:
    """The settings that sshd itself tells, or else those in its files."""
    typed = re.findall(r"-o[\s]*(\w+)[\s=]+(\S+)", " ".join(title))
    options = [_Setting(key.lower(), value, "sshd's command line") for key, value in typed]
    said = report.all("sshd-says")
    if not said:
        return _read_files(report, options)
    settings = _Settings(options)
    for line in said:
        keyword, value = _split(line.partition(" ")[2])
        settings.lines.append(_Setting(keyword, value, "sshd -T"))
    return settings


def _read_files(report: Report, options: list[_Setting]) -> _Settings:
    settings = _Settings(options)
    files: list[str] = []
    matches = [""]  # that of each open file: a Match in an included one ends with it
    for key, value in report.answers:
        if key == "config-file":
            files.append(value)
            matches.append(matches[-1])
        elif key == "config-end" and files:
            files.pop()
            matches.pop()
        elif key == "config-denied":
            settings.denied.append(value)
        elif key == "config-line" and files:
            number, _, text = value.partition(" ")
            keyword, content = _split(text)
            if keyword == "match":
                matches[-1] = "" if content.lower() == "all" else f"Match {content}"
            elif keyword != "include":
                where = f"{files[-1]}, line {number}"
                settings.lines.append(_Setting(keyword, content, where, matches[-1]))
    return settings


def _split(line: str) -> tuple[str, str]:
    """Keyword in lower case, and value, of a line of sshd_config."""
    keyword, _, value = re.sub(r"^\s*([^\s=]+)\s*=?\s*", r"\1 ", line).partition(" ")
    value = re.sub(r"(^|\s)#.*$", "", value).replace('"', "")
    return keyword.lower(), " ".join(value.split())


def _of_sshd(settings: _Settings, version: tuple[int, int] | None) -> Iterator[Finding]:
    found = list(_timers(settings, "", version))
    for match in settings.conditions():
        for finding in _timers(settings, match, version):
            verdict = f"only for `{match}`; {finding.verdict or 'an idle timer there'}"
            found.append(replace(finding, holds=False, verdict=verdict))
    for path in settings.denied:
        found.append(Finding(name="sshd_config", where=path, verdict="may not be read: unknown"))
    if not found:
        verdict = "none is set"
        found.append(Finding(name="sshd's idle timers", where="its settings", verdict=verdict))
    yield from found


def _timers(settings: _Settings, match: str, version: tuple[int, int] | None) -> Iterator[Finding]:
    """Those set under one condition; the empty one is none."""
    interval = settings.first("clientaliveinterval", match)
    count = settings.first("clientalivecountmax", match)
    if interval is None and count is not None and match:
        interval = settings.first("clientaliveinterval")
    if count is None:
        count = settings.first("clientalivecountmax")
    if interval is not None and (limit := _seconds(interval.value)) != 0:
        yield _client_alive(interval, limit, count, version)
    channels = settings.first("channeltimeout", match)
    if channels is not None:
        yield from _channel_timeout(channels, version)
    unused = settings.first("unusedconnectiontimeout", match)
    if unused is not None and (limit := _seconds(unused.value)) != 0:
        yield Finding(
            name=f"UnusedConnectionTimeout {unused.value}",
            where=unused.where,
            kind=KINDS["unused-connection"],
            limit=limit,
            verdict="ends connections without a channel (ssh -N, an idle master), no session",
        )


def _client_alive(
    interval: _Setting,
    limit: float | None,
    count: _Setting | None,
    version: tuple[int, int] | None,
) -> Finding:
    counted = "3" if count is None else count.value  # sshd_config(5): the default
    finding = Finding(
        name=f"ClientAliveInterval {interval.value}, CountMax {counted}",
        where=interval.where,
        kind=KINDS["client-alive"],
        limit=limit,
    )
    if limit is None or not counted.isdecimal():
        return replace(finding, verdict="not understood")
    if int(counted) > 0:
        verdict = "not an idle timer: it ends only a session whose client does not answer"
        return replace(finding, resets="a client that answers", verdict=verdict)
    if version is None:
        verdict = "an idle timer before OpenSSH 8.2, and harmless since; the version is unknown"
        return replace(finding, verdict=verdict)
    era = next(era for era in _COUNT_MAX_0 if version < era.below)
    if not era.kills:
        return replace(finding, verdict=f"never kills on this version, {era.note}")
    return replace(finding, holds=True, resets=era.resets, note=era.note)


def _channel_timeout(setting: _Setting, version: tuple[int, int] | None) -> Iterator[Finding]:
    """The first pattern that fits a shell's channel, and the one for all channels together."""
    pairs = [word.partition("=") for word in setting.value.split()]
    fitting = [pair for pair in pairs if pair[1] and patterns.matches([pair[0]], [_SHELL_CHANNEL])]
    everywhere = [pair for pair in pairs if pair[0].lower() == "global"]
    for pattern, _, text in (*fitting[:1], *everywhere[:1]):
        limit = _seconds(text)
        if limit == 0:
            continue
        finding = Finding(
            name=f"ChannelTimeout {pattern}={text}",
            where=setting.where,
            kind=KINDS["channel-timeout"],
            limit=limit,
        )
        if limit is None:
            yield replace(finding, verdict="not understood")
        elif version is not None and version < _CHANNEL_TIMEOUT_SINCE:
            yield replace(finding, verdict="this version knows no such setting")
        else:
            yield replace(finding, holds=True)


def _seconds(text: str) -> float | None:
    """As sshd reads a time; 0 for `none`, None for what is not understood."""
    if text.lower() == "none":
        return 0.0
    try:
        return durations.parse(text) if text else None
    except ValueError:
        return None
