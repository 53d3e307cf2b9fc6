"""An `include` that fans out: a campaign for each item, also where only the run knows the list."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rivya_flows.assets import as_asset
from rivya_flows.estimate.estimate import estimate, rehearse, remaining
from rivya_flows.questions.open_questions import open_questions
from rivya_flows.questions.question import Answer
from rivya_flows.queue import queue
from rivya_flows.queue.actions import AskCache
from rivya_flows.queue.budget import reserve_for
from rivya_flows.queue.events import CacheAnswered, PurchaseIntended, RunResumed, dump, parse
from rivya_flows.queue.forks import find_finished, fork_of
from rivya_flows.queue.items import ItemState
from rivya_flows.queue.queue import replay
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.scope import fields_of, outputs_of
from rivya_flows.queue.state import State
from rivya_flows.steps.request import PriceClass
from support.naive_service import (
    NOON,
    NaiveService,
    Rehearsal,
    frozen,
    items_priced,
    played,
    priced,
)
from support.plain_queue import WildRun
from support.samples import examples

MARKET = """
version: 1
name: market
inputs:
  country: {type: string}
  tone: {type: string, default: calm}
steps:
  still: {uses: generate, with: {model: z-image, prompt: "lamp, ${{ inputs.country }}, ${{ inputs.tone }}"}}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: "push, ${{ inputs.country }}", references: ["${{ steps.still.asset }}"]}
outputs:
  film: ${{ steps.film.asset }}
  still: ${{ steps.still.asset }}
  country: ${{ inputs.country }}
"""
WRITTEN = """
version: 1
name: launch
steps:
  market:
    uses: include
    matrix: {country: [de, "São Tomé", 日本]}
    allow_failures: 1
    with: {spec: market.yaml, inputs: {country: "${{ matrix.country }}"}}
  poster:
    uses: generate
    foreach: ${{ steps.market.items }}
    as: one
    with: {model: nano-banana, prompt: "poster, ${{ one.country }}", references: ["${{ one.outputs.still }}"]}
outputs:
  films: ${{ steps.market.assets }}
  first: ${{ steps.market.items[0].outputs.film }}
  german: ${{ steps.market.by['de'].outputs.country }}
"""
FOUND = """
version: 1
name: launch
steps:
  words:
    uses: chat
    with: {model: gpt-5-2-chat, message: two, expect: {visual: string, narration: string}}
  tone: {uses: chat, with: {model: gpt-5-2-chat, message: one word}}
  market:
    uses: include
    foreach: ${{ [steps.words.json.visual, steps.words.json.narration] }}
    max_items: 4
    with: {spec: market.yaml, inputs: {country: "${{ item }}", tone: "${{ steps.tone.json.visual | default('loud') }}"}}
outputs:
  films: ${{ steps.market.assets }}
"""
FOUND = FOUND.replace("steps.tone.json.visual | default('loud')", "steps.tone.text | truncate(4)")
INCLUDES = {"market.yaml": MARKET}
OF_FOUND = [
    "market__a_lamp__still",
    "market__light__still",
    "market__a_lamp__film",
    "market__light__film",
]


def run_of(text: str, service: NaiveService | None = None, **inputs: Any) -> Rehearsal:
    return played(text, service or NaiveService(), includes=INCLUDES, **inputs)


def facts(state: State) -> dict[str, Any]:
    return {name: (step.status, [*step.items]) for name, step in state.steps.items()}


def test_the_items_of_an_include_are_picked_by_their_one_medium() -> None:
    one = {"market.yaml": MARKET.replace("  still: ${{ steps.still.asset }}\n", "")}
    picked = WRITTEN.partition("  poster:")[0] + (
        "  best:\n    uses: pick\n    with: {from: '${{ steps.market.items }}', mode: human}\n"
        "outputs: {film: '${{ steps.best.asset }}', country: '${{ steps.best.item.country }}'}\n"
    )
    run = played(picked, NaiveService(), includes=one)
    [question] = open_questions(run.state)
    assert question.choices == ("de", "São Tomé", "日本")
    assert {candidate.asset.kind for candidate in question.candidates if candidate.asset} == {
        "video"
    }
    run.feed(Answer(("日本",)).event(question, NOON))
    run.execute()
    outputs = outputs_of(run.state).values
    assert outputs["country"] == "日本"
    inside = run.state.planned_step("market").inside["日本"]
    made = fields_of(run.state, f"{inside}__film")["asset"]
    assert as_asset(outputs["film"]) == as_asset(made)


def test_each_item_has_the_steps_of_the_included_spec_and_its_outputs() -> None:
    run = run_of(WRITTEN)
    assert run.ended == ["completed"]
    assert run.state.plan.order[:6] == tuple(
        f"market__{place}__{step}"
        for step in ("still", "film")
        for place in ("de", "sao_tome", "2")
    )
    assert run.prompts("market__sao_tome__still") == ["lamp, São Tomé, calm"]
    assert run.prompts("poster") == ["poster, de", "poster, São Tomé", "poster, 日本"]
    values: Any = outputs_of(run.state).values
    films = [one["sha256"] for one in values["films"] if one["kind"] == "video"]
    assert films == [f"market__{place}__film-one" for place in ("de", "sao_tome", "2")]
    assert (values["first"]["sha256"], values["german"]) == ("market__de__film-one", "de")
    market = fields_of(run.state, "market")
    spent = [run.state.steps[f"market__de__{one}"].tally.spent for one in ("still", "film")]
    assert market["items"][0]["credits"] == sum(spent)
    assert market["credits"] == 3 * sum(spent)


def test_a_campaign_is_done_and_used_before_the_others() -> None:
    state = initial_state(frozen(WRITTEN, includes=INCLUDES))
    assert state.plan.steps["market"].whole == frozenset()
    run = Rehearsal(frozen(WRITTEN, includes=INCLUDES))
    run.take_up()
    while not run.state.item("market", "de").outputs:
        run.advance(0)
    assert run.state.steps["poster"].items["de"].requests
    assert not run.state.steps["market"].settled


def test_a_list_that_the_run_makes_adds_steps_to_the_plan_the_same_ones_again_on_each_replay() -> (
    None
):
    run = run_of(FOUND)
    assert run.ended == ["completed"]
    plan = run.state.plan
    assert [*plan.order] == ["words", "tone", *OF_FOUND, "market"]
    assert set(plan.steps["market"].upstream) == {"words", "tone", *OF_FOUND}
    assert plan.steps["market__light__still"].upstream == {"words", "tone"}
    assert [plan.places[name] for name in plan.order] == [*range(len(plan.order))]
    assert plan.downstream["steps", "market__light__film"] == ("market",)
    again = replay(parse(dump(event)) for event in run.journal)
    assert facts(again) == facts(run.state)
    assert again.plan.order == plan.order


@pytest.mark.parametrize("text", [WRITTEN, FOUND])
def test_no_order_and_no_crash_changes_what_is_bought(text: str) -> None:
    smooth = run_of(text)
    for seed in range(8):
        run, order = Rehearsal(frozen(text, includes=INCLUDES)), random.Random(seed)
        for _ in range(4):
            run.take_up()
            run.run(order, order.randrange(25))
        run.execute(order)
        assert run.service.charges == smooth.service.charges
        assert facts(run.state) == facts(smooth.state)


class Losing(NaiveService):
    """Makes no film of one prompt."""

    lost = "push, de"

    def fails(self, key: str) -> bool:
        return self.lost in self.bodies[key] or super().fails(key)


def test_a_campaign_that_fails_counts_as_one_item() -> None:
    run = run_of(WRITTEN, Losing())
    assert run.item("market", "de").reason == "market__de__film failed"
    assert run.statuses["market"] == "completed"
    assert run.ended == ["completed"], "one may fail"
    strict = run_of(WRITTEN.replace("    allow_failures: 1\n", ""), Losing())
    assert strict.ended == ["failed"]
    strict.service.lost = "nothing"  # type: ignore[attr-defined]  # of this service
    assert strict.execute(regenerate=("market__de__film",)).ended == ["failed", "completed"]
    assert len(strict.service.charges) == 10, "3 stills, 3 films and one again, 3 posters"


def test_a_condition_and_a_null_decide_for_each_item() -> None:
    text = WRITTEN.replace("    allow_failures: 1\n", "    if: ${{ matrix.country != 'de' }}\n")
    run = run_of(text)
    assert run.state.plan.steps["market__de__still"].skipped == (
        "the `if` of market is false for these inputs"
    )
    assert [one.phase for one in run.items("market")] == ["skipped", "completed", "completed"]
    found = FOUND.replace("    max_items: 4\n", "    if: ${{ item != 'light' }}\n")
    later = run_of(found)
    assert later.item("market__light__still").reason == "the `if` of market[light] is false"
    assert later.item("market", "light").phase == "skipped"
    assert later.ended == ["completed"]


def test_each_campaign_asks_its_own_question_in_each_round() -> None:
    market = """
version: 1
name: market
inputs: {country: {type: string}}
steps:
  stills: {uses: generate, foreach: [a, b], with: {model: z-image, prompt: "${{ inputs.country }} ${{ item }}"}}
  hero: {uses: pick, with: {from: "${{ steps.stills.items }}", mode: human, none: {rounds: 1}}}
outputs: {hero: "${{ steps.hero.key }}"}
"""
    run = played(
        FOUND,
        NaiveService(),
        includes={"market.yaml": market.replace("country: {", "tone: {type: string}, country: {")},
    )
    assert [one.step for one in open_questions(run.state)] == [
        "market__a_lamp__hero",
        "market__light__hero",
    ]
    run.answer("market__a_lamp__hero", "b", picked=("b",))
    run.answer("market__light__hero", none=True, note="brighter")
    run.run()
    [question] = open_questions(run.state)
    assert (question.step, question.round) == ("market__light__hero", 1)
    assert run.prompts("market__light__hero.stills.2") == ["light a, brighter", "light b, brighter"]
    run.answer("market__light__hero", "a", picked=("a",), round=1)
    run.run()
    assert [one["outputs"]["hero"] for one in fields_of(run.state, "market")["items"]] == ["b", "a"]
    assert run.ended == ["completed"]


@pytest.mark.parametrize(
    "loop", ["foreach: [a, b]", "foreach: [a, b]\n    as: hook", "matrix: {x: [a, b]}"]
)
def test_what_a_campaign_is_given_may_name_its_place_and_key(loop: str) -> None:
    market = """
version: 1
name: market
inputs: {title: {type: string}}
steps:
  still: {uses: generate, with: {model: z-image, prompt: "${{ inputs.title }}"}}
"""
    text = f"""
version: 1
name: all
steps:
  market:
    uses: include
    {loop}
    with: {{spec: market.yaml, inputs: {{title: "${{{{ item.index }}}} ${{{{ item.key }}}}"}}}}
"""
    run = played(text, NaiveService(), includes={"market.yaml": market})
    assert [run.prompts(f"market__{key}__still") for key in "ab"] == [["0 a"], ["1 b"]]


NESTED = """
version: 1
name: whole
inputs: {regions: {type: list, of: string, default: [north, south]}}
steps:
  region:
    uses: include
    foreach: ${{ inputs.regions }}
    with: {spec: launch.yaml}
outputs: {films: "${{ steps.region.assets }}"}
"""


def test_campaigns_inside_campaigns_are_found_by_each_run_of_the_list() -> None:
    includes = {**INCLUDES, "launch.yaml": FOUND}
    run = played(NESTED, NaiveService(), includes=includes)
    assert run.ended == ["completed"]
    inside = {f"region__{region}__{name}" for region in ("north", "south") for name in OF_FOUND}
    assert inside <= {*run.state.plan.steps}
    films: Any = outputs_of(run.state).values["films"]
    assert len(films) == 8
    assert fields_of(run.state, "region")["credits"] == run.state.spent
    again = Rehearsal(frozen(NESTED, includes=includes))
    for limit in (9, 17, 30):
        again.take_up()
        again.run(random.Random(limit), limit)
    again.execute()
    assert again.service.charges == run.service.charges


def test_each_item_is_priced_and_one_of_a_later_list_stands_for_all_of_them() -> None:
    each = items_priced(frozen(WRITTEN, includes=INCLUDES))
    one = sum(each[f"market__de__{step}"].price.min for step in ("still", "film"))
    whole = priced(frozen(WRITTEN, includes=INCLUDES))
    posters = sum(
        item.price.min for step in whole.steps if step.id == "poster" for item in step.items
    )
    assert whole.min == 3 * one + posters
    later = items_priced(frozen(FOUND, includes=INCLUDES))["market"]
    assert (later.price.min, later.price.max) == (2 * one, 2 * one)  # the list has two members
    assert later.price.assumption == f"2 items, known during the run, each {one} credits"


def test_a_list_with_more_steps_than_a_plan_may_have_fails_before_anything_is_bought() -> None:
    text = WRITTEN.replace(
        'matrix: {country: [de, "São Tomé", 日本]}',
        "foreach: ${{ inputs.all }}\n    max_items: 9000",
    )
    text = text.replace("matrix.country", "item").replace("one.country", "one.key")
    text = text.replace("steps:\n", "inputs: {all: {type: list, of: string}}\nsteps:\n", 1)
    run = run_of(text, all=[f"{n}" for n in range(5_001)])
    why = (
        "5,001 items, each with the steps of market, make more than 10,000 steps: take fewer items"
    )
    assert (run.item("market").reason, run.bought, run.ended) == (why, [], ["failed"])


def test_a_list_for_which_a_plan_has_no_room_is_priced_as_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rivya_flows.plans.expand.MAX_STEPS", 4)
    found = items_priced(frozen(FOUND, includes=INCLUDES))["market"]
    assert (found.price.min, found.price.max) == (0, 0)
    assert found.price.assumption.endswith(", too many steps for a plan")
    assert run_of(FOUND).bought == ["words", "tone"]


SHOWN = """
version: 1
name: launch
steps:
  stills:
    uses: generate
    foreach: [a, b, c]
    allow_failures: 1
    with: {model: z-image, prompt: "lamp ${{ item }}"}
  market:
    uses: include
    foreach: ${{ steps.stills.LIST }}
    as: still
    with: {spec: shown.yaml, inputs: {photo: "${{ MEDIUM }}"}}
  broken: {uses: generate, with: {model: seedream-5-lite, prompt: never}}
"""
SHOWN_INSIDE = """
version: 1
name: shown
inputs: {photo: {type: file, kind: image}}
steps:
  film: {uses: generate, with: {model: veo3-1-lite, prompt: push, references: ["${{ inputs.photo }}"]}}
outputs: {film: "${{ steps.film.asset }}"}
"""


@pytest.mark.parametrize(
    ("listed", "medium", "before", "after"),
    [
        ("items", "still.asset", ["completed", "skipped", "completed"], ["completed"] * 3),
        ("assets", "still", ["completed"] * 2, ["completed"] * 2),
    ],
)
def test_a_resume_reads_the_list_again_but_not_its_places_once_something_was_bought(
    listed: str, medium: str, before: list[str], after: list[str]
) -> None:
    text = SHOWN.replace("LIST", listed).replace("MEDIUM", medium)
    service = Losing(failing_models={"seedream-5-lite"})
    service.lost = "lamp b"
    run = played(text, service, includes={"shown.yaml": SHOWN_INSIDE})
    assert run.ended == ["failed"]
    assert run.phases("market") == before
    service.lost = "nothing"
    run.execute(regenerate=("stills[b]",))
    assert run.phases("market") == after
    films = [name for name in run.bought if name.endswith("__film")]
    assert len(films) == len(set(films)) == len(after)
    assert facts(replay(run.journal)) == facts(run.state)


def test_a_campaign_keeps_what_it_was_bought_for_though_another_has_its_place_now() -> None:
    text = SHOWN.replace("LIST }}", "assets }}\n    limit: 2").replace("MEDIUM", "still")
    again = "  again: {uses: generate, needs: [film], with: {model: seedream-5-lite, prompt: pull"
    inside = SHOWN_INSIDE.replace(
        "outputs:", again + ', references: ["${{ inputs.photo }}"]}}\noutputs:'
    )
    service = Losing(failing_models={"seedream-5-lite"})
    service.lost = "lamp b"
    run = played(text, service, includes={"shown.yaml": inside})
    service.lost, service.failing_models = "nothing", ()
    run.execute(regenerate=("stills[b]", "market__0__again", "market__1__again"))
    assert run.phases("market") == ["completed"] * 2
    for place, still in enumerate("ac"):
        for step in ("film", "again"):
            [used] = run.item(f"market__{place}__{step}").evaluated.uploads
            assert used.source == f"stills-{still}"


def test_what_a_shorter_list_leaves_out_is_not_made() -> None:
    text = SHOWN.replace("steps.stills.LIST", "['a', 'b', 'c'][0:NUMBER]").replace(
        "MEDIUM", "still"
    )
    text = text.replace("NUMBER", "2 if steps.stills.items[1].asset is defined else 3")
    text = text.replace('"${{ still }}"', '"${{ still }} ${{ steps.broken.task_id }}"')
    inside = SHOWN_INSIDE.replace("{type: file, kind: image}", "{type: string}")
    inside = inside.replace('references: ["${{ inputs.photo }}"]', "").replace(
        "prompt: push, ", 'prompt: "${{ inputs.photo }}"'
    )
    service = Losing(failing_models={"seedream-5-lite"})
    service.lost = "lamp b"
    run = played(text, service, includes={"shown.yaml": inside})
    assert run.phases("market") == ["skipped"] * 3
    assert run.item("market", "c").reason == "broken failed"
    service.lost, service.failing_models = "nothing", ()
    run.execute(regenerate=("stills[b]", "broken"))
    assert run.phases("market") == ["completed"] * 2
    assert run.item("market__c__film").reason == "market has no such item any more"
    assert facts(replay(run.journal)) == facts(run.state)


def test_campaigns_that_a_resume_keeps_are_priced_once() -> None:
    text = SHOWN.replace("LIST", "items").replace("MEDIUM", "still.asset")
    service = Losing(failing_models={"seedream-5-lite"})
    service.lost = "lamp b"
    run = played(text, service, includes={"shown.yaml": SHOWN_INSIDE})
    before = run.state.spent
    again = RunResumed(at=NOON, regenerate=("stills[b]",))
    left = remaining(replay(run.journal), again)
    service.lost = "nothing"
    run.execute(regenerate=again.regenerate)
    assert 0 < left.min <= run.state.spent - before <= (left.max or 0)
    assert left.enough - left.spent <= (left.max or 0)


def forked(run: Rehearsal, step: str | None, text: str, includes: Any = INCLUDES) -> Rehearsal:
    start = frozen(text, includes=includes)
    return Rehearsal(start.model_copy(update={"fork": fork_of(run.state, step)}))


@pytest.mark.parametrize(
    ("step", "again"),
    [
        ("market", {*OF_FOUND, "market"}),
        ("market[light]", {"market__light__still", "market__light__film"}),
        ("market__light__film", {"market__light__film"}),
    ],
)
def test_a_fork_makes_all_campaigns_one_or_a_part_of_one_again(step: str, again: set[str]) -> None:
    first = run_of(FOUND)
    fork = forked(first, step, FOUND)
    fork.execute()
    assert fork.state.again == again
    assert fork.ended == ["completed"]


@pytest.mark.parametrize(
    ("budget", "over"),
    [("", None), ("    budget: {credits: 1}\n", "market__light__film")],
    ids=["no budget", "a budget in each campaign"],
)
def test_a_fork_is_priced_with_the_campaigns_of_the_list_that_it_takes(
    budget: str, over: str | None
) -> None:
    first = run_of(FOUND)
    there = find_finished(first.state)
    includes = {"market.yaml": MARKET.replace("  film:\n", f"  film:\n{budget}")}

    def look_up(asked: AskCache) -> CacheAnswered | None:
        found = there.get(asked.request_hash)
        named = {"step": asked.step, "key": asked.key, "request_hash": asked.request_hash}
        return found and CacheAnswered(**named, outputs=dict(found.outputs))

    fork = forked(first, "market__light__film", FOUND, includes)
    plan = estimate(rehearse(initial_state(fork.start), NOON, look_up), None)
    assert [one.id for one in plan.steps] == [*first.state.plan.order]
    assert plan.min == first.state.steps["market__light__film"].tally.spent
    assert (plan.over_step and plan.over_step.id) == over


@pytest.mark.parametrize("step", ["market[de]", "market__de__still"])
def test_what_uses_the_other_campaigns_is_not_made_again_with_one(step: str) -> None:
    assert not forked(run_of(WRITTEN), step, WRITTEN).state.again & {"market", "poster"}


def test_a_fork_of_one_campaign_certainly_buys_that_and_at_most_what_uses_it_too() -> None:
    first = run_of(WRITTEN)
    there = find_finished(first.state)

    def look_up(asked: AskCache) -> CacheAnswered | None:
        found = there.get(asked.request_hash)
        named = {"step": asked.step, "key": asked.key, "request_hash": asked.request_hash}
        return found and CacheAnswered(**named, outputs=found.outputs)

    whole = remaining(forked(first, "market[de]", WRITTEN).state, look_up=look_up)
    certain = {one.id for one in whole.steps if any(item.price.min for item in one.items)}
    assert certain == {"market__de__still", "market__de__film"}
    [posters] = (one.items for one in whole.steps if one.id == "poster")
    assert [item.key for item in posters if item.price.max] == ["de"]


def test_an_item_that_could_not_be_paid_fails_the_step_whatever_may_fail() -> None:
    run = run_of(WRITTEN, NaiveService(), budget=12)
    assert run.state.steps["market"].status == "failed"
    assert run.ended == ["failed"]
    assert run.most <= 12
    run.execute(budget=200)
    assert run.ended == ["failed", "completed"]
    assert len(set(run.service.charges)) == len(run.bought)


WILD = """
version: 1
name: launch
budget: {credits: 150, on_unfit: CHOICE}
steps:
  stills:
    uses: generate
    foreach: [a, b, c]
    allow_failures: 2
    with: {model: z-image, prompt: "lamp ${{ item }}"}
  market:
    uses: include
    foreach: ${{ steps.stills.LIST }}
    as: still
    allow_failures: 1
    if: ${{ COND }}
    with: {spec: market.yaml, inputs: {photo: "${{ MEDIUM }}", late: "${{ steps.late.json.visual }}"}}
  late: {uses: chat, with: {model: gpt-5-2-chat, message: x, expect: {visual: string, narration: string}}}
  written:
    uses: include
    zip: {word: [x, y]}
    with: {spec: deep.yaml, inputs: {word: "${{ zip.word }}"}}
  again:
    uses: generate
    foreach: ${{ steps.market.items }}
    allow_failures: 5
    with: {model: nano-banana, prompt: night, references: ["${{ item.outputs.hero }}"]}
"""
WILD_INSIDE = {
    "market.yaml": """
version: 1
name: market
inputs: {photo: {type: file, kind: image}, late: {type: string}}
steps:
  posters:
    uses: generate
    foreach: [wide, tall]
    allow_failures: 1
    with: {model: nano-banana, prompt: "${{ item }}", references: ["${{ inputs.photo }}"]}
  hero: {uses: pick, with: {from: "${{ steps.posters.items }}", mode: human, none: {rounds: 1}, timeout: 1h, on_timeout: first}}
  deep:
    uses: include
    with: {spec: deep.yaml, inputs: {word: "${{ inputs.late }} ${{ previous.outputs.session | default('') }}"}}
    repeat: {until: "${{ steps.deep.outputs.session | seed(1, 3) == 1 }}", at_most: 2}
outputs: {hero: "${{ steps.hero.asset }}", deep: "${{ steps.deep.assets }}"}
""",
    "deep.yaml": """
version: 1
name: deep
inputs: {word: {type: string}}
steps:
  words:
    uses: chat
    with:
      model: gpt-5-2-chat
      message: "${{ inputs.word }} ${{ previous.session_id | default('') }}"
      expect: {visual: string, narration: string}
    repeat: {until: "${{ steps.words.session_id | seed(1, 2) == 1 }}", at_most: 2}
  parts: {uses: include, foreach: "${{ [steps.words.json.visual, steps.words.json.narration] }}", with: {spec: part.yaml, inputs: {word: "${{ item }}"}}}
outputs: {parts: "${{ steps.parts.assets }}", session: "${{ steps.words.session_id }}"}
""",
    "part.yaml": """
version: 1
name: part
inputs: {word: {type: string}}
steps: {still: {uses: generate, with: {model: z-image, prompt: "${{ inputs.word }}"}}}
outputs: {still: "${{ steps.still.asset }}"}
""",
}


@settings(max_examples=examples(3))
@given(st.integers(0, 10**6))
def test_each_event_changes_what_a_queue_that_looks_at_everything_would_change(seed: int) -> None:
    chance = random.Random(seed)
    listed, medium = chance.choice([("items", "still.asset"), ("assets", "still")])
    text = WILD.replace("LIST", listed).replace("MEDIUM", medium)
    text = text.replace("COND", f"{medium}.kind != 'video'")
    text = text.replace("CHOICE", chance.choice(["fail", "pause"]))
    service = NaiveService(
        seed=seed,
        failing=chance.choice([0, 0.3]),
        refusing=chance.choice([0, 0.2]),
        rambling=chance.choice([0, 0.5]),
        pool=chance.choice([None, 20, 90]),
    )
    run = WildRun(frozen(text, includes=WILD_INSIDE), service)
    run.play(chance)
    assert facts(replay(parse(dump(event)) for event in run.journal)) == facts(run.state)
    bought = [(one.step, one.key, one.n) for one in run.events(PurchaseIntended)]
    assert len(bought) == len(set(bought))


ALIKE = """
version: 1
name: launch
budget: {credits: 12, on_unfit: go_on}
steps:
  market:
    uses: include
    matrix: {n: [1, 2, 3, 4], m: [1, 2, 3, 4, 5, 6]}
    with: {spec: deep.yaml, inputs: {word: "${{ matrix.n }} ${{ matrix.m }}"}}
"""
ONE_STILL = """
version: 1
name: deep
inputs: {word: {type: string}}
steps:
  still: {uses: generate, with: {model: z-image, prompt: "lamp ${{ inputs.word }}"}}
"""


def test_a_price_that_must_wait_is_tried_in_one_campaign_and_not_in_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = list[str]()

    def count(state: State, step_id: str, item: ItemState, price: PriceClass) -> object:
        tried.append(step_id)
        return reserve_for(state, step_id, item, price)

    monkeypatch.setattr(queue, "reserve_for", count)
    run = played(ALIKE, NaiveService(), includes={"deep.yaml": ONE_STILL})
    assert (len(run.bought), run.state.spent) == (12, 12)
    assert len(tried) < 2 * len(run.journal)
