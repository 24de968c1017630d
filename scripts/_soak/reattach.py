"""Outages of kept shells, live: every program with every cut, at random, in a real terminal."""

from __future__ import annotations

import itertools
import random
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.sshd.outages import CONFIG, CUTS, PROGRAMS, Program, Scene
from tests.support.access import Keys

from .place import environment

_ENGINES = ("python", "perl")


class _Outages:
    """Runs them, and counts; its methods may be called by any thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._env = environment(directory / "user")
        (directory / "keys").mkdir()
        self._keys = Keys.make(directory / "keys")
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._twins: dict[Program, list[str]] = {}
        self.wrong: list[str] = []
        self.ended = 0
        self.compared = 0

    def take(self, program: Program, cut: Callable[[Scene], None], engine: str) -> None:
        """One outage, and what the terminal shows after it."""
        name = f"{program}, {cut.__name__}, {engine}"
        with ExitStack() as stack:
            wanted = self._twin(program)
            scene = self._scene(stack, program, engine=engine, config=CONFIG.get(cut, ()))
            try:
                scene.open_kept()
                cut(scene)
                difference = scene.compare(wanted)
            except AssertionError as error:
                difference = str(error)[-2000:]
            ended = not scene.runs()
        with self._lock:
            self.ended += ended
            self.compared += sum(map(len, wanted))
            if difference:
                self.wrong.append(f"{name}:\n{difference}")
        print(f"{name}: {'DIFFERS' if difference else 'the same'}", flush=True)

    def _twin(self, program: Program) -> list[str]:
        with self._lock:
            if program not in self._twins:
                with ExitStack() as stack:
                    twin = self._scene(stack, program)
                    twin.open_twin()
                    self._twins[program] = twin.finish()
            return self._twins[program]

    def _scene(
        self,
        stack: ExitStack,
        program: Program,
        *,
        engine: str = "python",
        config: tuple[str, ...] = (),
    ) -> Scene:
        return Scene(
            stack,
            self._directory / str(next(self._numbers)),
            program,
            keys=self._keys,
            exe=Path(sys.prefix, "bin", "keepshell"),
            env=self._env,
            engine=engine,
            config=config,
        )


def run(count: int, at_once: int) -> int:
    """So many outages; prints the counts, and answers with the exit status."""
    chance = random.Random(count)
    every = list(itertools.product(PROGRAMS, CUTS, _ENGINES))
    chance.shuffle(every)
    with tempfile.TemporaryDirectory(prefix="keepshell-soak-") as name:
        outages = _Outages(Path(name))
        with ThreadPoolExecutor(at_once) as pool:
            chosen = itertools.islice(itertools.cycle(every), count)
            for future in [pool.submit(outages.take, *each) for each in chosen]:
                future.result()
    print(f"outages                      {count}")
    print(f"sessions ended by keepshell  {outages.ended}")
    print(f"characters compared          {outages.compared}")
    print(f"screens that differ          {len(outages.wrong)}")
    for line in outages.wrong:
        print(line, file=sys.stderr)
    return 1 if outages.wrong or outages.ended else 0
