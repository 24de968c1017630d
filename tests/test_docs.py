"""What comments, docstrings and pages refer to is there."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import keepshell

ROOT = Path(keepshell.__file__).parents[1]
SOURCES = sorted(
    path for room in ("keepshell", "tests", "scripts") for path in (ROOT / room).rglob("*.py")
)
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.md")]
)
# A page of ours, or a source file by its path; NAME.json is a word for any.
CITED = re.compile(
    r"[\w./-]*\w\.md\b|\b(?:keepshell|tests|scripts|docs)/[\w./-]*[a-z0-9_]\.(?:py|json|svg)\b"
)
LINKED = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def remarks(source: str) -> Iterator[str]:
    """The comments and docstrings of a program, and the strings after attributes."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_cited_in_a_remark_exists(path: Path) -> None:
    cited = {name for remark in remarks(path.read_text()) for name in CITED.findall(remark)}
    assert {name for name in cited if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_page_links_to_what_exists(path: Path) -> None:
    linked = LINKED.findall(path.read_text())
    assert {name for name in linked if not (path.parent / name).exists()} == set()
