"""Host patterns, against a reference made of a regular expression."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keepshell.core.rules import patterns

NAMES = st.text(alphabet="abA.-[]*?:1", max_size=8)
PATTERNS = st.text(alphabet="abA.-[]*?:1", min_size=1, max_size=8)


def fits(pattern: str, name: str) -> bool:
    """Whether `name` fits one pattern without `!`, by re."""
    wildcards = {"*": ".*", "?": "."}
    regex = "".join(wildcards.get(c, re.escape(c)) for c in pattern)
    return re.fullmatch(regex, name, re.IGNORECASE | re.DOTALL) is not None


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("web", ["web"], True),
        ("web", ["web1"], False),
        ("WEB", ["web"], True),
        ("web", ["WEB"], True),
        ("*", ["anything"], True),
        ("*", [""], True),
        ("*", [], False),
        ("web?", ["web1"], True),
        ("web?", ["web"], False),
        ("*.example.com", ["a.example.com"], True),
        ("*.example.com", ["example.com"], False),
        ("192.168.0.?", ["192.168.0.9"], True),
        ("[::1]", ["[::1]"], True),
        ("[ab]", ["a"], False),
        ("a,b", ["b"], True),
        ("a b", ["b"], True),
        ("a ,\t b", ["b"], True),
        ("* !web*", ["web1"], False),
        ("!web* *", ["web1"], False),
        ("* !web*", ["db"], True),
        ("db", ["short", "db"], True),
        ("* !db", ["short", "db"], False),
    ],
)
def test_examples(text: str, names: list[str], expected: bool) -> None:
    assert patterns.matches(patterns.split(text), names) is expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no pattern in it"),
        (" , ", "has no pattern in it"),
        ("!", "has a `!` with no pattern after it"),
        ("* !", "has a `!` with no pattern after it"),
        ("!web", "excludes hosts but matches none; add `*`"),
    ],
)
def test_a_text_that_no_host_matches_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        patterns.split(text)


@given(PATTERNS, NAMES)
@example("a*b*a", "abba")
@example("*a*a*", "aa")
@example("**", "")
@example("a*", "a")
@example("*?", "a")
def test_one_pattern_agrees_with_re(pattern: str, name: str) -> None:
    assert patterns.matches(patterns.split(pattern), [name]) is fits(pattern, name)


@given(st.lists(st.tuples(st.booleans(), PATTERNS), max_size=4), st.lists(NAMES, max_size=3))
def test_a_list_agrees_with_re(listed: list[tuple[bool, str]], names: list[str]) -> None:
    listed = [(False, "a*"), *listed]  # one at least has to let a host in
    text = ", ".join("!" + pattern if out else pattern for out, pattern in listed)
    let_in = any(fits(pattern, name) for out, pattern in listed if not out for name in names)
    taken_out = any(fits(pattern, name) for out, pattern in listed if out for name in names)
    assert patterns.matches(patterns.split(text), names) is (let_in and not taken_out)


def test_many_stars_take_no_exponential_time() -> None:
    assert not patterns.matches(["*a" * 500 + "b"], ["a" * 2000])
