"""Deployments on a real server that an earlier version, or an earlier spec, made."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
)

from rivya_flows.flows.deployment.deploy import DeployOptions, deploy
from rivya_flows.flows.questions.suspension import WAKER, WAKER_DEPLOYMENT
from rivya_flows.settings import read_settings

OLD_MODULE = "flows"
"""Where the flows were before they moved into the package `rivya_flows`."""

SPEC = """\
version: 1
name: NAME
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: A lamp}
deploy:
  - name: weekly
    schedules: [{cron: "0 9 * * 1"}]
  - name: on-brief
    triggers: [{event: campaign.brief.created}]
"""


async def move_back(client: PrefectClient, name: str) -> None:
    """Gives a deployment the entrypoint that earlier versions gave it."""
    there = await client.read_deployment_by_name(name)
    assert there.entrypoint is not None
    old = there.entrypoint.replace("rivya_flows.flows", OLD_MODULE)
    await client.update_deployment(there.id, DeploymentUpdate(entrypoint=old))
    assert (await client.read_deployment_by_name(name)).entrypoint == old


async def planned(client: PrefectClient, name: str) -> int:
    """How many runs of a deployment wait for a worker and are due."""
    there = await client.read_deployment_by_name(name)
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[there.id]),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
    )
    return len(await client.read_flow_runs(flow_run_filter=wanted))


@pytest.mark.prefect
@pytest.mark.parametrize("edit", ["active: false", "timezone: Asia/Kolkata", None])
async def test_what_is_due_of_a_schedule_that_is_gone_or_another_one_is_deleted(
    tmp_path: Path, edit: str | None
) -> None:
    name = f"spec-{uuid.uuid4().hex[:8]}"
    path = tmp_path / f"{name}.yaml"
    path.write_text(SPEC.replace("NAME", name))
    options = DeployOptions((path,))
    await deploy(options, read_settings())
    async with get_client() as client:
        there = await client.read_deployment_by_name(f"{name}/weekly")
        begin = (datetime.now(UTC) - timedelta(days=30)).isoformat()
        await client.request(
            "POST",
            "/deployments/{id}/schedule",
            path_params={"id": there.id},
            json={"start_time": begin, "max_runs": 3},
        )
        assert await planned(client, f"{name}/weekly") == 3
        await deploy(options, read_settings())
        assert await planned(client, f"{name}/weekly") == 3  # nothing has changed

        kept = '[{cron: "0 9 * * 1"}]'
        other = f'[{{cron: "0 9 * * 1", {edit}}}]' if edit else "[]"
        path.write_text(SPEC.replace("NAME", name).replace(kept, other))
        await deploy(options, read_settings())
        assert await planned(client, f"{name}/weekly") == 0


@pytest.mark.prefect
async def test_a_deployment_of_an_earlier_version_gets_the_new_entrypoint(tmp_path: Path) -> None:
    name = f"spec-{uuid.uuid4().hex[:8]}"
    path = tmp_path / f"{name}.yaml"
    path.write_text(SPEC.replace("NAME", name))
    options = DeployOptions((path,))
    made = await deploy(options, read_settings())
    assert [one.done for one in made.changes] == ["made", "made"]
    waker = f"{WAKER}/{WAKER_DEPLOYMENT}"
    async with get_client() as client:
        before = await client.read_deployment_by_name(f"{name}/weekly")
        for one in (f"{name}/weekly", f"{name}/on-brief", waker):
            await move_back(client, one)

        upgraded = await deploy(options, read_settings())
        assert [(one.name, one.done) for one in upgraded.changes] == [
            (f"{name}/weekly", "changed"),
            (f"{name}/on-brief", "changed"),
        ]
        module = "rivya_flows.flows.campaigns"
        weekly = await client.read_deployment_by_name(f"{name}/weekly")
        on_brief = await client.read_deployment_by_name(f"{name}/on-brief")
        assert weekly.entrypoint == f"{module}:{name.replace('-', '_')}"
        assert on_brief.entrypoint == weekly.entrypoint
        assert (weekly.id, weekly.schedules[0].id) == (before.id, before.schedules[0].id)
        woken = await client.read_deployment_by_name(waker)
        assert woken.entrypoint == "rivya_flows.flows.recovery.waker:wake_overdue"

    again = await deploy(options, read_settings())
    assert [one.done for one in again.changes] == ["unchanged", "unchanged"]
