"""The names that a value of a spec may use, and their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.language.brand import Brand, shape_of_brand
from rivya_flows.language.expressions.inference import known_shape
from rivya_flows.language.expressions.output_types import (
    ANY,
    Scope,
    Shape,
    joined,
    map_of,
    of_data,
    of_fan_out,
    of_include,
    of_input,
)
from rivya_flows.language.expressions.resolve import Reference, is_computed, references
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.matrix import LOOPS, SPECIAL, written_keys
from rivya_flows.language.step_groups import PARTS, Part, later, seen_from
from rivya_flows.language.syntax.tree import Path
from rivya_flows.spec.written import WrittenSpec
from rivya_flows.steps.kind import WrittenStep

RESERVED = ("inputs", "steps", "matrix", "zip", "none", "true", "false", "null", "not", "and", "or",
            "in", "is", "if", "else")  # fmt: skip
"""Reserved words that cannot name a loop variable."""


class NamesInScope:
    """The names of one spec; shapes are inferred on demand.

    It reads the plain normalized values, so it also works for a spec with mistakes.
    """

    def __init__(
        self,
        spec: WrittenSpec,
        catalogue: Catalogue,
        included: Mapping[str, Mapping[str, Shape]] | None = None,
        brand: Brand | None = None,
    ) -> None:
        self.spec, self.brand = spec, brand
        self._branded: dict[str, Shape] = {}
        if (
            brand is not None or spec.values.get("brand") is not None
        ):  # a wrong brand may have anything
            self._branded = {"brand": shape_of_brand(brand) if brand is not None else ANY}
        self._included = included or {}
        self._steps: dict[str, WrittenStep] = {}
        for step in spec.steps:
            self._steps.setdefault(step.id, step)
        self.catalogue = catalogue
        self._shapes: dict[str, Shape] = {}
        self._open: set[str] = set()
        self._inside: dict[Path, Scope] = {}
        self.inputs = map_of({name: of_input(one) for name, one in spec.inputs.items()})
        self._seen = {part: self._steps_of(seen_from(part)) for part in PARTS}

    def everywhere(self, part: Part = PARTS[-1]) -> Scope:
        """The scope of a fan-out's list in this part; of the last part: that of an output."""
        return {"inputs": self.inputs, "steps": self._seen[part], **self._branded}

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

    def step(self, step_id: str) -> Shape:
        """The output of a step; ``any`` inside a cycle."""
        waiting = [step_id] if step_id not in self._open else []
        # No recursion: a chain of picks or uploads may be very long.
        while waiting:
            here = waiting[-1]
            before = () if here in self._shapes or here in self._open else self._taken_from(here)
            if before:
                self._open.add(here)
                waiting += before
                continue
            waiting.pop()
            if here not in self._shapes:
                self._open.add(here)
                self._shapes[here] = self._step(self._steps[here])
            self._open.discard(here)
        return self._shapes.get(step_id, ANY)

    def _taken_from(self, step_id: str) -> list[str]:
        """Steps that the shape of a step depends on, and that are not inferred yet."""
        step = self._steps[step_id]
        reads = step.kind.reads if step.kind else ()
        given = [(step.arguments or {}).get(name) for name in reads]
        try:
            found = references([*given, *map(step.get, LOOPS)])
        except ExpressionError:
            return []  # reported with the expressions
        named = {one.path[0] for one in found if one.namespace == "steps" and one.path}
        # One by one: a set of all steps, for each of them, takes quadratic time.
        known = (one for one in named if one in self._steps)
        return sorted(one for one in known if one not in self._shapes and one not in self._open)

    def outputs(self) -> dict[str, Shape]:
        """The outputs of the spec."""
        return {name: self.shape_of(value) for name, value in self.spec.outputs.items()}

    def _steps_of(self, parts: tuple[Part, ...]) -> Shape:
        steps = self._steps.items()
        hidden = {name: later(step.part) for name, step in steps if step.part not in parts}
        known = {name: None for name, step in steps if step.part in parts}
        return Shape("map", _Lazy(self, known), lacks=hidden)

    def _step(self, step: WrittenStep) -> Shape:
        if step.id in self._included:
            return of_include(self._included[step.id])
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
                axes[key] = joined([axes.get(key, of_data(value)), of_data(value)])
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
            return joined([of_data(member) for member in values])
        return self.shape_of(values).member or ANY

    def shape_of(self, value: Any) -> Shape:
        """The shape of a value, as far as it is known without loop variables."""
        return known_shape(value, self.everywhere())


class _Lazy(Mapping[str, Shape]):
    """The steps by id; each shape is inferred when it is read."""

    def __init__(self, names: NamesInScope, known: Mapping[str, None]) -> None:
        self._names = names
        self._known = known

    def __getitem__(self, key: str) -> Shape:
        if key not in self._known:
            raise KeyError(key)
        return self._names.step(key)

    def __iter__(self) -> Any:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
