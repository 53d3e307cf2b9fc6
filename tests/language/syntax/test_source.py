"""YAML with positions: YAML 1.2 scalars, and every mistake in bounded time and memory."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.language.syntax.source import read
from rivya_flows.language.syntax.tree import Mapping, Scalar, plain


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *[(text, text) for text in ("9:16", "1:1", "12:30", "no", "on", "Yes", "y", "1_000", "1.2.3", "2026-11-08",
                                    "tRue", "${{ inputs.a }}", "=")],
        ("012", 12), ("0o17", 15), ("0x1F", 31), ("-5", -5), ("+5", 5), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0),
        ("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None),
        ("'5'", "5"), ('"true"', "true"), ("'दीपावली'", "दीपावली"),
    ],
)  # fmt: skip
def test_scalar_follows_yaml_1_2(written: str, value: Any) -> None:
    root, found = read(f"key: {written}")
    assert found == ()
    assert root is not None
    found = plain(root)["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "column", "code"),
    [
        pytest.param("a: 1\nb: 2\na: 3\n", 3, 1, "duplicate-key", id="duplicate key"),
        pytest.param("a:\n  b: {c: 1, c: 2}", 2, 13, "duplicate-key", id="duplicate, nested"),
        pytest.param("a:\n\tb: 1", 2, 1, "tab", id="tab"),
        pytest.param("a: !!python/object:os.system x", 1, 4, "tag", id="tag"),
        pytest.param("a: !mine {b: 1}", 1, 4, "tag", id="tag of a map"),
        pytest.param("a: 1\n---\nb: 2", 2, 1, "many-documents", id="two documents"),
        pytest.param("a: {b: ${{ inputs.c }}}", 1, 8, "unquoted-expression", id="in a flow map"),
        pytest.param("a: [x, ${{ inputs.c }}]", 1, 8, "unquoted-expression", id="in a flow list"),
        pytest.param(
            'a: {b: "${{ x }}", c: ${{ y }}}', 1, 23, "unquoted-expression", id="the second one"
        ),
        pytest.param("a: {{b}}: 1", 1, 4, "missing-dollar", id="braces as a key"),
        pytest.param("a: [{${{ b }}: 1}]", 1, 6, "unquoted-expression", id="expression as a key"),
        pytest.param("a:\n\xa0 b: 1", 2, 1, "yaml-syntax", id="space of a web page"),
        pytest.param("a: *b", 1, 4, "unknown-alias", id="unknown alias"),
        pytest.param("a: &b [*b]", 1, 8, "unknown-alias", id="alias of itself"),
        pytest.param("<<: {a: 1}", 1, 1, "merge-key", id="merge key"),
        pytest.param("? [a]\n: b", 1, 3, "complex-key", id="list as key"),
        pytest.param("a: .inf", 1, 4, "number", id="infinite"),
        pytest.param("a: 1e999", 1, 4, "number", id="too large"),
        pytest.param("a: " + "9" * 5000, 1, 4, "number", id="5,000 digits"),
        pytest.param("a: b: c", 1, 5, "yaml-syntax", id="two colons"),
        pytest.param("a: 'b\nc: d", 1, 4, "yaml-syntax", id="open quote"),
        pytest.param('a: "b" c', 1, 8, "yaml-syntax", id="text after a quote"),
        pytest.param("a: @b", 1, 4, "yaml-syntax", id="reserved sign"),
        pytest.param("a: b\n\x07", 2, 1, "yaml-syntax", id="control character"),
        pytest.param("a: \ud800", 1, 4, "yaml-syntax", id="half a character"),
        pytest.param("[a, " * 5000, 1, 257, "too-deep", id="deep list"),
        pytest.param("[" * 5000, 1, 1001, "too-deep", id="deeper than the parser goes"),
        pytest.param("- " * 5000, 1, 129, "too-deep", id="deep block"),
        pytest.param("x" * (1 << 20) + "y", 1, 1, "too-large", id="over 1 MiB"),
        pytest.param("- a\n" * 200_000, 100_000, 3, "too-large", id="over 100,000 values"),
    ],
)
def test_mistake_is_found_at_its_place(text: str, line: int, column: int, code: str) -> None:
    _, found = read(text)
    assert [(one.line, one.column, one.code) for one in found] == [(line, column, code)]


def test_unquoted_expressions_are_told_all_at_once() -> None:
    text = """\
a: {b: ${{ x }}, c: "${{ quoted }}", d: a ${{ y['}'] }} and ${{ z }}}
e: ${{ fine.outside }}  # and [${{ in.a.comment }}]
f: [one,
  two
  ${{ u }}]
g: |
  [${{ of.a.block }}]
h: [{${{ v }}: 1}]
"""
    _, found = read(text)
    places = [(1, 8), (1, 43), (1, 61), (5, 3), (8, 6)]
    assert [(one.line, one.column) for one in found] == places
    assert {one.code for one in found} == {"unquoted-expression"}


def test_places_end_where_another_mistake_hides_the_rest() -> None:
    _, found = read("a: [${{ x }}, ${{ y }}]\nb: [1\nc: 'open\nd: [${{ z }}]\n")
    assert [(one.line, one.column) for one in found] == [(1, 5), (1, 15)]


def test_very_many_unquoted_expressions_are_not_all_told() -> None:
    _, found = read("a: [" + "${{x}} " * 5_000 + "]")
    assert len(found) == 100


def test_alias_bomb_is_refused_while_it_is_small() -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for n in range(1, 40):
        text += f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n"
    root, found = read(text)
    assert root is None
    assert [mistake.code for mistake in found] == ["too-large"]


def test_alias_gives_the_same_values_again() -> None:
    root, found = read("a: &x {b: [1, 2]}\nc: *x\n")
    assert (root and plain(root), found) == ({"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}, ())


def test_key_is_its_spelling() -> None:
    root, _ = read("404: a\ntrue: b\n'x y': c\n")
    assert root is not None
    assert list(plain(root)) == ["404", "true", "x y"]


def test_marks_count_characters_of_any_script() -> None:
    root, _ = read("क: दीया\r\nb: {é: ü, z: 5}\n")
    assert isinstance(root, Mapping)
    inner = root.get("b")
    assert isinstance(inner, Mapping)
    mark, value = inner.pairs["z"]
    assert (mark.line, mark.column) == (1, 10)
    assert isinstance(value, Scalar)
    assert (value.mark.line, value.mark.column, value.value) == (1, 13, 5)
