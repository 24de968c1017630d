"""Every case of the matrix."""

from __future__ import annotations

from tests.harmless import (
    cutoff,
    editors,
    everyday,
    inline,
    multiplexers,
    questions,
    repls,
    shells,
    viewers,
)
from tests.harmless.case import Case

CASES: tuple[Case, ...] = (
    *shells.CASES,
    *repls.CASES,
    *editors.CASES,
    *viewers.CASES,
    *questions.CASES,
    *multiplexers.CASES,
    *cutoff.CASES,
    *inline.CASES,
    *everyday.CASES,
)
