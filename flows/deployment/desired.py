"""The deployments that specs ask for: all read and checked before anything is sent."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.errors import Diagnostic, MediaError, RivyaError, SpecError, UsageError
from rivya_flows.flows.compiler import compile_flow
from rivya_flows.flows.deploy_blocks import (
    COLLECTION_VARIABLE,
    OWNER_TAG,
    SET_VARIABLE,
    SPEC_VARIABLE,
    WORK_POOL,
    deployment,
)
from rivya_flows.flows.deployment.schedules import prefect_schedule, schedule_problems
from rivya_flows.flows.deployment.sync import Desired, environment_of, set_by_spec
from rivya_flows.language.workflow import Deploy, Workflow
from rivya_flows.plans.run_form import CREDENTIALS, shown_form, upload_link
from rivya_flows.preparation.check import check_spec, unreadable
from rivya_flows.preparation.prepare import RunRequest, prepare_offline
from rivya_flows.preparation.spec_file import (
    NO_SPEC,
    SpecFile,
    carried,
    is_tests,
    read_spec,
    specs_at,
)
from rivya_flows.receipt.phrases import credits_of, total_of
from rivya_flows.spec.includes import included_texts
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.deployments import DeployedSpec

_QUEUE = "work queue"
"""Stands among the names of the job variables that a spec set."""


@dataclass(frozen=True)
class GivenSpec:
    file: SpecFile
    workflow: Workflow
    collection: str


@dataclass(frozen=True)
class GivenSpecs:
    specs: dict[str, GivenSpec]
    covered: frozenset[str]


@dataclass(frozen=True)
class DesiredDeployment:
    """A desired deployment; `upload_page` is where a person gives a file for its form, None without a receiver."""

    workflow: Workflow
    deploy: Deploy
    spec: DeployedSpec
    work_pool: str
    collection: str
    price: str = ""
    upload_page: str | None = None
    job_variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As Prefect names it: ``flow/deployment``."""
        return f"{self.workflow.name}/{self.deploy.name}"

    def against(self, there: DeploymentResponse | None) -> Desired:
        """What Prefect gets, with what stays of the deployment that is there."""
        entry = deployment(self.workflow, self.deploy)
        limit, waits = self.deploy.concurrency_limit, self.deploy.when_busy == "wait"
        collision = ConcurrencyLimitStrategy("ENQUEUE" if waits else "CANCEL_NEW")
        wallet = there.parameters.get(CREDENTIALS) if there else None
        fields = DeploymentUpdate(
            version=self.spec.version,
            **self._form(entry),
            tags=entry["tags"],
            entrypoint=entry["entrypoint"],
            pull_steps=[],
            work_pool_name=self.work_pool,
            parameters=entry["parameters"]
            | ({CREDENTIALS: wallet} if isinstance(wallet, dict) else {}),
            enforce_parameter_schema=True,
            concurrency_limit=limit,
            concurrency_options=ConcurrencyOptions(collision_strategy=collision) if limit else None,
            job_variables=self._job_variables(there),
        )
        queue = entry["work_pool"].get("work_queue_name")
        if queue or _QUEUE in set_by_spec(there):
            fields.work_queue_name = queue or "default"
        schedules = {
            one["slug"]: DeploymentScheduleCreate(
                schedule=prefect_schedule(schedule), active=schedule.active, slug=one["slug"]
            )
            for one, schedule in zip(entry["schedules"], self.deploy.schedules, strict=True)
        }

        def automations(deployment_id: UUID) -> dict[str, AutomationCore]:
            return {
                one["name"]: AutomationCore(
                    name=one["name"],
                    description=f"Runs {self.name} on the event {one['expect'][0]}.",
                    enabled=one["enabled"],
                    tags=[OWNER_TAG],
                    trigger=EventTrigger(
                        expect=one["expect"],
                        match=one["match"],
                        posture=Posture.Reactive,  # the default, but an update requires it
                    ),
                    actions=[
                        RunDeployment(
                            source="selected",
                            deployment_id=deployment_id,
                            parameters=one["parameters"],
                        )
                    ],
                )
                for one in entry.get("triggers", ())
            }

        return Desired(self.workflow.name, self.deploy.name, fields, schedules, automations)

    def _form(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The description and the schema of the form."""
        form = compile_flow(self.workflow, spec_text=self.spec.text, execute=_never)
        schema = form.parameters.model_dump_for_openapi()
        # What the entry gives is the default here, and not that of the spec: calls that `prefect sdk
        # generate` writes leave a parameter out that equals its default.
        parameters = entry["parameters"]
        for name, value in parameters.items():
            schema["properties"][name]["default"] = value
        if "required" in schema:
            schema["required"] = [name for name in schema["required"] if name not in parameters]
        described = (
            self.price,
            entry.get("description") or form.description,
            upload_link(self.workflow, self.upload_page),
        )
        return {
            "description": "\n\n".join(filter(None, described)),
            "parameter_openapi_schema": {
                **shown_form(schema, self.workflow, self.upload_page),
                # The server refuses a mistyped name, before a worker does.
                "additionalProperties": False,
            },
        }

    def _job_variables(self, there: DeploymentResponse | None) -> dict[str, Any]:
        """Those given now over those of the spec over those that are there and that no spec set."""
        pool, given, before = self.deploy.work_pool, self.job_variables, set_by_spec(there)
        own = pool.resources if pool else {}
        there_now = (there and there.job_variables) or {}
        kept = {name: one for name, one in there_now.items() if name not in before}
        env = {**environment_of(there), **given.get("env", {})}
        env |= {SPEC_VARIABLE: self.spec.hash, COLLECTION_VARIABLE: self.collection}
        env.pop(SET_VARIABLE, None)
        names = [name for name in own if name not in given]
        names += [_QUEUE] if pool and pool.queue else []
        if names:
            env[SET_VARIABLE] = json.dumps(sorted(names))
        return {**kept, **own, **given, "env": env}


async def _never(*_: object) -> Any:
    raise RuntimeError("this flow was compiled for its form only")


def read_specs(
    paths: Sequence[Path],
    catalogue: Catalogue,
    *,
    collection: str | None = None,
    empty: bool = False,
) -> GivenSpecs:
    """Reads and checks the specs in files and folders; a folder without specs only if `empty` is given.

    `collection` names all of them as one whole collection; None uses their folders.
    """
    problems: list[Diagnostic] = []
    found: dict[str, GivenSpec] = {}
    # A shell's `specs/*.yaml` finds the files of tests too.
    paths = [path for path in paths if not is_tests(path)] or paths
    files: list[Path] = []
    for path in paths:
        files += (found_there := specs_at(path))
        if not found_there and not empty:
            problems.append(Diagnostic("unreadable", NO_SPEC, file=str(path)))
    for path in dict.fromkeys(files):
        try:
            file = read_spec(path)
        except UsageError as error:
            problems.append(unreadable(path, error))
            continue
        workflow, own = check_spec(file, catalogue)
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
    covered = _covered(paths, files) if collection is None else {collection}
    return GivenSpecs(found, frozenset(covered))


def _covered(paths: Iterable[Path], files: Iterable[Path]) -> Iterator[str]:
    """Folders that were given, or whose every spec was given."""
    yield from (str(path.resolve()) for path in paths if path.is_dir())
    given: defaultdict[Path, set[str]] = defaultdict(set)
    for file in files:
        given[file.resolve().parent].add(file.name)
    for folder, names in given.items():
        if names >= {one.name for one in specs_at(folder)}:
            yield str(folder)


def desired_deployments(
    sources: GivenSpecs,
    catalogue: Catalogue,
    assets: AssetStore,
    *,
    work_pool: str | None,
    upload_page: str | None = None,
    job_variables: Mapping[str, Any] | None = None,
) -> list[DesiredDeployment]:
    """The deployments of the specs; puts the media that the specs name into the asset store."""
    problems: list[Diagnostic] = []
    desired: list[DesiredDeployment] = []
    for source in sources.specs.values():
        if not source.workflow.deploy:
            continue
        try:
            whole = carried(source.file, catalogue, assets)
        except MediaError as error:
            problems.append(
                Diagnostic("bad-file", error.message, error.hint, file=source.file.name)
            )
            continue
        spec = DeployedSpec(
            source.workflow.name, whole.text, whole.includes or {}, whole.files or {}
        )
        desired += [
            DesiredDeployment(
                workflow=source.workflow,
                deploy=deploy,
                spec=spec,
                work_pool=deploy.work_pool.name if deploy.work_pool else work_pool or WORK_POOL,
                collection=source.collection,
                price=_price(source, deploy, catalogue),
                upload_page=upload_page,
                job_variables=job_variables or {},
            )
            for deploy in source.workflow.deploy
        ]
    if problems:
        raise SpecError(tuple(problems))
    return desired


def _price(source: GivenSpec, deploy: Deploy, catalogue: Catalogue) -> str:
    """What a run of a deployment costs, by the shipped prices and with the inputs that it has."""
    if source.workflow.budget is not None:
        return f"At most {credits_of(source.workflow.budget.credits)} a run."
    request = RunRequest(source.file, lambda _: deploy.inputs, local_files=False)
    try:
        ready = prepare_offline(request, catalogue)
    except RivyaError:  # an input is missing, which the form asks for
        return "No budget: the price of a run depends on its inputs."
    words = total_of(ready.estimate)
    given = " with these inputs" if source.workflow.inputs else ""
    return f"{words[0].upper()}{words[1:]} a run{given}."
