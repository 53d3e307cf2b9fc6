"""Stopped at every journal write and at every paid request: the result is that of a smooth run."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.databases import BACKENDS, fresh_store
from support.engine_runs import Bomb, Studio, stills
from support.samples import sample

pytestmark = pytest.mark.slow

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
SMOOTH = ("completed", {"script": 1, "stills": 2, "hero": 1, "restyled": 3}, [("picture", True)], 0)
WRITES, POSTS = 32, 5
"""Journal entries and paid requests of an undisturbed run; the test below proves them."""


def bought(studio: Studio, run_id: str) -> Counter[str]:
    """Jobs of a run at the service, by what they were bought for."""
    return Counter(job["client_request_id"] for job in studio.jobs(run_id))


def summary(receipt: dict[str, Any]) -> Any:
    return (
        receipt["status"],
        {step["id"]: step["credits"] for step in receipt["steps"]},
        [(name, bool(output)) for name, output in receipt["outputs"].items()],
        receipt["credits"]["unexplained"],
    )


def test_an_undisturbed_run_has_these_places_to_stop_at(studio: Studio) -> None:
    bomb = Bomb()
    studio.prepared(SPEC)
    assert summary(studio.executed(bomb=bomb)) == SMOOTH
    assert (bomb.writes, bomb.posts) == (WRITES, POSTS)
    assert studio.audit() == sum(SMOOTH[1].values())


async def stopped_and_resumed(
    studio: Studio, run_id: str, bomb: Bomb, text: str = SPEC
) -> dict[str, Any]:
    await studio.start(text, run_id)
    assert await studio.execute(run_id, bomb=bomb) is None, "the bomb did not explode"
    assert await studio.execute(run_id) is not None
    return studio.receipt(run_id)


@pytest.mark.parametrize("side", [1, -1], ids=["ahead of", "behind"])
def test_stopping_at_any_journal_write_or_paid_request_changes_nothing(
    studio: Studio, side: int
) -> None:
    async def all_places() -> None:
        # The last write is the end itself: behind it there is nothing left to stop.
        # Both sides of each second write: a run stops at each length of its journal once.
        writes = sample(range(1, WRITES + (1 if side > 0 else 0)), 4, 2)
        bombs = [Bomb(write=side * number) for number in writes]
        bombs += [Bomb(post=side * number) for number in range(1, POSTS + 1)]
        runs = [f"run-{number}" for number in range(len(bombs))]
        for run_id, bomb in zip(runs, bombs, strict=True):
            receipt = await stopped_and_resumed(studio, run_id, bomb)
            assert summary(receipt) == SMOOTH, bomb
            jobs = bought(studio, run_id)
            assert (len(jobs), set(jobs.values())) == (3, {1}), bomb
        assert studio.audit(*runs) == sum(SMOOTH[1].values()) * len(runs)

    asyncio.run(all_places())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("side", [1, -1], ids=["ahead of", "behind"])
def test_stopping_at_any_group_of_a_fan_out_keeps_the_budget_and_buys_nothing_twice(
    studio: Studio, tmp_path: Path, side: int, backend: str
) -> None:
    """Ahead of the commit none of a group counts; behind it all, and no action has gone out."""
    studio = replace(studio, store=fresh_store(backend, tmp_path))
    text = stills(9, top="budget: {credits: 5, on_unfit: pause}")
    largest = []

    async def all_places() -> None:
        smooth = Bomb(gather=0.02)
        await studio.start(text, "run-smooth")
        await studio.execute("run-smooth", bomb=smooth)
        share = 2 if backend == "sqlite" else 4
        for number in sample(range(1, smooth.writes), 8, share, between=side < 0):
            run_id, bomb = f"run-{number}", Bomb(write=side * number, gather=0.02)
            receipt = await stopped_and_resumed(studio, run_id, bomb, text)
            largest.append(bomb.largest)
            assert (receipt["status"], receipt["credits"]["spent"]) == ("suspended", 5)
            jobs = bought(studio, run_id)
            assert (len(jobs), set(jobs.values())) == (5, {1}), f"stopped at entry {number}"

    asyncio.run(all_places())
    assert max(largest) > 2
