"""What `deploy` holds: deployments of a spec, and what makes each of them run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from rivya_flows.language.step_arguments import Count, Flag, Seconds, SpecModel


class Schedule(SpecModel):
    """When a deployment runs, in Prefect's words plus `catchup`.

    Attributes:
        cron: Minute, hour, day, month, weekday: `0 9 * * 1` is Mondays at nine.
        interval: Time between two runs: seconds, or `90s`, `15m`, `24h`.
        rrule: Recurrence rule of a calendar, RFC 5545.
        timezone: Such as `Asia/Kolkata`.
        active: Whether it runs by itself.
        catchup: Which runs that are late, since no worker was there, are made up for: none, the
            latest, or all.
    """

    cron: str | None = None
    interval: Seconds | None = None
    rrule: str | None = None
    timezone: str | None = None
    active: Flag = True
    catchup: Literal["skip", "latest", "all"] = "latest"


class Trigger(SpecModel):
    """An event that makes a deployment run.

    Attributes:
        event: Name of the event, such as `campaign.brief.created`; `campaign.*` is every event
            whose name begins so.
        match: Labels that the resource of the event must have; a `*` at the end is any ending.
        inputs: Values of inputs; `${{ event.payload.NAME }}` takes one from the event.
        active: Whether the event is listened to.
    """

    event: str
    match: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    inputs: dict[str, Any] = Field(default_factory=dict)
    active: Flag = True


class Deploy(SpecModel):
    """One Prefect deployment of the spec.

    Attributes:
        name: Name of the deployment.
        description: What the deployment is for.
        schedules: When it runs by itself.
        triggers: Events that make it run.
        inputs: Values of inputs, in place of their defaults.
        tags: Prefect tags.
        work_pool: Prefect work pool whose workers run it.
        concurrency_limit: Runs of the deployment at once.
        when_busy: What becomes of a run over the limit: it waits, or is cancelled.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]*$", max_length=100)]
    description: str | None = None
    schedules: tuple[Schedule, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    inputs: dict[str, Any] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    work_pool: str | None = None
    concurrency_limit: Annotated[Count, Field(ge=1)] | None = None
    when_busy: Literal["wait", "cancel"] = "wait"
