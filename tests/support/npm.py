"""Packages of npm, fetched once and kept in a cache."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.support.machine import CACHE
from tests.support.programs import require


def modules(*packages: str) -> Path:
    """The `node_modules` with these (`NAME@VERSION`) and what they need, fetched if not there."""
    place = CACHE / "-".join(packages)
    if not place.exists():
        require("npm", "node")
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            fetched = Path(scratch, "fetched")
            fetched.mkdir()
            install = ["npm", "install", "--silent", "--no-audit", "--no-fund", *packages]
            done = subprocess.run(
                [*install, "--prefix", fetched], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"npm: {done.stdout}{done.stderr}"
            with suppress(OSError):  # another worker was faster
                fetched.rename(place)
    return place / "node_modules"
