"""Limits concurrent runs over all workers, by Prefect's global concurrency limits, and the concurrent jobs
of one model in this process.

A slot of a run is a lease on the server, renewed while the run executes. Prefect's own `concurrency` waits
longer: it asks again after up to 30 s, holds a killed run's slot for 300 s, and keeps a cancelled
process alive until it has its slot.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import prefect.exceptions
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.runtime import flow_run

from rivya_flows.errors import RivyaFlowsError
from rivya_flows.flows.prefect_internals import take_slots
from rivya_flows.language.workflow import Concurrency
from rivya_flows.planning.queue.actions import Buy, Collect

Logger = logging.Logger | logging.LoggerAdapter[Any]

GROUP_PREFIX = "rivya-flows:"
"""Prefix of the Prefect limit for a spec's `concurrency.group`."""

LEASE_SECONDS = 60.0
"""The shortest that Prefect's server allows; it frees a lost slot at most 15 s later."""

RENEW_SECONDS = 20.0
ASK_SECONDS = 3.0
_FAILURES = 5  # consecutive errors


class LimitError(RivyaFlowsError):
    """Prefect did not say whether the run may start; nothing was bought."""

    code = "limit"
    hint = "check the Prefect server, then retry the run"


@contextlib.asynccontextmanager
async def turn(
    concurrency: Concurrency | None, global_limit: str | None, logger: Logger
) -> AsyncIterator[None]:
    if concurrency is None and global_limit is None:
        yield
        return
    async with get_client() as client:
        names = await _limits(client, concurrency, global_limit, logger)
        if not names:
            yield
            return
        lease = await _slot(client, names, logger)
        renewing = asyncio.create_task(_renew(client, lease, logger))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await _release(client, lease, logger)


async def _limits(
    client: PrefectClient, concurrency: Concurrency | None, global_limit: str | None, logger: Logger
) -> list[str]:
    """Names of the existing limits; creates that of the group."""
    names = []
    if concurrency is not None:
        name = GROUP_PREFIX + concurrency.group
        await _make(client, name, concurrency.limit)
        names.append(name)
    if global_limit is not None:
        if await _exists(client, global_limit):
            names.append(global_limit)
        else:
            logger.warning(
                "RIVYA_FLOWS_GLOBAL_LIMIT: this server has no limit %r, so it is ignored; "
                "create it with: prefect gcl create %s --limit 3",
                global_limit,
                global_limit,
            )
    return names


async def _make(client: PrefectClient, name: str, limit: int) -> None:
    try:
        await client.upsert_global_concurrency_limit_by_name(name, limit)
    except Exception as error:
        # Prefect looks it up, then creates it: another run may have created it in between.
        if not await _exists(client, name):
            raise LimitError(f"{name}: the limit could not be created: {error}") from error


async def _exists(client: PrefectClient, name: str) -> bool:
    try:
        await client.read_global_concurrency_limit_by_name(name)
    except prefect.exceptions.ObjectNotFound:
        return False
    except Exception as error:
        raise LimitError(f"{name}: the limit could not be read: {error}") from error
    return True


async def _slot(client: PrefectClient, names: list[str], logger: Logger) -> UUID:
    """The lease of one slot of each limit; all are taken together, so runs cannot deadlock."""
    holder = ConcurrencyLeaseHolder(type="flow_run", id=UUID(flow_run.id)) if flow_run.id else None
    waits = False
    failures = 0
    while True:
        try:
            lease = await take_slots(client, names, LEASE_SECONDS, holder)
        except Exception as error:
            failures += 1
            if failures == _FAILURES:
                raise LimitError(f"{_named(names)}: no slot could be taken: {error}") from error
        else:
            failures = 0
            if lease is not None:
                if waits:
                    logger.info("has its turn: %s", _named(names))
                return lease
            if not waits:
                waits = True
                logger.info(
                    "waiting for a slot: %s is full; nothing is bought until then", _named(names)
                )
        await asyncio.sleep(ASK_SECONDS)


async def _renew(client: PrefectClient, lease: UUID, logger: Logger) -> None:
    """Renew the lease; a lost slot does not stop a run that has bought something."""
    lost = False
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await client.renew_concurrency_lease(lease, LEASE_SECONDS)
        except Exception as error:
            if not lost:
                logger.warning(
                    "the run's slot was not renewed, and another run may take it: %s", error
                )
            lost = True
        else:
            lost = False


async def _release(client: PrefectClient, lease: UUID, logger: Logger) -> None:
    try:
        async with asyncio.timeout(5):
            await client.release_concurrency_slots_with_lease(lease)
    except Exception as error:
        logger.warning(
            "the run's slot was not released; the server frees it within %g s: %s",
            LEASE_SECONDS + 15,
            error,
        )


def _named(names: list[str]) -> str:
    return " and ".join(f"the limit {name!r}" for name in names)


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

    async def before_buying(self, action: Buy, model: str | None) -> None:
        """Wait for a slot; a purchase that may have been made already does not wait."""
        if action.intended:
            self.under_way(action, model)
        elif model is not None and _job(action) not in self._held:
            await self._slots.take(model)
            self._held[_job(action)] = model

    def under_way(self, action: Buy | Collect, model: str | None) -> None:
        """Count a job that an earlier execution bought."""
        if model is not None and _job(action) not in self._held:
            self._slots.count(model)
            self._held[_job(action)] = model

    def over(self, action: Buy | Collect) -> None:
        if (model := self._held.pop(_job(action), None)) is not None:
            self._slots.give_back(model)

    def all_over(self) -> None:
        """Give back all slots when the execution of the run ends."""
        while self._held:
            self._slots.give_back(self._held.popitem()[1])


def _job(action: Buy | Collect) -> tuple[str, str, int]:
    return action.step, action.key, action.n


_SHARED: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, ModelSlots] = (
    weakref.WeakKeyDictionary()
)


def shared_slots(limit: int) -> ModelSlots:
    """The slots of all runs of this process; its first run sets the limit."""
    return _SHARED.setdefault(asyncio.get_running_loop(), ModelSlots(limit))
