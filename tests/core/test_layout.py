"""The house stands as drawn: what may import what, what a module must say, what loads fast.

This reads the source to see it. A new folder gets a floor in `FLOORS`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pexpect
import pytest

import keepshell

PACKAGE = Path(keepshell.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

CORE_MAY_IMPORT = {
    "__future__",
    "collections",
    "dataclasses",
    "enum",
    "keepshell.core",
    "math",
    "re",
    "typing",
}
BANNED_WORDS = {"data2", "handler", "helper", "manager", "misc", "util"}

FLOORS = (
    "keepshell.__main__",
    "keepshell.cli",
    "keepshell",
    "keepshell.api",
    "keepshell.explained keepshell.probe keepshell.shim",
    "keepshell.launch",
    "keepshell.hold",
    "keepshell.relay",
    "keepshell.link",
    "keepshell.store",
    "keepshell.job",
    "keepshell.config keepshell.ssh",
    "keepshell.paths keepshell.process",
    "keepshell.text keepshell.errors keepshell._version",
    "keepshell.core.hold",
    "keepshell.core.kept",
    "keepshell.core.session",
    "keepshell.core.titles keepshell.core.warner",
    "keepshell.core.noops keepshell.core.ending keepshell.core.probing",
    "keepshell.core.record",
    "keepshell.core.link",
    "keepshell.core.idle keepshell.core.terminal keepshell.core.effects keepshell.core.ssh",
    "keepshell.core.rules keepshell.core.reasons",
    "keepshell.core",
)
"""From the top floor down; a room is a folder, or a file directly in `keepshell/` or `core/`. Each
may import from the floors below its own, and no file of it from one that imports it."""

MOST_FILES = {"keepshell": 14, "keepshell/core": 8}

BEFORE_THE_EXEC = (
    *("keepshell", "keepshell._version", "keepshell.cli", "keepshell.cli.main"),
    *("keepshell.config", "keepshell.config.compiled", "keepshell.config.load"),
    "keepshell.config.settings",
    *("keepshell.core", "keepshell.core.rules", "keepshell.core.rules.policy"),
    *("keepshell.core.rules.durations", "keepshell.core.rules.kinds"),
    *("keepshell.core.rules.patterns", "keepshell.core.rules.rung"),
    *("keepshell.core.ssh", "keepshell.core.ssh.arguments", "keepshell.core.ssh.words"),
    *("keepshell.errors", "keepshell.launch", "keepshell.paths"),
    *("keepshell.ssh", "keepshell.ssh.exec", "keepshell.ssh.client"),
    *("keepshell.ssh.config_scan", "keepshell.text", "keepshell.text.say"),
    "keepshell.text.wording",
)
"""All that may be loaded before ssh takes over; tests/test_launch.py sees that nothing else is."""

SLOW = {"argparse", "dataclasses", "enum", "json", "pathlib", "re", "subprocess"}
SLOW |= {"tomllib", "typing"}


def name_of(path: Path) -> str:
    parts = ["keepshell", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}
CORE = sorted(name for name in MODULES if name.startswith("keepshell.core"))


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text("utf-8"), str(MODULES[name]))


def imported(name: str) -> Iterator[str]:
    """Every module that an import statement of this one names, wherever in the file."""
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def is_allowed(name: str, allowed: set[str]) -> bool:
    return any(name == module or name.startswith(module + ".") for module in allowed)


def names_defined(name: str) -> Iterator[str]:
    yield name
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


def words_in(name: str) -> set[str]:
    """The lower-case words of `SignalHandlers` or `signal_handlers`, in the singular."""
    spaced = "".join(f"_{letter}" if letter.isupper() else letter for letter in name)
    words = set(spaced.lower().replace(".", "_").split("_"))
    return words | {word.removesuffix("s") for word in words}


def test_the_package_was_found() -> None:
    assert "keepshell.core.ssh.arguments" in MODULES
    assert CORE
    assert set(BEFORE_THE_EXEC) <= set(MODULES)


def test_core_imports_only_what_it_may() -> None:
    wrong = {
        name: [used for used in imported(name) if not is_allowed(used, CORE_MAY_IMPORT)]
        for name in CORE
    }
    assert not any(wrong.values()), wrong


def test_a_module_opens_with_its_promise() -> None:
    """The docstring's first paragraph is a sentence."""
    promises = {name: ast.get_docstring(tree_of(name)) or "" for name in MODULES}
    opened = {name: promise.split("\n\n")[0] for name, promise in promises.items()}
    assert [name for name, first in opened.items() if not first.endswith((".", ":"))] == []


def test_names_say_what_they_mean() -> None:
    defined = {found for name in MODULES for found in names_defined(name)}
    assert [found for found in defined if words_in(found) & BANNED_WORDS] == []


def loaded_with(name: str) -> set[str]:
    """Without site (-S) and without the environment (-I): only what the module itself pulls in."""
    found = str(PACKAGE.parent), str(Path(pexpect.__file__).parents[1])
    script = f"import sys; sys.path[:0] = sys.argv[1:]; import {name}; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, *found],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(answer.stdout.split())
    assert name in loaded
    return loaded


@pytest.mark.parametrize("name", BEFORE_THE_EXEC)
def test_what_runs_before_ssh_loads_nothing_slow(name: str) -> None:
    assert loaded_with(name) & SLOW == set()


def test_nor_does_what_starts_ssh_in_a_pty_but_for_what_pexpect_needs() -> None:
    assert loaded_with("keepshell.relay.attach") & SLOW <= {"enum", "re"}


def room_of(name: str) -> str:
    """The folder of a module; of a file directly in `keepshell/` or `core/`, the file itself."""
    folder = name.rpartition(".")[0]
    if is_package(name):
        return name
    return name if folder in ("keepshell", "keepshell.core") else folder


def is_package(name: str) -> bool:
    return (PACKAGE.parent / name.replace(".", "/") / "__init__.py").exists()


@cache
def modules_imported(name: str) -> set[str]:
    """The modules of ours that a module names in any import statement."""
    found: set[str] = set()
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {n if n in MODULES else node.module or "" for n in names}
    return (found & set(MODULES)) - {name}


FLOOR_OF = {room: -floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}


def test_imports_go_down() -> None:
    used = [(room_of(name), room_of(other)) for name in MODULES for other in modules_imported(name)]
    assert {
        f"{room} imports {other}"
        for room, other in used
        if room != other and FLOOR_OF[other] >= FLOOR_OF[room]
    } == set()


def test_every_floor_is_there() -> None:
    assert set(FLOOR_OF) == {room_of(name) for name in MODULES}


def reached_from(name: str) -> set[str]:
    """All that a module imports, and what that imports."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        for used in modules_imported(waiting.pop()) - seen:
            seen.add(used)
            waiting.append(used)
    return seen


def test_no_file_imports_itself_in_a_circle() -> None:
    assert [name for name in MODULES if name in reached_from(name)] == []


def test_no_group_is_repeated_possessively() -> None:
    """Debian's Python 3.11.2 keeps what a turn of `(?:ab)*+` took before it failed."""
    possessive = re.compile(r"(?<!\\)\)[*+?]\+|\(\?>")
    assert [path.name for path in FILES if possessive.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize(("folder", "most"), MOST_FILES.items())
def test_a_folder_can_be_taken_in_at_a_glance(folder: str, most: int) -> None:
    assert len(list((PACKAGE.parent / folder).glob("*.py"))) <= most
