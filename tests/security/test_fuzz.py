"""Bytes of others end in a value or in a documented error, whatever they are.

`scripts/fuzz TARGET --seconds N` looks for longer, and adds what it finds to the corpus.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from support.counted_calls import within
from support.fuzz_bytes import bytes_like
from support.fuzz_targets import TARGETS, seeds

MOST_CALLS = 5_000_000
"""Of Python functions for one input; a parser that is quadratic in its input needs more."""

CASES = [
    pytest.param(name, path, id=f"{name}-{path.name}") for name in TARGETS for path in seeds(name)
]


@pytest.mark.parametrize(("name", "path"), CASES)
def test_what_was_found_once_stays_mended(name: str, path: Path) -> None:
    data = path.read_bytes()
    within(MOST_CALLS, lambda: TARGETS[name](data))


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
@settings(suppress_health_check=list(HealthCheck))
def test_any_bytes_end_in_a_value_or_a_documented_error(name: str, data: st.DataObject) -> None:
    corpus = [path.read_bytes() for path in seeds(name)]
    drawn = data.draw(bytes_like(corpus))
    within(MOST_CALLS, lambda: TARGETS[name](drawn))
