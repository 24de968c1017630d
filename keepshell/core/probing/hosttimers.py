"""The host's idle timers besides the server's: logind, the shell, tmux, reapers of terminals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from keepshell.core.probing.answers import Finding, Report
from keepshell.core.rules.kinds import KINDS

_FOREVER = 2**64 - 1  # microseconds: how logind says infinity on the bus
_UNITS = {
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 604800),
}
"""systemd.time(7), as far as anybody would use it here."""

_NO_SHELL_TIMER = ("dash", "fish", "rc", "nologin")
_WITH_TMOUT = {"bash": "tmout", "ksh": "tmout", "zsh": "zsh-tmout"}

_NOT_SET = "not set in a login without a terminal"
"""A start-up file may set it only where there is one, by tty(1) or by SSH_TTY."""


def findings(report: Report) -> Iterator[Finding]:
    """Those of a host on which the script ran."""
    yield from _logind(report)
    yield from _shell(report)
    yield from _tmux(report)
    yield from _reapers(report)


def _logind(report: Report) -> Iterator[Finding]:
    spoken = report.last("logind-bus").split()
    value, where = _in_logind_files(report)
    limit = _systemd_seconds(value)
    if len(spoken) == 2 and spoken[1].isdecimal():
        microseconds = int(spoken[1])
        limit = 0.0 if microseconds >= _FOREVER else microseconds / 1e6
        value, where = f"{limit:g}s", "logind, on the bus"
    if not value or limit == 0:
        return
    finding = Finding(
        name=f"StopIdleSessionSec={value}", where=where, kind=KINDS["logind"], limit=limit
    )
    verdict = "not understood" if limit is None else "logind does not run here"
    if limit is not None and report.has("logind-runs"):
        yield replace(finding, holds=True)
    else:
        yield replace(finding, verdict=verdict)


def _in_logind_files(report: Report) -> tuple[str, str]:
    """The value that counts, and its file.

    A drop-in comes after the main file, drop-ins by their names, and one in /etc instead of one of
    the same name elsewhere (logind.conf(5)); the script lists /etc last.
    """
    values: dict[tuple[bool, str], tuple[str, str]] = {}
    path, key = "", (False, "")
    for answer, text in report.answers:
        if answer == "logind-file":
            path = text
            key = (".conf.d/" in path, path.rpartition("/")[2])
            values.pop(key, None)
        elif answer == "logind-line" and path:
            value = text.partition("=")[2].strip()
            values[key] = (value, path)
    return values[max(values)] if values else ("", "")


def _systemd_seconds(text: str) -> float | None:
    """A time span of systemd.time(7); 0 for none, None for what is not understood."""
    if text in ("", "infinity"):
        return 0.0
    total, rest = 0.0, text.lower().strip()
    while rest:
        member = re.match(r"(\d+(?:\.\d+)?)\s*([a-z]*)\s*", rest)
        if member is None or member[2] not in _UNITS:
            return None
        total += float(member[1]) * _UNITS[member[2]]
        rest = rest[member.end() :]
    return total


def _shell(report: Report) -> Iterator[Finding]:
    shell = report.last("shell")
    name = shell.rpartition("/")[2]
    if report.has("autologout"):
        yield from _autologout(report.last("autologout"), name)
    elif report.has("tmout"):
        yield from _tmout(report, name)
    else:
        real = report.last("shell-is").rpartition("/")[2] or name
        quiet = real in _NO_SHELL_TIMER
        verdict = f"{real} has none" if quiet else "the shell did not answer: unknown"
        yield Finding(name="TMOUT", where=f"a login of {name or 'the shell'}", verdict=verdict)


def _tmout(report: Report, name: str) -> Iterator[Finding]:
    value, family = report.last("tmout").strip(), report.last("tmout-of")
    real = report.last("shell-is").rpartition("/")[2] or name
    where = f"a login of {name}"
    fixed = ", read-only" if report.has("tmout-readonly") else ""
    if value in ("", "0"):
        yield Finding(name="TMOUT", where=where, verdict=f"{_NOT_SET}{fixed}")
        return
    finding = Finding(name=f"TMOUT={value}{fixed}", where=where)
    if not value.isdecimal():
        yield replace(finding, verdict="not understood")
    elif family in _WITH_TMOUT:
        kind = KINDS[_WITH_TMOUT[family]]
        yield replace(finding, kind=kind, limit=float(value), holds=True)
    elif real in _NO_SHELL_TIMER:
        yield replace(finding, verdict=f"{real} ignores it")
    else:
        verdict = f"unknown whether {real} honours it"
        yield replace(finding, kind=KINDS["tmout"], limit=float(value), verdict=verdict)


def _autologout(value: str, name: str) -> Iterator[Finding]:
    """tcsh(1): minutes until it logs out, then perhaps minutes until it locks."""
    where, minutes = f"a login of {name}", (value.split() or ["0"])[0]
    if not minutes.isdecimal():
        yield Finding(name=f"autologout={value}", where=where, verdict="not understood")
    elif int(minutes) == 0:
        yield Finding(name="autologout", where=where, verdict=_NOT_SET)
    else:
        yield Finding(
            name=f"autologout={minutes}",
            where=where,
            kind=KINDS["autologout"],
            limit=int(minutes) * 60.0,
            holds=True,
        )


def _tmux(report: Report) -> Iterator[Finding]:
    value, where = report.last("tmux").strip(), "tmux, which runs"
    if not value:
        value, where = _in_tmux_files(report)
    if not value.isdecimal() or int(value) == 0:
        return
    yield Finding(
        name=f"lock-after-time {value}",
        where=where,
        kind=KINDS["tmux-lock"],
        limit=float(value),
        verdict=f'locks tmux and ends nothing; `rules = ["tmux-lock={value}"]` would keep it open',
    )


def _in_tmux_files(report: Report) -> tuple[str, str]:
    path, found = "", ("", "")
    for key, text in report.answers:
        if key == "tmux-file":
            path = text
        elif key == "tmux-line":
            words = text.split()
            found = (words[-1].strip("\"'"), path)
    return found


def _reapers(report: Report) -> Iterator[Finding]:
    running = report.all("reaper-runs")
    path, minutes = "", set[int]()
    for key, text in (*report.answers, ("reaper-file", "")):
        if key == "reaper-file":
            if path:
                yield _reaper(path, minutes, running)
            path, minutes = text, set()
        elif key == "reaper-line":
            minutes |= set(_idle_minutes(text.partition(" ")[2]))


def _idle_minutes(line: str) -> Iterator[int]:
    """autolog.conf(5): `idle=30`; timeouts(5): TIMES:TTYS:USERS:GROUPS:MAXIDLE:..., in minutes."""
    yield from (int(found) for found in re.findall(r"\bidle\s*=\s*(\d{1,6})\b", line))
    fields = line.split(":")
    if len(fields) > 4 and fields[4].strip().isdecimal():
        yield int(fields[4])


def _reaper(path: str, minutes: set[int], running: list[str]) -> Finding:
    """A limit only where the file has a single one: which line is whose is for the program."""
    name = "autolog" if path.endswith("autolog.conf") else "timeoutd"
    single = len(minutes) == 1 and min(minutes) > 0
    limit = min(minutes) * 60.0 if single else None
    finding = Finding(name=name, where=path, kind=KINDS["tty-idle"], limit=limit)
    if limit is not None and name in running:
        return replace(finding, holds=True)
    verdict = "its limit differs: see the file" if limit is None else ""
    if name not in running:
        verdict = "configured, and not seen to run"
    return replace(finding, verdict=verdict)
