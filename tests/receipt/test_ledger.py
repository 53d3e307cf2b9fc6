"""Ledger, jobs and wallet: agreement is silent, every difference is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from rivya_flows.queue.events import JobSeen
from rivya_flows.receipt.ledger import explain_wallet, jobs_to_ask, reconcile
from rivya_flows.receipt.model import Agreement, Credits, Purchase
from support.naive_service import NaiveService, Rehearsal, frozen
from support.receipts import whole


def row(task_id: str | None = "task_1", **changed: Any) -> Purchase:
    """A settled purchase of 3 credits, but for what is changed."""
    made: dict[str, Any] = {
        "step": "stills", "key": "neon", "model": "z-image", "task_id": task_id, "reserved": 4, "final": 3,
    } | changed  # fmt: skip
    held = made["reserved"] if made["final"] is None else made["final"]
    return Purchase.model_validate(whole("ledger", {**made, "held": held}))


def job(**changed: Any) -> dict[str, Any]:
    costs = {"reserved_credits": 4, "final_credits": 3}
    return {"status": "succeeded", "model": "z-image", **costs, **changed}


def agreement(
    rows: Sequence[Purchase],
    jobs: Mapping[str, dict[str, Any] | None],
    before: int | None = None,
    after: int | None = None,
    others: int = 0,
) -> Agreement:
    spent = sum(one.held for one in rows)
    unexplained, of_others = explain_wallet(before, after, spent, others)
    sums = {"unexplained": unexplained, "others": of_others, "spent": spent}
    credits = Credits.model_validate(whole("credits", {"before": before, "after": after, **sums}))
    seen = {name: JobSeen.model_validate(one) if one else None for name, one in jobs.items()}
    return reconcile(rows, seen, credits)


def test_three_that_tell_the_same_agree() -> None:
    chat = row("chat_1", route="chat", status="answered", final=2)
    failed = row("task_2", status="failed", final=0)
    jobs = {"task_1": job(), "task_2": job(status="failed", final_credits=0)}
    found = agreement([chat, row(), failed], jobs, 100, 95)
    assert found.agrees
    assert (found.compared, found.unexplained, found.differences) == (2, 0, ())


OPEN = {"status": "accepted", "final": None}


@pytest.mark.parametrize(
    ("kind", "ours", "theirs", "words"),
    [
        ("unknown_job", {}, None, "does not know task_1, bought for stills[neon]"),
        ("other_model", {}, job(model="veo"), "task_1 is a job of veo, not of z-image"),
        ("other_status", {}, job(status="failed"), "task_1 is failed at the service and succeed"),
        ("other_cost", {}, job(final_credits=5), "task_1 cost 5 at the service and 3"),
        ("not_settled", OPEN, job(), "task_1 has succeeded at 3 credits; resume"),
        ("not_settled", OPEN, job(status="canceled"), "is canceled at the service; 4 credits held"),
    ],
)
def test_a_job_that_the_service_tells_otherwise_is_named(
    kind: str, ours: dict[str, Any], theirs: dict[str, Any] | None, words: str
) -> None:
    [found] = agreement([row(**ours)], {"task_1": theirs}).differences
    assert (found.kind, found.task_id) == (kind, "task_1")
    assert (found.step, found.key, found.n) == ("stills", "neon", 1)
    assert words in found.words


@pytest.mark.parametrize(
    ("ours", "jobs", "compared"),
    [
        (OPEN, {"task_1": job(status="processing", final_credits=0)}, 1),
        ({}, {"task_1": job(final_credits=None)}, 1),
        ({}, {"task_1": job(model=None)}, 1),
        ({"status": "lost"}, {"task_1": job()}, 1),
        ({}, {}, 0),
    ],
    ids=[
        "a job that still runs",
        "an untold price",
        "an untold model",
        "refused media",
        "a job not asked for",
    ],
)
def test_what_nobody_told_is_no_difference(
    ours: dict[str, Any], jobs: dict[str, Any], compared: int
) -> None:
    made = row(**ours)
    found = agreement([made], jobs, 100, 100 - made.held)
    assert (found.agrees, found.compared) == (True, compared)


@pytest.mark.parametrize(("after", "agrees"), [(96, True), (100, True), (101, False), (95, False)])
def test_what_is_held_for_an_open_job_may_have_been_taken_or_not(after: int, agrees: bool) -> None:
    jobs = {"task_1": job(status="processing", final_credits=0)}
    assert agreement([row(**OPEN)], jobs, 100, after).agrees is agrees


@pytest.mark.parametrize("status", ["uncertain", "intended"])
def test_a_purchase_without_an_answer_is_named_and_counts_as_spent(status: str) -> None:
    unanswered = row(None, status=status, final=None, reason="the connection broke")
    found = agreement([unanswered], {}, 100, 96)
    [one] = found.differences
    assert (one.kind, one.task_id, one.ledger, found.unexplained) == ("uncertain", None, 4, 0)
    assert one.words == (
        "stills[neon] purchase 1: it is not known whether this was bought (the connection broke)"
    )


def test_a_job_that_is_in_no_ledger_is_named() -> None:
    [one] = agreement([row()], {"task_1": job(), "task_7": job()}).differences
    assert (one.kind, one.task_id) == ("unexpected_job", "task_7")


@pytest.mark.parametrize(
    ("after", "others", "unexplained", "words"),
    [
        (90, 0, 7, "from 100 to 90; this run spent 3, and 7 credits went for something else"),
        (110, 0, -13, "from 100 to 110; this run spent 3, and 13 credits came in beside it"),
        (98, 0, -1, "from 100 to 98; this run spent 3, and 1 credit came in beside it"),
        (90, 5, 2, "this run spent 3, other runs 5, and 2 credits went for something else"),
        (98, 5, -1, ""),
        (90, -4, 11, ""),
    ],
)
def test_a_wallet_that_moved_otherwise_is_named(
    after: int, others: int, unexplained: int, words: str
) -> None:
    found = agreement([row()], {"task_1": job()}, 100, after, others)
    [one] = found.differences
    assert (one.kind, one.ledger, one.service) == ("wallet", 3, 100 - after)
    assert found.unexplained == unexplained
    assert words in one.words


@pytest.mark.parametrize(("after", "others"), [(90, 7), (90, 9), (97, 5)])
def test_what_other_runs_of_the_store_spent_is_explained(after: int, others: int) -> None:
    found = agreement([row()], {"task_1": job()}, 100, after, others)
    assert (found.agrees, found.unexplained) == (True, 0)


@pytest.mark.parametrize(("before", "after"), [(None, 9), (9, None), (None, None)])
def test_a_wallet_that_was_not_read_is_not_compared(before: int | None, after: int | None) -> None:
    found = agreement([row()], {"task_1": job()}, before, after)
    assert (found.agrees, found.unexplained) == (True, None)


def test_the_service_is_asked_about_jobs_that_it_made_and_not_about_chats() -> None:
    text = """
version: 1
name: asked
steps:
  words: {uses: chat, with: {model: gpt-5-2-chat, message: Hello}}
  still: {uses: generate, with: {model: z-image, prompt: lamp}}
  refused: {uses: generate, with: {model: nano-banana, prompt: lamp}}
"""
    run = Rehearsal(frozen(text), NaiveService(refusing_models={"nano-banana"}))
    run.take_up()
    run.run()
    [still] = run.state.item("still", "").purchases
    assert jobs_to_ask(run.state) == (still.task_id,)
