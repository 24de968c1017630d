#!python
"""The command `keepshell`, and `python -m keepshell`; the installed script is a copy of this file.

Python's environment is not for us: PYTHONPATH may lead to another Python's modules. Until that is
settled, nothing but `os` and `sys` is imported. Where a part of keepshell can't be loaded, or this
Python is too old for it, what it was to run is run without it: Python 3.6 must know this syntax.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

_FOR_PYTHON = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONUSERBASE", "PYTHONNOUSERSITE"),
    *("PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONDEBUG", "PYTHONINSPECT", "PYTHONVERBOSE"),
    *("PYTHONOPTIMIZE", "PYTHONPYCACHEPREFIX", "PYTHONUTF8", "PYTHONIOENCODING"),
    *("PYTHONPROFILEIMPORTTIME", "PYTHONTRACEMALLOC", "PYTHONMALLOC", "PYTHONMALLOCSTATS"),
    *("PYTHONDUMPREFS", "PYTHONPERFSUPPORT", "PYTHONEXECUTABLE", "PYTHON_GIL", "PYTHON_JIT"),
)
"""What would change how we run: each of these costs another start of Python. PYTHONSTARTUP,
PYTHONSAFEPATH, PYTHONUNBUFFERED, PYTHONHASHSEED and others would change nothing, and
PYTHONDONTWRITEBYTECODE is undone without a start."""

_OLDEST = (3, 11)
_DEEPEST = 16  # as ssh/client.py has it


def start() -> int:
    """Run one call, of sys.argv; its exit status."""
    _give_back_locale()
    if sys.version_info < _OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        needed = ".".join(map(str, _OLDEST))
        _without(f"needs Python {needed} or newer, and this is {found} ({sys.executable})")
    _isolate()
    try:
        from keepshell.cli.main import main
        from keepshell.errors import NotStartedError
    except Exception as error:
        _without(_reason(error))
    try:
        return main()
    except NotStartedError as error:
        _without(_reason(error.__cause__ or error))


def _isolate() -> None:
    """Start again without Python's environment, if it says anything that matters to us."""
    if sys.flags.ignore_environment:
        return
    if "PYTHONDONTWRITEBYTECODE" in os.environ:
        sys.dont_write_bytecode = False
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    is_found_by_it = root in map(os.path.abspath, paths)
    if sys.executable and not is_found_by_it and any(name in os.environ for name in _FOR_PYTHON):
        os.execv(sys.executable, [sys.executable, "-EP", *sys.argv])


def _give_back_locale() -> None:
    """Undo what Python does to LC_CTYPE in a C locale (PEP 538): ssh would send it to the host."""
    if os.environ.get("LC_CTYPE") not in ("C.UTF-8", "C.utf8", "UTF-8") or os.environ.get("LC_ALL"):
        return
    try:
        with open("/proc/self/environ", "rb") as file:
            given = dict(entry.partition(b"=")[::2] for entry in file.read().split(b"\0"))
    except OSError:
        return
    if b"LC_CTYPE" in given:
        os.environb[b"LC_CTYPE"] = given[b"LC_CTYPE"]
    else:
        del os.environ["LC_CTYPE"]


def _without(reason: str) -> "NoReturn":
    """Run what we were to run, as it was typed."""
    import contextlib

    argv = _asked_for()
    said = f"{reason}; running {argv[0]} without keepshell" if argv else reason
    with contextlib.suppress(OSError):
        os.write(2, f"keepshell: {said}\n".encode(errors="backslashreplace"))
    depth = os.environ.get("KEEPSHELL_DEPTH", "")
    level = int(depth) + 1 if depth.isdecimal() else 1
    if argv and level <= _DEEPEST:
        with contextlib.suppress(Exception):
            from keepshell.ssh.exec import restore_signals

            restore_signals()
        os.environ["KEEPSHELL_DEPTH"] = str(level)
        for path in _candidates(argv[0]):
            if os.path.isfile(path) and os.access(path, os.X_OK) and not _is_ours(path):
                with contextlib.suppress(OSError):
                    os.execv(path, argv)
                os.execv("/bin/sh", ["sh", path, *argv[1:]])  # as for a script without `#!`
    sys.exit(70)


def _reason(error: BaseException) -> str:
    """Why we can't run, and what would help."""
    try:
        from keepshell.text.installed import fault

        return fault(error)
    except Exception:  # it is gone, or of another version
        said = f"{type(error).__name__}: {error}"
        return f"parts of keepshell are missing or of another version ({said}); install it again"


def _candidates(name: str) -> "Iterator[str]":
    if name == "ssh" and os.environ.get("KEEPSHELL_SSH"):
        yield os.environ["KEEPSHELL_SSH"]
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        yield os.path.join(folder or os.curdir, name)


def _asked_for() -> "list[str]":
    """The command line to run, by name; empty for a command of our own."""
    name, *words = sys.argv
    if words[:1] == ["--dry-run"]:
        return []
    if os.path.basename(name) == "ssh":
        return ["ssh", *words]
    runs = ("ssh", "run", "exec", "shim")
    while words and words[0].startswith("--"):
        option = words.pop(0)
        if "=" not in option and words and words[0] not in runs and not words[0].startswith("--"):
            words.pop(0)  # its value
    if words[:1] == ["ssh"]:
        return words
    if words[:2] == ["shim", "call"] and len(words) > 2:
        return [os.path.basename(words[2]), *words[3:]]
    rest = words[2:] if words[1:2] == ["--"] else words[1:]
    return rest if words[:1] in (["run"], ["exec"]) else []


def _is_ours(path: str) -> bool:
    """As ssh/client.py has it: a script that names keepshell."""
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return head.startswith(b"#!") and b"keepshell" in head


if __name__ == "__main__":
    sys.exit(start())
