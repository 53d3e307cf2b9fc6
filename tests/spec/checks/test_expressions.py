"""Wrong expressions: each mistake at its place, with the fix."""

from __future__ import annotations

import pytest

from support.wrong_specs import HEAD, assert_one_diagnostic
from support.wrong_specs.expressions import EXPRESSIONS


@pytest.mark.parametrize(("code", "marked", "hint"), EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_a_wrong_expression_has_one_diagnostic(code: str, marked: str, hint: str) -> None:
    assert_one_diagnostic(code, marked, hint)


def test_a_name_without_braces_is_found_at_any_depth() -> None:
    step = "  n:\n    uses: notify\n    with: {url: 'https://a.example', body: {made: [☞inputs.product]}}\n"
    marked = HEAD + "inputs: {product: {type: string}}\nsteps:\n" + step
    assert_one_diagnostic("missing-dollar", marked, "write ${{ inputs.product }}")
