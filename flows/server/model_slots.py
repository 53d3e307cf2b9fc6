"""How many jobs of one model are under way at once in this process."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections import Counter, defaultdict, deque

from rivya_flows.planning.queue.actions import Buy, Collect


class ModelSlots:
    """Slots of models, given out in the order in which they were asked for.

    Args:
        limit: Jobs of one model at once, 1 or more; None is no limit.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._taken: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[asyncio.Future[None]]] = defaultdict(deque)

    def taken(self, model: str) -> int:
        """Jobs of a model that are under way."""
        return self._taken[model]

    async def take(self, model: str) -> None:
        """Returns when one more job of the model may be bought; its slot is taken then."""
        if self._limit is None or self._taken[model] < self._limit:
            self._taken[model] += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[model].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                self._waiting[model].remove(turn)
            # The slot was handed over and its new holder stopped at the same moment.
            if turn.done() and not turn.cancelled():
                self.give_back(model)
            raise

    def count(self, model: str) -> None:
        """Takes a slot for a job that is under way already, also beyond the limit."""
        self._taken[model] += 1

    def give_back(self, model: str) -> None:
        """One job of the model is over: the next in line has its slot."""
        self._taken[model] -= 1
        waiting = self._waiting[model]
        while waiting and (self._limit is None or self._taken[model] < self._limit):
            turn = waiting.popleft()
            if not turn.done():
                self._taken[model] += 1
                turn.set_result(None)


class HeldSlots:
    """The slots that the jobs of one run hold: from before the purchase until the job is home."""

    def __init__(self, slots: ModelSlots | None = None) -> None:
        self._slots = slots or ModelSlots()
        self._held: dict[tuple[str, str, int], str] = {}

    async def before_buying(self, action: Buy, model: str | None) -> None:
        """Waits for a slot; a purchase that may have been made already does not wait."""
        of = (action.step, action.key, action.n)
        if model is None or of in self._held:
            return
        if action.intended:
            self._slots.count(model)
        else:
            await self._slots.take(model)
        self._held[of] = model

    def under_way(self, action: Collect, model: str | None) -> None:
        """Counts a job that an earlier execution bought."""
        of = (action.step, action.key, action.n)
        if model is not None and of not in self._held:
            self._slots.count(model)
            self._held[of] = model

    def over(self, action: Buy | Collect) -> None:
        """Gives the slot of a job back; safe to call twice."""
        model = self._held.pop((action.step, action.key, action.n), None)
        if model is not None:
            self._slots.give_back(model)

    def all_over(self) -> None:
        """Gives back what the run still holds when its execution ends."""
        for model in self._held.values():
            self._slots.give_back(model)
        self._held.clear()


_SHARED: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, ModelSlots] = (
    weakref.WeakKeyDictionary()
)


def shared_slots(limit: int) -> ModelSlots:
    """The slots of all runs of this process, as its first run has set them up."""
    return _SHARED.setdefault(asyncio.get_running_loop(), ModelSlots(limit))
