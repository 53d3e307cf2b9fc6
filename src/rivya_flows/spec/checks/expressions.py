"""Checks of expressions: of the names that they refer to, and of comparisons that never or always hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from math import inf
from typing import Any

from rivya_flows.language.brand import TITLE
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.inference import TEXTS, is_bare, repair, shape_of
from rivya_flows.language.expressions.output_types import (
    ANY,
    RUN,
    TEXT,
    Kind as ShapeKind,
    Scope,
    Shape,
    list_of,
    map_of,
    of_input,
)
from rivya_flows.language.expressions.resolve import (
    NAMESPACES,
    evaluate,
    is_computed,
    references,
    template,
)
from rivya_flows.language.expressions.values import ExpressionError, InferenceError, is_number
from rivya_flows.language.field_types import fields_of
from rivya_flows.language.final_cut import CUT_PARTS
from rivya_flows.language.matrix import LOOPS, SPECIAL
from rivya_flows.language.outputs import read_output
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, preview
from rivya_flows.language.workflow import MAX_LABEL_VALUE, Input, is_label_value
from rivya_flows.spec.names import NamesInScope
from rivya_flows.steps.arguments import word_problems, wrong_shape
from rivya_flows.steps.connections import Include
from rivya_flows.steps.kind import Kind, WrittenStep

_PLAIN = {
    "{{": "{{ }} without a dollar sign",
    "${": "${ } with one brace",
    "{": "{ } with one brace and no dollar sign",
}
_BRACES = re.compile(rf"(\$?\{{{{1,2}})\s*({'|'.join(NAMESPACES)})\.")
_ONE_BRACE = re.compile(r"(\$\{)(?!\{)")


def check_names(
    names: NamesInScope, report: DiagnosticCollector, wanted: Mapping[str, Mapping[str, Input]]
) -> None:
    """Reports wrong expressions and names; `wanted` has the inputs of what each `include` includes."""
    for step in names.spec.steps:
        outside, inside = names.everywhere(step.part), names.inside(step)
        for loop in LOOPS:
            written = step.get(loop)
            if loop == "matrix" and isinstance(written, dict):
                for axis, values in written.items():
                    scope = outside if axis in SPECIAL else names.before(step, axis)
                    check_expressions(values, (*step.path, loop, axis), scope, report)
            else:
                check_expressions(written, (*step.path, loop), outside, report)
        before = {name: one for name, one in inside.items() if name != "previous"}
        check_expressions(step.get("if"), (*step.path, "if"), before, report)
        check_expressions(step.get("key"), (*step.path, "key"), names.in_key(step), report)
        _check_limit(names, step, report)
        kind, arguments = step.kind, step.arguments
        if arguments is None or kind is None:
            continue
        _check_arguments(kind, arguments, (*step.path, "with"), inside, report)
        for index, one in step.fallbacks:
            own = _without(arguments.get("prompt"), one)
            _check_arguments(kind, own, (*step.path, "fallback", index), inside, report)
        if isinstance(kind, Include):
            place: Path = (*step.path, "with", "inputs")
            given = arguments.get("inputs")
            _check_given(given, wanted.get(step.id, {}), place, inside, report)
    _check_labels(names, report)
    _check_budgets(names, report)
    for name, written in names.spec.outputs.items():
        value, file = read_output(written)
        path: Path = ("outputs", name) if file is None else ("outputs", name, "value")
        if value is None:
            hint = "write ${{ steps.NAME.asset }} after it, or remove it"
            report.add(path, "wrong-value", f"the output {name!r} is empty", hint)
        check_expressions(value, path, names.everywhere(), report)
        _lint_bare(value, path, names.everywhere(), report)


def _before(names: NamesInScope, hint: str) -> Scope:
    """The scope of a value that is known before the run; `hint` says so where it reads a step."""
    steps = {step.id: hint for step in names.spec.steps}
    return {"inputs": names.inputs, "steps": map_of({}, steps)}


def _check_kind(
    value: Any, path: Path, kinds: tuple[ShapeKind, ...], scope: Scope, report: DiagnosticCollector
) -> Shape:
    """The shape of a value, which is reported if it is of none of these kinds."""
    shape = check_expressions(value, path, scope, report)
    if kinds and shape.kind not in ("any", *kinds):
        report.add_inside((), [wrong_shape(path, shape, kinds)])
    return shape


def _check_limit(names: NamesInScope, step: WrittenStep, report: DiagnosticCollector) -> None:
    """How many items are taken is known before the list is."""
    path, scope = (*step.path, "limit"), _before(names, "a limit may use inputs alone")
    if _check_kind(step.get("limit"), path, ("number",), scope, report).kind in ("any", "number"):
        _check_constant(step.get("limit"), path, inf, report)


def _check_constant(value: Any, path: Path, most: float, report: DiagnosticCollector) -> None:
    """A number from 0 on that an expression gives whatever the inputs are."""
    with suppress(ExpressionError):  # reported with the expressions
        if not is_computed(value) or references(value):
            return
        try:
            found = evaluate(value, {})
        except ExpressionError as error:
            report.add(path, "wrong-value", f"{path[-1]!r}: {error}", error.hint)
            return
        if not is_number(found) or not 0 <= found <= most:
            wanted = "a number, 0 or more" if most == inf else f"a number, 0 to {most:g}"
            message = f"{path[-1]!r} must be {wanted}, not {preview(found)}"
            report.add(path, "out-of-range", message, "write the number itself, or read an input")


def _check_labels(names: NamesInScope, report: DiagnosticCollector) -> None:
    """Labels are known before a run starts, and are shown everywhere."""
    scope = {**_before(names, "a label may use inputs and run alone"), "run": RUN}
    for name, value in names.spec.items("labels"):
        path: Path = ("labels", name)
        if not isinstance(value, str):
            continue
        if not is_computed(value):
            if not is_label_value(value):
                message = f"the label {name!r} cannot have this value"
                hint = f"write one line of 1 to {MAX_LABEL_VALUE} printable characters"
                report.add(path, "wrong-value", message, hint)
            continue
        _check_kind(value, path, TEXTS, scope, report)
        with suppress(ExpressionError):
            for one in references(value):
                of = names.spec.inputs.get(one.path[0], {}) if one.path else {}
                if of.get("type") == "secret":
                    message = f"the input {one.path[0]!r} names a secret, and labels are shown"
                    report.add(path, "bad-secret", message, "use another input, or write a text")


def _check_budgets(names: NamesInScope, report: DiagnosticCollector) -> None:
    """Budgets are known before a run starts."""
    scope = _before(names, "a budget may use inputs alone")
    deploys = names.spec.values.get("deploy")
    places: list[tuple[Path, Any]] = [(("budget",), names.spec.values.get("budget"))]
    places += [((*step.path, "budget"), step.get("budget")) for step in names.spec.steps]
    for number, one in enumerate(deploys if isinstance(deploys, list) else ()):
        if isinstance(one, dict):
            places.append((("deploy", number, "budget"), one.get("budget")))
    for path, budget in places:
        for key, value in budget.items() if isinstance(budget, dict) else ():
            if is_computed(value):
                shape = _check_kind(value, (*path, key), ("number",), scope, report)
                if shape.kind in ("any", "number"):
                    _check_constant(value, (*path, key), 1 if key == "warn_at" else inf, report)


def _without(prompt: Any, fallback: dict[str, Any]) -> dict[str, Any]:
    """An alternative without the prompt of its step, whose expressions are checked there."""
    written = fallback.get("prompt")
    if isinstance(written, str) and isinstance(prompt, str) and "${{" in prompt:
        return {**fallback, "prompt": written.replace(prompt, "")}
    return fallback


def _check_arguments(
    kind: Kind, arguments: Mapping[str, Any], path: Path, scope: Scope, report: DiagnosticCollector
) -> None:
    for key, is_sent in computed_arguments(kind):
        if key in arguments:
            check_expressions(arguments[key], (*path, key), scope, report)
            if is_sent:
                _lint_bare(arguments[key], (*path, key), scope, report)


@cache
def computed_arguments(kind: Kind) -> tuple[tuple[str, bool], ...]:
    """The arguments with expressions in them, and whether a text in each is sent as it is written."""
    found: list[tuple[str, bool]] = []
    for key, field in fields_of(kind.takes).items():
        parts = fields_of(field.inner).values() if field.inner else ()
        if key not in kind.evaluates and any(one.is_evaluated for one in (field, *parts)):
            is_sent = field.takes is not None and field.takes.is_sent
            found.append((key, key in CUT_PARTS or is_sent))
    return tuple(found)


def _check_given(
    given: Any, wanted: Mapping[str, Input], path: Path, scope: Scope, report: DiagnosticCollector
) -> None:
    """Computed values for the inputs of an included spec."""
    for name, value in given.items() if isinstance(given, dict) else ():
        declared = wanted.get(name)
        expected = of_input(declared.model_dump()) if declared else ANY
        fits: tuple[ShapeKind, ...] = () if expected.kind == "any" else (expected.kind,)
        if expected.kind == "asset":
            fits = ("asset", "text")
        whole = isinstance(value, str) and "${{" in value
        shape = _check_kind(value, (*path, name), fits if whole else (), scope, report)
        if not whole or declared is None:
            continue
        if "file" in (declared.type, declared.of) and shape.kind in fits:
            report.add_inside(path, word_problems(name, shape, (name,)))
        if shape.media and expected.media and shape.media != expected.media:
            message = (
                f"the input {name!r} takes {an(expected.media)}, but this is {an(shape.media)}"
            )
            hint = f"use {an(expected.media)}, or remove it"
            report.add((*path, name), "wrong-type", message, hint)


def check_expressions(value: Any, path: Path, scope: Scope, report: DiagnosticCollector) -> Shape:
    """Checks a value at any depth; returns its shape if it is one expression."""
    if isinstance(value, dict):
        for key, part in value.items():
            check_expressions(part, (*path, key), scope, report)
    elif isinstance(value, list):
        members = [
            check_expressions(part, (*path, n), scope, report) for n, part in enumerate(value)
        ]
        return list_of(members[0]) if members else ANY
    elif isinstance(value, str):
        _lint(value, path, scope, report)
        if "${{" not in value:
            return ANY
        try:
            parts = template(value)
        except ExpressionError as error:
            report.expression(path, error)
            return ANY
        shape = ANY
        for expression in parts.expressions:
            try:
                shape = shape_of(expression.tree, scope)
                if not parts.whole and shape.kind in ("asset", "list", "map"):
                    message = f"{an(shape.kind)} cannot be used in text"
                    raise InferenceError("not-text", message, repair(TEXTS, shape))
            except InferenceError as error:
                report.expression(path, error, expression)
        return shape if parts.whole else TEXT
    return ANY


def _lint(text: str, path: Path, scope: Scope, report: DiagnosticCollector) -> None:
    """Reports braces that were probably meant as an expression."""
    literal = [text]
    if is_computed(text):  # keeps plain text out of the template cache
        with suppress(ExpressionError):
            literal = [part for part in template(text).parts if isinstance(part, str)]
    for part in literal:
        found = _BRACES.search(part)
        # Where there is no brand, the word may be anything.
        branded = scope.get("brand", ANY).title == TITLE
        one = _ONE_BRACE.search(part)
        which = one if one and "}}" in part[one.end() :] else None
        if found and found[1] in _PLAIN and (found[2] != "brand" or branded):
            which = found
        if which:
            message = f"{_PLAIN[which[1]]} is plain text and would be sent as is"
            report.add(path, "missing-dollar", message, "write ${{ … }}", at=which[0])
            return


def _lint_bare(value: Any, path: Path, scope: Scope, report: DiagnosticCollector) -> None:
    """Reports each text that is just a name without braces."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            _lint_bare(part, (*path, key), scope, report)
    elif isinstance(value, str) and is_bare(value, scope):
        message = f"{preview(value.strip())} is plain text and would be sent as is"
        report.add(path, "missing-dollar", message, f"write ${{{{ {value.strip()} }}}}")
