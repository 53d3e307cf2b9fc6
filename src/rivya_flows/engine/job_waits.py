"""What jobs wait for: a slot of their model, then their end, of which a webhook may give early news.

News that are lost, doubled, late or forged change when a job is polled, and nothing else.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rivya_flows.queue.actions import Buy, Collect
from rivya_flows.receiver.notification import NEWEST

MISSES = 3
"""After this many jobs in a row that ended without a notification, jobs are polled as usual."""

Tell = Callable[[str], object]


@dataclass
class JobWakes:
    """The waits of all runs of an event loop that share a subscription, and the newest events."""

    poll_seconds: float
    listeners: list[Tell] = field(default_factory=list)
    _waits: dict[str, list[asyncio.Event]] = field(default_factory=dict)
    _notified: OrderedDict[str, None] = field(default_factory=OrderedDict)
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    _is_connected: bool = False
    _misses: int = 0

    @contextmanager
    def waiting(self, task_id: str) -> Iterator[asyncio.Event]:
        """An event that is set once a webhook named the job, also if that was before."""
        wake = asyncio.Event()
        if task_id in self._notified:
            wake.set()
        self._waits.setdefault(task_id, []).append(wake)
        try:
            yield wake
            if task_id not in self._notified:
                self._count_miss()
        finally:
            self._waits[task_id].remove(wake)
            if not self._waits[task_id]:
                del self._waits[task_id]

    def slow(self) -> float | None:
        """Seconds between two polls of a job; None while webhooks cannot be relied on."""
        return self.poll_seconds if self._is_connected and self._misses < MISSES else None

    def hear(self, task_ids: Iterable[str]) -> None:
        """Wakes the waits for jobs that events name now."""
        self._misses = 0
        self.remember(task_ids)

    def remember(self, task_ids: Iterable[str]) -> None:
        """Wakes the waits for jobs that events named at any time."""
        for task_id in task_ids:
            self._notified[task_id] = None
            self._notified.move_to_end(task_id)
            for wake in self._waits.get(task_id, ()):
                wake.set()
        while len(self._notified) > NEWEST:
            self._notified.popitem(last=False)

    def set_connected(self, yes: bool) -> None:
        """Records that the subscription was made, failed or was lost."""
        self.tried.set()
        lost = self._is_connected and not yes
        self._is_connected = yes
        if lost:
            self._wake_all()

    def _count_miss(self) -> None:
        """Counts a job that ended without an event: the event is late, or none arrive."""
        if self.slow() is None:
            return
        self._misses += 1
        if self._misses == MISSES:
            self.tell("webhooks do not arrive; polling instead")
            self._wake_all()

    def tell(self, message: str) -> None:
        for listener in self.listeners:
            listener(message)

    def _wake_all(self) -> None:
        # Each polls once, then continues at the usual rate.
        for waits in self._waits.values():
            for wake in waits:
                wake.set()


class ModelSlots:
    """Slots of models, in first-come order: `limit` concurrent jobs of one model, at least 1; None: no limit."""

    def __init__(self, limit: int | None = None) -> None:
        most = sys.maxsize if limit is None else limit
        self._free = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(most))
        self._beyond: Counter[str] = Counter()

    async def take(self, model: str, *, runs: bool = False) -> None:
        """Waits for a slot; a job that `runs` already takes one at once, even beyond the limit."""
        if runs and self._free[model].locked():
            self._beyond[model] += 1
        else:
            await self._free[model].acquire()

    def give_back(self, model: str) -> None:
        if self._beyond[model]:
            self._beyond[model] -= 1
        else:
            self._free[model].release()


class HeldSlots:
    """The slots of one run's jobs, held from before the purchase until the results are downloaded."""

    def __init__(self, slots: ModelSlots | None = None) -> None:
        self._slots = slots or ModelSlots()
        self._held: dict[tuple[str, str, int], str] = {}

    async def take(self, action: Buy | Collect, model: str | None) -> None:
        """Wait for a slot; what an earlier execution bought, or may have bought, takes one at once."""
        job = action.step, action.key, action.n
        if model is None or job in self._held:
            return
        runs = isinstance(action, Collect) or action.intended
        await self._slots.take(model, runs=runs)
        self._held[job] = model

    def over(self, action: Buy | Collect) -> None:
        if (model := self._held.pop((action.step, action.key, action.n), None)) is not None:
            self._slots.give_back(model)

    def all_over(self) -> None:
        """Give back all slots when the execution of the run ends."""
        while self._held:
            self._slots.give_back(self._held.popitem()[1])


_SHARED: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, ModelSlots] = (
    weakref.WeakKeyDictionary()
)


def shared_slots(limit: int) -> ModelSlots:
    """The slots of all runs of this process; its first run sets the limit."""
    return _SHARED.setdefault(asyncio.get_running_loop(), ModelSlots(limit))
