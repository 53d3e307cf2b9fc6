"""The receipt of any journal, at any moment: its schema, its money, its times, the origins of its media."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from rivya_flows.questions.open_questions import question_asked
from rivya_flows.queue.events import (
    AnsweredBy,
    AnswerGiven,
    CacheAnswered,
    Event,
    ItemCompleted,
    JobSeen,
    PurchaseIntended,
    PurchaseUnanswered,
    QuestionsLeft,
    RunEnded,
    RunFrozen,
    RunResumed,
    ServiceAsked,
    Stamped,
)
from rivya_flows.queue.queue import replay
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receipt.ledger import History
from rivya_flows.receipt.phrases import model_of
from support.campaigns import a_set, campaign, until
from support.naive_service import NOON, NaiveService, Rehearsal, asset, frozen
from support.picks import past_its_deadline, waiting
from support.receipts import SCHEMA, check, check_sums, parsed, receipt_of, stamped
from support.samples import examples, sample

DAY = 86_400.0
GUIDE = Path(__file__).parents[2] / "docs" / "reference" / "receipt.md"


def finished(start: RunFrozen, **service: Any) -> Rehearsal:
    """A run that went to its end."""
    rehearsal = Rehearsal(start, NaiveService(**service))
    rehearsal.take_up()
    rehearsal.run()
    return rehearsal


@settings(max_examples=examples(40))
@given(
    seed=st.integers(0, 10**6),
    crashes=st.lists(st.integers(0, 120), max_size=4),
    failing=st.sampled_from([0.0, 0.4]),
    refusing=st.sampled_from([0.0, 0.2]),
    rambling=st.sampled_from([0.0, 0.4]),
    extra=st.sampled_from([0, 2]),
)
@example(seed=1379, crashes=[], failing=0.4, refusing=0.0, rambling=0.0, extra=0)
def test_whatever_happens_ledger_queue_and_service_name_one_sum(
    seed: int, crashes: list[int], failing: float, refusing: float, rambling: float, extra: int
) -> None:
    service = NaiveService(seed, extra, failing, refusing, rambling)
    rehearsal = Rehearsal(campaign(), service)
    luck = random.Random(seed)
    for steps in crashes:
        rehearsal.take_up()
        rehearsal.run(luck, steps)
        document = receipt_of(rehearsal)
        check_sums(document)
        assert document["credits"]["spent"] == rehearsal.state.spent
        rows = {row["idempotency_key"]: row for row in document["ledger"]}
        assert set(service.charges) <= set(rows)
    rehearsal.take_up()
    rehearsal.run(luck)
    document = receipt_of(rehearsal)
    check(document)
    assert document["status"] in ("completed", "failed")
    check_times(document, len(crashes) + 1)
    charged = {key: credits for key, credits in service.charges.items() if credits}
    paid = {row["idempotency_key"]: row["final"] for row in document["ledger"] if row["final"]}
    assert paid == charged
    assert document["credits"]["spent"] == rehearsal.state.spent == sum(charged.values())


def check_times(document: dict[str, Any], executions: int) -> None:
    """No item ends before it begins, or outside the executions of its run."""
    times = document["execution_times"]
    moments = [moment for one in times for moment in (one["began_at"], one["ended_at"])]
    assert len(times) == executions
    assert moments == sorted(moments)
    for item in (item for step in document["steps"] for item in step["items"]):
        begin, end = item["began_at"], item["ended_at"]
        assert (end is None) or (moments[0] <= begin <= end <= moments[-1])
        # One whose arguments have no value fails before it does anything.
        idle = item["status"] in ("skipped", "failed") and not item["task_ids"]
        assert idle if end is None else begin is not None


@pytest.mark.sweep
def test_every_beginning_of_a_journal_has_a_receipt() -> None:
    rehearsal = Rehearsal(campaign(), NaiveService(1, failing=0.4, rambling=0.3))
    luck = random.Random(1)
    for limit in (15, 30, 100_000):
        rehearsal.take_up()
        rehearsal.run(luck, limit)
    entries = stamped(rehearsal.journal)
    for length in sample(range(1, len(entries) + 1), 10, thorough=3):
        document = receipt(entries[:length]).model_dump(mode="json")
        check(document)
        assert document["credits"]["spent"] == replay(rehearsal.journal[:length]).spent


def test_rows_and_items_tell_which_fallback_they_are() -> None:
    text = """
version: 1
name: shots
steps:
  stills:
    uses: generate
    foreach: [a, b]
    with: {model: z-image, prompt: "lamp ${{ item }}"}
    fallback: [{model: seedream-5-lite}]
  words:
    uses: chat
    with: {model: gpt-5-2-chat, message: Hello}
"""
    document = receipt_of(finished(frozen(text), refusing_models={"z-image"}))
    check(document)
    made = parsed(document)
    of_a = [row for row in made.ledger if row.key == "a"]
    assert [model_of(row) for row in of_a] == ["z-image", "seedream-5-lite (fallback 1)"]
    stills, words = (step.items for step in made.steps)
    assert [model_of(item) for item in stills] == ["seedream-5-lite (fallback 1)"] * 2
    assert "alternative" not in document["steps"][1]["items"][0]
    assert model_of(words[0]) == "gpt-5-2-chat"


def test_a_run_of_nothing_but_its_start_has_a_receipt() -> None:
    document = receipt(stamped([campaign()])).model_dump(mode="json")
    check(document)
    assert (document["status"], document["ended_at"], document["ledger"]) == ("running", None, [])
    with pytest.raises(ValueError, match="does not start with a frozen run"):
        receipt([])


def test_what_was_planned_and_never_sent_costs_nothing_after_a_cancel() -> None:
    rehearsal = Rehearsal(campaign(), NaiveService())
    rehearsal.take_up()
    while rehearsal.state.spent == rehearsal.state.tally.committed:
        assert rehearsal.advance(0)
    rehearsal.feed(RunEnded(status="cancelled", at=NOON))
    document = receipt_of(rehearsal)
    check(document)
    assert document["credits"]["spent"] < rehearsal.state.tally.committed


def ledger(rehearsal: Rehearsal) -> tuple[Any, ...]:
    """Status, held and final credits, and the reason of the one purchase of a run."""
    document = receipt_of(rehearsal)
    check(document)
    [row] = document["ledger"]
    return row["status"], row["held"], row["final"], row["reason"]


def test_an_unanswered_purchase_is_uncertain_once_it_is_too_old() -> None:
    rehearsal = a_set(1, 9)
    rehearsal.take_up()
    until(rehearsal, PurchaseIntended)
    assert ledger(rehearsal)[0] == "intended"
    rehearsal.feed(PurchaseUnanswered(step="stills", key="0", n=1, reason="cut"))
    assert ledger(rehearsal) == ("intended", 1, None, "cut")
    late = NOON + timedelta(hours=21)
    rehearsal.take_up(at=late)
    status, held, final, reason = ledger(rehearsal)
    assert (status, held, final) == ("uncertain", 1, None)
    assert "unanswered for over 20 h" in reason
    rehearsal.take_up(at=late, resubmit=("stills[0]",))
    assert ledger(rehearsal)[0] == "intended"
    rehearsal.run()
    assert ledger(rehearsal) == ("succeeded", 1, 1, None)


def test_a_refused_purchase_stays_in_the_ledger_at_no_cost() -> None:
    rehearsal = a_set(1, 9)
    rehearsal.service.refusing = 1.0
    rehearsal.take_up()
    rehearsal.run()
    assert ledger(rehearsal) == ("refused", 0, 0, "no")


def test_the_agreement_stands_in_the_receipt_where_the_service_was_asked() -> None:
    rehearsal = a_set(1, 9)
    rehearsal.take_up()
    rehearsal.advance(0)
    rehearsal.service.wallet -= 5  # that somebody else spends
    rehearsal.run()
    assert receipt_of(rehearsal)["agreement"] is None
    [row] = receipt_of(rehearsal)["ledger"]
    job = JobSeen(status="succeeded", model="z-image", final_credits=1)
    asked = ServiceAsked(jobs={row["task_id"]: job})
    document = receipt(stamped([*rehearsal.journal, asked])).model_dump(mode="json")
    check(document)
    assert document["agreement"]["compared"] == 1
    assert [one["kind"] for one in document["agreement"]["differences"]] == ["wallet"]


def fields(schema: Any) -> Iterator[str]:
    """All field names of a schema."""
    if isinstance(schema, list):
        for one in schema:
            yield from fields(one)
    elif isinstance(schema, dict):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from fields(value)


def test_the_guide_names_every_field_status_and_difference() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    named = set(re.findall(r"[`.](\w+)`", guide))  # also at the end of a path, `credits.before`
    words = {*fields(SCHEMA)}
    for kind, name in (("Purchase", "status"), ("Difference", "kind")):
        words |= set(SCHEMA["$defs"][kind]["properties"][name]["enum"])
    assert sorted(words - named) == []


# --- When it worked --------------------------------------------------------------------------------


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


def test_an_item_lasts_from_its_purchase_or_what_it_needs_until_it_has_its_outputs() -> None:
    rehearsal = finished(campaign())
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


# --- Where its media came from ---------------------------------------------------------------------


def cards(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {card["sha256"]: card for card in document["assets"]}


def test_each_medium_says_who_made_it_from_what_and_for_how_much() -> None:
    rehearsal = finished(campaign())
    made = cards(receipt_of(rehearsal))
    film = made["films-neon"]["made_by"]
    assert (film["step"], film["key"], film["uses"]) == ("films", "neon", "generate")
    assert film["model"] == "veo3-1-lite"
    assert film["prompt"] == "Slow push-in"
    assert film["task_id"].startswith("task_rvf-")
    assert film["parents"] == ["stills-neon"]
    assert (film["run_id"], film["service"], film["sandbox"]) == ("run-1", "naive", False)
    spot = made["spot-film"]["made_by"]
    assert (spot["uses"], spot["credits"], spot["task_id"]) == ("compose", 0, None)
    assert set(spot["parents"]) == {"films-studio", "voice-one"}
    paid = sum(card["made_by"]["credits"] for card in made.values())
    chat = 1
    assert paid + chat == sum(rehearsal.service.charges.values())


REFERENCED = """
version: 1
name: restyle
inputs:
  photo: {type: file, kind: image}
steps:
  restyled:
    uses: generate
    with: {model: nano-banana, prompt: In watercolor, references: ["${{ inputs.photo }}"]}
"""


def restyle() -> RunFrozen:
    start = frozen(REFERENCED, photo="https://media.example/p.png")
    return start.model_copy(
        update={"inputs": {"photo": asset("image", "photo")}, "service": "sandbox:1a2b"}
    )


def test_a_medium_that_was_given_says_where() -> None:
    document = receipt_of(finished(restyle()))
    check(document)
    made = cards(document)
    assert (made["photo"]["given_as"], made["photo"]["made_by"]) == ("inputs.photo", None)
    assert made["restyled-one"]["made_by"]["parents"] == ["photo"]
    assert made["restyled-one"]["made_by"]["sandbox"] is document["sandbox"] is True


def test_a_medium_from_the_cache_costs_nothing_and_says_so() -> None:
    start = restyle().model_copy(update={"cache": "spec"})
    events: list[Event] = [start, RunResumed(at=NOON)]
    made = asset("image", "earlier")
    outputs = {"asset": made, "assets": [made], "task_id": "task_earlier"}
    events.append(
        CacheAnswered(step="restyled", key="", request_hash="h", outputs=outputs, saved=3)
    )
    document = receipt(stamped(events)).model_dump(mode="json")
    check(document)
    card = cards(document)["earlier"]["made_by"]
    assert (card["cached"], card["credits"], card["task_id"]) == (True, 0, "task_earlier")
    assert document["credits"] == {**document["credits"], "spent": 0, "saved": 3}
