"""The cache in runs: what is unchanged is not paid for again, and what is lost is not promised."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.queue.events import Event
from rivya_flows.queue.state import State
from support.engine_runs import CAMPAIGN, COST, Bomb, DirectCalls, KilledError, Studio, stills

pytestmark = pytest.mark.slow


def statuses(receipt: dict[str, Any]) -> dict[str, str]:
    return {step["id"]: step["status"] for step in receipt["steps"]}


def test_an_edited_narration_is_paid_for_alone_and_the_receipt_says_what_was_saved(
    studio: Studio,
) -> None:
    assert studio.started(CAMPAIGN, "run-1")["credits"]["spent"] == COST
    edited = CAMPAIGN.replace("Light, where you need it.", "Light, wherever you are.")
    prepared = studio.prepared(edited, "run-2")
    assert (prepared.estimate.min, prepared.estimate.saved) == (6, COST - 6)
    receipt = studio.executed("run-2")
    assert statuses(receipt) == {
        "script": "cached",
        "stills": "cached",
        "hero": "completed",
        "restyled": "cached",
        "voice": "completed",
    }
    assert (receipt["credits"]["spent"], receipt["credits"]["saved"]) == (6, COST - 6)
    assert receipt["credits"]["unexplained"] == 0
    assert studio.audit("run-1", "run-2") == COST + 6


def test_four_equal_prompts_are_four_pictures_and_the_next_run_has_all_four(studio: Studio) -> None:
    four = stills(4, top="cache: spec", prompt="one lamp")
    first = studio.started(four, "run-1")
    pictures = [picture["sha256"] for picture in first["outputs"]["pictures"]]
    assert len(set(pictures)) == len(first["ledger"]) == 4
    second = studio.started(stills(5, top="cache: spec", prompt="one lamp"), "run-2")
    assert [picture["sha256"] for picture in second["outputs"]["pictures"]][:4] == pictures
    assert (second["credits"]["spent"], second["credits"]["saved"]) == (1, 4)
    assert studio.audit("run-1", "run-2") == 5


def test_a_run_at_another_service_finds_nothing_in_the_cache(studio: Studio) -> None:
    text = stills(2, top="cache: spec")
    studio.started(text, "run-1")
    other = replace(studio, service=replace(studio.service, identity="sandbox:other"))
    receipt = other.started(text, "run-2")
    assert (receipt["credits"]["spent"], receipt["credits"]["saved"]) == (2, 0)


def test_media_that_are_gone_are_bought_again_and_not_promised(studio: Studio) -> None:
    text = stills(2, top="cache: spec")
    first = studio.started(text, "run-1")
    Path(first["outputs"]["pictures"][0]["path"]).unlink()
    Path(first["outputs"]["pictures"][1]["path"]).write_bytes(b"something else")
    receipt = studio.started(text, "run-2")
    assert (receipt["credits"]["spent"], receipt["credits"]["saved"]) == (2, 0)
    assert studio.started(text, "run-3")["credits"]["saved"] == 2, "they took the place of the lost"
    assert studio.audit("run-1", "run-2") == 4


def test_a_run_that_was_killed_between_journal_and_cache_index_still_saves_the_next_one(
    studio: Studio,
) -> None:
    text = stills(1, top="cache: spec")

    def die(event: Event, _: State) -> None:
        if event.kind == "item.completed":
            raise KilledError

    studio.prepared(text)
    assert asyncio.run(studio.execute("run-1", listen=die)) is None
    assert studio.executed()["status"] == "completed"
    receipt = studio.started(text, "run-2")
    assert (receipt["credits"]["spent"], receipt["credits"]["saved"]) == (0, 1)


REFERRING = """
version: 1
name: referring
cache: spec
inputs:
  picture: {type: file, kind: image}
steps:
  still:
    uses: generate
    with: {model: nano-banana, prompt: In watercolor, references: ["${{ inputs.picture }}"]}
"""


def test_a_reference_given_by_url_is_fetched_once_and_never_taken_for_another_content(
    studio: Studio,
) -> None:
    first = studio.started(stills(2), "run-1")
    one, two = first["outputs"]["pictures"]
    served = studio.data / "results" / str(one["url"]).rsplit("/", 1)[-1]
    given = {"picture": {"url": one["url"]}}
    calls = DirectCalls(Bomb())

    studio.prepared(REFERRING, "run-2", inputs=given)
    assert studio.executed("run-2", calls=calls)["status"] == "completed"
    assert [call for call in calls.called if "upload" in call] == ["still[] upload"]
    served.write_bytes(Path(two["path"]).read_bytes())
    receipt = studio.started(REFERRING, "run-3", inputs=given)
    assert (receipt["credits"]["spent"], receipt["credits"]["saved"]) == (3, 0)
    assert studio.audit("run-1", "run-2", "run-3") == 8
