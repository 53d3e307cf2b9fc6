"""Put the media of earlier runs back into the store, before something needs them."""

from __future__ import annotations

from pathlib import Path

from rivya_flows.assets import Asset, assets_in, output_assets
from rivya_flows.engine.files import put_all_back
from rivya_flows.errors import UsageError
from rivya_flows.plans.names import label
from rivya_flows.preparation.spec_file import spec_path
from rivya_flows.queue.events import RunResumed
from rivya_flows.queue.queue import step
from rivya_flows.queue.state import State
from rivya_flows.receipt.report import RunReporter, copies_of
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal, RunRow


def restore_media(
    assets: AssetStore,
    reporter: RunReporter,
    state: State,
    resumed: RunResumed,
    *,
    writes: bool = True,
) -> None:
    """Puts back into the store the media that the rest of a run needs, or only looks whether it could."""
    if resumed.unpaid == "completed":  # it only collects what was paid
        return
    frozen = reporter.frozen
    folder = reporter.row.folder
    copies = copies_of(reporter.receipt(), folder)
    beside = spec_path(frozen.spec_file, folder).parent
    named: list[tuple[str, Asset, Path | None]] = [
        (name, one, beside / name) for name, one in frozen.files.items()
    ]
    named += [
        (name, one, None) for name, given in frozen.inputs.items() for one in assets_in(given)
    ]
    rest = state.copy()
    step(rest, resumed)
    needed = {
        upstream
        for step_id, planned in rest.plan.steps.items()
        if not rest.steps[step_id].settled
        for upstream in planned.upstream
    }
    for step_id, item in rest.each():
        if step_id in needed:
            named += [
                (label(step_id, item.key), one, None) for one in output_assets(item.outputs or {})
            ]
    places = {one.sha256: (name, place) for name, one, place in named if one.sha256}
    found = {
        digest: [one for one in (place, copies.get(digest)) if one]
        for digest, (_, place) in places.items()
    }
    lost = dict.fromkeys(places[digest][0] for digest in put_all_back(assets, found, writes=writes))
    if lost:
        fork, ways = f"rivya-flows fork {frozen.run_id}", []
        if own := [name for name in lost if name in frozen.files]:
            ways.append(f"put {', '.join(own)} back, unchanged, in {beside.absolute()}")
        if given := [name for name in lost if name in frozen.inputs]:
            ways.append(f"give {', '.join(given)} again: {fork} -i {given[0]}=FILE")
        if len(lost) > len(own) + len(given):
            ways.append(f"put the folder of the run back: {folder}")
            ways.append(f"or see what they cost again: {fork} --plan")
        raise UsageError(
            f"media that the rest of the run needs are not in the store: {', '.join(lost)};"
            " nothing was bought",
            f"`store prune` deletes those of old runs: {'; '.join(ways)}; or set"
            " RIVYA_FLOWS_ASSETS to the store that has them",
        )


def restore_copies(assets: AssetStore, journal: Journal, row: RunRow, *, writes: bool) -> None:
    """Puts back into the store all media of a run that its folder has; what is gone stays away."""
    reporter = RunReporter(journal, assets, row)
    reporter.follow()
    copies = copies_of(reporter.receipt(), row.folder)
    put_all_back(assets, {digest: [place] for digest, place in copies.items()}, writes=writes)
