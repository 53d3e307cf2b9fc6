"""The filters of expressions, written after ``|``; those of lists have Jinja's names and arguments.

A member that is null is no mistake: an item that failed has a null asset. `sort` and `groupby` put nulls
last; `sum`, `min`, `max` and `flatten` leave them out; none is less or greater than anything.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rivya_flows.language.expressions.values import (
    BASIC_FILTERS,
    TESTS,
    ExpressionError,
    MissingError,
    as_json,
    as_text,
    check_length,
    checked_number,
    is_number,
    type_name,
)
from rivya_flows.language.wording import an, preview

NAME_A_FIELD = "name a field of each member: attribute='NAME'"

_NOTHING = object()

_MAX_DIGITS = 9  # of the place of an item

_OF_A_MEMBER = 16
"""The work to look at one member, or at a field of one, in characters."""


@dataclass(frozen=True)
class Members:
    """The members of a list, and what an evaluation does for a filter of them.

    Attributes:
        take: Takes so much work.
        read: Takes the work to read a value.
        item: The field or item of a value; raises `MissingError`.
        apply: The result of a filter: its name, its value, further arguments, and named ones.
    """

    values: Sequence[Any] = ()
    take: Callable[[int], None] = lambda work: None
    read: Callable[[Any], None] = lambda value: None
    item: Callable[[Any, Any], Any] = lambda holder, key: None
    apply: Callable[[str, Any, Sequence[Any], Mapping[str, Any]], Any] = lambda *of: None

    def fields(self, attribute: Any, default: Any = _NOTHING) -> Iterator[Any]:
        """A field of each member, or the members; null, or `default`, of a null.

        A `MissingError` where a member has no such field and there is no `default`.
        """
        path = attribute_path(attribute)
        for value in self.values:
            self.take(_OF_A_MEMBER * (1 + len(path)))
            try:
                for name in path:
                    value = None if value is None else self.item(value, name)
            except MissingError:
                if default is _NOTHING:
                    raise
                value = None
            yield default if value is None and default is not _NOTHING else value


def attribute_path(attribute: Any) -> tuple[str | int, ...]:
    """The fields and places of a dotted `attribute`; none for null."""
    if attribute is None:
        return ()
    if isinstance(attribute, int) and not isinstance(attribute, bool):
        return (attribute,)
    if not isinstance(attribute, str) or not all(attribute.split(".")):
        hint = "write attribute='NAME', or 'NAME.FIELD'"
        raise ExpressionError(f"{preview(attribute)} is not the name of a field", hint)
    parts = attribute.split(".")
    if any(one.isdecimal() and len(one) > _MAX_DIGITS for one in parts):
        raise ExpressionError(f"no list has an item {preview(attribute)}")
    return tuple(int(one) if one.isdecimal() else one for one in parts)


def _comparable(
    members: Members, values: Iterable[Any], case_sensitive: Any, name: str
) -> list[str | int | float | None]:
    """The values as a filter compares them: texts alone or numbers alone, and nulls."""
    found: list[str | int | float | None] = []
    for value in values:
        members.read(value)
        if not isinstance(value, str | int | float | None):
            message = f"`{name}` cannot compare {an(type_name(value))}"
            raise ExpressionError(message, NAME_A_FIELD)
        found.append(value.lower() if isinstance(value, str) and not case_sensitive else value)
    if len({isinstance(value, str) for value in found if value is not None}) > 1:
        raise ExpressionError(f"`{name}` cannot compare a number with text", "write map('string')")
    return found


def _map(members: Members, *arguments: Any, **named: Any) -> list[Any]:
    """A field of each item, `default` where it has none. `map('upper')`: what a filter gives for each."""
    if not arguments:
        return list(members.fields(**named))
    name, *more = arguments
    members.take(_OF_A_MEMBER * len(members.values))
    return [
        None if one is None and name != "default" else members.apply(name, one, more, named)
        for one in members.values
    ]


def _choose(
    members: Members, attribute: Any, test: str, arguments: tuple[Any, ...], keep: bool
) -> list[Any]:
    """The members for which a test holds, or those for which it does not."""
    # `is defined` and its like take what is missing for null, as they do outside of lists.
    found = members.fields(attribute, None) if test in TESTS else members.fields(attribute)
    return [
        member
        for member, value in zip(members.values, found, strict=True)
        if _holds(members, test, value, arguments) is keep
    ]


def _holds(members: Members, test: str, value: Any, arguments: tuple[Any, ...]) -> bool:
    if not test:
        return bool(value)
    if test in TESTS:
        return TESTS[test](value)
    members.read(value)
    members.read(arguments[0])
    try:
        return bool(COMPARISONS[test](value, arguments[0]))
    except TypeError:
        if value is None or arguments[0] is None:
            return False
        kinds = f"{an(type_name(value))} and {an(type_name(arguments[0]))}"
        raise ExpressionError(f"{kinds} cannot be compared") from None


def _select(members: Members, test: str = "", *value: Any) -> list[Any]:
    """The items for which a test holds: `select('gt', 3)`; without one, those that are not empty."""
    return _choose(members, None, test, value, True)


def _reject(members: Members, test: str = "", *value: Any) -> list[Any]:
    """The items for which a test does not hold."""
    return _choose(members, None, test, value, False)


def _selectattr(members: Members, attribute: Any, test: str = "", *value: Any) -> list[Any]:
    """The items for whose field a test holds: `selectattr('status', 'equalto', 'completed')`."""
    return _choose(members, attribute, test, value, True)


def _rejectattr(members: Members, attribute: Any, test: str = "", *value: Any) -> list[Any]:
    """The items for whose field a test does not hold."""
    return _choose(members, attribute, test, value, False)


def _sort(
    members: Members, reverse: Any = False, case_sensitive: Any = False, attribute: Any = None
) -> list[Any]:
    """The items in order, or in that of a field of each; nulls are last."""
    keys = _comparable(members, members.fields(attribute), case_sensitive, "sort")
    known = [(key, one) for key, one in zip(keys, members.values, strict=True) if key is not None]
    known.sort(key=operator.itemgetter(0), reverse=bool(reverse))
    nulls = [one for key, one in zip(keys, members.values, strict=True) if key is None]
    return [*(one for _, one in known), *nulls]


def _groupby(
    members: Members, attribute: Any, default: Any = _NOTHING, case_sensitive: Any = False
) -> list[Any]:
    """The items with an equal field together: a list of `{grouper: VALUE, list: ITEMS}` in order."""
    values = list(members.fields(attribute, default))
    keys = _comparable(members, values, case_sensitive, "groupby")
    groups: dict[Any, dict[str, Any]] = {}
    for key, value, member in zip(keys, values, members.values, strict=True):
        groups.setdefault(key, {"grouper": value, "list": []})["list"].append(member)
    in_order = sorted(key for key in groups if key is not None)
    return [groups[key] for key in (*in_order, None) if key in groups]


def _sum(members: Members, attribute: Any = None, start: Any = 0) -> Any:
    """The sum of numbers, or of a field of each item, from `start` on."""
    total: int | float = 0
    for value in (start, *members.fields(attribute)):
        if value is not None and not is_number(value):
            raise ExpressionError(f"{an(type_name(value))} cannot be added", NAME_A_FIELD)
        total = checked_number(total + (value or 0))
    return total


def _extreme(choose: Callable[..., Any], name: str) -> Callable[..., Any]:
    def apply(members: Members, case_sensitive: Any = False, attribute: Any = None) -> Any:
        keys = _comparable(members, members.fields(attribute), case_sensitive, name)
        pairs = zip(keys, members.values, strict=True)
        known = [pair for pair in pairs if pair[0] is not None]
        return choose(known, key=operator.itemgetter(0), default=(None, None))[1]

    which = {"min": "smallest", "max": "largest"}[name]
    apply.__doc__ = f"The {which} item, or the item with the {which} field; null if there is none."
    return apply


def _unique(members: Members, case_sensitive: Any = False, attribute: Any = None) -> list[Any]:
    """The first of equal items, or of items with an equal field."""
    found: dict[Any, Any] = {}
    for value, member in zip(members.fields(attribute), members.values, strict=True):
        members.read(value)
        text = value if case_sensitive or not isinstance(value, str) else value.lower()
        found.setdefault((text,) if isinstance(text, str) else as_json(text), member)
    return list(found.values())


def _flatten(members: Members, levels: Any = None) -> list[Any]:
    """The lists in a list as one list without nulls, as in Ansible; so many `levels`, or all of them."""
    if levels is not None and (not isinstance(levels, int) or levels < 1):
        raise ExpressionError("`flatten` takes a whole number of levels from 1 on")
    found: list[Any] = []
    waiting = [(one, 1) for one in reversed(members.values)]
    while waiting:
        one, level = waiting.pop()
        members.take(_OF_A_MEMBER)
        if isinstance(one, list) and (levels is None or level <= levels):
            check_length(len(one))
            waiting += [(inner, level + 1) for inner in reversed(one)]
        elif one is not None:
            found.append(one)
    return found


def _zip(members: Members, other: Any) -> list[Any]:
    """A list of pairs: of an item of this list, and the one at its place in the `other`."""
    if not isinstance(other, list):
        raise ExpressionError(f"`zip` takes another list, not {an(type_name(other))}")
    if len(members.values) != len(other):
        message = (
            f"`zip` takes lists of one length, not {len(members.values)} and {len(other)} items"
        )
        raise ExpressionError(message, "take the first of both, such as [0:3]")
    members.take(_OF_A_MEMBER * len(other))
    return [list(pair) for pair in zip(members.values, other, strict=True)]


def _join(members: Members, separator: Any = "", attribute: Any = None) -> str:
    """The items of a list as one text, or a field of each: `join(', ', attribute='name')`."""
    texts = [as_text(value) for value in members.fields(attribute)]
    between = as_text(separator)
    check_length(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "equalto": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "in": lambda member, holder: member in holder,
}
"""Further tests of `select`, `selectattr` and their opposites, which compare with one argument."""

LIST_FILTERS: Mapping[str, Callable[..., Any]] = {
    "flatten": _flatten,
    "groupby": _groupby,
    "join": _join,
    "map": _map,
    "max": _extreme(max, "max"),
    "min": _extreme(min, "min"),
    "reject": _reject,
    "rejectattr": _rejectattr,
    "select": _select,
    "selectattr": _selectattr,
    "sort": _sort,
    "sum": _sum,
    "unique": _unique,
    "zip": _zip,
}
"""The filters of `Members`."""

FILTERS: Mapping[str, Callable[..., Any]] = dict(sorted({**BASIC_FILTERS, **LIST_FILTERS}.items()))
"""All filters."""

_TEST_AT = {"select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}
"""The place of the name of a test among the arguments of a filter."""


def misuse(name: str, positional: Sequence[Any], named: Sequence[str]) -> str | None:
    """How to write a filter with other arguments, if it does not take these; texts among them are known."""
    place = _TEST_AT.get(name)
    if name == "map":
        if not positional:
            fits = "attribute" in named and {*named} <= {"attribute", "default"}
            return None if fits else "write map(attribute='NAME'), or map('FILTER')"
        if positional[0] not in FILTERS:
            return f"write the name of a filter: {', '.join(FILTERS)}"
        return misuse(positional[0], positional[1:], named)
    try:
        inspect.signature(FILTERS[name]).bind(None, *positional, **dict.fromkeys(named))
    except TypeError:
        return f"write `| {usage(name)}`"
    if place is not None and len(positional) > place:
        test, more = positional[place], len(positional) - place - 1
        if test not in (*TESTS, *COMPARISONS):
            return f"write the name of a test: {', '.join((*COMPARISONS, *TESTS))}"
        if more != (test in COMPARISONS):
            return f"{test!r} takes {'one value' if test in COMPARISONS else 'nothing'} after it"
    return None


def usage(name: str) -> str:
    """The usage of a filter, such as ``truncate(length, end)``."""
    if name == "map":
        return "map(attribute, default)"
    arguments = list(inspect.signature(FILTERS[name]).parameters)[1:]
    return f"{name}({', '.join(arguments)})" if arguments else name
