"""The deployments of a spec: their names, schedules, triggers and input values.

Only Prefect's server sees an event. It evaluates ``${{ event.payload.NAME }}`` in the inputs of a trigger
with Jinja2: fields of the event, with a default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from jinja2 import nodes

from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.evaluation import default_of
from rivya_flows.language.expressions.resolve import (
    OPEN,
    Expression,
    Reference,
    as_reference,
    expressions_in,
    is_computed,
    template,
)
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.syntax.cron import cron_problem
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import preview
from rivya_flows.language.workflow import Deploy, Input, Schedule, Trigger, Workflow
from rivya_flows.spec.checks.input_values import check_values, missing

_EVENT = re.compile(r"[^\s*]{1,200}\*?")
_PREFECT_KIND = "__prefect_kind"
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
        for number, trigger in enumerate(deploy.triggers):
            if "event" in trigger.model_fields_set:
                place = (*path, "triggers", number)
                _check_trigger(trigger, workflow.inputs, deploy.inputs, place, report)
        _check_placeholders(deploy, path, report)
        if "when_busy" in deploy.model_fields_set and deploy.concurrency_limit is None:
            message = "'when_busy' has no effect without a limit"
            hint = "add `concurrency_limit: 1`, or remove it"
            report.add((*path, "when_busy"), "needless-key", message, hint, key=True)


def _check_placeholders(deploy: Deploy, path: Path, report: DiagnosticCollector) -> None:
    """Reports what Prefect would fill in: `{{ prefect.blocks… }}` is the value of a block."""
    for place, text in texts_in(deploy.model_dump(exclude_unset=True, exclude={"budget"})):
        if text == _PREFECT_KIND:
            message = f"{text} makes Prefect fill in a value"
            report.add((*path, *place), "expression-not-allowed", message, "remove it")
        elif "{{" in text and not ("inputs" in place and is_computed(text)):
            message = f"{preview(text)} has '{{{{', which Prefect would fill in"
            of_input = ", or make the text the default of the input" if "inputs" in place else ""
            report.add((*path, *place), "expression-not-allowed", message, "remove it" + of_input)


def _check_needed(
    inputs: Mapping[str, Input],
    given: Mapping[str, Any],
    who: str,
    path: Path,
    report: DiagnosticCollector,
) -> None:
    """Reports required inputs without a value: a run that starts by itself can ask no one."""
    for name in missing(inputs, given):
        hint = f"add `inputs: {{{name}: …}}`, or give the input a default"
        report.add(path, "missing-input", f"{who} cannot ask for the input {name!r}", hint)


def _check_trigger(
    trigger: Trigger,
    inputs: Mapping[str, Input],
    given: Mapping[str, Any],
    place: Path,
    report: DiagnosticCollector,
) -> None:
    if not _EVENT.fullmatch(trigger.event):
        message = f"{preview(trigger.event)} is not an event name"
        hint = "write a name such as campaign.brief.created, or a prefix such as campaign.*"
        report.add((*place, "event"), "bad-name", message, hint)
    check_values(inputs, trigger.inputs, (*place, "inputs"), report, None, paths=False)
    for name, value in trigger.inputs.items():
        try:
            for expression in expressions_in(value):
                _event_field(expression)
        except ExpressionError as error:
            report.expression((*place, "inputs", name), error)
    if trigger.active:
        _check_needed(inputs, {**given, **trigger.inputs}, "an event", place, report)


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


_TEXTS = ("id", "event", "occurred")
_RESOURCE = ("id", "name")
_HINT = (
    "write ${{ event.payload.NAME }}, ${{ event.resource.id }}, ${{ event.event }}, "
    "${{ event.id }} or ${{ event.occurred }}; `| default(…)` may follow"
)


def for_prefect(value: Any) -> Any:
    """The value as a parameter of Prefect's action "run a deployment".

    Text with an expression, or with braces, becomes a template that renders to JSON. A missing field makes
    the rendering fail, so no run starts.
    """
    if not any("{" in text for _, text in texts_in(value)):
        return value
    rendered = {"__prefect_kind": "jinja", "template": _json(value)}
    return {"__prefect_kind": "json", "value": rendered}


def _json(value: Any) -> str:
    """A Jinja2 template that renders to the value as JSON."""
    if isinstance(value, str) and OPEN in value:
        parts = template(value)
        if parts.whole:
            return f"{{{{ {_event_field(parts.expressions[0])} | tojson }}}}"
        pieces = (_literal(p) if isinstance(p, str) else _event_field(p) for p in parts.parts)
        return f"{{{{ ({' ~ '.join(pieces)}) | tojson }}}}"
    if isinstance(value, str):
        return _constant(value)
    if isinstance(value, Mapping):
        pairs = (f"{_constant(str(key))}: {_json(one)}" for key, one in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_json, value)) + "]"
    return json.dumps(value)


def _constant(text: str) -> str:
    # JSON can escape the braces that start a Jinja2 block.
    return json.dumps(text).replace("{", "\\u007b")


def _event_field(expression: Expression) -> str:
    """The expression in Jinja2, which by itself would render a missing field as empty."""
    tree: nodes.Expr = expression.tree
    default: str | None = None
    if isinstance(tree, nodes.Filter) and tree.name == "default" and tree.node is not None:
        constant = default_of(tree)
        if not isinstance(constant, nodes.Const):
            raise _refusal(expression, "the default of an event field must be a plain value")
        default, tree = _literal(constant.value), tree.node
    reference = as_reference(tree)
    if reference is None or reference.namespace != "event":
        raise _refusal(expression, "an input of a trigger must be a field of its event")
    found = _path(reference)
    if found is None:
        raise _refusal(
            expression, f"an event has no {preview('.'.join(reference.path) or 'value')}"
        )
    if default is not None:
        return f"({found} if {found} is defined and {found} is not none else {default})"
    # An undefined value has no JSON form, so the rendering fails.
    return f"({found} if {found} is defined else {found} | tojson)"


def _path(reference: Reference) -> str | None:
    """The field in Jinja2; None: an event has no such field."""
    field, *rest = reference.path or ("",)
    if field in _TEXTS and not rest:
        return f"(event.{field} | string)"
    if field == "payload":
        # Subscripts: a field may have the name of a method of a map.
        return "event.payload" + "".join(
            f"[{step if step.isdecimal() else _literal(step)}]" for step in rest
        )
    if field == "resource" and len(rest) == 1:
        label = rest[0]
        return f"event.resource.{label}" if label in _RESOURCE else f"event.resource[{label!r}]"
    return None


def _literal(value: Any) -> str:
    """A plain value as a literal of Jinja2."""
    if isinstance(value, str):
        # Jinja2 takes Python's escapes; a quote or a brace could end the literal.
        safe = value.encode("unicode_escape").decode()
        for letter in "'\"{}":
            safe = safe.replace(letter, f"\\x{ord(letter):02x}")
        return f'"{safe}"'
    return "none" if value is None else json.dumps(value)


def _refusal(expression: Expression, message: str) -> ExpressionError:
    return ExpressionError(message, _HINT, expression.offset)


def texts_in(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """The texts of a value, names of fields too, each with its place."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield (*path, key), str(key)
            yield from texts_in(one, (*path, key))
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from texts_in(one, (*path, number))
