"""A pick with a judge: what is bought, what an answer decides, and what a resume does again."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rivya_flows.questions.open_questions import answerable, question_asked
from rivya_flows.queue.events import (
    AnswerGiven,
    Event,
    FileUploaded,
    PurchaseIntended,
    PurchaseRefused,
)
from rivya_flows.queue.items import Phase, Score, next_round
from support.judged_picks import Judging, chats, hero, judged, judged_films, judged_spec
from support.naive_service import NOON, NaiveService, Rehearsal, frozen, played, score_of
from support.samples import examples

HOUR = timedelta(hours=1)
MANY = tuple(f"s{number}" for number in range(300))
NONSENSE = ["no"] * 3
NO_SCORES = "the judge gave no usable scores in 3 turns: it holds no JSON object"


def test_a_judge_sees_the_pictures_picks_the_best_and_is_a_purchase_of_the_run() -> None:
    run = judged(Judging({"studio": 4, "neon": 8.5, "noir": 8}))
    assert run.ended == ["completed"]
    item = hero(run)
    assert (item.phase, item.picked) == ("completed", ("neon",))
    assert item.scores[1] == Score("neon", 8.5, "neon is lit")
    assert [one.key for one in item.scores] == ["studio", "neon", "noir"], "they stay with the pick"
    assert item.outputs is not None
    assert item.outputs["key"] == "neon"
    [body] = chats(run)
    assert len(body["attachments"]) == 3
    assert "1. the lamp is whole\n2. it is lit" in body["message"]
    assert '{"candidate": 2, "key": "neon", "picture": 2}' in body["message"]
    assert body["message"].endswith('[{"candidate":"integer","score":"number","reason":"string"}]}')
    [bought] = item.purchases
    assert (bought.n, bought.route, bought.status, bought.final) == (1, "chat", "answered", 1)
    assert bought.idempotency_key in run.service.charges
    assert run.state.spent == sum(run.service.charges.values())
    assert set(run.state.steps["hero"].balances) == {"before", "after"}


def test_equal_scores_go_to_the_first_and_several_are_picked_in_the_order_of_their_scores() -> None:
    item = hero(judged(Judging({"noir": 9, "studio": 7, "neon": 7}), more="count: 2"))
    assert item.picked == ("noir", "studio")
    outputs: Any = item.outputs
    assert [one["key"] for one in outputs["items"]] == ["noir", "studio"]
    assert [one["sha256"] for one in outputs["assets"]] == ["stills-noir", "stills-studio"]


def test_a_step_runs_for_each_picked_item() -> None:
    text, _, _ = judged_spec(more="count: 2").partition("    with: {model: nano-banana")
    film = "    foreach: ${{ steps.hero.items }}\n    with: {model: z-image, prompt: film}"
    run = played(text + film, Judging({"neon": 9, "noir": 8}))
    assert [item.key for item in run.items("film")] == ["neon", "noir"]
    assert run.ended == ["completed"]


def test_three_hundred_candidates_are_judged_eight_at_a_time() -> None:
    run = judged(Judging({"s250": 9}), styles=MANY, step="max_items: 300")
    item = hero(run)
    assert (item.picked, len(item.purchases)) == (("s250",), 38)
    assert [one.key for one in item.scores] == list(MANY)
    assert {len(body["attachments"]) for body in chats(run)} == {8, 4}
    assert all("session_id" not in body for body in chats(run))


@pytest.mark.parametrize(("frames", "attached"), [(1, [5]), (3, [6, 6, 3]), (8, [8] * 5)])
def test_a_judge_sees_films_by_frames_and_no_more_pictures_in_a_chat_than_it_takes(
    frames: int, attached: list[int]
) -> None:
    run = played(judged_films(frames, MANY[:5]), Judging({"s3": 9}))
    assert hero(run).picked == ("s3",)
    assert [len(body["attachments"]) for body in chats(run)] == attached
    sent = run.events(FileUploaded)
    assert len({one.source for one in sent}) == len(sent) == 5 * frames
    assert sent[0].source == f"stills-s0#1/{frames}"


@pytest.mark.parametrize(
    ("scores", "options", "reason"),
    [
        ({"neon": 5.5}, {"least": 6}, "no candidate reaches 6: studio 5, neon 5.5, noir 5"),
        ({"studio": 3}, {"least": 4, "styles": ["studio"]}, "no candidate reaches 4: studio 3"),
        ({"neon": 8}, {"least": 6, "more": "count: 2"}, "fewer than 2 candidates reach 6: "),
    ],
    ids=["none", "a single one", "too few"],
)
def test_a_score_below_least_picks_nothing_and_says_what_they_are(
    scores: dict[str, float], options: dict[str, Any], reason: str
) -> None:
    run = judged(Judging(scores), **options)
    item = hero(run)
    assert (run.ended, item.phase, item.code) == (["failed"], Phase.FAILED, "below_least")
    assert str(item.reason).startswith(reason)
    run.execute()
    assert len(hero(run).purchases) == 1, "the judge has answered"


def some_failing(scores: dict[str, float]) -> Judging:
    """A service that fails one of the three stills."""
    service = Judging(scores)
    service.failing, service.seed = 0.4, 6
    return service


def test_fewer_candidates_than_are_to_be_picked_cost_no_judge() -> None:
    item = hero(judged(some_failing({}), step="allow_failures: 3", more="count: 3"))
    assert (item.code, item.purchases) == ("nothing_to_pick", ())
    assert item.reason == "3 must be picked, and there are only 2 candidates"


def test_a_candidate_that_a_resume_adds_is_judged_alone() -> None:
    service = some_failing({"noir": 9})
    run = judged(service, least=8, step="allow_failures: 3")
    assert [one.key for one in hero(run).scores] == ["studio", "neon"]
    assert hero(run).code == "below_least"
    service.failing = 0
    run.execute(regenerate=("stills",))
    assert [len(body["attachments"]) for body in chats(run)] == [2, 1]
    assert hero(run).picked == ("noir",)


def scored(*given: float | tuple[int, float], reason: str = "so") -> str:
    """An answer with these scores, of the candidates 1, 2, … where their numbers are not given."""
    pairs = [one if isinstance(one, tuple) else (n, one) for n, one in enumerate(given, 1)]
    listed = [{"candidate": n, "score": score, "reason": reason} for n, score in pairs]
    return json.dumps({"scores": listed})


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("I like them all", "it holds no JSON object"),
        ('{"scores": {}}', "scores must be a list"),
        (
            scored(5, 11, -1),
            "the score of candidate 2 is not from 0 to 10; the score of candidate 3 is not",
        ),
        (scored((1, 5), (3, 5)), "candidate 2 has no score"),
        (scored((1, 5), (1, 6), (2, 5), (3, 5)), "candidate 1 has more than one score"),
        (scored(5, 5, 5, reason=" \n\u200b "), "candidate 3 has no reason"),
        (scored(5, 5, 5, 5), "there is no candidate 4"),
        (scored(*[(1, 5)] * 1000), "it has 1000 scores, and there are 3 candidates"),
    ],
    ids=[
        "nonsense",
        "no list",
        "out of range",
        "too few",
        "twice",
        "no reason",
        "invented",
        "endless",
    ],
)
def test_an_answer_that_cannot_be_used_is_asked_for_again_in_its_session(
    answer: str, problem: str
) -> None:
    run = judged(Judging(answers=[answer]))
    first, second = chats(run)
    assert problem in second["message"]
    assert second["session_id"] == hero(run).purchases[0].session_id
    assert "attachments" not in second
    assert "session_id" not in first
    assert run.ended == ["completed"]


def test_half_a_character_in_a_reason_is_written_and_read() -> None:
    answer = scored(1, 2, 3, reason="glow \ud83d\u001b[31m\nred")
    item = hero(judged(Judging(answers=[answer])))
    assert (item.picked, item.scores[0].reason) == (("noir",), "glow \ufffd [31m red")


def test_nonsense_after_all_turns_fails_the_pick_and_costs_what_it_cost() -> None:
    service = Judging(answers=NONSENSE)
    run = judged(service)
    item = hero(run)
    assert (item.phase, item.code, item.reason) == (Phase.FAILED, "unexpected_answer", NO_SCORES)
    assert run.state.spent == sum(service.charges.values()) == 3 + 3
    run.execute()
    assert len(hero(run).purchases) == 3, "a plain resume asks no more"
    run.execute(regenerate=("hero",))
    assert len(hero(run).purchases) == 4
    assert "session_id" not in chats(run)[3], "a judge that is asked again starts afresh"
    assert run.ended[-1] == "completed"


def test_after_nonsense_a_person_is_asked_without_a_proposal() -> None:
    run = judged(Judging(answers=NONSENSE), mode="human")
    [question] = run.state.asking
    assert question.proposal == ()
    assert str(question.judge_error).startswith("the judge gave no usable scores in 3 turns")
    run.leave()
    run.execute()
    assert len(hero(run).purchases) == 3, "the question is asked again, the judge is not"
    run.answer("hero", "noir")
    run.run()
    assert run.ended[-1] == "completed"
    assert hero(run).judge_error is not None, "the receipt says why there were no scores"


def test_a_judge_that_failed_can_be_asked_again_before_the_person_answers() -> None:
    run = judged(Judging({"noir": 9}, answers=NONSENSE), mode="human")
    run.leave()
    run.execute(regenerate=("hero",))
    [question] = run.state.asking
    assert (question.proposal, question.judge_error) == (("noir",), None)
    assert len(hero(run).purchases) == 4


def test_a_judge_that_the_service_refuses_leaves_the_choice_to_the_person() -> None:
    class Refusing(Judging):
        def take(self, buy):  # type: ignore[no-untyped-def]
            return None if buy.purchase.route == "chat" else super().take(buy)

    [question] = judged(Refusing(), mode="human").state.asking
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
            return None if "session_id" in json.loads(buy.purchase.body) else super().take(buy)

    run = Forgetful(frozen(judged_spec()), Gone(answers=["hello", "hello", "hello"]))
    run.execute()
    assert [one.status for one in hero(run).purchases] == ["answered", "refused"] * 2 + ["answered"]
    assert (hero(run).code, hero(run).judge_turns) == ("unexpected_answer", 3)
    run.execute(regenerate=("hero",))
    assert run.ended == ["failed", "completed"]
    assert [body["message"] for body in chats(run)[::2]] == [chats(run)[0]["message"]] * 3


def test_a_person_is_asked_with_scores_and_a_proposal_once_the_judge_has_answered() -> None:
    run = judged(Judging({"noir": 9}), mode="human", more="count: 2")
    for _ in range(2):
        run.leave()
        run.execute()
    [question] = run.state.asking
    assert {len(asked.questions) for asked in run.asked} == {1}
    [noir] = [one for one in question.candidates if one.key == "noir"]
    assert (noir.score, noir.reason, noir.proposed) == (9.0, "noir is lit", True)
    assert (question.proposal, question.count) == (("noir", "studio"), 2)
    run.answer("hero", "neon", picked=("neon", "noir"))
    run.run()
    item = hero(run)
    assert item.picked == ("neon", "noir")
    assert (len(item.purchases), len(item.scores)) == (1, 3), "an open question buys no judge again"


def past_its_deadline(
    service: Judging, more: str = "on_timeout: judge", least: float = 6
) -> Rehearsal:
    run = judged(service, mode="human", least=least, more=f"timeout: 1h\n      {more}")
    [question] = run.state.asking
    run.feed(question_asked(question, NOON))
    run.leave()
    return run.execute(at=NOON + 2 * HOUR)


def test_a_deadline_takes_what_the_judge_proposes_or_the_first_of_several() -> None:
    run = past_its_deadline(Judging({"noir": 9}))
    [answer] = run.events(AnswerGiven)
    assert (answer.answer, answer.picked, answer.by.channel) == ("noir", ("noir",), "deadline")
    assert run.ended[-1] == "completed"
    run = past_its_deadline(Judging(), "on_timeout: first\n      count: 2")
    assert hero(run).picked == ("studio", "neon")


@pytest.mark.parametrize(
    ("answers", "why"),
    [([], "no candidate reaches 6: studio 5, neon 5, noir 5"), (NONSENSE, NO_SCORES[:-7])],
    ids=["nothing good enough", "nonsense"],
)
def test_a_deadline_without_a_proposal_fails_the_pick_and_says_why(
    answers: list[str], why: str
) -> None:
    run = past_its_deadline(Judging(answers=answers))
    item = hero(run)
    assert item.code == "unanswered"
    assert str(item.reason).startswith(f"no one answered by 2026-11-25 13:00 UTC, and {why}")
    [late] = answerable(run.state)
    assert [one.key for one in late.candidates if one.score] == [one.key for one in item.scores]
    run.execute(at=NOON + 3 * HOUR)
    assert len(run.state.asking) == 1
    assert hero(run).purchases == item.purchases, "asked again, without another judge"


def test_a_budget_pauses_or_fails_before_the_judge_is_bought() -> None:
    run = judged(mode="human", top="budget: {credits: 3, on_unfit: pause}")
    [question] = run.state.asking
    assert question.text == (
        "hero needs 1 credit, what follows at least 3; 3 of 3 are spent. Raise the budget to 7?"
    )
    run.answer("$budget", "yes", key="7")
    run.run()
    assert [one.step for one in run.state.asking] == ["hero"]
    assert hero(judged(mode="human", top="budget: {credits: 3}")).code == "over_budget"


def test_the_next_round_keeps_what_was_bought_and_what_people_said() -> None:
    item = hero(judged(Judging(), least=6))
    later = next_round(item, "warmer")
    assert (later.phase, later.round, later.notes) == (Phase.WAITING, 1, ("warmer",))
    assert (later.request, later.scores, later.picked, later.judge_error) == (None, (), None, None)
    assert later.purchases == item.purchases
    assert next_round(later, "").notes == ("warmer", "")


def test_candidates_below_least_are_bought_again_and_judged_again() -> None:
    service = Judging(answers=[scored(5, 4, 3), scored(5, 9, 3)])
    run = judged(service, least=8, more="none: {rounds: 1}")
    item = hero(run)
    assert run.ended == ["completed"]
    assert (item.round, item.notes, item.picked) == (1, ("",), ("neon",))
    assert [one.score for one in item.scores] == [5, 9, 3]
    assert [one.n for one in item.purchases] == [1, 2]
    outputs: Any = item.outputs
    assert outputs["asset"]["sha256"] == "hero.stills.2-neon"
    assert run.state.spent == sum(service.charges.values()) == 2 * (3 + 1) + 3


def test_below_least_in_the_last_round_too_picks_nothing() -> None:
    service = Judging(answers=[scored(5, 4, 3), scored(1, 1, 1)])
    item = hero(judged(service, least=8, more="none: {rounds: 1}"))
    assert (item.code, item.round) == ("below_least", 1)
    assert item.reason == "no candidate reaches 8: studio 1, neon 1, noir 1"


def test_a_deadline_with_nothing_good_enough_buys_the_candidates_again() -> None:
    service = Judging(answers=[scored(5, 4, 3), scored(5, 9, 3)])
    run = past_its_deadline(service, "on_timeout: judge\n      none: {rounds: 1}", least=8)
    [question] = run.state.asking
    assert (hero(run).round, question.proposal, question.rounds_left) == (1, ("neon",), 0)
    run.feed(question_asked(question, NOON + 2 * HOUR))
    run.leave(NOON + 2 * HOUR)
    run.execute(at=NOON + 4 * HOUR)
    assert (run.ended[-1], hero(run).picked) == ("completed", ("neon",))


@settings(max_examples=examples(40))
@given(
    seed=st.integers(0, 10**6),
    crashes=st.lists(st.integers(0, 80), max_size=5),
    how=st.sampled_from(["judge", "judge, none: {rounds: 1}", "human, none: {rounds: 2}"]),
    rambling=st.sampled_from([0.0, 0.5]),
    count=st.integers(1, 12),
)
def test_no_order_and_no_crash_buys_a_judge_twice(
    seed: int, crashes: list[int], how: str, rambling: float, count: int
) -> None:
    styles = [f"s{seed + number}" for number in range(count)]
    mode, *more = how.split(", ")
    lines = "\n      ".join([f"count: {1 + count // 4}", *more])
    text = judged_spec(mode, styles, least=2, more=lines)

    def executed(crashes: list[int]) -> Rehearsal:
        run = Rehearsal(frozen(text), NaiveService(seed, rambling=rambling))
        order = random.Random(seed)
        for limit in crashes:
            run.take_up()
            run.run(order, limit)
        run.execute(order)
        for question in run.state.asking:
            picked = question.proposal or question.choices[-question.count :]
            run.answer("hero", picked[0], picked=tuple(picked))
            run.run(order)
        return run

    disturbed, smooth = executed(crashes), executed([])
    assert disturbed.service.charges == smooth.service.charges
    assert disturbed.service.bodies == smooth.service.bodies
    # But for the mark of requests that were sent again after a crash.
    once = tuple(bought._replace(sent="never") for bought in hero(disturbed).purchases)
    assert hero(disturbed)._replace(purchases=once) == hero(smooth)
    assert disturbed.state.spent == sum(smooth.service.charges.values())
    intents = disturbed.events(PurchaseIntended)
    assert len({one.idempotency_key for one in intents}) == len(intents)
    if mode == "judge" and not rambling:
        good = [style for style in styles if score_of(style) >= 2]
        assert (hero(disturbed).picked is not None) is (len(good) >= 1 + count // 4)
