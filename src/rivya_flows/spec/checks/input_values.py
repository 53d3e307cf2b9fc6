"""Checks of declared inputs, and of the values that a spec gives to inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.resolve import is_computed
from rivya_flows.language.inputs import (
    MAX_PARTS_OF_ALL,
    SIZED,
    fit,
    hint_for,
    parts_of,
    pattern_error,
)
from rivya_flows.language.syntax import tree
from rivya_flows.language.workflow import Included, Input
from rivya_flows.spec.names import WrittenSpec


def check_declarations(
    inputs: Mapping[str, Input], folder: Path | None, report: DiagnosticCollector
) -> None:
    """Reports declarations that are not valid, and defaults that do not fit them."""
    parts = 0
    for name, declared in inputs.items():
        # A declaration that does not fit its model has no fields, and was reported.
        if "type" not in declared.model_fields_set:
            continue
        path = ("inputs", name)
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
            names_files = isinstance(default, list if is_list else str | dict)
            if folder is None and names_files and "file" in (declared.type, declared.of):
                continue  # files are checked only if the folder is known
            fit(declared, default, root=folder, inside=True)
        except ValueError as error:
            hint = hint_for(declared)
            report.add((*path, "default"), "wrong-default", f"invalid default: {error}", hint)


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
    if declared.of == "list":
        wrong.append(("of", "a list of lists cannot be an input", "write `of: string`"))
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


def check_values(
    declared: Mapping[str, Input],
    given: Mapping[str, Any],
    path: tree.Path,
    report: DiagnosticCollector,
    folder: Path | None,
    *,
    inside: bool = False,
    paths: bool = True,
) -> None:
    """Reports values of unknown inputs, and literals that do not fit.

    Files are relative to `folder`, and may be outside of it unless `inside`; with no `paths`, none may be
    a path. Without a folder no other file is looked at.
    """
    for name, value in given.items():
        if (one := declared.get(name)) is None:
            report.unknown((*path, name), "unknown-input", "input", declared)
        elif value is None or is_computed(value) or "type" not in one.model_fields_set:
            continue  # reported elsewhere, or known later
        elif one.pattern is not None and pattern_error(one.pattern) is not None:
            continue  # reported with the declaration
        elif paths and folder is None and "file" in (one.type, one.of):
            continue
        else:
            try:
                fit(one, value, root=folder, inside=inside)
            except ValueError as error:
                hint = hint_for(one, value, paths=paths)
                report.add((*path, name), "wrong-input", f"{name}: {error}", hint)


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
        check_values(declared, given, path, report, folder, inside=True)
        for name in missing(declared, given):
            message = f"{included.path!r:.200} needs the input {name!r}"
            report.add(path, "missing-input", message, f"add `inputs: {{{name}: …}}`", key=True)
