"""What was measured, held against its bar: as a table to read and as JSON to keep."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_COMPARE = {
    "≥": operator.ge,
    "≤": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}

_HEADINGS = ("what", "measured", "must be", "verdict", "from")


@dataclass(frozen=True)
class Bar:
    """What a value must reach: `sign` is a key of `_COMPARE`."""

    sign: str
    limit: float

    def met_by(self, value: float) -> bool:
        return bool(_COMPARE[self.sign](value, self.limit))


@dataclass(frozen=True)
class Row:
    """One line of the table. `key` is its name in the JSON; a row without a bar only informs."""

    key: str
    what: str
    value: float
    unit: str
    bar: Bar | None
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What the value was computed from, by name; the names carry the units."""

    @property
    def met(self) -> bool:
        return self.bar is None or self.bar.met_by(self.value)

    def cells(self) -> tuple[str, ...]:
        verdict = "-" if self.bar is None else "pass" if self.met else "FAIL"
        return (
            self.what,
            f"{_short(self.value)} {self.unit}".rstrip(),
            f"{self.bar.sign} {_short(self.bar.limit)}" if self.bar else "",
            verdict,
            ", ".join(f"{name} {_short(number)}" for name, number in self.numbers.items()),
        )


def table(rows: Sequence[Row]) -> str:
    """The rows as a table that is plain text and Markdown alike."""
    lines = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    padded = [map(str.ljust, line, widths) for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def write_json(path: Path, rows: Sequence[Row], **about: object) -> None:
    """Write the rows, and `about` the run, to `path`; makes its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = {
        **about,
        "rows": [
            {
                "key": row.key,
                "what": row.what,
                "value": round(row.value, 5),
                "unit": row.unit,
                "bar": f"{row.bar.sign} {row.bar.limit:g}" if row.bar else None,
                "met": row.met,
                "numbers": {name: round(number, 5) for name, number in row.numbers.items()},
            }
            for row in rows
        ],
    }
    path.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n")


def _short(number: float) -> str:
    """Three significant digits, and never an exponent."""
    if number == int(number) or abs(number) >= 100:
        return f"{number:.0f}"
    return f"{number:.2f}" if abs(number) >= 1 else f"{number:.3g}"
