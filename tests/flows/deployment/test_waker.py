"""The waker's deployment on a real server: which pool it is in, and that no `deploy` moves a sweep."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rivya_flows.doctor.checks import Check, sweep_check
from rivya_flows.flows.deployment.deploy import deploy
from rivya_flows.flows.deployment.desired import DeployOptions
from rivya_flows.flows.deployment.infrastructure import (
    WAKER_NAME,
    deploy_maintenance,
    ensure_work_pool,
    server_checks,
)
from rivya_flows.flows.questions import SWEEP
from rivya_flows.settings import read_settings
from support.prefect_workers import Server, eventually, without_waker

pytestmark = pytest.mark.prefect

SPEC = """\
version: 1
name: NAME
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: PROMPT}
deploy:
  - name: by-hand
"""


@pytest.fixture(autouse=True)
def new_waker(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is there; workers have pretend credits: the spec here has no budget."""
    monkeypatch.setenv("RIVYA_FLOWS_SANDBOX", "true")
    without_waker(server)


def waker(server: Server) -> dict[str, str]:
    found: dict[str, str] = server.ask("GET", f"/deployments/name/{WAKER_NAME}")
    return found


def planned(server: Server) -> dict[str, datetime]:
    """When each planned sweep is due, by flow run; once the server has planned three."""
    wanted = {
        "flow_runs": {
            "deployment_id": {"any_": [waker(server)["id"]]},
            "state": {"type": {"any_": ["SCHEDULED"]}},
        }
    }

    def three() -> dict[str, datetime] | None:
        found = server.ask("POST", "/flow_runs/filter", wanted)
        due = {one["id"]: datetime.fromisoformat(one["expected_start_time"]) for one in found}
        return due if len(due) >= 3 else None

    return eventually(three, "planned sweeps")


def due_by_now(sweeps: dict[str, datetime]) -> dict[str, datetime]:
    return {run: due for run, due in sweeps.items() if due <= datetime.now(UTC)}


def new_pool(server: Server, *, staffed: bool) -> str:
    name = f"pool-{uuid.uuid4().hex[:6]}"
    asyncio.run(ensure_work_pool(name))
    if staffed:
        beat = {"name": "here", "heartbeat_interval_seconds": 600}
        server.ask("POST", f"/work_pools/{name}/workers/heartbeat", beat)
    return name


def moved(*pools: str) -> str | None:
    return asyncio.run(deploy_maintenance(pools))


def test_deploying_unchanged_and_changed_specs_leaves_the_planned_sweeps(
    server: Server, tmp_path: Path
) -> None:
    name = f"spec-{uuid.uuid4().hex[:8]}"
    path = tmp_path / f"{name}.yaml"

    def deploy_with(prompt: str) -> None:
        path.write_text(SPEC.replace("NAME", name).replace("PROMPT", prompt))
        asyncio.run(deploy(DeployOptions((path,)), read_settings()))

    deploy_with("A lamp")
    sweeps = planned(server)
    for prompt in ("A lamp", "A chair"):
        deploy_with(prompt)
    assert sweeps.items() <= (planned(server) | due_by_now(sweeps)).items()
    assert {due.minute for due in sweeps.values()} <= {7, 22, 37, 52}


def test_an_update_plans_its_sweeps_for_the_same_times(server: Server) -> None:
    pool = new_pool(server, staffed=False)
    moved(pool)
    made, before = waker(server), planned(server)
    server.ask("PATCH", f"/deployments/{made['id']}", {"entrypoint": "flows.old:wake"})
    moved(pool)
    after = planned(server)
    assert waker(server)["entrypoint"] == made["entrypoint"]
    assert set(before.values()) <= {*after.values(), *due_by_now(before).values()}


def test_it_leaves_its_pool_only_without_a_worker_and_for_one_that_has_one(server: Server) -> None:
    first, empty = new_pool(server, staffed=False), new_pool(server, staffed=False)
    staffed, other = new_pool(server, staffed=True), new_pool(server, staffed=True)
    assert moved(first) is None
    assert moved(empty) is None
    assert waker(server)["work_pool_name"] == first
    said = f"{WAKER_NAME}: moved to the work pool {staffed}; {first} has no worker"
    assert moved(empty, staffed) == said
    assert waker(server)["work_pool_name"] == staffed
    assert moved(other) is None
    assert waker(server)["work_pool_name"] == staffed
    server.ask("DELETE", f"/work_pools/{staffed}")
    assert moved(empty, other) is None
    assert waker(server)["work_pool_name"] == other


def said_by_doctor() -> tuple[str, str]:
    async def check() -> Check:
        found = [one async for one in server_checks(read_settings()) if one.name == "waker"]
        return found[0]

    found = asyncio.run(check())
    return found.status, found.message


def test_doctor_says_whether_its_pool_has_a_worker(server: Server) -> None:
    empty, staffed = new_pool(server, staffed=False), new_pool(server, staffed=True)
    moved(empty)
    status, message = said_by_doctor()
    assert (status, f"{empty} has no worker" in message) == ("problem", True)
    moved(staffed)
    assert said_by_doctor()[0] == "ok"  # its first sweep is due


@pytest.mark.parametrize(
    ("made", "swept", "status", "words"),
    [
        (19, None, "ok", "deadlines of questions are enforced"),
        (21, None, "problem", "its last sweep of this store: never"),
        (99, 19, "ok", "last sweep 11:41 UTC"),
        (99, 21, "problem", "its last sweep of this store: 21 minutes ago"),
    ],
)
def test_doctor_wants_a_sweep_every_quarter_of_an_hour(
    made: int, swept: int | None, status: str, words: str
) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    at = noon.timestamp() - swept * 60 if swept else None
    check = sweep_check("the store", noon - timedelta(minutes=made), at, noon.timestamp(), SWEEP)
    assert (check.status, words in check.message) == (status, True)
