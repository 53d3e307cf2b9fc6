"""Where the media of a run came from."""

from __future__ import annotations

from typing import Any

from rivya_flows.queue.events import CacheAnswered, Event, RunFrozen, RunResumed
from rivya_flows.receipt.from_journal import receipt
from support.campaigns import campaign
from support.naive_service import NOON, NaiveService, Rehearsal, asset, frozen
from support.receipts import check, receipt_of, stamped


def cards(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {card["sha256"]: card for card in document["assets"]}


def test_each_medium_says_who_made_it_from_what_and_for_how_much() -> None:
    rehearsal = Rehearsal(campaign(), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
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
    rehearsal = Rehearsal(restyle(), NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    document = receipt_of(rehearsal)
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
