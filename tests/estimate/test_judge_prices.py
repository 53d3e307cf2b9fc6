"""What a plan says a judge costs, from a spec alone to a run under way."""

from __future__ import annotations

import pytest

from rivya_client.catalogue.prices import Price
from rivya_flows.estimate.estimate import estimate
from rivya_flows.questions.open_questions import open_questions
from rivya_flows.questions.question import Answer
from support.judged_picks import Judging, judged, judged_films, judged_spec
from support.naive_service import NOON, Rehearsal, frozen, items_priced

MODEL = "gemini-2-5-flash-chat"
MANY = [f"s{number}" for number in range(20)]
NOTE = "a chat for every 8 candidates, settled by tokens, up to the reserve of one turn, at most 3 times"
WORDS = (
    f"words: {{uses: chat, with: {{model: {MODEL}, message: Words, expect: {{all: [string]}}}}}}"
)
FIRST = 'first: {uses: pick, with: {from: "${{ steps.stills.items }}", count: 9}}'
BEST = "inputs: {mode: {type: string, default: best}}"


@pytest.mark.parametrize(
    ("text", "model", "price"),
    [
        (judged_spec(styles=MANY), MODEL, Price(0, 9, NOTE)),
        (judged_spec('"${{ inputs.mode }}"', top=BEST), None, Price(0, 0, "free")),
        (judged_spec(styles=["X"], step="max_items: 40").replace("[X]", "${{ steps.words.json.all }}").replace(
            "steps:\n", f"steps:\n  {WORDS}\n", 1),
         MODEL, Price(0, 15, f"up to 40 candidates, known during the run: {NOTE}")),
        (judged_spec().replace("stills.items }}", "stills.items[:2] }}"),
         MODEL, Price(0, None, "the candidates of its judge are known during the run")),
        (judged_spec(styles=MANY).replace("from: ${{ steps.stills.items }}", "from: ${{ steps.first.items }}").replace(
            "  hero:", f"  {FIRST}\n  hero:"),
         MODEL, Price(0, 6, NOTE)),
        (judged_spec(styles=MANY, more="none: {rounds: 1}"), MODEL, Price(0, 18, f"{NOTE}, in each of 2 rounds")),
        (judged_spec("human", styles=MANY, more="none: {rounds: 3}"), MODEL, Price(0, 36, f"{NOTE}, in each of 4 rounds")),
    ],
    ids=["three turns for every eight", "not asked", "up to the limit of their step", "any other list", "what another pick took",
         "another round of the judge", "rounds of a person"],
)  # fmt: skip
def test_a_judge_costs_up_to_three_turns_for_every_eight_candidates_in_each_round(
    text: str, model: str | None, price: Price
) -> None:
    found = items_priced(frozen(text))["hero"]
    assert (found.model, found.price) == (model, price)


@pytest.mark.parametrize(
    ("frames", "turns", "words"),
    [
        (4, 3 * 10, "a chat for every 2 candidates, each film by 4 frames, settled"),
        (1, 3 * 3, "a chat for every 8 candidates, each film by 1 frame, settled"),
        (5, 3 * 20, "a chat for each candidate, each film by 5 frames, settled"),
    ],
)
def test_a_judge_of_films_is_asked_more_often_the_more_frames_it_sees(
    frames: int, turns: int, words: str
) -> None:
    text = judged_films(frames, styles=MANY, more="none: {rounds: 1}")
    price = items_priced(frozen(text))["hero"].price
    assert (price.max, price.assumption.startswith(words)) == (2 * turns, True)


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
    found = {name: item.price for name, item in items_priced(frozen(text)).items()}
    assert found["large"] == Price(2, 2, "2 items, known during the run"), "as many as are picked"
    for name in ("last.large.2", "last.large.4", "again"):
        assert (found[name].min, found[name].max) == (0, 2), name
    perhaps = text.replace("  hero:\n", "  hero:\n    if: ${{ steps.stills.items }}\n")
    price = items_priced(frozen(perhaps))["large"].price
    assert (price.min, price.max) == (0, 2)


def most(run: Rehearsal) -> int | None:
    """What its judge may still cost, as it is now."""
    [step] = [step for step in estimate(run.state, None).steps if step.id == "hero"]
    return step.items[0].price.max


def test_a_pick_that_was_rejected_once_may_cost_its_judge_one_time_less() -> None:
    run = judged(mode="human", more="none: {rounds: 2}")
    assert most(run) == 6
    [question] = open_questions(run.state)
    run.feed(Answer((), "warmer", "Ana", "form").event(question, NOON))
    assert most(run) == 6
    run.run()
    assert most(run) == 3
    assert most(judged(styles=MANY, mode="human", more="none: {rounds: 2}")) == 2 * 3 * 3


def test_what_is_left_of_a_judge_gets_less_with_each_answer() -> None:
    run = Rehearsal(frozen(judged_spec(styles=MANY)), Judging(answers=["no"]))
    run.take_up()
    tops = [most(run)]
    while run.advance(0):
        if (top := most(run)) != tops[-1]:
            tops.append(top)
    assert tops == [9, 8, 7, 6, 5, 3, 2, 0]
    assert run.ended == ["completed"]
