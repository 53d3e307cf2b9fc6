"""A pick with a judge: what is bought, what an answer decides, and what a resume does again."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rivya_flows.questions.open_questions import answerable, question_asked
from rivya_flows.queue.events import (
    AnsweredBy,
    AnswerGiven,
    Event,
    PurchaseIntended,
    PurchaseRefused,
    QuestionsLeft,
)
from rivya_flows.queue.items import ItemState, Phase, Score, next_round
from rivya_flows.steps.request import ItemRequest
from support.judged_picks import STYLES, Judging, again, chats, hero, judged, judged_spec
from support.naive_service import NOON, NaiveService, Rehearsal, frozen, score_of
from support.samples import examples

HOUR = timedelta(hours=1)
MANY = tuple(f"s{number}" for number in range(300))


def test_a_judge_sees_the_pictures_and_picks_the_best() -> None:
    run = judged(Judging({"studio": 4, "neon": 8.5, "noir": 8}))
    assert run.ended == ["completed"]
    item = hero(run)
    assert item.picked == ("neon",)
    assert item.scores[1] == Score("neon", 8.5, "neon is lit")
    assert item.outputs is not None
    assert item.outputs["key"] == "neon"
    [body] = chats(run)
    assert len(body["attachments"]) == 3
    assert "1. the lamp is whole\n2. it is lit" in body["message"]
    assert '{"candidate": 2, "key": "neon", "picture": 2}' in body["message"]
    assert body["message"].endswith('[{"candidate":"integer","score":"number","reason":"string"}]}')


def test_the_purchase_of_a_judge_is_one_of_the_run_with_key_price_and_balance() -> None:
    run = judged()
    [bought] = hero(run).purchases
    assert (bought.n, bought.route, bought.status, bought.final) == (1, "chat", "answered", 1)
    assert bought.idempotency_key in run.service.charges
    assert run.state.spent == sum(run.service.charges.values())
    assert set(run.state.steps["hero"].balances) == {"before", "after"}


def test_equal_scores_go_to_the_first_and_several_are_picked_in_the_order_of_their_scores() -> None:
    run = judged(Judging({"noir": 9, "studio": 7, "neon": 7}), more="count: 2")
    item = hero(run)
    assert item.picked == ("noir", "studio")
    outputs: Any = item.outputs
    assert [one["key"] for one in outputs["items"]] == ["noir", "studio"]
    assert [one["sha256"] for one in outputs["assets"]] == ["stills-noir", "stills-studio"]


def test_a_step_runs_for_each_picked_item() -> None:
    film = "foreach: ${{ steps.hero.items }}\n    with: {model: z-image, prompt: film}"
    text, _, _ = judged_spec(more="count: 2").partition("    with: {model: nano-banana")
    run = Rehearsal(frozen(f"{text}    {film}"), Judging({"neon": 9, "noir": 8}))
    again(run)
    assert [item.key for item in run.state.steps["film"].items.values()] == ["neon", "noir"]
    assert run.ended == ["completed"]


def test_three_hundred_candidates_are_judged_eight_at_a_time() -> None:
    run = judged(Judging({"s250": 9}), styles=MANY, step="max_items: 300")
    item = hero(run)
    assert item.picked == ("s250",)
    assert len(item.purchases) == 38
    assert [one.key for one in item.scores] == list(MANY)
    assert {len(body["attachments"]) for body in chats(run)} == {8, 4}
    assert all("session_id" not in body for body in chats(run))


def test_a_score_below_least_picks_nothing_and_says_what_they_are() -> None:
    run = judged(Judging({"neon": 5.5}), least=6)
    item = hero(run)
    assert (item.phase, item.code) == (Phase.FAILED, "below_least")
    assert item.reason == "no candidate reaches 6: studio 5, neon 5.5, noir 5"
    assert run.ended == ["failed"]
    again(run)
    assert len(hero(run).purchases) == 1, "the judge has answered"


def test_a_single_candidate_is_judged_too() -> None:
    assert hero(judged(Judging({"studio": 3}), styles=["studio"], least=4)).code == "below_least"


def test_fewer_good_candidates_than_are_to_be_picked_are_none() -> None:
    item = hero(judged(Judging({"neon": 8}), least=6, more="count: 2"))
    assert item.code == "below_least"
    assert str(item.reason).startswith("fewer than 2 candidates reach 6: ")


def test_fewer_candidates_than_are_to_be_picked_cost_no_judge() -> None:
    service = Judging()
    service.failing, service.seed = 0.4, 6
    item = hero(judged(service, step="allow_failures: 3", more="count: 3"))
    assert (item.code, item.purchases) == ("nothing_to_pick", ())
    assert item.reason == "3 are to be picked, and there are only 2 candidates"


def told(*scores: tuple[int, float, str]) -> str:
    listed = [{"candidate": n, "score": score, "reason": why} for n, score, why in scores]
    return json.dumps({"scores": listed})


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param("I like them all", "it holds no JSON object", id="nonsense"),
        pytest.param('{"scores": {}}', "scores must be a list", id="no list"),
        pytest.param(
            told((1, 5, "x"), (2, 11, "x"), (3, -1, "x")),
            "the score of candidate 2 is not from 0 to 10; the score of candidate 3 is not",
            id="out of range",
        ),
        pytest.param(told((1, 5, "x"), (3, 5, "x")), "candidate 2 has no score", id="too few"),
        pytest.param(
            told((1, 5, "x"), (1, 6, "x"), (2, 5, "x"), (3, 5, "x")),
            "candidate 1 has more than one score",
            id="twice",
        ),
        pytest.param(
            told((1, 5, "x"), (2, 5, "x"), (3, 5, " \n\u200b ")),
            "candidate 3 has no reason",
            id="no reason",
        ),
        pytest.param(
            told((1, 5, "x"), (2, 5, "x"), (3, 5, "x"), (4, 5, "x")),
            "there is no candidate 4",
            id="invented",
        ),
        pytest.param(
            told(*[(1, 5, "x")] * 1000),
            "it has 1000 scores, and there are 3 candidates",
            id="endless",
        ),
    ],
)
def test_an_answer_that_cannot_be_used_is_asked_for_again_in_its_session(
    answer: str, problem: str
) -> None:
    run = judged(Judging(answers=[answer]))
    first, second = chats(run)
    assert problem in second["message"]
    assert "attachments" not in second
    assert second["session_id"] == hero(run).purchases[0].session_id
    assert "session_id" not in first
    assert run.ended == ["completed"]


def test_nonsense_after_all_turns_fails_the_pick_and_costs_what_it_cost() -> None:
    service = Judging(answers=["no"] * 3)
    run = judged(service)
    item = hero(run)
    assert (item.phase, item.code) == (Phase.FAILED, "unexpected_answer")
    assert item.reason == ("the judge gave no usable scores in 3 turns: it holds no JSON object")
    assert len(item.purchases) == 3
    assert run.state.spent == sum(service.charges.values()) == 3 + 3
    again(run)
    assert len(hero(run).purchases) == 3, "a plain resume asks no more"
    again(run, regenerate=("hero",))
    assert len(hero(run).purchases) == 4
    assert "session_id" not in chats(run)[3], "a judge that is asked again starts afresh"
    assert run.ended[-1] == "completed"


def test_after_nonsense_a_person_is_asked_without_a_proposal() -> None:
    run = judged(Judging(answers=["no"] * 3), mode="human")
    [question] = run.state.asking
    assert question.proposal == ()
    assert str(question.judge_error).startswith("the judge gave no usable scores in 3 turns")
    run.feed(QuestionsLeft(at=NOON))
    again(run)
    assert len(hero(run).purchases) == 3, "the question is asked again, the judge is not"
    run.feed(AnswerGiven(step="hero", key="", answer="noir", by=AnsweredBy(channel="terminal")))
    run.run()
    assert run.ended[-1] == "completed"
    assert hero(run).judge_error is not None, "the receipt says why there were no scores"


def test_a_judge_that_failed_can_be_asked_again_before_the_person_answers() -> None:
    run = judged(Judging({"noir": 9}, answers=["no"] * 3), mode="human")
    run.feed(QuestionsLeft(at=NOON))
    again(run, regenerate=("hero",))
    [question] = run.state.asking
    assert (question.proposal, question.judge_error) == (("noir",), None)
    assert len(hero(run).purchases) == 4


def test_a_judge_that_the_service_refuses_leaves_the_choice_to_the_person() -> None:
    class Refusing(Judging):
        def take(self, buy):  # type: ignore[no-untyped-def]
            return None if buy.bought.route == "chat" else super().take(buy)

    run = judged(Refusing(), mode="human")
    [question] = run.state.asking
    assert question.judge_error == "the service refused the judge: no"
    failed = hero(judged(Refusing()))
    assert (failed.phase, failed.code) == (Phase.FAILED, "validation_failed")


@pytest.mark.parametrize("code", ["chat_session_conflict", "not_found"])
def test_a_judge_whose_session_is_gone_is_asked_in_a_new_one(code: str) -> None:
    class Forgetful(Rehearsal):
        def feed(self, event: Event) -> None:
            if isinstance(event, PurchaseRefused):
                event = event.model_copy(update={"code": code})
            super().feed(event)

    class Gone(Judging):
        def take(self, buy):  # type: ignore[no-untyped-def]
            return None if "session_id" in json.loads(buy.bought.body) else super().take(buy)

    run = Forgetful(frozen(judged_spec()), Gone(answers=["hello", "hello", "hello"]))
    again(run)
    assert [one.status for one in hero(run).purchases] == ["answered", "refused"] * 2 + ["answered"]
    assert (hero(run).code, hero(run).judge_turns) == ("unexpected_answer", 3)
    again(run, regenerate=("hero",))
    assert run.ended == ["failed", "completed"]
    assert [body["message"] for body in chats(run)[::2]] == [chats(run)[0]["message"]] * 3


def test_a_person_is_asked_with_scores_and_a_proposal_once_the_judge_has_answered() -> None:
    run = judged(Judging({"noir": 9}), mode="human", more="count: 2")
    [question] = run.state.asking
    assert [len(asked.questions) for asked in run.asked] == [1]
    [noir] = [one for one in question.candidates if one.key == "noir"]
    assert (noir.score, noir.reason, noir.proposed) == (9.0, "noir is lit", True)
    assert (question.proposal, question.count) == (("noir", "studio"), 2)
    given = AnswerGiven(
        step="hero",
        key="",
        answer="neon",
        picked=("neon", "noir"),
        by=AnsweredBy(channel="terminal"),
    )
    run.feed(given)
    run.run()
    item = hero(run)
    assert item.picked == ("neon", "noir")
    assert len(item.purchases) == 1
    assert len(item.scores) == 3


def test_an_open_question_does_not_buy_its_judge_again() -> None:
    run = judged(mode="human")
    for _ in range(3):
        run.feed(QuestionsLeft(at=NOON))
        again(run)
    assert len(hero(run).purchases) == 1
    assert len(run.state.asking) == 1


def past_its_deadline(
    service: Judging, more: str = "on_timeout: judge", least: float = 6
) -> Rehearsal:
    run = judged(service, mode="human", least=least, more=f"timeout: 1h\n      {more}")
    [question] = run.state.asking
    run.feed(question_asked(question, NOON))
    run.feed(QuestionsLeft(at=NOON))
    again(run, at=NOON + 2 * HOUR)
    return run


def test_a_deadline_takes_what_the_judge_proposes() -> None:
    run = past_its_deadline(Judging({"noir": 9}))
    [answer] = [one for one in run.journal if isinstance(one, AnswerGiven)]
    assert (answer.answer, answer.picked, answer.by.channel) == ("noir", ("noir",), "deadline")
    assert run.ended[-1] == "completed"


def test_a_deadline_takes_the_first_of_several() -> None:
    run = past_its_deadline(Judging(), "on_timeout: first\n      count: 2")
    assert hero(run).picked == ("studio", "neon")


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([], "no candidate reaches 6: studio 5, neon 5, noir 5"),
        (["no"] * 3, "the judge gave no usable scores in 3 turns: it holds no JSON"),
    ],
    ids=["nothing good enough", "nonsense"],
)
def test_a_deadline_without_a_proposal_fails_the_pick_and_says_why(
    answers: list[str], why: str
) -> None:
    run = past_its_deadline(Judging(answers=answers))
    item = hero(run)
    assert item.code == "unanswered"
    assert str(item.reason).startswith(f"nobody answered by 2026-11-25 13:00 UTC, and {why}")
    turns = len(item.purchases)
    [late] = answerable(run.state)
    assert [one.key for one in late.candidates if one.score] == [one.key for one in item.scores]
    again(run, at=NOON + 3 * HOUR)
    assert len(run.state.asking) == 1
    assert len(hero(run).purchases) == turns, "asked again, without another judge"


def test_a_candidate_that_a_resume_adds_is_judged_alone() -> None:
    service = Judging({"noir": 9})
    service.failing, service.seed = 0.4, 6
    run = judged(service, least=8, step="allow_failures: 3")
    assert [one.key for one in hero(run).scores] == ["studio", "neon"]
    assert hero(run).code == "below_least"
    service.failing = 0
    again(run, regenerate=("stills",))
    assert [len(body["attachments"]) for body in chats(run)] == [2, 1]
    assert hero(run).picked == ("noir",)


def test_a_budget_that_pauses_asks_before_the_judge_is_bought() -> None:
    top = "budget: {credits: 3, on_exceed: pause}"
    run = judged(mode="human", top=top)
    [question] = run.state.asking
    assert question.text == (
        "hero needs 1 credit, what follows at least 3; 3 of 3 are spent. Raise the budget to 7?"
    )
    run.feed(AnswerGiven(step="$budget", key="7", answer="yes", by=AnsweredBy(channel="terminal")))
    run.run()
    assert [one.step for one in run.state.asking] == ["hero"]


def test_a_budget_without_room_for_the_judge_fails_the_pick() -> None:
    run = judged(mode="human", top="budget: {credits: 3}")
    assert hero(run).code == "over_budget"


def test_half_a_character_in_a_reason_is_written_and_read() -> None:
    reason = r"glow \ud83d\u001b[31m\nred"
    listed = [f'{{"candidate": {n}, "score": {n}, "reason": "{reason}"}}' for n in (1, 2, 3)]
    answer = f'{{"scores": [{", ".join(listed)}]}}'
    run = judged(Judging(answers=[answer]))
    assert hero(run).picked == ("noir",)
    assert hero(run).scores[0].reason == "glow \ufffd [31m red"


def test_the_next_round_keeps_what_was_bought_and_what_people_said() -> None:
    item = hero(judged(Judging(), least=6))
    later = next_round(item, "warmer")
    assert (later.phase, later.round, later.notes) == (Phase.WAITING, 1, ("warmer",))
    assert (later.request, later.scores, later.picked, later.judge_error) == (None, (), None, None)
    assert later.purchases == item.purchases
    assert next_round(later, "").notes == ("warmer", "")


def test_a_pick_waits_for_nobody_while_its_judge_is_to_be_asked() -> None:
    arguments: Any = {"mode": "human", "from": []}
    request = ItemRequest("pick", arguments, "m", decides="person")
    item = ItemState("", {}, requests=(replace(request, chats=((0,),)),))
    assert not item.waits_for_person
    assert item._replace(requests=(request,)).waits_for_person


def undisturbed(item: ItemState) -> ItemState:
    """The item without the mark of requests that were sent again after a crash."""
    once = tuple(bought._replace(sent="never") for bought in item.purchases)
    return item._replace(purchases=once)


@settings(max_examples=examples(50))
@given(
    seed=st.integers(0, 10**6),
    crashes=st.lists(st.integers(0, 80), max_size=5),
    how=st.sampled_from(["judge", "judge, on_none: regenerate", "human, none: {rounds: 2}"]),
    rambling=st.sampled_from([0.0, 0.5]),
    count=st.integers(1, 20),
)
def test_no_order_and_no_crash_buys_a_judge_twice(
    seed: int, crashes: list[int], how: str, rambling: float, count: int
) -> None:
    styles = [f"s{seed + number}" for number in range(count)]
    mode, *more = how.split(", ")
    lines = "\n      ".join([f"count: {1 + count // 4}", *more])
    text = judged_spec(mode, styles, least=2, more=lines)

    def played(crashes: list[int]) -> Rehearsal:
        run = Rehearsal(frozen(text), NaiveService(seed, rambling=rambling))
        order = random.Random(seed)
        for limit in [*crashes, 100_000]:
            run.take_up()
            run.run(order, limit)
        for question in run.state.asking:
            answer = question.proposal or question.choices[-question.count :]
            run.feed(
                AnswerGiven(
                    step="hero",
                    key="",
                    answer=answer[0],
                    picked=tuple(answer),
                    by=AnsweredBy(channel="terminal"),
                )
            )
            run.run(order)
        return run

    disturbed, smooth = played(crashes), played([])
    assert disturbed.service.charges == smooth.service.charges
    assert disturbed.service.bodies == smooth.service.bodies
    assert undisturbed(hero(disturbed)) == hero(smooth)
    assert disturbed.state.spent == sum(smooth.service.charges.values())
    intents = [one for one in disturbed.journal if isinstance(one, PurchaseIntended)]
    assert len({one.idempotency_key for one in intents}) == len(intents)
    if mode == "judge" and not rambling:
        good = [style for style in styles if score_of(style) >= 2]
        assert (hero(disturbed).picked is not None) is (len(good) >= 1 + count // 4)


def test_scores_stay_with_the_pick_after_it_has_ended() -> None:
    item = hero(judged())
    assert item.phase is Phase.COMPLETED
    assert [one.key for one in item.scores] == list(STYLES)


def scored(*given: float) -> str:
    return told(*((number, score, "so") for number, score in enumerate(given, 1)))


def test_candidates_below_least_are_bought_again_and_judged_again() -> None:
    service = Judging(answers=[scored(5, 4, 3), scored(5, 9, 3)])
    run = judged(service, least=8, more="on_none: regenerate")
    item = hero(run)
    assert run.ended == ["completed"]
    assert (item.round, item.notes, item.picked) == (1, ("",), ("neon",))
    assert [one.score for one in item.scores] == [5, 9, 3]
    assert [one.n for one in item.purchases] == [1, 2]
    outputs: Any = item.outputs
    assert outputs["asset"]["sha256"] == "hero.stills.2-neon"
    assert run.state.spent == sum(service.charges.values()) == 2 * (3 + 1) + 3


def test_below_least_in_the_last_round_too_picks_nothing() -> None:
    run = judged(
        Judging(answers=[scored(5, 4, 3), scored(1, 1, 1)]), least=8, more="on_none: regenerate"
    )
    item = hero(run)
    assert (item.code, item.round) == ("below_least", 1)
    assert item.reason == "no candidate reaches 8: studio 1, neon 1, noir 1"


def test_a_deadline_with_nothing_good_enough_buys_the_candidates_again() -> None:
    service = Judging(answers=[scored(5, 4, 3), scored(5, 9, 3)])
    run = past_its_deadline(service, "on_timeout: judge\n      on_none: regenerate", least=8)
    assert hero(run).round == 1
    [question] = run.state.asking
    assert (question.proposal, question.rounds_left) == (("neon",), 0)
    run.feed(question_asked(question, NOON + 2 * HOUR))
    run.feed(QuestionsLeft(at=NOON + 2 * HOUR))
    again(run, at=NOON + 4 * HOUR)
    assert run.ended[-1] == "completed"
    assert hero(run).picked == ("neon",)
