"""`models` of a spec, names for models so that one line changes one everywhere; and what a model makes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import NamedTuple

from jinja2 import nodes

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.resolve import (
    is_computed,
    literal_reference,
    references,
    template,
)
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.syntax.tree import Mapping, Node, Path, Scalar, Sequence, plain
from rivya_flows.language.workflow import PARTS
from rivya_flows.similar_names import certain, nearest
from rivya_flows.steps.registry import BUILT_IN

_REPORTED = "${{ none }}"
"""Stands for a model whose name was reported as wrong."""


class WrittenArguments(NamedTuple):
    """The arguments of a step, of one of its fallbacks, or of `defaults`: their place, kind of step, and map."""

    path: Path
    uses: object
    holder: Mapping


def arguments_in(root: Mapping) -> Iterator[WrittenArguments]:
    """The arguments of all steps in a tree, as far as they are maps."""
    for part in PARTS:
        for step_id, (_, step) in _pairs(root.get(part)):
            uses, listed = _inside(step, "uses"), _inside(step, "fallback")
            members = listed.members if isinstance(listed, Sequence) else []
            found: list[tuple[Path, Node | None]] = [
                ((part, step_id, "with"), _inside(step, "with"))
            ]
            found += [((part, step_id, "fallback", n), one) for n, one in enumerate(members)]
            for path, held in found:
                if isinstance(held, Mapping) and isinstance(uses, Scalar):
                    yield WrittenArguments(path, uses.value, held)


def write_out_models(root: Mapping, catalogue: Catalogue, report: DiagnosticCollector) -> None:
    """Puts models where steps and `defaults` have their names of `models`; wrong names are reported."""
    named = root.get("models")
    known = _read_models(named, root, catalogue, report) if isinstance(named, Mapping) else {}
    for path, holder in _models(root) if known else ():
        mark, node = holder.pairs["model"]
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            continue
        name, place = node.value, (*path, "model")
        if name in known:
            # What is wrong with it is not mended where it is named.
            written = replace(node, value=known[name], end=node.mark.index)
            holder.pairs["model"] = (mark, written)
        elif catalogue.get(name) is None and (choice := nearest(name, known)):
            sure = certain(name, known)
            message, hint = f"no model {name!r}", f"did you mean {choice!r}?"
            report.add(place, "unknown-model", message, hint, instead=sure)
            holder.pairs["model"] = (mark, replace(node, value=_REPORTED))


def medium_of(step: Mapping, model: Node | None, root: Mapping, catalogue: Catalogue) -> str | None:
    """What the model of a step makes; None if that is not known, or several may be asked for different media."""
    written = model.value if isinstance(model, Scalar) else None
    if not isinstance(written, str):
        return None
    ids: list[object] = [written]
    if is_computed(written):
        try:
            parts = template(written)
        except ExpressionError:
            return None
        ids = _values_of(parts.expressions[0].tree, step, root) if parts.whole else []
    found = [catalogue.get(one) if isinstance(one, str) else None for one in ids]
    media = {one.makes if one else None for one in found}
    return media.pop() if len(media) == 1 else None


def _values_of(tree: nodes.Node | None, step: Mapping, root: Mapping) -> list[object]:
    """The values that an expression may have; null stands for those that are not known."""
    if isinstance(tree, nodes.CondExpr):
        return [value for one in (tree.expr1, tree.expr2) for value in _values_of(one, step, root)]
    if isinstance(tree, nodes.Const):
        return [tree.value]
    named = literal_reference(tree) if tree else None
    held: Node | None = None
    if named is not None and named.namespace == "inputs" and len(named.path) == 1:
        held = _inside(root, "inputs", named.path[0], "values")
    elif named is not None and named.namespace in ("matrix", "zip") and len(named.path) == 1:
        held = _inside(step, named.namespace, named.path[0])
    return plain(held) if isinstance(held, Sequence) else [None]


def _inside(node: Node | None, *keys: str) -> Node | None:
    for key in keys:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def _read_models(
    named: Mapping, root: Mapping, catalogue: Catalogue, report: DiagnosticCollector
) -> dict[str, str]:
    known: dict[str, str] = {}
    inputs = _inside(root, "inputs")
    declared = inputs.pairs if isinstance(inputs, Mapping) else {}
    for name, (_, node) in named.pairs.items():
        value, path = (node.value if isinstance(node, Scalar) else None), ("models", name)
        if name.startswith("x-") or not isinstance(value, str):
            continue  # a note, or reported with the types of values
        known[name] = value
        if catalogue.get(name) is not None:
            message = f"{name!r} is the id of a model, and cannot name another"
            report.add(path, "bad-name", message, "use a name of your own, such as still", key=True)
        elif is_computed(value):
            if not _is_of_inputs(value, declared, path, report):
                known[name] = _REPORTED
        elif catalogue.get(value) is None:
            near, sure = nearest(value, catalogue.models), certain(value, catalogue.models)
            hint = f"did you mean {near!r}?" if near else "`rivya-flows models` lists them all"
            report.add(path, "unknown-model", f"no model {value!r}", hint, instead=sure)
            known[name] = _REPORTED
    return known


def _is_of_inputs(
    value: str, declared: Collection[str], path: Path, report: DiagnosticCollector
) -> bool:
    """Whether an expression reads inputs of the spec alone; if not, it is reported."""
    try:
        found = references(value)
    except ExpressionError as error:
        report.expression(path, error)
        return False
    for one in found:
        if one.namespace != "inputs" or not one.path:
            message = (
                f"a model is chosen before the run starts, and {one.namespace!r} is not known then"
            )
            report.add(path, "unknown-name", message, "use inputs alone")
            return False
        if one.path[0] not in declared:
            report.unknown(path, "unknown-input", "input", declared, value=one.path[0])
            return False
    return True


def _models(root: Mapping) -> Iterator[tuple[Path, Mapping]]:
    """The maps with the name of a model in them."""
    given = [
        (("defaults", kind, "with"), _inside(one, "with"))
        for kind, (_, one) in _pairs(root.get("defaults"))
    ]
    built_in = (one for one in arguments_in(root) if one.uses in BUILT_IN)
    for path, holder in [*((one.path, one.holder) for one in built_in), *given]:
        for at, held in ((path, holder), ((*path, "judge"), _inside(holder, "judge"))):
            if isinstance(held, Mapping) and "model" in held.pairs:
                yield at, held


def _pairs(node: Node | None) -> Iterator[tuple[str, tuple[object, Node]]]:
    yield from node.pairs.items() if isinstance(node, Mapping) else ()
