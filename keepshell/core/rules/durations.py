"""Durations as people write them, `90s`, `15m`, `1h30m`, to and from seconds; limits rounded so."""

from __future__ import annotations

_SECONDS_IN = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}

_SPOKEN = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 60, ""))
"""From two of a unit on, a sentence speaks in that unit: 90m, but 2h."""


class NoUnitError(ValueError):
    """A bare number, which may be minutes or seconds; its `str()` asks which."""


def with_unit(text: str) -> float:
    """The seconds in what a person wrote. Raises ValueError, and for a bare number NoUnitError."""
    number = text.strip()
    if number.strip("0.") and not number.strip("0123456789."):
        raise NoUnitError(f"a duration has a unit: {number}m or {number}s?")
    return parse(text)


def parse(text: str) -> float:
    """The seconds in `text`: members such as `90s` or `1h 30m` added together, or a bare number.

    These are ssh's TIME FORMATS (sshd_config(5)) with decimal fractions, but for one: `1h30`,
    where ssh adds 30 seconds and most writers mean minutes, raises ValueError like any other text.
    """
    rest = text.strip().lower()
    if not rest.strip("0123456789."):
        rest += "s"
    total, number = 0.0, ""
    for char in rest:
        if char in "0123456789.":
            number += char
        elif char in _SECONDS_IN:
            total += float(number) * _SECONDS_IN[char]  # float("") is a ValueError too
            number = ""
        elif number or char != " ":
            raise ValueError(text)
    if number:
        raise ValueError(text)
    return round(total, 6)  # 1.1 × 3600 is 3960.0000000000005


def show(seconds: float) -> str:
    """`seconds` in the largest unit that divides them: `90s`, `20m`, `24d`; zero is `0s`."""
    for unit, size in _SECONDS_IN.items():
        if seconds and seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.9g}s"


def describe(seconds: float) -> str:
    """`seconds` for a sentence, rounded as people would say it: `45s`, `15m`, `3h 20m`, `120d`."""
    whole = round(seconds)
    for size, unit, rest_size, rest_unit in _SPOKEN:
        if whole >= 2 * size:
            rest = whole % size // rest_size if whole < 100 * size else 0
            return f"{whole // size}{unit}" + (f" {rest}{rest_unit}" if rest else "")
    return f"{whole}s" if whole else "less than 1s"


def exact(seconds: float) -> str:
    """The same in full, for what is set and not observed: `2m 30s`, `2.5s`."""
    members: list[str] = []
    for size, unit, *_ in _SPOKEN:
        if seconds >= (size if members else 2 * size):
            members.append(f"{seconds // size:.0f}{unit}")
            seconds %= size
    seconds = round(seconds, 6)  # 150.1 % 60 is 30.099999999999994
    if seconds or not members:
        members.append(f"{seconds:.9g}s")
    return " ".join(members)


_MINUTE, _HOUR = 60, 3600
_WRITTEN = (
    *range(1, 11),
    *(12, 15, 20, 25, 30, 40, 45, 50, 60, 75, 90, 100, 120, 150, 180, 200, 240, 250, 300),
    *(400, 450, 500, 600, 720, 750, 900, 1000, 1200, 1500, 1800, 2000, 2400, 2700, 3000),
    *(45 * _MINUTE, 50 * _MINUTE, 90 * _MINUTE, 150 * _MINUTE),
    *(hours * _HOUR for hours in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 18, 24, 36, 48, 72)),
)
"""Limits in seconds as administrators write them."""


def rounded(idle: float) -> float:
    """The limit in seconds that an administrator would have written, given when it fired.

    Whole seconds, rounded down, where no usual limit is near.
    """
    nearest = min(_WRITTEN, key=lambda limit: abs(limit - idle))
    return float(nearest if same_time(idle, nearest) else max(1, int(idle)))


def same_time(idle: float, limit: float) -> bool:
    """Whether a rule with this limit may have fired after this silence.

    Servers reckon in whole seconds, and look now and then: 1 s early was measured, and late by what
    a loaded machine takes.
    """
    return abs(idle - limit) <= max(1.0, 0.03 * limit)
