"""The page of a run in Prefect: draws its artifacts and writes them in the background.

A run never waits for its page, and what cannot be written does not fail it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
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
from rivya_flows.environment import variables
from rivya_flows.estimate.estimate import estimate, rehearse
from rivya_flows.flows.current_run import Logger, can_be_suspended
from rivya_flows.flows.prefect_api import read_all
from rivya_flows.flows.prefect_internals import executed_before
from rivya_flows.media.bounds import SMALL_SIDE
from rivya_flows.plans.names import label
from rivya_flows.preparation.prepare import verdict
from rivya_flows.processes.local_api import BOARD, server_auth
from rivya_flows.queue.events import Event
from rivya_flows.queue.state import State
from rivya_flows.receipt.from_journal import media_of
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.run_page import (
    Artifact,
    GroupRow,
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
            return draw_plan(drawn.plan, priced, verdict(priced), self._board(state.run_id))

        self._put(self._key("plan"), draw, once=True)

    def show_progress(self, event: Event, state: State) -> None:
        """Shows the progress; a listener."""
        self._put(self._key("progress"), partial(draw_progress, state))

    def show_result(
        self, task_run_id: UUID | None, stage: str, step: str, key: str, result: Any
    ) -> None:
        """Shows the result of a task run on its node."""
        if task_run_id is None:
            return
        name, place = label(step, key), (step, key, "")
        if isinstance(result, Upload):  # an input of the item
            name, place = f"{name}, reference", (step, key, "reference")
        if isinstance(result, ChatCompletion) and (text := result.message.content):
            self._put(self._key(*place), partial(draw_text, name, text), task_run_id=task_run_id)
            return
        found = [*title_media(name, self._media_of(stage, result), result)]
        for number, (title, asset) in enumerate(found[: max(0, MOST_NODES - self._nodes)], 1):
            at = self._key(*place, str(number) if number > 1 else "")
            draw = partial(draw_medium, title, asset, self._links)
            self._put(at, draw, task_run_id=task_run_id)
        self._nodes += len(found)

    def fill_row(self, row: GroupRow, stage: str, result: Any) -> None:
        """Puts the result of a call into its row of a group."""
        row.media = self._media_of(stage, result)
        row.text = row.text or words_of(result)

    def show_group(
        self,
        task_run_id: UUID,
        stage: str,
        step: str,
        items: str,
        rows: Callable[[], Sequence[GroupRow]],
    ) -> None:
        """Shows a group of items, such as ``1-100 of 300``, on its task run."""
        name, key = f"{label(step, items)} {stage}", self._key(step, items.partition(" ")[0], stage)
        self._put(key, lambda: draw_group(name, rows(), self._links), task_run_id=task_run_id)

    def show_outputs(self, receipt: Receipt) -> None:
        """Shows the outputs and the ledger."""
        self._media.update(receipt.media)
        deployed = can_be_suspended()

        def draw() -> Artifact:
            sheet = report_of(self._context, receipt.run_id) or self._board(receipt.run_id)
            return draw_outputs(receipt, sheet, self._links, deployed=deployed)

        self._put(self._key("ledger"), partial(draw_ledger, receipt))
        self._put(self._key("outputs"), draw)

    def _board(self, run_id: str) -> str | None:
        """The address of the run's board on this Prefect server; None if it is another's."""
        url, auth = (
            variables().get("PREFECT_API_URL", ""),
            variables().get("PREFECT_API_AUTH_STRING"),
        )
        own = server_auth(self._context.settings.data / "prefect")
        return f"{url.removesuffix('/api')}{BOARD}/{run_id}/" if own and auth == own else None

    def _key(self, *names: str) -> str:
        return artifact_key(self._campaign, *names)

    def _media_of(self, stage: str, result: Any) -> list[Asset]:
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


At = tuple[str, UUID | None]
"""The key of an artifact, and the task run that it is on; None: the flow run."""


class ArtifactWriter:
    """Writes the artifacts of one flow run one by one, soon or not at all; stops when the server accepts none.

    Each is a request and not `PrefectClient.create_artifact`, which also sends an event with all of its data.
    """

    def __init__(self, flow_run_id: UUID, logger: Logger, *, again: bool) -> None:
        self._flow_run_id = flow_run_id
        self._logger = logger
        self._queued: dict[At, tuple[Draw, bool]] = {}
        self._ids: dict[At, UUID] = {}
        self._written: dict[At, int] = {}  # the hash of what the server has, if that is known
        self._late: Counter[At] = Counter()  # how often the server did not answer in time
        self._failures = 0  # in a row
        self._unsure = again  # which artifacts this flow run has
        self._changed, self._closing = asyncio.Event(), asyncio.Event()
        self._work = asyncio.create_task(self._write_all())

    @property
    def _gave_up(self) -> bool:
        return self._failures >= _GIVES_UP_AFTER

    def put(
        self, key: str, draw: Draw, *, task_run_id: UUID | None = None, once: bool = False
    ) -> None:
        """Queues an artifact of a task run (None: the flow run); with `once` it never replaces one."""
        if not self._gave_up:
            self._queued[key, task_run_id] = draw, once
            self._changed.set()

    async def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Writes what is queued, within a time limit; writes nothing afterwards."""
        self._closing.set()
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
        """Writes in rounds, `PACE_SECONDS` apart: of what changed several times in between, the last."""
        try:
            async with get_client() as client:
                while not self._gave_up and (self._queued or not self._closing.is_set()):
                    await self._changed.wait()
                    self._changed.clear()
                    for at in [*self._queued]:
                        if not self._gave_up:
                            await self._write(client, at)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(PACE_SECONDS):
                            await self._closing.wait()
        except Exception as error:  # the run does not need its page
            self._fail(error, _GIVES_UP_AFTER)
        self._queued.clear()

    async def _write(self, client: PrefectClient, at: At) -> None:
        draw, once = self._queued.pop(at)
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                if self._unsure:
                    await self._read_ids(client)
                if once and at in self._ids:
                    return
                artifact = await asyncio.to_thread(draw)
                if artifact is None or self._written.get(at) == hash(artifact):
                    return
                self._written.pop(at, None)
                if at in self._ids:
                    body = {"data": artifact.data, "description": artifact.description}
                    path = {"id": self._ids[at]}
                    await client.request("PATCH", "/artifacts/{id}", path_params=path, json=body)
                else:
                    self._ids[at] = await self._create(client, at, artifact)
                self._written[at] = hash(artifact)
        except TimeoutError:  # it may have arrived
            self._unsure = True
            self._late[at] += 1
            if self._late[at] < _MOST_TRIES:
                self._queued.setdefault(at, (draw, once))
                self._changed.set()
            else:
                self._warn("is missing an artifact", f"no answer within {WRITE_SECONDS:g} s")
        except Exception as error:  # Prefect or a drawing may raise anything
            self._fail(error, self._failures + 1)
        else:
            self._failures = self._late[at] = 0

    async def _read_ids(self, client: PrefectClient) -> None:
        """Reads which artifacts there are: of an earlier execution, or written without an answer."""
        here = FlowRunFilter(id=FlowRunFilterId(any_=[self._flow_run_id]))
        for one in await read_all(client.read_artifacts, flow_run_filter=here):
            if one.key:
                self._ids[one.key, one.task_run_id] = one.id
        self._unsure = False

    async def _create(self, client: PrefectClient, at: At, artifact: Artifact) -> UUID:
        key, task_run_id = at
        ids = {"flow_run_id": str(self._flow_run_id), "key": key}
        if task_run_id is not None:
            ids["task_run_id"] = str(task_run_id)
        answer = await client.request("POST", "/artifacts/", json={**vars(artifact), **ids})
        return UUID(answer.json()["id"])

    def _fail(self, error: Exception, failures: int) -> None:
        self._failures = failures
        effect = "is no longer updated" if self._gave_up else "is missing an artifact"
        self._warn(effect, (str(error).strip().splitlines() or [type(error).__name__])[0])

    def _warn(self, effect: str, reason: str) -> None:
        self._logger.warning("the page of this run %s: %s", effect, reason)
