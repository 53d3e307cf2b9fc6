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
    NAMESPACES,
    Reference,
    as_reference,
    expressions_in,
    is_whole,
    references,
    template,
    tree_references,
)
from rivya_flows.language.expressions.values import ExpressionError, InferenceError
from rivya_flows.language.step_groups import Part
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, shown
from rivya_flows.spec.names import NamesInScope, WrittenSpec
from rivya_flows.steps.kind import WrittenStep

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


def check_conditions(names: NamesInScope, report: DiagnosticCollector) -> None:
    """Reports comparisons with values that never occur, and conditions that never hold.

    Only what is certain: statuses of steps, values of enum inputs, literal axes, and types.
    """
    parts = {step.id: step.part for step in names.spec.steps}
    for step in names.spec.steps:
        if report.dropped:
            return
        for key in _EVALUATED:
            _check_values(step.get(key), (*step.path, key), names, step, report)
        _check_status(step, parts, report)
    _check_values(names.spec.values.get("outputs"), ("outputs",), names, None, report)


def _check_values(
    value: Any,
    path: Path,
    names: NamesInScope,
    step: WrittenStep | None,
    report: DiagnosticCollector,
) -> None:
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            _check_values(one, (*path, name), names, step, report)
        return
    try:
        found = tuple(expressions_in(value))
    except ExpressionError:
        return  # reported with the references
    for expression in found:
        for tree in (expression.tree, *expression.tree.find_all(nodes.Compare)):
            if not isinstance(tree, nodes.Compare):
                continue
            scope = names.everywhere() if step is None else names.inside(step)
            errors = list(_unequal_types(tree, scope))
            for reference, operator, constants in _compared(tree):
                possible = _possible(reference, names, step)
                wrong = [one for one in constants if one is not None and one not in possible]
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
    reference: Reference, names: NamesInScope, step: WrittenStep | None
) -> tuple[Any, ...]:
    """All values that a name can have; empty where they are not known."""
    if reference.namespace == "steps":
        name, *rest = reference.path or ("",)
        known = any(name in steps for steps in names.spec.parts.values())
        return STATUSES if known and rest == ["status"] else ()
    found, whole = names.possible(reference, step)
    plain = whole and all(isinstance(one, str | int | float) for one in found)
    return found if plain and len(found) <= _MAX_VALUES else ()


def _check_status(
    step: WrittenStep, parts: Mapping[str, Part], report: DiagnosticCollector
) -> None:
    """Reports an `if` that needs the failure of a step with which this step is skipped."""
    condition = step.get("if")
    if not is_whole(condition):
        return
    try:
        [expression] = template(condition).expressions
        read = references([step.get(key) for key in _EVALUATED])
    except ExpressionError:
        return
    needed = [name for _, name in step.needs]
    asked = [one.path[0] for one in tree_references(expression.tree) if one.path[1:] == ("status",)]
    for name in sorted(set(asked)):
        others = [str(one) for one in read if _reads_more(one, name)]
        if parts.get(name) != step.part or not (others or name in needed):
            continue
        ends = [one for one in STATUSES if one != "failed"]
        if all(_truth(expression.tree, name, one) is False for one in ends):
            why = f"it reads {min(others)}" if others else f"it has {name!r} in `needs`"
            message = f"this never holds: the step is skipped when {name!r} fails, since {why}"
            hint = f"read nothing of {name!r} but its status, or move the step to `on_failure`"
            about = f"steps.{name}.status"
            report.expression(
                (*step.path, "if"),
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


def check_step_keys(spec: WrittenSpec, report: DiagnosticCollector) -> None:
    """Reports conditions that are none, and keys that have no effect on a kind of step."""
    for step in spec.steps:
        _check_condition(step, spec, report)
        for key in step.kind.idle if step.kind else ():
            if step.kind and key in step.keys:
                message = f"{key!r} has no effect on {step.kind.name}"
                hint = step.kind.idle_hint(key)
                report.add((*step.path, key), "needless-key", message, hint, key=True)


def _check_condition(step: WrittenStep, spec: WrittenSpec, report: DiagnosticCollector) -> None:
    value = step.get("if")
    if value is None or isinstance(value, bool) or is_whole(value):
        return
    hint = "write one expression" if "${{" in str(value) else _condition_hint(value, step, spec)
    report.add(
        (*step.path, "if"),
        "bad-condition",
        "a condition must be one expression, true or false",
        hint,
    )


def _condition_hint(value: Any, step: WrittenStep, spec: WrittenSpec) -> str:
    """The value in braces, if that is an expression of known names; else an example."""
    named: set[str] = set()
    if isinstance(value, str) and len(value) < 60 and '"' not in value:
        with suppress(ExpressionError):
            named = {one.namespace for one in references(f"${{{{ {value} }}}}")}
            if named and named <= {*NAMESPACES, step.get("as")}:
                return f'write "${{{{ {value} }}}}"'
    name = next((one for one in sorted(named) if one in spec.inputs), "NAME")
    return f"write \"${{{{ inputs.{name} == 'value' }}}}\""
