"""The run's page in Prefect: plan, progress, pictures on their nodes, ledger and outputs.

All of it is drawn from the state and the receipt. An artifact that cannot be written never fails a
run, nor holds it up: it is a picture, not the journal.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.runtime import flow_run

from rivya_flows.app.publishing import address_of, addresses_of, report_of
from rivya_flows.app.run_context import RunContext
from rivya_flows.assets import Asset, assets_in
from rivya_flows.client.wire.chat import ChatCompletion
from rivya_flows.errors import RivyaFlowsError
from rivya_flows.flows.prefect_internals import executed_before
from rivya_flows.flows.run_page.artifact import Artifact
from rivya_flows.flows.run_page.artifact_keys import artifact_key
from rivya_flows.flows.run_page.artifact_writer import HURRY_SECONDS, ArtifactWriter, Logger
from rivya_flows.flows.run_page.ending import draw_ledger, draw_outputs
from rivya_flows.flows.run_page.media import draw_asset, draw_text
from rivya_flows.flows.run_page.plan import draw_plan
from rivya_flows.flows.run_page.progress import standing
from rivya_flows.ledger.provenance import provenance, recorded
from rivya_flows.media.decoding import poster
from rivya_flows.planning.names import label
from rivya_flows.planning.pricing.estimate import estimate, rehearse
from rivya_flows.planning.queue.events import Event
from rivya_flows.planning.queue.state import State
from rivya_flows.tasks.files import Upload
from rivya_flows.tasks.generations import CollectedJob

MOST_REHEARSED = 1_000
"""Items of a plan that are looked up in the cache for the page: more would take it minutes."""

MOST_NODES = 500
"""Media shown on their nodes; a run of thousands has its contact sheet."""


class Page:
    """What a run shows of itself.

    Args:
        context: Where its media are.
        campaign: Name of the spec, the beginning of each artifact's key.
        board: Takes the artifacts; None shows nothing.
    """

    def __init__(self, context: RunContext, campaign: str, board: ArtifactWriter | None) -> None:
        self._context = context
        self._campaign = campaign
        self._board = board
        self._nodes = 0
        self._posters: dict[str, str | None] = {}
        self._media: dict[str, Asset] = {}
        self._address = addresses_of(context, self._media)

    def begins(self, state: State, balance: int | None = None) -> None:
        """Shows the plan with its prices, as it was before anything was bought."""
        self._media.update(recorded(provenance(state)))

        def draw() -> Artifact:
            small = sum(1 for _ in state.each()) <= MOST_REHEARSED
            seen = rehearse(state, datetime.now(UTC), self._context.look_up) if small else state
            return draw_plan(state.plan, estimate(seen, balance), state.run_id)

        self._put("plan", draw, once=True)

    def goes_on(self, event: Event, state: State) -> None:
        """Shows how far the run is; a listener."""

        def draw() -> Artifact:
            now_at = standing(state)
            return Artifact("progress", now_at.percent, now_at.words)

        self._put("progress", draw)

    def made(self, task_run_id: UUID | None, stage: str, step: str, key: str, result: Any) -> None:
        """Shows what a task run made on its node."""
        if self._board is None or task_run_id is None:
            return
        name = label(step, key)
        at = artifact_key(self._campaign, step, key)
        if stage == "upload":  # what an item is made from, not what it is
            name, at = f"{name}, reference", f"{at}-reference"
        elif stage == "pick" and isinstance(result, Mapping):
            name = f"{name}: {result.get('key')}"
        for number, asset in enumerate(assets_in(_shown(stage, result)), 1):
            if stage != "pick":  # a pick passes on what any expression may have written
                self._media.setdefault(asset.sha256, asset)
            self._nodes += 1
            if self._nodes > MOST_NODES:
                return
            self._board.put(
                at if number == 1 else f"{at}-{number}",
                lambda asset=asset: draw_asset(name, asset, self._address, self._poster),  # type: ignore[misc]  # bound now
                task_run_id=task_run_id,
            )
        if isinstance(result, ChatCompletion) and (words := result.message.content):
            self._board.put(at, lambda: draw_text(name, words), task_run_id=task_run_id)

    def ends(self, receipt: Mapping[str, Any]) -> None:
        """Shows what the run made and what it cost."""
        self._media.update(recorded(receipt.get("assets", ())))
        self._put("ledger", lambda: draw_ledger(receipt))
        self._put(
            "outputs",
            lambda: draw_outputs(
                receipt,
                report_of(self._context, receipt["run_id"]),
                self._address,
                self._poster,
            ),
        )

    def _put(self, name: str, draw: Any, *, once: bool = False) -> None:
        if self._board is not None:
            self._board.put(artifact_key(self._campaign, name), draw, once=once)

    def _poster(self, film: Asset) -> str | None:
        """Where a still of a film is; kept beside the media, since a browser has to fetch it."""
        digest = film.sha256
        if digest not in self._media or not self._context.settings.rivya_flows_public_url:
            return None
        if digest not in self._posters:
            self._posters[digest] = self._new_poster(digest)
        return self._posters[digest]

    def _new_poster(self, digest: str) -> str | None:
        file = self._context.scratch / f"poster-{uuid.uuid4().hex}.jpg"
        try:
            still = poster(self._context.assets.local_path(digest))
            if still is None:
                return None
            file.write_bytes(still)
            kept = self._context.assets.put(file)
            return address_of(
                self._context, Asset(kind="image", mime_type="image/jpeg", sha256=kept)
            )
        except (RivyaFlowsError, OSError):
            return None
        finally:
            file.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def open_page(context: RunContext, campaign: str, logger: Logger) -> AsyncIterator[Page]:
    """The page of the flow run that this is called in; what waits is written when it is left."""
    if flow_run.id is None:
        yield Page(context, campaign, None)
        return
    board = ArtifactWriter(UUID(flow_run.id), logger, again=executed_before())
    try:
        yield Page(context, campaign, board)
    except BaseException:
        await board.settle(HURRY_SECONDS)
        raise
    await board.settle()


def _shown(stage: str, result: Any) -> Any:
    """The part of a task's result whose media are shown."""
    if isinstance(result, CollectedJob):
        return result.assets
    if isinstance(result, Upload):
        return result.asset
    # The picked item has its other media too.
    return result.get("asset") if stage == "pick" else result
