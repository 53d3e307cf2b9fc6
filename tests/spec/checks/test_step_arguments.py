"""Wrong arguments of steps: each mistake at its place, with the fix."""

from __future__ import annotations

import pytest

from support.wrong_specs import assert_one_diagnostic
from support.wrong_specs.arguments import ARGUMENTS


@pytest.mark.parametrize(("code", "marked", "hint"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_a_wrong_argument_has_one_diagnostic(code: str, marked: str, hint: str) -> None:
    assert_one_diagnostic(code, marked, hint)
