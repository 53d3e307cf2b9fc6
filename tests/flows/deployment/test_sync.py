"""Deployments on a real server that an earlier spec made, and the pools that they have to fit."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.blocks.system import Secret
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
)
from prefect.workers.base import BaseJobConfiguration
from pydantic import SecretStr

from rivya_flows.errors import UsageError
from rivya_flows.flows.deployment.deploy import deploy
from rivya_flows.flows.deployment.desired import DeployOptions
from rivya_flows.flows.deployment.sync import automations_of
from rivya_flows.flows.questions import WAKER, WAKER_DEPLOYMENT
from rivya_flows.settings import read_settings

DEPLOY = Path(__file__).parents[3] / "deploy"
TEMPLATE = DEPLOY / "docker-pool.json"

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


@pytest.fixture(autouse=True)
def rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers with pretend credits: the specs here have no budget."""
    monkeypatch.setenv("RIVYA_FLOWS_SANDBOX", "true")


async def planned(client: PrefectClient, name: str) -> int:
    """How many runs of a deployment wait for a worker and are due."""
    there = await client.read_deployment_by_name(name)
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[there.id]),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
    )
    return len(await client.read_flow_runs(flow_run_filter=wanted))


@pytest.mark.prefect
async def test_what_is_due_of_a_schedule_that_is_gone_or_another_one_is_deleted(
    tmp_path: Path,
) -> None:
    name = f"spec-{uuid.uuid4().hex[:8]}"
    spec, path = SPEC.replace("NAME", name), tmp_path / f"{name}.yaml"

    async with get_client() as client:

        async def deployed(schedules: str) -> int:
            """How many runs are due once a spec with these schedules is deployed."""
            path.write_text(spec.replace('[{cron: "0 9 * * 1"}]', schedules))
            await deploy(DeployOptions((path,)), read_settings())
            return await planned(client, f"{name}/weekly")

        for other in ("active: false", "timezone: Asia/Kolkata", None):
            await deployed('[{cron: "0 9 * * 1"}]')
            there = await client.read_deployment_by_name(f"{name}/weekly")
            begin = (datetime.now(UTC) - timedelta(days=30)).isoformat()
            await client.request(
                "POST",
                "/deployments/{id}/schedule",
                path_params={"id": there.id},
                json={"start_time": begin, "max_runs": 3},
            )
            assert await deployed('[{cron: "0 9 * * 1"}]') == 3  # nothing has changed
            assert await deployed(f'[{{cron: "0 9 * * 1", {other}}}]' if other else "[]") == 0


async def job_variables(client: PrefectClient, name: str) -> dict[str, Any]:
    """Those of a deployment, without what `deploy` notes for itself."""
    found = dict((await client.read_deployment_by_name(name)).job_variables or {})
    env = {key: value for key, value in found["env"].items() if not key.startswith("RIVYA_FLOWS_")}
    return {**found, "env": env}


@pytest.mark.prefect
async def test_job_variables_of_whoever_deploys_stay_and_those_of_a_spec_come_and_go(
    tmp_path: Path,
) -> None:
    name = f"spec-{uuid.uuid4().hex[:8]}"
    weekly, path = f"{name}/weekly", tmp_path / f"{name}.yaml"
    pool = f"work_pool: {{name: {name}, queue: night, job_variables: {{mem_limit: 3g}}}}"
    spec = SPEC.replace("NAME", name)
    path.write_text(spec.replace("name: weekly", f"name: weekly\n    {pool}"))
    options = DeployOptions((path,), single_machine=True)
    await Secret(value=SecretStr("postgresql://sesame")).save("rivya-store", overwrite=True)
    for block in ("rivya-s3-access-key", "rivya-s3-secret-key"):
        await Secret(value=SecretStr("sesame")).save(block, overwrite=True)
    async with get_client() as client:
        template = json.loads(TEMPLATE.read_text())
        wanted = WorkPoolCreate(name=name, type="docker", base_job_template=template)
        await client.create_work_pool(wanted)
        given = {"image": "own", "env": {"BRAND": "x"}}
        await deploy(replace(options, job_variables=given), read_settings())
        made = await client.read_deployment_by_name(weekly)
        assert await job_variables(client, weekly) == {
            "mem_limit": "3g",
            "image": "own",
            "env": {"BRAND": "x"},
        }
        assert made.work_queue_name == "night"
        # What a worker of that pool makes of it.
        job: Any = await _Job.from_template_and_values(template, made.job_variables or {})
        assert (job.image, job.mem_limit, job.command) == ("own", "3g", None)
        assert job.env["RIVYA_FLOWS_STORE"] == "postgresql://sesame"
        assert job.env["RIVYA_FLOWS_SPEC"] == (made.job_variables or {})["env"]["RIVYA_FLOWS_SPEC"]

        # An operator gives it a name, and the waker something too.
        waker = f"{WAKER}/{WAKER_DEPLOYMENT}"
        await change_jobs(client, weekly, {"name": "lamp"}, {"REGION": "eu"})
        await change_jobs(client, waker, {}, {"REGION": "eu"})
        again = await deploy(options, read_settings())
        assert [one.done for one in again.changes] == ["unchanged", "unchanged"]
        assert (await client.read_deployment_by_name(waker)).job_variables == {
            "env": {"REGION": "eu"}
        }
        path.write_text(spec.replace("name: weekly", f"name: weekly\n    work_pool: {name}"))
        await deploy(options, read_settings())
        assert await job_variables(client, weekly) == {
            "image": "own",
            "name": "lamp",
            "env": {"BRAND": "x", "REGION": "eu"},
        }
        assert (await client.read_deployment_by_name(weekly)).work_queue_name == "default"
    final = await deploy(options, read_settings())
    assert [one.done for one in final.changes] == ["unchanged", "unchanged"]


@pytest.mark.prefect
async def test_pools_of_our_templates_are_deployed_to_and_prefects_own_image_is_refused(
    tmp_path: Path,
) -> None:
    name = f"spec-{uuid.uuid4().hex[:8]}"
    path = tmp_path / f"{name}.yaml"
    options = DeployOptions((path,), single_machine=True)
    async with get_client() as client:
        for kind, variable, value, other in (
            ("kubernetes", "memory_limit", "4Gi", 4),
            ("ecs", "memory", 4096, "4Gi"),
        ):
            pool = f"{name}-{kind}"
            entry = f"work_pool: {{name: {pool}, job_variables: {{{variable}: {value}}}}}"
            path.write_text(SPEC.replace("NAME", name).replace("weekly", f"weekly\n    {entry}"))
            template = json.loads((DEPLOY / f"{kind}-pool.json").read_text())
            wanted = WorkPoolCreate(name=pool, type=kind, base_job_template=template)
            await client.create_work_pool(wanted)
            await deploy(options, read_settings())
            made = (await client.read_deployment_by_name(f"{name}/weekly")).job_variables or {}
            job: Any = await _Containers.from_template_and_values(template, made)
            assert job.env["RIVYA_FLOWS_SPEC"].startswith("sha256:")
            assert job.env["PREFECT_HOME"] == "/tmp/prefect"  # of the template
            written = json.dumps([job.job_manifest, job.task_definition])
            assert "rivya-flows:latest" in written
            assert json.dumps(value) in written

            wrong = path.read_text().replace(f": {value}}}", f": {other}}}")
            path.write_text(wrong.replace("name: on-brief", f"name: on-{kind}"))
            with pytest.raises(UsageError, match=f"{name}/weekly: request refused") as refused:
                await deploy(options, read_settings())
            assert "variables of the work pool's template" in str(refused.value.hint)
            # What had begun beside the refused one is not left halfway.
            beside = await client.read_deployment_by_name(f"{name}/on-{kind}")
            assert len(await automations_of(client, beside.id, f"{name}/on-{kind}")) == 1

            template["variables"]["properties"]["image"]["default"] = None
            await client.update_work_pool(pool, WorkPoolUpdate(base_job_template=template))
            with pytest.raises(UsageError, match=f"the {kind} pool .* in Prefect's own image"):
                await deploy(options, read_settings())


async def change_jobs(
    client: PrefectClient, name: str, variables: dict[str, Any], env: dict[str, str]
) -> None:
    there = await client.read_deployment_by_name(name)
    before = there.job_variables or {}
    after = {**before, **variables, "env": {**before.get("env", {}), **env}}
    await client.update_deployment(there.id, DeploymentUpdate(job_variables=after))


class _Job(BaseJobConfiguration):
    """As a worker of containers reads its configuration."""

    image: str
    mem_limit: str | None = None


class _Containers(BaseJobConfiguration):
    """What the workers of Kubernetes and of ECS submit."""

    job_manifest: dict[str, Any] | None = None
    task_definition: dict[str, Any] | None = None
