"""How many items a fan-out has over lists that only the run knows: by what `expect` declares of them."""

from __future__ import annotations

import pytest

from rivya_flows.language.expressions.resolve import references
from rivya_flows.queue.least_left import campaigns_opened
from rivya_flows.queue.list_sizes import ListReader, item_range
from rivya_flows.queue.queue import replay
from support.naive_service import frozen

SPEC = """\
version: 1
name: sizes
inputs:
  hooks: {type: list, of: string, default: [a, b, c]}
  rows:
    type: list
    of: map
    fields: {tags: {type: list, of: string}}
    default: [{tags: [x]}, {tags: [y, z]}]
steps:
  scripts:
    uses: chat
    foreach: ${{ inputs.hooks }}
    as: hook
    ALLOW
    with:
      model: gemini-2-5-flash-chat
      message: About ${{ hook }}
      expect:
        line: string
        shots: {type: list, of: map, min: 2, max: 4, fields: {visual: string, tags: {type: list, of: string, min: 1, max: 3}}}
        more: {type: list, of: string, min: 1, max: 2, required: false}
        open: [string]
  stills:
    uses: generate
    matrix: {script: "${{ steps.scripts.items }}", shot: "${{ matrix.script.json.shots[0:2] }}"}
    with: {model: z-image, prompt: "${{ matrix.shot.visual }}"}
  last:
    uses: chat
    LOOP
    max_items: 1000
    with: {model: gemini-2-5-flash-chat, message: "${{ item.key }}"}
"""


def counted(loop: str, allow: str = "allow_failures: 0") -> tuple[int, int]:
    text = SPEC.replace("LOOP", loop).replace("ALLOW", allow)
    return item_range(replay([frozen(text)]), "last")


def over(listed: str) -> str:
    return f'foreach: "${{{{ {listed} }}}}"'


def nested(*axes: str) -> str:
    written = ", ".join(f'a{n}: "${{{{ {axis} }}}}"' for n, axis in enumerate(axes))
    return f"matrix: {{{written}}}"


SCRIPTS = "steps.scripts.items"
SHOTS = f"{SCRIPTS} | map(attribute='json.shots')"


@pytest.mark.parametrize(
    ("loop", "least", "most"),
    [
        (nested(SCRIPTS, "matrix.a0.json.shots"), 6, 12),
        (nested(SCRIPTS, "matrix.a0.json.shots[0:1]"), 3, 3),
        (nested(SCRIPTS, "matrix.a0.json.shots[3:]"), 0, 3),
        (nested(SCRIPTS, "matrix.a0.json.shots[-3:]"), 6, 9),
        (nested(SCRIPTS, "matrix.a0.json.shots", "matrix.a1.tags"), 6, 36),
        (nested(SCRIPTS, "matrix.a0.json.more or []"), 0, 6),
        (nested(SCRIPTS, "matrix.a0.json.open[0:2]"), 0, 6),
        (nested(f"{SCRIPTS}[0:2]", "matrix.a0.json.shots"), 4, 8),
        (nested(SCRIPTS, "matrix.a0.json.shots + matrix.a0.json.shots"), 12, 24),
        (nested(SCRIPTS, "inputs.rows", "matrix.a1.tags"), 6, 12),
        (nested("steps.stills.items", "matrix.a0.shot.tags"), 6, 18),
        (nested("steps.stills.items", "matrix.a0.script.json.shots"), 12, 24),
        (nested(SCRIPTS, "['x', 'y'] if matrix.a0.key == 'a' else matrix.a0.json.shots"), 6, 12),
        (over(f"{SHOTS} | flatten"), 6, 12),
        (over(f"{SHOTS} | flatten | map(attribute='tags') | flatten"), 6, 36),
        (over(f"{SHOTS} | flatten | unique(attribute='visual')"), 1, 12),
        (over(f"{SHOTS} | flatten | selectattr('visual')"), 0, 12),
        (over(f"({SHOTS} | flatten)[0:3]"), 3, 3),
        (over(f"{SHOTS} | flatten | groupby('visual')"), 1, 12),
        (over(f"({SHOTS} | flatten | groupby('visual'))[0].list"), 1, 12),
        (nested(f"{SCRIPTS} | groupby('hook')", "matrix.a0.list"), 1, 9),
        (over(f"({SHOTS} | first)"), 2, 4),
        (over(f"{SCRIPTS}[0].json.shots"), 2, 4),
        (over("steps.scripts.by['a'].json.shots"), 2, 4),
        (over(f"{SCRIPTS} | map(attribute='json.open') | flatten"), 0, 1000),
    ],
)
def test_bounds_of_a_declared_list_flow_through_loops_slices_and_filters(
    loop: str, least: int, most: int
) -> None:
    assert counted(loop) == (least, most)


@pytest.mark.parametrize("allow", ["allow_failures: 1", "if: ${{ hook != 'a' }}"])
def test_an_item_that_may_have_no_answer_counts_for_nothing_at_least(allow: str) -> None:
    assert counted(nested(SCRIPTS, "matrix.a0.json.shots"), allow) == (0, 12)
    assert counted(over(f"{SHOTS} | flatten"), allow) == (0, 12)


def test_lists_of_very_many_steps_behind_each_other_are_counted_without_a_deep_recursion() -> None:
    text = SPEC.replace("LOOP", over("steps.s299.items")).replace("ALLOW", "allow_failures: 0")
    for number in range(300):
        before = f"steps.s{number - 1}.items" if number else f"{SHOTS} | flatten"
        text += (
            f"  s{number}:\n    uses: chat\n"
            f'    matrix: {{one: "${{{{ ({before})[0:2] }}}}", other: "${{{{ {before} }}}}"}}\n'
            '    with: {model: gemini-2-5-flash-chat, message: "${{ item.key }}"}\n'
        )
    assert counted_of(text) == (0, 100)


PART = """\
version: 1
name: part
inputs: {shots: {type: list, of: map, fields: {visual: string}}}
steps:
  stills:
    uses: generate
    foreach: ${{ inputs.shots }}
    with: {model: z-image, prompt: "${{ item.visual }}"}
"""


@pytest.mark.parametrize(
    ("loop", "given", "least", "most"),
    [
        ("if: true", "steps.scripts.items[0].json.shots", 2, 4),
        ("if: true", f"({SHOTS} | flatten)[:3]", 3, 3),
        (over(SCRIPTS), "item.json.shots", 2, 4),
        (nested(SCRIPTS), "matrix.a0.json.shots[1:]", 1, 3),
        (f'zip: {{a: "${{{{ {SCRIPTS} }}}}"}}', "zip.a.json.shots", 2, 4),
        (over(f"{SHOTS} | flatten | groupby('visual')"), "item.list", 1, 12),
    ],
)
def test_bounds_of_a_list_flow_into_an_included_spec(
    loop: str, given: str, least: int, most: int
) -> None:
    text = SPEC.partition("  last:")[0].replace("ALLOW", "allow_failures: 0") + (
        f"  part:\n    uses: include\n    {loop}\n"
        f'    with: {{spec: part.yaml, inputs: {{shots: "${{{{ {given} }}}}"}}}}\n'
    )
    state = campaigns_opened(replay([frozen(text, includes={"part.yaml": PART})]))
    [inside] = state.planned_step("part").inside.values()
    assert item_range(state, f"{inside}__stills") == (least, most)


def counted_of(text: str) -> tuple[int, int]:
    return item_range(replay([frozen(text)]), "last")


@pytest.mark.parametrize(
    ("listed", "name", "given"),
    [
        ("steps.stills.items", "item.asset.mime_type", True),
        ("steps.stills.items", "item.script.hook", True),
        ("steps.stills.items", "item.shot.visual", True),
        ("steps.stills.items", "item.script.json.more", False),
        ("steps.stills.items", "item.script.usage", False),
        ("steps.scripts.items", "item.json.shots", True),
        ("steps.scripts.items", "item.json.more[0]", False),
        (f"{SHOTS} | flatten", "item.index", True),
        (f"{SHOTS} | first", "item.tags[0]", True),
        ("inputs.rows", "item.tags", True),
        ("inputs.rows", "item.missing", False),
        ("steps.scripts.items", "steps.scripts.items[2].text", True),
        ("steps.scripts.items", "steps.scripts.items[3].text", False),
        (f"{SHOTS} | first", "item.tags[1]", False),
    ],
)
def test_a_name_has_a_value_where_no_answer_and_no_loop_may_leave_it_out(
    listed: str, name: str, given: bool
) -> None:
    text = SPEC.replace("LOOP", over(listed)).replace("ALLOW", "allow_failures: 0")
    state = replay([frozen(text)])
    [read] = references(f"${{{{ {name} }}}}")
    assert ListReader(state, made=True).is_given(state.planned_step("last"), read) is given


def test_a_loop_is_read_by_its_name_also_where_an_output_has_that_name() -> None:
    loop = 'matrix: {text: "${{ steps.scripts.items }}"}'
    text = SPEC.replace("LOOP", loop).replace("ALLOW", "allow_failures: 0")
    state = replay([frozen(text)])
    [all_axes] = references("${{ matrix | json }}")
    [optional] = references("${{ matrix.text.json.more }}")
    [certain] = references("${{ matrix.text.json.shots }}")
    given = [
        ListReader(state, made=True).is_given(state.planned_step("last"), read)
        for read in (all_axes, optional, certain)
    ]
    assert given == [False, False, True]


def test_a_null_leaves_an_included_spec_its_default() -> None:
    part = PART.replace("{visual: string}}}", "{visual: string}, default: DEFAULT}}").replace(
        "DEFAULT", "[{visual: a}, {visual: b}, {visual: c}]"
    )
    text = SPEC.partition("  last:")[0].replace("ALLOW", "allow_failures: 0") + (
        "  part:\n    uses: include\n"
        '    with: {spec: part.yaml, inputs: {shots: "${{ steps.scripts.items[0].json.more }}"}}\n'
    )
    text = text.replace(
        "more: {type: list, of: string,", "more: {type: list, of: map, fields: {visual: string},"
    )
    state = campaigns_opened(replay([frozen(text, includes={"part.yaml": part})]))
    [inside] = state.planned_step("part").inside.values()
    assert item_range(state, f"{inside}__stills") == (0, 3)


CHOICES = """
version: 1
name: choices
inputs: {select: {type: enum, values: [judge, all], default: SELECT}}
steps:
  idea: {uses: chat, with: {model: gpt-5-2-chat, message: Hi, expect: {good: boolean}}}
  stills: {uses: generate, foreach: [a, b, c], with: {model: z-image, prompt: "${{ item }}"}}
  best:
    uses: pick
    if: ${{ inputs.select == 'judge' }}
    with: {from: "${{ steps.stills.items }}", mode: first}
  last: {uses: generate, foreach: "${{ LIST }}", with: {model: nano-banana, prompt: a, references: ["${{ item.asset }}"]}}
"""


@pytest.mark.parametrize(
    ("select", "listed", "count"),
    [
        ("all", "steps.best.items or steps.stills.items", (3, 3)),
        ("judge", "steps.best.items or steps.stills.items", (1, 1)),
        ("all", "steps.stills.items if inputs.select == 'all' else steps.best.items", (3, 3)),
        ("judge", "steps.stills.items if inputs.select == 'all' else steps.best.items", (1, 1)),
        ("judge", "steps.stills.items if steps.idea.json.good else steps.best.items", (1, 3)),
        ("judge", "steps.stills.items + steps.best.items", (4, 4)),
    ],
)
def test_a_choice_of_lists_that_inputs_decide_has_the_count_of_the_chosen_one(
    select: str, listed: str, count: tuple[int, int]
) -> None:
    text = CHOICES.replace("SELECT", select).replace("LIST", listed)
    assert item_range(replay([frozen(text)]), "last") == count


@pytest.mark.parametrize(
    "listed", ["steps.idea.json.some + steps.idea.json.all", "[steps.idea.json.one, 'x', 'y']"]
)
def test_a_list_that_a_null_makes_null_counts_for_nothing_at_least(listed: str) -> None:
    text = f"""
version: 1
name: nulls
steps:
  idea:
    uses: chat
    with:
      model: gpt-5-2-chat
      message: Hi
      expect:
        one: {{type: string, required: false}}
        some: {{type: list, of: string, required: false, max: 3}}
        all: {{type: list, of: string, min: 3, max: 3}}
  last: {{uses: chat, foreach: "${{{{ {listed} }}}}", with: {{model: gpt-5-2-chat, message: "${{{{ item }}}}"}}}}
"""
    assert counted_of(text)[0] == 0
