"""The items of other steps that come from the same members of lists as an item."""

from __future__ import annotations

from collections.abc import Mapping

from rivya_flows.plans.plan import PlannedStep, own_values
from rivya_flows.queue.items import ItemState
from rivya_flows.queue.state import State
from rivya_flows.spec.files import inlined_name


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
            places: one.key
            for one in step.items.values()
            if (places := _places_in(lists, state, name, one)) is not None
        }
    mine = _places_in(lists, state, inlined_name(planned.space, planned.step.id), item)
    found = None if mine is None else step.origins[lists].get(mine)
    return None if found is None else step.items[found]


def _places_in(
    lists: tuple[str, ...], state: State, name: str, item: ItemState
) -> tuple[int, ...] | None:
    """The places in these lists that an item comes from; None if it comes from none in one of them."""
    places = _origin(state, name, item)
    return tuple(places[one] for one in lists) if places.keys() >= {*lists} else None


def _origin(state: State, name: str, item: ItemState) -> Mapping[str, int]:
    """The places that an item comes from, by list; without those that two of its values tell differently."""
    planned = state.planned_step(name)
    own = own_values(planned, item.variables)
    found: dict[str, int] = {}
    differ = set[str]()
    for number, (axis, origin) in enumerate(planned.lineage.origins.items()):
        places: Mapping[str, int] = {}
        if origin.source is not None:
            source = inlined_name(planned.space, origin.source)
            value = own.get(axis)
            key = value.get("key") if isinstance(value, Mapping) else item.key
            if followed := state.steps[source].items.get(str(key)):
                places = _origin(state, source, followed)
        elif planned.step.matrix is None:
            places = {origin.text: state.steps[name].places[item.key]}
        elif item.places:  # not of one that `include` added
            places = {origin.text: item.places[number]}
        differ.update(text for text, place in places.items() if found.get(text, place) != place)
        found |= places
    return {text: place for text, place in found.items() if text not in differ}
