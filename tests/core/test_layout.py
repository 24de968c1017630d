"""The walls between the modules stand: what may import what, what a module must say, what is fast.

ARCHITECTURE.md draws them; this reads the source to see that they are kept.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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

BEFORE_THE_SPAWN = [
    "keepshell.cli.main",
    "keepshell.config.load",
    "keepshell.core.rules.kinds.policy",
    "keepshell.ssh.become",
    "keepshell.core.ssh.arguments",
    "keepshell.core.ssh.words",
    "keepshell.errors",
]
SLOW = {"argparse", "dataclasses", "json", "pathlib", "re", "subprocess", "tomllib", "typing"}


def name_of(path: Path) -> str:
    parts = ["keepshell", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): ast.parse(path.read_text("utf-8"), str(path)) for path in FILES}
CORE = sorted(name for name in MODULES if name.startswith("keepshell.core"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module that an import statement names, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def is_allowed(name: str, allowed: set[str]) -> bool:
    return any(name == module or name.startswith(module + ".") for module in allowed)


def names_defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
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


@pytest.mark.parametrize("name", CORE)
def test_core_imports_only_what_it_may(name: str) -> None:
    assert [used for used in imported(MODULES[name]) if not is_allowed(used, CORE_MAY_IMPORT)] == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_opens_with_its_promise(name: str) -> None:
    promise = ast.get_docstring(MODULES[name])
    assert promise, "no docstring"
    first = promise.split("\n\n")[0]
    assert first.endswith((".", ":")), "the docstring does not open with a sentence"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_names_say_what_they_mean(name: str) -> None:
    defined = [name, *names_defined(MODULES[name])]
    assert [found for found in defined if words_in(found) & BANNED_WORDS] == []


@pytest.mark.parametrize("name", [name for name in BEFORE_THE_SPAWN if name in MODULES])
def test_what_runs_before_ssh_loads_nothing_slow(name: str) -> None:
    """Without site (-S) and without the environment (-I): only what the module itself pulls in."""
    script = f"import sys; sys.path.insert(0, sys.argv[1]); import {name}; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(PACKAGE.parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(answer.stdout.split())
    assert name in loaded
    assert loaded & SLOW == set()


def test_only_policy_uses_enum_before_the_spawn() -> None:
    users = {name for name, tree in MODULES.items() if "enum" in set(imported(tree))}
    assert users & set(BEFORE_THE_SPAWN) <= {"keepshell.core.rules.kinds.policy"}
