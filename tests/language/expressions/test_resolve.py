"""References in expressions, and conditions."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.language.expressions.resolve import Reference, condition, references
from support.expression_scope import SCOPE


def test_references_are_read_from_the_syntax_tree() -> None:
    value = {
        "prompt": "${{ steps.a.json.visual }} and 'steps.not' ${{ 'steps.text' }}",
        "more": ["${{ steps.b['items'][0].asset or steps.c.by[matrix.style].asset.url }}"],
        "last": "${{ shot.url | default(inputs.x if item else zip.y) }}",
    }
    assert references(value) == {
        Reference("steps", ("a", "json", "visual")),
        Reference("steps", ("b", "items", "0", "asset")),
        Reference("steps", ("c", "by")),
        Reference("matrix", ("style",)),
        Reference("shot", ("url",)),
        Reference("inputs", ("x",)),
        Reference("item", ()),
        Reference("zip", ("y",)),
    }


@pytest.mark.parametrize(
    ("written", "holds"),
    [
        (None, True),
        (True, True),
        (False, False),
        ("${{ inputs.count == 3 }}", True),
        ("${{ inputs.reference }}", False),
        ("${{ steps.skipped.json.visual == 'x' }}", False),
        ("${{ inputs.product }}", True),
    ],
)
def test_condition_holds(written: Any, holds: bool) -> None:
    assert condition(written, SCOPE) is holds
