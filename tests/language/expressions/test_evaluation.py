"""What expressions are worth, what they refer to, and what they cannot reach."""

from __future__ import annotations

import contextlib
import pickle
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, evaluate
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
        ({"a": ["${{ inputs.count }}", {"b": "${{ matrix.style }}"}]}, {"a": [3, {"b": "neon"}]}),
    ],
)
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
    ("written", "worth"),
    [
        ("${{ steps.skipped.asset | default('x') }}", "x"),
        ("${{ steps.skipped.json.visual | default('x') }}", "x"),
        ("${{ steps.script.json.missing | default('x') }}", "x"),
        ("${{ steps.skipped.json.visual or 'x' }}", "x"),
        ("${{ 'x' if steps.skipped.json.visual else 'y' }}", "y"),
        ("${{ none if inputs.live else 1 }}", None),
        ("a${{ 'b' if inputs.reference }}c", "ac"),
        ("${{ inputs.reference | default(none) }}", None),
        ("${{ steps.stills.items }}", SCOPE["steps"]["stills"]["items"]),
    ],
)
def test_null_is_handled_by_conditions_and_default(written: str, worth: Any) -> None:
    assert evaluate(written, SCOPE) == worth


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
    "written",
    [
        "${{ 'a' * 1000000000 }}",
        "${{ big | replace('a', big) }}",
        "${{ big ~ big }}",
        "${{ big + big }}",
        "${{ big }} and ${{ big }}",
        "${{ [big, big, big] }}",
        "${{ [big, big, big] | join }}",
        "${{ [big, big] | json }}",
        "${{ many + many }}",
        "${{ [many, many, many] }}",
        "${{ 'ß' | replace('ß', big) ~ big }}",
    ],
)
def test_huge_results_are_refused_before_they_are_built(written: str) -> None:
    scope = {"big": "a" * 900_000, "many": [1] * 60_000}
    with pytest.raises(ExpressionError):
        evaluate(written, scope)


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
    for listed, times in ((", ".join([part] * 60), 1), (part, 60)):
        written = ("${{ [" + listed + "] | length }}") * times
        with pytest.raises(ExpressionError, match="handles more than 16,777,216 characters"):
            evaluate(written, scope)


def test_errors_survive_pickling() -> None:
    for error in (UsesNull("steps.a"), ExpressionError("bad", "hint", 3, "a")):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), vars(copy)) == (type(error), vars(error))


@given(st.text(max_size=60))
def test_any_text_is_evaluated_or_refused(text: str) -> None:
    for written in (text, "${{ " + text + " }}", text + "${{ inputs.count }}"):
        try:
            evaluate(written, SCOPE)
        except (ExpressionError, UsesNull):
            continue


@given(
    st.lists(
        st.sampled_from(
            [*"()[]{}.,|:~+-*/%'\" 1", "inputs", "steps", "count", " if ", " else ", " is ", " in ",
             "none", "default", "join", "not ", "'a'", "json", "items"]
        ),
        max_size=25,
    )
)  # fmt: skip
def test_any_sequence_of_words_is_evaluated_or_refused(words: list[str]) -> None:
    try:
        evaluate("${{ " + "".join(words) + " }}", SCOPE)
    except (ExpressionError, UsesNull):
        return
