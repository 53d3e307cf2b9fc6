"""The cache in runs: what is unchanged is not paid for again, and what is lost is not promised."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.queue.events import Event
from rivya_flows.queue.state import State
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.engine_receipts import CAMPAIGN, COST, executed, started
from support.engine_runs import (
    Bomb,
    DirectCalls,
    KilledError,
    Studio,
    accounts_agree,
    customer,
    stills,
)


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


def statuses(receipt: dict[str, Any]) -> dict[str, str]:
    return {step["id"]: step["status"] for step in receipt["steps"]}


def test_an_edited_narration_is_paid_for_alone_and_the_receipt_says_what_was_saved(
    studio: Studio, sandbox: Sandbox
) -> None:
    assert started(studio, CAMPAIGN, "run-1")["credits"]["spent"] == COST
    edited = CAMPAIGN.replace("Light, where you need it.", "Light, wherever you are.")
    prepared = asyncio.run(studio.start(edited, "run-2"))
    assert (prepared.estimate.min, prepared.estimate.saved) == (6, COST - 6)
    receipt = executed(studio, "run-2")
    assert statuses(receipt) == {
        "script": "cached",
        "stills": "cached",
        "hero": "completed",
        "restyled": "cached",
        "voice": "completed",
    }
    assert (receipt["credits"]["spent"], receipt["credits"]["saved"]) == (6, COST - 6)
    assert receipt["credits"]["unexplained"] == 0
    assert accounts_agree(studio, sandbox.data, "run-1", "run-2") == COST + 6


def test_four_equal_prompts_are_four_pictures_and_the_next_run_has_all_four(
    studio: Studio, sandbox: Sandbox
) -> None:
    four = stills(4, top="cache: spec", prompt="one lamp")
    first = started(studio, four, "run-1")
    pictures = [picture["sha256"] for picture in first["outputs"]["pictures"]]
    assert len(set(pictures)) == len(first["ledger"]) == 4
    second = started(studio, stills(5, top="cache: spec", prompt="one lamp"), "run-2")
    assert [picture["sha256"] for picture in second["outputs"]["pictures"]][:4] == pictures
    assert (second["credits"]["spent"], second["credits"]["saved"]) == (1, 4)
    assert accounts_agree(studio, sandbox.data, "run-1", "run-2") == 5


def test_a_film_of_equal_media_and_arguments_is_not_composed_again(studio: Studio) -> None:
    reel = "  reel:\n    uses: compose\n    with: {images: '${{ steps.stills.assets }}', loudness: -16}\n"
    spec = stills(2, top="cache: spec").replace(
        "outputs:", f"{reel}outputs:\n  reel: ${{{{ steps.reel.asset }}}}"
    )
    first = started(studio, spec, "run-1")
    again = started(studio, spec, "run-2")
    assert statuses(again) == {"stills": "cached", "reel": "cached"}
    assert again["outputs"]["reel"]["sha256"] == first["outputs"]["reel"]["sha256"]
    louder = started(studio, spec.replace("loudness: -16", "loudness: -14"), "run-3")
    assert statuses(louder) == {"stills": "cached", "reel": "completed"}


def test_a_run_at_another_service_finds_nothing_in_the_cache(
    studio: Studio, sandbox: Sandbox
) -> None:
    text = stills(2, top="cache: spec")
    started(studio, text, "run-1")
    service = replace(studio.service, identity="sandbox:other")
    other = replace(studio, service=service)
    receipt = started(other, text, "run-2")
    assert (receipt["credits"]["spent"], receipt["credits"]["saved"]) == (2, 0)


def test_media_that_are_gone_are_bought_again_and_not_promised(
    studio: Studio, sandbox: Sandbox
) -> None:
    text = stills(2, top="cache: spec")
    first = started(studio, text, "run-1")
    Path(first["outputs"]["pictures"][0]["path"]).unlink()
    Path(first["outputs"]["pictures"][1]["path"]).write_bytes(b"something else")
    receipt = started(studio, text, "run-2")
    assert (receipt["credits"]["spent"], receipt["credits"]["saved"]) == (2, 0)
    assert started(studio, text, "run-3")["credits"]["saved"] == 2, (
        "they took the place of the lost"
    )
    assert accounts_agree(studio, sandbox.data, "run-1", "run-2") == 4


def test_a_run_that_was_killed_between_journal_and_cache_index_still_saves_the_next_one(
    studio: Studio, sandbox: Sandbox
) -> None:
    text = stills(1, top="cache: spec")

    def die(event: Event, _: State) -> None:
        if event.kind == "item.completed":
            raise KilledError

    async def killed() -> None:
        await studio.start(text, "run-1")
        assert await studio.execute("run-1", listen=die) is None

    asyncio.run(killed())
    assert executed(studio, "run-1")["status"] == "completed"
    receipt = started(studio, text, "run-2")
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
    studio: Studio, sandbox: Sandbox
) -> None:
    first = started(studio, stills(2), "run-1")
    one, two = first["outputs"]["pictures"]
    served = sandbox.data / "results" / str(one["url"]).rsplit("/", 1)[-1]
    given = {"picture": {"url": one["url"]}}
    calls = DirectCalls(Bomb())

    async def once() -> None:
        await studio.start(REFERRING, "run-2", inputs=given)
        await studio.execute("run-2", calls=calls)

    asyncio.run(once())
    assert [call for call in calls.called if "upload" in call] == ["still[] upload"]
    assert studio.receipt("run-2")["status"] == "completed"
    served.write_bytes(Path(two["path"]).read_bytes())
    receipt = started(studio, REFERRING, "run-3", inputs=given)
    assert (receipt["credits"]["spent"], receipt["credits"]["saved"]) == (3, 0)
    assert accounts_agree(studio, sandbox.data, "run-1", "run-2", "run-3") == 8
    assert admin.ledger(sandbox.data, account=studio.account)["balance"] == 992
