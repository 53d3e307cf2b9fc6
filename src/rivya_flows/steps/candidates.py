"""Which candidates a `pick` takes, and what it gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rivya_flows.steps.request import ItemRequest

Candidate = Mapping[str, Any]
"""An item of a step, with its `key`."""

_UNFINISHED = ("failed", "skipped", "running")


def is_available(one: Candidate) -> bool:
    """Whether it can be picked: it has a medium, or is a chat item that was answered."""
    if one.get("asset"):
        return True
    # A value of a matrix may be called `text` too; then the item may have failed all the same.
    answered = bool(one.get("text")) or one.get("json") is not None
    return answered and one.get("status") not in _UNFINISHED


def available(items: Iterable[Candidate]) -> list[Candidate]:
    """The items that can be picked, in their order."""
    return [one for one in items if is_available(one)]


def best(
    values: Iterable[tuple[str, float | None]],
    count: int,
    order: Literal["max", "min"] = "max",
    least: float | None = None,
) -> tuple[str, ...]:
    """The keys of the best values, the best first; of equal ones the first comes first.

    Empty if fewer than `count` are eligible: not None, and at least `least`.
    """
    eligible = [
        (key, value)
        for key, value in values
        if value is not None and (least is None or value >= least)
    ]
    sign = -1 if order == "max" else 1
    ranked = sorted(eligible, key=lambda one: sign * one[1])
    return tuple(key for key, _ in ranked[:count]) if len(ranked) >= count else ()


def chosen_keys(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that the arguments of a pick choose: those picked, else the best, else the first."""
    if arguments.get("picked"):
        return tuple(arguments["picked"])
    count = arguments.get("count") or 1
    if (values := arguments.get("values")) is not None:
        return best(values.items(), count, arguments.get("order") or "max")
    return tuple(str(one["key"]) for one in available(arguments["from"])[:count])


def pick_outputs(candidates: Iterable[Candidate], keys: Sequence[str]) -> dict[str, Any] | None:
    """The outputs of a pick of these keys, in the order of choice; None if one is not available."""
    found = {str(one.get("key")): one for one in available(candidates)}
    chosen = [found[key] for key in keys if key in found]
    if not chosen or len(chosen) != len(keys):
        return None
    first = chosen[0]
    return {
        "asset": first.get("asset"),
        "key": first.get("key"),
        "item": first,
        "items": chosen,
        "assets": [one["asset"] for one in chosen if one.get("asset")],
    }


def picked_from(arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The outputs of a pick by its arguments; None if there is nothing to pick."""
    return pick_outputs(arguments["from"], chosen_keys(arguments))


def nothing_to_pick(request: ItemRequest) -> str | None:
    """Why a pick cannot choose as many as it must; None if it can, and for any other request."""
    if request.decides is None:
        return None
    arguments = request.arguments
    count, found = arguments.get("count") or 1, len(available(arguments["from"]))
    if not found:
        return "there is nothing to pick from: no item has an asset or a text"
    if found < count:
        return f"{count} are to be picked, and there are only {found} candidates"
    values = arguments.get("values")
    if values is not None and not chosen_keys(arguments):
        numbers = sum(value is not None for value in values.values())
        if not numbers:
            return "there is nothing to pick from: `by` is null for every candidate"
        return f"{count} are to be picked, and `by` has a number for only {numbers} candidates"
    return None
