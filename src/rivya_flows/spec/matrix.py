"""The items of a fan-out and their keys: pure, and in the order written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from rivya_flows.spec.values import ExpressionError, as_text

LOOPS = ("matrix", "foreach", "zip")
"""The keys of a step that make it fan out, one of them at a time."""

LOOP_KEYS: Mapping[str, tuple[str, ...]] = {"max_items": ("foreach",), "allow_failures": LOOPS}
"""What `defaults` may hold for fan-outs only: the loops that each key means something beside."""

SPECIAL = ("include", "exclude")
"""Keys of a `matrix` that are no axes."""

MAX_ITEMS = 10_000
"""Items that one fan-out may have."""


def combinations(matrix: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """One map of axis to value for each item, in the order written.

    The product of the axes, the first one changing slowest; without those that an
    `exclude` fits. Then each `include` adds its other keys to every combination that has
    all of its axes' values, or is one more item where it fits none.

    Args:
        matrix: Evaluated: ``{axis: list, …}`` with lists of maps in `include` and `exclude`.

    Raises:
        ExpressionError: An axis is not a list, a rule is not a map, or there are too many.
    """
    axes = {axis: values for axis, values in matrix.items() if axis not in SPECIAL}
    for axis, values in axes.items():
        if not isinstance(values, list | tuple):
            raise ExpressionError(f"the axis {axis!r} is not a list but {values!r:.60}")
    for name in SPECIAL:
        rules = matrix.get(name) or []
        if not isinstance(rules, list | tuple) or not all(isinstance(r, Mapping) for r in rules):
            raise ExpressionError(f"{name!r} is not a list of maps")
    if prod(len(values) for values in axes.values()) > MAX_ITEMS:
        raise ExpressionError(f"the matrix has more than {MAX_ITEMS:,} combinations")
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
