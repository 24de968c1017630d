"""What runs now, for `keepshell status`: one small JSON file for each session.

It is written at the session's begin, when a keepalive was due and when the host answers no more, so
it costs no wakeup; what it says is as of then. docs/state.md has its fields.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from keepshell.core.rules.policy import Policy
from keepshell.process import started_at
from keepshell.store import livedir, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from keepshell.core.record import SessionRecord
    from keepshell.core.rules.plan import Plan, Remedy
    from keepshell.job import Job


class LiveFile:
    """The file of one session; failing to write it is no failure of the session."""

    def __init__(self, job: Job, host: str, policy: Policy, plan: Plan) -> None:
        """Nothing is written before the first `write`. The plan is about the host's idle timers."""
        self._place = place.here()
        self._name = f"{os.getpid()}.{self._place.label}.json"
        self._job = job
        self._host = host
        self._policy = policy
        self._limits = [_limit(remedy) for remedy in plan.remedies if remedy.threatens]
        self._constant: Mapping[str, object] = {}
        """The fields that stay as they are; empty before the first `write`."""

    def write(self, record: SessionRecord) -> None:
        """Write what the record says."""
        directory = livedir.writable(self._job.env)
        if directory is None:
            return
        with contextlib.closing(directory), contextlib.suppress(OSError):
            directory.write(self._name, json.dumps(self._fields(record)).encode())

    def close(self) -> None:
        """Delete it."""
        if self._constant:
            with livedir.readable(self._job.env) as directories:
                for directory in directories:
                    directory.delete(self._name)
                    directory.delete(f"{self._name}.new")

    def _fields(self, record: SessionRecord) -> Mapping[str, object]:
        wall = time.time()
        if not self._constant:
            self._constant = {
                "pid": os.getpid(),
                "start": started_at(os.getpid()),
                "machine": self._place.machine,
                "boot": self._place.boot,
                "pid_namespace": self._place.pids,
                "host": self._host or None,
                "name": self._job.name,
                "terminal": _terminal(),
                "limits": self._limits,
                "since": round(wall - (record.at - record.started_at), 3),
            }

        def at(moment: float | None) -> float | None:
            return None if moment is None else round(wall - record.at + moment, 3)

        return {
            **self._constant,
            "written": round(wall, 3),
            "user_at": at(record.user_at),
            "rung": record.rung.label,
            "interval": self._policy.window_change_interval,
            "keepalives": sum(record.counts.values()),
            "last_keepalive": at(record.sent_at),
            "next": at(record.next_at),
            "hold": record.hold,
            "silent_since": at(record.silent_since),
            "off": not record.on,
        }


def _limit(remedy: Remedy) -> Mapping[str, object]:
    """One idle timer of the host, and whether it is beaten, or what would allow that."""
    return {
        "rule": remedy.rule.kind.name,
        "limit": remedy.rule.limit,
        "beaten": remedy.acts,
        "setting": remedy.setting,
    }


def _terminal() -> str | None:
    try:
        return os.ttyname(0)
    except OSError:
        return None
