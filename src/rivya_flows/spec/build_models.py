"""The models of a spec, built from its tree: known keys, `defaults` merged in; what does not fit is reported."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.language.brand import Brand
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.field_errors import EXAMPLES, must_be, own_word, report_error
from rivya_flows.language.field_types import fields_of, keys_of
from rivya_flows.language.matrix import LOOP_KEYS, LOOPS
from rivya_flows.language.syntax.tree import Mapping, Mark, Node, Path, Scalar, Sequence, plain
from rivya_flows.language.wording import preview
from rivya_flows.language.workflow import (
    PARTS,
    Budget,
    Concurrency,
    Defaults,
    Deploy,
    Input,
    Part,
    Resources,
    Step,
    Workflow,
)
from rivya_flows.spec.model_names import medium_of, write_out_models
from rivya_flows.spec.schema_fragments import attribute_texts
from rivya_flows.steps import registry
from rivya_flows.steps.connections import Include
from rivya_flows.steps.function import BrokenKindError
from rivya_flows.steps.generate import Generate
from rivya_flows.steps.kind import Kind

_M = TypeVar("_M", bound=BaseModel)


def build(tree: Mapping, report: DiagnosticCollector) -> Workflow:
    """The workflow in a normalized tree; a wrong part is reported and left empty, so that later checks run."""
    data: dict[str, Any] = plain(tree)
    if data.get("version") != 1 or isinstance(data.get("version"), bool | float):
        if "version" not in data:
            message, hint = "a spec needs 'version'", "start with `version: 1`"
            report.add(("version",), "missing-key", message, hint)
        else:
            written = data["version"]
            message = f"the version of the language is 1, not {preview(written)}"
            sure = 1 if written in ("1", "1.0", 1.0) and written is not True else None
            report.add(("version",), "wrong-version", message, "write `version: 1`", instead=sure)
        data["version"] = 1
    _map_of(Defaults, data, "defaults", report)  # reports mistakes; `normalize` has merged them
    empty = [key for key in ("outputs", "deploy", *PARTS[1:]) if data.get(key, "") is None]
    made = {key: value for key, value in data.items() if key not in ("defaults", *empty)}
    made["inputs"] = _map_of(Input, data, "inputs", report)
    made["steps"] = _build_steps(data.get("steps"), "steps", report)
    for part in PARTS[1:]:
        if data.get(part) is not None:
            made[part] = _build_steps(data[part], part, report)
    limits: dict[str, type[BaseModel]] = {"budget": Budget, "concurrency": Concurrency}
    for key, model in limits.items():
        if key in data:
            made[key] = _model_or_empty(model, data[key], (key,), report)
    if isinstance(brand := data.get("brand"), dict):
        made["brand"] = model_at(Brand, brand, ("brand",), report)
    elif not (brand is None or isinstance(brand, str)):
        made["brand"] = None
        message = f"'brand' must be a map or the path of a brand file, not {preview(brand)}"
        report.add(("brand",), "wrong-type", message, "write {name: Aurora}, or brand.yaml")
    if isinstance(data.get("deploy"), list):
        made["deploy"] = [
            _model_or_empty(Deploy, one, ("deploy", index), report)
            for index, one in enumerate(data["deploy"])
        ]
    if workflow := model_at(Workflow, made, (), report):
        return workflow
    parts = {part: made.get(part, {}) for part in ("inputs", *PARTS)} | {"brand": made.get("brand")}
    deploy = made["deploy"] if isinstance(made.get("deploy"), list) else ()
    return Workflow.model_construct(**parts, deploy=tuple(deploy))


def model_at(model: type[_M], value: Any, path: Path, report: DiagnosticCollector) -> _M | None:
    """The value as a model; None, with diagnostics in the report, if it does not fit."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            report_error(details, path, report)
        return None


def _model_or_empty(model: type[_M], value: Any, path: Path, report: DiagnosticCollector) -> _M:
    return model_at(model, value, path, report) or _empty(model)


def _empty(model: type[_M]) -> _M:
    return model.model_construct()


def _build_steps(steps: Any, part: Part, report: DiagnosticCollector) -> dict[str, Step]:
    if part == "steps" and (steps is None or steps == {}):
        hint = "add `steps:` with one step below it"
        report.add((part,), "missing-key", "a spec needs at least one step", hint, key=True)
    elif isinstance(steps, dict):
        return {name: _build_step(part, name, step, report) for name, step in steps.items()}
    else:
        report.add_inside((), [must_be((part,), "dict_type", steps)])
    return {}


def _kind(step: Any, path: Path, report: DiagnosticCollector) -> Kind | None:
    """The kind of a step; None, and reported, if it has none."""
    if not isinstance(step, dict):
        report.add(path, "wrong-type", f"a step must be a map, not {preview(step)}", "add `uses:`")
        return None
    uses, at = step.get("uses"), (*path, "uses")
    try:
        if (kind := registry.kind_of(uses)) is not None:
            return kind
    except BrokenKindError as error:
        message = f"the step kind {preview(uses)} is broken: {error}"
        report.add(at, "broken-step", message, "fix it, or install another version")
        return None
    known = registry.names()
    if isinstance(uses, str):
        report.unknown(at, "unknown-uses", "kind of step", known, value=uses)
    elif uses is None:
        hint = f"add `uses:` with one of {', '.join(known)}"
        report.add(at, "missing-key", "a step needs 'uses'", hint)
    else:
        message = f"'uses' must be a kind of step, not {preview(uses)}"
        report.add(at, "wrong-type", message, f"write one of {', '.join(known)}")
    return None


def _build_step(part: Part, name: str, step: Any, report: DiagnosticCollector) -> Step:
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
        arguments = _model_or_empty(model, written, (*path, "with"), report)
    for key, field in fields_of(model).items() if isinstance(written, dict) else ():
        if field.info.is_required() and key in written and written[key] is None:
            hint = f"write a value after `{key}:`"
            report.add((*path, "with", key), "missing-key", f"{key!r} is empty", hint, key=True)
    # The workflow reports a name of the wrong form: it knows what kind of name it is.
    built = _model_or_empty(Step, {**step, "id": "step", "with": arguments}, path, report)
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
    return {
        name: _model_or_empty(model, value, (key, name), report) for name, value in held.items()
    }


_MERGED = ("with", "params", "retry")
_Hints = typing.Mapping[str, str]  # what to do with unknown keys
_OfModel = Callable[[Mapping, Node | None], str | None]  # what the model of a step makes

_OWN_KEYS = keys_of(Workflow)
_FIRST_PART = _OWN_KEYS.index(PARTS[0])
TOP_KEYS = (*_OWN_KEYS[:_FIRST_PART], "defaults", *_OWN_KEYS[_FIRST_PART:])
"""The keys of a spec."""

_NOT_DESCENDED_INTO = (None, Step, Resources)
"""Models of maps that are read otherwise."""

_BRAND_KEY_HINTS = dict.fromkeys(
    ("colors", "colours", "background"),
    'colours and font come from `brand:` of the spec, as in `brand: {colours: ["#0b3d2e"]}`',
)
"""Hints for keys of captions, overlays and end cards that a film has once."""
_PROMPT = re.compile(r"\$\{\{\s*prompt\s*\}\}")
_MAX_WRITTEN_OUT = 100_000  # characters of a fallback's prompt; longer ones fit no model


MEDIA = ("image", "video", "audio")
"""Kinds of medium that `defaults` may name, beside kinds of step."""


def normalize(root: Mapping, report: DiagnosticCollector, catalogue: Catalogue) -> Mapping:
    """The tree without `x-` keys, unknown keys and `defaults`, which are merged into the steps, with models
    instead of their names.
    """
    write_out_models(root, catalogue, report)
    # Keys that are not indented as far as their step.
    hints = dict.fromkeys(keys_of(Step), "indent it: it belongs to a step below `steps:`")
    for key, (_, node) in root.pairs.items():
        if isinstance(node, Mapping) and "uses" in node.pairs:
            hints[key] = "indent it: it is a step and belongs below `steps:`"
    top = drop_unknown_keys(Workflow, report, root, (), hints, keys=TOP_KEYS)
    _each(top, "defaults", partial(_normalize_defaults, report=report))
    defaults = top.get("defaults")
    if isinstance(defaults, Mapping):
        for kind in defaults.pairs.keys() - {*registry.BUILT_IN, *MEDIA}:
            if kind not in registry.names():
                known = (*registry.names(), *MEDIA)
                report.unknown(("defaults", kind), "unknown-uses", "kind of step", known)
    of_model = partial(medium_of, root=top, catalogue=catalogue)
    step = partial(_normalize_step, defaults=defaults, of_model=of_model, report=report)
    for part in PARTS:
        _each(top, part, step)
    for key in ("outputs", "models"):
        _each(top, key, lambda node, path: node)
    return top


def _normalize_step(
    node: Mapping,
    path: Path,
    defaults: Node | None,
    of_model: _OfModel,
    report: DiagnosticCollector,
) -> Mapping:
    uses = node.get("uses")
    kind = registry.known_kind(uses.value) if isinstance(uses, Scalar) else None
    below = "write it below `with:`"
    elsewhere = dict.fromkeys(keys_of(kind.takes), below) if kind else {}
    if uses is None and path[-1] in keys_of(Step):
        elsewhere = dict.fromkeys(node.pairs, f"indent `{path[-1]}:`: it belongs to the step above")
    step = drop_unknown_keys(Step, report, node, path, elsewhere)
    if kind is None:
        return step
    _normalize_arguments(step, kind, path, report)
    if isinstance(defaults, Mapping):
        step = _with_defaults(step, kind, defaults, of_model)
    _write_out_prompts(step)
    return step


def _with_defaults(step: Mapping, kind: Kind, defaults: Mapping, of_model: _OfModel) -> Mapping:
    """A step with the defaults of its kind; nearer are those of the medium that its model makes."""
    general = defaults.get(kind.uses)
    merged = _complete(step, general, kind)
    if isinstance(kind, Generate):
        arguments = merged.get("with")
        model = arguments.get("model") if isinstance(arguments, Mapping) else None
        nearer = defaults.get(of_model(step, model) or "")
        merged = _complete(_complete(step, nearer, kind), general, kind)
    return merged


def _complete(step: Mapping, given: Node | None, kind: Kind) -> Mapping:
    if not isinstance(given, Mapping):
        return step
    return _merge(_effective_defaults(given, step, kind), step)


def _write_out_prompts(step: Mapping) -> None:
    """Puts the prompt of a step where a fallback writes ``${{ prompt }}``."""
    arguments, listed = step.get("with"), step.get("fallback")
    prompt = arguments.get("prompt") if isinstance(arguments, Mapping) else None
    if not (isinstance(prompt, Scalar) and isinstance(prompt.value, str)):
        return
    written = prompt.value
    for one in listed.members if isinstance(listed, Sequence) else ():
        own = one.get("prompt") if isinstance(one, Mapping) else None
        if isinstance(one, Mapping) and isinstance(own, Scalar) and isinstance(own.value, str):
            places = len(_PROMPT.findall(own.value))
            if places and len(own.value) + places * len(written) <= _MAX_WRITTEN_OUT:
                _put(one, "prompt", replace(own, value=_PROMPT.sub(lambda _: written, own.value)))


def _effective_defaults(given: Mapping, step: Mapping, kind: Kind) -> Mapping:
    """The defaults that have an effect on a step, by its fan-out and its own arguments."""
    if isinstance(kind, Include):
        return given  # all of them are reported as needless
    loops = {loop for loop in LOOPS if (node := step.get(loop)) and plain(node) is not None}
    idle = {key for key, needed in LOOP_KEYS.items() if loops.isdisjoint(needed)}
    effective = Mapping(given.mark, {k: pair for k, pair in given.pairs.items() if k not in idle})
    arguments, own = effective.get("with"), step.get("with")
    if isinstance(arguments, Mapping):
        written = plain(own) if isinstance(own, Mapping) else {}
        unused = kind.idle_defaults(written, plain(arguments))
        used = {key: pair for key, pair in arguments.pairs.items() if key not in unused}
        _put(effective, "with", Mapping(arguments.mark, used))
    return effective


def _normalize_defaults(node: Mapping, path: Path, report: DiagnosticCollector) -> Mapping:
    known, name = drop_unknown_keys(Defaults, report, node, path), str(path[-1])
    if kind := registry.known_kind(Generate.uses if name in MEDIA else name):
        _normalize_arguments(known, kind, path, report)
    arguments = known.get("with")
    if name in MEDIA and isinstance(arguments, Mapping) and "model" in arguments.pairs:
        message = f"'model' has no effect here: the model of a step says that it makes {name}"
        hint = f"write it in the steps, or in `defaults: {{{Generate.uses}: …}}`"
        report.add((*path, "with", "model"), "needless-key", message, hint, key=True)
    return known


def _normalize_arguments(
    step: Mapping, kind: Kind, path: Path, report: DiagnosticCollector
) -> None:
    """Keeps the known keys of `with`."""
    if isinstance(held := step.get("with"), Mapping):
        hints, inside = kind.elsewhere(held.pairs), _BRAND_KEY_HINTS if kind.takes_brand else {}
        _put(
            step,
            "with",
            drop_unknown_keys(kind.takes, report, held, (*path, "with"), hints, inside),
        )


def drop_unknown_keys(
    model: type[BaseModel],
    report: DiagnosticCollector,
    node: Mapping,
    path: Path,
    hints: _Hints | None = None,
    inside: _Hints | None = None,
    keys: tuple[str, ...] = (),
) -> Mapping:
    """The map without `x-` keys and, reported, keys that the model and `keys` lack; so the maps inside."""
    fields, known = fields_of(model), keys or keys_of(model)
    change = partial(drop_unknown_keys, hints=inside)
    pairs: dict[str, tuple[Mark, Node]] = {}
    for key, (mark, held) in node.pairs.items():
        if key in known:
            field = fields.get(key)
            if field is not None and field.inner not in _NOT_DESCENDED_INTO:
                if field.inner is Input:
                    held = _write_out_types(held)
                held = _change_maps(
                    held, (*path, key), partial(change, field.inner, report), by_name=field.by_name
                )
            pairs[key] = (mark, held)
        elif not key.startswith("x-"):
            fix, own = (hints or {}).get(key), own_word(key, known)
            if own is not None and (fix is None or model is not Step):
                says = attribute_texts(model).get(own, "").partition(". ")[0].removesuffix(".")
                fix = f"did you mean {own!r}? {says or ', '.join(known)}"
                if own not in node.pairs and own in fields and fields[own].info.is_required():
                    pairs[own] = mark, held  # so that it is the only mistake
            report.unknown((*path, key), "unknown-key", "key", known, fix=fix)
    return Mapping(node.mark, pairs)


def _write_out_types(held: Node) -> Node:
    """Puts `{type: string}` where an input is declared as `string`."""
    if not isinstance(held, Mapping):
        return held
    pairs = dict(held.pairs)
    for name, (mark, node) in held.pairs.items():
        if isinstance(node, Scalar):
            pairs[name] = mark, Mapping(node.mark, {"type": (node.mark, node)})
    return Mapping(held.mark, pairs)


def _merge(under: Mapping, over: Mapping) -> Mapping:
    """`over`, completed from `under`; its own places and order come first."""
    pairs = dict(over.pairs)
    for key, (mark, value) in under.pairs.items():
        if key not in pairs:
            pairs[key] = (mark, value)
            continue
        own_mark, own = pairs[key]
        if key in _MERGED and isinstance(own, Mapping) and isinstance(value, Mapping):
            pairs[key] = (own_mark, _merge(value, own))
    return Mapping(over.mark, pairs)


_Change = Callable[[Mapping, Path], Mapping]


def _each(top: Mapping, key: str, change: _Change) -> None:
    """Changes every map inside the map at `key`; `top` is a fresh copy."""
    if isinstance(held := top.get(key), Mapping):
        _put(top, key, _change_maps(held, (key,), change, by_name=True))


def _change_maps(held: Node, path: Path, change: _Change, *, by_name: bool) -> Node:
    """A map, each map in a list, or each one that a map holds `by_name`, after a change."""
    if isinstance(held, Sequence):
        members = [
            change(node, (*path, index)) if isinstance(node, Mapping) else node
            for index, node in enumerate(held.members)
        ]
        return Sequence(held.mark, members)
    if not isinstance(held, Mapping):
        return held
    if not by_name:
        return change(held, path)
    pairs = {
        name: (mark, change(node, (*path, name)) if isinstance(node, Mapping) else node)
        for name, (mark, node) in held.pairs.items()
        if not name.startswith("x-")
    }
    return Mapping(held.mark, pairs)


def _put(mapping: Mapping, key: str, node: Node) -> None:
    mapping.pairs[key] = (mapping.pairs[key][0], node)
