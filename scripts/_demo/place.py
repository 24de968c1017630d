"""Where the demo runs: a temporary directory with a virtual environment; nothing goes elsewhere.

Only the standard library is at hand here. Ended by a signal or a failure, it leaves no file behind.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

CHECKOUT = Path(__file__).resolve().parents[2]
KEPT = CHECKOUT / ".demo"
"""The environment of the last run."""

NEEDED_TO_BUILD = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


FOLDERS_TO_BUILD = ("bin", "keepshell", "docs/share")


class SetUpError(Exception):
    """What is missing on this machine, or what went wrong, and what to do about it."""


class _Ended(BaseException):
    """A signal came that is to end the demo."""


def ending_signals() -> list[signal.Signals]:
    """Those that are to end the demo; nohup, or a shell's `&`, may have had some ignored."""
    signals = signal.SIGHUP, signal.SIGINT, signal.SIGTERM
    return [number for number in signals if signal.getsignal(number) is not signal.SIG_IGN]


def python_of(environment: Path) -> Path:
    return environment.absolute() / "bin" / "python"


def require_programs(*, makes_environment: bool) -> None:
    """Raises SetUpError with the package to install, if the machine lacks something."""
    if not shutil.which("ssh"):
        raise SetUpError(
            "needs an ssh client, and there is no ssh on PATH (apt install openssh-client)"
        )
    # Debian ships venv without ensurepip, and venv fails halfway for lack of it.
    lacks_venv = not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"))
    if makes_environment and lacks_venv:
        raise SetUpError(
            f"needs venv and ensurepip, which {sys.executable} lacks (apt install python3-venv)"
        )


def set_up_and_run(
    environment: Path | None, arguments: list[str], *, fresh: bool = False
) -> NoReturn:
    """Make the temporary directory and what belongs in it, then become the demo, which removes it.

    `fresh`: the virtual environment is in it, and not one that was kept.

    Raises SetUpError if that fails. The process ends by the signal that interrupts it.
    """
    endings = ending_signals()
    for number in endings:
        signal.signal(number, _end)
    try:
        with tempfile.TemporaryDirectory(prefix="keepshell-demo-") as name:
            directory = Path(name)
            python = python_of(environment or _kept_environment(directory, fresh=fresh))
            # Signals wait until the demo proper, which has the directory to remove, can take them.
            signal.pthread_sigmask(signal.SIG_BLOCK, endings)
            os.execv(python, [str(python), "-BP", "-m", "_demo.run", name, *arguments])
    except _Ended as ended:
        die_by(ended.args[0])
    except OSError as error:
        raise SetUpError(str(error)) from error


def die_by(number: int) -> NoReturn:
    """End by that signal, so that the caller's shell sees which it was."""
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    raise SystemExit(128 + number)


def _end(number: int, _: FrameType | None) -> None:
    raise _Ended(number)


def _kept_environment(directory: Path, *, fresh: bool) -> Path:
    """The environment of the last run, if nothing it was made from has changed; else a new one.

    It is kept in the checkout, where that can be written.
    """
    made_from, stamp = _digest(), KEPT / "made-from"
    if not fresh and stamp.exists() and stamp.read_text() == made_from:
        return KEPT
    if fresh or not os.access(CHECKOUT, os.W_OK):
        return _new_environment(directory / "venv", directory)
    shutil.rmtree(KEPT, ignore_errors=True)
    try:
        _new_environment(KEPT, directory)
    except BaseException:
        shutil.rmtree(KEPT, ignore_errors=True)
        raise
    stamp.write_text(made_from)
    return KEPT


def _digest() -> str:
    """Changes with whatever goes into the environment: our files, and the Python that makes it."""
    files = [CHECKOUT / name for name in NEEDED_TO_BUILD]
    for folder in FOLDERS_TO_BUILD:
        files += [path for path in sorted((CHECKOUT / folder).rglob("*")) if path.is_file()]
    digest = hashlib.sha256(f"{sys.executable} {sys.version}".encode())
    for path in files:
        if "__pycache__" not in path.parts:
            digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _new_environment(environment: Path, directory: Path) -> Path:
    """An environment with keepshell[demo], built from a copy: the checkout may be read-only."""
    source, scratch = directory / "source", directory / "scratch"
    print(f"keepshell demo, in {directory}, which is removed at the end")
    scratch.mkdir()
    source.mkdir()
    copy_source(source)
    _step("making a virtual environment", [sys.executable, "-m", "venv", environment], scratch)
    pip: list[str | Path] = [python_of(environment), "-m", "pip", "install"]
    quiet = ["--no-input", "--no-cache-dir", "--disable-pip-version-check"]
    _step("installing keepshell and the demo's server", [*pip, *quiet, f"{source}[demo]"], scratch)
    return environment


def copy_source(place: Path) -> None:
    """Copy what pip needs of the checkout, which may be read-only, into the directory `place`."""
    for name in NEEDED_TO_BUILD:
        shutil.copy(CHECKOUT / name, place)
    for folder in FOLDERS_TO_BUILD:
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / folder, place / folder, ignore=without)


def _step(what: str, argv: list[str | Path], scratch: Path) -> None:
    """Run one program of the set-up to its end; its output is shown only if it fails."""
    print(f"{what} ... ", end="", flush=True)
    started_at, log = time.monotonic(), scratch / "log"
    # pip.conf may say `user = true`, which pip refuses to do in a virtual environment.
    environ = {**os.environ, "TMPDIR": str(scratch), "PIP_USER": "0"}
    del environ["PYTHONPATH"]  # ours, for the demo's own modules
    with log.open("wb") as output:
        # A group of its own: pip starts others, and they all have to go if we do.
        program = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environ,
            start_new_session=True,
        )
        try:
            program.wait()
        except BaseException:
            print()
            _end_group(program)
            raise
    print(f"{time.monotonic() - started_at:.0f} s", flush=True)
    if program.returncode:
        sys.stderr.write(log.read_text(errors="replace"))
        raise SetUpError(f"{what} failed with status {program.returncode}; see above")


def _end_group(leader: subprocess.Popen[bytes]) -> None:
    """Kill it with all that it started: no one may write files while we remove them."""
    os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()
    give_up_at = time.monotonic() + 5
    while time.monotonic() < give_up_at:
        try:
            os.killpg(leader.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
