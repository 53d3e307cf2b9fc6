"""Checking a spec takes time in proportion to its size, whatever it contains.

Calls are counted and not seconds, so that a slow machine changes nothing.
"""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.expressions.resolve import evaluate
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.matrix import written_keys
from rivya_flows.language.syntax import source
from rivya_flows.language.workflow import Workflow
from rivya_flows.spec.load import check
from support.counted_calls import within
from support.samples import sample
from support.wrong_specs import HEAD, STILL

pytestmark = pytest.mark.slow

CALLS_FOR_A_CHARACTER = 200
CALLS_FOR_A_VALUE = 1_000
SOME_CALLS = 100_000


def check_within_bounds(text: str) -> tuple[Workflow | None, tuple[Diagnostic, ...]]:
    values = source.MAX_NODES if "*" in text else text.count(":") + text.count(",") + 1
    limit = SOME_CALLS + CALLS_FOR_A_CHARACTER * len(text) + CALLS_FOR_A_VALUE * values
    checked = []
    within(limit, lambda: checked.append(check(text, file="spec.yaml", catalogue=shipped())))
    return checked[0]


def lines(pattern: str, count: int) -> str:
    return "".join(pattern.replace("{n}", str(n)) for n in range(count))


def chain(uses: str, key: str, output: str, first: str) -> str:
    """A spec of 1,500 steps, each with an output of the one below it."""
    step = "  p%d: {uses: %s, with: {%s: %s}}\n"
    values = [first, *(f"'${{{{ steps.p{n}.{output} }}}}'" for n in range(1_499))]
    steps = [step % (n, uses, key, value) for n, value in enumerate(values)]
    return "steps:\n" + "".join(reversed(steps))


STEPS = "steps:\n" + STILL
GRID = "matrix: {a: [1, 2, 3, 4, 5, 6, 7, 8, 9], b: [1, 2, 3, 4, 5, 6, 7, 8, 9]}, with: {model: z-image, prompt: x}"
HOSTILE = {
    "names that are not there in one text": STEPS + "outputs:\n  a: \"" + lines("${{ steps.x{n}.a }} ", 3000) + "\"\n",
    "unknown inputs among many": "inputs:\n" + lines("  i{n}: {type: string, default: a}\n", 2000)
    + STEPS + "outputs:\n" + lines("  o{n}: ${{ inputs.j{n} }}\n", 500),
    "unknown models": "steps:\n" + lines("  s{n}: {uses: generate, with: {model: zimage{n}, prompt: a}}\n", 1000),
    "a long cycle": "steps:\n" + lines("  s{n}: {uses: compose, with: {clips: '${{ steps.s{n}x.asset }}'}}\n", 700),
    "unknown time zones": STEPS + "deploy:\n"
    + lines("  - {name: d{n}, schedules: [{cron: 0 9 * * 1, timezone: Europe/Berlinx{n}}]}\n", 500),
    "aliases": "x-a: &a [" + "x, " * 900 + "x]\nx-b: [" + "*a, " * 100 + "*a]\n" + STEPS,
    "brackets": "x-a: " + "[" * 5000,
    "braces without an end": STEPS + 'outputs: {a: "' + "${{ ' " * 5000 + '"}\n',
    "unknown keys": lines("k{n}: 1\n", 3000) + STEPS,
    "picks from picks, the last one first": chain("pick", "from", "item", "[[a]]"),
    "uploads of uploads, the last one first": chain("upload", "file", "asset", "a.png"),
    "keys that a fan-out has not": "steps:\n  s: {uses: generate, foreach: [" + lines("k{n}, ", 98)
    + "k], with: {model: z-image, prompt: x}}\noutputs:\n" + lines("  a{n}: ${{ steps.s.by.q{n}.asset }}\n", 3000),
    "fan-outs that are written out": "steps:\n" + lines(f"  s{{n}}: {{uses: generate, {GRID}}}\n", 300)
    + "outputs:\n" + lines("  a{n}: ${{ steps.s{n}.by['1, 1'].asset }}\n", 300),
}  # fmt: skip


@pytest.mark.parametrize("name", sample(HOSTILE, 3))
def test_check_of_a_hostile_spec_ends_within_its_bounds(name: str) -> None:
    check_within_bounds(HEAD + HOSTILE[name])


WORDS = [
    "version: 1", "name: a", "inputs:", "steps:", "outputs:", "deploy:", "defaults:", "budget:",
    "  a:", "  b:", "    uses: generate", "    uses: chat", "    uses: pick", "    with:",
    "      model: z-image", "      prompt: x", "    with: {model: z-image, prompt: y}",
    "      params: {aspect_ratio: 9:16}", "    matrix: {a: [1, 2]}", "    foreach: [1]", "  - name: a",
    "    if: ${{ steps.a.status }}", "  c: ${{ steps.a.asset }}", "  d: {type: list, default: [1]}",
    "  e: {type: file, default: x}", "    needs: [a, b]", "    - 1", "null", "  ? [", "    zip: 5",
    "    matrix: {a: ${{ x }}}", "    key: [1]", "  generate: {timeout: [1]}", "    with: [1]",
    "      expect: [string]", "    include: 5", "  x-a: 1", "    as: 5", "    matrix: {include: {a: 1}}",
    "    matrix: {a: [1], exclude: [[1]]}", "    title: [1]", "  a: null", "    schedules: [{cron: 5}]",
    "    references: ['${{ steps.b.items[0][1].asset }}']", "    retry: 5", "    with: {from: 1}",
]  # fmt: skip
PIECES = ["a: ", "steps:\n", "  s: {uses: generate, with: {model: z-image, prompt: x}}\n", "- ", "\n", "  ",
          "&x [a, b]", "*x", "{", "}", "[", "]", ", ", "${{ steps.s.asset }}", "${{ ", " }}", "matrix: ",
          "'", '"', "foreach: ", "inputs:\n", "  i: {type: list, default: [a]}\n", "| ", "> ", "x" * 50]  # fmt: skip


@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from(WORDS), max_size=25).map("\n".join)
    | st.lists(st.tuples(st.sampled_from(PIECES), st.integers(1, 60)), max_size=12).map(
        lambda parts: HEAD + "".join(piece * times for piece, times in parts)
    )
)
def test_any_text_is_a_spec_or_has_problems_with_a_place_within_its_bounds(text: str) -> None:
    workflow, problems = check_within_bounds(text)
    assert (workflow is None) is bool(problems)
    for one in problems:
        assert one.line >= 1
        assert one.column >= 1
        assert one.message
        assert one.hint


@pytest.mark.parametrize("value", ["{long}", '{{? "{long}" : 1}}'], ids=["value", "key"])
def test_text_of_aliases_counts_as_often_as_it_is_used(value: str) -> None:
    anchored = value.format(long="x" * 500_000)
    text = f"{HEAD}x-a: &a {anchored}\nx-b: [{'*a, ' * 17}*a]\n{STEPS}"
    _, problems = check(text, file="spec.yaml", catalogue=shipped())
    assert [one.code for one in problems] == ["too-large"]
    assert "more than 8,388,608 characters" in problems[0].message


def test_keys_that_check_works_out_have_a_bound() -> None:
    axes = {f"a{n}": ["x" * 500_000] * 10 for n in range(10)}
    assert written_keys({"zip": axes}) is None


@pytest.mark.parametrize("expression", ["inputs.by[inputs.x]", "inputs.listed[inputs.x]"])
def test_an_error_does_not_quote_a_whole_text(expression: str) -> None:
    scope = {"inputs": {"x": "x" * 100_000, "by": {"k" * 100_000: 1}, "listed": [1]}}
    with pytest.raises(ExpressionError) as caught:
        evaluate(f"${{{{ {expression} }}}}", scope)
    assert len(f"{caught.value} {caught.value.hint}") < 2_000
