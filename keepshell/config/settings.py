"""The table of everything that can be set, and our own options on the command line made from it.

A new setting is one row of `KEYS` and one argument of `Policy`. Loaded before ssh starts: the code
that reads durations and rules is imported when there is one to read.
"""

from __future__ import annotations

from keepshell.core.rules.policy import NO_OP_WHEN, Policy
from keepshell.core.rules.rung import RUNGS, Rung
from keepshell.errors import UsageError
from keepshell.text.wording import found, printable, suggest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from keepshell.core.rules.kinds import Rule

LEAST_LIMIT = 2  # seconds; servers count whole ones and fire up to one early
_LONGEST = 24 * 86400  # poll(2) takes milliseconds in a C int: 24.8 days


class _Duration:
    """A kind of value: seconds, or text such as `15m`."""

    placeholder = "DURATION"

    def __init__(self, least: float, *, whole: bool = False, instead: str = "") -> None:
        self.least = least
        self.whole = whole
        self.instead = instead

    def read(self, value: object) -> float:
        from keepshell.core.rules import durations

        try:
            seconds = durations.with_unit(value) if isinstance(value, str) else value
        except durations.NoUnitError as error:
            raise _ExplainedError(str(error)) from None
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise ValueError
        if not self.least <= seconds <= _LONGEST:  # nor is NaN
            raise ValueError
        if self.whole and seconds % 1:
            raise ValueError
        return int(seconds) if self.whole else float(seconds)

    def show(self, value: float) -> str:
        from keepshell.core.rules import durations

        return durations.show(value)

    @property
    def expected(self) -> str:
        noun = "whole seconds" if self.whole else "a duration"
        instead = f" (for none, set {self.instead})" if self.instead else ""
        bounds = f"from {self.show(self.least)} to {self.show(_LONGEST)}"
        return f'{noun} {bounds}, such as "90s" or "15m"{instead}'


class _RungName:
    """A kind of value: the name of a rung."""

    placeholder = "RUNG"

    def read(self, value: object) -> Rung:
        for rung in RUNGS:
            if rung.label == value or rung is value:
                return rung
        raise ValueError

    def show(self, value: Rung) -> str:
        return value.label

    @property
    def expected(self) -> str:
        return "one of " + ", ".join(f'"{rung.label}"' for rung in RUNGS)


class _Word:
    """A kind of value: one of a few words."""

    placeholder = "WORD"

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words

    def read(self, value: object) -> str:
        if isinstance(value, str) and value in self.words:
            return value
        raise ValueError

    def show(self, value: str) -> str:
        return value

    @property
    def expected(self) -> str:
        return "one of " + ", ".join(f'"{word}"' for word in self.words)


class _Switch:
    """A kind of value: true or false, as text too."""

    placeholder = "true|false"
    expected = "true or false"

    def read(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return value == "true"
        raise ValueError

    def show(self, value: bool) -> str:
        return "true" if value else "false"


class _SwitchOrCommand(_Switch):
    """A kind of value: true or false, or a command to run on the host."""

    placeholder = "true|false|COMMAND"
    expected = 'true, false or a command such as "tmux new -A -s main"'

    def read(self, value: object) -> Any:
        if isinstance(value, bool) or value in ("true", "false"):
            return super().read(value)
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise ValueError
        if value.lower() in ("yes", "no", "on", "off", "0", "1"):  # meant for a switch
            raise ValueError
        return value

    def show(self, value: bool | str) -> str:
        return value if isinstance(value, str) else super().show(value)


class _Rules:
    """A kind of value: idle rules with their limits; as text separated by commas."""

    placeholder = "RULE=LIMIT,..."
    expected = 'a list such as ["channel-timeout=15m", "tmout=10m"]'

    def read(self, value: object) -> tuple[Rule, ...]:
        from keepshell.core.rules import kinds

        if isinstance(value, str):
            value = [text for text in value.split(",") if text.strip()]
        if isinstance(value, tuple) and all(isinstance(rule, kinds.Rule) for rule in value):
            return value
        texts = value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError
        try:
            return kinds.parse_all(texts)
        except ValueError as error:
            raise _ExplainedError(str(error)) from None

    def show(self, value: tuple[Rule, ...]) -> str:
        from keepshell.core.rules import durations

        return ",".join(f"{rule.kind.name}={durations.show(rule.limit)}" for rule in value)


class _ExplainedError(ValueError):
    """What is wrong with a value, when its kind can say it better than `expected`."""


class _Program:
    """A kind of value: the path of a program, the same from every directory."""

    placeholder = "PATH"
    expected = 'an absolute path, such as "/usr/bin/ssh"'

    def read(self, value: object) -> str:
        if isinstance(value, str) and value.startswith("/") and "\0" not in value:
            return value
        raise ValueError

    def show(self, value: str) -> str:
        return value


class Key:
    """One setting: a key of config.toml, a long option, and an argument of `Policy`."""

    __slots__ = ("default_only", "kind", "meaning", "name", "variable")

    def __init__(
        self,
        name: str,
        kind: Any,  # .read(value) -> value or ValueError, .show(value), .expected, .placeholder
        meaning: str,
        *,
        default_only: bool = False,
        variable: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.meaning = meaning
        self.default_only = default_only  # can't differ between hosts
        self.variable = variable  # of the environment: beaten by the option, beats the file

    @property
    def option(self) -> str:
        return _option(self.name)

    def read(self, value: object) -> Any:
        """What `Policy` takes, as it is, from a TOML value or from text.

        ValueError says what is wrong.
        """
        try:
            return self.kind.read(value)
        except _ExplainedError:
            raise
        except ValueError:
            raise ValueError(f"expected {self.kind.expected}, found {found(value)}") from None

    def read_text(self, text: str, where: str) -> Any:
        """The same for text from elsewhere, named by `where`; raises UsageError."""
        try:
            return self.read(text)
        except ValueError as error:
            raise UsageError(f"{where}: {error}") from None


_ROWS = (
    Key("rung", _RungName(), "the highest rung of keepalives allowed"),
    Key(
        "server_alive_interval",
        _Duration(1, whole=True, instead='rung = "off"'),  # ssh takes whole seconds; 0 is none
        "how long the host is silent before ssh asks for a sign of life",
    ),
    Key(
        "outage_tolerance",
        _Duration(1),
        "how long ssh waits without an answer before it gives up",
    ),
    Key(
        "window_change_interval",
        # Idle rules count in seconds; more than ten packets a second would be a flood.
        _Duration(0.1, instead='rung = "server-alive"'),
        "how long you are silent before a window-change is sent",
    ),
    Key(
        "no_op",
        _Word(NO_OP_WHEN),
        "when to type harmless input: where a timer needs it, everywhere, nowhere",
    ),
    Key("no_op_interval", _Duration(1), 'how often, with no_op = "always" and no limit known'),
    Key("xon", _Switch(), "allow ^Q where nothing else resets the timer"),
    Key("empty_line", _Switch(), "allow Enter at an empty prompt, against a shell's timer"),
    Key("idle_limit", _Duration(LEAST_LIMIT), "how long until the host ends an idle session"),
    Key("rules", _Rules(), "the idle timers that the host has"),
    Key("hold_for", _Duration(1), "how long `keepshell hold` holds a connection"),
    Key("warn", _Switch(), "notify you before a timer ends a session that nothing can keep"),
    Key(
        "reattach",
        _SwitchOrCommand(),
        "keep the shell when its connection is lost, and return to it; or what each one runs",
    ),
    Key("reattach_keep", _Duration(60), "how long a shell lives on its host with no one attached"),
    Key("title", _Switch(), "show in the window's title whether an idle session will survive"),
    Key(
        "hints",
        _Switch(),
        "after the first session with a host, say how to read its idle timers",
        variable="KEEPSHELL_HINTS",
    ),
    Key(
        "ssh",
        _Program(),
        "the ssh to run instead of the first on PATH",
        default_only=True,  # it is what tells the host's real name
        variable="KEEPSHELL_SSH",
    ),
)
KEYS = {key.name: key for key in _ROWS}
CONTRADICTIONS = (
    ("no_op", "always", "rung", RUNGS[: Rung.NO_OP]),
    ("empty_line", True, "rung", RUNGS[: Rung.EMPTY_LINE]),
    ("empty_line", True, "no_op", ("never",)),
    ("xon", True, "rung", RUNGS[: Rung.NO_OP]),
    ("xon", True, "no_op", ("never",)),
)
"""A key whose value is pointless if the other key, set in the same place, has one of these values.
From different places the narrower one wins: `rung` is a ceiling."""

FLAGS = {
    "dry_run": "print the command and why each option was added; run nothing",
    "help": "print this help",
    "version": "print the version",
}


def is_off(environ: Mapping[str, str]) -> bool:
    """Whether KEEPSHELL in the environment turns keepshell off."""
    return environ.get("KEEPSHELL", "").lower() in ("0", "false", "no", "off")


def take_options(argv: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Our own options at the start of `argv`, by their key in config.toml, and the rest of it.

    The values are what `Policy` takes; a flag of `FLAGS` has an empty one, and so has `-h`. Of
    several equal options the last wins; `--` ends them. Raises UsageError for an option that isn't
    ours, for a value that is missing or wrong, and for options that contradict each other.
    """
    names = {_option(name): name for name in (*KEYS, *FLAGS)}
    names["-h"] = "short_help"
    options: dict[str, Any] = {}
    rest = list(argv)
    while rest and (rest[0].startswith("--") or rest[0] == "-h"):
        word = rest.pop(0)
        if word == "--":
            break
        option, given, value = word.partition("=")
        name = names.get(option)
        if name is None:
            raise UsageError(f"unknown option {printable(option)}; {suggest(option, names)}")
        if name not in KEYS:
            if given:
                raise UsageError(f"{option}: expected no value, found {found(value)}")
        else:
            if not given and not rest:
                raise UsageError(f"{option}: expected {KEYS[name].kind.expected}, found nothing")
            value = KEYS[name].read_text(value if given else rest.pop(0), option)
        options[name] = value
    for name, other in contradictions(options):
        raise UsageError(f"{_option(name)} contradicts {_option(other)}; keep one")
    return options, rest


def option_rows() -> Iterator[tuple[str, str]]:
    """For `--help`: each option as it is typed, and what it sets, with the default."""
    policy = Policy()
    for key in _ROWS:
        default = getattr(policy, key.name)
        suffix = "" if default in (None, ()) else f" (default {key.kind.show(default)})"
        yield f"{key.option} {key.kind.placeholder}", key.meaning + suffix
    for name, meaning in FLAGS.items():
        yield _option(name), meaning


def contradictions(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Pairs of keys, set in one place, of which the second makes the first pointless."""
    for name, value, other, excluded in CONTRADICTIONS:
        if values.get(name) == value and values.get(other) in excluded:
            yield name, other


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
