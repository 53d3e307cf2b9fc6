"""What the deployments of specs may buy, and what starts them by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from rivya_flows.app.deployed_spending import DeployedSpending, Start
from rivya_flows.flows.deployment.desired import GivenSpecs
from rivya_flows.flows.deployment.schedules import dates_from
from rivya_flows.language.workflow import Deploy

_FREE = frozenset({"upload", "compose", "layout", "notify"})
"""Kinds of steps that buy nothing."""


async def deployed_spending(sources: GivenSpecs, now: datetime) -> list[DeployedSpending]:
    """What each deployment of the specs may buy.

    Labels that inputs decide are not known yet, and no pool is found by them.
    """
    return [
        DeployedSpending(
            f"{workflow.name}/{deploy.name}",
            {name: value for name, value in workflow.labels.items() if "${{" not in value},
            any(one.uses not in _FREE for one in workflow.all_steps.values()),
            workflow.budget.credits if workflow.budget else None,
            tuple([one async for one in _starts(deploy, now)]),
        )
        for workflow in (source.workflow for source in sources.specs.values())
        for deploy in workflow.deploy
    ]


async def _starts(deploy: Deploy, now: datetime) -> AsyncIterator[Start]:
    for schedule in deploy.schedules:
        if schedule.active and (dates := await dates_from(schedule, now)):
            when = f"{dates.next:%a %Y-%m-%d} at {dates.next:%H:%M} {schedule.timezone or 'UTC'}"
            yield Start(f"next on {when}", dates.a_day, dates.a_month)
    for trigger in deploy.triggers:
        if trigger.active:
            yield Start(f"on each event {trigger.event}")
