"""Cancelled, taken over, on a store that fails: a run goes on where it stood."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError

from rivya_flows.engine.run_context import RunContext
from rivya_flows.errors import LeaseLostError, StoreError
from rivya_flows.queue.events import Event, JobEnded
from rivya_flows.queue.state import State
from rivya_flows.store.leases import Leases
from rivya_flows.store.run_list import recent_durations
from support.engine_runs import CAMPAIGN, COST, Bomb, KilledError, Studio, stills
from support.samples import is_thorough

pytestmark = pytest.mark.slow


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
    studio: Studio,
) -> None:
    text = CAMPAIGN.replace("cache: spec", "cache: off")
    number, runs = -2, list[str]()
    while True:
        number += 3 if is_thorough() else 9
        run_id = f"run-{number}"
        runs.append(run_id)
        studio.prepared(text, run_id)
        if not asyncio.run(cancelled_at(studio, run_id, number)):
            break
        receipt = studio.receipt(run_id)
        assert receipt["status"] in ("cancelled", "completed"), f"cancelled at event {number}"
        held = sum(row["held"] for row in receipt["ledger"])
        assert receipt["credits"]["spent"] == held, f"cancelled at event {number}"
        receipt = studio.executed(run_id)
        end = receipt["status"], receipt["credits"]["spent"]
        assert end == ("completed", COST), f"cancelled at event {number}"
    assert number > 20
    assert studio.audit(*runs) == COST * len(runs)


def test_a_wait_knows_whether_its_job_was_bought_before_this_execution(studio: Studio) -> None:
    """The webhook of such a job may have come while nobody listened; how long it took tells nothing."""
    accepted: list[Event] = []

    def die(event: Event, _: State) -> None:
        accepted.extend([event] if event.kind == "purchase.accepted" else [])
        if len(accepted) == 2:
            raise KilledError

    studio.prepared(stills(2))
    assert asyncio.run(studio.execute("run-1", listen=die)) is None
    studio.executed()
    studio.started(stills(2), "run-2")
    before, ended = (
        [one for one in studio.events(run_id) if isinstance(one, JobEnded)]
        for run_id in ("run-1", "run-2")
    )
    assert [one.looks for one in before] == [None, None]
    assert all(one.looks for one in ended)
    with studio.context(Bomb()) as context:
        known = recent_durations(context.journal.engine, studio.service.identity)
    # A look that comes too late on a busy machine cannot say how long a job took.
    assert known == [("z-image", one.seconds) for one in ended if one.seconds is not None]


@pytest.mark.parametrize("moment", ["purchase.intended", "purchase.accepted", "job.ended"])
def test_a_driver_whose_lease_was_taken_over_stops_and_writes_nothing_more(
    studio: Studio, moment: str
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

    studio.prepared(CAMPAIGN)
    with pytest.raises(LeaseLostError):
        asyncio.run(studio.execute("run-1", listen=usurp))
    with studio.context(Bomb()) as context:
        assert len(context.journal.entries("run-1")) == written
        late = Leases(context.journal.engine, clock=lambda: time.time() + 7200)
        late.release(late.acquire("run-1", "elsewhere:2"))
    assert studio.executed("run-1")["status"] == "completed"
    assert studio.audit() == COST


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


def test_a_heartbeat_that_fails_for_a_moment_stops_nothing(studio: Studio) -> None:
    beats = "UPDATE leases SET expires_at"
    busy = BusyStudio(studio.folder, studio.service, statement=beats, fails=range(1, 3))
    studio.prepared(CAMPAIGN)
    asyncio.run(busy.execute("run-1", renewal_seconds=0.01))
    assert busy.seen > 2
    assert studio.receipt()["status"] == "completed"
    assert studio.audit() == COST


def test_a_store_that_fails_at_any_one_write_loses_nothing(studio: Studio) -> None:
    text = stills(2, top="budget: {credits: 2}", step="max_parallel: 1")
    number, runs = 0, list[str]()
    while True:
        number += 1 if is_thorough() else 4
        run_id = f"run-{number}"
        runs.append(run_id)
        busy = BusyStudio(
            studio.folder,
            studio.service,
            statement="INSERT INTO events",
            fails=range(number, number + 1),
        )
        studio.prepared(text, run_id)
        with suppress(StoreError):
            asyncio.run(busy.execute(run_id))
        receipt = studio.receipt(run_id)
        reasons = {item["code"] for item in receipt["steps"][0]["items"]}
        assert reasons <= {None, "store"}, f"the store failed at write {number}"
        assert studio.executed(run_id)["status"] == "completed", f"at write {number}"
        if busy.seen < number:
            break
    assert number > 10
    assert studio.audit(*runs) == 2 * len(runs)
