"""From config.toml to the policy of one host, or an error that says where the file is wrong.

The whole file is checked when it is read: whether it is valid does not depend on the host. Without
a file, the cost is one `open` that fails.
"""

from __future__ import annotations

import errno
import os
import stat

from keepshell.config import compiled
from keepshell.config.settings import KEYS, Key, contradictions
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from keepshell.errors import UsageError
from keepshell.paths import config_path
from keepshell.text.wording import found, printable, suggest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from keepshell.config.toml_lines import TomlText

DEFAULT = "default"
"""The source of a setting that was never set."""

_NOT_READ = "safe, as the configuration can't be read"

_MOST_BYTES = 1 << 20


def load(environ: Mapping[str, str]) -> Config:
    """The user's configuration; an empty one where there is no file.

    Raises UsageError, naming the file and the line or the key, for a file that can't be read.
    """
    return Config(_read_sections(environ), _read_variables(environ))


def load_anyway(environ: Mapping[str, str]) -> tuple[Config, list[str]]:
    """The usable part of the configuration, and what `load` would have raised.

    A file that can't be read counts for nothing, and nothing is typed: the file may forbid that.
    """
    problems: list[str] = []
    sections: Sequence[_Section | _Kept] = ()
    variables: Mapping[str, Any] = {}
    try:
        variables = _read_variables(environ)
    except UsageError as error:
        problems.append(str(error))
    try:
        sections = _read_sections(environ)
    except UsageError as error:
        problems.append(f"{error}; this session ignores the whole file")
        return Config((), variables, {"rung": (Rung.WINDOW_CHANGE, _NOT_READ)}), problems
    return Config(sections, variables), problems


def parse_toml(data: bytes, path: str, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in `data`; messages and sources call it `path`. Raises UsageError."""
    return Config(_parse_sections(data, path), _read_variables(environ or {}))


def _read_sections(environ: Mapping[str, str]) -> Sequence[_Section | _Kept]:
    path = config_path(environ)
    file = _opened(path) if path else None
    if path is None or file is None:
        return ()
    with file:
        found = os.fstat(file.fileno())
        stamp = compiled.stamp(path, found)
        kept = compiled.read(environ, stamp) if stat.S_ISREG(found.st_mode) else None
        if kept is not None:
            return [_Kept(path, *section) for section in kept]
        data = _read_file(path, file)
        is_whole = compiled.stamp(path, os.fstat(file.fileno())) == stamp
    sections = _parse_sections(data, path)
    if is_whole:
        compiled.write(environ, stamp, [section.plain() for section in sections])
    return sections


def _parse_sections(data: bytes, path: str) -> list[_Section]:
    from keepshell.config.toml_lines import TomlText

    source = TomlText(data, path)
    sections: list[_Section] = []
    for name, table in source.tables.items():
        if name == "host":
            sections += _host_sections(source, table)
        elif name != "default":
            raise _misplaced(source, name)
    if "default" in source.tables:  # asked last, wherever it is in the file
        sections.append(_Section(source, ("default",), source.tables["default"]))
    return sections


def _read_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings in the environment. Raises UsageError."""
    return {
        name: key.read_text(environ[key.variable], key.variable)
        for name, key in KEYS.items()
        if key.variable and environ.get(key.variable)
    }


class Config:
    """A configuration that has been read and is valid."""

    __slots__ = ("_otherwise", "_sections", "_variables")

    def __init__(
        self,
        sections: Sequence[_Section | _Kept] = (),
        variables: Mapping[str, Any] | None = None,
        otherwise: Mapping[str, tuple[Any, str]] | None = None,
    ) -> None:
        """`variables` are the environment's settings; `otherwise`, defaults with their source."""
        self._sections = sections  # the first that sets a key wins
        self._variables = variables or {}
        self._otherwise = otherwise or {}

    @property
    def patterns(self) -> list[str]:
        """The patterns of the sections for certain hosts, as `keepshell config` takes them."""
        return [" ".join(section.patterns) for section in self._sections if section.patterns]

    @property
    def has_hosts(self) -> bool:
        """Whether any section is for certain hosts, so that a host's other names matter."""
        return any(section.patterns for section in self._sections)

    def policy(self, names: Sequence[str], options: Mapping[str, Any]) -> EffectivePolicy:
        """What a host called `names` gets; `options` are from `take_options`, and win."""
        sections = self._sections
        if self.has_hosts:
            from keepshell.core.rules.patterns import matches

            sections = [
                section  # without patterns, it is for every host
                for section in self._sections
                if not section.patterns or matches(section.patterns, names)
            ]
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
        self, name: str, sections: Sequence[_Section | _Kept], options: Mapping[str, Any]
    ) -> tuple[Any, str]:
        """The value that wins and its source; None if the key was never set."""
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
    """`[default]` or one `[host."PATTERN"]`: its settings, read and valid."""

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

    def plain(self) -> compiled.Section:
        """What `_Kept` is made from."""
        rows = [
            (name, _plain(name, value), self._source.line(*self._keys, name))
            for name, value in self.values.items()
        ]
        return self._keys, self.patterns, tuple(rows)

    def source_of(self, name: str) -> str:
        """`PATH:12 [default] rung`"""
        return f"{self._source.at(*self._keys, name)} {self._title} {name}"

    @property
    def _title(self) -> str:
        return _title(self._keys)

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
        """What to say about a key that is not a setting."""
        if self.patterns and isinstance(value, dict):  # [host.web.example.com] nests tables
            return 'put quotes around a pattern with dots, as in [host."web.example.com"]'
        return f"unknown key; {suggest(name, KEYS)}"


class _Kept:
    """A section from the compiled copy."""

    __slots__ = ("_keys", "_path", "_rows", "patterns")

    def __init__(
        self,
        path: str,
        keys: tuple[str, ...],
        patterns: tuple[str, ...],
        rows: Sequence[tuple[str, object, int]],
    ) -> None:
        self._path = path
        self._keys = keys
        self.patterns = patterns
        self._rows = rows

    @property
    def values(self) -> dict[str, Any]:
        return {name: KEYS[name].read(value) for name, value, _ in self._rows}

    def source_of(self, name: str) -> str:
        line = next(line for found, _, line in self._rows if found == name)
        where = f"{self._path}:{line}" if line else self._path
        return f"{where} {_title(self._keys)} {name}"


def _title(keys: Sequence[str]) -> str:
    """`[default]`, `[host."PATTERN"]`"""
    section, *patterns = keys
    return f"[{section}{''.join(f'.{found(pattern)}' for pattern in patterns)}]"


def _plain(name: str, value: Any) -> object:
    """A setting as numbers or text, as `Key.read` takes it."""
    is_plain = isinstance(value, bool | int | float | str) and not isinstance(value, Rung)
    text: str = KEYS[name].kind.show(value)
    return value if is_plain else text


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
    """The error for a name outside our sections."""
    where = f"{source.at(name)}: {printable(name)}"
    if name in KEYS:
        return UsageError(f"{where}: is above the first section; move it below [default]")
    sections = ("[default]", '[host."PATTERN"]')
    return UsageError(f"{where}: unknown section; {suggest(name, sections)}")


def _opened(path: str) -> BinaryIO | None:
    """The file; None where there is none. Raises UsageError."""

    def open_at_once(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NONBLOCK)  # a FIFO would wait for a writer

    try:
        return open(path, "rb", opener=open_at_once)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # no file can have that name
            return None
        raise _unreadable(path, error) from None


def _read_file(path: str, file: BinaryIO) -> bytes:
    """The bytes of the file. Raises UsageError."""
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise UsageError(f"{path}: not a regular file; move it away or make it one")
    try:
        data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{path}: larger than 1 MiB, so it can't be a configuration; move it away")
    return data


def _unreadable(path: str, error: OSError) -> UsageError:
    remedy = "make it readable or move it away"
    return UsageError(f"{path}: can't be read: {error.strerror}; {remedy}")
