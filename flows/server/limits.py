"""Limits concurrent runs over all workers, by Prefect's global concurrency limits.

A slot of a run is a lease on the server, renewed while the run executes. Prefect's own `concurrency` waits
longer: it asks again after up to 30 s, holds a killed run's slot for 300 s, and keeps a cancelled
process alive until it has its slot.
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

GROUP_PREFIX = "rivya-flows:"
"""Prefix of the Prefect limit for a spec's `concurrency.group`."""

LEASE_SECONDS = 60.0
"""The shortest that Prefect's server allows; it frees a lost slot at most 15 s later."""

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
            answer = await client.increment_concurrency_slots_with_lease(
                names, 1, "concurrency", LEASE_SECONDS, holder
            )
        except Exception as error:
            if _is_full(error):
                failures = 0
                if not waits:
                    logger.info(
                        "waiting for a slot: %s is full; nothing is bought until then",
                        _named(names),
                    )
                waits = True
            else:
                failures += 1
                if failures == _FAILURES:
                    words = f"{_named(names)}: no slot could be taken: {error}"
                    raise LimitError(words) from error
        else:
            if waits:
                logger.info("has its turn: %s", _named(names))
            return UUID(answer.json()["lease_id"])
        await asyncio.sleep(ASK_SECONDS)


def _is_full(error: Exception) -> bool:
    """Whether a limit has no free slot, as the server's answer says."""
    return (
        isinstance(error, prefect.exceptions.PrefectHTTPStatusError)
        and error.response.status_code == HTTPStatus.LOCKED
    )


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
