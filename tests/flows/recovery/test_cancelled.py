"""Cancelled in Prefect while nothing renders: at the door of a full group, and before a question."""

from __future__ import annotations

import asyncio
import contextlib
import uuid

import pytest
from prefect import get_client

from rivya_flows.flows.execution.turns import GROUP_PREFIX, LEASE_SECONDS
from rivya_flows.flows.recovery.waker import record_cancellations
from rivya_flows.store.journal import Journal
from support.prefect_workers import Place, Server, deploy_specs, eventually

pytestmark = pytest.mark.prefect

GROUP = f"brand-{uuid.uuid4().hex[:8]}"
SPEC = f"""\
version: 1
name: grouped
concurrency: {{group: {GROUP}}}
steps:
  stills:
    uses: generate
    matrix: {{style: [studio, neon]}}
    with: {{model: z-image, prompt: "A lamp, ${{{{ matrix.style }}}}"}}
  hero:
    uses: pick
    with: {{from: "${{{{ steps.stills.items }}}}", mode: human}}
deploy:
  - {{name: studio, work_pool: studio}}
"""


async def slot_taken() -> uuid.UUID:
    async with get_client() as client:
        name = GROUP_PREFIX + GROUP
        await client.upsert_global_concurrency_limit_by_name(name, 1)
        answer = await client.increment_concurrency_slots_with_lease(
            [name], 1, "concurrency", 10 * LEASE_SECONDS
        )
        return uuid.UUID(answer.json()["lease_id"])


async def slot_given_back(lease: uuid.UUID) -> None:
    async with get_client() as client:
        await client.release_concurrency_slots_with_lease(lease)


def active_slots(server: Server) -> int:
    found = server.ask("GET", f"/v2/concurrency_limits/{GROUP_PREFIX}{GROUP}")
    return int(found["active_slots"])


def test_a_waiting_and_a_suspended_run_are_cancelled_and_go_on_when_they_are_retried(
    server: Server, studio: Place
) -> None:
    deploy_specs(studio, server, [SPEC])
    lease = asyncio.run(slot_taken())
    run = server.start("grouped/studio")
    eventually(lambda: "waiting for a slot" in server.log(run), "the wait for a turn")
    server.cancel(run)
    server.end(run, "CANCELLED")
    assert studio.ends(run) == ["cancelled"]
    assert studio.bought(run) == {}
    told = {"event": {"name": ["rivya-flows.run.cancelled"]}}
    told["resource"] = {"id": [f"prefect.flow-run.{run}"]}
    [event] = eventually(
        lambda: server.ask("POST", "/events/filter", {"filter": told})["events"], "the event"
    )
    assert event["payload"]["sentence"] == "0 of 2 stills; 0 credits"
    assert active_slots(server) == 1, "of the other run"
    asyncio.run(slot_given_back(lease))

    server.let_go(run)
    server.retry(run)
    first = server.question(run)
    assert active_slots(server) == 0, "a suspended run keeps nobody waiting"
    assert studio.ends(run) == ["cancelled", "suspended"]
    # Lines arrive in batches, a moment after the state.
    server.logged(run, "20 stills[neon] bought (1 credit, task_")
    # Prefect has no process to tell, and cancels it at once.
    server.set_state(run, "CANCELLING")
    server.end(run, "CANCELLED")
    store = f"sqlite:///{studio.folder / 'journal.sqlite'}"
    with contextlib.closing(Journal(store)) as at:
        assert f"run-{run}" in asyncio.run(record_cancellations(at))
        assert asyncio.run(record_cancellations(at)) == []
    assert studio.ends(run) == ["cancelled", "suspended", "cancelled"]

    server.retry(run)
    server.question(run, after=first)
    assert studio.ends(run) == ["cancelled", "suspended", "cancelled", "suspended"]
    assert sorted(studio.bought(run).values()) == [1, 1]
    log = server.log(run)
    assert "Finished in state Completed()" not in log
    assert studio.api_key not in log
    assert "Traceback" not in log
