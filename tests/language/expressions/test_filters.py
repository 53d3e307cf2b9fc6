"""The filters of expressions."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from rivya_flows.language.expressions.filters import FILTERS
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, evaluate
from support.expression_scope import SCOPE


def test_slug_keeps_few_combining_marks_in_a_row() -> None:
    marks = "\u0316\u0301" * 1_000  # each pair has to change places with all before it
    assert len(evaluate("${{ inputs.x | slug }}", {"inputs": {"x": f"a{marks} b"}})) < 40
    assert evaluate("${{ inputs.x | slug }}", {"inputs": {"x": "क़लम  Ünïque"}}) == "क़लम-unique"


@pytest.mark.parametrize(
    ("text", "length", "cut"),
    [("hello big world", 11, "hello big…"), ("hello big world", 10, "hello big…"),
     ("hello big world", 8, "hello…"), ("abcdefgh", 4, "abc…"), ("abc", 1, "…"),
     ("   abc", 3, "…"), (" abcdef", 4, " ab…"), ("abc", 3, "abc")],
)  # fmt: skip
def test_text_is_cut_at_a_word(text: str, length: int, cut: str) -> None:
    written = "${{ inputs.text | truncate(" + str(length) + ") }}"
    assert evaluate(written, {"inputs": {"text": text}}) == cut


ARGUMENTS = st.sampled_from(
    ["0", "1", "-1", "true", "2.5", "''", "'a'", "' '", "['a']", "{'a': 1}", "99999999999999999999",
     "none", "inputs.product", "inputs.styles"]
)  # fmt: skip


@given(st.sampled_from(sorted(FILTERS)), ARGUMENTS, st.lists(ARGUMENTS, max_size=2))
def test_any_filter_with_any_arguments_is_evaluated_or_refused(
    name: str, value: str, arguments: list[str]
) -> None:
    try:
        evaluate(f"${{{{ {value} | {name}({', '.join(arguments)}) }}}}", SCOPE)
    except (ExpressionError, UsesNull):
        return
