"""The values of loops that items carry, and their keys and places."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rivya_flows.estimate.preflight import certain_failures
from rivya_flows.language.lineage import lineage_of
from rivya_flows.plans.expand import with_followed_items
from rivya_flows.queue.actions import Buy
from rivya_flows.queue.scope import outputs_of
from rivya_flows.steps.candidates import is_available
from support.naive_service import NaiveService, Rehearsal, frozen, played

HEAD = """\
version: 1
name: hooks
inputs:
  hooks: {type: list, of: string, default: [wake, slow]}
steps:
  lines:
    uses: chat
    foreach: ${{ inputs.hooks }}
    as: hook
    allow_failures: 1
    with: {model: gpt-5-2-chat, message: "${{ hook }}", expect: {shots: [{visual: string}]}}
"""
STILLS = """\
  stills:
    uses: generate
    matrix: {line: "${{ steps.lines.items }}", size: ["1:1", "9:16"]}
    with: {model: z-image, prompt: a lamp, params: {aspect_ratio: "${{ matrix.size }}"}}
"""


class ScriptService(NaiveService):
    """A service whose answer to ``slow`` has one shot, and to another line two."""

    def answer(self, buy: Buy) -> tuple[str, str]:
        session, _ = super().answer(buy)
        line = json.loads(buy.purchase.body)["message"].partition("\n")[0]
        shots = [{"visual": f"{line} {n}"} for n in range(1 if line == "slow" else 2)]
        return session, json.dumps({"shots": shots})


def run_of(steps: str, head: str = HEAD) -> Rehearsal:
    """A run of the steps below `HEAD`."""
    return played(head + steps, ScriptService())


def values_of(steps: str, *values: str) -> list[Any]:
    """What the outputs of a run are, in order, of the steps below `HEAD`."""
    named = "".join(f"  v{n}: ${{{{ {value} }}}}\n" for n, value in enumerate(values))
    run = run_of(f"{steps}outputs:\n{named}")
    found = outputs_of(run.state)
    assert not found.failed
    return [*found.values.values()]


def test_an_item_has_the_loop_variable_of_its_foreach() -> None:
    values = ["steps.lines.items[1].hook", "steps.lines.by['wake'].hook"]
    assert values_of("", *values) == ["slow", "wake"]


@pytest.mark.parametrize(
    "chosen",
    ["items", "items[1:2]", "items | default([])", "items if inputs.hooks else []"],
    ids=["all", "slice", "filter", "choice"],
)
def test_loop_values_come_along_through_the_items_of_other_steps(chosen: str) -> None:
    steps = f"""{STILLS}
  liked: {{uses: pick, with: {{from: "${{{{ steps.stills.items }}}}", count: 4}}}}
  films:
    uses: generate
    foreach: ${{{{ steps.liked.{chosen} }}}}
    as: still
    with: {{model: veo3-1-lite, prompt: "${{{{ still.hook }}}} ${{{{ still.size }}}}"}}
"""
    last = "steps.films.items[-1]"
    names = ["hook", "size", "line.status", "still.key"]
    key = "wake, 9:16" if chosen == "items[1:2]" else "slow, 9:16"
    found = values_of(steps, *(f"{last}.{name}" for name in names))
    assert found == [key.partition(",")[0], "9:16", "completed", key]


def test_a_nearer_loop_wins_and_an_output_of_the_step_wins_over_all() -> None:
    steps = """\
  again:
    uses: chat
    foreach: ${{ steps.lines.items }}
    as: text
    with: {model: gpt-5-2-chat, message: "${{ text.hook }}"}
  third:
    uses: chat
    zip: {line: "${{ steps.again.items }}", hook: [near, by]}
    with: {model: gpt-5-2-chat, message: "${{ matrix.line.text }}"}
""".replace("matrix.line", "zip.line")
    text, hook, line = values_of(
        steps,
        "steps.again.items[0].text",
        "steps.third.items[0].hook",
        "steps.third.items[0].line.key",
    )
    assert isinstance(text, str)
    assert (hook, line) == ("near", "wake")


def test_a_value_that_two_axes_bring_along_stays_on_each_of_them() -> None:
    steps = f"""{STILLS}
  pairs:
    uses: chat
    matrix: {{a: "${{{{ steps.lines.items }}}}", b: "${{{{ steps.stills.items[0:1] }}}}"}}
    with: {{model: gpt-5-2-chat, message: "${{{{ matrix.a.hook }}}} ${{{{ matrix.b.hook }}}}"}}
"""
    names = ["a.hook", "b.hook", "size"]
    found = values_of(steps, *(f"steps.pairs.items[1].{name}" for name in names))
    assert found == ["slow", "wake", "1:1"]


def test_an_item_that_did_not_run_has_the_names_of_its_loops() -> None:
    steps = """\
  stills:
    uses: generate
    if: ${{ line.hook == 'slow' }}
    foreach: ${{ steps.lines.items }}
    as: line
    with: {model: z-image, prompt: "${{ line.hook }}"}
"""
    assert values_of(steps, "steps.stills.items[0].hook | default('none')") == ["wake"]


@pytest.mark.parametrize(
    ("loop", "prompts"),
    [
        ("foreach: [a, b]", ["a 0", "b 1"]),
        ("foreach: [a, b]\n    as: word", ["a 0", "b 1"]),
        ("matrix: {a: [x], b: [1, 2]}", ["x, 1 0", "x, 2 1"]),
        ("zip: {a: [x, y]}\n    key: n${{ item.index }}", ["n0 0", "n1 1"]),
        ("foreach: [{key: p, index: 7}, {key: q, index: 8}]", ["p 7", "q 8"]),
        ("foreach: '${{ steps.lines.items[1:2] }}'", ["slow 0"]),
        ("foreach: '${{ steps.lines.items }}'\n    as: line", ["wake 0", "slow 1"]),
    ],
)
def test_an_item_knows_its_key_and_its_place(loop: str, prompts: list[str]) -> None:
    step = f"""\
  stills:
    uses: generate
    {loop}
    with: {{model: z-image, prompt: "${{{{ item.key }}}} ${{{{ item.index }}}}"}}
"""
    assert run_of(step).prompts("stills") == prompts


NESTED = """\
  shots:
    uses: generate
    matrix: {line: "${{ steps.lines.items }}", shot: "${{ matrix.line.json.shots }}"}
    with: {model: z-image, prompt: "${{ matrix.line.hook }} ${{ matrix.shot.visual }} ${{ item.key }}"}
"""


def test_a_matrix_fans_out_over_the_answers_of_a_fan_out() -> None:
    prompts = ["wake wake 0 wake, 0", "wake wake 1 wake, 1", "slow slow 0 slow, 0"]
    assert run_of(NESTED).prompts("shots") == prompts


def test_a_null_list_of_a_nested_axis_has_no_items() -> None:
    head = HEAD.replace("allow_failures: 1", "if: ${{ hook == 'slow' }}")
    assert run_of(NESTED, head).prompts("shots") == ["slow slow 0 slow, 0"]
    head = HEAD.replace("allow_failures: 1", "if: ${{ hook == 'other' }}")
    assert run_of(NESTED, head).statuses["shots"] == "skipped"


VOICES = """\
  voices:
    uses: generate
    foreach: ${{ inputs.hooks }}
    with: {model: elevenlabs-turbo-2-5, prompt: "${{ item }}", params: {voice: Liam}}
"""
FILMS = """\
  films:
    uses: generate
    foreach: ${{ steps.shots.items }}
    as: still
    with: {model: veo3-1-lite, prompt: "${{ still.key }}: ${{ %s }}"}
"""


@pytest.mark.parametrize(
    ("steps", "read"),
    [
        (VOICES, "steps.voices.same.key"),
        (VOICES.replace("foreach: ${{ inputs.hooks }}", "zip: {a: '${{ inputs.hooks }}', n: [1, 2]}").replace("item }", "zip.a }"),
         "steps.voices.same.a"),
        (VOICES.replace("foreach: ${{ inputs.hooks }}", "matrix: {a: '${{inputs.hooks}}'}").replace("item }", "matrix.a }"),
         "steps.voices.same.a"),
        (VOICES.replace("inputs.hooks", "steps.lines.items").replace("item }", "item.hook }"),
         "steps.voices.same.hook"),
        (VOICES.replace("inputs.hooks", "steps.best.items").replace("item }", "item.hook }")
         + '  best: {uses: pick, with: {from: "${{ steps.lines.items }}", count: 2}}\n',
         "steps.voices.same.hook"),
        ("", "steps.lines.same.hook"),
    ],
    ids=["foreach", "zip", "matrix", "items", "pick", "the source itself"],
)  # fmt: skip
def test_same_is_the_item_that_comes_from_the_same_value(steps: str, read: str) -> None:
    prompts = run_of(NESTED + steps + FILMS % read).prompts("films")
    assert prompts == ["wake, 0: wake", "wake, 1: wake", "slow, 0: slow"]


def test_same_of_nested_axes_is_the_item_of_all_of_them() -> None:
    marks = NESTED.replace("shots:", "marks:", 1).replace("{line:", "{text:")
    marks = marks.replace("matrix.line", "matrix.text")
    prompts = run_of(NESTED + marks + FILMS % "steps.marks.same.key").prompts("films")
    assert prompts == [f"{key}: {key}" for key in ("wake, 0", "wake, 1", "slow, 0")]


def test_same_is_null_where_the_other_step_took_fewer_values() -> None:
    fewer = VOICES.replace("inputs.hooks", "steps.lines.items[1:2]").replace("item }", "item.key }")
    steps = NESTED + fewer + FILMS % "steps.voices.same.key | default('none')"
    prompts = run_of(steps).prompts("films")
    assert prompts == ["wake, 0: none", "wake, 1: none", "slow, 0: slow"]
    skipped = run_of(NESTED + fewer + FILMS % "steps.voices.same.key").items("films")
    assert [item.reason for item in skipped] == ["steps.voices.same is null"] * 2 + [None]


def test_same_holds_in_a_run_that_is_taken_up_again_at_any_event() -> None:
    text = HEAD + NESTED + VOICES + FILMS % "steps.voices.same.key"
    run = played(text, ScriptService())
    for length in range(2, len(run.journal), 7):
        again = Rehearsal(run.start, run.service)
        again.journal[1:] = run.journal[1:length]
        again.execute()
        assert again.prompts("films") == run.prompts("films")
        assert again.statuses == run.statuses


def test_lists_that_name_each_other_often_stay_short() -> None:
    axes = {"a0": "${{ inputs.hooks }}"}
    axes |= {f"a{n}": f"${{{{ [matrix.a{n - 1}, matrix.a{n - 1}] }}}}" for n in range(1, 60)}
    found = lineage_of("matrix", axes, "", frozenset(), {})
    assert len(found.lists) == 60
    assert sum(map(len, found.lists)) < 60_000


def test_a_plan_knows_the_items_of_nested_axes_whose_lists_are_inputs() -> None:
    steps = """\
  stills:
    uses: generate
    matrix: {set: [{key: day, of: [a, b]}, {key: night, of: [c]}], shot: "${{ matrix.set.of }}"}
    with: {model: z-image, prompt: "${{ matrix.shot }}"}
"""
    planned = Rehearsal(frozen(HEAD + steps)).state.planned_step("stills")
    assert [one.key for one in planned.items or ()] == ["day, a", "day, b", "night, c"]


@pytest.mark.parametrize("other", ["added", "excluded"])
def test_same_follows_a_matrix_with_rules(other: str) -> None:
    rules = {"added": "include: [{hook: more}]", "excluded": "exclude: [{hook: wake}]"}[other]
    steps = f"""\
  words:
    uses: generate
    matrix: {{hook: "${{{{ inputs.hooks }}}}", {rules}}}
    with: {{model: z-image, prompt: "${{{{ matrix.hook }}}}"}}
  films:
    uses: generate
    foreach: ${{{{ steps.words.items }}}}
    as: word
    with: {{model: veo3-1-lite, prompt: "${{{{ word.hook }}}} ${{{{ steps.lines.same.hook | default('none') }}}}"}}
"""
    prompts = run_of(steps).prompts("films")
    assert (
        prompts
        == {"added": ["wake wake", "slow slow", "more none"], "excluded": ["slow slow"]}[other]
    )


def test_a_loop_value_that_is_called_text_is_not_what_a_candidate_says() -> None:
    one: dict[str, Any] = {"key": "a", "status": "completed", "text": {"asset": None}, "json": None}
    assert not is_available(one)
    assert is_available({**one, "text": "a lamp"})


def test_a_plan_passes_on_the_loop_values_that_are_known_and_no_others() -> None:
    steps = """\
  again:
    uses: chat
    foreach: ${{ steps.lines.items }}
    as: line
    with: {model: gpt-5-2-chat, message: "${{ line.hook }}"}
  films:
    uses: generate
    foreach: ${{ steps.again.items }}
    with: {model: veo3-1-lite, prompt: "${{ item.hook }} ${{ item.line.json.shots[0].visual }}"}
"""
    state = Rehearsal(frozen(HEAD + steps)).state
    [film, _] = with_followed_items(state.plan).steps["films"].items or ()
    assert film.variables == {"item": {"hook": "wake", "key": "wake"}}
    assert [*certain_failures(state)] == []


def test_same_is_null_where_a_resume_has_another_value_at_the_place_of_a_bought_one() -> None:
    steps = """\
  stills:
    uses: generate
    foreach: [a, b, c]
    allow_failures: 1
    with: {model: z-image, prompt: "lamp ${{ item }}"}
  gate: {uses: generate, with: {model: z-image, prompt: gate}}
  films:
    uses: generate
    foreach: ${{ steps.stills.assets }}
    with: {model: veo3-1-lite, prompt: push, references: ["${{ item }}"]}
  posters:
    uses: generate
    foreach: ${{ steps.stills.assets }}
    needs: [gate]
    with: {model: nano-banana, prompt: "poster ${{ steps.films.same.key }}", references: ["${{ item }}"]}
"""

    class Losing(ScriptService):
        lost: tuple[str, ...] = ("lamp b", '"gate"')

        def fails(self, key: str) -> bool:
            return any(one in self.bodies[key] for one in self.lost)

    service = Losing()
    run = played(HEAD + steps, service)
    service.lost = ()
    run.execute(regenerate=("*",))
    assert [item.reason for item in run.items("posters")] == [
        None,
        "steps.films.same is null",
        "steps.films.same is null",
    ]
