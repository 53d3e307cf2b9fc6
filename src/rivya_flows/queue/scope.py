"""The scope of expressions during a run: output fields of steps and items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import JsonValue

from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, evaluate
from rivya_flows.language.matrix import ItemKey, OwnKey, shared_keys
from rivya_flows.language.outputs import read_output, written_name
from rivya_flows.language.wording import preview
from rivya_flows.plans.plan import (
    NamespaceFacts,
    PlannedStep,
    brand_in,
    inputs_for,
    loop_scope,
    own_values,
    scope_in,
    steps_in,
    steps_of_include,
)
from rivya_flows.queue.items import TERMINAL, ItemState, Phase
from rivya_flows.queue.state import State, StepState
from rivya_flows.spec.inlining import inlined_name


def scope_for(
    state: State, planned: PlannedStep, names: Iterable[str], reads: frozenset[str] | None = None
) -> dict[str, Any]:
    """The scope of a step without loop variables: inputs that it `reads`, and upstream steps."""
    steps = {
        state.planned_step(planned.written_name(name)).step.id: fields_of(state, name)
        for name in names
        if state.planned_step(name).space == planned.space
    }
    space = state.plan.space_of(planned)
    reads = planned.reads if reads is None else reads
    inputs = inputs_for(space, reads, namespace_facts(state))
    run, brand = state.plan.run, brand_in(space, state.plan.files)
    found = {"inputs": inputs, "steps": steps, "run": run, **brand}
    if planned.before is None or state.steps[planned.before].settled:
        found["previous"] = planned.before and fields_of(state, planned.before)
    return found


def namespace_facts(state: State) -> NamespaceFacts:
    plan = state.plan

    def variables_of(name: str, key: str) -> Mapping[str, Any]:
        item = state.steps[name].items.get(key)
        place = state.steps[name].places.get(key)
        return {} if item is None else loop_scope(item.variables, key, place)

    return NamespaceFacts(
        plan.inputs, plan.files, lambda name: fields_of(state, name), variables_of, plan.run
    )


def fields_of(state: State, name: str) -> dict[str, Any]:
    """The output fields of a step by its name in the plan."""
    step = state.steps[name]
    if not step.fields:
        step.fields.update(step_fields(step))
    fields = dict(step.fields)
    if step.planned.step.repeat is not None:
        rounds = step.planned.round_steps
        fields["credits"] = sum(fields_of(state, one)["credits"] for one in rounds)
    return fields


def known_scope(state: State, planned: PlannedStep, *, steps: bool = True) -> dict[str, Any]:
    """As `scope_for`, of what is known: inputs, the brand, and with `steps` those that have ended."""
    space, reads = state.plan.space_of(planned), planned.reads
    if space.outer is not None:
        reads = frozenset(
            name
            for name in reads
            if all(
                state.steps[one].settled for one in steps_of_include(space, space.given_value(name))
            )
        )
    ended = [one for one in planned.upstream if steps and state.steps[one].settled]
    return scope_for(state, planned, ended, reads)


def known_item(state: State, planned: PlannedStep, item: ItemState) -> ItemState:
    """An item with its loop variables, also one that follows an item which has ended."""
    if item.variables or not planned.itemwise:
        return item
    followed = state.steps[planned.itemwise].items.get(item.key)
    if followed is None or followed.phase not in TERMINAL:
        return item
    fields = item_fields(state.planned_step(planned.itemwise), followed)
    return item._replace(variables={planned.step.as_: fields})


def item_scope(
    state: State, planned: PlannedStep, item: ItemState, scope: Mapping[str, Any]
) -> dict[str, Any]:
    """The scope of a step with what an item adds, once its loop variables are known."""
    known = dict(scope)
    if planned.same:
        known["steps"] = _steps_with_same(state, planned, item, scope.get("steps", {}))
    if item.variables:
        place = state.steps[inlined_name(planned.space, planned.step.id)].places.get(item.key)
        known |= loop_scope(item.variables, item.key, place)
    return known


def _steps_with_same(
    state: State, planned: PlannedStep, item: ItemState, steps: Mapping[str, Any]
) -> dict[str, Any]:
    """The steps as an item sees them; where its origin is not known, without those of which it reads one."""
    seen = dict(steps)
    for name in planned.same:
        other = state.planned_step(name)
        written = state.planned_step(planned.written_name(name)).step.id
        fields = seen.pop(written, None)
        if fields is not None and item.variables:
            found = _same_item(state, planned, item, other)
            same = None if found is None else item_fields(other, found)
            seen[written] = {**fields, "same": same}
    return seen


class _Member(NamedTuple):
    """A member of a list: after a resume, two steps may have read another one at the same place."""

    place: int
    value: Any


def _same_item(
    state: State, planned: PlannedStep, item: ItemState, other: PlannedStep
) -> ItemState | None:
    """The item of another step with the same origin as an item; None if that step has none."""
    key = next((one for one in other.lineage.keys if one <= planned.lineage.lists), None)
    if key is None:
        return None  # `check` reports it
    name = inlined_name(other.space, other.step.id)
    step, lists = state.steps[name], tuple(sorted(key))
    if lists not in step.origins:
        step.origins[lists] = {
            tuple(member.place for member in members): one.key
            for one in step.items.values()
            if (members := _members_of(lists, state, name, one)) is not None
        }
    mine = _members_of(lists, state, inlined_name(planned.space, planned.step.id), item)
    found = None if mine is None else step.origins[lists].get(tuple(one.place for one in mine))
    if found is None or _members_of(lists, state, name, step.items[found]) != mine:
        return None
    return step.items[found]


def _members_of(
    lists: tuple[str, ...], state: State, name: str, item: ItemState
) -> tuple[_Member, ...] | None:
    """The members of these lists that an item comes from; None if it comes from none of one of them."""
    members = _origin(state, name, item)
    return tuple(members[one] for one in lists) if members.keys() >= {*lists} else None


def _origin(state: State, name: str, item: ItemState) -> Mapping[str, _Member]:
    """The members that an item comes from, by list; without those that two of its values tell differently."""
    planned = state.planned_step(name)
    own = own_values(planned, item.variables)
    found: dict[str, _Member] = {}
    differ = set[str]()
    for number, (axis, origin) in enumerate(planned.lineage.origins.items()):
        members: Mapping[str, _Member] = {}
        value = own.get(axis)
        if origin.source is not None:
            source = planned.name_of(origin.source)
            key = value.get("key") if isinstance(value, Mapping) else item.key
            if followed := state.steps[source].items.get(str(key)):
                members = _origin(state, source, followed)
        elif planned.step.matrix is None:
            members = {origin.text: _Member(state.steps[name].places[item.key], value)}
        elif item.places:  # not of one that `include` added
            members = {origin.text: _Member(item.places[number], value)}
        differ.update(text for text, one in members.items() if found.get(text, one) != one)
        found |= members
    return {text: one for text, one in found.items() if text not in differ}


def step_fields(step: StepState) -> dict[str, Any]:
    """The output fields of a step; all null if it was skipped or failed."""
    planned, status, items = step.planned, step.status, [*step.items.values()]
    ended = {"status": status, "credits": step.tally.spent + sum(one.inside for one in items)}
    if not planned.step.fans_out:
        return {**(item_fields(planned, items[0]) if items else {}), **ended}
    if status == "skipped" and planned.skipped:
        return {"items": None, "assets": None, "by": None, "status": status, "credits": 0}
    fields = [item_fields(planned, item) for item in items if item.phase in TERMINAL]
    return {
        "items": fields,
        "assets": [asset for one in fields for asset in _assets(one)],
        "by": ItemsByKey(planned.step.id, items, fields),
        **ended,
    }


def item_fields(planned: PlannedStep, item: ItemState) -> dict[str, Any]:
    """The output fields of one item, null if it did not complete; and the values of its loops."""
    outputs, lineage = planned.kind.outputs, planned.lineage
    fields: dict[str, Any] = dict.fromkeys(lineage.names if planned.step.fans_out else ())
    fields |= lineage.loop_values(own_values(planned, item.variables)) | dict.fromkeys(outputs)
    if item.phase is Phase.COMPLETED and item.outputs is not None:
        fields.update(item.outputs)
    if planned.step.fans_out:
        fields["key"] = OwnKey(item.key)
    elif "key" in outputs and fields["key"] is not None:
        fields["key"] = OwnKey(fields["key"])
    return {**fields, "status": item_status(item), "credits": item.credits + item.inside}


class ItemsByKey(dict[str, Any]):
    """The output fields of items by key; a key that several were given names none, but as `item.key`."""

    def __init__(
        self, step_id: str, items: Sequence[ItemState], all_fields: Iterable[Mapping[str, Any]]
    ) -> None:
        super().__init__((fields["key"], fields) for fields in all_fields)
        self._step_id = step_id
        self._shared = shared_keys([ItemKey(one.key, one.repeats) for one in items])

    def __getitem__(self, key: str) -> Any:
        if key in self._shared and not isinstance(key, OwnKey):
            raise ExpressionError(f"steps.{self._step_id}.by[{preview(key)}]: {self._shared[key]}")
        return super().__getitem__(key)


def item_status(item: ItemState) -> str:
    """How an item ended, as commands report it; `running` before that."""
    if item.phase is Phase.COMPLETED:
        return "cached" if item.cached else "completed"
    return item.phase.value if item.phase in TERMINAL else "running"


def _assets(fields: Mapping[str, Any]) -> list[Any]:
    if fields.get("assets"):
        return list(fields["assets"])
    return [fields["asset"]] if fields.get("asset") else []


@dataclass(frozen=True)
class SpecOutputs:
    """Outputs by name, null while not there; why some `failed` though all they use was made; and names of their files."""

    values: dict[str, JsonValue]
    failed: Mapping[str, str]
    files: Mapping[str, str]


def outputs_of(state: State, space: str = "") -> SpecOutputs:
    """The outputs of the spec of a run, or of the one that an `include` step includes."""
    inside, known = state.plan.spaces[space], namespace_facts(state)
    values: dict[str, JsonValue] = {}
    failed: dict[str, str] = {}
    files: dict[str, str] = {}
    taken = {str(read_output(one).file).lower() for one in inside.workflow.outputs.values()}
    for name, output in inside.workflow.outputs.items():
        values[name] = None
        written, file = read_output(output)
        try:
            value = evaluate(written, scope_in(inside, written, known))
            if file is not None and value is not None:
                files[name] = written_name(value, file, taken)
                taken.add(files[name].lower())
            values[name] = value
        except UsesNull:
            continue
        except ExpressionError as error:
            used = (state.steps[one].status for one in steps_in(inside, written))
            if all(status in ("completed", "cached") for status in used):
                failed[name] = str(error)
    return SpecOutputs(values, failed, files)
