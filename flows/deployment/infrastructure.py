"""What deployments need of a server: work pools, workers and the waker; and what `doctor` says of them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import prefect
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    DeploymentUpdate,
    WorkPoolCreate,
)
from prefect.client.schemas.objects import (
    ConcurrencyLimitStrategy,
    ConcurrencyOptions,
    Worker,
    WorkerStatus,
    WorkPool,
)
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from rivya_client.hosts import is_loopback
from rivya_flows.doctor.checks import Check, drift_check, ok, problem, sweep_check, warning
from rivya_flows.flows.deployment.sync import Desired, is_ours, read_existing, reconcile
from rivya_flows.flows.prefect_api import open_client
from rivya_flows.flows.prefect_internals import LEASES_ON_DISK, is_on_sqlite
from rivya_flows.flows.questions import SWEEP, WAKER, WAKER_DEPLOYMENT
from rivya_flows.flows.recovery.automations import missing_automations
from rivya_flows.preparation.deploy_blocks import OWNER_TAG, WORK_POOL
from rivya_flows.settings import Settings
from rivya_flows.store.deployments import last_drifts
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import last_sweep
from rivya_flows.store.shared_store_checks import (
    UNKNOWN_MACHINE,
    find_unshared_stores,
    machine_of,
    mask_password,
    this_machine,
)

_PREFECTS_IMAGE = re.compile(r"(docker\.io/)?prefecthq/prefect(?![\w-])")


async def ensure_work_pool(name: str) -> None:
    """Makes a work pool for the warm worker unless there is one of that name."""
    from rivya_flows.flows.worker.campaign_worker import CampaignWorker

    template = CampaignWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=name, type=CampaignWorker.type, base_job_template=template)
    async with get_client() as client:
        with suppress(ObjectAlreadyExists):
            await client.create_work_pool(pool)


async def runs_at_once(pool: str) -> int:
    """How many flow runs a worker of a pool executes at once without `--limit`."""
    from rivya_flows.flows.worker.campaign_worker import LIMIT, CampaignWorker

    async with get_client() as client:
        kind = (await client.read_work_pool(pool)).type
    return LIMIT if kind == CampaignWorker.type else max(2, os.cpu_count() or 2)


async def workers_online(pool: str, *, since: datetime | None = None) -> list[str]:
    """Names of the workers of a pool that are online, with a heartbeat after `since`; none if it does not exist."""
    workers: list[Worker] = []
    async with get_client() as client:
        with suppress(ObjectNotFound):
            await client.read_work_pool(pool)
            workers = await client.read_workers_for_work_pool(pool)
    never = datetime.min.replace(tzinfo=UTC)
    return [
        one.name
        for one in workers
        if one.status == WorkerStatus.ONLINE
        and (since is None or (one.last_heartbeat_time or never) > since)
    ]


async def machines_of(pool: str) -> set[str]:
    """The machines of a pool's workers, which ``NAME@MACHINE`` names; others run here if the server is on loopback."""
    kind = "campaign"
    async with get_client() as client:
        local = is_loopback(str(client.api_url))
        with suppress(ObjectNotFound):
            kind = (await client.read_work_pool(pool)).type
    if kind not in ("campaign", "process"):
        return {f"the containers of the {kind} pool {pool!r}"}
    found = {machine_of(name) for name in await workers_online(pool)}
    if (local and UNKNOWN_MACHINE in found) or not found:
        found = found - {UNKNOWN_MACHINE} | {this_machine() if local else UNKNOWN_MACHINE}
    return found


def lacks_package(pool: WorkPool, variables: Mapping[str, Any]) -> bool:
    """Whether a run with these job variables gets Prefect's own image, which lacks this package."""
    template = pool.base_job_template.get("variables", {}).get("properties", {})
    if "image" not in template:  # processes, or an image that the template alone decides
        return False
    defaults = {name: template.get(name, {}).get("default") for name in ("env", "image")}
    # Prefect's image installs the packages of this variable when its container starts.
    if {**(defaults["env"] or {}), **variables.get("env", {})}.get("EXTRA_PIP_PACKAGES"):
        return False
    image = variables.get("image") or defaults["image"]
    return not image or bool(_PREFECTS_IMAGE.match(str(image)))


# --- The waker, and the daily check ---

WAKER_NAME = f"{WAKER}/{WAKER_DEPLOYMENT}"
DRIFT = "rivya-flows-drift"
"""The flow of `rivya_flows.flows.deployment.drift` in Prefect."""

CHECK = timedelta(days=1)
_SLUG = "sweep"
_SWEEPS = IntervalSchedule(interval=SWEEP, anchor_date=datetime(2024, 1, 1, 0, 7, tzinfo=UTC))
"""Fixed, so that no `deploy` moves a sweep; beside the quarters at which schedules of specs begin."""

_CHECKS = IntervalSchedule(interval=CHECK, anchor_date=datetime(2024, 1, 1, 5, 12, tzinfo=UTC))


async def deploy_maintenance(pools: Sequence[str]) -> str | None:
    """Makes the waker and the daily check, or changes what differs: an update makes the server plan them again.

    They stay in the waker's work pool while that has a worker, or while no pool of `pools` has one; new ones get
    the first pool. Gives where they were moved and why, as a sentence; None if they were not.
    """
    async with get_client() as client:
        existing = await _deployment_named(client, WAKER_NAME)
        before = existing.work_pool_name if existing else None
        staffed = [one for one in (before, *pools) if one and await workers_online(one)]
        pool = next(iter(staffed), before or pools[0])
        waker = DeploymentUpdate(
            entrypoint="rivya_flows.flows.recovery.waker:wake_overdue",
            description="Part of rivya-flows, not a campaign: every 15 minutes it resumes runs whose question"
            " was not answered in time, and runs that died. It buys nothing by itself.",
            tags=[WAKER_DEPLOYMENT, OWNER_TAG],
        )
        daily = DeploymentUpdate(
            entrypoint="rivya_flows.flows.deployment.drift:look_for_drift",
            description="Part of rivya-flows, not a campaign: once a day it checks the specs of all deployments"
            " against the models and prices of the service. It buys nothing.",
            # Without our own tag: no message says that it was completed.
            tags=[WAKER_DEPLOYMENT],
        )
        name = f"{DRIFT}/{WAKER_DEPLOYMENT}"
        await _maintain(client, WAKER_NAME, waker, _SWEEPS, pool, existing)
        await _maintain(client, name, daily, _CHECKS, pool, await _deployment_named(client, name))
    if before is None or pool == before:
        return None
    return f"{WAKER_NAME}: moved to the work pool {pool}; {before} has no worker"


async def _deployment_named(client: PrefectClient, name: str) -> DeploymentResponse | None:
    with suppress(ObjectNotFound):
        return await client.read_deployment_by_name(name)
    return None


async def _maintain(
    client: PrefectClient,
    name: str,
    fields: DeploymentUpdate,
    schedule: IntervalSchedule,
    pool: str,
    existing: DeploymentResponse | None,
) -> None:
    """Makes a deployment of ours, or changes what differs; a schedule that is switched off stays off."""
    fields.work_pool_name, fields.pull_steps = pool, []
    # One at a time, none dropped: each sweep may have a deadline of its own.
    fields.concurrency_limit = 1
    fields.concurrency_options = ConcurrencyOptions(
        collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
    )
    schedules = existing.schedules if existing else ()
    active = next((one.active for one in schedules if one.slug == _SLUG), True)
    planned = DeploymentScheduleCreate(schedule=schedule, active=active, slug=_SLUG)
    await reconcile(client, Desired(name, fields, {_SLUG: planned}), existing, prune=True)


# --- What `doctor` says ---

_DEPLOY = "deploy with `rivya-flows deploy`, or start `rivya-flows up`"
_BATCH, _MANY = 50, 2  # task runs, workers


async def server_checks(settings: Settings) -> AsyncIterator[Check]:
    """Checks the Prefect server of this process: version, pools, workers, settings, automations, waker."""
    async with open_client() as client:
        version = await client.api_version()
        if _minor(version) < _minor(prefect.__version__):
            text = f"version {version}, older than Prefect {prefect.__version__} here"
            yield problem(text, "update the server")
        else:
            yield ok(f"{mask_password(str(client.api_url))}, version {version}")
        tagged = await read_existing(client, ())
        deployed = {one.work_pool_name for one in tagged.values() if one.work_pool_name}
        workers = 0
        for pool in sorted(deployed | {WORK_POOL}):
            check, online = await _check_pool(client, pool, used=pool in deployed)
            workers += online
            yield replace(check, name="work pool")
        for check in await _check_settings(client, workers):
            yield replace(check, name="server settings")
        for pool in sorted(deployed):
            check = ok(f"the workers of {pool} reach the store and the media")
            if found := find_unshared_stores(settings, {*await machines_of(pool), this_machine()}):
                check = problem(f"{pool}: {found[0]}", found[1])
            yield replace(check, name="sharing")
        check = ok("a run whose process or worker died is restarted")
        if missing := ", ".join(await missing_automations()):
            text = f"missing or switched off: {missing}; crashed runs are not restarted"
            check = warning(text, _DEPLOY)
        yield replace(check, name="automations")
        yield replace(await _check_waker(client, settings), name="waker")
        if versions := {name: one.version for name, one in tagged.items() if is_ours(one)}:
            with closing(Journal(settings.store_url)) as journal:
                seen = last_drifts(journal.engine)
            yield replace(drift_check(versions, seen, time.time(), CHECK), name="deployed specs")


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


async def _check_pool(client: PrefectClient, pool: str, *, used: bool) -> tuple[Check, int]:
    """The check, and how many workers are online."""
    try:
        found = await client.read_work_pool(pool)
        workers = await client.read_workers_for_work_pool(pool)
    except ObjectNotFound:
        hint = f"start `rivya-flows up`, or `prefect work-pool create {pool} --type campaign`"
        return warning(f"there is no work pool {pool!r}", hint), 0
    online = [one.name for one in workers if one.status == WorkerStatus.ONLINE]
    if found.is_paused:
        check = warning(f"{pool} is paused", f"prefect work-pool resume {pool}")
    elif not online:
        hint = f"start one: prefect worker start --pool {pool} --type {found.type}"
        hint += "; or `rivya-flows up`" if pool == WORK_POOL else ""
        check = warning(f"{pool} has no worker", hint)
        if used:
            check = problem(f"{pool} has no worker, so its runs do not start", hint)
    elif found.type == "process":
        hint = f"stop its workers, prefect work-pool delete {pool}, then deploy again"
        check = warning(f"{pool} is of type process; warm workers need campaign", hint)
    else:
        check = ok(f"{pool}, online: {', '.join(online)}")
    return check, len(online)


async def _check_settings(client: PrefectClient, workers: int) -> list[Check]:
    """Settings that make the server lose rows or events."""
    try:
        answer = await client.request("GET", "/admin/settings")
        server: Mapping[str, Any] = answer.json().get("server", {})
        leases = server.get("concurrency", {}).get("lease_storage")
        sqlite = workers and leases != LEASES_ON_DISK and await is_on_sqlite(client, WAKER)
    except Exception:  # Prefect Cloud and some proxies do not serve them
        return [ok("the server does not show them")]
    recorder = server.get("services", {}).get("task_run_recorder", {})
    broker = str(server.get("events", {}).get("messaging_broker") or "")
    found = []
    if int(recorder.get("batch_size") or 1) < _BATCH:
        text = "the task run recorder is not batched: it lags, and rows can be lost"
        hint = (
            "set PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE=100 and"
            " PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL=1 for the server"
        )
        found.append(warning(text, hint))
    if sqlite:
        text = "its database is SQLite: it refuses requests while it writes, and runs get lost"
        hint = "use PostgreSQL, as in docs/how-to/operations.md, or the server of `rivya-flows up`"
        found.append(problem(text, hint))
    if workers >= _MANY and "memory" in broker:
        text = f"messages are kept in memory, with {workers} workers: many at once are dropped"
        hint = "use Redis: `rivya-flows up --redis URL`, or as docs/how-to/operations.md says"
        found.append(warning(text, hint))
    fine = ok("recorder batched" + ("" if "memory" in broker else ", messages on Redis"))
    return found or [fine]


async def _check_waker(client: PrefectClient, settings: Settings) -> Check:
    try:
        found = await client.read_deployment_by_name(WAKER_NAME)
    except ObjectNotFound:
        return warning("missing: nothing enforces the deadlines of questions", _DEPLOY)
    if found.paused or not any(one.active for one in found.schedules):
        text = "its schedule is paused: missed deadlines have no effect"
        return warning(text, "resume the deployment in the UI")
    pool = found.work_pool_name
    if pool is None or not await workers_online(pool):
        return problem(
            f"its work pool {pool} has no worker: no deadline acts, and lost runs are not found",
            f"start a worker of {pool}, or deploy to a pool that has one: that moves it there",
        )
    with closing(Journal(settings.store_url)) as journal:
        swept = last_sweep(journal.engine)
    return sweep_check(mask_password(settings.store_url), found.created, swept, time.time(), SWEEP)
