"""The API of the Prefect server of this process: connect to it, read its rows, and change what differs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import FlowRun, StateType, TaskRun
from prefect.client.schemas.sorting import TaskRunSort
from prefect.exceptions import PrefectHTTPStatusError

from rivya_flows.errors import UsageError
from rivya_flows.flows.server.environment import HEALTH_SECONDS
from rivya_flows.store.shared_store_checks import mask_password

PAGE = 200  # rows that a server answers at most
UNFINISHED = (StateType.PENDING, StateType.RUNNING)  # of a task run that has begun
_WRONG_PASSWORD = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

T = TypeVar("T")
Existing = TypeVar("Existing")
Desired = TypeVar("Desired")


@asynccontextmanager
async def open_client(more_hint: str = "") -> AsyncIterator[PrefectClient]:
    """A client of the server; `UsageError` if that does not answer, or refuses a request in the block."""
    with refusals("prefect"):
        async with get_client() as client:
            try:
                async with asyncio.timeout(HEALTH_SECONDS):
                    if problem := await client.api_healthcheck():
                        raise problem
                # Its health needs no password, and any page may answer.
                await client.api_version()
            except Exception as error:
                url = mask_password(str(client.api_url).rstrip("/"))
                if (answer := getattr(error, "response", None)) is None:
                    message = f"no Prefect server answers at {url}"
                    hint = "start it, or set PREFECT_API_URL, which ends in /api, to one"
                else:
                    message = f"{url} answers with HTTP {answer.status_code}"
                    hint = _status_hint(answer.status_code)
                raise UsageError(message, hint + more_hint) from error
            yield client


@contextmanager
def refusals(what: str, hint: str | None = None) -> Iterator[None]:
    """Turns the refusal of a request into a `UsageError`; `hint` is for a request that is wrong itself."""
    try:
        yield
    except PrefectHTTPStatusError as error:
        status, detail = error.response.status_code, ""
        with suppress(ValueError, AttributeError):
            body = error.response.json()
            detail = body.get("detail") or body.get("exception_detail") or ""
        is_wrong = hint is not None and status < 500 and status not in _WRONG_PASSWORD
        raise UsageError(
            f"{what}: request refused: HTTP {status}" + (f": {detail!s:.500}" if detail else ""),
            hint if is_wrong else _status_hint(status),
        ) from error


def _status_hint(status: int) -> str:
    if status in _WRONG_PASSWORD:
        return (
            "set PREFECT_API_AUTH_STRING to the name:password of that server, or PREFECT_API_KEY, in the"
            " environment or in its Prefect profile"
        )
    return "check its address, which ends in /api, and see the log of that server"


async def read_all(read: Callable[..., Awaitable[list[T]]], **options: Any) -> list[T]:
    """All rows that a method of the client reads with these options, in the order of the server."""
    found: list[T] = []
    while True:
        page = await read(**options, limit=PAGE, offset=len(found))
        found += page
        if len(page) < PAGE:
            return found


def flow_runs_with(
    *,
    ids: Collection[UUID] | None = None,
    tags: Collection[str] | None = None,
    states: Collection[StateType] | None = None,
    deployment: UUID | None = None,
    ended_before: datetime | None = None,
) -> FlowRunFilter:
    """Flow runs with all of these properties."""
    wanted = {
        "id": None if ids is None else {"any_": list(ids)},
        "tags": None if tags is None else {"all_": list(tags)},
        "state": None if states is None else {"type": {"any_": list(states)}},
        "deployment_id": deployment and {"any_": [deployment]},
        "end_time": ended_before and {"before_": ended_before},
    }
    return FlowRunFilter.model_validate(wanted)


async def read_flow_runs(
    client: PrefectClient, wanted: FlowRunFilter, *, pool: str | None = None
) -> list[FlowRun]:
    """All of these flow runs; with `pool`, those of one work pool."""
    pools = pool and WorkPoolFilter.model_validate({"name": {"any_": [pool]}})
    return await read_all(client.read_flow_runs, flow_run_filter=wanted, work_pool_filter=pools)


async def read_task_runs(
    client: PrefectClient, of: FlowRunFilter, states: Collection[StateType] = ()
) -> list[TaskRun]:
    """All task runs of flow runs, or those in some states, in the order of their beginning."""
    wanted = states and TaskRunFilter.model_validate({"state": {"type": {"any_": list(states)}}})
    order = TaskRunSort.EXPECTED_START_TIME_ASC
    return await read_all(
        client.read_task_runs, flow_run_filter=of, task_run_filter=wanted or None, sort=order
    )


@dataclass(frozen=True)
class Resource(Generic[Desired, Existing]):
    """How one kind of thing is compared and changed on a server."""

    is_equal: Callable[[Existing, Desired], bool]
    is_active: Callable[[Existing], bool]
    create: Callable[[Desired], Awaitable[object]]
    update: Callable[[Existing, Desired], Awaitable[object]]
    switch_off: Callable[[Existing], Awaitable[object]]
    remove: Callable[[Existing], Awaitable[object]]


async def sync(
    desired: Mapping[str, Desired],
    existing: Mapping[str, Existing],
    kind: Resource[Desired, Existing],
    *,
    prune: bool = False,
    dry: bool = False,
) -> dict[str, str]:
    """Creates and updates things, and removes or switches off the others; what was done to each, by name.

    Sends only what differs: an update makes the server plan and wait again.
    """
    done: dict[str, str] = {}
    for name, new in desired.items():
        old = existing.get(name)
        if old is None:
            done[name] = "made"
            if not dry:
                await kind.create(new)
        elif kind.is_equal(old, new):
            done[name] = "unchanged"
        else:
            done[name] = "changed"
            if not dry:
                await kind.update(old, new)
    for name, old in existing.items():
        if name not in desired and (prune or kind.is_active(old)):
            done[name] = "removed" if prune else "switched off"
            if not dry:
                await (kind.remove(old) if prune else kind.switch_off(old))
    return done
