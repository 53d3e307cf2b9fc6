"""Checks of `repeat`: that its condition can change, and that `previous` may be null."""

from __future__ import annotations

from contextlib import suppress

from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.evaluation import NotKnown, look_ahead
from rivya_flows.language.expressions.resolve import is_whole, references, template
from rivya_flows.language.expressions.values import ExpressionError, InferenceError, UsesNull
from rivya_flows.language.syntax.tree import Path
from rivya_flows.spec.checks.expressions import check_expressions
from rivya_flows.spec.names import NamesInScope
from rivya_flows.steps.kind import WrittenStep

_NULL = "write `| default('')` after it, `or none`, or `… if previous else …`"


def check_repeats(names: NamesInScope, report: DiagnosticCollector) -> None:
    """Reports an `until` that no round changes, loops beside it, and a `previous` that is null at first."""
    for step in names.spec.steps:
        if step.repeat is None or (step.kind and "repeat" in step.kind.idle):
            continue
        if step.loops:
            message = f"'repeat' repeats a whole step, and this one has `{step.loops[0]}`"
            hint = "put what each item repeats into a spec of its own, and include that"
            if step.get("uses") == "include":
                hint = (
                    "write `repeat` at a step of the included spec, which then repeats in each item"
                )
            report.add((*step.path, "repeat"), "two-loops", message, hint, key=True)
            continue
        _check_until(step, names, report)
        for key in ("with", "fallback"):
            _check_previous(step.get(key), (*step.path, key), report)


def _check_until(step: WrittenStep, names: NamesInScope, report: DiagnosticCollector) -> None:
    written, path = (step.repeat or {}).get("until"), (*step.path, "repeat", "until")
    if written is None:
        return  # reported with the models
    uses = step.kind.uses if step.kind else ""
    example = f"steps.{step.id}.{_EXAMPLES.get(uses, 'asset.width >= 1024')}"
    hint = f'write "${{{{ {example} }}}}"'
    if not is_whole(written):
        message = "'until' must be one expression that is true when the step is done"
        report.add(path, "bad-condition", message, hint)
        return
    check_expressions(written, path, names.after_round(step), report)
    try:
        read = references(written)
    except ExpressionError:
        return  # reported just now
    if not any(one.namespace == "steps" and one.path[:1] == (step.id,) for one in read):
        message = f"'until' is the same after every round: it reads nothing of steps.{step.id}"
        report.add(path, "bad-condition", message, hint)


_EXAMPLES = {"chat": "json.score >= 8", "include": "outputs.score >= 8"}


def _check_previous(value: object, path: Path, report: DiagnosticCollector) -> None:
    """Reports each `previous` whose null in the first round would skip the step."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            _check_previous(part, (*path, key), report)
    if not isinstance(value, str) or "${{" not in value:
        return
    try:
        expressions = template(value).expressions
    except ExpressionError:
        return  # reported with the references
    for one in expressions:
        try:
            with suppress(NotKnown, ExpressionError):
                look_ahead(one.tree, {"previous": None})
        except UsesNull as null:
            message = f"{null}, as it is in the first round, which would skip the step"
            report.expression(path, InferenceError("wrong-type", message, _NULL, null.path), one)
