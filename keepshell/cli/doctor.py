"""`keepshell doctor`: whether everything that keepshell rests on is as it must be, and each cure.

Nothing is changed, and no host is asked.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from keepshell import launch, paths
from keepshell._version import VERSION
from keepshell.cli import tables, words
from keepshell.cli.arguments import Typed
from keepshell.cli.tables import AT_RISK, GOOD, LOST
from keepshell.config.load import Config, load
from keepshell.config.settings import is_off
from keepshell.core.rules.durations import exact
from keepshell.core.rules.kinds import Rule
from keepshell.core.rules.plan import Remedy, plan_for
from keepshell.core.rules.policy import Policy
from keepshell.errors import KeepshellError
from keepshell.ssh import client, config_scan, host_name
from keepshell.store.database import State
from keepshell.text import installed, wording
from keepshell.text.wording import visible

_OLDEST_SQLITE = (3, 31)
"""As store/database.py has it."""

_QUIET = frozenset(("quiet", "silent", "fatal", "error"))
_STATES = {GOOD: "good", AT_RISK: "warning", LOST: "bad"}
_WITHIN = 5.0  # seconds that a program gets which is asked


class Check(NamedTuple):
    """What was looked at, how it is, and the command or the line that would help."""

    about: str
    style: str
    says: str
    cure: str = ""


Look = Callable[[Mapping[str, str]], Iterator[Check]]


def command(typed: Typed) -> tuple[str, int]:
    """`doctor [--json]`: 1 where something is wrong."""
    checks = [check for look in _LOOKS for check in _found(look, typed.environ)]
    status = 1 if any(check.style == LOST for check in checks) else 0
    if typed.has("json"):
        import json

        found = [
            {"about": c.about, "state": _STATES[c.style], "says": c.says, "cure": c.cure or None}
            for c in checks
        ]
        return json.dumps({"schema": 1, "checks": found}), status
    return "\n".join(line for check in checks for line in _lines(check)), status


def _found(look: Look, environ: Mapping[str, str]) -> Iterator[Check]:
    """What one look finds; if it fails, as with files of two versions, the others go on."""
    try:
        yield from look(environ)
    except Exception as error:
        about = look.__name__.strip("_").replace("_", " ")
        yield Check(about, LOST, f"could not be checked: {type(error).__name__}: {error}")


def _lines(check: Check) -> Iterator[str]:
    text = f"{tables.mark(check.style)} {visible(check.about)}: {visible(check.says)}"
    for line in tables.wrapped(text, hanging="  "):
        yield tables.styled(line, "" if check.style == GOOD else check.style)
    if check.cure:
        yield f"    {visible(check.cure)}"


def _versions(environ: Mapping[str, str]) -> Iterator[Check]:
    python = ".".join(map(str, sys.version_info[:3]))
    here = os.path.dirname(installed.PACKAGE)
    yield Check("keepshell", GOOD, f"{VERSION} in {here}, Python {python} ({sys.executable})")
    again, _ = installed.ways(installed.PACKAGE)
    changed = installed.changed()
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        says = f"{changed[0]}{more}: missing, or not of {VERSION}; install keepshell again"
        yield Check("parts", LOST, says, again)
    yield from _others(environ)
    if is_off(environ):
        says = f"KEEPSHELL={environ['KEEPSHELL']} turns everything off"
        yield Check("environment", AT_RISK, says, "unset KEEPSHELL")


def _others(environ: Mapping[str, str]) -> Iterator[Check]:
    """Each further `keepshell`, and which one a shell finds."""
    first, *others = _programs(environ) or [""]
    for other in others:
        version = _output([other, "--version"]).removeprefix("keepshell ") or "no version"
        says = f"{other} ({version}) is there too; {first} is the one that runs"
        _, remove = installed.ways(other)
        yield Check("another keepshell", AT_RISK, says, remove or f"rm {shlex.quote(other)}")


def _programs(environ: Mapping[str, str]) -> list[str]:
    """Each `keepshell` there is: those on PATH, in its order, then those in the usual places."""
    folders = [*environ.get("PATH", os.defpath).split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    if environ.get("HOME"):
        folders.append(os.path.join(environ["HOME"], ".local", "bin"))
    found: dict[str, str] = {}
    for path in (os.path.join(folder, "keepshell") for folder in folders if folder):
        if os.path.isfile(path) and os.access(path, os.X_OK):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _real_ssh(environ: Mapping[str, str]) -> Iterator[Check]:
    try:
        named = environ.get("KEEPSHELL_SSH") or load(environ).policy([], {}).policy.ssh
    except KeepshellError:
        named = environ.get("KEEPSHELL_SSH")
    try:
        path = client.find(environ, named, "KEEPSHELL_SSH" if named else "")
    except KeepshellError as error:
        yield Check("ssh", LOST, str(error), "apt install openssh-client  # on Debian and Ubuntu")
        return
    said = _output([path, "-V"]) or "it does not tell its version"
    yield Check("ssh", GOOD, f"{path}, {said.splitlines()[0]}")
    level = dict(
        line.partition(" ")[::2] for line in _output([path, "-G", "keepshell.invalid"]).splitlines()
    ).get("loglevel", "info")
    if level.lower() in _QUIET:
        says = f"{level} in ssh_config hides why a session ended"
        yield Check("LogLevel", AT_RISK, says, "ssh -o LogLevel=INFO HOST  # or in ~/.ssh/config")


def _output(argv: list[str]) -> str:
    """What a program says on both outputs; empty where it can't be run or takes too long."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_WITHIN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).decode(errors="replace").strip()


_START_FILES = {
    "bash": (".bashrc", ".bash_profile", ".bash_aliases", ".profile"),
    "zsh": (".zshrc", ".zprofile", ".zshenv"),
    "fish": (".config/fish/config.fish", ".config/fish/conf.d"),
    "nu": (".config/nushell/config.nu",),
    "elvish": (".config/elvish/rc.elv",),
    "tcsh": (".tcshrc", ".cshrc"),
}
_APPEND = {
    "bash": "echo 'eval \"$(keepshell init bash)\"' >> ~/.bashrc",
    "zsh": "echo 'eval \"$(keepshell init zsh)\"' >> ~/.zshrc",
    "fish": "echo 'keepshell init fish | source' >> ~/.config/fish/config.fish",
}


def _in_front(environ: Mapping[str, str]) -> Iterator[Check]:
    """Whether what the user types as `ssh` is keepshell."""
    shell = os.path.basename(environ.get("SHELL", "bash"))
    first = client.which("ssh", environ)
    if first is not None and client.is_shim(first):
        yield Check("ssh in your shell", GOOD, f"is keepshell for you and for scripts: {first}")
        return
    if _names_keepshell(shell, environ.get("HOME", "")):
        yield Check(
            "ssh in your shell",
            GOOD,
            f"is keepshell, by {shell}'s start-up file",
        )
    else:
        cure = _APPEND.get(shell, f"keepshell init {shell}")
        yield Check(
            "ssh in your shell",
            AT_RISK,
            f"is not keepshell in {shell}, only `keepshell ssh` is",
            cure,
        )
    for name in ("GIT_SSH", "GIT_SSH_COMMAND", "RSYNC_RSH"):
        program = environ.get(name, "").partition(" ")[0]
        if program.startswith("/") and not client.is_shim(program):
            says = f"{environ[name]} goes past keepshell"
            yield Check(name, AT_RISK, says, f"export {name}=ssh  # and: keepshell shim install")


def _names_keepshell(shell: str, home: str) -> bool:
    for name in _START_FILES.get(shell, ()):
        path = os.path.join(home, name)
        files = (
            [os.path.join(path, file) for file in os.listdir(path)]
            if os.path.isdir(path)
            else [path]
        )
        for file in files:
            try:
                with open(file, errors="replace") as start_up:
                    if "keepshell" in start_up.read(1 << 20):
                        return True
            except OSError:
                continue
    return False


def _shim(environ: Mapping[str, str]) -> Iterator[Check]:
    from keepshell.shim import install

    try:
        text, status = install.command("status", None, environ)
    except KeepshellError as error:
        yield Check("shim", LOST, str(error))
        return
    if ": installed" in text and status:
        lines = text.splitlines()
        yield Check(
            "shim", AT_RISK, "is installed, but another ssh is found first", lines[-1].strip()
        )


def _configuration(environ: Mapping[str, str]) -> Iterator[Check]:
    path = paths.config_path(environ)
    try:
        load(environ)
    except KeepshellError as error:
        yield Check("configuration", LOST, str(error), "keepshell config edit")
        return
    there = path is not None and os.path.exists(path)
    yield Check(
        "configuration", GOOD, f"{path}" if there else "none; every setting has its default"
    )


def _state(environ: Mapping[str, str]) -> Iterator[Check]:
    version = sqlite3.sqlite_version_info
    text = sqlite3.sqlite_version
    if version < _OLDEST_SQLITE:
        yield Check("SQLite", AT_RISK, f"{text} is older than 3.31, the oldest that is tested")
    else:
        yield Check("SQLite", GOOD, text)
    folder = paths.state_dir(environ)
    try:
        known = State.of(environ).hosts()
    except KeepshellError as error:
        yield Check("state", LOST, str(error), f"ls -ld {folder or '$HOME'}")
        return
    live = next(iter(paths.live_dirs(environ)), None)
    for name, path in (("state", folder), ("live sessions", live)):
        if path is None or not _can_be_written(path):
            says = f"{path} can't be written, so nothing is remembered there"
            yield Check(name, LOST, says, f"ls -ld {path}")
        else:
            hosts = f", {words.count(len(known), 'host')}" if name == "state" else ""
            yield Check(name, GOOD, f"{path}{hosts}")


def _can_be_written(path: str) -> bool:
    if paths.is_anothers(path):  # where root may write, and does not
        return False
    while path != "/" and not os.path.lexists(path):
        path = os.path.dirname(path)
    return os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK)


def _terminal(environ: Mapping[str, str]) -> Iterator[Check]:
    if not environ.get("TMUX") or not _warns(environ):
        return
    passes = _output([shutil.which("tmux") or "tmux", "show", "-gv", "allow-passthrough"])
    if passes not in ("on", "all"):
        says = "keeps notifications (warn = true) from your terminal"
        yield Check("tmux", AT_RISK, says, "tmux set -g allow-passthrough on")


def _warns(environ: Mapping[str, str]) -> bool:
    try:
        return load(environ).policy([], {}).policy.warn
    except KeepshellError:
        return False


def _hosts(environ: Mapping[str, str]) -> Iterator[Check]:
    """The hosts that have an idle timer which nothing that is allowed beats."""
    try:
        state, config = State.of(environ), load(environ)
        known = {host: state.rules(host) for host in state.hosts()}
    except KeepshellError:
        return  # told already
    aliases = _aliases(config, environ)
    for host, rules in known.items():
        address = name = host_name.host_part(host) or host
        threats = _threats(rules, config.policy([address], {}).policy)
        for alias in aliases if threats else ():
            fewer = _threats(rules, config.policy([alias, address], {}).policy)
            if len(fewer) < len(threats) and _leads_to(alias, host, environ):
                name, threats = alias, fewer
        for remedy in threats:
            timer = f"{words.timer(remedy.rule.kind.name)} {exact(remedy.rule.limit)}"
            says = f"{timer} ends idle sessions, and nothing you allow beats it"
            cure = wording.cure(name, remedy.setting) if remedy.setting else ""
            yield Check(name, AT_RISK, says, cure)


def _threats(rules: Sequence[Rule], policy: Policy) -> list[Remedy]:
    """What will end idle sessions by this policy."""
    return [r for r in plan_for(rules, policy).remedies if r.threatens and not r.acts]


def _aliases(config: Config, environ: Mapping[str, str]) -> list[str]:
    """What a user may type for a host: the names in config.toml and in ssh_config."""
    words = [word for patterns in config.patterns for word in patterns.split()]
    found = [word for word in words if not set(word) & set("*?!")]
    with contextlib.suppress(KeepshellError):
        ssh = launch.examine(["-V"], {}, environ).ssh
        found += config_scan.look(ssh, None).hosts
    return list(dict.fromkeys(found))


def _leads_to(alias: str, host: str, environ: Mapping[str, str]) -> bool:
    """Whether `ssh ALIAS` reaches this `user@hostname:port`, as whatever user."""
    try:
        reached = launch.reached(alias, environ)
    except (KeepshellError, OSError):
        return False
    return reached.rpartition("@")[2] == host.rpartition("@")[2]


_LOOKS: tuple[Look, ...] = (
    _versions,
    _real_ssh,
    _in_front,
    _shim,
    _configuration,
    _state,
    _terminal,
    _hosts,
)
