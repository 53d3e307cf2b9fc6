"""Where the items of a step come from: its loops, and those before them whose items these are."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice, product
from typing import Any

from jinja2 import nodes

from rivya_flows.language.expressions.evaluation import default_of
from rivya_flows.language.expressions.resolve import OPEN, template
from rivya_flows.language.expressions.values import ExpressionError
from rivya_flows.language.matrix import SPECIAL
from rivya_flows.language.wording import cut

# Choices of lists that name an item, and items behind each other: more than any campaign has.
_MAX_KEYS = 16
_MAX_HOPS = 32
_MAX_TEXT = 400
_AXIS = re.compile(r"\bmatrix\.([a-z][a-z0-9_]*)")

_SAME_MEMBERS = ("default", "rejectattr", "reverse", "selectattr", "sort", "unique")
"""Filters that give some or all members of a list, unchanged."""

_ONE_MEMBER = ("first", "last")
_LISTS = ("items", "by")
_MEMBERS = ("item", "same")


@dataclass(frozen=True)
class Origin:
    """Where the values of one loop variable come from.

    Attributes:
        text: The list as written, in which an axis before it stands as its own list.
        source: The step whose items they are; None if they are anything else.
        carries: The values of earlier loops that they bring along.
    """

    text: str
    source: str | None = None
    carries: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Lineage:
    """The loops that the items of a step come from.

    Attributes:
        origins: Of its loop variables; empty if it does not fan out.
        names: The loop values that its items have.
        lists: The lists in which an item has a place, as written.
        keys: Some of these lists each: the places in them name one item.
        hops: Steps behind each other that the items come through.
        passes: Of a pick: the step whose items it passes on.
    """

    origins: Mapping[str, Origin] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    keys: tuple[frozenset[str], ...] = ()
    hops: int = 0
    passes: str | None = None

    def loop_values(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """The loop values of an item from those of its own loop; a value that is an item is without what it brings."""
        earlier: dict[str, Any] = {}
        values = dict(own)
        for axis, origin in self.origins.items():
            value = own.get(axis)
            if origin.carries and isinstance(value, Mapping):
                earlier |= {name: value[name] for name in origin.carries if name in value}
                own_part = {k: one for k, one in value.items() if k not in origin.carries}
                # A map of which a part is known stays one.
                values[axis] = type(value)(own_part) if isinstance(value, dict) else own_part
        return earlier | values


NONE = Lineage()
"""Of a step with one item."""


def hidden_values(outputs: Collection[str]) -> frozenset[str]:
    """The loop values that items do not show: they have these outputs, or what all items have."""
    return frozenset({*outputs, "key", "status", "credits"})


def lineage_of(
    loop: str, written: Any, variable: str, hidden: frozenset[str], known: Mapping[str, Lineage]
) -> Lineage:
    """The lineage of a step with a fan-out, right or wrong.

    Args:
        written: Its axes, or its list.
        variable: The loop variable of a `foreach`.
        hidden: The loop values that its items do not show.
        known: The lineages of the steps before it.
    """
    axes = written if isinstance(written, dict) else {}
    if loop == "foreach":
        axes = {variable: written}
    rules = axes.get("include") if loop == "matrix" else ()
    rules = rules if isinstance(rules, list) else ()
    added = {key for rule in rules if isinstance(rule, dict) for key in rule}
    origins: dict[str, Origin] = {}
    for axis, values in axes.items():
        if loop != "matrix" or axis not in SPECIAL:
            origins[axis] = _origin(values, origins, known)
    shared = _duplicates(origin.carries for origin in origins.values())
    origins = {
        axis: Origin(one.text, one.source, one.carries - shared) for axis, one in origins.items()
    }
    sources = [known[one.source] if one.source else _of_list(one.text) for one in origins.values()]
    names = frozenset(origins).union(added, *(one.carries for one in origins.values()))
    hops = 1 + max((one.hops for one in sources), default=0)
    if hops > _MAX_HOPS:
        return Lineage(origins, names - hidden, hops=hops)
    lists = frozenset[str]().union(*(one.lists for one in sources))
    keys: Iterable[frozenset[str]]
    if loop == "zip":
        keys = chain.from_iterable(one.keys for one in sources)
    else:
        # Two places in one list name none of them.
        twice = _duplicates(one.lists for one in sources)
        lists -= twice
        chosen = islice(product(*(one.keys for one in sources)), _MAX_KEYS)
        whole = (frozenset[str]().union(*one) for one in chosen if one)
        keys = (one for one in whole if not one & twice)
    return Lineage(origins, names - hidden, lists, tuple(islice(keys, _MAX_KEYS)), hops)


def lineage_of_pick(written: Any, known: Mapping[str, Lineage]) -> Lineage:
    """The lineage of the items that a pick chooses from such a list."""
    origin = _origin(written, {}, known)
    return Lineage(names=origin.carries, passes=origin.source)


def why_not_same(mine: Lineage, other: Lineage) -> str | None:
    """Why no item, or several, of another step may have the origin of an item; None if just one has."""
    if not other.origins:
        return "it has one item: leave out .same"
    if any(one <= mine.lists for one in other.keys):
        return None
    otherwise = "or use .items or .by['KEY']"
    if not other.keys:
        return f"several of its items may have one origin: {otherwise.removeprefix('or ')}"
    lacking = min(
        (one - mine.lists for one in other.keys), key=lambda one: (len(one), *sorted(one))
    )
    lists = " and ".join(cut(one, 60) for one in sorted(lacking))
    if other.lists & mine.lists:
        return f"several of its items may be meant, since it loops over {lists} too: do so here, {otherwise}"
    return f"it loops over {lists}, and this step does not: do so here, {otherwise}"


def _of_list(text: str) -> Lineage:
    return Lineage(lists=frozenset({text}), keys=(frozenset({text}),))


def _duplicates(groups: Iterable[frozenset[str]]) -> frozenset[str]:
    counted = Counter(chain.from_iterable(groups))
    return frozenset(one for one, count in counted.items() if count > 1)


def _origin(values: Any, before: Mapping[str, Origin], known: Mapping[str, Lineage]) -> Origin:
    try:
        named, text = [*_sources(values)], _text(values)
    except ExpressionError:
        named, text = [None], str(values)
    text = _short(_AXIS.sub(lambda axis: _list_of(axis, before), text))
    found = [known[name] for name in named if name is not None and name in known]
    carries = frozenset[str]().union(*(one.names for one in found))
    source = None
    if len(named) == len(found) == 1:
        source = named[0] if found[0].origins else found[0].passes
    return Origin(text, source, carries)


def _list_of(axis: re.Match[str], before: Mapping[str, Origin]) -> str:
    return f"({before[axis[1]].text})" if axis[1] in before else axis[0]


def _short(text: str) -> str:
    """The text; of a long one what tells it from others, since each axis may name one before it often."""
    if len(text) <= _MAX_TEXT:
        return text
    return f"{text[: _MAX_TEXT // 2]}… {hashlib.sha256(text.encode()).hexdigest()}"


def _text(values: Any) -> str:
    if isinstance(values, str) and OPEN in values and (parts := template(values)).whole:
        return " ".join(parts.expressions[0].text.split())
    return _short(json.dumps(values, ensure_ascii=False, sort_keys=True, default=str))


def _sources(values: Any) -> Iterator[str | None]:
    """The steps whose items the members of a list are; None for members that are no items."""
    for member in values if isinstance(values, list | tuple) else ():
        yield from _of_text(member, is_list=False)
    if not isinstance(values, list | tuple):
        yield from _of_text(values, is_list=True)


def _of_text(value: Any, *, is_list: bool) -> Iterator[str | None]:
    parts = template(value) if isinstance(value, str) and OPEN in value else None
    if parts is None or not parts.whole:
        yield None
    else:
        yield from _of_tree(parts.expressions[0].tree, is_list=is_list)


def _of_tree(tree: nodes.Node | None, *, is_list: bool) -> Iterator[str | None]:
    """The steps whose items an expression gives: a list of them, or one."""
    waiting = [(tree, is_list)]
    while waiting:
        one, is_list = waiting.pop()
        match one:
            case nodes.CondExpr():
                waiting += [(one.expr1, is_list), (one.expr2, is_list)]
            case nodes.And() | nodes.Or():
                waiting += [(one.left, is_list), (one.right, is_list)]
            case nodes.Add() if is_list:
                waiting += [(one.left, True), (one.right, True)]
            case nodes.List() if is_list:
                waiting += [(member, False) for member in one.items]
            case nodes.Filter(name="default"):
                waiting += [(one.node, is_list), (default_of(one), is_list)]
            case nodes.Filter() if is_list and one.name in _SAME_MEMBERS:
                waiting.append((one.node, True))
            case nodes.Filter() if not is_list and one.name in _ONE_MEMBER:
                waiting.append((one.node, True))
            case nodes.Getitem() if is_list is isinstance(one.arg, nodes.Slice):
                waiting.append((one.node, True))
            case nodes.Getattr(node=nodes.Getattr(node=nodes.Name(name="steps")) as step) if (
                one.attr in (_LISTS if is_list else _MEMBERS)
            ):
                yield step.attr
            case _:
                yield None
