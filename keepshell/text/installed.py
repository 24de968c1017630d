"""What a fault comes from: a missing package, a half installed keepshell, or its own code."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

_WAYS = (
    ("/pipx/venvs/", "pipx reinstall keepshell", "pipx uninstall keepshell"),
    ("/uv/tools/", "uv tool upgrade --reinstall keepshell", "uv tool uninstall keepshell"),
    ("/usr/lib/python3/", "apt install --reinstall ./keepshell_*.deb", "apt purge keepshell"),
    ("/usr/bin/", "", "apt purge keepshell"),
)
"""By a part of the path of a file: what installs it again, and what removes it."""


def fault(error: BaseException) -> str:
    """Why we can't run, and what would help."""
    module = getattr(error, "name", None) or ""
    is_ours = module.partition(".")[0] == "keepshell"
    if isinstance(error, ModuleNotFoundError) and module and not is_ours:
        return f"this needs the Python package {module}, which {sys.executable} does not have"
    said = f"{type(error).__name__}: {error}"
    asked = getattr(error, "obj", None)  # of an AttributeError
    lacks_name = getattr(asked, "__name__", "").startswith("keepshell")
    broken = isinstance(error, ImportError) and is_ours
    if not (broken or lacks_name or isinstance(error, SyntaxError) or changed()):
        return said if isinstance(error, OSError) else f"internal error: {said}"
    again, _ = ways(PACKAGE)
    cure = f": {again}" if again else ""
    return f"parts of keepshell are missing or of another version ({said}); install it again{cure}"


def ways(path: str) -> tuple[str, str]:
    """The commands that install the keepshell of a file again, and remove it; empty if unknown."""
    real = os.path.realpath(path)
    return next(((again, remove) for part, again, remove in _WAYS if part in real), ("", ""))


def changed() -> list[str]:
    """The files of the package that are missing or not as they were installed.

    By the hashes that installers keep (PEP 376's RECORD); empty where there are none.
    """
    return sorted(_changed())


def _changed() -> Iterator[str]:
    import base64
    import hashlib
    from importlib.metadata import PackageNotFoundError, distribution

    if not os.path.isdir(PACKAGE):  # the single file is replaced as a whole
        return
    try:
        files = distribution("keepshell").files or ()
    except PackageNotFoundError:
        return
    for file in files:
        path = os.path.abspath(str(file.locate()))
        if file.hash is None or not path.startswith(f"{PACKAGE}/"):
            continue
        try:
            with open(path, "rb") as opened:
                digest = hashlib.new(file.hash.mode, opened.read()).digest()
        except OSError:
            yield str(file)
            continue
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            yield str(file)
