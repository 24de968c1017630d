"""What an engine is sent: the file that people read, without what only they need."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

import keepshell.link
from keepshell.link.bootstrap import source
from tests.support.programs import require

FOLDER = Path(keepshell.link.__file__).parent
ENGINES = ("python", "perl")


def without_docstrings(text: bytes) -> str:
    tree = ast.parse(text, feature_version=(3, 6))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.Module) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)


def test_python_gets_what_the_file_says() -> None:
    sent = source("python")
    assert without_docstrings(sent) == without_docstrings(
        (FOLDER / "holder_python.py").read_bytes()
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_it_is_small_and_plain(engine: str) -> None:
    sent = source(engine)
    assert len(sent) < 10_000
    assert sent.isascii()
    assert b"\0" not in sent
    assert b"\r" not in sent
    assert max(map(len, sent.split(b"\n"))) < 4000


@pytest.mark.parametrize("engine", ENGINES)
def test_it_is_the_same_every_time(engine: str) -> None:
    assert source(engine) == source(engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_echo_of_it_is_no_header(engine: str) -> None:
    assert b"KEEPSHELL-LINK 1 " not in source(engine)


def test_perl_accepts_what_it_gets(tmp_path: Path) -> None:
    require("perl")
    sent = tmp_path / "sent.pl"
    sent.write_bytes(source("perl"))
    checked = subprocess.run(["perl", "-wc", str(sent)], capture_output=True, check=False)
    assert checked.stderr.decode() == f"{sent} syntax OK\n"


def test_perl_needs_no_more_than_perl_base() -> None:
    used = set(re.findall(rb"^use ([\w:]+)", source("perl"), re.MULTILINE))
    assert used == {b"strict", b"POSIX", b"Socket"}
