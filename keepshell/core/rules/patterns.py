"""Host patterns as in ssh_config(5): `*`, `?`, and `!` to take a host out again.

`Host` there separates patterns by white space and minds the case; `Match host` separates by commas
and does not. Here both separators do, and the case never counts, as it never does in a host name.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def split(text: str) -> tuple[str, ...]:
    """The patterns in `text`, in lower case.

    Raises ValueError, with what is wrong as its text, where no host could ever match.
    """
    patterns = tuple(text.lower().replace(",", " ").split())
    if "!" in patterns:
        raise ValueError("has a `!` with no pattern after it")
    if not patterns:
        raise ValueError("has no pattern in it")
    if all(pattern.startswith("!") for pattern in patterns):
        raise ValueError("excludes hosts but matches none; add `*`")
    return patterns


def matches(patterns: Sequence[str], names: Iterable[str]) -> bool:
    """Whether a host matches that is known by all of `names`: any may let it in, or take it out."""
    names = [name.lower() for name in names]
    found = False
    for pattern in patterns:
        wanted = pattern.removeprefix("!")
        if wanted in names or (("*" in wanted or "?" in wanted) and _match_any(wanted, names)):
            if wanted != pattern:
                return False
            found = True
    return found


def _match_any(pattern: str, names: Iterable[str]) -> bool:
    return any(_match(pattern, name) for name in names)


def _match(pattern: str, name: str) -> bool:
    """Whether the whole of `name` fits: `*` is any run of characters, `?` is any one.

    After a mismatch only the latest `*` has to be tried again, one character longer: an earlier
    one already took the shortest run that fits, so the time is at most len(pattern) × len(name).
    """
    at = pos = 0
    star = -1  # the index after the latest `*`
    retry = 0  # where its run ends in this try
    while pos < len(name):
        if at < len(pattern) and pattern[at] == "*":
            at = star = at + 1
            retry = pos
        elif at < len(pattern) and pattern[at] in ("?", name[pos]):
            at += 1
            pos += 1
        elif star >= 0:
            retry += 1
            at, pos = star, retry
        else:
            return False
    return not pattern[at:].strip("*")
