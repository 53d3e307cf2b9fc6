"""A model that fails or refuses is gone round: paid for once, in the ledger, wherever a run stops."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rivya_flows.engine.run import RunOptions
from rivya_flows.receipt import model
from rivya_flows.receipt.continuing import continuation
from rivya_sandbox.service.startup import Sandbox
from support.engine_receipts import CREATE, codes, executed, jobs, started
from support.engine_runs import Bomb, Studio, accounts_agree, customer, order
from support.receipts import parsed
from support.samples import sample

SPEC = """
version: 1
name: shots
cache: spec
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


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    yield shared_sandbox
    order(shared_sandbox)


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


def rows(receipt: dict[str, Any]) -> list[tuple[int, int, str, str, int]]:
    return [
        (row["n"], row["alternative"], row["model"], row["status"], row["final"])
        for row in receipt["ledger"]
        if row["key"] == "neon"
    ]


def test_another_model_serves_and_receipt_wallet_and_journal_agree(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, FAILS)
    prepared = asyncio.run(studio.start(SPEC, "run-1"))
    receipt = executed(studio)
    assert receipt["status"] == "completed"
    assert rows(receipt) == [
        (1, 0, "z-image", "failed", 0),
        (2, 1, "seedream-5-lite", "succeeded", 6),
    ]
    for item in receipt["steps"][0]["items"]:
        assert (item["alternative"], item["model"]) == (1, "seedream-5-lite")
    made_by = [card["made_by"]["model"] for card in receipt["assets"]]
    assert made_by == ["seedream-5-lite"] * 2
    schema = Path(model.__file__).with_name("receipt.schema.json")
    jsonschema.validate(receipt, json.loads(schema.read_text(encoding="utf-8")))
    assert accounts_agree(studio, sandbox.data, "run-1") == 12
    assert (prepared.estimate.min, prepared.estimate.max) == (2, 2 * (1 + 6 + 3))


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("on: generation, model: z-image, do: refuse", "failed"),
        (f'on: "{CREATE}", model: z-image, do: refuse', "refused"),
    ],
    ids=["while the job runs", "at once"],
)
def test_content_that_a_filter_refuses_is_asked_of_another_model(
    studio: Studio, sandbox: Sandbox, fault: str, status: str
) -> None:
    order(sandbox, fault)
    receipt = started(studio, SPEC)
    assert receipt["status"] == "completed"
    assert rows(receipt) == [
        (1, 0, "z-image", status, 0),
        (2, 1, "seedream-5-lite", "succeeded", 6),
    ]
    assert accounts_agree(studio, sandbox.data, "run-1") == 12


def test_a_job_that_a_filter_refused_has_a_code_of_its_own(
    studio: Studio, sandbox: Sandbox
) -> None:
    order(sandbox, "on: generation, do: refuse")
    receipt = started(studio, SPEC)
    assert codes(receipt) == ["content_refused"] * 2
    assert continuation(parsed(receipt)).advice.startswith(
        "the same prompt is refused again: change it"
    )
    assert accounts_agree(studio, sandbox.data, "run-1") == 0


def test_where_every_model_refuses_the_reason_names_each(studio: Studio, sandbox: Sandbox) -> None:
    order(sandbox, f'on: "{CREATE}", do: refuse')
    receipt = started(studio, SPEC)
    assert codes(receipt) == ["validation_failed"] * 2
    for item in receipt["steps"][0]["items"]:
        said = str(item["reason"]).split("; ")
        assert [one.split(": ")[0] for one in said] == ["z-image", "seedream-5-lite", "nano-banana"]
    order(sandbox)
    receipt = executed(studio)
    assert (receipt["status"], rows(receipt)[-1][:3]) == ("completed", (4, 0, "z-image"))
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


def test_a_refused_request_is_followed_by_an_alternative(studio: Studio, sandbox: Sandbox) -> None:
    refused = ("z-image", "seedream-5-lite")
    order(sandbox, *(f'on: "{CREATE}", model: {one}, do: status, status: 400' for one in refused))
    receipt = started(studio, SPEC)
    assert receipt["status"] == "completed"
    assert [row["status"] for row in receipt["ledger"]].count("refused") == 4
    assert len(jobs(studio, sandbox)) == 2
    accounts_agree(studio, sandbox.data, "run-1")


def test_a_lack_of_credits_buys_nothing_else(studio: Studio, sandbox: Sandbox) -> None:
    order(sandbox, f'on: "{CREATE}", do: status, status: 402')
    receipt = started(studio, SPEC)
    assert codes(receipt) == ["insufficient_credits"] * 2
    assert [row["alternative"] for row in receipt["ledger"]] == [0, 0]


def test_what_an_alternative_made_is_taken_from_the_cache(studio: Studio, sandbox: Sandbox) -> None:
    order(sandbox, FAILS)
    started(studio, SPEC, "run-1")
    receipt = started(studio, SPEC, "run-2")
    assert (receipt["credits"]["spent"], receipt["credits"]["saved"]) == (0, 12)
    for item in receipt["steps"][0]["items"]:
        assert (item["status"], item["alternative"]) == ("cached", 1)
        assert item["model"] == "seedream-5-lite"
    assert accounts_agree(studio, sandbox.data, "run-1", "run-2") == 12


def test_stopping_anywhere_buys_each_alternative_once(studio: Studio, sandbox: Sandbox) -> None:
    text = SPEC.replace("cache: spec\n", "")
    order(sandbox, FAILS)

    async def all_places() -> None:
        smooth = Bomb()
        await studio.start(text, "run-smooth")
        await studio.execute("run-smooth", bomb=smooth)
        expected = [rows(studio.receipt("run-smooth"))]
        writes = sample(range(1, smooth.writes), 6, thorough=3)
        bombs = [Bomb(write=side * number) for number in writes for side in (1, -1)]
        posts = range(1, smooth.posts + 1)
        bombs += [Bomb(post=side * number) for number in posts for side in (1, -1)]
        for number, bomb in enumerate(bombs):
            run_id = f"run-{number}"
            await studio.start(text, run_id)
            assert await studio.execute(run_id, bomb=bomb) is None, "the bomb did not explode"
            assert await studio.execute(run_id) is not None
            receipt = studio.receipt(run_id)
            assert receipt["status"] == "completed", bomb
            assert [rows(receipt)] == expected, bomb
        names = Counter(job["client_request_id"] for job in jobs(studio, sandbox))
        assert set(names.values()) == {1}
        runs = ["run-smooth", *(f"run-{number}" for number in range(len(bombs)))]
        assert accounts_agree(studio, sandbox.data, *runs) == 12 * len(runs)

    asyncio.run(all_places())


def test_stopping_around_a_refusal_buys_one_picture_for_each_item(
    studio: Studio, sandbox: Sandbox
) -> None:
    """Where the answer was lost with the process, a person gives the purchase up, which still counts."""
    text = SPEC.replace("cache: spec\n", "")
    order(sandbox, f'on: "{CREATE}", model: z-image, do: refuse')

    async def all_places() -> None:
        smooth, given_up = Bomb(), 0
        await studio.start(text, "run-smooth")
        await studio.execute("run-smooth", bomb=smooth)
        writes = sample(range(1, smooth.writes), 4, thorough=3)
        bombs = [Bomb(write=side * number) for number in writes for side in (1, -1)]
        bombs += [Bomb(post=1), Bomb(post=3), Bomb(post=-smooth.posts)]
        for number, bomb in enumerate(bombs):
            run_id = f"run-{number}"
            await studio.start(text, run_id)
            assert await studio.execute(run_id, bomb=bomb) is None, "the bomb did not explode"
            await studio.execute(run_id)
            items = studio.receipt(run_id)["steps"][0]["items"]
            unknown = [f"stills[{one['key']}]" for one in items if one["code"] == "uncertain"]
            if unknown:
                await studio.execute(run_id, RunOptions(regenerate=tuple(unknown)))
                given_up += len(unknown)
            receipt = studio.receipt(run_id)
            assert receipt["status"] == "completed", bomb
            assert [job["model"] for job in jobs_of(studio, sandbox, run_id)] == [
                "seedream-5-lite"
            ] * 2
        runs = ["run-smooth", *(f"run-{number}" for number in range(len(bombs)))]
        assert accounts_agree(studio, sandbox.data, *runs) == 12 * len(runs) + given_up

    asyncio.run(all_places())


def jobs_of(studio: Studio, sandbox: Sandbox, run_id: str) -> list[dict[str, Any]]:
    """What the service has sold to a run."""
    name = f"{run_id}/"
    return [one for one in jobs(studio, sandbox) if one["client_request_id"].startswith(name)]
