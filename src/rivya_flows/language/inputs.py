"""Inputs of a run: read from texts and files, and validated against their declarations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from rivya_flows.assets import Asset
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.errors import SpecError
from rivya_flows.language.diagnostic_report import DiagnosticCollector, suggest
from rivya_flows.language.input_tables import TableError, read_table_file
from rivya_flows.language.input_values import fit_value, hint_for, hint_of, parse_text
from rivya_flows.language.syntax import tree
from rivya_flows.language.syntax.media_references import written_path
from rivya_flows.language.wording import preview
from rivya_flows.language.workflow import Input, Workflow, change_files

_GIVEN = "<inputs>"
"""What diagnostics call the inputs of a command."""


def fit(declared: Input, value: Any, *, root: Path | None = None, inside: bool = False) -> Any:
    """The value as an expression sees it: a plain JSON value of the declared type.

    Args:
        value: Not None. A file may be an `Asset` of the store.
        root: Folder of relative paths; None: paths are not allowed.
        inside: A path may not leave `root`.

    Raises:
        ValueError: The value does not fit; the message says how.
        UsageError: A file with rows cannot be read.
    """
    if declared.is_table and isinstance(value, str) and root is not None:
        value = read_table_file(declared, value, root, inside)
    return fit_value(declared, value, root, inside)


def resolve_inputs(
    workflow: Workflow,
    given: Mapping[str, Any],
    *,
    folder: Path | None,
    paths: bool = True,
    files: Mapping[str, Asset] | None = None,
) -> dict[str, JsonValue]:
    """The value of every input, in the order of the spec; None if it has no value.

    Args:
        given: Values by name; paths of files are relative to the current folder.
        folder: The folder of the spec, which file defaults are relative to and may not leave;
            None if it is not at hand, as on a worker.
        paths: Files may be paths; False for values from a deployment or the web.
        files: Assets by the path in a default, if the folder is not available.

    Raises:
        SpecError: A name is unknown, a value is missing or does not fit; all mistakes at once.
    """
    problems = [_unknown(str(name), workflow) for name in given if name not in workflow.inputs]
    values: dict[str, JsonValue] = {}
    for name, declared in workflow.inputs.items():
        own = given.get(name) is not None
        value = given[name] if own else declared.default
        if value is None:
            values[name] = None
            if declared.required:
                hint = f"give it with `-i {name}=VALUE`; {hint_for(declared)}"
                message = f"the input {name!r} is required"
                problems.append(_problem("missing-input", message, hint))
            continue
        try:
            if own:
                values[name] = fit(declared, value, root=Path() if paths else None)
            elif files is None:
                values[name] = fit(declared, value, root=folder, inside=True)
            else:
                values[name] = _stored_default(declared, value, files)
        except TableError as error:
            problems += error.problems
        except ValueError as error:
            message = f"{name}: {error}"
            fix = hint_of(error, declared, value, paths=paths or not own)
            problems.append(_problem("wrong-input", message, fix))
    if problems:
        raise SpecError(tuple(problems))
    return values


def _stored_default(declared: Input, default: Any, files: Mapping[str, Asset]) -> Any:
    """A default whose files are stored assets."""

    def take_asset(_: Input, value: Any) -> Any:
        return files.get(written_path(value) or "") or value

    return fit(declared, change_files(declared, default, take_asset))


def parse_assignments(assignments: Iterable[str], workflow: Workflow) -> dict[str, JsonValue]:
    """The values of ``name=value`` texts, each read as YAML against the type of its input.

    A text stays as written (`-i size=9:16`, `-i code=012`) unless it is quoted.

    Raises:
        SpecError: A text has no ``=``, names an unknown input, or is neither UTF-8 nor YAML.
    """
    values: dict[str, JsonValue] = {}
    problems: list[Diagnostic] = []
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        declared = workflow.inputs.get(name.strip())
        if not equals:
            message = f"{preview(assignment)} has no '='"
            problems.append(_problem("wrong-input", message, "write NAME=VALUE"))
        elif any("\ud800" <= letter <= "\udfff" for letter in text):  # bytes that are no text
            message = f"{name}: {preview(text)} is not UTF-8 text"
            problems.append(_problem("wrong-input", message, "set the terminal to UTF-8"))
        elif declared is None:
            problems.append(_unknown(name, workflow))
        else:
            try:
                values[name.strip()] = parse_text(declared, text)
            except ValueError as error:
                problems.append(_problem("wrong-input", f"{name}: {error}", hint_for(declared)))
    if problems:
        raise SpecError(tuple(problems))
    return values


def read_values(text: str, *, file: str) -> dict[str, JsonValue]:
    """The values of an inputs file, YAML or JSON; raises `SpecError` if it is not one, or no map."""
    report = DiagnosticCollector(file, text)
    hint = "write `name: value` lines"
    node = report.read_map("not-inputs", "the file is not a map of inputs", hint)
    if report.diagnostics or node is None:
        raise SpecError(report.diagnostics)
    values: dict[str, JsonValue] = tree.plain(node)
    return values


def _problem(code: str, message: str, hint: str | None) -> Diagnostic:
    return Diagnostic(code, message, hint, file=_GIVEN)


def _unknown(name: str, workflow: Workflow) -> Diagnostic:
    hint = suggest(name.strip(), workflow.inputs) or "the spec has no inputs"
    return _problem("unknown-input", f"unknown input {preview(name)}", hint)
