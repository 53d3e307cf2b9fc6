"""The tree of a spec made ready for the models: notes out, unknown keys told, defaults in.

Everything after this works on the tidied tree, so a value that came from `defaults` keeps
its own place in the text.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable

from pydantic import BaseModel

from rivya_flows.catalogue.catalogue import nearest
from rivya_flows.language import step_functions
from rivya_flows.language.checks.step_arguments import ASKING
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.matrix import LOOP_KEYS, LOOPS
from rivya_flows.language.step_groups import PARTS
from rivya_flows.language.syntax.tree import Mapping, Node, Path, Scalar, Sequence
from rivya_flows.language.workflow import (
    WITH_MODELS,
    Budget,
    Concurrency,
    Defaults,
    Deploy,
    Input,
    Retry,
    Schedule,
    Step,
    Trigger,
    Workflow,
)

# Beyond these, no hint is shown, or it would take long to find.
_MOST_HINTS = 100
_LONGEST_KEY = 64
_MERGED = ("with", "params", "retry")
_Change = Callable[[Mapping, Path], Mapping]


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of a model as they stand in a file."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


_TOP_KEYS = ("version", "name", "title", "description", "inputs", "budget", "concurrency",
             "cache", "defaults", *PARTS, "outputs", "deploy")  # fmt: skip
_STEP_KEYS = tuple(key for key in keys_of(Step) if key != "id")
assert set(keys_of(Workflow)) - {"includes"} < set(_TOP_KEYS), (
    "a new key of Workflow needs a place here"
)


def tidied(root: Mapping, report: DiagnosticCollector) -> Mapping:
    """The tree without `x-` keys, unknown keys and `defaults`, which are merged into the steps.

    Unknown keys are told to the report, whose root must be `root`.
    """
    top = _known(root, _TOP_KEYS, (), report)
    _each(top, "inputs", lambda node, path: _known(node, keys_of(Input), path, report))
    if isinstance(budget := top.get("budget"), Mapping):
        _put(top, "budget", _known(budget, keys_of(Budget), ("budget",), report))
    if isinstance(limits := top.get("concurrency"), Mapping):
        _put(top, "concurrency", _known(limits, keys_of(Concurrency), ("concurrency",), report))
    _each(top, "defaults", lambda node, path: _default(node, path, report))
    defaults = top.get("defaults")
    if isinstance(defaults, Mapping):
        for kind in defaults.pairs.keys() - WITH_MODELS.keys():
            if kind not in step_functions.names():
                known = step_functions.names()
                report.unknown(("defaults", kind), "unknown-uses", "kind of step", known)
    for part in PARTS:
        _each(top, part, lambda node, path: _step(node, path, defaults, report))
    _each(top, "outputs", lambda node, path: node)
    _each(top, "deploy", lambda node, path: _deploy(node, path, report))
    return top


def _step(node: Mapping, path: Path, defaults: Node | None, report: DiagnosticCollector) -> Mapping:
    uses = node.get("uses")
    kind = str(uses.value) if isinstance(uses, Scalar) else ""
    model = step_functions.with_model(kind)
    inside = "write it below `with:`"
    elsewhere = dict.fromkeys(keys_of(model), inside) if model else {}
    step = _known(node, _STEP_KEYS, path, report, elsewhere)
    if isinstance(retry := step.get("retry"), Mapping):
        _put(step, "retry", _known(retry, keys_of(Retry), (*path, "retry"), report))
    if model is None:
        return step
    if isinstance(arguments := step.get("with"), Mapping):
        keys = keys_of(model)
        params = _may_be_params(arguments, keys) if kind == "generate" else None
        _put(step, "with", _known(arguments, keys, (*path, "with"), report, params))
    given = defaults.get(kind) if isinstance(defaults, Mapping) else None
    return _merged(_meant(given, step, kind), step) if isinstance(given, Mapping) else step


def _may_be_params(arguments: Mapping, keys: tuple[str, ...]) -> dict[str, str]:
    """Hints for the keys of a `generate` that may be the model's own."""
    own = f"there are: {', '.join(keys)}; a parameter of the model stands below `params:`"
    unknown = [key for key in arguments.pairs if key not in keys][:_MOST_HINTS]
    return {key: own for key in unknown if len(key) > _LONGEST_KEY or not nearest(key, keys)}


def _meant(given: Mapping, step: Mapping, kind: str) -> Mapping:
    """The defaults that mean something for a step.

    Those of fan-outs do where it has one, those of questions where a person is asked.
    """
    if kind == "include":
        return given  # no step of this kind ever fans out, so they are told as needless
    loops = {loop for loop in LOOPS if not _is_nothing(step.get(loop))}
    idle = {key for key, needed in LOOP_KEYS.items() if loops.isdisjoint(needed)}
    meant = Mapping(given.mark, {k: pair for k, pair in given.pairs.items() if k not in idle})
    arguments = meant.get("with")
    if kind == "pick" and isinstance(arguments, Mapping) and _takes_first(arguments, step):
        asked = {key: pair for key, pair in arguments.pairs.items() if key not in ASKING}
        _put(meant, "with", Mapping(arguments.mark, asked))
    return meant


def _takes_first(given: Mapping, step: Mapping) -> bool:
    """Whether a `pick` asks nobody, with what it has from the defaults."""
    own = step.get("with")
    mode = own.get("mode") if isinstance(own, Mapping) else None
    mode = given.get("mode") if mode is None else mode
    return mode is None or (isinstance(mode, Scalar) and mode.value == "first")


def _is_nothing(node: Node | None) -> bool:
    return node is None or (isinstance(node, Scalar) and node.value is None)


def _default(node: Mapping, path: Path, report: DiagnosticCollector) -> Mapping:
    known = _known(node, keys_of(Defaults), path, report)
    if isinstance(retry := known.get("retry"), Mapping):
        _put(known, "retry", _known(retry, keys_of(Retry), (*path, "retry"), report))
    model = step_functions.with_model(str(path[-1]))
    if model and isinstance(arguments := known.get("with"), Mapping):
        _put(known, "with", _known(arguments, keys_of(model), (*path, "with"), report))
    return known


def _deploy(node: Mapping, path: Path, report: DiagnosticCollector) -> Mapping:
    deploy = _known(node, keys_of(Deploy), path, report)
    _each_of(deploy, "schedules", Schedule, path, report)
    _each_of(deploy, "triggers", Trigger, path, report)
    return deploy


def _each_of(
    deploy: Mapping, key: str, model: type[BaseModel], path: Path, report: DiagnosticCollector
) -> None:
    known = keys_of(model)
    _each(deploy, key, lambda one, at: _known(one, known, at, report), (*path, key))


def _merged(under: Mapping, over: Mapping) -> Mapping:
    """`over` with what it lacks from `under`; its own place and order first."""
    pairs = dict(over.pairs)
    for key, (mark, value) in under.pairs.items():
        if key not in pairs:
            pairs[key] = (mark, value)
            continue
        own_mark, own = pairs[key]
        if key in _MERGED and isinstance(own, Mapping) and isinstance(value, Mapping):
            pairs[key] = (own_mark, _merged(value, own))
    return Mapping(over.mark, pairs)


def _known(
    node: Mapping,
    keys: Iterable[str],
    path: Path,
    report: DiagnosticCollector,
    elsewhere: typing.Mapping[str, str] | None = None,
) -> Mapping:
    """The map with the keys that the language knows; notes are left out unsaid.

    What is known in another place is told with that place, from `elsewhere`.
    """
    known, pairs = tuple(keys), {}
    for key, pair in node.pairs.items():
        if key in known:
            pairs[key] = pair
        elif not key.startswith("x-"):
            fix = (elsewhere or {}).get(key)
            report.unknown((*path, key), "unknown-key", "key", known, fix=fix)
    return Mapping(node.mark, pairs)


def _each(top: Mapping, key: str, change: _Change, path: Path | None = None) -> None:
    """Changes every map inside the map or list at `key`; `top` is a fresh copy."""
    path, held = path or (key,), top.get(key)
    if isinstance(held, Mapping):
        pairs = {
            name: (mark, change(node, (*path, name)) if isinstance(node, Mapping) else node)
            for name, (mark, node) in held.pairs.items()
            if not name.startswith("x-")
        }
        _put(top, key, Mapping(held.mark, pairs))
    elif isinstance(held, Sequence):
        members = [
            change(node, (*path, index)) if isinstance(node, Mapping) else node
            for index, node in enumerate(held.members)
        ]
        _put(top, key, Sequence(held.mark, members))


def _put(mapping: Mapping, key: str, node: Node) -> None:
    mapping.pairs[key] = (mapping.pairs[key][0], node)
