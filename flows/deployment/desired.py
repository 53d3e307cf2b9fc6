"""What `rivya-flows deploy` is asked for: specs read and checked, all before anything is sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from prefect.client.schemas.schedules import (
    SCHEDULE_TYPES,
    CronSchedule,
    IntervalSchedule,
    RRuleSchedule,
)
from pydantic import ValidationError

from rivya_flows.app.spec_file import SpecFile, carried, read_spec
from rivya_flows.catalogue.catalogue import Catalogue
from rivya_flows.errors import Diagnostic, MediaError, SpecError, UsageError
from rivya_flows.flows.deploy_blocks import WORK_POOL
from rivya_flows.flows.deployment import recurrence
from rivya_flows.language.load import check
from rivya_flows.language.workflow import Deploy, Schedule, Workflow
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.deployed_specs import DeployedSpec


@dataclass(frozen=True)
class GivenSpec:
    """A spec that was given.

    Attributes:
        collection: Whose deployments are pruned together: the folder of the spec, or a name.
    """

    file: SpecFile
    workflow: Workflow
    collection: str


@dataclass(frozen=True)
class GivenSpecs:
    """All specs that were given.

    Attributes:
        specs: By name of the spec.
        covered: Collections that were given as a whole, so that what is missing is gone.
    """

    specs: dict[str, GivenSpec]
    covered: frozenset[str]


@dataclass(frozen=True)
class DesiredDeployment:
    """One deployment that is to be."""

    workflow: Workflow
    deploy: Deploy
    spec: DeployedSpec
    work_pool: str
    collection: str
    schedules: tuple[SCHEDULE_TYPES, ...]

    @property
    def name(self) -> str:
        """As Prefect names it: ``flow/deployment``."""
        return f"{self.workflow.name}/{self.deploy.name}"


def read_sources(
    paths: Sequence[Path],
    catalogue: Catalogue,
    *,
    collection: str | None = None,
    empty: bool = False,
) -> GivenSpecs:
    """The specs in files and folders.

    Args:
        paths: Files, and folders of which every ``*.yaml`` is a spec.
        catalogue: The models that they are checked against.
        collection: A name for all that is given, in place of the folders; it is then a whole.
        empty: A folder without specs is none by mistake.

    Raises:
        SpecError: Anything is wrong with any of them: all problems at once.
    """
    problems: list[Diagnostic] = []
    found: dict[str, GivenSpec] = {}
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
        problems += _wrong_schedules(workflow, file.name)
        source = GivenSpec(file, workflow, collection or str(path.resolve().parent))
        first = found.setdefault(workflow.name, source)
        if first is not source and Path(first.file.name).resolve() != path.resolve():
            message = f"{first.file.name} has the name {workflow.name!r} too"
            problems.append(
                Diagnostic("duplicate-name", message, "give one another", file=file.name)
            )
    if problems:
        raise SpecError(tuple(problems))
    covered = _covered(paths, files) if collection is None else {collection}
    return GivenSpecs(found, frozenset(covered))


def _files(path: Path, problems: list[Diagnostic], *, empty: bool) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.yaml"))
    if not found and not empty:
        message = "the folder has no spec, which is a file that ends in .yaml"
        problems.append(Diagnostic("unreadable", message, file=str(path)))
    return found


def _covered(paths: Iterable[Path], files: Iterable[Path]) -> Iterator[str]:
    """Folders that were given, or of which every spec was."""
    yield from (str(path.resolve()) for path in paths if path.is_dir())
    given: defaultdict[Path, set[str]] = defaultdict(set)
    for file in files:
        given[file.resolve().parent].add(file.name)
    for folder, names in given.items():
        if names >= {one.name for one in folder.glob("*.yaml")}:
            yield str(folder)


def wanted_of(
    sources: GivenSpecs, catalogue: Catalogue, assets: AssetStore, *, work_pool: str | None
) -> list[DesiredDeployment]:
    """The deployments of the specs; media that they name are in the asset store from now on.

    Args:
        sources: The specs.
        catalogue: The models.
        assets: A store that the workers reach too.
        work_pool: For deployments that name none; None is `WORK_POOL`.

    Raises:
        SpecError: A medium cannot be used: all problems at once.
        StoreError: A medium cannot be kept.
    """
    problems: list[Diagnostic] = []
    wanted: list[DesiredDeployment] = []
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
        wanted += [
            DesiredDeployment(
                workflow=source.workflow,
                deploy=deploy,
                spec=spec,
                work_pool=deploy.work_pool or work_pool or WORK_POOL,
                collection=source.collection,
                schedules=tuple(map(prefect_schedule, deploy.schedules)),
            )
            for deploy in source.workflow.deploy
        ]
    if problems:
        raise SpecError(tuple(problems))
    return wanted


def prefect_schedule(schedule: Schedule) -> SCHEDULE_TYPES:
    """A schedule as Prefect has it.

    Intervals are counted from a Monday's midnight, whenever and wherever they are deployed.

    Raises:
        ValidationError: Prefect does not take it.
        UsageError: Its server would stand still over it.
    """
    written = schedule.cron or schedule.rrule or ""
    if len(written) > recurrence.LONGEST_SCHEDULE:
        most = recurrence.LONGEST_SCHEDULE
        raise UsageError(f"a schedule of {len(written):,} characters; it may have {most}")
    zone: dict[str, Any] = {"timezone": schedule.timezone} if schedule.timezone else {}
    if schedule.cron is not None:
        return CronSchedule(cron=schedule.cron.strip(), **zone)
    if schedule.rrule is not None:
        made = RRuleSchedule(rrule=schedule.rrule, **zone)
        if wrong := recurrence.complaint(schedule.rrule):
            raise UsageError(wrong)
        return made
    anchor = datetime(2024, 1, 1, tzinfo=ZoneInfo(schedule.timezone or "UTC"))
    return IntervalSchedule.model_validate(
        {"interval": schedule.interval, "anchor_date": anchor, **zone}
    )


def _wrong_schedules(workflow: Workflow, file: str) -> Iterator[Diagnostic]:
    """What only Prefect knows: ranges of cron, rules of RFC 5545."""
    for deploy in workflow.deploy:
        for number, schedule in enumerate(deploy.schedules, 1):
            try:
                prefect_schedule(schedule)
            except (ValidationError, UsageError) as error:
                told = str(error)
                if isinstance(error, ValidationError):
                    told = error.errors(include_url=False, include_input=False)[0]["msg"]
                message = f"deploy {deploy.name!r}: schedule {number}: {told}"
                hint = "see the words of a schedule in docs/spec.md"
                yield Diagnostic("bad-schedule", message, hint, file=file)
