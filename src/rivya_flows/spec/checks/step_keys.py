"""Checks of the keys of steps: conditions, and keys without an effect."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.resolve import references
from rivya_flows.language.expressions.templates import NAMESPACES, template
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.step_groups import written_steps
from rivya_flows.language.syntax.tree import Path
from rivya_flows.steps.registry import known_kind


def check_step_keys(data: Mapping[str, Any], report: DiagnosticCollector) -> None:
    """Reports conditions that are none, and keys that have no effect on a kind of step."""
    for part, step_id, step in written_steps(data):
        path: Path = (part, step_id)
        _check_condition(step, data.get("inputs"), (*path, "if"), report)
        kind = known_kind(step.get("uses"))
        for key in kind.idle if kind else ():
            if kind and key in step:
                message = f"{key!r} has no effect on {kind.name}"
                report.add((*path, key), "needless-key", message, kind.idle_hint(key), key=True)


def _check_condition(
    step: Mapping[str, Any], inputs: Any, path: Path, report: DiagnosticCollector
) -> None:
    value = step.get("if")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        try:
            if template(value).whole:
                return
        except ExpressionError:
            return  # reported with the expressions
    hint = "write one expression" if "${{" in str(value) else _condition_hint(value, step, inputs)
    report.add(path, "bad-condition", "a condition must be one expression, true or false", hint)


def _condition_hint(value: Any, step: Mapping[str, Any], inputs: Any) -> str:
    """The value in braces, if that is an expression of known names; else an example."""
    named: set[str] = set()
    if isinstance(value, str) and len(value) < 60 and '"' not in value:
        with suppress(ExpressionError):
            named = {one.namespace for one in references(f"${{{{ {value} }}}}")}
            if named and named <= {*NAMESPACES, step.get("as")}:
                return f'write "${{{{ {value} }}}}"'
    known = inputs if isinstance(inputs, dict) else {}
    name = next((one for one in sorted(named) if one in known), "NAME")
    return f"write \"${{{{ inputs.{name} == 'value' }}}}\""
