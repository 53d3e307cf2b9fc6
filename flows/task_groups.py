"""One task run for many items of a step: a page of a thousand task runs is neither fast nor readable.

A group lasts from its first call to the end of its last one. Its items are called directly, and its
page has a row for each of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.schemas.objects import State
from prefect.runtime import task_run
from prefect.states import Cancelled, Completed, Failed

from rivya_flows.errors import RivyaError
from rivya_flows.plans.names import label

MOST_SINGLE = 50
"""A step with more items has task runs for groups of them. Source: measured, docs/reference/run-page.md."""

GROUP = 100
"""Items of one group."""

STATUSES = ("done", "running", "failed", "stopped")
"""Of the call of an item."""

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


@dataclass
class Row:
    status: str = "running"
    result: Any = None
    message: str = ""


@dataclass
class TaskGroup:
    """The calls of one stage, such as ``buy``, of a range of items, and their task run; rows in order of the calls."""

    items: ItemRange
    stage: str
    shown: Callable[[TaskGroup, str], None]
    rows: dict[str, Row] = field(default_factory=dict)
    task: asyncio.Task[Any] | None = None

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._id: asyncio.Future[UUID | None] = loop.create_future()
        self._over = asyncio.Event()
        self._left = set(self.items.keys)

    @property
    def name(self) -> str:
        return f"{label(self.items.step, self.items.name)} {self.stage}"

    @property
    def task_run_id(self) -> UUID | None:
        """Its task run; None without one."""
        return self._id.result() if self._id.done() else None

    @property
    def ordered(self) -> dict[str, Row]:
        return {key: self.rows[key] for key in self.items.keys if key in self.rows}

    @property
    def over(self) -> bool:
        """Its task run ends; a later call needs another group."""
        return self._over.is_set()

    def begin(self, run: Callable[[Callable[[], Awaitable[State[Any]]]], Awaitable[Any]]) -> None:
        self.task = asyncio.create_task(_settled(run(self._wait)))
        self.task.add_done_callback(lambda _: self._has_id(None))

    async def begun(self) -> UUID | None:
        """Its task run once that has begun; None if it could not."""
        return await asyncio.shield(self._id)

    async def call(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        self._left.discard(key)
        row = self.rows[key] = Row()
        try:
            found = row.result = await work()
            row.status = "done"
            return found
        except RivyaError as error:
            row.status, row.message = "failed", str(error)
            raise
        except BaseException:
            row.status = "stopped"
            raise
        finally:
            self.shown(self, key)
            self._end_if_done()

    def leave_out(self, key: str) -> None:
        """Wait no more for the call of an item, which has ended without it."""
        self._left.discard(key)
        self._end_if_done()

    def end(self) -> None:
        """End its task run: no item calls any more."""
        self._over.set()

    def _end_if_done(self) -> None:
        if not self._left and all(row.status != "running" for row in self.rows.values()):
            self._over.set()

    def _has_id(self, task_run_id: UUID | None) -> None:
        if not self._id.done():
            self._id.set_result(task_run_id)

    async def _wait(self) -> State[Any]:
        self._has_id(UUID(task_run.id) if task_run.id else None)
        await self._over.wait()
        return end_state(self.ordered, self.items)


async def _settled(running: Awaitable[Any]) -> Any:
    """The outcome, or the exception as a value: the page of a run cannot fail it."""
    return (await asyncio.gather(running, return_exceptions=True))[0]


def end_state(rows: Mapping[str, Row], items: ItemRange) -> State[Any]:
    """The last state of a group: failed if one item failed, cancelled if one was stopped."""
    counts = Counter(row.status for row in rows.values())
    failed = [
        f"{label(items.step, key)}: {row.message}"
        for key, row in rows.items()
        if row.status == "failed"
    ]
    if stopped := counts["stopped"] + counts["running"]:
        words = f"{stopped} of {len(rows)} stopped; bought jobs continue"
        return Cancelled(message=_named(words, failed))
    if failed:
        return Failed(message=_named(f"{len(failed)} of {len(rows)} failed", failed))
    done = counts["done"]
    return Completed(message="1 item" if done == 1 else f"{done} items")


def _named(words: str, failed: Iterable[str]) -> str:
    named = list(failed)
    more = [f"and {len(named) - _MOST_NAMED} more"] if len(named) > _MOST_NAMED else []
    return "; ".join([words, *named[:_MOST_NAMED], *more])
