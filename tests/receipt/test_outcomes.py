"""What became of what rehearsed runs bought: one row for each purchase, whatever happens."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rivya_flows.questions.open_questions import open_questions
from rivya_flows.receipt.from_journal import receipt_of
from rivya_flows.receipt.ledger import History
from rivya_flows.receipt.outcomes import outcomes_of
from rivya_flows.store.outcomes import Outcome
from support.judged_picks import Judging, judged_spec
from support.naive_service import NaiveService, Rehearsal, frozen, played
from support.picks import past_its_deadline, waiting
from support.receipts import stamped

REVIEWED = """
version: 1
name: reviewed
brand: {name: Aurora}
steps:
  script: {uses: chat, with: {model: gemini-2-5-flash-chat, message: "Write a line, about a lamp"}}
  still:
    uses: generate
    fallback: [{model: seedream-5-lite}]
    quality: {refuse: [black], then: fallback}
    with: {model: z-image, prompt: "A lamp; ${{ steps.script.text }}"}
  unused: {uses: generate, with: {model: z-image, prompt: Nothing}}
  sign_off:
    uses: review
    with: {media: "${{ steps.still.asset }}", changes: {redo: [still], rounds: 1}}
outputs: {media: "${{ steps.sign_off.media }}"}
"""
REPEATED = """
version: 1
name: again
steps:
  still:
    uses: generate
    repeat: {until: "${{ steps.still.asset.width > 100 }}", at_most: 3}
    with: {model: z-image, prompt: lamp}
"""


def outcomes(run: Rehearsal) -> dict[str, Outcome]:
    history = History(stamped(run.journal))
    found = outcomes_of(receipt_of(history, run.state), history, run.state)
    assert len({one.purchase for one in found}) == len(found)
    return {one.purchase: one for one in found}


def flags(run: Rehearsal) -> dict[str, str]:
    """What is true of each row, but of those of a decision."""
    names = ("offered", "picked", "refused", "accepted", "failed", "lost")
    return {
        name.removeprefix("purchase "): " ".join(one for one in names if getattr(row, one))
        for name, row in outcomes(run).items()
        if not name.startswith("decision")
    }


def decided(run: Rehearsal, step: str = "hero") -> tuple[int, int, int | None] | None:
    """How often a person decided after a judge, how often they agreed, and after how many rounds."""
    row = outcomes(run).get(f"decision {step}[]")
    return None if row is None else (row.judged, row.agreed, row.rounds)


def test_of_picked_media_one_is_accepted_and_what_is_used_without_a_pick_too() -> None:
    run = played(judged_spec("judge"), Judging({"neon": 9}))
    assert flags(run) == {
        "stills[studio] 1": "offered",
        "stills[neon] 1": "offered picked accepted",
        "stills[noir] 1": "offered",
        "hero[] 1": "",
        "film[] 1": "accepted",
    }
    assert decided(run) is None, "no person was asked, and there are no rounds"


def test_candidates_of_an_open_question_or_of_a_missed_deadline_count_for_nothing_yet() -> None:
    for run in (waiting(), past_its_deadline()):
        assert flags(run) == {"stills[studio] 1": "", "stills[neon] 1": ""}
    run.answer("hero", "neon")
    run.execute()
    assert flags(run) == {
        "stills[studio] 1": "offered",
        "stills[neon] 1": "offered picked accepted",
    }


@pytest.mark.parametrize(("channel", "refused"), [("terminal", True), ("deadline", False)])
def test_what_a_person_sends_back_is_refused_and_its_judge_was_wrong(
    channel: str, refused: bool
) -> None:
    run = played(judged_spec("human", more="none: {rounds: 1}"), Judging({"neon": 9}))
    run.answer("hero", none=True, note="warmer", channel=channel)
    killed = decided(run)
    run.run()
    run.answer("hero", "neon", round=1)
    run.run()
    first = "offered refused" if refused else "offered"
    assert flags(run)["stills[neon] 1"] == first
    assert flags(run)["hero.stills.2[neon] 1"] == "offered picked accepted"
    assert flags(run)["hero.stills.2[noir] 1"] == "offered"
    assert decided(run) == (1 + refused, 1, 2)
    assert killed == ((1, 0, None) if refused else None), "also before the next round is made"


def test_a_judge_that_found_none_good_enough_agrees_with_a_person_who_sends_all_back() -> None:
    run = played(judged_spec("human", least=8, more="none: {rounds: 1}"), Judging({"neon": 6}))
    run.answer("hero", none=True)
    run.run()
    run.answer("hero", "noir", round=1)
    run.run()
    assert decided(run) == (2, 1, 2)


def test_a_review_refuses_and_approves_and_what_is_lost_or_not_used_is_not_accepted() -> None:
    run = played(REVIEWED, NaiveService(black_models={"z-image"}))
    run.answer("sign_off", "changes", note="larger", turn=1)
    run.run()
    run.answer("sign_off", "approve", turn=1, round=1)
    run.run()
    assert flags(run) == {
        "script[] 1": "accepted",
        "still[] 1": "lost",
        "still[] 2": "offered refused",
        "unused[] 1": "",
        "sign_off.still.2[] 1": "lost",
        "sign_off.still.2[] 2": "offered picked accepted",
    }
    rows = outcomes(run)
    assert decided(run, "sign_off") == (0, 0, 2)
    assert {one.brand for one in rows.values()} == {"Aurora"}
    assert rows["purchase script[] 1"].prompt == "Write a line, about a lamp"
    assert rows["purchase still[] 2"].model == "seedream-5-lite"


def test_of_a_step_that_is_repeated_only_the_last_round_is_used() -> None:
    run = played(REPEATED)
    assert list(flags(run).values()) == ["", "", "accepted"]
    assert decided(run, "still") == (0, 0, 3)


SPECS = (
    judged_spec("human", more="none: {rounds: 1}"),
    judged_spec("judge", least=5, more="none: {rounds: 1}"),
    REVIEWED,
    REPEATED,
)


def answered(run: Rehearsal, order: random.Random) -> None:
    """Answers as it comes, up to the end or the tenth question."""
    for _ in range(10):
        asked = open_questions(run.state)
        if not asked:
            return
        question = asked[0]
        of: dict[str, Any] = {"round": question.round, "turn": question.turn}
        if question.rounds_left and question.kind == "pick" and order.random() < 0.4:
            run.answer(question.step, none=True, **of)
        else:
            run.answer(question.step, order.choice(question.choices), **of)
        run.run(order)


@given(st.integers(0, 10**6), st.sampled_from(SPECS))
@settings(max_examples=60, deadline=None)
def test_each_purchase_has_one_row_that_does_not_contradict_itself(seed: int, text: str) -> None:
    order = random.Random(seed)
    shares: dict[str, Any] = {
        name: order.choice([0.0, 0.3]) for name in ("failing", "black", "refusing")
    }
    run = Rehearsal(frozen(text), NaiveService(seed=seed, **shares)).execute(order)
    answered(run, order)
    history = History(stamped(run.journal))
    receipt = receipt_of(history, run.state)
    rows = outcomes(run)
    bought = {f"purchase {one.step}[{one.key}] {one.n}": one for one in receipt.ledger}
    assert bought.keys() == {name for name in rows if name.startswith("purchase")}
    assert sum(one.lost for one in rows.values()) == sum(
        one.status == "lost" for one in receipt.ledger
    )
    for name, row in rows.items():
        assert row.offered or not (row.picked or row.refused)
        assert not (row.failed and row.lost)
        if row.accepted:
            assert bought[name].status in ("succeeded", "answered")
            assert row.picked or not row.offered
            assert not row.refused
    used = {one.step for one in rows.values() if one.accepted}
    assert (receipt.status != "completed") or used, "what is complete has used something"
