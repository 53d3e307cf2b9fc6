"""Limits the concurrent jobs of one model in this process."""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter, defaultdict, deque

from rivya_flows.queue.actions import Buy, Collect


class ModelSlots:
    """Slots of models, in first-come order: `limit` concurrent jobs of one model, at least 1; None: no limit."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._taken: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[asyncio.Future[None]]] = defaultdict(deque)

    def taken(self, model: str) -> int:
        return self._taken[model]

    async def take(self, model: str) -> None:
        if self._limit is None or self._taken[model] < self._limit:
            self._taken[model] += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[model].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # It got the slot and was cancelled at the same moment.
            if turn.done() and not turn.cancelled():
                self.give_back(model)
            raise

    def count(self, model: str) -> None:
        """Take a slot for a job that runs already, even beyond the limit."""
        self._taken[model] += 1

    def give_back(self, model: str) -> None:
        self._taken[model] -= 1
        waiting = self._waiting[model]
        while waiting and (self._limit is None or self._taken[model] < self._limit):
            turn = waiting.popleft()
            if not turn.done():
                self._taken[model] += 1
                turn.set_result(None)


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
        if isinstance(action, Collect) or action.intended:
            self._slots.count(model)
        else:
            await self._slots.take(model)
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
