"""Build the models from the normalized tree; validation errors become diagnostics."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rivya_flows.catalogue.catalogue import certain
from rivya_flows.language import step_functions
from rivya_flows.language.brand import Brand
from rivya_flows.language.diagnostic_report import DiagnosticCollector, meant
from rivya_flows.language.expressions.filters import slug
from rivya_flows.language.expressions.resolve import is_computed
from rivya_flows.language.final_cut import CUT_PARTS
from rivya_flows.language.other_words import (
    is_share,
    list_hint,
    map_hint,
    number_hint,
    own_word,
    share_hint,
    surely,
)
from rivya_flows.language.step_groups import PARTS, Part
from rivya_flows.language.syntax.durations import DurationError
from rivya_flows.language.syntax.tree import Mapping, Path, plain
from rivya_flows.language.wording import an, cut, shown
from rivya_flows.language.workflow import (
    Budget,
    Concurrency,
    Defaults,
    Deploy,
    Input,
    Resources,
    Step,
    Workflow,
)

_M = TypeVar("_M", bound=BaseModel)

_WANTED = {
    "string_type": ("text", "put it in quotes"),
    "int_type": ("a whole number", "write the number without quotes"),
    "float_type": ("a number", "write the number without quotes"),
    "bool_type": ("true or false", "write true or false"),
    "tuple_type": ("a list", "write [first, second], or one `- ` line for each item"),
    "dict_type": ("a map", "write `key: value` lines below it"),
    "model_type": ("a map", "write `key: value` lines below it"),
}
_MAPS = {
    "steps": "write `NAME:` and its keys below it, without a dash",
    "outputs": "write `NAME: ${{ steps.NAME.asset }}`, without a dash",
    "inputs": "write `NAME: {type: string}`, without a dash",
    "budget": "write `budget: {credits: 60}`",
    "retry": "write `retry: {attempts: 3}`",
    "labels": "write `labels: {client: acme}`",
    "matrix": "write `matrix: {style: [first, second]}`",
    "zip": "write `zip: {style: [first, second], light: [first, second]}`",
    "expect": "write `expect: {name: string}`",
    "judge": "write `judge: {model: gemini-2-5-flash-chat, criteria: [the product is whole]}`",
    "none": "write `none: {rounds: 1}`",
    "fallback": "write {model: …}, or what else is different",
    "transition": "write `transition: {kind: fade}`",
    "music": 'write `music: {audio: "${{ steps.NAME.asset }}"}`',
    "captions": 'write `captions: {text: "${{ steps.NAME.text }}"}`',
    "end_card": "write `end_card: {title: …}`",
}
"""Hints for keys that must be maps."""
_INPUT_TYPES = {
    "select": "write `type: enum` and `values: [first, second]`",
    "choice": "write `type: enum` and `values: [first, second]`",
    **{kind: f"write `type: file` and `kind: {kind}`" for kind in ("image", "video", "audio")},
}
"""Hints for types of other languages."""
_TIMES = ("timeout", "patience", "interval")
_CHAT = "gemini-2-5-flash-chat"
_EXAMPLES = {
    "version": "1",
    "name": "my-campaign",
    "model": "z-image",
    "message": "A slogan for a lamp",
    "from": '"${{ steps.NAME.items }}"',
    "file": "photos/lamp.png",
    "url": "https://example.com/hook",
    "media": '"${{ steps.NAME.asset }}"',
    "audio": '"${{ steps.NAME.asset }}"',
    "image": '"${{ steps.NAME.asset }}"',
    "clips": '["${{ steps.NAME.asset }}"]',
    "spec": "parts/intro.yaml",
    "type": "string",
    "criteria": "[the product is whole]",
    "credits": "60",
}
"""Example values for missing keys."""
_NAMES: dict[tuple[str, str], str] = {
    **{(part, "[key]"): "a step" for part in PARTS},
    ("inputs", "[key]"): "an input",
    ("outputs", "[key]"): "an output",
    ("labels", "[key]"): "a label",
}


def build(tree: Mapping, report: DiagnosticCollector) -> Workflow:
    """The workflow in a normalized tree.

    A wrong part is reported and replaced by an empty one, so that the rest is checked too: use the
    workflow only if the report is empty at the end.
    """
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
    if "budget" in data:
        made["budget"] = _part(Budget, data["budget"], ("budget",), report)
    if "concurrency" in data:
        made["concurrency"] = _part(Concurrency, data["concurrency"], ("concurrency",), report)
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
        _must_be((part,), "dict_type", steps, report)
    return {}


def _step(part: Part, name: str, step: Any, report: DiagnosticCollector) -> Step:
    path = (part, name)
    if not isinstance(step, dict):
        report.add(path, "wrong-type", f"a step must be a map, not {shown(step)}", "add `uses:`")
        return _empty(Step)
    uses = step.get("uses")
    if uses is None:
        hint = f"add `uses:` with one of {', '.join(step_functions.names())}"
        report.add((*path, "uses"), "missing-key", "a step needs 'uses'", hint)
        return _empty(Step)
    try:
        function = step_functions.function_of(uses)
    except step_functions.BrokenFunctionError as error:
        message = f"the step kind {shown(uses)} is broken: {error}"
        report.add((*path, "uses"), "broken-step", message, "fix it, or install another version")
        return _empty(Step)
    model = step_functions.with_model(uses)
    if not isinstance(uses, str):
        hint = f"write one of {', '.join(step_functions.names())}"
        message = f"'uses' must be a kind of step, not {shown(uses)}"
        report.add((*path, "uses"), "wrong-type", message, hint)
        return _empty(Step)
    if model is None:
        message = f"unknown kind of step {shown(uses)}"
        known = step_functions.names()
        near, sure = meant(str(uses), known), certain(str(uses), known)
        report.add((*path, "uses"), "unknown-uses", message, near, instead=sure)
        return _empty(Step)
    written = step.get("with", {})
    if step.get("with") is None and (needed := _needed(uses, model)):
        lacks = "empty" if "with" in step else "missing"
        message = f"'with' is {lacks}: {an(uses)} step needs {needed!r}"
        example = _CHAT if (uses, needed) == ("chat", "model") else _EXAMPLES.get(needed, "…")
        hint = f"add `with: {{{needed}: {example}}}`"
        report.add((*path, "with"), "missing-key", message, hint)
        arguments = _empty(model)
    else:
        arguments = _part(model, written, (*path, "with"), report)
    for argument, field in model.model_fields.items() if isinstance(written, dict) else ():
        key = field.alias or argument
        if field.is_required() and key in written and written[key] is None:
            hint = f"write a value after `{key}:`"
            report.add((*path, "with", key), "missing-key", f"{key!r} is empty", hint, key=True)
    if function and isinstance(written, dict):
        for key in written.keys() & function.takes.keys():
            trouble = None if is_computed(written[key]) else function.error_in(key, written[key])
            if trouble:
                hint = f"write a value that the function {uses!r} takes, or an expression"
                report.add((*path, "with", key), "wrong-value", trouble, hint)
    # The workflow reports a name of the wrong form: it knows what kind of name it is.
    built = _part(Step, {**step, "id": "step", "with": arguments}, path, report)
    return built.model_copy(update={"id": name})


def _needed(uses: str, model: type[BaseModel]) -> str | None:
    """An argument without which a kind of step is wrong; None if all may be left out."""
    required = (field.alias or n for n, field in model.model_fields.items() if field.is_required())
    return next(required, "clips" if uses == "compose" else None)


def _map_of(
    model: type[_M], data: dict[str, Any], key: str, report: DiagnosticCollector
) -> dict[str, _M]:
    held = data.get(key)
    if held is None:
        return {}
    if not isinstance(held, dict):
        _must_be((key,), "dict_type", held, report)
        return {}
    return {name: _part(model, value, (key, name), report) for name, value in held.items()}


def _check_version(data: dict[str, Any], report: DiagnosticCollector) -> None:
    if "version" not in data:
        report.add(("version",), "missing-key", "a spec needs 'version'", "start with `version: 1`")
    elif not isinstance(data["version"], str | int | float) or data["version"] is True:
        message = f"'version' must be 1, not {shown(data['version'])}"
        report.add(("version",), "wrong-version", message, "write `version: 1`")
    else:
        message = f"this spec is for version {shown(data['version'])} of the language"
        sure = 1 if data["version"] in ("1", "1.0", 1.0) and data["version"] is not True else None
        report.add(("version",), "wrong-version", message, "write `version: 1`", instead=sure)


def report_error(details: ErrorDetails, path: Path, report: DiagnosticCollector) -> None:
    kind, loc, value = details["type"], details["loc"], details["input"]
    context = details.get("ctx", {})
    place: Path = (*path, *loc)
    if kind in _WANTED or kind == "model_attributes_type":
        _must_be(place, kind if kind in _WANTED else "dict_type", value, report)
    elif kind == "missing":
        example = _EXAMPLES.get(str(loc[-1]), "…")
        if place[-2:] == ("judge", "model") or (loc[-1] == "model" and "message" in value):
            example = _CHAT
        if loc[-1] == "name" and "cases" in place:
            example = "two stills and a film"
        report.add(place, "missing-key", f"{loc[-1]!r} is missing", f"add `{loc[-1]}: {example}`")
    elif kind == "literal_error":
        expected = str(context["expected"]).replace(" or ", ", ").split(", ")
        choices = [choice.strip("' ") for choice in expected]
        message = f"{_name(loc[-1])} cannot be {shown(value)}"
        instead = _INPUT_TYPES.get(str(value)) if place[0] == "inputs" else None
        if instead and loc[-1] == "of":
            instead = instead.replace("type:", "of:")
        own = own_word(str(value), choices)
        if instead is None and own:
            instead = f"did you mean {own!r}?"
        sure = None if instead else certain(str(value), choices)
        if own and place[0] == "inputs":
            sure = own  # a type by its name in Python
        hint = instead or meant(str(value), choices)
        report.add(place, "wrong-choice", message, hint, instead=sure)
    elif kind == "extra_forbidden" and loc[-2:-1] == ("job_variables",):
        # A spec may come from somebody else, and these decide what code runs and who gets a key.
        name = cut(str(loc[-1]))
        message = f"a spec cannot set the job variable {name!r}"
        hint = (
            f"a spec sets {', '.join(Resources.model_fields)}; set others when you deploy, with "
            f"`deploy --job-variable {name}=VALUE`, or in the base job template of the pool"
        )
        report.add(place, "operator-only", message, hint, key=True)
    elif kind == "extra_forbidden":
        part = CUT_PARTS.get(next((str(one) for one in loc[-2::-1] if isinstance(one, str)), ""))
        report.unknown(place, "unknown-key", "key", part.model_fields if part else ())
    elif kind == "too_long":
        most = f"at most {context['max_length']:,}"
        message = f"{loc[-1]!r} has {len(value):,} items; the limit is {context['max_length']:,}"
        report.add(place, "out-of-range", message, f"write {most}")
    elif kind == "too_short":
        if not value:  # else its items are reported
            report.add(place, "empty-list", f"{loc[-1]!r} is an empty list", "add an item")
    elif kind == "string_too_short" or (kind == "string_too_long" and "with" in place):
        message = f"{_name(loc[-1])} has {len(value):,} characters"
        bounds = {"min_length": "at least", "max_length": "at most"}
        hint = next(
            f"write {word} {context[key]:,}" for key, word in bounds.items() if key in context
        )
        report.add(place, "out-of-range", message, hint)
    elif kind in ("string_pattern_mismatch", "string_too_long"):
        _bad_name(place, value, report)
    elif kind in ("greater_than_equal", "less_than_equal", "greater_than", "less_than"):
        sign, bound = next(iter(context.items()))
        word = {"ge": "at least", "le": "at most", "gt": "more than", "lt": "less than"}[sign]
        message = f"{loc[-1]!r} must be {word} {bound:g}, not {shown(value)}"
        hint = share_hint(value) if is_share(str(loc[-1])) else f"write {word} {bound:g}"
        report.add(place, "out-of-range", message, hint)
    else:
        error = context.get("error")
        message, _, hint = str(error or details["msg"]).partition("; ")
        sure = error.instead if isinstance(error, DurationError) else None
        report.add(place, "wrong-value", message, hint or None, instead=sure)


def _bad_name(place: Path, value: Any, report: DiagnosticCollector) -> None:
    what = _NAMES.get((str(place[0]), str(place[-1]))) if len(place) > 1 else None
    key = place[-1] == "[key]"
    allowed = "letters, digits, spaces, _ . and -" if place[0] == "deploy" else None
    if allowed is None:
        hyphens = place in (("name",), ("concurrency", "group")) or place[0] == "labels"
        hyphen = " or -" if hyphens else ""
        allowed = f"lowercase letters, digits and _{hyphen}, starting with a letter"
    name = place[-2] if key else value
    message = f"{shown(name)} is not a valid name for {what or _named(place)}"
    where = place[:-1] if key else place
    most = 32 if place[0] == "labels" else 64
    hint = f"at most {most} characters: {allowed}"
    near = slug(str(name)[:most]).lstrip("-0123456789")
    if near and near.isascii():
        hint = f"write {near if '-' in allowed else near.replace('-', '_')}; {hint}"
    report.add(where, "bad-name", message, hint, key=key)


def _named(place: Path) -> str:
    if place == ("name",):
        return "a workflow"
    return {"deploy": "a deployment", "concurrency": "a group"}.get(str(place[0]), "a step")


def _name(step: str | int) -> str:
    return f"item {step + 1}" if isinstance(step, int) else repr(step)


def _must_be(place: Path, kind: str, value: Any, report: DiagnosticCollector) -> None:
    wanted, hint = _WANTED[kind]
    name = _name(place[-1])
    if kind == "float_type" and place[-1] in _TIMES:
        wanted, hint = "a duration", "write 90s, 15m, 48h or a number of seconds"
    if place[-1] == "work_pool":
        wanted, hint = (
            "a name or a map",
            "write NAME, or {name: NAME, job_variables: {memory: 4096}}",
        )
    if value is None and kind == "string_type":
        hint += ", or remove it"  # a comment perhaps: `#0b3d2e`
    if isinstance(value, str) and "${{" in value:
        message = f"{name} cannot be an expression: it is needed before the run"
        report.add(place, "expression-not-allowed", message, "write the value itself")
        return
    if kind in ("dict_type", "model_type"):
        if place[-2:-1] == ("fallback",):
            hint = _MAPS["fallback"]
        elif len(place) == 1 or place[-1] in (
            "matrix",
            "zip",
            "expect",
            "judge",
            "none",
            "retry",
            *CUT_PARTS,
        ):
            hint = _MAPS.get(str(place[-1]), hint)
            if "with" in place or place == ("budget",):
                hint = map_hint(str(place[-1]), value) or hint
        elif place[0] == "inputs":
            hint = "write {type: string}"
        elif place[-2:-1] == ("overlays",):
            hint = "write {text: …}, or {image: logo.png}"
        if place[-1] == "captions" and "with" not in place:  # of a brand
            hint = "write `captions: {position: bottom}`"
    if kind == "string_type" and isinstance(value, dict | list):
        hint = "write one line of text"
    if kind in ("int_type", "float_type") and wanted != "a duration":
        text = isinstance(value, str)
        hint = number_hint(str(place[-1]), value, wanted) if text else f"write {wanted}"
    if kind == "tuple_type":
        hint = list_hint(value) or hint
        if place[-1] == "fallback" and isinstance(value, str):
            hint = f"write [{{model: {cut(value)}}}]"
    if value is None and isinstance(place[-1], str) and kind in ("string_type", "int_type"):
        hint = f"write {wanted} after `{place[-1]}:`"
        report.add(place, "missing-key", f"{name} is empty", hint, key=True)
        return
    message = f"{name} must be {wanted}, not {shown(value)}"
    report.add(place, "wrong-type", message, hint, instead=surely(kind, str(place[-1]), value))
