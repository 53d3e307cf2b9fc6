"""A spec as its author wrote it: its values, right or wrong, and the names that they may use."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import Any

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.language.brand import Brand, shape_of_brand
from rivya_flows.language.expressions.inference import known_shape
from rivya_flows.language.expressions.output_types import (
    ANY,
    RUN,
    Scope,
    Shape,
    map_of,
    merge_shapes,
    of_data,
    of_fan_out,
    of_include,
    of_input,
)
from rivya_flows.language.expressions.resolve import Reference, is_computed, references
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.matrix import LOOPS, SPECIAL, written_keys
from rivya_flows.language.outputs import read_output
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.workflow import PARTS, Part, later, seen_from
from rivya_flows.steps.kind import WrittenStep
from rivya_flows.steps.registry import known_kind

RESERVED = ("inputs", "steps", "matrix", "zip", "run", "none", "true", "false", "null", "not", "and", "or",
            "in", "is", "if", "else")  # fmt: skip
"""Reserved words that cannot name a loop variable."""


class WrittenSpec:
    """The plain normalized values of a spec.

    Attributes:
        values: By key.
        parts: The steps of each part that are maps, by id.
        steps: All of them, those of `steps` first.
        inputs: The declared inputs by name; a wrong declaration is empty.
        outputs: The outputs by name.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.parts: dict[Part, dict[str, WrittenStep]] = {
            part: {
                step_id: WrittenStep(part, step_id, keys, known_kind(keys.get("uses")))
                for step_id, keys in self.items(part)
                if isinstance(keys, dict)
            }
            for part in PARTS
        }
        self.steps = tuple(step for steps in self.parts.values() for step in steps.values())
        inputs = self.items("inputs")
        self.inputs = {name: one if isinstance(one, dict) else {} for name, one in inputs}
        self.outputs = dict(self.items("outputs"))

    def items(self, key: str) -> list[tuple[str, Any]]:
        """The names and values in the map at a key; none if it is no map."""
        held = self.values.get(key)
        return list(held.items()) if isinstance(held, dict) else []


class NamesInScope:
    """The names of one spec and their shapes."""

    def __init__(
        self,
        spec: WrittenSpec,
        catalogue: Catalogue,
        included: Mapping[str, Mapping[str, Shape]] | None = None,
        brand: Brand | None = None,
    ) -> None:
        self.spec, self.brand, self.catalogue = spec, brand, catalogue
        self._branded: dict[str, Shape] = {}
        if brand is not None:
            self._branded["brand"] = shape_of_brand(brand)
        elif spec.values.get("brand") is not None:
            self._branded["brand"] = ANY  # a wrong brand may have anything
        self._inside: dict[Path, Scope] = {}
        self.inputs = map_of({name: of_input(one) for name, one in spec.inputs.items()})
        steps: dict[str, WrittenStep] = {}
        for step in spec.steps:
            steps.setdefault(step.id, step)
        seen: dict[Part, dict[str, Shape]] = {
            part: {name: ANY for name, step in steps.items() if step.part in seen_from(part)}
            for part in PARTS
        }
        hints = {name: later(step.part) for name, step in steps.items()}
        self._seen = {
            part: Shape("map", known, lacks={n: h for n, h in hints.items() if n not in known})
            for part, known in seen.items()
        }
        order = TopologicalSorter(
            {name: _sources(step) & steps.keys() for name, step in steps.items()}
        )
        with suppress(CycleError):  # reported with the order; steps of a cycle are `any`
            order.prepare()
        while order.is_active():
            for name in (ready := order.get_ready()):
                shape = self._step(steps[name], (included or {}).get(name))
                for known in seen.values():
                    if name in known:
                        known[name] = shape
            order.done(*ready)

    def everywhere(self, part: Part = PARTS[-1]) -> Scope:
        """The scope of a fan-out's list in this part; of the last part: that of an output."""
        return {"inputs": self.inputs, "steps": self._seen[part], "run": RUN, **self._branded}

    def inside(self, step: WrittenStep) -> Scope:
        """The scope of a step's arguments, with its loop variables."""
        if step.path in self._inside:
            return self._inside[step.path]
        scope = dict(self.everywhere(step.part))
        for loop in ("matrix", "zip"):
            if (axes := step.get(loop)) is not None:
                scope[loop] = self._axes(axes)
        if (loop := step.get("foreach")) is not None:
            name = step.variable
            scope[name if isinstance(name, str) else "item"] = self.member(loop)
        self._inside[step.path] = scope
        return scope

    def outputs(self) -> dict[str, Shape]:
        """The outputs of the spec."""
        written = self.spec.outputs.items()
        return {name: self.shape_of(read_output(one).value) for name, one in written}

    def _step(self, step: WrittenStep, included: Mapping[str, Shape] | None) -> Shape:
        """The shape of the output of a step; those that it is made of are known."""
        if included is not None:
            return of_include(included)
        single = ANY if step.kind is None else step.kind.gives(step.arguments or {}, self)
        if not step.loops:
            return single
        axes = step.get("zip") if step.get("matrix") is None else step.get("matrix")
        over = ANY if step.get("foreach") is None else self.member(step.get("foreach"))
        return of_fan_out(
            single,
            written_keys(step.keys),
            None if axes is None else self._axes(axes),
            by_place=over.kind == "asset" and step.get("key") is None,
        )

    def _axes(self, matrix: Any) -> Shape:
        if not isinstance(matrix, dict):
            return ANY
        axes = {axis: self.member(values) for axis, values in matrix.items() if axis not in SPECIAL}
        added = matrix.get("include")
        if isinstance(added, str):
            return Shape("map")
        for rule in added if isinstance(added, list) else []:
            for key, value in rule.items() if isinstance(rule, dict) else ():
                axes[key] = merge_shapes([axes.get(key, of_data(value)), of_data(value)])
        return map_of(axes)

    def possible(self, name: Reference, step: WrittenStep | None) -> tuple[tuple[Any, ...], bool]:
        """The literal values that an input or an axis of a step may have; whether it has no others."""
        whole, found = False, list[Any]()
        match name.namespace, name.path:
            case "inputs", (held,):
                declared = self.spec.inputs.get(held, {})
                whole = declared.get("type") == "enum"
                values = declared.get("values") if whole else [declared.get("default")]
                found, whole = (values, whole) if isinstance(values, list) else ([], False)
            case ("matrix" | "zip") as loop, (axis,) if step and isinstance(step.get(loop), dict):
                values, rules = step.get(loop).get(axis, []), step.get(loop).get("include") or []
                rules = rules if isinstance(rules, list) else [rules]
                listed = [one for one in rules if isinstance(one, dict)]
                whole = isinstance(values, list) and len(listed) == len(rules)
                found = list(values) if isinstance(values, list) else []
                found += [rule[axis] for rule in listed if axis in rule]
        plain = tuple(one for one in found if one is not None and not is_computed(one))
        return plain, whole and len(plain) == len(found)

    def member(self, values: Any) -> Shape:
        """The shape of the items of a list, literal or computed."""
        if isinstance(values, list):
            return merge_shapes([of_data(member) for member in values])
        return self.shape_of(values).member or ANY

    def shape_of(self, value: Any) -> Shape:
        """The shape of a value, as far as it is known without loop variables."""
        return known_shape(value, self.everywhere())


def _sources(step: WrittenStep) -> set[str]:
    """The steps that the shape of a step depends on, known or not."""
    reads = [(step.arguments or {}).get(name) for name in (step.kind.reads if step.kind else ())]
    try:
        found = references([*reads, *map(step.get, LOOPS)])
    except ExpressionError:
        return set()  # reported with the expressions
    return {one.path[0] for one in found if one.namespace == "steps" and one.path}
