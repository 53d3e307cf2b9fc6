"""What is known of a value before the run knows it: how many members a list has, and whether it may be null.

The bounds of an answer's list, as `expect` declares them, hold through the items of steps, the loops behind
these, slices and the filters of lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from jinja2 import nodes

from rivya_flows.language.answers import AnswerField, read_expect
from rivya_flows.language.expressions.evaluation import Evaluation, default_of, result
from rivya_flows.language.expressions.filters import attribute_path
from rivya_flows.language.expressions.output_types import Unknown, is_place
from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    Reference,
    UsesNull,
    as_reference,
    evaluate,
    literal_reference,
    template,
)
from rivya_flows.language.matrix import MAX_ITEMS, SPECIAL
from rivya_flows.plans.plan import PlannedStep, Space, candidates_step
from rivya_flows.plans.requests import known_result
from rivya_flows.queue.scope import known_scope
from rivya_flows.queue.state import State

_MAX_DEPTH = 40
"""Steps behind each other that are looked through; beyond, any number is possible."""


@dataclass(frozen=True)
class Sizes:
    """A list with so many members; `most` is None if there may be any number."""

    least: int = 0
    most: int | None = None
    member: Value = None


@dataclass(frozen=True)
class _Item:
    """An item of a step, by its name in the plan."""

    step: str


@dataclass(frozen=True)
class _Known:
    """One of these values."""

    values: tuple[Any, ...] = field(hash=False)


@dataclass(frozen=True)
class _Given:
    """Some value that is not null."""


@dataclass(frozen=True)
class _Group:
    """One of the groups that `groupby` makes of a list."""

    members: Sizes


Value = Sizes | AnswerField | _Item | _Known | _Given | _Group | None
"""What is known of a value; None: nothing."""

_NEVER_NULL = ("asset", "assets", "index", "key", "text")
"""Fields of a finished item of `generate` or `chat`, and of a loop, that are not null."""


def as_list(value: Value) -> Sizes | None:
    """The sizes of a value that is a list, null counting as none; None if it may be anything else."""
    match value:
        case Sizes():
            return value
        case AnswerField(type="list"):
            most = None if value.max is None else int(value.max)
            return Sizes(int(value.min or 0) if value.required else 0, most, value.member)
        case _Known(values) if all(one is None or isinstance(one, list | tuple) for one in values):
            lists = [one or () for one in values]
            sizes = [len(one) for one in lists] or [0]
            return Sizes(
                min(sizes), max(sizes), _Known(tuple(member for one in lists for member in one))
            )
    return None


def item_range(state: State, step_id: str) -> tuple[int, int]:
    """The least and the most members of ``steps.NAME.items``: exact once its list is known."""
    return ListReader(state).count(step_id)


class ListReader:
    """Reads the lists of the steps of one state, each once; `made`: as if each item before was made."""

    def __init__(self, state: State, *, made: bool = False) -> None:
        self.state, self._made = state, made
        self._counts: dict[str, tuple[int, int]] = {}
        self._loops: dict[tuple[str, str], Value] = {}
        self._depth = 0

    def count(self, step_id: str) -> tuple[int, int]:
        """The least and the most items of a step."""
        if step_id not in self._counts:
            self._counts[step_id] = self._count(step_id)
        return self._counts[step_id]

    def _count(self, step_id: str) -> tuple[int, int]:
        planned, step = self.state.planned_step(step_id), self.state.steps[step_id]
        if planned.skipped:
            return 0, 0
        if planned.pick and not planned.step.fans_out:
            return planned.pick.count, planned.pick.count
        if step.expanded:
            return len(step.items), len(step.items)
        has_open_limit = planned.step.limit is not None and planned.limit is None
        if planned.itemwise is not None and planned.step.key is None:
            found = self.count(planned.itemwise)
            own = planned.most if "max_items" in planned.step.model_fields_set else MAX_ITEMS
            own = own if planned.limit is None else min(own, planned.limit)
            return 0 if has_open_limit else min(found[0], own), min(found[1], own)
        loop, axes = _axes_of(planned)
        _, lists = self._members(planned, axes)
        rows = _rows(lists)
        if loop != "zip":
            rows = Sizes(prod(one.least for one in lists), _most(prod, *lists))
        least = 0 if axes.get("exclude") or has_open_limit else rows.least
        most = rows.most
        if axes.get("include") or most is None:
            most = planned.most
        return min(least, planned.most), min(most, planned.most)

    def _members(
        self, planned: PlannedStep, axes: Mapping[str, Any]
    ) -> tuple[dict[str, Value], list[Sizes]]:
        """What is known of the values of each axis, and of the lists that they come from."""
        members, lists = dict[str, Value](), list[Sizes]()
        for axis, one in axes.items():
            if axis not in SPECIAL:
                lists.append(as_list(self.read(planned, one, members)) or Sizes())
                members[axis] = lists[-1].member
        return members, lists

    def is_given(self, planned: PlannedStep, read: Reference) -> bool:
        """Whether what a step reads of other steps, or of its loops, cannot be null."""
        value, path = self._find_start(planned, read)
        for name in path:
            held = as_list(value) if is_place(name) else None
            if held and not -held.least <= int(name) < held.least:
                return False
            if isinstance(value, AnswerField) and is_place(name):
                of = value.member
                value = of and replace(of, required=of.required and value.required)
                continue
            value = held.member if held else self.field(value, name)
        match value:
            case AnswerField():
                return value.required and value.type != "any"
            case _Known(values):
                return None not in values
        return value is not None

    def _find_start(self, planned: PlannedStep, read: Reference) -> tuple[Value, tuple[str, ...]]:
        """What a name leads to, and the fields that are read of it."""
        path = read.path
        if read.namespace != "steps":
            loop = _axes_of(planned)[0]
            loops = self._loop_values(planned)
            if loop == "foreach":
                return loops.get(read.namespace), path
            return loops.get("".join(path[:1])), path[1:]
        step = planned.name_of(path[0])
        if path[1:2] == ("items",):
            of = _Item(candidates_step(self.state.planned_step(step)) or step)
            return Sizes(*self.count(step), of), path[2:]
        return _Item(step), path[1:]

    def read(self, planned: PlannedStep, written: Any, axes: Mapping[str, Value]) -> Value:
        """What is known of a value as a step writes it; `axes` are those before it in a `matrix`."""
        if self._depth >= _MAX_DEPTH:
            return None
        try:
            scope: Mapping[str, Any] = known_scope(self.state, planned)
        except (ExpressionError, UsesNull):
            scope = {}
        self._depth += 1
        try:
            return _Known((evaluate(written, scope),))
        except (ExpressionError, UsesNull):
            parts = template(written) if isinstance(written, str) else None
            if parts is None or not parts.whole:
                return None
            return _Tree(self, planned, axes, scope).value(parts.expressions[0].tree)
        finally:
            self._depth -= 1

    def field(self, value: Value, name: str) -> Value:
        """A field of a value, or a member by its place."""
        match value:
            case _Item(step):
                return self._of_item(self.state.planned_step(step), step, name)
            case AnswerField():
                found = value.fields.get(name)
                if found is None and name in ("index", "key"):  # of a loop over such members
                    return _Given()
                needed = value.required and found is not None and found.required
                return found and replace(found, required=needed)
            case _Group(members):
                return members if name == "list" else None
            case _Known(values):
                maps = [one for one in values if isinstance(one, Mapping)]
                has = any(name in one for one in maps)
                return _Known(tuple(one.get(name) for one in maps)) if has else None
            case _Given():  # of a medium: its type, its address
                return value
        return None

    def _of_item(self, planned: PlannedStep, step: str, name: str) -> Value:
        if name == "json":
            expect = planned.kind.expects(planned.step.with_)
            found = read_expect(expect)[0] if expect else None
            return found and replace(found, required=self._is_sure(planned))
        if name in (*planned.kind.outputs, "key"):
            return _Given() if name in _NEVER_NULL else None
        if (step, name) not in self._loops:
            self._loops[step, name] = self._loop_value(planned, name)
        return self._loops[step, name]

    def given_value(self, space: Space, name: str) -> Value:
        """The value of an input of an included spec, as its `include` step gives it."""
        written = space.given_value(name)
        if written is None:
            return None  # the default, which is known
        if (space.id, name) not in self._loops:
            include = self.state.planned_step(space.include)
            given = self.read(include, written, self._loop_values(include))
            default = space.workflow.inputs[name].default
            if default is not None and not ((sizes := as_list(given)) and sizes.least):
                given = _either(given, _Known((default,)))  # which a null leaves
            self._loops[space.id, name] = given
        return self._loops[space.id, name]

    def _loop_values(self, planned: PlannedStep) -> dict[str, Value]:
        """The values of the loops of a step, by their names."""
        if not planned.step.fans_out:
            return {}
        loop, axes = _axes_of(planned)
        seen, _ = self._members(planned, axes)
        # An added combination may have any value.
        return dict.fromkeys(seen) if loop == "matrix" and axes.get("include") else seen

    def _loop_value(self, planned: PlannedStep, name: str) -> Value:
        """The value of a loop of an item, or of a loop before it."""
        seen = self._loop_values(planned)
        if name in seen:
            return seen[name]
        carried = [
            found
            for one in seen.values()
            if isinstance(one, _Item | _Known) and (found := self.field(one, name))
        ]
        return carried[0] if len(carried) == 1 else None

    def _is_sure(self, planned: PlannedStep) -> bool:
        """Whether no item of a step that succeeds, nor one that it may follow, can be without outputs."""
        waiting, seen = [planned], {planned.step.id}
        while waiting and not self._made:
            one = waiting.pop()
            if one.skipped or one.conditional or one.step.allow_failures:
                return False
            new = one.upstream - seen
            seen |= new
            waiting += map(self.state.planned_step, new)
        return True


@dataclass(frozen=True)
class _Tree:
    """What the expressions of one list name."""

    reader: ListReader
    planned: PlannedStep
    axes: Mapping[str, Value]
    scope: Mapping[str, Any]

    def value(self, tree: nodes.Node) -> Value:
        match tree:
            case nodes.Getitem(arg=nodes.Slice() as places):
                sizes = as_list(self.value(tree.node))
                return sizes and _cut(sizes, places)
            case nodes.Getattr() | nodes.Getitem():
                return self._field(tree)
            case nodes.Name():
                return self.axes.get(tree.name)
            case nodes.Filter():
                return self._filter(tree)
            case nodes.CondExpr():
                test = self._test(tree.test)
                sides = [tree.expr1] * (test is not False) + [tree.expr2] * (test is not True)
                values = [None if one is None else self.value(one) for one in sides]
                return values[0] if len(values) == 1 else _either(*values)
            case nodes.Or():
                value = self.value(tree.left)
                left = as_list(value)
                if left is not None and left.least > 0:  # it fails, or is not empty
                    return value
                right = self.value(tree.right)
                return right if left is not None and left.most == 0 else _either(value, right)
            case nodes.Add():
                left, right = as_list(self.value(tree.left)), as_list(self.value(tree.right))
                if left is None or right is None:
                    return None
                # One that may be empty may be null too, and the sum with it.
                least = left.least + right.least if left.least and right.least else 0
                return Sizes(least, _most(sum, left, right))
            case nodes.List():
                sure = all(self._is_given(one) for one in tree.items)
                return Sizes(len(tree.items) * sure, len(tree.items))
        return None

    def _is_given(self, tree: nodes.Node) -> bool:
        """Whether a member of a list cannot be null, which makes all of the list null."""
        value = None if isinstance(tree, nodes.Const) else self.value(tree)
        match value:
            case AnswerField():
                return value.required
            case _Known(values):
                return None not in values
        return isinstance(tree, nodes.Const) and tree.value is not None

    def _test(self, tree: nodes.Expr) -> bool | None:
        """Whether a test holds; None if that is not known."""
        try:
            known = known_result(tree, self.scope)
        except (ExpressionError, UsesNull):
            return False
        return None if isinstance(known, Unknown) else bool(known)

    def _field(self, tree: nodes.Getattr | nodes.Getitem) -> Value:
        named = literal_reference(tree)
        if named is not None and named.namespace in self.scope:
            try:
                return _Known((result(tree, Evaluation(self.scope)),))
            except (ExpressionError, UsesNull):
                pass  # it is not known yet
        if named is not None and named.namespace in ("matrix", "zip") and len(named.path) == 1:
            return self.axes.get(named.path[0])
        space = self.reader.state.plan.space_of(self.planned)
        if named is not None and named.namespace == "inputs" and len(named.path) == 1:
            return self.reader.given_value(space, named.path[0]) if space.outer else None
        before = as_reference(tree.node)
        if before is not None and before.namespace == "steps":
            name = self._name(tree)
            if not before.path:
                return _Item(self.planned.name_of(name))
            step = self.planned.name_of(before.path[0])
            if before.path[1:] == ("by",) or (before.path[1:], name) == ((), "same"):
                return _Item(step)
            if not before.path[1:] and name in ("items", "item"):
                of = _Item(candidates_step(self.reader.state.planned_step(step)) or step)
                return of if name == "item" else Sizes(*self.reader.count(step), of)
        held, name = self.value(tree.node), self._name(tree)
        sizes = as_list(held) if not name or is_place(name) else None
        return sizes.member if sizes else self.reader.field(held, name)

    def _name(self, tree: nodes.Getattr | nodes.Getitem) -> str:
        """The name of a field; empty for one that is computed."""
        if isinstance(tree, nodes.Getattr):
            return tree.attr
        return str(tree.arg.value) if isinstance(tree.arg, nodes.Const) else ""

    def _filter(self, tree: nodes.Filter) -> Value:
        assert tree.node is not None
        value = self.value(tree.node)
        if tree.name == "default":
            return _either(value, self.value(default_of(tree)))
        sizes = as_list(value)
        if sizes is None:
            return None
        match tree.name:
            case "first" | "last":
                return sizes.member
            case "sort":
                return sizes
            case "select" | "reject" | "selectattr" | "rejectattr":
                return replace(sizes, least=0)
            case "unique":
                return replace(sizes, least=min(1, sizes.least))
            case "groupby":
                return Sizes(min(1, sizes.least), sizes.most, _Group(replace(sizes, least=1)))
            case "map":
                return replace(sizes, member=self._field_of_each(tree, sizes.member))
            case "flatten":
                levels = [*tree.args, *(one.value for one in tree.kwargs)]
                return _flat(sizes, _constant(levels[0]) if levels else MAX_ITEMS)
            case "zip" if tree.args and (other := as_list(self.value(tree.args[0]))):
                return _rows([sizes, other])
        return None

    def _field_of_each(self, tree: nodes.Filter, member: Value) -> Value:
        """A field of each member; nothing is known of what another filter gives for it."""
        written = {str(one.key): _constant(one.value) for one in tree.kwargs}
        if tree.args or written.keys() != {"attribute"}:
            return None
        try:
            path = attribute_path(written["attribute"])
        except ExpressionError:
            return None
        for name in path:
            sizes = as_list(member) if isinstance(name, int) else None
            member = sizes.member if sizes else self.reader.field(member, str(name))
        return member


def _axes_of(planned: PlannedStep) -> tuple[str, Mapping[str, Any]]:
    """The kind of loop of a step, and its lists as written; that of a `foreach` by its variable."""
    loop, written = planned.step.fan_out
    return loop, {planned.step.as_: written} if loop == "foreach" else written


def _rows(lists: Sequence[Sizes]) -> Sizes:
    """The rows of lists of one length."""
    tops = [one.most for one in lists if one.most is not None]
    return Sizes(max((one.least for one in lists), default=0), min(tops, default=None))


def _most(together: Callable[[Iterable[int]], int], *lists: Sizes) -> int | None:
    """The most that lists have together; None if one of them may have any number."""
    tops = [one.most for one in lists if one.most is not None]
    return together(tops) if len(tops) == len(lists) else None


def _cut(sizes: Sizes, places: nodes.Slice) -> Sizes:
    """A slice with literal ends."""
    start, stop = _place(places.start, 0), _place(places.stop, MAX_ITEMS)
    if start is None or stop is None or stop < 0 or (start < 0 and places.stop is not None):
        return replace(sizes, least=0)
    most = MAX_ITEMS if sizes.most is None else sizes.most
    if start < 0:
        least, most = min(sizes.least, -start), min(most, -start)
    else:
        least, most = (max(0, min(one, stop) - start) for one in (sizes.least, most))
    unbound = sizes.most is None and start >= 0 and places.stop is None
    return replace(sizes, least=least, most=None if unbound else most)


def _flat(sizes: Sizes, levels: Any) -> Sizes:
    """A list without the lists in it, so many levels deep, and without nulls."""
    if not isinstance(levels, int) or sizes.member is None:
        return Sizes()
    inner = as_list(sizes.member) if levels > 0 else None
    if inner is not None:
        inner = _flat(inner, levels - 1)
        return Sizes(sizes.least * inner.least, _most(prod, sizes, inner), inner.member)
    match sizes.member:
        case _Known(values) if levels <= 0 or not any(isinstance(one, list) for one in values):
            return replace(sizes, least=0 if None in values else sizes.least)
        case AnswerField(type=kind) if levels <= 0 or kind not in ("any", "list"):
            return replace(sizes, least=sizes.least if sizes.member.required else 0)
        case _Item():
            return sizes
    return Sizes()


def _either(one: Value, other: Value) -> Value:
    """A value that is one of two."""
    first, second = as_list(one), as_list(other)
    if first is None or second is None:
        return None
    empty = first.most == 0 or second.most == 0
    member = (first.member if second.most == 0 else second.member) if empty else None
    return Sizes(min(first.least, second.least), _most(max, first, second), member)


def _constant(tree: nodes.Expr) -> Any:
    if isinstance(tree, nodes.Neg) and isinstance(tree.node, nodes.Const):
        return -tree.node.value
    return tree.value if isinstance(tree, nodes.Const) else None


def _place(tree: nodes.Expr | None, otherwise: int) -> int | None:
    """A literal place in a list; None for any other."""
    value = otherwise if tree is None else _constant(tree)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
