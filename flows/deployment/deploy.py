"""Specs onto a Prefect server: one deployment for each `deploy:` entry, and nothing that is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from rivya_flows.app.shared_store_checks import shown_url, this_machine, unshared
from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.errors import UsageError
from rivya_flows.flows.deploy_blocks import OWNER_TAG, WORK_POOL
from rivya_flows.flows.deployment.deployed import DeployedDeployment, read_there
from rivya_flows.flows.deployment.desired import (
    DesiredDeployment,
    GivenSpecs,
    read_sources,
    wanted_of,
)
from rivya_flows.flows.deployment.machines import machines_of
from rivya_flows.flows.deployment.pruning import Gone, gone
from rivya_flows.flows.deployment.reconcile import ApplyOptions, Change, automations_of, reconcile
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.deployed_specs import DeployedSpecs
from rivya_flows.store.journal import Journal

_AT_ONCE = 6
"""Requests under way at once: with more, a server on SQLite only waits for its own locks."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class DeployOptions:
    """What is asked for.

    Attributes:
        paths: Specs, and folders of specs.
        work_pool: For deployments that name none; None is `WORK_POOL`.
        collection: A name for all that is given, in place of the folders that it lies in.
        prune: What the specs no longer have is removed.
        dry: Nothing is changed anywhere; told is what would be.
        single_machine: All workers are said to run on this machine.
    """

    paths: Sequence[Path]
    work_pool: str | None = None
    collection: str | None = None
    prune: bool = False
    dry: bool = False
    single_machine: bool = False


@dataclass
class Deployed:
    """What was done.

    Attributes:
        changes: Each deployment of the specs, and then each that was removed.
        left: Deployments of ours that no spec has which was given, and that stay: without
            `--prune`, or since it cannot be told whether their spec is gone.
        stale: Those of them that `--prune` would remove.
        without: Specs that have no `deploy:` entry.
        pools: Work pools that were made.
    """

    changes: list[Change] = field(default_factory=list)
    left: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()


async def deploy(order: DeployOptions, settings: Settings) -> Deployed:
    """Deploys specs to the Prefect server of this process, once nothing is wrong with any.

    Raises:
        SpecError: Anything is wrong with any of the specs; nothing was deployed.
        UsageError: The server does not answer or refuses something, a deployment of that name is
            not ours, or workers could not reach the store or the media.
        StoreError: The store cannot be written.
    """
    sources = read_sources(order.paths, shipped(), collection=order.collection, empty=order.prune)
    await _answering()
    try:
        return await _deploy(sources, order, settings)
    except PrefectHTTPStatusError as error:
        raise UsageError(
            f"prefect refuses: {_detail(error)}", "see the log of its server"
        ) from error


async def _answering() -> None:
    """Refuses a server that cannot be spoken to, ahead of all that would fail for it."""
    async with get_client() as client:
        problem = await client.api_healthcheck()
        if problem is None:
            return
        url, answer = shown_url(str(client.api_url)), getattr(problem, "response", None)
        if answer is None:
            raise UsageError(
                f"no Prefect server answers at {url}",
                "start it, or set PREFECT_API_URL to one that runs",
            )
        raise UsageError(
            f"{url} answers with HTTP {answer.status_code}",
            "check PREFECT_API_URL, which ends in /api, and the key or password of that server",
        )


async def _deploy(sources: GivenSpecs, order: DeployOptions, settings: Settings) -> Deployed:
    pools = {
        one.work_pool or order.work_pool or WORK_POOL
        for source in sources.specs.values()
        for one in source.workflow.deploy
    }
    await _check_shared(pools, order, settings)
    async with get_client() as client:
        made = await _make_pools(client, pools, order)
        there = await read_there(client, sources.specs)
        with TemporaryDirectory(prefix="rivya-flows-") as scratch:
            url = (Path(scratch) / "kept").as_uri() if order.dry else settings.assets_url
            assets = AssetStore(url, Path(scratch))
            wanted = wanted_of(sources, shipped(), assets, work_pool=order.work_pool)
        _refuse_foreign(wanted, there)
        if not order.dry:
            _keep(wanted, settings)
        done = Deployed(pools=made)
        done.without = tuple(name for name, one in sources.specs.items() if not one.workflow.deploy)
        found = _gone(sources, wanted, there)
        done.changes = await _reconcile(client, wanted, there, ApplyOptions(order.prune, order.dry))
        done.left = tuple(sorted(found.unsure if order.prune else {*found.stale, *found.unsure}))
        if not order.prune:
            done.stale = found.stale
        else:
            stale = [there[name].deployment for name in found.stale]
            done.changes += await _in_turn(stale, lambda one: _remove(client, one, there, order))
    if pools and not order.dry:
        await _surroundings(pools, order)
    return done


async def _check_shared(pools: Iterable[str], order: DeployOptions, settings: Settings) -> None:
    """Refuses places that the workers of a pool do not reach."""
    machines = {this_machine()}
    if not order.single_machine:
        for pool in pools:
            machines |= await machines_of(pool)
    found = unshared(settings, machines)
    if found:
        hints = "; ".join(f"for {one.setting}: {one.hint}" for one in found)
        alone = "" if machines == {this_machine()} else ", or say --single-machine if they are here"
        raise UsageError("; ".join(map(str, found)), hints + alone)


async def _make_pools(
    client: PrefectClient, pools: set[str], order: DeployOptions
) -> tuple[str, ...]:
    """Makes the default pool where it is missing; others are somebody's decision."""
    from rivya_flows.flows.deployment.provisioning import ensure_work_pool

    missing = []
    for pool in sorted(pools):
        try:
            await client.read_work_pool(pool)
        except ObjectNotFound:
            missing.append(pool)
    default = order.work_pool or WORK_POOL
    for pool in missing:
        if pool != default:
            raise UsageError(
                f"there is no work pool {pool!r}",
                f"make it, as with `prefect work-pool create {pool} --type process`",
            )
    if missing and not order.dry:
        await ensure_work_pool(default)
    return tuple(missing)


def _refuse_foreign(
    wanted: Iterable[DesiredDeployment], there: dict[str, DeployedDeployment]
) -> None:
    foreign = [
        one.name
        for one in wanted
        if one.name in there and OWNER_TAG not in there[one.name].deployment.tags
    ]
    if foreign:
        raise UsageError(
            f"not made by rivya-flows: {', '.join(foreign)}",
            "give the entry of `deploy` another name, or delete that deployment; nothing was deployed",
        )


def _keep(wanted: Iterable[DesiredDeployment], settings: Settings) -> None:
    """Puts the specs into the store, from which workers take them."""
    with closing(Journal(settings.store_url)) as journal:
        shelf = DeployedSpecs(journal.engine)
        for spec in {one.spec.hash: one.spec for one in wanted}.values():
            shelf.keep(spec)


def _gone(
    sources: GivenSpecs, wanted: Iterable[DesiredDeployment], there: dict[str, DeployedDeployment]
) -> Gone:
    return gone(
        [one.standing for one in there.values()],
        {one.name for one in wanted},
        set(sources.specs),
        {one.collection for one in sources.specs.values()} | sources.covered,
        sources.covered,
    )


async def _reconcile(
    client: PrefectClient,
    wanted: Sequence[DesiredDeployment],
    there: dict[str, DeployedDeployment],
    manner: ApplyOptions,
) -> list[Change]:
    flows = {one.standing.flow: one.deployment.flow_id for one in there.values()}
    new = sorted({one.workflow.name for one in wanted} - set(flows))
    if not manner.dry:
        flows |= dict(zip(new, await _in_turn(new, client.create_flow_from_name), strict=True))

    async def one(want: DesiredDeployment) -> Change:
        found = there[want.name].deployment if want.name in there else None
        return await reconcile(client, want, flows.get(want.workflow.name), found, manner)

    return await _in_turn(wanted, one)


async def _remove(
    client: PrefectClient,
    stale: DeploymentResponse,
    there: dict[str, DeployedDeployment],
    order: DeployOptions,
) -> Change:
    name = next(name for name, one in there.items() if one.deployment.id == stale.id)
    if not order.dry:
        for automation in (await automations_of(client, stale.id, name)).values():
            await client.delete_automation(automation.id)
        with suppress(ObjectNotFound):  # somebody was faster
            await client.delete_deployment(stale.id)  # with its schedules and the runs to come
    return Change(name, "removed", id=stale.id)


async def _in_turn(all_of: Sequence[T], do: Callable[[T], Awaitable[R]]) -> list[R]:
    """Does it for all, a few at a time; the first error counts."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(value: T) -> R:
        async with turn:
            return await do(value)

    return await asyncio.gather(*map(one, all_of))


async def _surroundings(pools: Iterable[str], order: DeployOptions) -> None:
    """What campaigns need beside their deployments: a run that died comes back, a deadline counts."""
    from rivya_flows.flows.recovery.automations import ensure_automations, told_heartbeat
    from rivya_flows.flows.recovery.waker import deploy_waker

    await ensure_automations(heartbeat_seconds=told_heartbeat())
    await deploy_waker(min(pools, key=lambda one: one != (order.work_pool or WORK_POOL)))


def _detail(error: PrefectHTTPStatusError) -> str:
    try:
        told = error.response.json()
        detail = told.get("detail") or told.get("exception_detail")
    except (ValueError, AttributeError):
        detail = None
    return f"HTTP {error.response.status_code}" + (f": {detail!s:.500}" if detail else "")
