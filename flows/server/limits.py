"""Limits concurrent runs over all workers, by Prefect's global concurrency limits.

A slot of a run is a lease on the server, renewed while the run executes. Prefect's own `concurrency` asks
again after up to 30 s, holds a killed run's slot for 300 s, and keeps a cancelled process until it has one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any
from uuid import UUID

import prefect.exceptions
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.runtime import flow_run

from rivya_flows.errors import RivyaError
from rivya_flows.language.workflow import Concurrency

Logger = logging.Logger | logging.LoggerAdapter[Any]

GROUP_PREFIX = "rivya-flows:"  # of the Prefect limit for a spec's `concurrency.group`
LEASE_SECONDS = 60.0  # the shortest that the server allows; it frees a lost slot at most 15 s later
RENEW_SECONDS = 20.0
ASK_SECONDS = 3.0
_FAILURES = 5  # consecutive errors


class LimitError(RivyaError):
    """Prefect did not say whether the run may start; nothing was bought."""

    code = "limit"
    hint = "check the Prefect server, then retry the run"


@contextlib.asynccontextmanager
async def turn(
    concurrency: Concurrency | None, global_limit: str | None, logger: Logger
) -> AsyncIterator[None]:
    """A slot of the group of a spec and of the limit of all runs, for the block."""
    if concurrency is None and global_limit is None:
        yield
        return
    async with get_client() as client:
        names = await _limits(client, concurrency, global_limit, logger)
        async with _slot(client, names, logger) if names else contextlib.nullcontext():
            yield


async def _limits(
    client: PrefectClient, concurrency: Concurrency | None, global_limit: str | None, logger: Logger
) -> list[str]:
    """Names of the existing limits; creates that of the group."""
    names = []
    if concurrency is not None:
        name = GROUP_PREFIX + concurrency.group
        try:
            await client.upsert_global_concurrency_limit_by_name(name, concurrency.limit)
        except Exception as error:
            # Prefect looks it up, then creates it: another run may have created it in between.
            if not await _exists(client, name):
                raise LimitError(f"{name}: the limit could not be created: {error}") from error
        names.append(name)
    if global_limit is not None:
        if await _exists(client, global_limit):
            names.append(global_limit)
        else:
            words = (
                "RIVYA_FLOWS_GLOBAL_LIMIT: this server has no limit %r, so it is ignored; "
                "create it with: prefect gcl create %s --limit 3"
            )
            logger.warning(words, global_limit, global_limit)
    return names


async def _exists(client: PrefectClient, name: str) -> bool:
    try:
        await client.read_global_concurrency_limit_by_name(name)
    except prefect.exceptions.ObjectNotFound:
        return False
    except Exception as error:
        raise LimitError(f"{name}: the limit could not be read: {error}") from error
    return True


@contextlib.asynccontextmanager
async def _slot(client: PrefectClient, names: list[str], logger: Logger) -> AsyncIterator[None]:
    """One slot of each limit; a slot that is lost does not stop a run, which has bought something."""
    lease = await _take(client, names, logger)

    async def renew() -> None:
        lost = False
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await client.renew_concurrency_lease(lease, LEASE_SECONDS)
                lost = False
            except Exception as error:
                words = "the run's slot was not renewed, and another run may take it: %s"
                logger.log(logging.DEBUG if lost else logging.WARNING, words, error)
                lost = True

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        try:
            async with asyncio.timeout(5):
                await client.release_concurrency_slots_with_lease(lease)
        except Exception as error:
            words = "the run's slot was not released; the server frees it within %g s: %s"
            logger.warning(words, LEASE_SECONDS + 15, error)


async def _take(client: PrefectClient, names: list[str], logger: Logger) -> UUID:
    """The lease of one slot of each limit; all are taken together, so runs cannot deadlock."""
    holder = ConcurrencyLeaseHolder(type="flow_run", id=UUID(flow_run.id)) if flow_run.id else None
    named = " and ".join(f"the limit {name!r}" for name in names)
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
                    words = "waiting for a slot: %s is full; nothing is bought until then"
                    logger.info(words, named)
                waits, failures = True, 0
            elif (failures := failures + 1) == _FAILURES:
                raise LimitError(f"{named}: no slot could be taken: {error}") from error
        await asyncio.sleep(ASK_SECONDS)
    if waits:
        logger.info("has its turn: %s", named)
    return UUID(answer.json()["lease_id"])
