"""Deploys specs: one deployment for each `deploy:` entry; says what starts by itself, touches nothing that is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import (
    SCHEDULE_TYPES,
    CronSchedule,
    IntervalSchedule,
    RRuleSchedule,
)
from prefect.events.schemas.automations import EventTrigger
from prefect.exceptions import ObjectNotFound

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.engine.publishing import upload_page
from rivya_flows.environment import variables
from rivya_flows.errors import SpecError, UsageError
from rivya_flows.flows.credentials import RivyaCredentials
from rivya_flows.flows.deployment import infrastructure, sync
from rivya_flows.flows.deployment.desired import (
    DeployOptions,
    GivenSpecs,
    desired_deployments,
    prefect_schedule,
    read_specs,
)
from rivya_flows.flows.prefect_api import open_client, refusals
from rivya_flows.flows.prefect_internals import dates_of
from rivya_flows.flows.recovery.automations import configured_heartbeat, ensure_automations
from rivya_flows.language.workflow import Deploy, Schedule, Workflow
from rivya_flows.money import live_guard
from rivya_flows.money.most_dates import most_dates
from rivya_flows.plans.budgets import deployed_cap
from rivya_flows.preparation.deploy_blocks import OWNER_TAG, SPEC_VARIABLE, WORK_POOL, first_block
from rivya_flows.preparation.spec_file import deployed_file, load_spec
from rivya_flows.processes import registry
from rivya_flows.scratch import scratch
from rivya_flows.settings import Settings
from rivya_flows.steps.registry import kind_of_step
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.deployments import deployed_spec, keep_spec
from rivya_flows.store.journal import Journal
from rivya_flows.store.shared_store_checks import find_unshared_stores, this_machine

_AT_ONCE = 6  # with more requests, a server on SQLite only waits for its own locks

_INVALID = "compare job variables with the variables of the work pool's template"


@dataclass(frozen=True)
class Deployed:
    """What was done.

    `stale` and `unsure` are deployments of ours that no given spec has and that stay: until `prune`, or because
    their spec may still exist. `without` are specs without a `deploy:` entry, with one that they could have.
    """

    changes: list[sync.Change]
    stale: tuple[str, ...]
    unsure: tuple[str, ...]
    without: Mapping[str, str]
    pools: tuple[str, ...]
    notes: tuple[str, ...]


async def deploy(
    options: DeployOptions,
    settings: Settings,
    tell: Callable[[str], object] = lambda _: None,
    confirm: live_guard.Confirm | None = None,
) -> Deployed:
    """Deploys specs to the Prefect server of this process if nothing is wrong with any of them."""
    sources = read_specs(options.paths, collection=options.collection, empty=options.prune)
    async with open_client() as client:
        rehearses = _rehearses(settings, str(client.api_url))
        found = await deployed_spending(sources, datetime.now(UTC))
        await live_guard.agree_to_spending(
            found, settings, tell, confirm, rehearses=rehearses, dry=options.dry
        )
        return await deploy_agreed(client, sources, options, settings)


def _rehearses(settings: Settings, api_url: str) -> bool:
    """Whether workers buy with pretend credits: the worker of an `up` says so, or the environment, but no file."""
    parts = registry.read(settings.data)
    server, worker = parts.part("server"), parts.part("worker")
    if server and worker and f"{server.url}/api" == api_url.rstrip("/"):
        if worker.account and worker.account != live_guard.account(settings, worker.mark):
            raise live_guard.buys_elsewhere(worker, live_guard.source(settings), "deploy")
        return worker.rehearses
    if settings.rivya_flows_sandbox:
        return True
    return "RIVYA_BASE_URL" in variables() and live_guard.is_rehearsal(
        settings.rivya_base_url, settings
    )


async def deploy_agreed(
    client: PrefectClient, sources: GivenSpecs, options: DeployOptions, settings: Settings
) -> Deployed:
    """Deploys specs that were read, and whose spending was agreed to."""
    default = options.work_pool or WORK_POOL
    workflows = {name: one.workflow for name, one in sources.specs.items()}
    named = {
        one.work_pool.name if one.work_pool else default
        for workflow in workflows.values()
        for one in workflow.deploy
    }
    machines = {this_machine()}
    for name in named if not options.single_machine else ():
        machines |= await infrastructure.machines_of(name)
    if found := find_unshared_stores(settings, machines):
        alone = "" if machines == {this_machine()} else ", or say --single-machine if they are here"
        raise UsageError(found[0], found[1] + alone)
    pools = {name: await _read_pool(client, name, default) for name in sorted(named)}
    made = tuple(name for name, pool in pools.items() if pool is None)
    if made and not options.dry:
        await infrastructure.ensure_work_pool(default)
    existing = await sync.read_existing(client, sources.specs)
    with scratch() as folder:
        url = (folder / "kept").as_uri() if options.dry else settings.assets_url
        assets, page = AssetStore(url, folder), upload_page(settings, str(client.api_url))
        desired = desired_deployments(sources, options, existing, assets, page)
    _refuse(desired, existing, pools)
    if not options.dry:  # where workers read them
        with closing(Journal(settings.store_url)) as journal:
            for spec in {one.spec.hash: one.spec for one in desired if one.spec}.values():
                keep_spec(journal.engine, spec)
    names, given = {one.name for one in desired}, {one.collection for one in sources.specs.values()}
    stale, unsure = sync.find_unspecified(existing, names, sources.specs, given, sources.covered)
    changes = await _reconcile_all(client, desired, existing, options)
    for name in stale if options.prune else ():
        if not options.dry:
            await sync.remove(client, name, existing[name].id)
        changes.append(sync.Change(name, "removed", id=existing[name].id))
    if options.prune and not options.dry:
        await sync.delete_orphans(client)
    notes = [
        f"work pool {name} is of type process; warm workers need campaign: docs/how-to/workers.md"
        for name, pool in pools.items()
        if pool and pool.type == "process"
    ]
    if pools and not options.dry:
        # The form offers its blocks as wallets.
        await RivyaCredentials.aregister_type_and_schema(client=client)
        # Campaigns need these too: crashed runs restart, and deadlines of questions act.
        await ensure_automations(heartbeat_seconds=configured_heartbeat())
        if moved := await infrastructure.deploy_maintenance(
            sorted(pools, key=lambda one: one != default)
        ):
            notes.append(moved)
    without = {name: first_block(one) for name, one in workflows.items() if not one.deploy}
    left = () if options.prune else stale
    return Deployed(changes, left, unsure, without, made, tuple(notes))


async def _read_pool(client: PrefectClient, name: str, default: str) -> WorkPool | None:
    """A work pool; None if it is the default one and does not exist yet."""
    try:
        return await client.read_work_pool(name)
    except ObjectNotFound:
        if name == default:
            return None
        raise UsageError(
            f"there is no work pool {name!r}",
            f"create it: `prefect work-pool create {name} --type campaign`; for containers"
            " with their type and --base-job-template, see docs/how-to/work-pools.md",
        ) from None


def _refuse(
    desired: Iterable[sync.Desired],
    existing: Mapping[str, DeploymentResponse],
    pools: Mapping[str, WorkPool | None],
) -> None:
    """Refuses deployments whose name somebody else took, or whose containers lack this package."""
    if foreign := [
        one.name
        for one in desired
        if one.name in existing and OWNER_TAG not in existing[one.name].tags
    ]:
        raise UsageError(
            f"not made by rivya-flows: {', '.join(foreign)}",
            "rename the entry of `deploy`, or delete that deployment; nothing was deployed",
        )
    for one in desired:
        pool = pools[one.fields.work_pool_name or ""]
        if pool and infrastructure.lacks_package(pool, one.fields.job_variables or {}):
            raise UsageError(
                f"{one.name}: the {pool.type} pool {pool.name!r} runs it in Prefect's own image,"
                " which does not have rivya-flows",
                "give the pool's template an `image` with it, or give one with"
                " --job-variable image=…; see docs/how-to/work-pools.md",
            )


async def _reconcile_all(
    client: PrefectClient,
    desired: Sequence[sync.Desired],
    existing: Mapping[str, DeploymentResponse],
    options: DeployOptions,
) -> list[sync.Change]:
    """Reconciles `_AT_ONCE` at a time; raises the first error when no other is left halfway."""

    async def change(one: sync.Desired) -> sync.Change:
        with refusals(f"deployment {one.name}", _INVALID):
            before = existing.get(one.name)
            return await sync.reconcile(client, one, before, prune=options.prune, dry=options.dry)

    changes: list[sync.Change] = []
    for begin in range(0, len(desired), _AT_ONCE):
        calls = map(change, desired[begin : begin + _AT_ONCE])
        for done in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(done, BaseException):
                raise done
            changes.append(done)
    return changes


async def deployed_spending(
    sources: GivenSpecs, now: datetime
) -> list[live_guard.DeployedSpending]:
    """What each deployment of the specs may buy; labels that inputs decide are not known, nor pools by them."""
    found = []
    for workflow in (one.workflow for one in sources.specs.values()):
        for entry in workflow.deploy:
            starts = [await start_of(one, now) for one in entry.schedules if one.active]
            starts += [_start_by(one.event, one.match) for one in entry.triggers if one.active]
            found.append(_spending(f"{workflow.name}/{entry.name}", workflow, starts, entry))
    return found


async def other_spending(
    client: PrefectClient, given: Collection[str], journal: Journal, now: datetime
) -> list[live_guard.DeployedSpending]:
    """What may start by itself of our deployments on a server that no given spec has."""
    found = []
    for name, deployed in sorted((await sync.read_existing(client, ())).items()):
        if not sync.is_ours(deployed) or name in given:
            continue
        starts: list[live_guard.Start | None] = []
        for schedule in (
            one.schedule for one in deployed.schedules if one.active and not deployed.paused
        ):
            try:
                starts.append(await start_of(_schedule_of_spec(schedule), now))
            except (UsageError, ValueError):  # a person added it
                starts.append(live_guard.Start("by a schedule"))
        for one in (await sync.automations_of(client, deployed.id, name)).values():
            if one.enabled and isinstance(one.trigger, EventTrigger):
                match = dict(one.trigger.match.items())
                starts.append(_start_by(", ".join(sorted(one.trigger.expect)), match))
        if any(starts):
            workflow = None
            spec = deployed_spec(journal.engine, sync.environment_of(deployed)[SPEC_VARIABLE])
            with suppress(SpecError):
                workflow = load_spec(deployed_file(spec), shipped()) if spec else None
            found.append(_spending(name, workflow, starts))
    return found


def _spending(
    name: str,
    workflow: Workflow | None,
    starts: Iterable[live_guard.Start | None],
    entry: Deploy | None = None,
) -> live_guard.DeployedSpending:
    """What a deployment of a spec may buy: anything, if the spec is not known (None)."""
    known = tuple(filter(None, starts))
    if workflow is None:
        return live_guard.DeployedSpending(name, {}, True, None, known)
    return live_guard.DeployedSpending(
        name,
        {name: value for name, value in workflow.labels.items() if "${{" not in value},
        any(kind_of_step(step).buys for step in workflow.all_steps.values()),
        deployed_cap(workflow, entry),
        known,
    )


def _schedule_of_spec(schedule: SCHEDULE_TYPES) -> Schedule:
    """A schedule of a server as a spec writes it; ValueError for one that no spec has."""
    match schedule:
        case CronSchedule():
            return Schedule(cron=schedule.cron, timezone=schedule.timezone)
        case IntervalSchedule():
            return Schedule(interval=schedule.interval.total_seconds(), timezone=schedule.timezone)
        case RRuleSchedule():
            return Schedule(rrule=schedule.rrule, timezone=schedule.timezone)
    raise ValueError(f"{schedule!r:.80} is no schedule of a spec")


async def start_of(schedule: Schedule, now: datetime) -> live_guard.Start | None:
    """When a schedule starts runs, and how many; None once its dates have passed."""
    zone = schedule.timezone or "UTC"
    found = await dates_of(prefect_schedule(schedule), 1, now.astimezone(ZoneInfo(zone)))
    if not found:
        return None
    when = f"next on {found[0]:%a %Y-%m-%d} at {found[0]:%H:%M} {zone}"
    return live_guard.Start(when, *most_dates(schedule, now))


def _start_by(event: str, match: Mapping[str, str | Sequence[str]]) -> live_guard.Start:
    labels = [
        f"{name}={value if isinstance(value, str) else '|'.join(value)}"
        for name, value in sorted(match.items())
    ]
    return live_guard.Start(
        f"on each event {event}" + (f" ({', '.join(labels)})" if labels else "")
    )
