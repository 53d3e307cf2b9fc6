"""Early news of jobs that have ended: only the pause between two polls of a job depends on it.

A lost, doubled, late or forged notification changes when a job is polled, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rivya_flows.store.received_events import NEWEST

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
                self._missed()
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

    def connected(self, yes: bool) -> None:
        """Records that the subscription was made, failed or was lost."""
        self.tried.set()
        lost = self._is_connected and not yes
        self._is_connected = yes
        if lost:
            self._wake_all()

    def _missed(self) -> None:
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
