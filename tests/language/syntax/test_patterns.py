"""Regular expressions of inputs match in bounded time."""

from __future__ import annotations

from rivya_flows.language.syntax.patterns import matches, pattern_error


def test_pattern_matches_in_linear_time() -> None:
    for pattern in ("(a+)+", "(a|aa)+b", "(a*)*$", "a*a*a*a*b"):
        assert pattern_error(pattern) is None
        assert not matches(pattern, "a" * 50_000 + "!")
    assert matches("(a+)+", "a" * 50_000)
    told = {"(": "missing )", "(?=a)": "look-around", r"(a)\1": "backreferences",
            "(((a{1,99}){1,99}){1,99}){1,99}": "repeats too much", "a" * 2000: "more than 1,000"}  # fmt: skip
    for pattern, words in told.items():
        assert words in (pattern_error(pattern) or "")
    assert not matches("a", "a\n")
