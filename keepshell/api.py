"""pexpect's `spawn` and `pxssh`, kept alive while the script does something else.

Same constructors plus `keepalive=`, same semantics: pexpect's own documentation applies. Without
it, a session gets what config.toml says of its host; with KEEPSHELL=0, nothing. What keeps the
session alive:

- `server-alive`: if the program is ssh, the options are added to its command line, as `keepshell
  ssh` does it, and ssh does the rest by itself.
- `window-change`, where it is asked for by name: a thread sends SIGWINCH to the child when the
  script has sent nothing for the interval, and the pty has a size. It never reads, writes or
  resizes the pty. The host may answer all the same: a device by a new prompt, a program by a
  redraw. On Linux the signal can't hit another process that has got the pid since.

Nothing is ever typed: the rungs above window-change have no part here, since only the script knows
what its next byte means.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pexpect
import pexpect.pxssh

from keepshell import launch
from keepshell.config.load import DEFAULT, load_anyway
from keepshell.config.settings import KEYS, is_off
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.core.ssh.arguments import SshCommand, parse
from keepshell.process import Process
from keepshell.relay import tty
from keepshell.ssh import client
from keepshell.text.wording import found, printable, suggest

if TYPE_CHECKING:
    _Base = pexpect.spawn[Any]
    _PxsshBase = pexpect.pxssh.pxssh[Any]
else:
    _Base = pexpect.spawn
    _PxsshBase = pexpect.pxssh.pxssh

__all__ = ["explain", "parse_ssh_args", "pxssh", "spawn"]

Keepalive = Policy | Mapping[str, Any] | None

_DEFAULT = Policy()
_NUDGES = ("rung", "window_change_interval")
"""What names the window-change, in a `keepalive=` and in config.toml."""


def parse_ssh_args(argv: list[str]) -> SshCommand:
    """What ssh(1) understands by these arguments (without `ssh` itself).

    Raises keepshell.core.ssh.arguments.Unparsed, a ValueError, for what ssh would refuse.
    """
    return parse(argv)


def explain(host: str) -> dict[str, Any]:
    """What `keepshell ssh HOST` would do on a terminal, as `keepshell explain --json` tells it.

    Raises keepshell.errors.KeepshellError where the configuration or the state can't be read.
    """
    from keepshell import explained

    return explained.explain([host], {}, os.environ)


class _Kept(_Base):
    """What both classes add to pexpect's."""

    _keepalive: Policy | None
    """What the script asks for."""
    _asks_for_nudges: bool
    """Whether window-changes are asked for by name: a script would see what answers one."""

    def _spawnpty(self, args: list[Any], **options: Any) -> Any:
        words = [os.fsdecode(word) for word in args]
        policy, sources, ssh, added = _decided(words, self._keepalive)
        program = args[:1] if ssh is None else [self._encoded(ssh)]
        args = [*program, *map(self._encoded, added), *args[1:]]
        pty = super()._spawnpty(args, **options)  # type: ignore[misc] # left out by the stubs
        if self._keepalive is None:
            self._asks_for_nudges = any(sources.get(name, DEFAULT) != DEFAULT for name in _NUDGES)
        if self._asks_for_nudges and policy.rung >= Rung.WINDOW_CHANGE:
            self._nudging = _Nudging(pty, policy.window_change_interval)
            weakref.finalize(self, self._nudging.stop)
        return pty

    def _encoded(self, word: str) -> Any:
        return word if self.encoding is None else word.encode(self.encoding)

    def send(self, s: Any) -> int:
        """As pexpect's; the interval of silence begins anew."""
        nudging = getattr(self, "_nudging", None)
        if nudging is not None:
            nudging.sent_at = time.monotonic()
        return super().send(s)

    def close(self, force: bool = True) -> None:
        """As pexpect's; no signal is sent from here on."""
        nudging = getattr(self, "_nudging", None)
        if nudging is not None:
            nudging.stop()
        super().close(force)


class spawn(_Kept):  # noqa: N801 - pexpect's own name
    """pexpect.spawn, kept alive."""

    def __init__(self, command: Any, *args: Any, keepalive: Keepalive = None, **kw: Any) -> None:
        """As pexpect.spawn; `keepalive` is a Policy, or a dict of its arguments as in config.toml.

        Without one, config.toml says what the host gets; `{"rung": "off"}` turns everything off.
        Raises ValueError for a policy that is none or asks for typed input, and
        keepshell.errors.KeepshellError for a config.toml that can't be read; nothing runs then.
        """
        self._keepalive = _as_policy(keepalive)
        self._asks_for_nudges = _names_nudges(keepalive)
        super().__init__(command, *args, **kw)


class pxssh(_Kept, _PxsshBase):  # noqa: N801 - pexpect's own name
    """pexpect.pxssh.pxssh, kept alive."""

    def __init__(self, *args: Any, keepalive: Keepalive = None, **kw: Any) -> None:
        """As pexpect.pxssh.pxssh; `keepalive` as for `spawn`, config.toml is read by `login`."""
        self._keepalive = _as_policy(keepalive)
        self._asks_for_nudges = _names_nudges(keepalive)
        super().__init__(*args, **kw)


def _as_policy(keepalive: object) -> Policy | None:
    if keepalive is None:
        return None
    if isinstance(keepalive, Policy):
        keepalive = {name: getattr(keepalive, name) for name in KEYS}
    if not isinstance(keepalive, Mapping):
        expected = "a Policy or a dict of its arguments"
        raise ValueError(f"keepalive: expected {expected}, found {found(keepalive)}")
    policy = Policy(**{name: _read(name, value) for name, value in keepalive.items()})
    asked = [name for name in ("xon", "empty_line") if getattr(policy, name)]
    if policy.no_op == "always":
        asked.append("no_op='always'")
    if asked:
        raise ValueError(
            f"keepalive: {', '.join(asked)} asks for typed input, and nothing is typed into a "
            "session that a script reads; let the script send it, or wrap `keepshell ssh`"
        )
    return policy


def _names_nudges(keepalive: object) -> bool:
    """Whether the script asks for window-changes by name, and not by leaving them as they are."""
    if isinstance(keepalive, Policy):
        return any(getattr(keepalive, name) != getattr(_DEFAULT, name) for name in _NUDGES)
    return isinstance(keepalive, Mapping) and not keepalive.keys().isdisjoint(_NUDGES)


def _read(name: str, value: object) -> Any:
    """One argument of Policy, from what config.toml takes for it too. Raises ValueError."""
    if name not in KEYS:
        raise ValueError(
            f"keepalive: {printable(str(name))}: unknown key; {suggest(str(name), KEYS)}"
        )
    if value is None and getattr(_DEFAULT, name) is None:
        return None
    try:
        return KEYS[name].read(value)
    except ValueError as error:
        raise ValueError(f"keepalive: {name}: {error}") from None


def _decided(
    argv: list[str], asked: Policy | None
) -> tuple[Policy, Mapping[str, str], str | None, list[str]]:
    """What the session gets: the policy and where config.toml has it from, the ssh in place of a
    shim, and the options to add.

    Raises UsageError for a config.toml that can't be read.
    """
    environ = dict(os.environ)
    if is_off(environ):
        return Policy(rung=Rung.OFF), {}, None, []
    if os.path.basename(argv[0]) != "ssh":
        config, problems = load_anyway(environ)
        _warn(problems)
        effective = config.policy([], {})
        return asked or effective.policy, effective.sources, None, []
    in_place = client.is_shim(argv[0])  # below `keepshell exec`, say
    if not in_place:
        environ["KEEPSHELL_SSH"] = argv[0]
    resolved = launch.resolve(argv[1:], {}, environ, policy=asked)
    _warn(resolved.warnings)
    settings = launch.route(resolved, launch.on_terminal()).settings
    ssh = resolved.ssh if in_place else None
    if settings is None:
        return Policy(rung=Rung.OFF), {}, ssh, []
    return settings.policy, settings.sources, ssh, settings.added_words()


def _warn(problems: Sequence[str]) -> None:
    for problem in problems:
        warnings.warn(f"keepshell: {problem}", stacklevel=2)


class _Nudging:
    """A thread that knows a process and a time, and nothing of the spawn: that one can be freed."""

    def __init__(self, pty: Any, interval: float) -> None:
        self.sent_at = time.monotonic()
        self._interval = interval
        self._stopped = threading.Event()
        self._fd = os.dup(pty.fd)
        self._process = Process(pty.pid)
        self._thread = threading.Thread(target=self._run, name="keepshell", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        due_at = self.sent_at + self._interval
        while not self._stopped.wait(max(0.0, due_at - time.monotonic())):
            now = time.monotonic()
            quiet_for = now - self.sent_at
            if quiet_for < self._interval:
                due_at = self.sent_at + self._interval
                continue
            due_at = now + self._interval
            try:
                if tty.has_size(tty.get_winsize(self._fd)):
                    self._process.signal(signal.SIGWINCH)
            except OSError:  # the child has ended
                break
        os.close(self._fd)
        self._process.close()

    def stop(self) -> None:
        """End the thread, and wait for it unless it is the caller."""
        self._stopped.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
