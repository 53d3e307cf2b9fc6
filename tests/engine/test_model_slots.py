"""Jobs of one model at once in a process: given out in order, and given back whatever happens."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Literal

from rivya_flows.engine.job_waits import HeldSlots, ModelSlots
from rivya_flows.errors import StoreError
from rivya_flows.queue.actions import Buy
from rivya_flows.queue.events import ItemCompleted, JobEnded, PurchaseAccepted, PurchaseIntended
from rivya_flows.queue.items import Purchase
from rivya_flows.queue.state import State
from support.engine_runs import CREATE, Bomb, Studio, codes, stills
from support.naive_service import NOON


def buying(step: str, n: int = 1, *, intended: bool = False) -> Buy:
    status: Literal["planned", "intended"] = "intended" if intended else "planned"
    bought = Purchase(n, "generation", f"key-{step}", "{}", 1, NOON, status=status)
    return Buy(step, "", bought)


def taken(slots: ModelSlots, model: str = "z-image", limit: int = 1) -> int:
    """How many slots of a model are taken."""
    return limit - slots._free[model]._value + slots._beyond[model]


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_slots_of_a_model_are_given_in_first_come_order_and_no_other_model_waits() -> None:
    slots = ModelSlots(1)
    had: list[int] = []

    async def one(number: int) -> None:
        await slots.take("z-image")
        had.append(number)
        slots.give_back("z-image")

    await slots.take("z-image")
    await slots.take("veo3-1-lite")
    waiting = [asyncio.create_task(one(number)) for number in range(4)]
    await settled()
    assert (had, taken(slots, "veo3-1-lite")) == ([], 1)
    slots.give_back("z-image")
    await asyncio.gather(*waiting)
    assert (had, taken(slots)) == ([0, 1, 2, 3], 0)


async def test_a_cancelled_waiter_leaves_its_turn_to_the_next() -> None:
    slots = ModelSlots(1)
    await slots.take("z-image")
    first = asyncio.create_task(slots.take("z-image"))
    second = asyncio.create_task(slots.take("z-image"))
    await settled()
    # Handed over and stopped in the same moment: the slot must not be lost with its holder.
    slots.give_back("z-image")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await asyncio.wait_for(second, 240)
    third = asyncio.create_task(slots.take("z-image"))
    await settled()
    third.cancel()
    await asyncio.gather(third, return_exceptions=True)
    slots.give_back("z-image")
    assert taken(slots) == 0


async def test_a_job_that_may_run_already_counts_and_does_not_wait() -> None:
    slots = ModelSlots(1)
    held = HeldSlots(slots)
    await held.take(buying("a"), "z-image")
    await held.take(buying("b", intended=True), "z-image")
    assert taken(slots) == 2
    held.over(buying("b"))
    waiting = asyncio.create_task(held.take(buying("c"), "z-image"))
    await settled()
    assert not waiting.done()
    held.over(buying("a"))
    await waiting
    held.all_over()
    held.over(buying("c"))
    assert taken(slots) == 0


LIST = """
version: 1
name: lists
steps:
  idea:
    uses: chat
    with: {model: gpt-5-2-chat, message: places, expect: {places: [string], mood: string}}
  stills:
    uses: generate
    foreach: ${{ steps.idea.json.places }}
    with: {model: z-image, prompt: "${{ item }}"}
  extras:
    uses: generate
    with: {model: nano-banana, prompt: "${{ steps.idea.json.mood }}"}
"""


async def test_no_more_jobs_of_a_model_run_than_the_limit_in_all_runs_of_a_process_together(
    studio: Studio,
) -> None:
    slots, intended, running = ModelSlots(2), Counter[str](), 0
    most_of_a_run = most = 0
    for run_id in ("run-1", "run-2"):
        await studio.start(stills(3, prompt=f"{run_id} ${{{{ item }}}}"), run_id)

    def listen(event: object, state: State) -> None:
        nonlocal running, most_of_a_run, most
        ended = isinstance(event, JobEnded)
        # In order in one journal; an intent of another run may overtake the end that let it begin.
        intended[state.run_id] += isinstance(event, PurchaseIntended) - ended
        running += isinstance(event, PurchaseAccepted) - ended
        most_of_a_run, most = max(most_of_a_run, *intended.values()), max(most, running)

    ends = (studio.ends(run_id, slots=slots, listen=listen) for run_id in ("run-1", "run-2"))
    assert await asyncio.gather(*ends) == ["completed", "completed"]
    assert most_of_a_run == 2
    assert most <= 2
    assert taken(slots, limit=2) == 0


async def test_failed_and_refused_jobs_give_their_slots_back(studio: Studio) -> None:
    slots = ModelSlots(1)
    studio.order(
        "on: generation, do: fail, times: 1", f'on: "{CREATE}", do: status, status: 422, times: 1'
    )
    await studio.start(stills(4, step="allow_failures: 2"), "run-1")
    assert await studio.ends(slots=slots) == "completed"
    assert codes(studio.receipt()).count(None) == 2
    assert taken(slots) == 0


async def test_a_stopped_run_gives_its_slots_back_and_a_resume_counts_its_jobs(
    studio: Studio,
) -> None:
    slots = ModelSlots(1)
    await studio.start(stills(2), "run-1")
    bought = asyncio.Event()
    counted: list[int] = []

    def stop(event: object, _: object) -> None:
        if isinstance(event, PurchaseAccepted):
            bought.set()

    driving = asyncio.create_task(studio.execute("run-1", slots=slots, listen=stop))
    await asyncio.wait_for(bought.wait(), 240)
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)
    assert taken(slots) == 0

    def count(event: object, _: object) -> None:
        if isinstance(event, PurchaseIntended | ItemCompleted):
            counted.append(taken(slots))

    assert await studio.ends(slots=slots, listen=count) == "completed"
    assert max(counted) == 1
    assert taken(slots) == 0


async def test_a_job_whose_acceptance_cannot_be_written_gives_its_slot_back(studio: Studio) -> None:
    slots = ModelSlots(1)
    await studio.start(stills(2, step="allow_failures: 1"), "run-1")

    class Locked(Bomb):
        refused = False
        next_is_refused = False

        def at_write(self, number: int) -> None:
            super().at_write(number)
            if number > 0 and self.next_is_refused and not self.refused:
                self.refused = True
                raise StoreError("the journal cannot be used: database is locked")

    bomb = Locked()

    def listen(event: object, _: object) -> None:
        bomb.next_is_refused |= isinstance(event, PurchaseIntended)

    async with asyncio.timeout(240):
        await studio.execute("run-1", slots=slots, bomb=bomb, listen=listen)
    assert bomb.refused
    assert sorted(map(str, codes(studio.receipt()))) == ["None", "store"]
    assert await studio.ends(slots=slots) == "completed"
    assert studio.audit() == 2


async def test_what_asks_for_all_that_is_left_keeps_no_other_model_waiting_for_its_slot(
    studio: Studio,
) -> None:
    slots = ModelSlots(1)
    await slots.take("z-image", runs=True)  # of another run of this process

    def listen(event: object, _: object) -> None:
        if isinstance(event, JobEnded) and event.step == "extras":
            slots.give_back("z-image")

    await studio.start(LIST, "run-1")
    async with asyncio.timeout(60):
        assert await studio.ends(slots=slots, listen=listen) == "completed"
    assert taken(slots) == 0
