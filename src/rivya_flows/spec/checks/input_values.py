"""Checks of declared inputs, and of the values that a spec gives to inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.resolve import Reference, is_computed, references
from rivya_flows.language.input_tables import TableError
from rivya_flows.language.input_values import SIZED, hint_of, place_of
from rivya_flows.language.inputs import fit
from rivya_flows.language.patterns import MAX_PARTS_OF_ALL, parts_of, pattern_error
from rivya_flows.language.syntax import tree
from rivya_flows.language.workflow import Included, Input, Step, Workflow
from rivya_flows.spec.inlining import included_by
from rivya_flows.spec.names import WrittenSpec
from rivya_flows.steps.connections import IncludeWith

MAX_LEVELS = 4
"""Of maps in each other, in an input."""

_WHOLE = 2  # length of the path of an input; that of a field is longer


def check_declarations(
    inputs: Mapping[str, Input], folder: Path | None, report: DiagnosticCollector
) -> None:
    """Reports declarations that are not valid, and defaults that do not fit them."""
    parts = 0
    for path, declared in _each_declaration(inputs, ("inputs",)):
        sound = _check_declaration(declared, path, report)
        if sound and declared.pattern is not None:
            parts += parts_of(declared.pattern)
            if parts > MAX_PARTS_OF_ALL:
                message = "the patterns of all inputs repeat too much"
                hint = "use min and max for lengths, and shorter patterns"
                report.add((*path, "pattern"), "bad-input", message, hint, key=True)
                return
        default = declared.default
        if not sound or default is None:
            continue
        if isinstance(default, str) and "${{" in default:
            message = "a default cannot be an expression"
            report.add((*path, "default"), "expression-not-allowed", message, "write the value")
            continue
        try:
            is_list = declared.type == "list"
            names_files = declared.has_files and isinstance(
                default, list if is_list else str | dict
            )
            if folder is None and (names_files or (declared.is_table and isinstance(default, str))):
                continue  # files are checked only if the folder is known
            fit(declared, default, root=folder, inside=True)
        except ValueError as error:
            hint, at = hint_of(error, declared), (*path, "default", *place_of(error))
            report.add(at, "wrong-default", f"invalid default: {error}", hint)


def _each_declaration(
    inputs: Mapping[str, Input], path: tree.Path
) -> Iterator[tuple[tree.Path, Input]]:
    """Each declaration, and those of its fields, with its place."""
    for name, declared in inputs.items():
        # A declaration that does not fit its model has no fields, and was reported.
        if "type" in declared.model_fields_set:
            at = (*path, name)
            yield at, declared
            yield from _each_declaration(declared.fields, (*at, "fields"))


def _check_declaration(declared: Input, path: tree.Path, report: DiagnosticCollector) -> bool:
    """Whether the declaration is valid; reports why if not."""
    wrong: list[tuple[str, str, str]] = []
    kind, given = declared.type, declared.model_fields_set
    enumerates = kind == "enum" or (kind == "list" and declared.of == "enum")
    files = kind == "file" or (kind == "list" and declared.of == "file")
    if enumerates and not declared.values:
        wrong.append(("values", "an enum needs `values`", "add `values: [first, second]`"))
    if "values" in given and not enumerates:
        wrong.append(("values", f"an input of type {kind} has no values", "write `type: enum`"))
    if "of" in given and kind != "list":
        wrong.append(("of", f"an input of type {kind} has no members", "write `type: list`"))
    if declared.of in ("list", "secret"):
        message = f"a list of {declared.of}s cannot be an input"
        wrong.append(("of", message, "write `of: string`"))
    if declared.is_table and not declared.fields:
        hint = "add `fields: {name: {type: string}}`"
        if kind == "map":
            hint += "; for a table, or a loop over it, write `type: list` and `of: map` too"
        wrong.append(("fields", "a map needs `fields`", hint))
    if "fields" in given and not declared.is_table:
        hint = "write `type: map`, or `type: list` and `of: map`"
        wrong.append(("fields", f"an input of type {kind} has no fields", hint))
    if len(path) > _WHOLE:
        wrong += _check_field(declared, len(path) // 2)
    if "kind" in given and not files:
        wrong.append(("kind", f"an input of type {kind} has no kind", "write `type: file`"))
    for bound in ("min", "max"):
        if bound in given and kind not in SIZED:
            wrong.append((bound, f"an input of type {kind} has no {bound}", "remove it"))
    if declared.min is not None and declared.max is not None and declared.min > declared.max:
        wrong.append(("min", "min is greater than max", "swap them"))
    if declared.pattern is not None:
        if kind not in ("string", "text", "list"):
            wrong.append(("pattern", f"an input of type {kind} has no pattern", "remove it"))
        if reason := pattern_error(declared.pattern):
            hint = (
                "write a regular expression such as [A-Z]{2}-[0-9]+; min and max count characters"
            )
            wrong.append(("pattern", f"invalid pattern: {reason}", hint))
    for key, message, hint in wrong:
        report.add((*path, key), "bad-input", message, hint, key=True)
    return not wrong


def _check_field(declared: Input, level: int) -> Iterator[tuple[str, str, str]]:
    """What only an input of its own may be."""
    if declared.type == "secret":
        hint = "make it an input of its own: what is in a row is shown in many places"
        yield "type", "a field cannot name a secret", hint
    if declared.has_files and declared.default is not None:
        hint = (
            "remove it: write `required: false`, and `item.NAME or inputs.PHOTO` where it is used"
        )
        yield "default", "a field with files has no default", hint
    if declared.is_table and level > MAX_LEVELS:
        message = f"maps are at most {MAX_LEVELS} levels deep"
        yield "type", message, "make its fields those of the map around it"


def check_values(
    declared: Mapping[str, Input],
    given: Mapping[str, Any],
    path: tree.Path,
    report: DiagnosticCollector,
    folder: Path | None,
    *,
    inside: bool = False,
    paths: bool = True,
) -> tuple[Diagnostic, ...]:
    """Reports values of unknown inputs, and literals that do not fit; gives the mistakes in files of tables.

    Files are relative to `folder`, and may be outside of it unless `inside`; with no `paths`, none may be
    a path. Without a folder no other file is looked at.
    """
    in_tables = list[Diagnostic]()
    for name, value in given.items():
        if (one := declared.get(name)) is None:
            report.unknown((*path, name), "unknown-input", "input", declared)
        elif value is None or is_computed(value) or "type" not in one.model_fields_set:
            continue  # reported elsewhere, or known later
        elif one.pattern is not None and pattern_error(one.pattern) is not None:
            continue  # reported with the declaration
        elif paths and folder is None and (one.has_files or one.is_table):
            continue
        else:
            try:
                fit(one, value, root=folder, inside=inside)
            except TableError as error:
                in_tables += error.problems
            except ValueError as error:
                hint, at = hint_of(error, one, value, paths=paths), (*path, name, *place_of(error))
                report.add(at, "wrong-input", f"{name}: {error}", hint)
    return tuple(in_tables)


def missing(declared: Mapping[str, Input], given: Mapping[str, Any]) -> Iterator[str]:
    """The inputs that must have a value and have none."""
    for name, one in declared.items():
        if one.required and one.default is None and given.get(name) is None:
            yield name


def check_given(
    spec: WrittenSpec,
    found: Mapping[str, Included],
    folder: Path | None,
    report: DiagnosticCollector,
) -> None:
    """Reports inputs of an include that are unknown, missing, or literals that do not fit."""
    for step in spec.steps:
        included, arguments = found.get(step.id), step.arguments
        if included is None or arguments is None:
            continue
        declared = included.workflow.inputs
        path: tree.Path = (*step.path, "with", "inputs")
        given = held if isinstance(held := arguments.get("inputs"), dict) else {}
        tables = {name for name, one in given.items() if _names_table(declared.get(name), one)}
        for name in tables:
            message = f"{name}: an include takes rows or a map, not the path of a file"
            hint = (
                "make the file the `default` of an input of this spec, and give ${{ inputs.NAME }}"
            )
            report.add((*path, name), "wrong-input", message, hint)
        rest = {name: one for name, one in given.items() if name not in tables}
        check_values(declared, rest, path, report, folder, inside=True)
        for name in missing(declared, given):
            message = f"{included.path!r:.200} needs the input {name!r}"
            report.add(path, "missing-input", message, f"add `inputs: {{{name}: …}}`", key=True)


def check_budget_inputs(spec: WrittenSpec, workflow: Workflow, report: DiagnosticCollector) -> None:
    """Reports what only the run gives to an input that the budget of an included step reads."""
    for written in spec.steps:
        step = workflow.all_steps[written.id]
        for name in sorted(_budget_inputs_inside(workflow, step)):
            if any(one.namespace == "steps" for one in _read_for(step, name)):
                message = f"a budget of {step.id} reads the input {name!r}, and this reads a step"
                path = (*written.path, "with", "inputs", name)
                report.add(path, "out-of-scope", message, "a budget may use inputs alone")


def _budget_inputs(workflow: Workflow) -> frozenset[str]:
    """The inputs of a spec that the budgets of its steps read, also inside what it includes."""
    found = set[Reference]()
    for step in workflow.all_steps.values():
        found |= references(step.budget.model_dump()) if step.budget else set()
        found.update(*(_read_for(step, name) for name in _budget_inputs_inside(workflow, step)))
    return frozenset(one.path[0] for one in found if one.namespace == "inputs" and one.path)


def _budget_inputs_inside(workflow: Workflow, step: Step) -> frozenset[str]:
    included = included_by(workflow, step.id)
    return frozenset() if included is None else _budget_inputs(included.workflow)


def _read_for(step: Step, name: str) -> frozenset[Reference]:
    """What an `include` step reads for an input: with a loop variable, also what its items come from."""
    read = references(step.with_.inputs.get(name) if isinstance(step.with_, IncludeWith) else None)
    if any(one.namespace in ("matrix", "zip", step.as_) for one in read):
        read |= references([step.fan_out[1], step.key, step.limit])
    return read


def _names_table(declared: Input | None, value: Any) -> bool:
    is_table = declared is not None and declared.is_table
    return is_table and isinstance(value, str) and not is_computed(value)
