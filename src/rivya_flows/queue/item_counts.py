"""How many items a step has, at least and at most: exact once its list is known."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from rivya_flows.language.matrix import MAX_ITEMS, SPECIAL
from rivya_flows.queue.list_sizes import ListReader, Sizes, Value, as_list
from rivya_flows.queue.state import State


def item_range(state: State, step_id: str) -> tuple[int, int]:
    """The least and the most members of ``steps.NAME.items``, as far as that is known now."""
    return _Counts(state).of(step_id)


class _Counts:
    """The counts of the steps of one state, each found once."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.reader = ListReader(state, self.of)
        self.found: dict[str, tuple[int, int]] = {}

    def of(self, step_id: str) -> tuple[int, int]:
        if step_id not in self.found:
            self.found[step_id] = self._count(step_id)
        return self.found[step_id]

    def _count(self, step_id: str) -> tuple[int, int]:
        planned, step = self.state.planned_step(step_id), self.state.steps[step_id]
        if planned.pick and not planned.step.fans_out:
            return planned.pick.count, planned.pick.count
        if step.expanded:
            return len(step.items), len(step.items)
        if planned.itemwise is not None and planned.step.key is None:
            found = self.of(planned.itemwise)
            own = planned.most if "max_items" in planned.step.model_fields_set else MAX_ITEMS
            own = own if planned.limit is None else min(own, planned.limit)
            return min(found[0], own), min(found[1], own)
        loop, written = planned.step.fan_out
        axes = {"": written} if loop == "foreach" else written
        lists, seen = list[Sizes](), dict[str, Value]()
        for axis, one in axes.items():
            if axis not in SPECIAL:
                lists.append(as_list(self.reader.read(planned, one, seen)) or Sizes())
                seen[axis] = lists[-1].member
        least, most = _rows(lists) if loop == "zip" else _product(lists)
        if axes.get("exclude"):
            least = 0
        if axes.get("include") or most is None:
            most = planned.most
        return min(least, planned.most), min(most, planned.most)


def _rows(lists: Sequence[Sizes]) -> tuple[int, int | None]:
    tops = [one.most for one in lists if one.most is not None]
    return max((one.least for one in lists), default=0), min(tops, default=None)


def _product(lists: Sequence[Sizes]) -> tuple[int, int | None]:
    tops = [one.most for one in lists if one.most is not None]
    return prod(one.least for one in lists), prod(tops) if len(tops) == len(lists) else None
