"""pexpect and ptyprocess, imported without two modules that we never use.

They take a quarter of the time of that import, for which the user waits: `shutil`, for a `which`
that ptyprocess also has, and `traceback`, for errors that are never shown.
"""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["PtyProcess", "pexpect"]


class _Later(ModuleType):
    """Stands for a module, which is imported when one of its names is asked for."""

    def __getattr__(self, name: str) -> object:
        return getattr(__import__(self.__name__), name)


class _Without:
    """Inside, importing one of the two finds it missing, or loads it only on use."""

    def __enter__(self) -> None:
        stand_ins = {"shutil": None, "traceback": _Later("traceback")}
        self._put = {name: each for name, each in stand_ins.items() if name not in sys.modules}
        sys.modules.update(self._put)  # type: ignore[arg-type] # None: such an import fails

    def __exit__(self, *_error: object) -> None:
        for name, stand_in in self._put.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


try:
    with _Without():
        import pexpect
        from ptyprocess import PtyProcess
except ImportError:  # of a version that can't do without, or not installed at all
    import pexpect
    from ptyprocess import PtyProcess
