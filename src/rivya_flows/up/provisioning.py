"""What `up` may buy, and what it needs on its Prefect server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect import get_client

from rivya_flows.flows.deployment.deploy import deploy_agreed, deployed_spending, other_spending
from rivya_flows.flows.deployment.desired import DeployOptions, GivenSpecs, read_specs
from rivya_flows.flows.deployment.infrastructure import deploy_maintenance, ensure_work_pool
from rivya_flows.flows.prefect_api import open_client
from rivya_flows.flows.recovery.automations import ensure_automations
from rivya_flows.money import live_guard
from rivya_flows.preparation.deploy_blocks import WORK_POOL
from rivya_flows.processes import registry
from rivya_flows.settings import Settings
from rivya_flows.store.journal import Journal
from rivya_flows.up.options import HEARTBEAT_SECONDS, UpOptions

_HINT = (
    "cap it with `rivya-flows budgets set NAME --credits N --period month`, or give --yes; or remove it: "
    "`rivya-flows up --sandbox`, then `rivya-flows prefect deployment delete NAME`, then "
    "`rivya-flows down`"
)


@dataclass(frozen=True)
class Checked:
    """Specs that can be deployed (None: none are given), and whether it was said from whom they buy."""

    specs: GivenSpecs | None = None
    names_service: bool = False


def check(options: UpOptions, tell: Callable[[str], None]) -> Checked:
    """Refuse specs that cannot be deployed, and say what they start by itself, before anything starts."""
    worker = registry.read(options.data).part("worker")
    if worker and worker.account != live_guard.account(options.settings, worker.mark):
        raise live_guard.buys_elsewhere(worker, live_guard.source(options.settings), "up")
    if not options.rehearses:
        live_guard.refuse_unknown_names()

    async def agree() -> Checked:
        specs, named = None, False
        if options.specs:
            specs = read_specs(options.specs)
            found = await deployed_spending(specs, datetime.now(UTC))
            named = await live_guard.agree_to_spending(
                found, options.settings, tell, options.confirm, rehearses=options.rehearses
            )
        if not (named or options.rehearses):
            await live_guard.check_key(options.settings, tell)
        return Checked(specs, named)

    return asyncio.run(agree())


async def provision(
    options: UpOptions, checked: Checked, tell: Callable[[str], None]
) -> tuple[str, ...]:
    """Makes work pool, automations, waker and deployments; gives the names of these, as ``flow/deployment``."""
    settings = options.settings
    if not (options.restarts or options.rehearses):
        names_service = not checked.names_service
        await agree_to_others(
            checked.specs, settings, tell, options.confirm, names_service=names_service
        )
    await ensure_work_pool(WORK_POOL)
    await ensure_automations(heartbeat_seconds=HEARTBEAT_SECONDS)
    await deploy_maintenance([WORK_POOL])
    if checked.specs is None:
        return ()
    async with open_client() as client:
        done = await deploy_agreed(client, checked.specs, DeployOptions(), settings)
    return tuple(change.name for change in done.changes)


async def agree_to_others(
    sources: GivenSpecs | None,
    settings: Settings,
    tell: Callable[[str], object],
    confirm: live_guard.Confirm | None,
    *,
    names_service: bool = True,
) -> None:
    """Says what deployments of other specs that are on the server already buy, and asks about it.

    They may be of another folder, or were made for a rehearsal, which asks nothing.
    """
    specs = sources.specs.values() if sources else ()
    given = {f"{one.workflow.name}/{d.name}" for one in specs for d in one.workflow.deploy}
    async with get_client() as client:
        with closing(Journal(settings.store_url)) as journal:
            found = await other_spending(client, given, journal, datetime.now(UTC))
    if found:
        names = ", ".join(one.name for one in found)
        tell(f"On the server already, from other specs than those given: {names}")
        await live_guard.agree_to_spending(
            *(found, settings, tell, confirm),
            rehearses=False,
            hint=_HINT,
            names_service=names_service,
        )
