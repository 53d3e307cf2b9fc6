"""What expressions are worth, what they refer to, and what they cannot reach."""

from __future__ import annotations

import contextlib
import pickle
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_flows.language.expressions.filters import FILTERS
from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    Reference,
    UsesNull,
    condition,
    evaluate,
    references,
)
from rivya_flows.language.expressions.values import InferenceError
from support.expression_scope import SCOPE


@pytest.mark.parametrize(
    ("written", "worth"),
    [
        ("plain", "plain"),
        ("${{ inputs.styles }}", ["studio", "neon"]),
        ("${{inputs.count}}", 3),
        ("  ${{ inputs.live }}\n", True),
        ("${{ inputs.share }}", 0.5),
        ("n=${{ inputs.count }} ${{ inputs.live }} ${{ inputs.share }}", "n=3 true 0.5"),
        ("${{ inputs.big }} lumen", "100000000000000000000 lumen"),
        ("${{ 4 / 2 }} x", "2 x"),
        ("${{ inputs.holder.items }}", [1, 2]),
        ("${{ inputs.holder.keys }}", "data"),
        ("${{ inputs.holder['__class__'] }}", "data too"),
        ("${{ steps.stills.items[0].asset.url }}", "http://x/a.png"),
        ("${{ steps.stills.items[-1].key }}", "neon"),
        ("${{ steps.stills.by['studio'].asset.width }}", 9),
        ("${{ steps.stills.by[matrix.n].asset | default('none') }}", "none"),
        ("${{ inputs.styles[0:1] }}", ["studio"]),
        ("${{ inputs.product[:6] }}", "Aurora"),
        ("${{ 'hi' if inputs.count > 2 else 'lo' }}", "hi"),
        ("${{ 'neon' in inputs.styles and not inputs.reference }}", True),
        ("${{ inputs.count + 2 * 3 - 1 }}", 8),
        ("${{ 7 // 2 }}", 3),
        ("${{ 7 % 4 }}", 3),
        ("${{ -inputs.count }}", -3),
        ("${{ 'a' + 'b' ~ 3 }}", "ab3"),
        ("${{ inputs.styles + ['x'] }}", ["studio", "neon", "x"]),
        ("${{ {'a': {'b': inputs.count}} }}", {"a": {"b": 3}}),
        ("${{ '}}' }}", "}}"),
        ("${{ '${{' }} is how it begins", "${{ is how it begins"),
        ("${{ inputs.product | slug }}", "aurora-desk-lamp"),
        ("${{ 'Café दीपावली, 2' | slug }}", "cafe-दीपावली-2"),
        ("${{ inputs.product | truncate(8) }}", "Aurora…"),
        ("${{ inputs.product | truncate(80) }}", "Aurora desk lamp"),
        ("${{ inputs.product | upper | lower | title }}", "Aurora Desk Lamp"),
        ("${{ inputs.product | replace('desk ', '') | length }}", 11),
        ("${{ inputs.styles | join(', ') }}", "studio, neon"),
        ("${{ inputs.styles | first }}${{ inputs.styles | last }}", "studioneon"),
        ("${{ steps.script.json | json }}", '{"visual":"a lamp","n":2}'),
        ("${{ 2.567 | round(1) }}", 2.6),
        ("${{ 2.567 | round }}", 3),
        ("${{ ' 12 ' | int }}", 12),
        ("${{ 3 | string }}", "3"),
        ("${{ ' x ' | trim }}", "x"),
        ("${{ inputs.product | seed(10000, 99999) }}", 91713),
        ("${{ inputs.reference is none }}", True),
        ("${{ steps.skipped.json.visual is defined }}", False),
        # a null that a condition or a default takes
        ("${{ steps.skipped.asset | default('x') }}", "x"),
        ("${{ steps.skipped.json.visual | default('x') }}", "x"),
        ("${{ steps.script.json.missing | default('x') }}", "x"),
        ("${{ steps.skipped.json.visual or 'x' }}", "x"),
        ("${{ steps.script.json.missing or 'x' }}", "x"),
        ("${{ steps.script.json.missing or none }}", None),
        ("${{ steps.stills.items[7].asset.url or none }}", None),
        ("${{ steps.script.json.missing | default(none) }}", None),
        ("${{ 'x' if steps.skipped.json.visual else 'y' }}", "y"),
        ("${{ none if inputs.live else 1 }}", None),
        ("a${{ 'b' if inputs.reference }}c", "ac"),
        ("${{ inputs.reference | default(none) }}", None),
        ("${{ steps.stills.items }}", SCOPE["steps"]["stills"]["items"]),
        # texts that are cut at a word
        *[(f"${{{{ '{text}' | truncate({length}) }}}}", cut) for text, length, cut in (
            ("hello big world", 11, "hello big…"), ("hello big world", 10, "hello big…"),
            ("hello big world", 8, "hello…"), ("abcdefgh", 4, "abc…"), ("abc", 1, "…"),
            ("   abc", 3, "…"), (" abcdef", 4, " ab…"), ("abc", 3, "abc"))],
        ({"a": ["${{ inputs.count }}", {"b": "${{ matrix.style }}"}]}, {"a": [3, {"b": "neon"}]}),
    ],
)  # fmt: skip
def test_expression_evaluates_to_its_value(written: Any, worth: Any) -> None:
    found = evaluate(written, SCOPE)
    assert found == worth
    assert type(found) is type(worth)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("${{ steps.skipped.asset }}", "steps.skipped.asset"),
        ("see ${{ steps.skipped.text }}", "steps.skipped.text"),
        (["${{ steps.skipped.asset }}"], "steps.skipped.asset"),
        ("${{ [steps.skipped.asset] }}", "steps.skipped.asset"),
        ("${{ steps.skipped.json.visual }}", "steps.skipped.json"),
        ("${{ steps.skipped.text | upper }}", "steps.skipped.text"),
        ("${{ steps.skipped.text ~ 'x' }}", "steps.skipped.text"),
        ("${{ inputs.reference }}", "inputs.reference"),
        ("${{ steps.skipped.asset or inputs.reference }}", "inputs.reference"),
        ("${{ steps.skipped.asset and inputs.count }}", "steps.skipped.asset"),
        ("${{ steps.skipped.asset if inputs.live else 1 }}", "steps.skipped.asset"),
        ("${{ steps.stills.items[1].asset.url }}", "steps.stills.items[1].asset"),
        ("${{ [] | first }}", "the expression | first"),
    ],
)
def test_bare_null_is_reported_by_its_path(written: Any, path: str) -> None:
    with pytest.raises(UsesNull) as caught:
        evaluate(written, SCOPE)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("${{ inputs.styles }} in text", "a list cannot be used in text"),
        ("${{ steps.stills.items[0].asset }} in text", "an asset cannot be used in text"),
        ("${{ steps.script.json }} in text", "a map cannot be used in text"),
        ("${{ steps.script.json.missing }}", "steps.script.json has no 'missing'; it has: visual"),
        ("${{ inputs.styles[9] }}", "has 2 items"),
        ("${{ inputs.styles.asset }}", "is a list and has no 'asset'"),
        ("${{ nobody }}", "'nobody' is not defined here"),
        ("${{ inputs.count + 'a' }}", "does not work with a number and text"),
        ("${{ inputs.count < 'a' }}", "cannot be compared"),
        ("${{ 1 / 0 }}", "division by zero"),
        ("${{ 'x' | int }}", "is not a whole number"),
        ("${{ 9223372036854775807 + 1 }}", "more than 64 bits"),
        ("${{ 1e308 * 10 }}", "not a finite number"),
        ("${{ inputs.count | length }}", "has no length"),
        ("${{ inputs.product | join }}", "expected a list"),
        ("${{ {1: 2} }}", "the key of a map must be text"),
    ],
)
def test_value_of_the_wrong_kind_is_an_error(written: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        evaluate(written, SCOPE)


@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__", "''.__class__.__mro__[1].__subclasses__()", "inputs.__class__", "inputs.holder.update",
        "inputs.styles.append('x')", "inputs['__init__']", "'a'.format", "'%s' % inputs",
        "'%(__class__)s' | format(inputs)", "range(9)", "lipsum()", "cycler", "self", "inputs | attr('__class__')",
        "inputs | map('upper')", "now()", "[1, 2] | random", "2 ** 99999", "(1, 2)",
        "inputs.styles | join(*inputs.styles)", "'x' is callable", "1 }}${% import os %}${{ x",
        "1 %}{% for x in y %}{{ 1",
    ],
)  # fmt: skip
def test_nothing_of_python_can_be_reached(expression: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate("${{ " + expression + " }}", SCOPE)


@pytest.mark.parametrize(
    "written",
    ["${{ ", "${{ }}", "${{ x", "${{ 'x }}", "${{ a b }}", "${{ a. }}", "${{ " + "(" * 900 + " }}",
     "${{ " + "a." * 900 + "b }}", "${{ " + "not " * 400 + "a }}", "${{ " + "a" * 2500 + " }}",
     "${{ 1e999 }}", "${{ a[::2] }}", "${{ x | default }}", "${{ x | upper(1) }}"],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error(written: str) -> None:
    with pytest.raises(ExpressionError):
        references(written)


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


def test_a_condition_holds_where_its_value_is_true_and_not_where_it_is_nothing() -> None:
    held = (None, True, "${{ inputs.count == 3 }}", "${{ inputs.product }}")
    not_held = (False, "${{ inputs.reference }}", "${{ steps.skipped.json.visual == 'x' }}")
    assert [condition(one, SCOPE) for one in held] == [True] * 4
    assert [condition(one, SCOPE) for one in not_held] == [False] * 3


def test_slug_keeps_few_combining_marks_in_a_row() -> None:
    marks = "\u0316\u0301" * 1_000  # each pair has to change places with all before it
    assert len(evaluate("${{ inputs.x | slug }}", {"inputs": {"x": f"a{marks} b"}})) < 40
    assert evaluate("${{ inputs.x | slug }}", {"inputs": {"x": "क़लम  Ünïque"}}) == "क़लम-unique"


@pytest.mark.parametrize(
    "written",
    ["${{ 'a' * 1000000000 }}", "${{ big | replace('a', big) }}", "${{ big ~ big }}", "${{ big + big }}",
     "${{ big }} and ${{ big }}", "${{ [big, big, big] }}", "${{ [big, big, big] | join }}",
     "${{ [big, big] | json }}", "${{ many + many }}", "${{ [many, many, many] }}",
     "${{ 'ß' | replace('ß', big) ~ big }}"],
)  # fmt: skip
def test_huge_results_are_refused_before_they_are_built(written: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(written, {"big": "a" * 900_000, "many": [1] * 60_000})


class Counted(dict[str, Any]):
    """A scope that counts how often its names are read."""

    reads = 0

    def __getitem__(self, name: str) -> Any:
        self.reads += 1
        return super().__getitem__(name)


@pytest.mark.parametrize(
    ("before", "core", "after"),
    [
        ("none if [", "nothing", "] else 1"),
        ("none if [none | default(", "nothing", ")] else 1"),
        ("[(none if nothing else none) if ", "nothing", " else none][0]"),
        ("none if [x and ", "nothing", " or none] else 1"),
        ("[nothing if ", "nothing", " else nothing] | default(1)"),
    ],
)
def test_each_part_of_an_expression_is_evaluated_at_most_once(
    before: str, core: str, after: str
) -> None:
    depth = 9
    written = "${{ " + before * depth + core + after * depth + " }}"
    scope = Counted(nothing=None, x=1)
    with contextlib.suppress(ExpressionError, UsesNull):
        evaluate(written, scope)
    assert scope.reads <= written.count("nothing") + written.count("x")


@pytest.mark.parametrize(
    "part",
    ["big | lower", "big | slug", "big[1:]", "'b' in big", "many | json", "many | seed",
     "many == many[:]", "deep == [deep]", "many | join", "big | replace('b', 'c')"],
)  # fmt: skip
def test_the_work_of_one_text_is_bounded(part: str) -> None:
    many = [*range(90_000)]
    scope = {"big": "a" * 900_000, "many": many, "deep": [many]}
    evaluate("${{ [" + part + "] | length }}", scope)
    listed, times = (part, 60) if "big" in part else (", ".join([part] * 60), 1)
    with pytest.raises(ExpressionError, match="handles more than 16,777,216 characters"):
        evaluate(("${{ [" + listed + "] | length }}") * times, scope)


def test_errors_survive_pickling() -> None:
    inferred = InferenceError("wrong-type", "a list has no sign", "pick an item", "inputs.a")
    for error in (UsesNull("steps.a"), ExpressionError("bad", "hint", 3, "a"), inferred):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), vars(copy)) == (type(error), vars(error))


WORDS = [*"()[]{}.,|:~+-*/%'\" 1", "inputs", "steps", "count", " if ", " else ", " is ", " in ", "none",
         "default", "join", "not ", "'a'", "json", "items"]  # fmt: skip
ARGUMENTS = st.sampled_from(
    ["0", "1", "-1", "true", "2.5", "''", "'a'", "' '", "['a']", "{'a': 1}", "99999999999999999999",
     "none", "inputs.product", "inputs.styles"]
)  # fmt: skip


@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(st.sampled_from(WORDS), max_size=25).map("".join),
        st.tuples(
            ARGUMENTS,
            st.sampled_from(sorted(FILTERS)),
            st.lists(ARGUMENTS, max_size=2).map(", ".join),
        ).map("{0[0]} | {0[1]}({0[2]})".format),
    )
)
def test_any_text_words_and_filters_are_evaluated_or_refused(text: str) -> None:
    for written in (text, "${{ " + text + " }}", text + "${{ inputs.count }}"):
        with contextlib.suppress(ExpressionError, UsesNull):
            evaluate(written, SCOPE)
