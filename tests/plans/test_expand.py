"""Expansion and order of random specs against a naive reference that shares nothing with them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from hypothesis import given, strategies as st

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.plans.expand import expand
from rivya_flows.plans.plan import RunPlan
from rivya_flows.spec.load import load

INPUTS: dict[str, Any] = {
    "styles": ["neon", "noir", "neon"],
    "moods": ["calm", 2],
    "loud": True,
    "quiet": False,
}
DECLARED = {
    "styles": {"type": "list", "of": "string", "required": False},
    "moods": {"type": "list", "required": False},
    "loud": {"type": "boolean", "required": False},
    "quiet": {"type": "boolean", "required": False},
}
Spec = dict[str, Any]
Item = tuple[str, dict[str, Any]]


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """A spec of steps that refer to each other without a cycle, written in any order."""
    steps: dict[str, Spec] = {}
    for number in range(draw(st.integers(1, 7))):
        step = draw(_step(steps))
        steps[f"s{number}"] = step
    order = draw(st.permutations(list(steps)))
    return {
        "version": 1,
        "name": "random",
        "inputs": DECLARED,
        "steps": {name: steps[name] for name in order},
    }


@st.composite
def _step(draw: st.DrawFn, before: dict[str, Spec]) -> Spec:
    words = ["a lamp"]
    step: Spec = {"uses": "generate"}
    earlier = list(before)
    if earlier:
        named = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3))
        words += [f"${{{{ steps.{name}.status }}}}" for name in named]
        needed = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2))
        if needed:
            step["needs"] = needed
    loop = draw(st.sampled_from(["", "", "matrix", "zip", "foreach", "items", "assets"]))
    fanned = [name for name in earlier if _loop_of(before[name])]
    if loop in ("items", "assets") and fanned:
        step["foreach"] = f"${{{{ steps.{draw(st.sampled_from(fanned))}.{loop} }}}}"
    elif loop == "foreach":
        step["foreach"] = draw(LISTS)
    elif loop == "zip":
        step["zip"] = draw(st.sampled_from([{"a": [1, 2], "b": ["x", "y"]}, {"a": [1, 1, 3]}]))
    elif loop == "matrix":
        step["matrix"] = draw(MATRICES)
        words.append("${{ matrix.a }}")
    conditions = ["${{ inputs.loud }}", "${{ inputs.quiet }}"]
    if earlier:
        conditions.append(f"${{{{ steps.{draw(st.sampled_from(earlier))}.status == 'cached' }}}}")
    if "matrix" in step:
        conditions.append("${{ matrix.a | string == '1' }}")
    if draw(st.integers(0, 3)) == 0:
        step["if"] = draw(st.sampled_from(conditions))
    step["with"] = {"model": "z-image", "prompt": " ".join(words)}
    return step


VALUES = st.sampled_from([1, 2, "x", "y", True])
LISTS = st.sampled_from(["${{ inputs.styles }}", "${{ inputs.moods }}"]) | st.lists(
    VALUES | st.just({"z": 1}) | st.just({"key": "k", "z": 1}), min_size=1, max_size=4
)
RULES = st.lists(
    st.dictionaries(st.sampled_from(["a", "b"]), VALUES, min_size=1, max_size=2), max_size=3
)
ADDITIONS = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "more"]), VALUES, min_size=1, max_size=3), max_size=3
)


def _can_exclude(rule: Spec, axes: Spec) -> bool:
    """Whether each value is one of its axis; any other is a mistake."""
    return all(
        any(type(one) is type(value) and one == value for one in axes.get(axis, ()))
        for axis, value in rule.items()
    )


@st.composite
def _matrices(draw: st.DrawFn) -> Spec:
    matrix: Spec = {"a": draw(st.lists(VALUES, min_size=1, max_size=3))}
    if draw(st.booleans()):
        matrix["b"] = draw(st.lists(VALUES, min_size=1, max_size=2))
    for name, rules in (("exclude", draw(RULES)), ("include", draw(ADDITIONS))):
        fitting = [rule for rule in rules if name == "include" or _can_exclude(rule, matrix)]
        if fitting:
            matrix[name] = fitting
    return matrix


MATRICES = _matrices()


def planned(spec: Spec) -> RunPlan:
    workflow = load(json.dumps(spec), file="spec.yaml", catalogue=shipped())
    return expand(workflow, INPUTS, shipped())


@given(specs())
def test_steps_come_after_all_that_they_name_and_else_in_the_order_of_the_file(spec: Spec) -> None:
    """Each step stands as many waits from the start as its longest chain of references."""
    steps = spec["steps"]
    place = {name: index for index, name in enumerate(steps)}
    expected = sorted(steps, key=lambda name: (depth_of(name, steps), place[name]))
    assert list(planned(spec).order) == expected


@given(specs())
def test_expansion_equals_the_naive_reference(spec: Spec) -> None:
    plan = planned(spec)
    for name, step in spec["steps"].items():
        found = plan.steps[name]
        items = None if found.items is None else [(i.key, dict(i.variables)) for i in found.items]
        assert items == items_of(name, spec["steps"]), name
        assert found.upstream == named_in(step)
        assert found.itemwise == source_of(step)
        assert found.whole == named_in({**step, "foreach": None} if source_of(step) else step)
        assert (found.skipped is not None) == (step.get("if") == "${{ inputs.quiet }}")
        condition = step.get("if", "")
        assert found.conditional == ("steps." in condition or "matrix." in condition)


# The reference: the rules of the language once more, in the plainest words.


def named_in(step: Mapping[str, Any]) -> set[str]:
    """Steps that are named anywhere in a step."""
    return {*re.findall(r"steps\.(\w+)", json.dumps(step)), *step.get("needs", ())}


def depth_of(name: str, steps: Mapping[str, Spec]) -> int:
    return max((depth_of(one, steps) + 1 for one in named_in(steps[name])), default=0)


def source_of(step: Mapping[str, Any]) -> str | None:
    found = re.fullmatch(r"\$\{\{ steps\.(\w+)\.items \}\}", str(step.get("foreach")))
    return found.group(1) if found else None


def items_of(name: str, steps: Mapping[str, Spec]) -> list[Item] | None:
    """Keys and loop variables of each item; None where only the run will tell."""
    step = steps[name]
    loop = _loop_of(step)
    if not loop:
        return [("", {})]
    if source := source_of(step):
        followed = items_of(source, steps)
        return None if followed is None else [(key, {}) for key, _ in followed]
    written = step[loop]
    if "steps." in json.dumps(written):
        return None
    if loop == "foreach":
        members = INPUTS[written[11:-3]] if isinstance(written, str) else written
        assert isinstance(members, list)
        keys = [_key([one], n) for n, one in enumerate(members)]
        return list(zip(_numbered(keys), [{"item": one} for one in members], strict=True))
    rows = _rows_of_zip(written) if loop == "zip" else _rows_of_matrix(written)
    keys = [_key(list(row.values()), n) for n, row in enumerate(rows)]
    return list(zip(_numbered(keys), [{loop: row} for row in rows], strict=True))


def _loop_of(step: Mapping[str, Any]) -> str:
    return next((loop for loop in ("matrix", "zip", "foreach") if step.get(loop)), "")


def _rows_of_zip(lists: Spec) -> list[Spec]:
    length = len(next(iter(lists.values())))
    return [{axis: values[n] for axis, values in lists.items()} for n in range(length)]


def _rows_of_matrix(matrix: Spec) -> list[Spec]:
    rows: list[Spec] = [{}]
    axes = [axis for axis in matrix if axis not in ("include", "exclude")]
    for axis in axes:
        rows = [{**row, axis: value} for row in rows for value in matrix[axis]]
    for rule in matrix.get("exclude", ()):
        rows = [row for row in rows if not _agrees(row, rule)]
    plain, more = [dict(row) for row in rows], []
    for rule in matrix.get("include", ()):
        about = {axis: rule[axis] for axis in rule if axis in axes}
        agreeing = [n for n, row in enumerate(plain) if _agrees(row, about)]
        for n in agreeing:
            rows[n].update((axis, rule[axis]) for axis in rule if axis not in axes)
        if not agreeing:
            more.append(dict(rule))
    return [*rows, *more]


def _agrees(row: Spec, rule: Spec) -> bool:
    # As JSON writes them, true is not 1.
    return all(json.dumps(row[axis]) == json.dumps(value) for axis, value in rule.items())


def _key(values: list[Any], index: int) -> str:
    named = [v.get("key", index) if isinstance(v, dict) else v for v in values]
    words = [json.dumps(v) if isinstance(v, bool) else str(v) for v in named]
    return ", ".join(words)


def _numbered(keys: list[str]) -> list[str]:
    given: list[str] = []
    for place, key in enumerate(keys):
        number, named = 2, key
        while key in keys[:place] and (named == key or named in (*keys, *given)):
            named, number = f"{key}-{number}", number + 1
        given.append(named)
    return given


def plan_of(steps: str, **inputs: Any) -> RunPlan:
    text = f"version: 1\nname: steps\ninputs: {{word: {{type: string, default: x}}}}\n{steps}"
    return expand(load(text, file="a.yaml", catalogue=shipped()), inputs, shipped())


def test_a_step_waits_for_what_its_fallback_and_its_judge_name() -> None:
    plan = plan_of("""
steps:
  idea: {uses: chat, with: {model: gpt-5-2-chat, message: A lamp}}
  stills:
    uses: generate
    matrix: {n: [1, 2]}
    with: {model: z-image, prompt: a lamp}
    fallback: [{prompt: "${{ steps.idea.text }}, ${{ inputs.word }}"}]
  hero:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: judge
      judge: {model: gemini-2-5-flash-chat, criteria: ["fits ${{ steps.idea.text }}"]}
""", word="neon")  # fmt: skip
    assert plan.steps["stills"].upstream == {"idea"}
    assert plan.steps["stills"].reads == {"word"}
    assert plan.steps["hero"].upstream == {"idea", "stills"}


def test_a_step_tolerates_the_failure_of_what_it_reads_the_status_of() -> None:
    plan = plan_of("""
steps:
  a: {uses: generate, with: {model: z-image, prompt: a lamp}}
  b: {uses: generate, with: {model: z-image, prompt: a lamp}}
  c:
    uses: generate
    if: ${{ steps.a.status == 'failed' or steps['b'].status != 'cached' }}
    with: {model: z-image, prompt: a lamp}
    fallback: [{prompt: "${{ steps.b.task_id }}"}]
  d:
    uses: generate
    needs: [a, b]
    if: ${{ steps.a.status != 'cached' }}
    with: {model: z-image, prompt: a lamp}
""")
    found = {name: set(one.tolerates) for name, one in plan.steps.items()}
    assert found == {"a": set(), "b": set(), "c": {"a"}, "d": set()}


def test_items_that_a_pick_chose_are_a_list_of_their_own() -> None:
    plan = plan_of("""
steps:
  stills: {uses: generate, matrix: {style: [a, b, c]}, with: {model: z-image, prompt: "${{ matrix.style }}"}}
  heroes: {uses: pick, with: {from: "${{ steps.stills.items }}", count: 2}}
  films:
    uses: generate
    foreach: ${{ steps.heroes.items }}
    with: {model: veo3-1-lite, prompt: push, references: ["${{ item.asset }}"]}
""")
    films = plan.steps["films"]
    assert (films.itemwise, films.items) == (None, None)
