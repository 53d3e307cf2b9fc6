"""When a run worked, as its receipt says: its executions, its items, its questions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rivya_flows.questions.open_questions import question_asked
from rivya_flows.queue.events import (
    AnsweredBy,
    AnswerGiven,
    ItemCompleted,
    PurchaseIntended,
    QuestionsLeft,
    RunEnded,
    Stamped,
)
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receipt.purchases import History
from support.campaigns import campaign
from support.naive_service import NOON, NaiveService, Rehearsal
from support.picks import past_its_deadline, waiting
from support.receipts import check, receipt_of, stamped

DAY = 86_400.0


def items_of(document: dict[str, Any], step_id: str) -> list[dict[str, Any]]:
    [found] = [step["items"] for step in document["steps"] if step["id"] == step_id]
    return list(found)


def answered() -> tuple[list[Stamped], int]:
    """A run that was asked and left, and answered two days later; entries of the first execution."""
    run = waiting()
    for question in run.asked[-1].questions:
        run.feed(question_asked(question, NOON))
    run.feed(QuestionsLeft(at=NOON))
    asked = len(run.journal)
    run.take_up(at=NOON + timedelta(minutes=5))
    by = AnsweredBy(name="Priya", channel="command")
    run.feed(AnswerGiven(step="hero", key="", answer="neon", picked=("neon",), by=by))
    run.run()
    entries = stamped(run.journal)
    later = [Stamped(one.seq, one.at + 2 * DAY, one.event) for one in entries[asked:]]
    return entries[:asked] + later, asked


def test_an_item_lasts_until_it_has_its_outputs_and_begins_with_its_purchase_or_all_that_it_needs() -> (
    None
):
    rehearsal = Rehearsal(campaign(), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    document = receipt_of(rehearsal)
    begin, end = (
        next(
            one.at
            for one in stamped(rehearsal.journal)
            if isinstance(one.event, kind) and (one.event.step, one.event.key) == ("films", "neon")
        )
        for kind in (PurchaseIntended, ItemCompleted)
    )
    [neon] = [item for item in items_of(document, "films") if item["key"] == "neon"]
    assert (_seconds(neon["began_at"]), _seconds(neon["ended_at"])) == (begin % 60, end % 60)
    [spot] = items_of(document, "spot")  # free work
    needed = [one["ended_at"] for name in ("hero", "voice") for one in items_of(document, name)]
    assert spot["began_at"] == max(needed) < spot["ended_at"]
    needs = {step["id"]: step["needs"] for step in document["steps"]}
    assert needs["spot"] == sorted(["hero", "voice"], key=[*needs].index)
    assert (needs["script"], needs["films"]) == ([], ["stills"])


def test_the_wait_for_a_person_lasts_until_the_answer_also_over_two_executions() -> None:
    entries, asked = answered()
    document = receipt(entries).model_dump(mode="json")
    check(document)
    first, second = document["execution_times"]
    [hero] = items_of(document, "hero")
    [wait] = hero["waits"]
    assert first["ended_at"] < second["began_at"] < wait["answered_at"]
    assert first["began_at"] < wait["asked_at"] == hero["began_at"] < first["ended_at"]
    assert (document["waits"], document["executions"]) == ([], 2)
    [open_wait] = items_of(receipt(entries[:asked]).model_dump(mode="json"), "hero")[0]["waits"]
    assert open_wait == {**wait, "answered_at": None}


def test_a_missed_deadline_ends_the_wait() -> None:
    run = past_its_deadline()
    [hero] = items_of(receipt_of(run), "hero")
    [wait] = hero["waits"]
    assert (hero["status"], wait["answered_at"]) == ("failed", hero["ended_at"])


def test_an_execution_that_died_ends_with_its_last_entry() -> None:
    rehearsal = Rehearsal(campaign(), NaiveService())
    rehearsal.take_up()
    rehearsal.run(limit=7)
    entries = stamped(rehearsal.journal)
    [running] = receipt(entries).model_dump(mode="json")["execution_times"]
    assert running["ended_at"] is None
    rehearsal.take_up()
    dead, alive = receipt_of(rehearsal)["execution_times"]
    assert _seconds(dead["ended_at"]) == entries[-1].at % 60
    assert dead["ended_at"] < alive["began_at"]


def test_a_copy_does_not_change_with_later_entries() -> None:
    entries, asked = answered()
    history = History(entries[:asked])
    before = history.copy()
    for entry in entries[asked:]:
        history.add(entry)
    assert before.executions != history.executions
    assert before.waits != history.waits
    assert isinstance(entries[-1].event, RunEnded)


def _seconds(moment: str) -> float:
    return float(moment[-7:-1])
