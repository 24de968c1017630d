"""A shim for good: written into one directory, noted, and taken away as it was noted.

The note is `shims.json` in keepshell's state directory: by directory, which directories were made
for it. It is written before the shim, so that nothing is ever there which `remove` doesn't know.
"""

from __future__ import annotations

import contextlib
import json
import os

from keepshell import paths
from keepshell.errors import UsageError
from keepshell.shim import files, script
from keepshell.ssh import client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Answer = tuple[str, int]
    """What to print, and the exit status."""

_NAMES = ("ssh", *files.COPIERS)
_ELSEWHERE = "choose another directory with shim install --dir DIR"


def command(verb: str, folder: str | None, environ: Mapping[str, str]) -> Answer:
    """Do `install`, into `folder` if one is named, `remove` or `status`. Raises UsageError."""
    if verb == "install":
        return _install(_chosen(folder, environ), environ)
    return _remove(environ) if verb == "remove" else _status(environ)


def _chosen(folder: str | None, environ: Mapping[str, str]) -> str:
    """The directory to install into. Raises UsageError."""
    if folder is None:
        usual = paths.shim_dir(environ)
        if usual is None:
            raise UsageError("HOME is not set: name a directory with shim install --dir DIR")
        return usual
    if not folder:
        raise UsageError("shim install --dir: expected one directory")
    if os.pathsep in folder:
        raise UsageError(f"{folder}: a directory with a colon can't be on PATH")
    return os.path.abspath(folder)


def _install(folder: str, environ: Mapping[str, str]) -> Answer:
    notes = _Notes(environ)
    for name in _NAMES:
        path = os.path.join(folder, name)
        if os.path.lexists(path) and not script.is_ours(path):
            raise UsageError(f"{path}: is not keepshell's; move it away, or {_ELSEWHERE}")
    texts = dict(files.files(folder, environ))
    is_new, remedy = folder not in notes.made, ""
    try:
        notes.made.setdefault(folder, _missing(folder) + _missing(notes.folder))
        notes.save()
        remedy = f"; {_ELSEWHERE}"  # which would not help the note
        os.makedirs(folder, exist_ok=True)
        for path, text in texts.items():
            files.write(path, text)
    except OSError as error:
        if is_new:
            _take_away(folder, notes)
        raise UsageError(
            f"{error.filename or folder}: {error.strerror}; nothing was installed{remedy}"
        ) from error
    return "\n".join([f"installed: {', '.join(texts)}", *_on_path(folder, environ)[0]]), 0


def _missing(folder: str) -> list[str]:
    """The directories that must be made for it, outermost first."""
    missing: list[str] = []
    while not os.path.lexists(folder):
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    return missing


def _remove(environ: Mapping[str, str]) -> Answer:
    notes = _Notes(environ)
    lines = []
    for folder in reversed(list(notes.made)):  # the first one made the note's directory
        lines += [f"removed: {path}" for path in _take_away(folder, notes)]
        foreign = [name for name in _NAMES if os.path.lexists(os.path.join(folder, name))]
        lines += [f"left, not keepshell's: {os.path.join(folder, name)}" for name in foreign]
    return "\n".join(lines or ["nothing is installed"]), 0


def _take_away(folder: str, notes: _Notes) -> list[str]:
    """Undo one installation; returns the files that were ours. Raises UsageError."""
    paths = [os.path.join(folder, name) for name in _NAMES]
    ours = [path for path in paths if script.is_ours(path)]
    try:
        for path in ours:
            os.unlink(path)
    except OSError as error:
        raise UsageError(f"{error.filename}: can't be removed: {error.strerror}") from error
    folders = notes.made.pop(folder)
    with contextlib.suppress(OSError):
        notes.save()
    for made in reversed(folders):
        with contextlib.suppress(OSError):  # never made, or something else is in it
            os.rmdir(made)
    return ours


def _status(environ: Mapping[str, str]) -> Answer:
    lines: list[str] = []
    is_used = False
    for folder in _Notes(environ).made:
        path = os.path.join(folder, "ssh")
        if not script.is_ours(path):
            is_there = os.path.lexists(path)
            state = "is not keepshell's any more" if is_there else "is missing"
            lines.append(f"{path}: {state}")
            continue
        place, is_first = _on_path(folder, environ)
        lines += [f"{path}: installed", *place]
        is_used |= is_first
    return "\n".join(lines or ["nothing is installed"]), 0 if is_used else 1


def _on_path(folder: str, environ: Mapping[str, str]) -> tuple[list[str], bool]:
    """What to say of the directory's place on PATH, and whether its `ssh` is found."""
    first = client.which("ssh", environ)
    if first == os.path.join(folder, "ssh"):
        return ["in use: `ssh` is found there"], True
    is_later = folder in environ.get("PATH", "").split(os.pathsep)
    where = f"{first} comes first on PATH" if is_later else "not on PATH"
    return [
        f"not in use: {where}; add this line to your shell's start-up file",
        _line(folder, environ),
    ], False


def _line(folder: str, environ: Mapping[str, str]) -> str:
    """What puts the directory first on PATH, in the user's shell."""
    import shlex

    if os.path.basename(environ.get("SHELL", "")) == "fish":
        return f"    set --global --export PATH {shlex.quote(folder)} $PATH"
    return f'    export PATH={shlex.quote(folder)}:"$PATH"'


class _Notes:
    """What is installed: by directory, the directories that were made for it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read them. Raises KeepshellError if they can't be read, or kept anywhere."""
        self.folder = paths.required(paths.state_dir(environ))
        self._path = os.path.join(self.folder, "shims.json")
        try:
            with open(self._path, "rb") as file:
                self.made = _checked(json.load(file))
        except (FileNotFoundError, NotADirectoryError):
            self.made = {}
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{self._path}: {error}; delete it and the shims that you have installed"
            ) from error

    def save(self) -> None:
        """Write them; with nothing to note, there is no file. Raises OSError."""
        if not self.made:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
            return
        paths.make_private(self.folder)
        files.replace(self._path, json.dumps(self.made, indent=1).encode(), 0o644)


def _checked(notes: object) -> dict[str, list[str]]:
    """Raises ValueError for anything that `save` does not write."""
    if not isinstance(notes, dict):
        raise ValueError("not a table")
    for folder, made in notes.items():
        if not isinstance(made, list) or not all(isinstance(name, str) for name in made):
            raise ValueError(f"{folder}: not a list of directories")
    return notes
