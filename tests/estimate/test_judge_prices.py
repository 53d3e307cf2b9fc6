"""What a plan says a judge costs, from a spec alone to a run under way."""

from __future__ import annotations

from typing import Any

from rivya_client.catalogue.prices import Price
from rivya_flows.estimate.estimate import ItemEstimate, estimate, rehearse
from rivya_flows.questions.open_questions import open_questions
from rivya_flows.questions.question import Answer
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.state import State
from support.judged_picks import Judging, judged, judged_spec
from support.naive_service import NOON, Rehearsal, frozen

MODEL = "gemini-2-5-flash-chat"
MANY = [f"s{number}" for number in range(20)]
NOTE = "a chat for every 8 candidates, settled by tokens, up to the reserve of one turn, at most 3 times"


def planned(text: str, **inputs: Any) -> ItemEstimate:
    """The pick in the plan of a spec."""
    return of(rehearsed(text, **inputs))


def rehearsed(text: str, **inputs: Any) -> State:
    return rehearse(initial_state(frozen(text, **inputs)), NOON, lambda _: None)


def of(state: State) -> ItemEstimate:
    [step] = [one for one in estimate(state, None).steps if one.id == "hero"]
    [item] = step.items
    return item


def test_a_judge_costs_up_to_three_turns_for_every_eight_candidates() -> None:
    found = planned(judged_spec(styles=MANY))
    assert (found.model, found.price) == (MODEL, Price(0, 9, NOTE))


def test_a_judge_that_is_not_asked_costs_nothing() -> None:
    text = judged_spec('"${{ inputs.mode }}"', top="inputs: {mode: {type: string, default: best}}")
    found = planned(text)
    assert (found.model, found.price) == (None, Price(0, 0, "free"))


def test_candidates_that_are_known_later_are_counted_to_the_limit_of_their_step() -> None:
    text = judged_spec(styles=["X"], step="max_items: 40").replace(
        "[X]", "${{ steps.words.json.all }}"
    )
    words = f"words: {{uses: chat, with: {{model: {MODEL}, message: Words, expect: {{all: [string]}}}}}}"
    found = planned(text.replace("steps:\n", f"steps:\n  {words}\n", 1))
    assert found.price == Price(0, 15, f"up to 40 candidates, known during the run: {NOTE}")


def test_candidates_of_any_other_list_have_no_limit() -> None:
    found = planned(judged_spec().replace("stills.items }}", "stills.items[:2] }}"))
    assert found.price == Price(0, None, "the candidates of its judge are known during the run")


def test_a_judge_of_what_another_pick_took_has_so_many_candidates() -> None:
    first = 'first: {uses: pick, with: {from: "${{ steps.stills.items }}", count: 9}}'
    text = judged_spec(styles=MANY).replace("  hero:", f"  {first}\n  hero:")
    found = planned(
        text.replace("from: ${{ steps.stills.items }}", "from: ${{ steps.first.items }}")
    )
    assert found.price == Price(0, 6, NOTE)


def test_a_step_for_each_picked_item_costs_as_much_as_are_picked() -> None:
    film = "foreach: ${{ steps.hero.items }}\n    with: {model: z-image, prompt: film}"
    text, _, _ = judged_spec(more="count: 2").partition("    with: {model: nano-banana")
    [item] = estimate(rehearsed(text + "    " + film), None).steps[-1].items
    assert item.price == Price(2, 2, "2 items, known during the run")


def test_what_may_not_run_adds_nothing_to_the_least() -> None:
    large = "uses: generate\n    foreach: ${{ steps.hero.items }}\n    with: {model: z-image, prompt: a}\n"
    text, _, _ = judged_spec(more="count: 2").partition("  film:")
    text += f"""\
  large:
    {large}
  last:
    uses: pick
    with: {{from: "${{{{ steps.large.items }}}}", mode: human, none: {{rounds: 3}}}}
on_failure:
  again:
    {large}
"""
    found = {one.id: one.items[0].price for one in estimate(rehearsed(text), None).steps}
    assert (found["large"].min, found["large"].max) == (2, 2)
    for name in ("last.large.2", "last.large.4", "again"):
        assert (found[name].min, found[name].max) == (0, 2), name
    perhaps = rehearsed(text.replace("  hero:\n", "  hero:\n    if: ${{ steps.stills.items }}\n"))
    [price] = [one.items[0].price for one in estimate(perhaps, None).steps if one.id == "large"]
    assert (price.min, price.max) == (0, 2)


def test_a_pick_that_was_rejected_once_may_cost_its_judge_one_time_less() -> None:
    run = judged(mode="human", more="none: {rounds: 2}")
    assert of(run.state).price.max == 6
    [question] = open_questions(run.state)
    run.feed(Answer((), "warmer", "Ana", "form").event(question, NOON))
    assert of(run.state).price.max == 6
    run.run()
    assert of(run.state).price.max == 3


def test_each_later_round_may_cost_as_many_chats_as_the_first() -> None:
    run = judged(styles=MANY, mode="human", more="none: {rounds: 2}")
    assert of(run.state).price.max == 2 * 3 * 3


def test_what_is_left_of_a_judge_gets_less_with_each_answer() -> None:
    run = Rehearsal(frozen(judged_spec(styles=MANY)), Judging(answers=["no"]))
    run.take_up()
    tops = [of(run.state).price.max]
    while run.advance(0):
        if (top := of(run.state).price.max) != tops[-1]:
            tops.append(top)
    assert tops == [9, 8, 7, 6, 5, 3, 2, 0]
    assert run.ended == ["completed"]


def test_each_round_may_cost_the_judge_again() -> None:
    found = planned(judged_spec(styles=MANY, more="on_none: regenerate"))
    assert found.price == Price(0, 18, f"{NOTE}, in each of 2 rounds")
    found = planned(judged_spec("human", styles=MANY, more="none: {rounds: 3}"))
    assert found.price == Price(0, 36, f"{NOTE}, in each of 4 rounds")
