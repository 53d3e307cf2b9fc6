"""The run's page in Prefect: plan, progress, media on their task runs, ledger and outputs.

Drawn from the state and the receipt. An artifact that cannot be written neither fails nor delays a
run.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.runtime import flow_run

from rivya_client.types import ChatCompletion
from rivya_cut.results import POSTER_SIDE
from rivya_flows.assets import Asset, assets_in, output_assets, rendered_as
from rivya_flows.engine.files import Upload
from rivya_flows.engine.jobs import CollectedJob
from rivya_flows.engine.publishing import addresses_of, report_of, stills_of
from rivya_flows.engine.run_context import RunContext
from rivya_flows.estimate.estimate import estimate, rehearse
from rivya_flows.flows.prefect_internals import executed_before
from rivya_flows.flows.run_ids import can_be_suspended
from rivya_flows.flows.run_page.artifact import (
    Artifact,
    artifact_key,
    draw_asset,
    draw_group,
    draw_text,
)
from rivya_flows.flows.run_page.artifact_writer import HURRY_SECONDS, ArtifactWriter, Draw, Logger
from rivya_flows.flows.run_page.drawing import draw_ledger, draw_outputs, draw_plan, draw_progress
from rivya_flows.flows.task_groups import TaskGroup
from rivya_flows.media.bounds import SMALL_SIDE
from rivya_flows.plans.names import label
from rivya_flows.queue.events import Event
from rivya_flows.queue.state import State
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.provenance import media_of

MOST_REHEARSED = 1_000
"""A plan with more items is shown without a look into the cache, which would take minutes."""

MOST_NODES = 500
"""Media shown on task runs; the contact sheet shows all of them."""


class Page:
    """The artifacts of a run; without a writer it shows nothing."""

    def __init__(self, context: RunContext, campaign: str, writer: ArtifactWriter | None) -> None:
        self._context = context
        self._campaign = campaign
        self._writer = writer
        self._nodes = 0
        self._media: dict[str, Asset] = {}
        self._address = addresses_of(context, self._media)
        sides = {"image": SMALL_SIDE, "video": POSTER_SIDE}
        self._poster = stills_of(context, self._media, sides)

    def show_plan(self, state: State, balance: int | None = None) -> None:
        """Shows the plan with its prices before anything is bought."""
        self._media.update(media_of(state))
        seen = state.copy()  # it is drawn later

        def draw() -> Artifact:
            drawn = seen.copy()  # a slow one is drawn a second time beside the first
            if sum(len(step.items) for step in drawn.steps.values()) <= MOST_REHEARSED:
                rehearse(drawn, datetime.now(UTC), self._context.look_up)
            return draw_plan(drawn.plan, estimate(drawn, balance))

        self._put("plan", draw, once=True)

    def show_progress(self, event: Event, state: State) -> None:
        """Shows the progress; a listener."""
        self._put("progress", lambda: draw_progress(state), changes=True)

    def show_result(
        self, task_run_id: UUID | None, stage: str, step: str, key: str, result: Any
    ) -> None:
        """Shows the result of a task run on its node."""
        if self._writer is None or task_run_id is None:
            return
        name = label(step, key)
        at = artifact_key(self._campaign, step, key)
        if stage == "upload":  # an input of the item
            name, at = f"{name}, reference", f"{at}-reference"
        formats = rendered_as(result) if isinstance(result, Mapping) else {}
        picked = result["items"] if stage == "pick" and isinstance(result, Mapping) else ()
        keys = [f": {one.get('key')}" for one in picked if one.get("asset")]
        for number, asset in enumerate(assets_in(_shown(stage, result)), 1):
            own = keys[number - 1] if number <= len(keys) else ""
            titled = " ".join([f"{name}{own}", *formats.get(asset.sha256, ())])
            if stage != "pick":  # an expression may have written what a pick passes on
                self._media.setdefault(asset.sha256, asset)
            self._nodes += 1
            if self._nodes > MOST_NODES:
                return
            self._writer.put(
                at if number == 1 else f"{at}-{number}",
                lambda asset=asset, titled=titled: draw_asset(  # type: ignore[misc]  # bound now
                    titled, asset, self._address, self._poster
                ),
                task_run_id=task_run_id,
            )
        if isinstance(result, ChatCompletion) and (words := _shown(stage, result)):
            self._writer.put(at, lambda: draw_text(name, words), task_run_id=task_run_id)

    def show_group(self, group: TaskGroup, key: str) -> None:
        """Shows the items of a group on its task run, once the call of one of them has ended."""
        if self._writer is None or group.task_run_id is None:
            return
        step, stage, items = group.items.step, group.stage, group.items.name
        if stage != "pick":
            for asset in assets_in(_shown(stage, group.rows[key].result)):
                self._media.setdefault(asset.sha256, asset)

        def draw() -> Artifact:
            shown = [
                (label(step, key), row.status, row.message or _shown(stage, row.result))
                for key, row in group.ordered.items()
            ]
            return draw_group(f"{label(step, items)} {stage}", shown, self._address)

        at = artifact_key(self._campaign, step, items.partition(" ")[0], stage)
        self._writer.put(at, draw, task_run_id=group.task_run_id)

    def show_outputs(self, receipt: Receipt) -> None:
        """Shows the outputs and the ledger."""
        self._media.update(receipt.media)
        deployed = can_be_suspended()
        self._put("ledger", lambda: draw_ledger(receipt))
        self._put(
            "outputs",
            lambda: draw_outputs(
                receipt,
                report_of(self._context, receipt.run_id),
                self._address,
                self._poster,
                deployed=deployed,
            ),
        )

    def _put(self, name: str, draw: Draw, *, once: bool = False, changes: bool = False) -> None:
        if self._writer is not None:
            key = artifact_key(self._campaign, name)
            self._writer.put(key, draw, once=once, changes=changes)


@contextlib.asynccontextmanager
async def open_page(context: RunContext, campaign: str, logger: Logger) -> AsyncIterator[Page]:
    """The page of the current flow run; writes what is queued on exit."""
    if flow_run.id is None:
        yield Page(context, campaign, None)
        return
    writer = ArtifactWriter(UUID(flow_run.id), logger, again=executed_before())
    try:
        yield Page(context, campaign, writer)
    except BaseException:
        await writer.settle(HURRY_SECONDS)
        raise
    await writer.settle()


def _shown(stage: str, result: Any) -> Any:
    """The part of a task's result whose media are shown."""
    if isinstance(result, CollectedJob):
        return result.assets
    if isinstance(result, Upload):
        return result.asset
    if isinstance(result, ChatCompletion):
        return result.message.content or ""
    if stage in ("compose", "layout") and isinstance(result, Mapping):
        return output_assets(result)
    # The picked items have their other media too.
    return result["assets"] if stage == "pick" and isinstance(result, Mapping) else result
