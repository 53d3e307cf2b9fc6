"""What the deployments of specs may buy, and what starts them by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import (
    SCHEDULE_TYPES,
    CronSchedule,
    IntervalSchedule,
    RRuleSchedule,
)
from prefect.events.schemas.automations import EventTrigger

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError, UsageError
from rivya_flows.flows.deploy_blocks import SPEC_VARIABLE
from rivya_flows.flows.deployment.desired import GivenSpecs, prefect_schedule
from rivya_flows.flows.deployment.sync import automations_of, environment_of, is_ours, read_existing
from rivya_flows.flows.prefect_internals import dates_of
from rivya_flows.language.workflow import Deploy, Schedule, Workflow
from rivya_flows.money.live_guard import DeployedSpending, Start
from rivya_flows.money.most_dates import most_dates
from rivya_flows.preparation.spec_file import deployed_file, load_spec
from rivya_flows.steps.registry import kind_of_step
from rivya_flows.store.deployments import deployed_spec
from rivya_flows.store.journal import Journal


async def deployed_spending(sources: GivenSpecs, now: datetime) -> list[DeployedSpending]:
    """What each deployment of the specs may buy; labels that inputs decide are not known, nor pools by them."""
    return [
        _spending(
            f"{workflow.name}/{deploy.name}", workflow, [one async for one in _starts(deploy, now)]
        )
        for workflow in (source.workflow for source in sources.specs.values())
        for deploy in workflow.deploy
    ]


async def other_spending(
    client: PrefectClient, given: Collection[str], journal: Journal, now: datetime
) -> list[DeployedSpending]:
    """What may start by itself of our deployments on a server that no given spec has."""
    found = []
    for name, one in sorted((await read_existing(client, ())).items()):
        if is_ours(one) and name not in given:
            starts = [start async for start in _starts_there(client, name, one, now)]
            if starts:
                found.append(_spending(name, _executed(journal, one), starts))
    return found


def _spending(name: str, workflow: Workflow | None, starts: list[Start]) -> DeployedSpending:
    """Of a spec; None: of one that is not known, and may buy anything."""
    if workflow is None:
        return DeployedSpending(name, {}, True, None, tuple(starts))
    return DeployedSpending(
        name,
        {name: value for name, value in workflow.labels.items() if "${{" not in value},
        any(kind_of_step(step).buys for step in workflow.all_steps.values()),
        workflow.budget.credits if workflow.budget else None,
        tuple(starts),
    )


def _executed(journal: Journal, deployed: DeploymentResponse) -> Workflow | None:
    """The spec of a deployment, which its runs execute."""
    spec = deployed_spec(journal.engine, environment_of(deployed)[SPEC_VARIABLE])
    if spec is None:
        return None
    with suppress(SpecError):
        return load_spec(deployed_file(spec), shipped())
    return None


async def _starts_there(
    client: PrefectClient, name: str, there: DeploymentResponse, now: datetime
) -> AsyncIterator[Start]:
    for schedule in (each.schedule for each in there.schedules if each.active and not there.paused):
        try:
            start = await start_of(_written(schedule), now)
        except (UsageError, ValueError):  # a person added it
            start = Start("by a schedule")
        if start:
            yield start
    for automation in (await automations_of(client, there.id, name)).values():
        if automation.enabled and isinstance(automation.trigger, EventTrigger):
            trigger = automation.trigger
            yield _start_by(", ".join(sorted(trigger.expect)), dict(trigger.match.items()))


def _written(schedule: SCHEDULE_TYPES) -> Schedule:
    """A schedule of a server as a spec writes it; ValueError for one that no spec has."""
    match schedule:
        case CronSchedule():
            return Schedule(cron=schedule.cron, timezone=schedule.timezone)
        case IntervalSchedule():
            return Schedule(interval=schedule.interval.total_seconds(), timezone=schedule.timezone)
        case RRuleSchedule():
            return Schedule(rrule=schedule.rrule, timezone=schedule.timezone)
    raise ValueError(f"{schedule!r:.80} is no schedule of a spec")


async def _starts(deploy: Deploy, now: datetime) -> AsyncIterator[Start]:
    for schedule in deploy.schedules:
        if schedule.active and (start := await start_of(schedule, now)):
            yield start
    for trigger in deploy.triggers:
        if trigger.active:
            yield _start_by(trigger.event, trigger.match)


async def start_of(schedule: Schedule, now: datetime) -> Start | None:
    """When a schedule starts runs, and how many; None where its dates have passed."""
    zone = schedule.timezone or "UTC"
    found = await dates_of(prefect_schedule(schedule), 1, now.astimezone(ZoneInfo(zone)))
    if not found:
        return None
    when = f"next on {found[0]:%a %Y-%m-%d} at {found[0]:%H:%M} {zone}"
    return Start(when, *most_dates(schedule, now))


def _start_by(event: str, match: Mapping[str, str | Sequence[str]]) -> Start:
    labels = [
        f"{name}={value if isinstance(value, str) else '|'.join(value)}"
        for name, value in sorted(match.items())
    ]
    return Start(f"on each event {event}" + (f" ({', '.join(labels)})" if labels else ""))
