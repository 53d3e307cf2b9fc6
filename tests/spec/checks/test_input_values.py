"""Wrong declarations of inputs: each mistake at its place, with the fix."""

from __future__ import annotations

import pytest

from support.wrong_specs import assert_one_diagnostic
from support.wrong_specs.inputs import DECLARATIONS


@pytest.mark.parametrize(("code", "marked", "hint"), DECLARATIONS.values(), ids=DECLARATIONS)
def test_a_wrong_declaration_has_one_diagnostic(code: str, marked: str, hint: str) -> None:
    assert_one_diagnostic(code, marked, hint)
