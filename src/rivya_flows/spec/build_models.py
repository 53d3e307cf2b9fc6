"""Build the models from the normalized tree; validation errors become diagnostics."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rivya_flows.language.brand import Brand
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.field_errors import EXAMPLES, must_be, report_error
from rivya_flows.language.field_types import fields_of
from rivya_flows.language.step_groups import PARTS, Part
from rivya_flows.language.syntax.tree import Mapping, Path, plain
from rivya_flows.language.wording import shown
from rivya_flows.language.workflow import (
    Budget,
    Concurrency,
    Defaults,
    Deploy,
    Input,
    Step,
    Workflow,
)
from rivya_flows.steps import registry
from rivya_flows.steps.function import BrokenKindError
from rivya_flows.steps.kind import Kind

_M = TypeVar("_M", bound=BaseModel)


def build(tree: Mapping, report: DiagnosticCollector) -> Workflow:
    """The workflow in a normalized tree; a wrong part is reported, and empty, so that all is checked."""
    data: dict[str, Any] = plain(tree)
    if data.get("version") != 1 or isinstance(data.get("version"), bool | float):
        _check_version(data, report)
        data["version"] = 1
    _map_of(Defaults, data, "defaults", report)
    empty = [key for key in ("outputs", "deploy", *PARTS[1:]) if data.get(key, "") is None]
    made = {key: value for key, value in data.items() if key not in ("defaults", *empty)}
    made["inputs"] = _map_of(Input, data, "inputs", report)
    made["steps"] = _steps(data.get("steps"), "steps", report)
    for part in PARTS[1:]:
        if data.get(part) is not None:
            made[part] = _steps(data[part], part, report)
    limits: dict[str, type[BaseModel]] = {"budget": Budget, "concurrency": Concurrency}
    for key, model in limits.items():
        if key in data:
            made[key] = _part(model, data[key], (key,), report)
    if data.get("brand") is not None:
        made["brand"] = _brand(data["brand"], report)
    if isinstance(data.get("deploy"), list):
        made["deploy"] = [
            _part(Deploy, one, ("deploy", index), report)
            for index, one in enumerate(data["deploy"])
        ]
    whole = model_at(Workflow, made, (), report)
    parts = {key: made[key] for key in ("inputs", "steps")} | {"brand": made.get("brand")}
    parts |= {part: made.get(part, {}) for part in PARTS[1:]}
    deploy = made["deploy"] if isinstance(made.get("deploy"), list) else ()
    return whole or Workflow.model_construct(**parts, deploy=tuple(deploy))


def model_at(model: type[_M], value: Any, path: Path, report: DiagnosticCollector) -> _M | None:
    """The value as a model; None, with diagnostics in the report, if it does not fit."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            report_error(details, path, report)
        return None


def _part(model: type[_M], value: Any, path: Path, report: DiagnosticCollector) -> _M:
    return model_at(model, value, path, report) or _empty(model)


def _brand(value: Any, report: DiagnosticCollector) -> Brand | str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return model_at(Brand, value, ("brand",), report)
    message = f"'brand' must be a map or the path of a brand file, not {shown(value)}"
    report.add(("brand",), "wrong-type", message, "write {name: Aurora}, or brand.yaml")
    return None


def _empty(model: type[_M]) -> _M:
    return model.model_construct()


def _steps(steps: Any, part: Part, report: DiagnosticCollector) -> dict[str, Step]:
    if part == "steps" and (steps is None or steps == {}):
        hint = "add `steps:` with one step below it"
        report.add((part,), "missing-key", "a spec needs at least one step", hint, key=True)
    elif isinstance(steps, dict):
        return {name: _step(part, name, step, report) for name, step in steps.items()}
    else:
        report.add_inside((), [must_be((part,), "dict_type", steps)])
    return {}


def _kind(step: Any, path: Path, report: DiagnosticCollector) -> Kind | None:
    """The kind of a step; None, and reported, if it has none."""
    if not isinstance(step, dict):
        report.add(path, "wrong-type", f"a step must be a map, not {shown(step)}", "add `uses:`")
        return None
    uses, at = step.get("uses"), (*path, "uses")
    try:
        if (kind := registry.kind_of(uses)) is not None:
            return kind
    except BrokenKindError as error:
        message = f"the step kind {shown(uses)} is broken: {error}"
        report.add(at, "broken-step", message, "fix it, or install another version")
        return None
    known = registry.names()
    if isinstance(uses, str):
        report.unknown(at, "unknown-uses", "kind of step", known, value=uses)
    elif uses is None:
        hint = f"add `uses:` with one of {', '.join(known)}"
        report.add(at, "missing-key", "a step needs 'uses'", hint)
    else:
        message = f"'uses' must be a kind of step, not {shown(uses)}"
        report.add(at, "wrong-type", message, f"write one of {', '.join(known)}")
    return None


def _step(part: Part, name: str, step: Any, report: DiagnosticCollector) -> Step:
    path = (part, name)
    kind = _kind(step, path, report)
    if kind is None:
        return _empty(Step)
    written, model = step.get("with", {}), kind.takes
    if step.get("with") is None and (required := kind.required_argument()):
        lacks = "empty" if "with" in step else "missing"
        message = f"'with' is {lacks}: {kind.name} needs {required!r}"
        example = {**EXAMPLES, **kind.examples}.get(required, "…")
        hint = f"add `with: {{{required}: {example}}}`"
        report.add((*path, "with"), "missing-key", message, hint)
        arguments = _empty(model)
    else:
        arguments = _part(model, written, (*path, "with"), report)
    for key, field in fields_of(model).items() if isinstance(written, dict) else ():
        if field.info.is_required() and key in written and written[key] is None:
            hint = f"write a value after `{key}:`"
            report.add((*path, "with", key), "missing-key", f"{key!r} is empty", hint, key=True)
    # The workflow reports a name of the wrong form: it knows what kind of name it is.
    built = _part(Step, {**step, "id": "step", "with": arguments}, path, report)
    return built.model_copy(update={"id": name})


def _map_of(
    model: type[_M], data: dict[str, Any], key: str, report: DiagnosticCollector
) -> dict[str, _M]:
    held = data.get(key)
    if held is None:
        return {}
    if not isinstance(held, dict):
        report.add_inside((), [must_be((key,), "dict_type", held)])
        return {}
    return {name: _part(model, value, (key, name), report) for name, value in held.items()}


def _check_version(data: dict[str, Any], report: DiagnosticCollector) -> None:
    if "version" not in data:
        report.add(("version",), "missing-key", "a spec needs 'version'", "start with `version: 1`")
    else:
        message = f"the version of the language is 1, not {shown(data['version'])}"
        sure = 1 if data["version"] in ("1", "1.0", 1.0) and data["version"] is not True else None
        report.add(("version",), "wrong-version", message, "write `version: 1`", instead=sure)
