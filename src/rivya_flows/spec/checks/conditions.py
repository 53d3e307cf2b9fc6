"""Conditions that never or always hold, and warnings: what is declared, bought or drawn in vain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from typing import Any

from jinja2 import nodes

from rivya_cut.fonts import name_characters
from rivya_flows.language.answers import AnswerField, read_expect
from rivya_flows.language.diagnostic_report import DiagnosticCollector, suggest
from rivya_flows.language.expressions.evaluation import PartlyKnown, holds, name_of
from rivya_flows.language.expressions.filters import FILTERS
from rivya_flows.language.expressions.inference import check_keys, shape_of
from rivya_flows.language.expressions.output_types import Kind as ShapeKind, Scope
from rivya_flows.language.expressions.resolve import (
    Expression,
    Reference,
    expressions_in,
    is_whole,
    literal_reference,
    references,
    steps_named,
    template,
    tree_references,
    whole_reference,
)
from rivya_flows.language.expressions.values import ExpressionError, InferenceError, as_text
from rivya_flows.language.syntax.media_references import is_font
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, preview
from rivya_flows.language.workflow import PARTS, Part, Step, Workflow
from rivya_flows.spec.checks.expressions import computed_arguments
from rivya_flows.spec.checks.steps import is_never
from rivya_flows.spec.inlining import included_by
from rivya_flows.spec.names import NamesInScope, WrittenSpec
from rivya_flows.steps.branding import Branding
from rivya_flows.steps.cut_rules import drawn_texts
from rivya_flows.steps.kind import WrittenStep
from rivya_flows.steps.registry import kind_of_step
from rivya_flows.steps.review import USES as REVIEW, steps_between

STATUSES = ("completed", "cached", "skipped", "failed")
"""How a step ends: what an expression sees of each step that its own step waits for."""

_SYNONYMS = {
    **dict.fromkeys(("success", "succeeded", "successful", "done", "finished", "ok"), "completed"),
    **dict.fromkeys(("failure", "error", "errored", "crashed"), "failed"),
}
_MAX_VALUES = 100
_EVALUATED = ("if", "key", "matrix", "foreach", "zip", "with", "fallback", "repeat")
_AGREE = {"eq": True, "in": True, "ne": False, "notin": False}
"""Whether an operator holds where its two sides agree."""


def check_conditions(names: NamesInScope, report: DiagnosticCollector) -> None:
    """Reports comparisons with values that never occur, and conditions that never hold; only certain ones."""
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
            for reference, operator, constants in _comparisons(tree):
                possible = _possible_values(reference, names, step)
                wrong = [one for one in constants if one is not None and one not in possible]
                if possible and wrong:
                    errors = [_never_equal(reference, operator, one, possible) for one in wrong]
            for error in errors:
                report.expression(path, error, expression)
        for item in expression.tree.find_all(nodes.Getitem):
            _check_computed_key(item, (path, expression), names, step, report)


def _check_computed_key(
    tree: nodes.Getitem,
    at: tuple[Path, Expression],
    names: NamesInScope,
    step: WrittenStep | None,
    report: DiagnosticCollector,
) -> None:
    """Reports `by[scene ~ '-wide']` if no key that it may be exists."""
    scope = names.everywhere() if step is None else names.inside(step)
    try:
        if not isinstance(tree.arg, nodes.Const) and (keys := _values_of(tree.arg, names, step)):
            check_keys(tree, shape_of(tree.node, scope), [*map(as_text, keys)])
    except InferenceError as error:
        report.expression(at[0], error, at[1])
    except ExpressionError:
        return  # reported with the references


def _values_of(tree: nodes.Node, names: NamesInScope, step: WrittenStep | None) -> tuple[Any, ...]:
    """All values that a part of an expression can have; empty where they are not known."""
    match tree:
        case nodes.Const():
            return (tree.value,)
        case nodes.Concat():
            parts = [_values_of(one, names, step) for one in tree.nodes]
            if prod(map(len, parts)) > _MAX_VALUES:
                return ()
            return tuple("".join(map(as_text, one)) for one in product(*parts))
        case nodes.Filter(node=nodes.Node() as inner, args=[], kwargs=[]):
            values = _values_of(inner, names, step)
            return tuple(FILTERS[tree.name](one) for one in values if isinstance(one, str))
    reference = literal_reference(tree)
    return () if reference is None else _possible_values(reference, names, step)


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
                about = right if isinstance(left, nodes.Const) else left
                yield InferenceError("useless-condition", message, hint, name_of(about))
        left = right


_ALIKE: Mapping[ShapeKind, ShapeKind] = {"boolean": "number", "asset": "map"}
"""Kinds whose values may be equal to those of another kind."""


def _never_equal(
    reference: Reference, operator: str, value: Any, possible: tuple[Any, ...]
) -> InferenceError:
    message = f"{reference} is never {preview(value)}"
    if not _AGREE[operator]:
        message += ", so this always holds"
    choices = [one if isinstance(one, str) else repr(one) for one in possible]
    other = _SYNONYMS.get(str(value).lower()) if possible == STATUSES else None
    listed = f"it can be: {', '.join(choices[:20])}"
    hint = f"did you mean {other!r}? {listed}" if other else suggest(str(value), choices) or listed
    return InferenceError("useless-condition", message, hint, str(reference))


def _comparisons(tree: nodes.Compare) -> Iterator[tuple[Reference, str, tuple[Any, ...]]]:
    """Each name that is compared with constants, the operator, and the constants."""
    left: nodes.Node = tree.expr
    for operand in tree.ops:
        right = operand.expr
        sides = [(left, right), (right, left)] if operand.op in ("eq", "ne") else [(left, right)]
        for name, other in sides if operand.op in _AGREE else ():
            listed = other.items if isinstance(other, nodes.List) else []
            written = [other] if operand.op in ("eq", "ne") else [*listed]
            constants = tuple(one.value for one in written if isinstance(one, nodes.Const))
            reference = literal_reference(name)
            if reference is not None and constants and len(constants) == len(written):
                yield reference, operand.op, constants
        left = right


def _possible_values(
    reference: Reference, names: NamesInScope, step: WrittenStep | None
) -> tuple[Any, ...]:
    """All values that a name can have; empty where they are not known."""
    if reference.namespace == "steps":
        name, *rest = reference.path or ("",)
        known = any(name in steps for steps in names.spec.parts.values())
        return STATUSES if known and rest == ["status"] else ()
    values, is_all = names.possible(reference, step)
    is_known = is_all and all(isinstance(one, str | int | float) for one in values)
    return values if is_known and len(values) <= _MAX_VALUES else ()


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
    asked = {one.path[0] for one in tree_references(expression.tree) if one.path[1:] == ("status",)}
    for name in sorted(asked):
        of_it = [one for one in read if one.namespace == "steps" and one.path[:1] == (name,)]
        results = [str(one) for one in of_it if one.path[1:] != ("status",)]
        if parts.get(name) != step.part or not (results or name in needed):
            continue
        ends = ({name: PartlyKnown(status=one)} for one in STATUSES if one != "failed")
        try:
            is_never_true = all(holds(expression.tree, {"steps": one}) is False for one in ends)
        except ExpressionError:
            return  # reported with the references
        if is_never_true:
            why = f"it reads {min(results)}" if results else f"it has {name!r} in `needs`"
            message = f"this never holds: the step is skipped when {name!r} fails, since {why}"
            hint = f"read nothing of {name!r} but its status, or move the step to `on_failure`"
            about = f"steps.{name}.status"
            error = InferenceError("useless-condition", message, hint, about)
            report.expression((*step.path, "if"), error, expression)


_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
_BRACES = re.compile(r"\{\{\s*([A-Za-z_]\w*)[^{}']{0,80}\}\}")


def warn(spec: WrittenSpec, workflow: Workflow, report: DiagnosticCollector) -> None:
    """Reports what a spec without mistakes declares, buys or draws in vain."""
    read = references(
        [spec.values.get(part) for part in (*PARTS, "outputs", "labels", "budget", "deploy")]
    )
    inputs = {one.path[0] if one.path else None for one in read if one.namespace == "inputs"}
    for name in workflow.inputs if None not in inputs else ():
        if name not in inputs:
            message = f"nothing reads the input {name!r}"
            hint = f"write ${{{{ inputs.{name} }}}} where it belongs, or remove it"
            report.add(("inputs", name), "unused-input", message, hint, key=True)
    for name, declared in workflow.inputs.items():
        if declared.required and "default" in spec.inputs[name] and declared.default is None:
            message = f"the default of {name!r} is empty, so every run must give a value"
            none = ', `default: ""`' if declared.type in ("string", "text") else ""
            hint = f"write a value{none}, or delete the line"
            report.add(("inputs", name, "default"), "empty-default", message, hint, key=True)
    steps = workflow.all_steps
    parts = {step.id: step.part for step in spec.steps}
    for step in spec.steps:
        _check_fonts(workflow, step, report)
        _check_text_condition(workflow, step, report)
        # What a callback or a function is given may be a template of theirs.
        if step.kind and step.arguments and step.kind.is_for_results:
            for key in (key for key, is_sent in computed_arguments(step.kind) if is_sent):
                _check_braces(step.arguments.get(key), (*step.path, "with", key), spec, report)
        _check_exclude(workflow, step, report)
        if step.kind and step.kind.uses == REVIEW:
            _check_first_round(step, spec, report)
    if not workflow.outputs:
        # A callback or a function may take the results elsewhere.
        if all(_is_for_results(workflow, one) for one in steps.values()):
            kinds = ((name, kind_of_step(one)) for name, one in steps.items())
            made = next((name for name, kind in kinds if "asset" in kind.outputs), "NAME")
            hint = f"add `outputs: {{{made}: ${{{{ steps.{made}.asset }}}}}}`"
            report.add(("outputs",), "no-outputs", "the spec has no outputs", hint)
        return
    used = {name for one in steps.values() for name in one.needs}
    around = [spec.values.get(part) for part in ("outputs", "labels", "budget", "deploy")]
    used |= steps_named(around)
    for step in spec.steps:
        used |= steps_named(step.keys) - {step.id}  # its `until` reads its own rounds
    for step_id, part in parts.items():
        if part == "steps" and step_id not in used and _is_for_results(workflow, steps[step_id]):
            message = f"no output and no other step uses {step_id!r}"
            hint = "name it in `outputs`, or remove it"
            report.add((part, step_id), "unused-step", message, hint, key=True)


def _is_for_results(workflow: Workflow, step: Step) -> bool:
    """Whether a step is of no use if nothing uses what it gives."""
    if included := included_by(workflow, step.id):
        inner = included.workflow
        return all(_is_for_results(inner, one) for one in inner.all_steps.values())
    return kind_of_step(step).is_for_results


def _check_first_round(review: WrittenStep, spec: WrittenSpec, report: DiagnosticCollector) -> None:
    """Reports what reads the first round of steps that a review may have made again."""
    changes = (review.arguments or {}).get("changes")
    if not isinstance(changes, dict):
        return
    before = {name: one.reads for name, one in spec.parts[review.part].items()}
    repeated = steps_between(before, changes.get("redo") or (), review.id)
    places: list[tuple[Path, Any]] = [
        (("outputs", name), one) for name, one in spec.outputs.items()
    ]
    for step in spec.steps:
        if step.id not in repeated and review.id in step.reads:
            given = (step.arguments or {}).items()
            places += [((*step.path, "with", key), value) for key, value in given]
    for path, value in places:
        for read in references(value):
            is_medium = read.path[1:2] not in (("status",), ("credits",))
            if read.namespace == "steps" and read.path[0] in repeated and is_medium:
                message = f"this is of the first round, whichever {review.id} approves"
                hint = f"read steps.{review.id}.media, which is of the approved round"
                report.add(path, "first-round", message, hint)
                break


def _check_text_condition(
    workflow: Workflow, step: WrittenStep, report: DiagnosticCollector
) -> None:
    """Reports a condition that is nothing but one text of an answer."""
    steps = workflow.all_steps
    field = whole_reference(steps[step.id].if_)
    if field is None or field.namespace != "steps" or field.path[1:2] != ("json",):
        return
    asked = steps[field.path[0]]
    declared, _ = read_expect(kind_of_step(asked).expects(asked.with_))
    for key in field.path[2:]:
        declared = declared.fields.get(key, AnswerField("any"))
    if declared.type in ("string", "text"):
        message = "this holds for every text but an empty one: for 'no' too"
        hint = f"compare it: `{field} == 'yes'`, or `{field} != ''` if any text will do"
        report.add((*step.path, "if"), "text-condition", message, hint)


def _check_braces(value: Any, path: Path, spec: WrittenSpec, report: DiagnosticCollector) -> None:
    """Reports `{{ x }}` in texts that are sent."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            _check_braces(part, (*path, key), spec, report)
    elif isinstance(value, str) and (found := _BRACES.search(_EXPRESSION.sub("", value))):
        name = f"inputs.{found[1]}" if found[1] in spec.inputs else found[1]
        message = f"{preview(found[0])} is plain text and is sent as is"
        hint = f"write ${{{{ {name} }}}}, or ${{{{ '{found[0]}' }}}} if the braces are meant"
        report.add(path, "plain-braces", message, hint, at=found[0])


def _check_exclude(workflow: Workflow, step: WrittenStep, report: DiagnosticCollector) -> None:
    """Reports rules that exclude nothing with the default of the input that an axis is."""
    matrix = step.get("matrix")
    rules = matrix.get("exclude") if isinstance(matrix, dict) else None
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        for axis, value in rule.items() if isinstance(rule, dict) else ():
            named = whole_reference(matrix.get(axis))
            if named is None or named.namespace != "inputs" or len(named.path) != 1:
                continue
            default = workflow.inputs[named.path[0]].default
            if is_never(value, default):
                message = f"no {axis!r} is {preview(value)} by the default of {named.path[0]!r}"
                hint = suggest(str(value), map(str, default or ()))
                place: Path = (*step.path, "matrix", "exclude", index, axis)
                report.add(place, "useless-exclude", message, hint)


def _check_fonts(workflow: Workflow, step: WrittenStep, report: DiagnosticCollector) -> None:
    """Reports characters of drawn texts that no font has, as far as they are written."""
    if not (step.kind and step.kind.takes_brand):
        return
    arguments = workflow.all_steps[step.id].with_.model_dump()
    branding = Branding(workflow.branding, workflow.texts)
    written = (
        _EXPRESSION.sub("", one) for one in drawn_texts(branding.complete_arguments(arguments))
    )
    if missing := branding.missing_characters(written):
        message = f"no font has {name_characters(missing)}: left out of the picture"
        if branding.brand is not None and is_font(branding.brand.font):
            message += f", unless {branding.brand.font} has them"
        hint = "write other characters, or draw these in an image"
        report.add(step.path, "missing-characters", message, hint, key=True)
