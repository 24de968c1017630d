"""What tests with real servers share: sessions to a host, kept ones and bare ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sshd.kept import Logins, Open
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal


@pytest.fixture
def open_logins(
    start_sshd: Callable[..., Sshd],
    start_terminal: Callable[..., Terminal],
    keepshell_exe: Path,
    tmp_path: Path,
) -> Open:
    """Starts an sshd, and opens sessions to it."""

    def start(*config: str, prompt: str = PROMPT, **parameters: Any) -> Logins:
        return Logins(
            start_sshd(*config, **parameters).access,
            keepshell_exe=keepshell_exe,
            start_terminal=start_terminal,
            directory=tmp_path,
            prompt=prompt,
        )

    return start
