"""Deployments that an earlier version made, brought up to date on a real server."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentUpdate

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
