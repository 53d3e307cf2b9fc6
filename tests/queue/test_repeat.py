"""A step or an `include` that runs again until an expression is true."""

from __future__ import annotations

import json
import random
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.estimate.mermaid import mermaid
from rivya_flows.questions.open_questions import open_questions
from rivya_flows.queue.actions import Action, AskCache, Buy
from rivya_flows.queue.events import CacheAnswered, Event
from rivya_flows.queue.forks import Finished, find_finished, fork_of
from rivya_flows.queue.queue import replay
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.scope import fields_of, outputs_of
from rivya_flows.spec.load import check
from support.naive_service import NaiveService, Rehearsal, frozen, items_priced, played, priced
from support.samples import sample

SLOGAN = """
version: 1
name: slogan
steps:
  slogan:
    uses: chat
    with:
      model: gpt-5-2-chat
      message: "A slogan. ${{ previous.json.advice | default('') }}"
      expect: {text: string, score: number, advice: string}
    repeat: {until: "${{ steps.slogan.json.score >= 8 }}", at_most: 3}
  poster:
    uses: generate
    with: {model: z-image, prompt: "${{ steps.slogan.json.text }}, round ${{ steps.slogan.rounds }}"}
outputs: {text: "${{ steps.slogan.json.text }}", met: "${{ steps.slogan.met }}"}
"""
DRAFT = """
version: 1
name: draft
inputs: {advice: {type: text, default: ""}}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: "a lamp ${{ inputs.advice }}"}
  review:
    uses: chat
    with:
      model: gpt-5-2-chat
      message: how good is it?
      attachments: ["${{ steps.still.asset }}"]
      expect: {score: number, advice: string}
outputs:
  still: ${{ steps.still.asset }}
  score: ${{ steps.review.json.score }}
  advice: ${{ steps.review.json.advice }}
"""
CAMPAIGN = """
version: 1
name: campaign
steps:
  draft:
    uses: include
    with:
      spec: parts/draft.yaml
      inputs: {advice: "${{ previous.outputs.advice | default('') }}"}
    repeat: {until: "${{ steps.draft.outputs.score >= 8 }}", at_most: 3}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: push, references: ["${{ steps.draft.outputs.still }}"]}
outputs: {still: "${{ steps.draft.outputs.still }}"}
"""
PARTS = {"parts/draft.yaml": DRAFT}


class Critic(NaiveService):
    """A service whose chats give these scores, one after the other, then 5."""

    def __init__(self, *scores: Any, **faults: Any) -> None:
        super().__init__(**faults)
        self.scores, self.given = list(scores), dict[str, str]()

    def answer(self, buy: Buy) -> tuple[str, str]:
        """The same for a key whenever it is asked."""
        key = buy.purchase.idempotency_key
        if key not in self.given:
            score = self.scores.pop(0) if self.scores else 5
            told = {"score": score, "advice": f"after {score}", "text": f"text of {score}"}
            self.given[key] = json.dumps(told)
        return f"s_{key}", self.given[key]


def slogan(*scores: Any, spec: str = SLOGAN, **faults: Any) -> Rehearsal:
    return played(spec, Critic(*scores, **faults))


def campaign(*scores: Any, spec: str = CAMPAIGN, **faults: Any) -> Rehearsal:
    return played(spec, Critic(*scores, **faults), includes=PARTS)


def messages(run: Rehearsal, steps: Sequence[str]) -> list[str]:
    """What the chats of steps were asked first, without what the schema adds."""
    bodies = [json.loads(run.item(one).purchases[0].body) for one in steps]
    return [body["message"].partition("\n")[0].strip() for body in bodies]


def test_a_step_runs_again_with_what_came_before_until_it_is_good() -> None:
    run = slogan(4, 9)
    assert run.ended == ["completed"]
    assert run.bought == ["slogan.1", "slogan.2", "poster"]
    assert messages(run, ["slogan.1", "slogan.2"]) == ["A slogan.", "A slogan. after 4"]
    assert run.prompts("poster") == ["text of 9, round 2"]
    assert outputs_of(run.state).values == {"text": "text of 9", "met": True}
    [last] = run.items("slogan.3")
    assert (last.phase, last.reason) == ("skipped", "slogan was decided without another round")
    assert fields_of(run.state, "slogan")["credits"] == run.state.spent - run.item("poster").credits


def test_the_first_round_may_be_good_enough() -> None:
    run = slogan(8)
    assert run.bought == ["slogan.1", "poster"]
    assert fields_of(run.state, "slogan")["rounds"] == 1


def test_the_last_round_is_taken_if_none_was_good_enough_and_that_is_said() -> None:
    run = slogan(1, 2, 3)
    assert run.ended == ["completed"]
    item = run.item("slogan")
    assert outputs_of(run.state).values == {"text": "text of 3", "met": False}
    assert item.reason == "`until` was not true after 3 rounds; the last one is taken"


def test_equal_requests_of_two_rounds_are_two_purchases() -> None:
    run = slogan(1, 2, 3, spec=SLOGAN.replace(" ${{ previous.json.advice | default('') }}", ""))
    hashes = {run.item(f"slogan.{n}").evaluated.request_hash for n in (1, 2, 3)}
    assert len(hashes) == 1
    assert len(run.service.charges) == len(run.bought) == 4


def test_a_round_that_fails_fails_the_step_and_a_resume_takes_that_round_up() -> None:
    run = slogan(4, "no number", "no number", "no number", 9)
    assert run.ended == ["failed"]
    assert run.statuses == {
        "slogan.1": "completed",
        "slogan.2": "failed",
        "slogan.3": "skipped",
        "slogan": "failed",
        "poster": "skipped",
    }
    assert run.item("slogan").reason == "slogan.2 failed"
    run.execute(regenerate=("slogan.2",))
    assert run.ended[-1] == "completed"
    assert fields_of(run.state, "slogan")["rounds"] == 2
    assert run.bought.count("slogan.1") == 1


@pytest.mark.parametrize(
    ("until", "why"),
    [
        ("steps.slogan.json.score / 0 > 8", "`until` after round 1: division by zero"),
        ("steps.other.json.score + steps.slogan.json.score > 8", "`until` after round 1: steps.other.json"),
    ],
)  # fmt: skip
def test_an_until_that_has_no_value_fails_the_step(until: str, why: str) -> None:
    spec = SLOGAN.replace("steps.slogan.json.score >= 8", until)
    other = '  other:\n    if: "${{ 1 == 2 }}"\n    uses: chat\n'
    other += "    with: {model: gpt-5-2-chat, message: Hi, expect: {score: number}}\n"
    run = slogan(4, spec=spec.replace("steps:\n", f"steps:\n{other}"))
    assert run.ended == ["failed"]
    reason = run.item("slogan").reason
    assert reason is not None
    assert reason.startswith(why)
    assert run.bought == ["slogan.1"]


def test_a_condition_skips_all_rounds() -> None:
    for condition in ('"${{ 1 == 2 }}"', "\"${{ steps.first.text == 'no' }}\""):
        spec = SLOGAN.replace("    uses: chat\n", f"    uses: chat\n    if: {condition}\n")
        spec = spec.replace(
            "steps:\n",
            "steps:\n  first:\n    uses: chat\n    with: {model: gpt-5-2-chat, message: Hi}\n",
        )
        run = slogan(spec=spec)
        assert run.ended == ["completed"]
        assert {status for name, status in run.statuses.items() if name != "first"} == {"skipped"}
        assert "its `if` is false" in (run.item("slogan").reason or "")


def test_an_include_runs_again_as_a_whole() -> None:
    run = campaign(4, 9)
    assert run.ended == ["completed"]
    first, second = ["draft.1__still", "draft.1__review"], ["draft.2__still", "draft.2__review"]
    assert run.bought == [*first, *second, "film"]
    assert run.prompts("draft.1__still") == ["a lamp "]
    assert run.prompts("draft.2__still") == ["a lamp after 4"]
    fields = fields_of(run.state, "draft")
    assert fields["outputs"]["still"]["sha256"] == "draft.2__still-one"
    assert (fields["rounds"], fields["met"]) == (2, True)
    assert fields["credits"] == run.state.spent - run.item("film").credits
    film = run.item("film").request
    assert film is not None
    assert [medium.source for medium in film.uploads] == ["draft.2__still-one"]
    assert set(run.phases("draft.3__still")) == {"skipped"}
    assert run.item("draft.3__still").reason == "draft was decided without another round"


def test_a_step_that_fails_inside_a_round_fails_the_include() -> None:
    run = campaign(4, failing_models=("z-image",))
    assert run.ended == ["failed"]
    assert run.item("draft").reason == "draft.1 failed"
    assert run.statuses["draft.2"] == "skipped"
    run.service.failing_models = ()
    run.service.scores = [9]  # type: ignore[attr-defined]  # it is a Critic
    run.execute(regenerate=("*",))
    assert run.ended[-1] == "completed"
    assert run.bought == ["draft.1__still", "draft.1__still", "draft.1__review", "film"]


def test_a_plan_costs_one_round_at_least_and_all_of_them_at_most() -> None:
    start = frozen(SLOGAN)
    prices = {name: (one.price.min, one.price.max) for name, one in items_priced(start).items()}
    _, most = prices["slogan.1"]
    assert most
    assert prices["slogan.2"] == prices["slogan.3"] == (0, most)
    assert prices["slogan"] == (0, 0)
    said = {name: one.price.assumption for name, one in items_priced(start).items()}
    assert said["slogan.3"].startswith("only if slogan is not done before: at most 3 rounds")
    assert "only if slogan is not done" in mermaid(initial_state(start).plan, priced(start))


def test_the_rounds_of_an_include_are_priced_as_the_first_is() -> None:
    prices = {
        name: one.price for name, one in items_priced(frozen(CAMPAIGN, includes=PARTS)).items()
    }
    for inside in ("still", "review"):
        first, *later = [prices[f"draft.{n}__{inside}"] for n in (1, 2, 3)]
        assert [(one.min, one.max) for one in later] == [(0, first.max)] * 2
        assert first.max


@pytest.mark.parametrize("spec", [SLOGAN, CAMPAIGN])
def test_nothing_is_bought_twice_wherever_a_run_is_killed(spec: str) -> None:
    scores = (4, 6, 9)
    whole = Rehearsal(frozen(spec, includes=PARTS), Critic(*scores)).execute()
    steps = len(whole.journal)
    for stop in range(steps):
        run = Rehearsal(frozen(spec, includes=PARTS), Critic(*scores))
        run.take_up()
        run.run(limit=stop)
        run.execute()
        assert run.ended[-1] == "completed"
        assert run.service.charges == whole.service.charges
        assert outputs_of(run.state) == outputs_of(whole.state)
        assert replay(run.journal).steps.keys() == run.state.steps.keys()


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_events_buys_the_same(seed: int) -> None:
    run = Rehearsal(frozen(CAMPAIGN, includes=PARTS), Critic(4, 9)).execute(random.Random(seed))
    assert run.bought == [
        "draft.1__still",
        "draft.1__review",
        "draft.2__still",
        "draft.2__review",
        "film",
    ]


NESTED = CAMPAIGN.replace("spec: parts/draft.yaml", "spec: outer.yaml")
OUTER = """
version: 1
name: outer
inputs: {advice: {type: text, default: ""}}
steps:
  words:
    uses: chat
    with:
      model: gpt-5-2-chat
      message: "More ${{ inputs.advice }} ${{ previous.json.advice | default('') }}"
      expect: {score: number, advice: string}
    repeat: {until: "${{ steps.words.json.score > 3 }}", at_most: 2}
  part:
    uses: include
    with: {spec: parts/draft.yaml, inputs: {advice: "${{ steps.words.json.advice }}"}}
outputs:
  still: ${{ steps.part.outputs.still }}
  score: ${{ steps.part.outputs.score }}
  advice: ${{ steps.part.outputs.advice }}
"""


def test_rounds_may_have_rounds() -> None:
    service = Critic(1, 4, 5, 6, 9)
    run = played(NESTED, service, includes={"outer.yaml": OUTER, **PARTS})
    assert run.ended == ["completed"]
    assert run.bought == [
        "draft.1__words.1", "draft.1__words.2", "draft.1__part__still", "draft.1__part__review",
        "draft.2__words.1", "draft.2__part__still", "draft.2__part__review", "film",
    ]  # fmt: skip
    assert messages(run, ["draft.2__words.1"]) == ["More after 5"]
    assert set(run.phases("draft.3__words.2")) == {"skipped"}
    found = items_priced(frozen(NESTED, includes={"outer.yaml": OUTER, **PARTS}))
    assert found["draft.3__part__still"].price.max == found["draft.1__part__still"].price.max


class Forked(Rehearsal):
    """A fork, which takes what the forked run has finished."""

    found: Mapping[str, Finished]

    def _carry_out(self, action: Action) -> Generator[Event]:
        one = self.found.get(action.request_hash) if isinstance(action, AskCache) else None
        if not isinstance(action, AskCache) or one is None:
            yield from super()._carry_out(action)
            return
        yield CacheAnswered(
            step=action.step,
            key=action.key,
            request_hash=action.request_hash,
            outputs=one.outputs,
            run_id=one.run_id,
            saved=one.credits,
        )


def forked(run: Rehearsal, step: str | None, service: Critic) -> Forked:
    start = frozen(CAMPAIGN, includes=PARTS)
    fork = start.model_copy(update={"run_id": "run-2", "fork": fork_of(run.state, step)})
    again = Forked(fork, service)
    again.found = find_finished(run.state)
    again.execute()
    return again


def test_a_fork_takes_every_round_of_the_run_that_it_repeats() -> None:
    run = campaign(4, 9)
    again = forked(run, None, Critic())
    assert (again.ended, again.bought) == (["completed"], [])
    assert outputs_of(again.state) == outputs_of(run.state)


def test_a_fork_from_a_repeated_step_makes_all_its_rounds_again() -> None:
    run = campaign(4, 9)
    again = forked(run, "draft", Critic(8))
    assert again.bought == ["draft.1__still", "draft.1__review", "film"]
    later = forked(run, "draft.2", Critic(7, 8))
    first = ["draft.2__still", "draft.2__review", "draft.3__still", "draft.3__review", "film"]
    assert later.bought == first
    assert later.item("draft.1__still").cached


def test_rounds_of_rounds_count_as_steps_of_the_spec() -> None:
    text = "version: 1\nname: a\nsteps:\n  a:\n    uses: {uses}\n    with: {with_}\n"
    text += "    repeat: {until: '${{ steps.a.credits > 5 }}', at_most: 10}\n"
    deepest = text.replace("{uses}", "chat").replace(
        "{with_}", "{model: gpt-5-2-chat, message: Hi}"
    )
    includes = {"4.yaml": deepest}
    for number in range(4):
        inner = f"{{spec: {number + 1}.yaml}}"
        includes[f"{number}.yaml"] = text.replace("{uses}", "include").replace("{with_}", inner)
    main = includes.pop("0.yaml")
    workflow, found = check(main, file="0.yaml", catalogue=shipped(), includes=includes)
    assert workflow is None
    assert [one.code for one in found] == ["too-large"]


EACH = """
version: 1
name: launch
steps:
  words:
    uses: chat
    with: {model: gpt-5-2-chat, message: the markets, expect: {text: string, advice: string}}
  market:
    uses: include
    LOOP
    with: {spec: market.yaml, inputs: {country: "${{ ITEM }}"}}
outputs:
  texts: ${{ steps.market.items | map(attribute='outputs.text') }}
  heroes: ${{ steps.market.items | map(attribute='outputs.hero') }}
"""
EACH_KNOWN = EACH.replace("LOOP", "matrix: {country: [de, fr]}").replace("ITEM", "matrix.country")
EACH_FOUND = EACH.replace(
    "LOOP", "foreach: ${{ [steps.words.json.text, steps.words.json.advice] }}"
).replace("ITEM", "item")
MARKET = """
version: 1
name: market
inputs: {country: {type: text}}
steps:
  slogan:
    uses: chat
    with:
      model: gpt-5-2-chat
      message: "A slogan for ${{ inputs.country }}. ${{ previous.json.advice | default('') }}"
      expect: {text: string, score: number, advice: string}
    repeat: {until: "${{ steps.slogan.json.score >= 8 }}", at_most: 3}
  draft:
    uses: include
    with:
      spec: parts/draft.yaml
      inputs: {advice: "${{ steps.slogan.json.text }} ${{ previous.outputs.advice | default('') }}"}
    repeat: {until: "${{ steps.draft.outputs.score >= 8 }}", at_most: 2}
  stills:
    uses: generate
    foreach: [calm, bold]
    with: {model: z-image, prompt: "${{ item }}, ${{ steps.draft.outputs.advice }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, none: {rounds: 1}}
outputs: {text: "${{ steps.slogan.json.text }}", hero: "${{ steps.hero.key }}"}
"""
EACH_PARTS = {"market.yaml": MARKET, **PARTS}


class Reader(NaiveService):
    """A service whose chats find what follows an advice good, and else give one."""

    def answer(self, buy: Buy) -> tuple[str, str]:
        message = json.loads(buy.purchase.body)["message"]
        score = 9 if "after" in message else 4
        told = {"score": score, "advice": f"after {score}", "text": f"text of {score}"}
        return f"s_{buy.purchase.idempotency_key}", json.dumps(told)


def each(spec: str) -> Rehearsal:
    return Rehearsal(frozen(spec, includes=EACH_PARTS), Reader())


def decide(run: Rehearsal) -> Rehearsal:
    """Runs to the end; a person rejects the first candidates of each hero, then picks one."""
    run.run()
    while questions := open_questions(run.state):
        for one in questions:
            if one.round:
                run.answer(one.step, "calm", picked=("calm",), round=one.round)
            else:
                run.answer(one.step, none=True, note="brighter")
        run.run()
    return run


def test_rounds_inside_a_spec_that_is_included_for_each_item() -> None:
    run = each(EACH_FOUND)
    run.take_up()
    decide(run)
    assert run.ended == ["completed"]
    first, second = "market__text_of_4", "market__after_4"
    assert [one for one in run.bought if "__slogan" in one] == [
        f"{first}__slogan.1", f"{second}__slogan.1", f"{first}__slogan.2",
    ]  # fmt: skip
    assert messages(run, [f"{first}__slogan.2"]) == ["A slogan for text of 4. after 4"]
    assert run.item(f"{second}__slogan.2").phase == "skipped"
    assert run.prompts(f"{second}__draft.2__still") == ["a lamp text of 9 after 4"]
    assert run.prompts(f"{first}__hero.stills.2") == [
        "calm, after 4, brighter", "bold, after 4, brighter",
    ]  # fmt: skip
    values: Any = outputs_of(run.state).values
    assert values == {"texts": ["text of 9"] * 2, "heroes": ["calm"] * 2}
    market = fields_of(run.state, "market")
    assert market["credits"] == run.state.spent - run.item("words").credits


@pytest.mark.sweep
@pytest.mark.parametrize("spec", [EACH_KNOWN, EACH_FOUND])
def test_rounds_in_each_item_of_an_include_are_taken_up_wherever_a_run_is_killed(spec: str) -> None:
    whole = each(spec)
    whole.take_up()
    decide(whole)
    for stop in sample(range(len(whole.journal)), 7):
        run = each(spec)
        run.take_up()
        run.run(random.Random(stop), stop)
        run.take_up()
        decide(run)
        assert run.ended[-1] == "completed"
        assert run.service.charges == whole.service.charges
        assert outputs_of(run.state) == outputs_of(whole.state)
        assert replay(run.journal).plan.order == run.state.plan.order


@pytest.mark.parametrize("spec", [EACH_KNOWN, EACH_FOUND])
def test_rounds_in_each_item_of_an_include_have_a_price(spec: str) -> None:
    plan = priced(frozen(spec, includes=EACH_PARTS))
    once = MARKET.replace("at_most: 3", "at_most: 2").replace("none: {rounds: 1}", "timeout: 1h")
    fewer = priced(frozen(spec, includes={**EACH_PARTS, "market.yaml": once}))
    assert plan.min == fewer.min
    assert plan.max is not None
    assert fewer.max is not None
    assert plan.max > fewer.max


def test_the_budget_of_a_step_covers_all_its_rounds() -> None:
    one = slogan(9).item("slogan.1").credits
    bounded = SLOGAN.replace("    repeat:", f"    budget: {{credits: {2 * one}}}\n    repeat:")
    run = slogan(1, 2, 9, spec=bounded)
    assert run.bought == ["slogan.1", "slogan.2"]
    assert run.item("slogan.3").code == "over_step_budget"
    assert run.item("slogan").reason == "slogan.3 failed"
    assert run.ended == ["failed"]


def test_an_include_for_each_item_repeats_by_its_steps_and_not_itself() -> None:
    until = "${{ steps.market.items[0].outputs.text == 'x' }}"
    text = EACH_KNOWN.replace(
        "    with: {spec", f'    repeat: {{until: "{until}", at_most: 2}}\n    with: {{spec'
    )
    workflow, [found] = check(text, file="a.yaml", catalogue=shipped(), includes=EACH_PARTS)
    assert workflow is None
    assert found.code == "two-loops"
    assert found.hint == (
        "write `repeat` at a step of the included spec, which then repeats in each item"
    )
