"""`keepshell hold` and `release`: a connection that stays open, with its tunnels, and its end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from typing import Any

from keepshell import launch
from keepshell.cli.arguments import Typed
from keepshell.cli.held import clock
from keepshell.core.hold import tunnels
from keepshell.core.rules.durations import NoUnitError, with_unit
from keepshell.core.ssh import arguments
from keepshell.errors import NotFoundError, UsageError
from keepshell.hold import start
from keepshell.hold.supervisor import Hold
from keepshell.ssh import client, config_scan, host_name
from keepshell.store import holds
from keepshell.text.wording import printable, visible

_REFUSED = frozenset("MSOWtsGVQ")
"""Options that make something else of the connection."""
_POINTLESS = frozenset("fNnT")
"""Options of the usual `ssh -f -N -L ...`: a hold does what they are for."""
_FORKS = ("ForkAfterAuthentication", "no")
"""Undoes -f in ssh_config: `ssh -G` answers nothing to a call that forks without a command."""
_UNDONE = {"SessionType": "default", "StdinNull": "no"}
"""The others in ssh_config; OpenSSH before 8.7 knows none of them."""

_BUSY = 10.0
"""Seconds for which a supervisor may be busy moving tunnels to another connection."""


class Wanted:
    """The host to be held, resolved by one question to ssh, or by none."""

    __slots__ = ("environ", "host", "seconds", "ssh", "tunnels", "typed", "word")

    def __init__(
        self, typed: Sequence[str], settings: Mapping[str, Any], environ: Mapping[str, str]
    ) -> None:
        """`typed` are ssh's options and the host. Raises UsageError for what can't be held."""
        try:
            parsed = arguments.parse(typed)
        except arguments.Unparsed as reason:
            raise UsageError(f"hold expects a host and ssh's options: {reason}") from None
        if refused := sorted(parsed.flags & _REFUSED):
            letters = " ".join(f"-{letter}" for letter in refused)
            raise UsageError(f"hold makes a connection of its own: leave out {letters}")
        if parsed.command:
            raise UsageError(f"hold runs no command: {_instead(parsed, typed)}")
        parsed = arguments.parse(arguments.without(parsed, _POINTLESS))
        resolved = launch.examine(parsed.render(), settings, environ)
        keywords = config_scan.HOST_NAME | config_scan.TUNNELS | {key.lower() for key in _UNDONE}
        found = config_scan.look(resolved.ssh, parsed.value("F"), keywords)
        if found.once:
            raise UsageError(
                f"{printable(parsed.value('F') or '')} can be read only once, and a hold logs in "
                "again after a loss: give -F a file"
            )
        if found.may_set(_FORKS[0]):
            parsed = parsed.with_options([_FORKS])
        lines = None
        if found.ask or any(parsed.option(keyword) for keyword in config_scan.TUNNELS):
            with client.ConfigQuery(resolved.ssh, arguments.probe_argv(parsed)) as query:
                lines = query.lines()
        answer = client.first_values(lines or ())
        undone = [
            (keyword, value)
            for keyword, value in _UNDONE.items()
            if answer.get(keyword.lower(), value) != value
        ]
        self.environ = client.deeper(environ)
        self.word = parsed.host or ""
        self.ssh = resolved.ssh
        self.typed = [
            *(word for name, value in undone for word in ("-o", f"{name}={value}")),
            *parsed.render(),
        ]
        self.host = host_name.name_of(parsed, answer)
        names = [self.word, host_name.host_part(self.host)]
        self.seconds = resolved.config.policy(names, resolved.options).policy.hold_for
        if lines is not None:
            self.tunnels = tunnels.listed(lines)
        elif any(map(found.may_set, config_scan.TUNNELS)):
            self.tunnels = [tunnels.ALL]
        else:
            self.tunnels = parsed.forwards

    def hold(self, files: holds.Files, until: float) -> Hold:
        """What its supervisor is told."""
        return Hold(
            files, self.host, self.ssh, self.typed, self.tunnels, until, environ=self.environ
        )


def hold(typed: Typed) -> tuple[str, int]:
    """`hold [OPTIONS] [SSH OPTIONS] HOST`: log in, or move the end. Raises KeepshellError."""
    seconds = _seconds(typed.values.get("for"))
    lives = {record["name"]: record for record in holds.live(typed.environ)}
    again = lives.get(typed.words[0]) if len(typed.words) == 1 else None
    words = again["typed"] if again else typed.words
    wanted = Wanted(words, typed.settings, typed.environ)
    name = typed.values.get("name") or (again["name"] if again else wanted.word)
    files = holds.files_of(name, wanted.environ)
    if typed.has("print-config"):
        return _config(wanted.word, files), 0
    seconds = seconds or wanted.seconds
    known = lives.get(name)
    if known is not None and known["state"] != "needs-you":
        _check_same(known, wanted)
        return _move(files, seconds), 0
    start.enter_scope(wanted.environ)
    if known is not None:
        _end(known, files)
    until = time.time() + seconds
    start.begin(wanted.hold(files, until))
    with_tunnels = f", with {tunnels.shown(wanted.tunnels)}" if wanted.tunnels else ""
    held = f"{name} is held until {clock(until)}{with_tunnels}"
    return f"{held}\nto end it: keepshell release {name}", 0


def _instead(parsed: arguments.SshCommand, typed: Sequence[str]) -> str:
    """What to do about a command, which may be the time that belongs to --for: `hold 3h web`."""
    for word in (parsed.host or "", " ".join(parsed.command)):
        if word in typed and len(parsed.command) == 1 and _is_duration(word):
            rest = list(typed)
            rest.remove(word)
            line = visible(shlex.join(["keepshell", "hold", "--for", word, *rest]))
            return f"to hold for {word}: {line}"
    return "leave it out, and run it with keepshell ssh"


def _is_duration(word: str) -> bool:
    try:
        return with_unit(word) >= 1
    except ValueError:
        return False


def _check_same(known: Mapping[str, Any], wanted: Wanted) -> None:
    """Raises UsageError where the name is that of something else."""
    other = f"choose another name with --name, or: keepshell release {known['name']}"
    if known["host"] != wanted.host:
        host = printable(str(known["host"]))
        raise UsageError(f"{known['name']} is held already, for {host}: {other}")
    missing = [one for one in wanted.tunnels if tunnels.name_of(one) not in known["tunnels"]]
    if missing:
        shown = tunnels.shown(missing)
        raise UsageError(f"{known['name']} is held already, without {shown}: {other}")


def _move(files: holds.Files, seconds: float) -> str:
    """Have a hold end that many seconds from now. Raises UsageError."""
    until = time.time() + seconds
    if holds.ask(files, f"until {until}", _BUSY) is None:
        raise UsageError(
            f"{files.name}: its supervisor does not answer: keepshell release --now {files.name}"
        )
    answers = "" if holds.ask(files, "alive") == "yes" else "; it does not answer now"
    return f"{files.name} is held until {clock(until)}{answers}"


def _end(known: Mapping[str, Any], files: holds.Files) -> None:
    """End a hold that only a new login can bring back, and wait until it is gone."""
    holds.ask(files, "cut", _BUSY)
    give_up_at = time.monotonic() + _BUSY
    while holds.is_there(known) and time.monotonic() < give_up_at:
        time.sleep(0.02)


def release(typed: Typed) -> tuple[str, int]:
    """`release NAME|HOST... | --all [--now]`. Raises KeepshellError."""
    known = holds.names(typed.environ)
    chosen = known if typed.has("all") else [_called(word, known, typed) for word in typed.words]
    if not chosen:
        if typed.has("all"):
            return "nothing is held", 0
        raise UsageError("release needs a hold's name, or --all: keepshell release NAME")
    verb = "cut" if typed.has("now") else "release"
    return "\n".join(_released(name, verb, typed.environ) for name in chosen), 0


def _released(name: str, verb: str, environ: Mapping[str, str]) -> str:
    files = holds.files_of(name, environ)
    record = holds.read(name, environ)
    running = None if record is None else holds.sessions(record["socket"])
    if holds.ask(files, verb, _BUSY) is None:
        killed = record is not None and holds.kill(record)
        holds.remove(files)
        return f"{name}: its supervisor {'did not answer; it is killed' if killed else 'was gone'}"
    if verb == "cut":
        return f"{name}: cut"
    finishing = "" if running == 0 else "; sessions through it may finish"
    return f"{name}: released{finishing}"


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
        seconds = with_unit(text)
    except NoUnitError as error:
        raise UsageError(f"--for: {error}") from None
    except ValueError:
        raise UsageError(
            f"--for: expected a duration such as 3h, found {printable(text)}"
        ) from None
    if seconds < 1:
        raise UsageError(f"--for: expected a duration such as 3h, found {printable(text)}")
    return seconds


def _config(word: str, files: holds.Files) -> str:
    """For plain ssh: a snippet of ssh_config."""
    return f"Host {word}\n    ControlPath {files.link}\n    ControlMaster no"
