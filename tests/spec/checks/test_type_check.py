"""Computed arguments of the wrong type: each mistake at its place, with the fix."""

from __future__ import annotations

import pytest

from support.wrong_specs import assert_one_diagnostic
from support.wrong_specs.arguments import TYPES


@pytest.mark.parametrize(("code", "marked", "hint"), TYPES.values(), ids=TYPES)
def test_a_computed_argument_of_the_wrong_type_has_one_diagnostic(
    code: str, marked: str, hint: str
) -> None:
    assert_one_diagnostic(code, marked, hint)
