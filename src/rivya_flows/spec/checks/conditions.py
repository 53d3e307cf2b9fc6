"""Checks of comparisons that no run can make true, and of conditions that can never hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from jinja2 import nodes

from rivya_flows.language.diagnostic_report import DiagnosticCollector, meant
from rivya_flows.language.expressions.evaluation import written
from rivya_flows.language.expressions.inference import shape_of
from rivya_flows.language.expressions.output_types import Kind, Scope
from rivya_flows.language.expressions.resolve import (
    Reference,
    as_reference,
    expressions_in,
    is_computed,
    references,
    tree_references,
)
from rivya_flows.language.expressions.templates import NAMESPACES, template
from rivya_flows.language.expressions.values import ExpressionError, InferenceError
from rivya_flows.language.step_groups import Part, written_steps
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, shown
from rivya_flows.spec.names import NamesInScope
from rivya_flows.steps.registry import known_kind

STATUSES = ("completed", "cached", "skipped", "failed")
"""How a step ends: what an expression sees of each step that its own step waits for."""

_OTHER_WORDS = {
    **dict.fromkeys(("success", "succeeded", "successful", "done", "finished", "ok"), "completed"),
    **dict.fromkeys(("failure", "error", "errored", "crashed"), "failed"),
}
_MAX_VALUES = 100
_EVALUATED = ("if", "key", "matrix", "foreach", "zip", "with", "fallback")
_AGREE = {"eq": True, "in": True, "ne": False, "notin": False}
"""Whether an operator holds where its two sides agree."""


def check_conditions(
    data: Mapping[str, Any], names: NamesInScope, report: DiagnosticCollector
) -> None:
    """Reports comparisons with values that never occur, and conditions that never hold.

    Only what is certain: statuses of steps, values of enum inputs, literal axes, and types.
    """
    parts: dict[str, Part] = {step_id: part for part, step_id, _ in written_steps(data)}
    for part, step_id, step in written_steps(data):
        if report.dropped:
            return
        for key in _EVALUATED:
            place = (part, step_id, key)
            _check_values(step.get(key), place, data, step, parts, names.inside(step_id), report)
        _check_status(step, part, step_id, parts, report)
    outputs = data.get("outputs")
    _check_values(outputs, ("outputs",), data, {}, parts, names.everywhere(), report)


def _check_values(
    value: Any,
    path: tuple[str | int, ...],
    data: Mapping[str, Any],
    step: Mapping[str, Any],
    parts: Mapping[str, Part],
    scope: Scope,
    report: DiagnosticCollector,
) -> None:
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            _check_values(one, (*path, name), data, step, parts, scope, report)
        return
    try:
        found = tuple(expressions_in(value))
    except ExpressionError:
        return  # reported with the references
    for expression in found:
        for tree in (expression.tree, *expression.tree.find_all(nodes.Compare)):
            if not isinstance(tree, nodes.Compare):
                continue
            errors = list(_unequal_types(tree, scope))
            for reference, operator, constants in _compared(tree):
                possible = _possible(reference, data, step, parts)
                wrong = [
                    one for one in constants if one is not None and one not in (possible or ())
                ]
                if possible and wrong:
                    errors = [_never(reference, operator, one, possible) for one in wrong]
            for error in errors:
                report.expression(path, error, expression)


def _unequal_types(tree: nodes.Compare, scope: Scope) -> Iterator[InferenceError]:
    """Comparisons of values that are never equal, since they are of different types."""
    left: nodes.Node = tree.expr
    for operand in tree.ops:
        right = operand.expr
        if operand.op in ("eq", "ne"):
            try:
                kinds = [shape_of(one, scope).kind for one in (left, right)]
            except ExpressionError:
                return  # reported with the references
            alike = {_ALIKE.get(kind, kind) for kind in kinds}
            if len(alike) == 2 and "any" not in alike:
                ends = "never holds" if operand.op == "eq" else "always holds"
                message = f"{an(kinds[0])} is never equal to {an(kinds[1])}, so this {ends}"
                hint = "compare it with a value of its type"
                if alike == {"number", "text"}:
                    hint = "write the number without quotes, or `| int` after the text"
                about = next(
                    (one for one in (left, right) if not isinstance(one, nodes.Const)), left
                )
                yield InferenceError("useless-condition", message, hint, written(about))
        left = right


_ALIKE: Mapping[Kind, Kind] = {"boolean": "number", "asset": "map"}
"""Kinds whose values may be equal to those of another kind."""


def _never(reference: Reference, operator: str, value: Any, possible: tuple[Any, ...]) -> Any:
    message = f"{reference} is never {shown(value)}"
    if not _AGREE[operator]:
        message += ", so this always holds"
    words = [one if isinstance(one, str) else repr(one) for one in possible]
    other = _OTHER_WORDS.get(str(value).lower()) if possible == STATUSES else None
    listed = f"it can be: {', '.join(words[:20])}"
    hint = f"did you mean {other!r}? {listed}" if other else meant(str(value), words) or listed
    return InferenceError("useless-condition", message, hint, str(reference))


def _compared(tree: nodes.Compare) -> Iterator[tuple[Reference, str, tuple[Any, ...]]]:
    """Each name that is compared with constants, the operator, and the constants."""
    left: nodes.Node = tree.expr
    for operand in tree.ops:
        right = operand.expr
        sides = [(left, right), (right, left)] if operand.op in ("eq", "ne") else [(left, right)]
        for name, other in sides if operand.op in _AGREE else ():
            listed = other.items if isinstance(other, nodes.List) else []
            written = [other] if operand.op in ("eq", "ne") else [*listed]
            constants = tuple(one.value for one in written if isinstance(one, nodes.Const))
            reference = _plain_reference(name)
            if reference is not None and constants and len(constants) == len(written):
                yield reference, operand.op, constants
        left = right


def _plain_reference(tree: nodes.Node) -> Reference | None:
    """The reference, if nothing in it is computed: not ``matrix.sizes[inputs.n]``."""
    for one in (tree, *tree.find_all(nodes.Getitem)):
        if isinstance(one, nodes.Getitem) and not isinstance(one.arg, nodes.Const):
            return None
    return as_reference(tree)


def _possible(
    reference: Reference,
    data: Mapping[str, Any],
    step: Mapping[str, Any],
    parts: Mapping[str, Part],
) -> tuple[Any, ...] | None:
    """All values that a name can have; None where they are not known."""
    match reference.namespace, reference.path:
        case "steps", (name, "status") if name in parts:
            return STATUSES
        case "inputs", (name,):
            inputs = data.get("inputs")
            declared = inputs.get(name) if isinstance(inputs, dict) else None
            if not isinstance(declared, dict) or declared.get("type") != "enum":
                return None
            return _scalars(declared.get("values"))
        case ("matrix" | "zip") as loop, (axis,):
            axes = step.get(loop)
            return _axis(axes, axis) if isinstance(axes, dict) else None
        case _:
            return None


def _axis(axes: Mapping[str, Any], axis: str) -> tuple[Any, ...] | None:
    rules = axes.get("include") or []
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        return None
    written = axes.get(axis, [])
    added = [rule[axis] for rule in rules if axis in rule]
    return _scalars([*written, *added]) if isinstance(written, list) else None


def _scalars(values: Any) -> tuple[Any, ...] | None:
    """The values, if they are literal, plain and not very many."""
    if not isinstance(values, list) or not 0 < len(values) <= _MAX_VALUES:
        return None
    plain = all(isinstance(one, str | int | float) and not is_computed(one) for one in values)
    return tuple(values) if plain else None


def _check_status(
    step: Mapping[str, Any],
    part: Part,
    step_id: str,
    parts: Mapping[str, Part],
    report: DiagnosticCollector,
) -> None:
    """Reports an `if` that needs the failure of a step with which this step is skipped."""
    condition, needs = step.get("if"), step.get("needs")
    try:
        if not isinstance(condition, str) or not template(condition).whole:
            return
        [expression] = template(condition).expressions
        read = references([step.get(key) for key in _EVALUATED])
    except ExpressionError:
        return
    needed = needs if isinstance(needs, list) else []
    asked = [one.path[0] for one in tree_references(expression.tree) if one.path[1:] == ("status",)]
    for name in sorted(set(asked)):
        others = [str(one) for one in read if _reads_more(one, name)]
        if parts.get(name) != part or not (others or name in needed):
            continue
        ends = [one for one in STATUSES if one != "failed"]
        if all(_truth(expression.tree, name, one) is False for one in ends):
            why = f"it reads {min(others)}" if others else f"it has {name!r} in `needs`"
            message = f"this never holds: the step is skipped when {name!r} fails, since {why}"
            hint = f"read nothing of {name!r} but its status, or move the step to `on_failure`"
            about = f"steps.{name}.status"
            report.expression(
                (part, step_id, "if"),
                InferenceError("useless-condition", message, hint, about),
                expression,
            )


def _reads_more(one: Reference, name: str) -> bool:
    return one.namespace == "steps" and one.path[:1] == (name,) and one.path[1:] != ("status",)


def _truth(tree: nodes.Node, name: str, status: str) -> bool | None:
    """Whether a condition holds if a step ended so; None where more than that decides."""
    match tree:
        case nodes.Not():
            inner = _truth(tree.node, name, status)
            return None if inner is None else not inner
        case nodes.And() | nodes.Or():
            sides = [_truth(one, name, status) for one in (tree.left, tree.right)]
            decides = isinstance(tree, nodes.Or)
            if decides in sides:
                return decides
            return None if None in sides else not decides
        case nodes.Compare(ops=[_]):
            for reference, operator, constants in _compared(tree):
                if reference == Reference("steps", (name, "status")):
                    return (status in constants) is _AGREE[operator]
    return None


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
