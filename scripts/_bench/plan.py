"""How much is measured: the full run takes about eight minutes, the quick one less than two."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1_000_000


@dataclass(frozen=True)
class Plan:
    """The size of each measurement; a round is one run of every contender, one after the other."""

    bulk_bytes: int
    bulk_rounds: int
    coloured_rounds: int
    echoes: int
    """Keys typed into each of the two sessions."""
    exec_rounds: int
    prompt_rounds: int
    idle_intervals: int
    """Keepalives waited for, 1 s apart."""
    hour_files: int
    """How often the bulk file is shown: the volume that stands for an hour of output."""
    holes: tuple[int, ...]
    """Seconds in a black hole."""
    held_rounds: int
    """Logins beside commands through a hold."""
    heartbeats: int
    """Of a hold, 5 s apart."""


FULL = Plan(
    bulk_bytes=100 * MB,
    bulk_rounds=9,
    coloured_rounds=5,
    echoes=5000,
    exec_rounds=60,
    prompt_rounds=40,
    idle_intervals=20,
    hour_files=20,
    holes=(20, 60),
    held_rounds=30,
    heartbeats=6,
)

QUICK = Plan(
    bulk_bytes=20 * MB,
    bulk_rounds=3,
    coloured_rounds=2,
    echoes=800,
    exec_rounds=10,
    prompt_rounds=6,
    idle_intervals=4,
    hour_files=10,
    holes=(10,),
    held_rounds=5,
    heartbeats=2,
)
