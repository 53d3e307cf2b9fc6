"""The filters of lists: what they give, what they leave alone, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.expressions.inference import shape_of
from rivya_flows.language.expressions.output_types import (
    NUMBER,
    TEXT,
    Shape,
    asset,
    list_of,
    map_of,
)
from rivya_flows.language.expressions.resolve import ExpressionError, evaluate, template
from rivya_flows.language.expressions.values import InferenceError
from rivya_flows.spec.load import check
from support.expression_scope import ASSET
from support.wrong_specs import HEAD, STILL

ITEMS: list[Any] = [
    {"key": "b", "status": "completed", "asset": ASSET, "json": {"title": "Beta", "score": 7}},
    {"key": "a", "status": "failed", "asset": None, "json": None},
    {"key": "c", "status": "completed", "asset": ASSET, "json": {"title": "alpha", "score": 9}},
]
SCOPE = {
    "items": ITEMS,
    "words": ["pear", "Apple", "pear"],
    "numbers": [3, 1.5, None],
    "digits": "1" * 5_000,
    "shots": [{"lines": ["x", "y"]}, {"lines": None}, {"lines": ["z"], "note": "late"}],
}


@pytest.mark.parametrize(
    ("written", "worth"),
    [
        ("items | map(attribute='json.title')", ["Beta", None, "alpha"]),
        ("items | map(attribute='json.title', default='-')", ["Beta", "-", "alpha"]),
        ("shots | map(attribute='note', default=none)", [None, None, "late"]),
        ("shots | map(attribute='lines.0')", ["x", None, "z"]),
        ("words | map('upper')", ["PEAR", "APPLE", "PEAR"]),
        ("words | map('truncate', 3, end='')", ["pea", "App", "pea"]),
        ("numbers | map('round')", [3, 2, None]),
        ("numbers | map('default', 0)", [3, 1.5, 0]),
        ("[items, items] | map('map', attribute='key') | map('join')", ["bac", "bac"]),
        ("items | selectattr('status', 'equalto', 'completed') | map(attribute='key') | join", "bc"),
        ("items | rejectattr('asset') | map(attribute='key')", ["a"]),
        ("items | selectattr('json.score', 'gt', 7) | map(attribute='key')", ["c"]),
        ("items | rejectattr('json.score', 'gt', 7) | map(attribute='key')", ["b", "a"]),
        ("items | selectattr('key', 'in', ['a', 'c']) | length", 2),
        ("shots | selectattr('note', 'defined') | length", 1),
        ("shots | rejectattr('note', 'none') | length", 1),
        ("numbers | select('number')", [3, 1.5]),
        ("numbers | reject('ge', 2)", [1.5, None]),
        ("numbers | select", [3, 1.5]),
        ("words | sort", ["Apple", "pear", "pear"]),
        ("words | sort(case_sensitive=true, reverse=true)", ["pear", "pear", "Apple"]),
        ("numbers | sort", [1.5, 3, None]),
        ("numbers | sort(reverse=true)", [3, 1.5, None]),
        ("items | sort(attribute='json.score', reverse=true) | map(attribute='key')", ["c", "b", "a"]),
        ("items | groupby('status') | map(attribute='grouper')", ["completed", "failed"]),
        ("(items | groupby('json.score') | last).list | map(attribute='key')", ["a"]),
        ("shots | groupby('note', default='early') | map(attribute='grouper')", ["early", "late"]),
        ("numbers | sum", 4.5),
        ("items | sum(attribute='json.score', start=1)", 17),
        ("[] | sum", 0),
        ("numbers | min", 1.5),
        ("words | max", "pear"),
        ("(items | max(attribute='json.score')).key", "c"),
        ("([] | max) is none", True),
        ("words | unique", ["pear", "Apple"]),
        ("['a', 'A', 1, '1', true, none, none] | unique", ["a", 1, "1", True, None]),
        ("['a', 'A'] | unique(case_sensitive=true)", ["a", "A"]),
        ("items | unique(attribute='status') | map(attribute='key')", ["b", "a"]),
        ("shots | map(attribute='lines') | flatten", ["x", "y", "z"]),
        ("[1, [2, [3]]] | flatten(levels=1)", [1, 2, [3]]),
        ("words | zip([1, 2, 3]) | last", ["pear", 3]),
        ("words | zip(other=[1, 2, 3]) | map(attribute=1)", [1, 2, 3]),
        ("'a, b' | split(', ')", ["a", "b"]),
        ("' a  b ' | split", ["a", "b"]),
        ("items | join(', ', attribute='key')", "b, a, c"),
        ("'%.2f' | format(49.9)", "49.90"),
        ("'%d of %s at %5.1f%%' | format(2, words | first, 7)", "2 of pear at   7.0%"),
    ],
)  # fmt: skip
def test_filter_gives_what_jinja_would(written: str, worth: Any) -> None:
    found = evaluate(f"${{{{ {written} }}}}", SCOPE)
    assert found == worth
    assert type(found) is type(worth)


def test_a_filter_keeps_the_items_themselves() -> None:
    for written in ("sort(attribute='key')", "selectattr('asset')", "unique(attribute='key')", "zip(items) | flatten"):  # fmt: skip
        found = evaluate(f"${{{{ items | {written} }}}}", SCOPE)
        assert all(any(one is item for item in ITEMS) for one in found)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("items | map(attribute='jsn')", "a member of the list has no 'jsn'; it has: key, status"),
        ("shots | map(attribute='note')", "has no 'note'"),
        ("shots | selectattr('note')", "has no 'note'"),
        ("items | map(attribute='a..b')", "is not the name of a field"),
        ("items | map(attribute=digits)", "is not the name of a field"),
        ("items | sort", "`sort` cannot compare a map"),
        ("[1, 'a'] | max", "`max` cannot compare a number with text"),
        ("words | sum", "text cannot be added"),
        ("items | selectattr('key', 'lt', 3)", "text and a number cannot be compared"),
        ("words | zip([1])", "lists of one length, not 3 and 1"),
        ("words | zip('pear')", "another list, not text"),
        ("'a' | split('')", "at least one character"),
        ("[1] | flatten(levels=0)", "from 1 on"),
        ("items | join(attribute='json')", "a map cannot be used in text"),
        ("'%.2f' | format('a')", "%f takes a number, not text"),
        ("'%d %d' | format(1)", "2 places for 1 value"),
        ("'%9999d' | format(1)", "'%9999d' is no place for a value"),
        ("'%.999f' | format(1)", "is no place for a value"),
        ("'%*d' | format(1, 1)", "is no place for a value"),
    ],
)
def test_what_a_filter_of_lists_cannot_do_is_an_error(written: str, says: str) -> None:
    with pytest.raises(ExpressionError, match=says):
        evaluate(f"${{{{ {written} }}}}", SCOPE)


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("words | map", "write map(attribute='NAME'), or map('FILTER')"),
        ("words | map('uper')", "write the name of a filter: default, first,"),
        ("words | map('truncate', 1, 2, 3)", "write `| truncate(length, end)`"),
        ("words | map(inputs.filter)", "write the name of a filter"),
        ("items | selectattr('key', 'equals', 'a')", "write the name of a test: equalto, ne"),
        ("items | selectattr('key', 'equalto')", "'equalto' takes one value after it"),
        ("items | selectattr('key', 'defined', 1)", "'defined' takes nothing after it"),
        ("items | groupby", "write `| groupby(attribute, default, case_sensitive)`"),
        ("words | join(*words)", "write the arguments one by one"),
    ],
)
def test_other_arguments_are_refused_before_anything_runs(written: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        template(f"${{{{ {written} }}}}")
    assert (caught.value.hint or "").startswith(hint)


@pytest.mark.parametrize(
    "part",
    ["many | sort", "many | unique", "many | select('in', few)", "many | map('string')", "many | sum",
     "many | zip(many)", "[many] | flatten", "words | split('a')", "rows | map(attribute='a')"],
)  # fmt: skip
def test_the_work_of_filters_of_lists_is_bounded(part: str) -> None:
    scope = {
        "many": [*range(40_000)],
        "words": "ba" * 40_000,
        "rows": [{"a": 1}] * 40_000,
        "few": [0] * 500,
    }
    with pytest.raises(ExpressionError, match=r"handles more than"):
        evaluate("${{ [" + ", ".join([part] * 60) + "] | length }}", scope)


CARDS = list_of(
    map_of({"key": TEXT, "asset": asset("image"), "json": map_of({"title": TEXT, "score": NUMBER})})
)


def _shape(written: str) -> Shape:
    [expression] = template(f"${{{{ {written} }}}}").expressions
    return shape_of(expression.tree, {"cards": CARDS, "words": list_of(TEXT)})


@pytest.mark.parametrize(
    ("written", "shape"),
    [
        ("cards | map(attribute='json') | first", map_of({"title": TEXT, "score": NUMBER})),
        ("cards | map(attribute='json.score') | max", NUMBER),
        ("(cards | max(attribute='json.score')).json.title", TEXT),
        ("cards | selectattr('json.score', 'gt', 7)", CARDS),
        ("cards | selectattr('json.score', 'equalto', 'seven')", CARDS),
        ("cards | selectattr('json.title', 'in', words)", CARDS),
        ("(cards | groupby('json.title') | first).list", CARDS),
        ("(cards | groupby('json.title') | first).grouper", TEXT),
        ("cards | map(attribute='asset') | list_of_assets", None),
        ("(cards | zip(words) | first)[0].asset", asset("image")),
        ("(cards | zip(words) | first)[1]", TEXT),
        ("[cards, cards] | flatten", CARDS),
        ("words | map('length')", list_of(NUMBER)),
        ("words | map('split') | flatten", list_of(TEXT)),
    ],
)
def test_the_shape_of_what_a_filter_gives_is_known(written: str, shape: Shape | None) -> None:
    if shape is None:
        with pytest.raises(ExpressionError, match="unknown filter"):
            _shape(written)
    else:
        assert _shape(written) == shape


@pytest.mark.parametrize(
    ("written", "says", "hint"),
    [
        ("cards | map(attribute='jsn')", "each member of cards has no 'jsn'", "did you mean 'json'?"),
        ("cards | map(attribute='json.titel')", "json of each member of cards has no 'titel'", "did you mean 'title'?"),
        ("cards | selectattr('score', 'gt', 3)", "each member of cards has no 'score'", "write .json.score"),
        ("cards | sort(attribute='json')", "each member of cards is a map, which cannot be compared",
         "name a field of each member, such as attribute='title'"),
        ("cards | selectattr('json.score', 'ge', 'seven')", "a number and text cannot be compared", "| int"),
        ("cards | rejectattr('json.title', 'gt', 5)", "text and a number cannot be compared", "| int"),
        ("cards | select('gt', 3)", "a map and a number cannot be compared", "name one of its fields"),
        ("words | select('in', 5)", "a number cannot contain anything", ""),
        ("[cards, cards] | map('select', 'lt', 5)", "a map and a number cannot be compared", ""),
        ("cards | selectattr('json.score', 'in', 'seven')", "a number, which cannot be part of text", ""),
        ("cards | map('upper')", "each member of cards is a map, which is not what `upper` takes",
         "name one of its fields, or write `| json`"),
        ("(cards | zip(words) | first)[2]", r"cards \| zip \| first has no '2'", "there are [0] to [1]"),
        ("cards | zip('a')", "`zip` takes another list, not text", "write other arguments of `zip(other)`"),
        ("cards | map(attribute='json') | map(attribute='key')",
         r"each member of cards \| map has no 'key'", "there are: title, score"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_members_is_found_before_anything_runs(
    written: str, says: str, hint: str
) -> None:
    with pytest.raises(InferenceError, match=says) as caught:
        _shape(written)
    found = caught.value.find_hint() if caught.value.find_hint else caught.value.hint
    assert hint in (found or "")


def test_check_points_at_the_field_of_the_members() -> None:
    text = HEAD + "steps:\n" + STILL + "outputs:\n  a: ${{ steps.still.assets | map(attribute='ulr') }}\n"  # fmt: skip
    [found] = check(text, file="spec.yaml", catalogue=shipped())[1]
    assert found.code == "unknown-field"
    assert text.splitlines()[found.line - 1][found.column - 1 :].startswith("ulr")
    assert str(found.hint).startswith("did you mean 'url'?")
