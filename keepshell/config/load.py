"""From config.toml to the policy of one host, or an error that says where the file is wrong.

All of the file is checked when it is read: whether it is good does not depend on the host. Without
a file, the cost is one `open` that fails.
"""

from __future__ import annotations

import os
import stat

from keepshell.config.settings import KEYS, Key, contradictions
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.errors import UsageError
from keepshell.paths import config_path
from keepshell.text.wording import found, printable, suggest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from keepshell.config.settings import Key
    from keepshell.config.toml_lines import TomlText

DEFAULT = "default"
"""The source of what nobody has set."""

_NOT_READ = "safe, as the configuration can't be read"

_MOST_BYTES = 1 << 20


def load(environ: Mapping[str, str]) -> Config:
    """The user's configuration; an empty one where there is no file.

    Raises UsageError, naming the file and the line or the key, for a file that can't be read.
    """
    return Config(_read_sections(environ), _read_variables(environ))


def load_anyway(environ: Mapping[str, str]) -> tuple[Config, list[str]]:
    """What can be used of the configuration, and what `load` would have raised.

    Of a file that can't be read nothing counts, and nothing is typed: it may forbid that.
    """
    problems: list[str] = []
    sections: Sequence[_Section] = ()
    variables: Mapping[str, Any] = {}
    try:
        variables = _read_variables(environ)
    except UsageError as error:
        problems.append(str(error))
    try:
        sections = _read_sections(environ)
    except UsageError as error:
        problems.append(str(error))
        return Config((), variables, {"rung": (Rung.WINDOW_CHANGE, _NOT_READ)}), problems
    return Config(sections, variables), problems


def parse_toml(data: bytes, path: str, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in `data`; messages and sources call it `path`. Raises UsageError."""
    return Config(_parse_sections(data, path), _read_variables(environ or {}))


def _read_sections(environ: Mapping[str, str]) -> Sequence[_Section]:
    path = config_path(environ)
    data = _read_file(path) if path else None
    return () if path is None or data is None else _parse_sections(data, path)


def _parse_sections(data: bytes, path: str) -> Sequence[_Section]:
    from keepshell.config.toml_lines import TomlText

    source = TomlText(data, path)
    sections: list[_Section] = []
    for name, table in source.tables.items():
        if name == "host":
            sections += _host_sections(source, table)
        elif name != "default":
            raise _misplaced(source, name)
    if "default" in source.tables:  # asked last, wherever it stands
        sections.append(_Section(source, ("default",), source.tables["default"]))
    return sections


def _read_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings that the environment holds. Raises UsageError."""
    return {
        name: key.read_text(environ[key.variable], key.variable)
        for name, key in KEYS.items()
        if key.variable and environ.get(key.variable)
    }


class Config:
    """A configuration that has been read and found good."""

    __slots__ = ("_otherwise", "_sections", "_variables")

    def __init__(
        self,
        sections: Sequence[_Section] = (),
        variables: Mapping[str, Any] | None = None,
        otherwise: Mapping[str, tuple[Any, str]] | None = None,
    ) -> None:
        """`variables` are the environment's settings; `otherwise`, defaults with their source."""
        self._sections = sections  # the first that sets a key wins
        self._variables = variables or {}
        self._otherwise = otherwise or {}

    @property
    def has_hosts(self) -> bool:
        """Whether any section is for certain hosts, so that a host's other names matter."""
        return any(section.patterns for section in self._sections)

    def policy(self, names: Sequence[str], options: Mapping[str, Any]) -> EffectivePolicy:
        """What a host called `names` gets; `options` are from `take_options`, and win."""
        sections = [section for section in self._sections if section.is_for(names)]
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for name in KEYS:
            value, sources[name] = self._setting(name, sections, options)
            if sources[name] != DEFAULT:
                values[name] = value
        return EffectivePolicy(Policy(**values), sources)

    def setting(self, name: str, options: Mapping[str, Any]) -> tuple[Any, str]:
        """The value of a key that is the same for every host, and its source."""
        sections = [section for section in self._sections if not section.patterns]
        return self._setting(name, sections, options)

    def _setting(
        self, name: str, sections: Sequence[_Section], options: Mapping[str, Any]
    ) -> tuple[Any, str]:
        """The value that wins and its source; None where nobody set the key."""
        if name in options:
            return options[name], KEYS[name].option
        if name in self._variables:
            return self._variables[name], KEYS[name].variable
        for section in sections:
            if name in section.values:
                return section.values[name], section.source_of(name)
        return self._otherwise.get(name, (None, DEFAULT))


class EffectivePolicy:
    """The policy of one host, and by key the source of each value.

    A source is `default`, `PATH:12 [default] rung`, `KEEPSHELL_SSH` or `--rung`.
    """

    __slots__ = ("policy", "sources")

    def __init__(self, policy: Policy, sources: dict[str, str]) -> None:
        self.policy = policy
        self.sources = sources


class _Section:
    """`[default]` or one `[host."PATTERN"]`: its settings, read and found good."""

    __slots__ = ("_keys", "_source", "patterns", "values")

    def __init__(self, source: TomlText, keys: tuple[str, ...], table: object) -> None:
        self._source = source
        self._keys = keys
        if not isinstance(table, dict):
            raise _no_section(source, keys, table)
        self.patterns = self._split(keys[1]) if len(keys) > 1 else ()
        self.values = {name: self._read(name, value) for name, value in table.items()}
        for name, other in contradictions(self.values):
            raise UsageError(
                f"{self._source.at(*self._keys, name)}: {self._title} {name} contradicts "
                f"{other} in the same section; keep one"
            )

    def is_for(self, names: Sequence[str]) -> bool:
        """Whether a host called `names` is meant; `[default]` means every host."""
        if not self.patterns:
            return True
        from keepshell.core.rules import patterns

        return patterns.matches(self.patterns, names)

    def source_of(self, name: str) -> str:
        """`PATH:12 [default] rung`"""
        return f"{self._source.at(*self._keys, name)} {self._title} {name}"

    @property
    def _title(self) -> str:
        """`[default]`, `[host."PATTERN"]`"""
        section, *patterns = self._keys
        return f"[{section}{''.join(f'.{found(pattern)}' for pattern in patterns)}]"

    def _split(self, text: str) -> tuple[str, ...]:
        from keepshell.core.rules import patterns

        try:
            return patterns.split(text)
        except ValueError as error:
            where = self._source.at(*self._keys)
            raise UsageError(f"{where}: {self._title}: the pattern {error}") from None

    def _read(self, name: str, value: object) -> object:
        key = KEYS.get(name)
        if key is None:
            problem = self._unknown(name, value)
        elif key.default_only and self.patterns:
            problem = "is the same for every host; move it to [default]"
        else:
            try:
                return key.read(str(value) if _lacks_unit(key, value) else value)
            except ValueError as error:
                problem = str(error)
        where = self._source.at(*self._keys, name)
        raise UsageError(f"{where}: {self._title} {printable(name)}: {problem}")

    def _unknown(self, name: str, value: object) -> str:
        """What to say of a key that is no setting."""
        if self.patterns and isinstance(value, dict):  # [host.web.example.com] nests tables
            return 'a pattern with dots stands in quotes, as in [host."web.example.com"]'
        return f"unknown key; {suggest(name, KEYS)}"


def _host_sections(source: TomlText, table: object) -> Iterator[_Section]:
    if not isinstance(table, dict):
        raise _no_section(source, ("host",), table)
    for pattern, settings in table.items():
        yield _Section(source, ("host", pattern), settings)


def _lacks_unit(key: Key, value: object) -> bool:
    """Whether it is a number where a duration is expected: in a file, minutes look like seconds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and key.kind.placeholder == "DURATION" and 0 < value < 1e15  # type: ignore[operator] # a number


def _no_section(source: TomlText, keys: Sequence[str], value: object) -> UsageError:
    """The error for something else where a section should be."""
    where = f"{source.at(*keys)}: {printable(' '.join(keys))}"
    expected = 'a section, as in [default] or [host."*.example.com"]'
    return UsageError(f"{where}: expected {expected}, found {found(value)}")


def _misplaced(source: TomlText, name: str) -> UsageError:
    """The error for a name outside of our sections."""
    where = f"{source.at(name)}: {printable(name)}"
    if name in KEYS:
        return UsageError(f"{where}: stands before any section; put it below [default]")
    sections = ("[default]", '[host."PATTERN"]')
    return UsageError(f"{where}: unknown section; {suggest(name, sections)}")


def _read_file(path: str) -> bytes | None:
    """The bytes of the file; None where there is none. Raises UsageError."""

    def open_at_once(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NONBLOCK)  # a FIFO would wait for a writer

    try:
        with open(path, "rb", opener=open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"{path}: not a regular file; move it away or make it one")
            data = file.read(_MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(
            f"{path}: can't be read: {error.strerror}; make it readable or move it away"
        ) from None
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{path}: larger than 1 MiB, and so no configuration; move it away")
    return data
