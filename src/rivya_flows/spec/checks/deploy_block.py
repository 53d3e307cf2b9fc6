"""Checks of `deploy`: names, schedules, triggers and input values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from rivya_flows.language import trigger_values
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.resolve import is_computed
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.syntax.cron import cron_problem
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import shown
from rivya_flows.language.workflow import Deploy, Input, Schedule, Workflow
from rivya_flows.spec.checks.input_values import check_values, missing

_EVENT = re.compile(r"[^\s*]{1,200}\*?")
_HYDRATED = "__prefect_kind"
"""The key of a map in whose place Prefect puts one of its variables, or what a template renders to."""


def check_deployments(workflow: Workflow, report: DiagnosticCollector) -> None:
    """Reports deployments that cannot be made, or whose runs cannot start."""
    names: set[str] = set()
    for index, deploy in enumerate(workflow.deploy):
        if "name" not in deploy.model_fields_set:
            continue  # it does not fit its model, which was reported
        path: Path = ("deploy", index)
        if deploy.name in names:
            message = f"there are two deployments {deploy.name!r}"
            report.add((*path, "name"), "duplicate-name", message, "rename one of them")
        names.add(deploy.name)
        check_values(workflow.inputs, deploy.inputs, (*path, "inputs"), report, None, paths=False)
        for number, schedule in enumerate(deploy.schedules):
            _check_schedule(schedule, (*path, "schedules", number), report)
        if any(schedule.active for schedule in deploy.schedules):
            _check_needed(workflow.inputs, deploy.inputs, "a schedule", path, report)
        _check_triggers(workflow.inputs, deploy, path, report)
        _check_placeholders(deploy, path, report)
        if "when_busy" in deploy.model_fields_set and deploy.concurrency_limit is None:
            message = "'when_busy' has no effect without a limit"
            hint = "add `concurrency_limit: 1`, or remove it"
            report.add((*path, "when_busy"), "needless-key", message, hint, key=True)


def _check_placeholders(deploy: Deploy, path: Path, report: DiagnosticCollector) -> None:
    """Reports what Prefect would fill in: `{{ prefect.blocks… }}` is the value of a block."""
    for place, text in trigger_values.texts_in(deploy.model_dump(exclude_unset=True)):
        if text == _HYDRATED:
            message = f"{text} makes Prefect fill in a value"
            report.add((*path, *place), "expression-not-allowed", message, "remove it")
        elif "{{" in text and not ("inputs" in place and is_computed(text)):
            message = f"{shown(text)} has '{{{{', which Prefect would fill in"
            of_input = ", or make the text the default of the input" if "inputs" in place else ""
            report.add((*path, *place), "expression-not-allowed", message, "remove it" + of_input)


def _check_needed(
    inputs: Mapping[str, Input],
    given: Mapping[str, Any],
    who: str,
    path: Path,
    report: DiagnosticCollector,
) -> None:
    """Reports required inputs without a value: a run that starts by itself can ask nobody."""
    for name in missing(inputs, given):
        hint = f"add `inputs: {{{name}: …}}`, or give the input a default"
        report.add(path, "missing-input", f"{who} cannot ask for the input {name!r}", hint)


def _check_triggers(
    inputs: Mapping[str, Input], deploy: Deploy, path: Path, report: DiagnosticCollector
) -> None:
    for number, trigger in enumerate(deploy.triggers):
        if "event" not in trigger.model_fields_set:
            continue
        place: Path = (*path, "triggers", number)
        if not _EVENT.fullmatch(trigger.event):
            message = f"{shown(trigger.event)} is not an event name"
            hint = "write a name such as campaign.brief.created, or a prefix such as campaign.*"
            report.add((*place, "event"), "bad-name", message, hint)
        check_values(inputs, trigger.inputs, (*place, "inputs"), report, None, paths=False)
        for name, value in trigger.inputs.items():
            try:
                trigger_values.check_value(value)
            except ExpressionError as error:
                report.expression((*place, "inputs", name), error)
        if trigger.active:
            given = {**deploy.inputs, **trigger.inputs}
            _check_needed(inputs, given, "an event", place, report)


def _check_schedule(schedule: Schedule, place: Path, report: DiagnosticCollector) -> None:
    if [schedule.cron, schedule.interval, schedule.rrule].count(None) != 2:
        message = "a schedule needs exactly one of cron, interval and rrule"
        report.add(place, "bad-schedule", message, 'write {cron: "0 9 * * 1"}')
    if schedule.cron is not None and (wrong := cron_problem(schedule.cron.strip())):
        hint = "write minute hour day month weekday, such as 0 9 * * 1"
        report.add((*place, "cron"), "bad-schedule", wrong, hint)
    try:
        ZoneInfo(schedule.timezone or "UTC")
    except (KeyError, ValueError, OSError):
        known, name = _zones(), schedule.timezone
        report.unknown((*place, "timezone"), "bad-schedule", "time zone", known, value=name)


@lru_cache(maxsize=1)
def _zones() -> tuple[str, ...]:
    """All time zones; cached, since they are read from many files."""
    return tuple(sorted(available_timezones()))
