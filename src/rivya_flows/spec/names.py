"""A spec as its author wrote it: its values, right or wrong, and the names that they may use."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.language.brand import Brand, shape_of_brand
from rivya_flows.language.expressions.inference import known_shape
from rivya_flows.language.expressions.output_types import (
    ANY,
    NUMBER,
    RUN,
    Scope,
    Shape,
    field_of,
    map_of,
    merge_shapes,
    of_data,
    of_fan_out,
    of_include,
    of_input,
    of_key,
    of_repeat,
)
from rivya_flows.language.expressions.resolve import Reference, is_computed, references
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.lineage import (
    NONE as NO_LINEAGE,
    Lineage,
    hidden_values,
    lineage_of,
    lineage_of_pick,
    why_not_same,
)
from rivya_flows.language.matrix import LOOPS, SPECIAL, written_keys
from rivya_flows.language.outputs import read_output
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.workflow import PARTS, Part, later, seen_from
from rivya_flows.steps.kind import WrittenStep
from rivya_flows.steps.pick import Pick
from rivya_flows.steps.registry import known_kind

RESERVED = ("inputs", "steps", "matrix", "zip", "run", "previous", "none", "true", "false", "null", "not", "and", "or",
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
        self._lineages: dict[str, Lineage] = {}
        self._round: dict[str, Shape] = {}
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
        if step.path not in self._inside:
            self._inside[step.path] = self._scope(step)
        return self._inside[step.path]

    def _scope(self, step: WrittenStep) -> Scope:
        scope = dict(self.everywhere(step.part))
        for loop in ("matrix", "zip"):
            if (axes := step.get(loop)) is not None:
                scope[loop] = self._axes(axes)
        if (loop := step.get("foreach")) is not None:
            name = step.variable
            scope[name if isinstance(name, str) else "item"] = self.member(loop)
        if step.repeat is not None:
            scope["previous"] = self._round.get(step.id, ANY)
        if step.loops:
            keys = written_keys(step.keys) or ()
            scope |= {"item.key": of_key(keys), "item.index": NUMBER}
            scope["steps"] = self._with_same(step, scope["steps"])
        return scope

    def after_round(self, step: WrittenStep) -> Scope:
        """The scope of the `until` of a step: its own name is the round that has just ended."""
        scope = self.everywhere(step.part)
        steps = scope["steps"]
        ended = {step.id: self._round.get(step.id, ANY)}
        return {**scope, "steps": replace(steps, fields={**(steps.fields or {}), **ended})}

    def in_key(self, step: WrittenStep) -> Scope:
        """The scope of the `key` of a step, which has no key before that."""
        known = {**self.inside(step), "steps": self._seen[step.part]}
        return {name: one for name, one in known.items() if name not in ("item.key", "previous")}

    def _with_same(self, step: WrittenStep, steps: Shape) -> Shape:
        """The steps as an item sees them, with the item of the same origin of those that it asks for it."""
        fields = dict(steps.fields or {})
        with suppress(ExpressionError):  # reported with the expressions
            for one in references(step.keys):
                held = fields.get(one.path[0]) if one.path else None
                if (
                    one.namespace != "steps"
                    or one.path[1:2] != ("same",)
                    or not held
                    or not held.fields
                ):
                    continue
                name, mine = one.path[0], self._lineages[step.id]
                if why := why_not_same(mine, self._lineages.get(name, NO_LINEAGE)):
                    fields[name] = replace(held, lacks={**held.lacks, "same": why})
                else:
                    member = held.fields["by"].member or ANY
                    fields[name] = replace(held, fields={**held.fields, "same": member})
        return replace(steps, fields=fields)

    def outputs(self) -> dict[str, Shape]:
        """The outputs of the spec."""
        written = self.spec.outputs.items()
        return {name: self.shape_of(read_output(one).value) for name, one in written}

    def _step(self, step: WrittenStep, included: Mapping[str, Shape] | None) -> Shape:
        """The shape of the output of a step; those that it is made of are known."""
        if step.loops:
            loop, name = step.loops[0], str(step.variable)
            hidden = hidden_values(step.kind.outputs if step.kind else ())
            known = self._lineages
            known[step.id] = lineage_of(loop, step.get(loop), name, hidden, known)
        elif isinstance(step.kind, Pick):
            written = (step.arguments or {}).get("from")
            self._lineages[step.id] = lineage_of_pick(written, self._lineages)
        seen = _NamesOfStep(self, self._scope(step))
        single = ANY if step.kind is None else step.kind.gives(step.arguments or {}, seen)
        if included is not None:
            single = of_include(included)
        if step.repeat is not None:
            self._round[step.id], single = single, of_repeat(single)
        if not step.loops:
            return single
        over = ANY if step.get("foreach") is None else self.member(step.get("foreach"))
        return of_fan_out(
            single,
            written_keys(step.keys),
            self._loop_values(step, over),
            by_place=over.kind == "asset" and step.get("key") is None,
        )

    def _loop_values(self, step: WrittenStep, member: Shape) -> Shape:
        """The values of its loops that each item has; `member` is of the list of a `foreach`."""
        [loop, *_], name = step.loops, step.variable
        own = self._axes(step.get(loop)) if loop != "foreach" else map_of({str(name): member})
        if own.fields is None:
            return own
        earlier, values = dict[str, Shape](), dict(own.fields)
        for axis, origin in self._lineages[step.id].origins.items():
            value = own.fields.get(axis, ANY)
            if not origin.carries:
                continue
            earlier |= {one: field_of(value, one) or ANY for one in origin.carries}
            if value.fields is not None:
                rest = {k: one for k, one in value.fields.items() if k not in origin.carries}
                lacks = {one: f"write .{one} of the item itself" for one in origin.carries}
                values[axis] = replace(value, fields=rest, lacks={**value.lacks, **lacks})
        return map_of(earlier | values)

    def _axes(self, matrix: Any) -> Shape:
        if not isinstance(matrix, dict):
            return ANY
        axes: dict[str, Shape] = {}
        for axis, values in matrix.items():
            if axis not in SPECIAL:
                axes[axis] = self.member(values, {"matrix": map_of(axes)})
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
            case loop, () if step and loop == step.variable:
                whole = isinstance(step.get("foreach"), list)
                found = step.get("foreach") if whole else []
        plain = tuple(one for one in found if one is not None and not is_computed(one))
        return plain, whole and len(plain) == len(found)

    def before(self, step: WrittenStep, axis: str) -> Scope:
        """The scope of an axis of a matrix, which sees those before it."""
        axes = [name for name in step.get("matrix") if name not in SPECIAL]
        before = axes[: axes.index(axis)]
        seen = self.inside(step)["matrix"].fields or dict.fromkeys(before, ANY)
        lacks = dict.fromkeys(axes, f"an axis reads those before it: write it before {axis!r}")
        lacks[axis] = "an axis reads those before it, and not itself"
        known = map_of({name: seen[name] for name in before}, lacks)
        return {**self.everywhere(step.part), "matrix": known}

    def member(self, values: Any, axes: Scope | None = None) -> Shape:
        """The shape of the items of a list, literal or computed; `axes` are those before it."""
        if isinstance(values, list):
            return merge_shapes([of_data(member) for member in values])
        return known_shape(values, {**self.everywhere(), **(axes or {})}).member or ANY

    def shape_of(self, value: Any) -> Shape:
        """The shape of a value outside of steps."""
        return known_shape(value, self.everywhere())


class _NamesOfStep:
    """What the arguments of a step see, while only the steps before it are known."""

    def __init__(self, names: NamesInScope, scope: Scope) -> None:
        self.catalogue, self.member, self._scope = names.catalogue, names.member, scope

    def shape_of(self, value: Any) -> Shape:
        return known_shape(value, self._scope)


def _sources(step: WrittenStep) -> set[str]:
    """The steps that the shape of a step depends on, known or not."""
    reads = [(step.arguments or {}).get(name) for name in (step.kind.reads if step.kind else ())]
    try:
        found = references([*reads, *map(step.get, LOOPS)])
    except ExpressionError:
        return set()  # reported with the expressions
    return {one.path[0] for one in found if one.namespace == "steps" and one.path}
