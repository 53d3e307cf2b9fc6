"""A model that fails or refuses is gone round: paid for once, in the ledger, wherever a run stops."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rivya_flows.engine.run import RunOptions
from rivya_flows.receipt import model
from rivya_flows.receipt.continuing import continuation
from support.engine_runs import CREATE, Bomb, Studio, codes
from support.receipts import parsed
from support.samples import sample

pytestmark = pytest.mark.slow

SPEC = """
version: 1
name: shots
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "A lamp, ${{ matrix.style }}"}
    fallback:
      - {model: seedream-5-lite}
      - {model: nano-banana, prompt: "A plain lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}"}
outputs:
  picture: ${{ steps.hero.asset }}
"""
FAILS = "on: generation, model: z-image, do: fail"
REFUSED_AT_ONCE = f'on: "{CREATE}", model: z-image, do: refuse'


def rows(receipt: dict[str, Any]) -> list[tuple[int, int, str, str, int]]:
    return [
        (row["n"], row["alternative"], row["model"], row["status"], row["final"])
        for row in receipt["ledger"]
        if row["key"] == "neon"
    ]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (FAILS, "failed"),
        ("on: generation, model: z-image, do: refuse", "failed"),
        (REFUSED_AT_ONCE, "refused"),
        (f'on: "{CREATE}", model: z-image, do: status, status: 400', "refused"),
    ],
    ids=["failed", "refused by a filter while it runs", "refused by a filter", "refused"],
)
def test_another_model_serves_and_receipt_wallet_and_cache_agree(
    studio: Studio, fault: str, status: str
) -> None:
    studio.order(fault)
    text = f"{SPEC}cache: spec\n"
    estimate = studio.prepared(text).estimate
    assert (estimate.min, estimate.max) == (2, 2 * (1 + 6 + 3))
    receipt = studio.executed()
    assert receipt["status"] == "completed"
    assert rows(receipt) == [
        (1, 0, "z-image", status, 0),
        (2, 1, "seedream-5-lite", "succeeded", 6),
    ]
    schema = Path(model.__file__).with_name("receipt.schema.json")
    jsonschema.validate(receipt, json.loads(schema.read_text(encoding="utf-8")))
    made_by = [card["made_by"]["model"] for card in receipt["assets"]]
    assert made_by == ["seedream-5-lite"] * 2
    again = studio.started(text, "run-2")
    assert (again["credits"]["spent"], again["credits"]["saved"]) == (0, 12)
    for item in receipt["steps"][0]["items"] + again["steps"][0]["items"]:
        assert (item["alternative"], item["model"]) == (1, "seedream-5-lite")
    assert studio.audit("run-1", "run-2") == 12


def test_a_job_that_a_filter_refused_has_a_code_of_its_own(studio: Studio) -> None:
    studio.order("on: generation, do: refuse")
    receipt = studio.started(SPEC)
    assert codes(receipt) == ["content_refused"] * 2
    advice = continuation(parsed(receipt)).advice
    assert advice.startswith("the same prompt is refused again: change it")
    assert studio.audit() == 0


ONE = SPEC.replace("[studio, neon]", "[neon]")


def bombs_of(smooth: Bomb, share: int, thorough: int, posts: list[int]) -> list[Bomb]:
    """A bomb at each write, ahead of it and behind it, and at these paid requests."""
    writes = sample(range(1, smooth.writes + 1), share, thorough)
    at_writes = [Bomb(write=side * number) for number in writes for side in (1, -1)]
    return at_writes + [Bomb(post=number) for number in posts]


def test_stopping_anywhere_buys_each_alternative_once(studio: Studio) -> None:
    studio.order(FAILS)

    async def all_places() -> None:
        smooth = Bomb()
        await studio.start(SPEC, "run-smooth")
        await studio.execute("run-smooth", bomb=smooth)
        expected, runs = [rows(studio.receipt("run-smooth"))], ["run-smooth"]
        posts = [side * number for number in range(1, smooth.posts + 1) for side in (1, -1)]
        for bomb in bombs_of(smooth, 6, 3, posts):
            runs.append(f"run-{len(runs)}")
            await studio.start(SPEC, runs[-1])
            assert await studio.ends(runs[-1], bomb=bomb) is None, "the bomb did not explode"
            assert await studio.ends(runs[-1]) == "completed", bomb
            assert [rows(studio.receipt(runs[-1]))] == expected, bomb
        names = Counter(job["client_request_id"] for job in studio.jobs())
        assert set(names.values()) == {1}
        assert studio.audit(*runs) == 2 * 6 * len(runs)

    asyncio.run(all_places())


def test_stopping_around_a_refusal_buys_one_picture_for_each_item(studio: Studio) -> None:
    """Where the answer was lost with the process, a person gives the purchase up, which still counts."""
    studio.order(REFUSED_AT_ONCE)

    async def all_places() -> None:
        smooth, runs, given_up = Bomb(), ["run-smooth"], 0
        await studio.start(ONE, "run-smooth")
        await studio.execute("run-smooth", bomb=smooth)
        for bomb in bombs_of(smooth, 4, 2, [1, 2, -smooth.posts]):
            runs.append(f"run-{len(runs)}")
            await studio.start(ONE, runs[-1])
            assert await studio.ends(runs[-1], bomb=bomb) is None, "the bomb did not explode"
            await studio.execute(runs[-1])
            items = studio.receipt(runs[-1])["steps"][0]["items"]
            unknown = [f"stills[{one['key']}]" for one in items if one["code"] == "uncertain"]
            if unknown:
                await studio.execute(runs[-1], RunOptions(regenerate=tuple(unknown)))
                given_up += len(unknown)
            assert studio.receipt(runs[-1])["status"] == "completed", bomb
            assert [job["model"] for job in studio.jobs(runs[-1])] == ["seedream-5-lite"]
        assert studio.audit(*runs) == 6 * len(runs) + given_up

    asyncio.run(all_places())
