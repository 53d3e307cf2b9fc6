"""The deployments that specs ask for, with their schedules: all read and checked before anything is sent.

The most dates in a day and in a month is calculated from what a schedule says, not from its next dates: a
year without a leap day, or between two `RDATE`, is no bound of the following ones.

A server looks for the next dates in its event loop, one candidate after the other, from 2020 on if a rule
has no DTSTART: ``FREQ=SECONDLY`` blocks it for minutes, a 31st of February for seconds, each time it plans
runs. Source: `prefect.server.schemas.schedules.RRuleSchedule`.
"""

from __future__ import annotations

import math
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, WEEKLY, YEARLY, rrule, rruleset, rrulestr
from prefect.client.schemas.schedules import (
    DEFAULT_ANCHOR_DATE,
    SCHEDULE_TYPES,
    CronSchedule,
    IntervalSchedule,
    RRuleSchedule,
)
from pydantic import ValidationError

from rivya_flows.app.prepare import Market, RunRequest, prepare
from rivya_flows.app.spec_file import NO_SPEC, SpecFile, carried, is_tests, read_spec, specs_at
from rivya_flows.catalogue.catalogue import Catalogue
from rivya_flows.errors import Diagnostic, MediaError, RivyaFlowsError, SpecError, UsageError
from rivya_flows.flows.deploy_blocks import WORK_POOL
from rivya_flows.flows.prefect_internals import dates_of
from rivya_flows.language.syntax.cron import Cron, read_cron
from rivya_flows.language.workflow import Deploy, Schedule, Workflow
from rivya_flows.ledger.phrases import credits_of, total_of
from rivya_flows.spec.includes import included_texts
from rivya_flows.spec.load import check
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.deployments import DeployedSpec

LONGEST_SCHEDULE = 500
"""Characters of a `cron` or an `rrule`."""

MOST_TIMES_A_DAY = 24
EARLIEST_YEAR = 2000
_DAY, _LONGEST_MONTH = 86_400, 31
_WEEKS, _WEEKS_OF_MONTH = 53, 5
_BEGIN, _YEARS = datetime(2024, 1, 1), 50  # 40 years lie between two Mondays that are leap days


def prefect_schedule(schedule: Schedule) -> SCHEDULE_TYPES:
    """The schedule as Prefect's; intervals count from midnight of Monday, 2024-01-01.

    Whole days keep their hour when clocks change. Other intervals are in UTC: in another zone Prefect
    plans those over a day again, an hour beside the runs that it has planned.
    """
    written = schedule.cron or schedule.rrule or ""
    if len(written) > LONGEST_SCHEDULE:
        raise UsageError(
            f"a schedule has {len(written):,} characters; at most {LONGEST_SCHEDULE} are allowed"
        )
    zone: dict[str, Any] = {"timezone": schedule.timezone} if schedule.timezone else {}
    if schedule.cron is not None:
        return CronSchedule(cron=schedule.cron.strip(), **zone)
    if schedule.rrule is not None:
        if wrong := _rule_problem(schedule.rrule):
            raise UsageError(wrong)
        return RRuleSchedule(rrule=schedule.rrule, **zone)
    anchor = datetime(2024, 1, 1, tzinfo=ZoneInfo(schedule.timezone or "UTC"))
    if (schedule.interval or 0) % _DAY:
        zone = {"timezone": "UTC"}
    return IntervalSchedule.model_validate(
        {"interval": schedule.interval, "anchor_date": anchor, **zone}
    )


@dataclass(frozen=True)
class Dates:
    """When a schedule starts runs."""

    next: datetime
    a_day: int
    a_month: int


async def dates_from(schedule: Schedule, now: datetime) -> Dates | None:
    """The dates of a checked schedule from a moment on; None if there are none."""
    made, zone = prefect_schedule(schedule), ZoneInfo(schedule.timezone or "UTC")
    found = await dates_of(made, 1, now.astimezone(zone))
    if not found:
        return None
    midnights = [datetime(now.year, 1, 1, tzinfo=zone) + timedelta(days=n) for n in range(731)]
    if (every := schedule.interval) is not None:
        longer = 0.0
        if every % _DAY:  # a day on which clocks go back has more of them
            offsets = [(one.utcoffset() or timedelta()).total_seconds() for one in midnights]
            longer = max(offsets) - min(offsets)
        most = [math.ceil((days * _DAY + longer) / every) for days in (1, _LONGEST_MONTH)]
        return Dates(found[0], *most)
    if schedule.cron is not None:
        cron = read_cron(schedule.cron.strip())
        times, a_day = cron.times, len(cron.times)
        a_month = a_day * _days_of_cron(cron)
    else:
        times, a_day, a_month = _most_of_rule(_parsed(schedule.rrule or ""))
    if any(map(_is_skipped_beside, midnights)):
        # Clocks skip the first or the last hour of a day: its dates move to the next day or the last.
        moved = sum(one.hour in (0, 23) for one in times)
        a_day, a_month = a_day + moved, a_month + moved
    return Dates(found[0], a_day, a_month)


def _is_skipped_beside(midnight: datetime) -> bool:
    """Whether no clock shows a midnight, or the moment before."""
    return any(
        one.astimezone(UTC).astimezone(one.tzinfo).replace(tzinfo=None) != one.replace(tzinfo=None)
        for one in (midnight, midnight - timedelta(seconds=1))
    )


def _days_of_cron(cron: Cron) -> int:
    """Most days in a month: those of the month, those of the week, or both together."""
    longest = _longest(cron.months)
    if cron.days is None and cron.weekdays is None and not cron.nth_weekdays:
        return longest
    of_week = _weekdays(cron.weekdays or (), longest) + cron.nth_weekdays
    return min(longest, (cron.days or 0) + of_week)


def _most_of_rule(rules: rruleset) -> tuple[list[time], int, int]:
    """The times of day of a parsed recurrence, and its most dates in a day and in a month."""
    rule: Any = rules._rrule[0]
    longest, times = _longest(rule._bymonth), list(rule._timeset)
    weekdays, positions = rule._byweekday or (), len(rule._bysetpos or ())
    length = {DAILY: 1, WEEKLY: 7}.get(rule._freq)  # of a period; a month has a part of two of them
    periods = math.ceil((longest + length - 1) / (length * rule._interval)) if length else 1
    days = (
        longest,
        periods * min(length, len(weekdays) or 7) if length else longest,
        _weekdays(weekdays, longest) + len(rule._bynweekday or ()),
        len(rule._bymonthday) + len(rule._bynmonthday),
        len(rule._byyearday or ()),
        7 * len(rule._byweekno or ()),
    )  # each is a bound of its own; 0: the rule has no such part
    a_day = min(filter(None, (len(times), positions, rule._count)))
    a_month = len(times) * min(filter(None, days))
    a_month = min(filter(None, (a_month, periods * positions, rule._count)))
    further: list[datetime] = rules._rdate
    times += [one.time() for one in further]
    a_day += max(Counter(one.date() for one in further).values(), default=0)
    a_month += max(Counter((one.year, one.month) for one in further).values(), default=0)
    return times, a_day, a_month


def _longest(months: Collection[int] | None) -> int:
    """Days of the longest of these months, None for all of them, in a leap year."""
    return max(monthrange(2024, month)[1] for month in months or (1,))


def _weekdays(weekdays: Collection[int], longest: int) -> int:
    """Most dates on these weekdays in a month: four of each, and of those after the 28th."""
    after = range(longest - 28)
    return 4 * len(weekdays) + max(
        sum((first + n) % 7 in weekdays for n in after) for first in range(7)
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


def _rule_problem(text: str) -> str | None:
    """Why a rule cannot be parsed, or would block Prefect's server; None if neither."""
    try:
        rules = _parsed(text)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return f"the rule cannot be parsed: {error}"
    found: list[Any] = rules._rrule
    if len(found) != 1 or rules._exrule or found[0]._freq > DAILY:
        return "a rule has one FREQ, of DAILY, WEEKLY, MONTHLY, YEARLY; `interval` can be shorter"
    rule = found[0]
    if len(rule._timeset) > MOST_TIMES_A_DAY:
        return f"a rule gives at most {MOST_TIMES_A_DAY} times a day; `interval` can give more"
    if rule._interval < 1:
        return "INTERVAL is at least 1"
    if rule._byeaster:
        return "BYEASTER is not of RFC 5545"
    most = _WEEKS if rule._freq == YEARLY and not rule._bymonth else _WEEKS_OF_MONTH
    if any(abs(nth) > most for _, nth in rule._bynweekday or ()):
        return f"BYDAY counts to {most} at most in this rule"
    if rule._dtstart.year < EARLIEST_YEAR:
        return f"DTSTART is before {EARLIEST_YEAR}"
    last = _BEGIN.replace(year=_BEGIN.year + _YEARS)
    dates: rrule = rule.replace(dtstart=_BEGIN, count=None, until=last)
    if next(iter(dates), None) is None:
        return f"the rule gives no date within {_YEARS} years"
    return None


def _parsed(text: str) -> rruleset:
    return rrulestr(text, dtstart=DEFAULT_ANCHOR_DATE, forceset=True)


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
    job_variables: Mapping[str, Any] = MappingProxyType({}),
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
