"""Dead runs whose events were lost, on a real server, among more than it shows on one page."""

from __future__ import annotations

import time
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from rivya_flows.flows.deployment.infrastructure import ensure_work_pool
from rivya_flows.flows.prefect_api import PAGE
from rivya_flows.flows.recovery.automations import ensure_automations
from rivya_flows.flows.recovery.waker import PATIENCE, restart_lost_runs
from rivya_flows.preparation.deploy_blocks import OWNER_TAG
from rivya_flows.store.journal import Journal
from rivya_flows.store.tables import LEASES
from support.prefect_workers import Server

# What each run is, when its lease runs out in seconds from now (0: given back), and what it becomes.
RUNS = {
    "crashed": ("CRASHED", None, "AwaitingRetry"),
    "lost": ("RUNNING", -1.0, "AwaitingRetry"),
    "alive": ("RUNNING", 600.0, "Running"),
    "about to end": ("RUNNING", 0.0, "Running"),
    "beginning": ("RUNNING", None, "Running"),
    "done": ("COMPLETED", -1.0, "Completed"),
    "cancelled": ("CANCELLED", 0.0, "Cancelled"),
    "crashed too often": ("FAILED", -1.0, "Failed"),
}

ENDED = ("done", "cancelled", "crashed too often")


@pytest.mark.prefect
async def test_only_what_is_dead_is_started_again(server: Server, tmp_path: Path) -> None:
    pool = f"pool-{uuid.uuid4().hex[:6]}"
    await ensure_work_pool(pool)
    # Else it might do on a busy machine what is done here.
    await ensure_automations(again_seconds=3600)
    flow = server.ask("POST", "/flows/", {"name": pool})["id"]
    body = {"name": "now", "flow_id": flow, "work_pool_name": pool, "tags": [OWNER_TAG]}
    deployment = server.ask("POST", "/deployments/", body)["id"]
    ids = {}
    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        for name, (kind, lease, _) in RUNS.items():
            made = server.ask("POST", f"/deployments/{deployment}/create_flow_run", {})
            ids[name] = str(made["id"])
            for state in ("RUNNING", kind):
                wish = {"state": {"type": state, "name": state.title()}, "force": True}
                server.ask("POST", f"/flow_runs/{ids[name]}/set_state", wish)
            if lease is not None:
                ends = time.time() + lease if lease else 0.0
                row = {"run_id": f"run-{ids[name]}", "owner": "m:1:1", "fence": 1}
                with journal.engine.begin() as connection:
                    connection.execute(insert(LEASES).values(**row, expires_at=ends))

        running = {"state": {"type": "RUNNING", "name": "Running"}}
        for name in ENDED:
            task_run = {"flow_run_id": ids[name], "task_key": "film", "dynamic_key": "0"}
            server.ask("POST", "/task_runs/", task_run | running)
        # Newer ones, which the server lists first.
        others = {"flow_id": flow, "deployment_id": deployment, "tags": [OWNER_TAG]} | running
        for _ in range(PAGE):
            server.ask("POST", "/flow_runs/", others)

        now = datetime.now(UTC)
        assert await restart_lost_runs(journal.engine, pool=pool, now=now) == []
        later = now + PATIENCE + timedelta(seconds=2)
        started = await restart_lost_runs(journal.engine, pool=pool, now=later)
        assert {str(one) for one in started} == {ids["crashed"], ids["lost"]}
        assert await restart_lost_runs(journal.engine, pool=pool, now=later) == []
    found = {name: server.state(one)["name"] for name, one in ids.items()}
    left = {name: [one["state_type"] for one in server.task_runs(ids[name])] for name in ENDED}
    closed = {"CRASHED", "CANCELLED"}  # the server closes those of a cancelled run itself
    assert all(len(states) == 1 and set(states) <= closed for states in left.values()), left
    assert found == {name: became for name, (_, _, became) in RUNS.items()}
