"""The deployments that specs ask for: all read and checked before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import (
    SCHEDULE_TYPES,
    CronSchedule,
    IntervalSchedule,
    RRuleSchedule,
)
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from pydantic import ValidationError

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import Diagnostic, MediaError, RivyaError, SpecError, UsageError
from rivya_flows.estimate.estimate import Estimate
from rivya_flows.flows.compiler import compile_flow
from rivya_flows.flows.deployment.sync import Desired, environment_of, set_by_spec
from rivya_flows.language.expressions.resolve import is_computed
from rivya_flows.language.workflow import Deploy, Schedule, Workflow
from rivya_flows.money.most_dates import rule_problem
from rivya_flows.plans.budgets import deployed_cap
from rivya_flows.plans.run_form import CREDENTIALS, shown_form, upload_link
from rivya_flows.preparation import deploy_blocks, spec_file
from rivya_flows.preparation.check import check_spec, unreadable
from rivya_flows.preparation.drift import price_of_entry
from rivya_flows.receipt.phrases import credits_of, total_of
from rivya_flows.spec.inlining import included_texts
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.deployments import DeployedSpec

_QUEUE = "work queue"
"""Stands among the names of the job variables that a spec set."""

_LONGEST_SCHEDULE = 500  # characters


@dataclass(frozen=True)
class GivenSpec:
    file: spec_file.SpecFile
    workflow: Workflow
    collection: str


@dataclass(frozen=True)
class GivenSpecs:
    """Checked specs by name, and the collections that were given as a whole."""

    specs: dict[str, GivenSpec]
    covered: frozenset[str]


@dataclass(frozen=True)
class DeployOptions:
    """What to deploy, and how."""

    paths: Sequence[Path] = ()
    work_pool: str | None = None
    collection: str | None = None
    prune: bool = False
    dry: bool = False
    single_machine: bool = False
    job_variables: Mapping[str, Any] = field(default_factory=dict)


def read_specs(
    paths: Sequence[Path], *, collection: str | None = None, empty: bool = False
) -> GivenSpecs:
    """Reads and checks the specs in files and folders; a folder without specs only if `empty` is given.

    `collection` names all of them as one whole collection; None uses their folders.
    """
    problems: list[Diagnostic] = []
    found: dict[str, GivenSpec] = {}
    # A shell's `specs/*.yaml` finds the files of tests too.
    paths = [path for path in paths if not spec_file.is_tests(path)] or paths
    files: dict[Path, None] = {}
    for path in paths:
        specs = spec_file.specs_at(path)
        files |= dict.fromkeys(specs)
        if not specs and not empty:
            problems.append(Diagnostic("unreadable", spec_file.NO_SPEC, file=str(path)))
    for path in files:
        try:
            file = spec_file.read_spec(path)
        except UsageError as error:
            problems.append(unreadable(path, error))
            continue
        workflow, own = check_spec(file, shipped())
        problems += own
        if workflow is None:
            continue
        problems += schedule_problems(workflow, file.name)
        # What was checked and agreed to is deployed, whatever becomes of the folder.
        file = replace(file, includes=included_texts(workflow))
        source = GivenSpec(file, workflow, collection or str(path.resolve().parent))
        if "{{" in source.collection:
            message = "the name of its folder or collection has '{{', which Prefect would fill in"
            problems.append(Diagnostic("bad-name", message, "rename it", file=file.name))
        first = found.setdefault(workflow.name, source)
        if first is not source and Path(first.file.name).resolve() != path.resolve():
            message = f"{first.file.name} has the name {workflow.name!r} too"
            hint = "rename one of them"
            problems.append(Diagnostic("duplicate-name", message, hint, file=file.name))
    if problems:
        raise SpecError(tuple(problems))
    if collection is not None:
        return GivenSpecs(found, frozenset({collection}))
    # Folders that were given, or all of whose specs were given.
    given = {path.resolve() for path in files}
    whole = {path.parent for path in given if given.issuperset(spec_file.specs_at(path.parent))}
    whole |= {path.resolve() for path in paths if path.is_dir()}
    return GivenSpecs(found, frozenset(map(str, whole)))


def prefect_schedule(schedule: Schedule) -> SCHEDULE_TYPES:
    """The schedule as Prefect's; intervals count from midnight of Monday, 2024-01-01.

    Whole days keep their hour when clocks change. Other intervals are in UTC: in another zone Prefect
    plans those over a day again, an hour beside the runs that it has planned.
    """
    written = schedule.cron or schedule.rrule or ""
    if len(written) > _LONGEST_SCHEDULE:
        raise UsageError(
            f"a schedule has {len(written):,} characters; at most {_LONGEST_SCHEDULE} are allowed"
        )
    zone: dict[str, Any] = {"timezone": schedule.timezone} if schedule.timezone else {}
    if schedule.cron is not None:
        return CronSchedule(cron=schedule.cron.strip(), **zone)
    if schedule.rrule is not None:
        if wrong := rule_problem(schedule.rrule):
            raise UsageError(wrong)
        return RRuleSchedule(rrule=schedule.rrule, **zone)
    anchor = datetime(2024, 1, 1, tzinfo=ZoneInfo(schedule.timezone or "UTC"))
    if (schedule.interval or 0) % 86_400:
        zone = {"timezone": "UTC"}
    return IntervalSchedule.model_validate(
        {"interval": schedule.interval, "anchor_date": anchor, **zone}
    )


def schedule_problems(workflow: Workflow, file: str) -> Iterator[Diagnostic]:
    """What is wrong with a spec's schedules that only Prefect knows, such as RFC 5545."""
    for deploy in workflow.deploy:
        for number, schedule in enumerate(deploy.schedules, 1):
            try:
                prefect_schedule(schedule)
            except (ValidationError, UsageError) as error:
                reason = str(error)
                if isinstance(error, ValidationError):
                    reason = error.errors(include_url=False, include_input=False)[0]["msg"]
                message = f"deploy {deploy.name!r}: schedule {number}: {reason}"
                hint = "see schedules in docs/reference/spec.md"
                yield Diagnostic("bad-schedule", message, hint, file=file)


def desired_deployments(
    sources: GivenSpecs,
    options: DeployOptions,
    existing: Mapping[str, DeploymentResponse],
    assets: AssetStore,
    upload_page: str | None = None,
) -> list[Desired]:
    """The deployments of the specs; puts the media that they name into the store. `upload_page` takes files for forms."""
    problems: list[Diagnostic] = []
    desired: list[Desired] = []
    for source in sources.specs.values():
        if not source.workflow.deploy:
            continue
        try:
            whole = spec_file.with_files(source.file, shipped(), assets)
        except MediaError as error:
            problems.append(
                Diagnostic("bad-file", error.message, error.hint, file=source.file.name)
            )
            continue
        name = source.workflow.name
        spec = DeployedSpec(name, whole.text, whole.includes or {}, whole.files or {})
        for deploy in source.workflow.deploy:
            before = existing.get(f"{name}/{deploy.name}")
            desired.append(_deployment(source, deploy, spec, options, before, upload_page))
    if problems:
        raise SpecError(tuple(problems))
    return desired


def _deployment(
    source: GivenSpec,
    deploy: Deploy,
    spec: DeployedSpec,
    options: DeployOptions,
    existing: DeploymentResponse | None,
    upload_page: str | None,
) -> Desired:
    """What Prefect gets, with what stays of the deployment that is there."""
    workflow, pool, limit = source.workflow, deploy.work_pool, deploy.concurrency_limit
    entry, name = deploy_blocks.deployment(workflow, deploy), f"{workflow.name}/{deploy.name}"
    collision = ConcurrencyLimitStrategy("ENQUEUE" if deploy.when_busy == "wait" else "CANCEL_NEW")
    wallet = existing.parameters.get(CREDENTIALS) if existing else None
    stored_wallet = {CREDENTIALS: wallet} if isinstance(wallet, dict) else {}
    form = compile_flow(workflow, spec_text=spec.text, execute=_never)
    price: Estimate | None = None
    with suppress(RivyaError):  # an input is missing, which the form asks for
        price = price_of_entry(source.file, deploy, shipped())
    description = (
        _price(source, deploy, price),
        entry.get("description") or form.description,
        upload_link(workflow, upload_page),
    )
    schema = form.parameters.model_dump_for_openapi()
    # Calls of `prefect sdk generate` leave out a parameter that equals its default.
    for parameter, value in entry["parameters"].items():
        schema["properties"][parameter]["default"] = value
    if "required" in schema:
        schema["required"] = [one for one in schema["required"] if one not in entry["parameters"]]
    fields = DeploymentUpdate(
        version=spec.version,
        description="\n\n".join(filter(None, description)),
        # The server refuses a mistyped name, before a worker does.
        parameter_openapi_schema=shown_form(schema, workflow, upload_page)
        | {"additionalProperties": False},
        tags=entry["tags"],
        entrypoint=entry["entrypoint"],
        pull_steps=[],
        work_pool_name=pool.name if pool else options.work_pool or deploy_blocks.WORK_POOL,
        parameters=entry["parameters"] | stored_wallet,
        enforce_parameter_schema=True,
        concurrency_limit=limit,
        concurrency_options=ConcurrencyOptions(collision_strategy=collision) if limit else None,
        job_variables=_job_variables(source, deploy, spec, price, options.job_variables, existing),
    )
    queue = pool.queue if pool else None
    if queue or _QUEUE in set_by_spec(existing):
        fields.work_queue_name = queue or "default"
    schedules = {
        one["slug"]: DeploymentScheduleCreate(
            schedule=prefect_schedule(schedule), active=schedule.active, slug=one["slug"]
        )
        for one, schedule in zip(entry["schedules"], deploy.schedules, strict=True)
    }

    def automations(deployment_id: UUID) -> dict[str, AutomationCore]:
        runs = {"source": "selected", "deployment_id": deployment_id}
        found = {}
        for one in entry.get("triggers", ()):
            action = RunDeployment.model_validate({**runs, "parameters": one["parameters"]})
            # An update requires the posture, though it is the default.
            event = {"expect": one["expect"], "match": one["match"], "posture": Posture.Reactive}
            found[one["name"]] = AutomationCore(
                name=one["name"],
                description=f"Runs {name} on the event {one['expect'][0]}.",
                enabled=one["enabled"],
                tags=[deploy_blocks.OWNER_TAG],
                trigger=EventTrigger.model_validate(event),
                actions=[action],
            )
        return found

    return Desired(name, fields, schedules, automations, spec)


async def _never(*_: object) -> Any:
    raise RuntimeError("this flow was compiled for its form only")


def _job_variables(
    source: GivenSpec,
    deploy: Deploy,
    spec: DeployedSpec,
    price: Estimate | None,
    given: Mapping[str, Any],
    existing: DeploymentResponse | None,
) -> dict[str, Any]:
    """Those given now over those of the spec over those that are there and that no spec set."""
    pool, before = deploy.work_pool, set_by_spec(existing)
    own = pool.resources if pool else {}
    existing_variables = (existing and existing.job_variables) or {}
    set_by_people = {name: one for name, one in existing_variables.items() if name not in before}
    env = {**environment_of(existing), **given.get("env", {})}
    env |= {
        deploy_blocks.SPEC_VARIABLE: spec.hash,
        deploy_blocks.COLLECTION_VARIABLE: source.collection,
    }
    for one in (deploy_blocks.SET_VARIABLE, deploy_blocks.PRICE_VARIABLE):
        env.pop(one, None)
    if price is not None:
        env[deploy_blocks.PRICE_VARIABLE] = json.dumps([price.min, price.max])
    names = [name for name in own if name not in given]
    names += [_QUEUE] if pool and pool.queue else []
    if names:
        env[deploy_blocks.SET_VARIABLE] = json.dumps(sorted(names))
    return {**set_by_people, **own, **given, "env": env}


def _price(source: GivenSpec, deploy: Deploy, price: Estimate | None) -> str:
    """What a run of a deployment costs, by the shipped prices and with the inputs that it has."""
    if (cap := deployed_cap(source.workflow, deploy)) is not None:
        limit = deploy.budget or source.workflow.budget
        # Its form may give other inputs than those that it starts with by itself.
        which = " that starts by itself" if limit and is_computed(limit.credits) else ""
        return f"At most {credits_of(cap)} a run{which}."
    if price is None:
        return "No budget: the price of a run depends on its inputs."
    total = total_of(price)
    given = " with these inputs" if source.workflow.inputs else ""
    return f"{total[0].upper()}{total[1:]} a run{given}."
