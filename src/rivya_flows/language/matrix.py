"""The items of a fan-out and their keys: pure, and in the order written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    UsesNull,
    evaluate,
    is_computed,
    references,
)
from rivya_flows.language.expressions.values import as_text
from rivya_flows.language.wording import preview

LOOPS = ("matrix", "foreach", "zip")
"""The keys of a step that make it fan out, one of them at a time."""

LOOP_KEYS: Mapping[str, tuple[str, ...]] = dict.fromkeys(
    ("max_items", "limit", "allow_failures"), LOOPS
)
"""What `defaults` may hold for fan-outs only: the loops that each key means something beside."""

SPECIAL = ("include", "exclude")
"""Keys of a `matrix` that are no axes."""

MAX_ITEMS = 10_000
"""Items that one fan-out may have."""

MAX_KEY_CHARACTERS = 16 << 20
"""Characters of the keys of one fan-out together."""

# Keys of a fan-out that `check` knows; a short spec can have many fan-outs.
_MAX_WRITTEN_KEYS = 100
# A spec that is no longer than allowed must not take minutes to expand.
_MAX_COMPARED = 1_000_000
_MAX_NAMED = 5


class ItemKey(NamedTuple):
    """The key of an item, and the key that an earlier item has, where it was given the same one."""

    text: str
    repeats: str | None = None


class OwnKey(str):
    """The key of an item as the item has it: it names no other one, whatever the others were given."""

    __slots__ = ()


def shared_keys(keys: Sequence[ItemKey]) -> dict[str, str]:
    """What to say of each key that several items were given, and that names none of them."""
    places: dict[str, list[int]] = {}
    if any(one.repeats is not None for one in keys):
        for number, one in enumerate(keys, 1):
            places.setdefault(one.repeats or one.text, []).append(number)
    found = {}
    for key, numbers in places.items():
        if len(numbers) > 1:
            more = len(numbers) - _MAX_NAMED
            first, last = numbers[:-1], f"{numbers[-1]}"
            if more > 0:
                first, last = numbers[:_MAX_NAMED], f"{more} more"
            found[key] = (
                f"it is the key of items {', '.join(map(str, first))} and {last}, so it names none of"
                " them: give the step a `key:` that differs between them, or use .items"
            )
    return found


def unequal(sizes: Mapping[str, int]) -> str:
    """What to say of the lists of a `zip` that differ in length."""
    lengths = ", ".join(f"{axis} has {size}" for axis, size in sizes.items())
    return f"the lists of a zip differ in length: {lengths}"


class Combination(NamedTuple):
    """One item of a fan-out: its values by axis; of a matrix, the place of each in its list, if it has one."""

    values: dict[str, Any]
    places: tuple[int, ...] = ()


def combinations(written: Mapping[str, Any], scope: Mapping[str, Any]) -> tuple[Combination, ...]:
    """One map of axis to value for each item of a matrix as written, the first axis changing slowest.

    An axis may read those before it, as `matrix.NAME`; where its list is null, such a combination has no
    item. Without those that an `exclude` fits. Then each `include` adds its other keys to every combination
    that has all of its axes' values, or is one more item where it fits none.

    Raises:
        ExpressionError: An axis is not a list, a rule is not a map, or there are too many.
        UsesNull: An axis is null, for each combination of those before it.
    """
    rules = {name: evaluate(written.get(name), scope) or [] for name in SPECIAL}
    for name, listed in rules.items():
        if not isinstance(listed, list | tuple) or not all(isinstance(r, Mapping) for r in listed):
            raise ExpressionError(f"{name!r} is not a list of maps")
    axes = {axis: values for axis, values in written.items() if axis not in SPECIAL}
    made = [Combination({})] if axes else []
    for axis, values in axes.items():
        made = [*_with_axis(made, axis, values, scope)]
    if len(made) * sum(map(len, rules.values())) > _MAX_COMPARED:
        message = f"the matrix has {len(made):,} combinations, too many for its rules"
        raise ExpressionError(message, "write fewer rules, or fewer values")
    frozen = [{axis: _frozen(value) for axis, value in one.values.items()} for one in made]

    def fitting(rule: Mapping[str, Any], named: Collection[str]) -> list[int]:
        wanted = {axis: _frozen(rule[axis]) for axis in named}
        return [place for place, one in enumerate(frozen) if wanted.items() <= one.items()]

    excluded: set[int] = set()
    for rule in rules["exclude"]:
        excluded.update(fitting(rule, set(rule)))
    left = {place: one for place, one in enumerate(made) if place not in excluded}
    added: list[Combination] = []
    for rule in rules["include"]:
        # Without an axis it fits every combination, as it does in GitHub Actions.
        fits = [left[place] for place in fitting(rule, axes.keys() & rule) if place in left]
        for one in fits:
            one.values.update({key: value for key, value in rule.items() if key not in axes})
        if not fits:
            added.append(Combination(dict(rule)))
    return (*left.values(), *added)


def _with_axis(
    made: Sequence[Combination], axis: str, written: Any, scope: Mapping[str, Any]
) -> Iterator[Combination]:
    """The combinations with the values of one more axis."""
    reads_axes = any(one.namespace == "matrix" for one in references(written))
    null: UsesNull | None = None
    lists: list[Sequence[Any]] = []
    many = 1 if reads_axes else len(made)
    size = 0
    for one in made if reads_axes else [Combination({})]:
        try:
            lists.append(_axis(axis, evaluate(written, {**scope, "matrix": one.values})))
        except UsesNull as error:
            null = error
            lists.append(())
        size += many * len(lists[-1])
        if size > MAX_ITEMS:
            raise ExpressionError(f"the matrix has more than {MAX_ITEMS:,} combinations")
    if null is not None and not any(lists):
        raise null
    lists *= many
    for one, values in zip(made, lists, strict=True):
        for place, value in enumerate(values):
            yield Combination({**one.values, axis: value}, (*one.places, place))


def _axis(name: str, values: Any) -> Sequence[Any]:
    if not isinstance(values, list | tuple):
        raise ExpressionError(f"the axis {name!r} is not a list but {preview(values)}")
    return values


def _frozen(value: Any) -> Any:
    """Something hashable that is equal for equal values; 1 and true are two here, though not in Python."""
    if isinstance(value, Mapping):
        return frozenset((key, _frozen(part)) for key, part in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    return (bool, value) if isinstance(value, bool) else value


def item_keys(
    items: Sequence[Mapping[str, Any]],
    written: Sequence[Any] | None = None,
    places: Sequence[tuple[int, ...]] = (),
) -> tuple[ItemKey, ...]:
    """The key of each item: what `key` gave for it, else its values, else its place.

    Of a value that is a map, that is the `key` in it, or its place in its list, which `places` has.

    An item with the key of an earlier one gets ``-2``, ``-3`` and so on after it.

    Raises:
        ExpressionError: They have more than `MAX_KEY_CHARACTERS` characters.
    """
    given: list[str] = []
    left = MAX_KEY_CHARACTERS
    for index, item in enumerate(items):
        if written is None:
            names = [*map(_name, item.values())]
            own = places[index] if places else ()
            in_lists = (*own, *(index for _ in range(len(names) - len(own))))
            parts = [str(place) if name is None else name
                     for name, place in zip(names, in_lists, strict=True)]  # fmt: skip
            if not any(name is not None for name in names):
                parts = [str(index)]
        else:
            parts = [as_text(written[index])]
        left -= sum(map(len, parts))
        if left < 0:  # before they are joined
            raise ExpressionError(
                f"the keys of the items have more than {MAX_KEY_CHARACTERS:,} characters",
                "give the step a short `key:`, such as ${{ item | truncate(60) }}",
            )
        given.append(", ".join(parts))
    used, counts = set(given), dict[str, int]()
    keys = []
    for plain in given:
        key, count = plain, counts.get(plain, 0) + 1
        while count > 1 and (key := f"{plain}-{count}") in used:
            count += 1
        counts[plain] = count
        used.add(key)
        keys.append(ItemKey(key, plain if count > 1 else None))
    return tuple(keys)


def _name(value: Any) -> str | None:
    value = value.get("key") if isinstance(value, Mapping) else value
    return None if value is None or isinstance(value, dict | list) else as_text(value)


def rows_of(loop: str, written: Any, scope: Mapping[str, Any]) -> list[Combination]:
    """The items of a fan-out as written, that of a `foreach` as `item`.

    Raises:
        ExpressionError: Its values are not those of a fan-out.
        UsesNull: A list is null.
    """
    if loop == "matrix":
        return [*combinations(written, scope)]
    evaluated = evaluate(written, scope)
    if loop == "foreach":
        return [Combination({"item": member}) for member in _require_list(evaluated)]
    sizes = {axis: len(_require_list(values)) for axis, values in evaluated.items()}
    if len(set(sizes.values())) > 1:
        raise ExpressionError(unequal(sizes))
    columns = zip(*evaluated.values(), strict=True)
    return [Combination(dict(zip(evaluated, column, strict=True))) for column in columns]


def _require_list(value: Any) -> list[Any]:
    if value is None:
        raise ExpressionError("a fan-out needs a list, not null; write `or []` for no items")
    if not isinstance(value, list | tuple):
        raise ExpressionError(f"a fan-out needs a list, not {str(value)[:60]!r}")
    return list(value)


def written_keys(step: Mapping[str, Any]) -> tuple[ItemKey, ...] | None:
    """The keys of the items of a step with a literal fan-out; else None, also for a wrong one."""
    loops = [(loop, step[loop]) for loop in LOOPS if step.get(loop) is not None]
    if len(loops) != 1 or step.get("key") is not None or is_computed(loops[0][1]):
        return None
    [(loop, written)] = loops
    if (loop == "foreach") is isinstance(written, dict) or not _is_short(loop, written):
        return None
    limit = step.get("limit")
    if is_computed(limit):
        return None
    try:
        rows = rows_of(loop, written, {})[: limit if isinstance(limit, int) else None]
        return item_keys([one.values for one in rows], None, [one.places for one in rows])
    except ExpressionError:
        return None


def _is_short(loop: str, written: Any) -> bool:
    """Whether a fan-out has no more items than `check` names; of a `foreach` with maps, their own keys do."""
    if not isinstance(written, dict):
        named = isinstance(written, list) and not any(isinstance(one, dict) for one in written)
        return named and 0 < len(written) <= _MAX_WRITTEN_KEYS
    added = written.get("include") if loop == "matrix" else None
    sizes = [
        len(values)
        for axis, values in written.items()
        if isinstance(values, list) and (loop == "zip" or axis not in SPECIAL)
    ]
    most = max(sizes, default=0) if loop == "zip" else prod(sizes)
    return most + (len(added) if isinstance(added, list) else 0) <= _MAX_WRITTEN_KEYS
