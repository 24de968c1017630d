"""What /proc tells about one process, its children not included (proc(5); Linux only)."""

from __future__ import annotations

from pathlib import Path

_NS = 1e-9


def cpu_seconds(pid: int) -> float:
    """User and system time, to the nanosecond; still there when the process is a zombie.

    /proc/PID/stat has the same in ticks of 10 ms, which is too coarse here.
    """
    return int(_read(pid, "schedstat").split()[0]) * _NS


def voluntary_switches(pid: int) -> int:
    """How often the process has gone to sleep by itself."""
    return _number(pid, "status", "voluntary_ctxt_switches:")


def rss_mib(pid: int) -> float:
    """Resident memory, pages shared with other processes included, in MiB.

    smaps_rollup counts; VmRSS of /proc/PID/status may be off by 64 pages for each CPU.
    """
    return _number(pid, "smaps_rollup", "Rss:") / 1024


def _number(pid: int, name: str, field: str) -> int:
    for line in _read(pid, name).splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise LookupError(f"/proc/PID/{name} has no {field}")


def _read(pid: int, name: str) -> str:
    return Path("/proc", str(pid), name).read_text()
