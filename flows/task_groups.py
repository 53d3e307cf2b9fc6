"""One task run for many items of a step: a page of a thousand task runs is neither fast nor readable."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.schemas.objects import State
from prefect.runtime import task_run
from prefect.states import Cancelled, Completed, Failed

from rivya_flows.errors import RivyaError
from rivya_flows.plans.names import label
from rivya_flows.receipt.run_page import GroupRow

MOST_SINGLE = 50
"""A step with more items has task runs for groups of them. Source: measured, docs/reference/run-page.md."""

GROUP = 100  # items

_MOST_NAMED = 3

T = TypeVar("T")


@dataclass(frozen=True)
class ItemRange:
    """Neighbours among the items of a step; the name is such as ``1-100 of 300``, in place of an item's key."""

    step: str
    name: str
    keys: tuple[str, ...]


def ranges_of(step: str, keys: Sequence[str]) -> dict[str, ItemRange]:
    """The range of each item of a step by key; empty for a step with few items."""
    if len(keys) <= MOST_SINGLE:
        return {}
    found: dict[str, ItemRange] = {}
    for start in range(0, len(keys), GROUP):
        part = tuple(keys[start : start + GROUP])
        shown = ItemRange(step, f"{start + 1}-{start + len(part)} of {len(keys)}", part)
        found |= dict.fromkeys(part, shown)
    return found


class TaskGroup:
    """The calls of one stage, such as ``buy``, of a range of items, and their task run.

    `run` makes a task run of a name and a function, `shown` gets key and result of each call that ended.
    """

    def __init__(
        self,
        items: ItemRange,
        stage: str,
        run: Callable[[str, Callable[[], Awaitable[State[Any]]]], Awaitable[Any]],
        shown: Callable[[TaskGroup, str, Any], object],
    ) -> None:
        self.items, self.stage = items, stage
        self.name = f"{label(items.step, items.name)} {stage}"
        self._shown = shown
        self._rows: dict[str, GroupRow] = {}
        self._left = set(items.keys)
        self._over = asyncio.Event()
        self._id: asyncio.Future[UUID | None] = asyncio.get_running_loop().create_future()
        # The outcome, or the exception as a value: the page of a run cannot fail it.
        self.task = asyncio.gather(run(self.name, self._wait), return_exceptions=True)
        self.task.add_done_callback(lambda _: self._has_id(None))

    @property
    def task_run_id(self) -> UUID | None:
        return self._id.result() if self._id.done() else None

    @property
    def rows(self) -> dict[str, GroupRow]:
        """Of the items that were called, by key, in the order of the step."""
        return {key: self._rows[key] for key in self.items.keys if key in self._rows}

    @property
    def over(self) -> bool:
        """Its task run ends; a later call needs another group."""
        return self._over.is_set()

    async def begun(self) -> UUID | None:
        """Its task run once that has begun; None if it could not."""
        return await asyncio.shield(self._id)

    async def call(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        self._left.discard(key)
        row = self._rows[key] = GroupRow(label(self.items.step, key))
        found = None
        try:
            found = await work()
            row.status = "done"
            return found
        except RivyaError as error:
            row.status, row.words = "failed", str(error)
            raise
        except BaseException:
            row.status = "stopped"
            raise
        finally:
            self._shown(self, key, found)
            self.leave_out(key)

    def leave_out(self, key: str) -> None:
        """Waits no more for the call of an item, which has ended."""
        self._left.discard(key)
        if not self._left and all(row.status != "running" for row in self._rows.values()):
            self.end()

    def end(self) -> None:
        """Ends its task run: no item calls any more."""
        self._over.set()

    def _has_id(self, task_run_id: UUID | None) -> None:
        if not self._id.done():
            self._id.set_result(task_run_id)

    async def _wait(self) -> State[Any]:
        """Lasts as long as the group; its last state: failed if one item failed, cancelled if one was stopped."""
        self._has_id(UUID(task_run.id) if task_run.id else None)
        await self._over.wait()
        rows = self.rows.values()
        counts = Counter(row.status for row in rows)
        failed = [f"{row.item}: {row.words}" for row in rows if row.status == "failed"]
        named = failed[:_MOST_NAMED]
        if len(failed) > _MOST_NAMED:
            named.append(f"and {len(failed) - _MOST_NAMED} more")
        if stopped := counts["stopped"] + counts["running"]:
            words = f"{stopped} of {len(rows)} stopped; bought jobs continue"
            return Cancelled(message="; ".join([words, *named]))
        if failed:
            return Failed(message="; ".join([f"{len(failed)} of {len(rows)} failed", *named]))
        return Completed(message="1 item" if len(rows) == 1 else f"{len(rows)} items")
