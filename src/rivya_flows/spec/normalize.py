"""The tree of a spec as the models need it; a value from `defaults` keeps its own place in the text."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pydantic import BaseModel

from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.field_errors import own_word
from rivya_flows.language.field_types import fields_of, keys_of
from rivya_flows.language.matrix import LOOP_KEYS, LOOPS
from rivya_flows.language.syntax.tree import Mapping, Mark, Node, Path, Scalar, Sequence, plain
from rivya_flows.language.workflow import PARTS, Defaults, Resources, Step, Workflow
from rivya_flows.steps import registry
from rivya_flows.steps.connections import Include
from rivya_flows.steps.kind import Kind

_MERGED = ("with", "params", "retry")
_Hints = typing.Mapping[str, str]  # what to do with unknown keys

_OWN_KEYS = keys_of(Workflow)
_FIRST_PART = _OWN_KEYS.index(PARTS[0])
TOP_KEYS = (*_OWN_KEYS[:_FIRST_PART], "defaults", *_OWN_KEYS[_FIRST_PART:])
"""The keys of a spec."""

_READ_APART = (None, Step, Resources)
"""Models of maps that are read otherwise."""

_OF_A_BRAND = dict.fromkeys(
    ("color", "colour", "colors", "colours", "font", "background"),
    'colours and font come from `brand:` of the spec, as in `brand: {colours: ["#0b3d2e"]}`',
)
"""Hints for keys of captions, overlays and end cards that a film has once."""
_PROMPT = re.compile(r"\$\{\{\s*prompt\s*\}\}")
_MAX_WRITTEN_OUT = 100_000  # characters of a fallback's prompt; longer ones fit no model


def normalized(root: Mapping, report: DiagnosticCollector) -> Mapping:
    """The tree without `x-` keys, unknown keys and `defaults`, which are merged into the steps."""
    top = known_in(Workflow, report, root, (), _of_steps(root), keys=TOP_KEYS)
    _each(top, "defaults", lambda node, path: _default(node, path, report))
    defaults = top.get("defaults")
    if isinstance(defaults, Mapping):
        for kind in defaults.pairs.keys() - registry.BUILT_IN.keys():
            if kind not in registry.names():
                known = registry.names()
                report.unknown(("defaults", kind), "unknown-uses", "kind of step", known)
    for part in PARTS:
        _each(top, part, lambda node, path: _step(node, path, defaults, report))
    _each(top, "outputs", lambda node, path: node)
    return top


def _of_steps(root: Mapping) -> dict[str, str]:
    """The hint for each key of the root that is not indented as far as its step."""
    hints = dict.fromkeys(keys_of(Step), "indent it: it belongs to a step below `steps:`")
    for key, (_, node) in root.pairs.items():
        if isinstance(node, Mapping) and "uses" in node.pairs:
            hints[key] = "indent it: it is a step and belongs below `steps:`"
    return hints


def _step(node: Mapping, path: Path, defaults: Node | None, report: DiagnosticCollector) -> Mapping:
    uses = node.get("uses")
    kind = registry.known_kind(uses.value) if isinstance(uses, Scalar) else None
    below = "write it below `with:`"
    elsewhere = dict.fromkeys(keys_of(kind.takes), below) if kind else {}
    if uses is None and path[-1] in keys_of(Step):
        elsewhere = dict.fromkeys(node.pairs, f"indent `{path[-1]}:`: it belongs to the step above")
    step = known_in(Step, report, node, path, elsewhere)
    if kind is None:
        return step
    _arguments(step, kind, path, report)
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
    known = known_in(Defaults, report, node, path)
    if kind := registry.known_kind(str(path[-1])):
        _arguments(known, kind, path, report)
    return known


def _arguments(step: Mapping, kind: Kind, path: Path, report: DiagnosticCollector) -> None:
    """Keeps the known keys of `with`."""
    if isinstance(held := step.get("with"), Mapping):
        hints, inside = kind.elsewhere(held.pairs), _OF_A_BRAND if kind.takes_brand else {}
        _put(step, "with", known_in(kind.takes, report, held, (*path, "with"), hints, inside))


def known_in(
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
    change = partial(known_in, hints=inside)
    pairs: dict[str, tuple[Mark, Node]] = {}
    for key, (mark, held) in node.pairs.items():
        if key in known:
            field = fields.get(key)
            if field is not None and field.inner not in _READ_APART:
                held = _changed(
                    held, (*path, key), partial(change, field.inner, report), by_name=field.by_name
                )
            pairs[key] = (mark, held)
        elif not key.startswith("x-"):
            fix = (hints or {}).get(key)
            if fix is None and (own := own_word(key, known)):
                fix = f"did you mean {own!r}? there are: {', '.join(known)}"
            report.unknown((*path, key), "unknown-key", "key", known, fix=fix)
    return Mapping(node.mark, pairs)


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


_Change = Callable[[Mapping, Path], Mapping]


def _each(top: Mapping, key: str, change: _Change) -> None:
    """Changes every map inside the map at `key`; `top` is a fresh copy."""
    if isinstance(held := top.get(key), Mapping):
        _put(top, key, _changed(held, (key,), change, by_name=True))


def _changed(held: Node, path: Path, change: _Change, *, by_name: bool) -> Node:
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
