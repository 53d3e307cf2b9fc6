"""The tree of a spec as the models need it: no notes, no unknown keys, defaults merged in.

Later checks use the normalized tree, so a value from `defaults` keeps its own place in the text.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial

from pydantic import BaseModel

from rivya_flows.language.brand import Brand, BrandCaptions, BrandEndCard
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.matrix import LOOP_KEYS, LOOPS
from rivya_flows.language.other_words import own_word
from rivya_flows.language.step_groups import PARTS
from rivya_flows.language.syntax.tree import Mapping, Node, Path, Scalar, Sequence, plain
from rivya_flows.language.workflow import (
    FOUND,
    Budget,
    Concurrency,
    Defaults,
    Deploy,
    Fallback,
    Input,
    Retry,
    Schedule,
    Step,
    Trigger,
    Workflow,
    WorkPool,
)
from rivya_flows.steps import registry
from rivya_flows.steps.include import Include
from rivya_flows.steps.kind import Kind

_MERGED = ("with", "params", "retry")
_Change = Callable[[Mapping, Path], Mapping]


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of a model as written in a file."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


TOP_KEYS = ("version", "name", "title", "description", "inputs", "brand", "budget", "labels",
            "concurrency", "cache", "defaults", *PARTS, "outputs", "deploy")  # fmt: skip
_STEP_KEYS = tuple(key for key in keys_of(Step) if key != "id")
assert set(keys_of(Workflow)) - set(FOUND) < set(TOP_KEYS), (
    "a new key of Workflow needs a place here"
)

_OF_A_BRAND = dict.fromkeys(
    ("color", "colour", "colors", "colours", "font", "background"),
    'colours and font come from `brand:` of the spec, as in `brand: {colours: ["#0b3d2e"]}`',
)
"""Hints for keys of captions, overlays and end cards that a film has once."""
_PROMPT = re.compile(r"\$\{\{\s*prompt\s*\}\}")
_MAX_WRITTEN_OUT = 100_000  # characters of a fallback's prompt; longer ones fit no model


def normalized(root: Mapping, report: DiagnosticCollector) -> Mapping:
    """The tree without `x-` keys, unknown keys and `defaults`, which are merged into the steps.

    Unknown keys are reported; the root of `report` must be `root`.
    """
    top = _known(root, TOP_KEYS, (), report, _of_steps(root))
    each(top, "inputs", partial(known_in, keys_of(Input), report))
    if isinstance(brand := top.get("brand"), Mapping):
        _put(top, "brand", normalized_brand(brand, ("brand",), report))
    inside(top, "budget", keys_of(Budget), (), report)
    inside(top, "concurrency", keys_of(Concurrency), (), report)
    each(top, "defaults", lambda node, path: _default(node, path, report))
    defaults = top.get("defaults")
    if isinstance(defaults, Mapping):
        for kind in defaults.pairs.keys() - registry.BUILT_IN.keys():
            if kind not in registry.names():
                known = registry.names()
                report.unknown(("defaults", kind), "unknown-uses", "kind of step", known)
    for part in PARTS:
        each(top, part, lambda node, path: _step(node, path, defaults, report))
    each(top, "outputs", lambda node, path: node)
    each(top, "deploy", lambda node, path: _deploy(node, path, report))
    return top


def normalized_brand(node: Mapping, path: Path, report: DiagnosticCollector) -> Mapping:
    """The map of a brand at `path`, without `x-` keys and unknown keys, which are reported."""
    brand = _known(node, keys_of(Brand), path, report)
    inside(brand, "end_card", keys_of(BrandEndCard), path, report)
    inside(brand, "captions", keys_of(BrandCaptions), path, report)
    return brand


def _of_steps(root: Mapping) -> dict[str, str]:
    """The hint for each key of the root that is not indented as far as its step."""
    hints = dict.fromkeys(_STEP_KEYS, "indent it: it belongs to a step below `steps:`")
    for key, (_, node) in root.pairs.items():
        if isinstance(node, Mapping) and "uses" in node.pairs:
            hints[key] = "indent it: it is a step and belongs below `steps:`"
    return hints


def _step(node: Mapping, path: Path, defaults: Node | None, report: DiagnosticCollector) -> Mapping:
    uses = node.get("uses")
    kind = registry.known_kind(uses.value) if isinstance(uses, Scalar) else None
    below = "write it below `with:`"
    elsewhere = dict.fromkeys(keys_of(kind.takes), below) if kind else {}
    if uses is None and path[-1] in _STEP_KEYS:
        elsewhere = dict.fromkeys(node.pairs, f"indent `{path[-1]}:`: it belongs to the step above")
    step = _known(node, _STEP_KEYS, path, report, elsewhere)
    inside(step, "retry", keys_of(Retry), path, report)
    fallback = partial(known_in, keys_of(Fallback), report)
    each(step, "fallback", fallback, (*path, "fallback"))
    if kind is None:
        return step
    inside(step, "with", keys_of(kind.takes), path, report, kind.elsewhere)
    _inner_parts(step, kind, path, report)
    given = defaults.get(kind.uses) if isinstance(defaults, Mapping) else None
    merged = _merged(_meant(given, step, kind), step) if isinstance(given, Mapping) else step
    _write_out_prompts(merged)
    return merged


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


def _meant(given: Mapping, step: Mapping, kind: Kind) -> Mapping:
    """The defaults that have an effect on a step, by its fan-out and its own arguments."""
    if isinstance(kind, Include):
        return given  # all of them are reported as needless
    loops = {loop for loop in LOOPS if not _is_nothing(step.get(loop))}
    idle = {key for key, needed in LOOP_KEYS.items() if loops.isdisjoint(needed)}
    meant = Mapping(given.mark, {k: pair for k, pair in given.pairs.items() if k not in idle})
    arguments, own = meant.get("with"), step.get("with")
    if isinstance(arguments, Mapping):
        written = plain(own) if isinstance(own, Mapping) else {}
        unused = kind.idle_defaults(written, plain(arguments))
        used = {key: pair for key, pair in arguments.pairs.items() if key not in unused}
        _put(meant, "with", Mapping(arguments.mark, used))
    return meant


def _is_nothing(node: Node | None) -> bool:
    return node is None or (isinstance(node, Scalar) and node.value is None)


def _default(node: Mapping, path: Path, report: DiagnosticCollector) -> Mapping:
    known = _known(node, keys_of(Defaults), path, report)
    inside(known, "retry", keys_of(Retry), path, report)
    if kind := registry.known_kind(str(path[-1])):
        inside(known, "with", keys_of(kind.takes), path, report)
        _inner_parts(known, kind, path, report)
    return known


def _inner_parts(top: Mapping, kind: Kind, path: Path, report: DiagnosticCollector) -> None:
    """Keeps the known keys of the maps inside `with`."""
    arguments = top.get("with")
    if not isinstance(arguments, Mapping):
        return
    hints = _OF_A_BRAND if kind.takes_brand else {}
    for key, model in kind.parts.items():
        keys = tuple(one for one in keys_of(model) if one != "cues")
        if isinstance(arguments.get(key), Mapping):
            inside(arguments, key, keys, (*path, "with"), report, lambda _: hints)
        else:
            part = partial(known_in, keys, report, elsewhere=hints)
            each(arguments, key, part, (*path, "with", key))


def _deploy(node: Mapping, path: Path, report: DiagnosticCollector) -> Mapping:
    deploy = _known(node, keys_of(Deploy), path, report)
    for key, known in (("schedules", keys_of(Schedule)), ("triggers", keys_of(Trigger))):
        each(deploy, key, partial(known_in, known, report), (*path, key))
    inside(deploy, "work_pool", keys_of(WorkPool), path, report)
    return deploy


def known_in(
    keys: tuple[str, ...],
    report: DiagnosticCollector,
    node: Mapping,
    path: Path,
    elsewhere: typing.Mapping[str, str] | None = None,
) -> Mapping:
    """The map without `x-` keys and unknown keys, which are reported."""
    return _known(node, keys, path, report, elsewhere)


def inside(
    top: Mapping,
    key: str,
    known: tuple[str, ...],
    path: Path,
    report: DiagnosticCollector,
    hints: Callable[[Collection[str]], typing.Mapping[str, str]] | None = None,
) -> None:
    """Keeps the known keys of the map at `key`; `hints` gives what to do with others."""
    if isinstance(held := top.get(key), Mapping):
        found = hints(held.pairs) if hints else None
        _put(top, key, _known(held, known, (*path, key), report, found))


def _merged(under: Mapping, over: Mapping) -> Mapping:
    """`over`, completed from `under`; its own places and order come first."""
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
    """The map without notes and unknown keys, which are reported with the hint in `elsewhere`."""
    known, pairs = tuple(keys), {}
    for key, pair in node.pairs.items():
        if key in known:
            pairs[key] = pair
        elif not key.startswith("x-"):
            fix = (elsewhere or {}).get(key)
            if fix is None and (own := own_word(key, known)):
                fix = f"did you mean {own!r}? there are: {', '.join(known)}"
            report.unknown((*path, key), "unknown-key", "key", known, fix=fix)
    return Mapping(node.mark, pairs)


def each(top: Mapping, key: str, change: _Change, path: Path | None = None) -> None:
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
