"""keepshell keeps an idle ssh session alive and changes nothing else."""

from keepshell._version import VERSION as __version__  # noqa: N811 - PEP 396's own name

__all__ = ["__version__"]
