"""`keepshell status`, `off` and `on`: whether the sessions that run will survive; their switch."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from keepshell.cli import attach, tables, words
from keepshell.cli import held as held_table
from keepshell.cli.tables import AT_RISK, GOOD, LOST, Column
from keepshell.core.rules.durations import describe
from keepshell.errors import NotFoundError, UsageError
from keepshell.link import connection
from keepshell.store import holds, kept, living
from keepshell.text import wording
from keepshell.text.wording import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from keepshell.cli.arguments import Typed
    from keepshell.store.living import Entry

_WATCH_EVERY = 1.0
"""Seconds between two looks of --watch."""


def command(typed: Typed) -> tuple[str, int]:
    """`status [--ask] [--line | --watch | --json]`. Raises UsageError."""
    forms = [name for name in ("line", "watch", "json") if typed.has(name)]
    if typed.has("ask") and forms not in ([], ["json"]):
        raise UsageError(f"--ask asks the hosts once, and not for --{forms[0]}")
    if len(forms) > 1:
        raise UsageError(f"--{forms[0]} and --{forms[1]} are two ways to show it; choose one")
    if typed.has("watch"):
        if not tables.on_terminal() or not sys.stdin.isatty():
            raise UsageError("--watch needs a terminal")
        _watch(typed.environ)
        return "", 0
    found = _looked_at(living.entries(typed.environ))
    if typed.has("line"):
        return line(found), 0
    held = holds.live(typed.environ)
    shells = kept.entries(typed.environ)
    if typed.has("ask"):
        shells = attach.ask(shells, typed.environ)
    if typed.has("json"):
        import json

        entries = [*found, *({"held": hold.pop("name"), **hold} for hold in held)]
        entries += [{"kept": shell.pop("name"), **shell} for shell in shells]
        return "\n".join(json.dumps({"schema": 1, **entry}) for entry in entries), 0
    lines = attach.lines(shells) if typed.has("ask") else attach.detached(shells)
    return _all(found, held, lines), 0


def _all(found: Sequence[Entry], held: Sequence[Mapping[str, Any]], shells: Sequence[str]) -> str:
    """The sessions, what is held, and the lines of the shells that their hosts keep."""
    others = [held_table.text(held), "\n".join(shells)]
    sessions = text(found) if found or not any(others) else ""
    return "\n\n".join(filter(None, [sessions, *others]))


def _looked_at(found: Sequence[Entry]) -> Sequence[Entry]:
    """An idle session wakes for nothing, and may not know yet that its host is silent."""
    for entry in found:
        if entry.get("silent_since") is None and entry["host"] and not entry["elsewhere"]:
            silent_for = connection.silent_for(entry["pid"])
            entry["silent_since"] = None if silent_for is None else time.time() - silent_for
    return found


def off(typed: Typed) -> tuple[str, int]:
    """`off PID|HOST`: no keepalives in live sessions. Raises NotFoundError where none is meant."""
    return _switch(typed, signal.SIGUSR1, "off; ssh's own ServerAlive requests go on")


def on(typed: Typed) -> tuple[str, int]:
    """`on PID|HOST`: keepalives again. Raises NotFoundError where no session is meant."""
    return _switch(typed, signal.SIGUSR2, "on")


class Outlook:
    """What will happen to one session, as far as is known."""

    __slots__ = ("cure", "kept_by", "next", "style")

    def __init__(self, entry: Entry, now: float) -> None:
        """`now` is in seconds since 1970."""
        self.style = GOOD
        self.kept_by = words.LEVELS.get(entry["rung"], entry["rung"])
        self.next = "-"
        self.cure = ""
        """The command that would help; empty where none would, or none is needed."""
        if entry["next"] is not None:
            self.next = f"in {describe(max(0.0, entry['next'] - now))}"
        if entry["off"]:
            self.kept_by = "switched off"
        if entry["stopped"]:
            self.style, self.kept_by, self.next = AT_RISK, "stopped: no keepalives", "-"
        silent_since = entry.get("silent_since")  # not in the file of an older keepshell
        if silent_since is not None:
            self.style, self.next = LOST, "-"
            self.kept_by = f"no answer for {describe(max(0.0, now - silent_since))}"
            return
        self._look_for_threats(entry)

    def _look_for_threats(self, entry: Entry) -> None:
        """The first idle timer that nothing resets, or that can't be reset at the moment."""
        threats = [limit for limit in entry.get("limits", ()) if not limit["beaten"]]
        if entry["hold"] or entry["off"] or entry["stopped"]:
            threats = list(entry.get("limits", ()))
        if not threats:
            if entry["hold"] and not entry["stopped"]:
                self.kept_by = f"waiting: {entry['hold']}"
            return
        first = min(threats, key=lambda limit: limit["limit"])
        left = first["limit"] - entry["user_idle"]
        name = f"{words.timer(first['rule'])} {describe(first['limit'])}"
        self.style = AT_RISK
        self.next = f"cut in {describe(left)}: {name}" if left > 0 else f"cut any time: {name}"
        if entry["stopped"]:
            return
        if not first["beaten"]:
            self.kept_by = "nothing helps"
            if first["setting"]:
                self.cure = wording.cure(str(entry["name"]), first["setting"])
        elif entry["off"]:
            self.cure = f"keepshell on {entry['pid']}"
        else:
            self.kept_by = f"waiting: {entry['hold']}"


_SHAPE = (
    Column(""),
    Column("HOST", least=12),
    Column("IDLE", 3, right=True),
    Column("KEPT BY", 2, least=14, yields=True),
    Column("SENT", 1, right=True),
    Column("NEXT", least=24),
)


def text(found: Sequence[Entry]) -> str:
    """The table; a command that would help is in its row where there is room, else below."""
    if not found:
        return "no session runs (ssh without a terminal is ssh alone, and not listed)"
    groups = _folded(found)
    styles = [outlook.style if outlook.style != GOOD else "" for _, outlook in groups]
    rows = [_row(entries, outlook) for entries, outlook in groups]
    cures = [outlook.cure for _, outlook in groups]
    return tables.with_cures(_SHAPE, rows, cures, styles=styles)


def _folded(found: Sequence[Entry]) -> list[tuple[list[Entry], Outlook]]:
    """Sessions of one host that fare alike, with the outlook of the one that is worst off."""
    now = time.time()
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in found:
        outlook = Outlook(entry, now)
        alike = (_name(entry), outlook.style, str(outlook.kept_by))
        groups.setdefault(alike, []).append(entry)
    folded = []
    for entries in groups.values():
        entries.sort(key=lambda entry: -float(entry["user_idle"]))
        folded.append((entries, Outlook(entries[0], now)))
    return folded


def _row(entries: Sequence[Entry], outlook: Outlook) -> list[str]:
    several = f" ({len(entries)})" if len(entries) > 1 else ""
    sent = sum(entry["keepalives"] for entry in entries)
    return [
        tables.mark(outlook.style),
        _name(entries[0]) + several,
        describe(entries[0]["user_idle"]),
        str(outlook.kept_by),
        str(sent or "-"),
        outlook.next,
    ]


def _name(entry: Entry) -> str:
    """What the user typed, and where, if that is not here."""
    name = str(entry["name"] or entry["host"])
    return f"{name} (on {entry['elsewhere']})" if entry["elsewhere"] else name


def line(found: Sequence[Entry]) -> str:
    """`3 kept, 1 !, 1 ✗` for a status bar; empty where no session runs."""
    now = time.time()
    styles = [Outlook(entry, now).style for entry in found]
    parts = [f"{styles.count(GOOD)} kept"] if found else []
    for style in (AT_RISK, LOST):
        if style in styles:
            parts.append(f"{styles.count(style)} {tables.mark(style)}")
    return ", ".join(parts)


def _watch(environ: Mapping[str, str]) -> None:
    """Show the table and a clock on the alternate screen, until q or ^C."""
    import select

    with contextlib.suppress(KeyboardInterrupt), _alternate_screen():
        while True:
            found = _looked_at(living.entries(environ))
            shells = attach.detached(kept.entries(environ))
            lines = _all(found, holds.live(environ), shells).splitlines()
            clock = time.strftime("%H:%M:%S")
            head = f"keepshell status  {clock}  (q ends)"
            room = max(3, os.get_terminal_size().lines) - 2
            shown = [tables.cut(head, tables.columns() or 80), "", *lines[:room]]
            body = "".join(f"{text_line}\x1b[K\n" for text_line in shown).removesuffix("\n")
            os.write(1, f"\x1b[H{body}\x1b[J".encode(errors="replace"))
            if select.select([0], [], [], _WATCH_EVERY)[0] and os.read(0, 64)[:1] in (
                b"q",
                b"Q",
                b"",
            ):
                return


@contextlib.contextmanager
def _alternate_screen() -> Iterator[None]:
    """No echo, no line editing, no cursor; all as before at the end."""
    import termios

    before = termios.tcgetattr(0)
    quiet = termios.tcgetattr(0)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    try:
        termios.tcsetattr(0, termios.TCSADRAIN, quiet)
        os.write(1, b"\x1b[?1049h\x1b[?25l")
        yield
    finally:
        os.write(1, b"\x1b[?25h\x1b[?1049l")
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def _switch(typed: Typed, signum: signal.Signals, state: str) -> tuple[str, int]:
    (word,) = typed.words
    chosen = _meant(word, living.entries(typed.environ), typed.environ)
    if not chosen:
        raise NotFoundError(
            f"no session with {visible(word)} is running; to list them: keepshell status"
        )
    lines = []
    for entry in chosen:
        living.send(entry, signum)
        lines.append(f"{_name(entry)} (pid {entry['pid']}): keepalives {state}")
    return "\n".join(lines), 0


def _meant(word: str, found: Sequence[Entry], environ: Mapping[str, str]) -> list[Entry]:
    if word.isdecimal():
        return [entry for entry in found if entry["pid"] == int(word)]
    named = any(entry["host"] == word for entry in found)
    reached = word if named or not any(e["host"] for e in found) else _reached(word, environ)
    of_host = [entry for entry in found if entry["host"] == reached]
    # As typed: the program of `run`, or a host that only the options of its own command reach.
    typed = [entry for entry in found if entry["name"] == word]
    hosts = {str(entry["host"]) for entry in typed}
    if not of_host and len(hosts) > 1:
        raise UsageError(f"{visible(word)} may be any of {', '.join(sorted(hosts))}")
    return of_host or typed


def _reached(word: str, environ: Mapping[str, str]) -> str:
    from keepshell import launch

    return launch.reached(word, environ)
