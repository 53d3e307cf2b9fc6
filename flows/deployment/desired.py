"""The deployments that specs ask for: all read and checked before anything is sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from prefect.client.schemas.schedules import SCHEDULE_TYPES

from rivya_flows.app.prepare import Market, RunRequest, prepare
from rivya_flows.app.spec_file import NO_SPEC, SpecFile, carried, is_tests, read_spec, specs_at
from rivya_flows.catalogue.catalogue import Catalogue
from rivya_flows.errors import Diagnostic, MediaError, RivyaFlowsError, SpecError, UsageError
from rivya_flows.flows.deploy_blocks import WORK_POOL
from rivya_flows.flows.deployment.schedules import prefect_schedule, schedule_problems
from rivya_flows.language.includes import included_texts
from rivya_flows.language.load import check
from rivya_flows.language.workflow import Deploy, Workflow
from rivya_flows.ledger.phrases import credits_of, total_of
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.deployments import DeployedSpec


@dataclass(frozen=True)
class GivenSpec:
    """A spec from the command line.

    Attributes:
        collection: The folder of the spec, or a name; deployments are pruned by collection.
    """

    file: SpecFile
    workflow: Workflow
    collection: str


@dataclass(frozen=True)
class GivenSpecs:
    """All specs from the command line.

    Attributes:
        specs: By name of the spec.
        covered: Collections that were given as a whole: a spec missing from one is gone.
    """

    specs: dict[str, GivenSpec]
    covered: frozenset[str]


@dataclass(frozen=True)
class DesiredDeployment:
    """A desired deployment.

    Attributes:
        price: What a run costs, as a sentence.
        upload_page: Where a person gives a file for its form; None without a receiver.
        job_variables: Of whoever deploys; those of ``env`` as a map.
    """

    workflow: Workflow
    deploy: Deploy
    spec: DeployedSpec
    work_pool: str
    collection: str
    schedules: tuple[SCHEDULE_TYPES, ...]
    price: str = ""
    upload_page: str | None = None
    job_variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As Prefect names it: ``flow/deployment``."""
        return f"{self.workflow.name}/{self.deploy.name}"


def read_specs(
    paths: Sequence[Path],
    catalogue: Catalogue,
    *,
    collection: str | None = None,
    empty: bool = False,
) -> GivenSpecs:
    """Reads and checks the specs in files and folders.

    Args:
        paths: Files, and folders whose every ``*.yaml`` is a spec.
        catalogue: The models to check against.
        collection: A name for all of them as one whole collection; None uses their folders.
        empty: Accepts a folder without specs.

    Raises:
        SpecError: All problems of all specs.
    """
    problems: list[Diagnostic] = []
    found: dict[str, GivenSpec] = {}
    # A shell's `specs/*.yaml` finds the files of tests too.
    paths = [path for path in paths if not is_tests(path)] or paths
    files = [one for path in paths for one in _files(path, problems, empty=empty)]
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


def _files(path: Path, problems: list[Diagnostic], *, empty: bool) -> list[Path]:
    found = specs_at(path)
    if not found and not empty:
        problems.append(Diagnostic("unreadable", NO_SPEC, file=str(path)))
    return found


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
    job_variables: Mapping[str, Any] = MappingProxyType({}),
) -> list[DesiredDeployment]:
    """The deployments of the specs; puts the media that the specs name into the asset store.

    Args:
        sources: The specs.
        catalogue: The models.
        assets: A store that the workers reach too.
        work_pool: For entries that name none; None uses `WORK_POOL`.
        upload_page: Where a person gives a file for a form.
        job_variables: For each of them, from whoever deploys.

    Raises:
        SpecError: All media that cannot be used.
        StoreError: A medium cannot be stored.
    """
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
                schedules=tuple(map(prefect_schedule, deploy.schedules)),
                price=_price(source, deploy, catalogue, assets),
                upload_page=upload_page,
                job_variables=job_variables,
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
    except RivyaFlowsError:  # an input is missing, which the form asks for
        return "No budget: the price of a run depends on its inputs."
    words = total_of(ready.estimate)
    given = " with these inputs" if source.workflow.inputs else ""
    return f"{words[0].upper()}{words[1:]} a run{given}."
