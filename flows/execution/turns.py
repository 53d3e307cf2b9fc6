"""What a run waits for, and what stops it: a slot of the limits of all workers, and SIGTERM.

A slot of Prefect's global concurrency limits is a lease on the server, renewed while the run executes. Prefect's own
`concurrency` asks again after up to 30 s, holds the slot of a killed run for 300 s, and keeps a cancelled process
until it has a slot.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.exceptions import ObjectNotFound, TerminationSignal
from prefect.runtime import flow_run

from rivya_flows.engine.run import on_signal
from rivya_flows.errors import RivyaError
from rivya_flows.flows.current_run import Logger
from rivya_flows.language.workflow import Concurrency

STOPPED = (asyncio.CancelledError, TerminationSignal)

GROUP_PREFIX = "rivya-flows:"  # of the Prefect limit for a spec's `concurrency.group`
LEASE_SECONDS = 60.0  # the shortest that the server allows; it frees a lost slot at most 15 s later
RENEW_SECONDS = 20.0
ASK_SECONDS = 3.0
_MOST_FAILURES = 5  # consecutive errors


class LimitError(RivyaError):
    """Prefect did not say whether the run may start; nothing was bought."""

    code = "limit"
    hint = "check the Prefect server, then retry the run"


@contextlib.asynccontextmanager
async def turn(
    concurrency: Concurrency | None, global_limit: str | None, logger: Logger
) -> AsyncIterator[None]:
    """A slot of the group of a spec and of the limit of all runs, for the block.

    A slot that is lost does not stop the run: it has bought something.
    """
    if concurrency is None and global_limit is None:
        yield
        return
    async with get_client() as client:
        names = await _find_limits(client, concurrency, global_limit, logger)
        if not names:
            yield
            return
        lease = await _take_slots(client, names, logger)
        renewing = asyncio.create_task(_renew(client, lease, logger))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            try:
                async with asyncio.timeout(5):
                    await client.release_concurrency_slots_with_lease(lease)
            except Exception as error:
                text = "the run's slot was not released; the server frees it within %g s: %s"
                logger.warning(text, LEASE_SECONDS + 15, error)


async def _find_limits(
    client: PrefectClient, concurrency: Concurrency | None, global_limit: str | None, logger: Logger
) -> list[str]:
    """Names of the existing limits; creates that of the group."""

    async def exists(name: str) -> bool:
        try:
            await client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            return False
        except Exception as error:
            raise LimitError(f"{name}: the limit could not be read: {error}") from error
        return True

    names = []
    if concurrency is not None:
        name = GROUP_PREFIX + concurrency.group
        try:
            await client.upsert_global_concurrency_limit_by_name(name, concurrency.limit)
        except Exception as error:
            # Prefect looks it up, then creates it: another run may have created it in between.
            if not await exists(name):
                raise LimitError(f"{name}: the limit could not be created: {error}") from error
        names.append(name)
    if global_limit is not None:
        if await exists(global_limit):
            names.append(global_limit)
        else:
            text = (
                "RIVYA_FLOWS_GLOBAL_LIMIT: this server has no limit %r, so it is ignored; "
                "create it with: prefect gcl create %s --limit 3"
            )
            logger.warning(text, global_limit, global_limit)
    return names


async def _take_slots(client: PrefectClient, names: list[str], logger: Logger) -> UUID:
    """The lease of one slot of each limit; all are taken together, so runs cannot deadlock."""
    holder = ConcurrencyLeaseHolder(type="flow_run", id=UUID(flow_run.id)) if flow_run.id else None
    limits = " and ".join(f"the limit {name!r}" for name in names)
    waits, failures = False, 0
    while True:
        try:
            answer = await client.increment_concurrency_slots_with_lease(
                names, 1, "concurrency", LEASE_SECONDS, holder
            )
            break
        except Exception as error:
            response = getattr(error, "response", None)
            if response is not None and response.status_code == HTTPStatus.LOCKED:
                if not waits:
                    text = "waiting for a slot: %s is full; nothing is bought until then"
                    logger.info(text, limits)
                waits, failures = True, 0
            elif (failures := failures + 1) == _MOST_FAILURES:
                raise LimitError(f"{limits}: no slot could be taken: {error}") from error
        await asyncio.sleep(ASK_SECONDS)
    if waits:
        logger.info("has its turn: %s", limits)
    return UUID(answer.json()["lease_id"])


async def _renew(client: PrefectClient, lease: UUID, logger: Logger) -> None:
    lost = False
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await client.renew_concurrency_lease(lease, LEASE_SECONDS)
            lost = False
        except Exception as error:
            text = "the run's slot was not renewed, and another run may take it: %s"
            logger.log(logging.DEBUG if lost else logging.WARNING, text, error)
            lost = True


# --- Signals ---


@contextlib.contextmanager
def cancel_on_termination() -> Iterator[None]:
    """Cancels this task on SIGTERM.

    Prefect's handler must stay: a worker checks for it before it cancels a run. But what it raises in a callback,
    or in a task that no other awaits, would be lost, so the event loop gets the signal too. Outside the main
    thread no handler raises: there a `StopRequest` stops a run.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), TerminationSignal):
            cancel()
        else:
            (before or type(loop).default_exception_handler)(loop, context)

    def cancel() -> None:
        # Once: a signal arrives here more than once, and a closing loop cancels all tasks.
        if task is not None and not task.cancelling():
            task.cancel()

    loop.set_exception_handler(handle)
    try:
        with on_signal(loop, signal.SIGTERM, cancel):
            yield
    finally:
        loop.set_exception_handler(before)
