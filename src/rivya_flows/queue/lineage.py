"""The items of other steps that come from the same members of lists as an item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rivya_flows.plans.plan import PlannedStep, own_values
from rivya_flows.queue.items import ItemState
from rivya_flows.queue.state import State
from rivya_flows.spec.inlining import inlined_name


class _Member(NamedTuple):
    """A member of a list: after a resume, two steps may have read another one at the same place."""

    place: int
    value: Any


def same_item(
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
            source = inlined_name(planned.space, origin.source)
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
