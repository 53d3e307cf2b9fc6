"""The deployments that specs ask for: all read and checked before anything is sent."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.errors import Diagnostic, MediaError, RivyaError, SpecError, UsageError
from rivya_flows.flows.compiler import compile_flow
from rivya_flows.flows.deploy_blocks import (
    COLLECTION_VARIABLE,
    OWNER_TAG,
    SET_VARIABLE,
    SPEC_VARIABLE,
    WORK_POOL,
    JobVariables,
    collision_of,
    entrypoint_of,
    parameters_of,
    slug_of,
    tags_of,
    trigger_name,
    trigger_parameters,
)
from rivya_flows.flows.deployment.schedules import prefect_schedule, schedule_problems
from rivya_flows.flows.run_form import CREDENTIALS, shown_form, upload_link
from rivya_flows.language.workflow import Deploy, Workflow
from rivya_flows.markdown import paragraphs
from rivya_flows.preparation.prepare import Market, RunRequest, prepare
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
from rivya_flows.spec.load import check
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
    job_variables: JobVariables = field(default_factory=JobVariables)

    @property
    def name(self) -> str:
        """As Prefect names it: ``flow/deployment``."""
        return f"{self.workflow.name}/{self.deploy.name}"

    @property
    def schedules(self) -> dict[str, DeploymentScheduleCreate]:
        """Its schedules by slug."""
        made = [
            DeploymentScheduleCreate(
                schedule=prefect_schedule(one), active=one.active, slug=slug_of(number)
            )
            for number, one in enumerate(self.deploy.schedules)
        ]
        return {one.slug or "": one for one in made}

    def automations(self, deployment_id: UUID) -> dict[str, AutomationCore]:
        """The automations of its triggers by name."""
        made = [
            AutomationCore(
                name=trigger_name(self.workflow, self.deploy, number),
                description=f"Runs {self.name} on the event {one.event}.",
                enabled=one.active,
                tags=[OWNER_TAG],
                trigger=EventTrigger(
                    expect={one.event},
                    match=ResourceSpecification.model_validate(one.match),
                    posture=Posture.Reactive,  # the default, but an update requires it
                ),
                actions=[
                    RunDeployment(
                        source="selected",
                        deployment_id=deployment_id,
                        parameters=trigger_parameters(self.workflow, one),
                    )
                ],
            )
            for number, one in enumerate(self.deploy.triggers)
        ]
        return {one.name: one for one in made}

    def fields(self, there: DeploymentResponse | None) -> DeploymentUpdate:
        """What else Prefect gets, with what stays of the deployment that is there."""
        workflow, deploy = self.workflow, self.deploy
        form = compile_flow(workflow, spec_text=self.spec.text, execute=_never)
        parameters = parameters_of(workflow, deploy.inputs)
        schema = form.parameters.model_dump_for_openapi()
        # What the entry gives is the default here, and not that of the spec: calls that `prefect sdk
        # generate` writes leave a parameter out that equals its default.
        for name, value in parameters.items():
            schema["properties"][name]["default"] = value
        if "required" in schema:
            schema["required"] = [name for name in schema["required"] if name not in parameters]
        wallet = there.parameters.get(CREDENTIALS) if there else None
        described = (
            self.price,
            paragraphs(deploy.description) if deploy.description else form.description,
            upload_link(workflow, self.upload_page),
        )
        limit = deploy.concurrency_limit
        collision = ConcurrencyLimitStrategy(collision_of(deploy))
        queue = deploy.work_pool.queue if deploy.work_pool else None
        variables = self.all_job_variables(there)
        made = DeploymentUpdate(
            version=self.spec.version,
            description="\n\n".join(filter(None, described)),
            tags=tags_of(deploy),
            entrypoint=entrypoint_of(workflow),
            pull_steps=[],
            work_pool_name=self.work_pool,
            parameters=parameters | ({CREDENTIALS: wallet} if isinstance(wallet, dict) else {}),
            parameter_openapi_schema={
                **shown_form(schema, workflow, self.upload_page),
                # So that the server refuses a mistyped name, before a worker does.
                "additionalProperties": False,
            },
            enforce_parameter_schema=True,
            concurrency_limit=limit,
            concurrency_options=ConcurrencyOptions(collision_strategy=collision) if limit else None,
            job_variables={**variables.others, "env": {**variables.env}},
        )
        if queue or _QUEUE in JobVariables.of(there).of_spec:
            made.work_queue_name = queue or "default"
        return made

    def all_job_variables(self, there: DeploymentResponse | None) -> JobVariables:
        """Those given now over those of the spec over those that are there and that no spec set."""
        pool, given, before = self.deploy.work_pool, self.job_variables, JobVariables.of(there)
        own = pool.resources if pool else {}
        kept = {name: one for name, one in before.others.items() if name not in before.of_spec}
        env = {**before.env, **given.env}
        env |= {SPEC_VARIABLE: self.spec.hash, COLLECTION_VARIABLE: self.collection}
        env.pop(SET_VARIABLE, None)
        names = [name for name in own if name not in given.others]
        names += [_QUEUE] if pool and pool.queue else []
        if names:
            env[SET_VARIABLE] = json.dumps(sorted(names))
        return JobVariables({**kept, **own, **given.others}, env)


async def _never(**_: object) -> Any:
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
            message = error.message.removeprefix(f"{path}: ")
            problems.append(Diagnostic("unreadable", message, error.hint, file=str(path)))
            continue
        workflow, own = check(file.text, file=file.name, catalogue=catalogue, folder=file.folder)
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
    job_variables: JobVariables | None = None,
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
                price=_price(source, deploy, catalogue, assets),
                upload_page=upload_page,
                job_variables=job_variables or JobVariables(),
            )
            for deploy in source.workflow.deploy
        ]
    if problems:
        raise SpecError(tuple(problems))
    return desired


def _price(source: GivenSpec, deploy: Deploy, catalogue: Catalogue, assets: AssetStore) -> str:
    """What a run of a deployment costs, by the shipped prices and with the inputs that it has."""
    if source.workflow.budget is not None:
        return f"At most {credits_of(source.workflow.budget.credits)} a run."
    request = RunRequest(source.file, lambda _: deploy.inputs, local_files=False)
    market, name = Market(catalogue, service=""), source.workflow.name
    try:
        ready = prepare(request, market, run_id=name, assets=assets, look_up=lambda _: None)
    except RivyaError:  # an input is missing, which the form asks for
        return "No budget: the price of a run depends on its inputs."
    words = total_of(ready.estimate)
    given = " with these inputs" if source.workflow.inputs else ""
    return f"{words[0].upper()}{words[1:]} a run{given}."
