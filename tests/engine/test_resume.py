"""Cancelled, taken over, on a store that fails: a run goes on where it stood."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError

from rivya_flows.engine.run_context import RunContext, known_run
from rivya_flows.errors import LeaseLostError, StoreError
from rivya_flows.questions.question import Answer
from rivya_flows.queue.events import Event, JobEnded
from rivya_flows.queue.state import State
from rivya_flows.store.leases import Leases
from rivya_sandbox.service.startup import Sandbox
from support.engine_receipts import CAMPAIGN, COST, executed
from support.engine_runs import Bomb, KilledError, Studio, accounts_agree, customer, stills
from support.samples import is_thorough

T = TypeVar("T")


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


async def cancelled_at(studio: Studio, run_id: str, number: int) -> bool:
    """Executes, and cancels at an event of this number; False where there were not so many."""
    seen = 0

    def count(_: Event, __: State) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            driving.cancel()

    driving = asyncio.create_task(studio.execute(run_id, listen=count))
    try:
        await driving
    except asyncio.CancelledError:
        return True
    return False


def test_cancelled_at_every_third_event_and_resumed_a_run_ends_as_if_undisturbed(
    studio: Studio, sandbox: Sandbox
) -> None:
    text = CAMPAIGN.replace("cache: spec", "cache: off")
    number, runs = -2, list[str]()
    while True:
        number += 3 if is_thorough() else 9
        run_id = f"run-{number}"
        runs.append(run_id)
        asyncio.run(studio.start(text, run_id))
        if not asyncio.run(cancelled_at(studio, run_id, number)):
            break
        receipt = studio.receipt(run_id)
        assert receipt["status"] in ("cancelled", "completed"), f"cancelled at event {number}"
        held = sum(row["held"] for row in receipt["ledger"])
        assert receipt["credits"]["spent"] == held, f"cancelled at event {number}"
        receipt = executed(studio, run_id)
        assert receipt["status"] == "completed", f"cancelled at event {number}"
        assert receipt["credits"]["spent"] == COST, f"cancelled at event {number}"
    assert number > 20
    assert accounts_agree(studio, sandbox.data, *runs) == COST * len(runs)


def test_a_wait_knows_whether_its_job_was_bought_before_this_execution(studio: Studio) -> None:
    """The webhook of such a job may have come while nobody listened; how long it took tells nothing."""
    accepted: list[Event] = []

    def die(event: Event, _: State) -> None:
        accepted.extend([event] if event.kind == "purchase.accepted" else [])
        if len(accepted) == 2:
            raise KilledError

    async def run() -> None:
        await studio.start(stills(2), "run-1")
        assert await studio.execute("run-1", listen=die) is None
        await studio.execute("run-1")
        await studio.start(stills(2), "run-2")
        await studio.execute("run-2")

    asyncio.run(run())
    with studio.context(Bomb()) as context:
        ended = [
            [
                one.event.seconds is None
                for one in context.journal.entries(run_id)
                if isinstance(one.event, JobEnded)
            ]
            for run_id in ("run-1", "run-2")
        ]
    assert ended == [[True, True], [False, False]]


def test_a_second_driver_is_refused_while_the_first_one_drives(
    studio: Studio, sandbox: Sandbox
) -> None:
    refusals: list[str] = []

    async def meddle(_: Any) -> Answer:
        with pytest.raises(StoreError) as refused:
            await studio.execute("run-1")
        refusals.append(str(refused.value))
        return Answer(("0",))

    async def drive() -> None:
        text = stills(2).replace("outputs:\n  pictures: ${{ steps.stills.assets }}", "")
        text += '  hero: {uses: pick, with: {from: "${{ steps.stills.items }}", mode: human}}\n'
        await studio.start(text, "run-1")
        await studio.execute("run-1", ask=meddle)

    asyncio.run(drive())
    assert len(refusals) == 1
    assert "is being driven by" in refusals[0]
    assert studio.receipt("run-1")["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


@pytest.mark.parametrize("moment", ["purchase.intended", "purchase.accepted", "job.ended"])
def test_a_driver_whose_lease_was_taken_over_stops_and_writes_nothing_more(
    studio: Studio, sandbox: Sandbox, moment: str
) -> None:
    written = 0

    def usurp(event: Event, _: State) -> None:
        nonlocal written
        if event.kind == moment and not written:
            with studio.context(Bomb()) as context:
                # Long after the last heartbeat, on another machine.
                late = Leases(context.journal.engine, clock=lambda: time.time() + 3600)
                late.acquire("run-1", "elsewhere:1")
                written = len(context.journal.entries("run-1"))

    async def drive() -> None:
        await studio.start(CAMPAIGN, "run-1")
        with pytest.raises(LeaseLostError):
            await studio.execute("run-1", listen=usurp)

    asyncio.run(drive())
    with studio.context(Bomb()) as context:
        assert len(context.journal.entries("run-1")) == written
        late = Leases(context.journal.engine, clock=lambda: time.time() + 7200)
        late.release(late.acquire("run-1", "elsewhere:2"))
    assert executed(studio, "run-1")["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == COST


@dataclass
class BusyStudio(Studio):
    """A studio whose store cannot be reached at some moments.

    Attributes:
        statement: How the statements begin that fail.
        fails: Which of them do, counted from 1.
        seen: How many there were.
    """

    statement: str = ""
    fails: range = range(0)
    seen: int = 0

    @contextmanager
    def context(self, bomb: Bomb) -> Iterator[RunContext]:
        with super().context(bomb) as context:
            sqlalchemy.event.listen(context.journal.engine, "before_cursor_execute", self._fail)
            yield context

    def _fail(self, _: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith(self.statement):
            self.seen += 1
            if self.seen in self.fails:
                raise OperationalError(statement, {}, Exception("the store is starting up"))


def test_a_heartbeat_that_fails_for_a_moment_stops_nothing(
    studio: Studio, sandbox: Sandbox
) -> None:
    beats = "UPDATE leases SET expires_at"
    busy = BusyStudio(studio.folder, studio.service, studio.account, beats, range(1, 3))

    async def drive() -> None:
        await studio.start(CAMPAIGN, "run-1")
        await busy.execute("run-1", renewal_seconds=0.01)

    asyncio.run(drive())
    assert busy.seen > 2
    assert studio.receipt("run-1")["status"] == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == COST


def test_a_store_that_fails_at_any_one_write_loses_nothing(
    studio: Studio, sandbox: Sandbox
) -> None:
    text = stills(2, top="budget: {credits: 2}", step="max_parallel: 1")
    number, runs = 0, list[str]()
    while True:
        number += 1 if is_thorough() else 4
        run_id = f"run-{number}"
        runs.append(run_id)
        fails = range(number, number + 1)
        busy = BusyStudio(
            studio.folder, studio.service, studio.account, "INSERT INTO events", fails
        )
        asyncio.run(studio.start(text, run_id))
        with suppress(StoreError):
            asyncio.run(busy.execute(run_id))
        receipt = studio.receipt(run_id)
        reasons = {item["code"] for item in receipt["steps"][0]["items"]}
        assert reasons <= {None, "store"}, f"the store failed at write {number}"
        assert executed(studio, run_id)["status"] == "completed", f"at write {number}"
        if busy.seen < number:
            break
    assert number > 10
    assert accounts_agree(studio, sandbox.data, *runs) == 2 * len(runs)


def test_a_run_of_another_machine_is_reported_where_this_one_can_write(
    studio: Studio, tmp_path: Path
) -> None:
    prepared = asyncio.run(studio.start(stills(1), "run-1"))
    (tmp_path / "home").write_text("no folder can be made below a file")
    with studio.context(Bomb()) as context:
        frozen = prepared.frozen.model_copy(update={"run_id": "run-2"})
        context.journal.create(frozen, tmp_path / "home" / "runs" / "run-2")
        assert known_run(context, "run-1").folder == studio.folder / "runs" / "run-1"
        assert known_run(context, "run-2").folder == studio.folder / "runs" / "run-2"
