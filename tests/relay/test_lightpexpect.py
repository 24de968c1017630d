"""pexpect without two modules: nobody else notices, and a pexpect that needs them gets them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def python(script: str, *path: Path) -> list[str]:
    """The lines that a Python of its own prints; `path` comes first in sys.path."""
    first = f"import sys; sys.path[:0] = {[str(folder) for folder in path]}\n"
    done = subprocess.run(
        [sys.executable, "-c", first + script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_neither_module_is_loaded_for_a_session() -> None:
    script = "import keepshell.relay.attach\nfor name in sys.modules: print(name)"
    loaded = set(python(script))
    assert {"pexpect", "ptyprocess"} <= loaded
    assert not {"shutil", "traceback", "tokenize", "lzma"} & loaded


def test_who_imports_them_later_gets_the_real_ones() -> None:
    script = (
        "import keepshell.relay.child, shutil, traceback\n"
        "print(shutil.get_terminal_size.__module__, traceback.format_exc.__module__)"
    )
    assert python(script) == ["shutil traceback"]


def test_an_error_of_pexpect_can_still_tell_where_it_was_raised() -> None:
    script = (
        "from keepshell.relay.child import pexpect\n"
        "try: raise pexpect.TIMEOUT('late')\n"
        "except pexpect.TIMEOUT as error: trace = error.get_trace()\n"
        "print(trace != '', 'traceback' in sys.modules)"
    )
    assert python(script) == ["True True"]


def test_modules_that_are_there_stay() -> None:
    script = (
        "import shutil, traceback; before = shutil, traceback\n"
        "import keepshell.relay.child\n"
        "print(before == (sys.modules['shutil'], sys.modules['traceback']))"
    )
    assert python(script) == ["True"]


def test_a_pexpect_that_needs_them_gets_them(tmp_path: Path) -> None:
    package = tmp_path / "pexpect"
    package.mkdir()
    (package / "__init__.py").write_text("import shutil, traceback\nclass spawn: pass\n")
    script = (
        "from keepshell.relay.lightpexpect import pexpect\n"
        "print(pexpect.__file__, pexpect.shutil is sys.modules['shutil'], pexpect.spawn.__name__)"
    )
    assert python(script, tmp_path) == [f"{package / '__init__.py'} True spawn"]
