"""What is said of an expression before a run agrees with what it gives in the run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.expressions.filters import FILTERS, misuse
from rivya_flows.language.expressions.inference import shape_of
from rivya_flows.language.expressions.output_types import (
    BOOLEAN,
    NUMBER,
    TEXT,
    Shape,
    asset,
    list_of,
    map_of,
)
from rivya_flows.language.expressions.resolve import evaluate, template
from rivya_flows.language.expressions.values import (
    ExpressionError,
    InferenceError,
    UsesNull,
    type_name,
)
from rivya_flows.spec.load import check
from support.wrong_specs import HEAD, STILL

ASSET = {"kind": "image", "sha256": "0", "url": "https://a.b/c.png", "width": 8}
INPUTS = {"text": "lamp 7", "count": 3, "half": 2.5, "flag": True, "texts": ["a", "b"],
          "numbers": [1, 2], "photo": ASSET, "facts": {"size": 5, "name": "x"},
          "rows": [{"size": 1, "name": "b"}, {"size": 2, "name": None}]}  # fmt: skip
SHAPES = {
    "text": TEXT,
    "count": NUMBER,
    "half": NUMBER,
    "flag": BOOLEAN,
    "texts": list_of(TEXT),
    "numbers": list_of(NUMBER),
    "photo": asset("image"),
    "facts": map_of({"size": NUMBER, "name": TEXT}),
    "rows": list_of(map_of({"size": NUMBER, "name": TEXT})),
}
LEAVES = st.sampled_from(
    [*(f"inputs.{name}" for name in INPUTS), "inputs.facts.size", "inputs.texts[0]", "'word'", "4",
     "true", "['c', 'd']", "{'a': 1}", "inputs.numbers[0:1]"]
)  # fmt: skip
NULLS = LEAVES | st.just("none")
SIMPLE = [name for name in FILTERS if misuse(name, [], []) is None]
OF_LISTS = ["map('upper')", "map('int')", "map('join', '-')", "map(attribute='size')", "map(attribute='name', default=1)",
            "map(attribute='size') | map('default', 0)", "select('number')", "selectattr('size', 'gt', 4)",
            "rejectattr('name')", "sort(attribute='name')", "groupby('size')", "sum(attribute='size')", "sum(start=2)",
            "min(attribute='size')", "unique(attribute='name')", "zip(inputs.texts)", "zip(inputs.texts) | last",
            "zip(inputs.texts) | map(attribute=0)", "flatten(levels=1)", "flatten", "join('-', attribute='name')",
            "split('a')", "first", "last"]  # fmt: skip
LISTS = st.sampled_from(
    ["inputs.texts", "inputs.numbers", "[inputs.facts, {'size': 3, 'name': 'y'}]", "[]", "[inputs.texts, ['z']]",
     "[inputs.facts, none]", "inputs.rows"]
)  # fmt: skip


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(["+", "-", "*", "/", "//", "%", "~", "<", ">=", "==", "in", "not in"])
    return st.one_of(
        st.tuples(inner, signs, inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(inner, st.sampled_from(SIMPLE)).map(lambda p: f"({p[0]} | {p[1]})"),
        inner.map(lambda one: f"({one} | replace('a', 'b'))"),
        st.tuples(inner, inner).map(lambda p: f"[{p[0]}, {p[1]}]"),
        inner.map(lambda one: f"(not {one})"),
        inner.map(lambda one: f"(-{one})"),
        inner.map(lambda one: f"({one} is string)"),
        # What is not looked at is not worth anything, so one side is always sound.
        st.tuples(inner, NULLS).map(lambda p: f"({p[0]} if inputs.flag else {p[1]})"),
        st.tuples(inner, NULLS).map(lambda p: f"({p[0]} or {p[1]})"),
        st.tuples(inner, NULLS).map(lambda p: f"({p[0]} | default({p[1]}))"),
    )


PIPES = st.tuples(LISTS, st.lists(st.sampled_from(OF_LISTS), min_size=1, max_size=3)).map(
    lambda p: " | ".join([p[0], *p[1]])
)


@given(st.recursive(LEAVES, _larger, max_leaves=5) | PIPES)
def test_what_is_refused_fails_and_what_is_given_has_its_shape(text: str) -> None:
    [expression] = template(f"${{{{ {text} }}}}").expressions
    shape: Shape | None
    try:
        shape = shape_of(expression.tree, {"inputs": map_of(SHAPES), "steps": map_of({})})
    except InferenceError:
        shape = None
    try:
        value = evaluate(f"${{{{ {text} }}}}", {"inputs": INPUTS, "steps": {}})
    except (ExpressionError, UsesNull):
        return
    assert shape is not None, f"refused, though it gives {value!r}"
    assert _fits(shape, value), f"{shape.kind} was said, and it gives {value!r}"


def _fits(shape: Shape, value: Any) -> bool:
    if value is None or shape.kind == "any":
        return True
    if shape.kind == "list" and shape.member is not None and isinstance(value, list):
        return all(_fits(shape.member, member) for member in value)
    return shape.kind == type_name(value)


INPUT = "inputs:\n  name: {type: string, default: x}\n  n: {type: integer, default: 1}\n"
WRONG = {
    "☞steps.still.asset ~ 'x'": "name one of its fields, such as .url",
    "inputs.n + ☞inputs.name": "write `~` to join texts",
    "☞inputs.name * 2": "write `| int` after the text",
    "☞steps.still.asset | upper": "name one of its fields, such as .url",
    "☞inputs.name | join(', ')": "write [ ] around it, or use .items or .assets of a step with several items",
    "☞steps.still.assets | join": "name a field of each member, such as attribute='kind'",
    "☞steps.still.assets | sort(reverse=true)": "name a field of each member, such as attribute='kind'",
    "☞steps.still.assets | map(attribute='kind') | sum": "write `| map('int') | sum`",
    "☞inputs.n | length": "write a list, such as ['a', 'b']",
    "inputs.n > ☞inputs.name": "write `| int` after the text",
    "inputs.name in ☞inputs.n": "write a list, such as ['a', 'b']",
    "-☞inputs.name": "write `| int` after it",
    "☞steps.still.assets - 1": "write `| length` for how many there are, or pick one item with [0]",
    "☞inputs.name | first": "write [ ] around it, or use .items or .assets of a step with several items",
}  # fmt: skip


@pytest.mark.parametrize(("marked", "hint"), WRONG.items(), ids=WRONG.keys())
def test_operand_of_the_wrong_kind_is_reported_at_its_place(marked: str, hint: str) -> None:
    begin = HEAD + INPUT + "steps:\n" + STILL + "outputs:\n  a: ${{ "
    found = check(
        f"{begin}{marked.replace('☞', '')} }}}}\n", file="spec.yaml", catalogue=shipped()
    )[1]
    column = len("  a: ${{ ") + marked.index("☞") + 1
    assert [(p.line, p.column, p.code, p.hint) for p in found] == [
        (11, column, "wrong-type", hint)
    ], "\n".join(map(str, found))


@pytest.mark.parametrize(
    "expression",
    ["'a' ~ 5", "['a', 2, true] | join", "[inputs.n, steps.still.asset.url] | join('-')", "inputs.n + 1.5", "inputs.name + 'x'", "(inputs.name | int) * 2",
     "steps.still.assets + [steps.still.asset]", "steps.still.asset.width > inputs.n",
     "inputs.name in ['a', 'b']", "(steps.still.assets | first).url", "5 == inputs.n",
     "(inputs.name or 'x') | upper", "steps.still.status if inputs.n > 2 else 'none'"],
)  # fmt: skip
def test_operands_that_fit_are_left_alone(expression: str) -> None:
    text = HEAD + INPUT + "steps:\n" + STILL + f'outputs:\n  a: "${{{{ {expression} }}}}"\n'
    assert check(text, file="spec.yaml", catalogue=shipped())[1] == ()
