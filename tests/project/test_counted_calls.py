"""The count of calls that tests of bounds rest on."""

from __future__ import annotations

import pytest

from support.counted_calls import TooManyCallsError, within


def three_calls() -> None:
    for _ in range(3):
        (lambda: None)()


def test_work_ends_when_it_calls_more_than_its_limit() -> None:
    assert within(4, three_calls) == 4
    with pytest.raises(TooManyCallsError):
        within(3, three_calls)
