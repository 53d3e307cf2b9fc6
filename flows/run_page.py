"""The page of a run in Prefect: draws its artifacts and writes them in the background.

A run never waits for its page, and what cannot be written does not fail it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.runtime import flow_run

from rivya_client.types import ChatCompletion
from rivya_cut.results import POSTER_SIDE
from rivya_flows.assets import Asset
from rivya_flows.engine.files import Upload
from rivya_flows.engine.observers import media_of_result, title_media, words_of
from rivya_flows.engine.publishing import media_links, report_of
from rivya_flows.engine.run_context import RunContext
from rivya_flows.estimate.estimate import estimate, rehearse
from rivya_flows.flows.paging import read_all
from rivya_flows.flows.prefect_internals import executed_before
from rivya_flows.flows.run_ids import can_be_suspended
from rivya_flows.flows.task_groups import TaskGroup
from rivya_flows.media.bounds import SMALL_SIDE
from rivya_flows.plans.names import label
from rivya_flows.preparation.prepare import verdict
from rivya_flows.queue.events import Event
from rivya_flows.queue.state import State
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.provenance import media_of
from rivya_flows.receipt.run_page import (
    Artifact,
    artifact_key,
    draw_group,
    draw_ledger,
    draw_medium,
    draw_outputs,
    draw_plan,
    draw_progress,
    draw_text,
)
from rivya_flows.steps.registry import known_kind

Logger = logging.Logger | logging.LoggerAdapter[Any]

MOST_REHEARSED = 1_000
"""A plan with more items is shown without a look into the cache, which would take minutes."""

MOST_NODES = 500
"""Media shown on task runs; the contact sheet shows all of them."""

WRITE_SECONDS = 10.0
SETTLE_SECONDS = 30.0
HURRY_SECONDS = 5.0  # Prefect kills a cancelled process after 30 s
PACE_SECONDS = 2.0
_GIVES_UP_AFTER = 3  # failures in a row
_MOST_TRIES = 3  # of an artifact without an answer

Draw = Callable[[], Artifact | None]  # called in a thread; None shows nothing


class Page:
    """The artifacts of a run, which `put` queues as `ArtifactWriter.put` does."""

    def __init__(self, context: RunContext, campaign: str, put: Callable[..., None]) -> None:
        self._context = context
        self._campaign = campaign
        self._put = put
        self._nodes = 0
        self._media: dict[str, Asset] = {}
        sides = {"image": SMALL_SIDE, "video": POSTER_SIDE}
        self._links = media_links(context, self._media, sides)

    def show_plan(self, state: State) -> None:
        """Shows the plan with its prices before anything is bought."""
        self._media.update(media_of(state))
        seen = state.copy()  # it is drawn later

        def draw() -> Artifact:
            drawn = seen.copy()  # a slow one is drawn a second time beside the first
            if sum(len(step.items) for step in drawn.steps.values()) <= MOST_REHEARSED:
                rehearse(drawn, datetime.now(UTC), self._context.look_up)
            priced = estimate(drawn, None)
            return draw_plan(drawn.plan, priced, verdict(priced))

        self._put(self._key("plan"), draw, once=True)

    def show_progress(self, event: Event, state: State) -> None:
        """Shows the progress; a listener."""
        self._put(self._key("progress"), partial(draw_progress, state), changes=True)

    def show_result(
        self, task_run_id: UUID | None, stage: str, step: str, key: str, result: Any
    ) -> None:
        """Shows the result of a task run on its node."""
        if task_run_id is None:
            return
        name, place = label(step, key), (step, key, "")
        if isinstance(result, Upload):  # an input of the item
            name, place = f"{name}, reference", (step, key, "reference")
        if isinstance(result, ChatCompletion) and (words := result.message.content):
            self._put(self._key(*place), partial(draw_text, name, words), task_run_id=task_run_id)
            return
        found = [*title_media(name, self._recorded(stage, result), result)]
        for number, (title, asset) in enumerate(found[: max(0, MOST_NODES - self._nodes)], 1):
            at = self._key(*place, str(number) if number > 1 else "")
            draw = partial(draw_medium, title, asset, self._links)
            self._put(at, draw, task_run_id=task_run_id)
        self._nodes += len(found)

    def show_group(self, group: TaskGroup, key: str, result: Any) -> None:
        """Shows the items of a group on its task run, once the call of one of them has ended."""
        if group.task_run_id is None:
            return
        step, stage, row = group.items.step, group.stage, group.rows[key]
        row.media = self._recorded(stage, result)
        row.words = row.words or words_of(result)
        self._put(
            self._key(step, group.items.name.partition(" ")[0], stage),
            lambda: draw_group(group.name, [*group.rows.values()], self._links),
            task_run_id=group.task_run_id,
        )

    def show_outputs(self, receipt: Receipt) -> None:
        """Shows the outputs and the ledger."""
        self._media.update(receipt.media)
        deployed = can_be_suspended()

        def draw() -> Artifact:
            sheet = report_of(self._context, receipt.run_id)
            return draw_outputs(receipt, sheet, self._links, deployed=deployed)

        self._put(self._key("ledger"), partial(draw_ledger, receipt))
        self._put(self._key("outputs"), draw)

    def _key(self, *names: str) -> str:
        return artifact_key(self._campaign, *names)

    def _recorded(self, stage: str, result: Any) -> list[Asset]:
        """The media of a result, which may be shown from now on where its call made or fetched them."""
        media = media_of_result(stage, result)
        kind = known_kind(stage)
        if kind is None or not kind.passes_on:  # an expression may have written what is passed on
            for asset in media:
                self._media.setdefault(asset.sha256, asset)
        return media


@contextlib.asynccontextmanager
async def open_page(context: RunContext, campaign: str, logger: Logger) -> AsyncIterator[Page]:
    """The page of the current flow run; writes what is queued on exit."""
    writer = ArtifactWriter(UUID(flow_run.id), logger, again=executed_before())
    try:
        yield Page(context, campaign, writer.put)
    except BaseException:
        await writer.settle(HURRY_SECONDS)
        raise
    await writer.settle()


@dataclass
class _Place:
    """An artifact of a task run, or of the flow run: what is queued for it, and what the server has."""

    draw: Draw | None = None
    once: bool = False
    id: UUID | None = None
    written: int | None = None  # the hash of what the server has, if that is known
    not_before: float = 0.0
    late: int = 0  # how often the server did not answer in time

    def take(self) -> Draw:
        draw, self.draw = self.draw, None
        assert draw is not None  # it is queued
        return draw


class ArtifactWriter:
    """Writes the artifacts of one flow run one by one, soon or not at all; stops when the server accepts none.

    Each is a request and not `PrefectClient.create_artifact`, which also sends an event with all of its data.
    """

    def __init__(self, flow_run_id: UUID, logger: Logger, *, again: bool) -> None:
        self._flow_run_id = flow_run_id
        self._logger = logger
        self._places: defaultdict[tuple[str, UUID | None], _Place] = defaultdict(_Place)
        self._changed = asyncio.Event()
        self._closing = False
        self._failures = 0  # in a row
        self._unsure = again  # what this flow run has already
        self._work = asyncio.create_task(self._write_all())

    @property
    def _queued(self) -> list[tuple[str, UUID | None]]:
        return [at for at, place in self._places.items() if place.draw]

    @property
    def _gave_up(self) -> bool:
        return self._failures >= _GIVES_UP_AFTER

    def put(
        self,
        key: str,
        draw: Draw,
        *,
        task_run_id: UUID | None = None,
        once: bool = False,
        changes: bool = False,
    ) -> None:
        """Queues an artifact of a task run (None: the flow run); with `changes` a newer one follows soon."""
        if self._gave_up:
            return
        place = self._places[key, task_run_id]
        place.draw, place.once = draw, once
        if changes and not place.not_before:
            place.not_before = asyncio.get_running_loop().time() + PACE_SECONDS
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
            if (left := len(self._queued)) and not self._gave_up:
                self._warn("is incomplete", f"no answer in time for {left} of its artifacts")
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _write_all(self) -> None:
        try:
            async with get_client() as client:
                while not self._gave_up:
                    self._changed.clear()
                    now, queued = asyncio.get_running_loop().time(), self._queued
                    times = {at: self._places[at].not_before for at in queued}
                    due = next((at for at in queued if self._closing or times[at] <= now), None)
                    if due is not None:
                        await self._write(client, *due)
                    elif self._closing:
                        return
                    else:
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout_at(min(times.values(), default=None)):
                                await self._changed.wait()
        except Exception as error:  # the run does not need its page
            self._failed(error, _GIVES_UP_AFTER)
        self._places.clear()

    async def _write(self, client: PrefectClient, key: str, task_run_id: UUID | None) -> None:
        now, place = asyncio.get_running_loop().time, self._places[key, task_run_id]
        draw = place.take()
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                if self._unsure:
                    await self._read_written(client)
                if place.once and place.id is not None:
                    return
                artifact = await asyncio.to_thread(draw)
                if artifact is None or place.written == hash(artifact):
                    return
                place.written = None
                if place.id is None:
                    place.id = await self._create(client, key, task_run_id, artifact)
                else:
                    body = {"data": artifact.data, "description": artifact.description}
                    await client.request(
                        "PATCH", "/artifacts/{id}", path_params={"id": place.id}, json=body
                    )
                place.written = hash(artifact)
        except TimeoutError:  # it may have arrived
            self._unsure = True
            place.late += 1
            if place.late < _MOST_TRIES:
                place.draw = place.draw or draw
                place.not_before = now() + WRITE_SECONDS
            else:
                self._warn("is missing an artifact", f"no answer within {WRITE_SECONDS:g} s")
        except Exception as error:  # Prefect or a drawing may raise anything
            self._failed(error, self._failures + 1)
        else:
            self._failures = place.late = 0
            place.not_before = now() + PACE_SECONDS

    async def _read_written(self, client: PrefectClient) -> None:
        """Reads which artifacts there are: of an earlier execution, or written without an answer."""
        here = FlowRunFilter(id=FlowRunFilterId(any_=[self._flow_run_id]))
        for one in await read_all(client.read_artifacts, flow_run_filter=here):
            if one.key:
                self._places[one.key, one.task_run_id].id = one.id
        self._unsure = False

    async def _create(
        self, client: PrefectClient, key: str, task_run_id: UUID | None, artifact: Artifact
    ) -> UUID:
        ids = {"flow_run_id": str(self._flow_run_id), "key": key}
        if task_run_id is not None:
            ids["task_run_id"] = str(task_run_id)
        answer = await client.request("POST", "/artifacts/", json={**vars(artifact), **ids})
        return UUID(answer.json()["id"])

    def _failed(self, error: Exception, failures: int) -> None:
        self._failures = failures
        effect = "is no longer updated" if self._gave_up else "is missing an artifact"
        self._warn(effect, (str(error).strip().splitlines() or [type(error).__name__])[0])

    def _warn(self, effect: str, reason: str) -> None:
        self._logger.warning("the page of this run %s: %s", effect, reason)
