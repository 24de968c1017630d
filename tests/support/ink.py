"""npm's ink, which command lines of agents are written with, kept in a cache."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.support.machine import CACHE
from tests.support.programs import require

_PACKAGES = ("ink@5.2.1", "react@18.3.1")
_PLACE = CACHE / "-".join(_PACKAGES)


def modules() -> Path:
    """The `node_modules` with ink and what it needs, fetched where they are not there yet."""
    if not _PLACE.exists():
        require("npm", "node")
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            fetched = Path(scratch, "fetched")
            fetched.mkdir()
            install = ["npm", "install", "--silent", "--no-audit", "--no-fund", *_PACKAGES]
            done = subprocess.run(
                [*install, "--prefix", fetched], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"npm: {done.stdout}{done.stderr}"
            with suppress(OSError):  # another worker was faster
                fetched.rename(_PLACE)
    return _PLACE / "node_modules"
