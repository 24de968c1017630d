"""`keepshell config`: where config.toml is, whether it is good, what it says, and changes to it.

The rules it keeps:

- a change is checked before it is written, and nothing but its lines is touched;
- the file is replaced in one step, so a reader never finds half a file.
"""

from __future__ import annotations

import difflib
import os
import shlex
import subprocess
import sys

from keepshell.cli import config_text
from keepshell.config.load import load, parse_toml
from keepshell.config.settings import KEYS, Key
from keepshell.config.toml_lines import TomlText
from keepshell.core.rules.policy import Policy
from keepshell.errors import InternalError, UsageError
from keepshell.paths import config_path
from keepshell.shim.files import replace
from keepshell.text.wording import nearest, printable, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from keepshell.cli.arguments import Typed

_BOM = b"\xef\xbb\xbf"  # some editors begin a file with it

DEFAULT = "default"
"""In place of a host: the section for every host."""


def command(typed: Typed) -> tuple[str, int]:
    """`config path | check | show | edit | init | set | unset`. Raises UsageError."""
    path = config_path(typed.environ)
    if path is None:
        raise UsageError("neither XDG_CONFIG_HOME nor HOME names a directory for config.toml")
    if typed.verb in ("set", "unset"):
        host, *rest = typed.words
        pairs = map(_pair, rest) if typed.verb == "set" else ((_key(name), None) for name in rest)
        return _change(path, host, dict(pairs), typed.environ)
    return _VERBS[typed.verb](path, typed), 0


def _path(path: str, _typed: Typed) -> str:
    return path


def _check(path: str, typed: Typed) -> str:
    load(typed.environ)
    if not os.path.exists(path):
        return f"{path}: not there, so every setting has its default; keepshell config init"
    return f"{path}: good"


def _show(path: str, typed: Typed) -> str:
    """The settings as TOML, in the order in which they are looked for."""
    load(typed.environ)
    data = _bytes_of(path)
    source = TomlText(data, path)
    blocks = []
    for pattern, table in source.tables.get("host", {}).items():
        blocks.append("\n".join(_lines(source, ("host", pattern), table)))
    table = source.tables.get(DEFAULT, {})
    if table or typed.has("defaults"):
        lines = list(_lines(source, (DEFAULT,), table))
        if typed.has("defaults"):
            lines += [f"# {key.meaning}\n{line}" for key, line in _defaults(table)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) or f"# {path} sets nothing; all settings: config show --defaults"


def _lines(
    source: TomlText, section: tuple[str, ...], table: Mapping[str, object]
) -> Iterator[str]:
    yield config_text.header(section[1] if len(section) > 1 else None)
    for name, value in table.items():
        yield f"{name} = {config_text.literal(value)}  # {source.at(*section, name)}"


def _defaults(table: Mapping[str, object]) -> Iterator[tuple[Key, str]]:
    policy = Policy()
    for key in KEYS.values():
        value = getattr(policy, key.name)
        if key.name in table:
            continue
        if value in (None, ()):
            yield key, f"# {key.name} is not set"
        else:
            yield key, f"{key.name} = {config_text.item(key.name, key.kind.show(value))}"


def _init(path: str, _typed: Typed) -> str:
    if os.path.lexists(path):
        raise UsageError(f"{path} is there already; to change it: keepshell config edit")
    _write(path, config_text.sample().encode())
    return f"{path}: written, with every setting commented out; keepshell config edit"


def _edit(path: str, typed: Typed) -> str:
    """Open it in the user's editor, and check it afterwards."""
    environ = typed.environ
    if not os.path.exists(path):
        _init(path, typed)
    editor = environ.get("VISUAL") or environ.get("EDITOR") or "vi"
    try:
        status = subprocess.run([*shlex.split(editor), path], check=False).returncode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"the editor {printable(editor)}: {reason}; EDITOR=vim keepshell config edit"
        ) from None
    if status:
        raise UsageError(f"the editor {printable(editor)} ended with status {status}")
    try:
        return _check(path, typed)
    except UsageError as error:
        raise UsageError(f"{error}\nkeepshell: to go on editing: keepshell config edit") from None


_VERBS: dict[str, Callable[[str, Typed], str]] = {
    "path": _path,
    "check": _check,
    "show": _show,
    "edit": _edit,
    "init": _init,
}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"expected KEY=VALUE, found {printable(text)}; as in empty_line=true")
    return _key(name.strip()), value.strip()


def _key(name: str) -> str:
    spelled = name.removeprefix("--").replace("-", "_")
    if spelled in KEYS:
        return spelled
    near = nearest(name, list(KEYS))
    meant = f"did you mean {near}?" if near else f"known: {', '.join(KEYS)}"
    raise UsageError(f"{printable(name)}: unknown key; {meant}")


def _change(
    path: str, host: str, values: Mapping[str, str | None], environ: Mapping[str, str]
) -> tuple[str, int]:
    """Set these keys of a host's section, or remove those without a value; the lines changed."""
    load(environ)  # what can't be read is not written over
    before = _bytes_of(path).decode("utf-8-sig")
    pattern = None if host == DEFAULT else host
    for name, value in values.items():
        if value is not None:
            KEYS[name].read_text(value, f"{name}={value}")
    try:
        after = config_text.changed(before, pattern, values)
    except ModuleNotFoundError as error:
        lacks = f"the Python package {error.name}, which {sys.executable} does not have"
        raise InternalError(f"this needs {lacks}; without it: keepshell config edit") from error
    parse_toml(after.encode(), path)
    if after == before:
        is_there = None not in values.values()
        says = "is set so already" if is_there else "is not set there"
        names = ", ".join(values)
        return f"{path}: {config_text.header(pattern)} {names} {says}", 0 if is_there else 1
    mark = _BOM if _bytes_of(path).startswith(_BOM) else b""
    _write(path, mark + after.encode())
    lines = [path, *_difference(before, after), *_shadowed(host, values, environ)]
    return visible_lines(lines), 0


def visible_lines(lines: Sequence[str]) -> str:
    """The lines, safe to print."""
    return "\n".join(map(visible, lines))


def _difference(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in list(lines)[2:] if not line.startswith("@@")]


def _shadowed(
    host: str, values: Mapping[str, str | None], environ: Mapping[str, str]
) -> Iterator[str]:
    """A note on each key that another section sets first for this host."""
    if host == DEFAULT:
        return
    sources = load(environ).policy([host], {}).sources
    ours = f" {config_text.header(host)} "
    for name, value in values.items():
        if value is not None and ours not in sources[name]:
            yield f"! {sources[name]} is asked first, so {name} stays as it is there"


def _bytes_of(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return b""


def _write(path: str, data: bytes) -> None:
    """Replace the file, through a link if it is one, as it is in many a home."""
    path = os.path.realpath(path)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o644
        replace(path, data, mode)
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error.strerror}") from None
