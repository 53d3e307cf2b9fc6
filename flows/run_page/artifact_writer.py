"""Writes artifacts in the background, soon or not at all: a run never waits for its page.

One task writes them one by one, and stops when the server accepts none. One that a slow server did
not answer in time is written again, one that has not changed is not.

They are requests and not `PrefectClient.create_artifact`: that sends an event for each write beside
the one that the server makes of a new artifact, with all of its data.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from rivya_flows.flows.paging import read_all
from rivya_flows.flows.run_page.artifact import Artifact

Logger = logging.Logger | logging.LoggerAdapter[Any]

WRITE_SECONDS = 10.0
SETTLE_SECONDS = 30.0
HURRY_SECONDS = 5.0  # Prefect kills a cancelled process after 30 s
PACE_SECONDS = 2.0
_GIVES_UP_AFTER = 3  # failures in a row
_MOST_TRIES = 3  # of an artifact without an answer


Draw = Callable[[], Artifact | None]
"""Makes an artifact in a thread; None shows nothing."""

_Place = tuple[str, UUID | None]


@dataclass(frozen=True)
class _Queued:
    draw: Draw
    once: bool


class ArtifactWriter:
    """The artifacts of one flow run."""

    def __init__(self, flow_run_id: UUID, logger: Logger, *, again: bool) -> None:
        self._flow_run_id = flow_run_id
        self._logger = logger
        self._queue: dict[_Place, _Queued] = {}
        self._written: dict[_Place, UUID] = {}
        self._contents: dict[_Place, int] = {}  # hashes of what was written
        self._not_before: dict[_Place, float] = {}
        self._changed = asyncio.Event()
        self._closing = False
        self._refused = 0
        self._late: Counter[_Place] = Counter()
        self._unsure = again  # what this flow run has already
        self._writing = False
        self._work = asyncio.create_task(self._write_all())

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or being written."""
        return not (self._queue or self._writing)

    def put(
        self,
        key: str,
        draw: Draw,
        *,
        task_run_id: UUID | None = None,
        once: bool = False,
        changes: bool = False,
    ) -> None:
        """Queues an artifact of a task run (None: the flow run), in place of one of its key that is queued.

        With `changes` a newer one follows soon: a short run writes only its last one.
        """
        if self._refused < _GIVES_UP_AFTER:
            self._queue[key, task_run_id] = _Queued(draw, once)
            if changes:
                soon = asyncio.get_running_loop().time() + PACE_SECONDS
                self._not_before.setdefault((key, task_run_id), soon)
            self._changed.set()

    async def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Writes what is queued, within a time limit; writes nothing afterwards."""
        self._closing = True
        self._changed.set()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.shield(self._work)
        finally:
            if self._queue and self._refused < _GIVES_UP_AFTER:
                self._logger.warning(
                    "the page of this run is incomplete: the Prefect server was too slow for %d"
                    " of its artifacts",
                    len(self._queue),
                )
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _write_all(self) -> None:
        try:
            async with get_client() as client:
                while self._refused < _GIVES_UP_AFTER:
                    place = self._due()
                    if place is not None:
                        self._writing = True
                        await self._write(client, place, self._queue.pop(place))
                        self._writing = False
                    elif self._closing:
                        return
                    else:
                        await self._wait_for_change()
        except Exception as error:  # the run does not need its page
            self._refused = _GIVES_UP_AFTER
            self._warn(error)
        self._queue.clear()

    def _due(self) -> _Place | None:
        now = asyncio.get_running_loop().time()
        for place in self._queue:
            if self._closing or self._not_before.get(place, 0.0) <= now:
                return place
        return None

    async def _wait_for_change(self) -> None:
        now = asyncio.get_running_loop().time()
        pauses = [self._not_before.get(place, 0.0) - now for place in self._queue]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(min(pauses), 0.01) if pauses else None):
                await self._changed.wait()
        self._changed.clear()

    async def _read_written(self, client: PrefectClient) -> None:
        """Reads which artifacts there are: of an earlier execution, or written without an answer."""
        here = FlowRunFilter(id=FlowRunFilterId(any_=[self._flow_run_id]))
        for one in await read_all(client.read_artifacts, flow_run_filter=here):
            if one.key:
                self._written[one.key, one.task_run_id] = one.id
        self._unsure = False

    async def _write(self, client: PrefectClient, place: _Place, queued: _Queued) -> None:
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                if self._unsure:
                    await self._read_written(client)
                known = self._written.get(place)
                if known is not None and queued.once:
                    return
                artifact = await asyncio.to_thread(queued.draw)
                if artifact is None or self._contents.get(place) == hash(artifact):
                    return
                self._contents.pop(place, None)
                if known is None:
                    self._written[place] = await self._create(client, place, artifact)
                else:
                    body = {"data": artifact.data, "description": artifact.description}
                    await client.request(
                        "PATCH", "/artifacts/{id}", path_params={"id": known}, json=body
                    )
                self._contents[place] = hash(artifact)
        except TimeoutError:  # it may have arrived
            self._unsure = True
            self._late[place] += 1
            if self._late[place] < _MOST_TRIES:
                self._queue.setdefault(place, queued)
                self._not_before[place] = now() + WRITE_SECONDS
            else:
                self._logger.warning(
                    "the page of this run is missing an artifact: no answer within %g s",
                    WRITE_SECONDS,
                )
        except Exception as error:  # Prefect or a drawing may raise anything
            self._refused += 1
            self._warn(error)
        else:
            self._refused = 0
            self._late.pop(place, None)
            self._not_before[place] = now() + PACE_SECONDS

    async def _create(self, client: PrefectClient, place: _Place, artifact: Artifact) -> UUID:
        key, task_run_id = place
        body = {
            "key": key,
            "type": artifact.type,
            "data": artifact.data,
            "description": artifact.description,
            "flow_run_id": str(self._flow_run_id),
            "task_run_id": None if task_run_id is None else str(task_run_id),
        }
        answer = await client.request("POST", "/artifacts/", json=body)
        return UUID(answer.json()["id"])

    def _warn(self, error: Exception) -> None:
        gave_up = self._refused >= _GIVES_UP_AFTER
        effect = "is no longer updated" if gave_up else "is missing an artifact"
        reason = str(error).strip().splitlines() or [type(error).__name__]
        self._logger.warning("the page of this run %s: %s", effect, reason[0])
