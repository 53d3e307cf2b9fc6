"""Writes artifacts beside the run: what is put here is written soon, or not at all.

A run never waits for its page. One background task writes one artifact after the other; where
the server takes none of them, it stops trying.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from rivya_flows.flows.run_page.artifact import Artifact

Logger = logging.Logger | logging.LoggerAdapter[Any]

WRITE_SECONDS = 10.0
SETTLE_SECONDS = 30.0
HURRY_SECONDS = 5.0  # Prefect kills a cancelled process after 30
PACE_SECONDS = 2.0
_GIVES_UP_AFTER = 3  # refused in a row
_PAGE = 200


Draw = Callable[[], Artifact | None]
"""Makes an artifact, in a thread of its own; None shows nothing."""

_Place = tuple[str, UUID | None]


@dataclass(frozen=True)
class _Wanted:
    draw: Draw
    once: bool


class ArtifactWriter:
    """The artifacts of one flow run.

    Args:
        flow_run_id: Whose they are.
        logger: Is told once when the page cannot be written.
        again: The flow run was executed before: what it shows already is replaced, not doubled.
    """

    def __init__(self, flow_run_id: UUID, logger: Logger, *, again: bool) -> None:
        self._flow_run_id = flow_run_id
        self._logger = logger
        self._again = again
        self._waiting: dict[_Place, _Wanted] = {}
        self._written: dict[_Place, UUID] = {}
        self._not_before: dict[_Place, float] = {}
        self._changed = asyncio.Event()
        self._closing = False
        self._refused = 0
        self._writing = False
        self._work = asyncio.create_task(self._write_all())

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be written."""
        return not (self._waiting or self._writing)

    def put(
        self, key: str, draw: Draw, *, task_run_id: UUID | None = None, once: bool = False
    ) -> None:
        """Wants an artifact shown; the newest wish for a place counts.

        Args:
            key: Of the artifact.
            draw: Makes it.
            task_run_id: The task run on whose node it hangs; None: the flow run.
            once: Leaves one alone that an earlier execution has written.
        """
        if self._refused < _GIVES_UP_AFTER:
            self._waiting[key, task_run_id] = _Wanted(draw, once)
            self._changed.set()

    async def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Lets what waits be written, within bounds; nothing is written afterwards."""
        self._closing = True
        self._changed.set()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.shield(self._work)
        finally:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _write_all(self) -> None:
        try:
            async with get_client() as client:
                if self._again:
                    await self._learn(client)
                while self._refused < _GIVES_UP_AFTER:
                    place = self._due()
                    if place is not None:
                        self._writing = True
                        await self._write(client, place, self._waiting.pop(place))
                        self._writing = False
                    elif self._closing:
                        return
                    else:
                        await self._change()
        except Exception as error:  # the page is a picture: the run goes on without it
            self._refused = _GIVES_UP_AFTER
            self._tell(error)
        self._waiting.clear()

    def _due(self) -> _Place | None:
        now = asyncio.get_running_loop().time()
        for place in self._waiting:
            if self._closing or self._not_before.get(place, 0.0) <= now:
                return place
        return None

    async def _change(self) -> None:
        now = asyncio.get_running_loop().time()
        pauses = [self._not_before.get(place, 0.0) - now for place in self._waiting]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(min(pauses), 0.01) if pauses else None):
                await self._changed.wait()
        self._changed.clear()

    async def _learn(self, client: PrefectClient) -> None:
        """What an earlier execution wrote for the flow run itself."""
        here = FlowRunFilter(id=FlowRunFilterId(any_=[self._flow_run_id]))
        seen = 0
        while True:
            found = await client.read_artifacts(flow_run_filter=here, limit=_PAGE, offset=seen)
            for one in found:
                if one.key and one.task_run_id is None:
                    self._written[one.key, None] = one.id
            seen += len(found)
            if len(found) < _PAGE:
                return

    async def _write(self, client: PrefectClient, place: _Place, wanted: _Wanted) -> None:
        known = self._written.get(place)
        if known is not None and wanted.once:
            return
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                artifact = await asyncio.to_thread(wanted.draw)
                if artifact is None:
                    return
                if known is None:
                    self._written[place] = await self._create(client, place, artifact)
                else:
                    await client.update_artifact(
                        known, ArtifactUpdate(data=artifact.data, description=artifact.description)
                    )
        except Exception as error:  # whatever Prefect or a drawing raises
            self._refused += 1
            self._tell(error)
        else:
            self._refused = 0
            self._not_before[place] = asyncio.get_running_loop().time() + PACE_SECONDS

    async def _create(self, client: PrefectClient, place: _Place, artifact: Artifact) -> UUID:
        key, task_run_id = place
        made = await client.create_artifact(
            ArtifactCreate(
                key=key,
                type=artifact.type,
                data=artifact.data,
                description=artifact.description,
                flow_run_id=self._flow_run_id,
                task_run_id=task_run_id,
            )
        )
        return made.id

    def _tell(self, error: Exception) -> None:
        lost = "is not kept up any more" if self._refused >= _GIVES_UP_AFTER else "lacks something"
        words = str(error).strip().splitlines() or [type(error).__name__]
        self._logger.warning("the page of this run %s: %s", lost, words[0])
