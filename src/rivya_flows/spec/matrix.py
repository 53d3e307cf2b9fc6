"""The items of a fan-out and their keys: pure, and in the order written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from rivya_flows.spec.values import as_text

SPECIAL = ("include", "exclude")
"""Keys of a `matrix` that are no axes."""


def combinations(matrix: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """One map of axis to value for each item, in the order written.

    The product of the axes, the first one changing slowest; without those that an
    `exclude` fits. Then each `include` adds its other keys to every combination that has
    all of its axes' values, or is one more item where it fits none.

    Args:
        matrix: Evaluated: ``{axis: list, …}`` with lists of maps in `include` and `exclude`.
    """
    axes = {axis: values for axis, values in matrix.items() if axis not in SPECIAL}
    made = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    if not axes:
        made = []
    excluded = matrix.get("exclude") or []
    kept = [one for one in made if not any(_fits(rule, one, rule) for rule in excluded)]
    added: list[dict[str, Any]] = []
    originals = [dict(one) for one in kept]
    for rule in matrix.get("include") or []:
        named = [axis for axis in rule if axis in axes]
        fitting = [
            place for place, one in enumerate(originals) if named and _fits(rule, one, named)
        ]
        if not named:
            # Without an axis it fits every combination, as it does in GitHub Actions.
            fitting = list(range(len(kept)))
        for place in fitting:
            kept[place] |= {key: value for key, value in rule.items() if key not in axes}
        if not fitting:
            added.append(dict(rule))
    return (*kept, *added)


def _fits(rule: Mapping[str, Any], one: Mapping[str, Any], axes: Iterable[str]) -> bool:
    return all(axis in one and _same(one[axis], rule[axis]) for axis in axes)


def _same(left: Any, right: Any) -> bool:
    """Equal, and of one kind: 1 and true are two values here, though not in Python."""
    return left == right and isinstance(left, bool) is isinstance(right, bool)


def item_keys(
    items: Sequence[Mapping[str, Any]], written: Sequence[Any] | None = None
) -> tuple[str, ...]:
    """The key of each item: what it is called in `by[…]`, in the ledger and in the graph.

    One value is itself as text; several are joined with ``, ``; an object among them
    gives the index. A repeated key gets ``#2``, ``#3`` and so on.

    Args:
        items: Combinations of a matrix or a `zip`; of a `foreach` ``{"item": member}``.
        written: What `key` gave for each item; None where there is no `key`.
    """
    used: set[str] = set()
    repeats: dict[str, int] = {}
    keys = []
    for index, item in enumerate(items):
        plain = as_text(written[index]) if written is not None else _plain_key(item, index)
        key, count = plain, repeats.get(plain, 1)
        while key in used:
            count += 1
            key = f"{plain}#{count}"
        repeats[plain] = count
        used.add(key)
        keys.append(key)
    return tuple(keys)


def _plain_key(item: Mapping[str, Any], index: int) -> str:
    values = list(item.values())
    if not values or any(value is None or isinstance(value, dict | list) for value in values):
        return str(index)
    return ", ".join(as_text(value) for value in values)
