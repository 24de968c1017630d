"""What real programs printed and what was typed, step by step, kept in recorded.json.

`python -m tests.harmless.record` writes it again. Bytes are kept as Latin-1.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.harmless import runs
from tests.harmless.runs import Run
from tests.harmless.table import CASES

RECORDED = (
    "bash: incremental search",
    "bash: here document",
    "zsh: half-typed line",
    "dash: half-typed line",
    "vim: insert",
    "emacs: query-replace",
    "less: search half typed",
    "rm -i: first question",
    "tmux: prefix pending",
)
_KEPT = Path(__file__).with_name("recorded.json")
_MOST = 400  # bytes of a chunk, from its beginning and from its end


def sessions() -> list[tuple[list[bytes], list[bytes]]]:
    """The output and the keys of each recorded session."""
    kept = json.loads(_KEPT.read_text())
    return [(_encoded(each["output"]), _encoded(each["keys"])) for each in kept]


def _encoded(pieces: list[str]) -> list[bytes]:
    return [piece.encode("latin-1") for piece in pieces]


class _Recorder(Run):
    """Keeps the streams, cut where the steps of the case cut them."""

    def __init__(self, *args: object) -> None:
        self.chunks: list[bytes] = []
        self.keys: list[bytes] = []
        self._recorded = 0
        super().__init__(*args)  # type: ignore[arg-type]

    def type(self, keys: bytes) -> None:
        output = self.terminal.output
        new, self._recorded = output[self._recorded :], len(output)
        if new:
            self.chunks.append(new if len(new) <= 2 * _MOST else new[:_MOST] + new[-_MOST:])
        self.keys.append(keys)
        super().type(keys)


def main() -> None:
    """Run the cases once, without a no-op."""
    kept = []
    for case in (case for case in CASES if case.name in RECORDED):
        with runs.place() as directory:
            run = _Recorder(case, directory / "control", None)
            try:
                runs.walk((*case.reach, *case.finish), [run])
            finally:
                run.close()
            streams = {"output": run.chunks, "keys": run.keys}
            kept.append(
                {
                    name: [piece.decode("latin-1") for piece in pieces]
                    for name, pieces in streams.items()
                }
            )
    _KEPT.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
