"""`keepshell hold` and `release`: a connection that stays open, with its tunnels, and its end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from keepshell import launch
from keepshell.cli.arguments import Typed
from keepshell.cli.held import clock
from keepshell.core.hold import tunnels
from keepshell.core.rules.durations import parse
from keepshell.core.rules.policy import Policy
from keepshell.core.ssh import arguments
from keepshell.errors import NotFoundError, UsageError
from keepshell.hold import start
from keepshell.hold.supervisor import Hold
from keepshell.ssh import client
from keepshell.store import holds
from keepshell.text.wording import printable

_REFUSED = frozenset("MSOWtsGVQ")
"""Options that make something else of the connection."""
_POINTLESS = frozenset("fNnT")
"""Options of the usual `ssh -f -N -L ...`: a hold does what they are for."""


class Wanted:
    """The host to be held, resolved."""

    __slots__ = ("environ", "host", "seconds", "ssh", "tunnels", "typed", "word")

    def __init__(
        self, typed: Sequence[str], settings: Mapping[str, Any], environ: Mapping[str, str]
    ) -> None:
        """`typed` are ssh's options and the host. Raises UsageError for what can't be held."""
        try:
            parsed = arguments.parse(_without(typed))
        except arguments.Unparsed as reason:
            raise UsageError(f"hold expects a host and ssh's options: {reason}") from None
        if refused := sorted(parsed.flags & _REFUSED):
            letters = " ".join(f"-{letter}" for letter in refused)
            raise UsageError(f"hold makes a connection of its own: leave out {letters}")
        if parsed.command:
            raise UsageError("hold runs no command: leave it out, and run it with keepshell ssh")
        resolved = launch.examine(parsed.render(), settings, environ)
        way = launch.route(resolved, is_on_terminal=False)
        if way.settings is None:
            raise UsageError(f"hold expects a host and ssh's options: {way.why}")
        self.environ = client.deeper(environ)
        self.word = parsed.host or ""
        self.ssh = resolved.ssh
        self.typed = parsed.render()
        self.host = way.settings.lookup().name()
        self.seconds = way.settings.policy.hold_for
        with client.ConfigQuery(self.ssh, arguments.probe_argv(parsed)) as query:
            self.tunnels = tunnels.listed(query.lines() or ())


def _without(typed: Sequence[str]) -> list[str]:
    """The words without what a hold does by itself."""
    kept = []
    for word in typed:
        if len(word) > 1 and word[0] == "-" and word[1] != "-" and set(word[1:]) <= _POINTLESS:
            continue
        kept.append(word)
    return kept


def hold(typed: Typed) -> tuple[str, int]:
    """`hold [OPTIONS] [SSH OPTIONS] HOST`: log in, or move the end. Raises KeepshellError."""
    seconds = _seconds(typed.values.get("for"))
    if len(typed.words) == 1 and typed.words[0] in holds.names(typed.environ):
        moved = _moved(typed.words[0], seconds, typed)
        if moved:
            return moved, 0
    wanted = Wanted(typed.words, typed.settings, typed.environ)
    name = typed.values.get("name") or wanted.word
    files = holds.files_of(name, wanted.environ)
    if typed.has("print-config"):
        return _config(wanted.word, files), 0
    known = holds.read(name, wanted.environ)
    if known is not None and holds.ask(files, "alive") is not None:
        if known["host"] != wanted.host:
            raise UsageError(
                f"{name} is held already, for {printable(str(known['host']))}: "
                f"choose another name with --name, or: keepshell release {name}"
            )
        return _until(name, files, seconds or wanted.seconds), 0
    start.enter_scope(wanted.environ)
    until = time.time() + (seconds or wanted.seconds)
    start.begin(
        Hold(
            files,
            wanted.host,
            wanted.ssh,
            wanted.typed,
            tunnels=wanted.tunnels,
            until=until,
            environ=wanted.environ,
        )
    )
    with_tunnels = f", with {tunnels.shown(wanted.tunnels)}" if wanted.tunnels else ""
    return (
        f"{name} is held until {clock(until)}{with_tunnels}; to end it: keepshell release {name}",
        0,
    )


def release(typed: Typed) -> tuple[str, int]:
    """`release NAME|HOST... | --all [--now]`. Raises KeepshellError."""
    known = holds.names(typed.environ)
    chosen = known if typed.has("all") else [_called(word, known, typed) for word in typed.words]
    if not chosen:
        if typed.has("all"):
            return "nothing is held", 0
        raise UsageError("release needs a hold's name, or --all: keepshell release NAME")
    verb = "cut" if typed.has("now") else "release"
    lines = []
    for name in chosen:
        files = holds.files_of(name, typed.environ)
        if holds.ask(files, verb) is None:
            holds.remove(files)
            lines.append(f"{name}: its supervisor was gone; its files are removed")
        else:
            ends = "cut" if verb == "cut" else "released; sessions through it may finish"
            lines.append(f"{name}: {ends}")
    return "\n".join(lines), 0


def _called(word: str, known: Sequence[str], typed: Typed) -> str:
    if word in known:
        return word
    reached = launch.reached(word, typed.environ) if known else ""
    for name in known:
        record = holds.read(name, typed.environ)
        if record is not None and record["host"] == reached:
            return name
    raise NotFoundError(f"no hold called {printable(word)}; see `keepshell status`")


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = parse(text)
    except ValueError:
        raise UsageError(
            f"--for: expected a duration such as 3h, found {printable(text)}"
        ) from None
    if seconds < 1:
        raise UsageError(f"--for: expected a duration such as 3h, found {printable(text)}")
    return seconds


def _moved(name: str, seconds: float | None, typed: Typed) -> str:
    """What to say once the end of a live hold has moved; nothing where it does not live."""
    files = holds.files_of(name, typed.environ)
    record = holds.read(name, typed.environ)
    if record is None or record["state"] == "needs-you" or holds.ask(files, "alive") is None:
        return ""
    return _until(name, files, seconds or Policy().hold_for)


def _until(name: str, files: holds.Files, seconds: float) -> str:
    until = time.time() + seconds
    if holds.ask(files, f"until {until}") is None:
        raise UsageError(f"{name}: its supervisor does not answer: keepshell release --now {name}")
    return f"{name} is held until {clock(until)}"


def _config(word: str, files: holds.Files) -> str:
    """For plain ssh: a snippet of ssh_config."""
    return f"Host {word}\n    ControlPath {files.link}\n    ControlMaster no"
