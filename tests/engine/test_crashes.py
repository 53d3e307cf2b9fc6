"""Stopped at every journal write and at every paid request: the result is that of a smooth run."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rivya_sandbox.service.admin import ledger
from rivya_sandbox.service.startup import Sandbox
from support.databases import BACKENDS, fresh_store
from support.engine_runs import Bomb, Studio, stills, studio_at
from support.samples import sample

SPEC = """
version: 1
name: small-campaign
budget: {credits: 60}
steps:
  script:
    uses: chat
    with:
      model: gemini-2-5-flash-chat
      message: A shot and a line for a lamp
      expect: {visual: string}
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ steps.script.json.visual }}, ${{ matrix.style }}"}
  hero:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: judge
      judge: {model: gemini-2-5-flash-chat, criteria: [the lamp is whole]}
  restyled:
    uses: generate
    with:
      model: nano-banana
      prompt: The same in watercolor
      references: ["${{ steps.hero.asset }}"]
outputs:
  picture: ${{ steps.restyled.asset }}
"""
COST = 1 + 2 + 1 + 3


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


def bought(sandbox: Sandbox, run_id: str) -> Counter[str]:
    """Jobs of a run at the service, by what they were bought for."""
    jobs = ledger(sandbox.data)["generations"]
    names = [str(job["client_request_id"]) for job in jobs]
    return Counter(name for name in names if name.startswith(f"{run_id}/"))


def summary(receipt: dict[str, Any]) -> Any:
    steps = [(s["id"], s["status"], s["credits"]) for s in receipt["steps"]]
    return (
        receipt["status"],
        receipt["credits"]["spent"],
        steps,
        bool(receipt["outputs"]["picture"]),
    )


def places() -> tuple[int, int]:
    """Journal writes and paid requests of an undisturbed run; the test below proves them."""
    return 32, 5


def test_an_undisturbed_run_has_these_places_to_stop_at(studio: Studio, sandbox: Sandbox) -> None:
    bomb = Bomb()

    async def smooth() -> None:
        await studio.start(SPEC, "run-smooth")
        await studio.execute("run-smooth", bomb=bomb)

    asyncio.run(smooth())
    assert (bomb.writes, bomb.posts) == places()
    receipt = studio.receipt("run-smooth")
    assert receipt["status"] == "completed"
    assert receipt["credits"]["spent"] == COST
    assert receipt["credits"]["unexplained"] == 0
    assert ledger(sandbox.data)["balance"] == 1000 - COST


async def stopped_and_resumed(
    studio: Studio, run_id: str, bomb: Bomb, text: str = SPEC
) -> dict[str, Any]:
    await studio.start(text, run_id)
    assert await studio.execute(run_id, bomb=bomb) is None, "the bomb did not explode"
    assert await studio.execute(run_id) is not None
    return studio.receipt(run_id)


@pytest.mark.parametrize("side", [1, -1], ids=["ahead of", "behind"])
def test_stopping_at_any_journal_write_changes_nothing(
    studio: Studio, sandbox: Sandbox, side: int
) -> None:
    async def all_places() -> None:
        await studio.start(SPEC, "run-smooth")
        await studio.execute("run-smooth")
        expected = summary(studio.receipt("run-smooth"))
        writes, _ = places()
        # The last write is the end itself: behind it there is nothing left to stop.
        for number in sample(range(1, writes + (1 if side > 0 else 0)), 4):
            run_id = f"run-{'ahead' if side > 0 else 'behind'}-{number}"
            receipt = await stopped_and_resumed(studio, run_id, Bomb(write=side * number))
            assert summary(receipt) == expected, f"stopped at write {side * number}"
            assert receipt["credits"]["unexplained"] == 0
            jobs = bought(sandbox, run_id)
            assert len(jobs) == 3, f"stopped at write {side * number}: {jobs}"
            assert set(jobs.values()) == {1}

    asyncio.run(all_places())


def test_stopping_around_any_paid_request_changes_nothing(studio: Studio, sandbox: Sandbox) -> None:
    async def all_places() -> None:
        await studio.start(SPEC, "run-smooth")
        await studio.execute("run-smooth")
        expected = summary(studio.receipt("run-smooth"))
        _, posts = places()
        for number in [*range(1, posts + 1), *range(-posts, 0)]:
            run_id = f"run-post{number}"
            receipt = await stopped_and_resumed(studio, run_id, Bomb(post=number))
            assert summary(receipt) == expected, f"stopped at request {number}"
            assert set(bought(sandbox, run_id).values()) == {1}
        balance = ledger(sandbox.data)["balance"]
        assert balance == 1000 - COST * (1 + 2 * posts)

    asyncio.run(all_places())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("side", [1, -1], ids=["ahead of", "behind"])
def test_stopping_at_any_group_of_a_fan_out_keeps_the_budget_and_buys_nothing_twice(
    studio: Studio, sandbox: Sandbox, tmp_path: Path, side: int, backend: str
) -> None:
    """Ahead of the commit none of a group counts; behind it all, and no action has gone out."""
    studio = replace(studio, store=fresh_store(backend, tmp_path))
    text = stills(9, top="budget: {credits: 5, on_exceed: pause}")
    largest = []

    async def all_places() -> None:
        smooth = Bomb(gather=0.02)
        await studio.start(text, "run-smooth")
        await studio.execute("run-smooth", bomb=smooth)
        for number in sample(range(1, smooth.writes), 8):
            run_id, bomb = f"run-{number}", Bomb(write=side * number, gather=0.02)
            receipt = await stopped_and_resumed(studio, run_id, bomb, text)
            largest.append(bomb.largest)
            assert (receipt["status"], receipt["credits"]["spent"]) == ("suspended", 5)
            jobs = bought(sandbox, run_id)
            assert (len(jobs), set(jobs.values())) == (5, {1}), f"stopped at entry {number}"

    asyncio.run(all_places())
    assert max(largest) > 2
