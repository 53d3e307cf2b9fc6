"""Checks of the Prefect server: version, settings, work pools, workers, automations, waker."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import prefect
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import WorkerStatus
from prefect.exceptions import ObjectNotFound

from rivya_flows.doctor.checks import Check, ok, problem, sweep_check, warning
from rivya_flows.flows.deployment.work_pools import WAKER_NAME, machines_of, workers_online
from rivya_flows.flows.paging import read_deployments
from rivya_flows.flows.prefect_internals import LEASES_ON_DISK, is_on_sqlite
from rivya_flows.flows.questions import WAKER
from rivya_flows.flows.recovery.automations import missing_automations
from rivya_flows.flows.recovery.waker import SWEEP
from rivya_flows.flows.sync import connected
from rivya_flows.preparation.deploy_blocks import OWNER_TAG, WORK_POOL
from rivya_flows.settings import Settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import last_sweep
from rivya_flows.store.shared_store_checks import shown_url, this_machine, unshared

_DEPLOY = "deploy with `rivya-flows deploy`, or start `rivya-flows up`"
_BATCH, _MANY = 50, 2  # task runs, workers


async def server_checks(settings: Settings) -> AsyncIterator[Check]:
    """Check the server that Prefect in this process speaks to."""
    async with connected() as client:
        version = await client.api_version()
        if _minor(version) < _minor(prefect.__version__):
            words = f"version {version}, older than Prefect {prefect.__version__} here"
            yield problem(words, "update the server")
        else:
            yield ok(f"{shown_url(str(client.api_url))}, version {version}")
        found = await read_deployments(client, tag=OWNER_TAG)
        deployed = {one.work_pool_name for one in found if one.work_pool_name}
        workers = 0
        for pool in sorted(deployed | {WORK_POOL}):
            check, online = await _pool(client, pool, used=pool in deployed)
            workers += online
            yield replace(check, name="work pool")
        for check in await _server_settings(client, workers):
            yield replace(check, name="server settings")
        for pool in sorted(deployed):
            yield replace(await _sharing(settings, pool), name="sharing")
        yield replace(await _automations(), name="automations")
        yield replace(await _waker(client, settings), name="waker")


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


async def _pool(client: PrefectClient, pool: str, *, used: bool) -> tuple[Check, int]:
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


async def _server_settings(client: PrefectClient, workers: int) -> list[Check]:
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
        hint = (
            "set PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE=100 and"
            " PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL=1 for the server"
        )
        words = "the task run recorder is not batched: it lags, and rows can be lost"
        found.append(warning(words, hint))
    if sqlite:
        words = "its database is SQLite: it refuses requests while it writes, and runs get lost"
        hint = "use PostgreSQL, as in docs/how-to/operations.md, or the server of `rivya-flows up`"
        found.append(problem(words, hint))
    if workers >= _MANY and "memory" in broker:
        words = f"messages are kept in memory, with {workers} workers: many at once are dropped"
        hint = "use Redis: `rivya-flows up --redis URL`, or as docs/how-to/operations.md says"
        found.append(warning(words, hint))
    fine = ok("recorder batched" + ("" if "memory" in broker else ", messages on Redis"))
    return found or [fine]


async def _sharing(settings: Settings, pool: str) -> Check:
    if found := unshared(settings, {*await machines_of(pool), this_machine()}):
        return problem(f"{pool}: {found[0]}", found[1])
    return ok(f"the workers of {pool} reach the store and the media")


async def _automations() -> Check:
    if missing := ", ".join(await missing_automations()):
        words = f"missing or switched off: {missing}; crashed runs are not restarted"
        return warning(words, _DEPLOY)
    return ok("a run whose process or worker died is restarted")


async def _waker(client: PrefectClient, settings: Settings) -> Check:
    try:
        found = await client.read_deployment_by_name(WAKER_NAME)
    except ObjectNotFound:
        return warning("missing: nothing enforces the deadlines of questions", _DEPLOY)
    if found.paused or not any(one.active for one in found.schedules):
        return warning(
            "its schedule is paused: missed deadlines have no effect",
            "resume the deployment in the UI",
        )
    pool = found.work_pool_name
    online = await workers_online(pool) if pool else []
    if not online:
        return problem(
            f"its work pool {pool} has no worker: no deadline acts, and lost runs are not found",
            f"start a worker of {pool}, or deploy to a pool that has one: that moves it there",
        )
    with closing(Journal(settings.store_url)) as journal:
        swept = last_sweep(journal.engine)
    return sweep_check(shown_url(settings.store_url), found.created, swept, time.time(), SWEEP)
