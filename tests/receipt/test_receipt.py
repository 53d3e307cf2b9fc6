"""The receipt of any journal, at any moment: it holds to its schema, and its money adds up."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from rivya_flows.queue.events import (
    JobSeen,
    PurchaseIntended,
    PurchaseUnanswered,
    RunEnded,
    ServiceAsked,
)
from rivya_flows.queue.queue import replay
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receipt.phrases import model_of
from support.campaigns import a_set, campaign, until
from support.naive_service import NOON, NaiveService, Rehearsal, frozen
from support.receipts import SCHEMA, check, parsed, receipt_of, stamped
from support.samples import sample

GUIDE = Path(__file__).parents[2] / "docs" / "reference" / "receipt.md"


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
        check(document)
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


def test_every_beginning_of_a_journal_has_a_receipt() -> None:
    rehearsal = Rehearsal(campaign(), NaiveService(1, failing=0.4, rambling=0.3))
    luck = random.Random(1)
    for limit in (15, 30, 100_000):
        rehearsal.take_up()
        rehearsal.run(luck, limit)
    entries = stamped(rehearsal.journal)
    for length in sample(range(1, len(entries) + 1), 5):
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
    rehearsal = Rehearsal(frozen(text), NaiveService(refusing_models={"z-image"}))
    rehearsal.take_up()
    rehearsal.run()
    document = receipt_of(rehearsal)
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
